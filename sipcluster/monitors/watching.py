"""
Looking at one thing again and again, and believing only what lasts.
"""

from __future__ import annotations

from collections.abc import Callable

from attrs import define, field
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

log = Logger()

#: Seconds from the word that something has changed to the look: several such words
#: are one.
SOON = 0.02


@define(eq=False)
class Watching:
    """
    Looks at one thing, and tells when it has gone bad, or has become good.

    @ivar interval: seconds between two looks.
    @ivar patience: seconds that it must have been bad before that is believed.
    @ivar trust: seconds that it must have been good again.
    @ivar look: says why it is bad, C{""} when it is good, and L{None} when that
        cannot be known now.
    @ivar turned: called with why it is bad, or with C{""}.
    @ivar bad: what is believed.
    """

    clock: IReactorTime
    interval: float
    patience: float
    trust: float
    look: Callable[[], str | None]
    turned: Callable[[str], None]
    bad: str = field(default="", init=False)
    _since: float | None = field(default=None, init=False)
    _running: bool = field(default=False, init=False)
    _timer: IDelayedCall | None = field(default=None, init=False)

    def start(self) -> None:
        """
        Look now, and from now on.
        """
        self._running = True
        self._look()

    def stop(self) -> None:
        """
        Look no more.
        """
        self._running = False
        self._never()

    def soon(self) -> None:
        """
        Something may have changed.
        """
        if self._running:
            self._later(SOON)

    def forget(self) -> None:
        """
        What was seen so far says nothing any more: begin as if it were good.
        """
        self.bad, self._since = "", None
        self.soon()

    def _look(self) -> None:
        self._timer = None
        why: str | None = None
        with log.failuresHandled("looking"):
            why = self.look()
        now = self.clock.seconds()
        wait = self.interval
        if why is None or bool(why) == bool(self.bad):
            self._since = None
        else:
            if self._since is None:
                self._since = now
            left = self._since + (self.patience if why else self.trust) - now
            # The clock may be a hair early.
            if left <= 1e-6:
                self._since = None
                self.bad = why
                with log.failuresHandled("telling what was seen"):
                    self.turned(why)
            else:
                wait = min(wait, left)
        if self._running:
            self._later(wait)

    def _later(self, seconds: float) -> None:
        due = self.clock.seconds() + seconds
        if self._timer is not None:
            if self._timer.getTime() <= due:
                return
            self._timer.cancel()
        self._timer = self.clock.callLater(seconds, self._look)

    def _never(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
