"""
Conditions that are alarms, and do not keep a member from serving.

C{arbiter-monitoring} is what the field does with C{control-vip-scripts} (row H12 of the
inventory).  Two members that are both primary are not looked for here: what the one
who decides has granted runs out by itself, and the link between the members shows
the rest.
"""

from __future__ import annotations

from collections.abc import Callable

from attrs import define, field
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from sipcluster.monitors import numbers
from sipcluster.monitors.alarms import Alarms, Level
from sipcluster.monitors.imonitors import IMonitor
from sipcluster.monitors.watching import Watching

log = Logger()

ARBITER = "arbiter-monitoring"
STANDBY = "hot-standby"

#: Seconds that a primary may be without a backup that has everything: one that
#: restarts is back within 5.
PATIENCE = 10.0


@implementer(IMonitor)
@define(eq=False)
class Condition:
    """
    Looks whether something is as it should be.

    @ivar name: of the monitor, and of the alarm.
    @ivar look: says why it is not; empty while it is.
    @ivar bad: number of the log event when it is not.
    @ivar good: when it is again.
    @ivar well: how it is then, in words.
    @ivar patience: seconds that it must last.
    """

    name: str
    clock: IReactorTime
    alarms: Alarms
    look: Callable[[], str]
    bad: str
    good: str
    well: str
    interval: float = 1.0
    patience: float = 1.0
    _watching: Watching = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._watching = Watching(
            self.clock, self.interval, self.patience, 0.0, self.look, self._turned
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
        See L{IMonitor}: another question may have another answer.
        """
        self._watching.soon()

    def status(self) -> str:
        """
        See L{IMonitor}.
        """
        return self._watching.bad or self.well

    def _turned(self, why: str) -> None:
        if why:
            log.error("{number}: {why}", number=self.bad, why=why)
            self.alarms.raiseAlarm(self.name, self.bad, why, Level.MAJOR)
        else:
            log.info("{number}: {what}", number=self.good, what=self.well)
            self.alarms.clearAlarm(self.name, self.well)


def arbiterMonitor(
    clock: IReactorTime,
    alarms: Alarms,
    away: Callable[[], str],
    interval: float = 1.0,
) -> Condition:
    """
    Looks whether the arbiter answers.

    @param away: why it does not; empty while it does.
    """

    def look() -> str:
        why = away()
        return why and f"the arbiter is away: {why}"

    return Condition(
        ARBITER,
        clock,
        alarms,
        look,
        numbers.ARBITER_AWAY,
        numbers.ARBITER_BACK,
        "the arbiter answers",
        interval,
        interval,
    )


def standbyMonitor(
    clock: IReactorTime,
    alarms: Alarms,
    unready: Callable[[], str],
    interval: float = 1.0,
) -> Condition:
    """
    Looks whether calls would outlive this primary.

    @param unready: why they would not; empty while they would, and on a backup.
    """

    def look() -> str:
        why = unready()
        return why and f"no hot standby: {why}"

    return Condition(
        STANDBY,
        clock,
        alarms,
        look,
        numbers.NO_STANDBY,
        numbers.STANDBY_READY,
        "the other member has everything",
        interval,
        PATIENCE,
    )
