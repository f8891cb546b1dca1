"""
C{sipclusterctl}: what the processes of a cluster tell about themselves.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from sipcluster import __version__
from sipcluster.app import ladder
from sipcluster.app.settings import (
    BadConfiguration,
    Configuration,
    Node,
    Proxy,
    readConfiguration,
)

#: Seconds that a process may take to answer.
TIMEOUT = 3.0


#: Columns of the status: transactions wait for something; lingering ones take
#: retransmissions of what is over (RFC 3261 timers D, I, J, K).
COUNTS = ("calls", "dialogs", "transactions", "lingering", "timers", "registrations")


class Refused(Exception):
    """
    A command cannot do what it was asked for; the text says why.
    """


def fetch(url: str) -> Any:
    """
    What a process answers.

    @raise Refused: it does not, or not with JSON.
    """
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as e:
        raise Refused(f"{url}: {e.code} {e.reason}") from None
    except (OSError, ValueError) as e:
        reason = getattr(e, "reason", None) or e
        raise Refused(f"{url}: {getattr(reason, 'strerror', None) or reason}") from None


class Cluster:
    """
    Where the processes of a cluster answer.
    """

    def __init__(self, arguments: argparse.Namespace) -> None:
        self._arguments = arguments

    def configuration(self) -> Configuration:
        """
        The configuration that the command line names.

        @raise Refused: there is none, or it is broken.
        """
        given = self._arguments
        path = Path(given.config or Path(given.dir or "lab") / "cluster.toml")
        if not path.exists():
            raise Refused(f"there is no {path}: say --config FILE, --dir DIR or --url")
        try:
            return readConfiguration(path, "")
        except BadConfiguration as e:
            raise Refused(str(e)) from None

    def ask(
        self, path: str, kinds: tuple[type, ...] = (object,)
    ) -> list[tuple[str, Any]]:
        """
        Ask all processes of some kinds, or the one that the command line names.

        @return: names and answers; a L{Refused} for an answer that did not come.
        """
        urls = self._urls(kinds)

        def one(url: str) -> Any:
            try:
                return fetch(f"{url}{path}")
            except Refused as e:
                return e

        with ThreadPoolExecutor(len(urls)) as pool:
            return list(zip(urls, pool.map(one, urls.values()), strict=True))

    def _urls(self, kinds: tuple[type, ...]) -> dict[str, str]:
        given = self._arguments
        if given.url:
            return {given.app or given.url: given.url.rstrip("/")}
        configuration = self.configuration()
        urls = {}
        for one in configuration.applications:
            if given.app and one.name != given.app:
                continue
            if one.httpPort and one.httpHost and isinstance(one, kinds):
                host = f"[{one.httpHost}]" if ":" in one.httpHost else one.httpHost
                urls[one.name] = f"http://{host}:{one.httpPort}"
        if not urls:
            who = f"the application {given.app!r}" if given.app else "an application"
            raise Refused(f"{configuration.source}: no {who[4:]} that answers this")
        return urls


def table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    """
    Lines of a table whose columns are as wide as they must be.
    """
    cells = [list(heads), *([str(cell) for cell in row] for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(heads))]
    for row in cells:
        line = "  ".join(
            cell.ljust(width) for cell, width in zip(row, widths, strict=True)
        )
        yield line.rstrip()


def _count(status: Mapping[str, Any], name: str) -> object:
    """
    One number of the status, wherever it stands.
    """
    layer = status.get("transactionLayer", {})
    if name == "transactions" and "waiting" in layer:
        return layer["waiting"]
    return status.get(name, layer.get(name, "-"))


def _service(status: Mapping[str, Any]) -> tuple[str, str]:
    """
    Which other members a process finds in service, and which it does not.
    """
    members = {**status.get("nodes", {}), **status.get("proxies", {})}
    if not members:
        return "-", "-"
    there = [name for name, state in members.items() if str(state) == "in service"]
    away = [name for name in members if name not in there]
    shown = " ".join([f"{len(there)}/{len(members)}", ",".join(there)]).rstrip()
    return shown, ",".join(away) or "-"


def _time(seconds: float) -> str:
    whole = int(seconds)
    days, whole = divmod(whole, 86400)
    clock = f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"
    return f"{days}d {clock}" if days else clock


def status(cluster: Cluster) -> tuple[object, Iterator[str]]:
    """
    How all processes are.
    """
    answers = cluster.ask("/status")
    rows = []
    for name, answer in answers:
        if isinstance(answer, Refused):
            rows.append((name, "-", "no answer", *"-" * (len(COUNTS) + 3), str(answer)))
            continue
        rows.append(
            (
                name,
                answer["role"],
                answer["state"],
                _time(answer["uptime"]),
                *(_count(answer, name) for name in COUNTS),
                *_service(answer),
                answer.get("degraded") or "-",
            )
        )
    heads = (
        *("NAME", "ROLE", "STATE", "UPTIME"),
        *(name.upper() for name in COUNTS),
        *("IN SERVICE", "OUT OF SERVICE", "DEGRADED"),
    )
    return _plain(answers), table(heads, rows)


def _plain(answers: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    return {
        name: {"error": str(answer)} if isinstance(answer, Refused) else answer
        for name, answer in answers
    }


def _silent(answers: Iterable[tuple[str, Any]]) -> Iterator[str]:
    """
    Who did not answer.
    """
    for name, answer in answers:
        if isinstance(answer, Refused):
            yield f"{name}: no answer: {answer}"


def _listed(
    cluster: Cluster, path: str, kind: type, first: Sequence[str]
) -> tuple[object, Iterator[str]]:
    """
    What processes of one kind have lists of; a row that several have stands in the
    table once.

    @param first: the columns to begin with.
    """
    answers = cluster.ask(path, (kind,))
    rows: dict[str, dict[str, Any]] = {}
    for name, answer in answers:
        for row in () if isinstance(answer, Refused) else answer:
            # Each process rounds the time that is left by itself.
            same = json.dumps({**row, "expires": 0}, sort_keys=True)
            rows.setdefault(same, {"at": [], **row})["at"].append(name)
    others = {key for row in rows.values() for key in row} - set(first) - {"at"}
    columns = ["at", *first, *sorted(others)]

    def lines() -> Iterator[str]:
        yield from table(
            [column.upper() for column in columns],
            ([_cell(row.get(column)) for column in columns] for row in rows.values()),
        )
        yield from _silent(answers)

    return _plain(answers), lines()


def _cell(value: object) -> str:
    """
    A value as a person reads it.
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ",".join(_cell(one) for one in value) or "-"
    if isinstance(value, dict):
        return " ".join(_cell(one) for one in value.values())
    return "-" if value in (None, "") else str(value)


def registrations(cluster: Cluster) -> tuple[object, Iterator[str]]:
    """
    The bindings that SIP Proxies know.
    """
    first = ("aor", "contact", "transport", "expires", "proxy")
    return _listed(cluster, "/registrations", Proxy, first)


def calls(cluster: Cluster) -> tuple[object, Iterator[str]]:
    """
    The calls of the nodes: one row for each, with its parties; whole legs are in
    JSON.
    """
    answers = cluster.ask("/calls", (Node,))

    def rows() -> Iterator[Sequence[str]]:
        for name, answer in answers:
            for call in () if isinstance(answer, Refused) else answer:
                parties = call.get("parties", ())
                legs = [leg["callID"] for leg in call.get("legs", ())]
                yield (
                    name,
                    *(_cell(call.get(key)) for key in ("connID", "ani", "dnis")),
                    _clock(call.get("created")),
                    ", ".join(f"{one['dn']} {one['state']}" for one in parties) or "-",
                    _cell(legs),
                )

    def lines() -> Iterator[str]:
        heads = ("AT", "CONNID", "ANI", "DNIS", "SINCE", "PARTIES", "CALL-IDS")
        yield from table(heads, rows())
        yield from _silent(answers)

    return _plain(answers), lines()


def _clock(seconds: object) -> str:
    """
    A time as the logs write it, without its fraction.
    """
    if not isinstance(seconds, int | float):
        return "-"
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def trace(
    cluster: Cluster, arguments: argparse.Namespace
) -> tuple[object, Iterator[str]]:
    """
    The ladder of a call.
    """
    folders = [Path(folder) for folder in arguments.log_dir]
    if not folders:
        directory = cluster.configuration().log.directory
        if directory is None:
            raise Refused("the configuration says [log] directory nowhere")
        folders = [directory]
    files = ladder.logFiles(folders)
    if not files:
        raise Refused(f"no records (*.jsonl) in {', '.join(map(str, folders))}")
    ids = ladder.related(files, arguments.call)
    if not ids:
        raise Refused(f"no call has the Call-ID, CallUUID or ConnID {arguments.call}")
    found = ladder.records(files, ids)
    drawn = ladder.messages(found)

    def lines() -> Iterator[str]:
        yield from ladder.named(ids, found)
        yield from ladder.draw(drawn, arguments.verbose)

    return found, lines()


def parser() -> argparse.ArgumentParser:
    """
    The command line.
    """
    top = argparse.ArgumentParser(
        prog="sipclusterctl", description="Ask the processes of a SIP cluster."
    )
    top.add_argument("--version", action="version", version=__version__)
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--config", "-c", help="configuration file of the cluster")
    common.add_argument("--dir", "-d", help="folder of a lab (default: lab)")
    common.add_argument("--json", action="store_true", help="print JSON")
    one = argparse.ArgumentParser(add_help=False)
    one.add_argument("--app", "-a", help="only this application")
    one.add_argument("--url", help="HTTP address of one process")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, words in (
        ("status", "state, counts and who is in service"),
        ("registrations", "bindings that the SIP Proxies know"),
        ("calls", "calls of the nodes"),
    ):
        commands.add_parser(name, help=words, parents=[common, one])
    command = commands.add_parser(
        "trace", help="the ladder of a call, from the logs", parents=[common]
    )
    command.add_argument("call", help="Call-ID, CallUUID or ConnID")
    command.add_argument(
        "--log-dir",
        action="append",
        default=[],
        help="folder with logs; may be given several times (default: configured)",
    )
    command.add_argument(
        "--verbose", "-v", action="store_true", help="whole messages, not only arrows"
    )
    return top


def main(
    argv: Sequence[str] | None = None, write: Callable[[str], object] | None = None
) -> int:
    """
    Do one command.

    @return: the exit status; 1 when something did not answer, or is not there.
    """
    write = write or sys.stdout.write
    arguments = parser().parse_args(argv)
    cluster = Cluster(arguments)
    try:
        if arguments.command == "trace":
            answer, lines = trace(cluster, arguments)
        else:
            command = {"status": status, "registrations": registrations, "calls": calls}
            answer, lines = command[arguments.command](cluster)
    except Refused as e:
        sys.stderr.write(f"sipclusterctl: {e}\n")
        return 1
    try:
        if arguments.json:
            write(json.dumps(answer, indent=2) + "\n")
        else:
            for line in lines:
                write(f"{line}\n")
        sys.stdout.flush()
    except BrokenPipeError:
        sys.stderr.close()  # somebody has seen enough
        return 1
    failed = isinstance(answer, dict) and any(
        isinstance(one, dict) and "error" in one for one in answer.values()
    )
    return 1 if failed else 0
