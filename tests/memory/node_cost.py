"""
What one call through a node costs in processor time, in this process, without
sockets::

    python -m tests.memory.node_cost [CALLS] [--profile] [--log] [--kept] [--together N]

A call is INVITE with credentials, 100, 180, 200, ACK, BYE and 200 between two phones
behind a SIP Proxy; what is measured is from the bytes of a datagram to the bytes of
those that leave, timers included.  The phones' own messages are made outside of the
measured time.  Calls begin every 2 ms of the test's clock, so that the transactions
of some 16 000 calls linger as they would at 500 calls a second.

With C{--kept} the node is the primary of a pair whose other member has everything; the
link between them is there but for encryption and sockets.  What the primary does for
it counts, what the other member does is told for itself.  Both are measured by turns,
so that they can be compared, without the pair first.  C{--together} lets messages of
several calls come in each turn of the reactor, as they do under load.
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import re
import sys
import time
from collections.abc import Generator
from heapq import heapify, heappop, heappush
from typing import Any, cast

from attrs import evolve
from twisted.internet.base import DelayedCall

from sipcluster.app.node import makeNode
from sipcluster.app.runtime import NodeRuntime
from sipcluster.app.settings import Configuration, Node
from sipcluster.ha.ikeeping import UNKEPT
from sipcluster.ha.keeper import Keeper
from sipcluster.sip.digest import authorize
from sipcluster.testing.network import MemoryNetwork
from tests.memory.nodes import NODE, PROXY1, THEN, configuration
from tests.unit.ha.members import Member, connect

SDP = b"\r\n".join(
    [
        b"v=0",
        b"o=- 1 1 IN IP4 198.51.100.1",
        b"s=-",
        b"c=IN IP4 198.51.100.1",
        b"t=0 0",
        b"m=audio 20000 RTP/AVP 0 8 101",
        b"a=rtpmap:101 telephone-event/8000",
        b"",
    ]
)
ROUTE = b"Record-Route: <sip:192.0.2.11;lr>"
BOB = b"Contact: <sip:1002@198.51.100.2:5060>"
ALLOW = b"Allow: INVITE, ACK, BYE, CANCEL, OPTIONS, UPDATE, INFO"
TO = b"To: <sip:1002@lab.example>"
DIALLED = b"sip:1002@lab.example"


def message(*lines: bytes, body: bytes = b"") -> bytes:
    """
    A message of its lines.
    """
    kind = [b"Content-Type: application/sdp"] if body else []
    length = b"Content-Length: %d" % len(body)
    return b"\r\n".join([*lines, *kind, length, b"", body])


def fields(data: bytes, name: bytes) -> list[bytes]:
    """
    All fields of a name, as lines.
    """
    return re.findall(rb"(?im)^" + name + rb": .*?(?=\r$)", data)


def value(data: bytes, name: bytes) -> bytes:
    """
    The value of the first one.
    """
    return fields(data, name)[0].partition(b": ")[2]


def answer(
    request: bytes, status: int, tag: bytes, *more: bytes, body: bytes = b""
) -> bytes:
    """
    A response of the called phone.
    """
    to = fields(request, b"To")[0]
    return message(
        b"SIP/2.0 %d X" % status,
        *fields(request, b"Via"),
        *fields(request, b"From"),
        to if b"tag=" in to else to + b";tag=" + tag,
        *fields(request, b"Call-ID"),
        *fields(request, b"CSeq"),
        *more,
        body=body,
    )


class HeapClock:
    """
    A clock that costs what a reactor's timers cost: one for tests sorts all of them
    for each.
    """

    def __init__(self) -> None:
        self._now = 0.0
        self._heap: list[Any] = []

    def seconds(self) -> float:
        """
        Since the beginning.
        """
        return self._now

    def callLater(self, delay: float, call: Any, *args: Any, **kw: Any) -> Any:
        """
        See C{IReactorTime}.
        """
        made: Any = DelayedCall(
            self._now + delay, call, args, kw, _nothing, self._sort, self.seconds
        )
        heappush(self._heap, made)
        return made

    def _sort(self, call: Any) -> None:
        heapify(self._heap)

    def advance(self, seconds: float) -> None:
        """
        Let time pass, and happen what falls due then.
        """
        self._now = now = self._now + seconds
        heap = self._heap
        while heap and heap[0].time <= now:
            call = heappop(heap)
            if call.cancelled:
                continue
            if call.delayed_time > 0:
                call.activate_delay()
                heappush(heap, call)
                continue
            call.called = 1
            call.func(*call.args, **call.kw)


def _configuration() -> Configuration:
    """
    That of the tests, with room for calls.
    """
    made = configuration()
    nodes = [
        evolve(one, maxCalls=1000) if isinstance(one, Node) else one
        for one in made.applications
    ]
    return evolve(made, applications=tuple(nodes))


def _nothing(call: Any) -> None:
    """
    One that is cancelled is left out when its time comes.
    """


class Measured:
    """
    A node, and the time that it has taken.

    @ivar spent: seconds of the processor.
    @ivar backup: those of the other member.
    @ivar carried: bytes that the other member was sent.
    """

    def __init__(self, log: bool, kept: bool = False) -> None:
        self.clock = cast(Any, HeapClock())
        self.spent = self.backup = 0.0
        self.carried = 0
        self.pair: tuple[Member, Member] | None = None
        keeper: Keeper | None = None
        if kept:
            keeper = self._makePair()
        self._sent: list[bytes] = []
        self._challenges: list[bytes] = []
        self._uses = 0
        self._branches = 0
        self._calls = 0
        network = MemoryNetwork(self.clock)
        transport = network.host(NODE)
        self.node = makeNode(
            NodeRuntime(
                name="node1",
                configuration=_configuration(),
                clock=self.clock,
                wallTime=lambda: THEN + self.clock.seconds(),
                transport=transport,
                keeper=keeper or UNKEPT,
            )
        )
        if keeper is not None:
            transport.hold = keeper.put
            keeper.begin()
        self._keeper = keeper
        if not log:
            # The log is measured with a reader of it, not here.
            self.node.controller._publish.__self__._sinks = ()  # type: ignore[attr-defined]
        self.node.startService()
        network.carry = self._carry  # type: ignore[method-assign]
        self._port = network._ports[(NODE, 5060)]

    def _makePair(self) -> Keeper:
        first, second = self.pair = (
            Member(self.clock, "a", owned=False),
            Member(self.clock, "b", owned=False),
        )
        first.journal.becamePrimary(1)
        wire = connect(self.clock, first, second, 0.0)
        self.clock.advance(0)
        receiver: Any = wire.far.receiver
        received = receiver.dataReceived

        def measured(data: bytes) -> None:
            self.carried += len(data)
            before = time.process_time()
            received(data)
            took = time.process_time() - before
            self.backup += took
            self.spent -= took

        receiver.dataReceived = measured
        return Keeper(self.clock, first.journal)

    def _carry(self, data: bytes, source: Any, destination: Any) -> None:
        self._sent.append(data)

    def take(self, *datagrams: bytes) -> list[list[bytes]]:
        """
        Give the node what comes in one turn of its reactor.

        @return: what it has sent for each, or at the end of the turn.
        """
        sent = []
        before = time.process_time()
        for data in datagrams:
            self._port.received(data, (PROXY1, 5060))
            sent.append(self._sent)
            self._sent = []
        if self.pair is not None:
            self.clock.advance(0)
        self.spent += time.process_time() - before
        if self._sent:
            late, self._sent = self._sent, []
            sent = [late] * len(datagrams)
        return sent

    def vias(self) -> tuple[bytes, bytes]:
        """
        The Via of the SIP Proxy and that of the caller.
        """
        self._branches += 1
        return (
            b"Via: SIP/2.0/UDP 192.0.2.11:5060;branch=z9hG4bKp%d" % self._branches,
            b"Via: SIP/2.0/UDP 198.51.100.1:5060;branch=z9hG4bKa%d"
            b";received=198.51.100.1;rport=5060" % self._branches,
        )

    def invite(self, number: int, *more: bytes) -> bytes:
        """
        The caller's INVITE.
        """
        return message(
            b"INVITE %b SIP/2.0" % DIALLED,
            *self.vias(),
            ROUTE,
            b"Max-Forwards: 69",
            b'From: "Alice" <sip:1001@lab.example>;tag=a%d' % number,
            TO,
            b"Call-ID: call-%d@198.51.100.1" % number,
            b"CSeq: 1 INVITE",
            b"Contact: <sip:1001@198.51.100.1:5060>",
            ALLOW,
            b"User-Agent: measured",
            *more,
            body=SDP,
        )

    def call(self) -> Generator[bytes, list[bytes], None]:
        """
        One call from beginning to end: gives what the node is to be sent, and gets
        what it has sent, others' things too.
        """
        number = self._calls = self._calls + 1
        self._uses += 1
        credentials = authorize(
            self._challenges, b"INVITE", DIALLED, b"1001", b"secret-1001", self._uses
        )
        sent = yield self.invite(number, b"Authorization: " + credentials)
        legs = [data for data in sent if data.startswith(b"INVITE")]
        # Those of other calls take theirs.
        invite = legs[number % len(legs)]
        tag = b"b%d" % number
        yield answer(invite, 100, tag)
        yield answer(invite, 180, tag, ROUTE, BOB)
        sent = yield answer(invite, 200, tag, ROUTE, BOB, ALLOW, body=SDP)
        mine = b"call-%d@" % number
        accepted = next(
            data for data in sent if data.startswith(b"SIP/2.0 200") and mine in data
        )
        leg = value(accepted, b"Contact").strip(b"<>")
        dialog = (
            b"Max-Forwards: 69",
            *fields(accepted, b"From"),
            *fields(accepted, b"To"),
            *fields(accepted, b"Call-ID"),
        )
        yield message(b"ACK %b SIP/2.0" % leg, *self.vias(), *dialog, b"CSeq: 1 ACK")
        sent = yield message(
            b"BYE %b SIP/2.0" % leg, *self.vias(), *dialog, b"CSeq: 2 BYE"
        )
        byes = [data for data in sent if data.startswith(b"BYE")]
        yield answer(byes[number % len(byes)], 200, tag)

    def together(self, calls: int) -> None:
        """
        So many calls, in the same turns.
        """
        if not self._challenges:
            refused = self.take(self.invite(0))[0][0]
            lines = fields(refused, b"WWW-Authenticate")
            self._challenges = [line.partition(b": ")[2] for line in lines]
        lives = [self.call() for _ in range(calls)]
        data = [next(life) for life in lives]
        while lives:
            sent = self.take(*data)
            data, going = [], []
            for life, got in zip(lives, sent, strict=True):
                try:
                    data.append(life.send(got))
                    going.append(life)
                except StopIteration:
                    pass
            lives = going

    def milliseconds(self, calls: int, together: int = 1) -> float:
        """
        What one of so many calls costs.
        """
        self.spent = 0.0
        for _ in range(0, calls, together):
            self.together(together)
            before = time.process_time()
            self.clock.advance(0.002 * together)
            self.spent += time.process_time() - before
            self._sent.clear()
        return 1000.0 * self.spent / calls


def compare(calls: int, log: bool, together: int) -> None:
    """
    Measure with and without a pair, by turns.
    """
    alone, kept = Measured(log), Measured(log, True)
    for each in (alone, kept):
        each.milliseconds(500)
    kept.backup, kept.carried = 0.0, 0
    costs: list[tuple[float, float]] = []
    rounds = max(1, calls // 100)
    for _ in range(rounds):
        costs.append(
            (alone.milliseconds(100, together), kept.milliseconds(100, together))
        )
    one, other = (sorted(column)[rounds // 2] for column in zip(*costs, strict=True))
    assert kept.pair is not None
    first, second = kept.pair
    sys.stdout.write(
        f"{one:.3f} ms a call without, {other:.3f} with ({other / one - 1:+.0%}), "
        f"{1000 * kept.backup / rounds / 100:.3f} at the other member, "
        f"{kept.carried / rounds / 100:.0f} bytes a call; entries "
        f"{len(first.all)} and {len(second.all)}, "
        f"alone {first.journal.counts['alone']}\n"
    )


def main(arguments: list[str]) -> None:
    """
    Measure, and print.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("calls", type=int, nargs="?", default=5000)
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--log", action="store_true", help="with the log's event sink")
    parser.add_argument("--kept", action="store_true", help="with a pair")
    parser.add_argument(
        "--together", type=int, default=1, help="calls whose messages come together"
    )
    given = parser.parse_args(arguments)
    if given.kept:
        compare(given.calls, given.log, given.together)
        return
    measured = Measured(given.log)
    measured.milliseconds(500)
    profile = cProfile.Profile()
    if given.profile:
        profile.enable()
    costs = sorted(
        measured.milliseconds(100, given.together)
        for _ in range(max(1, given.calls // 100))
    )
    profile.disable()
    sys.stdout.write(
        f"{costs[len(costs) // 2]:.3f} ms a call (lowest {costs[0]:.3f}), "
        f"{measured.node.status()['calls']} calls left\n"
    )
    if given.profile:
        pstats.Stats(profile).sort_stats("tottime").print_stats(40)


if __name__ == "__main__":
    main(sys.argv[1:])
