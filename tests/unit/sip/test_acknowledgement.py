"""
Tests for L{sipcluster.sip.acknowledgement}: RFC 3261 sections 13.2.2.4, 13.3.1.4.
"""

from __future__ import annotations

import gc
import weakref

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from sipcluster.sip.acknowledgement import (
    Acknowledgements,
    SuccessRepeater,
    _repeaterMachine,
    successRepeater,
)
from sipcluster.sip.timers import TimerQueue
from sipcluster.sip.transactions import TransactionLayer
from sipcluster.testing.clock import runFor
from sipcluster.testing.machines import inputs, unanswered
from sipcluster.testing.records import (
    FakeTransportLayer,
    RecordingReceiver,
    RecordingServerUser,
)
from tests.unit.sip.samples import arriving, identifiers, response


class SuccessRepeaterTests(SynchronousTestCase):
    """
    The 2xx is sent until its ACK comes.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.sent: list[float] = []
        self.missing: list[float] = []

    def start(self) -> SuccessRepeater:
        repeater = successRepeater(
            TimerQueue(self.clock),
            lambda: self.sent.append(self.clock.seconds()),
            lambda: self.missing.append(self.clock.seconds()),
        )
        repeater.start()
        return repeater

    def test_untilTheEnd(self) -> None:
        """
        Gaps double from T1 to T2; after 64*T1 the user is told, once.
        """
        repeater = self.start()
        runFor(self.clock, 40.0)
        self.assertEqual(
            self.sent, [0.0, 0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
        )
        self.assertEqual(self.missing, [32.0])
        repeater.acknowledged()
        repeater.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_acknowledged(self) -> None:
        """
        The ACK ends it, and a second ACK does no harm.
        """
        repeater = self.start()
        runFor(self.clock, 1.0)
        repeater.acknowledged()
        repeater.acknowledged()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        runFor(self.clock, 40.0)
        self.assertEqual((self.sent, self.missing), ([0.0, 0.5], []))

    def test_stopped(self) -> None:
        """
        It can be stopped, before it began too.
        """
        self.start().stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        repeater = successRepeater(TimerQueue(self.clock), self.fail, self.fail)
        repeater.stop()
        repeater.start()
        self.assertEqual(self.missing, [])

    def test_faults(self) -> None:
        """
        What fails is logged, and it goes on.
        """

        def fail() -> None:
            raise ZeroDivisionError

        successRepeater(TimerQueue(self.clock), fail, fail).start()
        runFor(self.clock, 32.0)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 12)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_throughTheTransaction(self) -> None:
        """
        With the server transaction as its way to send, each 2xx leaves on the
        wire, and the transaction and it end within the same time.
        """
        transport = FakeTransportLayer(self.clock)
        receiver = RecordingReceiver()
        layer = TransactionLayer(self.clock, transport, receiver, identifiers())
        layer.messageReceived(arriving(), transport.flow("UDP"))
        [transaction] = receiver.transactions
        user = transaction.user = RecordingServerUser()
        ok = response(transaction.request, 200)
        repeater = successRepeater(
            layer.queue,
            lambda: transaction.respond(ok),
            lambda: self.missing.append(self.clock.seconds()),
        )
        repeater.start()
        runFor(self.clock, 32.0)
        self.assertEqual(transport.flow("UDP").told, [200] * 11)
        self.assertEqual(self.missing, [32.0])
        self.assertEqual(user.told, ["terminated"])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_freed(self) -> None:
        """
        An ended one is freed without the garbage collector.
        """
        gc.disable()
        self.addCleanup(gc.enable)
        repeater = self.start()
        gone = weakref.ref(repeater)
        repeater.acknowledged()
        del repeater
        self.assertIsNone(gone())

    def test_everythingIsAnsweredInEveryState(self) -> None:
        """
        No input is an unknown transition, whenever it comes.
        """
        self.assertEqual(unanswered(_repeaterMachine, inputs(_repeaterMachine)), set())


class AcknowledgementsTests(SynchronousTestCase):
    """
    The ACK is sent again for each 2xx.
    """

    def setUp(self) -> None:
        self.sent: list[str] = []
        self.acks = Acknowledgements(limit=2)

    def test_repeated(self) -> None:
        """
        The first 2xx of a dialog is news, further ones get the ACK again.
        """
        one = response(arriving(), 200, toTag=b"b1")
        self.assertFalse(self.acks.repeat(one))
        self.acks.sent(b"b1", lambda: self.sent.append("first"))
        self.assertTrue(self.acks.repeat(one))
        self.assertFalse(self.acks.repeat(response(arriving(), 200, toTag=b"b2")))
        self.assertEqual(self.sent, ["first", "first"])

    def test_bound(self) -> None:
        """
        No more are kept than there may be dialogs; each is sent once at least.
        """
        for tag in (b"b1", b"b2", b"b3"):
            self.acks.sent(tag, lambda: self.sent.append("first"))
        self.assertEqual(len(self.sent), 3)
        self.assertFalse(self.acks.repeat(response(arriving(), 200, toTag=b"b3")))
        self.acks.sent(b"b1", lambda: self.sent.append("again"))
        self.acks.repeat(response(arriving(), 200, toTag=b"b1"))
        self.assertEqual(self.sent[3:], ["again", "again"])
        self.acks.clear()
        self.assertFalse(self.acks.repeat(response(arriving(), 200, toTag=b"b1")))
