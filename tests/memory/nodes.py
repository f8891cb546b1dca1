"""
A node between two scripted SIP Proxies and the phones behind them, on one clock.
"""

from __future__ import annotations

from typing import Any, cast

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from sipcluster.app.node import NodeMember, makeNode
from sipcluster.app.runtime import NodeRuntime
from sipcluster.app.settings import (
    ClusterNodes,
    Configuration,
    Extension,
    Node,
    Proxy,
    RoutingPoint,
    Switch,
    Trunk,
)
from sipcluster.sessioncontroller.sinks import RecordingSink
from sipcluster.sip.isip import Target
from sipcluster.sip.message import Request, Response
from sipcluster.testing.clock import runFor
from sipcluster.testing.network import MemoryNetwork
from sipcluster.testing.sip_peer import Phone, SIPPeer, peerAt, sdp

DOMAIN = "lab.example"
NODE = "192.0.2.21"
OTHER_NODE = "192.0.2.22"
PROXY1 = "192.0.2.11"
PROXY2 = "192.0.2.12"
TRUNK = "203.0.113.9"
#: 2023-11-14T22:13:20Z, what the wall clock says when a test begins.
THEN = 1_700_000_000.0


def configuration(**changes: Any) -> Configuration:
    """
    Three phones, a trunk and a routing point; two nodes and two SIP Proxies.

    @param changes: settings of the VoIP Service of the cluster.
    """
    return Configuration(
        Switch(name="lab", domain=DOMAIN),
        (
            *(
                Extension(number=number, password=f"secret-{number}")
                for number in ("1001", "1002", "1003")
            ),
            Trunk(number="9", contact=f"sip:{TRUNK}", prefix="9", replacePrefix=""),
            RoutingPoint(number="5000"),
            ClusterNodes(number="cluster", serviceType="sip-cluster-nodes", **changes),
        ),
        (
            Node(name="node1", sipAddress=NODE, maxCalls=3),
            Node(name="node2", sipAddress=OTHER_NODE),
            Proxy(name="proxy1", sipAddress=PROXY1),
            Proxy(name="proxy2", sipAddress=PROXY2),
        ),
    )


class NodeTestCase(SynchronousTestCase):
    """
    One node; the test plays everyone else.

    @ivar peer: the first SIP Proxy, and whoever is behind it; C{peer2} the
        second one.
    @ivar sink: has the call-control events.
    @ivar rung: the INVITE that Bob got last.
    """

    rung: Request

    #: Settings of the VoIP Service.
    settings: dict[str, Any] = {}

    def setUp(self) -> None:
        self.clock = Clock()
        self.network = MemoryNetwork(self.clock)
        self.configuration = configuration(**self.settings)
        self.sink = RecordingSink()
        self.node = self.makeNode("node1", NODE)
        self.peer = self.makePeer(PROXY1)
        self.peer2 = self.makePeer(PROXY2)
        self.alice = self.phone("1001", "198.51.100.1")
        self.bob = self.phone("1002", "198.51.100.2")
        self.carol = self.phone("1003", "198.51.100.3")
        self.addCleanup(self.assertNothingLeft)

    def makeNode(self, name: str, address: str) -> NodeMember:
        """
        A node that takes messages, and asks no SIP Proxy whether it serves.
        """
        runtime = NodeRuntime(
            name=name,
            configuration=self.configuration,
            clock=self.clock,
            wallTime=lambda: THEN + self.clock.seconds(),
            entropy=self.network.entropy,
            transport=self.network.host(address),
        )
        node = makeNode(runtime, [self.sink])
        node.startService()
        return node

    def makePeer(self, address: str, to: str = NODE) -> SIPPeer:
        """
        A scripted host.
        """
        target = Target("UDP", to, 5060)
        return peerAt(self.network, self.clock, address, target)

    def phone(
        self, number: str, source: str, peer: SIPPeer | None = None, proxy: str = PROXY1
    ) -> Phone:
        """
        A telephone behind a SIP Proxy.
        """
        return Phone(
            peer or self.peer,
            number,
            DOMAIN,
            f"secret-{number}".encode(),
            source,
            proxy,
        )

    def pump(self) -> None:
        """
        Let what is under way arrive; no timer fires.
        """
        for _ in range(8):
            self.clock.advance(0)

    def run_(self, seconds: float) -> None:
        """
        Let time pass.
        """
        runFor(self.clock, seconds)

    @property
    def counters(self) -> dict[str, int]:
        """
        The node's counters.
        """
        return cast("dict[str, int]", self.node.status()["counters"])

    def assertNothingLeft(self) -> None:
        """
        When all has been waited for, the node holds no call, no dialog, no
        transaction and no timer.
        """
        self.run_(80)
        status = self.node.status()
        left = {
            name: status[name]
            for name in ("calls", "dialogs", "transactions", "timers", "attempts")
            if status[name]
        }
        self.assertEqual(left, {})
        stopped = self.node.stopService()
        self.successResultOf(stopped)
        for transport in self.network._transports:
            transport.stop()
        self.run_(1)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(self.flushLoggedErrors(), [])

    # Steps of a call

    def ringing(self, body: bytes = b"") -> Request:
        """
        Alice calls Bob, whose phone rings.

        @return: the INVITE that Bob got.
        """
        self.alice.request(b"INVITE", "1002", body=body or sdp())
        invite = self.peer.expectRequest(b"INVITE")
        self.bob.answer(invite, 180)
        self.peer.expectResponse(180)
        return invite

    def established(self) -> None:
        """
        Alice and Bob talk.
        """
        invite = self.rung = self.ringing()
        self.bob.answer(invite, 200, sdp("bob"))
        self.peer.expectRequest(b"ACK")
        self.alice.accepted(self.peer.expectResponse(200))
        self.alice.acknowledge()
        self.peer.expectNothing()

    def hangUp(self, who: Phone | None = None) -> None:
        """
        One of the two hangs up.
        """
        bye = (who or self.alice).within(b"BYE")
        self.peer.expectResponse(200, bye)
        self.peer.respond(self.peer.expectRequest(b"BYE"), 200)
        self.peer.expectNothing()
        self.assertNoCall()

    def assertNoCall(self) -> None:
        """
        The call and its dialogs are gone now, whatever transactions linger.
        """
        self.pump()
        self.assertEqual(self.node.status()["calls"], 0)
        self.assertEqual(self.node.status()["dialogs"], 0)

    def assertRefused(self, status: int) -> Response:
        """
        Alice is refused, and acknowledges that.
        """
        response = self.peer.expectResponse(status)
        assert self.alice.invite is not None
        self.alice.acknowledgeRefusal(response, self.alice.invite)
        self.peer.expectNothing()
        return response
