"""
SIP Proxies that share a cluster store.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred

from sipcluster.app.proxy import SECRET, ProxyMember, makeProxy
from sipcluster.app.runtime import ProxyRuntime
from sipcluster.cluster.embedded_store import EmbeddedStore, memoryEngine
from sipcluster.registrar.iregistrar import IRegistrationStore
from tests.memory.proxies import (
    BOB,
    DOMAIN,
    PROXY1,
    PROXY2,
    ProxyTestCase,
)

BOB_URI = f"sip:bob@{DOMAIN}"


class SharedStoreTestCase(ProxyTestCase):
    """
    Two proxies on one cluster store.
    """

    def setUp(self) -> None:
        self.loading: list[Deferred[None]] = []
        self.stores: dict[str, EmbeddedStore] = {}
        super().setUp()
        self.settle(1)
        for loading in self.loading:
            self.successResultOf(loading)

    def proxy(
        self, name: str, host: str, store: IRegistrationStore | None = None
    ) -> ProxyMember:
        """
        Start a proxy on the cluster store.
        """
        if not self.stores:
            self.engine = memoryEngine(self.clock)
            self.addCleanup(self.engine.close)
        self.stores[name] = EmbeddedStore(self.engine, self.clock)
        transport = self.network.host(host)
        self.transports.append(transport)
        member = makeProxy(
            ProxyRuntime(
                name=name,
                configuration=self.configuration,
                clock=self.clock,
                wallTime=self.wallTime,
                entropy=self.network.entropy,
                transport=transport,
                locator=self.names,
                store=self.stores[name],
            )
        )
        member.startService()
        self.loading.append(member.load())
        return member


class SharedStoreTests(SharedStoreTestCase):
    """
    Every proxy knows every phone.
    """

    def callThrough(self, host: str, callID: str) -> None:
        """
        Call bob from the first node by way of one proxy.
        """
        data = self.fromNode(
            "INVITE", BOB_URI, f"Route: <sip:{host}:5060;lr>", callID=callID
        )
        self.node1.send(data, self.node1.flow(to=host))
        self.settle(0.1)

    def test_registeredThere(self) -> None:
        """
        A registration made through one proxy is used by the other within
        0.2 s, and by one that is started later before it answers anybody.
        """
        bob = self.phone(BOB)
        self.sendRegister(bob)
        self.settle(0.2)
        bob.take(200)
        self.callThrough(PROXY2, "one")
        bob.take(b"INVITE")
        self.network.kill(PROXY1)
        self.callThrough(PROXY2, "two")
        bob.take(b"INVITE")
        self.proxy1 = self.proxy("proxy1", PROXY1)
        while not self.loading[-1].called:
            self.settle(0.01)
        self.assertEqual(self.proxy1.status()["registrations"], 1)

    def sendRegister(self, bob) -> None:  # type: ignore[no-untyped-def]
        """
        Register bob with the first proxy.
        """
        bob.send(
            self.request(
                "REGISTER",
                f"sip:{DOMAIN}",
                BOB,
                f"Contact: <sip:bob@{BOB}>",
                caller="bob",
                to=BOB_URI,
            )
        )

    def test_storeAway(self) -> None:
        """
        With the cluster store away a phone still registers, within 1.1 s, and
        is called through this proxy; the others learn of it when the store is
        back.
        """
        bob = self.phone(BOB)
        for store in self.stores.values():
            store.away = True
        self.sendRegister(bob)
        self.settle(1.1)
        bob.take(200)
        self.callThrough(PROXY1, "one")
        bob.take(b"INVITE")
        for store in self.stores.values():
            store.away = False
        self.settle(20)
        self.node1.received.clear()
        self.callThrough(PROXY2, "two")
        bob.take(b"INVITE")

    def test_oneSecret(self) -> None:
        """
        All proxies sign flow tokens with one secret, which outlives them.
        """
        tokens = [p._tokens.sign(b"x") for p in (self.proxy1, self.proxy2)]
        self.assertEqual(tokens[0], tokens[1])
        again = self.proxy("proxy1", "192.0.2.99")
        self.settle(1)
        self.assertEqual(again._tokens.sign(b"x"), tokens[0])
        snapshot = self.stores["proxy1"].snapshot(SECRET)
        self.settle()
        self.assertEqual(len(self.successResultOf(snapshot).entries), 1)
