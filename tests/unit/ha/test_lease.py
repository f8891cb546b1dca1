"""
How long a lease may be used, and the fence.
"""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from sipcluster.ha.lease import Fence, LeaseTimes


class LeaseTimesTests(SynchronousTestCase):
    """
    L{LeaseTimes}.
    """

    @given(
        ttl=st.floats(2, 60),
        drift=st.floats(0, 0.1),
        holder=st.floats(-1, 1),
        arbiter=st.floats(-1, 1),
    )
    def test_overBeforeItIsGivenAway(
        self, ttl: float, drift: float, holder: float, arbiter: float
    ) -> None:
        """
        However wrong both clocks are within the bound, the holder has stopped,
        the margin before, when the arbiter's seconds are over in true time.
        """
        times = LeaseTimes(ttl, 0.2, drift)
        holds = (times.usable(ttl) + 0.2) / (1 + holder * drift)
        gives = ttl / (1 + arbiter * drift)
        self.assertLessEqual(holds, gives + 1e-9)

    def test_noMoreThanAsked(self) -> None:
        """
        A grant of more than was asked for is not believed; what is no time is
        none.
        """
        times = LeaseTimes(5.0)
        self.assertEqual(times.usable(1e9), times.usable(5.0))
        self.assertEqual(
            [times.usable(wrong) for wrong in (0.0, -1.0, math.nan)], [0.0] * 3
        )

    def test_figures(self) -> None:
        """
        Of 5 seconds 4.4 may be used.
        """
        self.assertAlmostEqual(LeaseTimes().usable(5.0), 4.40, 2)

    def test_impossible(self) -> None:
        """
        Times that leave little or nothing of a lease are refused.
        """
        for ttl, margin, drift in ((1.0, 0.6, 0.01), (5.0, -1, 0.01), (5.0, 0.5, 1.0)):
            with self.assertRaises(ValueError):
                LeaseTimes(ttl, margin, drift)


class FenceTests(SynchronousTestCase):
    """
    L{Fence}.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.fence = Fence(3, 5.0, self.clock.seconds)

    def test_closesByTheClock(self) -> None:
        """
        It closes when its time is over, although nobody has told it so, and a
        renewal that comes then does not open it.
        """
        self.clock.advance(4.9)
        self.assertTrue(self.fence.open)
        self.clock.advance(0.1)
        self.assertFalse(self.fence.open)
        self.assertFalse(self.fence.extend(100.0))
        self.assertFalse(self.fence.open)

    def test_extended(self) -> None:
        """
        A renewal makes it last longer, never shorter.
        """
        self.assertTrue(self.fence.extend(9.0))
        self.assertTrue(self.fence.extend(7.0))
        self.assertEqual(self.fence.validUntil, 9.0)

    def test_closed(self) -> None:
        """
        One that was closed stays so.
        """
        self.fence.close()
        self.assertFalse(self.fence.extend(9.0))
        self.assertFalse(self.fence.open)
