"""
What the tests of stores on the loopback interface share.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet import reactor as _reactor
from twisted.internet.task import deferLater

from sipcluster.net.etcd import EtcdStore
from sipcluster.testing.contracts import ClusterStoreContract

reactor: Any = _reactor


class StoreOnLoopback(ClusterStoreContract):
    """
    Waits on the real reactor, by looking again and again.
    """

    timeout = 30

    def client(self, *urls: str, seconds: float = 2.0) -> EtcdStore:
        """
        A client, closed when the test ends.
        """
        store = EtcdStore(reactor, urls, seconds)
        self.addCleanup(store.close)
        return store

    async def until(self, true: Callable[[], object], seconds: float = 5.0) -> None:
        """
        Look every few milliseconds.
        """
        end = reactor.seconds() + seconds
        while not true():
            self.assertLess(reactor.seconds(), end, "it did not happen")
            await deferLater(reactor, 0.005)

    async def compact(self, revision: int) -> None:
        """
        Forget the history.
        """
        body = b'{"revision":"%d"}' % revision
        url = self.store.endpoints[0] + "/v3/kv/compaction"
        answer = await self.store.client.post(url, body, 2.0)
        self.assertEqual(answer.status, 200, answer.body)
