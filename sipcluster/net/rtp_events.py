"""
UDP ports for RTP.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from twisted.internet.defer import Deferred, DeferredList, maybeDeferred
from twisted.internet.error import CannotListenError, MessageLengthError
from twisted.internet.protocol import DatagramProtocol
from twisted.logger import Logger
from zope.interface import implementer

from sipcluster.sip.imedia import IMediaPort, IMediaPorts

log = Logger()

#: Ports that are open at one time.
MOST = 1000


class _RTP(DatagramProtocol):
    """
    The protocol of one port.
    """

    def __init__(self, received: Callable[[bytes, tuple[str, int]], None]) -> None:
        self._received = received

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        """
        See L{DatagramProtocol}.
        """
        try:
            self._received(datagram, (addr[0], addr[1]))
        except Exception:
            log.failure("RTP")

    def connectionRefused(self) -> None:
        """
        See L{DatagramProtocol}: nobody listens there, and that is all.
        """


@implementer(IMediaPort)
class RTPPort:
    """
    One port of this host.
    """

    def __init__(self, owner: RTPPorts, protocol: _RTP, host: str, port: int) -> None:
        self._owner = owner
        self._protocol: _RTP | None = protocol
        self.host = host
        self.port = port

    def send(self, data: bytes, host: str, port: int) -> None:
        """
        See L{IMediaPort}.
        """
        protocol = self._protocol
        transport = cast(Any, protocol.transport) if protocol is not None else None
        if transport is None:
            return
        try:
            transport.write(data, (host, port))
        except (OSError, ValueError, MessageLengthError) as e:
            # A ValueError is a name, or an address of another family.
            self._owner.lost += 1
            log.debug("RTP to {host} is lost: {why}", host=host, why=e)

    def close(self) -> None:
        """
        See L{IMediaPort}.
        """
        protocol, self._protocol = self._protocol, None
        if protocol is not None:
            self._owner.given(self)
            if protocol.transport is not None:
                transport = cast(Any, protocol.transport)
                self._owner.closing(maybeDeferred(transport.stopListening))


@implementer(IMediaPorts)
class RTPPorts:
    """
    Ports of this host, of the system's choice.

    @ivar lost: datagrams that could not be sent.
    """

    def __init__(self, reactor: Any, host: str, most: int = MOST) -> None:
        """
        @param host: the address that telephones send to.
        @param most: ports at one time.
        """
        self._reactor = reactor
        self._host = host
        self._most = most
        self._open: set[RTPPort] = set()
        self._closing: set[Deferred[Any]] = set()
        self.lost = 0

    def open(self, received: Callable[[bytes, tuple[str, int]], None]) -> RTPPort:
        """
        See L{IMediaPorts}.
        """
        if len(self._open) >= self._most:
            raise OSError(f"{self._most} RTP ports are in use")
        protocol = _RTP(received)
        try:
            port = self._reactor.listenUDP(0, protocol, interface=self._host)
        except CannotListenError as e:
            raise OSError(str(e)) from e
        made = RTPPort(self, protocol, self._host, port.getHost().port)
        self._open.add(made)
        return made

    def given(self, port: RTPPort) -> None:
        """
        A port was given back.
        """
        self._open.discard(port)

    def closing(self, closed: Deferred[Any]) -> None:
        """
        A socket is being closed.
        """
        self._closing.add(closed)

        def gone(_: object) -> None:
            self._closing.discard(closed)

        closed.addBoth(gone)

    def close(self) -> Deferred[None]:
        """
        Give all back.

        @return: fires when all sockets are closed, those given back before
            included.
        """
        for port in list(self._open):
            port.close()
        return DeferredList(self._closing).addCallback(lambda _: None)

    @property
    def count(self) -> int:
        """
        How many are open.
        """
        return len(self._open)
