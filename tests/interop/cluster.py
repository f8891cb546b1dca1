"""
A whole cluster as processes of its own, which a test may kill one by one.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from attrs import define, field
from twisted.internet.interfaces import IReactorTime

from sipcluster.app.lab import TWISTD, command
from sipcluster.app.lab_files import MEMBERS, LabFiles
from tests.bench.processes import Program
from tests.interop.namespaces import Namespace
from tests.interop.status import fetch, member, ready, until

TOP = Path(__file__).parent.parent.parent

#: Seconds for which a member may keep a transaction after the last message
#: (RFC 3261: 64*T1), and a little.
LINGER = 40.0

#: What must be back at zero when all calls are over: keys of C{/status} whose
#: value, or whose every value, is counted.
IDLE = ("transactions", "lingering", "timers", "dialogs", "calls", "attempts")

#: The same of what a media server plays.
PLAYED = ("sessions", "conferences", "members")


@define
class Cluster:
    """
    The members of the sample cluster: a store, two proxies, two nodes.

    @ivar base: the first three numbers of all addresses.
    @ivar programs: the members that run, by name.
    @ivar lab: the process that started them, where it was not this one.
    @ivar paired: whether each node is a pair.
    """

    folder: Path
    namespace: Namespace
    base: str = "127.0.0"
    programs: dict[str, Program] = field(factory=dict)
    lab: Program | None = None
    paired: bool = False

    @classmethod
    def make(
        cls,
        namespace: Namespace,
        base: str = "127.0.0",
        change: Callable[[str], str] = lambda toml: toml,
        paired: bool = False,
    ) -> Cluster:
        """
        Write configuration and certificates into a new folder.

        @param change: takes the lab's configuration and returns the one to use.
        """
        folder = Path(tempfile.mkdtemp(prefix="sipcluster-"))
        cluster = cls(folder, namespace, base, paired=paired)
        files = cluster.files
        files.make(datetime.now(UTC))
        files.configuration.write_text(change(files.toml()), "utf-8")
        return cluster

    @property
    def files(self) -> LabFiles:
        """
        Where its things are.
        """
        # Questions through the SIP Proxies leave transactions that linger.
        return LabFiles(self.folder, self.base, self.paired, 0)

    def address(self, name: str) -> str:
        """
        The address of a member.
        """
        return self.files.address(self.files.members[name][1])

    def launch(self, name: str) -> None:
        """
        Start a member, without waiting for it.  It ends with this process.
        """
        self.programs[name] = Program.start(
            command(name, self.files),
            self.folder / f"{name}.out",
            self.namespace,
            {"PYTHONPATH": str(TOP)},
            stdin=subprocess.PIPE,
        )

    async def start(
        self, reactor: IReactorTime, names: Iterable[str] = tuple(MEMBERS)
    ) -> None:
        """
        Start members and wait until each is ready, and until the proxies have
        found the nodes.
        """
        names = list(names)
        for name in names:
            self.launch(name)
        for name in names:
            await self.ready(reactor, name)
        proxies = [name for name in names if MEMBERS[name][0] == "proxy"]
        await until(
            reactor,
            lambda: all(self.servedBy(name) >= self.nodes for name in proxies),
            10.0,
            "the proxies have all nodes in service",
        )

    async def startLab(self, reactor: IReactorTime) -> None:
        """
        Start all members as a person does: by C{twistd sipcluster lab}, which is
        what C{bin/run} ends in.
        """
        lab = self.lab = Program.start(
            [
                *(sys.executable, "-c", TWISTD, "--nodaemon", "--pidfile="),
                *("sipcluster", "lab", "--dir", str(self.folder)),
                *("--base", self.base, "--quiet"),
                *(() if self.paired else ("--no-pairs",)),
            ],
            self.folder / "lab.out",
            self.namespace,
            {"PYTHONPATH": str(TOP)},
        )

        def isReady() -> bool:
            if not lab.running:
                raise AssertionError(f"the lab has ended: {lab.said()}")
            return "ready" in lab.said().splitlines()

        await until(reactor, isReady, 40.0, "the lab is ready")
        nodes = {name for name in self.files.members if name.startswith("node")}
        await until(
            reactor,
            lambda: all(self.servedBy(name) == nodes for name in ("proxy1", "proxy2")),
            10.0,
            "the proxies have all nodes in service",
        )

    @property
    def nodes(self) -> set[str]:
        """
        The nodes that run.
        """
        return {name for name in self.programs if MEMBERS[name][0] == "node"}

    def servedBy(self, name: str) -> set[str]:
        """
        The nodes that a proxy has in service.
        """
        nodes = self.status(name).get("nodes", {})
        return {node for node, state in nodes.items() if state == "in service"}

    async def ready(
        self, reactor: IReactorTime, name: str, seconds: float = 30.0
    ) -> None:
        """
        Wait until a member is ready.
        """
        program = self.programs[name]

        def check() -> None:
            if not program.running:
                raise AssertionError(f"{name} has ended: {program.said()}")

        await ready(reactor, self.namespace, self.address(name), seconds, check)

    def kill(self, name: str) -> None:
        """
        SIGKILL.
        """
        self.programs.pop(name).kill()

    def freeze(self, name: str) -> None:
        """
        SIGSTOP: it keeps its ports and answers nothing.
        """
        os.kill(self.programs[name].pid, signal.SIGSTOP)

    def thaw(self, name: str) -> None:
        """
        SIGCONT.
        """
        os.kill(self.programs[name].pid, signal.SIGCONT)

    def status(self, name: str) -> dict[str, Any]:
        """
        What a member says of itself; empty when it does not answer.
        """
        return member(self.namespace, self.address(name))

    def registrations(self, name: str) -> list[Any]:
        """
        The bindings that a proxy knows; empty when it does not answer.
        """
        code, body = fetch(self.namespace, self.address(name), "/registrations")
        found: list[Any] = json.loads(body) if code == 200 else []
        return found

    def registered(self, name: str, number: str) -> list[Any]:
        """
        The bindings of a number that a proxy knows.
        """
        return [one for one in self.registrations(name) if f"sip:{number}@" in str(one)]

    def leftovers(self) -> dict[str, dict[str, object]]:
        """
        What members still hold of calls, by member; empty when all is over.
        """
        left: dict[str, dict[str, object]] = {}
        for name in self.programs:
            if MEMBERS[name][0] == "store":
                continue
            status = self.status(name)
            if not status:
                left[name] = {"no answer": True}
                continue
            found = {key: status[key] for key in IDLE if counted(status.get(key))}
            engine = status.get("engine", {})
            found |= {key: engine[key] for key in PLAYED if counted(engine.get(key))}
            if found:
                left[name] = found
        return left

    async def settled(self, reactor: IReactorTime, seconds: float = LINGER) -> None:
        """
        Wait until nothing of any call is left in any member.
        """
        try:
            await until(reactor, lambda: not self.leftovers(), seconds, "", 0.5)
        except AssertionError:
            raise AssertionError(f"left after all calls: {self.leftovers()}") from None

    def complaints(self) -> str:
        """
        What members wrote to standard error, tracebacks above all.
        """
        return "\n".join(
            f"{name}: {text}"
            for name in MEMBERS
            if (file := self.folder / f"{name}.out").exists()
            and (text := file.read_text("utf-8", "replace").strip())
        )

    async def stop(self, reactor: IReactorTime) -> dict[str, float]:
        """
        End all members and remove the folder.

        @return: the seconds that each took.
        """
        took = {}
        if self.lab is not None:
            took["lab"] = await self.lab.stop(reactor)
            self.lab = None
        for program in self.programs.values():
            if program.running:
                program.process.terminate()
        for name, program in self.programs.items():
            took[name] = await program.stop(reactor)
        self.programs.clear()
        shutil.rmtree(self.folder, ignore_errors=True)
        return took


def counted(value: object) -> int:
    """
    A number, or the sum of the numbers in a table, deep.
    """
    if isinstance(value, bool):
        return 0
    if isinstance(value, int | float):
        return int(value)
    if isinstance(value, dict):
        return sum(counted(one) for one in value.values())
    if isinstance(value, list):
        return len(value)
    return 0
