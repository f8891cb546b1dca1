"""
Tests for what the tests of the SIP core lean on: L{sipcluster.testing.clock},
L{sipcluster.testing.machines} and L{sipcluster.testing.records}.
"""

from __future__ import annotations

from typing import Protocol

from automat import TypeMachineBuilder
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from sipcluster.sip.errors import NoTransport
from sipcluster.sip.isip import IFlow, IMessageReceiver, ITransportLayer, Target
from sipcluster.testing.clock import runFor
from sipcluster.testing.machines import inputs, states, unanswered
from sipcluster.testing.records import (
    FakeTransportLayer,
    RecordingFlow,
    RecordingMessageReceiver,
)
from tests.unit.sip.samples import arriving, request, response


class RunForTests(SynchronousTestCase):
    """
    L{runFor} stops at each call that falls due.
    """

    def test_restartingTimer(self) -> None:
        """
        A call that sets itself again is made as often as its time comes, the
        end included.
        """
        clock = Clock()
        times: list[float] = []

        def call() -> None:
            times.append(clock.seconds())
            clock.callLater(1.0, call)

        clock.callLater(1.0, call)
        runFor(clock, 3.0)
        self.assertEqual(times, [1.0, 2.0, 3.0])
        runFor(clock, 0.5)
        self.assertEqual(clock.seconds(), 3.5)


class Lamp(Protocol):
    """
    What may happen to a lamp.
    """

    def press(self) -> None:
        "Its switch is pressed."

    def burnOut(self) -> None:
        "Its bulb is at the end."


class MachineTests(SynchronousTestCase):
    """
    Questions to ask of a machine.
    """

    def test_unanswered(self) -> None:
        """
        Pairs of state and input without a transition are found, and states can
        be left out.
        """
        m = TypeMachineBuilder(Lamp, object)
        off, on = m.state("Off"), m.state("On")
        off.upon(Lamp.press).to(on).returns(None)
        on.upon(Lamp.press).to(off).returns(None)
        on.upon(Lamp.burnOut).to(off).returns(None)
        machine = m.build()
        self.assertEqual(states(machine), {"Off", "On"})
        self.assertEqual(inputs(machine), {"press", "burnOut"})
        self.assertEqual(
            unanswered(machine, {"press", "burnOut"}), {("Off", "burnOut")}
        )
        left = unanswered(machine, {"burnOut"}, frozenset({"Off"}))
        self.assertEqual(left, set())


class FakeTransportTests(SynchronousTestCase):
    """
    L{FakeTransportLayer} gives out recording flows.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.transport = FakeTransportLayer(self.clock)

    def test_flows(self) -> None:
        """
        The same target has the same flow while it is open; size and refusals
        count.
        """
        verifyObject(ITransportLayer, self.transport)
        target = Target("UDP", "192.0.2.2", 5060)
        flow = self.transport.flowTo(target)
        self.assertIs(self.transport.flowTo(target, 1300), flow)
        self.assertEqual(self.transport.flowTo(target, 1301).transportName, "TCP")
        self.transport.hasTCP = False
        self.assertIs(self.transport.flowTo(target, 1301), flow)
        self.assertIs(self.transport.flowByToken(flow.token), flow)
        flow.closed = True
        self.assertIsNone(self.transport.flowByToken(flow.token))
        self.assertIsNot(self.transport.flowTo(target), flow)
        self.transport.refused.add(("TLS", "192.0.2.2", 5061))
        self.assertRaises(
            NoTransport, self.transport.flowTo, Target("TLS", "192.0.2.2", 5061)
        )

    def test_records(self) -> None:
        """
        A flow keeps what was sent on it, and when.
        """
        flow = self.transport.flow("TCP")
        verifyObject(IFlow, flow)
        flow.send(request().render())
        self.clock.advance(1.5)
        flow.send(response(arriving(), 180).render())
        self.assertEqual(flow.told, [b"INVITE", 180])
        self.assertEqual(flow.times, [0.0, 1.5])
        alone = RecordingFlow(sentBy=b"pc33.example.com")
        alone.send(b"")
        self.assertEqual((alone.times, alone.sentBy), ([0.0], b"pc33.example.com"))

    def test_responses(self) -> None:
        """
        A response goes back on an open stream, or where the Via says.
        """
        stream = self.transport.flow("TCP")
        via = arriving(transport=b"TCP", sentBy=b"192.0.2.9").via
        self.assertIs(self.transport.responseFlow(via, stream), stream)
        stream.closed = True
        back = self.transport.responseFlow(via, stream)
        self.assertEqual(back.remote, ("192.0.2.9", 5060))
        flow = self.transport.flow("UDP")
        here = arriving().via
        self.assertIs(self.transport.responseFlow(here, flow), flow)
        other = arriving(sentBy=b"192.0.2.2:5070").via
        self.assertEqual(self.transport.responseFlow(other, flow).remote[1], 5070)

    def test_receiver(self) -> None:
        """
        What the transport layer tells is kept.
        """
        receiver = RecordingMessageReceiver()
        verifyObject(IMessageReceiver, receiver)
        flow = self.transport.flow("UDP")
        asked = request()
        receiver.messageReceived(asked, flow)
        receiver.flowFailed(flow, "gone")
        self.assertEqual(receiver.messages, [(asked, flow)])
        self.assertEqual(receiver.failures, [(flow, "gone")])
