"""
Whether this process can serve, as monitors see it: C{SERVICE_RUNNING} or
C{SERVICE_UNAVAILABLE} (row H16 of the inventory).
"""

from __future__ import annotations

from attrs import define, field
from twisted.logger import Logger

from sipcluster.monitors.alarms import Alarms, Level
from sipcluster.monitors.imonitors import IReasons
from sipcluster.monitors.numbers import RUNNING, UNAVAILABLE

log = Logger()

SERVICE_RUNNING = "SERVICE_RUNNING"
SERVICE_UNAVAILABLE = "SERVICE_UNAVAILABLE"


@define(eq=False)
class Service:
    """
    All reasons why this process cannot serve.  Each is an alarm, and what comes
    of it for the role is decided by the pair.

    @ivar reasons: what decides; L{None} for a process that is in no pair.
    @ivar linked: whether the other member is heard.
    """

    alarms: Alarms
    reasons: IReasons | None = None
    linked: bool = True
    _deaf: set[str] = field(factory=set, init=False)
    _why: dict[str, str] = field(factory=dict, init=False)
    _notes: dict[str, str] = field(factory=dict, init=False)

    @property
    def state(self) -> str:
        """
        C{SERVICE_RUNNING} or C{SERVICE_UNAVAILABLE}.
        """
        return SERVICE_UNAVAILABLE if self._why else SERVICE_RUNNING

    @property
    def why(self) -> dict[str, str]:
        """
        The reasons by their names.
        """
        return dict(self._why)

    def unavailable(
        self,
        reason: str,
        number: str,
        why: str,
        soft: bool = True,
        deaf: bool = False,
    ) -> None:
        """
        It cannot, for one more reason; one of the same name is replaced.

        @param number: of the log event.
        @param why: for people.
        @param soft: it goes on all the same if the other member is no better.
        @param deaf: no telephone reaches this member.  What the other one is like is
            not known while it is not heard, but worse it cannot be.
        """
        before = self._why.copy()
        self._why[reason] = why
        self._notes.pop(reason, None)
        if before.get(reason) != why:
            log.error("{number}: {why}", number=number, reason=reason, why=why)
            self.alarms.raiseAlarm(reason, number, why, Level.CRITICAL)
        if deaf:
            self._deaf.add(reason)
        else:
            self._deaf.discard(reason)
        self._tell(bool(before), why)
        if self.reasons is not None:
            self.reasons.unfit(reason, why, soft and not (deaf and not self.linked))

    def linkChanged(self, linked: bool) -> None:
        """
        The other member is heard, or no longer.
        """
        if linked == self.linked:
            return
        self.linked = linked
        for reason in sorted(self._deaf):
            if self.reasons is not None and reason in self._why:
                self.reasons.unfit(reason, self._why[reason], linked)

    def note(self, reason: str, number: str, why: str) -> None:
        """
        Something is wrong that does not, or does no longer, keep it from serving.
        """
        if self._notes.get(reason) != why:
            self._notes[reason] = why
            log.error("{number}: {why}", number=number, reason=reason, why=why)
            self.alarms.raiseAlarm(reason, number, why)
        self._withdraw(reason, why)

    def running(self, reason: str, number: str, what: str) -> bool:
        """
        What is told by this name is gone.

        @param what: for people: what is well again.

        @return: whether there was anything.
        """
        noted = self._notes.pop(reason, None) is not None
        if not noted and reason not in self._why:
            return False
        log.info("{number}: {what}", number=number, reason=reason, what=what)
        self.alarms.clearAlarm(reason, what)
        self._withdraw(reason, what)
        return True

    def status(self) -> dict[str, object]:
        """
        For people.
        """
        return {"service": self.state, "why": self.why}

    def _withdraw(self, reason: str, what: str) -> None:
        self._deaf.discard(reason)
        if self._why.pop(reason, None) is not None:
            self._tell(True, what)
            if self.reasons is not None:
                self.reasons.fit(reason)

    def _tell(self, before: bool, why: str) -> None:
        if bool(self._why) == before:
            return
        tell = log.error if self._why else log.info
        number = UNAVAILABLE if self._why else RUNNING
        tell("{number}: {state}: {why}", number=number, state=self.state, why=why)
