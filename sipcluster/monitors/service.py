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
    """

    alarms: Alarms
    reasons: IReasons | None = None
    _why: dict[str, str] = field(factory=dict, init=False)

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
        self, reason: str, number: str, why: str, soft: bool = True
    ) -> None:
        """
        It cannot, for one more reason; one of the same name is replaced.

        @param number: of the log event.
        @param why: for people.
        @param soft: it goes on all the same if the other member is no better.
        """
        before, known = self.state, self._why.get(reason)
        self._why[reason] = why
        if known != why:
            log.error("{number}: {why}", number=number, reason=reason, why=why)
            self.alarms.raiseAlarm(reason, number, why, Level.CRITICAL)
        self._tell(before, why)
        if self.reasons is not None:
            self.reasons.unfit(reason, why, soft)

    def running(self, reason: str, number: str, what: str) -> None:
        """
        A reason is gone; nothing happens when there is none of this name.

        @param what: for people: what is well again.
        """
        before = self.state
        if self._why.pop(reason, None) is None:
            return
        log.info("{number}: {what}", number=number, reason=reason, what=what)
        self.alarms.clearAlarm(reason, what)
        self._tell(before, what)
        if self.reasons is not None:
            self.reasons.fit(reason)

    def status(self) -> dict[str, object]:
        """
        For people.
        """
        return {"state": self.state, "why": self.why}

    def _tell(self, before: str, why: str) -> None:
        if self.state == before:
            return
        if self._why:
            log.error(
                "{number}: {state}: {why}",
                number=UNAVAILABLE,
                state=self.state,
                why=why,
            )
        else:
            log.info(
                "{number}: {state}: {why}", number=RUNNING, state=self.state, why=why
            )
