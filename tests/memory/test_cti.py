"""
Tests for L{sipcluster.app.cti}: the T-Library side of a whole node.
"""

from __future__ import annotations

from typing import Any

from attrs import evolve
from zope.interface.verify import verifyObject

from sipcluster.app.cti import Trace
from sipcluster.app.node import NodeMember, makeNode
from sipcluster.app.proxy import proxyMembers
from sipcluster.app.runtime import NodeRuntime
from sipcluster.app.settings import Configuration, Node, TLibApplication
from sipcluster.sip.message import Request
from sipcluster.testing.tlib_peer import TLibPeer
from sipcluster.tlib.enums import AddressType
from sipcluster.tlib.errors import TErrorCode
from sipcluster.tlib.messages import (
    EventAgentLogin,
    EventDialing,
    EventError,
    EventLinkConnected,
    EventLinkDisconnected,
    EventReleased,
    RequestAgentLogin,
    RequestAttachUserData,
    RequestReleaseCall,
)
from sipcluster.tserver.itserver import IAddresses, ITrace, Receiver
from tests.memory.nodes import THEN, NodeTestCase, configuration


class CTITests(NodeTestCase):
    """
    Two ports of one node: who may use them, and what they know.
    """

    def test_seams(self) -> None:
        """
        What a node gives its ports is what they want.
        """
        for server in (self.node.cti.default, self.node.cti.tcport):
            verifyObject(IAddresses, server.addresses)
            verifyObject(ITrace, server.tracing.trace)

    def makeNode(self, name: str, address: str) -> NodeMember:
        """
        A node that writes T-Library messages down.
        """
        self.written: list[tuple[Any, ...]] = []
        self.configuration = self.configured()
        runtime = NodeRuntime(
            name=name,
            configuration=self.configuration,
            clock=self.clock,
            wallTime=lambda: THEN + self.clock.seconds(),
            entropy=self.network.entropy,
            transport=self.network.host(address),
            tlibLog=lambda *line: self.written.append(line),
        )
        node = makeNode(runtime, [self.sink])
        node.startService()
        return node

    def configured(self) -> Configuration:
        """
        Who may connect.
        """
        made = configuration()
        return evolve(
            made,
            applications=tuple(
                evolve(one, geoLocation="east") if isinstance(one, Node) else one
                for one in made.applications
            ),
            tlibApplications=(
                TLibApplication(name="desktop", password="secret", ports=("TCport",)),
                TLibApplication(name="routing", password="secret", ports=("default",)),
                TLibApplication(name="monitor", password="secret", role="monitor"),
            ),
        )

    def client(self, port: str, application: str) -> TLibPeer:
        """
        A client that has connected.
        """
        server, _ = self.node.cti.ports[port]
        peer = TLibPeer(server, application)
        peer.connect()
        self.addCleanup(peer.drop)
        return peer

    def test_ports(self) -> None:
        """
        Each application comes in at its ports, and is told the data centre.
        """
        for port, application, good in (
            ("default", "routing", True),
            ("default", "monitor", True),
            ("default", "desktop", False),
            ("TCport", "desktop", True),
            ("TCport", "monitor", True),
            ("TCport", "routing", False),
            ("TCport", "stranger", False),
        ):
            server, _ = self.node.cti.ports[port]
            peer = TLibPeer(server, application)
            if good:
                self.addCleanup(peer.drop)
                self.assertEqual(peer.connect().location, "east")
            else:
                peer.open()
                self.addCleanup(peer.drop)
                peer.registerClient()
                refused = peer.expect(EventError)
                self.assertEqual(refused.errorCode, TErrorCode.BAD_PASSWORD)
        told = [(one["port"], one["application"]) for one in self.node.clients()]
        self.assertEqual(
            told,
            [
                *(("default", "routing"), ("default", "monitor")),
                *(("TCport", "desktop"), ("TCport", "monitor")),
            ],
        )

    def test_whatIsKnown(self) -> None:
        """
        Both ports know extensions and routing points, and no trunk; only the TCport
        knows agents.
        """
        desktop = self.client("TCport", "desktop")
        routing = self.client("default", "routing")
        for peer in (desktop, routing):
            keys = [key for key, _ in peer.register("1001").extensions or ()]
            self.assertEqual("AgentStatus" in keys, peer is desktop)
            peer.register("5000", addressType=AddressType.ROUTE_DN)
            self.assertRaises(AssertionError, peer.register, "9")
            refused = peer.expect(EventError)
            self.assertEqual(refused.errorCode, TErrorCode.DN_NOT_CONFIGURED)
            peer.request(RequestAgentLogin(thisDN="1001", agentID="4711"))
        desktop.expect(EventAgentLogin)
        refused = routing.expect(EventError)
        self.assertEqual(refused.errorCode, TErrorCode.UNSUPPORTED_OPERATION)

    def test_written(self) -> None:
        """
        What passes is written down: an event once for all who got it, with the ids
        of its call, and without passwords and values of user data.
        """
        peers = [self.client("TCport", "desktop") for _ in range(10)]
        for peer in peers:
            peer.register("1001")
        first = peers[0]
        self.ringing()
        dialing = first.expect(EventDialing)
        self.written.clear()
        reference = first.request(
            RequestAttachUserData(
                thisDN="1001", connID=dialing.connID, userData=(("CARD", "4711"),)
            )
        )
        asked, answered, told = self.written
        self.assertEqual(asked[:3], ("TCport", True, "desktop at 192.0.2.1:40000"))
        self.assertTrue(asked[3].startswith("RequestAttachUserData (30)\n"))
        self.assertEqual(asked[4:], (dialing.connID, "", "1001", reference))
        self.assertEqual(answered[1:3], (False, "desktop at 192.0.2.1:40000"))
        self.assertEqual(
            answered[4:], (dialing.connID, dialing.callUUID, "1001", reference)
        )
        self.assertIn("AttributeEventSequenceNumber", answered[3])
        self.assertTrue(told[2].endswith(" and 1 more"), told[2])
        self.assertNotIn("AttributeEventSequenceNumber", told[3])
        text = "".join(line[3] for line in self.written)
        self.assertIn("CARD", text)
        self.assertNotIn("4711", text)
        first.request(RequestReleaseCall(thisDN="1001", connID=dialing.connID))
        first.expect(EventReleased)
        self.bob.refuse(self.bobsInvite(), 487)

    def bobsInvite(self) -> Request:
        """
        The INVITE that Bob's telephone was sent, which was cancelled since.
        """
        cancel = self.peer.expectRequest(b"CANCEL")
        self.bob.answer(cancel, 200)
        self.alice.peer.expectResponse(480)
        return self.rung

    def ringing(self, body: bytes = b"") -> Request:
        """
        See L{NodeTestCase.ringing}.
        """
        self.rung = super().ringing(body)
        return self.rung

    def test_link(self) -> None:
        """
        Clients know whether telephones can be reached: through a SIP Proxy.
        """
        peer = self.client("TCport", "monitor")
        proxy1, proxy2 = proxyMembers(self.configuration)
        self.node.memberOutOfService(proxy1, "silent")
        self.node.memberOutOfService(proxy2, "silent")
        lost = peer.expect(EventLinkDisconnected)
        self.assertEqual(lost.errorMessage, "no SIP Proxy is in service")
        self.node.memberInService(proxy1)
        peer.expect(EventLinkConnected)

    def test_stopped(self) -> None:
        """
        A node that stops tells why; it is in its status who was there.
        """
        peer = self.client("TCport", "desktop")
        status: Any = self.node.status()
        self.assertEqual(status["tlib"]["TCport"]["clients"], 1)
        self.assertEqual(status["tlib"]["default"]["clients"], 0)
        self.node.cti.stop()
        assert peer.cut is not None
        self.assertEqual(peer.cut.errorCode, TErrorCode.OUT_OF_SERVICE)


class TraceTests(NodeTestCase):
    """
    L{Trace} names those who got an event, and counts when they are many.
    """

    def test_many(self) -> None:
        """
        Eight names, no more; the position of one only when it is one.
        """
        written: list[tuple[Any, ...]] = []
        trace = Trace(lambda *line: written.append(line))
        receivers = [Receiver(f"c{n}", n + 1) for n in range(9)]
        trace.messageSent("default", receivers, EventLinkConnected())
        trace.messageSent("default", receivers[:8], EventLinkConnected())
        trace.messageSent("default", receivers[:1], EventLinkConnected())
        self.assertEqual(
            [line[2] for line in written],
            [
                "c0, c1, c2, c3, c4, c5, c6, c7 and 1 more",
                "c0, c1, c2, c3, c4, c5, c6, c7",
                "c0",
            ],
        )
        self.assertEqual(
            ["SequenceNumber" in line[3] for line in written], [False, False, True]
        )
