"""
Calls through a SIP Proxy from scripted nodes: to phones and to other domains.
"""

from __future__ import annotations

from tests.memory.proxies import (
    BOB,
    CAROL,
    DOMAIN,
    NODE1,
    NODE2,
    PROXY1,
    ProxyTestCase,
)

BOB_URI = f"sip:bob@{DOMAIN}"


class FromNodeTests(ProxyTestCase):
    """
    What a node sends goes to phones and to other domains.
    """

    def test_toAPhone(self) -> None:
        """
        A call to a DN goes to its registered contact.
        """
        bob = self.phone(BOB)
        self.register(bob, "bob")
        self.node1.send(self.fromNode("INVITE", BOB_URI))
        self.settle()
        self.node1.take(100)
        invite = bob.take(b"INVITE")
        self.assertEqual(invite.uri, f"sip:bob@{BOB}:5060".encode())
        self.assertNotIn(b"Route", invite.headers)
        self.assertEqual(
            invite.headers.all(b"Record-Route"), [f"<sip:{PROXY1}:5060;lr>".encode()]
        )
        bob.respond(invite, 200, (b"Contact", f"<sip:bob@{BOB}>".encode()))
        self.settle()
        ok = self.node1.take(200)
        self.assertEqual(ok.via.host, b"node1.example.com")
        self.assertEqual(ok.via.received, b"")
        tag = ok.toTag.decode()
        self.node1.send(self.fromNode("ACK", f"sip:bob@{BOB}", toTag=tag))
        self.settle()
        bob.take(b"ACK")
        route = f"Route: <sip:{PROXY1}:5060;lr>"
        bob.send(
            self.request(
                "BYE", "sip:leg@node1.example.com", BOB, route, caller="bob", toTag="f"
            )
        )
        self.settle()
        self.node1.respond(self.node1.take(b"BYE"), 200)
        self.settle()
        bob.take(200)
        self.assertAllGone()

    def test_notRegistered(self) -> None:
        """
        A DN without a binding is not there: 480.
        """
        self.node1.send(self.fromNode("INVITE", BOB_URI))
        self.settle()
        self.node1.take(480)

    def test_bindingOver(self) -> None:
        """
        A binding that has run out, or was taken back, is no longer used.
        """
        bob, carol = self.phone(BOB), self.phone(CAROL)
        self.register(bob, "bob")
        self.register(carol, "carol")
        self.register(carol, "carol", expires="0", cseq=2)
        self.settle(601)
        for user in ("bob", "carol"):
            self.node1.send(
                self.fromNode("INVITE", f"sip:{user}@{DOMAIN}", callID=user)
            )
            self.settle()
            self.node1.take(480)
        self.assertEqual(bob.names() + carol.names(), [])

    def test_phoneUnreachable(self) -> None:
        """
        A phone whose port is closed gives 480 at once.
        """
        bob = self.phone(BOB)
        self.register(bob, "bob")
        self.network.kill(BOB)
        self.node1.send(self.fromNode("INVITE", BOB_URI))
        self.settle()
        self.node1.take(480)
        self.assertAllGone()

    def test_silentPhone(self) -> None:
        """
        A phone that says nothing gives 408 when timer B ends.
        """
        bob = self.phone(BOB)
        self.register(bob, "bob")
        self.network.powerOff(BOB)
        self.node1.send(self.fromNode("INVITE", BOB_URI))
        self.settle(33)
        self.node1.take(408)
        self.assertAllGone()

    def test_nonInviteTimesOutInSilence(self) -> None:
        """
        Nobody is told of a non-INVITE request that times out (RFC 4320).
        """
        bob = self.phone(BOB)
        self.register(bob, "bob")
        self.network.powerOff(BOB)
        self.node1.send(self.fromNode("MESSAGE", BOB_URI))
        self.settle(40)
        self.assertNotIn(408, self.node1.names())
        self.assertAllGone()

    def test_otherDomain(self) -> None:
        """
        A call to another domain goes where RFC 3263 says; a name server that
        does not answer holds nothing else up, and the call can be cancelled.
        """
        self.node1.send(
            self.fromNode("INVITE", "sip:9@gw.example.net", branch="z9hG4bKwaits")
        )
        self.settle()
        bob = self.phone(BOB)
        self.register(bob, "bob")
        self.node1.send(self.fromNode("INVITE", BOB_URI, callID="other"))
        self.settle()
        bob.take(b"INVITE")
        self.node1.send(
            self.fromNode("CANCEL", "sip:9@gw.example.net", branch="z9hG4bKwaits")
        )
        self.settle()
        self.node1.take(200)
        self.node1.take(487)
        bob.respond(bob.received[0][0], 486) if bob.received else None
        self.assertEqual([d.called for d in self.names.waiting], [True])

    def test_otherDomainNextTarget(self) -> None:
        """
        When the first target of a domain refuses, the next one is tried, and
        the locator is told which failed and which answered.
        """
        from sipcluster.sip.isip import Target

        gateway = self.phone(CAROL)
        self.names.table[b"gw.example.net"] = [
            Target("UDP", "198.51.100.99", 5060),
            Target("UDP", CAROL, 5060),
        ]
        self.node1.send(self.fromNode("INVITE", "sip:9@gw.example.net"))
        self.settle()
        invite = gateway.take(b"INVITE")
        self.assertEqual([t.host for t in self.names.failed], ["198.51.100.99"])
        self.assertEqual(self.names.worked, [])
        gateway.respond(invite, 100)
        gateway.respond(invite, 404)
        self.settle()
        self.assertEqual([t.host for t in self.names.worked], [CAROL])
        self.node1.take(404)
        self.assertAllGone()

    def test_locationFails(self) -> None:
        """
        A name without a server gives 500: no other call is told 503 for it.
        """
        from sipcluster.sip.errors import LocationFailed

        self.node1.send(self.fromNode("INVITE", "sip:9@nowhere.example.net"))
        self.settle()
        self.names.waiting[0].errback(LocationFailed("no such name"))
        self.settle()
        self.node1.take(500)
        self.assertAllGone()

    def test_nodeToNode(self) -> None:
        """
        A request to another pair's host goes to that pair.
        """
        self.node1.send(self.fromNode("INVITE", "sip:leg@node2.example.com"))
        self.settle()
        self.node2.take(b"INVITE")
        self.assertNotIn(b"INVITE", self.node1.names())
        self.assertEqual(NODE1, self.node1.host)
        self.assertEqual(NODE2, self.node2.host)
