"""
DNs and their histories as what is kept at the other member of a pair.

A DN is one entry, with the agent at it.  Its history, which only people read, is
written down in pages, so that what happens in a call does not write all of it anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import msgspec
from attrs import evolve
from zope.interface import implementer

from sipcluster.ha.ikeeping import IKept
from sipcluster.tcontroller.device import Device
from sipcluster.tcontroller.values import (
    UNTIMED,
    AgentState,
    DNValue,
    Entry,
    decodeDN,
    encodeDN,
)


@implementer(IKept)
class KeptDNs:
    """
    The DNs of a T-Controller, with their agents; by number.
    """

    kind = "dn"

    def __init__(
        self, devices: Mapping[str, Device], hasCall: Callable[[str], bool]
    ) -> None:
        """
        @param hasCall: whether there is a call, by its ConnID.
        """
        self._devices = devices
        self._hasCall = hasCall

    def keys(self) -> Iterable[str]:
        """
        See L{IKept}: those to which something has happened.
        """
        return [dn for dn, device in self._devices.items() if device.touched]

    def entry(self, key: str) -> bytes | None:
        """
        See L{IKept}.
        """
        device = self._devices.get(key)
        if device is None or not device.touched:
            return None
        return encodeDN(device.value(history=False))

    def restore(self, key: str, value: bytes, age: float) -> None:
        """
        See L{IKept}.  A DN that is not of the switch any more is left out.
        """
        device = self._devices.get(key)
        if device is not None:
            device.restore(_aged(decodeDN(value), age))

    def restored(self) -> None:
        """
        See L{IKept}.
        """
        for device in self._devices.values():
            if device.touched:
                device.settle(self._hasCall)

    def comparable(self, value: bytes) -> object:
        """
        See L{IKept}.
        """
        dn = decodeDN(value)
        agent = dn.agent
        if agent is None:
            return dn
        left = agent.left if agent.left in (0.0, UNTIMED) else -1.0
        grace = None if agent.graceLeft is None else -1.0
        return evolve(dn, agent=evolve(agent, left=left, graceLeft=grace))


def _aged(value: DNValue, age: float) -> DNValue:
    """
    A DN so many seconds after it was written down.
    """
    agent = value.agent
    if agent is None or not age:
        return value
    left, grace = agent.left, agent.graceLeft
    if agent.state is AgentState.AFTER_CALL_WORK and not value.offHook:
        left = max(0.0, left - age)
    if grace is not None:
        grace = max(0.0, grace - age)
    return evolve(value, agent=evolve(agent, left=left, graceLeft=grace))


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(tuple[int, tuple[Entry, ...]])


@implementer(IKept)
class KeptHistories:
    """
    What happened to the DNs of a T-Controller; by number and page.
    """

    kind = "dn-history"

    def __init__(self, devices: Mapping[str, Device]) -> None:
        self._devices = devices

    def keys(self) -> Iterable[str]:
        """
        See L{IKept}.
        """
        return [
            historyKey(device.number, page)
            for device in self._devices.values()
            if device.history is not None
            for page in device.history.pages()
        ]

    def entry(self, key: str) -> bytes | None:
        """
        See L{IKept}.
        """
        number, _, page = key.rpartition("/")
        device = self._devices.get(number)
        if device is None or device.history is None:
            return None
        found = device.history.read(int(page))
        return None if found is None else _encoder.encode(found)

    def restore(self, key: str, value: bytes, age: float) -> None:
        """
        See L{IKept}.
        """
        device = self._devices.get(key.rpartition("/")[0])
        if device is not None:
            device.remember(*_decoder.decode(value))

    def restored(self) -> None:
        """
        See L{IKept}.
        """

    def comparable(self, value: bytes) -> object:
        """
        See L{IKept}.
        """
        return value


def historyKey(number: str, page: int) -> str:
    """
    Names one page of the history of a DN.
    """
    return f"{number}/{page}"
