"""
Nodes that die, and what the proxy makes of it.
"""

from __future__ import annotations

from sipcluster.sip.isip import IFlow
from sipcluster.sip.message import Request
from tests.memory.proxies import (
    ALICE,
    DOMAIN,
    NODE1,
    NODE2,
    Peer,
    ProxyTestCase,
)

BOB_URI = f"sip:bob@{DOMAIN}"


class FailoverTests(ProxyTestCase):
    """
    A new request goes to a node that lives.
    """

    def invitesOf(self, *nodes: Peer) -> list[int]:
        """
        How many INVITEs each node got.
        """
        return [node.names().count(b"INVITE") for node in nodes]

    def test_refusedAtOnce(self) -> None:
        """
        An ICMP error from a dead node's port sends the request to the next one
        at once, and no later request goes there.
        """
        alice = self.phone(ALICE)
        self.network.kill(NODE1)
        for number in range(2, 6):
            alice.send(self.invite(BOB_URI, ALICE, callID=f"call{number}"))
            self.settle()
        self.assertEqual(self.invitesOf(self.node2), [4])
        self.assertEqual(self.proxy1.nodes.states()["node1"], "out of service")
        history = self.proxy1.status()["serviceCheck"]
        self.assertIn("refused", str(history))

    def test_saysThatNoNodeIsThere(self) -> None:
        """
        A proxy without any node says so: it can refuse calls only.
        """
        self.assertEqual(self.proxy1.status()["degraded"], "")
        self.network.kill(NODE1)
        self.network.kill(NODE2)
        self.settle(7.0)
        self.assertEqual(self.proxy1.status()["degraded"], "no node in service")

    def test_probeCutsWaitingShort(self) -> None:
        """
        A silent node costs a call no more time than the probe needs: the
        waiting INVITE goes to the other node as soon as the first is found
        out of service.
        """
        alice = self.phone(ALICE)
        self.network.powerOff(NODE1)
        alice.send(self.invite(BOB_URI, ALICE, callID="one"))
        alice.send(self.invite(BOB_URI, ALICE, callID="two"))
        self.settle(0.1)
        self.assertEqual(len(self.callIDs(self.node2)), 1)
        self.settle(7.0)
        self.assertEqual(self.callIDs(self.node2), {b"one", b"two"})

    def callIDs(self, node: Peer) -> set[bytes]:
        """
        The calls that a node was asked for.
        """
        return {m.callID for m, _ in node.received if isinstance(m, Request)}

    def test_lateNodeIsCancelled(self) -> None:
        """
        A node that says something after the INVITE went elsewhere is told to
        give it up; the caller hears of the other node alone.
        """
        alice = self.phone(ALICE)
        alice.send(self.invite(BOB_URI, ALICE))
        self.settle()
        first, second = self.node1, self.node2
        if not first.received:
            first, second = second, first
        late = first.take(b"INVITE")
        self.proxy1.nodes.memberFailed(f"node{1 if first is self.node1 else 2}", "x")
        self.settle()
        second.respond(second.take(b"INVITE"), 180)
        first.respond(late, 180)
        self.settle()
        first.respond(first.take(b"CANCEL"), 200)
        first.respond(late, 487)
        self.settle()
        self.assertEqual(alice.names(), [100, 180])

    def test_lateNodeAnswers(self) -> None:
        """
        When such a node answers after all, its 200 goes back like any other.
        """
        alice = self.phone(ALICE)
        alice.send(self.invite(BOB_URI, ALICE))
        self.settle()
        first, second = self.node1, self.node2
        if not first.received:
            first, second = second, first
        late = first.take(b"INVITE")
        self.proxy1.nodes.memberFailed(f"node{1 if first is self.node1 else 2}", "x")
        self.settle()
        first.respond(late, 200)
        self.settle()
        alice.take(200)
        second.respond(second.take(b"INVITE"), 100)
        self.settle()
        second.respond(second.take(b"CANCEL"), 200)
        self.settle(70)
        self.assertAllGone()

    def test_busyNode(self) -> None:
        """
        A node that answers 503 is passed over; when all do, the 503 goes back,
        since it is true of every request.
        """
        alice = self.phone(ALICE)
        alice.send(self.invite(BOB_URI, ALICE))
        self.settle()
        first, second = self.node1, self.node2
        if not first.received:
            first, second = second, first
        first.respond(first.take(b"INVITE"), 503)
        self.settle()
        second.respond(second.take(b"INVITE"), 503, (b"Retry-After", b"9"))
        self.settle()
        alice.take(503)
        self.assertEqual(self.invitesOf(first, second), [0, 0])
        self.assertAllGone()

    def test_noNode(self) -> None:
        """
        Without any node in service the answer is 503 with Retry-After.
        """
        alice = self.phone(ALICE)
        self.network.kill(NODE1)
        self.network.kill(NODE2)
        alice.send(self.invite(BOB_URI, ALICE, callID="one"))
        self.settle()
        self.assertTrue(alice.take(503).headers.first(b"Retry-After"))
        alice.send(self.invite(BOB_URI, ALICE, callID="two"))
        self.settle()
        self.assertTrue(alice.take(503).headers.first(b"Retry-After"))
        self.assertAllGone()

    def test_registerElsewhere(self) -> None:
        """
        A REGISTER goes to the next node too, and is stored once.
        """
        alice = self.phone(ALICE)
        self.network.kill(NODE1)
        self.register(alice, "alice")
        self.register(alice, "alice", cseq=2)
        self.assertEqual(self.store.count, 1)
        self.assertAllGone()

    def test_comesBack(self) -> None:
        """
        A node that is started again gets calls again, after the next probe.
        """
        self.network.kill(NODE1)
        alice = self.phone(ALICE)
        alice.send(self.invite(BOB_URI, ALICE, callID="one"))
        alice.send(self.invite(BOB_URI, ALICE, callID="two"))
        self.settle()
        self.node1 = self.node(NODE1)
        self.settle(6)
        self.assertEqual(self.proxy1.nodes.states()["node1"], "in service")
        for number in range(2, 6):
            alice.send(self.invite(BOB_URI, ALICE, callID=f"call{number}"))
        self.settle(0.1)
        self.assertEqual(self.invitesOf(self.node1), [2])

    def test_inDialogRequestStays(self) -> None:
        """
        A request within a dialog goes to its own node or to nobody: 503.
        """
        alice = self.phone(ALICE)
        self.network.kill(NODE1)
        alice.send(
            self.request("BYE", f"sip:leg@node1.{DOMAIN}", ALICE, toTag="t", cseq=2)
        )
        self.settle()
        alice.take(503)
        self.assertEqual(self.node2.names(), [])
        self.assertAllGone()

    def test_aliveWithoutOptions(self) -> None:
        """
        A node that answers OPTIONS with 501 is alive; with 503 it is not.
        """
        self.answerProbes(self.node1, 501)
        self.answerProbes(self.node2, 503)
        self.settle(6)
        self.assertEqual(
            self.proxy1.nodes.states(),
            {"node1": "in service", "node2": "out of service"},
        )

    def answerProbes(self, node: Peer, status: int) -> None:
        """
        Answer OPTIONS with a status.
        """

        def answer(request: Request, flow: IFlow) -> bool:
            node.respond(request, status, flow=flow)
            return True

        node.answers[:] = [answer]


class UnprobedTests(ProxyTestCase):
    """
    C{oos-check} 0.
    """

    settings = {"oosCheck": 0.0}

    def test_timeout(self) -> None:
        """
        Without probes a silent node is left after timer F, and the request
        goes to the next one.
        """
        seen: set[bytes] = set()

        def trying(request: Request, flow: IFlow) -> bool:
            seen.add(request.callID)
            self.node2.respond(request, 100, flow=flow)
            return True

        self.node2.answers.append(trying)
        alice = self.phone(ALICE)
        self.network.powerOff(NODE1)
        for number in (3, 4):
            alice.send(self.invite(BOB_URI, ALICE, callID=f"call{number}"))
        self.settle(31)
        self.assertEqual(len(seen), 1)
        self.settle(2)
        self.assertEqual(seen, {b"call3", b"call4"})
