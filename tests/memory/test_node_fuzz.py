"""
Anything at all at a node: mutated messages, alone and in the midst of a call.
"""

from __future__ import annotations

from random import Random
from typing import Any

from sipcluster.sip.errors import MalformedMessage
from sipcluster.sip.framing import parseDatagram
from sipcluster.sip.message import Response
from sipcluster.testing.mutate import Mutator
from sipcluster.testing.sip_peer import sdp
from tests.memory import test_calls_anything
from tests.memory.nodes import NODE, NodeTestCase
from tests.torture.corpora import rfc4475, rfc5118

#: Messages sent in one test.
MANY = 1500


class MutatedCallTests(test_calls_anything.AnythingTests):
    """
    The far ends of a call do anything, and a third of what they send is mutated
    on its way.
    """

    runs = 60

    def setUp(self) -> None:
        super().setUp()
        carry = self.network.carry

        def mutate(data: bytes, source: Any, destination: Any) -> None:
            chance = self.chance
            if destination[0] == NODE and self.wild and chance.random() < 0.3:
                data = Mutator(chance, [data]).message()
            carry(data, source, destination)

        self.network.carry = mutate  # type: ignore[method-assign]


class MutatedMessagesTests(NodeTestCase):
    """
    Messages that belong to nothing.
    """

    def test_beside(self) -> None:
        """
        Mutated messages, from a SIP Proxy and from a stranger, end in answers or
        in the counters; a call beside them is not disturbed.
        """
        random = Random(11)
        stranger = self.makePeer("203.0.113.66")
        self.alice.request(b"REGISTER")
        self.peer.expectResponse(200)
        corpus = [
            self.alice.build(b"INVITE", "1002", body=sdp()).render(),
            self.alice.build(b"REGISTER").render(),
            self.bob.build(b"OPTIONS", "1001").render(),
            *rfc4475().values(),
            *rfc5118().values(),
        ]
        mutator = Mutator(random, corpus)
        for number in range(MANY):
            sender = self.peer2 if number % 4 else stranger
            sender.send(mutator.message())
            if number % 150 == 0:
                self.alice.dialog = self.bob.dialog = None
                self.established()
                self.hangUp()
        self.run_(1)
        counts = self.node.runtime.transport.status()["counts"]  # type: ignore[attr-defined]
        self.assertEqual(counts.get("bugs", 0), 0)
        self.assertReadable()

    def assertReadable(self) -> None:
        """
        Whatever the node has sent can be read.
        """
        for data, source, _ in self.network.carried:
            if source[0] == NODE:
                try:
                    message = parseDatagram(data)
                except MalformedMessage as e:
                    self.fail(f"{e}: {data!r}")
                self.assertIsNotNone(message)
                if isinstance(message, Response):
                    self.assertTrue(100 <= message.status < 700)
