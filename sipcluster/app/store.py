"""
The embedded cluster store as a member of the cluster.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, execute
from twisted.logger import Logger
from zope.interface import implementer

from sipcluster.app.runtime import IMember
from sipcluster.app.settings import Configuration, Store
from sipcluster.cluster.embedded import EmbeddedEngine
from sipcluster.cluster.keyspace import Keyspace
from sipcluster.net.store_http import StoreResource, StoreSite

log = Logger()


def leaseID() -> int:
    """
    A lease id as etcd makes them: positive, 63 bits.
    """
    return int.from_bytes(os.urandom(8), "big") >> 1


@implementer(IMember)
class StoreMember(Service):
    """
    Keys, leases and watches on SQLite, answered over HTTP.
    """

    def __init__(self, reactor: Any, configuration: Configuration, store: Store):
        self._reactor = reactor
        self._store = store
        beside = configuration.source.absolute().parent
        self._path = store.path or beside / f"{store.name}.sqlite"
        self._engine: EmbeddedEngine | None = None
        self._resource: StoreResource | None = None
        self._site: StoreSite | None = None
        self._port: Any = None

    def load(self) -> Deferred[None]:
        """
        Open the database and listen.
        """
        return execute(self._open)

    def _open(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        engine = EmbeddedEngine(Keyspace(str(self._path)), self._reactor, leaseID)
        self._engine = engine
        self._resource = StoreResource(engine, self._reactor)
        self._site = StoreSite(self._resource, self._reactor)
        self._port = self._reactor.listenTCP(
            self._store.port, self._site, interface=self._store.listen
        )
        log.info(
            "the cluster store on {host}:{port}, keys in {path}",
            host=self._store.listen,
            port=self._store.port,
            path=str(self._path),
        )

    def stopService(self) -> Any:
        """
        @return: fires when the port is closed.
        """
        super().stopService()
        stopped = self._port.stopListening() if self._port is not None else None
        if self._resource is not None:
            self._resource.close()
        if self._engine is not None:
            self._engine.close()
        return stopped

    def status(self) -> dict[str, object]:
        """
        Counts of what the store holds.
        """
        if self._engine is None or self._site is None:
            return {}
        return {
            "revision": self._engine.revision,
            "leases": len(self._engine.leaseIDs()),
            "watches": len(self._engine.watches),
            "connections": {"HTTP": self._site.connections},
            "degraded": "",
        }

    def registrations(self) -> Iterable[dict[str, object]]:
        """
        None: ask a SIP Proxy.
        """
        return ()

    def calls(self) -> Iterable[dict[str, object]]:
        """
        None: ask a node.
        """
        return ()


def makeStore(reactor: Any, configuration: Configuration, store: Store) -> StoreMember:
    """
    Build the embedded store; nothing is opened before C{load}.
    """
    return StoreMember(reactor, configuration, store)
