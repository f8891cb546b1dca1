"""
The way of one process to the cluster store.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from sipcluster.cluster.embedded import EmbeddedEngine
from sipcluster.cluster.embedded_store import EmbeddedStore
from sipcluster.cluster.icluster import ClusterError, StoreAway
from sipcluster.testing.simulation.chance import Chance

_T = TypeVar("_T")

#: Seconds after which a question without an answer has failed.
PATIENCE = 1.0


class SimulatedStore(EmbeddedStore):
    """
    What was asked is done although whoever asked has died or stands still by then, and
    the answer may be lost.

    @ivar deaf: share of the questions whose answer is lost: they may have been done.
    @ivar returns: how often it was there again after it had been away.
    """

    def __init__(
        self,
        engine: EmbeddedEngine,
        world: IReactorTime,
        clock: IReactorTime,
        delay: float,
        chance: Chance,
    ) -> None:
        """
        @param world: the clock of the store.
        @param clock: that of the process.
        @param delay: seconds from a question to its answer.
        """
        super().__init__(engine, clock, delay)
        self._world = world
        self._chance = chance
        self.deaf = 0.0
        self.returns = 0

    def comesBack(self) -> None:
        """
        It is there again.
        """
        self.returns += self.away
        self.away = False

    def _soon(self, call: Callable[[], _T]) -> Deferred[_T]:
        result: Deferred[_T] = Deferred()
        half = self.delay / 2
        lost = self.deaf > 0 and self._chance.happens(self.deaf)
        done = not lost or self._chance.happens(0.5)

        def arrive() -> None:
            outcome: _T | Failure = Failure(StoreAway("the store is away"))
            if not self._away:
                try:
                    outcome = call()
                except ClusterError:
                    outcome = Failure()
            if not lost:
                self._clock.callLater(half, answer, outcome)

        def answer(outcome: _T | Failure) -> None:
            if result.called:
                return
            if isinstance(outcome, Failure):
                result.errback(outcome)
            else:
                result.callback(outcome)

        if self._away:
            return fail(StoreAway("the store is away"))
        if done:
            self._world.callLater(half, arrive)
        if lost:
            away = Failure(StoreAway("no answer in time"))
            self._clock.callLater(PATIENCE, answer, away)
        return result
