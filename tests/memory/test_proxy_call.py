"""
Calls through a SIP Proxy from phones to scripted nodes.
"""

from __future__ import annotations

import re

from sipcluster.sip.message import Request, Response
from tests.memory.proxies import (
    ALICE,
    DOMAIN,
    PROXY1,
    Peer,
    ProxyTestCase,
)

BOB_URI = f"sip:bob@{DOMAIN}"


class FromPhoneTests(ProxyTestCase):
    """
    What a phone sends goes to a node.
    """

    def callNode(self, alice: Peer) -> tuple[Peer, Request]:
        """
        Send an INVITE; the node that got it, and what it got.
        """
        alice.send(self.invite(BOB_URI, ALICE))
        self.settle()
        for node in (self.node1, self.node2):
            if b"INVITE" in node.names():
                return node, node.take(b"INVITE")
        raise AssertionError("no node was called")

    def test_wholeCall(self) -> None:
        """
        INVITE, 180, 200, ACK, BYE and its 200 arrive; the node sees the true
        source of the caller, and nothing is left afterwards.
        """
        alice = self.phone(ALICE)
        node, invite = self.callNode(alice)
        alice.take(100)
        self.assertEqual(invite.uri, BOB_URI.encode())
        self.assertEqual(invite.maxForwards, 69)
        self.assertEqual(len(invite.vias), 2)
        self.assertEqual(invite.vias[1].host, ALICE.encode())
        self.assertEqual(
            invite.headers.all(b"Record-Route"), [f"<sip:{PROXY1}:5060;lr>".encode()]
        )
        node.respond(invite, 100)
        contact = (b"Contact", b"<sip:leg1@node1.example.com>")
        recordRoute = (b"Record-Route", invite.headers.all(b"Record-Route")[0])
        node.respond(invite, 180, contact)
        self.settle()
        ringing = alice.take(180)
        self.assertEqual(len(ringing.vias), 1)
        self.assertEqual(ringing.headers.all(b"Record-Route"), [recordRoute[1]])
        node.respond(invite, 200, contact)
        self.settle()
        ok = alice.take(200)
        self.assertEqual(alice.names(), [])
        route = f"Route: {recordRoute[1].decode()}"
        target = f"sip:leg1@{'node1' if node is self.node1 else 'node2'}.example.com"
        tag = ok.toTag.decode()
        alice.send(self.request("ACK", target, ALICE, route, toTag=tag))
        self.settle()
        ack = node.take(b"ACK")
        self.assertEqual(ack.uri, target.encode())
        self.assertNotIn(b"Route", ack.headers)
        alice.send(self.request("BYE", target, ALICE, route, toTag=tag, cseq=2))
        self.settle()
        bye = node.take(b"BYE")
        node.respond(bye, 200)
        self.settle()
        alice.take(200)
        self.assertAllGone()

    def test_nodesByCallID(self) -> None:
        """
        Calls go to all nodes, and what belongs together by its Call-ID goes to
        one of them: a challenge and its answer.
        """
        alice = self.phone(ALICE)
        for number in range(2, 6):
            alice.send(self.invite(BOB_URI, ALICE, callID=f"call{number}"))
        self.settle()
        for node in (self.node1, self.node2):
            self.assertEqual(node.names(), [b"INVITE"] * 2)
        before = len(self.node1.names())
        alice.send(self.invite(BOB_URI, ALICE, callID="call5", cseq=2))
        self.settle()
        self.assertEqual(len(self.node1.names()), before + 1)

    def test_retransmissionGoesNoFurther(self) -> None:
        """
        A retransmitted INVITE is answered with the last response, and no node
        sees it.
        """
        alice = self.phone(ALICE)
        data = self.invite(BOB_URI, ALICE)
        alice.send(data)
        self.settle()
        alice.send(data)
        self.settle()
        self.assertEqual(alice.names(), [100, 100])
        self.assertEqual(self.node1.names() + self.node2.names(), [b"INVITE"])

    def test_failureGoesBack(self) -> None:
        """
        A node's 486 goes back, and its ACK ends at the proxy.
        """
        alice = self.phone(ALICE)
        node, invite = self.callNode(alice)
        node.respond(invite, 486)
        self.settle()
        busy = alice.take(486)
        self.assertEqual(len(node.take(b"ACK").vias), 1)
        branch = busy.branch.decode()
        tag = busy.toTag.decode()
        alice.send(self.request("ACK", BOB_URI, ALICE, branch=branch, toTag=tag))
        self.settle()
        self.assertEqual(node.names(), [])
        self.assertAllGone()

    def test_redirectionIsNotFollowed(self) -> None:
        """
        A 302 goes back with its Contact.
        """
        alice = self.phone(ALICE)
        node, invite = self.callNode(alice)
        node.respond(invite, 302, (b"Contact", b"<sip:carol@example.com>"))
        self.settle()
        self.assertEqual(
            alice.take(302).headers.first(b"Contact"), b"<sip:carol@example.com>"
        )

    def test_severalSuccesses(self) -> None:
        """
        Every 2xx of an INVITE goes back, retransmissions too.
        """
        alice = self.phone(ALICE)
        node, invite = self.callNode(alice)
        node.respond(invite, 200, tag=b"one")
        node.respond(invite, 200, tag=b"two")
        node.respond(invite, 200, tag=b"one")
        self.settle()
        tags = [m.toTag for m, _ in alice.received if isinstance(m, Response)][1:]
        self.assertEqual(tags, [b"one", b"two", b"one"])
        self.assertAllGone()

    def test_cancel(self) -> None:
        """
        A CANCEL is answered here, goes to the node as the proxy's own, and the
        node's 487 goes back.
        """
        alice = self.phone(ALICE)
        alice.send(self.invite(BOB_URI, ALICE, branch="z9hG4bKcancelled"))
        self.settle()
        node = self.node1 if self.node1.names() else self.node2
        invite = node.take(b"INVITE")
        node.respond(invite, 180)
        self.settle()
        alice.send(
            self.request(
                "CANCEL",
                BOB_URI,
                ALICE,
                'Reason: SIP;cause=200;text="Call completed elsewhere"',
                branch="z9hG4bKcancelled",
            )
        )
        self.settle()
        self.assertEqual(alice.take(200).cseq.method, b"CANCEL")
        cancel = node.take(b"CANCEL")
        self.assertEqual(cancel.branch, invite.branch)
        self.assertEqual(len(cancel.vias), 1)
        self.assertIn(b"cause=200", cancel.headers.first(b"Reason") or b"")
        node.respond(cancel, 200)
        node.respond(invite, 487)
        self.settle()
        alice.take(487)
        self.assertAllGone()

    def test_cancelBeforeAnyResponse(self) -> None:
        """
        A CANCEL waits for the node's first response (RFC 3261 section 9.1).
        """
        alice = self.phone(ALICE)
        alice.send(self.invite(BOB_URI, ALICE, branch="z9hG4bKcancelled"))
        self.settle()
        node = self.node1 if self.node1.names() else self.node2
        invite = node.take(b"INVITE")
        alice.send(self.request("CANCEL", BOB_URI, ALICE, branch="z9hG4bKcancelled"))
        self.settle()
        self.assertEqual(node.names(), [])
        node.respond(invite, 100)
        self.settle()
        node.respond(node.take(b"CANCEL"), 200)
        node.respond(invite, 487)
        self.settle()
        alice.take(487)
        self.assertAllGone()

    def test_cancelIntoSilence(self) -> None:
        """
        When the node never says anything the caller still gets its 487.
        """
        alice = self.phone(ALICE)
        alice.send(self.invite(BOB_URI, ALICE, branch="z9hG4bKcancelled"))
        self.settle()
        alice.send(self.request("CANCEL", BOB_URI, ALICE, branch="z9hG4bKcancelled"))
        self.settle(40)
        alice.take(487)
        self.assertAllGone()

    def test_oldPeer(self) -> None:
        """
        A caller of RFC 2543, without branches, is served; its ACK arrives.
        """
        alice = self.phone(ALICE)

        def old(data: bytes) -> bytes:
            return re.sub(rb";branch=[^\r]*", b"", data)

        alice.send(old(self.invite(BOB_URI, ALICE)))
        self.settle()
        node = self.node1 if self.node1.names() else self.node2
        invite = node.take(b"INVITE")
        node.respond(invite, 200, (b"Contact", b"<sip:leg@node1.example.com>"))
        self.settle()
        tag = alice.take(200).toTag.decode()
        route = f"Route: <sip:{PROXY1}:5060;lr>"
        target = f"sip:leg@node{1 if node is self.node1 else 2}.example.com"
        data = self.request("ACK", target, ALICE, route, toTag=tag)
        alice.send(old(data))
        self.settle()
        node.take(b"ACK")
        self.assertAllGone()

    def test_timerC(self) -> None:
        """
        An INVITE that rings longer than timer C is cancelled; each 1xx gives
        it the whole time again, a 100 does not.
        """
        alice = self.phone(ALICE)
        node, invite = self.callNode(alice)
        node.respond(invite, 180)
        self.settle(170)
        node.respond(invite, 183)
        self.settle(170)
        node.respond(invite, 100)
        self.settle(9)
        self.assertEqual(node.names(), [])
        self.settle(2)
        node.respond(node.take(b"CANCEL"), 200)
        node.respond(invite, 487)
        self.settle()
        alice.take(487)
        self.assertAllGone()

    def test_nobodyAnswersTheCancel(self) -> None:
        """
        When a cancelled node says nothing more, the caller gets 408.
        """
        alice = self.phone(ALICE)
        node, invite = self.callNode(alice)
        node.respond(invite, 180)
        self.settle(181)
        node.take(b"CANCEL")
        self.settle(40)
        alice.take(408)
        self.assertAllGone()
