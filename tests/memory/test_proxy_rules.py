"""
What a SIP Proxy must refuse, and what it must let pass.
"""

from __future__ import annotations

from sipcluster.registrar.iregistrar import Binding
from sipcluster.sip.isip import Target
from sipcluster.sip.message import Request
from tests.memory.proxies import (
    ALICE,
    BOB,
    DOMAIN,
    NODE1,
    PROXY1,
    PROXY2,
    ProxyTestCase,
    lines,
)

BOB_URI = f"sip:bob@{DOMAIN}"


class RuleTests(ProxyTestCase):
    """
    RFC 3261 sections 16.3 and 16.4.
    """

    def status(self, data: bytes) -> int:
        """
        Send as alice; the status of the first final response.
        """
        alice = self.phone(ALICE)
        alice.send(data)
        self.settle()
        alice.transport.stop()
        statuses = [s for s in alice.names() if isinstance(s, int) and s >= 200]
        return statuses[0] if statuses else 0

    def reached(self) -> Request:
        """
        The one request that a node got.
        """
        [(message, _)] = self.node1.received + self.node2.received
        assert isinstance(message, Request)
        return message

    def test_tooManyHops(self) -> None:
        """
        Max-Forwards 0 ends here: 483.
        """
        data = self.request("MESSAGE", BOB_URI, ALICE, "Max-Forwards: 0")
        self.assertEqual(self.status(data), 483)

    def test_optionsToTheProxy(self) -> None:
        """
        OPTIONS to the proxy's own address is answered by it, though no hop is
        left; with a user it goes to a node.
        """
        data = self.request("OPTIONS", f"sip:{PROXY1}", ALICE, "Max-Forwards: 0")
        self.assertEqual(self.status(data), 200)
        self.assertEqual(self.node1.names() + self.node2.names(), [])
        self.node1.answers.clear()
        self.node2.answers.clear()
        self.status(self.request("OPTIONS", f"sip:x@{PROXY1}", ALICE))
        self.assertEqual(self.reached().uri, f"sip:x@{PROXY1}".encode())

    def test_optionsFurtherOn(self) -> None:
        """
        OPTIONS with a Route beyond this proxy is not for it, and a stranger has
        no other proxy asked.
        """
        route = f"Route: <sip:{PROXY2}:5060;lr>"
        data = self.request("OPTIONS", f"sip:{PROXY1}", ALICE, route)
        self.assertEqual(self.status(data), 403)

    def test_unknownExtension(self) -> None:
        """
        Proxy-Require of anything: 420, saying what is not known.
        """
        alice = self.phone(ALICE)
        alice.send(self.invite(BOB_URI, ALICE, "Proxy-Require: foo, bar"))
        self.settle()
        self.assertEqual(alice.take(420).headers.first(b"Unsupported"), b"foo, bar")

    def test_loop(self) -> None:
        """
        A request that comes back as it was is a loop: 482; with another
        Request-URI it is a spiral and goes on.
        """
        self.status(self.invite(BOB_URI, ALICE))
        forwarded = self.reached()
        data = forwarded.render().replace(b"branch=z9hG4bKtest", b"branch=z9hG4bKx")
        looped = b"\r\n".join(
            [
                data.split(b"\r\n")[0],
                f"Via: SIP/2.0/UDP {ALICE};branch=z9hG4bKback".encode(),
                *data.split(b"\r\n")[1:],
            ]
        )
        self.assertEqual(self.status(looped), 482)
        self.node1.received.clear()
        self.node2.received.clear()
        spiral = looped.replace(b"INVITE sip:bob@", b"INVITE sip:carol@", 1)
        self.status(spiral.replace(b"z9hG4bKback", b"z9hG4bKspiral"))
        self.assertEqual(self.reached().uri, b"sip:carol@example.com")

    def test_strictRouterBefore(self) -> None:
        """
        When a strict router has put our own Record-Route value into the
        Request-URI, the true one is taken from the end of the route.
        """
        self.status(
            self.request(
                "BYE",
                f"sip:{PROXY1}:5060;lr",
                ALICE,
                "Route: <sip:leg@node1.example.com>",
                toTag="t",
            )
        )
        bye = self.node1.take(b"BYE")
        self.assertEqual(bye.uri, b"sip:leg@node1.example.com")
        self.assertNotIn(b"Route", bye.headers)

    def test_routeByDomain(self) -> None:
        """
        A phone may have the domain for its outbound proxy.
        """
        route = f"Route: <sip:{DOMAIN};transport=udp;lr>"
        self.status(self.invite(BOB_URI, ALICE, route))
        self.assertNotIn(b"Route", self.reached().headers)

    def test_telephoneNumber(self) -> None:
        """
        A tel: URI is a node's to understand, and nobody's behind it: 416.
        """
        self.status(self.invite("tel:+123", ALICE))
        self.assertEqual(self.reached().uri, b"tel:+123")
        self.node1.send(self.fromNode("INVITE", "tel:+123"))
        self.settle()
        self.node1.take(416)

    def test_routeOfAnotherScheme(self) -> None:
        """
        A Route that is no SIP URI leads nowhere: 416.
        """
        data = self.invite(BOB_URI, ALICE, "Route: <http://example.com>")
        self.assertEqual(self.status(data), 416)

    def test_routeToAPair(self) -> None:
        """
        A Route may name a pair.
        """
        self.status(self.invite(BOB_URI, ALICE, "Route: <sip:node2.example.com;lr>"))
        self.node2.take(b"INVITE")

    def test_nodeCallsTheProxy(self) -> None:
        """
        There is nobody to talk to at the domain itself: 404.
        """
        self.node1.send(self.fromNode("INVITE", f"sip:{DOMAIN}"))
        self.settle()
        self.node1.take(404)

    def test_contactThatLeadsNowhere(self) -> None:
        """
        Bindings that cannot be reached at all are left out: 480.
        """
        for contact, path in (
            (b"mailto:bob@example.com", ()),
            (b"sip:bob@[", ()),
            (b"sip:bob@192.0.2.1", (b"<mailto:x@y>",)),
            (b"sip:bob@192.0.2.11:5060", ()),
            (b"sip:bob@192.0.2.12", ()),
            (b"sip:bob@node1.example.com", ()),
        ):
            self.store.update(
                BOB_URI.encode(),
                [
                    Binding(
                        contact,
                        BOB_URI.encode(),
                        b"c",
                        1,
                        self.wallTime() + 60,
                        path=path,
                    )
                ],
            )
        self.node1.send(self.fromNode("INVITE", BOB_URI))
        self.settle()
        self.node1.take(480)

    def test_transportNotSpoken(self) -> None:
        """
        A contact whose transport is not spoken here gives 480.
        """
        bob = self.phone(BOB)
        self.register(bob, "bob", f"<sip:bob@{BOB};transport=tls>")
        self.node1.send(self.fromNode("INVITE", BOB_URI))
        self.settle()
        self.node1.take(480)
        self.assertAllGone()

    def test_ackOfRFC2543(self) -> None:
        """
        An ACK for nobody is dropped and counted, whatever it holds.
        """
        alice = self.phone(ALICE)
        for data in (
            self.request("ACK", BOB_URI, ALICE, toTag="x"),
            self.request("ACK", BOB_URI, ALICE, "Max-Forwards: 0", toTag="x"),
            self.request("ACK", "sip:x@node9.example.com", ALICE, toTag="x"),
            self.request("ACK", f"sip:x@{PROXY1}", ALICE, "Route: <sip:x;lr>"),
            self.request("ACK", "::", ALICE),
        ):
            alice.send(data)
        self.settle()
        self.assertEqual(self.node1.names() + self.node2.names(), [])
        self.assertEqual(self.proxy1.proxy.counters["droppedAcks"], 5)

    def test_ackToANodeThatIsGone(self) -> None:
        """
        So is one for a pair that nobody serves under.
        """
        self.network.kill(NODE1)
        alice = self.phone(ALICE)
        self.settle(6)
        alice.send(self.request("ACK", "sip:x@node1.example.com", ALICE, toTag="x"))
        self.settle()
        self.assertEqual(self.proxy1.proxy.counters["droppedAcks"], 1)
        self.assertAllGone()

    def test_ackByName(self) -> None:
        """
        The ACK of a node goes where its name leads, when that is known.
        """
        gateway = self.phone(BOB)
        self.names.table[b"gw.example.net"] = [Target("UDP", BOB, 5060)]
        self.node1.send(self.fromNode("ACK", "sip:x@gw.example.net", toTag="x"))
        self.settle()
        gateway.take(b"ACK")
        self.node1.send(self.fromNode("ACK", "sip:x@unknown.example.net", toTag="x"))
        self.settle()
        self.names.waiting[0].cancel()
        self.assertEqual(self.proxy1.proxy.counters["droppedAcks"], 1)

    def test_tooLarge(self) -> None:
        """
        A request too large for a datagram goes to the node over TCP, and over
        UDP when the node takes no TCP.
        """
        body = "X-Long: " + "x" * 1400
        alice = self.phone(ALICE)
        alice.send(self.invite(BOB_URI, ALICE, body))
        self.settle()
        [(invite, flow)] = self.node1.received + self.node2.received
        self.assertTrue(flow.reliable)
        self.assertEqual(invite.vias[1].transport, b"UDP")
        self.node1.respond(invite, 486, flow=flow)
        self.settle()
        for node in (self.node1, self.node2):
            node.received.clear()
            node.transport.stop()
        self.node1, self.node2 = self.udpOnly(NODE1), self.udpOnly("192.0.2.22")
        self.settle(8)
        alice.send(self.invite(BOB_URI, ALICE, body, callID="second"))
        self.settle()
        [(invite, flow)] = self.node1.received + self.node2.received
        self.assertFalse(flow.reliable)

    def udpOnly(self, host: str):  # type: ignore[no-untyped-def]
        """
        A node without TCP.
        """
        node = self.node(host)
        for listener in list(node.transport._listeners.listeners):
            if listener.transportName == "TCP":
                listener.stopListening()
        return node

    def test_garbage(self) -> None:
        """
        What is no message is dropped.
        """
        alice = self.phone(ALICE)
        for data in (b"\0" * 50, b"hello\r\n\r\n", b"INVITE\r\n\r\n", lines("SIP/2.0")):
            alice.send(data)
        self.settle()
        self.assertEqual(alice.names(), [])
        self.assertAllGone()


class AdmissionTests(ProxyTestCase):
    """
    C{overload-ctrl-dialog-rate}.
    """

    settings = {"overloadCtrlDialogRate": 5}

    def test_excessIsRefused(self) -> None:
        """
        INVITEs beyond the rate get 503 with Retry-After; a second later as
        many again pass.  What belongs to a dialog always passes, and so does
        what a node sends.
        """
        alice = self.phone(ALICE)
        for number in range(8):
            alice.send(self.invite(BOB_URI, ALICE, callID=f"a{number}"))
        self.settle()
        self.assertEqual(alice.names().count(503), 3)
        self.assertTrue(alice.take(503).headers.first(b"Retry-After"))
        alice.send(self.invite("sip:leg@node1.example.com", ALICE, toTag="t"))
        alice.send(self.request("MESSAGE", BOB_URI, ALICE))
        self.node1.send(self.fromNode("INVITE", "sip:leg@node2.example.com"))
        self.settle()
        self.assertEqual(alice.names().count(503), 2)
        self.assertNotIn(503, self.node1.names())
        self.settle(1)
        alice.received.clear()
        for number in range(5):
            alice.send(self.invite(BOB_URI, ALICE, callID=f"b{number}"))
        self.settle()
        self.assertEqual(alice.names(), [100] * 5)
        counters = self.proxy1.status()["counters"]
        assert isinstance(counters, dict)
        self.assertEqual(counters["refusedByRate"], 3)
