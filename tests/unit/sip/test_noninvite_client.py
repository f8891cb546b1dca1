"""
Tests for L{sipcluster.sip.noninvite_client}: RFC 3261 section 17.1.2.
"""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from sipcluster.sip.client_transaction import ClientTransaction
from sipcluster.sip.isip import Target
from sipcluster.sip.noninvite_client import _machine
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


class NoninviteClientTests(SynchronousTestCase):
    """
    The machine, its timers, and what is sent, within the transaction layer.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.layer = TransactionLayer(
            self.clock,
            FakeTransportLayer(self.clock),
            RecordingReceiver(),
            identifiers(),
        )
        self.user = RecordingUser()

    def start(self, target: Target = BOB) -> ClientTransaction:
        """
        Send an OPTIONS.
        """
        transaction = self.layer.request(request(b"OPTIONS"), target, self.user)
        assert isinstance(transaction.flow, RecordingFlow)
        self.flow = transaction.flow
        return transaction

    def answer(self, transaction: ClientTransaction, status: int) -> None:
        """
        A response arrives.
        """
        self.layer.messageReceived(
            response(transaction.request, status), transaction.flow
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
        self.assertEqual((counts["noninviteClient"], counts["timers"]), (0, 0))
        self.assertEqual((counts["waiting"], counts["lingering"]), (0, 0))

    def test_followsAgain(self) -> None:
        """
        A request that another process may not know is sent to it, and retransmitted
        as in the beginning; the time for the answer goes on.
        """
        for status in (0, 100):
            self.setUp()
            transaction = self.start()
            if status:
                self.answer(transaction, status)
            runFor(self.clock, 10.0)
            other = Target("UDP", "192.0.2.9", 5060)
            self.layer.follow(transaction, other, True)
            flow = transaction.flow
            assert isinstance(flow, RecordingFlow)
            runFor(self.clock, 1.6)
            self.assertEqual(flow.times, [10.0, 10.5, 11.5])
            runFor(self.clock, 30.0)
            self.assertIn("timed out", self.user.told)
            self.assertOver(transaction)

    def test_followsOnAStream(self) -> None:
        """
        On a stream it is sent once, with our Via for that.
        """
        transaction = self.start()
        self.layer.follow(transaction, TCP, True)
        flow = transaction.flow
        assert isinstance(flow, RecordingFlow)
        runFor(self.clock, 10.0)
        self.assertEqual(len(flow.sent), 1)
        self.assertEqual(transaction.request.via.transport, b"TCP")
        self.answer(transaction, 200)
        self.assertOver(transaction)
        self.layer.follow(transaction, BOB, True)

    def test_retransmitsOnTimerE(self) -> None:
        """
        An unanswered request is sent again after T1, each gap twice the last
        but at most T2, until timer F ends the transaction.
        """
        transaction = self.start()
        runFor(self.clock, 32.0)
        self.assertEqual(
            self.flow.times,
            [0.0, 0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5],
        )
        self.assertEqual(self.user.told, ["timed out", "terminated"])
        self.assertOver(transaction)

    def test_provisionalSlowsRetransmission(self) -> None:
        """
        After a 100 the request is sent every T2, since only a final response
        ends that, and timer F still counts.
        """
        transaction = self.start()
        runFor(self.clock, 0.6)
        self.answer(transaction, 100)
        self.answer(transaction, 100)
        runFor(self.clock, 31.4)
        self.assertEqual(
            self.flow.times, [0.0, 0.5, 1.5, 5.5, 9.5, 13.5, 17.5, 21.5, 25.5, 29.5]
        )
        self.assertEqual(self.user.told, [100, 100, "timed out", "terminated"])
        self.assertOver(transaction)

    def test_finalResponse(self) -> None:
        """
        The first final response is passed up; timer K waits T4 for others.
        """
        transaction = self.start()
        self.answer(transaction, 200)
        self.answer(transaction, 200)
        self.answer(transaction, 100)
        runFor(self.clock, 4.9)
        self.assertFalse(transaction.terminated)
        runFor(self.clock, 0.1)
        self.assertEqual(self.user.told, [200, "terminated"])
        self.assertEqual(self.flow.told, [b"OPTIONS"])
        self.assertOver(transaction)

    def test_onAStream(self) -> None:
        """
        On a stream there are no retransmissions to send or to wait for.
        """
        transaction = self.start(TCP)
        runFor(self.clock, 20.0)
        self.answer(transaction, 100)
        self.answer(transaction, 404)
        self.assertEqual(self.flow.told, [b"OPTIONS"])
        self.assertEqual(self.user.told, [100, 404, "terminated"])
        self.assertOver(transaction)

    def test_streamTimesOut(self) -> None:
        """
        On a stream a request without an answer ends at 64*T1 too.
        """
        transaction = self.start(TCP)
        runFor(self.clock, 32.0)
        self.assertEqual(self.flow.times, [0.0])
        self.assertEqual(self.user.told, ["timed out", "terminated"])
        self.assertOver(transaction)

    def test_transportFails(self) -> None:
        """
        A request whose flow breaks fails at once unless it was answered.
        """
        for statuses, told in (
            ([], ["transport failed", "terminated"]),
            ([100], [100, "transport failed", "terminated"]),
            ([200], [200, "terminated"]),
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
        A transaction that the user gives up ends at once, in any state.
        """
        for statuses in ([], [100], [200]):
            self.user = RecordingUser()
            transaction = self.start()
            for status in statuses:
                self.answer(transaction, status)
            transaction.abandon()
            self.assertEqual(self.user.told, [*statuses, "terminated"])
            self.assertOver(transaction)

    def test_everyMessageIsAnsweredInEveryState(self) -> None:
        """
        No response a peer sends, and no timer, whenever it comes, is an unknown
        transition.
        """
        self.assertEqual(unanswered(_machine, inputs(_machine) - {"start"}), set())
