"""
Who says where the calls at routing points go, and where they go when nobody does.
"""

from __future__ import annotations

from collections.abc import Callable

from attrs import define, field

from sipcluster.sessioncontroller.irouting import IRoutingClients
from sipcluster.sessioncontroller.isessioncontroller import RoutingPointDN

__all__ = ("RoutingPoints",)


def _unknown(number: str) -> None:
    """
    There is no such routing point, or agent.
    """


@define(eq=False)
class RoutingPoints:
    """
    What all calls at routing points share.

    @ivar find: the routing point with a number.
    @ivar clients: those who say where calls go; L{None}: nobody does.
    @ivar agentAt: the number of the DN at which an agent is logged in.
    """

    find: Callable[[str], RoutingPointDN | None] = _unknown
    clients: IRoutingClients | None = None
    agentAt: Callable[[str], str | None] = _unknown
    _next: dict[str, int] = field(factory=dict)

    def asks(self, number: str) -> bool:
        """
        Whether somebody is there who says where the calls at a routing point go.
        """
        return self.clients is not None and self.clients.routed(number)

    def defaults(self, point: RoutingPointDN) -> tuple[str, ...]:
        """
        Where a call goes when nobody says so: each is tried, and each call begins
        with another one.
        """
        numbers = point.defaults
        if len(numbers) < 2:
            return numbers
        start = self._next.get(point.number, 0) % len(numbers)
        self._next[point.number] = start + 1
        return (*numbers[start:], *numbers[:start])
