"""
One question to the arbiter, and how long its answer counts.
"""

from __future__ import annotations

from collections.abc import Callable

from attrs import define
from twisted.internet.defer import CancelledError, Deferred, maybeDeferred
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from sipcluster.ha.iha import ArbiterAway, Verdict

log = Logger()


@define(eq=False)
class Question:
    """
    One question to the arbiter.

    @ivar asked: when, in seconds of the member's clock.
    @ivar answered: takes the answer, if it comes in time.
    """

    asked: float
    answered: Callable[[float, Verdict], None]
    failed: Callable[[str], None]
    timer: IDelayedCall | None = None
    deferred: Deferred[Verdict] | None = None
    over: bool = False

    def put(self, ask: Callable[[int], Deferred[Verdict]], epoch: int) -> None:
        """
        Put it.
        """
        self.deferred = maybeDeferred(ask, epoch)
        self.deferred.addCallbacks(self._verdict, self._trouble)
        self.deferred.addErrback(lambda f: log.failure("taking a verdict", f))

    def late(self) -> None:
        """
        Waited for long enough.
        """
        self.timer = None
        self.giveUp()
        self.failed("no answer in time")

    def giveUp(self) -> None:
        """
        Whatever the answer will be, it counts for nothing.
        """
        self._end()
        if self.deferred is not None:
            self.deferred.cancel()

    def _end(self) -> bool:
        over, self.over = self.over, True
        timer, self.timer = self.timer, None
        if timer is not None:
            timer.cancel()
        return not over

    def _verdict(self, verdict: Verdict) -> None:
        if self._end():
            self.answered(self.asked, verdict)

    def _trouble(self, failure: Failure) -> None:
        if not self._end():
            if not isinstance(failure.value, ArbiterAway | CancelledError):
                log.failure("asking the arbiter", failure)
            return
        if not isinstance(failure.value, ArbiterAway):
            log.failure("asking the arbiter", failure)
        self.failed(failure.getErrorMessage())
