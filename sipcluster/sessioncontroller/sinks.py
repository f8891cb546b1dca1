"""
Event sinks: who takes the call-control events of a node.
"""

from __future__ import annotations

from collections.abc import Sequence

from twisted.logger import Logger
from zope.interface import implementer

from sipcluster.sessioncontroller.events import (
    Answered,
    CallEvent,
    Failed,
    Offered,
    Released,
    Role,
)
from sipcluster.sessioncontroller.isessioncontroller import IEventSink


@implementer(IEventSink)
class LogSink:
    """
    Writes the events to the log: the life of a call, that is its beginning, its
    answer and its end, for everyone; all else for those who debug.
    """

    log = Logger()

    def eventHappened(self, event: CallEvent) -> None:
        kind = type(event)
        party = event.party
        ofCall = kind in _OF_CALLS and (
            (party.thisRole is Role.ORIGINATION) is (kind is not Answered)
        )
        write = self.log.info if ofCall else self.log.debug
        cause = event.cause.value if isinstance(event, Failed | Released) else ""
        status = event.status if isinstance(event, Failed) else 0
        write(
            _FORMATS[bool(cause), bool(status)],
            event=kind.__name__,
            connID=party.connID,
            callUUID=party.callUUID,
            callType=party.callType.value,
            thisDN=party.thisDN,
            otherDN=party.otherDN,
            ani=party.ani,
            dnis=party.dnis,
            cause=cause,
            status=status,
        )


#: What people read, by whether there are a cause and a SIP status.
_FORMATS = {
    (False, False): "{event} {thisDN} with {otherDN} in call {connID}",
    (True, False): "{event} {thisDN} with {otherDN} in call {connID}: {cause}",
    (True, True): "{event} {thisDN} with {otherDN} in call {connID}: {cause}, {status}",
}

#: Events that a person wants to see once for each call.
_OF_CALLS = frozenset([Offered, Answered, Failed, Released])


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

    def add(self, sink: IEventSink) -> None:
        """
        Give all events to one more, after the others.
        """
        self._sinks = (*self._sinks, sink)

    def publish(self, event: CallEvent) -> None:
        """
        Give one event to all.
        """
        for sink in self._sinks:
            try:
                sink.eventHappened(event)
            except Exception:
                self.log.failure("sink of {event}", event=type(event).__name__)
