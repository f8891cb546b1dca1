"""
Two phones call each other through a whole cluster: two SIP Proxies, two nodes,
one location service, all in one process.
"""

from __future__ import annotations

from typing import cast

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from sipcluster.app.node import NodeMember, makeNode
from sipcluster.app.proxy import ProxyMember, makeProxy
from sipcluster.app.runtime import NodeRuntime, ProxyRuntime
from sipcluster.registrar.memory import MemoryRegistrationStore
from sipcluster.sip.identifiers import Identifiers
from sipcluster.sip.isip import ILocator, Target
from sipcluster.testing.clock import runFor
from sipcluster.testing.network import MemoryNetwork
from sipcluster.testing.sip_peer import Phone, SIPPeer, sdp
from tests.memory.nodes import (
    DOMAIN,
    NODE,
    OTHER_NODE,
    PROXY1,
    PROXY2,
    THEN,
    configuration,
)


class ClusterTests(SynchronousTestCase):
    """
    Alice is registered through the first SIP Proxy, Bob through the second.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.network = MemoryNetwork(self.clock, 0.001)
        self.store = MemoryRegistrationStore(self.wallTime)
        self.configuration = configuration()
        self.nodes = {"node1": self.node("node1", NODE)}
        self.nodes["node2"] = self.node("node2", OTHER_NODE)
        self.proxies = [self.proxy("proxy1", PROXY1), self.proxy("proxy2", PROXY2)]
        self.settle(0.2)
        self.alice = self.phone("1001", "198.51.100.1", PROXY1)
        self.bob = self.phone("1002", "198.51.100.2", PROXY2)
        for phone in (self.alice, self.bob):
            phone.request(b"REGISTER", fields=[(b"Expires", b"3600")])
            phone.peer.expectResponse(200)
        self.addCleanup(self.assertNothingLeft)

    def wallTime(self) -> float:
        """
        Seconds since 1970.
        """
        return THEN + self.clock.seconds()

    def node(self, name: str, address: str) -> NodeMember:
        """
        Start a node.
        """
        node = makeNode(
            NodeRuntime(
                name=name,
                configuration=self.configuration,
                clock=self.clock,
                wallTime=self.wallTime,
                entropy=self.network.entropy,
                transport=self.network.host(address),
            )
        )
        node.startService()
        self.successResultOf(node.load())
        return node

    def proxy(self, name: str, address: str) -> ProxyMember:
        """
        Start a SIP Proxy.
        """
        proxy = makeProxy(
            ProxyRuntime(
                name=name,
                configuration=self.configuration,
                clock=self.clock,
                wallTime=self.wallTime,
                entropy=self.network.entropy,
                transport=self.network.host(address),
                locator=cast(ILocator, None),
            ),
            self.store,
        )
        proxy.startService()
        self.successResultOf(proxy.load())
        return proxy

    def phone(self, number: str, address: str, proxy: str) -> Phone:
        """
        A telephone that talks to one SIP Proxy.
        """
        transport = self.network.host(address)
        peer = SIPPeer(
            transport,
            Target("UDP", proxy, 5060),
            Identifiers(self.network.entropy),
            self.settle,
            self.clock.seconds,
        )
        transport.receiver = peer
        secret = f"secret-{number}".encode()
        return Phone(peer, number, DOMAIN, secret, address, "")

    def settle(self, seconds: float = 0.05) -> None:
        """
        Let everything arrive.
        """
        runFor(self.clock, seconds)

    def calls(self) -> list[str]:
        """
        Which nodes have how many calls.
        """
        return [
            name
            for name, node in self.nodes.items()
            for _ in range(len([*node.calls()]))
        ]

    def assertNothingLeft(self) -> None:
        """
        All members have nothing left, and the clock neither.
        """
        members = [*self.nodes.values(), *self.proxies]
        for node in self.nodes.values():
            node.checker.stop()
        for proxy in self.proxies:
            proxy.nodes.stop()
            proxy.proxies.stop()
        runFor(self.clock, 120)
        for member in members:
            status = member.status()
            for name in ("transactions", "timers", "calls", "dialogs"):
                self.assertEqual(status[name], 0, (name, status))
            member.stopService()
        runFor(self.clock, 2)
        for transport in self.network._transports:
            transport.stop()
        runFor(self.clock, 1)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(self.flushLoggedErrors(), [])

    def establish(self) -> None:
        """
        Alice calls Bob, who answers.
        """
        self.alice.dialog = self.bob.dialog = None
        self.alice.challenges = []  # each node has nonces of its own
        self.alice.request(b"INVITE", self.bob.number, body=sdp())
        self.alice.peer.expectResponse(100)  # of the INVITE that was challenged
        invite = self.bob.peer.expectRequest(b"INVITE")
        self.bob.answer(invite, 180)
        self.alice.peer.expectResponse(100)
        self.alice.peer.expectResponse(180)
        self.bob.answer(invite, 200, sdp("bob"))
        self.alice.accepted(self.alice.peer.expectResponse(200))
        self.alice.acknowledge()
        self.bob.peer.expectRequest(b"ACK")
        self.alice.peer.expectNothing()
        self.bob.peer.expectNothing()

    def end(self, who: Phone, other: Phone) -> None:
        """
        One hangs up.
        """
        bye = who.within(b"BYE")
        self.settle()
        other.peer.respond(other.peer.expectRequest(b"BYE"), 200)
        who.peer.expectResponse(200, bye)
        who.peer.expectNothing()
        other.peer.expectNothing()
        self.assertEqual(self.calls(), [])

    def test_call(self) -> None:
        """
        They call, talk, hold, change and hang up, from either side, without a
        message sent twice.
        """
        for who, other in ((self.alice, self.bob), (self.bob, self.alice)):
            self.establish()
            self.assertEqual(len(self.calls()), 1)
            who.within(b"INVITE", body=sdp("who", 4000, "sendonly"))
            theirs = other.peer.expectRequest(b"INVITE")
            self.assertIn(b"a=sendonly", theirs.body)
            other.answer(theirs, 200, sdp("other", 5000, "recvonly"))
            self.settle()
            who.peer.expectResponse(100)
            who.peer.expectResponse(200)
            who.acknowledge()
            other.peer.expectRequest(b"ACK")
            self.end(who, other)
        for phone in (self.alice, self.bob):
            messages = [m.render() for _, m in phone.peer.received]
            self.assertEqual(len(messages), len(set(messages)))

    def test_callBack(self) -> None:
        """
        The called one can call back the number that it was shown.
        """
        self.establish()
        self.end(self.alice, self.bob)
        self.alice, self.bob = self.bob, self.alice
        self.establish()
        self.end(self.bob, self.alice)

    def test_cancelled(self) -> None:
        """
        Alice gives up while it rings.
        """
        self.alice.challenges = []  # each node has nonces of its own
        self.alice.request(b"INVITE", "1002", body=sdp())
        self.alice.peer.expectResponse(100)  # of the INVITE that was challenged
        invite = self.bob.peer.expectRequest(b"INVITE")
        self.bob.answer(invite, 180)
        self.alice.peer.expectResponse(180)
        self.alice.cancel()
        self.alice.peer.expectResponse(200)
        assert self.alice.invite is not None
        refused = self.alice.peer.expectResponse(487)
        self.alice.acknowledgeRefusal(refused, self.alice.invite)
        self.bob.peer.respond(self.bob.peer.expectRequest(b"CANCEL"), 200)
        self.bob.refuse(invite, 487)
        self.bob.peer.expectRequest(b"ACK")
        self.assertEqual(self.calls(), [])

    def test_notRegistered(self) -> None:
        """
        A DN that is not registered is answered 480.
        """
        self.alice.challenges = []  # each node has nonces of its own
        self.alice.request(b"INVITE", "1003", body=sdp())
        self.alice.peer.expectResponse(100)  # of the INVITE that was challenged
        response = self.alice.peer.expectResponse(480)
        assert self.alice.invite is not None
        self.alice.acknowledgeRefusal(response, self.alice.invite)
        self.assertEqual(self.calls(), [])

    def test_nodeKilled(self) -> None:
        """
        When a node is killed, new calls go to the other one at once.
        """
        for _ in range(2):
            self.establish()
            (name,) = self.calls()
            self.end(self.alice, self.bob)
        self.network.kill(NODE if name == "node1" else OTHER_NODE)
        dead = self.nodes.pop(name)
        dead.checker.stop()
        self.addCleanup(dead.stopService)
        for _ in range(3):
            self.establish()
            self.end(self.alice, self.bob)

    def test_proxyOfTheCallKilled(self) -> None:
        """
        The node reaches Bob through the other SIP Proxy when the caller's is
        killed during the call.
        """
        self.establish()
        self.network.kill(PROXY1)
        dead = self.proxies.pop(0)
        dead.nodes.stop()
        dead.proxies.stop()
        self.alice.peer.target = Target("UDP", PROXY2, 5060)
        self.alice.peer.disconnect()
        bye = self.alice.within(b"BYE")
        other = self.bob.peer.expectRequest(b"BYE")
        self.bob.peer.respond(other, 200)
        self.alice.peer.expectResponse(200, bye)
        self.assertEqual(self.calls(), [])
