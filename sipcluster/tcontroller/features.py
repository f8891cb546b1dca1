"""
What a DN has switched on: do-not-disturb, forwarding, message waiting.
"""

from __future__ import annotations

from collections.abc import Mapping

from attrs import evolve

from sipcluster.sessioncontroller.isessioncontroller import ForwardMode
from sipcluster.tcontroller.device import Device
from sipcluster.tlib import enums
from sipcluster.tlib.messages import (
    EventDNDOff,
    EventDNDOn,
    EventForwardCancel,
    EventForwardSet,
    EventMessageWaitingOff,
    EventMessageWaitingOn,
)
from sipcluster.tlib.messages.base import DNEvent
from sipcluster.wire.correlation import Requester

#: The forward modes of the two sides of this seam.
FORWARD_MODES: Mapping[ForwardMode, enums.ForwardMode] = {
    mode: enums.ForwardMode[mode.name] for mode in ForwardMode
}


def setDND(device: Device, on: bool, requester: Requester, why: str) -> None:
    """
    Do not disturb.
    """
    device.features = evolve(device.features, dnd=on)
    device.note("do not disturb" if on else "may be disturbed", why)
    device.tell(EventDNDOn if on else EventDNDOff, requester)


def setForward(
    device: Device, mode: ForwardMode, to: str, requester: Requester, why: str
) -> None:
    """
    Its calls go elsewhere, or no more.
    """
    old = device.features
    device.features = evolve(old, forwardMode=mode, forwardTo=to)
    if mode is ForwardMode.NONE:
        kind: type[DNEvent] = EventForwardCancel
        mode, to = old.forwardMode, old.forwardTo
        device.note("calls no longer forwarded", why)
    else:
        kind = EventForwardSet
        device.note(f"calls forwarded to {to} ({mode.value})", why)
    device.tell(kind, requester, otherDN=to, forwardMode=FORWARD_MODES[mode])


def setMessageWaiting(device: Device, on: bool, requester: Requester, why: str) -> None:
    """
    Messages wait for it.
    """
    device.features = evolve(device.features, messageWaiting=on)
    device.note("message waiting" if on else "no message waiting", why)
    device.tell(EventMessageWaitingOn if on else EventMessageWaitingOff, requester)
    device.shared.messageWaitingChanged(device.number, on)
