"""
DNs and agents: their states.
"""

from __future__ import annotations

from attrs import frozen

from sipcluster.tlib.enums import AgentType, ForwardMode
from sipcluster.tlib.messages.base import AgentEvent, AgentRequest, DNEvent, DNRequest


@frozen(kw_only=True, repr=False)
class RequestAgentLogin(AgentRequest):
    """
    An agent takes a DN.
    """

    number = 8
    mandatory = ("thisDN", "agentID")

    agentType: AgentType | int | None = None
    password: str | None = None
    place: str | None = None


class RequestAgentLogout(AgentRequest):
    """
    The agent leaves it.
    """

    __slots__ = ()
    number = 9


class RequestAgentReady(AgentRequest):
    """
    The agent takes calls.
    """

    __slots__ = ()
    number = 10


class RequestAgentNotReady(AgentRequest):
    """
    The agent takes none; Reasons say why.
    """

    __slots__ = ()
    number = 11


class RequestSetDNDOn(DNRequest):
    """
    No calls for the DN.
    """

    __slots__ = ()
    number = 12


class RequestSetDNDOff(DNRequest):
    """
    Calls again.
    """

    __slots__ = ()
    number = 13


@frozen(kw_only=True, repr=False)
class RequestCallForwardSet(DNRequest):
    """
    Calls of the DN go to another number.
    """

    number = 34
    mandatory = ("thisDN", "otherDN")

    otherDN: str | None = None
    forwardMode: ForwardMode | int | None = None


@frozen(kw_only=True, repr=False)
class RequestCallForwardCancel(DNRequest):
    """
    They no longer do.
    """

    number = 35

    forwardMode: ForwardMode | int | None = None


class RequestSetMessageWaitingOn(DNRequest):
    """
    A message waits for the DN.
    """

    __slots__ = ()
    number = 46


class RequestSetMessageWaitingOff(DNRequest):
    """
    None waits any more.
    """

    __slots__ = ()
    number = 47


class RequestAgentSetIdleReason(AgentRequest):
    """
    Says why the agent is not ready.
    """

    __slots__ = ()
    number = 130


@frozen(kw_only=True, repr=False)
class EventAgentLogin(AgentEvent):
    """
    An agent has taken the DN.
    """

    number = 73

    agentType: AgentType | int | None = None


class EventAgentLogout(AgentEvent):
    """
    The agent has left it.
    """

    __slots__ = ()
    number = 74


class EventAgentReady(AgentEvent):
    """
    The agent takes calls.
    """

    __slots__ = ()
    number = 75


class EventAgentNotReady(AgentEvent):
    """
    The agent takes none.
    """

    __slots__ = ()
    number = 76


class EventDNDOn(DNEvent):
    """
    No calls for the DN.
    """

    __slots__ = ()
    number = 77


class EventDNDOff(DNEvent):
    """
    Calls again.
    """

    __slots__ = ()
    number = 78


class EventOffHook(DNEvent):
    """
    The DN begins to telephone.
    """

    __slots__ = ()
    number = 86


class EventOnHook(DNEvent):
    """
    It has come to an end.
    """

    __slots__ = ()
    number = 87


@frozen(kw_only=True, repr=False)
class EventForwardSet(DNEvent):
    """
    Calls of the DN go to another number.
    """

    number = 88

    otherDN: str | None = None
    forwardMode: ForwardMode | int | None = None


@frozen(kw_only=True, repr=False)
class EventForwardCancel(DNEvent):
    """
    They no longer do.
    """

    number = 89

    otherDN: str | None = None
    forwardMode: ForwardMode | int | None = None


class EventMessageWaitingOn(DNEvent):
    """
    A message waits for the DN.
    """

    __slots__ = ()
    number = 90


class EventMessageWaitingOff(DNEvent):
    """
    None waits any more.
    """

    __slots__ = ()
    number = 91


class EventAgentAfterCallWork(AgentEvent):
    """
    The agent works on what the last call left.
    """

    __slots__ = ()
    number = 118


class EventAgentIdleReasonSet(AgentEvent):
    """
    Why the agent is not ready.
    """

    __slots__ = ()
    number = 131


class EventDNOutOfService(DNEvent):
    """
    The DN cannot be reached.
    """

    __slots__ = ()
    number = 147


class EventDNBackInService(DNEvent):
    """
    The DN can be reached.
    """

    __slots__ = ()
    number = 148


class EventQueueLogout(AgentEvent):
    """
    The agent has left one queue, and stays in others.
    """

    __slots__ = ()
    number = 152
