"""
What it costs to tell many T-Library clients of one event.

2 000 clients are connected over loopback, 1 000 of them have registered the same 50
DNs.  Server and clients are processes of their own; in the same run, and in turns, the
floor is measured: a server of a few lines that writes frames of the same size to
the same clients and knows nothing of them::

    bin/bench tlib [--events 300] [--rate 20] [--seconds 5] [--rounds 3]

Prints a table; nothing is asserted.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import (
    TCP4ClientEndpoint,
    TCP4ServerEndpoint,
    connectProtocol,
)
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.stdio import StandardIO
from twisted.internet.task import LoopingCall, deferLater, react
from twisted.protocols.basic import LineOnlyReceiver
from twisted.python.failure import Failure
from zope.interface import implementer

from sipcluster.app.cti import Trace
from sipcluster.app.garbage import GarbageCollector
from sipcluster.ha.ikeeping import UNKEPT, IKeeper
from sipcluster.ha.keeper import Keeper
from sipcluster.net.ha_link import HALinkFactory, HALinkProtocol
from sipcluster.net.tlib import TLibFactory
from sipcluster.testing.wire import End, MemoryEndpoint
from sipcluster.tlib.client_values import Times
from sipcluster.tlib.codec import decode, encode, encodeBody, frame
from sipcluster.tlib.enums import AddressType, CallState, CallType, DNRole
from sipcluster.tlib.messages import (
    EventRegistered,
    EventRinging,
    LinkPoll,
    LinkPollAnswer,
    Message,
    RequestRegisterAddress,
    RequestRegisterClient,
)
from sipcluster.tserver.itserver import IAddresses
from sipcluster.tserver.limits import Application
from sipcluster.tserver.outgoing import Outgoing
from sipcluster.tserver.server import TServer
from tests.unit.ha.members import Member

#: Files that a process needs besides its connections.
BESIDES = 64

#: After so many messages a client acknowledges, as ours does.
ACKNOWLEDGE = 256

_length = struct.Struct(">I").unpack_from


def event(number: int, dn: str) -> EventRinging:
    """
    An event as large as usual ones.
    """
    now = time.time()
    return EventRinging(
        time=(int(now), int(now % 1 * 1e6)),
        thisDN=dn,
        thisDNRole=DNRole.DESTINATION,
        otherDN="0049301234567",
        otherDNRole=DNRole.ORIGINATION,
        connID=f"{number:016x}",
        callID=number,
        callUUID=f"{number:032x}",
        callType=CallType.INBOUND,
        callState=CallState.OK,
        ani="0049301234567",
        dnis="5000",
        userData=(
            ("ACCOUNT", "4711-0815"),
            ("SEGMENT", "gold"),
            ("LANGUAGE", "German"),
            ("TRIES", 2),
            ("ROUTE", (("SKILL", "billing"), ("LEVEL", 7))),
        ),
    )


def files(wanted: int) -> None:
    """
    Have so many files open at once.

    @raise SystemExit: we may not.
    """
    wanted += BESIDES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise SystemExit(
            f"bench tlib: a process needs {wanted} open files and may have {hard}: "
            f"raise the limit (ulimit -Hn {wanted}, as root) or say --clients less"
        )
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


# Servers.


@implementer(IAddresses)
class Everything:
    """
    A switch that has every DN.
    """

    def addressType(self, dn: str) -> AddressType | None:
        return AddressType.DN


class Ours:
    """
    A T-Library port.
    """

    trace: Trace | None = None

    def __init__(
        self,
        reactor: Any,
        registered: int,
        dns: Sequence[str],
        keeper: IKeeper = UNKEPT,
    ) -> None:
        self.server = TServer(
            "TCport",
            reactor,
            time.time,
            os.urandom,
            {"bench": Application("bench", "secret")},
            Everything(),
            trace=self.trace,
            keeper=keeper,
        )
        self._dns = dns
        self._number = 0

    def factory(self) -> Factory:
        return TLibFactory(self.server)

    def publish(self) -> None:
        """
        One event.
        """
        self._number += 1
        dn = self._dns[self._number % len(self._dns)]
        self.server.publish(dn, event(self._number, dn))

    def counts(self) -> Mapping[str, int]:
        return dict(self.server.counts)


class Kept(Ours):
    """
    A T-Library port of a member of a pair, with the other member in the same process.
    """

    def __init__(self, reactor: Any, registered: int, dns: Sequence[str]) -> None:
        a, b = Member(reactor, "a"), Member(reactor, "b")
        a.journal.becamePrimary(1)
        self._keeper = Keeper(reactor, a.journal)
        super().__init__(reactor, registered, dns, self._keeper)
        self._keeper.begin()

        def accept(end: End) -> HALinkProtocol:
            protocol = HALinkProtocol(b.links, "192.0.2.1:49152", "")
            end.receiver = protocol
            protocol.makeConnection(end)
            return protocol

        MemoryEndpoint(reactor, accept).connect(HALinkFactory(a.links, ""))


class _Written(Protocol):
    """
    One connection of the floor.
    """

    def connectionMade(self) -> None:
        factory: Any = self.factory
        factory.made.append(self)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        factory: Any = self.factory
        factory.made.remove(self)


class Floor:
    """
    Writes a frame of the same size to the first so many connections.
    """

    def __init__(self, reactor: Any, registered: int, dns: Sequence[str]) -> None:
        self._registered = registered
        self._made: list[Any] = []
        self._frame = frame(1, 0, encodeBody(event(1, dns[0])))

    def factory(self) -> Factory:
        factory: Any = Factory.forProtocol(_Written)
        factory.noisy = False
        factory.made = self._made
        made: Factory = factory
        return made

    def publish(self) -> None:
        """
        One event.
        """
        data = self._frame
        for one in self._made[: self._registered]:
            one.transport.write(data)

    def counts(self) -> Mapping[str, int]:
        return {}


class Bare(Floor):
    """
    The same without Twisted: what the system alone takes for a small piece.
    """

    def publish(self) -> None:
        """
        One event; what a socket does not take is lost.
        """
        data = self._frame
        for one in self._made[: self._registered]:
            one.transport.getHandle().send(data)


class Traced(Ours):
    """
    A T-Library port that writes its messages down, to nowhere.
    """

    trace = Trace(lambda *_: None)


#: What is measured; ratios are to the first.
KINDS: Mapping[str, type[Ours] | type[Floor]] = {
    "floor": Floor,
    "bare": Bare,
    "ours": Ours,
    "traced": Traced,
    "kept": Kept,
}


class Control(LineOnlyReceiver):
    """
    Does what the bench wants of a process, one line of JSON at a time.
    """

    delimiter = b"\n"

    def __init__(self, commands: Mapping[str, Callable[..., Any]]) -> None:
        self._commands = commands

    def lineReceived(self, line: bytes) -> None:
        name, *arguments = json.loads(line)
        done: Deferred[Any] = Deferred.fromCoroutine(self._do(name, arguments))
        done.addErrback(lambda failure: failure.printTraceback())

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        os._exit(0)  # the bench has ended, and nothing here is worth a farewell

    async def _do(self, name: str, arguments: list[Any]) -> None:
        answer = await self._commands[name](*arguments)
        self.sendLine(json.dumps(answer).encode())


async def serve(reactor: Any, given: argparse.Namespace) -> None:
    """
    The server's process.
    """
    files(given.clients)
    GarbageCollector(reactor).start()
    dns = [str(number) for number in range(1000, 1000 + given.dns)]
    made = KINDS[given.serve](reactor, given.registered, dns)
    endpoint = TCP4ServerEndpoint(reactor, 0, backlog=1024, interface="127.0.0.1")
    port = (await endpoint.listen(made.factory())).getHost().port

    async def where() -> int:
        return int(port)

    async def cpu() -> float:
        return time.process_time()

    async def counts() -> Mapping[str, int]:
        return made.counts()

    async def flood(events: int) -> None:
        """
        Publish one event each turn of the reactor, as fast as that goes.
        """
        for _ in range(events):
            made.publish()
            await deferLater(reactor, 0)

    async def pace(events: int, rate: float) -> None:
        """
        Publish so many a second.
        """
        left = events

        def some(count: int) -> None:
            nonlocal left
            for _ in range(min(count, left)):
                made.publish()
                left -= 1
            if not left:
                loop.stop()

        loop = LoopingCall.withCount(some)
        await loop.start(1 / rate, now=False)

    StandardIO(Control({f.__name__: f for f in (where, cpu, counts, flood, pace)}))
    await Deferred()


# Clients.


class Client(Protocol):
    """
    One client: counts what comes, and acknowledges it.
    """

    #: How many messages all of them have received.
    total = 0

    def __init__(self, clients: Clients, dns: Sequence[str]) -> None:
        self._clients = clients
        self._dns = dns
        self._buffer = b""
        self._seen = 0
        self._lacking = len(dns)
        # Before the load, and where none comes, each message is looked at.
        self._parsing = clients.talking
        self.ready: Deferred[None] = Deferred()

    def connectionMade(self) -> None:
        if self._clients.talking:
            self._send(
                RequestRegisterClient(
                    applicationName="bench",
                    applicationPassword="secret",
                    protocolVersion=1,
                    keepAlive=int(Times().keepAlive),
                ),
                0xFFFF,
            )
            for number, dn in enumerate(self._dns, 1):
                self._send(RequestRegisterAddress(thisDN=dn), number)
            if not self._dns:
                self.ready.callback(None)
        else:
            self.ready.callback(None)

    def _send(self, message: Message, reference: int = 0) -> None:
        assert self.transport is not None
        self.transport.write(encode(message, self._seen, reference))

    def dataReceived(self, data: bytes) -> None:
        if self._buffer:
            data = self._buffer + data
        at, end, count = 0, len(data), 0
        while end - at >= 4:
            (length,) = _length(data, at)
            if end - at - 4 < length:
                break
            if length < 64 or self._parsing:
                self._small(data[at + 4 : at + 4 + length])
            else:
                count += 1
            at += 4 + length
        self._buffer = data[at:]
        if count:
            before = self._seen
            self._seen += count
            Client.total += count
            if self._seen // ACKNOWLEDGE != before // ACKNOWLEDGE:
                self._acknowledge()
            self._clients.look()

    def _acknowledge(self) -> None:
        if self._clients.talking:
            self._send(LinkPollAnswer())

    def _small(self, payload: bytes) -> None:
        message = decode(payload).message
        if isinstance(message, EventRegistered):
            self._seen += 1
            self._lacking -= 1
            if not self._lacking:
                self._parsing = False
                self.ready.callback(None)
        elif isinstance(message, LinkPoll):
            self._send(LinkPollAnswer())

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._clients.lost += 1


class Clients:
    """
    All of them.

    @ivar talking: to a T-Library port, not to the floor.
    @ivar lost: connections that have ended.
    """

    def __init__(self, reactor: Any, given: argparse.Namespace) -> None:
        self._reactor = reactor
        self._given = given
        self.talking = issubclass(KINDS[given.connect], Ours)
        self.lost = 0
        self._waiting: tuple[int, Deferred[None]] | None = None

    async def open(self, port: int) -> float:
        """
        Connect all, those first that register DNs.

        @return: how many seconds it took.
        """
        given, started = self._given, time.perf_counter()
        dns = [str(number) for number in range(1000, 1000 + given.dns)]
        endpoint = TCP4ClientEndpoint(self._reactor, "127.0.0.1", port)
        for first in range(0, given.clients, 100):
            made = []
            for number in range(first, min(first + 100, given.clients)):
                client = Client(self, dns if number < given.registered else ())
                await connectProtocol(endpoint, client)
                made.append(client.ready)
            for ready in made:
                await ready
        return time.perf_counter() - started

    async def expect(self, count: int) -> float:
        """
        Wait until all together have so many more messages.

        @return: when the last one came, in seconds of the machine.
        """
        Client.total = 0
        self._waiting = (count, Deferred())
        # The answer says that we are ready; C{when} tells when it is done.
        return 0.0

    async def when(self) -> list[float]:
        """
        @return: when the last one came, and how many connections were lost.
        """
        assert self._waiting is not None
        self.look()
        await self._waiting[1]
        return [time.monotonic(), self.lost]

    def look(self) -> None:
        """
        See whether all is there.
        """
        waiting = self._waiting
        if waiting is None or Client.total < waiting[0]:
            return
        if not waiting[1].called:
            waiting[1].callback(None)


async def connect(reactor: Any, given: argparse.Namespace) -> None:
    """
    The clients' process.
    """
    files(given.clients)
    clients = Clients(reactor, given)
    commands = {f.__name__: f for f in (clients.open, clients.expect, clients.when)}
    StandardIO(Control(commands))
    await Deferred()


# The bench.


class Peer:
    """
    One of the processes, asked line by line.
    """

    def __init__(self, *arguments: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.bench_tlib", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def tell(self, name: str, *arguments: object) -> None:
        """
        Have something done; L{answer} waits for it.
        """
        assert self._process.stdin is not None
        line = json.dumps([name, *arguments]) + "\n"
        self._process.stdin.write(line.encode())
        self._process.stdin.flush()

    def answer(self) -> Any:
        """
        What came of it.
        """
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit("bench tlib: a process has ended before its time")
        return json.loads(line)

    def ask(self, name: str, *arguments: object) -> Any:
        """
        Have something done.
        """
        self.tell(name, *arguments)
        return self.answer()

    def end(self) -> None:
        """
        End the process.
        """
        self._process.kill()
        self._process.wait()


def measure(given: argparse.Namespace, kind: str) -> dict[str, float]:
    """
    One round with one kind of server.
    """
    options = [
        *("--clients", str(given.clients), "--registered", str(given.registered)),
        *("--dns", str(given.dns)),
    ]
    server, clients = Peer("--serve", kind, *options), Peer("--connect", kind, *options)
    try:
        found: dict[str, float] = {}
        port = server.ask("where")
        before = server.ask("cpu")
        found["connected in, s"] = clients.ask("open", port)
        found["CPU of that, s"] = server.ask("cpu") - before

        def load(name: str, events: int, *how: object) -> tuple[float, float]:
            wanted = events * given.registered
            clients.ask("expect", wanted)
            cpu, start = server.ask("cpu"), time.monotonic()
            clients.tell("when")
            server.ask(name, events, *how)
            end, lost = clients.answer()
            if lost:
                raise SystemExit(f"bench tlib: {lost:g} clients were cut off")
            return end - start, (server.ask("cpu") - cpu) / wanted * 1e6

        load("flood", 20)  # warm-up
        seconds, found["flood, CPU us"] = load("flood", given.events)
        found["flood, events/s"] = given.events / seconds
        found["flood, deliveries/s"] = given.events * given.registered / seconds
        paced = round(given.rate * given.seconds)
        _, found["paced, CPU us"] = load("pace", paced, given.rate)
        before = server.ask("cpu")
        time.sleep(given.seconds)
        found["idle, CPU ms/s"] = (server.ask("cpu") - before) / given.seconds * 1e3
        return found
    finally:
        server.end()
        clients.end()


def encoding(given: argparse.Namespace) -> dict[str, float]:
    """
    What encoding costs, alone: once an event, and the head of each copy.
    """
    one = event(1, "1000")
    count = 20_000
    start = time.process_time()
    for _ in range(count):
        body = encodeBody(one)
    once = (time.process_time() - start) / count * 1e6
    entry = Outgoing(one).entry
    start = time.process_time()
    for position in range(count):
        frame(position, 0, entry.body)
    head = (time.process_time() - start) / count * 1e6
    return {"bytes": len(frame(1, 0, body)), "event us": once, "head us": head}


def tell(line: str = "") -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("bin/bench tlib", description=__doc__)
    parser.add_argument("--serve", choices=tuple(KINDS), help=argparse.SUPPRESS)
    parser.add_argument("--connect", choices=tuple(KINDS), help=argparse.SUPPRESS)
    parser.add_argument("--clients", type=int, default=2000)
    parser.add_argument("--registered", type=int, default=1000)
    parser.add_argument("--dns", type=int, default=50)
    parser.add_argument("--events", type=int, default=300, help="of the flood")
    parser.add_argument("--rate", type=float, default=20, help="paced events a second")
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str]) -> None:
    """
    Measure, and print.
    """
    given = options(arguments)
    if given.serve or given.connect:
        work = serve if given.serve else connect
        react(lambda reactor: Deferred.fromCoroutine(work(reactor, given)))
    files(given.clients)
    tell(
        f"{given.clients} clients, {given.registered} of them registered for the same "
        f"{given.dns} DNs; each event goes to {given.registered}"
    )
    rounds: dict[str, list[dict[str, float]]] = {kind: [] for kind in KINDS}
    for number in range(given.rounds):
        for kind, found in rounds.items():
            found.append(measure(given, kind))
            flood = found[-1]["flood, CPU us"]
            tell(f"round {number + 1}, {kind}: {flood:.2f} us CPU a delivery")
    medians = {
        kind: {name: statistics.median(one[name] for one in found) for name in found[0]}
        for kind, found in rounds.items()
    }
    tell()
    tell(f"{'':24}{'':12}" + "".join(f"{kind:>20}" for kind in KINDS))
    for name, floor in medians["floor"].items():
        cells = ""
        for figures in medians.values():
            ratio = f"({figures[name] / floor:.2f})" if floor > 0.1 else ""
            cells += f"{figures[name]:12.2f}{ratio:>8}"
        tell(f"{name:36}{cells}")
    cost = encoding(given)
    delivered = medians["ours"]["flood, CPU us"]
    share = cost["event us"] / given.registered / delivered
    heads = cost["head us"] / delivered
    tell()
    tell(
        f"encoding one event ({cost['bytes']:.0f} bytes): {cost['event us']:.1f} us, "
        f"once for all: {share:.2%} of the CPU of the flood; the head of each copy: "
        f"{cost['head us']:.2f} us, {heads:.1%}"
    )
    if given.json is not None:
        given.json.write_text(
            json.dumps(
                {
                    "python": platform.python_version(),
                    "machine": f"{platform.machine()}, {os.cpu_count()} processors",
                    "command": list(arguments),
                    "medians": medians,
                    "encoding": cost,
                    "runs": rounds,
                },
                indent=1,
            )
        )


if __name__ == "__main__":
    main(sys.argv[1:])
