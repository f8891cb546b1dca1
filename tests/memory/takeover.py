"""
Two members of a pair under one name: the first one dies at a chosen message, the
second one goes on with what the first had written down.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.task import Clock
from zope.interface import implementer

from sipcluster.app.node import NodeMember
from sipcluster.sessioncontroller.dialplan import FeatureDialPlan
from sipcluster.sessioncontroller.events import CallEvent
from sipcluster.sessioncontroller.isessioncontroller import (
    CallRefused,
    DNFeatures,
    IFeatures,
)
from sipcluster.sessioncontroller.values import CallValue, decodeCall, encodeCall
from sipcluster.sip.errors import MalformedMessage
from sipcluster.sip.isip import Target
from sipcluster.sip.message import Message, Request, Response, parseMessage
from sipcluster.testing.memory_sockets import Address
from sipcluster.testing.sip_peer import Phone, SIPPeer
from sipcluster.testing.telephone import Telephone
from sipcluster.wire.correlation import Requester
from tests.memory.controls import ControlTestCase
from tests.memory.nodes import NODE, OTHER_NODE, PROXY1, PROXY2

#: What both members are called inside the cluster.
PAIR = b"node1.lab.example"


class _Later:
    """
    A call that a process will make, if it lives.
    """

    def __init__(self, owner: MortalClock, later: IDelayedCall) -> None:
        self._owner = owner
        self._later = later

    def active(self) -> bool:
        """
        Whether it is to come.
        """
        return self._later.active()

    def cancel(self) -> None:
        """
        It is not to come; whoever is dead may say so as often as he likes.
        """
        if not self._owner.dead:
            self._later.cancel()


@implementer(IReactorTime)
class MortalClock:
    """
    The clock of one process.

    @ivar dead: nothing more happens.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._calls: list[IDelayedCall] = []
        self.dead = False

    def seconds(self) -> float:
        """
        As for all.
        """
        return self._clock.seconds()

    def callLater(
        self,
        delay: float,
        callable: Callable[..., Any],
        *args: object,
        **kwargs: object,
    ) -> IDelayedCall:
        """
        Make a call unless the process has died.
        """
        self._calls = self.getDelayedCalls()
        later: IDelayedCall = self._clock.callLater(delay, callable, *args, **kwargs)
        self._calls.append(later)
        return cast(IDelayedCall, _Later(self, later))

    def getDelayedCalls(self) -> list[IDelayedCall]:
        """
        Those of this process.
        """
        return [each for each in self._calls if each.active()]

    def die(self) -> None:
        """
        Nothing more happens.
        """
        self.dead = True
        for each in self.getDelayedCalls():
            each.cancel()


class Line(Telephone):
    """
    A telephone that is called anew while it rings, and takes the challenge of
    another member.

    @ivar unacknowledged: Call-ID and number of INVITEs that it has accepted, and that
        were not acknowledged.
    """

    former: Request | None = None
    last = b""

    def __init__(self, phone: Phone, name: str, port: int) -> None:
        super().__init__(phone, name, port)
        self.unacknowledged: set[tuple[bytes, int]] = set()

    def answer(self) -> None:
        """
        Lift the receiver.
        """
        assert self.rings is not None
        self.accepts(self.rings)
        super().answer()

    def accepts(self, invite: Request) -> None:
        """
        An ACK is to come.
        """
        self.unacknowledged.add((invite.callID, invite.cseq.number))

    def received(self, message: Message) -> None:
        """
        Do what the message wants.
        """
        if isinstance(message, Request):
            if message.method == b"INVITE":
                if message.branch == self.last:
                    return  # another member has repeated it
                self.last = message.branch
                if message.toTag:
                    self.accepts(message)
                else:
                    self.former = self.rings
            elif message.method == b"ACK":
                self.unacknowledged.discard((message.callID, message.cseq.number))
            former = self.former
            if (
                message.method == b"CANCEL"
                and former is not None
                and former.branch == message.branch
            ):
                self.former = None
                self._peer.respond(message, 200)
                self._peer.respond(former, 487, b"former")
                return
        elif isinstance(message, Response) and message.status == 401:
            if self._calls is not None:
                self._callAgain(message, self._calls)
            return
        super().received(message)

    def _callAgain(self, response: Response, before: Request) -> None:
        self.phone.challenged(response, before)
        request = self.phone.build(
            b"INVITE",
            before.uri.partition(b":")[2].partition(b"@")[0].decode(),
            body=before.body,
            callID=before.callID,
            number=before.cseq.number + 1,
            tag=before.fromTag,
        )
        self.phone.invite = self._calls = request
        self._peer.send(request)


@implementer(IFeatures)
class TakeoverTestCase(ControlTestCase):
    """
    A pair between scripted SIP Proxies, and telephones behind them.

    The SIP Proxies send what they hold to the member that lives: what was on its way
    to the dead one, and what that one has taken and not answered.

    @ivar cutAt: number of the message at which the first member dies; 0: it lives.
    @ivar lost: what the first member sends because of that message is lost.
    @ivar unacknowledged: ACKs of the telephones are lost.
    @ivar switchedOn: what DNs have switched on.
    @ivar taken: messages that the first member took.
    @ivar moved: what was restored, and whether it was gone on with.
    @ivar refused: undertakings that were refused by the second one.
    """

    cutAt = 0
    lost = False
    settings = {"noAnswerTimeout": 60}

    def setUp(self) -> None:
        self.taken = 0
        self.unacknowledged = False
        self.switchedOn: dict[str, DNFeatures] = {}
        self.alive = NODE
        self.moved: list[tuple[CallValue, bool]] = []
        self.refused: list[tuple[Requester, CallRefused]] = []
        super().setUp()
        self._arrive = self.network._arrive
        self.network._arrive = self.arrive  # type: ignore[method-assign]
        self.telephones = {
            letter: Line(phone, f"phone{letter}", 4000 + 2 * index)
            for index, (letter, phone) in enumerate(
                {"A": self.alice, "B": self.bob, "C": self.carol}.items()
            )
        }

    def makeNode(self, name: str, address: str) -> NodeMember:
        kept, self.clock = self.clock, MortalClock(self.clock)  # type: ignore[assignment]
        self.mortal = self.clock
        try:
            node = super().makeNode(name, address)
        finally:
            self.clock = kept
        plan = node.controller._plan
        assert isinstance(plan, FeatureDialPlan)
        plan._features = self
        ua = node.controller.ua
        ua.contactHost = PAIR
        ua.undertakingRefused = lambda who, why: self.refused.append((who, why))
        return node

    # IFeatures: those of both members.

    def features(self, dn: str) -> DNFeatures:
        """
        What a DN has switched on.
        """
        return self.switchedOn.get(dn, DNFeatures())

    def makePeer(self, address: str, to: str = NODE) -> SIPPeer:
        peer = super().makePeer(address, to)
        peer._transport.pairAddress = self.pairAddress
        return peer

    def pairAddress(self, host: bytes) -> tuple[str, int] | None:
        """
        Where the member is that serves.
        """
        return (self.alive, 5060) if host == PAIR else None

    # The wire

    def arrive(self, data: bytes, source: Address, destination: Address) -> None:
        """
        A datagram reaches its host.
        """
        if (
            self.unacknowledged
            and data.startswith(b"ACK")
            and destination[0] == self.alive
        ):
            return
        if destination[0] != NODE:
            self._arrive(data, source, destination)
        elif self.alive != NODE:
            self._arrive(data, source, (self.alive, destination[1]))
        else:
            self.taken += 1
            last = self.taken == self.cutAt
            if last and self.lost:
                self.network.drops = lambda _, source, __: source[0] == NODE
            self._arrive(data, source, destination)
            if last:
                self.takeOver()
                if self.isSentAgain(data):
                    self._arrive(data, source, (self.alive, destination[1]))

    def isSentAgain(self, data: bytes) -> bool:
        """
        Whether whoever has sent this sends it again: a request without an answer,
        and a 2xx without ACK.
        """
        try:
            message = parseMessage(data)
        except MalformedMessage:
            return False
        if isinstance(message, Response):
            is2xx = 200 <= message.status < 300
            return self.lost and message.cseq.method == b"INVITE" and is2xx
        answered = any(
            source[0] == NODE and sent.startswith(b"SIP/") and message.branch in sent
            for sent, source, _ in self.network.carried
        )
        return message.method != b"ACK" and (self.lost or not answered)

    def takeOver(self) -> None:
        """
        The first member dies, the second one goes on.
        """
        written = list(self.node.controller.values())
        self.network.kill(NODE)
        self.network.drops = lambda *_: False
        self.mortal.die()  # type: ignore[attr-defined]
        self.alive = OTHER_NODE
        self.node = self.makeNode("node2", OTHER_NODE)
        for peer in (self.peer, self.peer2):
            peer.target = Target("UDP", OTHER_NODE, 5060)
            peer.disconnect()
        for before in written:
            value = decodeCall(encodeCall(before))
            self.assertEqual(value, before)
            self.moved.append((value, self.node.controller.restore(value)))

    # The telephones

    def settle(self) -> None:
        """
        Let all that is under way arrive, and the telephones do what it wants, one
        message after the other.
        """
        peers = {PROXY1: self.peer, PROXY2: self.peer2}
        busy = True
        while busy:
            busy = False
            self.pump()
            for address, peer in peers.items():
                if peer.inbox:
                    busy = True
                    message = peer.inbox.pop(0)
                    self.takes(address, peer, message)
                    self.pump()

    def takes(self, address: str, peer: SIPPeer, message: Any) -> None:
        """
        A message came for one of the telephones.
        """
        for telephone in self.telephones.values():
            if telephone.owns(message):
                telephone.reached(address, peer)
                telephone.received(message)
                return
        raise AssertionError(f"for no telephone: {message!r}")

    def told(self, events: list[CallEvent] | None = None) -> list[str]:
        """
        All events in a few letters.
        """
        return [self.short(e) for e in (self.sink.events if events is None else events)]

    def assertReleasedOnce(self) -> None:
        """
        Whoever was told of a call was told its end, once and last.
        """
        last: dict[tuple[str, str], list[str]] = {}
        for event in self.sink.events:
            key = (event.party.connID, event.party.thisDN)
            last.setdefault(key, []).append(type(event).__name__)
        for key, names in last.items():
            self.assertEqual(names.count("Released"), names.count("Alerting") or 1, key)
            self.assertEqual(names[-1], "Released", key)

    def finish(self) -> None:
        """
        All is over: nothing is left, on neither side.
        """
        self.settle()
        self.run_(100)
        self.settle()
        status = self.node.status()
        for name in ("calls", "dialogs", "attempts", "transactions", "timers"):
            self.assertEqual(status[name], 0, name)
        self.assertReleasedOnce()
        self.assertEqual(self.flushLoggedErrors(), [])
