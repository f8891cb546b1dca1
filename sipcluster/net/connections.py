"""
The stream connections of one transport layer: opened, accepted, counted, ended.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from typing import Protocol as Shape

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, IDelayedCall
from twisted.internet.protocol import Factory
from twisted.logger import Logger
from twisted.python.failure import Failure

from sipcluster.net.addresses import hostPort, plainHost
from sipcluster.net.flows import StreamFlow, TransportLimits
from sipcluster.net.sip_stream import SIPStreamProtocol
from sipcluster.net.sip_tls import peerNames, why
from sipcluster.sip.errors import MalformedMessage
from sipcluster.sip.framing import Frame
from sipcluster.sip.isip import IFlow, Target

if TYPE_CHECKING:
    from sipcluster.net.listen import INetwork


class ConnectionUser(Shape):
    """
    What connections tell the transport layer.
    """

    trace: Callable[[bool, Any, IFlow], None] | None
    counts: Counter[str]

    def frameReceived(self, flow: StreamFlow, frame: Frame) -> None:
        "One message came."

    def malformed(self, flow: IFlow, e: MalformedMessage) -> None:
        "A message came that is none."

    def flowLost(self, flow: StreamFlow, why: str, wasOpen: bool) -> None:
        "A connection is gone, or was never made; told once, never at once."

    def sentOnClosed(self, flow: IFlow) -> None:
        "A message was sent on a flow that had ended."


class Connections:
    """
    Every stream connection, both directions.

    @ivar byToken: all of them.
    """

    log = Logger()

    #: Seconds between looks for connections that have idled too long.
    sweepInterval = 5.0

    def __init__(
        self,
        network: INetwork,
        user: ConnectionUser,
        entropy: Callable[[int], bytes],
        limits: TransportLimits,
    ) -> None:
        self._network = network
        self._clock = network.clock
        self.seconds: Callable[[], float] = network.clock.seconds
        self._user = user
        self._entropy = entropy
        self.limits = limits
        self.byToken: dict[bytes, StreamFlow] = {}
        self._toTarget: dict[Target, StreamFlow] = {}
        self._accepted: dict[tuple[str, tuple[str, int]], StreamFlow] = {}
        self._perAddress: Counter[str] = Counter()
        self._connecting: dict[StreamFlow, Deferred[Any]] = {}
        self._sweeping: IDelayedCall | None = None
        self._stopping = False
        self._stopped: list[Deferred[None]] = []
        self.trace: Callable[[bool, Any, IFlow], None] | None = None
        self.hold: Callable[..., object] | None = None

    # Finding and opening.

    def find(self, target: Target) -> StreamFlow | None:
        """
        A connection that leads to C{target}: one opened to it, or one that was
        accepted from exactly there.  An accepted one is not taken where a
        certificate has to be checked (RFC 5923 section 9).
        """
        flow = self._toTarget.get(target)
        if flow is None and not target.serverName:
            flow = self._accepted.get(
                (target.transportName, (target.host, target.port))
            )
        return None if flow is None or flow.leaving else flow

    def open(
        self,
        target: Target,
        local: tuple[str, int],
        sentBy: bytes,
        localHost: str,
        creator: Any,
    ) -> StreamFlow:
        """
        Begin to connect.

        @param local: our listener, for L{IFlow.local}.
        @param localHost: the address to come from; empty for any.
        @param creator: makes the TLS connection; L{None} for TCP.
        """
        flow = self._make(target.transportName, (target.host, target.port), local)
        flow.target = target
        flow.sentBy = sentBy
        self._toTarget[target] = flow
        if len(self.byToken) > self.limits.connections or self._stopping:
            self._user.counts["tooManyConnections"] += 1
            self._fail(flow, "too many connections")
            return flow
        factory = _Factory(
            lambda: SIPStreamProtocol(
                self, creator is not None, self.limits.messageSize, flow
            )
        )
        timeout = self.limits.connectTimeout
        # Our own watch covers the TLS handshake too, of which the endpoint
        # knows nothing; it comes first.
        connecting = self._network.connect(
            target.host, target.port, localHost, factory, creator, timeout + 1
        )
        watch = self._clock.callLater(timeout, self._openTimedOut, flow)
        flow.watch = watch
        self._connecting[flow] = connecting
        connecting.addCallbacks(
            lambda _: self._connecting.pop(flow, None),
            lambda f: self._connectFailed(flow, f),
        )
        return flow

    def factory(self, transportName: str, local: Callable[[], Any]) -> Factory:
        """
        A factory for a listening port.

        @param local: gives C{(local, sentBy)} of the listener.
        """
        return _Accepting(self, transportName, local)

    def accept(
        self, transportName: str, local: Callable[[], Any], address: Any
    ) -> SIPStreamProtocol | None:
        """
        A peer has connected.

        @return: L{None} when it may not.
        """
        host = plainHost(address.host)
        if (
            self._stopping
            or len(self.byToken) >= self.limits.connections
            or self._perAddress[host] >= self.limits.connectionsPerAddress
        ):
            self._user.counts["connectionsRefused"] += 1
            return None
        listener, sentBy = local()
        flow = self._make(transportName, (host, address.port), listener)
        flow.sentBy = sentBy
        self._perAddress[host] += 1
        self._accepted[transportName, flow.remote] = flow
        return SIPStreamProtocol(
            self, transportName == "TLS", self.limits.messageSize, flow
        )

    def _make(
        self, transportName: str, remote: tuple[str, int], local: tuple[str, int]
    ) -> StreamFlow:
        # Random, so that a token of an earlier life of this process names
        # nothing, and no peer can guess another's.
        token = b"s" + urlsafe_b64encode(self._entropy(12))
        flow = StreamFlow(
            self, transportName, remote, local, b"", token, self.limits.queueBytes
        )
        self.byToken[token] = flow
        if self._sweeping is None:
            self._sweeping = self._clock.callLater(self.sweepInterval, self._sweep)
        return flow

    # Told by a protocol (StreamUser).

    def connected(self, protocol: SIPStreamProtocol) -> None:
        flow = protocol.flow
        assert flow is not None
        if flow.watch is not None:
            flow.watch.cancel()
            flow.watch = None
        if flow.leaving:
            protocol.abort()
            return
        if protocol.secure:
            flow.peerNames = peerNames(protocol.transport)
        self.log.debug("{flow} is open", flow=hostPort(*flow.remote))
        flow.opened(protocol)

    def frameReceived(self, protocol: SIPStreamProtocol, frame: Frame) -> None:
        flow = protocol.flow
        assert flow is not None
        flow.heard = flow.messageHeard = self._clock.seconds()
        flow.pinged = 0.0
        flow.valid = True
        self._user.frameReceived(flow, frame)

    def malformed(self, protocol: SIPStreamProtocol, e: MalformedMessage) -> None:
        assert protocol.flow is not None
        self._user.malformed(protocol.flow, e)

    def keptAlive(self, protocol: SIPStreamProtocol, ping: bool) -> None:
        flow = protocol.flow
        assert flow is not None
        self._user.counts["keepAlives"] += 1
        flow.heard = self._clock.seconds()
        if flow.pinged:
            # Two pongs, one after the other, look like a ping.
            flow.pongs = True
            flow.pinged = 0.0
        elif ping:
            flow.pong()

    def disconnected(self, protocol: SIPStreamProtocol, reason: Failure) -> None:
        flow = protocol.flow
        if flow is not None and not flow.closed:
            if protocol.secure and not flow.open:
                self._user.counts["tlsFailed"] += 1
            self._ended(flow, flow.failure or why(reason))

    # Told by a flow (StreamOwner).

    def sentOnClosed(self, flow: IFlow) -> None:
        self._user.sentOnClosed(flow)

    def tooSlow(self, flow: StreamFlow) -> None:
        self._user.counts["slowPeers"] += 1
        self.log.warn("{flow} reads too slowly", flow=hostPort(*flow.remote))
        self._fail(flow, "the peer reads too slowly")

    # Ends.

    def _fail(self, flow: StreamFlow, why: str) -> None:
        """
        End a flow in whatever state it is; its user hears of it later.
        """
        flow.abort(why)
        connecting = self._connecting.pop(flow, None)
        if connecting is not None:
            connecting.cancel()
        elif not flow.attached:
            self._clock.callLater(0, self._ended, flow, why)

    def _openTimedOut(self, flow: StreamFlow) -> None:
        flow.watch = None
        self._fail(flow, "timed out while connecting")

    def _connectFailed(self, flow: StreamFlow, reason: Failure) -> None:
        self._connecting.pop(flow, None)
        # Later: flowTo may not have returned yet.
        self._clock.callLater(0, self._ended, flow, flow.failure or why(reason))

    def _ended(self, flow: StreamFlow, why: str) -> None:
        if flow.closed:
            return
        wasOpen = flow.open
        flow.ended()
        if flow.watch is not None:
            flow.watch.cancel()
            flow.watch = None
        self.byToken.pop(flow.token, None)
        if flow.target is not None:
            if self._toTarget.get(flow.target) is flow:
                del self._toTarget[flow.target]
        else:
            key = (flow.transportName, flow.remote)
            if self._accepted.get(key) is flow:
                del self._accepted[key]
            host = flow.remote[0]
            self._perAddress[host] -= 1
            if self._perAddress[host] <= 0:
                del self._perAddress[host]
        if not self.byToken and self._sweeping is not None:
            self._sweeping.cancel()
            self._sweeping = None
        self._user.flowLost(flow, why, wasOpen)
        if not self.byToken:
            waiting, self._stopped = self._stopped, []
            for each in waiting:
                each.callback(None)

    def _sweep(self) -> None:
        """
        Look after connections that are silent.
        """
        self._sweeping = self._clock.callLater(self.sweepInterval, self._sweep)
        now = self._clock.seconds()
        limits = self.limits
        for flow in list(self.byToken.values()):
            if flow.leaving:
                # Asked to close before the last look, and still there.
                if flow.attached and flow.lingering:
                    flow.abort("closed")
                flow.lingering = True
            elif flow.target is None:
                if not flow.valid and now - flow.started > limits.idleTimeout:
                    self._user.counts["idleConnections"] += 1
                    self._fail(flow, "no message came")
            elif flow.open:
                self._keepAlive(flow, now)

    def _keepAlive(self, flow: StreamFlow, now: float) -> None:
        limits = self.limits
        if flow.pinged and flow.pongs and now - flow.pinged > limits.pongTimeout:
            self._user.counts["unansweredPings"] += 1
            self._fail(flow, "keep-alive not answered")
        elif now - max(flow.used, flow.messageHeard) > limits.clientIdle:
            flow.leave()
        elif now - max(flow.spoken, flow.heard) > limits.keepAlive:
            flow.ping(now)

    def begin(self) -> None:
        """
        Allow connections again after L{stop}.
        """
        self._stopping = False

    def stop(self) -> Deferred[None]:
        """
        Allow no new connections until L{begin}, and end those there are; what
        was sent before still goes out.

        @return: fires when none is left, within two seconds.
        """
        done: Deferred[None] = Deferred()
        self._stopping = True
        if not self.byToken:
            done.callback(None)
            return done
        self._stopped.append(done)
        for flow in list(self.byToken.values()):
            if flow.open:
                flow.leave()
            else:
                self._fail(flow, "stopped")
        late = self._clock.callLater(1.0, self._abortAll)

        def cleanUp(result: None) -> None:
            if late.active():
                late.cancel()

        return done.addCallback(cleanUp)

    def _abortAll(self) -> None:
        for flow in list(self.byToken.values()):
            self._fail(flow, "stopped")

    def status(self) -> dict[str, int]:
        """
        How many connections there are.
        """
        flows = self.byToken.values()
        return {
            "accepted": sum(flow.target is None for flow in flows),
            "opened": sum(flow.target is not None for flow in flows),
            "opening": sum(not flow.open for flow in flows),
        }


class _Factory(Factory):
    """
    Makes the protocol of one connection that we open.
    """

    noisy = False

    def __init__(self, make: Callable[[], SIPStreamProtocol]) -> None:
        self._make = make

    def buildProtocol(self, addr: IAddress | None) -> SIPStreamProtocol:
        return self._make()


class _Accepting(Factory):
    """
    Makes the protocols of a listening port.
    """

    noisy = False

    def __init__(
        self,
        connections: Connections,
        transportName: str,
        local: Callable[[], Any],
    ) -> None:
        self._connections = connections
        self._transportName = transportName
        self._local = local

    def buildProtocol(self, addr: IAddress | None) -> SIPStreamProtocol | None:
        return self._connections.accept(self._transportName, self._local, addr)
