"""
Cluster stores on loopback ports of the system's choice, for tests.
"""

from __future__ import annotations

import os
import shutil
import socket
from typing import Any

from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.error import ProcessDone
from twisted.internet.protocol import ProcessProtocol
from twisted.internet.task import deferLater
from twisted.python.failure import Failure

from sipcluster.cluster.embedded import EmbeddedEngine
from sipcluster.cluster.keyspace import Keyspace
from sipcluster.net.http_client import HTTPFailed, JSONClient
from sipcluster.net.store_http import StoreResource, StoreSite

#: Where etcd is, or L{None}.
ETCD = shutil.which("etcd") or shutil.which("etcd", path="/usr/bin:/usr/sbin")


def skipWithoutEtcd() -> str | None:
    """
    For a test's C{skip}: a missing etcd is a skip on a laptop and a failure
    where C{CI=true}.
    """
    if ETCD is None and os.environ.get("CI") != "true":
        return "etcd is not installed"
    return None


def freePorts(count: int) -> list[int]:
    """
    TCP ports of 127.0.0.1 that nobody listens on.
    """
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


class HTTPStore:
    """
    The embedded provider on a port of this process.

    @ivar url: where it is asked.
    """

    def __init__(self, reactor: Any, path: str = ":memory:", port: int = 0) -> None:
        numbers = iter(range(1, 1 << 62))
        self.engine = EmbeddedEngine(Keyspace(path), reactor, lambda: next(numbers))
        self.resource = StoreResource(self.engine, reactor)
        self.site = StoreSite(self.resource, reactor)
        self._port = reactor.listenTCP(port, self.site, interface="127.0.0.1")
        self._reactor = reactor
        self.port: int = self._port.getHost().port
        self.url = f"http://127.0.0.1:{self.port}"

    @inlineCallbacks
    def stop(self) -> Any:
        """
        Close the port, the connections and the database.
        """
        yield self._port.stopListening()
        self.resource.close()
        for _ in range(100):
            if not self.site.connections:
                break
            yield deferLater(self._reactor, 0.01)
        self.engine.close()


class _EtcdProcess(ProcessProtocol):
    def __init__(self) -> None:
        self.ended: Deferred[None] = Deferred()
        self.output = b""

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        self.output = (self.output + data)[-20_000:]

    def processEnded(self, reason: Failure = Failure(ProcessDone(0))) -> None:  # noqa: B008
        self.ended.callback(None)


class EtcdServer:
    """
    One etcd process of our own.

    @ivar url: where it is asked.
    """

    def __init__(
        self,
        reactor: Any,
        directory: str,
        name: str = "default",
        members: dict[str, int] | None = None,
    ) -> None:
        """
        @param directory: for its data; kept when it stops, so that it can be
            started again.
        @param members: names and peer ports of all the members, for a cluster
            of several.
        """
        self._reactor = reactor
        self._directory = directory
        self._name = name
        client, peer = freePorts(2)
        self._members = {name: peer} if members is None else members
        self.url = f"http://127.0.0.1:{client}"
        self._process: _EtcdProcess | None = None
        self.transport: Any = None

    @inlineCallbacks
    def start(self) -> Any:
        """
        @return: a Deferred that fires when it answers.
        """
        assert ETCD is not None, "etcd is not installed, and CI=true wants it"
        peer = f"http://127.0.0.1:{self._members[self._name]}"
        members = ",".join(
            f"{name}=http://127.0.0.1:{port}" for name, port in self._members.items()
        )
        self._process = process = _EtcdProcess()
        self.transport = self._reactor.spawnProcess(
            process,
            ETCD,
            [
                *("etcd", "--data-dir", self._directory),
                *("--listen-client-urls", self.url),
                *("--advertise-client-urls", self.url),
                *("--listen-peer-urls", peer),
                *("--initial-advertise-peer-urls", peer),
                *("--name", self._name, "--initial-cluster", members),
                *("--logger", "zap", "--log-outputs", "stderr"),
            ],
            env={"PATH": os.environ.get("PATH", "")},
        )
        client = JSONClient(self._reactor)
        try:
            for _ in range(200):
                if process.ended.called:
                    raise RuntimeError(f"etcd ended: {process.output[-2000:]!r}")
                try:
                    answer = yield client.post(
                        f"{self.url}/v3/kv/range", b'{"key":"AA=="}', 1.0
                    )
                except HTTPFailed:
                    pass
                else:
                    if answer.status == 200:
                        return
                yield deferLater(self._reactor, 0.05)
            raise RuntimeError(f"etcd does not answer: {process.output[-2000:]!r}")
        finally:
            yield client.close()

    @inlineCallbacks
    def stop(self, signal: str = "KILL") -> Any:
        """
        End it.
        """
        process, self._process = self._process, None
        if process is not None and not process.ended.called:
            self.transport.signalProcess(signal)
            yield process.ended
