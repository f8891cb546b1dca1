"""
C{arbiter-monitoring}, what the field does with C{control-vip-scripts} (row H12 of the
inventory): an alarm while nobody can decide who serves.

Two members that are both primary are not looked for here: what the one who decides
has granted runs out by itself, and the link between the members shows the rest.
"""

from __future__ import annotations

from collections.abc import Callable

from attrs import define, field
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from sipcluster.monitors.alarms import Alarms, Level
from sipcluster.monitors.imonitors import IMonitor
from sipcluster.monitors.numbers import ARBITER_AWAY, ARBITER_BACK
from sipcluster.monitors.watching import Watching

log = Logger()

NAME = "arbiter-monitoring"


@implementer(IMonitor)
@define(eq=False)
class ArbiterMonitor:
    """
    Looks whether the arbiter answers.

    @ivar away: why it does not; empty while it does.
    """

    name = NAME

    clock: IReactorTime
    alarms: Alarms
    away: Callable[[], str]
    interval: float = 1.0
    _watching: Watching = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._watching = Watching(
            self.clock, self.interval, self.interval, 0.0, self.away, self._turned
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
        See L{IMonitor}: it does not matter here.
        """

    def status(self) -> str:
        """
        See L{IMonitor}.
        """
        bad = self._watching.bad
        return f"the arbiter is away: {bad}" if bad else "the arbiter answers"

    def _turned(self, why: str) -> None:
        if why:
            text = f"the arbiter is away: {why}"
            log.error("{number}: {why}", number=ARBITER_AWAY, why=text)
            self.alarms.raiseAlarm(NAME, ARBITER_AWAY, text, Level.MAJOR)
        else:
            log.info("{number}: the arbiter is back", number=ARBITER_BACK)
            self.alarms.clearAlarm(NAME, "the arbiter is back")
