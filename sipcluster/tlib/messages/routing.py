"""
Routing points and treatments, and calls as recorders see them.
"""

from __future__ import annotations

from typing import ClassVar

from attrs import frozen

from sipcluster.tlib.enums import (
    CallState,
    CallType,
    DNRole,
    MediaType,
    RouteType,
    TreatmentType,
)
from sipcluster.tlib.messages.base import (
    CALL,
    CallEvent,
    DestinationRequest,
    Event,
    PartyRequest,
    Request,
    TreatmentEvent,
)
from sipcluster.wire.kvlist import KVList


@frozen(kw_only=True, repr=False)
class RequestRouteCall(DestinationRequest):
    """
    Says where a waiting call goes.
    """

    number = 36
    patient = True
    mandatory = ("thisDN", "connID")

    routeType: RouteType | int | None = None


@frozen(kw_only=True, repr=False)
class RequestGiveMusicTreatment(PartyRequest):
    """
    Gives a waiting caller music.
    """

    number = 37

    treatmentParms: KVList | None = None


@frozen(kw_only=True, repr=False)
class RequestGiveSilenceTreatment(PartyRequest):
    """
    Gives a waiting caller silence.
    """

    number = 38

    treatmentParms: KVList | None = None


@frozen(kw_only=True, repr=False)
class RequestGiveRingBackTreatment(PartyRequest):
    """
    Lets a waiting caller hear ringing.
    """

    number = 39

    treatmentParms: KVList | None = None


@frozen(kw_only=True, repr=False)
class RequestCollectDigits(PartyRequest):
    """
    Waits for digits of the caller.
    """

    number = 45

    timeout: int | None = None
    treatmentParms: KVList | None = None


@frozen(kw_only=True, repr=False)
class RequestApplyTreatment(PartyRequest):
    """
    Gives a waiting caller something.
    """

    number = 113
    mandatory = ("thisDN", "connID", "treatmentType")

    treatmentType: TreatmentType | int | None = None
    treatmentParms: KVList | None = None


class RequestStartCallMonitoring(Request):
    """
    Asks for the events of calls as such.
    """

    __slots__ = ()
    number = 167


class RequestStopCallMonitoring(Request):
    """
    Wants no more of them.
    """

    __slots__ = ()
    number = 168


@frozen(kw_only=True, repr=False)
class EventRouteRequest(CallEvent):
    """
    Where is this call to go?
    """

    number = 71
    mandatory = ("time", "connID", "callID", "callType", "thisDN", "thisQueue")

    lastCollectedDigit: str | None = None


@frozen(kw_only=True, repr=False)
class EventRouteUsed(CallEvent):
    """
    It goes to ThirdPartyDN.
    """

    number = 72
    mandatory = (*CALL, "thisQueue")

    routeType: RouteType | int | None = None


@frozen(kw_only=True, repr=False)
class EventDigitsCollected(CallEvent):
    """
    The caller has sent digits.
    """

    number = 84
    mandatory = ("time", "connID", "thisDN")

    collectedDigits: str | None = None
    lastCollectedDigit: str | None = None


class EventTreatmentApplied(TreatmentEvent):
    """
    A treatment has begun.
    """

    __slots__ = ()
    number = 114
    mandatory = (*CALL, "treatmentType")


class EventTreatmentNotApplied(TreatmentEvent):
    """
    A treatment has not begun.
    """

    __slots__ = ()
    number = 115
    mandatory = (*CALL, "treatmentType")


class EventTreatmentEnd(TreatmentEvent):
    """
    A treatment has ended.
    """

    __slots__ = ()
    number = 116
    mandatory = (*CALL, "treatmentType")


class EventTreatmentRequired(TreatmentEvent):
    """
    The caller is to be given something.
    """

    __slots__ = ()
    number = 119


@frozen(kw_only=True, repr=False)
class CallNotice(Event):
    """
    Tells about a call as such, whatever DNs are in it.
    """

    mandatory: ClassVar[tuple[str, ...]] = ("time", "callUUID")

    callUUID: str | None = None
    connID: str | None = None
    callID: int | None = None
    callType: CallType | int | None = None
    origCallUUID: str | None = None
    origConnID: str | None = None
    refConnID: str | None = None
    isLinkList: KVList | None = None
    nodeID: str | None = None
    networkCallID: int | None = None
    networkNodeID: int | None = None
    ani: str | None = None
    dnis: str | None = None
    userData: KVList | None = None
    dialedNumber: str | None = None
    mediaType: MediaType | int | None = None
    cause: CallState | int | None = None


@frozen(kw_only=True, repr=False)
class PartyNotice(CallNotice):
    """
    Tells about a party of a call.
    """

    mandatory: ClassVar[tuple[str, ...]] = ("time", "callUUID", "partyUUID")

    partyUUID: str | None = None
    thisDN: str | None = None
    partyState: int | None = None
    partyRole: DNRole | int | None = None
    refParty: str | None = None
    ctrlParty: str | None = None


class EventCallCreated(CallNotice):
    """
    A call has begun.
    """

    __slots__ = ()
    number = 160
    mandatory = ("time", "callUUID", "connID")


class EventCallDataChanged(CallNotice):
    """
    Something of a call has changed: what is there.
    """

    __slots__ = ()
    number = 161


class EventCallDeleted(CallNotice):
    """
    A call has ended.
    """

    __slots__ = ()
    number = 162


class EventCallPartyAdded(PartyNotice):
    """
    A party has come in.
    """

    __slots__ = ()
    number = 163


class EventCallPartyState(PartyNotice):
    """
    A party's state has changed.
    """

    __slots__ = ()
    number = 164


class EventCallPartyMoved(PartyNotice):
    """
    A party has gone into another call.
    """

    __slots__ = ()
    number = 165


class EventCallPartyDeleted(PartyNotice):
    """
    A party has left.
    """

    __slots__ = ()
    number = 166
