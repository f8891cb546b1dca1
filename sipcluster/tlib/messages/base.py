"""
What all messages have, and the groups of attributes that many share.
"""

from __future__ import annotations

from typing import ClassVar, TypeAlias

from attrs import fields, frozen

from sipcluster.tlib.enums import (
    AgentWorkMode,
    CallState,
    CallType,
    DNRole,
    TreatmentType,
)
from sipcluster.tlib.errors import TErrorCode
from sipcluster.wire.kvlist import KVList

#: Seconds since 1970, and microseconds.
Time: TypeAlias = tuple[int, int]

#: What every event of a call must have.
CALL = ("time", "connID", "callID", "callType", "thisDN", "thisDNRole")


@frozen
class Opaque:
    """
    A value that is carried, and not looked into: of an unknown attribute, and of no
    type that known ones have.

    @ivar encoded: one MessagePack value.
    """

    encoded: bytes


@frozen(kw_only=True, repr=False)
class Message:
    """
    A request or an event.  An attribute that is L{None} is absent.

    @cvar number: as the field numbers them.
    @cvar mandatory: fields without which it means nothing; see
        L{sipcluster.tlib.codec.missing}.
    @cvar patient: its answer may wait for somebody to lift the receiver.
    @ivar unknown: number and value of each attribute that this message does not
        have here, in order; a value is text, an integer, bytes, true, false,
        L{None}, a tuple of such values, or L{Opaque}.
    """

    number: ClassVar[int]
    mandatory: ClassVar[tuple[str, ...]] = ()
    patient: ClassVar[bool] = False

    unknown: tuple[tuple[int, object], ...] = ()

    def __repr__(self) -> str:
        """
        What is there; most messages have only some of their attributes.
        """
        names = [one.name for one in fields(type(self))]
        there = [name for name in names if getattr(self, name) not in (None, ())]
        values = ", ".join(f"{name}={getattr(self, name)!r}" for name in there)
        return f"{type(self).__name__}({values})"


@frozen(kw_only=True, repr=False)
class UnknownMessage(Message):
    """
    A message whose number is not known here; all its attributes are in C{unknown}.
    """

    number: int  # type: ignore[misc]  # each one has its own


# Requests


@frozen(kw_only=True, repr=False)
class Request(Message):
    """
    Asks for something; its ReferenceID stands in the frame.
    """

    reasons: KVList | None = None
    extensions: KVList | None = None


@frozen(kw_only=True, repr=False)
class DNRequest(Request):
    """
    Asks for something at a DN.
    """

    mandatory: ClassVar[tuple[str, ...]] = ("thisDN",)

    thisDN: str | None = None


@frozen(kw_only=True, repr=False)
class PartyRequest(DNRequest):
    """
    Asks for something in one call of a DN.
    """

    mandatory: ClassVar[tuple[str, ...]] = ("thisDN", "connID")

    connID: str | None = None


@frozen(kw_only=True, repr=False)
class DataRequest(PartyRequest):
    """
    Asks to change what is attached to a call.
    """

    mandatory: ClassVar[tuple[str, ...]] = ("thisDN", "connID", "userData")

    userData: KVList | None = None


@frozen(kw_only=True, repr=False)
class DestinationRequest(PartyRequest):
    """
    Asks for something that takes one call of a DN to another.
    """

    mandatory: ClassVar[tuple[str, ...]] = ("thisDN", "connID", "otherDN")

    otherDN: str | None = None
    location: str | None = None
    userData: KVList | None = None


@frozen(kw_only=True, repr=False)
class AgentRequest(DNRequest):
    """
    Asks for something of the agent at a DN.
    """

    thisQueue: str | None = None
    agentID: str | None = None
    workMode: AgentWorkMode | int | None = None


# Events


@frozen(kw_only=True, repr=False)
class Event(Message):
    """
    Tells that something has happened; its ReferenceID and EventSequenceNumber stand
    in the frame.
    """

    mandatory: ClassVar[tuple[str, ...]] = ("time",)

    time: Time | None = None
    customerID: str | None = None
    extensions: KVList | None = None


@frozen(kw_only=True, repr=False)
class DNEvent(Event):
    """
    Tells about a DN; C{connID} and what follows it where a call is involved.
    """

    mandatory: ClassVar[tuple[str, ...]] = ("time", "thisDN")

    thisDN: str | None = None
    reasons: KVList | None = None
    connID: str | None = None
    callID: int | None = None
    callUUID: str | None = None
    callType: CallType | int | None = None


@frozen(kw_only=True, repr=False)
class AgentEvent(DNEvent):
    """
    Tells about the agent at a DN.
    """

    agentID: str | None = None
    thisQueue: str | None = None
    workMode: AgentWorkMode | int | None = None
    place: str | None = None


@frozen(kw_only=True, repr=False)
class CallEvent(DNEvent):
    """
    Tells about a DN in a call.
    """

    mandatory: ClassVar[tuple[str, ...]] = CALL

    thisDNRole: DNRole | int | None = None
    thisQueue: str | None = None
    thisTrunk: int | None = None
    otherDN: str | None = None
    otherDNRole: DNRole | int | None = None
    otherQueue: str | None = None
    otherTrunk: int | None = None
    thirdPartyDN: str | None = None
    thirdPartyDNRole: DNRole | int | None = None
    thirdPartyQueue: str | None = None
    thirdPartyTrunk: int | None = None
    callState: CallState | int | None = None
    ani: str | None = None
    dnis: str | None = None
    userData: KVList | None = None
    callHistory: KVList | None = None
    previousConnID: str | None = None
    transferConnID: str | None = None
    conferenceConnID: str | None = None
    networkCallID: int | None = None
    networkNodeID: int | None = None
    agentID: str | None = None
    place: str | None = None


@frozen(kw_only=True, repr=False)
class TreatmentEvent(CallEvent):
    """
    Tells about what a waiting caller is given.
    """

    treatmentType: TreatmentType | int | None = None
    collectedDigits: str | None = None
    lastCollectedDigit: str | None = None
    errorCode: TErrorCode | int | None = None
    errorMessage: str | None = None
