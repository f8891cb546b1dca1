"""
Anything at all at a SIP Proxy.
"""

from __future__ import annotations

from random import Random

from sipcluster.sip.errors import LocationFailed, MalformedMessage
from sipcluster.sip.framing import parseDatagram
from sipcluster.sip.isip import IFlow
from sipcluster.sip.message import Request, Response, makeResponse
from sipcluster.testing.mutate import Mutator
from tests.memory.proxies import (
    ALICE,
    BOB,
    DOMAIN,
    PROXY1,
    Peer,
    ProxyTestCase,
)
from tests.torture.corpora import rfc4475, rfc5118

#: Messages sent in one test.
MANY = 600


class FuzzTests(ProxyTestCase):
    """
    No bytes of a peer raise anything, leave anything behind, or disturb anybody
    else's call.
    """

    def setUp(self) -> None:
        super().setUp()
        self.random = Random(7)
        self.bob = self.phone(BOB)
        self.register(self.bob, "bob")

    def corpus(self) -> list[bytes]:
        """
        What mutations begin with: torture messages, and a call of this cluster
        as the proxy sees it.
        """
        route = f"Route: <sip:x.0123456789abcdef0123@{PROXY1}:5060;lr;r2=on>"
        own = [
            self.invite(f"sip:bob@{DOMAIN}", ALICE, route),
            self.fromNode("INVITE", f"sip:bob@{DOMAIN}"),
            self.request("BYE", f"sip:leg@node1.{DOMAIN}", ALICE, toTag="t"),
            self.request("ACK", f"sip:leg@node1.{DOMAIN}", ALICE, toTag="t"),
            self.request("CANCEL", f"sip:bob@{DOMAIN}", ALICE),
            self.request(
                "REGISTER",
                f"sip:{DOMAIN}",
                ALICE,
                f'Contact: <sip:a@{ALICE}>;q=0.5;reg-id=1;+sip.instance="<urn:x>"',
                "Path: <sip:edge.example.com;lr>",
                to=f"sip:a@{DOMAIN}",
            ),
        ]
        return [*own, *rfc4475().values(), *rfc5118().values()]

    def answering(self, peer: Peer) -> None:
        """
        Answer anything with something, sometimes mutated.
        """

        def answer(request: Request, flow: IFlow) -> bool:
            status = self.random.choice([100, 180, 200, 302, 401, 486, 503, 603])
            contact = (b"Contact", b"<sip:x@node1.example.com>;expires=60")
            data = makeResponse(request, status, toTag=b"t", headers=[contact]).render()
            if self.random.random() < 0.5:
                mutator = Mutator(self.random, [data])
                data = mutator.message()
            flow.send(data)
            return True

        peer.answers[1:] = [answer]

    def test_mutatedMessages(self) -> None:
        """
        Mutated messages from a stranger and from a node, answered with mutated
        responses, end in answers or in the counters; a call beside them is not
        disturbed, and nothing is left.
        """
        self.answering(self.node1)
        self.answering(self.node2)
        alice = self.phone(ALICE)
        mutator = Mutator(self.random, self.corpus())
        for number in range(MANY):
            sender = self.node1 if number % 4 == 0 else alice
            sender.send(mutator.message())
            if number % 50 == 0:
                self.settle(0.05)
                self.callBob(number)
        self.settle(1)
        counts = self.proxy1.runtime.transport.status()["counts"]  # type: ignore[attr-defined]
        self.assertEqual(counts.get("bugs", 0), 0)
        self.bob.transport.stop()
        for waiting in self.names.waiting:
            if not waiting.called:
                waiting.errback(LocationFailed("no such name"))
        self.settle(400)
        self.assertAllGone()

    def callBob(self, number: int) -> None:
        """
        A call that nobody may disturb.
        """
        self.bob.received.clear()
        self.node2.received.clear()
        uri = f"sip:bob@{DOMAIN}"
        data = self.fromNode("INVITE", uri, node="node2", callID=f"good{number}")
        self.node2.send(data)
        self.settle()
        [invite] = [
            m
            for m, _ in self.bob.received
            if isinstance(m, Request) and m.callID == b"good%d" % number
        ]
        self.bob.respond(invite, 486)
        self.settle()
        statuses = [
            m.status
            for m, _ in self.node2.received
            if isinstance(m, Response) and m.callID == b"good%d" % number
        ]
        self.assertEqual(statuses, [100, 486])

    def test_answersAreMessages(self) -> None:
        """
        Whatever comes back to a stranger can be read.
        """
        alice = self.phone(ALICE)
        mutator = Mutator(self.random, self.corpus())
        for _ in range(MANY):
            alice.send(mutator.message())
        self.settle(0.1)
        for data, source, to in self.network.carried:
            if source[0] == PROXY1 and to[0] == ALICE:
                try:
                    message = parseDatagram(data)
                except MalformedMessage as e:
                    self.fail(f"{e}: {data!r}")
                self.assertIsInstance(message, (Request, Response))
