"""
How much a T-Library port does in one turn of the reactor: all its clients together
hold up nobody else, even when all of them come at once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

log = Logger()

#: Seconds between two pieces of work after which something else has had its turn.
GAP = 0.001


class Turns:
    """
    Work that can wait, first come first served.
    """

    __slots__ = ("_began", "_clock", "_last", "_limit", "_running", "_waiting")

    def __init__(self, clock: IReactorTime, limit: float) -> None:
        """
        @param limit: seconds of one turn.
        """
        self._clock = clock
        self._limit = limit
        self._began = self._last = clock.seconds()
        self._waiting: deque[Callable[[], object]] = deque()
        self._running: IDelayedCall | None = None

    def over(self) -> bool:
        """
        Whether the rest is to wait for the next turn; asked before each piece of
        work.
        """
        now = self._clock.seconds()
        if now - self._last > GAP and not self._waiting:
            self._began = now
        self._last = now
        return now - self._began > self._limit

    def later(self, work: Callable[[], object]) -> None:
        """
        Do something in the next turn, or in the one after it.  An exception that it
        raises is logged.
        """
        self._waiting.append(work)
        if self._running is None:
            self._running = self._clock.callLater(0, self._run)

    def stop(self) -> None:
        """
        Forget what waits.
        """
        self._waiting.clear()
        if self._running is not None:
            self._running.cancel()
            self._running = None

    def _run(self) -> None:
        self._running = None
        self._began = self._last = self._clock.seconds()
        # What is added meanwhile has its next turn.
        for _ in range(len(self._waiting)):
            try:
                self._waiting.popleft()()
            except Exception:
                log.failure("T-Library turn")
            if self.over():
                break
        if self._waiting and self._running is None:
            self._running = self._clock.callLater(0, self._run)
