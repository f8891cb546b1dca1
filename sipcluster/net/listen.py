"""
What the transport layer asks of the network, and the real one: a reactor.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import (
    TCP4ClientEndpoint,
    TCP4ServerEndpoint,
    TCP6ClientEndpoint,
    TCP6ServerEndpoint,
    wrapClientTLS,
)
from twisted.internet.interfaces import IListeningPort, IProtocol
from twisted.internet.protocol import Factory
from twisted.protocols.tls import TLSMemoryBIOFactory
from zope.interface import Attribute, Interface, implementer

from sipcluster.net.addresses import SocketAddress
from sipcluster.net.sip_udp import UDPPort
from sipcluster.net.udp_flows import DatagramPort


class INetwork(Interface):
    """
    Where ports are opened: this host's network, or one in memory.
    """

    clock = Attribute("An C{IReactorTime}; monotonic.")

    def datagramPort(
        host: str,
        port: int,
        received: Callable[[bytes, SocketAddress], None],
        failed: Callable[[SocketAddress, str], None],
    ) -> DatagramPort:
        """
        Bind a UDP port.

        @raise CannotListenError: it is taken, or not ours.
        """

    def listen(
        host: str, port: int, factory: Factory, contexts: Any
    ) -> Deferred[IListeningPort]:
        """
        Accept connections; with TLS where C{contexts} is not L{None}.  Fails
        with C{CannotListenError}.
        """

    def connect(
        host: str,
        port: int,
        localHost: str,
        factory: Factory,
        creator: Any,
        timeout: float,
    ) -> Deferred[IProtocol]:
        """
        Open a connection; with TLS where C{creator} is not L{None}.

        @param localHost: the address to come from; empty for any.
        """

    def sourceAddress(remoteHost: str) -> str:
        """
        The address from which packets to C{remoteHost} leave; empty when there
        is no way to it.
        """


@implementer(INetwork)
class ReactorNetwork:
    """
    The sockets of this host.
    """

    def __init__(self, reactor: Any) -> None:
        self.clock = reactor
        self._reactor = reactor

    def datagramPort(
        self,
        host: str,
        port: int,
        received: Callable[[bytes, SocketAddress], None],
        failed: Callable[[SocketAddress, str], None],
    ) -> DatagramPort:
        made = UDPPort(self._reactor, received, failed)
        made.listen(host, port)
        return made

    def listen(
        self, host: str, port: int, factory: Factory, contexts: Any
    ) -> Deferred[IListeningPort]:
        outer: Any = factory
        if contexts is not None:
            outer = TLSMemoryBIOFactory(contexts, False, factory, clock=self._reactor)
        kind = TCP6ServerEndpoint if ":" in host else TCP4ServerEndpoint
        endpoint = kind(self._reactor, port, backlog=1024, interface=host)
        made: Deferred[IListeningPort] = endpoint.listen(outer)
        return made

    def connect(
        self,
        host: str,
        port: int,
        localHost: str,
        factory: Factory,
        creator: Any,
        timeout: float,
    ) -> Deferred[IProtocol]:
        kind = TCP6ClientEndpoint if ":" in host else TCP4ClientEndpoint
        local = (localHost, 0) if localHost else None
        endpoint: Any = kind(self._reactor, host, port, timeout, local)
        if creator is not None:
            endpoint = wrapClientTLS(creator, endpoint)
        made: Deferred[IProtocol] = endpoint.connect(factory)
        return made

    def sourceAddress(self, remoteHost: str) -> str:
        family = socket.AF_INET6 if ":" in remoteHost else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as s:
            try:
                # Sends nothing: it only asks the routing table.
                s.connect((remoteHost, 9))
            except OSError:
                return ""
            return str(s.getsockname()[0])
