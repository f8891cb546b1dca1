"""
The command that is run for each alarm.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from zope.interface import implementer

from sipcluster.monitors.alarms import Alarm, IAlarmHook
from sipcluster.monitors.imonitors import Ended, ICommands
from sipcluster.monitors.numbers import HOOK_FAILED

log = Logger()

#: Alarms that may wait for their command; of more, the oldest are left out.
WAITING = 100


def _stamp(seconds: float) -> str:
    when = datetime.fromtimestamp(seconds, UTC)
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


@implementer(IAlarmHook)
@define(eq=False)
class AlarmCommand:
    """
    Runs a command for each alarm that is raised or cleared, one at a time, in
    order: C{COMMAND raised|cleared KEY TEXT}.

    @ivar application: the process that the alarms are of.
    @ivar patience: seconds that it may take.
    @ivar counts: C{run}, C{failed}, C{leftOut}.
    """

    commands: ICommands
    command: Sequence[str]
    application: str
    patience: float = 10.0
    counts: dict[str, int] = field(init=False)
    _waiting: deque[Alarm] = field(factory=deque, init=False)
    _running: bool = field(default=False, init=False)
    _now: Deferred[None] | None = field(default=None, init=False)
    _stopped: bool = field(default=False, init=False)

    def __attrs_post_init__(self) -> None:
        self.counts = dict.fromkeys(("run", "failed", "leftOut"), 0)

    def alarm(self, alarm: Alarm) -> None:
        """
        See L{IAlarmHook}.
        """
        if self._stopped:
            return
        self._waiting.append(alarm)
        if len(self._waiting) > WAITING:
            out = self._waiting.popleft()
            self.counts["leftOut"] += 1
            if self.counts["leftOut"] == 1:
                log.error(
                    "{number}: no command for alarm {alarm}: {count} wait already",
                    number=HOOK_FAILED,
                    alarm=out.key,
                    count=WAITING,
                )
        if not self._running:
            self._next()

    def stop(self) -> None:
        """
        Run no more; what runs is killed.
        """
        self._stopped = True
        self._waiting.clear()
        now, self._now = self._now, None
        if now is not None:
            now.cancel()

    def environment(self, alarm: Alarm) -> dict[str, str]:
        """
        What the command finds in its environment.
        """
        over = alarm.cleared is not None
        when = alarm.since if alarm.cleared is None else alarm.cleared
        return {
            "SIPCLUSTER_APPLICATION": self.application,
            "SIPCLUSTER_ALARM_STATE": "cleared" if over else "raised",
            "SIPCLUSTER_ALARM_KEY": _plain(alarm.key),
            "SIPCLUSTER_ALARM_NUMBER": alarm.number,
            "SIPCLUSTER_ALARM_LEVEL": alarm.level.value,
            "SIPCLUSTER_ALARM_TEXT": _plain(alarm.ending if over else alarm.text),
            "SIPCLUSTER_ALARM_TIME": _stamp(when),
            "SIPCLUSTER_ALARM_SINCE": _stamp(alarm.since),
            "SIPCLUSTER_ALARM_COUNT": str(alarm.count),
        }

    def _next(self) -> None:
        """
        Run the command for whatever waits.  A command that ends at once takes no
        more stack however much waits.
        """
        self._running = True
        while self._waiting and not self._stopped:
            alarm = self._waiting.popleft()
            environment = self.environment(alarm)
            state = environment["SIPCLUSTER_ALARM_STATE"]
            text = environment["SIPCLUSTER_ALARM_TEXT"]
            self.counts["run"] += 1
            ended = self.commands.run(
                (*self.command, state, _plain(alarm.key), text),
                environment,
                self.patience,
            )
            over: Deferred[None] = ended.addCallback(self._ended, alarm)
            over.addErrback(lambda f: log.failure("after the command of an alarm", f))
            if not over.called:
                self._now = over
                over.addCallback(lambda _: self._next())
                return
        self._running = False

    def _ended(self, ended: Ended, alarm: Alarm) -> None:
        self._now = None
        if ended.why:
            self.counts["failed"] += 1
            log.error(
                "{number}: the command for alarm {alarm} {why}: {output}",
                number=HOOK_FAILED,
                alarm=alarm.key,
                why=ended.why,
                output=ended.output,
            )


def _plain(text: str) -> str:
    """
    As one line, and without what no argument can have.
    """
    return " ".join(text.replace("\0", " ").split())
