"""
What C{bin/bench standby} measures: a node on its own, and a pair; and who uses them.
"""

from __future__ import annotations

import select
import socket
import subprocess
import sys
import threading
import time
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from attrs import define, field, frozen
from twisted.internet.interfaces import IReactorTime

from sipcluster.app.ca import LabCA
from sipcluster.app.lab import TWISTD
from sipcluster.tlib.codec import decode, encode
from sipcluster.tlib.messages import (
    EventDNDOff,
    EventDNDOn,
    LinkPoll,
    LinkPollAnswer,
    RequestRegisterAddress,
    RequestRegisterClient,
    RequestSetDNDOff,
    RequestSetDNDOn,
)
from tests.bench.processes import Program, cpuSeconds
from tests.bench.subjects import NODE, NUMBERS, OTHER_NODE, PROXY, TRUNK
from tests.interop.namespaces import Namespace
from tests.interop.status import member, ready, until

HERE = Path(__file__).parent

#: A DN that is not called: what the client asks for changes nothing for callers.
QUIET_DN = "1100"

#: Where the members of the pair are.
ADDRESSES = {"store": "127.0.0.10", "node1": NODE, "node1a": NODE, "node1b": OTHER_NODE}


@frozen
class Spent:
    """
    What the processes of a subject have used.

    @ivar seconds: of the processor, by name.
    """

    seconds: dict[str, float]

    def since(self, before: Spent) -> dict[str, float]:
        """
        What was used since then.
        """
        return {
            name: value - before.seconds.get(name, 0.0)
            for name, value in self.seconds.items()
        }


@define
class System:
    """
    A node, or a pair in its place.

    @ivar paired: whether it is a pair.
    @ivar programs: its processes, by the names of the applications.
    """

    paired: bool
    folder: Path
    namespace: Namespace | None
    programs: dict[str, Program] = field(factory=dict)

    @property
    def name(self) -> str:
        """
        For people.
        """
        return "pair" if self.paired else "node alone"

    @property
    def members(self) -> tuple[str, ...]:
        """
        Names of the applications, the one that serves first.
        """
        return ("node1a", "node1b") if self.paired else ("node1",)

    async def start(self, reactor: IReactorTime) -> None:
        """
        Start it, and wait until it takes calls and both members have everything.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        self.configuration.write_text(self._configuration())
        if self.paired:
            ca = LabCA(self.folder / "tls", datetime.now(UTC))
            for name in self.members:
                host = f"{name}.lab.example"
                ca.issue(name, [host, ADDRESSES[name]], "lab.example")
        for name in ("store", *self.members):
            self.launch(name)
            await ready(reactor, self.namespace, ADDRESSES[name], check=self.check)
        await self.synced(reactor)

    async def synced(self, reactor: IReactorTime) -> None:
        """
        Wait until the backup has everything.
        """
        if self.paired:
            await until(reactor, self.inSync, 20.0, "the backup has everything", 0.02)

    def inSync(self) -> bool:
        """
        Whether the primary says so.
        """
        return bool(self.status().get("pair", {}).get("inSync"))

    @property
    def configuration(self) -> Path:
        """
        The file.
        """
        return self.folder / "cluster.toml"

    def launch(self, name: str) -> None:
        """
        Start one process.
        """
        role = "pair" if self.paired else "node"
        if name == "store":
            role = name
        self.programs[name] = Program.start(
            (
                *(sys.executable, "-c", TWISTD, "--nodaemon", "--pidfile="),
                "--logger=sipcluster.app.log_streams.consoleOfFailures",
                *("sipcluster", role, "--config", str(self.configuration)),
                *("--name", name, "--until-eof"),
            ),
            self.folder / f"{name}.out",
            self.namespace,
            {"PYTHONPATH": str(HERE.parent.parent)},
            subprocess.PIPE,
        )

    def check(self) -> None:
        """
        @raise RuntimeError: one of its programs has ended.
        """
        for name, program in self.programs.items():
            if not program.running:
                raise RuntimeError(f"{name} has ended: {program.said()}")

    async def served(self, reactor: IReactorTime) -> None:
        """
        Wait until it has found the SIP Proxy that SIPp plays.
        """
        await until(
            reactor,
            lambda: self.status().get("proxies", {}).get("proxy1") == "in service",
            10.0,
            "the SIP Proxy is in service",
        )

    def status(self, name: str = "") -> dict[str, Any]:
        """
        What a member says of itself.
        """
        return member(self.namespace, ADDRESSES[name or self.members[0]])

    def told(self) -> dict[str, Any]:
        """
        What each member says of the pair.
        """
        return {name: self.status(name).get("pair") for name in self.members}

    def spent(self) -> Spent:
        """
        What each process has used so far.
        """
        return Spent(
            {
                name: cpuSeconds(program.family())
                for name, program in self.programs.items()
            }
        )

    def memory(self) -> dict[str, int]:
        """
        Resident bytes of each process.
        """
        return {name: _resident(program.pid) for name, program in self.programs.items()}

    async def stop(self, reactor: IReactorTime) -> None:
        """
        End it, the backup first.
        """
        for name in (*reversed(self.members), "store"):
            program = self.programs.pop(name, None)
            if program is not None:
                await program.stop(reactor)

    def _configuration(self) -> str:
        extensions = "\n".join(
            f'[[extension]]\nnumber = "{n}"\npassword = "secret-{n}"'
            for n in (*NUMBERS, QUIET_DN)
        )
        nodes = "\n".join(_node(name, self.paired) for name in self.members)
        pair = _PAIR if self.paired else ""
        return _CONFIGURATION.format(
            proxy=PROXY, trunk=TRUNK, nodes=nodes, pair=pair, extensions=extensions
        )


def _node(name: str, paired: bool) -> str:
    text = f"""\
[[node]]
name = "{name}"
sip-address = "{ADDRESSES[name]}"
oos-force = 0.1
"""
    if paired:
        text += f"""\
certificate = "tls/{name}.pem"
private-key = "tls/{name}.key"
ca = "tls/ca.pem"
"""
    return text


_PAIR = """
[[pair]]
name = "node1"
members = ["node1a", "node1b"]
arbiter = "lock-file"
"""

_CONFIGURATION = """
[switch]
name = "bench"
domain = "lab.example"
digest-algorithms = ["MD5"]

[log]
level = "warn"
directory = "logs"
sip-trace = false

[[store]]
name = "store"
listen = "127.0.0.10"

[[proxy]]
name = "proxy1"
sip-address = "{proxy}"

{nodes}
{pair}
[[trunk]]
number = "9"
contact = "sip:{trunk}:5060"
prefix = "9"

[[tlib-application]]
name = "bench"
password = "secret"

[[voip-service]]
number = "cluster"
service-type = "sip-cluster-nodes"

{extensions}
"""


def _resident(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return 0


class Watcher:
    """
    A T-Library client, in a thread of its own: it watches all DNs, and asks for
    something again and again; what is measured is how long its answer takes, which is
    an event for all who watch the DN.

    @ivar delays: seconds from request to event.
    @ivar events: how many messages have come.
    @ivar lost: why there is no connection any more; empty: there is.
    """

    def __init__(
        self, namespace: Namespace | None, host: str, port: int = 3001
    ) -> None:
        with namespace.entered() if namespace is not None else nullcontext():
            self._socket = socket.create_connection((host, port), 5.0)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = b""
        self._seen = 0
        self._reference = 0
        self._asked = 0.0
        self._over = False
        self.events = 0
        self.lost = ""
        self.delays: list[float] = []
        self._send(
            RequestRegisterClient(
                applicationName="bench",
                applicationPassword="secret",
                protocolVersion=1,
                keepAlive=30,
            ),
            0xFFFF,
        )
        for number in (*NUMBERS, QUIET_DN):
            self._reference += 1
            self._send(RequestRegisterAddress(thisDN=str(number)), self._reference)
        self._read(1.0)
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def take(self) -> list[float]:
        """
        The delays since the last time.
        """
        found, self.delays = self.delays, []
        return found

    def stop(self) -> None:
        """
        End it.
        """
        self._over = True
        self._thread.join(5.0)
        self._socket.close()

    def _send(self, message: Any, reference: int = 0) -> None:
        self._socket.sendall(encode(message, self._seen, reference))

    def _work(self) -> None:
        try:
            self._ask()
        except Exception as e:
            self.lost = str(e)

    def _ask(self) -> None:
        on = False
        while not self._over:
            on = not on
            self._reference += 1
            kind = RequestSetDNDOn if on else RequestSetDNDOff
            self._asked = time.perf_counter()
            self._send(kind(thisDN=QUIET_DN), self._reference)
            # Not in step with anything.
            self._read(0.017 + 0.001 * (self._reference % 7))

    def _read(self, seconds: float) -> None:
        """
        Take what comes for so long.
        """
        end = time.perf_counter() + seconds
        while (left := end - time.perf_counter()) > 0:
            if not select.select([self._socket], [], [], left)[0]:
                return
            data = self._socket.recv(262_144)
            came = time.perf_counter()
            if not data:
                raise RuntimeError("the T-Library port has closed the connection")
            self._take(self._buffer + data, came)

    def _take(self, data: bytes, came: float) -> None:
        at = 0
        while len(data) - at >= 4:
            end = at + 4 + int.from_bytes(data[at : at + 4], "big")
            if len(data) < end:
                break
            frame = decode(data[at + 4 : end])
            at = end
            self.events += 1
            if frame.position:
                self._seen = frame.position
            message = frame.message
            if isinstance(message, LinkPoll):
                self._send(LinkPollAnswer())
            elif (
                isinstance(message, EventDNDOn | EventDNDOff)
                and frame.reference == self._reference
            ):
                self.delays.append(came - self._asked)
        self._buffer = data[at:]
