"""
Keep-alive inside one connection: polls when it is quiet, an end when nobody
answers them.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime


class KeepAlive:
    """
    Watches whether anything is heard from the other side.

    After C{interval} seconds without anything it polls; after as long again the
    connection is dead.  There is one timer, which is not touched when something
    is heard: it looks when it falls due.
    """

    __slots__ = ("_clock", "_dead", "_heard", "_interval", "_poll", "_polled", "_timer")

    def __init__(
        self,
        clock: IReactorTime,
        interval: float,
        poll: Callable[[], object],
        dead: Callable[[], object],
    ) -> None:
        """
        @param interval: seconds; 0: never polls, and never finds it dead.
        @param poll: asks the other side to say something.
        @param dead: called last, at most once.
        """
        self._clock = clock
        self._interval = interval
        self._poll = poll
        self._dead = dead
        self._heard = 0.0
        self._polled = False
        self._timer: IDelayedCall | None = None

    @property
    def interval(self) -> float:
        """
        Seconds without anything after which it polls.
        """
        return self._interval

    def start(self, interval: float | None = None) -> None:
        """
        Begin to watch, or begin again.

        @param interval: what was agreed meanwhile, in seconds; L{None}: as before.
        """
        self.stop()
        if interval is not None:
            self._interval = interval
        if self._interval > 0:
            self._heard = self._clock.seconds()
            self._polled = False
            self._wait(self._interval)

    def heard(self) -> None:
        """
        Something came, whatever it was.
        """
        self._heard = self._clock.seconds()
        self._polled = False

    def stop(self) -> None:
        """
        Watch no more.
        """
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()

    def _wait(self, seconds: float) -> None:
        self._timer = self._clock.callLater(seconds, self._due)

    def _due(self) -> None:
        self._timer = None
        left = self._heard + self._interval - self._clock.seconds()
        if not self._polled and left > 0:
            self._wait(left)
        elif self._polled:
            self._dead()
        else:
            self._polled = True
            self._wait(self._interval)
            self._poll()
