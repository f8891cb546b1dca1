"""
The client against a real etcd.
"""

from __future__ import annotations

import contextlib
from typing import Any

from twisted.internet.defer import gatherResults
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from sipcluster.cluster.icluster import Put, StoreAway
from sipcluster.net.etcd import EtcdStore
from sipcluster.testing.contracts import RecordingWatcher
from sipcluster.testing.stores import EtcdServer, freePorts, skipWithoutEtcd
from tests.loopback.storecase import StoreOnLoopback, reactor


class EtcdTests(StoreOnLoopback, TestCase):
    """
    etcd does what a cluster store does.
    """

    skip = skipWithoutEtcd()

    async def makeStore(self) -> EtcdStore:
        """
        @return: a client of an etcd of this test's own.
        """
        self.server = EtcdServer(reactor, self.mktemp())
        self.addCleanup(self.server.stop)
        await self.server.start()
        return self.client(self.server.url)


class QuorumTests(TestCase):
    """
    An etcd of three members, of which some die.
    """

    skip = skipWithoutEtcd()
    timeout = 60

    def setUp(self) -> Any:
        """
        Start three.
        """
        names = ("a", "b", "c")
        members = dict(zip(names, freePorts(3), strict=True))
        self.servers = [
            EtcdServer(reactor, self.mktemp(), name, members) for name in names
        ]
        for server in self.servers:
            self.addCleanup(server.stop)
        return gatherResults([server.start() for server in self.servers])

    def connect(self, *servers: EtcdServer) -> EtcdStore:
        """
        A client of some of them.
        """
        store = EtcdStore(reactor, [server.url for server in servers])
        self.addCleanup(store.close)
        return store

    async def test_oneDies(self) -> None:
        """
        When the member that a client talks to dies, calls go on through
        another, and a watch is taken up there without a gap.
        """
        store = self.connect(*self.servers)
        first = await store.txn([], [Put(b"a", b"1")])
        watcher = RecordingWatcher()
        store.watch(b"a", first.revision + 1, watcher)
        while not watcher.signs:
            await deferLater(reactor, 0.01)
        await self.servers[0].stop()
        while not watcher.ended:
            await deferLater(reactor, 0.01)
        for _ in range(50):
            with contextlib.suppress(StoreAway):
                await store.txn([], [Put(b"a", b"2")])
                break
            await deferLater(reactor, 0.1)
        again = RecordingWatcher()
        watch = store.watch(b"a", first.revision + 1, again)
        self.addCleanup(watch.stop)
        while not again.seen:
            await deferLater(reactor, 0.01)
        self.assertEqual(again.seen[0].value, b"2")

    async def test_quorumLost(self) -> None:
        """
        When two of three are dead, calls to the third fail within their time,
        and a watch of it is lost instead of staying silent.
        """
        store = self.connect(self.servers[0])
        await store.txn([], [Put(b"a", b"1")])
        watcher = RecordingWatcher()
        watch = store.watch(b"a", 1, watcher)
        self.addCleanup(watch.stop)
        while not watcher.signs:
            await deferLater(reactor, 0.01)
        for server in self.servers[1:]:
            await server.stop()
        start = reactor.seconds()
        with self.assertRaises(StoreAway):
            await store.txn([], [Put(b"a", b"2")])
        self.assertLess(reactor.seconds() - start, 3.0)
        while not watcher.ended:
            await deferLater(reactor, 0.05)
        ((_, compacted),) = watcher.ended
        self.assertFalse(compacted)
