"""
The ports that a transport layer listens on: which of them leads where, and by which
name peers know us there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from attrs import define, field
from twisted.internet.defer import Deferred, maybeDeferred

from sipcluster.net.addresses import WILDCARDS, hostPort, isLoopback
from sipcluster.net.udp_flows import UDPFlows
from sipcluster.sip.errors import NoTransport
from sipcluster.sip.isip import Target

if TYPE_CHECKING:
    from sipcluster.net.listen import INetwork


@define(eq=False)
class Listener:
    """
    One listening port.

    @ivar host: as it was asked for.
    @ivar port: as it was given.
    """

    transportName: str
    host: str
    port: int
    _stop: Callable[[], Any]

    def stopListening(self) -> Deferred[None]:
        """
        Free the port; connections that were accepted live on.
        """
        return maybeDeferred(self._stop)


@define(eq=False)
class Listeners:
    """
    All listeners of one transport layer.

    @ivar network: says which of our addresses leads to another.
    @ivar advertised: the host to write in Via where a listener is bound to all
        addresses; empty for the address that packets leave from.
    @ivar listeners: those that are open, in the order in which they were opened.
    @ivar udp: the flows of every UDP port, closed ones too: tokens count on their
        places.
    """

    network: INetwork
    advertised: str = ""
    listeners: list[Listener] = field(factory=list)
    udp: list[UDPFlows] = field(factory=list)

    def add(
        self, transportName: str, host: str, port: int, stop: Callable[[], Any]
    ) -> Listener:
        """
        A port is open.

        @param stop: closes it; what it returns is waited for.
        """

        def stopped() -> Any:
            if made in self.listeners:
                self.listeners.remove(made)
            return stop()

        made = Listener(transportName, host, port, stopped)
        self.listeners.append(made)
        return made

    def listenersFor(self, transportName: str, remote: str) -> list[Listener]:
        """
        The listeners that can reach an address, the likelier ones first.
        """
        six = ":" in remote
        loop = isLoopback(remote)
        fitting = [
            each
            for each in self.listeners
            if each.transportName == transportName
            and ((":" in each.host) == six or each.host == "::")
        ]
        fitting.sort(
            key=lambda each: (
                each.host not in WILDCARDS and isLoopback(each.host) != loop
            )
        )
        return fitting

    def udpFor(self, remote: str) -> UDPFlows:
        """
        The UDP port from which to send to an address.

        @raise NoTransport: none reaches it.
        """
        six = ":" in remote
        best: UDPFlows | None = None
        loop = isLoopback(remote)
        for flows in self.udp:
            host = flows.port.host
            if flows.closed or (":" in host) != six:
                continue
            if host in WILDCARDS or isLoopback(host) == loop:
                return flows
            best = best or flows
        if best is None:
            raise NoTransport(f"no UDP port that reaches {remote}")
        return best

    def leaves(self, target: Target) -> tuple[tuple[str, int], bytes, str]:
        """
        How a connection that we open to a target appears there.

        @return: our listener, for L{IFlow.local}; C{sent-by} for Via; and the
            address to come from, empty for any.
        """
        listeners = self.listenersFor(target.transportName, target.host)
        if listeners:
            local, sentBy = self.localOf(listeners[0], target.host)
            localHost = listeners[0].host
        else:
            # No listener of that kind: answers come on the connection alone.
            others = self.listenersFor("UDP", target.host)
            localHost = others[0].host if others else ""
            local = (self.visible(localHost, target.host), 0)
            sentBy = hostPort(*local).removesuffix(":0").encode("ascii")
        if localHost in WILDCARDS or isLoopback(localHost) != isLoopback(target.host):
            localHost = ""
        return local, sentBy, localHost

    def localOf(self, listener: Listener, remote: str) -> tuple[tuple[str, int], bytes]:
        sentBy = self.sentBy(listener.host, listener.port, remote)
        return (listener.host, listener.port), sentBy

    def visible(self, host: str, remote: str) -> str:
        """
        The host that peers know us by.
        """
        if host not in WILDCARDS:
            return host
        if self.advertised:
            return self.advertised
        return (remote and self.network.sourceAddress(remote)) or "127.0.0.1"

    def sentBy(self, host: str, port: int, remote: str) -> bytes:
        """
        C{sent-by} for Via.

        @param remote: whom it is for; empty when that is not known.
        """
        return hostPort(self.visible(host, remote), port).encode("ascii")
