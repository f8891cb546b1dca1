"""
Alarms: what a person must know, from when it began until it is over.
"""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Callable, Sequence

import attrs
from attrs import define, field, frozen
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from zope.interface import Interface

from sipcluster.monitors.numbers import ALARM_CLEARED, ALARM_RAISED

log = Logger()

#: Characters of a key and of a text that are kept.
KEY, TEXT = 100, 500


class Level(enum.Enum):
    """
    How bad it is: the field's categories.
    """

    CRITICAL = "critical"
    MAJOR = "major"
    MINOR = "minor"


@frozen
class Alarm:
    """
    One alarm.

    @ivar key: names the condition; there is one active alarm of a key at most.
    @ivar number: of the log event that it comes from.
    @ivar text: for people: what happened last.
    @ivar since: when it was raised, in seconds since 1970.
    @ivar count: how often it was raised since then.
    @ivar cleared: when it was cleared; L{None} while it is active.
    @ivar ending: what cleared it.
    """

    key: str
    number: str
    text: str
    level: Level
    since: float
    count: int = 1
    cleared: float | None = None
    ending: str = ""

    def plain(self) -> dict[str, object]:
        """
        As people get it.
        """
        told = attrs.asdict(self, filter=lambda a, _: a.name != "level")
        return {**told, "level": self.level.value}


class IAlarmHook(Interface):
    """
    Is told of alarms.
    """

    def alarm(alarm: Alarm) -> None:
        """
        One was raised or, if C{alarm.cleared} is set, cleared.  Must neither
        raise nor take time.
        """


@frozen
class AlarmLimits:
    """
    @ivar active: alarms at one time; more are counted only.
    @ivar history: alarms remembered that are over.
    """

    active: int = 500
    history: int = 500


@define(eq=False)
class Alarms:
    """
    The alarms of one process.

    @ivar hook: told of each that begins or ends; L{None}: nobody is.
    @ivar counts: C{raised}, C{cleared}, C{tooMany}, C{hookFailed}.
    """

    clock: IReactorTime
    wallTime: Callable[[], float]
    hook: IAlarmHook | None = None
    limits: AlarmLimits = field(factory=AlarmLimits)
    counts: dict[str, int] = field(init=False)
    _active: dict[str, Alarm] = field(factory=dict, init=False)
    _over: deque[Alarm] = field(init=False)
    _timers: dict[str, IDelayedCall] = field(factory=dict, init=False)

    def __attrs_post_init__(self) -> None:
        self.counts = dict.fromkeys(("raised", "cleared", "tooMany", "hookFailed"), 0)
        self._over = deque(maxlen=self.limits.history)

    def raiseAlarm(
        self,
        key: str,
        number: str,
        text: str,
        level: Level = Level.MAJOR,
        clearAfter: float = 0.0,
    ) -> None:
        """
        Something is wrong.  One that is active already is brought up to date.

        @param clearAfter: seconds without another such event, after which it is
            cleared by itself; 0: never.
        """
        key, text = key[:KEY], text[:TEXT]
        known = self._active.get(key)
        if known is None and len(self._active) >= self.limits.active:
            self.counts["tooMany"] += 1
            return
        self._forget(key)
        if clearAfter > 0:
            self._timers[key] = self.clock.callLater(
                clearAfter, self._due, key, clearAfter
            )
        if known is not None:
            self._active[key] = attrs.evolve(known, text=text, count=known.count + 1)
            return
        alarm = Alarm(key, number, text, level, self.wallTime())
        self._active[key] = alarm
        self.counts["raised"] += 1
        log.warn(
            "{number}: alarm {alarm} is raised: {event}: {why}",
            number=ALARM_RAISED,
            alarm=key,
            event=number,
            why=text,
        )
        self._tell(alarm)

    def clearAlarm(self, key: str, text: str = "") -> bool:
        """
        It is over.

        @param text: what cleared it, for people.

        @return: whether there was one.
        """
        key = key[:KEY]
        self._forget(key)
        known = self._active.pop(key, None)
        if known is None:
            return False
        alarm = attrs.evolve(known, cleared=self.wallTime(), ending=text[:TEXT])
        self._over.append(alarm)
        self.counts["cleared"] += 1
        log.info(
            "{number}: alarm {alarm} is cleared: {why}",
            number=ALARM_CLEARED,
            alarm=key,
            why=alarm.ending,
        )
        self._tell(alarm)
        return True

    def active(self) -> Sequence[Alarm]:
        """
        Those that are not over, the oldest first.
        """
        return tuple(self._active.values())

    def history(self) -> Sequence[Alarm]:
        """
        Those that are over, the last to end last.
        """
        return tuple(self._over)

    def stop(self) -> None:
        """
        Clear nothing by time any more.
        """
        for key in list(self._timers):
            self._forget(key)

    def status(self) -> dict[str, object]:
        """
        For people.
        """
        return {
            "active": [alarm.plain() for alarm in self._active.values()],
            **self.counts,
        }

    def explained(self) -> dict[str, object]:
        """
        All that is known.
        """
        return {
            **self.status(),
            "history": [alarm.plain() for alarm in self._over],
        }

    def _due(self, key: str, seconds: float) -> None:
        self._timers.pop(key, None)
        self.clearAlarm(key, f"nothing of it for {seconds:g} s")

    def _forget(self, key: str) -> None:
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()

    def _tell(self, alarm: Alarm) -> None:
        if self.hook is None:
            return
        try:
            self.hook.alarm(alarm)
        except Exception:
            self.counts["hookFailed"] += 1
            log.failure("telling of alarm {alarm}", alarm=alarm.key)
