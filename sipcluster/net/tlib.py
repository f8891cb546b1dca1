"""
T-Library ports over TCP and TLS: bytes, and how many of them wait.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.interfaces import IAddress, IPushProducer, ITCPTransport
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.logger import Logger
from twisted.protocols.tls import TLSMemoryBIOProtocol
from twisted.python.failure import Failure
from zope.interface import implementer

from sipcluster.net.addresses import hostPort, plainHost
from sipcluster.net.direct import DirectWriter, takesAtOnce
from sipcluster.net.sip_stream import setPatience
from sipcluster.net.sip_tls import why
from sipcluster.tserver.itserver import (
    IConnection,
    IConnectionTaker,
    IConnectionUser,
)


@implementer(IConnection, IPushProducer)
class TLibProtocol(Protocol):
    """
    One connection of a client.

    @ivar peer: its host and port.
    """

    log = Logger()

    def __init__(self, taker: IConnectionTaker, peer: str) -> None:
        self.peer = peer
        self._taker = taker
        self._user: IConnectionUser | None = None
        self._direct: DirectWriter | None = None
        self._lost = False

    def connectionMade(self) -> None:
        transport: Any = self.transport
        if ITCPTransport.providedBy(transport):
            transport.setTcpNoDelay(True)
            transport.setTcpKeepAlive(True)
            setPatience(transport)
        if takesAtOnce(transport):
            self._direct = DirectWriter(
                transport, self.pauseProducing, self.resumeProducing
            )
        else:
            transport.registerProducer(self, True)
        # A method of our own would cost as much as what it calls.
        self.write = (self._direct or transport).write  # type: ignore[method-assign]
        try:
            self._user = self._taker.connectionMade(self)
        except Exception:
            self.log.failure("T-Library connection")
            self.abort()

    def dataReceived(self, data: bytes) -> None:
        if self._user is not None:
            with self.log.failuresHandled("T-Library data"):
                self._user.dataReceived(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        user, self._user = self._user, None
        self._lost = True
        self.__dict__.pop("write", None)
        # TLS would keep its producer, and so the two each other.
        self._stopWriting()
        self._direct = None
        if user is not None:
            with self.log.failuresHandled("T-Library connection lost"):
                user.connectionLost(why(reason))

    # What the server does with it.

    def write(self, data: bytes) -> None:
        """
        See L{IConnection}.
        """

    def pauseReading(self) -> None:
        """
        See L{IConnection}.
        """
        transport: Any = self.transport
        if not transport.disconnecting:
            transport.pauseProducing()

    def resumeReading(self) -> None:
        """
        See L{IConnection}.
        """
        transport: Any = self.transport
        if self._user is not None and not transport.disconnecting:
            transport.resumeProducing()

    def close(self) -> None:
        """
        See L{IConnection}.  Where there is something of the client that we have not
        read, an end of both directions would destroy what we said last, so over TCP
        ours is ended first; the client ends the other one.
        """
        if self._lost:
            return  # what was held for another process comes late
        transport: Any = self.transport
        self._stopWriting()
        transport.resumeProducing()
        if isinstance(transport, TLSMemoryBIOProtocol):
            transport.loseConnection()
        else:
            transport.loseWriteConnection()

    def abort(self) -> None:
        """
        See L{IConnection}.
        """
        transport: Any = self.transport
        self._stopWriting()
        transport.abortConnection()

    def _stopWriting(self) -> None:
        transport: Any = self.transport
        if self._direct is None:
            transport.unregisterProducer()
        else:
            self._direct.stop()

    # What the transport says of its buffer.

    def pauseProducing(self) -> None:
        if self._user is not None:
            self._user.writingPaused()

    def resumeProducing(self) -> None:
        if self._user is not None:
            self._user.writingResumed()

    def stopProducing(self) -> None:
        "The connection is lost, which is told by C{connectionLost}."


class TLibFactory(Factory):
    """
    Makes the protocols of one listening T-Library port; TLS goes around it where
    it is wanted.
    """

    noisy = False

    def __init__(self, taker: IConnectionTaker) -> None:
        self._taker = taker

    def buildProtocol(self, addr: IAddress | None) -> TLibProtocol:
        address: Any = addr
        peer = hostPort(plainHost(address.host), address.port)
        return TLibProtocol(self._taker, peer)
