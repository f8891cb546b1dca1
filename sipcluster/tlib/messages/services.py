"""
User events, supervision, reservation, what is private.
"""

from __future__ import annotations

from attrs import frozen

from sipcluster.tlib.enums import DNRole, MonitorNextCallType
from sipcluster.tlib.errors import TErrorCode
from sipcluster.tlib.messages.base import AgentEvent, CallEvent, DNEvent, DNRequest
from sipcluster.wire.kvlist import KVList


@frozen(kw_only=True, repr=False)
class RequestDistributeUserEvent(DNRequest):
    """
    Gives an event to the clients of a DN.
    """

    number = 48

    userEvent: int | None = None
    connID: str | None = None
    callUUID: str | None = None
    thisQueue: str | None = None
    otherDN: str | None = None
    agentID: str | None = None
    userData: KVList | None = None


@frozen(kw_only=True, repr=False)
class RequestDistributeEvent(DNRequest):
    """
    Gives an event to the clients of a DN.
    """

    number = 49

    userEvent: int | None = None
    connID: str | None = None
    callUUID: str | None = None
    thisQueue: str | None = None
    otherDN: str | None = None
    agentID: str | None = None
    userData: KVList | None = None


@frozen(kw_only=True, repr=False)
class RequestReserveAgent(DNRequest):
    """
    Keeps an agent for one asker for a while.
    """

    number = 127
    mandatory = ("thisDN", "agentID")

    agentID: str | None = None
    place: str | None = None
    duration: int | None = None
    priority: int | None = None


class RequestSetDNInfo(DNRequest):
    """
    Changes what is known of a DN.
    """

    __slots__ = ()
    number = 135


@frozen(kw_only=True, repr=False)
class RequestMonitorNextCall(DNRequest):
    """
    A supervisor (ThisDN) listens to the next call of an agent (OtherDN).
    """

    number = 139
    mandatory = ("thisDN", "otherDN")

    otherDN: str | None = None
    monitorNextCallType: MonitorNextCallType | int | None = None


@frozen(kw_only=True, repr=False)
class RequestCancelMonitoring(DNRequest):
    """
    The supervisor no longer does.
    """

    number = 140
    mandatory = ("thisDN", "otherDN")

    otherDN: str | None = None


@frozen(kw_only=True, repr=False)
class RequestPrivateService(DNRequest):
    """
    Asks for something that only one kind of switch has.
    """

    number = 149
    mandatory = ("privateMsgID",)

    privateMsgID: int | None = None
    connID: str | None = None
    userData: KVList | None = None


@frozen(kw_only=True, repr=False)
class EventUserEvent(CallEvent):
    """
    What another client wanted the DN's clients to know.
    """

    number = 96
    mandatory = ("time", "thisDN")

    userEvent: int | None = None


@frozen(kw_only=True, repr=False)
class EventHardwareError(DNEvent):
    """
    Something is broken.
    """

    number = 117

    errorCode: TErrorCode | int | None = None
    errorMessage: str | None = None


@frozen(kw_only=True, repr=False)
class EventAgentReserved(AgentEvent):
    """
    The agent is kept for the asker.
    """

    number = 128

    duration: int | None = None
    priority: int | None = None


@frozen(kw_only=True, repr=False)
class EventMonitoringNextCall(DNEvent):
    """
    A supervisor listens to the next call of the agent.
    """

    number = 141
    mandatory = ("time", "thisDN", "otherDN", "monitorNextCallType")

    otherDN: str | None = None
    otherDNRole: DNRole | int | None = None
    monitorNextCallType: MonitorNextCallType | int | None = None


@frozen(kw_only=True, repr=False)
class EventMonitoringCancelled(DNEvent):
    """
    The supervisor no longer does.
    """

    number = 142
    mandatory = ("time", "thisDN", "otherDN")

    otherDN: str | None = None
    otherDNRole: DNRole | int | None = None
    monitorNextCallType: MonitorNextCallType | int | None = None


@frozen(kw_only=True, repr=False)
class EventPrivateInfo(DNEvent):
    """
    What only one kind of switch has.
    """

    number = 150
    mandatory = ("time", "privateMsgID")

    privateMsgID: int | None = None
    userData: KVList | None = None
