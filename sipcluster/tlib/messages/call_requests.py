"""
What can be asked of calls.
"""

from __future__ import annotations

from attrs import frozen

from sipcluster.tlib.enums import MakeCallType, MergeType
from sipcluster.tlib.messages.base import (
    DataRequest,
    DestinationRequest,
    DNRequest,
    PartyRequest,
)
from sipcluster.wire.kvlist import KVList


@frozen(kw_only=True, repr=False)
class RequestMakeCall(DNRequest):
    """
    Calls a number from a DN.
    """

    number = 14
    mandatory = ("thisDN", "otherDN")

    otherDN: str | None = None
    location: str | None = None
    makeCallType: MakeCallType | int | None = None
    userData: KVList | None = None


@frozen(kw_only=True, repr=False)
class RequestMakePredictiveCall(DNRequest):
    """
    Calls a number, and an agent once somebody answers.
    """

    number = 15
    mandatory = ("thisDN", "otherDN")

    otherDN: str | None = None
    timeout: int | None = None
    userData: KVList | None = None


class RequestAnswerCall(PartyRequest):
    """
    Answers a ringing call.
    """

    __slots__ = ()
    number = 16


class RequestReleaseCall(PartyRequest):
    """
    Takes the DN out of its call.
    """

    __slots__ = ()
    number = 17


class RequestHoldCall(PartyRequest):
    """
    Puts the others on hold.
    """

    __slots__ = ()
    number = 18


class RequestRetrieveCall(PartyRequest):
    """
    Takes them back.
    """

    __slots__ = ()
    number = 19


class RequestInitiateConference(DestinationRequest):
    """
    Holds a call and calls a number, to take it into the call.
    """

    __slots__ = ()
    number = 20
    patient = True


@frozen(kw_only=True, repr=False)
class RequestCompleteConference(PartyRequest):
    """
    Makes one call of two, in which all stay.
    """

    number = 21
    mandatory = ("thisDN", "connID", "conferenceConnID")

    conferenceConnID: str | None = None


@frozen(kw_only=True, repr=False)
class RequestDeleteFromConference(PartyRequest):
    """
    Takes another DN out of a conference.
    """

    number = 22
    mandatory = ("thisDN", "connID", "otherDN")

    otherDN: str | None = None


class RequestInitiateTransfer(DestinationRequest):
    """
    Holds a call and calls a number, to give it the call.
    """

    __slots__ = ()
    number = 23
    patient = True


class RequestMuteTransfer(DestinationRequest):
    """
    Gives a call to a number without talking to it.
    """

    __slots__ = ()
    number = 24
    patient = True


class RequestSingleStepTransfer(DestinationRequest):
    """
    Gives a call to a number, without a second call.
    """

    __slots__ = ()
    number = 25


@frozen(kw_only=True, repr=False)
class RequestCompleteTransfer(PartyRequest):
    """
    Makes one call of two, which the DN leaves.
    """

    number = 26
    mandatory = ("thisDN", "connID", "transferConnID")

    transferConnID: str | None = None


@frozen(kw_only=True, repr=False)
class RequestMergeCalls(PartyRequest):
    """
    Makes one call of two.
    """

    number = 27
    mandatory = ("thisDN", "connID", "previousConnID", "mergeType")

    previousConnID: str | None = None
    mergeType: MergeType | int | None = None


@frozen(kw_only=True, repr=False)
class RequestAlternateCall(PartyRequest):
    """
    Changes between a held call (ConnID) and the present one (PreviousConnID).
    """

    number = 28
    mandatory = ("thisDN", "connID", "previousConnID")

    previousConnID: str | None = None


@frozen(kw_only=True, repr=False)
class RequestReconnectCall(PartyRequest):
    """
    Ends the present call (PreviousConnID) and takes a held one (ConnID) back.
    """

    number = 29
    mandatory = ("thisDN", "connID", "previousConnID")

    previousConnID: str | None = None


class RequestAttachUserData(DataRequest):
    """
    Adds pairs to the data of a call.
    """

    __slots__ = ()
    number = 30


class RequestUpdateUserData(DataRequest):
    """
    Replaces pairs in the data of a call, by key.
    """

    __slots__ = ()
    number = 31


class RequestDeleteUserData(PartyRequest):
    """
    Deletes the data of a call.
    """

    __slots__ = ()
    number = 32


@frozen(kw_only=True, repr=False)
class RequestDeletePair(PartyRequest):
    """
    Deletes the pairs of one key from the data of a call.
    """

    number = 33
    mandatory = ("thisDN", "connID", "dataKey")

    dataKey: str | None = None


@frozen(kw_only=True, repr=False)
class RequestSendDTMF(PartyRequest):
    """
    Sends digits to the other party.
    """

    number = 97
    mandatory = ("thisDN", "connID", "dtmfDigits")

    dtmfDigits: str | None = None


class RequestRedirectCall(DestinationRequest):
    """
    Sends a call that rings at the DN elsewhere.
    """

    __slots__ = ()
    number = 103


@frozen(kw_only=True, repr=False)
class RequestListenDisconnect(PartyRequest):
    """
    Lets a party of a call hear nothing.
    """

    number = 104
    mandatory = ("thisDN", "connID", "otherDN")

    otherDN: str | None = None


@frozen(kw_only=True, repr=False)
class RequestListenReconnect(PartyRequest):
    """
    Lets it hear again.
    """

    number = 105
    mandatory = ("thisDN", "connID", "otherDN")

    otherDN: str | None = None


class RequestClearCall(PartyRequest):
    """
    Ends a call for all parties.
    """

    __slots__ = ()
    number = 110


@frozen(kw_only=True, repr=False)
class RequestSetCallInfo(PartyRequest):
    """
    Changes what is known of a call.
    """

    number = 111

    customerID: str | None = None
    userData: KVList | None = None


class RequestSingleStepConference(DestinationRequest):
    """
    Takes a number into a call, without a second call.
    """

    __slots__ = ()
    number = 120
    patient = True


class RequestSetMuteOn(PartyRequest):
    """
    Lets nobody hear the DN.
    """

    __slots__ = ()
    number = 143


class RequestSetMuteOff(PartyRequest):
    """
    Lets the DN be heard again.
    """

    __slots__ = ()
    number = 144
