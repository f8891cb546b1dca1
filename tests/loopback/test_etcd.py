"""
The client against a real etcd.
"""

from __future__ import annotations

from twisted.trial.unittest import TestCase

from sipcluster.net.etcd import EtcdStore
from sipcluster.testing.stores import EtcdServer, skipWithoutEtcd
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
