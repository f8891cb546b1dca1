"""
The SIP transport layer (RFC 3261 section 18): listeners, flows, and what is done
with every message on its way in and out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from attrs import define
from twisted.internet.defer import Deferred, DeferredList, maybeDeferred
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort
from twisted.logger import Logger
from zope.interface import implementer

from sipcluster.net.addresses import (
    WILDCARDS,
    SocketAddress,
    hostPort,
    isGroup,
    socketAddress,
)
from sipcluster.net.connections import Connections
from sipcluster.net.flows import StreamFlow, TransportLimits
from sipcluster.net.listen import INetwork, ReactorNetwork
from sipcluster.net.listeners import Listener, Listeners
from sipcluster.net.sip_tls import TLSContexts
from sipcluster.net.udp_flows import UDPFlow, UDPFlows
from sipcluster.sip.errors import MalformedMessage, NoTransport
from sipcluster.sip.framing import Frame, KeepAlive, parseDatagram
from sipcluster.sip.isip import IFlow, IMessageReceiver, ITransportLayer, Target
from sipcluster.sip.message import Request, Response, makeResponse
from sipcluster.sip.transport_rules import (
    responseTarget,
    tooLargeForUDP,
    viaReceived,
)
from sipcluster.sip.via import Via

#: Called with C{(incoming, message or bytes, flow)} for every message.
Trace = Callable[[bool, Any, IFlow], None]


@define
class _Bucket:
    """
    How often something may happen.
    """

    seconds: Callable[[], float]
    rate: float
    level: float = 0.0
    last: float = 0.0

    def take(self) -> bool:
        """
        Ask for one; False when the rate is used up.
        """
        now = self.seconds()
        self.level = max(0.0, self.level - (now - self.last) * self.rate)
        self.last = now
        if self.level + 1 > self.rate:
            return False
        self.level += 1
        return True


@implementer(ITransportLayer)
class SIPTransport:
    """
    The transport layer of one process.

    @ivar receiver: takes what comes; may be set later, what comes before is
        dropped and counted.
    @ivar tls: for connections that we open; set by the first L{listenTLS}
        where it is not set before.
    @ivar pairAddress: gives the present C{(host, port)} of a host name that
        stands for a pair, or L{None} for any other name.  A Via with such a
        host gets no C{received} when it comes from there, and responses go
        where this says.
    @ivar counts: what was dropped and refused, by reason.
    """

    log = Logger()

    def __init__(
        self,
        reactor: Any,
        receiver: IMessageReceiver | None,
        entropy: Callable[[int], bytes],
        trace: Trace | None = None,
        limits: TransportLimits | None = None,
        network: INetwork | None = None,
    ) -> None:
        """
        @param reactor: where ports are opened.
        @param entropy: gives that many random bytes.
        @param network: to open ports elsewhere than in C{reactor}.
        """
        self._network: INetwork = network or ReactorNetwork(reactor)
        self._clock = self._network.clock
        self.receiver = receiver
        self.limits = limits or TransportLimits()
        self.counts: Counter[str] = Counter()
        self.tls: TLSContexts | None = None
        self.pairAddress: Callable[[bytes], tuple[str, int] | None] | None = None
        self._entropy = entropy
        self._listeners = Listeners(self._network)
        self._connections = Connections(self._network, self, entropy, self.limits)
        self._refusals: dict[tuple[str, int], float] = {}
        self._answers = _Bucket(self._clock.seconds, self.limits.malformedAnswers)
        self._failing: set[IFlow] = set()
        self._trace: Trace | None = None
        self.trace = trace
        self._hold: Callable[..., object] | None = None

    @property
    def advertised(self) -> str:
        """
        The host to write in Via where a listener is bound to all addresses; empty
        for the address that packets leave from.
        """
        return self._listeners.advertised

    @advertised.setter
    def advertised(self, host: str) -> None:
        self._listeners.advertised = host

    @property
    def trace(self) -> Trace | None:
        """
        Called with every message; nothing is formatted for it.
        """
        return self._trace

    @trace.setter
    def trace(self, trace: Trace | None) -> None:
        self._trace = self._connections.trace = trace
        for flows in self._listeners.udp:
            flows.trace = trace

    @property
    def hold(self) -> Callable[..., object] | None:
        """
        See L{ITransportLayer}.
        """
        return self._hold

    @hold.setter
    def hold(self, hold: Callable[..., object] | None) -> None:
        self._hold = self._connections.hold = hold
        for flows in self._listeners.udp:
            flows.hold = hold

    # Listening.

    @property
    def addresses(self) -> list[tuple[str, str, int]]:
        """
        C{(transportName, host, port)} of each listener.
        """
        return [
            (each.transportName, each.host, each.port)
            for each in self._listeners.listeners
        ]

    def listenUDP(self, host: str, port: int) -> Deferred[Listener]:
        """
        Take datagrams.

        @param host: an address; C{"0.0.0.0"} for all of IPv4, C{"::"} for all of
            both families.

        @return: fires with the listener; fails with C{CannotListenError}.
        """
        return maybeDeferred(self._listenUDP, host, port)

    def _listenUDP(self, host: str, port: int) -> Listener:
        opened = [self._openUDP(host, port)]
        port = opened[0].port.port
        if host == "::":
            # As with streams, this means IPv4 too.
            try:
                opened.append(self._openUDP("0.0.0.0", port))
            except CannotListenError:
                opened[0].close()
                raise

        def stop() -> None:
            for flows in opened:
                flows.close()

        return self._opened("UDP", host, port, stop)

    def _openUDP(self, host: str, port: int) -> UDPFlows:
        """
        Bind one UDP port.
        """
        made: list[UDPFlows] = []

        def received(data: bytes, address: SocketAddress) -> None:
            self._datagramReceived(data, made[0].flow(address))

        def failed(address: SocketAddress, why: str) -> None:
            self.counts["datagramsRefused"] += 1
            flow = made[0].known(address)
            if flow is not None:
                self._tellFailed(flow, why)

        opened = self._network.datagramPort(host, port, received, failed)
        flows = UDPFlows(
            len(self._listeners.udp),
            opened,
            self.limits.flows,
            self.sentOnClosed,
            lambda remote: self._listeners.sentBy(host, opened.port, remote),
        )
        if self._listeners.advertised or host not in WILDCARDS:
            flows.sentBy = self._listeners.sentBy(host, opened.port, "")
        flows.trace = self._trace
        flows.hold = self._hold
        made.append(flows)
        self._listeners.udp.append(flows)
        return flows

    def listenTCP(self, host: str, port: int) -> Deferred[Listener]:
        """
        Accept connections.

        @return: fires with the listener; fails with C{CannotListenError}.
        """
        return self._listenStream("TCP", host, port, None)

    def listenTLS(
        self, host: str, port: int, contextFactory: TLSContexts
    ) -> Deferred[Listener]:
        """
        Accept TLS connections.

        @return: fires with the listener; fails with C{CannotListenError}.
        """
        if self.tls is None:
            self.tls = contextFactory
        return self._listenStream("TLS", host, port, contextFactory.server())

    def _listenStream(
        self, transportName: str, host: str, port: int, contexts: Any
    ) -> Deferred[Listener]:
        made: list[Listener] = []

        def local() -> tuple[tuple[str, int], bytes]:
            return self._listeners.localOf(made[0], "")

        factory = self._connections.factory(transportName, local)

        def listening(opened: IListeningPort) -> Listener:
            address: Any = opened.getHost()
            made.append(
                self._opened(transportName, host, address.port, opened.stopListening)
            )
            return made[0]

        return self._network.listen(host, port, factory, contexts).addCallback(
            listening
        )

    def _opened(
        self, transportName: str, host: str, port: int, stop: Callable[[], Any]
    ) -> Listener:
        self._connections.begin()
        self.log.info(
            "SIP over {transport} on {local}",
            transport=transportName,
            local=hostPort(host, port),
        )
        return self._listeners.add(transportName, host, port, stop)

    def stop(self) -> Deferred[None]:
        """
        Stop listening and end all flows.  Listening again begins anew.

        @return: fires when everything is closed, within two seconds.
        """
        stopping: list[Deferred[Any]] = [
            listener.stopListening() for listener in list(self._listeners.listeners)
        ]
        stopping.append(self._connections.stop())
        return DeferredList(stopping, consumeErrors=True).addCallback(lambda _: None)

    # ITransportLayer.

    def flowTo(self, target: Target, size: int = 0) -> IFlow:
        if target.transportName != "UDP":
            return self._streamTo(target)
        if size and tooLargeForUDP(size) and self._prefersTCP(target):
            return self._streamTo(Target("TCP", target.host, target.port))
        return self._listeners.udpFor(target.host).flow(
            socketAddress(target.host, target.port)
        )

    def responseFlow(self, via: Via, flow: IFlow) -> IFlow:
        if flow.closed:
            target = self._responseTarget(via, flow)
            return self._streamTo(target) if flow.reliable else self.flowTo(target)
        if flow.reliable:
            return flow
        host, port = flow.remote
        if via.rport == port and via.received == host.encode("ascii"):
            # Nearly always; a sender that asks for rport wants no other way.
            return flow
        target = self._responseTarget(via, flow)
        if isinstance(flow, UDPFlow):
            return flow.sibling(socketAddress(target.host, target.port))
        return self.flowTo(target)

    def flowByToken(self, token: bytes) -> IFlow | None:
        if token[:1] == b"s":
            flow = self._connections.byToken.get(token)
            return None if flow is None or flow.leaving else flow
        if token[:1] != b"u":
            return None
        try:
            return self._listeners.udp[int(token[1 : token.index(b"-")])].byToken(token)
        except (ValueError, IndexError):
            return None

    # Rules.

    def _responseTarget(self, via: Via, flow: IFlow) -> Target:
        """
        RFC 3261 section 18.2.2 and RFC 3581 section 4.
        """
        name = flow.transportName
        if self.pairAddress is not None and not via.received:
            pair = self.pairAddress(via.host)
            if pair is not None:
                return Target(name, *pair)
        port = via.port or (5061 if name == "TLS" else 5060)
        if not flow.reliable and via.rport:
            port = via.rport
        if not flow.reliable and isGroup(via.parameters.get(b"maddr")):
            # Only a group: with any other address there a stranger could have
            # our responses sent to whom he likes.
            return responseTarget(via)
        # Without received, sent-by is where it came from.
        host = via.received.decode("ascii", "replace") or flow.remote[0]
        return Target(name, host, port)

    def _prefersTCP(self, target: Target) -> bool:
        if not self._listeners.listenersFor("TCP", target.host):
            return False
        until = self._refusals.get((target.host, target.port))
        return until is None or until <= self._clock.seconds()

    def _streamTo(self, target: Target) -> StreamFlow:
        flow = self._connections.find(target)
        if flow is not None:
            return flow
        creator = None
        if target.transportName == "TLS":
            if self.tls is None:
                raise NoTransport("no TLS here: there is no certificate or CA")
            creator = self.tls.client(target.serverName)
        elif target.transportName != "TCP":
            raise NoTransport(f"no {target.transportName} here")
        local, sentBy, localHost = self._listeners.leaves(target)
        return self._connections.open(target, local, sentBy, localHost, creator)

    # What comes in.

    def _datagramReceived(self, data: bytes, flow: UDPFlow) -> None:
        try:
            message = parseDatagram(data)
        except MalformedMessage as e:
            self.malformed(flow, e)
            return
        if isinstance(message, KeepAlive):
            # Not answered: only streams have pongs (RFC 5626 section 4.4).
            self.counts["keepAlives"] += 1
        elif message is not None:
            if self._trace is not None:
                self._trace(True, data, flow)
            self._pass(message, flow)

    def frameReceived(self, flow: StreamFlow, frame: Frame) -> None:
        """
        Told by the connections: one message came.
        """
        if self._trace is not None:
            self._trace(True, frame.message, flow)
        self._pass(frame.message, flow)

    def _pass(self, message: Request | Response, flow: IFlow) -> None:
        receiver = self.receiver
        if receiver is None:
            self.counts["noReceiver"] += 1
            return
        if isinstance(message, Request):
            try:
                if not self._isFromPair(message.via, flow):
                    message = viaReceived(message, *flow.remote)
            except MalformedMessage as e:
                self.malformed(flow, e)
                return
        try:
            receiver.messageReceived(message, flow)
        except Exception:
            self.counts["bugs"] += 1
            self.log.failure("message from {flow}", flow=hostPort(*flow.remote))

    def _isFromPair(self, via: Via, flow: IFlow) -> bool:
        """
        Whether the member sent this that its Via names.  A stranger may write
        the same there: what he says of himself must not be believed.
        """
        if self.pairAddress is None:
            return False
        pair = self.pairAddress(via.host)
        if pair is None:
            return False
        return pair == flow.remote or (flow.reliable and pair[0] == flow.remote[0])

    def malformed(self, flow: IFlow, e: MalformedMessage) -> None:
        """
        Count a message that is none; answer it where its sender can be told
        (RFC 3261 section 16.3, RFC 4475 section 3.1.2).
        """
        self.counts["malformed"] += 1
        self.log.debug(
            "malformed message from {flow}: {why}",
            flow=hostPort(*flow.remote),
            why=e,
            status=e.status,
        )
        request = e.request
        if request is None or request.method == b"ACK":
            return
        if not self._answers.take():
            self.counts["malformedUnanswered"] += 1
            return
        try:
            request = viaReceived(request, *flow.remote)
            tag = self._entropy(5).hex().encode("ascii")
            answer = makeResponse(request, e.status, toTag=tag)
            self.responseFlow(request.via, flow).send(answer.render())
            self.counts["malformedAnswered"] += 1
        except (MalformedMessage, NoTransport):
            return  # not even that much could be read

    # What fails.

    def flowLost(self, flow: StreamFlow, why: str, wasOpen: bool) -> None:
        """
        Told by the connections: one is gone.
        """
        if not wasOpen and flow.target is not None:
            self.counts["connectsFailed"] += 1
            if flow.transportName == "TCP":
                self._refused(flow.remote)
        self.log.debug(
            "connection {flow} is gone: {why}", flow=hostPort(*flow.remote), why=why
        )
        self._tellFailed(flow, why)

    def _refused(self, remote: tuple[str, int]) -> None:
        """
        Remember who takes no TCP, so that large requests go by UDP.
        """
        self._refusals.pop(remote, None)
        if len(self._refusals) >= self.limits.refusals:
            del self._refusals[next(iter(self._refusals))]
        self._refusals[remote] = self._clock.seconds() + self.limits.refusalTime

    def sentOnClosed(self, flow: IFlow) -> None:
        """
        Told by a flow: it was used after its end.  Its user hears it again.
        """
        self.counts["sentOnClosed"] += 1
        if flow not in self._failing:
            self._failing.add(flow)
            self._clock.callLater(0, self._tellAgain, flow)

    def _tellAgain(self, flow: IFlow) -> None:
        self._failing.discard(flow)
        self._tellFailed(flow, "the flow has ended")

    def _tellFailed(self, flow: IFlow, why: str) -> None:
        if self.receiver is None:
            return
        try:
            self.receiver.flowFailed(flow, why)
        except Exception:
            self.counts["bugs"] += 1
            self.log.failure("failure of {flow}", flow=hostPort(*flow.remote))

    def status(self) -> dict[str, object]:
        """
        Plain values for people and for checks.
        """
        return {
            "listeners": [f"{name} {hostPort(h, p)}" for name, h, p in self.addresses],
            "udpFlows": sum(len(flows) for flows in self._listeners.udp),
            "connections": self._connections.status(),
            "counts": dict(self.counts),
        }


__all__ = [
    "CannotListenError",
    "Listener",
    "SIPTransport",
    "TransportLimits",
]
