"""
A SIP Proxy gives the calls of a DN to the node that has its calls already.
"""

from __future__ import annotations

from tests.memory.proxies import ALICE, BOB, DOMAIN, PROXY1, Peer, ProxyTestCase

CAROL_URI = f"sip:carol@{DOMAIN}"


class AffinityTests(ProxyTestCase):
    """
    Second calls of one DN.
    """

    def invites(self, phone: Peer, caller: str, *callIDs: str) -> list[Peer]:
        """
        A telephone calls; the nodes that get that.
        """
        found = []
        for callID in callIDs:
            phone.send(self.invite(CAROL_URI, phone.host, callID=callID, caller=caller))
            self.settle()
            (node,) = (
                node for node in (self.node1, self.node2) if b"INVITE" in node.names()
            )
            self.asked = node.take(b"INVITE")
            found.append(node)
        return found

    def test_callsAgain(self) -> None:
        """
        A telephone that has a call calls through the same node again, whatever its
        Call-IDs; others do not.  When the call is over it is given to any.
        """
        alice, bob = self.phone(ALICE), self.phone(BOB)
        (node,) = self.invites(alice, "alice", "first")
        name = "node1" if node is self.node1 else "node2"
        target = f"sip:leg@{name}.example.com"
        node.respond(self.asked, 200, (b"Contact", f"<{target}>".encode()))
        self.settle()
        ok = alice.take(200)
        more = [f"more{number}" for number in range(8)]
        self.assertEqual(set(self.invites(alice, "alice", *more)), {node})
        others = [f"other{number}" for number in range(8)]
        self.assertEqual(len(set(self.invites(bob, "bob", *others))), 2)
        self.assertEqual(self.proxy1.proxy.status()["knownCalls"], 1)
        route = f"Route: <sip:{PROXY1}:5060;lr>"
        alice.send(
            self.request(
                "BYE", target, ALICE, route, callID="first", toTag=ok.toTag.decode()
            )
        )
        self.settle()
        self.assertEqual(self.proxy1.proxy.status()["knownCalls"], 0)
        last = [f"last{number}" for number in range(8)]
        self.assertEqual(len(set(self.invites(alice, "alice", *last))), 2)

    def test_isCalled(self) -> None:
        """
        So does one that was called.
        """
        bob = self.phone(BOB)
        self.register(bob, "bob")
        for node, name in ((self.node2, "node2"), (self.node1, "node1")):
            node.send(
                self.fromNode("INVITE", f"sip:bob@{DOMAIN}", callID=name, node=name)
            )
            self.settle()
            bob.respond(bob.take(b"INVITE"), 200, (b"Contact", b"<sip:bob@x.invalid>"))
            self.settle()
            more = [f"{name}{number}" for number in range(6)]
            self.assertEqual(set(self.invites(bob, "bob", *more)), {node})
            node.send(self.fromNode("BYE", f"sip:bob@{BOB}", callID=name, node=name))
            self.settle()

    def test_outOfService(self) -> None:
        """
        A node that does not answer any more is not preferred.
        """
        alice = self.phone(ALICE)
        (node,) = self.invites(alice, "alice", "first")
        name = "node1" if node is self.node1 else "node2"
        contact = f"<sip:leg@{name}.example.com>".encode()
        node.respond(self.asked, 200, (b"Contact", contact))
        self.settle()
        self.network.kill(node.host)
        self.settle(60)
        more = [f"more{number}" for number in range(4)]
        other = self.node2 if node is self.node1 else self.node1
        self.assertEqual(set(self.invites(alice, "alice", *more)), {other})
