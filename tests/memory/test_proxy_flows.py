"""
Phones that can be reached on their connection alone, and two proxies that share a
location service.
"""

from __future__ import annotations

from sipcluster.registrar.iregistrar import ALL as _ALL
from sipcluster.sip.isip import IFlow
from sipcluster.sip.uri import SIPURI
from tests.memory.proxies import (
    ALICE,
    BOB,
    CAROL,
    DOMAIN,
    PROXY1,
    PROXY2,
    Peer,
    ProxyTestCase,
)

BOB_URI = f"sip:bob@{DOMAIN}"


class FlowTests(ProxyTestCase):
    """
    RFC 5626, and what works without it.
    """

    tls = 5061

    def registered(
        self, transport: str = "TCP", to: str = PROXY1, port: int = 40000
    ) -> tuple[Peer, IFlow]:
        """
        Bob on a connection, with a Contact that nobody can connect to.
        """
        bob = self.phone(BOB)
        flow = bob.flow(transport, to)
        self.settle()
        contact = f"<sip:bob@{BOB}:{port};transport={transport.lower()}>"
        self.register(bob, "bob", contact, flow=flow)
        return bob, flow

    def sendFromNode(self, data: bytes) -> None:
        """
        Send as the first node, and let it arrive.
        """
        self.node1.send(data)
        self.settle()

    def test_onItsConnection(self) -> None:
        """
        A call to a phone on TCP uses its connection; the route set keeps the
        dialog there, whatever the phone puts into its Contact.
        """
        for transport in ("TCP", "TLS"):
            bob, flow = self.registered(transport)
            self.sendFromNode(self.fromNode("INVITE", BOB_URI, callID=transport))
            [(invite, on)] = bob.received
            self.assertIs(on, flow)
            routes = invite.headers.all(b"Record-Route")
            self.assertEqual(len(routes), 2)
            self.assertIn(f"transport={transport.lower()}".encode(), routes[0])
            self.assertIn(b"@", routes[0])
            self.assertNotIn(b"@", routes[1])
            bob.received.clear()
            bob.respond(
                invite, 200, (b"Contact", b"<sip:bob@elsewhere.invalid>"), flow=flow
            )
            self.settle()
            ok = self.node1.take(200)
            route = [f"Route: {v.decode()}" for v in reversed(routes)]
            tag = ok.toTag.decode()
            self.sendFromNode(
                self.fromNode(
                    "ACK",
                    "sip:bob@elsewhere.invalid",
                    *route,
                    toTag=tag,
                    callID=transport,
                )
            )
            [(ack, on)] = bob.received
            self.assertEqual((ack.method, on), (b"ACK", flow))
            self.assertNotIn(b"Route", ack.headers)
            bob.received.clear()
            self.sendFromNode(
                self.fromNode(
                    "BYE",
                    "sip:bob@elsewhere.invalid",
                    *route,
                    toTag=tag,
                    callID=transport,
                )
            )
            [(bye, on)] = bob.received
            self.assertEqual((bye.method, on), (b"BYE", flow))
            bob.respond(bye, 200, flow=flow)
            self.settle()
            self.node1.take(200)
            self.network.kill(BOB)
            self.settle()
            self.node1.received.clear()
            self.store.update(f"sip:bob@{DOMAIN}".encode(), (), _ALL)

    def test_fromItsConnection(self) -> None:
        """
        A request of the dialog from the phone goes to the node, though the
        route holds the token of the phone's own connection.
        """
        bob, flow = self.registered()
        bob.send(self.invite("sip:alice@example.com", BOB, transport="TCP"), flow)
        self.settle()
        node = self.node1 if self.node1.names() else self.node2
        invite = node.take(b"INVITE")
        routes = invite.headers.all(b"Record-Route")
        self.assertEqual(len(routes), 2)
        node.respond(invite, 200, (b"Contact", b"<sip:leg@node1.example.com>"))
        self.settle()
        tag = bob.take(200).toTag.decode()
        back = [f"Route: {v.decode()}" for v in reversed(routes)]
        bob.send(
            self.request(
                "ACK",
                "sip:leg@node1.example.com",
                BOB,
                *back,
                toTag=tag,
                transport="TCP",
            ),
            flow,
        )
        self.settle()
        self.assertNotIn(b"Route", self.node1.take(b"ACK").headers)
        # The node's own requests go to the connection.
        there = [f"Route: {v.decode()}" for v in routes]
        self.sendFromNode(
            self.fromNode("BYE", f"sip:alice@{BOB}", *there, toTag="f", fromTag=tag)
        )
        bob.take(100)
        [(bye, on)] = bob.received
        self.assertIs(on, flow)
        bob.respond(bye, 200, flow=flow)
        self.settle()
        self.node1.take(200)
        # A new connection of the same phone may go on with the dialog.
        second = Peer(self.network, "198.51.100.77")
        other = second.flow("TCP")
        second.send(
            self.request(
                "BYE",
                "sip:leg@node1.example.com",
                BOB,
                *back,
                toTag=tag,
                transport="TCP",
                cseq=3,
            ),
            other,
        )
        self.settle()
        self.node1.take(b"BYE")

    def test_throughTheOtherProxy(self) -> None:
        """
        A call that reaches one proxy finds a phone whose connection is held by
        the other; the dialog goes through both.
        """
        bob, flow = self.registered("TCP", PROXY2)
        self.sendFromNode(self.fromNode("INVITE", BOB_URI))
        [(invite, on)] = bob.received
        self.assertIs(on, flow)
        self.assertEqual(len(invite.vias), 3)
        routes = [v.decode() for v in invite.headers.all(b"Record-Route")]
        self.assertEqual(
            [PROXY2 in routes[0], PROXY2 in routes[1], PROXY1 in routes[2]], [True] * 3
        )
        bob.respond(invite, 200, (b"Contact", f"<sip:bob@{BOB}>".encode()), flow=flow)
        self.settle()
        tag = self.node1.take(200).toTag.decode()
        bob.received.clear()
        there = [f"Route: {v}" for v in reversed(routes)]
        self.sendFromNode(self.fromNode("ACK", f"sip:bob@{BOB}", *there, toTag=tag))
        [(ack, on)] = bob.received
        self.assertEqual((ack.method, on), (b"ACK", flow))
        back = [f"Route: {v}" for v in routes]
        bye = self.request(
            "BYE", "sip:leg@node1.example.com", BOB, *back, toTag="f", transport="TCP"
        )
        bob.send(bye, flow)
        self.settle()
        received = self.node1.take(b"BYE")
        self.assertEqual(len(received.vias), 3)
        self.node1.respond(received, 200)
        self.settle()
        bob.take(200)
        # With the first proxy gone its place in the route is left out.
        self.network.kill(PROXY1)
        bye = self.request(
            "INFO", "sip:leg@node1.example.com", BOB, *back, toTag="f", transport="TCP"
        )
        bob.send(bye, flow)
        self.settle(8)
        self.node1.take(b"INFO")

    def test_otherProxyGone(self) -> None:
        """
        When the proxy that holds the connection is gone, the Contact is tried.
        """
        bob, _ = self.registered("TCP", PROXY2, port=5060)
        self.network.kill(PROXY2)
        self.sendFromNode(self.fromNode("INVITE", BOB_URI))
        self.settle(0.1)
        bob.take(b"INVITE")

    def test_connectionGone(self) -> None:
        """
        Without its connection, and without a port that listens, a phone cannot
        be reached: 480, here and through the other proxy.
        """
        for to in (PROXY1, PROXY2):
            self.registered("TCP", to)
            self.network.kill(BOB)
            self.settle()
            self.sendFromNode(self.fromNode("INVITE", BOB_URI, callID=to))
            self.settle(1)
            self.node1.take(480)
        self.assertAllGone()

    def test_flowFailed(self) -> None:
        """
        A request of a dialog whose connection is gone gives 430 where the
        phone uses RFC 5626; else its Contact is tried first.
        """
        bob, _ = self.registered()
        self.sendFromNode(self.fromNode("INVITE", BOB_URI))
        [(invite, _)] = bob.received
        routes = [v.decode() for v in invite.headers.all(b"Record-Route")]
        there = [f"Route: {v}" for v in reversed(routes)]
        self.network.kill(BOB)
        self.settle()
        for contact in (f"sip:bob@{BOB};ob", f"sip:bob@{BOB}:40000"):
            self.sendFromNode(
                self.fromNode("BYE", contact, *there, toTag="t", callID=contact)
            )
            self.settle(1)
            self.node1.take(430)

    def test_forgedToken(self) -> None:
        """
        A token that is not ours opens no way to anyone.
        """
        bob, _ = self.registered()
        alice = self.phone(ALICE)
        for token in ("u0-c6336402-5060.0123456789abcdef0123", "x"):
            data = self.request(
                "MESSAGE",
                f"sip:bob@{BOB}",
                ALICE,
                f"Route: <sip:{token}@{PROXY1}:5060;lr>",
            )
            alice.send(data)
            self.settle()
            alice.take(403)
        self.assertEqual(bob.names(), [])

    def test_tokenInTheWrongHands(self) -> None:
        """
        A phone that knows the token of its own connection cannot have requests
        sent there, nor, when that is gone, anywhere else, whichever proxy it
        asks: a REGISTER for somebody else would be granted by itself.
        """
        bob, _ = self.registered()
        self.sendFromNode(self.fromNode("INVITE", BOB_URI))
        [(invite, _)] = bob.received
        [token] = {
            uri.user
            for uri in (route.uri for route in invite.recordRoutes)
            if isinstance(uri, SIPURI) and uri.user
        }
        bob.received.clear()
        alice = self.phone(ALICE)
        here = f"Route: <sip:{token.decode()}@{PROXY1}:5060;lr>"
        there = f"Route: <sip:{PROXY2}:5060;lr>"
        both = there + here.replace("Route:", ",")
        for number, (method, uri, route) in enumerate(
            (method, uri, route)
            for method in ("REGISTER", "MESSAGE")
            for uri in (f"sip:{DOMAIN}", f"sip:x@{CAROL}")
            for route in (here, there, both)
        ):
            for to in (PROXY1, PROXY2):
                data = self.request(
                    method, uri, ALICE, route, to="sip:carol@example.com", cseq=number
                )
                alice.send(data, alice.flow(to=to))
        self.settle()
        self.assertIn(403, alice.names())
        self.assertEqual(bob.names(), [])
        self.assertEqual([d for d, _, to in self.network.carried if to[0] == CAROL], [])

    def test_roundAndRound(self) -> None:
        """
        A request cannot be sent round among the proxies by its Routes.
        """
        alice = self.phone(ALICE)
        hops = ", ".join([f"<sip:{PROXY2};lr>, <sip:{PROXY1};lr>"] * 20)
        data = self.request(
            "BYE", "sip:x@node1.example.com", ALICE, f"Route: {hops}", toTag="t"
        )
        alice.send(data)
        self.settle()
        alice.take(403)

    def test_noRelay(self) -> None:
        """
        A stranger cannot send through us to other places by a Route.
        """
        alice = self.phone(ALICE)
        alice.send(
            self.request(
                "INVITE", "sip:x@example.net", ALICE, "Route: <sip:example.net;lr>"
            )
        )
        self.settle()
        alice.take(403)

    def test_behindNAT(self) -> None:
        """
        A phone whose datagrams come from another address than it knows is
        called where they came from, by the proxy that it registered with.
        """
        bob = self.phone(BOB)
        data = self.request(
            "REGISTER",
            f"sip:{DOMAIN}",
            "10.0.0.5:5060;rport",
            "Contact: <sip:bob@10.0.0.5:5060>",
            caller="bob",
            to=BOB_URI,
        )
        bob.send(data, bob.flow(to=PROXY2))
        self.settle()
        bob.take(200)
        self.sendFromNode(self.fromNode("INVITE", BOB_URI))
        [(invite, on)] = bob.received
        self.assertEqual(on.remote, (PROXY2, 5060))
        routes = [v.decode() for v in invite.headers.all(b"Record-Route")]
        self.assertEqual(len(routes), 2)
        bob.received.clear()
        there = [f"Route: {v}" for v in reversed(routes)]
        self.sendFromNode(self.fromNode("BYE", "sip:bob@10.0.0.5", *there, toTag="t"))
        self.assertEqual(bob.names(), [b"BYE"])
        # The proxy it registered with is gone: where it was seen is worth a try.
        self.network.kill(PROXY2)
        bob.received.clear()
        self.sendFromNode(self.fromNode("INVITE", BOB_URI, callID="again"))
        self.settle(0.1)
        self.assertEqual(bob.names(), [b"INVITE"])

    def test_anyProxyReachesAnyPhone(self) -> None:
        """
        A phone on UDP that registered with one proxy is called by the other.
        """
        bob = self.phone(BOB)
        self.register(bob, "bob", flow=bob.flow(to=PROXY2))
        self.sendFromNode(self.fromNode("INVITE", BOB_URI))
        invite = bob.take(b"INVITE")
        self.assertEqual(len(invite.vias), 2)
        self.assertEqual(invite.via.host, PROXY1.encode())
