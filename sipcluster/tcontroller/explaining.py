"""
What DNs and agents are like: for clients that register them, and, with why, for
people.
"""

from __future__ import annotations

from sipcluster.sessioncontroller.isessioncontroller import (
    ExtensionDN,
    ForwardMode,
    RoutingPointDN,
    TrunkDN,
)
from sipcluster.tcontroller.agent import Agent
from sipcluster.tcontroller.asking import wrapUpWord
from sipcluster.tcontroller.device import Device
from sipcluster.tcontroller.values import AgentState
from sipcluster.tlib.enums import AgentStatus
from sipcluster.wire.kvlist import KVList, KVValue

#: C{status} of the snapshot.
IDLE, BUSY, OUT_OF_SERVICE = 0, 1, 2

_KINDS = {
    ExtensionDN: "extension",
    TrunkDN: "trunk",
    RoutingPointDN: "routing point",
}


def snapshot(device: Device) -> KVList:
    """
    What a client that registers a DN is told.
    """
    status = OUT_OF_SERVICE
    if device.inService:
        status = BUSY if device.calls else IDLE
    pairs: list[tuple[str, KVValue]] = [("status", status)]
    if not isinstance(device.dn, ExtensionDN):
        return tuple(pairs)
    agent, features = device.agent, device.features
    if agent is None:
        pairs.append(("AgentStatus", int(AgentStatus.LOGGED_OUT)))
    else:
        pairs += (
            ("AgentStatus", int(agent.status)),
            ("AgentID", agent.agentID),
            ("wm", int(agent.mode.workMode)),
        )
        pairs += [pair for pair in agent.mode.reasons if pair[0] == "ReasonCode"]
    pairs += (
        ("dnd", int(features.dnd)),
        ("fwd", features.forwardTo),
        ("mwl", int(features.messageWaiting)),
    )
    return tuple(pairs)


def summary(device: Device) -> dict[str, object]:
    """
    A DN in one row.
    """
    agent, features = device.agent, device.features
    row: dict[str, object] = {
        "dn": device.number,
        "type": _KINDS[type(device.dn)],
        "state": "in service" if device.inService else "out of service",
        "hook": _hook(device),
        "agent": "" if agent is None else agent.agentID,
        "agentState": "" if agent is None else agent.status.label,
        "workMode": "" if agent is None else agent.mode.workMode.label,
        "agentSince": 0.0 if agent is None else agent.since,
        "agentWhy": "" if agent is None else agent.why,
        "dnd": features.dnd,
        "forward": _forward(device),
        "messageWaiting": features.messageWaiting,
    }
    return row


def explain(device: Device) -> dict[str, object]:
    """
    A DN with all that is known of it.
    """
    features = device.features
    return {
        "dn": device.number,
        "type": _KINDS[type(device.dn)],
        "state": "in service" if device.inService else "out of service",
        "since": device.since,
        "why": "; ".join(device.outOfService.values()),
        "hook": _hook(device),
        "calls": [
            {"connID": connID, "hook": hook.name.lower()}
            for connID, hook in device.calls.items()
        ],
        "agent": None if device.agent is None else _agent(device.agent),
        "dnd": features.dnd,
        "forward": _forward(device),
        "messageWaiting": features.messageWaiting,
        "supervisors": sorted(device.monitors),
        "clients": sorted(set(device.clients.values())),
        "history": [
            {"time": entry.time, "what": entry.what, "why": entry.why}
            for entry in device.lines
        ],
    }


def _hook(device: Device) -> str:
    return "off hook" if device.offHook else "on hook"


def _forward(device: Device) -> str:
    features = device.features
    if features.forwardMode is ForwardMode.NONE:
        return ""
    return f"{features.forwardTo} ({features.forwardMode.value})"


def _agent(agent: Agent) -> dict[str, object]:
    grace = agent.graceLeft
    working = agent.state is AgentState.AFTER_CALL_WORK
    return {
        "agentID": agent.agentID,
        "queue": agent.queue,
        "state": agent.status.label,
        "since": agent.since,
        "why": agent.why,
        "workMode": agent.mode.workMode.label,
        "reasons": {key: str(value) for key, value in agent.mode.reasons},
        "loggedIn": agent.loggedIn,
        "application": agent.application,
        "clientGone": not agent.client,
        "loggedOutIn": None if grace is None else round(grace, 1),
        "wrapUpTime": wrapUpWord(agent.wrapUpTime),
        "wrapUpLeft": wrapUpWord(agent.left()) if working else None,
        "wrapUpAsked": None if agent.asked is None else wrapUpWord(agent.asked),
    }
