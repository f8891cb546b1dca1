"""
Tests for L{sipcluster.net.transport}, on a network in memory.
"""

from __future__ import annotations

from typing import Any

from zope.interface.verify import verifyObject

from sipcluster.net.flows import TransportLimits
from sipcluster.sip.errors import NoTransport
from sipcluster.sip.isip import IFlow, ITransportLayer, Target
from sipcluster.sip.message import Request, Response
from sipcluster.testing.network import MemoryTransport
from tests.unit.net.receiver import MemoryTestCase, options

BOB = Target("UDP", "192.0.2.2", 5060)


class FlowTests(MemoryTestCase):
    """
    Which flow leads where.
    """

    def test_seams(self) -> None:
        """
        The layer and its flows provide what the core asks for.
        """
        verifyObject(ITransportLayer, self.alice)
        for name, port in (("UDP", 5060), ("TCP", 5060), ("TLS", 5061)):
            flow = self.alice.flowTo(Target(name, "192.0.2.2", port))
            verifyObject(IFlow, flow)
            self.assertEqual(flow.transportName, name)
            self.assertEqual(flow.reliable, name != "UDP")
            self.assertEqual(flow.remote, ("192.0.2.2", port))
            self.assertEqual(flow.local, ("192.0.2.1", port))
            self.assertEqual(flow.sentBy, b"192.0.2.1:%d" % port)
            self.assertFalse(flow.closed)
            self.assertIs(self.alice.flowByToken(flow.token), flow)
            self.assertRegex(flow.token.decode(), r"\A[A-Za-z0-9_=-]+\Z")
            self.assertIn(name, repr(flow))
        self.wait()
        self.stopAll()

    def test_nothingReachesThere(self) -> None:
        """
        Without a port of that family or that transport there is no flow.
        """
        for target in (
            Target("UDP", "2001:db8::1", 5060),
            Target("SCTP", "192.0.2.2", 5060),
        ):
            self.assertRaises(NoTransport, self.alice.flowTo, target)
        deaf = MemoryTransport(self.network)
        self.assertRaises(NoTransport, deaf.flowTo, BOB)

    def test_IPv6(self) -> None:
        """
        IPv6 addresses stand in brackets in Via and are told apart from IPv4.
        """
        six, _ = self.host("2001:db8::1")
        other, others = self.host("2001:db8::2")
        flow = six.flowTo(Target("UDP", "2001:db8::2", 5060))
        self.assertEqual(flow.sentBy, b"[2001:db8::1]:5060")
        self.assertIs(six.flowByToken(flow.token), flow)
        self.assertIs(self.alice.flowByToken(flow.token), None)
        self.assertIs(six.flowTo(Target("UDP", "2001:db8:0::2", 5060)), flow)
        flow.send(options(flow))
        self.wait()
        self.assertEqual(others.request.via.received, b"2001:db8::1")
        back = other.responseFlow(others.request.via, others.flows[0])
        self.assertIs(back, others.flows[0])
        stream = six.flowTo(Target("TCP", "2001:db8::2", 5060))
        stream.send(options(stream))
        self.wait()
        self.assertEqual(others.flows[1].remote[0], "2001:db8::1")

    def test_tokens(self) -> None:
        """
        Whatever is no token names no flow.
        """
        flow = self.alice.flowTo(BOB)
        for token in (
            b"",
            b"x",
            b"u",
            b"u0",
            b"u0-",
            b"u0-zz-1",
            b"u0-c0000202-0",
            b"u0-c0000202-99999",
            b"u9-c0000202-5060",
            b"u0-c0000202-5060-1",
            b"s",
            flow.token.upper(),
            b"\xff\xfe",
        ):
            self.assertIs(self.alice.flowByToken(token), None, token)

    def test_tokenOfAnEarlierLife(self) -> None:
        """
        The token of a UDP flow works after a restart on the same port: a phone
        behind NAT stays reachable.
        """
        token = self.alice.flowTo(Target("UDP", "192.0.2.2", 40000)).token
        self.network.kill("192.0.2.1")
        again, _ = self.host("192.0.2.1")
        flow = again.flowByToken(token)
        assert flow is not None
        self.assertEqual(flow.remote, ("192.0.2.2", 40000))

    def test_largeRequests(self) -> None:
        """
        Above 1300 bytes a UDP target gets a TCP flow; not when it refuses TCP,
        until that is forgotten; and not where there is no TCP.
        """

        def names(transport: MemoryTransport = self.alice) -> list[str]:
            return [
                transport.flowTo(BOB, size).transportName for size in (0, 1300, 1301)
            ]

        self.assertEqual(names(), ["UDP", "UDP", "TCP"])
        self.wait()
        self.network.kill("192.0.2.2")
        self.wait()
        self.bob = self.network.host("192.0.2.2", self.bobs, tcp=0)
        self.assertEqual(names(), ["UDP", "UDP", "TCP"])
        self.wait()
        self.assertEqual(names(), ["UDP", "UDP", "UDP"])
        self.wait(301)
        self.assertEqual(names(), ["UDP", "UDP", "TCP"])
        plain = self.network.host("192.0.2.3", tcp=0)
        self.assertEqual(names(plain), ["UDP", "UDP", "UDP"])
        self.stopAll()

    def test_refusalsAreBounded(self) -> None:
        """
        Only so many destinations are remembered for refusing TCP.
        """
        limits = TransportLimits(refusals=2)
        carol = MemoryTransport(self.network, limits=limits)
        carol.listenUDP("192.0.2.3", 5060)
        carol.listenTCP("192.0.2.3", 5060)
        targets = [Target("UDP", "192.0.2.2", port) for port in (6001, 6002, 6003)]
        for target in targets:
            carol.flowTo(target, 2000)
            self.wait()
        self.assertEqual(
            [carol.flowTo(target, 2000).transportName for target in targets],
            ["TCP", "UDP", "UDP"],
        )
        self.wait()
        self.stopAll(carol)

    def test_portUnreachable(self) -> None:
        """
        A datagram to a port that nobody has fails its flow.
        """
        flow = self.alice.flowTo(Target("UDP", "192.0.2.2", 6000))
        flow.send(options(flow))
        self.wait()
        self.assertEqual(self.alices.failures, [(flow, "Connection refused")])
        self.assertFalse(flow.closed)

    def test_wildcard(self) -> None:
        """
        A listener on all addresses names the one that packets leave from.
        """
        carol = MemoryTransport(self.network)
        carol.listenUDP("192.0.2.3", 5060)
        carol.listenTCP("0.0.0.0", 5070)
        carol.sockets.home = "192.0.2.3"
        self.assertEqual(
            carol.flowTo(Target("TCP", "192.0.2.2", 5060)).sentBy, b"192.0.2.3:5070"
        )
        self.wait()
        carol.advertised = "sip.example.com"
        self.assertEqual(
            carol.flowTo(Target("TCP", "192.0.2.2", 5061)).sentBy,
            b"sip.example.com:5070",
        )
        self.wait()
        self.stopAll(carol, self.bob)

    def test_clientOnly(self) -> None:
        """
        Where nothing listens for streams, connections still are made; answers
        come back on them.
        """
        carol = self.network.host("192.0.2.3", tcp=0)
        flow = carol.flowTo(Target("TCP", "192.0.2.2", 5060))
        self.assertEqual(flow.sentBy, b"192.0.2.3")
        flow.send(options(flow))
        self.wait()
        self.assertEqual(self.bobs.request.via.host, b"192.0.2.3")
        self.stopAll(carol, self.bob)

    def test_loopbackGoesToLoopback(self) -> None:
        """
        Of several ports of a family the one is taken that can reach the target.
        """
        both = MemoryTransport(self.network)
        both.listenUDP("127.0.0.1", 5060)
        both.listenUDP("192.0.2.3", 5060)
        self.assertEqual(both.flowTo(BOB).local, ("192.0.2.3", 5060))
        self.assertEqual(
            both.flowTo(Target("UDP", "127.0.0.9", 5060)).local, ("127.0.0.1", 5060)
        )
        listener = self.successResultOf(both.listenUDP("0.0.0.0", 5061))
        self.assertEqual(listener.port, 5061)


class ResponseTests(MemoryTestCase):
    """
    Where responses go (RFC 3261 section 18.2.2, RFC 3581).
    """

    def ask(self, via: bytes, source: Target = BOB) -> None:
        """
        Let Alice send a request with this Via to Bob.
        """
        flow = self.alice.flowTo(source)
        flow.send(options(flow, via=via))
        self.wait()

    def test_rport(self) -> None:
        """
        With C{rport}: to the port it came from, whatever sent-by says.
        """
        self.ask(b"192.0.2.9:6000;rport;branch=z9hG4bK1")
        via = self.bobs.request.via
        self.assertEqual((via.received, via.rport), (b"192.0.2.1", 5060))
        self.assertIs(self.answer(self.bob, self.bobs), self.bobs.flows[0])
        self.assertEqual(self.alices.response.status, 200)

    def test_withoutRport(self) -> None:
        """
        Without: to the source address and the port of sent-by.
        """
        for sentBy, port in ((b"192.0.2.9:6000", 6000), (b"phone.example.com", 5060)):
            self.ask(sentBy + b";branch=z9hG4bK1")
            flow = self.answer(self.bob, self.bobs)
            self.assertEqual(flow.remote, ("192.0.2.1", port))
            self.assertEqual(flow.local, ("192.0.2.2", 5060))

    def test_sentByIsTheSource(self) -> None:
        """
        Where sent-by is the source, nothing is added, and it is used.
        """
        self.ask(b"192.0.2.1:5060;branch=z9hG4bK1")
        self.assertEqual(self.bobs.request.via.received, b"")
        self.assertIs(self.answer(self.bob, self.bobs), self.bobs.flows[0])

    def test_forged(self) -> None:
        """
        A sender cannot send the response elsewhere by a C{received} of its own.
        """
        self.ask(b"192.0.2.1:5060;branch=z9hG4bK1;received=192.0.2.77;rport=7")
        self.assertIs(self.answer(self.bob, self.bobs), self.bobs.flows[0])
        self.ask(b"192.0.2.1:5060;branch=z9hG4bK1;received=192.0.2.77")
        flow = self.answer(self.bob, self.bobs)
        self.assertEqual(flow.remote, ("192.0.2.1", 5060))

    def test_maddr(self) -> None:
        """
        C{maddr} is where the response goes, without rport, when it is a group;
        a stranger cannot have responses sent to another host.
        """
        self.ask(b"192.0.2.1:6000;branch=z9hG4bK1;maddr=224.2.0.1")
        flow = self.answer(self.bob, self.bobs)
        self.assertEqual(flow.remote, ("224.2.0.1", 6000))
        for maddr in (b"192.0.2.55", b"www.example.com", b"\xff", b"", b"[::1]"):
            self.ask(b"192.0.2.1:6000;branch=z9hG4bK1;maddr=" + maddr)
            flow = self.answer(self.bob, self.bobs)
            self.assertEqual(flow.remote, ("192.0.2.1", 6000), maddr)

    def test_pair(self) -> None:
        """
        A Via that names a pair gets no C{received}, and its response goes to
        the member that serves at that moment.
        """
        now = ["192.0.2.1"]

        def pairAddress(host: bytes) -> tuple[str, int] | None:
            return (now[0], 5060) if host == b"node1.example.com" else None

        self.bob.pairAddress = pairAddress
        self.ask(b"node1.example.com;branch=z9hG4bK1;rport")
        via = self.bobs.request.via
        self.assertEqual((via.received, via.rport), (b"", 0))
        self.assertEqual(self.answer(self.bob, self.bobs).remote, ("192.0.2.1", 5060))
        now[0] = "192.0.2.3"
        self.assertEqual(self.answer(self.bob, self.bobs).remote, ("192.0.2.3", 5060))
        self.ask(b"node2.example.com;branch=z9hG4bK1;rport")
        self.assertEqual(self.bobs.request.via.received, b"192.0.2.1")

    def test_strangerWithTheNameOfAPair(self) -> None:
        """
        Whoever writes the name of a pair into his Via without being it is known
        by his address nevertheless, and gets the response himself.
        """
        self.bob.pairAddress = lambda host: ("192.0.2.3", 5060)
        for target in (BOB, Target("TCP", "192.0.2.2", 5060)):
            self.ask(
                b"node1.example.com;branch=z9hG4bK1;received=192.0.2.9;rport", target
            )
            via = self.bobs.request.via
            self.assertEqual(via.received, b"192.0.2.1")
            flow = self.answer(self.bob, self.bobs)
            self.assertIs(flow, self.bobs.flows[-1])
        self.ask(b"node1.example.com;branch=z9hG4bK1")
        self.assertEqual(self.answer(self.bob, self.bobs).remote, ("192.0.2.1", 5060))

    def test_streamThatIsGone(self) -> None:
        """
        A response on a stream goes back on it, and on a new one to sent-by when
        it is gone.
        """
        target = Target("TCP", "192.0.2.2", 5060)
        self.ask(b"192.0.2.1:5060;branch=z9hG4bK1;rport", target)
        first = self.answer(self.bob, self.bobs)
        self.assertIs(first, self.bobs.flows[0])
        self.alice.flowTo(target).abort("test")  # type: ignore[attr-defined]
        self.wait()
        self.assertTrue(first.closed)
        second = self.answer(self.bob, self.bobs)
        self.assertEqual(second.remote, ("192.0.2.1", 5060))
        self.assertEqual(len(self.alices.messages), 2)
        self.stopAll()

    def test_closedPort(self) -> None:
        """
        A response to a datagram leaves by another port when its own is closed.
        """
        extra = self.successResultOf(self.bob.listenUDP("192.0.2.2", 5070))
        self.ask(
            b"192.0.2.1:5060;branch=z9hG4bK1;rport", Target("UDP", "192.0.2.2", 5070)
        )
        extra.stopListening()
        flow = self.answer(self.bob, self.bobs)
        self.assertEqual(flow.local, ("192.0.2.2", 5060))
        self.assertEqual(self.alices.response.status, 200)
        self.assertIs(self.bob.flowByToken(self.bobs.flows[0].token), None)


class ReceiveTests(MemoryTestCase):
    """
    What happens to what comes in.
    """

    def send(self, data: bytes, name: str = "UDP") -> None:
        """
        Let Alice send bytes to Bob.
        """
        self.alice.flowTo(Target(name, "192.0.2.2", 5060)).send(data)
        self.wait()

    def test_malformedIsAnswered(self) -> None:
        """
        A request whose head can be read, but not its length, is answered on a
        stream, which is then closed.
        """
        flow = self.alice.flowTo(Target("TCP", "192.0.2.2", 5060))
        self.send(
            options(flow).replace(b"Content-Length: 0", b"Content-Length: x"), "TCP"
        )
        self.assertEqual(self.alices.response.status, 400)
        self.assertEqual(len(self.alices.failures), 1)
        self.assertEqual(self.bob.counts["malformedAnswered"], 1)
        self.stopAll()

    def test_unreadableVia(self) -> None:
        """
        A request without a Via that can be read is counted and not answered.
        """
        flow = self.alice.flowTo(BOB)
        self.send(options(flow, via=b"@@@"))
        self.send(options(flow).replace(b"Via:", b"Vai:"))
        self.assertEqual(self.bobs.messages, [])
        self.assertEqual(self.alices.messages, [])
        self.assertEqual(self.bob.counts["malformed"], 2)

    def test_answersAreBounded(self) -> None:
        """
        Malformed requests are not answered faster than allowed.
        """
        dave = MemoryTransport(
            self.network, self.bobs, limits=TransportLimits(malformedAnswers=3)
        )
        dave.listenTCP("192.0.2.4", 5060)
        for n in range(5):
            source, _ = self.host(f"192.0.2.{10 + n}")
            flow = source.flowTo(Target("TCP", "192.0.2.4", 5060))
            flow.send(options(flow).replace(b"Length: 0", b"Length: x"))
            self.wait(0.021)
        self.wait()
        self.assertEqual(dave.counts["malformedAnswered"], 3)
        self.assertEqual(dave.counts["malformedUnanswered"], 2)
        self.wait(2)
        source, _ = self.host("192.0.2.20")
        flow = source.flowTo(Target("TCP", "192.0.2.4", 5060))
        flow.send(options(flow).replace(b"Length: 0", b"Length: x"))
        self.wait()
        self.assertEqual(dave.counts["malformedAnswered"], 4)

    def test_malformedAckIsNotAnswered(self) -> None:
        """
        Nobody answers an ACK.
        """
        flow = self.alice.flowTo(Target("TCP", "192.0.2.2", 5060))
        data = options(flow).replace(b"OPTIONS", b"ACK")
        self.send(data.replace(b"Length: 0", b"Length: x"), "TCP")
        self.assertEqual(self.alices.messages, [])
        self.assertEqual(self.bob.counts["malformed"], 1)

    def test_receiverLater(self) -> None:
        """
        What comes before there is a receiver is dropped and counted; failures
        are not told to anybody.
        """
        self.bob.receiver = None
        self.send(options(self.alice.flowTo(BOB)))
        self.assertEqual(self.bob.counts["noReceiver"], 1)
        lost = self.bob.flowTo(Target("TCP", "192.0.2.99", 5060))
        self.wait()
        self.assertTrue(lost.closed)

    def test_bugs(self) -> None:
        """
        What the receiver raises is logged and counted, and ends nothing.
        """

        def broken(*_: Any) -> None:
            raise ZeroDivisionError("a bug")

        self.patch(self.bobs, "messageReceived", broken)
        self.patch(self.bobs, "flowFailed", broken)
        for name in ("UDP", "TCP"):
            self.send(options(self.alice.flowTo(BOB)), name)
        self.bob.flowTo(Target("TCP", "192.0.2.99", 5060))
        self.wait()
        self.assertEqual(self.bob.counts["bugs"], 3)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 3)

    def test_keepAlive(self) -> None:
        """
        A double CRLF in a datagram keeps a NAT binding open and is not answered;
        on a stream it is (RFC 5626 section 4.4.1).
        """
        self.send(b"\r\n\r\n")
        self.assertEqual(self.bob.counts["keepAlives"], 1)
        self.assertEqual(len(self.network.carried), 1)
        self.send(b"\r\n\r\n", "TCP")
        self.assertEqual(self.bob.counts["keepAlives"], 2)
        self.assertEqual(self.alice.counts["keepAlives"], 1)

    def test_trace(self) -> None:
        """
        The trace sees every message in and out, and flows made before it was
        set tell it as well.
        """
        seen: list[tuple[bool, str, bool]] = []

        def trace(incoming: bool, message: Any, flow: IFlow) -> None:
            whole = isinstance(message, Request | Response | bytes)
            seen.append((incoming, flow.transportName, whole))

        udp = self.bob.flowTo(Target("UDP", "192.0.2.1", 5060))
        tcp = self.bob.flowTo(Target("TCP", "192.0.2.1", 5060))
        self.bob.trace = trace
        self.assertIs(self.bob.trace, trace)
        udp.send(options(udp))
        tcp.send(options(tcp))
        self.wait()
        self.answer(self.alice, self.alices)
        self.alices.messages.pop()
        self.alices.flows.pop()
        self.answer(self.alice, self.alices)
        self.bob.trace = None
        udp.send(options(udp))
        self.assertEqual(
            seen,
            [
                (False, "UDP", True),
                (False, "TCP", True),
                (True, "TCP", True),
                (True, "UDP", True),
            ],
        )

    def test_status(self) -> None:
        """
        The status says what listens, what is open and what was dropped.
        """
        flow = self.alice.flowTo(Target("TCP", "192.0.2.2", 5060))
        self.assertEqual(
            self.alice.status()["connections"],
            {"accepted": 0, "opened": 1, "opening": 1},
        )
        flow.send(b"junk\r\n\r\n")
        self.wait()
        status = self.bob.status()
        self.assertEqual(
            status["listeners"],
            ["UDP 192.0.2.2:5060", "TCP 192.0.2.2:5060", "TLS 192.0.2.2:5061"],
        )
        self.assertEqual(status["counts"], {"malformed": 1})
        self.assertEqual(
            status["connections"], {"accepted": 0, "opened": 0, "opening": 0}
        )
