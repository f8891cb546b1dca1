"""
One SIP connection over TCP or TLS: bytes to frames, and nothing else.
"""

from __future__ import annotations

import socket
from typing import Any
from typing import Protocol as Shape

from twisted.internet.interfaces import (
    IHandshakeListener,
    IPushProducer,
    ITCPTransport,
)
from twisted.internet.protocol import Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from sipcluster.net.flows import StreamFlow
from sipcluster.sip.errors import MalformedMessage
from sipcluster.sip.framing import Frame, KeepAlive, StreamFramer

#: Seconds of silence before TCP asks the peer's host, between two such questions,
#: and how many go unanswered before the connection is given up.
PROBE_AFTER, PROBE_INTERVAL, PROBES = 60, 10, 3

#: Seconds for which sent bytes may go unacknowledged.
UNACKNOWLEDGED = 30


def setPatience(transport: Any) -> None:
    """
    Let TCP notice within a minute and a half, and not in hours, that a peer's
    host is gone.

    @param transport: that of a connection, or of TLS on one.
    """
    while transport is not None and not hasattr(transport, "socket"):
        transport = getattr(transport, "transport", None)
    if transport is None:
        return
    for option, value in (
        (socket.TCP_KEEPIDLE, PROBE_AFTER),
        (socket.TCP_KEEPINTVL, PROBE_INTERVAL),
        (socket.TCP_KEEPCNT, PROBES),
        (socket.TCP_USER_TIMEOUT, UNACKNOWLEDGED * 1000),
    ):
        transport.socket.setsockopt(socket.IPPROTO_TCP, option, value)


class StreamUser(Shape):
    """
    What a connection tells the transport layer.
    """

    def connected(self, protocol: SIPStreamProtocol) -> None:
        "The connection stands, TLS handshake included."

    def frameReceived(self, protocol: SIPStreamProtocol, frame: Frame) -> None:
        "One message came."

    def malformed(self, protocol: SIPStreamProtocol, e: MalformedMessage) -> None:
        "The stream is broken; the connection is closed after this returns."

    def keptAlive(self, protocol: SIPStreamProtocol, ping: bool) -> None:
        "A CRLF keep-alive came; a ping wants an answer."

    def disconnected(self, protocol: SIPStreamProtocol, reason: Failure) -> None:
        "Told last, once, also when C{connected} never was."


@implementer(IHandshakeListener, IPushProducer)
class SIPStreamProtocol(Protocol):
    """
    One connection.

    @ivar flow: the flow it carries; set by its user, at the latest when it is
        told that the connection stands.
    @ivar secure: whether to wait for a TLS handshake.
    """

    log = Logger()

    def __init__(
        self,
        user: StreamUser,
        secure: bool,
        limit: int,
        flow: StreamFlow | None = None,
    ) -> None:
        self._user = user
        self._framer = StreamFramer(limit)
        self._broken = False
        self.secure = secure
        self.flow = flow

    def connectionMade(self) -> None:
        transport: Any = self.transport
        if ITCPTransport.providedBy(transport):
            transport.setTcpNoDelay(True)
            transport.setTcpKeepAlive(True)
            setPatience(transport)
        transport.registerProducer(self, True)
        if self.flow is not None:
            self.flow.attach(self)
        if not self.secure:
            self._user.connected(self)

    def handshakeCompleted(self) -> None:
        self._user.connected(self)

    def dataReceived(self, data: bytes) -> None:
        if self._broken:
            return  # bytes that were under way when we gave up
        self._framer.receive(data)
        try:
            event = self._framer.nextEvent()
            while event is not None and self._eventReceived(event):
                event = self._framer.nextEvent()
        except MalformedMessage as e:
            self._broken = True
            self.log.warn(
                "closing {flow}: {why}", flow=self.flow, why=e, status=e.status
            )
            with self.log.failuresHandled("broken stream"):
                self._user.malformed(self, e)
            self.lose()

    def _eventReceived(self, event: Frame | KeepAlive) -> bool:
        """
        @return: whether to read on; False when what came made us close.
        """
        if isinstance(event, KeepAlive):
            self._user.keptAlive(self, event.ping)
        else:
            with self.log.failuresHandled("SIP frame"):
                self._user.frameReceived(self, event)
        return not self._broken

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._broken = True
        self._user.disconnected(self, reason)

    # What a flow does with us.

    def write(self, data: bytes) -> None:
        assert self.transport is not None
        self.transport.write(data)

    def lose(self) -> None:
        """
        Close when all is written; what comes meanwhile is not read any more.
        """
        self._broken = True
        transport: Any = self.transport
        transport.unregisterProducer()
        transport.loseConnection()

    def abort(self) -> None:
        """
        Close now; what is not written yet is lost.
        """
        self._broken = True
        transport: Any = self.transport
        transport.unregisterProducer()
        transport.abortConnection()

    # What the transport says of its buffer.

    def pauseProducing(self) -> None:
        if self.flow is not None:
            self.flow.pause()

    def resumeProducing(self) -> None:
        if self.flow is not None and self.flow.open:
            self.flow.resume()

    def stopProducing(self) -> None:
        "The connection is lost, which is told by C{connectionLost}."
