"""
L{sipcluster.app.garbage}.
"""

from __future__ import annotations

import gc
import weakref

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from sipcluster.app.garbage import CALM, INTERVAL, GarbageCollector
from sipcluster.testing.clock import runFor


class Cycle:
    """
    Something that keeps itself alive.
    """

    def __init__(self) -> None:
        self.me = self


class GarbageCollectorTests(SynchronousTestCase):
    """
    L{GarbageCollector} waits until it is calm.
    """

    def setUp(self) -> None:
        self.addCleanup(gc.set_threshold, *gc.get_threshold())
        self.addCleanup(gc.unfreeze)
        self.clock = Clock()
        self.blocks = 1000
        self.collector = GarbageCollector(self.clock, lambda: self.blocks)
        self.collector.start()

    def test_calm(self) -> None:
        """
        While there is little to do, garbage is found.
        """
        garbage = weakref.ref(Cycle())
        self.assertIsNotNone(garbage())
        runFor(self.clock, INTERVAL)
        self.assertIsNone(garbage())
        self.assertEqual(self.collector.looked, 2)

    def test_busy(self) -> None:
        """
        While there is much to do nothing is looked at, and nothing is found by
        the number of objects either.
        """
        self.assertGreater(gc.get_threshold()[1], 100_000)
        self.blocks += CALM * 10
        runFor(self.clock, 10 * INTERVAL)
        self.assertEqual(self.collector.looked, 1)
        self.blocks = 1000
        runFor(self.clock, INTERVAL)
        self.assertEqual(self.collector.looked, 2)

    def test_busyForHours(self) -> None:
        """
        After long enough a pause is made all the same, once; then patience
        begins anew.
        """
        self.blocks += CALM * 10
        runFor(self.clock, 3600)
        self.assertGreater(self.collector.looked, 1)
        seen = self.collector.looked
        self.blocks += CALM * 10
        runFor(self.clock, 10 * INTERVAL)
        self.assertEqual(self.collector.looked, seen)

    def test_freeze(self) -> None:
        """
        What was there is left alone from then on.
        """
        self.assertGreater(gc.get_freeze_count(), 0)
