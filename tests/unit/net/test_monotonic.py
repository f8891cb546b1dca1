"""
Tests for L{sipcluster.net.monotonic}.
"""

from __future__ import annotations

import time

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from sipcluster.net.monotonic import useMonotonicTime


class MonotonicTests(SynchronousTestCase):
    """
    Timers do not follow the wall clock.
    """

    def test_clockIsSet(self) -> None:
        """
        When somebody sets the clock an hour ahead, no timer falls due.
        """
        real = time.time
        reactor = Clock()
        useMonotonicTime(reactor)
        before = reactor.seconds()
        self.patch(time, "time", lambda: real() + 3600)
        self.assertLess(reactor.seconds() - before, 3000)

    def test_sleepCounts(self) -> None:
        """
        The clock is the one that goes on while the host sleeps.
        """
        reactor = Clock()
        useMonotonicTime(reactor)
        expected = time.clock_gettime(time.CLOCK_BOOTTIME)
        self.assertLess(abs(reactor.seconds() - expected), 5.0)
