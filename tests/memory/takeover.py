"""
Two members of a pair under one name: the first one dies at a chosen message, the
second one goes on with what the first had written down.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Any, cast

from attrs import evolve
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.task import Clock
from zope.interface import implementer

from sipcluster.app.node import NodeMember, makeNode
from sipcluster.app.runtime import NodeRuntime
from sipcluster.ha.journal import Journal, Limits
from sipcluster.ha.keeper import Keeper
from sipcluster.sessioncontroller.call import Call
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
from sipcluster.testing.sip_peer import Phone, SIPPeer, sdp
from sipcluster.testing.telephone import Telephone
from sipcluster.wire.correlation import Requester
from tests.memory.controls import ControlTestCase
from tests.memory.nodes import NODE, OTHER_NODE, PROXY1, PROXY2, THEN
from tests.unit.ha.members import Member, connect

#: What both members are called inside the cluster.
PAIR = b"node1.lab.example"

#: A link that speaks only when there is something to say.
QUIET = Limits(quiet=1e9, keepAlive=1e9, startUp=1e9, patience=1e9)


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

    @ivar early: it was sent a BYE before such an ACK.
    @ivar progress: a reliable 1xx of its own that was not acknowledged.
    @ivar heardOf: the number of the last one that it was sent.
    @ivar told: branches of the INFO and MESSAGE requests that it was sent.
    @ivar unacknowledged: Call-ID and number of INVITEs that it has accepted, and that
        were not acknowledged, and whether it waits for the answer to its offer.
    """

    early = False
    former: Request | None = None
    progress: Response | None = None
    heardOf = 0
    last = b""

    def __init__(self, phone: Phone, name: str, port: int) -> None:
        super().__init__(phone, name, port)
        self.unacknowledged: set[tuple[bytes, int, bool]] = set()
        self.told: set[bytes] = set()

    def answer(self) -> None:
        """
        Lift the receiver.
        """
        assert self.rings is not None
        self.accepts(self.rings)
        self.progress = None
        super().answer()

    def ringReliably(self, number: int) -> None:
        """
        Say something that is to be acknowledged.
        """
        assert self.rings is not None
        self.progress = self.phone.answer(
            self.rings,
            183,
            sdp(self._name, self._port),
            fields=[(b"Require", b"100rel"), (b"RSeq", b"%d" % number)],
        )

    def repeat(self) -> None:
        """
        Say again what was not acknowledged.
        """
        if self.progress is not None:
            self._peer.send(self.progress)

    def _acknowledgeProgress(self, response: Response) -> None:
        number = int(response.headers.first(b"RSeq") or b"0")
        dialog = self.phone.dialog
        if dialog is None or dialog.remoteTag != response.toTag:
            self.phone.accepted(response)
            self.heardOf = 0
        if number > self.heardOf:
            self.heardOf = number
            rack = b"%d %d INVITE" % (number, response.cseq.number)
            self.phone.within(b"PRACK", [(b"RAck", rack)])

    def _responded(self, response: Response) -> None:
        dialog = self.phone.dialog
        if response.status < 200 and b"RSeq" in response.headers:
            self.seen.append(response.status)
            self._acknowledgeProgress(response)
            return
        super()._responded(response)
        now = self.phone.dialog
        if now is not None and dialog is not None and dialog.id == now.id:
            number = max(dialog.localSequence, now.localSequence)
            self.phone.dialog = evolve(now, localSequence=number)

    def accepts(self, invite: Request) -> None:
        """
        An ACK is to come.
        """
        late = not invite.body
        self.unacknowledged.add((invite.callID, invite.cseq.number, late))

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
            elif message.method in (b"INFO", b"MESSAGE"):
                self.told.add(message.branch)
            elif message.method == b"PRACK":
                self.progress = None
            elif message.method == b"BYE":
                waits = [each[0] for each in self.unacknowledged]
                self.early |= message.callID in waits
            elif message.method == b"ACK":
                late = bool(message.body)
                awaited = message.callID, message.cseq.number, late
                if late and awaited not in self.unacknowledged:
                    return  # another member has repeated it
                self.unacknowledged.discard(awaited)
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
        replaces = before.headers.all(b"Replaces")
        request = self.phone.build(
            b"INVITE",
            before.uri.partition(b":")[2].partition(b"@")[0].decode(),
            [(b"Replaces", value) for value in replaces],
            body=before.body,
            callID=before.callID,
            number=before.cseq.number + 1,
            tag=before.fromTag,
        )
        self.phone.invite = self._calls = request
        self._peer.send(request)


class Cut(enum.Enum):
    """
    When, in a turn of its reactor, the first member dies.
    """

    #: Nothing of what happened was given to the other one, and nothing was sent.
    UNSAVED = "unsaved"
    #: The other one has it all; what waited for that was not sent.
    UNSENT = "unsent"
    #: All that was to be sent is on its way.
    SENT = "sent"


class TestKeeper(Keeper):
    """
    Tells the test when a turn ends.
    """

    def __init__(
        self, clock: IReactorTime, journal: Journal, ends: Callable[[], object]
    ) -> None:
        super().__init__(clock, journal)
        self.ends: Callable[[], object] = ends

    def _ended(self) -> None:
        self._turn = None
        self.ends()


@implementer(IFeatures)
class TakeoverTestCase(ControlTestCase):
    """
    A pair between scripted SIP Proxies, and telephones behind them.

    Each member has a keeper and a journal, and the link between them is real but for
    its wire: what is sent waits until the other member has what it tells of.  The SIP
    Proxies send what they hold to the member that lives: what was on its way to the
    dead one, and what that one has taken and not answered.

    @ivar cutAt: number of the turn in which the first member dies; 0: it lives.
    @ivar cut: when in it.
    @ivar unacknowledged: ACKs of the telephones are lost.
    @ivar switchedOn: what DNs have switched on.
    @ivar turns: those that the first member has ended.
    @ivar moved: what was restored, and whether it was gone on with.
    @ivar refused: undertakings that were refused by the second one.
    @ivar undone: what is done again when the turn in which it was done is lost.
    """

    cutAt = 0
    cut = Cut.SENT
    settings = {"noAnswerTimeout": 60}

    def setUp(self) -> None:
        self.turns = 0
        self.unacknowledged = False
        self.switchedOn: dict[str, DNFeatures] = {}
        self.alive = NODE
        self.moved: list[tuple[CallValue, bool]] = []
        self.refused: list[tuple[Requester, CallRefused]] = []
        self.undone: list[Callable[[], object]] = []
        self.taken: list[tuple[bytes, Address, Address, int]] = []
        self.carried = 0
        self._told = 0
        self.makePair()
        super().setUp()
        self._arrive = self.network._arrive
        self.network._arrive = self.arrive  # type: ignore[method-assign]
        self.telephones = {
            letter: Line(phone, f"phone{letter}", 4000 + 2 * index)
            for index, (letter, phone) in enumerate(
                {"A": self.alice, "B": self.bob, "C": self.carol}.items()
            )
        }

    # The pair

    def makePair(self) -> None:
        """
        Two members, of which the first is primary, and the link between them.
        """
        self.linkClock = Clock()
        self.first, self.second = (
            Member(self.linkClock, name, QUIET, owned=False) for name in "ab"
        )
        self.first.journal.becamePrimary(1)
        self.wire = connect(self.linkClock, self.first, self.second, 0.0)
        self.carry()
        self.assertTrue(self.first.journal.inSync)

    def carry(self) -> None:
        """
        Let what is on the link arrive.
        """
        for _ in range(8):
            self.linkClock.advance(0)

    def makeNode(self, name: str, address: str) -> NodeMember:
        self.mortal = MortalClock(self.clock)
        journal = (self.first if address == NODE else self.second).journal
        ends = self.turnEnds if address == NODE else self.laterTurnEnds
        self.keeper = TestKeeper(self.mortal, journal, ends)
        transport = self.network.host(address)
        runtime = NodeRuntime(
            name=name,
            configuration=self.configuration,
            clock=self.mortal,
            wallTime=lambda: THEN + self.clock.seconds(),
            entropy=self.network.entropy,
            transport=transport,
            keeper=self.keeper,
        )
        node = makeNode(runtime, [self.sink])
        transport.hold = self.keeper.put
        node.startService()
        plan = node.controller._plan
        assert isinstance(plan, FeatureDialPlan)
        plan._features = self
        ua = node.controller.ua
        ua.contactHost = PAIR
        ua.refusalsTo.append(lambda who, why: self.refused.append((who, why)))
        self.finishNode(node)
        self.addCleanup(self.assertEqual, self.keeper.counts, {})
        self.keeper.begin()
        return node

    def finishNode(self, node: NodeMember) -> None:
        """
        Nothing was restored yet.
        """
        kept = node.controller.kept
        goOn = kept._goOn

        def noted(call: Call, value: CallValue) -> None:
            self.assertEqual(decodeCall(encodeCall(value)), value)
            self.moved.append((value, bool(goOn(call, value))))

        kept._goOn = noted

    def turnEnds(self) -> None:
        """
        A turn of the first member's reactor is over.
        """
        self.watchClock()
        self.turns += 1
        dies = self.turns == self.cutAt
        if dies and self.cut is Cut.UNSAVED:
            self.takeOver()
            return
        if dies and self.cut is Cut.UNSENT:
            self.network.drops = lambda _, source, __: source[0] == NODE
            self.carried = len(self.network.carried)
        self.keeper.flush()
        self.carry()
        self.assertEqual(self.keeper.differing(), [])
        self.assertEqual(self.first.journal.waiting, 0)
        self.assertEqual(self.first.all, self.second.all)
        if dies:
            self.takeOver()
        self._told = len(self.sink.events)
        self.undone.clear()

    def watchClock(self) -> None:
        """
        On the link it is as late as everywhere.
        """
        self.linkClock.advance(self.clock.seconds() - self.linkClock.seconds())

    def laterTurnEnds(self) -> None:
        """
        A turn of the second one is.
        """
        self.keeper.flush()
        self.assertEqual(self.keeper.differing(), [])

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
        if destination[0] == NODE:
            if self.alive == NODE:
                self.taken.append((data, source, destination, self.turns))
            destination = (self.alive, destination[1])
        self._arrive(data, source, destination)
        if source[0] == OTHER_NODE and data.startswith((b"INFO", b"MESSAGE")):
            self.answersAgain(parseMessage(data), destination, source)

    def answersAgain(
        self, request: Message, source: Address, destination: Address
    ) -> None:
        """
        Whoever has answered a request gives the same answer when it comes again.
        """
        for data, who, *_ in self.taken:
            if who == source and data.startswith(b"SIP/"):
                answer = parseMessage(data)
                if (answer.branch, answer.cseq) == (request.branch, request.cseq):
                    self._arrive(data, source, destination)

    def sendAgain(self, sent: int) -> None:
        """
        SIP Proxies send what the dead member has had to the one that lives, as far as
        it does not seem to have been dealt with: requests without a final response,
        INVITEs without one above 100, the last provisional response to an INVITE, and
        refusals without ACK.  Telephones send an ACK again when the 2xx comes again.
        A 2xx that the other member knows of does not come again in time: whoever has
        sent it gets the ACK, and perhaps a BYE, before it sends it again.

        @param sent: how many datagrams were carried before the dead one was silent.
        """
        answers = set()
        for data, source, _ in list(self.network.carried)[:sent]:
            if source[0] == NODE and data.startswith(b"SIP/"):
                response = parseMessage(data)
                assert isinstance(response, Response)
                method, status = response.cseq.method, response.status
                if status >= 200 or (method == b"INVITE" and status > 100):
                    answers.add((response.branch, method))
        for data, source, destination, turn in self.taken:
            try:
                message = parseMessage(data)
            except MalformedMessage:
                continue
            method = message.cseq.method
            last = turn == self.turns - 1
            unsaved = last and self.cut is Cut.UNSAVED
            if method == b"ACK":
                again = unsaved
            elif isinstance(message, Request):
                again = (message.branch, method) not in answers
            else:
                status = message.status
                unsent = last and self.cut is Cut.UNSENT and status > 299
                again = method == b"INVITE" and status > 100 and (unsaved or unsent)
            if again:
                self._arrive(data, source, (self.alive, destination[1]))

    def takeOver(self) -> None:
        """
        The first member dies, the second one goes on.
        """
        self.watchClock()
        if self.cutAt and self.cut is Cut.UNSAVED:
            # The T-Library sessions keep events, and are not here.
            del self.sink.events[self._told :]
        else:
            self.keeper.flush()
            self.carry()
        self.keeper.end()
        sent = self.carried or len(self.network.carried)
        self.network.kill(NODE)
        self.network.drops = lambda *_: False
        self.mortal.die()
        self.wire.reset()
        self.carry()
        self.alive = OTHER_NODE
        for peer in (self.peer, self.peer2):
            peer.target = Target("UDP", OTHER_NODE, 5060)
            peer.disconnect()
        self.assertTrue(self.second.journal.becamePrimary(2))
        self.node = self.makeNode("node2", OTHER_NODE)
        self.sendAgain(sent)
        again, self.undone = self.undone, []
        for one in again:
            one()

    def moves(self) -> None:
        """
        The first member dies while a call talks that was answered lately: its called
        telephone hears the ACK once more.
        """
        self.takeOver()
        self.peer.expectRequest(b"ACK")

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
