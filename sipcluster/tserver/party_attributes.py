"""
What T-Events say of a party and its call: attributes, and the enumerations of the two
sides of this seam.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sipcluster.sessioncontroller.events import (
    CallEvent,
    CallType,
    Cause,
    PartyView,
    Role,
)
from sipcluster.tlib import enums
from sipcluster.tlib.attributes import timeOf
from sipcluster.tlib.enums import CallState, DNRole
from sipcluster.tlib.errors import TErrorCode

#: The call types.
CALL_TYPES: Mapping[CallType, enums.CallType] = {
    CallType.UNKNOWN: enums.CallType.UNKNOWN,
    CallType.INTERNAL: enums.CallType.INTERNAL,
    CallType.INBOUND: enums.CallType.INBOUND,
    CallType.OUTBOUND: enums.CallType.OUTBOUND,
    CallType.CONSULT: enums.CallType.CONSULT,
}

#: The roles.
ROLES: Mapping[Role, DNRole] = {role: DNRole[role.name] for role in Role}

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
    Cause.TRANSFERRED: CallState.TRANSFERRED,
    Cause.CONFERENCED: CallState.CONFERENCED,
    Cause.BRIDGED: CallState.BRIDGED,
    Cause.ANSWERING_MACHINE: CallState.ANSWERING_MACHINE_DETECTED,
    Cause.FAX: CallState.FAX_DETECTED,
    Cause.SIT: CallState.SIT_DETECTED,
    Cause.VACANT: CallState.SIT_VACANT,
    Cause.NO_CIRCUIT: CallState.SIT_NOCIRCUIT,
    Cause.ALL_TRUNKS_BUSY: CallState.ALL_TRUNKS_BUSY,
    Cause.DROPPED: CallState.DROPPED,
}

#: AttributeErrorCode of EventTreatmentNotApplied, where it is not that nobody is
#: there who could give the treatment.
TREATMENT_ERRORS: Mapping[Cause, TErrorCode] = {
    Cause.INVALID_NUMBER: TErrorCode.BAD_PARAMETER,
    Cause.FORBIDDEN: TErrorCode.UNSUPPORTED_OPERATION,
    Cause.BUSY: TErrorCode.DN_BUSY,
    Cause.NO_ANSWER: TErrorCode.OPERATION_TIMED_OUT,
    Cause.REJECTED: TErrorCode.CALL_REJECTED,
    Cause.ABANDONED: TErrorCode.CALL_DISCONNECTED,
}


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
    if view.thisQueue:
        attributes["thisQueue"] = view.thisQueue
    if view.previousConnID and view.callType is CallType.CONSULT:
        attributes["previousConnID"] = view.previousConnID
    return attributes


def common(event: CallEvent) -> dict[str, Any]:
    """
    What every event of a call-control event says.
    """
    attributes = partyAttributes(event.party)
    attributes["time"] = timeOf(event.time)
    third = event.third
    if third is not None:
        attributes["thirdPartyDN"] = third.dn
        if third.role is not Role.UNKNOWN:
            attributes["thirdPartyDNRole"] = ROLES[third.role]
    if event.extensions:
        attributes["extensions"] = event.extensions
    return attributes


def stated(event: CallEvent) -> dict[str, Any]:
    """
    The same, with what brought it about in AttributeCallState.
    """
    attributes = common(event)
    attributes["callState"] = CALL_STATES[event.why]
    return attributes


def atQueue(event: CallEvent) -> dict[str, Any]:
    """
    The same of a routing point, which is the queue of its own events.
    """
    attributes = common(event)
    attributes.setdefault("thisQueue", event.party.thisDN)
    return attributes
