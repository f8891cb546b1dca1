"""
A cluster whose every member is a process on a host of its own.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from shutil import which
from typing import Any

from attrs import define, field
from twisted.internet.interfaces import IReactorTime
from twisted.internet.utils import getProcessOutputAndValue

from sipcluster.app.ca import LabCA
from sipcluster.app.lab import TWISTD
from tests.bench.processes import Program
from tests.interop.cluster import TOP, counted
from tests.interop.status import fetch, isReady, member, until
from tests.survive.configuration import DOMAIN, PAIRS, Shape
from tests.survive.hosts import Hosts, address

#: What a transaction layer counts of INVITEs.
_TRANSACTIONS = ("inviteClient", "inviteServer", "waiting")

_CONTROL = "import sys; from sipcluster.app.control import main; sys.exit(main())"


@define
class Survivors:
    """
    The members of a cluster, which may be killed, frozen and started again.

    @ivar programs: those that run, by name.
    """

    folder: Path
    hosts: Hosts
    shape: Shape
    programs: dict[str, Program] = field(factory=dict)

    @property
    def configuration(self) -> Path:
        """
        The file of the configuration.
        """
        return self.folder / "cluster.toml"

    def write(self) -> None:
        """
        Write the configuration and make the certificates.
        """
        for folder in ("log", "state"):
            (self.folder / folder).mkdir(parents=True, exist_ok=True)
        ca = LabCA(self.folder / "tls", datetime.now(UTC))
        for name in self.shape.nodes:
            ca.issue(name, [address(name)], f"{name}.{DOMAIN}")
        self.configuration.write_text(self.shape.toml(), "utf-8")

    def launch(self, name: str) -> None:
        """
        Start a member, without waiting for it.  It ends with this process.
        """
        if name in self.shape.etcd:
            line = self._etcd(name)
        else:
            line = [
                *(sys.executable, "-c", TWISTD, "--nodaemon", "--pidfile="),
                "--logger=sipcluster.app.log_streams.consoleOfFailures",
                *("sipcluster", self.shape.members[name]),
                *(f"--config={self.configuration}", f"--name={name}", "--until-eof"),
            ]
        self.programs[name] = Program.start(
            line,
            self.folder / f"{name}.out",
            self.hosts[name],
            # A process that is started again finds its modules compiled.
            {"PYTHONPATH": str(TOP), "PYTHONDONTWRITEBYTECODE": ""},
            stdin=subprocess.PIPE,
            folder=self.folder,
        )

    def _etcd(self, name: str) -> list[str]:
        place = address(name)
        peers = ",".join(f"{one}=http://{address(one)}:2380" for one in self.shape.etcd)
        return [
            *(which("etcd") or "etcd", "--name", name),
            *("--data-dir", str(self.folder / "state" / name)),
            *("--listen-client-urls", f"http://{place}:2379"),
            *("--advertise-client-urls", f"http://{place}:2379"),
            *("--listen-peer-urls", f"http://{place}:2380"),
            *("--initial-advertise-peer-urls", f"http://{place}:2380"),
            *("--initial-cluster", peers, "--initial-cluster-state", "new"),
            *("--heartbeat-interval", "100", "--election-timeout", "1000"),
            *("--log-level", "error"),
        ]

    async def start(self, reactor: IReactorTime) -> None:
        """
        Start everything, and wait until all is ready and each pair in sync.
        """
        self.write()
        for name in self.shape.etcd:
            self.launch(name)
        first = [name for name in self.shape.members if not self.isBackup(name)]
        for name in first:
            self.launch(name)
        for name in first:
            await self.ready(reactor, name)
        for name in self.shape.nodes:
            if self.isBackup(name):
                self.launch(name)
        await self.settled(reactor)

    async def settled(self, reactor: IReactorTime, seconds: float = 30.0) -> None:
        """
        Wait until every proxy has every node or pair in service, and each pair a
        primary and a backup that is in sync.

        @raise AssertionError: it is not so.
        """
        await until(
            reactor,
            lambda: not self.lacking(),
            seconds,
            "all is in service and in sync",
        )

    def lacking(self) -> list[str]:
        """
        What is not as it is to be; empty when all is well.
        """
        lacks = []
        for name in ("proxy1", "proxy2"):
            nodes = self.status(name).get("nodes", {})
            served = {one for one, state in nodes.items() if state == "in service"}
            missing = {
                pair for pair in self.shape.pairs if not served & {pair, *PAIRS[pair]}
            }
            lacks += [f"{name}: {pair} is not in service" for pair in sorted(missing)]
        if self.shape.backups:
            for pair in self.shape.pairs:
                states = {name: self.role(name) for name in PAIRS[pair]}
                if sorted(states.values()) != ["backup in sync", "primary"]:
                    lacks.append(f"{pair}: {states}")
        return lacks

    def isBackup(self, name: str) -> bool:
        """
        Whether it is the second member of a pair, which starts after the first.
        """
        return any(name == members[1] for members in PAIRS.values())

    def role(self, name: str) -> str:
        """
        What a member of a pair is now, in words.
        """
        found = self.status(name).get("pair", {})
        role = str(found.get("role", "gone")).lower()
        return f"{role} in sync" if role == "backup" and found.get("inSync") else role

    def primary(self, pair: str) -> str:
        """
        The member that serves.
        """
        if not self.shape.backups:
            return PAIRS[pair][0]
        roles = {name: self.role(name) for name in PAIRS[pair]}
        for name, role in roles.items():
            if role == "primary":
                return name
        raise AssertionError(f"{pair} has no primary: {roles}")

    def other(self, name: str) -> str:
        """
        The other member of a pair.
        """
        members = next(pair for pair in PAIRS.values() if name in pair)
        return next(one for one in members if one != name)

    async def ready(
        self, reactor: IReactorTime, name: str, seconds: float = 30.0
    ) -> None:
        """
        Wait until a member is ready.
        """
        program = self.programs[name]

        def look() -> bool:
            if not program.running:
                raise AssertionError(f"{name} has ended: {program.said()}")
            return isReady(self.hosts[name], address(name))

        await until(reactor, look, seconds, f"{name} is ready")

    def kill(self, name: str) -> None:
        """
        SIGKILL, to this process only: what it has started lives on.
        """
        program = self.programs.pop(name)
        os.kill(program.pid, signal.SIGKILL)
        program.process.wait()

    def freeze(self, name: str, frozen: bool = True) -> None:
        """
        SIGSTOP, or SIGCONT.
        """
        how = signal.SIGSTOP if frozen else signal.SIGCONT
        os.kill(self.programs[name].pid, how)

    def status(self, name: str) -> dict[str, Any]:
        """
        What a member says of itself; empty when it does not answer.  It is asked on
        its own host, whatever becomes of its cable.
        """
        return member(self.hosts[name], address(name))

    def get(self, name: str, path: str) -> Any:
        """
        Some other of a member's tables.
        """
        code, body = fetch(self.hosts[name], address(name), path)
        return json.loads(body) if code == 200 else None

    def leftovers(self, transactions: bool = True) -> dict[str, dict[str, object]]:
        """
        What members still hold of calls, by member; empty when all is over.  OPTIONS
        go on for ever, so transactions of other methods than INVITE count only
        while they wait for something.

        @param transactions: whether those of INVITEs count that only linger.
        """
        left: dict[str, dict[str, object]] = {}
        for name, role in self.shape.members.items():
            if role == "store" or name not in self.programs:
                continue
            status = self.status(name)
            if not status:
                left[name] = {"no answer": True}
                continue
            layer = status.get("transactionLayer", {})
            found = {key: status.get(key) for key in ("calls", "attempts", "dialogs")}
            if transactions:
                found |= {key: layer.get(key) for key in _TRANSACTIONS}
            found = {key: value for key, value in found.items() if counted(value)}
            if found:
                left[name] = found
        return left

    async def control(self, *words: str, seconds: float = 60.0) -> tuple[int, str]:
        """
        Run C{sipclusterctl} on the host of the first proxy.

        @return: its exit status and what it said.
        """
        line = self.hosts["proxy1"].command(
            [
                *(sys.executable, "-c", _CONTROL, *words),
                *("--config", str(self.configuration)),
            ]
        )
        out, err, code = await getProcessOutputAndValue(
            which(line[0]) or line[0],
            line[1:],
            env={**os.environ, "PYTHONPATH": str(TOP)},
        )
        return code, (out + err).decode("utf-8", "replace").rstrip()

    def complaints(self) -> str:
        """
        What members wrote to standard error, tracebacks above all.
        """
        return "\n".join(
            f"{name}: {text[-3000:]}"
            for name in self.shape.members
            if (file := self.folder / f"{name}.out").exists()
            and (text := file.read_text("utf-8", "replace").strip())
        )

    async def stop(self, reactor: IReactorTime) -> None:
        """
        End all members.
        """
        for program in self.programs.values():
            if program.running:
                os.kill(program.pid, signal.SIGCONT)
                program.process.terminate()
        for program in self.programs.values():
            await program.stop(reactor, 4.0)
        self.programs.clear()
