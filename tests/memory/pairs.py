"""
The two members of a pair between scripted SIP Proxies, on one clock.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from attrs import define, evolve, field
from twisted.application.service import Service
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import Clock
from zope.interface import implementer

from sipcluster.app.pair import PairProcess
from sipcluster.app.runtime import NodeRuntime
from sipcluster.app.settings import Configuration, Node, Pair, Proxy
from sipcluster.ha.iha import IArbiter
from sipcluster.ha.ireplica import ILinkTaker, ILinkTransport, ILinkUser
from sipcluster.ha.lease import LeaseTimes
from sipcluster.ha.life import LifeClock
from sipcluster.sip.identifiers import Identifiers
from sipcluster.sip.isip import IFlow, Target
from sipcluster.sip.message import Request, Response
from sipcluster.testing.arbiters import Court, FakeArbiter
from sipcluster.testing.hosts import Host, Wire
from sipcluster.testing.network import MemoryNetwork
from sipcluster.testing.sip_peer import SIPPeer
from tests.memory.nodes import (
    NODE,
    OTHER_NODE,
    PROXY1,
    PROXY2,
    THEN,
    NodeTestCase,
    configuration,
)

#: Seconds until a pair that is started serves.
UP = 8.0


@implementer(ILinkTransport)
@define(eq=False)
class _End:
    """
    One end of a connection between the members.
    """

    clock: IReactorTime
    peer: str
    user: ILinkUser | None = None
    other: _End | None = None

    def write(self, data: bytes) -> None:
        """
        See L{ILinkTransport}.
        """
        if self.other is not None:
            self.clock.callLater(0, self.other.take, data)

    def take(self, data: bytes) -> None:
        """
        Bytes arrive.
        """
        if self.user is not None:
            self.user.dataReceived(data)

    def close(self) -> None:
        """
        See L{ILinkTransport}.
        """
        self.abort()

    def abort(self) -> None:
        """
        See L{ILinkTransport}.
        """
        other, self.other = self.other, None
        if other is not None:
            other.other = None
            self.clock.callLater(0, other.lost)
            self.clock.callLater(0, self.lost)

    def lost(self) -> None:
        """
        It has ended.
        """
        user, self.user = self.user, None
        if user is not None:
            user.connectionLost("it is cut")


@define(eq=False)
class Line:
    """
    What connects two members, when both are there and nobody has cut it.
    """

    clock: IReactorTime
    takers: dict[str, ILinkTaker] = field(factory=dict)
    ends: list[_End] = field(factory=list)

    def of(self, name: str) -> Callable[[ILinkTaker], Service]:
        """
        The part of one member.
        """
        return lambda taker: _Part(self, name, taker)

    def join(self) -> None:
        """
        Connect the two.
        """
        if len(self.takers) != 2:
            return
        names = list(self.takers)
        self.ends = [_End(self.clock, name) for name in reversed(names)]
        one, two = self.ends
        one.other, two.other = two, one
        one.user = self.takers[names[0]].connectionMade(one)
        two.user = self.takers[names[1]].connectionMade(two)

    def killed(self, name: str) -> None:
        """
        One of them is no more; the other one sees it.
        """
        self.takers.pop(name, None)
        for end in self.ends:
            if end.peer != name:
                end.user = None
        self.cut()

    def cut(self) -> None:
        """
        Break the connection.
        """
        ends, self.ends = self.ends, []
        for end in ends[:1]:
            end.abort()


class _Part(Service):
    def __init__(self, line: Line, name: str, taker: ILinkTaker) -> None:
        self.line, self.member, self.taker = line, name, taker

    def startService(self) -> None:
        super().startService()
        self.line.takers[self.member] = self.taker
        self.line.join()

    def stopService(self) -> None:
        super().stopService()
        self.line.cut()
        self.line.takers.pop(self.member, None)


def pairConfiguration(**changes: Any) -> Configuration:
    """
    One node that is a pair: node1 is node1a and node1b.
    """
    made = configuration(**changes)
    members = ("node1a", "node1b")
    return evolve(
        made,
        applications=(
            Node(name="node1a", sipAddress=NODE, maxCalls=3),
            Node(name="node1b", sipAddress=OTHER_NODE, maxCalls=3),
            Pair(name="node1", members=members),
            *(one for one in made.applications if isinstance(one, Proxy)),
        ),
    )


class Answering(SIPPeer):
    """
    A scripted SIP Proxy that answers OPTIONS.
    """

    def messageReceived(self, message: Request | Response, flow: IFlow) -> None:
        """
        See L{SIPPeer}.
        """
        if isinstance(message, Request) and message.method == b"OPTIONS":
            self.received.append((self._seconds(), message))
            self.respond(message, 200)
        else:
            super().messageReceived(message, flow)


class PairTestCase(NodeTestCase):
    """
    Two members; the test plays everyone else.

    @ivar one: the member that serves first.
    @ivar two: the other one.
    @ivar court: gives the role.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.network = MemoryNetwork(self.clock)
        self.configuration = pairConfiguration(**self.settings)
        self.court = Court(self.clock)
        self.line = Line(self.clock)
        self.one = self.member("node1a", NODE)
        self.two = self.member("node1b", OTHER_NODE)
        self.peer = self.proxy(PROXY1)
        self.peer2 = self.proxy(PROXY2)
        self.alice = self.phone("1001", "198.51.100.1")
        self.bob = self.phone("1002", "198.51.100.2")
        self.carol = self.phone("1003", "198.51.100.3")
        self.run_(UP)

    def proxy(self, address: str) -> SIPPeer:
        """
        A SIP Proxy that answers OPTIONS, and knows where the pair is.
        """
        transport = self.network.host(address)
        target = Target("UDP", NODE, 5060)
        identifiers = Identifiers(self.network.entropy)
        made = Answering(transport, target, identifiers, self.pump, self.clock.seconds)
        transport.receiver = made
        transport.pairAddress = self.pairAddress
        return made

    def pairAddress(self, host: bytes) -> tuple[str, int] | None:
        """
        Where the primary is.
        """
        if host != b"node1.lab.example":
            return None
        return (OTHER_NODE if self.two.life is not None else NODE, 5060)

    def arbiter(self, name: str) -> IArbiter:
        """
        One member's way to the court.
        """
        wire = Wire(self.clock, random.Random(0))
        return FakeArbiter(self.court, name, Host(self.clock), wire)

    def member(self, name: str, address: str) -> PairProcess:
        """
        A member that is started.
        """
        runtime = NodeRuntime(
            name=name,
            configuration=self.configuration,
            clock=LifeClock(self.clock),
            wallTime=lambda: THEN + self.clock.seconds(),
            entropy=self.network.entropy,
            transport=self.network.host(address),
        )
        made = PairProcess(
            runtime,
            self.arbiter(name),
            self.line.of(name),
            LeaseTimes(),
            preferred=name == "node1a",
        )
        made.startService()
        made.load()
        return made

    def pump(self) -> None:
        """
        Let what is under way arrive, what is kept first; no timer fires.
        """
        for _ in range(40):
            self.clock.advance(0)

    def kill(self, member: PairProcess) -> None:
        """
        The process of a member is no more: nothing it was to do happens.
        """
        member.runtime.clock.end()  # type: ignore[attr-defined] # a LifeClock
        member.runtime.transport.stop()  # type: ignore[attr-defined] # one that listens
        self.line.killed(member.runtime.name)

    def tearDown(self) -> None:
        """
        Nothing is left of the two.
        """
        for member in (self.one, self.two):
            if not member.runtime.clock.over:  # type: ignore[attr-defined]
                member.stopService()
        self.run_(80)
        for transport in self.network._transports:
            transport.stop()
        self.run_(1)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(self.flushLoggedErrors(), [])
