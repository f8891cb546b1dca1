"""
When the garbage collector has its turn.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable

from twisted.internet.interfaces import IReactorTime

#: New objects after which the young ones are looked at: 10 ms at most.
YOUNG = 10_000

#: Older ones are never looked at because of their number.
NEVER = 1_000_000

#: Seconds from one look at whether it is calm to the next.
INTERVAL = 10.0

#: How many more blocks of memory than after the last time may be in use when it
#: is calm: it takes some 50 ms to look at them.
CALM = 50_000

#: What that is multiplied with each time that it is not calm, so that after hours
#: of work a pause is made all the same.
PATIENCE = 1.02


class GarbageCollector:
    """
    Looks for what keeps itself alive, but only while there is little to do.

    Calls and transactions are made free of cycles, so that there is hardly any
    garbage.  A transaction lingers for 32 s after its end, though, and at 500
    calls a second a million objects do: a look at all of them stops the process
    for a second, in which peers repeat their messages.

    @ivar looked: how often everything was looked at.
    """

    def __init__(
        self,
        clock: IReactorTime,
        blocks: Callable[[], int] = sys.getallocatedblocks,
    ) -> None:
        """
        @param blocks: how many blocks of memory are in use.
        """
        self.looked = 0
        self._clock = clock
        self._blocks = blocks
        self._calm = float(CALM)
        self._least = 0

    def start(self) -> None:
        """
        Leave alone what was loaded so far, and begin.
        """
        gc.set_threshold(YOUNG, NEVER, NEVER)
        self._look()
        self._clock.callLater(INTERVAL, self._consider)

    def _consider(self) -> None:
        self._clock.callLater(INTERVAL, self._consider)
        if self._blocks() - self._least < self._calm:
            self._look()
        else:
            self._calm *= PATIENCE

    def _look(self) -> None:
        """
        Look at everything that is new since the last time.
        """
        gc.collect()
        gc.freeze()
        self.looked += 1
        self._calm = float(CALM)
        self._least = self._blocks()
