"""
L{sipcluster.servicecheck.options}.
"""

from __future__ import annotations

from attrs import define, field
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from sipcluster.servicecheck.iservicecheck import (
    IAnswerTaker,
    IAsker,
    IQuestion,
    Member,
    PeerRole,
)
from sipcluster.servicecheck.options import (
    ROLE,
    OptionsAsker,
    parseRole,
    renderRole,
)
from sipcluster.sip.identifiers import Identifiers
from sipcluster.sip.isip import Target
from sipcluster.sip.message import Request, makeResponse
from sipcluster.sip.transactions import TransactionLayer
from sipcluster.testing.clock import runFor
from sipcluster.testing.records import FakeTransportLayer, RecordingReceiver

NODE1 = Member(
    "node1", Target("UDP", "192.0.2.21", 5060), "node1", b"sip:node1.example.com"
)


@implementer(IAnswerTaker)
@define
class Taker:
    """
    Notes the answer.
    """

    told: list[object] = field(factory=list)

    def alive(self, role: PeerRole) -> None:
        """
        See L{IAnswerTaker}.
        """
        self.told.append(role)

    def dead(self, why: str) -> None:
        """
        See L{IAnswerTaker}.
        """
        self.told.append(why)


class OptionsAskerTests(SynchronousTestCase):
    """
    L{OptionsAsker} asks over transactions.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.transport = FakeTransportLayer(self.clock)
        numbers = iter(range(1, 10**6))
        identifiers = Identifiers(lambda size: next(numbers).to_bytes(size, "big"))
        self.layer = TransactionLayer(
            self.clock, self.transport, RecordingReceiver(), identifiers
        )
        self.asker = OptionsAsker(
            self.clock,
            self.layer,
            identifiers,
            b"sip:proxy1.example.com",
            [(b"X-Extra", b"yes")],
        )
        verifyObject(IAsker, self.asker)
        self.taker = Taker()

    def ask(self, member: Member = NODE1) -> Request:
        """
        Ask, and give what was sent.
        """
        self.question = self.asker.ask(member, 2.0, self.taker)
        verifyObject(IQuestion, self.question)
        host, port = member.target.host, member.target.port
        self.flow = self.transport.flow("UDP", host, port)
        sent = self.flow.sent[-1]
        assert isinstance(sent, Request)
        return sent

    def answer(self, status: int, *headers: tuple[bytes, bytes]) -> None:
        """
        Let the response come.
        """
        sent = self.flow.sent[-1]
        assert isinstance(sent, Request)
        response = makeResponse(sent, status, headers=headers)
        self.layer.messageReceived(response, self.flow)

    def assertQuiet(self) -> None:
        """
        Nothing is left once the transaction's own timers are over.
        """
        runFor(self.clock, 40)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(self.layer.status()["noninviteClient"], 0)

    def test_question(self) -> None:
        """
        The question is an OPTIONS to the member's name.
        """
        sent = self.ask()
        self.assertEqual((sent.method, sent.uri), (b"OPTIONS", NODE1.uri))
        self.assertEqual(sent.fromAddress.uri.render(), b"sip:proxy1.example.com")
        self.assertEqual(sent.headers.first(b"X-Extra"), b"yes")
        self.assertEqual(sent.maxForwards, 70)
        first = sent.callID
        second = self.ask()
        self.assertEqual(second.callID, first)
        self.assertGreater(second.cseq.number, sent.cseq.number)

    def test_addressForAName(self) -> None:
        """
        A member without a name is asked by its address.
        """
        target = Target("UDP", "2001:db8::1", 5070)
        self.assertEqual(
            self.ask(Member("x", target, "x")).uri, b"sip:[2001:db8::1]:5070"
        )

    def test_alive(self) -> None:
        """
        Any final response but 503 is a sign of life; what it says of its role
        is read.
        """
        self.ask()
        self.answer(100)
        self.assertEqual(self.taker.told, [])
        self.answer(200, (ROLE, b"backup;epoch=3;pair=pair1"))
        self.ask()
        self.answer(501)
        self.assertEqual(self.taker.told, [PeerRole(False, 3, "pair1"), PeerRole()])
        self.assertQuiet()

    def test_unavailable(self) -> None:
        """
        A 503 is none.
        """
        self.ask()
        self.answer(503)
        self.assertEqual(self.taker.told, ["answers 503"])
        self.assertQuiet()

    def test_silence(self) -> None:
        """
        No answer in time is none, and nothing waits for a later one.
        """
        self.ask()
        runFor(self.clock, 2.0)
        self.assertEqual(self.taker.told, ["no answer in 2 s"])
        self.assertEqual(self.layer.status()["noninviteClient"], 0)
        self.answer(200)
        self.assertEqual(len(self.taker.told), 1)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_refused(self) -> None:
        """
        A refusal of the transport is told at once.
        """
        self.ask()
        self.layer.flowFailed(self.flow, "ICMP: port unreachable")
        self.assertEqual(self.taker.told, ["ICMP: port unreachable"])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_noWay(self) -> None:
        """
        Neither is a member without a way to it.
        """
        self.transport.refused.add(("UDP", "192.0.2.21", 5060))
        self.asker.ask(NODE1, 2.0, self.taker)
        runFor(self.clock, 0.1)
        self.assertEqual(len(self.taker.told), 1)
        self.assertQuiet()

    def test_timerF(self) -> None:
        """
        Who waits longer than the transaction does is told its end.
        """
        self.asker.ask(NODE1, 60.0, self.taker)
        runFor(self.clock, 33.0)
        self.assertEqual(self.taker.told, ["no answer"])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_abandon(self) -> None:
        """
        An abandoned question tells nothing, and leaves nothing.
        """
        self.ask()
        self.question.abandon()
        self.question.abandon()
        self.answer(200)
        self.assertEqual(self.taker.told, [])
        self.assertEqual(self.clock.getDelayedCalls(), [])


class RoleTests(SynchronousTestCase):
    """
    C{X-SIPCluster-Role}.
    """

    def test_roundTrip(self) -> None:
        """
        What is written is read again.
        """
        for role in (PeerRole(), PeerRole(False, 7, "pair1"), PeerRole(True, 2, "n")):
            self.assertEqual(parseRole(renderRole(role)), role)

    def test_nonsense(self) -> None:
        """
        Who says nothing that can be read stands alone and serves.
        """
        for value in (None, b"", b"primary;epoch=x", b"x;epoch=" + b"9" * 30, b'a;b="'):
            role = parseRole(value)
            self.assertTrue(role.primary, value)
            self.assertEqual(role.epoch, 0, value)
