"""
C{backup-init-check}: a backup that is not initialised in time is unavailable.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from attrs import define, field
from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from sipcluster.monitors.imonitors import IMonitor
from sipcluster.monitors.numbers import INITIALISED, NOT_INITIALISED
from sipcluster.monitors.service import Service
from sipcluster.monitors.watching import Watching

REASON = "backup-init-check"


@implementer(IMonitor)
@define(eq=False)
class InitCheck:
    """
    Looks whether all parts of a backup are there.

    @ivar missing: the parts that are not, and why.
    @ivar timeout: seconds that a part may be missing.
    """

    name = REASON

    clock: IReactorTime
    service: Service
    missing: Callable[[], Mapping[str, str]]
    timeout: float = 60.0
    interval: float = 1.0
    _primary: bool = field(default=False, init=False)
    _watching: Watching = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._watching = Watching(
            self.clock, self.interval, self.timeout, 0.0, self._look, self._turned
        )

    def start(self) -> None:
        """
        See L{IMonitor}.
        """
        self._watching.start()

    def stop(self) -> None:
        """
        See L{IMonitor}.
        """
        self._watching.stop()

    def roleChanged(self, primary: bool) -> None:
        """
        See L{IMonitor}: a primary shows by what it does whether it is.
        """
        self._primary = primary
        if primary:
            self._watching.forget()
            self._running("this member serves")

    def status(self) -> str:
        """
        See L{IMonitor}.
        """
        if self._primary:
            return "not asked of a primary"
        return self._words() or "initialised"

    def _words(self) -> str:
        return ", ".join(f"{name}: {why}" for name, why in self.missing().items())

    def _look(self) -> str:
        return "" if self._primary else self._words()

    def _turned(self, why: str) -> None:
        if why:
            text = f"not initialised within {self.timeout:g} s: {why}"
            self.service.unavailable(REASON, NOT_INITIALISED, text)
        else:
            self._running("initialised")

    def _running(self, what: str) -> None:
        self.service.running(REASON, INITIALISED, what)
