"""
What T-Library clients see of calls: call-control events as T-Events.

An event goes to the ports of the node in the order in which the Session Controller
tells of it, and at the moment it does so: EventRinging when the INVITE leaves for
the telephone.  A party outside the switch has no events of its own.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
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
    PartyView,
    Released,
    Retrieved,
    Role,
    UserDataChanged,
)
from sipcluster.sessioncontroller.isessioncontroller import IEventSink
from sipcluster.tlib import enums
from sipcluster.tlib.attributes import timeOf
from sipcluster.tlib.enums import CallState, DNRole
from sipcluster.tlib.messages import (
    EventAbandoned,
    EventAttachedDataChanged,
    EventDestinationBusy,
    EventDialing,
    EventDTMFSent,
    EventEstablished,
    EventHeld,
    EventReleased,
    EventRetrieved,
    EventRinging,
    Message,
)
from sipcluster.tserver.itserver import IEventPublisher
from sipcluster.tserver.outgoing import Outgoing

#: The call types of the two sides of this seam.
CALL_TYPES: Mapping[CallType, enums.CallType] = {
    CallType.UNKNOWN: enums.CallType.UNKNOWN,
    CallType.INTERNAL: enums.CallType.INTERNAL,
    CallType.INBOUND: enums.CallType.INBOUND,
    CallType.OUTBOUND: enums.CallType.OUTBOUND,
    CallType.CONSULT: enums.CallType.CONSULT,
}

#: The roles.
ROLES: Mapping[Role, DNRole] = {
    Role.UNKNOWN: DNRole.UNKNOWN,
    Role.ORIGINATION: DNRole.ORIGINATION,
    Role.DESTINATION: DNRole.DESTINATION,
}

#: What AttributeCallState says of how a party came out of its call, or why it
#: cannot have the call it wants.  The field has no state of its own for some.
CALL_STATES: Mapping[Cause, CallState] = {
    Cause.OK: CallState.OK,
    Cause.ABANDONED: CallState.ABANDONED,
    Cause.BUSY: CallState.BUSY,
    Cause.NO_ANSWER: CallState.NO_ANSWER,
    # A telephone on which "reject" is pressed says 486 or 603 as it likes.
    Cause.REJECTED: CallState.BUSY,
    Cause.REDIRECTED: CallState.REDIRECTED,
    Cause.FORWARDED: CallState.FORWARDED,
    Cause.INVALID_NUMBER: CallState.SIT_INVALIDNUM,
    Cause.UNREACHABLE: CallState.SIT_NOCIRCUIT,
    Cause.FORBIDDEN: CallState.SIT_INTERCEPT,
    Cause.OVERLOAD: CallState.SIT_REORDER,
    Cause.ELSEWHERE: CallState.PICKEDUP,
    Cause.LOST: CallState.DROPPED,
    Cause.FAILED: CallState.GENERAL_ERROR,
    Cause.SHUTDOWN: CallState.SYSTEM_ERROR,
}


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

    __slots__ = ("_abandoned", "_publishers")

    def __init__(
        self,
        publishers: Sequence[IEventPublisher],
        abandoned: Abandoned = Abandoned.ALWAYS,
    ) -> None:
        """
        @param publishers: the T-Library ports of the node: each gets every event.
        """
        self._publishers = tuple(publishers)
        self._abandoned = abandoned

    def eventHappened(self, event: CallEvent) -> None:
        """
        See L{IEventSink}.
        """
        make = _MAKERS.get(type(event))
        if make is None or not event.party.internal:
            return
        dn, requester = event.party.thisDN, event.requester
        made: Outgoing | None = None
        for publisher in self._publishers:
            if requester is None and not publisher.watched(dn):
                continue
            if made is None:
                made = Outgoing(make(self, event))
            publisher.publish(dn, made, requester)

    # One method for each event

    def _dialing(self, event: Offered) -> Message:
        return EventDialing(**_withoutANI(event), callState=CallState.OK)

    def _ringing(self, event: Alerting) -> Message:
        return EventRinging(**_common(event), callState=CallState.OK)

    def _established(self, event: Answered) -> Message:
        return EventEstablished(**_common(event), callState=CallState.OK)

    def _held(self, event: Held) -> Message:
        return EventHeld(**_common(event), callState=CallState.OK)

    def _retrieved(self, event: Retrieved) -> Message:
        return EventRetrieved(**_common(event), callState=CallState.OK)

    def _destinationBusy(self, event: Failed) -> Message:
        return EventDestinationBusy(
            **_common(event), callState=CALL_STATES[event.cause]
        )

    def _released(self, event: Released) -> Message:
        view, cause = event.party, event.cause
        if cause is Cause.ABANDONED:
            if view.thisRole is Role.ORIGINATION or event.answered:
                cause = Cause.OK
            elif (
                self._abandoned is Abandoned.ALWAYS or view.callType is CallType.INBOUND
            ):
                return EventAbandoned(**_common(event), callState=CallState.OK)
        elif cause is Cause.REJECTED and event.requester is not None:
            cause = Cause.OK  # as asked
        return EventReleased(**_common(event), callState=CALL_STATES[cause])

    def _attachedDataChanged(self, event: UserDataChanged) -> Message:
        attributes = _common(event)
        # It says so, too, when nothing is left.
        attributes["userData"] = event.party.userData
        return EventAttachedDataChanged(**attributes, thirdPartyDN=event.by or None)

    def _dtmfSent(self, event: DTMFSent) -> Message:
        return EventDTMFSent(**_common(event), dtmfDigits=event.digits)


def partyAttributes(view: PartyView) -> dict[str, Any]:
    """
    What every event says of a party and its call, AttributeTime and
    AttributeCallState apart.
    """
    attributes = {
        "connID": view.connID,
        "callID": view.callID,
        "callUUID": view.callUUID,
        "callType": CALL_TYPES[view.callType],
        "thisDN": view.thisDN,
        "thisDNRole": ROLES[view.thisRole],
        "ani": view.ani or None,
        "dnis": view.dnis or None,
        "userData": view.userData or None,
    }
    if view.otherDN:
        attributes["otherDN"] = view.otherDN
        attributes["otherDNRole"] = ROLES[view.otherRole]
    return attributes


def _common(event: CallEvent) -> dict[str, Any]:
    attributes = partyAttributes(event.party)
    attributes["time"] = timeOf(event.time)
    return attributes


def _withoutANI(event: CallEvent) -> dict[str, Any]:
    """
    As the field has it: the caller knows who it is.
    """
    attributes = _common(event)
    del attributes["ani"]
    return attributes


_MAKERS: dict[type[CallEvent], Callable[[CallEvents, Any], Message]] = {
    Offered: CallEvents._dialing,
    Alerting: CallEvents._ringing,
    Answered: CallEvents._established,
    Held: CallEvents._held,
    Retrieved: CallEvents._retrieved,
    Failed: CallEvents._destinationBusy,
    Released: CallEvents._released,
    UserDataChanged: CallEvents._attachedDataChanged,
    DTMFSent: CallEvents._dtmfSent,
}
