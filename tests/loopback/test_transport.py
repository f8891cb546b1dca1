"""
The transport layer on real sockets: UDP and TCP.
"""

from __future__ import annotations

import itertools
import os
import socket
from typing import Any

from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.error import CannotListenError
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import deferLater
from twisted.trial.unittest import SkipTest, TestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from sipcluster.net.flows import TransportLimits
from sipcluster.net.sip_udp import UDPPort
from sipcluster.net.transport import SIPTransport
from sipcluster.sip.errors import NoTransport
from sipcluster.sip.isip import IFlow, IMessageReceiver, ITransportLayer, Target
from sipcluster.sip.message import Request, Response, makeResponse

reactor: Any = _reactor

_numbers = itertools.count(1)


def options(flow: IFlow, body: bytes = b"") -> bytes:
    """
    An OPTIONS request that fits C{flow}, each with a Call-ID of its own.
    """
    return b"\r\n".join(
        [
            b"OPTIONS sip:127.0.0.1 SIP/2.0",
            b"Via: SIP/2.0/%b %b;rport;branch=z9hG4bK%d"
            % (flow.transportName.encode(), flow.sentBy, next(_numbers)),
            b"Max-Forwards: 70",
            b"From: <sip:alice@example.com>;tag=1",
            b"To: <sip:bob@example.com>",
            b"Call-ID: %d" % next(_numbers),
            b"CSeq: 1 OPTIONS",
            b"Content-Length: %d" % len(body),
            b"",
            body,
        ]
    )


@implementer(IMessageReceiver)
class Receiver:
    """
    Keeps what it is told, and answers requests where it is asked to.

    @ivar messages: C{(message, flow)} in order.
    @ivar failures: C{(flow, why)} in order.
    """

    def __init__(self, answers: bool = False) -> None:
        self.messages: list[tuple[Request | Response, IFlow]] = []
        self.failures: list[tuple[IFlow, str]] = []
        self.answers = answers
        self.transport: SIPTransport | None = None
        self._waiting: list[tuple[Any, int, Deferred[None]]] = []

    def messageReceived(self, message: Request | Response, flow: IFlow) -> None:
        self.messages.append((message, flow))
        if self.answers and isinstance(message, Request):
            assert self.transport is not None
            answer = makeResponse(message, 200, toTag=b"t")
            self.transport.responseFlow(message.via, flow).send(answer.render())
        self._look()

    def flowFailed(self, flow: IFlow, why: str) -> None:
        self.failures.append((flow, why))
        self._look()

    def _look(self) -> None:
        for entry in list(self._waiting):
            kept, count, fired = entry
            if len(kept) >= count:
                self._waiting.remove(entry)
                fired.callback(None)

    def whenMessages(self, count: int) -> Deferred[None]:
        """
        Fires when there are that many messages.
        """
        return self._when(self.messages, count)

    def whenFailures(self, count: int) -> Deferred[None]:
        """
        Fires when there are that many failures.
        """
        return self._when(self.failures, count)

    def _when(self, kept: Any, count: int) -> Deferred[None]:
        fired: Deferred[None] = Deferred()
        self._waiting.append((kept, count, fired))
        self._look()
        return fired


class TransportTestCase(TestCase):
    """
    Makes transport layers that are stopped at the end.
    """

    timeout = 20

    def transport(
        self, answers: bool = False, limits: TransportLimits | None = None
    ) -> tuple[SIPTransport, Receiver]:
        """
        A transport layer without listeners, and its receiver.
        """
        receiver = Receiver(answers)
        made = SIPTransport(reactor, receiver, os.urandom, limits=limits)
        receiver.transport = made
        self.addCleanup(made.stop)
        return made, receiver


def unusedPort(kind: int) -> int:
    """
    A port that was free a moment ago.
    """
    with socket.socket(socket.AF_INET, kind) as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


class UDPTests(TransportTestCase):
    """
    Datagrams.
    """

    @inlineCallbacks
    def test_requestAndResponse(self) -> Any:
        """
        A request arrives with its source in the Via, and its answer finds the
        way back to the flow it was sent on.
        """
        server, _ = self.transport(answers=True)
        client, got = self.transport()
        verifyObject(ITransportLayer, client)
        port = yield server.listenUDP("127.0.0.1", 0)
        mine = yield client.listenUDP("127.0.0.1", 0)
        flow = client.flowTo(Target("UDP", "127.0.0.1", port.port))
        verifyObject(IFlow, flow)
        flow.send(options(flow))
        yield got.whenMessages(1)
        response, on = got.messages[0]
        assert isinstance(response, Response)
        self.assertEqual(response.status, 200)
        self.assertIs(on, flow)
        self.assertEqual(response.via.received, b"127.0.0.1")
        self.assertEqual(response.via.rport, mine.port)
        self.assertEqual(flow.local, ("127.0.0.1", mine.port))
        self.assertIs(client.flowByToken(flow.token), flow)

    @inlineCallbacks
    def test_IPv6(self) -> Any:
        """
        The same over IPv6, with brackets in sent-by and none in C{received}.
        """
        server, _ = self.transport(answers=True)
        client, got = self.transport()
        try:
            port = yield server.listenUDP("::1", 0)
        except CannotListenError as e:
            raise SkipTest("no IPv6 here") from e
        mine = yield client.listenUDP("::1", 0)
        flow = client.flowTo(Target("UDP", "::1", port.port))
        self.assertEqual(flow.sentBy, b"[::1]:%d" % mine.port)
        flow.send(options(flow))
        yield got.whenMessages(1)
        self.assertIs(got.messages[0][1], flow)
        self.assertEqual(got.messages[0][0].via.received, b"::1")
        self.assertIs(client.flowByToken(flow.token), flow)

    @inlineCallbacks
    def test_portUnreachable(self) -> Any:
        """
        A datagram to a port that nobody has fails its flow at once, by the
        ICMP error; and the port lives on: it hears the next error, and what
        comes is still read.
        """
        server, _ = self.transport(answers=True)
        client, got = self.transport()
        good = yield server.listenUDP("127.0.0.1", 0)
        yield client.listenUDP("127.0.0.1", 0)
        for count in (1, 2, 3):
            port = unusedPort(socket.SOCK_DGRAM)
            bad = client.flowTo(Target("UDP", "127.0.0.1", port))
            bad.send(options(bad))
            yield got.whenFailures(count)
            self.assertEqual(got.failures[-1], (bad, "Connection refused"))
        self.assertEqual(got.messages, [])
        flow = client.flowTo(Target("UDP", "127.0.0.1", good.port))
        flow.send(options(flow))
        yield got.whenMessages(1)
        self.assertIs(got.messages[0][1], flow)

    @inlineCallbacks
    def test_unreachableIPv6(self) -> Any:
        """
        ICMPv6 errors name their destination as well.
        """
        client, got = self.transport()
        try:
            yield client.listenUDP("::1", 0)
        except CannotListenError as e:
            raise SkipTest("no IPv6 here") from e
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as s:
            s.bind(("::1", 0))
            port = s.getsockname()[1]
        bad = client.flowTo(Target("UDP", "::1", port))
        bad.send(options(bad))
        yield got.whenFailures(1)
        self.assertEqual(got.failures, [(bad, "Connection refused")])

    @inlineCallbacks
    def test_errorLosesNoDatagram(self) -> Any:
        """
        A pending ICMP error is reported by the kernel to whatever is sent
        next, which is then sent again: every datagram to a living peer comes.
        """
        server, served = self.transport()
        client, got = self.transport()
        good = yield server.listenUDP("127.0.0.1", 0)
        yield client.listenUDP("127.0.0.1", 0)
        dead = unusedPort(socket.SOCK_DGRAM)
        bad = client.flowTo(Target("UDP", "127.0.0.1", dead))
        flow = client.flowTo(Target("UDP", "127.0.0.1", good.port))
        for _ in range(50):
            # On loopback the error is there when sendto returns.
            bad.send(options(bad))
            flow.send(options(flow))
        yield served.whenMessages(50)
        yield got.whenFailures(50)
        self.assertEqual({each for each, _ in got.failures}, {bad})

    @inlineCallbacks
    def test_usedPort(self) -> Any:
        """
        A port that another has is refused, and not shared.
        """
        first, _ = self.transport()
        second, _ = self.transport()
        port = yield first.listenUDP("127.0.0.1", 0)
        e = yield self.assertFailure(
            second.listenUDP("127.0.0.1", port.port), CannotListenError
        )
        self.assertIn("in use", str(e))
        self.assertEqual(second.addresses, [])

    @inlineCallbacks
    def test_burst(self) -> Any:
        """
        More datagrams than one turn reads all come, in order.
        """
        server, served = self.transport()
        client, _ = self.transport()
        port = yield server.listenUDP("127.0.0.1", 0)
        yield client.listenUDP("127.0.0.1", 0)
        flow = client.flowTo(Target("UDP", "127.0.0.1", port.port))
        sent = [options(flow) for _ in range(UDPPort.burst * 3)]
        for each in sent:
            flow.send(each)
        yield served.whenMessages(len(sent))
        self.assertEqual(
            [b"Call-ID: %b\r\n" % message.callID for message, _ in served.messages],
            [each[each.index(b"Call-ID") : each.index(b"CSeq")] for each in sent],
        )

    @inlineCallbacks
    def test_garbage(self) -> Any:
        """
        What is no message is counted, and the next message is read.
        """
        server, served = self.transport(answers=True)
        client, got = self.transport()
        port = yield server.listenUDP("127.0.0.1", 0)
        yield client.listenUDP("127.0.0.1", 0)
        flow = client.flowTo(Target("UDP", "127.0.0.1", port.port))
        for junk in (b"", b"\0", b"\xff" * 2000, b"SIP/2.0 nothing\r\n\r\n", b"A B C"):
            flow.send(junk)
        flow.send(b"\r\n\r\n")
        flow.send(options(flow))
        yield got.whenMessages(1)
        self.assertEqual(len(served.messages), 1)
        self.assertEqual(server.counts["malformed"], 3)
        self.assertEqual(server.counts["keepAlives"], 1)

    @inlineCallbacks
    def test_receiverThatRaises(self) -> Any:
        """
        A bug above is logged and counted, and ends nothing.
        """
        server, served = self.transport()
        client, _ = self.transport()
        port = yield server.listenUDP("127.0.0.1", 0)
        yield client.listenUDP("127.0.0.1", 0)

        receive = served.messageReceived

        def broken(message: Request | Response, flow: IFlow) -> None:
            receive(message, flow)
            raise ZeroDivisionError("a bug")

        self.patch(served, "messageReceived", broken)
        flow = client.flowTo(Target("UDP", "127.0.0.1", port.port))
        flow.send(options(flow))
        flow.send(options(flow))
        flow.send(options(flow))
        yield served.whenMessages(3)
        # The third may still be on its way out.
        self.assertIn(server.counts["bugs"], (2, 3))
        yield deferLater(reactor, 0)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 3)

    @inlineCallbacks
    def test_wildcard(self) -> Any:
        """
        A port on all addresses names, in Via, the address that packets to this
        destination leave from; an advertised host goes before that.
        """
        client, _ = self.transport()
        port = yield client.listenUDP("0.0.0.0", 0)
        flow = client.flowTo(Target("UDP", "127.0.0.1", 5060))
        self.assertEqual(flow.sentBy, b"127.0.0.1:%d" % port.port)
        named, _ = self.transport()
        named.advertised = "sip.example.com"
        port = yield named.listenUDP("0.0.0.0", 0)
        flow = named.flowTo(Target("UDP", "127.0.0.1", 5060))
        self.assertEqual(flow.sentBy, b"sip.example.com:%d" % port.port)

    @inlineCallbacks
    def test_bothFamilies(self) -> Any:
        """
        A port on C{::} serves IPv4 as well, over UDP as over TCP, and each
        request names an address of its own family in Via.
        """
        server, served = self.transport(answers=True)
        client, got = self.transport()
        try:
            port = yield server.listenUDP("::", 0)
        except CannotListenError as e:
            raise SkipTest("no IPv6 here") from e
        yield server.listenTCP("::", port.port)
        mine = yield client.listenUDP("::", 0)
        hosts = ["127.0.0.1", "::1", "127.0.0.1", "::1"]
        for name, host in zip(["UDP", "UDP", "TCP", "TCP"], hosts, strict=True):
            flow = client.flowTo(Target(name, host, port.port))
            flow.send(options(flow))
        yield got.whenMessages(4)
        self.assertEqual([f.remote[0] for _, f in served.messages], hosts)
        self.assertEqual(
            [m.via.sentBy for m, _ in served.messages[:2]],
            [b"127.0.0.1:%d" % mine.port, b"[::1]:%d" % mine.port],
        )
        self.assertEqual([m.via.bareHost for m, _ in served.messages], hosts)
        yield client.stop()
        self.assertRaises(NoTransport, client.flowTo, Target("UDP", "::1", 5060))
        self.assertRaises(NoTransport, client.flowTo, Target("UDP", "127.0.0.1", 1))

    @inlineCallbacks
    def test_afterStop(self) -> Any:
        """
        What is sent after the port was closed fails the flow.
        """
        client, got = self.transport()
        yield client.listenUDP("127.0.0.1", 0)
        flow = client.flowTo(Target("UDP", "127.0.0.1", 5060))
        yield client.stop()
        self.assertTrue(flow.closed)
        flow.send(b"late")
        self.assertEqual(got.failures, [])
        yield got.whenFailures(1)
        self.assertIs(got.failures[0][0], flow)


class TCPTests(TransportTestCase):
    """
    Connections.
    """

    @inlineCallbacks
    def pair(self, limits: TransportLimits | None = None) -> Any:
        """
        A server that answers, a client, both listening, and the target.
        """
        server, served = self.transport(answers=True, limits=limits)
        client, got = self.transport()
        port = yield server.listenTCP("127.0.0.1", 0)
        yield client.listenTCP("127.0.0.1", 0)
        return server, served, client, got, Target("TCP", "127.0.0.1", port.port)

    @inlineCallbacks
    def test_requestAndResponse(self) -> Any:
        """
        What is sent while the connection opens arrives in order; the answer
        comes back on it; the next message to the same target uses it again.
        """
        server, served, client, got, target = yield self.pair()
        flow = client.flowTo(target)
        verifyObject(IFlow, flow)
        first, second = options(flow), options(flow, b"x" * 5000)
        flow.send(first)
        flow.send(second)
        yield got.whenMessages(2)
        self.assertEqual([len(m.body) for m, _ in served.messages], [0, 5000])
        self.assertEqual({on for _, on in got.messages}, {flow})
        self.assertIs(client.flowTo(target), flow)
        self.assertEqual(client.status()["connections"]["opened"], 1)
        self.assertEqual(server.status()["connections"]["accepted"], 1)

    @inlineCallbacks
    def test_acceptedFlow(self) -> Any:
        """
        A connection that a peer opened is found by its token and by its source
        address, and requests go back on it.
        """
        server, served, client, got, target = yield self.pair()
        flow = client.flowTo(target)
        flow.send(options(flow))
        yield got.whenMessages(1)
        accepted = served.messages[0][1]
        self.assertIs(server.flowByToken(accepted.token), accepted)
        self.assertIs(server.flowTo(Target("TCP", *accepted.remote)), accepted)
        accepted.send(options(accepted))
        yield got.whenMessages(2)
        self.assertIsInstance(got.messages[1][0], Request)
        self.assertIs(got.messages[1][1], flow)
        self.assertIs(server.flowByToken(b"sunknown"), None)
        self.assertIs(server.flowByToken(b"u7-x-y"), None)
        self.assertIs(server.flowByToken(b""), None)

    @inlineCallbacks
    def test_refused(self) -> Any:
        """
        A refused connection fails its flow, once and later, and the next
        message tries anew.
        """
        client, got = self.transport()
        yield client.listenTCP("127.0.0.1", 0)
        target = Target("TCP", "127.0.0.1", unusedPort(socket.SOCK_STREAM))
        flow = client.flowTo(target)
        flow.send(b"x")
        self.assertEqual(got.failures, [])
        yield got.whenFailures(1)
        self.assertIs(got.failures[0][0], flow)
        self.assertIn("refused", got.failures[0][1])
        self.assertTrue(flow.closed)
        self.assertIsNot(client.flowTo(target), flow)

    @inlineCallbacks
    def test_peerCloses(self) -> Any:
        """
        When a peer closes, both sides hear that the flow has failed and the
        token names nothing any more.
        """
        server, served, client, got, target = yield self.pair()
        flow = client.flowTo(target)
        flow.send(options(flow))
        yield got.whenMessages(1)
        accepted = served.messages[0][1]
        yield server.stop()
        yield got.whenFailures(1)
        self.assertIs(got.failures[0][0], flow)
        self.assertIs(client.flowByToken(flow.token), None)
        self.assertEqual([each for each, _ in served.failures], [accepted])

    @inlineCallbacks
    def test_responseWhenTheFlowIsGone(self) -> Any:
        """
        A response whose connection is gone goes on a new one to sent-by.
        """
        server, served, client, got, target = yield self.pair()
        served.answers = False
        flow = client.flowTo(target)
        flow.send(options(flow))
        yield served.whenMessages(1)
        request, accepted = served.messages[0]
        accepted.abort("test")
        yield served.whenFailures(1)
        back = server.responseFlow(request.via, accepted)
        self.assertEqual(back.remote, client.addresses[0][1:])
        back.send(makeResponse(request, 200, toTag=b"t").render())
        yield got.whenMessages(1)
        self.assertEqual(got.messages[0][1].remote[0], "127.0.0.1")

    @inlineCallbacks
    def test_brokenStream(self) -> Any:
        """
        A stream that cannot be read on is closed, with an answer when its
        sender can be told why; other connections do not notice.
        """
        server, _, client, got, target = yield self.pair()
        flow = client.flowTo(target)
        broken = options(flow).replace(b"Content-Length: 0", b"Content-Length: -1")
        flow.send(broken)
        yield got.whenMessages(1)
        yield got.whenFailures(1)
        response = got.messages[0][0]
        assert isinstance(response, Response)
        self.assertEqual(response.status, 400)
        again = client.flowTo(target)
        again.send(b"no\0thing\r\n\r\n")
        yield got.whenFailures(2)
        last = client.flowTo(target)
        last.send(options(last))
        yield got.whenMessages(2)
        self.assertEqual(server.counts["malformed"], 2)
        self.assertEqual(server.counts["malformedAnswered"], 1)

    @inlineCallbacks
    def test_slowPeer(self) -> Any:
        """
        A peer that does not read is cut off when more than the bound waits for
        it.
        """
        stuck: list[Protocol] = []

        class Stuck(Protocol):
            def connectionMade(self) -> None:
                stuck.append(self)
                self.transport.pauseProducing()  # type: ignore[union-attr]

        port = yield _listen(Stuck)
        self.addCleanup(port.stopListening)
        client, got = self.transport(limits=TransportLimits(queueBytes=100_000))
        yield client.listenTCP("127.0.0.1", 0)
        flow = client.flowTo(Target("TCP", "127.0.0.1", port.getHost().port))
        message = options(flow, b"x" * 30_000)
        for _ in range(1000):
            flow.send(message)
            if got.failures:
                break
            yield deferLater(reactor, 0)
        yield got.whenFailures(1)
        self.assertEqual(got.failures, [(flow, "the peer reads too slowly")])
        self.assertEqual(client.counts["slowPeers"], 1)
        stuck[0].transport.loseConnection()  # type: ignore[union-attr]

    @inlineCallbacks
    def test_tooManyConnections(self) -> Any:
        """
        Connections beyond the bound of one address are closed and counted.
        """
        server, _, client, got, target = yield self.pair(
            TransportLimits(connectionsPerAddress=1)
        )
        flow = client.flowTo(target)
        flow.send(options(flow))
        yield got.whenMessages(1)
        other, gotToo = self.transport()
        yield other.listenTCP("127.0.0.1", 0)
        refused = other.flowTo(target)
        yield gotToo.whenFailures(1)
        self.assertTrue(refused.closed)
        self.assertEqual(server.counts["connectionsRefused"], 1)

    @inlineCallbacks
    def test_largeRequestOverTCP(self) -> Any:
        """
        A request above 1300 bytes for a UDP target goes by TCP; when the
        target refuses TCP, the next one goes by UDP.
        """
        server, _ = self.transport(answers=True)
        client, got = self.transport()
        port = yield server.listenTCP("127.0.0.1", 0)
        yield client.listenTCP("127.0.0.1", 0)
        yield client.listenUDP("127.0.0.1", 0)
        target = Target("UDP", "127.0.0.1", port.port)
        flow = client.flowTo(target, 1301)
        self.assertEqual(flow.transportName, "TCP")
        self.assertEqual(client.flowTo(target, 1300).transportName, "UDP")
        flow.send(options(flow, b"x" * 1500))
        yield got.whenMessages(1)
        dead = Target("UDP", "127.0.0.1", unusedPort(socket.SOCK_STREAM))
        self.assertEqual(client.flowTo(dead, 1301).transportName, "TCP")
        yield got.whenFailures(1)
        self.assertEqual(client.flowTo(dead, 1301).transportName, "UDP")

    @inlineCallbacks
    def test_usedPort(self) -> Any:
        """
        A port that another has is refused.
        """
        first, _ = self.transport()
        second, _ = self.transport()
        port = yield first.listenTCP("127.0.0.1", 0)
        yield self.assertFailure(
            second.listenTCP("127.0.0.1", port.port), CannotListenError
        )

    @inlineCallbacks
    def test_ping(self) -> Any:
        """
        A CRLF ping is answered on the stream, between messages.
        """
        server, _, client, got, target = yield self.pair()
        flow = client.flowTo(target)
        flow.send(b"\r\n\r\n")
        flow.send(options(flow))
        yield got.whenMessages(1)
        self.assertEqual(client.counts["keepAlives"], 1)
        self.assertEqual(server.counts["keepAlives"], 1)


def _listen(protocol: type[Protocol]) -> Deferred[Any]:
    endpoint = TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1")
    made: Deferred[Any] = endpoint.listen(Factory.forProtocol(protocol))
    return made
