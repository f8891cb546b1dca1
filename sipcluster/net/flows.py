"""
Stream flows: one TCP or TLS connection each (RFC 5626 section 1); and the bounds of
the transport layer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from attrs import frozen
from twisted.internet.interfaces import IDelayedCall
from zope.interface import implementer

from sipcluster.net.addresses import hostPort
from sipcluster.sip.isip import IFlow, Target


@frozen
class TransportLimits:
    """
    Bounds of the transport layer: nothing a peer does grows past one of these.

    @ivar messageSize: bytes of one message on a stream.
    @ivar connections: stream connections in all, both directions.
    @ivar connectionsPerAddress: connections that one address may have opened.
    @ivar connectTimeout: seconds until a connection is open, TLS included.
    @ivar idleTimeout: seconds an accepted connection may live without having
        sent one valid message.
    @ivar clientIdle: seconds without a message after which a connection that
        was opened here is closed.
    @ivar keepAlive: seconds without traffic after which a connection that was
        opened here gets a CRLF ping (RFC 5626 section 4.4.1).
    @ivar pongTimeout: seconds for the pong, where the peer has shown before
        that it sends pongs.
    @ivar queueBytes: bytes kept for a connection that is opening or whose peer
        reads too slowly; one more cuts it off.
    @ivar flows: UDP flows remembered per port.
    @ivar refusals: destinations remembered for refusing TCP.
    @ivar refusalTime: seconds to remember them.
    @ivar malformedAnswers: answers per second to requests too broken to be
        passed up.
    """

    messageSize: int = 65536
    connections: int = 20000
    connectionsPerAddress: int = 4000
    connectTimeout: float = 5.0
    idleTimeout: float = 30.0
    clientIdle: float = 900.0
    keepAlive: float = 55.0
    pongTimeout: float = 10.0
    queueBytes: int = 262144
    flows: int = 8192
    refusals: int = 1024
    refusalTime: float = 300.0
    malformedAnswers: float = 100.0


class Wire(Protocol):
    """
    What a stream flow needs of its protocol.
    """

    def write(self, data: bytes) -> None: ...

    def lose(self) -> None: ...

    def abort(self) -> None: ...


class StreamOwner(Protocol):
    """
    What a stream flow tells the transport layer.
    """

    trace: Callable[[bool, Any, IFlow], None] | None
    hold: Callable[..., object] | None

    def seconds(self) -> float: ...

    def sentOnClosed(self, flow: IFlow) -> None: ...

    def tooSlow(self, flow: StreamFlow) -> None: ...


@implementer(IFlow)
class StreamFlow:
    """
    One TCP or TLS connection, opening, open or closed.

    @ivar target: where it was opened to; L{None} for one that was accepted.
    @ivar peerNames: DNS names and SIP URIs of the peer's certificate, where it
        gave one that was verified.
    @ivar started: when it began to open.
    @ivar heard: when anything last came, keep-alives included.
    @ivar spoken: when anything was last sent, keep-alives included.
    @ivar messageHeard: when the last message came.
    @ivar used: when the last message was sent.
    @ivar valid: true once a valid message came.
    @ivar leaving: nothing more is sent; it ends soon.
    @ivar lingering: it was already leaving at the last look.
    @ivar watch: ends the wait for its opening.
    @ivar failure: why it is aborted; empty while it is not.
    @ivar pongs: true once the peer answered a ping.
    @ivar pinged: when an unanswered ping was sent, or 0.
    """

    reliable = True

    __slots__ = (
        "__weakref__",
        "_blocked",
        "_owner",
        "_queue",
        "_queueLimit",
        "_queued",
        "_wire",
        "closed",
        "failure",
        "heard",
        "leaving",
        "lingering",
        "local",
        "messageHeard",
        "open",
        "peerNames",
        "pinged",
        "pongs",
        "remote",
        "sentBy",
        "spoken",
        "started",
        "target",
        "token",
        "transportName",
        "used",
        "valid",
        "watch",
    )

    def __init__(
        self,
        owner: StreamOwner,
        transportName: str,
        remote: tuple[str, int],
        local: tuple[str, int],
        sentBy: bytes,
        token: bytes,
        queueLimit: int,
        target: Target | None = None,
    ) -> None:
        self._owner = owner
        self.transportName = transportName
        self.remote = remote
        self.local = local
        self.sentBy = sentBy
        self.token = token
        self.target = target
        self.closed = False
        self.open = False
        self.leaving = False
        self.valid = False
        self.pongs = False
        self.pinged = 0.0
        self.peerNames: tuple[str, ...] = ()
        self.failure = ""
        self.lingering = False
        self.watch: IDelayedCall | None = None
        self.started = self.heard = self.spoken = owner.seconds()
        self.used = self.messageHeard = self.started
        self._wire: Wire | None = None
        self._blocked = True
        self._queue: list[bytes] = []
        self._queued = 0
        self._queueLimit = queueLimit

    def send(self, data: bytes) -> None:
        hold = self._owner.hold
        if hold is None:
            self._leave(data)
        else:
            hold(self._leave, data)

    def _leave(self, data: bytes) -> None:
        owner = self._owner
        if owner.trace is not None:
            owner.trace(False, data, self)
        if self.closed or self.leaving:
            owner.sentOnClosed(self)
            return
        self.spoken = self.used = owner.seconds()
        if self._blocked or self._wire is None:
            self._queue.append(data)
            self._queued += len(data)
            if self._queued > self._queueLimit:
                owner.tooSlow(self)
        else:
            self._wire.write(data)

    @property
    def attached(self) -> bool:
        """
        Whether there is a connection under it, open or not.
        """
        return self._wire is not None

    # Told by the protocol.

    def opened(self, wire: Wire) -> None:
        """
        The connection stands: what waited goes out.
        """
        self._wire = wire
        self.open = True
        self.heard = self._owner.seconds()
        self.resume()

    def attach(self, wire: Wire) -> None:
        """
        The connection stands, but nothing may be sent yet.
        """
        self._wire = wire

    def pause(self) -> None:
        """
        The peer reads too slowly: keep what is sent here.
        """
        self._blocked = True

    def resume(self) -> None:
        """
        There is room again.
        """
        self._blocked = False
        queue, self._queue, self._queued = self._queue, [], 0
        if queue and self._wire is not None:
            # One write: it may pause us, but only after it.
            self._wire.write(b"".join(queue))

    def ping(self, now: float) -> None:
        """
        Send a CRLF keep-alive (RFC 5626 section 3.5.1).
        """
        if self._wire is not None and self.open and not self._blocked:
            self.pinged = self.pinged or now
            self.spoken = now
            self._wire.write(b"\r\n\r\n")

    def pong(self) -> None:
        """
        Answer a ping; not while the peer reads nothing, or pings would fill
        our memory.
        """
        if self._wire is not None and not self._blocked:
            self._wire.write(b"\r\n")

    def leave(self) -> None:
        """
        Close in an orderly way: what was sent before still goes out.
        """
        self.leaving = True
        if self._wire is not None:
            self._wire.lose()

    def abort(self, why: str) -> None:
        """
        Close at once.

        @param why: what L{IMessageReceiver.flowFailed} is told.
        """
        self.failure = self.failure or why
        self.leaving = True
        if self._wire is not None:
            self._wire.abort()

    def ended(self) -> None:
        """
        The connection is gone.
        """
        self.closed = True
        self.open = False
        self._blocked = True
        self._wire = None
        self._queue = []
        self._queued = 0

    def __repr__(self) -> str:
        return f"<{self.transportName} {hostPort(*self.remote)}>"
