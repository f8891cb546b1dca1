"""
A member of a pair gives its role up while it sends digits as telephone events.
"""

from __future__ import annotations

import gc
import sys
from typing import Any

from attrs import evolve

from sipcluster.app.node import NodeMember, makeNode
from sipcluster.ha.life import LifeClock
from tests.memory.test_digits import DigitsTestCase, takesEvents


class AbandonedTests(DigitsTestCase):
    """
    Its RTP ports are the process's, and its life is over.
    """

    method = "rfc4733"

    def makeNode(self, name: str, address: str) -> NodeMember:
        """
        A node that lives as long as its clock.
        """
        made = super().makeNode(name, address)
        self.life = LifeClock(self.clock)
        node = makeNode(evolve(made.runtime, clock=self.life), [self.sink])
        node.startService()
        return node

    def assertNothingLeft(self) -> None:
        """
        What counts is the clock of the process: nothing is set going there.
        """
        self.run_(80)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def abandon(self) -> None:
        """
        Another member goes on.
        """
        raised: list[Any] = []
        self.patch(sys, "unraisablehook", raised.append)
        self.node.abandon()
        self.life.end()
        self.run_(1)
        self.assertFalse(self.ports.isOpen)
        gc.collect()
        self.assertEqual(raised, [])
        self.peer.expectNothing()

    def test_whileItPlays(self) -> None:
        """
        The port is given back when the member is abandoned in the middle of a digit,
        and nobody is told anything.
        """
        self.send("1234")
        away = self.peer.expectRequest(b"INVITE")
        self.bob.answer(away, 200, takesEvents("bob"))
        self.peer.expectRequest(b"ACK")
        self.run_(0.15)
        silent = self.peer.expectRequest(b"INVITE")
        self.alice.answer(silent, 200, self.rung.body)
        self.peer.expectRequest(b"ACK")
        self.run_(0.1)
        self.assertTrue(self.ports.isOpen)
        self.abandon()

    def test_whileItAsks(self) -> None:
        """
        So it is while a telephone is being asked.
        """
        self.send("1")
        self.peer.expectRequest(b"INVITE")
        self.assertTrue(self.ports.isOpen)
        self.abandon()
