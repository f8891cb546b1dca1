"""
The embedded store over HTTP, and its client.
"""

from __future__ import annotations

from twisted.trial.unittest import TestCase

from sipcluster.net.etcd import EtcdStore
from sipcluster.testing.stores import HTTPStore
from tests.loopback.storecase import StoreOnLoopback, reactor


class EmbeddedOverHTTPTests(StoreOnLoopback, TestCase):
    """
    The embedded provider, asked over HTTP, does what a cluster store does.
    """

    def makeStore(self) -> EtcdStore:
        """
        @return: a client of a provider in this process.
        """
        self.server = HTTPStore(reactor)
        self.addCleanup(self.server.stop)
        return self.client(self.server.url)
