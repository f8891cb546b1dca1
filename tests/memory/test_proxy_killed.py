"""
Calls that ring while a SIP Proxy is killed and started again.
"""

from __future__ import annotations

from twisted.internet.defer import fail

from sipcluster.cluster.embedded_store import EmbeddedStore
from sipcluster.cluster.icluster import StoreAway
from sipcluster.sip.invite_client import makeAck, makeCancel
from sipcluster.sip.message import Request, Response
from tests.memory.proxies import (
    ALICE,
    BOB,
    CAROL,
    DOMAIN,
    PROXY1,
    PROXY2,
    Peer,
)
from tests.memory.test_proxy_store import SharedStoreTestCase

BOB_URI = f"sip:bob@{DOMAIN}"


class KilledTestCase(SharedStoreTestCase):
    """
    The first proxy is killed in the middle of something, and started anew.
    """

    def setUp(self) -> None:
        super().setUp()
        self.alice = self.phone(ALICE)
        self.bob = self.phone(BOB)

    def restart(self) -> None:
        """
        Kill the first proxy, and start it again.
        """
        self.network.kill(PROXY1)
        self.settle(0.3)
        self.proxy1 = self.proxy("proxy1", PROXY1)
        self.settle(1)
        self.successResultOf(self.loading[-1])

    def calls(self, branch: str = "z9hG4bKcall") -> tuple[Request, Peer, Request]:
        """
        Alice calls, and it rings.

        @return: what she has sent, the node that has it, and what that got.
        """
        data = self.invite(BOB_URI, ALICE, branch=branch)
        self.alice.send(data)
        self.settle()
        node = self.node1 if b"INVITE" in self.node1.names() else self.node2
        invite = node.take(b"INVITE")
        node.respond(invite, 180)
        self.settle()
        self.alice.take(100)
        self.alice.take(180)
        return self.parsed(data), node, invite

    def isCalled(self, *peers: Peer) -> tuple[Request, list[Request]]:
        """
        A node calls Bob, and it rings.

        @return: what the node has sent, and what each telephone got.
        """
        for peer in peers:
            self.register(peer, "bob", f"<sip:bob@{peer.host}:5060>")
        self.settle(0.5)
        data = self.fromNode("INVITE", BOB_URI, branch="z9hG4bKnode")
        self.node1.send(data)
        self.settle()
        invites = [peer.take(b"INVITE") for peer in peers]
        for peer, invite in zip(peers, invites, strict=True):
            peer.respond(invite, 180)
        self.settle()
        self.node1.received.clear()
        return self.parsed(data), invites

    def register(self, peer, user, contact="", *more, **how):  # type: ignore[no-untyped-def]
        """
        Register a phone; the store takes a moment.
        """
        data = self.request(
            "REGISTER",
            f"sip:{DOMAIN}",
            peer.host,
            f"Contact: {contact}",
            caller=user,
            to=f"sip:{user}@{DOMAIN}",
            callID=f"reg-{peer.host}",
        )
        peer.send(data)
        self.settle(0.3)
        return peer.take(200)

    def counter(self, name: str) -> int:
        """
        How often something happened at the first proxy.
        """
        return self.proxy1.proxy.counters[name]


class CallingTests(KilledTestCase):
    """
    The proxy of the caller is gone.
    """

    def test_answered(self) -> None:
        """
        The 200 of the node reaches the caller.
        """
        _, node, invite = self.calls()
        self.restart()
        node.respond(invite, 200)
        self.settle()
        answer = self.alice.take(200)
        self.assertEqual([via.host for via in answer.vias], [ALICE.encode()])
        self.assertEqual(self.counter("statelessResponses"), 1)

    def test_ringsAgain(self) -> None:
        """
        So does another 1xx, but no 100.
        """
        _, node, invite = self.calls()
        self.restart()
        node.respond(invite, 100)
        node.respond(invite, 183)
        self.settle()
        self.assertEqual(self.alice.names(), [183])
        self.assertEqual(self.counter("strayResponses"), 1)

    def test_cancelled(self) -> None:
        """
        A CANCEL of the caller reaches the node under the branch of the INVITE, its
        200 and the 487 the caller, and the ACK of that the node.
        """
        sent, node, invite = self.calls()
        self.restart()
        self.alice.send(makeCancel(sent).render())
        self.settle()
        cancel = node.take(b"CANCEL")
        self.assertEqual(cancel.via.branch, invite.via.branch)
        self.assertEqual(cancel.via.sentBy, invite.via.sentBy)
        self.assertEqual(cancel.uri, invite.uri)
        node.respond(cancel, 200)
        node.respond(invite, 487)
        self.settle()
        self.assertEqual(self.alice.take(200).cseq.method, b"CANCEL")
        refusal = self.alice.take(487)
        self.alice.send(makeAck(sent, refusal).render())
        self.settle()
        ack = node.take(b"ACK")
        self.assertEqual(ack.via.branch, invite.via.branch)
        self.assertEqual(ack.via.sentBy, invite.via.sentBy)

    def test_refused(self) -> None:
        """
        A refusal of the node reaches the caller.
        """
        sent, node, invite = self.calls()
        self.restart()
        node.respond(invite, 486)
        self.settle()
        self.alice.send(makeAck(sent, self.alice.take(486)).render())
        self.settle()
        self.assertEqual(node.take(b"ACK").via.branch, invite.via.branch)

    def test_retransmitted(self) -> None:
        """
        An INVITE that comes again is the same at the node, and what that says is
        passed on as ever.
        """
        data = self.invite(BOB_URI, ALICE, branch="z9hG4bKcall")
        self.alice.send(data)
        self.settle()
        node = self.node1 if b"INVITE" in self.node1.names() else self.node2
        first = node.take(b"INVITE")
        self.restart()
        self.alice.send(data)
        self.settle()
        again = node.take(b"INVITE")
        self.assertEqual(again.via.branch, first.via.branch)
        self.assertEqual(again.via.sentBy, first.via.sentBy)
        node.respond(again, 180)
        node.respond(again, 200)
        self.settle()
        self.assertEqual(self.alice.names(), [100, 100, 180, 200])
        self.assertEqual(self.counter("statelessResponses"), 0)

    def test_throughAnother(self) -> None:
        """
        A response that a node sends through another SIP Proxy reaches the caller,
        too.
        """
        _, node, invite = self.calls()
        self.network.kill(PROXY1)
        node.respond(invite, 200, flow=node.flow(to=PROXY2))
        self.settle()
        self.alice.take(200)

    def test_cancelWithoutNode(self) -> None:
        """
        A CANCEL that no node can get now is not answered: it comes again.
        """
        sent, _, _ = self.calls()
        self.restart()
        for name in ("node1", "node2"):
            self.proxy1.nodes.memberFailed(name, "x")
        self.alice.send(makeCancel(sent).render())
        self.settle()
        self.assertEqual(self.alice.names(), [])
        self.assertEqual(self.counter("droppedCancels"), 1)

    def test_overTCP(self) -> None:
        """
        A caller whose connection is gone is reached where it listens, and gives the
        call up on a new connection.
        """
        flow = self.alice.flow("TCP")
        data = self.invite(BOB_URI, ALICE, branch="z9hG4bKtcp", transport="TCP")
        self.alice.send(data, flow)
        self.settle()
        node = self.node1 if b"INVITE" in self.node1.names() else self.node2
        invite = node.take(b"INVITE")
        node.respond(invite, 180)
        self.settle()
        self.alice.received.clear()
        self.restart()
        cancel = makeCancel(self.parsed(data))
        self.alice.send(cancel.render(), self.alice.flow("TCP"))
        self.settle()
        self.assertEqual(node.take(b"CANCEL").via.branch, invite.via.branch)
        node.respond(invite, 487)
        self.settle()
        self.alice.take(487)


class CalledTests(KilledTestCase):
    """
    The proxy of the called side is gone.
    """

    def test_answered(self) -> None:
        """
        The 200 of the telephone reaches the node.
        """
        _, [invite] = self.isCalled(self.bob)
        self.restart()
        self.bob.respond(invite, 200)
        self.settle()
        self.node1.take(200)

    def test_cancelled(self) -> None:
        """
        The CANCEL of the node reaches the telephone, and the 487 the node.
        """
        sent, [invite] = self.isCalled(self.bob)
        self.restart()
        self.node1.send(makeCancel(sent).render())
        self.settle()
        cancel = self.bob.take(b"CANCEL")
        self.assertEqual(cancel.via.branch, invite.via.branch)
        self.assertEqual(cancel.uri, invite.uri)
        self.bob.respond(cancel, 200)
        self.bob.respond(invite, 487)
        self.settle()
        self.node1.take(200)
        refusal = self.node1.take(487)
        self.node1.send(makeAck(sent, refusal).render())
        self.settle()
        self.assertEqual(self.bob.take(b"ACK").via.branch, invite.via.branch)

    def test_oneOfSeveralRefuses(self) -> None:
        """
        While several telephones of a DN ring, the refusal of one of them is held
        back: another one may answer.  What ends the call is passed on.
        """
        carol = self.phone(CAROL)
        sent, [first, second] = self.isCalled(self.bob, carol)
        self.restart()
        self.bob.respond(first, 486)
        self.settle()
        self.assertEqual(self.node1.names(), [])
        self.assertEqual(self.counter("refusalsHeldBack"), 1)
        carol.respond(second, 180)
        self.settle()
        self.node1.take(180)
        self.node1.send(makeCancel(sent).render())
        self.settle()
        self.assertEqual(carol.take(b"CANCEL").via.branch, second.via.branch)
        self.assertEqual(self.bob.take(b"CANCEL").via.branch, first.via.branch)
        carol.respond(second, 487)
        self.settle()
        self.node1.take(487)

    def test_answeredByOneOfSeveral(self) -> None:
        """
        When one of several answers, the others are told to ring no longer.
        """
        carol = self.phone(CAROL)
        _, [first, second] = self.isCalled(self.bob, carol)
        self.restart()
        carol.respond(second, 200)
        self.settle()
        self.node1.take(200)
        self.assertEqual(carol.names(), [])
        cancel = self.bob.take(b"CANCEL")
        self.assertEqual(cancel.via.branch, first.via.branch)
        self.assertEqual(cancel.uri, first.uri)
        for name in (b"From", b"To", b"Call-ID"):
            self.assertEqual(cancel.headers.first(name), first.headers.first(name))
        self.assertEqual(cancel.cseq.number, first.cseq.number)
        self.assertEqual(cancel.vias[1].branch, first.vias[1].branch)


class NoRelayTests(KilledTestCase):
    """
    Nobody can have responses sent anywhere.
    """

    def forged(self, invite: Request, old: bytes, new: bytes) -> Response:
        """
        Send an answer that is not the one it should be.
        """
        self.restart()
        carol = self.phone(CAROL)
        carol.respond(invite, 200)
        data = self.network.carried[-1][0]
        self.assertIn(old, data)
        self.settle()
        self.alice.received.clear()
        carol.send(data.replace(old, new))
        self.settle()
        return data  # type: ignore[return-value]

    def assertRefused(self) -> None:
        """
        Nothing was passed on but the genuine answer.
        """
        self.assertEqual(self.alice.names(), [])
        self.assertEqual(self.bob.names(), [])
        self.assertEqual(self.counter("statelessResponses"), 1)
        self.assertEqual(self.counter("unaskedResponses"), 1)

    def test_otherCall(self) -> None:
        """
        A branch is good for its own call only.
        """
        _, _, invite = self.calls()
        self.forged(invite, b"Call-ID: call\r\n", b"Call-ID: other\r\n")
        self.assertRefused()

    def test_otherPlace(self) -> None:
        """
        And to where its INVITE came from only.
        """
        _, _, invite = self.calls()
        self.forged(invite, b"SIP/2.0/UDP 198.51.100.1;", b"SIP/2.0/UDP 198.51.100.2;")
        self.assertRefused()

    def test_received(self) -> None:
        """
        That cannot be changed by a parameter either.
        """
        _, _, invite = self.calls()
        self.forged(
            invite, b"branch=z9hG4bKcall", b"branch=z9hG4bKcall;received=198.51.100.2"
        )
        self.assertRefused()

    def test_madeUp(self) -> None:
        """
        A branch that somebody has made up is good for nothing; it is logged once a
        minute.
        """
        _, _, invite = self.calls()
        branch = invite.via.branch
        self.forged(invite, branch, branch[:-1] + b"x")
        self.assertRefused()

    def test_noStore(self) -> None:
        """
        A proxy that has not learnt the secret of the cluster passes nothing on.
        """
        sent, node, invite = self.calls()
        self.network.kill(PROXY1)
        self.patch(EmbeddedStore, "txn", lambda *_: fail(StoreAway("away")))
        self.proxy1 = self.proxy("proxy1", PROXY1)
        self.settle(5)
        node.respond(invite, 200)
        self.alice.send(makeCancel(sent).render())
        self.settle()
        self.assertEqual(self.alice.names(), [481])
        self.assertEqual(self.counter("strayResponses"), 1)
