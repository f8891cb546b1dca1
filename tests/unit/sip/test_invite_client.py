"""
Tests for L{sipcluster.sip.invite_client}: RFC 3261 section 17.1.1 with RFC 6026.
"""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from sipcluster.sip.client_transaction import ClientTransaction
from sipcluster.sip.invite_client import _machine, makeAck, makeCancel
from sipcluster.sip.isip import ITransactionUser, Target
from sipcluster.sip.machine import stateName
from sipcluster.sip.message import Request
from sipcluster.sip.transactions import TransactionLayer
from sipcluster.testing.clock import runFor
from sipcluster.testing.machines import inputs, unanswered
from sipcluster.testing.records import (
    FakeTransportLayer,
    RecordingFlow,
    RecordingReceiver,
    RecordingUser,
)
from tests.unit.sip.samples import BOB, identifiers, request, response

TCP = Target("TCP", "192.0.2.2", 5060)
OTHER = Target("UDP", "192.0.2.9", 5060)


class InviteClientTests(SynchronousTestCase):
    """
    The machine, its timers, and what is sent, within the transaction layer.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.transport = FakeTransportLayer(self.clock)
        self.layer = TransactionLayer(
            self.clock, self.transport, RecordingReceiver(), identifiers()
        )
        self.user = RecordingUser()
        verifyObject(ITransactionUser, self.user)

    def start(
        self, target: Target = BOB, invite: Request | None = None
    ) -> ClientTransaction:
        """
        Send an INVITE.
        """
        transaction = self.layer.request(invite or request(), target, self.user)
        assert isinstance(transaction.flow, RecordingFlow)
        self.flow = transaction.flow
        return transaction

    def answer(
        self, transaction: ClientTransaction, status: int, tag: bytes = b"b1"
    ) -> None:
        """
        A response arrives.
        """
        self.layer.messageReceived(
            response(transaction.request, status, toTag=tag), transaction.flow
        )

    def assertOver(self, transaction: ClientTransaction) -> None:
        """
        The transaction left nothing behind.
        """
        self.assertTrue(transaction.terminated)
        self.assertEqual(self.user.told.count("terminated"), 1)
        self.assertEqual(self.user.told[-1], "terminated")
        self.assertEqual(self.clock.getDelayedCalls(), [])
        counts = self.layer.status()
        self.assertEqual((counts["inviteClient"], counts["lingering"]), (0, 0))
        self.assertEqual((counts["waiting"], counts["timers"]), (0, 0))

    def test_retransmitsOnTimerA(self) -> None:
        """
        An unanswered INVITE is sent again after T1, and each gap is twice the
        last, until timer B ends the transaction at 64*T1.
        """
        transaction = self.start()
        runFor(self.clock, 32.0)
        self.assertEqual(self.flow.times, [0.0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5])
        self.assertEqual(len(set(self.flow.data)), 1)
        self.assertEqual(self.user.told, ["timed out", "terminated"])
        self.assertOver(transaction)

    def test_streamsDoNotLose(self) -> None:
        """
        On a stream the INVITE is sent once.
        """
        transaction = self.start(TCP)
        runFor(self.clock, 31.9)
        self.assertEqual(self.flow.times, [0.0])
        self.assertEqual(self.user.told, [])
        runFor(self.clock, 0.1)
        self.assertOver(transaction)

    def test_provisionalEndsRetransmission(self) -> None:
        """
        After a 1xx the INVITE is not sent again, and may ring for ever.
        """
        transaction = self.start()
        self.answer(transaction, 100)
        self.answer(transaction, 180)
        self.answer(transaction, 180)
        runFor(self.clock, 3600.0)
        self.assertEqual(self.flow.told, [b"INVITE"])
        self.assertEqual(self.user.told, [100, 180, 180])
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(stateName(transaction.machine), "Proceeding")

    def test_everySuccessIsPassedUp(self) -> None:
        """
        A 2xx, its retransmission and the 2xx of another fork are passed up
        until timer M ends the transaction; nothing is sent for them here.
        """
        transaction = self.start()
        self.answer(transaction, 180)
        self.answer(transaction, 200, b"b1")
        self.answer(transaction, 200, b"b1")
        runFor(self.clock, 31.9)
        self.answer(transaction, 200, b"b2")
        self.answer(transaction, 180)
        self.answer(transaction, 486)
        self.assertEqual(self.user.told, [180, 200, 200, 200])
        self.assertEqual(self.flow.told, [b"INVITE"])
        runFor(self.clock, 0.1)
        self.assertOver(transaction)

    def test_failureIsAcknowledgedEachTime(self) -> None:
        """
        A 486 is passed up once and acknowledged as often as it arrives; timer D
        ends the transaction 32 seconds later.
        """
        transaction = self.start()
        self.answer(transaction, 486)
        self.answer(transaction, 486)
        self.answer(transaction, 180)
        self.answer(transaction, 200)
        runFor(self.clock, 32.0)
        self.assertEqual(self.flow.told, [b"INVITE", b"ACK", b"ACK"])
        self.assertEqual(self.user.told, [486, "terminated"])
        self.assertOver(transaction)

    def test_failureOnAStream(self) -> None:
        """
        On a stream nothing is waited for after the ACK.
        """
        transaction = self.start(TCP)
        self.answer(transaction, 180)
        self.answer(transaction, 486)
        self.assertEqual(self.flow.told, [b"INVITE", b"ACK"])
        self.assertEqual(self.user.told, [180, 486, "terminated"])
        self.assertOver(transaction)

    def test_acknowledgement(self) -> None:
        """
        The ACK has the INVITE's Request-URI, top Via, Route, From, Call-ID and
        CSeq number, and the To of the response (section 17.1.1.3).
        """
        invite = request(
            b"INVITE",
            (b"Route", b"<sip:p1.example.com;lr>, <sip:p2.example.com;lr>"),
            (b"Route", b"<sip:p3.example.com;lr>"),
            via=b"SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1, SIP/2.0/UDP x;branch=2",
            number=7,
        )
        ack = makeAck(invite, response(invite, 404, toTag=b"b9"))
        self.assertEqual(
            ack.render(),
            b"ACK sip:bob@biloxi.example.com SIP/2.0\r\n"
            b"Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n"
            b"Route: <sip:p1.example.com;lr>, <sip:p2.example.com;lr>\r\n"
            b"Route: <sip:p3.example.com;lr>\r\n"
            b"Max-Forwards: 70\r\n"
            b"From: Alice <sip:alice@atlanta.example.com>;tag=9fxced76sl\r\n"
            b"To: Bob <sip:bob@biloxi.example.com>;tag=b9\r\n"
            b"Call-ID: 3848276298220188511@atlanta.example.com\r\n"
            b"CSeq: 7 ACK\r\n"
            b"Content-Length: 0\r\n\r\n",
        )

    def test_cancellation(self) -> None:
        """
        The CANCEL has the same, the INVITE's To, and what the user adds
        (section 9.1).
        """
        invite = request(
            b"INVITE",
            (b"Route", b"<sip:p1.example.com;lr>"),
            via=b"SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1",
        )
        self.assertEqual(
            makeCancel(invite, [(b"Reason", b"SIP;cause=200")]).render(),
            b"CANCEL sip:bob@biloxi.example.com SIP/2.0\r\n"
            b"Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n"
            b"Route: <sip:p1.example.com;lr>\r\n"
            b"Max-Forwards: 70\r\n"
            b"From: Alice <sip:alice@atlanta.example.com>;tag=9fxced76sl\r\n"
            b"To: Bob <sip:bob@biloxi.example.com>\r\n"
            b"Call-ID: 3848276298220188511@atlanta.example.com\r\n"
            b"CSeq: 1 CANCEL\r\n"
            b"Reason: SIP;cause=200\r\n"
            b"Content-Length: 0\r\n\r\n",
        )

    def test_cancelWaitsForProvisional(self) -> None:
        """
        There is no CANCEL before the first 1xx, and one however often it is
        asked for.
        """
        transaction = self.start()
        transaction.cancel([(b"Reason", b"SIP;cause=200")])
        transaction.cancel()
        self.assertEqual(self.flow.told, [b"INVITE"])
        self.answer(transaction, 180)
        transaction.cancel()
        self.answer(transaction, 180)
        self.assertEqual(self.flow.told, [b"INVITE", b"CANCEL"])
        invite, cancel = self.flow.sent
        self.assertEqual(cancel.branch, invite.branch)
        self.assertEqual(self.user.told, [180, 180])

    def test_cancelled(self) -> None:
        """
        The CANCEL's own responses are not passed up; the 487 is, and all ends.
        """
        transaction = self.start()
        self.answer(transaction, 100)
        transaction.cancel()
        cancel = self.flow.sent[-1]
        assert isinstance(cancel, Request)
        self.layer.messageReceived(response(cancel, 200), self.flow)
        self.answer(transaction, 487)
        self.assertEqual(self.flow.told, [b"INVITE", b"CANCEL", b"ACK"])
        self.assertEqual(self.user.told, [100, 487])
        self.assertEqual(self.layer.status()["noninviteClient"], 1)
        runFor(self.clock, 32.0)
        self.assertEqual(self.layer.status()["noninviteClient"], 0)
        self.assertOver(transaction)

    def test_cancelCrossesSuccess(self) -> None:
        """
        A 200 that crosses the CANCEL is passed up: the user has to end the
        dialog.
        """
        transaction = self.start()
        self.answer(transaction, 100)
        transaction.cancel()
        self.answer(transaction, 200)
        transaction.cancel()
        runFor(self.clock, 32.0)
        self.assertEqual(self.user.told, [100, 200, "terminated"])
        self.assertOver(transaction)

    def test_cancelNotAnswered(self) -> None:
        """
        When no final response comes in 64*T1 after the CANCEL, the user is told
        that the INVITE timed out.
        """
        transaction = self.start()
        self.answer(transaction, 100)
        runFor(self.clock, 10.0)
        transaction.cancel()
        runFor(self.clock, 31.9)
        self.assertEqual(self.user.told, [100])
        runFor(self.clock, 0.1)
        self.assertEqual(self.user.told, [100, "timed out", "terminated"])
        runFor(self.clock, 32.0)
        self.assertOver(transaction)

    def test_cancelTooLate(self) -> None:
        """
        Cancelling what has ended, or what is no INVITE, does nothing.
        """
        transaction = self.start()
        self.answer(transaction, 486)
        transaction.cancel()
        runFor(self.clock, 32.0)
        transaction.cancel()
        self.assertOver(transaction)
        other = self.start(invite=request(b"OPTIONS"))
        self.answer(other, 100)
        other.cancel()
        self.assertNotIn(b"CANCEL", self.flow.told)

    def test_transportFails(self) -> None:
        """
        An INVITE whose flow breaks fails at once, while calling and while
        ringing; one that was answered does not care.
        """
        for statuses, told in (
            ([], ["transport failed", "terminated"]),
            ([180], [180, "transport failed", "terminated"]),
            ([200], [200, "terminated"]),
            ([404], [404, "terminated"]),
        ):
            self.user = RecordingUser()
            transaction = self.start()
            for status in statuses:
                self.answer(transaction, status)
            self.layer.flowFailed(self.flow, "nobody there")
            runFor(self.clock, 32.0)
            self.assertEqual(self.user.told, told)
            self.assertOver(transaction)

    def test_abandoned(self) -> None:
        """
        A transaction that the user gives up ends at once, in any state; a
        response that still comes is a stray.
        """
        for statuses in ([], [180], [200], [404]):
            self.user = RecordingUser()
            transaction = self.start()
            for status in statuses:
                self.answer(transaction, status)
            transaction.abandon()
            self.assertEqual(self.user.told, [*statuses, "terminated"])
            self.assertOver(transaction)
            transaction.abandon()
            self.answer(transaction, 200)
            self.assertEqual(self.user.told, [*statuses, "terminated"])
        self.assertEqual(self.layer.counters["stray"], 4)

    def test_abandonedFromWithin(self) -> None:
        """
        The user may give up while it is told of a response.
        """

        class Impatient(RecordingUser):
            def responseReceived(self, response: object) -> None:
                transaction.abandon()

        for status in (180, 200, 404):
            for target in (BOB, TCP):
                self.user = Impatient()
                transaction = self.start(target)
                self.answer(transaction, status)
                self.assertEqual(self.user.told, ["terminated"])
                self.assertOver(transaction)

    def there(self) -> RecordingFlow:
        """
        The flow to the process that takes over.
        """
        flow = self.transport.flowTo(OTHER)
        assert isinstance(flow, RecordingFlow)
        return flow

    def methods(self, flow: RecordingFlow) -> list[bytes]:
        """
        Of the requests that were sent.
        """
        return [sent.method for sent in flow.sent if isinstance(sent, Request)]

    def test_followsAgain(self) -> None:
        """
        An INVITE that another process may not know is sent to it under the same
        branch, and retransmitted until that answers.
        """
        transaction = self.start()
        self.answer(transaction, 100)
        self.layer.follow(transaction, OTHER, True)
        there = self.there()
        self.assertEqual(there.data, self.flow.data)
        runFor(self.clock, 1.6)
        self.assertEqual(len(there.sent), 3)
        self.answer(transaction, 180)
        self.answer(transaction, 486)
        self.assertEqual(self.methods(there)[3:], [b"ACK"])
        runFor(self.clock, 40.0)
        self.assertOver(transaction)

    def test_followsAndIsCancelledLater(self) -> None:
        """
        One that was cancelled is, when it is sent again, cancelled again.
        """
        transaction = self.start()
        self.answer(transaction, 100)
        transaction.cancel()
        self.layer.follow(transaction, OTHER, True)
        there = self.there()
        self.assertEqual(self.methods(there), [b"INVITE"])
        self.answer(transaction, 180)
        self.assertEqual(self.methods(there), [b"INVITE", b"CANCEL"])
        self.answer(transaction, 487)
        runFor(self.clock, 40.0)
        self.assertOver(transaction)

    def test_followsCancelled(self) -> None:
        """
        One that is not sent again is cancelled where it is now, whether the other
        process has answered a CANCEL or not; when nobody answers it ends.
        """
        for status in (0, 100, 180):
            self.setUp()
            transaction = self.start()
            if status:
                self.answer(transaction, status)
            transaction.cancel([(b"Reason", b"SIP;cause=200")])
            self.layer.follow(transaction, OTHER, False)
            (cancel,) = self.there().sent
            assert isinstance(cancel, Request)
            self.assertEqual(cancel.method, b"CANCEL")
            self.assertEqual(cancel.branch, transaction.request.branch)
            self.assertEqual(cancel.headers.first(b"Reason"), b"SIP;cause=200")
            runFor(self.clock, 70.0)
            self.assertOver(transaction)

    def test_followsQuietly(self) -> None:
        """
        One that rings says nothing; its ACK goes where it is now, also when that is
        found out after the refusal.
        """
        transaction = self.start()
        self.answer(transaction, 180)
        self.layer.follow(transaction, OTHER, False)
        self.assertEqual(self.there().sent, [])
        self.answer(transaction, 486)
        self.layer.follow(transaction, TCP, False)
        self.answer(transaction, 486)
        flow = self.transport.flowTo(TCP)
        assert isinstance(flow, RecordingFlow)
        self.assertEqual(self.methods(flow), [b"ACK"])
        runFor(self.clock, 40.0)
        self.assertOver(transaction)
        self.layer.follow(transaction, OTHER, True)

    def test_brokenFlow(self) -> None:
        """
        A transaction whose user expects another process outlives its flow.
        """
        transaction = self.start()
        told: list[str] = []
        transaction.broken = told.append
        self.layer.flowFailed(self.flow, "refused")
        self.assertEqual(told, ["refused"])
        self.layer.follow(transaction, OTHER, True)
        self.layer.flowFailed(self.flow, "refused")
        self.assertEqual(told, ["refused"])
        self.answer(transaction, 486)
        runFor(self.clock, 40.0)
        self.assertOver(transaction)

    def test_everyMessageIsAnsweredInEveryState(self) -> None:
        """
        No response a peer sends, and no timer, whenever it comes, is an unknown
        transition.
        """
        self.assertEqual(unanswered(_machine, inputs(_machine) - {"start"}), set())
