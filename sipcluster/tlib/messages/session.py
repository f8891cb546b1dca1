"""
The connection: start-up, registration of DNs, queries, the end.
"""

from __future__ import annotations

from attrs import frozen

from sipcluster.tlib.enums import (
    AddressInfoType,
    AddressType,
    CallInfoType,
    ClientRole,
    ControlMode,
    RegisterMode,
    ResumeResult,
    ServerRole,
    SwitchInfoType,
)
from sipcluster.tlib.errors import TErrorCode
from sipcluster.tlib.messages.base import (
    CallEvent,
    DNEvent,
    DNRequest,
    Event,
    Message,
    PartyRequest,
    Request,
    Time,
)
from sipcluster.wire.kvlist import KVList


@frozen(kw_only=True, repr=False)
class RequestRegisterClient(Request):
    """
    The first message of a client: who it is, and which session it wants to have.
    """

    number = 0
    mandatory = ("applicationName", "applicationPassword", "protocolVersion")

    applicationName: str | None = None
    applicationPassword: str | None = None
    protocolVersion: int | None = None
    clientRole: ClientRole | int | None = None
    keepAlive: int | None = None
    sessionID: str | None = None
    epoch: int | None = None
    inputMask: bytes | None = None
    roleEpoch: int | None = None


class RequestQueryServer(Request):
    """
    Asks what the server is and can.
    """

    __slots__ = ()
    number = 1


@frozen(kw_only=True, repr=False)
class RequestQueryAddress(DNRequest):
    """
    Asks about the present state of a DN.
    """

    number = 2
    mandatory = ("thisDN", "addressInfoType")

    thisQueue: str | None = None
    addressType: AddressType | int | None = None
    addressInfoType: AddressInfoType | int | None = None


@frozen(kw_only=True, repr=False)
class RequestRegisterAddress(DNRequest):
    """
    Asks for the events of a DN.
    """

    number = 3

    registerMode: RegisterMode | int | None = None
    controlMode: ControlMode | int | None = None
    addressType: AddressType | int | None = None


@frozen(kw_only=True, repr=False)
class RequestUnregisterAddress(DNRequest):
    """
    Wants no more events of a DN.
    """

    number = 4

    controlMode: ControlMode | int | None = None


class RequestRegisterAll(Request):
    """
    Asks for the events of all DNs.
    """

    __slots__ = ()
    number = 5


class RequestUnregisterAll(Request):
    """
    Gives all DNs back.
    """

    __slots__ = ()
    number = 6


@frozen(kw_only=True, repr=False)
class RequestSetInputMask(Request):
    """
    Says which events are wanted: event n when bit n % 8, counted from the least
    significant one, of byte n // 8 is set.
    """

    number = 7
    mandatory = ("inputMask",)

    inputMask: bytes | None = None


@frozen(kw_only=True, repr=False)
class RequestQueryCall(PartyRequest):
    """
    Asks about a call.
    """

    number = 108

    callInfoType: CallInfoType | int | None = None


@frozen(kw_only=True, repr=False)
class RequestQuerySwitch(Request):
    """
    Asks about the switch.
    """

    number = 121
    mandatory = ("switchInfoType",)

    switchInfoType: SwitchInfoType | int | None = None


class EventServerConnected(Event):
    """
    A client library's own: the connection is there.
    """

    __slots__ = ()
    number = 50
    mandatory = ()


class EventServerDisconnected(Event):
    """
    A client library's own: the connection is lost.
    """

    __slots__ = ()
    number = 51
    mandatory = ()


@frozen(kw_only=True, repr=False)
class EventError(Event):
    """
    A request was not done; what it named is repeated.
    """

    number = 52
    mandatory = ("time", "errorCode", "errorMessage")

    errorCode: TErrorCode | int | None = None
    errorMessage: str | None = None
    thisDN: str | None = None
    thisQueue: str | None = None
    otherDN: str | None = None
    connID: str | None = None
    agentID: str | None = None
    userData: KVList | None = None
    reasons: KVList | None = None


@frozen(kw_only=True, repr=False)
class EventRegistered(DNEvent):
    """
    The DN is registered; Extensions tell its present state.
    """

    number = 53

    snapshot: int | None = None


class EventUnregistered(DNEvent):
    """
    The DN is given back: the last event of it.
    """

    __slots__ = ()
    number = 54


class EventRegisteredAll(Event):
    """
    All DNs are registered.
    """

    __slots__ = ()
    number = 55


class EventUnregisteredAll(Event):
    """
    All DNs are given back.
    """

    __slots__ = ()
    number = 56


@frozen(kw_only=True, repr=False)
class EventAddressInfo(DNEvent):
    """
    What was asked about a DN.
    """

    number = 92
    mandatory = ("time", "thisDN", "infoType")

    infoType: AddressInfoType | int | None = None
    infoStatus: int | None = None
    addressType: AddressType | int | None = None
    thisQueue: str | None = None


@frozen(kw_only=True, repr=False)
class EventServerInfo(Event):
    """
    What the server is and can; it answers the start-up, too.
    """

    number = 93
    mandatory = ("time", "serverVersion", "serverRole", "capabilities")

    serverVersion: str | None = None
    serverRole: ServerRole | int | None = None
    capabilities: bytes | None = None
    protocolVersion: int | None = None
    sessionID: str | None = None
    epoch: int | None = None
    serverStartTime: Time | None = None
    resumeResult: ResumeResult | int | None = None
    keepAlive: int | None = None
    location: str | None = None
    roleEpoch: int | None = None


@frozen(kw_only=True, repr=False)
class EventLinkDisconnected(Event):
    """
    The switch is out of reach.
    """

    number = 94

    applicationName: str | None = None
    sessionID: str | None = None
    errorCode: TErrorCode | int | None = None
    errorMessage: str | None = None


@frozen(kw_only=True, repr=False)
class EventLinkConnected(Event):
    """
    The switch can be reached.
    """

    number = 95

    applicationName: str | None = None
    sessionID: str | None = None


@frozen(kw_only=True, repr=False)
class EventPartyInfo(CallEvent):
    """
    What was asked about a call.
    """

    number = 109
    mandatory = ("time", "connID", "callInfoType")

    callInfoType: CallInfoType | int | None = None


@frozen(kw_only=True, repr=False)
class EventSwitchInfo(Event):
    """
    What was asked about the switch.
    """

    number = 122
    mandatory = ("time", "switchInfoType")

    switchInfoType: SwitchInfoType | int | None = None


class EventPrimaryChanged(Event):
    """
    The other member of a pair is the primary one now.
    """

    __slots__ = ()
    number = 133


class EventRestoreConnection(Event):
    """
    A pair is one again.
    """

    __slots__ = ()
    number = 132


class RequestLostBackupConnection(Request):
    """
    A client has lost the backup member of a pair.
    """

    __slots__ = ()
    number = 134


@frozen(kw_only=True, repr=False)
class EventACK(Event):
    """
    A request was done that no other event answers.
    """

    number = 138

    thisDN: str | None = None


class LinkPoll(Message):
    """
    Nothing was heard for a while: is the other side there?
    """

    __slots__ = ()
    number = 1000


class LinkPollAnswer(Message):
    """
    It is.
    """

    __slots__ = ()
    number = 1001


@frozen(kw_only=True, repr=False)
class LinkClosing(Message):
    """
    Why the sender closes the connection; its last message.
    """

    number = 1002

    errorCode: TErrorCode | int | None = None
    errorMessage: str | None = None
