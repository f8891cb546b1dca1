"""
Tests for L{sipcluster.app.listening}.
"""

from __future__ import annotations

import attrs
from twisted.application.service import MultiService
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import CannotListenError
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from sipcluster.app.listening import Listening
from sipcluster.app.node import NodeMember, makeNode
from sipcluster.app.runtime import NodeRuntime
from sipcluster.app.settings import Configuration, Node, Switch
from sipcluster.ha.fitness import Fitness
from sipcluster.ha.iha import IFitness
from sipcluster.sip.isip import Target
from sipcluster.testing.clock import runFor
from sipcluster.testing.network import MemoryNetwork, MemoryTransport

NODE = Node(name="node1", sipAddress="192.0.2.21")


@implementer(IFitness)
class RoleOfOne:
    """
    The role of one member of a pair.

    @ivar told: why it cannot serve; empty when it can again.
    """

    def __init__(self) -> None:
        self.told: list[str] = []

    def unfit(self, why: str) -> None:
        """
        See L{IFitness}.
        """
        self.told.append(why)

    def fit(self) -> None:
        """
        See L{IFitness}.
        """
        self.told.append("")


class ListeningTests(SynchronousTestCase):
    """
    L{Listening} opens the ports of a member that has loaded.
    """

    def setUp(self) -> None:
        """
        A network in memory.
        """
        self.clock = Clock()
        self.network = MemoryNetwork(self.clock)
        self.tree = MultiService()

    def listening(self, one: Node = NODE) -> Listening:
        """
        A node that is not started yet.
        """
        runtime = NodeRuntime(
            name=one.name,
            configuration=Configuration(
                Switch(name="lab", domain="lab.example"), applications=(one,)
            ),
            clock=self.clock,
            entropy=self.network.entropy,
            transport=MemoryTransport(self.network),
        )
        made = Listening(makeNode(runtime))
        made.setServiceParent(self.tree)
        return made

    def transport(self, listening: Listening) -> MemoryTransport:
        """
        Where its ports are.
        """
        transport = listening.member.runtime.transport
        assert isinstance(transport, MemoryTransport)
        return transport

    def stop(self) -> None:
        """
        Stop all, and let time pass.
        """
        stopped = self.tree.stopService()
        assert stopped is not None
        runFor(self.clock, 2)
        self.successResultOf(stopped)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_ports(self) -> None:
        """
        The ports are there while the service runs, TLS where it has one.
        """
        listening = self.listening(attrs.evolve(NODE, sipTLSPort=5061))
        before = listening.whenReady()
        self.assertNoResult(before)
        self.tree.startService()
        self.assertIs(self.successResultOf(before), listening.member)
        self.assertIs(self.successResultOf(listening.whenReady()), listening.member)
        transport = self.transport(listening)
        self.assertEqual(
            transport.addresses,
            [
                ("UDP", "192.0.2.21", 5060),
                ("TCP", "192.0.2.21", 5060),
                ("TLS", "192.0.2.21", 5061),
            ],
        )
        caller = MemoryTransport(self.network)
        flow = caller.flowTo(Target("TCP", "192.0.2.21", 5060))
        runFor(self.clock, 1)
        self.assertFalse(flow.closed)
        self.stop()
        self.assertTrue(flow.closed)
        self.assertEqual(transport.addresses, [])

    def test_transportServesAgain(self) -> None:
        """
        What was stopped may listen again, and accepts connections then.
        """
        transport = self.network.host("192.0.2.21")
        transport.stop()
        self.successResultOf(transport.listenTCP("192.0.2.21", 5060))
        flow = MemoryTransport(self.network).flowTo(Target("TCP", "192.0.2.21", 5060))
        runFor(self.clock, 1)
        self.assertFalse(flow.closed)
        transport.stop()
        self.stop()

    def test_portTaken(self) -> None:
        """
        A port that is taken is told to who waits, and logged.
        """
        self.network.host("192.0.2.21")
        listening = self.listening()
        self.tree.startService()
        self.failureResultOf(listening.whenReady(), CannotListenError)
        self.assertEqual(len(self.flushLoggedErrors(CannotListenError)), 1)
        self.stop()

    def test_portTakenOfAPair(self) -> None:
        """
        A member of a pair whose port is taken leaves the role to the other one.
        """
        self.network.host("192.0.2.21")
        listening = self.listening()
        member = RoleOfOne()
        listening.member.fitness = Fitness(member)  # type: ignore[attr-defined]
        self.tree.startService()
        (why,) = member.told
        self.assertIn("listen", why)
        self.assertEqual(len(self.flushLoggedErrors(CannotListenError)), 1)
        self.stop()

    def test_stoppedWhileLoading(self) -> None:
        """
        A member that is stopped before it has loaded opens no port, and nothing
        is wrong about that.
        """
        loading: Deferred[None] = Deferred()
        self.patch(NodeMember, "load", lambda member: loading)
        listening = self.listening()
        self.tree.startService()
        ready = listening.whenReady()
        self.assertNoResult(ready)
        self.stop()
        self.failureResultOf(ready, CancelledError)
        self.assertEqual(self.transport(listening).addresses, [])
