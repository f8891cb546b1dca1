"""
The clock of one life of a node: what it has set going ends with it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from zope.interface import implementer

#: Seconds for which calls that will not come may be cancelled.
GRACE = 60.0


def _nothing() -> None:
    """
    A call of a life that is over.
    """


@implementer(IReactorTime)
class LifeClock:
    """
    A clock whose calls come only until it is ended.

    @ivar over: it was.
    """

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self.seconds = clock.seconds  # type: ignore[method-assign] # asked often
        self.over = False

    def seconds(self) -> float:
        """
        See C{IReactorTime}.
        """
        return self._clock.seconds()

    def callLater(
        self, delay: float, callable: Callable[..., object], *args: Any, **kw: Any
    ) -> IDelayedCall:
        """
        See C{IReactorTime}.
        """
        return self._clock.callLater(delay, self._call, callable, args, kw)

    def getDelayedCalls(self) -> list[IDelayedCall]:
        """
        See C{IReactorTime}: those of this life.
        """
        own = self._call
        return [
            one
            for one in self._clock.getDelayedCalls()
            if getattr(one, "func") == own  # noqa: B009 # IDelayedCall has none
        ]

    def end(self) -> None:
        """
        Nothing that was set going comes any more.

        It holds nothing from now on, and is gone after L{GRACE} seconds: who had it
        may still cancel it, when something late reaches him.
        """
        self.over = True
        later = self._clock.seconds() + GRACE
        for one in self.getDelayedCalls():
            call: Any = one
            call.func, call.args, call.kw = _nothing, (), {}
            if one.getTime() > later:
                one.reset(GRACE)

    def _call(
        self, call: Callable[..., object], args: tuple[Any, ...], kw: dict[str, Any]
    ) -> None:
        if not self.over:
            call(*args, **kw)
