"""
Proxies that share registrations through a store on real sockets.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from statistics import median
from typing import TYPE_CHECKING, Any

from attrs import evolve
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from sipcluster.cluster.icluster import StoreAway
from sipcluster.net.etcd import EtcdStore
from sipcluster.registrar.iregistrar import ALL, Binding
from sipcluster.registrar.replicated import (
    ReplicatedRegistrationStore,
    replicatedRegistrations,
)
from sipcluster.testing.registration_contract import AOR, binding
from sipcluster.testing.stores import EtcdServer, HTTPStore, skipWithoutEtcd
from tests.loopback.storecase import reactor

if TYPE_CHECKING:
    _TestCase = TestCase
else:
    _TestCase = object


class ReplicationContract(_TestCase):
    """
    What registrations go through, whatever the store.
    """

    timeout = 60

    async def startServer(self) -> str:
        """
        Start the store.

        @return: its URL.
        """
        raise NotImplementedError

    async def restartServer(self) -> None:
        """
        Kill the store, wait a moment, start it again on the same port and data.
        """
        raise NotImplementedError

    def setUp(self) -> Any:
        """
        Start the store and two proxies' location services.
        """
        return self._setUp()

    async def _setUp(self) -> None:
        self.url = await self.startServer()
        self.one = await self.join("proxy1")
        self.two = await self.join("proxy2")

    async def join(self, name: str) -> ReplicatedRegistrationStore:
        """
        Start one proxy's location service; it has everything when this
        returns.
        """
        way = EtcdStore(reactor, [self.url])
        store = replicatedRegistrations(way, reactor, time.time, name)
        self.addCleanup(way.close)
        self.addCleanup(store.stop)
        await store.start(10.0)
        await self.until(lambda: not store.degraded)
        return store

    async def until(self, true: Callable[[], object], seconds: float = 15.0) -> float:
        """
        Wait.

        @return: for how many seconds.
        """
        start = reactor.seconds()
        while not true():
            self.assertLess(reactor.seconds() - start, seconds, "it did not happen")
            await deferLater(reactor, 0.001)
        waited: float = reactor.seconds() - start
        return waited

    def knows(self, store: ReplicatedRegistrationStore, all: list[Binding]) -> bool:
        """
        Whether one proxy knows just these.
        """
        return list(store.bindings(AOR)) == all

    async def test_seenInTime(self) -> None:
        """
        A registration at one proxy is known at the other within 0.2 seconds.
        """
        waits = []
        for number in range(20):
            start = reactor.seconds()
            made = binding(cseq=number, q=number / 100)
            made = evolve(made, expiresAt=time.time() + 600)
            stored = self.one.update(AOR, [made])
            await self.until(partial(self.knows, self.two, [made]))
            waits.append(reactor.seconds() - start)
            await stored
            # So that some come after a pause and some in the middle of others.
            await deferLater(reactor, 0.01 * (number % 7))
        self.assertLess(median(waits), 0.2, waits)
        self.assertLess(max(waits), 1.0, waits)

    async def test_burst(self) -> None:
        """
        Two thousand registrations at once arrive, and a newcomer has them all.
        """
        ends = time.time() + 600
        for number in range(2000):
            aor = b"sip:%d@example.com" % number
            made = evolve(binding(aor=aor), expiresAt=ends)
            self.one.update(aor, [made]).addErrback(lambda f: f.trap(StoreAway))
        await self.until(lambda: self.two.count == 2000)
        newcomer = await self.join("proxy3")
        self.assertEqual(newcomer.count, 2000)
        self.assertEqual(set(newcomer.allBindings()), set(self.one.allBindings()))

    async def test_storeRestarts(self) -> None:
        """
        A store that is killed and comes back finds the proxies serving what
        they had, takes what they did meanwhile, and ends with all the same.
        """
        ends = time.time() + 600
        await self.one.update(AOR, [evolve(binding(b"a"), expiresAt=ends)])
        await self.until(lambda: self.two.count == 1)
        restarting = self.restartServer()
        meanwhile = self.one.update(AOR, [evolve(binding(b"b", q=0.5), expiresAt=ends)])
        meanwhile.addErrback(lambda f: f.trap(StoreAway))
        removed = self.two.update(AOR, [], ALL)
        removed.addErrback(lambda f: f.trap(StoreAway))
        self.assertEqual(len(self.one.bindings(AOR)), 2)
        self.assertEqual(list(self.two.bindings(AOR)), [])
        await restarting
        await self.until(lambda: not (self.one.degraded or self.two.degraded))
        left = [evolve(binding(b"b", q=0.5), expiresAt=ends)]
        for store in (self.one, self.two):
            await self.until(partial(self.knows, store, left))


class EmbeddedReplicationTests(ReplicationContract, TestCase):
    """
    Through the embedded provider over HTTP.
    """

    async def startServer(self) -> str:
        """
        @return: the URL of a provider on a file.
        """
        self.path = self.mktemp()
        self.server = HTTPStore(reactor, self.path)
        self.addCleanup(lambda: self.server.stop())
        return self.server.url

    async def restartServer(self) -> None:
        """
        Close and open.
        """
        await self.server.stop()
        await deferLater(reactor, 0.3)
        self.server = HTTPStore(reactor, self.path, self.server.port)


class EtcdReplicationTests(ReplicationContract, TestCase):
    """
    Through etcd.
    """

    skip = skipWithoutEtcd()

    async def startServer(self) -> str:
        """
        @return: the URL of an etcd.
        """
        self.server = EtcdServer(reactor, self.mktemp())
        self.addCleanup(self.server.stop)
        await self.server.start()
        return self.server.url

    async def restartServer(self) -> None:
        """
        Kill and start.
        """
        await self.server.stop("KILL")
        await deferLater(reactor, 0.3)
        await self.server.start()
