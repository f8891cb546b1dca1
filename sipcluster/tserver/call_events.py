"""
What T-Library clients see of calls: call-control events as T-Events.

An event goes to the ports of the node in the order in which the Session Controller
tells of it, and at the moment it does so: EventRinging when the INVITE leaves for
the telephone.  A party outside the switch has no events of its own.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from typing import Any

from zope.interface import implementer

from sipcluster.sessioncontroller.events import (
    Alerting,
    Answered,
    CallEvent,
    CallType,
    Cause,
    DTMFSent,
    Failed,
    Held,
    Offered,
    Released,
    Retrieved,
    Role,
    UserDataChanged,
)
from sipcluster.sessioncontroller.isessioncontroller import IEventSink
from sipcluster.sessioncontroller.party_events import (
    ListenDisconnected,
    ListenReconnected,
    Muted,
    NetworkReached,
    PartyAdded,
    PartyChanged,
    PartyDeleted,
    Unmuted,
)
from sipcluster.sessioncontroller.queue_events import (
    Diverted,
    Queued,
    RouteRequested,
    RouteUsed,
    TreatmentApplied,
    TreatmentEnded,
    TreatmentNotApplied,
)
from sipcluster.tlib import enums
from sipcluster.tlib.attributes import timeOf
from sipcluster.tlib.enums import CallState
from sipcluster.tlib.errors import TErrorCode
from sipcluster.tlib.messages import (
    EventAbandoned,
    EventAttachedDataChanged,
    EventDestinationBusy,
    EventDialing,
    EventDiverted,
    EventDTMFSent,
    EventEstablished,
    EventHeld,
    EventListenDisconnected,
    EventListenReconnected,
    EventMuteOff,
    EventMuteOn,
    EventNetworkReached,
    EventPartyAdded,
    EventPartyChanged,
    EventPartyDeleted,
    EventQueued,
    EventReleased,
    EventRetrieved,
    EventRinging,
    EventRouteRequest,
    EventRouteUsed,
    EventTreatmentApplied,
    EventTreatmentEnd,
    EventTreatmentNotApplied,
    Message,
)
from sipcluster.tlib.messages.base import DNEvent
from sipcluster.tserver.itserver import IEventPublisher
from sipcluster.tserver.outgoing import Outgoing
from sipcluster.tserver.party_attributes import (
    CALL_STATES,
    CALL_TYPES,
    TREATMENT_ERRORS,
    atQueue,
    common,
    stated,
)


class Abandoned(enum.Enum):
    """
    When a ringing DN whose caller gives up gets EventAbandoned, and not
    EventReleased.

    C{ALWAYS}: whoever gives up.  C{EXTERNAL}: when the caller is outside of the
    switch.
    """

    ALWAYS = "always"
    EXTERNAL = "external"


@implementer(IEventSink)
class CallEvents:
    """
    Turns the call-control events of a node into T-Events.
    """

    __slots__ = ("_abandoned", "_publishers", "_routing")

    def __init__(
        self,
        publishers: Sequence[IEventPublisher],
        abandoned: Abandoned = Abandoned.ALWAYS,
        routing: IEventPublisher | None = None,
    ) -> None:
        """
        @param publishers: the T-Library ports of the node: each gets every event.
        @param routing: the one at which routing clients are asked where calls go;
            L{None}: at each.
        """
        self._publishers = tuple(publishers)
        self._abandoned = abandoned
        self._routing = self._publishers if routing is None else (routing,)

    def eventHappened(self, event: CallEvent) -> None:
        """
        See L{IEventSink}.
        """
        kind = type(event)
        make = _MAKERS.get(kind)
        if make is None or not event.party.internal:
            return
        dn, requester = event.party.thisDN, event.requester
        made: Outgoing | None = None
        publishers = self._routing if kind is RouteRequested else self._publishers
        for publisher in publishers:
            if requester is None and not publisher.watched(dn):
                continue
            if made is None:
                made = Outgoing(make(self, event))
            publisher.publish(dn, made, requester)

    # One method for each event that has something of its own

    def _dialing(self, event: Offered) -> Message:
        attributes = stated(event)
        # As the field has it: the caller knows who it is.
        del attributes["ani"]
        view = event.party
        if view.callType is CallType.CONSULT and view.previousConnID:
            which = "conferenceConnID" if view.conference else "transferConnID"
            attributes[which] = view.previousConnID
        return EventDialing(**attributes)

    def _destinationBusy(self, event: Failed) -> Message:
        return EventDestinationBusy(**common(event), callState=CALL_STATES[event.cause])

    def _released(self, event: Released) -> Message:
        view, cause = event.party, event.cause
        if cause is Cause.ABANDONED:
            if view.thisQueue == view.thisDN:
                return EventAbandoned(**common(event), callState=CallState.OK)
            if view.thisRole is Role.ORIGINATION or event.answered:
                cause = Cause.OK
            elif (
                self._abandoned is Abandoned.ALWAYS or view.callType is CallType.INBOUND
            ):
                return EventAbandoned(**common(event), callState=CallState.OK)
        elif cause is Cause.REJECTED and event.requester is not None:
            cause = Cause.OK  # as asked
        return EventReleased(**common(event), callState=CALL_STATES[cause])

    def _partyChanged(self, event: PartyChanged) -> Message:
        attributes = stated(event)
        view = event.party
        if view.previousConnID and view.previousConnID != view.connID:
            attributes["previousConnID"] = view.previousConnID
        return EventPartyChanged(**attributes)

    def _attachedDataChanged(self, event: UserDataChanged) -> Message:
        attributes = common(event)
        # It says so, too, when nothing is left.
        attributes["userData"] = event.party.userData
        if event.by:
            attributes["thirdPartyDN"] = event.by
        return EventAttachedDataChanged(**attributes)

    def _dtmfSent(self, event: DTMFSent) -> Message:
        return EventDTMFSent(**common(event), dtmfDigits=event.digits)

    # Routing points

    def _diverted(self, event: Diverted) -> Message:
        return EventDiverted(**atQueue(event), callState=CALL_STATES[event.cause])

    def _routeRequest(self, event: RouteRequested) -> Message:
        return EventRouteRequest(
            **atQueue(event),
            callState=CALL_STATES[event.why],
            lastCollectedDigit=event.lastDigit or None,
        )

    def _routeUsed(self, event: RouteUsed) -> Message:
        return EventRouteUsed(
            **atQueue(event),
            callState=CALL_STATES[event.why],
            routeType=enums.RouteType[event.routeType.name],
        )

    def _treatmentApplied(self, event: TreatmentApplied) -> Message:
        return EventTreatmentApplied(**_treatment(event))

    def _treatmentNotApplied(self, event: TreatmentNotApplied) -> Message:
        code = TREATMENT_ERRORS.get(event.cause, TErrorCode.RESOURCE_UNAVAILABLE)
        return EventTreatmentNotApplied(
            **_treatment(event),
            errorCode=code,
            errorMessage=event.reason or code.text,
        )

    def _treatmentEnd(self, event: TreatmentEnded) -> Message:
        return EventTreatmentEnd(
            **_treatment(event),
            collectedDigits=event.digits or None,
            lastCollectedDigit=event.digits[-1:] or None,
        )


def _treatment(
    event: TreatmentApplied | TreatmentNotApplied | TreatmentEnded,
) -> dict[str, Any]:
    attributes = atQueue(event)
    attributes["treatmentType"] = enums.TreatmentType[event.treatment.name]
    return attributes


def _ofState(kind: type[Message]) -> Callable[[CallEvents, CallEvent], Message]:
    """
    Make an event of a party that says what brought it about, and nothing else.
    """

    def make(events: CallEvents, event: CallEvent) -> Message:
        return kind(**stated(event))

    return make


def _queued(events: CallEvents, event: CallEvent) -> Message:
    attributes = atQueue(event)
    attributes["callState"] = CALL_STATES[event.why]
    return EventQueued(**attributes)


def _ofParty(kind: type[Message]) -> Callable[[CallEvents, CallEvent], Message]:
    """
    Make an event that says of whom it is.
    """

    def make(events: CallEvents, event: CallEvent) -> Message:
        return kind(**common(event))

    return make


def _ofDN(kind: type[DNEvent]) -> Callable[[CallEvents, CallEvent], Message]:
    """
    Make an event of a DN: it names the call, and says nothing else of it.
    """

    def make(events: CallEvents, event: CallEvent) -> Message:
        view = event.party
        return kind(
            time=timeOf(event.time),
            thisDN=view.thisDN,
            connID=view.connID,
            callID=view.callID,
            callUUID=view.callUUID,
            callType=CALL_TYPES[view.callType],
            extensions=event.extensions or None,
        )

    return make


_MAKERS: dict[type[CallEvent], Callable[[CallEvents, Any], Message]] = {
    Offered: CallEvents._dialing,
    Alerting: _ofState(EventRinging),
    Answered: _ofState(EventEstablished),
    Held: _ofState(EventHeld),
    Retrieved: _ofState(EventRetrieved),
    Failed: CallEvents._destinationBusy,
    Released: CallEvents._released,
    UserDataChanged: CallEvents._attachedDataChanged,
    DTMFSent: CallEvents._dtmfSent,
    NetworkReached: _ofState(EventNetworkReached),
    PartyChanged: CallEvents._partyChanged,
    PartyAdded: _ofState(EventPartyAdded),
    PartyDeleted: _ofState(EventPartyDeleted),
    ListenDisconnected: _ofParty(EventListenDisconnected),
    ListenReconnected: _ofParty(EventListenReconnected),
    Muted: _ofDN(EventMuteOn),
    Unmuted: _ofDN(EventMuteOff),
    Queued: _queued,
    Diverted: CallEvents._diverted,
    RouteRequested: CallEvents._routeRequest,
    RouteUsed: CallEvents._routeUsed,
    TreatmentApplied: CallEvents._treatmentApplied,
    TreatmentNotApplied: CallEvents._treatmentNotApplied,
    TreatmentEnded: CallEvents._treatmentEnd,
}
