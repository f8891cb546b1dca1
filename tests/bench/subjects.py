"""
What is measured: each system set up so that the same callers and the same phone
can use it.

Both proxies stand between one caller and one registered phone, look the phone up in
their location service in memory and record-route.  Ours takes calls from phones to a
node, so here the caller stands at the address of a node: then the proxy does what
kamailio does, once.  Both B2BUAs stand between a caller and a next hop.  For ours
both are at the address of a SIP Proxy, and the call comes from a trunk, which asks
for no digest, as Sippy asks for none.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from attrs import define, field, frozen
from twisted.internet.interfaces import IReactorTime

from sipcluster.app.lab import TWISTD
from tests.bench.processes import Program, pause
from tests.interop.namespaces import Namespace
from tests.interop.status import member, ready, until

HERE = Path(__file__).parent

PROXY, NODE, PHONE = "127.0.0.11", "127.0.0.21", "127.0.0.102"

#: A second node, where the caller of the proxy's subject stands.
OTHER_NODE = "127.0.0.22"

TRUNK = "127.0.0.40"

#: The numbers that are called.
NUMBERS = tuple(range(1001, 1021))


@frozen
class Way:
    """
    How a call gets through a subject.

    @ivar caller: address and port that the caller sends from.
    @ivar phone: address and port that the called phone listens on.
    @ivar target: where the caller sends to.
    @ivar behind: a further Via value in all that the caller sends.
    @ivar registers: whether the phone must register, with digest, at C{target}.
    """

    caller: tuple[str, int]
    phone: tuple[str, int]
    target: str
    behind: str = ""
    registers: bool = False


@define
class Subject:
    """
    A system under measurement.

    @ivar programs: everything whose processor time counts.
    """

    name: str
    way: Way
    folder: Path
    namespace: Namespace | None
    programs: list[Program] = field(factory=list)

    def run(self, *arguments: str, **environment: str) -> None:
        """
        Start one program of the system.  Ours end when we are gone.
        """
        output = self.folder / f"{self.name}-{len(self.programs)}.out"
        self.programs.append(
            Program.start(
                arguments, output, self.namespace, environment, subprocess.PIPE
            )
        )

    async def start(self, reactor: IReactorTime) -> None:
        """
        Start it, and wait until it takes calls.
        """
        raise NotImplementedError

    async def served(self, reactor: IReactorTime) -> None:
        """
        Wait until it has found the phone's end of the wire, which is there now.
        """

    def family(self) -> list[int]:
        """
        All its processes.
        """
        return [pid for program in self.programs for pid in program.family()]

    def check(self) -> None:
        """
        @raise RuntimeError: one of its programs has ended.
        """
        for program in self.programs:
            if not program.running:
                raise RuntimeError(f"{self.name} has ended: {program.said()}")

    async def stop(self, reactor: IReactorTime) -> None:
        """
        End all its programs, the last started first.
        """
        while self.programs:
            await self.programs.pop().stop(reactor)


class Kamailio(Subject):
    """
    kamailio with its fast memory manager and one UDP worker.
    """

    async def start(self, reactor: IReactorTime) -> None:
        self.run(
            *("kamailio", "-DD", "-E", "-f", str(HERE / "kamailio.cfg")),
            *("-l", f"udp:{self.way.target}", "-Y", str(self.folder)),
            *("-x", "tlsf", "-X", "tlsf", "-m", "512", "-M", "16"),
        )
        await pause(reactor, 1.0)
        self.check()


@define
class Sippy(Subject):
    """
    Sippy's C{b2bua_simple}, without its log.
    """

    folderOfPrograms: Path = Path()

    async def start(self, reactor: IReactorTime) -> None:
        host, port = self.way.target.split(":")
        self.run(
            str(self.folderOfPrograms / "python"),
            str(self.folderOfPrograms / "b2bua_simple"),
            *("-f", "-l", host, "-p", port),
            *("-n", "{}:{}".format(*self.way.phone)),
            SIPLOG_BEND="none",
        )
        await pause(reactor, 2.0)
        self.check()


@define
class Cluster(Subject):
    """
    Ours: a store, and the members that the subject is about.

    @ivar measured: names of the applications that are started.
    @ivar trace: whether every SIP message is written to the JSON record.
    """

    measured: Sequence[str] = ()
    trace: bool = False

    async def start(self, reactor: IReactorTime) -> None:
        configuration = self.folder / f"{self.name.replace(' ', '-')}.toml"
        configuration.write_text(self._configuration())
        for name in self.measured:
            role = name.rstrip("0123456789")
            self.run(
                *(sys.executable, "-c", TWISTD, "--nodaemon", "--pidfile="),
                "--logger=sipcluster.app.log_streams.consoleOfFailures",
                *("sipcluster", role, "--config", str(configuration)),
                *("--name", name, "--until-eof"),
                PYTHONPATH=str(HERE.parent.parent),
            )
            address = {"store": "127.0.0.10", "proxy1": PROXY, "node1": NODE}[name]
            await ready(reactor, self.namespace, address, check=self.check)
        if "proxy1" in self.measured:
            await self._found(reactor, PROXY, "nodes", "node1")

    async def served(self, reactor: IReactorTime) -> None:
        """
        Wait until the node has found the proxy that the phone plays.
        """
        if "proxy1" not in self.measured:
            await self._found(reactor, NODE, "proxies", "proxy1")

    async def _found(
        self, reactor: IReactorTime, by: str, kind: str, name: str
    ) -> None:
        await until(
            reactor,
            lambda: member(self.namespace, by).get(kind, {}).get(name) == "in service",
            10.0,
            f"{name} is in service",
        )

    def _configuration(self) -> str:
        extensions = "\n".join(
            f'[[extension]]\nnumber = "{n}"\npassword = "secret-{n}"' for n in NUMBERS
        )
        return f"""
[switch]
name = "bench"
domain = "lab.example"
digest-algorithms = ["MD5"]

[log]
level = "{"info" if self.trace else "warn"}"
directory = "logs-{self.name.replace(" ", "-")}"
sip-trace = {str(self.trace).lower()}

[[store]]
name = "store"
listen = "127.0.0.10"

[[proxy]]
name = "proxy1"
sip-address = "{PROXY}"

[[node]]
name = "node1"
sip-address = "{NODE}"
oos-force = 0.1

[[node]]
name = "node2"
sip-address = "{OTHER_NODE}"

[[trunk]]
number = "9"
contact = "sip:{TRUNK}:5060"
prefix = "9"

[[voip-service]]
number = "cluster"
service-type = "sip-cluster-nodes"

{extensions}
"""
