"""
Tests for L{sipcluster.wire.correlation}.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from sipcluster.testing.clock import runFor
from sipcluster.wire.correlation import Correlation, TooManyRequests


class CorrelationTests(SynchronousTestCase):
    """
    L{Correlation} keeps requests until they are answered or late.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.late: list[tuple[float, int, str]] = []
        self.pending: Correlation[str] = Correlation(self.clock, self.timedOut, 5)

    def timedOut(self, reference: int, asked: str) -> None:
        """
        Note who was late.
        """
        self.assertNotIn(reference, self.pending)
        self.late.append((self.clock.seconds(), reference, asked))

    def test_answered(self) -> None:
        """
        An answered request is given back once, and leaves no timer.
        """
        self.pending.add(1, "a", 10)
        self.assertIn(1, self.pending)
        self.assertEqual(self.pending.get(1), "a")
        self.assertEqual(self.pending.pop(1), "a")
        self.assertIsNone(self.pending.get(1))
        self.assertIsNone(self.pending.pop(1))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_late(self) -> None:
        """
        Each is late at its own time, in the order of their deadlines.
        """
        self.pending.add(1, "slow", 10)
        self.pending.add(2, "quick", 3)
        self.pending.add(3, "slow too", 10)
        self.assertEqual(list(self.pending), [1, 2, 3])
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)
        runFor(self.clock, 100)
        self.assertEqual(
            self.late, [(3, 2, "quick"), (10, 1, "slow"), (10, 3, "slow too")]
        )
        self.assertEqual(len(self.pending), 0)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_answeredOnesAreNotLate(self) -> None:
        """
        The one whose deadline is next is answered: the others keep theirs.
        """
        self.pending.add(1, "a", 3)
        self.pending.add(2, "b", 5)
        self.pending.pop(1)
        runFor(self.clock, 10)
        self.assertEqual(self.late, [(5, 2, "b")])

    def test_sameReferenceAgain(self) -> None:
        """
        A reference that is free again has a deadline of its own.
        """
        self.pending.add(1, "old", 3)
        self.pending.add(2, "other", 20)
        self.pending.pop(1)
        self.pending.add(1, "new", 10)
        runFor(self.clock, 15)
        self.assertEqual(self.late, [(10, 1, "new")])

    def test_inFlight(self) -> None:
        """
        A reference in flight cannot be added again.
        """
        self.pending.add(1, "a", 3)
        self.assertRaises(ValueError, self.pending.add, 1, "b", 3)
        self.assertEqual(self.pending.clear(), ["a"])

    def test_limit(self) -> None:
        """
        There are no more than the limit.
        """
        for reference in range(5):
            self.pending.add(reference, "a", 3)
        self.assertRaises(TooManyRequests, self.pending.add, 5, "b", 3)
        self.assertNotIn(5, self.pending)
        self.pending.clear()

    def test_clear(self) -> None:
        """
        Forgotten ones are never late.
        """
        self.pending.add(1, "a", 3)
        self.pending.add(2, "b", 1)
        self.assertEqual(self.pending.clear(), ["a", "b"])
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(self.pending.clear(), [])

    def test_deadlinesAreBounded(self) -> None:
        """
        However many are answered while one waits, what is kept of them does not
        grow.
        """
        self.pending.add(0, "waits", 1000)
        for reference in range(1, 1000):
            self.pending.add(reference, "a", 100)
            self.pending.pop(reference)
        self.assertLess(len(self.pending._deadlines), 100)
        runFor(self.clock, 2000)
        self.assertEqual(self.late, [(1000, 0, "waits")])

    def test_askedAgainWhenLate(self) -> None:
        """
        Who is told that one is late may ask again at once.
        """

        def again(reference: int, asked: str) -> None:
            if reference < 3:
                pending.add(reference + 1, asked, 1)

        pending = Correlation(self.clock, again)
        pending.add(1, "a", 1)
        runFor(self.clock, 2.5)
        self.assertEqual(list(pending), [3])
        runFor(self.clock, 10)
        self.assertEqual(list(pending), [])

    @given(
        st.lists(
            st.one_of(
                st.tuples(st.just("add"), st.integers(0, 9), st.integers(1, 9)),
                st.tuples(st.just("pop"), st.integers(0, 9), st.just(0)),
                st.tuples(st.just("wait"), st.just(0), st.integers(1, 5)),
            ),
            max_size=40,
        )
    )
    def test_asIfEachHadATimer(self, steps: list[tuple[str, int, int]]) -> None:
        """
        One timer for all does what one for each would do.
        """
        clock = Clock()
        late: list[tuple[float, int]] = []
        expected: list[tuple[float, int]] = []
        timers: dict[int, float] = {}
        pending: Correlation[None] = Correlation(
            clock, lambda reference, _: late.append((clock.seconds(), reference))
        )
        for step, reference, seconds in steps:
            if step == "add" and reference not in timers:
                pending.add(reference, None, seconds)
                timers[reference] = clock.seconds() + seconds
            elif step == "pop":
                self.assertEqual(reference in pending, reference in timers)
                pending.pop(reference)
                timers.pop(reference, None)
            else:
                runFor(clock, seconds)
                for due, one in sorted((due, one) for one, due in timers.items()):
                    if due <= clock.seconds():
                        expected.append((due, one))
                        del timers[one]
            self.assertEqual(sorted(late), sorted(expected))
            self.assertEqual(bool(clock.getDelayedCalls()), bool(timers))
