"""
Tests for L{sipcluster.sip.invite_server}: RFC 3261 section 17.2.1 with RFC 6026.
"""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from sipcluster.sip.invite_server import _machine
from sipcluster.sip.isip import IServerTransactionUser
from sipcluster.sip.transactions import ServerTransaction, TransactionLayer
from sipcluster.testing.clock import runFor
from sipcluster.testing.machines import inputs, unanswered
from sipcluster.testing.records import (
    FakeTransportLayer,
    RecordingReceiver,
    RecordingServerUser,
)
from tests.unit.sip.samples import arriving, identifiers, response


class InviteServerTests(SynchronousTestCase):
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
        verifyObject(IServerTransactionUser, self.user)

    def arrive(self, transportName: str = "UDP") -> ServerTransaction:
        """
        An INVITE arrives.
        """
        self.flow = self.transport.flow(transportName)
        self.invite = arriving(transport=transportName.encode())
        self.layer.messageReceived(self.invite, self.flow)
        transaction = self.receiver.transactions[-1]
        transaction.user = self.user
        return transaction

    def again(self) -> None:
        """
        The same INVITE arrives once more.
        """
        self.layer.messageReceived(self.invite, self.flow)

    def acknowledge(self, tag: bytes = b"8321234356") -> None:
        """
        An ACK with the branch of the INVITE arrives.
        """
        transport = self.flow.transportName.encode()
        ack = arriving(b"ACK", transport=transport, toTag=tag)
        self.layer.messageReceived(ack, self.flow)

    def respond(self, transaction: ServerTransaction, status: int) -> None:
        transaction.respond(response(transaction.request, status))

    def assertOver(self, transaction: ServerTransaction) -> None:
        """
        The transaction left nothing behind.
        """
        self.assertTrue(transaction.terminated)
        self.assertEqual(transaction.state, "Terminated")
        self.assertEqual(self.user.told.count("terminated"), 1)
        self.assertEqual(self.user.told[-1], "terminated")
        self.assertEqual(self.clock.getDelayedCalls(), [])
        counts = self.layer.status()
        self.assertEqual((counts["inviteServer"], counts["timers"]), (0, 0))
        self.assertEqual((counts["waiting"], counts["lingering"]), (0, 0))

    def test_saysTrying(self) -> None:
        """
        A user that has said nothing after 200 ms has a 100 sent for it, which
        answers retransmissions too.
        """
        transaction = self.arrive()
        runFor(self.clock, 0.19)
        self.again()
        self.assertEqual(self.flow.told, [])
        self.assertEqual(transaction.responded, 0)
        runFor(self.clock, 0.01)
        self.again()
        self.assertEqual(self.flow.told, [100, 100])
        self.assertEqual(transaction.responded, 100)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_noTryingAfterAnAnswer(self) -> None:
        """
        A user that has answered needs no 100.
        """
        for status in (180, 200, 486):
            transaction = self.arrive()
            self.respond(transaction, status)
            told = self.flow.told
            runFor(self.clock, 0.3)
            self.assertEqual(self.flow.told, told)
            self.acknowledge()
            runFor(self.clock, 32.0)

    def test_repeatsProvisional(self) -> None:
        """
        A retransmitted INVITE gets the last 1xx again, and makes nothing new.
        """
        transaction = self.arrive()
        self.respond(transaction, 180)
        self.respond(transaction, 183)
        self.again()
        self.assertEqual(self.flow.told, [180, 183, 183])
        self.assertEqual(self.receiver.transactions, [transaction])
        self.assertEqual(transaction.state, "Proceeding")

    def test_accepted(self) -> None:
        """
        After a 2xx retransmitted INVITEs are absorbed, the user retransmits the
        2xx through the transaction, and hears of an ACK that has the INVITE's
        branch; timer L ends it.
        """
        transaction = self.arrive()
        self.respond(transaction, 200)
        self.assertEqual(transaction.state, "Accepted")
        self.again()
        self.respond(transaction, 200)
        self.respond(transaction, 180)
        self.respond(transaction, 486)
        self.assertEqual(self.flow.told, [200, 200])
        self.acknowledge()
        self.assertEqual(self.user.told, ["ACK"])
        runFor(self.clock, 31.9)
        self.assertEqual(transaction.state, "Accepted")
        runFor(self.clock, 0.1)
        self.assertOver(transaction)
        self.respond(transaction, 200)
        self.assertEqual(self.flow.told, [200, 200])

    def test_retransmitsFailure(self) -> None:
        """
        A final response that is no 2xx is sent again after T1, at gaps that
        double up to T2, and once more for each retransmitted INVITE; when no ACK
        comes in 64*T1 the user is told.
        """
        transaction = self.arrive()
        self.respond(transaction, 486)
        self.assertEqual(transaction.state, "Completed")
        runFor(self.clock, 32.0)
        self.assertEqual(
            self.flow.times,
            [0.0, 0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5],
        )
        self.assertEqual(self.user.told, ["ACK missing", "terminated"])
        self.assertOver(transaction)

    def test_confirmed(self) -> None:
        """
        The ACK ends retransmission; timer I absorbs further ACKs and INVITEs.
        """
        transaction = self.arrive()
        self.respond(transaction, 486)
        self.again()
        self.acknowledge()
        self.assertEqual(transaction.state, "Confirmed")
        self.again()
        self.acknowledge()
        self.respond(transaction, 200)
        runFor(self.clock, 4.9)
        self.assertEqual(self.flow.told, [486, 486])
        self.assertEqual(self.user.told, ["ACK"])
        runFor(self.clock, 0.1)
        self.assertOver(transaction)
        self.assertEqual(self.receiver.acks, [])

    def test_failureOnAStream(self) -> None:
        """
        On a stream the final response is sent once and the ACK ends all.
        """
        transaction = self.arrive("TCP")
        self.respond(transaction, 486)
        runFor(self.clock, 31.0)
        self.assertEqual(self.flow.told, [486])
        self.acknowledge()
        self.assertEqual(self.user.told, ["ACK", "terminated"])
        self.assertOver(transaction)

    def test_cancelled(self) -> None:
        """
        A CANCEL is answered 200 with the To tag of the INVITE's response, each
        time, and told to the user, once.
        """
        transaction = self.arrive()
        self.respond(transaction, 180)
        for _ in range(2):
            self.layer.messageReceived(arriving(b"CANCEL"), self.flow)
        self.assertEqual(self.user.told, ["CANCEL"])
        self.assertTrue(transaction.cancelled)
        self.respond(transaction, 487)
        self.assertEqual(self.flow.told, [180, 200, 200, 487])
        self.assertEqual(self.flow.sent[1].toTag, b"8321234356")
        self.assertEqual(self.flow.sent[1].cseq.method, b"CANCEL")

    def test_cancelTooLate(self) -> None:
        """
        A CANCEL after the final response is answered and changes nothing.
        """
        transaction = self.arrive()
        self.respond(transaction, 200)
        self.layer.messageReceived(arriving(b"CANCEL"), self.flow)
        self.assertEqual(self.flow.told, [200, 200])
        self.assertEqual(self.user.told, [])
        self.assertFalse(transaction.cancelled)

    def test_nobodyConcerned(self) -> None:
        """
        A transaction without a user goes through all of it silently.
        """
        for status in (200, 486):
            transaction = self.arrive()
            transaction.user = None
            self.layer.messageReceived(arriving(b"CANCEL"), self.flow)
            self.assertTrue(transaction.cancelled)
            self.respond(transaction, status)
            self.acknowledge()
            runFor(self.clock, 32.0)
            self.assertTrue(transaction.terminated)
        transaction = self.arrive()
        transaction.user = None
        self.respond(transaction, 486)
        runFor(self.clock, 32.0)
        self.assertTrue(transaction.terminated)
        self.transport.refused.add(("UDP", "192.0.2.2", 5060))
        self.flow.closed = True
        self.layer.messageReceived(arriving(), self.flow)
        self.respond(self.receiver.transactions[-1], 180)

    def test_usersFaults(self) -> None:
        """
        A user that raises is logged, and the transaction takes its course.
        """

        class Clumsy(RecordingServerUser):
            def __getattribute__(self, name: str) -> object:
                if name.endswith(("Received", "Missing", "Failed", "Terminated")):
                    raise ZeroDivisionError(name)
                return super().__getattribute__(name)

        self.user = Clumsy()
        for acknowledged in (True, False):
            transaction = self.arrive()
            self.layer.messageReceived(arriving(b"CANCEL"), self.flow)
            self.respond(transaction, 487)
            if acknowledged:
                self.acknowledge()
            runFor(self.clock, 32.0)
            self.assertTrue(transaction.terminated)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 6)

    def test_noWayBack(self) -> None:
        """
        A response that cannot be sent anywhere is told; the state stays, and
        the next one tries again (RFC 6026 section 8.8).
        """
        transaction = self.arrive("TCP")
        self.flow.closed = True
        self.transport.refused.add(("TCP", "192.0.2.2", 5060))
        self.respond(transaction, 180)
        self.assertEqual(self.user.told, ["transport failed"])
        self.assertEqual(transaction.state, "Proceeding")
        self.transport.refused.clear()
        self.respond(transaction, 200)
        self.respond(transaction, 200)
        self.assertEqual(self.transport.flow("TCP").told, [200, 200])
        self.layer.flowFailed(self.transport.flow("TCP"), "refused")
        self.assertEqual(self.user.told, ["transport failed"] * 2)

    def test_noWayBackForClumsyUser(self) -> None:
        """
        A user that raises when it hears of that is logged.
        """
        transaction = self.arrive("TCP")

        def fail(why: str) -> None:
            raise ZeroDivisionError(why)

        self.patch(self.user, "transportFailed", fail)
        self.flow.closed = True
        self.transport.refused.add(("TCP", "192.0.2.2", 5060))
        self.respond(transaction, 180)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(transaction.state, "Proceeding")

    def test_streamLostBeforeAck(self) -> None:
        """
        A final response whose stream ended before its ACK is sent again on a
        new one; when that fails, the user is told.
        """
        transaction = self.arrive("TCP")
        self.respond(transaction, 486)
        self.flow.closed = True
        self.layer.flowFailed(self.flow, "lost")
        new = self.transport.flow("TCP")
        self.assertIsNot(new, self.flow)
        self.assertEqual(new.told, [486])
        self.assertEqual(self.user.told, [])
        new.closed = True
        self.layer.flowFailed(new, "refused")
        self.assertEqual(self.user.told, ["transport failed"])
        runFor(self.clock, 32.0)
        self.assertOver(transaction)

    def test_streamLostAfterwards(self) -> None:
        """
        A stream that ends while it rings, or after a 2xx, is the peer's affair.
        """
        for status in (180, 200):
            transaction = self.arrive("TCP")
            self.respond(transaction, status)
            self.flow.closed = True
            self.layer.flowFailed(self.flow, "lost")
            self.assertEqual(self.user.told, [])
            self.respond(transaction, 200)
            self.assertEqual(self.transport.flow("TCP").told, [200])
            runFor(self.clock, 32.0)
            self.assertOver(transaction)
            self.user = RecordingServerUser()

    def test_everyMessageIsAnsweredInEveryState(self) -> None:
        """
        Nothing that a peer sends, that the user says, and no timer, whenever it
        comes, is an unknown transition.
        """
        self.assertEqual(unanswered(_machine, inputs(_machine)), set())
