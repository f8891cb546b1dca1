"""
Tests for L{sipcluster.sip.noninvite_server}: RFC 3261 section 17.2.2 with RFC
4320.
"""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from sipcluster.sip.noninvite_server import _machine
from sipcluster.sip.transactions import ServerTransaction, TransactionLayer
from sipcluster.testing.clock import runFor
from sipcluster.testing.machines import inputs, unanswered
from sipcluster.testing.records import (
    FakeTransportLayer,
    RecordingReceiver,
    RecordingServerUser,
)
from tests.unit.sip.samples import arriving, identifiers, response


class NoninviteServerTests(SynchronousTestCase):
    """
    The machine, its timers, and what is sent, within the transaction layer.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.transport = FakeTransportLayer(self.clock)
        self.receiver = RecordingReceiver()
        self.layer = TransactionLayer(
            self.clock, self.transport, self.receiver, identifiers()
        )
        self.user = RecordingServerUser()

    def arrive(self, transportName: str = "UDP") -> ServerTransaction:
        """
        An OPTIONS arrives.
        """
        self.flow = self.transport.flow(transportName)
        self.options = arriving(b"OPTIONS", transport=transportName.encode())
        self.layer.messageReceived(self.options, self.flow)
        transaction = self.receiver.transactions[-1]
        transaction.user = self.user
        return transaction

    def again(self) -> None:
        """
        The same request arrives once more.
        """
        self.layer.messageReceived(self.options, self.flow)

    def respond(self, transaction: ServerTransaction, status: int) -> None:
        transaction.respond(response(transaction.request, status))

    def assertOver(self, transaction: ServerTransaction) -> None:
        """
        The transaction left nothing behind.
        """
        self.assertTrue(transaction.terminated)
        self.assertEqual(self.user.told, ["terminated"])
        self.assertEqual(self.clock.getDelayedCalls(), [])
        counts = self.layer.status()
        self.assertEqual((counts["noninviteServer"], counts["timers"]), (0, 0))
        self.assertEqual((counts["waiting"], counts["lingering"]), (0, 0))

    def test_finalResponse(self) -> None:
        """
        The final response answers retransmissions too until timer J; a second
        one is dropped.
        """
        transaction = self.arrive()
        self.again()
        self.respond(transaction, 200)
        self.assertEqual(transaction.state, "Completed")
        self.respond(transaction, 404)
        self.again()
        runFor(self.clock, 31.9)
        self.again()
        self.assertEqual(self.flow.told, [200, 200, 200])
        runFor(self.clock, 0.1)
        self.assertOver(transaction)
        self.assertEqual(self.receiver.transactions, [transaction])

    def test_onAStream(self) -> None:
        """
        On a stream nothing is waited for after the final response.
        """
        transaction = self.arrive("TCP")
        self.respond(transaction, 200)
        self.assertEqual(self.flow.told, [200])
        self.assertOver(transaction)

    def test_noEarlyProvisional(self) -> None:
        """
        On UDP a 100 waits until the client retransmits every T2 only, and no
        other 1xx is ever sent (RFC 4320 section 4.1).
        """
        transaction = self.arrive()
        self.respond(transaction, 100)
        self.respond(transaction, 183)
        runFor(self.clock, 3.4)
        self.again()
        self.assertEqual(self.flow.told, [])
        runFor(self.clock, 0.1)
        self.again()
        self.assertEqual(self.flow.told, [100, 100])
        self.assertEqual(transaction.state, "Proceeding")
        self.respond(transaction, 200)
        self.assertEqual(self.flow.told, [100, 100, 200])
        runFor(self.clock, 32.0)
        self.assertOver(transaction)

    def test_provisionalOnAStream(self) -> None:
        """
        On a stream a 100 may be sent at any time, and is sent at the latest
        then.
        """
        transaction = self.arrive("TCP")
        self.respond(transaction, 100)
        self.respond(transaction, 100)
        self.respond(transaction, 182)
        self.assertEqual(self.flow.told, [100, 100])
        runFor(self.clock, 10.0)
        self.assertEqual(self.flow.told, [100, 100])
        self.respond(transaction, 200)
        self.assertOver(transaction)
        silent = self.arrive("TCP")
        told = len(self.flow.told)
        runFor(self.clock, 4.0)
        self.assertEqual(self.flow.told[told:], [100])
        self.respond(silent, 200)

    def test_provisionalAtOnce(self) -> None:
        """
        A user that sends a 100 on a stream within C{requestReceived} has 64*T1
        for the final response too.
        """
        self.patch(
            self.receiver,
            "requestReceived",
            lambda transaction: self.respond(transaction, 100),
        )
        self.flow = self.transport.flow("TCP")
        self.layer.messageReceived(arriving(b"INFO", transport=b"TCP"), self.flow)
        self.assertEqual(self.layer.status()["noninviteServer"], 1)
        runFor(self.clock, 32.0)
        self.assertEqual(self.flow.told, [100])
        self.assertEqual(self.layer.status()["noninviteServer"], 0)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_forgotten(self) -> None:
        """
        An answered request can be forgotten at once; before that, and
        afterwards, nothing happens.
        """
        transaction = self.arrive()
        transaction.forget()
        self.assertEqual(transaction.state, "Trying")
        self.respond(transaction, 200)
        transaction.forget()
        transaction.forget()
        self.assertOver(transaction)

    def test_noTimeout(self) -> None:
        """
        A 408 is not sent, since it would come too late: the transaction ends
        without a word (RFC 4320 section 4.2).
        """
        transaction = self.arrive()
        self.respond(transaction, 408)
        self.assertEqual(self.flow.told, [])
        self.assertOver(transaction)

    def test_neverAnswered(self) -> None:
        """
        A request that the user does not answer in 64*T1 is forgotten: nobody
        waits for the response any more.
        """
        transaction = self.arrive()
        runFor(self.clock, 32.0)
        self.assertEqual(self.flow.told, [100])
        self.assertOver(transaction)
        self.respond(transaction, 200)
        self.assertEqual(self.flow.told, [100])

    def test_noWayBack(self) -> None:
        """
        A response that cannot be sent anywhere is told.
        """
        transaction = self.arrive("TCP")
        self.flow.closed = True
        self.transport.refused.add(("TCP", "192.0.2.2", 5060))
        self.respond(transaction, 200)
        self.assertEqual(self.user.told, ["transport failed", "terminated"])

    def test_streamLost(self) -> None:
        """
        A stream that ends after a 100 does not matter.
        """
        transaction = self.arrive("TCP")
        self.respond(transaction, 100)
        self.flow.closed = True
        self.layer.flowFailed(self.flow, "lost")
        self.respond(transaction, 200)
        self.assertEqual(self.transport.flow("TCP").told, [200])
        self.assertOver(transaction)

    def test_everyMessageIsAnsweredInEveryState(self) -> None:
        """
        Nothing that a peer sends, that the user says, and no timer, whenever it
        comes, is an unknown transition.
        """
        self.assertEqual(unanswered(_machine, inputs(_machine)), set())
