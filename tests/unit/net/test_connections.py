"""
Tests for L{sipcluster.net.connections}, on a network in memory.
"""

from __future__ import annotations

from sipcluster.net.flows import StreamFlow, TransportLimits
from sipcluster.sip.isip import IFlow, Target
from sipcluster.testing.network import MemoryTransport
from tests.unit.net.receiver import MemoryTestCase, Receiver, options

BOB = Target("TCP", "192.0.2.2", 5060)
NOBODY = Target("TCP", "192.0.2.99", 5060)


class ConnectionTestCase(MemoryTestCase):
    """
    Alice opens connections with limits that a test can set.
    """

    def limited(self, limits: TransportLimits) -> tuple[MemoryTransport, Receiver]:
        """
        A host 192.0.2.3 with other limits.
        """
        receiver = Receiver()
        made = MemoryTransport(self.network, receiver, limits=limits)
        made.listenTCP("192.0.2.3", 5060)
        return made, receiver

    def opened(
        self, transport: MemoryTransport | None = None, target: Target = BOB
    ) -> StreamFlow:
        """
        A flow that has carried one request and its answer.
        """
        flow = (transport or self.alice).flowTo(target)
        assert isinstance(flow, StreamFlow)
        flow.send(options(flow))
        self.wait()
        if target == BOB:
            self.answer(self.bob, self.bobs)
        return flow


class OpeningTests(ConnectionTestCase):
    """
    From the first C{flowTo} to the first byte.
    """

    def test_sendsInOrder(self) -> None:
        """
        What is sent while the connection opens waits, and arrives in order.
        """
        flow = self.alice.flowTo(BOB)
        for size in range(5):
            flow.send(options(flow, b"x" * size))
        self.assertEqual(self.bobs.messages, [])
        self.wait()
        self.assertEqual([len(m.body) for m in self.bobs.messages], [0, 1, 2, 3, 4])
        self.assertEqual(set(self.bobs.flows), {self.bobs.flows[0]})
        self.stopAll()

    def test_oneConnectionForATarget(self) -> None:
        """
        A connection is used again by all that goes to the same target, and by
        nothing that goes to another port, transport or name.
        """
        flow = self.alice.flowTo(BOB)
        self.assertIs(self.alice.flowTo(BOB), flow)
        others = [
            Target("TCP", "192.0.2.2", 5070),
            Target("TLS", "192.0.2.2", 5061),
            Target("TLS", "192.0.2.2", 5061, "a.example.com"),
            Target("TLS", "192.0.2.2", 5061, "b.example.com"),
        ]
        flows = {flow, *map(self.alice.flowTo, others)}
        self.assertEqual(len(flows), 5)
        self.wait()
        self.assertIs(self.alice.flowTo(BOB), flow)
        self.stopAll()

    def test_refused(self) -> None:
        """
        A refused connection fails its flow once, and not before C{flowTo} has
        returned; what is sent on it afterwards fails it again, later.
        """
        flow = self.alice.flowTo(NOBODY)
        flow.send(b"x")
        self.assertEqual(self.alices.failures, [])
        self.wait()
        ((failed, why),) = self.alices.failures
        self.assertIs(failed, flow)
        self.assertIn("refused", why)
        self.assertTrue(flow.closed)
        flow.send(b"x")
        flow.send(b"x")
        self.assertEqual(len(self.alices.failures), 1)
        self.wait()
        self.assertEqual(len(self.alices.failures), 2)
        self.assertEqual(self.alice.counts["sentOnClosed"], 2)
        self.stopAll()

    def test_nobodyAnswers(self) -> None:
        """
        A host that says nothing fails the flow after the connect timeout.
        """
        self.network.powerOff("192.0.2.2")
        flow = self.alice.flowTo(BOB)
        self.wait(4.9)
        self.assertEqual(self.alices.failures, [])
        self.wait(0.2)
        self.assertEqual(self.alices.failures, [(flow, "timed out while connecting")])
        self.stopAll()

    def test_queueIsBounded(self) -> None:
        """
        What waits for a connection to open is bounded.
        """
        carol, carols = self.limited(TransportLimits(queueBytes=1000))
        flow = carol.flowTo(BOB)
        flow.send(b"x" * 1000)
        flow.send(b"x")
        self.assertEqual(carols.failures, [])
        self.wait()
        self.assertEqual(carols.failures, [(flow, "the peer reads too slowly")])
        self.assertEqual(self.bobs.messages, [])
        self.stopAll(carol, self.bob)

    def test_connectionsAreBounded(self) -> None:
        """
        One connection too many fails at once, and not those that are there.
        """
        carol, carols = self.limited(TransportLimits(connections=1))
        first = self.opened(carol)
        second = carol.flowTo(NOBODY)
        self.wait()
        self.assertEqual(carols.failures, [(second, "too many connections")])
        self.assertIs(carol.flowTo(BOB), first)
        flow = self.alice.flowTo(Target("TCP", "192.0.2.3", 5060))
        self.wait()
        self.assertEqual([each for each, _ in self.alices.failures], [flow])
        self.assertEqual(carol.counts["connectionsRefused"], 1)
        self.stopAll(carol, self.alice, self.bob)

    def test_connectionsOfOneAddressAreBounded(self) -> None:
        """
        One address has only so many connections; when one ends, the next may
        come.
        """
        self.limited(TransportLimits(connectionsPerAddress=2))
        flows = [self.opened(self.alice, Target("TCP", "192.0.2.3", 5060, "a"))]
        flows += [self.opened(self.alice, Target("TCP", "192.0.2.3", 5060, "b"))]
        refused = self.alice.flowTo(Target("TCP", "192.0.2.3", 5060, "c"))
        self.wait()
        self.assertEqual([each for each, _ in self.alices.failures], [refused])
        flows[0].abort("test")
        self.wait()
        again = self.alice.flowTo(Target("TCP", "192.0.2.3", 5060, "d"))
        self.wait()
        self.assertFalse(again.closed)


class AcceptedTests(ConnectionTestCase):
    """
    Connections that a peer opened.
    """

    def test_found(self) -> None:
        """
        By its token, and by the address it came from; not where a name has to
        be checked.
        """
        self.opened()
        flow = self.bobs.flows[0]
        self.assertIs(self.bob.flowByToken(flow.token), flow)
        self.assertIs(self.bob.flowTo(Target("TCP", *flow.remote)), flow)
        named = Target("TCP", flow.remote[0], flow.remote[1], "example.com")
        self.assertIsNot(self.bob.flowTo(named), flow)
        flow.send(options(flow))
        self.wait()
        self.assertEqual(self.alices.request.method, b"OPTIONS")

    def test_silent(self) -> None:
        """
        A connection that never sends a valid message is closed; keep-alives do
        not count.
        """
        flow = self.alice.flowTo(BOB)
        for _ in range(5):
            self.wait(5)
            flow.send(b"\r\n\r\n")
        self.assertFalse(flow.closed)
        self.wait(11)
        self.assertTrue(flow.closed)
        self.assertEqual(self.bob.counts["idleConnections"], 1)
        self.stopAll()

    def test_quietPhone(self) -> None:
        """
        A connection that has sent a valid message may be quiet for hours.
        """
        self.opened()
        self.wait(800)
        self.assertFalse(self.bobs.flows[0].closed)
        self.stopAll()

    def test_gone(self) -> None:
        """
        A flow that has ended is found by nothing.
        """
        self.opened()
        flow = self.bobs.flows[0]
        self.network.kill("192.0.2.1")
        self.wait()
        self.assertTrue(flow.closed)
        self.assertIs(self.bob.flowByToken(flow.token), None)
        self.assertIsNot(self.bob.flowTo(Target("TCP", *flow.remote)), flow)
        self.assertEqual([each for each, _ in self.bobs.failures], [flow])
        self.wait()
        self.stopAll()


class KeepAliveTests(ConnectionTestCase):
    """
    RFC 5626 sections 3.5.1 and 4.4.1.
    """

    def test_pings(self) -> None:
        """
        A quiet connection that we opened is pinged, and not more often than
        needed.
        """
        self.opened()
        self.wait(130)
        self.assertEqual(self.bob.counts["keepAlives"], 2)
        self.assertEqual(self.alice.counts["keepAlives"], 2)
        self.stopAll()

    def test_deadPeer(self) -> None:
        """
        A peer that has answered pings and does not any more is gone.
        """
        flow = self.opened()
        self.wait(70)
        self.assertTrue(flow.pongs)
        self.network.partition("192.0.2.2")
        self.network.patience = 3600
        self.wait(90)
        self.assertEqual(self.alices.failures, [(flow, "keep-alive not answered")])
        self.assertEqual(self.alice.counts["unansweredPings"], 1)

    def test_peerWithoutPongs(self) -> None:
        """
        A peer that never answers pings is not held to them.
        """
        flow = self.opened()
        # It takes pings for nothing at all.
        self.patch(StreamFlow, "pong", lambda flow: None)
        self.wait(300)
        self.assertFalse(flow.closed)
        self.stopAll()

    def test_unused(self) -> None:
        """
        A connection that we opened and that nobody uses any more is closed.
        """
        flow = self.opened()
        self.wait(890)
        self.assertFalse(flow.closed)
        self.wait(30)
        self.assertTrue(flow.closed)
        self.stopAll()


class EndTests(ConnectionTestCase):
    """
    How connections end.
    """

    def test_stop(self) -> None:
        """
        What was sent before C{stop} still goes out; flows that are only
        opening end, and none is accepted any more.
        """
        flow = self.opened()
        opening = self.alice.flowTo(NOBODY)
        flow.send(options(flow))
        stopped = self.alice.stop()
        again = self.alice.stop()
        self.wait()
        self.successResultOf(stopped)
        self.successResultOf(again)
        self.assertEqual(len(self.bobs.messages), 2)
        self.assertTrue(flow.closed)
        self.assertTrue(opening.closed)
        late = self.bob.flowTo(Target("TCP", "192.0.2.1", 5060))
        self.wait()
        self.assertTrue(late.closed)
        self.wait()
        self.stopAll()

    def test_flowAfterStop(self) -> None:
        """
        A layer that has stopped opens nothing.
        """
        self.alice.stop()
        flow = self.alice.flowTo(BOB)
        self.wait()
        self.assertTrue(flow.closed)
        self.stopAll()

    def test_stopWithoutThePeer(self) -> None:
        """
        A peer that does not close its side delays the end by a second.
        """
        self.opened()
        self.network.partition("192.0.2.2")
        stopped = self.alice.stop()
        self.wait(0.9)
        self.assertNoResult(stopped)
        self.wait(0.2)
        self.successResultOf(stopped)

    def test_leavingIsBounded(self) -> None:
        """
        A connection that was asked to close and does not is aborted.
        """
        flow = self.opened()
        self.network.partition("192.0.2.2")
        flow.leave()
        self.assertIsNot(self.alice.flowTo(BOB), flow)
        self.wait(16)
        self.assertTrue(flow.closed)

    def test_sendOnLeaving(self) -> None:
        """
        What is sent on a flow that is closing is lost, and its sender hears it.
        """
        flow = self.opened()
        flow.leave()
        self.assertIs(self.alice.flowByToken(flow.token), None)
        flow.send(options(flow))
        self.wait()
        self.assertIn((flow, "the flow has ended"), self.alices.failures)

    def test_garbageIsFreed(self) -> None:
        """
        Nothing is left of connections that have ended.
        """
        flows: list[IFlow] = [self.opened() for _ in range(3)]
        self.opened(self.alice, Target("TCP", "192.0.2.2", 5060, "x"))
        for flow in flows:
            self.assertIs(flow, flows[0])
        self.network.kill("192.0.2.2")
        self.wait()
        connections = self.alice._connections
        self.assertEqual(
            [
                len(each)
                for each in (
                    connections.byToken,
                    connections._toTarget,
                    connections._accepted,
                    connections._perAddress,
                    connections._connecting,
                )
            ],
            [0] * 5,
        )
        self.assertEqual(self.clock.getDelayedCalls(), [])
