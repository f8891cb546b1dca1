"""
Flows: the 5-tuples that SIP travels on (RFC 5626 section 1), UDP and streams.
"""

from __future__ import annotations

from binascii import hexlify, unhexlify
from collections.abc import Callable
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Protocol
from weakref import WeakValueDictionary

from attrs import frozen
from twisted.internet.interfaces import IDelayedCall
from zope.interface import implementer

from sipcluster.sip.isip import IFlow, Target

if TYPE_CHECKING:
    from sipcluster.net.sip_udp import SocketAddress


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


def hostPort(host: str, port: int) -> str:
    """
    Write C{host:port}, with brackets where the host is an IPv6 address.
    """
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def plainHost(host: str) -> str:
    """
    An IPv4 address that came mapped into IPv6 (C{::ffff:192.0.2.1}) as itself.
    """
    return host[7:] if host[:7].lower() == "::ffff:" and "." in host else host


class DatagramPort(Protocol):
    """
    What a UDP flow needs of its port.
    """

    host: str
    port: int

    def write(self, data: bytes, address: SocketAddress) -> None: ...

    def close(self) -> None: ...


@implementer(IFlow)
class UDPFlow:
    """
    A local UDP port and one remote address.
    """

    transportName = "UDP"
    reliable = False

    __slots__ = ("__weakref__", "_address", "_flows", "_write", "remote", "sentBy")

    def __init__(self, flows: UDPFlows, address: SocketAddress) -> None:
        self._flows = flows
        self._address = address
        self._write = flows.port.write
        self.remote: tuple[str, int] = address[:2]
        self.sentBy = flows.sentBy or flows.sentByFor(address[0])

    @property
    def local(self) -> tuple[str, int]:
        return (self._flows.port.host, self._flows.port.port)

    @property
    def closed(self) -> bool:
        return self._flows.closed

    @property
    def token(self) -> bytes:
        packed = hexlify(ip_address(self.remote[0].partition("%")[0]).packed)
        return b"u%d-%s-%d" % (self._flows.number, packed, self.remote[1])

    def sibling(self, address: SocketAddress) -> UDPFlow:
        """
        The flow from the same port to another address.
        """
        return self._flows.flow(address)

    def send(self, data: bytes) -> None:
        flows = self._flows
        if flows.trace is not None:
            flows.trace(False, data, self)
        if flows.closed:
            flows.sentOnClosed(self)
        else:
            self._write(data, self._address)

    def __repr__(self) -> str:
        return f"<UDP {hostPort(*self.local)} - {hostPort(*self.remote)}>"


class UDPFlows:
    """
    The flows of one UDP port: equal ones are the same object while in use.

    @ivar number: this port's, in tokens.
    @ivar sentBy: for Via, or empty where it depends on the destination.
    @ivar trace: called with C{(incoming, data, flow)}, if set.
    @ivar sentOnClosed: called for what is sent after the port was closed.
    """

    __slots__ = (
        "_live",
        "_recent",
        "closed",
        "limit",
        "number",
        "port",
        "sentBy",
        "sentByFor",
        "sentOnClosed",
        "trace",
    )

    def __init__(
        self,
        number: int,
        port: DatagramPort,
        limit: int,
        sentOnClosed: Callable[[IFlow], None],
        sentByFor: Callable[[str], bytes],
    ) -> None:
        self.number = number
        self.port = port
        self.limit = limit
        self.sentOnClosed = sentOnClosed
        self.sentByFor = sentByFor
        self.sentBy = b""
        self.closed = False
        self.trace: Callable[[bool, Any, IFlow], None] | None = None
        # Those of late are kept so that they need not be made again; those in
        # use are found even when they have left that list.
        self._recent: dict[SocketAddress, UDPFlow] = {}
        self._live: WeakValueDictionary[SocketAddress, UDPFlow] = WeakValueDictionary()

    def flow(self, address: SocketAddress) -> UDPFlow:
        """
        The flow to one remote address.
        """
        found = self._recent.get(address)
        return self._enter(address) if found is None else found

    def known(self, address: SocketAddress) -> UDPFlow | None:
        """
        The same, if anybody can be waiting on it.
        """
        return self._live.get(address)

    def byToken(self, token: bytes) -> UDPFlow | None:
        """
        The flow that a token of this port names; L{None} for nonsense.
        """
        _, packed, number = token.split(b"-")
        address = ip_address(unhexlify(packed))
        port = int(number)
        if not 0 < port < 65536 or self.closed:
            return None
        if (address.version == 6) != (":" in self.port.host):
            return None
        return self.flow(socketAddress(str(address), port))

    def _enter(self, address: SocketAddress) -> UDPFlow:
        found = self._live.get(address)
        if found is None:
            found = self._live[address] = UDPFlow(self, address)
        recent = self._recent
        if len(recent) >= self.limit:
            for old in list(recent)[: self.limit // 4 + 1]:
                del recent[old]
        recent[address] = found
        return found

    def close(self) -> None:
        """
        Free the port; its flows have ended.
        """
        self.closed = True
        self.port.close()

    def forget(self) -> None:
        """
        Drop every flow that nobody uses, and what is said of them.
        """
        self._recent.clear()
        self._live.clear()

    def __len__(self) -> int:
        return len(self._live)


def socketAddress(host: str, port: int) -> SocketAddress:
    """
    The form in which the socket module gives and takes this address.
    """
    if ":" not in host:
        return (host, port)
    host, _, scope = host.partition("%")
    return (str(ip_address(host)), port, 0, int(scope) if scope.isdigit() else 0)


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
