"""
UDP sockets for RTP: as little as possible between the kernel and who takes the packets.
"""

from __future__ import annotations

import socket
from typing import Any

from twisted.internet.interfaces import IReadDescriptor
from twisted.logger import Logger
from zope.interface import implementer

from sipcluster.media.imedia import IDatagrams, Received
from sipcluster.sip.imedia import IMediaPort

log = Logger()

#: Bytes of a packet that are read.
_LONGEST = 2048

#: Packets read before another socket has its turn.
_BURST = 8

#: Bytes wanted of the kernel, each way: about a second of packets.
_BUFFER = 64 * 1024


def _nobody(data: bytes, origin: tuple[str, int]) -> None:
    """
    Takes what comes to a socket that is closed.
    """


@implementer(IMediaPort, IReadDescriptor)
class RTPSocket:
    """
    One socket.

    Nothing is queued: a packet that the kernel does not take now is of no use later.
    """

    def __init__(
        self, reactor: Any, owner: Datagrams, s: socket.socket, received: Received
    ) -> None:
        self._reactor = reactor
        self._owner = owner
        self._socket: socket.socket | None = s
        self._received = received
        self.host, self.port = s.getsockname()[:2]
        reactor.addReader(self)

    def send(self, data: bytes, host: str, port: int) -> None:
        """
        See L{IMediaPort}.
        """
        if self._socket is None:
            return
        try:
            self._socket.sendto(data, (host, port))
        except (OSError, OverflowError, ValueError) as e:
            self._owner.lost += 1
            log.debug("RTP to {host} is lost: {why}", host=host, why=e)

    def close(self) -> None:
        """
        See L{IMediaPort}.
        """
        s, self._socket = self._socket, None
        if s is not None:
            self._reactor.removeReader(self)
            s.close()
            self._received = _nobody
            self._owner.open -= 1

    # The reactor's side.

    def fileno(self) -> int:
        """
        See L{IReadDescriptor}.
        """
        return -1 if self._socket is None else self._socket.fileno()

    def logPrefix(self) -> str:
        """
        See L{IReadDescriptor}.
        """
        return "RTP"

    def doRead(self) -> None:
        """
        See L{IReadDescriptor}.
        """
        for _ in range(_BURST):
            if self._socket is None:
                return
            try:
                data, origin = self._socket.recvfrom(_LONGEST)
            except OSError:
                return
            try:
                self._received(data, origin[:2])
            except Exception:
                log.failure("RTP")

    def connectionLost(self, reason: Any) -> None:
        """
        See L{IReadDescriptor}: the reactor stops.
        """
        self.close()


@implementer(IDatagrams)
class Datagrams:
    """
    See L{IDatagrams}.

    @ivar open: sockets that are open.
    @ivar lost: datagrams that could not be sent.
    """

    def __init__(self, reactor: Any, host: str) -> None:
        """
        @param host: an IP address of this host.
        """
        self._reactor = reactor
        self.host = host
        self.open = 0
        self.lost = 0

    def bind(self, port: int, received: Received) -> RTPSocket:
        """
        See L{IDatagrams}.
        """
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        s = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        try:
            s.setblocking(False)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER)
            if family == socket.AF_INET:
                # Expedited forwarding (RFC 3246).
                s.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, 0xB8)
            else:
                s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, 0xB8)
            s.bind((self.host, port))
        except (OSError, OverflowError):
            s.close()
            raise
        self.open += 1
        return RTPSocket(self._reactor, self, s, received)
