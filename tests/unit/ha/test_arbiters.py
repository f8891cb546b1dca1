"""
Every arbiter keeps the contract, on a clock that the tests turn.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import TestCase

from sipcluster.cluster.embedded_store import EmbeddedStore, memoryEngine
from sipcluster.ha.arbiters.lock_file import LockFileArbiter
from sipcluster.ha.arbiters.store import StoreArbiter
from sipcluster.testing.arbiter_contract import ArbiterContract
from sipcluster.testing.arbiters import Court, Disk, FakeArbiter, MemoryLockFiles
from sipcluster.testing.clock import runFor
from sipcluster.testing.hosts import Host, Wire


class OnAFakeClock(ArbiterContract):
    """
    Turns the clock to wait.
    """

    def setUp(self) -> Any:
        """
        Make a clock.
        """
        self.clock = Clock()
        return super().setUp()

    def now(self) -> float:
        """
        Seconds of the clock.
        """
        return self.clock.seconds()

    async def until(self, true: Callable[[], object], seconds: float = 10.0) -> None:
        """
        Turn the clock until something is true.
        """
        end = self.now() + seconds
        runFor(self.clock, 0)
        while not true():
            self.assertLess(self.now(), end, "it did not happen")
            runFor(self.clock, 0.05)
        await succeed(None)


class FakeArbiterTests(OnAFakeClock, TestCase):
    """
    The arbiter for tests.
    """

    def makeArbiter(self, name: str) -> FakeArbiter:
        """
        @return: one before a court of both.
        """
        if name == "a":
            self.court = Court(self.clock, self.ttl)
        wire = Wire(self.clock, random.Random(1))
        return FakeArbiter(self.court, name, Host(self.clock), wire)


class StoreArbiterTests(OnAFakeClock, TestCase):
    """
    The cluster store.
    """

    def makeArbiter(self, name: str) -> StoreArbiter:
        """
        @return: one on a store of both.
        """
        if name == "a":
            self.engine = memoryEngine(self.clock)
            self.addCleanup(self.engine.close)
        store = EmbeddedStore(self.engine, self.clock, 0.002)
        return StoreArbiter(store, self.clock, "node1", name, f"1{name}", self.ttl)


class LockFileArbiterTests(OnAFakeClock, TestCase):
    """
    The lock file.
    """

    def makeArbiter(self, name: str) -> LockFileArbiter:
        """
        @return: one on a disk of both.
        """
        if name == "a":
            self.disk = Disk()
        files = MemoryLockFiles(self.disk)
        return LockFileArbiter(files, self.clock, name, self.ttl)
