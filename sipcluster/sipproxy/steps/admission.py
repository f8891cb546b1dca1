"""
Turns calls away that are more than the cluster is to take.
"""

from __future__ import annotations

from collections.abc import Callable

from zope.interface import implementer

from sipcluster.sipproxy.context import RequestContext
from sipcluster.sipproxy.isipproxy import NEXT, Answer, IStep, Outcome

#: Seconds for Retry-After.
RETRY_AFTER = b"2"


@implementer(IStep)
class Admission:
    """
    Answers 503 to INVITEs from outside beyond C{overload-ctrl-dialog-rate};
    what belongs to a dialog always passes.

    @ivar rate: INVITEs a second, 0 for no limit; may be set while running.
    @ivar refused: how many were turned away.
    """

    name = "admission"

    def __init__(self, seconds: Callable[[], float], rate: int) -> None:
        """
        @param seconds: of the clock.
        """
        self.rate = rate
        self.refused = 0
        self._seconds = seconds
        self._level = 0.0
        self._last = seconds()

    def process(self, context: RequestContext) -> Outcome:
        """
        See L{IStep}.
        """
        request = context.request
        if (
            not self.rate
            or request.method != b"INVITE"
            or context.fromNode
            or request.toTag
        ):
            return NEXT
        now = self._seconds()
        self._level = max(0.0, self._level - (now - self._last) * self.rate)
        self._last = now
        if self._level + 1.0 > self.rate:
            self.refused += 1
            return Answer(503, headers=((b"Retry-After", RETRY_AFTER),))
        self._level += 1.0
        return NEXT
