"""
What each request about agents and DNs does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from sipcluster.sessioncontroller.isessioncontroller import ForwardMode
from sipcluster.tcontroller.agent import Agent, by
from sipcluster.tcontroller.agent_states import nobody
from sipcluster.tcontroller.asking import (
    LOGIN_MODES,
    NOT_READY_MODES,
    READY_MODES,
    Asked,
    CannotBe,
    nameOf,
    reasonsOf,
    workMode,
    wrapUpTimeOf,
)
from sipcluster.tcontroller.device import Device
from sipcluster.tcontroller.features import (
    FORWARD_MODES,
    setDND,
    setForward,
    setMessageWaiting,
)
from sipcluster.tcontroller.surroundings import Surroundings
from sipcluster.tcontroller.values import Mode
from sipcluster.tlib.enums import AgentWorkMode
from sipcluster.tlib.errors import TErrorCode
from sipcluster.tlib.messages import (
    RequestAgentLogin,
    RequestAgentLogout,
    RequestAgentNotReady,
    RequestAgentReady,
    RequestAgentSetIdleReason,
    RequestCallForwardCancel,
    RequestCallForwardSet,
    RequestCancelMonitoring,
    RequestMonitorNextCall,
    RequestSetDNDOff,
    RequestSetDNDOn,
    RequestSetMessageWaitingOff,
    RequestSetMessageWaitingOn,
)
from sipcluster.tlib.messages.base import AgentRequest, DNRequest
from sipcluster.tserver.itserver import ClientView
from sipcluster.wire.correlation import Requester

#: Does a request, or raises L{CannotBe}.
Doing: TypeAlias = Callable[[Surroundings, Device, DNRequest, Asked], None]

_MODES: Mapping[int, ForwardMode] = {
    int(theirs): ours for ours, theirs in FORWARD_MODES.items()
}

#: The work modes that a request may have.
_WORK_MODES: Mapping[int, tuple[AgentWorkMode, ...]] = {
    RequestAgentLogin.number: LOGIN_MODES,
    RequestAgentReady.number: READY_MODES,
    RequestAgentNotReady.number: NOT_READY_MODES,
}


def asked(request: DNRequest, requester: Requester, client: ClientView) -> Asked:
    """
    Check and make plain what requests about agents have in common.

    @raise CannotBe: something of it cannot be.
    """
    if not isinstance(request, AgentRequest):
        return Asked(requester, client)
    modes = _WORK_MODES.get(request.number)
    mode = Mode(
        AgentWorkMode.UNKNOWN if modes is None else workMode(request.workMode, modes),
        reasonsOf(request.reasons, request.extensions),
    )
    return Asked(
        requester,
        client,
        mode,
        nameOf(request.agentID, TErrorCode.AGENT_ID_INVALID, "AgentID"),
        nameOf(request.thisQueue, TErrorCode.INVALID_ATTRIBUTE, "ThisQueue"),
        wrapUpTimeOf(request.extensions),
    )


# Agents


def _login(
    shared: Surroundings, device: Device, request: DNRequest, asked: Asked
) -> None:
    if not asked.agentID:
        raise CannotBe(TErrorCode.AGENT_ID_INVALID)
    if shared.office.settings.logoutOutOfService and not device.inService:
        raise CannotBe(TErrorCode.OUT_OF_SERVICE)
    elsewhere = shared.agents.get(asked.agentID)
    # Both are looked at before anybody is logged out: a refusal changes nothing.
    displaced: list[tuple[Agent, str]] = []
    if elsewhere is not None and elsewhere is not device and elsewhere.agent:
        _mayBeDisplaced(elsewhere.agent, elsewhere, TErrorCode.RESOURCE_SEIZED)
        displaced.append((elsewhere.agent, f"logged in at {device.number}"))
    if device.agent is not None and device.agent.agentID != asked.agentID:
        _mayBeDisplaced(device.agent, device, TErrorCode.INCOMPATIBLE)
        displaced.append((device.agent, f"agent {asked.agentID} logged in here"))
    for other, why in displaced:
        other.inputs.expelled(why, "Displaced")
    if device.agent is not None:
        device.agent.login(asked)
        return
    agent = _agentOf(shared, device)
    device.agent = agent
    shared.agents[asked.agentID] = device
    agent.login(asked)


def _mayBeDisplaced(agent: Agent, device: Device, code: TErrorCode) -> None:
    """
    Somebody is in the way.

    @raise CannotBe: and the client that logged that one in is still there.
    """
    if agent.client:
        text = f"agent {agent.agentID} is logged in at {device.number}"
        raise CannotBe(code, text)


def _agentOf(shared: Surroundings, device: Device) -> Agent:
    """
    The agent of a DN, or one that is logged out.
    """
    return device.agent or nobody(device, shared.office, device.offHook)


def _logout(
    shared: Surroundings, device: Device, request: DNRequest, asked: Asked
) -> None:
    _agentOf(shared, device).inputs.logout(asked)


def _ready(
    shared: Surroundings, device: Device, request: DNRequest, asked: Asked
) -> None:
    _agentOf(shared, device).inputs.ready(asked)


def _notReady(
    shared: Surroundings, device: Device, request: DNRequest, asked: Asked
) -> None:
    _agentOf(shared, device).notReady(asked)


def _setReason(
    shared: Surroundings, device: Device, request: DNRequest, asked: Asked
) -> None:
    _agentOf(shared, device).inputs.setReason(asked)


# What a DN has switched on


def _dndOn(
    shared: Surroundings, device: Device, request: DNRequest, asked: Asked
) -> None:
    _dnd(device, asked, True)


def _dndOff(
    shared: Surroundings, device: Device, request: DNRequest, asked: Asked
) -> None:
    _dnd(device, asked, False)


def _dnd(device: Device, asked: Asked, on: bool) -> None:
    if device.features.dnd is on:
        raise CannotBe(TErrorCode.ALREADY_IN_STATE)
    setDND(device, on, asked.requester, by("asked", asked))


def _forwardSet(
    shared: Surroundings, device: Device, request: DNRequest, asked: Asked
) -> None:
    assert isinstance(request, RequestCallForwardSet)
    mode = _forwardMode(request.forwardMode, ForwardMode.UNCONDITIONAL)
    if mode is ForwardMode.NONE:
        raise CannotBe(TErrorCode.INVALID_ATTRIBUTE, "ForwardMode: want another one")
    to = nameOf(request.otherDN, TErrorCode.INVALID_CALLED_DN, "OtherDN")
    if not to or " " in to:
        raise CannotBe(TErrorCode.INVALID_CALLED_DN, "OtherDN: want a number")
    if to == device.number:
        raise CannotBe(TErrorCode.INVALID_CALLED_DN, "OtherDN: is the DN itself")
    if (device.features.forwardMode, device.features.forwardTo) == (mode, to):
        raise CannotBe(TErrorCode.ALREADY_IN_STATE)
    setForward(device, mode, to, asked.requester, by("asked", asked))


def _forwardCancel(
    shared: Surroundings, device: Device, request: DNRequest, asked: Asked
) -> None:
    assert isinstance(request, RequestCallForwardCancel)
    now = device.features.forwardMode
    which = _forwardMode(request.forwardMode, ForwardMode.NONE)
    if now is ForwardMode.NONE or which not in (ForwardMode.NONE, now):
        raise CannotBe(TErrorCode.ALREADY_IN_STATE)
    setForward(device, ForwardMode.NONE, "", asked.requester, by("asked", asked))


def _forwardMode(given: int | None, absent: ForwardMode) -> ForwardMode:
    if given is None:
        return absent
    mode = _MODES.get(given)
    if mode is None:
        raise CannotBe(TErrorCode.INVALID_ATTRIBUTE, "ForwardMode: there is no such")
    return mode


def _messageWaitingOn(
    shared: Surroundings, device: Device, request: DNRequest, asked: Asked
) -> None:
    _messageWaiting(device, asked, True)


def _messageWaitingOff(
    shared: Surroundings, device: Device, request: DNRequest, asked: Asked
) -> None:
    _messageWaiting(device, asked, False)


def _messageWaiting(device: Device, asked: Asked, on: bool) -> None:
    if device.features.messageWaiting is on:
        raise CannotBe(TErrorCode.ALREADY_IN_STATE)
    setMessageWaiting(device, on, asked.requester, by("asked", asked))


# Supervision


def _monitor(
    shared: Surroundings, device: Device, request: DNRequest, asked: Asked
) -> None:
    assert isinstance(request, RequestMonitorNextCall)
    shared.supervisors.begin(device, request, asked)


def _cancelMonitoring(
    shared: Surroundings, device: Device, request: DNRequest, asked: Asked
) -> None:
    assert isinstance(request, RequestCancelMonitoring)
    shared.supervisors.cancel(device, request, asked)


#: What does a request, by its number.
REQUESTS: Mapping[int, Doing] = {
    RequestAgentLogin.number: _login,
    RequestAgentLogout.number: _logout,
    RequestAgentReady.number: _ready,
    RequestAgentNotReady.number: _notReady,
    RequestAgentSetIdleReason.number: _setReason,
    RequestSetDNDOn.number: _dndOn,
    RequestSetDNDOff.number: _dndOff,
    RequestCallForwardSet.number: _forwardSet,
    RequestCallForwardCancel.number: _forwardCancel,
    RequestSetMessageWaitingOn.number: _messageWaitingOn,
    RequestSetMessageWaitingOff.number: _messageWaitingOff,
    RequestMonitorNextCall.number: _monitor,
    RequestCancelMonitoring.number: _cancelMonitoring,
}
