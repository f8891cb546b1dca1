"""
Event sinks: who takes the call-control events of a node.
"""

from __future__ import annotations

from collections.abc import Sequence

from twisted.logger import Logger
from zope.interface import implementer

from sipcluster.sessioncontroller.events import CallEvent, Released
from sipcluster.sessioncontroller.isessioncontroller import IEventSink


@implementer(IEventSink)
class LogSink:
    """
    Writes each event to the log.
    """

    log = Logger()

    def eventHappened(self, event: CallEvent) -> None:
        party = event.party
        self.log.info(
            "{event} {thisDN} in call {connID}",
            event=type(event).__name__,
            connID=party.connID,
            callUUID=party.callUUID,
            callType=party.callType.value,
            thisDN=party.thisDN,
            otherDN=party.otherDN,
            ani=party.ani,
            dnis=party.dnis,
            cause=event.cause.value if isinstance(event, Released) else "",
        )


@implementer(IEventSink)
class RecordingSink:
    """
    Keeps the events.

    @ivar events: in order.
    """

    def __init__(self) -> None:
        self.events: list[CallEvent] = []

    def eventHappened(self, event: CallEvent) -> None:
        self.events.append(event)

    def of(self, dn: str) -> list[str]:
        """
        Names of the events of one DN.
        """
        return [type(e).__name__ for e in self.events if e.party.thisDN == dn]


class Distribution:
    """
    Gives each event to all sinks, in order.  A sink that fails is logged, and
    disturbs neither the call nor the others.
    """

    __slots__ = ("_sinks",)

    log = Logger()

    def __init__(self, sinks: Sequence[IEventSink]) -> None:
        self._sinks = tuple(sinks)

    def publish(self, event: CallEvent) -> None:
        """
        Give one event to all.
        """
        for sink in self._sinks:
            try:
                sink.eventHappened(event)
            except Exception:
                self.log.failure("sink of {event}", event=type(event).__name__)
