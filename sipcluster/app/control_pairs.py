"""
C{sipclusterctl switchover} and C{rolling-restart}: what is asked of pairs.
"""

from __future__ import annotations

import argparse
import shlex
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Any

from attrs import define, frozen

from sipcluster.app.control_cluster import Cluster, Refused, fetch, order
from sipcluster.app.settings import Pair

#: What a command returns: the answer for programs, and lines for people.
Told = tuple[object, Iterator[str]]

#: Seconds between two looks.
LOOK = 0.1


@frozen
class Seen:
    """
    What a member says of itself.

    @ivar synced: both members have everything.
    """

    name: str
    role: str
    epoch: int
    synced: bool
    state: str
    version: str
    pid: int
    calls: int


def _seen(name: str, url: str) -> Seen | None:
    """
    @return: L{None} while it does not answer.
    """
    try:
        told = fetch(f"{url}/status")
    except Refused:
        return None
    pair = told.get("pair") or {}
    return Seen(
        name,
        pair.get("role", ""),
        pair.get("epoch", 0),
        bool(pair.get("inSync")),
        told.get("state", ""),
        told.get("version", ""),
        told.get("pid", 0),
        told.get("calls", 0),
    )


@define
class Members:
    """
    The members of one pair, as they are asked.

    @ivar urls: their HTTP addresses, by name.
    @ivar patience: seconds that each step may take.
    """

    pair: str
    urls: dict[str, str]
    password: str
    patience: float
    sleep: Callable[[float], None]
    seconds: Callable[[], float]

    def look(self) -> dict[str, Seen]:
        """
        Those that answer.
        """
        found = {name: _seen(name, url) for name, url in self.urls.items()}
        return {name: one for name, one in found.items() if one is not None}

    def whole(self) -> tuple[Seen, Seen] | None:
        """
        The primary and the backup, when both are ready and have everything.
        """
        found = self.look().values()
        if len(found) != 2 or any(one.state != "ready" for one in found):
            return None
        primaries = [one for one in found if one.role == "primary"]
        backups = [one for one in found if one.role == "backup"]
        if len(primaries) != 1 or not all(one.synced for one in found):
            return None
        return primaries[0], backups[0]

    def until(self, what: str, so: Callable[[], Any]) -> Any:
        """
        Wait until something is so.

        @raise Refused: it does not come to be.
        """
        end = self.seconds() + self.patience
        while True:
            found = so()
            if found:
                return found
            if self.seconds() >= end:
                raise Refused(
                    f"{self.pair}: not so after {self.patience:g} s: {what}; "
                    f"{self.said()}"
                )
            self.sleep(LOOK)

    def said(self) -> str:
        """
        How both are, in a line.
        """
        found = self.look()
        return ", ".join(
            f"{name} is {one.role or 'no member of a pair'}, {one.state}, "
            f"{'in sync' if one.synced else 'not in sync'}"
            if (one := found.get(name))
            else f"{name} does not answer"
            for name in self.urls
        )

    def switchover(self) -> tuple[Seen, Seen]:
        """
        Give the role to the backup.

        @return: the new primary and the new backup.

        @raise Refused: it did not take place.
        """
        whole = self.whole()
        if whole is None:
            raise Refused(f"{self.pair} cannot switch over: {self.said()}")
        primary, backup = whole
        order(self.urls[primary.name], "/control/switchover", self.password)

        def changed() -> tuple[Seen, Seen] | None:
            now = self.whole()
            return now if now is not None and now[0].name == backup.name else None

        found = self.until(f"{backup.name} is primary and both are in sync", changed)
        assert isinstance(found, tuple)
        return found

    def restart(self, member: Seen, command: str) -> Seen:
        """
        Restart the backup, and wait until it has everything again.

        @param command: does it, C{{name}} is the member's; C{""}: the member ends
            itself, and whatever started it starts it again.
        """
        if command:
            words = [
                word.replace("{name}", member.name) for word in shlex.split(command)
            ]
            try:
                done = subprocess.run(
                    words,
                    check=False,
                    capture_output=True,
                    text=True,
                    timeout=self.patience,
                )
            except (OSError, subprocess.TimeoutExpired) as e:
                raise Refused(f"{shlex.join(words)}: {e}") from None
            if done.returncode:
                why = (done.stderr or done.stdout).strip().splitlines()
                raise Refused(
                    f"{shlex.join(words)}: status {done.returncode}"
                    + (f": {why[-1]}" if why else "")
                )
        else:
            order(self.urls[member.name], "/control/restart", self.password)

        def back() -> Seen | None:
            whole = self.whole()
            if whole is None or whole[1].name != member.name:
                return None
            return whole[1] if whole[1].pid != member.pid else None

        found = self.until(f"{member.name} is back as backup, and in sync", back)
        assert isinstance(found, Seen)
        return found


def _members(cluster: Cluster, arguments: argparse.Namespace) -> list[Members]:
    """
    The pairs that the command line names.
    """
    configuration = cluster.configuration()
    urls = cluster.urls()
    wanted = arguments.pair
    found = [
        Members(
            pair.name,
            {name: urls[name] for name in pair.members if name in urls},
            configuration.switch.controlPassword,
            arguments.patience,
            time.sleep,
            time.monotonic,
        )
        for pair in configuration.applications
        if isinstance(pair, Pair)
        and (not wanted or wanted in (pair.name, *pair.members))
    ]
    if not found:
        raise Refused(
            f"{configuration.source}: no pair {wanted!r}" if wanted else "no pairs"
        )
    for one in found:
        if len(one.urls) != 2:
            raise Refused(f"{one.pair}: a member has no HTTP port")
    return found


def switchover(cluster: Cluster, arguments: argparse.Namespace) -> Told:
    """
    Let the other member of a pair serve.
    """
    (pair, *_) = _members(cluster, arguments)
    primary, backup = pair.switchover()
    answer = {"pair": pair.pair, "primary": primary.name, "epoch": primary.epoch}
    line = (
        f"{pair.pair}: {primary.name} is primary, epoch {primary.epoch}; "
        f"{backup.name} is backup, in sync; {primary.calls} calls"
    )
    return answer, iter([line])


def rollingRestart(cluster: Cluster, arguments: argparse.Namespace) -> Told:
    """
    Restart all members, one after the other, while the others serve (M25).
    """
    pairs = _members(cluster, arguments)
    steps: list[str] = []

    def lines() -> Iterator[str]:
        def said(line: str) -> str:
            steps.append(line)
            return line

        # Nothing is begun where something is amiss.
        for pair in pairs:
            if pair.whole() is None:
                raise Refused(f"{pair.pair} is not whole: {pair.said()}")
        for pair in pairs:
            whole = pair.whole()
            if whole is None:
                raise Refused(f"{pair.pair} is not whole any more: {pair.said()}")
            _, backup = whole
            again = pair.restart(backup, arguments.command_line)
            yield said(
                f"{pair.pair}: {again.name} is back, version {again.version}, in sync"
            )
            now, before = pair.switchover()
            yield said(
                f"{pair.pair}: {now.name} is primary, epoch {now.epoch}, "
                f"{now.calls} calls"
            )
            again = pair.restart(before, arguments.command_line)
            yield said(
                f"{pair.pair}: {again.name} is back, version {again.version}, in sync"
            )

    if arguments.json:
        list(lines())
        return {"steps": steps}, iter(())
    return {"steps": steps}, lines()


COMMANDS = {
    "switchover": (switchover, "let the other member of a pair serve"),
    "rolling-restart": (
        rollingRestart,
        "restart all members of pairs, one after the other, while the others serve",
    ),
}


def addParsers(commands: Any, parents: list[argparse.ArgumentParser]) -> None:
    """
    Add the commands to a command line.
    """
    for name, (_, words) in COMMANDS.items():
        command = commands.add_parser(name, help=words, parents=parents)
        one = name == "switchover"
        command.add_argument(
            "pair",
            nargs=None if one else "?",
            default="",
            help="the pair, or one of its members"
            + ("" if one else "; all when left out"),
        )
        command.add_argument(
            "--patience",
            type=float,
            default=10.0 if one else 60.0,
            help="seconds that each step may take (default: %(default)g)",
        )
        if not one:
            command.add_argument(
                "--command",
                dest="command_line",
                default="",
                help="how a member is restarted, {name} stands for it, as in "
                "'systemctl restart sipcluster@{name}'; default: it ends, and what "
                "started it starts it again",
            )
