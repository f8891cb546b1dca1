"""
Tests for L{sipcluster.sip.timers}.
"""

from __future__ import annotations

import gc
import weakref

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from sipcluster.sip.timers import KEPT_QUEUES, TimerQueue, TimerSet, TimerValues
from sipcluster.testing.clock import runFor


class TimerQueueTests(SynchronousTestCase):
    """
    L{TimerQueue} makes each call when it is due, with one delayed call for all
    timers of one length.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.queue = TimerQueue(self.clock)
        self.called: list[tuple[float, str]] = []

    def note(self, name: str) -> None:
        self.called.append((self.clock.seconds(), name))

    def test_callsInOrder(self) -> None:
        """
        Timers of one length are called in the order in which they were set, with
        one delayed call at any time.
        """
        self.queue.after(2.0, self.note, "first")
        runFor(self.clock, 0.5)
        self.queue.after(2.0, self.note, "second")
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)
        self.assertEqual(self.queue.pending, 2)
        runFor(self.clock, 5.0)
        self.assertEqual(self.called, [(2.0, "first"), (2.5, "second")])
        self.assertEqual(self.queue.pending, 0)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_lengthsAreIndependent(self) -> None:
        """
        A short timer set later is called before a long one.
        """
        self.queue.after(2.0, self.note, "long")
        self.queue.after(0.5, self.note, "short")
        runFor(self.clock, 2.0)
        self.assertEqual(self.called, [(0.5, "short"), (2.0, "long")])

    def test_cancelled(self) -> None:
        """
        A cancelled timer is not called; cancelling it again does nothing, and
        when it was the last no delayed call is left.
        """
        timer = self.queue.after(2.0, self.note, "never")
        self.assertTrue(timer.active)
        timer.cancel()
        timer.cancel()
        self.assertFalse(timer.active)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(self.queue.pending, 0)

    def test_cancelledAfterTheEnd(self) -> None:
        """
        A timer can be cancelled when its clock has been ended already.
        """
        timer = self.queue.after(2.0, self.note, "never")
        for call in self.clock.getDelayedCalls():
            call.cancel()
        timer.cancel()
        self.assertFalse(timer.active)

    def test_firstCancelled(self) -> None:
        """
        When the first timer is cancelled the others are called at their time.
        """
        first = self.queue.after(2.0, self.note, "never")
        runFor(self.clock, 0.5)
        self.queue.after(2.0, self.note, "second")
        first.cancel()
        runFor(self.clock, 3.0)
        self.assertEqual(self.called, [(2.5, "second")])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_called(self) -> None:
        """
        A timer that was called is not active and holds nothing any more.
        """

        class Held:
            def call(self) -> None: ...

        held = Held()
        timer = self.queue.after(1.0, held.call)
        gone = weakref.ref(held)
        del held
        self.assertIsNotNone(gone())
        runFor(self.clock, 1.0)
        self.assertFalse(timer.active)
        self.assertIsNone(gone())
        timer.cancel()
        self.assertEqual(self.queue.pending, 0)

    def test_exceptions(self) -> None:
        """
        A call that raises is logged and keeps none of the others from being
        made.
        """

        def fail() -> None:
            raise ZeroDivisionError

        self.queue.after(1.0, fail)
        self.queue.after(1.0, self.note, "next")
        runFor(self.clock, 1.0)
        self.assertEqual(self.called, [(1.0, "next")])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_setFromACall(self) -> None:
        """
        A timer of the same length may be set from a call, even of length 0: it
        has its turn later.
        """

        def again() -> None:
            self.note("again")
            self.queue.after(0.0, self.note, "later")

        self.queue.after(0.0, again)
        self.queue.after(0.0, self.note, "between")
        self.clock.advance(0)
        self.assertEqual(
            [name for _, name in self.called], ["again", "between", "later"]
        )
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_allCancelledFromACall(self) -> None:
        """
        When the first call cancels all the others nothing is left.
        """

        def cancel() -> None:
            for timer in timers:
                timer.cancel()

        timers = [self.queue.after(1.0, cancel) for _ in range(3)]
        runFor(self.clock, 1.0)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(self.queue.pending, 0)

    def test_cancelledFromACall(self) -> None:
        """
        A timer due at the same time may be cancelled by the one before it, and
        another set.
        """

        def cancel() -> None:
            second.cancel()
            third.cancel()

        self.queue.after(1.0, cancel)
        second = self.queue.after(1.0, self.note, "second")
        third = self.queue.after(1.0, self.note, "third")
        self.queue.after(3.0, self.note, "fourth")
        runFor(self.clock, 3.0)
        self.assertEqual(self.called, [(3.0, "fourth")])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_lateClock(self) -> None:
        """
        When the process was held up, all that is due is called at once.
        """
        for name in "abc":
            self.queue.after(1.0, self.note, name)
        self.clock.advance(10.0)
        self.assertEqual(self.called, [(10.0, "a"), (10.0, "b"), (10.0, "c")])

    def test_cancelledDoNotPileUp(self) -> None:
        """
        However many are cancelled, not many more are kept than wait, and those
        are called in order.
        """
        last = self.queue.after(180.0, self.note, "last")
        for _ in range(1000):
            self.queue.after(180.0, self.note, "never").cancel()
        self.queue.after(180.0, self.note, "after it")
        self.assertLess(len(last._queue.waiting), 100)
        self.assertEqual(self.queue.pending, 2)
        runFor(self.clock, 180.0)
        self.assertEqual([name for _, name in self.called], ["last", "after it"])

    def test_calledTogether(self) -> None:
        """
        Timers that fall due shortly after one another are called with one
        delayed call, late by a thousandth of their length or 10 ms at most.
        """
        for _ in range(100):
            self.queue.after(32.0, self.note, "")
            self.clock.advance(0.001)
        runFor(self.clock, 33.0)
        times = [when for when, _ in self.called]
        self.assertEqual(times[0], 32.0)
        self.assertLessEqual(len(set(times)), 12)
        for number, when in enumerate(times):
            self.assertGreaterEqual(when + 1e-6, 32.0 + number / 1000)
            self.assertLess(when, 32.0 + number / 1000 + 0.0101)

    def test_manyLengths(self) -> None:
        """
        Random lengths do not pile up: their queues are dropped when they are
        empty.
        """
        for number in range(1000):
            self.queue.after(1 + number / 1000, self.note, "").cancel()
        self.assertLessEqual(len(self.queue._queues), KEPT_QUEUES + 1)
        for number in range(1000):
            self.queue.after(1 + number / 1000, self.note, "")
        runFor(self.clock, 3.0)
        self.assertEqual(len(self.called), 1000)
        self.assertLessEqual(len(self.queue._queues), KEPT_QUEUES + 1)

    @given(
        st.lists(
            st.tuples(
                st.sampled_from([0.0, 0.2, 0.5, 1.0, 4.0]),
                st.booleans(),
                st.floats(0.0, 1.0),
            ),
            max_size=30,
        )
    )
    def test_likeCallLater(self, steps: list[tuple[float, bool, float]]) -> None:
        """
        What is set, cancelled and waited for in any order is called when
        C{callLater} would call it, or a thousandth of its length later.
        """
        clock = Clock()
        queue = TimerQueue(clock)
        ours: list[tuple[float, int]] = []
        theirs: list[tuple[float, int]] = []
        pairs = []
        for number, (seconds, cancels, wait) in enumerate(steps):
            pairs.append(
                (
                    queue.after(
                        seconds,
                        lambda number=number: ours.append(
                            (round(clock.seconds(), 3), number)
                        ),
                    ),
                    clock.callLater(
                        seconds,
                        lambda number=number: theirs.append(
                            (round(clock.seconds(), 3), number)
                        ),
                    ),
                )
            )
            if cancels:
                timer, call = pairs[number // 2]
                if call.active():
                    call.cancel()
                    timer.cancel()
            runFor(clock, wait)
        runFor(clock, 5.0)
        at = {number: when for when, number in theirs}
        self.assertEqual({number for _, number in ours}, set(at))
        for when, number in ours:
            late = when - at[number]
            self.assertTrue(-0.0011 < late < 0.0051, (when, number, late))
        self.assertEqual(clock.getDelayedCalls(), [])
        self.assertEqual(queue.pending, 0)


class TimerSetTests(SynchronousTestCase):
    """
    L{TimerSet} knows timers by name.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.timers = TimerSet(TimerQueue(self.clock))
        self.called: list[str] = []

    def test_startedAnew(self) -> None:
        """
        A timer that is started again forgets its first time.
        """
        self.timers.start("A", 1.0, self.called.append, "first")
        self.timers.start("A", 2.0, self.called.append, "second")
        runFor(self.clock, 1.5)
        self.assertTrue(self.timers.running("A"))
        runFor(self.clock, 1.0)
        self.assertEqual(self.called, ["second"])
        self.assertFalse(self.timers.running("A"))

    def test_stopped(self) -> None:
        """
        Timers are stopped by name, those that do not run too, or all at once.
        """
        for name in "ABC":
            self.timers.start(name, 1.0, self.called.append, name)
        self.timers.stop("A", "X")
        runFor(self.clock, 0.5)
        self.timers.stopAll()
        self.timers.stopAll()
        runFor(self.clock, 5.0)
        self.assertEqual(self.called, [])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_freed(self) -> None:
        """
        A stopped set and what it would have called are freed without the
        garbage collector.
        """

        class Machine:
            def __init__(self, timers: TimerSet) -> None:
                self.timers = timers
                timers.start("A", 1.0, self.call)

            def call(self) -> None: ...

        machine = Machine(self.timers)
        gone = weakref.ref(machine)
        gc.disable()
        self.addCleanup(gc.enable)
        machine.timers.stopAll()
        del machine
        self.assertIsNone(gone())


class TimerValuesTests(SynchronousTestCase):
    """
    What follows from T1 and T2.
    """

    def test_silence(self) -> None:
        """
        With the usual values a non-INVITE request may stay without a response
        for 3.5 seconds: 0.5 + 1 + 2.
        """
        self.assertEqual(TimerValues().silence, 3.5)
        self.assertEqual(TimerValues(t1=4.0).silence, 0.0)
