"""
The attributes of T-Library messages: one table of names, numbers on the wire and
types.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Mapping

from attrs import field, frozen

from sipcluster.tlib import enums
from sipcluster.tlib.enums import Labelled
from sipcluster.tlib.errors import TErrorCode
from sipcluster.wire.kvlist import asKVList

#: Bytes of an input mask, and of Capabilities: a bit for each message number.
MASK = 64


class Kind(enum.Enum):
    """
    What an attribute's value is.
    """

    STRING = "string"
    INTEGER = "integer"
    UNSIGNED = "unsigned"
    CONN_ID = "ConnID"
    CALL_UUID = "CallUUID"
    BINARY = "binary"
    ENUMERATION = "enumeration"
    LIST = "list"
    TIME = "time"


def fieldOf(name: str) -> str:
    """
    What an attribute is called as a field of a message: its first word in lower
    case.
    """
    if name.isupper():
        return name.lower()
    head = re.match("[A-Z]+(?=[A-Z][a-z])|[A-Z]", name)
    return name if head is None else head[0].lower() + name[head.end() :]


@frozen
class Attribute:
    """
    One attribute.

    @ivar name: as the field has it, without C{Attribute} before it.
    @ivar tag: its number on the wire; never changed, and never used again.
    @ivar members: of an enumeration.
    @ivar secret: its value stands in no log.
    @ivar field: what it is called in the classes of messages.
    """

    tag: int
    name: str
    kind: Kind
    members: type[Labelled] | None = None
    secret: bool = False
    field: str = field(init=False)

    @field.default
    def _field(self) -> str:
        return fieldOf(self.name)


def _enumeration(tag: int, name: str, members: type[Labelled]) -> Attribute:
    return Attribute(tag, name, Kind.ENUMERATION, members)


#: All of them.  New ones go to the end of their group, with the next free number
#: of the whole table.
ATTRIBUTES: tuple[Attribute, ...] = (
    # Who
    Attribute(1, "ThisDN", Kind.STRING),
    _enumeration(2, "ThisDNRole", enums.DNRole),
    Attribute(3, "ThisQueue", Kind.STRING),
    Attribute(4, "ThisTrunk", Kind.UNSIGNED),
    Attribute(5, "OtherDN", Kind.STRING),
    _enumeration(6, "OtherDNRole", enums.DNRole),
    Attribute(7, "OtherQueue", Kind.STRING),
    Attribute(8, "OtherTrunk", Kind.UNSIGNED),
    Attribute(9, "ThirdPartyDN", Kind.STRING),
    _enumeration(10, "ThirdPartyDNRole", enums.DNRole),
    Attribute(11, "ThirdPartyQueue", Kind.STRING),
    Attribute(12, "ThirdPartyTrunk", Kind.UNSIGNED),
    # Which call
    Attribute(13, "ConnID", Kind.CONN_ID),
    Attribute(14, "PreviousConnID", Kind.CONN_ID),
    Attribute(15, "TransferConnID", Kind.CONN_ID),
    Attribute(16, "ConferenceConnID", Kind.CONN_ID),
    Attribute(17, "CallID", Kind.UNSIGNED),
    Attribute(18, "CallUUID", Kind.CALL_UUID),
    _enumeration(19, "CallType", enums.CallType),
    _enumeration(20, "CallState", enums.CallState),
    Attribute(21, "ANI", Kind.STRING),
    Attribute(22, "DNIS", Kind.STRING),
    Attribute(23, "NetworkCallID", Kind.UNSIGNED),
    Attribute(24, "NetworkNodeID", Kind.UNSIGNED),
    Attribute(25, "CallHistory", Kind.LIST),
    Attribute(26, "CustomerID", Kind.STRING),
    # What goes with it
    Attribute(27, "UserData", Kind.LIST),
    Attribute(28, "Extensions", Kind.LIST),
    Attribute(29, "Reasons", Kind.LIST),
    Attribute(30, "time", Kind.TIME),
    Attribute(31, "Location", Kind.STRING),
    _enumeration(32, "ErrorCode", TErrorCode),
    Attribute(33, "ErrorMessage", Kind.STRING),
    Attribute(34, "DataKey", Kind.STRING),
    Attribute(35, "UserEvent", Kind.UNSIGNED),
    # Agents
    Attribute(36, "AgentID", Kind.STRING),
    _enumeration(37, "AgentType", enums.AgentType),
    _enumeration(38, "WorkMode", enums.AgentWorkMode),
    Attribute(39, "Password", Kind.STRING, secret=True),
    Attribute(40, "Place", Kind.STRING),
    Attribute(41, "Duration", Kind.UNSIGNED),
    Attribute(42, "Priority", Kind.INTEGER),
    # How
    _enumeration(43, "MakeCallType", enums.MakeCallType),
    _enumeration(44, "RouteType", enums.RouteType),
    _enumeration(45, "TreatmentType", enums.TreatmentType),
    Attribute(46, "TreatmentParms", Kind.LIST),
    Attribute(47, "CollectedDigits", Kind.STRING),
    Attribute(48, "LastCollectedDigit", Kind.STRING),
    Attribute(49, "DTMFDigits", Kind.STRING),
    Attribute(50, "Timeout", Kind.UNSIGNED),
    _enumeration(51, "ForwardMode", enums.ForwardMode),
    _enumeration(52, "MonitorNextCallType", enums.MonitorNextCallType),
    _enumeration(53, "MergeType", enums.MergeType),
    Attribute(54, "PrivateMsgID", Kind.INTEGER),
    # Queries
    _enumeration(55, "CallInfoType", enums.CallInfoType),
    _enumeration(56, "AddressInfoType", enums.AddressInfoType),
    _enumeration(57, "InfoType", enums.AddressInfoType),
    Attribute(58, "InfoStatus", Kind.INTEGER),
    _enumeration(59, "SwitchInfoType", enums.SwitchInfoType),
    # Registration
    _enumeration(60, "RegisterMode", enums.RegisterMode),
    _enumeration(61, "ControlMode", enums.ControlMode),
    _enumeration(62, "AddressType", enums.AddressType),
    Attribute(63, "Snapshot", Kind.INTEGER),
    # Start-up
    Attribute(64, "ApplicationName", Kind.STRING),
    Attribute(65, "ApplicationPassword", Kind.STRING, secret=True),
    Attribute(66, "ProtocolVersion", Kind.INTEGER),
    _enumeration(67, "ClientRole", enums.ClientRole),
    Attribute(68, "KeepAlive", Kind.UNSIGNED),
    Attribute(69, "SessionID", Kind.STRING, secret=True),
    Attribute(70, "Epoch", Kind.UNSIGNED),
    Attribute(71, "InputMask", Kind.BINARY),
    Attribute(72, "ServerVersion", Kind.STRING),
    _enumeration(73, "ServerRole", enums.ServerRole),
    Attribute(74, "Capabilities", Kind.BINARY),
    Attribute(75, "ServerStartTime", Kind.TIME),
    _enumeration(76, "ResumeResult", enums.ResumeResult),
    # Calls as recorders see them
    Attribute(77, "OrigCallUUID", Kind.CALL_UUID),
    Attribute(78, "OrigConnID", Kind.CONN_ID),
    Attribute(79, "RefConnID", Kind.CONN_ID),
    Attribute(80, "ISLinkList", Kind.LIST),
    Attribute(81, "NodeID", Kind.STRING),
    Attribute(82, "DialedNumber", Kind.STRING),
    _enumeration(83, "Cause", enums.CallState),
    Attribute(84, "PartyUUID", Kind.CALL_UUID),
    Attribute(85, "PartyState", Kind.UNSIGNED, enums.PartyState),
    _enumeration(86, "PartyRole", enums.DNRole),
    Attribute(87, "RefParty", Kind.CALL_UUID),
    Attribute(88, "CtrlParty", Kind.CALL_UUID),
    _enumeration(89, "MediaType", enums.MediaType),
    # Pairs
    Attribute(90, "RoleEpoch", Kind.UNSIGNED),
)

#: By their number on the wire.
BY_TAG: Mapping[int, Attribute] = {one.tag: one for one in ATTRIBUTES}

#: By their name in the field.
BY_NAME: Mapping[str, Attribute] = {one.name: one for one in ATTRIBUTES}

#: By their name in the classes.
BY_FIELD: Mapping[str, Attribute] = {one.field: one for one in ATTRIBUTES}

_connID = re.compile("[0-9a-f]{16}").fullmatch
_callUUID = re.compile("[0-9a-f]{32}").fullmatch


def _string(value: object) -> object:
    if type(value) is not str:
        raise ValueError("want a string")
    return value


def _integer(value: object) -> object:
    if type(value) is not int or not -0x80000000 <= value <= 0x7FFFFFFF:
        raise ValueError("want an integer of 32 bits")
    return value


def _unsigned(value: object) -> object:
    if type(value) is not int or not 0 <= value <= 0xFFFFFFFFFFFFFFFF:
        raise ValueError("want an integer from 0")
    return value


def _digits16(value: object) -> object:
    if type(value) is not str or _connID(value) is None:
        raise ValueError("want 16 hexadecimal digits in lower case")
    return value


def _digits32(value: object) -> object:
    if type(value) is not str or _callUUID(value) is None:
        raise ValueError("want 32 hexadecimal digits in lower case")
    return value


def _binary(value: object) -> object:
    if type(value) is not bytes:
        raise ValueError("want bytes")
    return value


def _time(value: object) -> object:
    if type(value) is not list and type(value) is not tuple:
        raise ValueError("want seconds and microseconds")
    if len(value) != 2 or not all(type(part) is int for part in value):
        raise ValueError("want seconds and microseconds")
    seconds, microseconds = value
    if not 0 <= seconds <= 0xFFFFFFFFFF or not 0 <= microseconds < 1_000_000:
        raise ValueError("seconds or microseconds out of range")
    return seconds, microseconds


def timeOf(seconds: float) -> tuple[int, int]:
    """
    Seconds since 1970 as AttributeTime has them: whole ones, and microseconds.
    """
    return divmod(round(seconds * 1_000_000), 1_000_000)


_READERS: Mapping[Kind, Callable[[object], object]] = {
    Kind.STRING: _string,
    Kind.INTEGER: _integer,
    Kind.UNSIGNED: _unsigned,
    Kind.CONN_ID: _digits16,
    Kind.CALL_UUID: _digits32,
    Kind.BINARY: _binary,
    Kind.LIST: asKVList,
    Kind.TIME: _time,
}


def readerOf(attribute: Attribute) -> Callable[[object], object]:
    """
    What makes a value for a message of what was decoded.

    @return: it raises L{ValueError}, saying what is wanted, for a value of another
        type.  A number that is no member of an enumeration stays one.
    """
    if attribute.kind is not Kind.ENUMERATION:
        return _READERS[attribute.kind]
    assert attribute.members is not None
    known = attribute.members._value2member_map_

    def read(value: object) -> object:
        if type(value) is not int or not 0 <= value <= 0xFFFFFFFF:
            raise ValueError("want the number of a member of an enumeration")
        return known.get(value, value)

    return read
