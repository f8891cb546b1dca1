"""
Leases shared by keys.
"""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from sipcluster.cluster.embedded_store import EmbeddedStore, memoryEngine
from sipcluster.cluster.icluster import StoreAway
from sipcluster.cluster.leases import LeaseBuckets
from sipcluster.testing.clock import runFor


class LeaseBucketsTests(SynchronousTestCase):
    """
    L{LeaseBuckets}
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.engine = memoryEngine(self.clock)
        self.addCleanup(self.engine.close)
        self.store = EmbeddedStore(self.engine, self.clock)
        self.leases = LeaseBuckets(self.store, self.clock)

    def lease(self, seconds: float) -> int:
        """
        A lease for some seconds.
        """
        return self.successResultOf(self.leases.leaseFor(seconds))

    def test_shared(self) -> None:
        """
        What ends in the same half minute is on one lease, what ends later is
        not.
        """
        self.assertEqual(self.lease(61), self.lease(89))
        self.assertNotEqual(self.lease(61), self.lease(91))

    def test_livesLongEnough(self) -> None:
        """
        A lease lives at least as long as was asked, and not much longer,
        whether it is new or was there.
        """
        for start in (0.0, 7.0, 29.9):
            runFor(self.clock, start)
            for seconds in (1.0, 30.0, 60.0, 599.0, 3600.0, 86400.0, 604800.0):
                left, _ = self.engine.timeToLive(self.lease(seconds))
                self.assertGreaterEqual(left, seconds)
                self.assertLessEqual(left, seconds + max(31.0, seconds / 14))

    def test_few(self) -> None:
        """
        A day of registrations of an hour, and of everything up to an hour, at
        any time, never needs more than 120 leases.
        """
        most = 0
        for step in range(2000):
            self.lease(3600.0)
            self.lease(60.0 + (step * 37) % 3540)
            runFor(self.clock, 43.0)
            most = max(most, len(self.engine.leaseIDs()))
        self.assertLessEqual(most, 120)
        self.assertLessEqual(len(self.leases), 130)

    def test_askedOnce(self) -> None:
        """
        Those who ask while a lease is being granted wait for that one.
        """
        self.store.delay = 0.1
        waiting = [self.leases.leaseFor(60) for _ in range(10)]
        self.assertNoResult(waiting[0])
        runFor(self.clock, 0.2)
        self.assertEqual(len({self.successResultOf(each) for each in waiting}), 1)
        self.assertEqual(len(self.engine.leaseIDs()), 1)

    def test_away(self) -> None:
        """
        Without a store all who wait fail, and the next asks again.
        """
        self.store.delay = 0.1
        waiting = [self.leases.leaseFor(60) for _ in range(2)]
        self.store.away = True
        runFor(self.clock, 0.2)
        for each in waiting:
            self.failureResultOf(each, StoreAway)
        self.store.away = False
        again = self.leases.leaseFor(60)
        runFor(self.clock, 0.2)
        self.successResultOf(again)

    def test_forget(self) -> None:
        """
        A lease that is gone is not handed out again.
        """
        lease = self.lease(60)
        other = self.lease(600)
        self.engine.revoke(lease)
        self.leases.forget(lease)
        self.leases.forget(999)
        self.assertNotEqual(self.lease(60), lease)
        self.assertEqual(self.lease(600), other)
