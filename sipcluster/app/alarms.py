"""
The alarms of a process: which events of the log raise and clear them, and the command
that is run for each.

An event with a number that stands in L{CONDITIONS} raises or clears an alarm wherever
it comes from, as the field's alarm conditions do; monitors raise theirs themselves.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from attrs import define, field, frozen
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import (
    ILogObserver,
    LogEvent,
    LogLevel,
    formatEvent,
    globalLogPublisher,
)
from zope.interface import implementer

from sipcluster.app.settings.monitors import AlarmSettings
from sipcluster.cluster.replica import DEGRADED, FOLLOWS
from sipcluster.ha.wire import MISMATCH, STALE_EPOCH, STRANGER, Refusal
from sipcluster.monitors.alarms import AlarmLimits, Alarms, Level
from sipcluster.monitors.hook import AlarmCommand
from sipcluster.monitors.numbers import CRITICAL
from sipcluster.net.commands import Commands
from sipcluster.servicecheck.registry import NEW_PRIMARY, NO_PRIMARY
from sipcluster.sipproxy.gate import FROM_STALE

#: Whose events are told by who writes them.
_OWN = "sipcluster.monitors."


@frozen
class AlarmCondition:
    """
    Which events raise an alarm, and which clear it.

    @ivar key: of the alarm, with the values of the event.
    @ivar raises: number of the event.
    @ivar clears: number of the event that clears it; empty: time does, or an
        operator.
    @ivar lasting: seconds after which it is raised, unless it is over by then.
    """

    key: str
    raises: str
    clears: str = ""
    level: Level = Level.MAJOR
    lasting: float = 0.0


#: Refusals on the HA link that somebody must see to: wrong configurations and
#: versions, both primary, a member that speaks another language.
_REFUSED = (
    Refusal.CLUSTER,
    Refusal.PAIR,
    Refusal.MEMBER,
    Refusal.TOO_OLD,
    Refusal.TOO_NEW,
    Refusal.TWO_PRIMARIES,
    Refusal.MALFORMED,
)

#: A switchover is none: between the two members there is no primary for a moment.
_VACANT = 1.0

#: A store that is restarted is none, nor is the election of an etcd.
_AWAY = 10.0

CONDITIONS: tuple[AlarmCondition, ...] = (
    AlarmCondition("critical", CRITICAL, level=Level.CRITICAL),
    AlarmCondition("pair {pair}", NO_PRIMARY, NEW_PRIMARY, Level.CRITICAL, _VACANT),
    AlarmCondition("ha-link-mismatch", MISMATCH),
    AlarmCondition("ha-link-stranger", STRANGER),
    AlarmCondition("ha-link-stale-epoch", STALE_EPOCH),
    AlarmCondition("store {prefix}", DEGRADED, FOLLOWS, Level.MAJOR, _AWAY),
    AlarmCondition("stale-member", FROM_STALE, level=Level.MINOR),
    *(
        AlarmCondition(f"ha-link-{code.name.lower().replace('_', '-')}", number)
        for code in _REFUSED
        for number in (code.number, f"00-53{200 + code}")
    ),
)


@implementer(ILogObserver)
@define(eq=False)
class AlarmEvents:
    """
    Takes the log events of a process.

    @ivar clearAfter: seconds after which alarms are cleared that no event
        clears; 0: never.
    """

    alarms: Alarms
    clearAfter: float = 0.0
    conditions: Iterable[AlarmCondition] = CONDITIONS
    _raises: dict[str, AlarmCondition] = field(init=False)
    _clears: dict[str, AlarmCondition] = field(init=False)
    _open: set[str] = field(factory=set, init=False)
    _coming: dict[str, IDelayedCall] = field(factory=dict, init=False)

    def __attrs_post_init__(self) -> None:
        self._raises = {one.raises: one for one in self.conditions}
        self._clears = {one.clears: one for one in self.conditions if one.clears}

    def __call__(self, event: LogEvent) -> None:
        """
        Take one.
        """
        number = event.get("number")
        if not isinstance(number, str):
            return
        if str(event.get("log_namespace")).startswith(_OWN):
            return
        if (one := self._raises.get(number)) is not None:
            self._raise(one, event)
        elif (one := self._clears.get(number)) is not None:
            key = _key(one, event)
            self._comes(key)
            self.alarms.clearAlarm(key, _text(number, event))
        elif event.get("log_level") is LogLevel.critical:
            self._raise(AlarmCondition(number, number, level=Level.CRITICAL), event)

    def clear(self) -> int:
        """
        An operator has seen to it: clear what no event clears.

        @return: how many.
        """
        keys, self._open = self._open, set()
        return sum(self.alarms.clearAlarm(key, "by an operator") for key in keys)

    def _raise(self, one: AlarmCondition, event: LogEvent) -> None:
        key = _key(one, event)
        after = 0.0 if one.clears else self.clearAfter
        text = _text(one.raises, event)
        if one.lasting:
            self._comes(key)
            self._coming[key] = self.alarms.clock.callLater(
                one.lasting, self._lasts, key, one, text
            )
            return
        self.alarms.raiseAlarm(key, one.raises, text, one.level, after)
        if not one.clears:
            active = {alarm.key for alarm in self.alarms.active()}
            self._open = {known for known in (*self._open, key) if known in active}

    def _lasts(self, key: str, one: AlarmCondition, text: str) -> None:
        del self._coming[key]
        self.alarms.raiseAlarm(key, one.raises, text, one.level)

    def _comes(self, key: str) -> None:
        """
        What was to come is over, or begins again.
        """
        timer = self._coming.pop(key, None)
        if timer is not None:
            timer.cancel()

    def stop(self) -> None:
        """
        Nothing comes any more.
        """
        for key in list(self._coming):
            self._comes(key)


def _text(number: str, event: LogEvent) -> str:
    """
    What an event says, without its number: alarms have that for themselves.
    """
    return formatEvent(event).removeprefix(f"{number}: ")


def _key(one: AlarmCondition, event: LogEvent) -> str:
    if "{" not in one.key:
        return one.key
    return one.key.format(pair=event.get("pair", "?"), prefix=event.get("prefix", "?"))


class ProcessAlarms:
    """
    The alarms of a process, from its start to its end.

    @ivar alarms: the alarms.
    @ivar events: what the log says of them.
    """

    def __init__(self, reactor: Any, settings: AlarmSettings, name: str) -> None:
        """
        @param name: of the application.
        """
        limits = AlarmLimits(history=settings.history)
        self.alarms = Alarms(reactor, time.time, limits=limits)
        self.events = AlarmEvents(self.alarms, settings.clearAfter)
        self._command: AlarmCommand | None = None
        if settings.command:
            self._command = AlarmCommand(
                Commands(reactor), settings.command, name, settings.timeout
            )
            self.alarms.hook = self._command

    def start(self) -> None:
        """
        Take events from now on.
        """
        globalLogPublisher.addObserver(self.events)

    def stop(self) -> None:
        """
        Take none any more, and run no command.
        """
        globalLogPublisher.removeObserver(self.events)
        self.events.stop()
        self.alarms.stop()
        if self._command is not None:
            self._command.stop()

    def status(self) -> dict[str, object]:
        """
        For people, without those that are over.
        """
        command = {} if self._command is None else {"command": self._command.counts}
        return {**self.alarms.status(), **command}
