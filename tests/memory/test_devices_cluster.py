"""
Tests for sipcluster.app.devices: telephones come and go behind real SIP Proxies,
with a cluster store, and the node sees it; they subscribe, and are told.
"""

from __future__ import annotations

from typing import cast

from attrs import evolve
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from sipcluster.app.devices import devicesOf
from sipcluster.app.node import NodeMember, makeNode
from sipcluster.app.proxy import ProxyMember, makeProxy
from sipcluster.app.runtime import NodeRuntime, ProxyRuntime
from sipcluster.app.settings import Configuration, Extension
from sipcluster.cluster.embedded_store import EmbeddedStore, memoryEngine
from sipcluster.registrar.view import SETTLE
from sipcluster.servicecheck.iservicecheck import IDeviceObserver
from sipcluster.sessioncontroller.dialplan import Directory
from sipcluster.sessioncontroller.isessioncontroller import (
    DNFeatures,
    ExtensionDN,
    RoutingPointDN,
    TrunkDN,
)
from sipcluster.sip.dialog import Dialog
from sipcluster.sip.identifiers import Identifiers
from sipcluster.sip.isip import ILocator, Target
from sipcluster.sip.message import Request
from sipcluster.testing.clock import runFor
from sipcluster.testing.network import MemoryNetwork
from sipcluster.testing.sip_peer import Phone, SIPPeer
from tests.memory.nodes import DOMAIN, NODE, PROXY1, PROXY2, THEN, configuration
from tests.unit.sessioncontroller.test_dialplan_features import Features

EVENT = (b"Event", b"message-summary")


@implementer(IDeviceObserver)
class Watcher:
    """
    Notes which devices are in service.
    """

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []

    def deviceInService(self, dn: str) -> None:
        """
        See L{IDeviceObserver}.
        """
        self.told.append((dn, ""))

    def deviceOutOfService(self, dn: str, why: str) -> None:
        """
        See L{IDeviceObserver}.
        """
        self.told.append((dn, why))


class DevicesOfTests(SynchronousTestCase):
    """
    What is watched.
    """

    def test_devices(self) -> None:
        """
        Telephones at their address-of-record or their contact, trunks at theirs;
        routing points have no device.  Where registrations cannot be seen nobody
        needs one.
        """
        directory = Directory(
            "lab.example",
            [
                ExtensionDN("a b", oosCheck=5.0, oosForce=2.0),
                ExtensionDN("1003", contact=b"sip:desk@198.51.100.3"),
                TrunkDN("9", b"sip:203.0.113.9", "203.0.113.9", oosCheck=7.0),
                RoutingPointDN("5000"),
            ],
        )
        self.assertEqual(
            [
                (d.dn, d.uri, d.registers, d.check, d.force)
                for d in devicesOf(directory, True)
            ],
            [
                ("a b", b"sip:a%20b@lab.example", True, 5.0, 2.0),
                ("1003", b"sip:desk@198.51.100.3", False, 0.0, 0.0),
                ("9", b"sip:203.0.113.9", False, 7.0, 0.0),
            ],
        )
        self.assertFalse(any(d.registers for d in devicesOf(directory, False)))


class DevicesTestCase(SynchronousTestCase):
    """
    One node, two SIP Proxies, one cluster store.
    """

    #: Seconds between two OPTIONS to Alice, and how long she may take.
    check = 0.0
    force = 0.0

    def setUp(self) -> None:
        self.clock = Clock()
        self.network = MemoryNetwork(self.clock, 0.001)
        self.engine = memoryEngine(self.clock)
        self.configuration = self.configured()
        self.nodeStore = EmbeddedStore(self.engine, self.clock, 0.002)
        self.node = self.makeNode()
        self.devices = self.node.devices
        self.features = Features()
        self.devices.waiting._features = self.features
        self.watcher = Watcher()
        self.devices.watch.observe(self.watcher)
        self.proxies = [
            self.makeProxy("proxy1", PROXY1),
            self.makeProxy("proxy2", PROXY2),
        ]
        self.settle(0.2)
        self.alice = self.phone("1001", "198.51.100.1", PROXY1)
        self.bob = self.phone("1002", "198.51.100.2", PROXY2)
        self.addCleanup(self.assertNothingLeft)
        self.settle(SETTLE + 1)
        self.watcher.told.clear()

    def configured(self) -> Configuration:
        """
        The usual configuration, and how Alice is asked.
        """
        made = configuration()
        return evolve(
            made,
            dns=tuple(
                evolve(dn, oosCheck=self.check, oosForce=self.force)
                if isinstance(dn, Extension) and dn.number == "1001"
                else dn
                for dn in made.dns
            ),
        )

    def wallTime(self) -> float:
        """
        Seconds since 1970.
        """
        return THEN + self.clock.seconds()

    def makeNode(self) -> NodeMember:
        """
        Start the node.
        """
        runtime = NodeRuntime(
            name="node1",
            configuration=self.configuration,
            clock=self.clock,
            wallTime=self.wallTime,
            entropy=self.network.entropy,
            transport=self.network.host(NODE),
            store=self.nodeStore,
        )
        node = makeNode(runtime)
        node.startService()
        self.successResultOf(node.load())
        return node

    def makeProxy(self, name: str, address: str) -> ProxyMember:
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
                store=EmbeddedStore(self.engine, self.clock, 0.002),
            )
        )
        proxy.startService()
        loaded = proxy.load()
        self.settle(0.1)
        self.successResultOf(loaded)
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

    def settle(self, seconds: float = 0.1) -> None:
        """
        Let everything arrive.
        """
        runFor(self.clock, seconds)

    def register(self, phone: Phone, seconds: int = 3600) -> None:
        """
        Register a telephone, or end that.
        """
        phone.challenges = []
        phone.request(b"REGISTER", fields=[(b"Expires", b"%d" % seconds)])
        phone.peer.expectResponse(200)
        self.settle()

    def assertNothingLeft(self) -> None:
        """
        What is stopped leaves nothing behind.
        """
        self.devices.stop()
        self.settle(80)
        status = self.node.status()
        for name in ("transactions", "timers", "attempts"):
            self.assertEqual(status[name], 0, name)
        stopped = [member.stopService() for member in (self.node, *self.proxies)]
        self.settle(2)
        for each in stopped:
            self.successResultOf(each)
        self.engine.close()
        for transport in self.network._transports:
            transport.stop()
        self.settle(1)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(self.flushLoggedErrors(), [])

    def subscribe(self, phone: Phone) -> Request:
        """
        Subscribe; take the 200.

        @return: the NOTIFY that follows, answered.
        """
        phone.challenges = []
        request = phone.request(b"SUBSCRIBE", phone.number, [EVENT])
        response = phone.peer.expectResponse(200, request)
        phone.dialog = Dialog.asUAC(request, response)
        return self.takeNotify(phone)

    def takeNotify(self, phone: Phone) -> Request:
        """
        Take a NOTIFY, and answer it.
        """
        notify = phone.peer.expectRequest(b"NOTIFY")
        phone.peer.respond(notify, 200)
        self.settle()
        return notify


class DevicesTests(DevicesTestCase):
    """
    Telephones register, subscribe, and go.
    """

    def test_comeAndGo(self) -> None:
        """
        A telephone is in service while it is registered, wherever it is.
        """
        self.register(self.alice)
        self.register(self.bob)
        self.assertEqual(self.watcher.told, [("1001", ""), ("1002", "")])
        self.assertTrue(self.devices.watch.inService("1001"))
        self.register(self.alice, 0)
        self.assertEqual(self.watcher.told[2:], [("1001", "unregistered")])

    def test_expires(self) -> None:
        """
        One that does not come back is out of service when its time is over.
        """
        self.register(self.alice, 60)
        self.settle(62)
        self.assertEqual(self.watcher.told[1:], [("1001", "registration expired")])

    def test_storeAway(self) -> None:
        """
        While the cluster store is away the node goes on with what it knows, and
        says so.
        """
        self.register(self.alice, 60)
        self.nodeStore.away = True
        self.settle(100)
        self.assertEqual(self.devices.degraded, "cluster store away")
        self.assertTrue(self.devices.watch.inService("1001"))
        self.nodeStore.away = False
        self.settle(SETTLE + 4)
        self.assertEqual(self.devices.degraded, "")
        self.assertFalse(self.devices.watch.inService("1001"))

    def test_subscribes(self) -> None:
        """
        SUBSCRIBE and NOTIFY find their way through a SIP Proxy, in the dialog and
        outside, in both directions.
        """
        self.register(self.bob)
        notify = self.subscribe(self.bob)
        self.assertIn(b"Messages-Waiting: no", notify.body)
        self.settle(2)
        self.features.on["1002"] = DNFeatures(messageWaiting=True)
        self.devices.waiting.changed("1002")
        notify = self.takeNotify(self.bob)
        self.assertIn(b"Messages-Waiting: yes", notify.body)
        self.assertEqual(notify.uri, b"sip:1002@198.51.100.2")
        refresh = self.bob.within(b"SUBSCRIBE", [EVENT, (b"Expires", b"120")])
        response = self.bob.peer.expectResponse(200, refresh)
        self.assertEqual(response.expires, 120)
        notify = self.takeNotify(self.bob)
        self.assertEqual(
            notify.headers.first(b"Subscription-State"), b"active;expires=120"
        )
        self.settle(121)
        notify = self.takeNotify(self.bob)
        self.assertEqual(
            notify.headers.first(b"Subscription-State"), b"terminated;reason=timeout"
        )
        self.assertEqual(self.devices.waiting.subscriptions, {})

    def test_proxyDies(self) -> None:
        """
        A subscription outlives its SIP Proxy: NOTIFYs go through the other one.
        """
        self.register(self.alice)
        self.subscribe(self.alice)
        self.proxies[0].runtime.transport.receiver = None
        self.settle(20)
        self.features.on["1001"] = DNFeatures(messageWaiting=True)
        self.devices.waiting.changed("1001")
        notify = self.takeNotify(self.alice)
        self.assertEqual(notify.via.bareHost, PROXY2)
        self.assertEqual(len(self.devices.waiting.subscriptions), 1)

    def test_status(self) -> None:
        """
        People are told how many there are.
        """
        self.register(self.alice)
        self.subscribe(self.alice)
        self.assertEqual(
            self.devices.status(),
            {
                "devices": {
                    "devices": 4,
                    "inService": 2,
                    "asked": 0,
                    "unanswered": 0,
                },
                "messageWaiting": {"subscriptions": 1, "subscribedDNs": 1},
            },
        )
        self.alice.peer.inbox.clear()
        self.devices.waiting.stop()
        self.takeNotify(self.alice)


class AskedTests(DevicesTestCase):
    """
    Alice's telephone is asked by OPTIONS every ten seconds, and may take four.
    """

    check = 10.0
    force = 4.0

    def answering(self, seconds: int, status: int = 200) -> int:
        """
        Let time pass, in which Alice's telephone answers.

        @return: how often it was asked.
        """
        asked = 0
        for _ in range(seconds):
            self.settle(1)
            for message in self.alice.peer.inbox:
                if isinstance(message, Request) and message.method == b"OPTIONS":
                    self.alice.peer.respond(message, status)
                    asked += 1
            self.alice.peer.inbox.clear()
        return asked

    def test_inService(self) -> None:
        """
        A telephone is in service while it answers, whatever it says.
        """
        self.register(self.alice)
        self.assertIn(self.answering(60), (5, 6, 7))
        self.assertEqual(self.watcher.told, [("1001", "")])
        self.settle(16)
        self.assertEqual(self.watcher.told[1:], [("1001", "OPTIONS: no answer in 4 s")])
        self.assertTrue(self.devices.watch.leavesUnanswered("1001"))
        self.alice.peer.inbox.clear()
        self.answering(12, 486)
        self.assertEqual(self.watcher.told[2:], [("1001", "")])

    def test_notRegistered(self) -> None:
        """
        One that is not registered is not asked.
        """
        self.register(self.alice, 60)
        self.answering(59)
        self.settle(5)
        self.alice.peer.inbox.clear()
        self.settle(60)
        self.alice.peer.expectNothing()
        self.assertEqual(self.watcher.told[1:], [("1001", "registration expired")])

    def test_proxyDies(self) -> None:
        """
        When a SIP Proxy dies telephones are asked through the other one, and none
        goes out of service for it.
        """
        self.register(self.alice)
        self.proxies[1].runtime.transport.receiver = None
        self.answering(60)
        self.assertEqual(self.watcher.told, [("1001", "")])
