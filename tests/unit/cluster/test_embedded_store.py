"""
The embedded store in one process, on a clock that the tests turn.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import TestCase

from sipcluster.cluster.embedded_store import EmbeddedStore, memoryEngine
from sipcluster.testing.clock import runFor
from sipcluster.testing.contracts import ClusterStoreContract


class EmbeddedStoreTests(ClusterStoreContract, TestCase):
    """
    L{EmbeddedStore} does what a cluster store does.
    """

    def makeStore(self) -> EmbeddedStore:
        """
        @return: a store in memory.
        """
        self.clock = Clock()
        self.engine = memoryEngine(self.clock)
        self.addCleanup(self.engine.close)
        return EmbeddedStore(self.engine, self.clock)

    async def until(self, true: Callable[[], object], seconds: float = 5.0) -> None:
        """
        Turn the clock until something is true.
        """
        end = self.clock.seconds() + seconds
        runFor(self.clock, 0)
        while not true():
            self.assertLess(self.clock.seconds(), end, "it did not happen")
            runFor(self.clock, 0.1)
        await succeed(None)

    async def compact(self, revision: int) -> None:
        """
        Forget the history.
        """
        self.engine.compact(revision)
