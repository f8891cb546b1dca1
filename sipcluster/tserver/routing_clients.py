"""
Which T-Library clients say where the calls at routing points go: those that have
registered the routing point at the port of the Session Controller, and may ask for more
than events.  One that is away, and may come back and resume, is one of them: what it
was asked waits for it, as long as the routing point lets it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from zope.interface import implementer

from sipcluster.sessioncontroller.irouting import IRoutingClients
from sipcluster.tserver.itserver import ClientView, IClientObserver

if TYPE_CHECKING:
    from sipcluster.tserver.server import TServer


@implementer(IRoutingClients, IClientObserver)
class RoutingClients:
    """
    The routing clients of one port.
    """

    __slots__ = ("_gone", "_server")

    def __init__(self, server: TServer, gone: Callable[[str], object]) -> None:
        """
        @param gone: told of a DN for which nobody is there any more.
        """
        self._server = server
        self._gone = gone
        server.add(self)

    # IRoutingClients

    def routed(self, dn: str) -> bool:
        """
        See L{IRoutingClients}.
        """
        return self._server.registrations.controlled(dn)

    # IClientObserver

    def addressRegistered(self, client: ClientView, dn: str) -> None:
        """
        See L{IClientObserver}.
        """

    def addressUnregistered(self, client: ClientView, dn: str) -> None:
        """
        See L{IClientObserver}.
        """
        self._left((dn,))

    def clientAway(self, client: ClientView, dns: Collection[str]) -> None:
        """
        See L{IClientObserver}.
        """

    def clientBack(self, client: ClientView, dns: Collection[str]) -> None:
        """
        See L{IClientObserver}.
        """

    def clientGone(self, client: ClientView, dns: Collection[str]) -> None:
        """
        See L{IClientObserver}.
        """
        self._left(dns)

    def _left(self, dns: Collection[str]) -> None:
        for dn in dns:
            if not self.routed(dn):
                self._gone(dn)
