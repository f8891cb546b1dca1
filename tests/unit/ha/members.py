"""
Two members of a pair with a link in memory that can be cut.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.task import Clock
from zope.interface import implementer

from sipcluster.ha.ireplica import IAlone, IOwner
from sipcluster.ha.journal import Journal, Limits
from sipcluster.ha.link import Identity, Links
from sipcluster.net.ha_link import HALinkFactory, HALinkProtocol
from sipcluster.testing.wire import MemoryEndpoint, Wire


@implementer(IAlone)
class Alone:
    """
    Says whether a member may serve alone.
    """

    def __init__(self, may: bool = True) -> None:
        self.may = may

    def alone(self) -> bool:
        """
        See L{IAlone}.
        """
        return self.may


@implementer(IOwner)
class Things:
    """
    An owner whose entries mean nothing.

    @ivar live: what it has.
    @ivar told: key, value and age of all that it was told.
    """

    def __init__(self, kind: str = "call") -> None:
        self.kind = kind
        self.live: dict[str, bytes] = {}
        self.told: list[tuple[str, bytes | None, float]] = []

    def snapshot(self) -> list[tuple[str, bytes]]:
        """
        See L{IOwner}.
        """
        return list(self.live.items())

    def apply(self, key: str, value: bytes | None, age: float) -> None:
        """
        See L{IOwner}.
        """
        self.told.append((key, value, age))
        if value is None:
            del self.live[key]
        else:
            self.live[key] = value


class Member:
    """
    One member, with one owner.

    @ivar fencedBy: epochs by which it has lost its role through the link.
    """

    def __init__(
        self,
        clock: Clock,
        name: str,
        limits: Limits | None = None,
        may: bool = True,
        owned: bool = True,
        **identity: Any,
    ) -> None:
        """
        @param owned: its entries are those of C{things}.
        """
        self.name = name
        self.alone = Alone(may)
        self.fencedBy: list[int] = []
        self.journal = Journal(clock, self.alone, limits, self.fencedBy.append)
        self.things = Things()
        if owned:
            self.journal.register(self.things)
        told = {
            "cluster": "lab",
            "pair": "node1",
            "member": name,
            "other": "b" if name == "a" else "a",
            **identity,
        }
        self.links = Links(self.journal, Identity(**told))

    @property
    def all(self) -> dict[tuple[str, str], bytes]:
        """
        What it holds.
        """
        return self.journal.replica.all()

    def change(self, key: str, value: bytes | None) -> int:
        """
        As its owner does it.
        """
        if self.journal.primary:
            if value is None:
                self.things.live.pop(key, None)
            else:
                self.things.live[key] = value
        return self.journal.change("call", key, value)


def connect(
    clock: Clock,
    near: Member,
    far: Member,
    delay: float = 0.001,
    chance: Callable[[], float] | None = None,
) -> Wire:
    """
    Make a link; its first bytes are on their way then.
    """

    def accept(end: Any) -> HALinkProtocol:
        protocol = HALinkProtocol(far.links, "192.0.2.1:49152", "")
        end._wire.delay = delay
        end.receiver = protocol
        protocol.makeConnection(end)
        return protocol

    endpoint = MemoryEndpoint(clock, accept, 0.0, chance)
    endpoint.connect(HALinkFactory(near.links, ""))
    clock.advance(0)
    (wire,) = endpoint.wires
    return wire
