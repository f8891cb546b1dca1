"""
Arbiters on real stores, a real disk and real time.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.internet import reactor as _reactor
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from sipcluster.ha.arbiters.lock_file import LockFileArbiter
from sipcluster.ha.arbiters.store import StoreArbiter
from sipcluster.net.etcd import EtcdStore
from sipcluster.net.lock_files import LockFiles
from sipcluster.testing.arbiter_contract import ArbiterContract
from sipcluster.testing.stores import EtcdServer, HTTPStore, skipWithoutEtcd

reactor: Any = _reactor


class InRealTime(ArbiterContract):
    """
    Waits on the real reactor, by looking again and again.
    """

    timeout = 60

    def now(self) -> float:
        """
        Seconds of the reactor.
        """
        return float(reactor.seconds())

    async def until(self, true: Callable[[], object], seconds: float = 20.0) -> None:
        """
        Look every few milliseconds.
        """
        end = self.now() + seconds
        while not true():
            self.assertLess(self.now(), end, "it did not happen")
            await deferLater(reactor, 0.005)

    def onStore(self, url: str, name: str) -> StoreArbiter:
        """
        A member's way to a store.
        """
        store = EtcdStore(reactor, [url])
        self.addCleanup(store.close)
        return StoreArbiter(store, reactor, "node1", name, f"1{name}", self.ttl)


class EmbeddedStoreArbiterTests(InRealTime, TestCase):
    """
    The embedded store, over HTTP.
    """

    def makeArbiter(self, name: str) -> StoreArbiter:
        """
        @return: one on a provider in this process.
        """
        if name == "a":
            self.server = HTTPStore(reactor)
            self.addCleanup(self.server.stop)
        return self.onStore(self.server.url, name)


class EtcdArbiterTests(InRealTime, TestCase):
    """
    etcd.
    """

    skip = skipWithoutEtcd()

    async def makeArbiter(self, name: str) -> StoreArbiter:
        """
        @return: one on an etcd of this test's own.
        """
        if name == "a":
            self.server = EtcdServer(reactor, self.mktemp())
            self.addCleanup(self.server.stop)
            await self.server.start()
        return self.onStore(self.server.url, name)


class LockFileArbiterTests(InRealTime, TestCase):
    """
    A lock file, whose operations run in threads.
    """

    def makeArbiter(self, name: str) -> LockFileArbiter:
        """
        @return: one with a file of this test's own.
        """
        if name == "a":
            self.directory = Path(self.mktemp())
            self.directory.mkdir()
        files = LockFiles(str(self.directory / "node1"))

        def drop() -> None:
            for epoch in files.epochs():
                files.drop(epoch)

        self.addCleanup(drop)
        return LockFileArbiter(files, reactor, name, self.ttl, deferToThread)
