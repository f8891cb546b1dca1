"""
The embedded store over HTTP, and its client.
"""

from __future__ import annotations

import json
import os
from base64 import b64encode
from pathlib import Path
from typing import Any

from twisted.internet import ssl
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.protocol import ClientFactory, Factory, Protocol, connectionDone
from twisted.internet.task import deferLater
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase
from twisted.web.client import BrowserLikePolicyForHTTPS

from sipcluster.cluster.icluster import (
    LeaseGone,
    Put,
    StoreAway,
    StoreRefused,
    createdAt,
)
from sipcluster.cluster.operations import PutOperation
from sipcluster.net import store_http
from sipcluster.net.etcd import EtcdStore
from sipcluster.net.http_client import Answer, HTTPFailed, JSONClient
from sipcluster.testing.contracts import RecordingWatcher
from sipcluster.testing.pki import PKI
from sipcluster.testing.stores import HTTPStore, freePorts
from tests.loopback.storecase import StoreOnLoopback, reactor


def b64(value: bytes) -> str:
    """
    Bytes as they stand in JSON.
    """
    return b64encode(value).decode("ascii")


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


class GatewayTests(TestCase):
    """
    What the provider answers to those who speak JSON by hand.
    """

    timeout = 20

    def setUp(self) -> None:
        self.server = HTTPStore(reactor)
        self.addCleanup(self.server.stop)
        self.client = JSONClient(reactor)
        self.addCleanup(self.client.close)

    async def post(self, path: str, request: object) -> tuple[int, Any]:
        """
        Ask.

        @return: the status, and the answer read as JSON.
        """
        body = request if isinstance(request, bytes) else json.dumps(request).encode()
        answer: Answer = await self.client.post(self.server.url + path, body, 5.0)
        return answer.status, json.loads(answer.body)

    async def good(self, path: str, request: object) -> Any:
        """
        Ask for something that is granted.
        """
        status, answer = await self.post(path, request)
        self.assertEqual(status, 200, answer)
        return answer

    async def test_putAndRange(self) -> None:
        """
        C{kv/put}, C{kv/range} and C{kv/deleterange} speak as etcd's gateway
        does: numbers as strings, what is zero left out.
        """
        await self.good("/v3/kv/put", {"key": b64(b"a"), "value": b64(b"1")})
        await self.good("/v3/kv/put", {"key": b64(b"b"), "lease": "0"})
        answer = await self.good(
            "/v3/kv/range", {"key": b64(b"a"), "range_end": b64(b"z"), "limit": "1"}
        )
        self.assertEqual(
            answer["kvs"],
            [
                {
                    "key": b64(b"a"),
                    "value": b64(b"1"),
                    "create_revision": "2",
                    "mod_revision": "2",
                    "version": "1",
                }
            ],
        )
        self.assertEqual((answer["count"], answer["more"]), ("2", True))
        self.assertEqual(answer["header"]["revision"], "3")
        answer = await self.good(
            "/v3/kv/deleterange", {"key": b64(b"a"), "range_end": b64(b"z")}
        )
        self.assertEqual(answer["deleted"], "2")
        answer = await self.good("/v3/kv/range", {"key": b64(b"a")})
        self.assertNotIn("kvs", answer)
        self.assertNotIn("count", answer)

    async def test_txn(self) -> None:
        """
        A transaction answers for each of its operations; one that took the
        other branch leaves out C{succeeded}.
        """
        key = b64(b"a")
        request = {
            "compare": [{"key": key, "target": "CREATE", "create_revision": "0"}],
            "success": [
                {"request_put": {"key": key, "value": b64(b"1")}},
                {"request_range": {"key": key}},
            ],
            "failure": [{"request_delete_range": {"key": key}}],
        }
        answer = await self.good("/v3/kv/txn", request)
        self.assertIs(answer["succeeded"], True)
        put, found = answer["responses"]
        self.assertEqual(list(put), ["response_put"])
        self.assertEqual(found["response_range"]["kvs"][0]["value"], b64(b"1"))
        answer = await self.good("/v3/kv/txn", request)
        self.assertNotIn("succeeded", answer)
        (gone,) = answer["responses"]
        self.assertEqual(gone["response_delete_range"]["deleted"], "1")

    async def test_leases(self) -> None:
        """
        Leases are granted, kept alive, looked at, listed and revoked; a
        keep-alive of one that is gone has no TTL.
        """
        lease = await self.good("/v3/lease/grant", {"TTL": 1})
        self.assertEqual(lease["TTL"], "2")
        await self.good("/v3/kv/put", {"key": b64(b"a"), "lease": lease["ID"]})
        kept = await self.good("/v3/lease/keepalive", {"ID": lease["ID"]})
        self.assertEqual(kept["result"]["TTL"], "2")
        seen = await self.good(
            "/v3/lease/timetolive", {"ID": lease["ID"], "keys": True}
        )
        self.assertEqual(
            (seen["grantedTTL"], seen["keys"], seen["ID"]),
            ("2", [b64(b"a")], lease["ID"]),
        )
        listed = await self.good("/v3/lease/leases", {})
        self.assertEqual(listed["leases"], [{"ID": lease["ID"]}])
        await self.good("/v3/lease/revoke", {"ID": lease["ID"]})
        status, _ = await self.post("/v3/lease/revoke", {"ID": lease["ID"]})
        self.assertEqual(status, 404)
        kept = await self.good("/v3/lease/keepalive", {"ID": lease["ID"]})
        self.assertNotIn("TTL", kept["result"])
        seen = await self.good("/v3/lease/timetolive", {"ID": lease["ID"]})
        self.assertEqual(seen["TTL"], "-1")

    async def test_status(self) -> None:
        """
        C{maintenance/status} answers, and so does C{GET /health}.
        """
        answer = await self.good("/v3/maintenance/status", {})
        self.assertGreater(int(answer["dbSize"]), 0)
        request = b"GET /health HTTP/1.0\r\n\r\n"
        self.assertIn(b'{"health":"true"}', await self.raw(request))

    async def test_badRequests(self) -> None:
        """
        What is not JSON, has wrong types, unknown fields, no key, no operation
        or two, is answered 400 and says why; nothing is changed.
        """
        key = b64(b"a")
        for path, request, why in (
            ("/v3/kv/put", b"{", "truncated"),
            ("/v3/kv/put", b"\xff\xfe", "malformed"),
            ("/v3/kv/put", b'{"key":"' + b"[" * 5000, "truncated"),
            ("/v3/kv/range", b"[" * 100_000, "Expected"),
            ("/v3/kv/put", [], "Expected `object`"),
            ("/v3/kv/put", {"key": 7}, "$.key"),
            ("/v3/kv/put", {"key": "not base64"}, "base64"),
            ("/v3/kv/put", {"value": key}, "key is not provided"),
            ("/v3/kv/put", {"key": key, "lease": "x"}, "$.lease"),
            ("/v3/kv/put", {"key": key, "prev_kv": True}, "prev_kv"),
            ("/v3/kv/range", {}, "key is not provided"),
            ("/v3/kv/range", {"key": key, "sort_order": "DESCEND"}, "sort_order"),
            ("/v3/kv/range", {"key": key, "revision": "99"}, "future revision"),
            ("/v3/kv/txn", {"success": [{}]}, "wants one request"),
            ("/v3/kv/txn", {"compare": [{"key": key, "target": "X"}]}, "target"),
            (
                "/v3/kv/txn",
                {
                    "success": [
                        {
                            "request_put": {"key": key},
                            "request_range": {"key": key},
                        }
                    ]
                },
                "wants one request",
            ),
            (
                "/v3/kv/txn",
                {"success": [{"request_put": {"key": key}}] * 2},
                "duplicate key",
            ),
            (
                "/v3/kv/txn",
                {
                    "success": [
                        {"request_put": {"key": key}},
                        {"request_delete_range": {"key": key, "range_end": b64(b"z")}},
                    ]
                },
                "duplicate key",
            ),
            (
                "/v3/kv/txn",
                {"failure": [{"request_range": {"key": key}}] * 129},
                "too many operations",
            ),
            ("/v3/lease/grant", {"TTL": "-1"}, "TTL"),
            ("/v3/lease/grant", {"TTL": 10**30}, "TTL"),
            ("/v3/watch", {}, "create_request"),
        ):
            status, answer = await self.post(path, request)
            self.assertEqual(status, 400, (path, request, answer))
            self.assertIn(why, answer["error"], (path, request))
            self.assertEqual(answer["message"], answer["error"])
        self.assertEqual(self.server.engine.revision, 1)
        self.assertEqual(self.server.resource.refused, 22)

    async def test_badPaths(self) -> None:
        """
        Other paths are answered 404, other methods 405.
        """
        status, _ = await self.post("/v3/kv/none", {})
        self.assertEqual(status, 404)
        answer = await self.raw(b"GET /v3/kv/range HTTP/1.0\r\n\r\n")
        self.assertIn(b"405", answer.split(b"\r\n")[0])

    async def test_putOnADeadLease(self) -> None:
        """
        A put on a dead lease is answered 404 with code 5, as etcd does.
        """
        status, answer = await self.post("/v3/kv/put", {"key": "AA==", "lease": "9"})
        self.assertEqual((status, answer["code"]), (404, 5))

    async def test_compacted(self) -> None:
        """
        A range at a forgotten revision is answered 400 with code 11; a watch
        from one is cancelled with the revision from which it may begin, and
        its stream stays open.
        """
        for _ in range(5):
            await self.good("/v3/kv/put", {"key": b64(b"a")})
        await self.good("/v3/kv/compaction", {"revision": "5"})
        status, answer = await self.post(
            "/v3/kv/range", {"key": b64(b"a"), "revision": "3"}
        )
        self.assertEqual((status, answer["code"]), (400, 11))
        lines: list[bytes] = []
        lost: list[str] = []
        stream = self.client.stream(
            self.server.url + "/v3/watch",
            json.dumps(
                {"create_request": {"key": b64(b"a"), "start_revision": "2"}}
            ).encode(),
            {},
            lines.append,
            lost.append,
        )
        self.addCleanup(stream.stop)
        while b"canceled" not in b"".join(lines):
            await deferLater(reactor, 0.005)
        created, cancelled = (json.loads(line) for line in b"".join(lines).splitlines())
        self.assertIs(created["result"]["created"], True)
        self.assertEqual(cancelled["result"]["compact_revision"], "5")
        self.assertEqual(lost, [])

    async def test_tooLarge(self) -> None:
        """
        A body beyond the bound is answered 413 without being read, whether its
        length is announced or not.
        """
        head = b"POST /v3/kv/put HTTP/1.1\r\nHost: a\r\n"
        answer = await self.raw(head + b"Content-Length: 9999999\r\n\r\n" + b"x" * 1000)
        self.assertIn(b"413", answer.split(b"\r\n")[0])
        chunk = b"%x\r\n%b\r\n" % (100_000, b"x" * 100_000)
        answer = await self.raw(
            head + b"Transfer-Encoding: chunked\r\n\r\n" + chunk * 20
        )
        self.assertIn(b"413", answer.split(b"\r\n")[0])

    async def test_notHTTP(self) -> None:
        """
        What is no HTTP at all is closed, and the next is served.
        """
        await self.raw(b"\x16\x03\x01" + os.urandom(200) + b"\r\n\r\n")
        await self.good("/v3/maintenance/status", {})

    async def test_bug(self) -> None:
        """
        A bug of ours is answered 500 and logged.
        """
        self.patch(self.server.engine.keyspace, "range", lambda _: 1 / 0)
        status, _ = await self.post("/v3/kv/range", {"key": "AA=="})
        self.assertEqual(status, 500)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    async def test_watchesAreBounded(self) -> None:
        """
        Beyond the bound a watch is refused, and its client told later.
        """
        self.patch(store_http, "WATCH_LIMIT", 0)
        status, answer = await self.post(
            "/v3/watch", {"create_request": {"key": "AA=="}}
        )
        self.assertEqual((status, answer["error"]), (429, "too many watches"))

    async def test_connectionsAreBounded(self) -> None:
        """
        Beyond the bound a connection is closed at once.
        """
        self.patch(store_http, "CONNECTION_LIMIT", 0)
        self.assertEqual(await self.raw(b"GET /health HTTP/1.0\r\n\r\n"), b"")
        self.patch(store_http, "CONNECTION_LIMIT", 10)
        self.assertIn(b"200", await self.raw(b"GET /health HTTP/1.0\r\n\r\n"))

    async def test_progress(self) -> None:
        """
        A watch that wants signs of life gets them.
        """
        self.patch(store_http, "PROGRESS", 0.05)
        store = EtcdStore(reactor, [self.server.url])
        self.addCleanup(store.close)
        watcher = RecordingWatcher()
        watch = store.watch(b"a", 2, watcher)
        while watcher.signs < 4:
            await deferLater(reactor, 0.01)
        watch.stop()
        while self.server.engine.watches:
            await deferLater(reactor, 0.01)
        self.assertEqual((watcher.seen, watcher.ended), ([], []))

    def raw(self, data: bytes) -> Deferred[bytes]:
        """
        Write bytes to the port.

        @return: all that comes back until the connection is closed.
        """
        result: Deferred[bytes] = Deferred()

        class Raw(Protocol):
            got = b""

            def connectionMade(self) -> None:
                assert self.transport is not None
                self.transport.write(data)

            def dataReceived(self, data: bytes) -> None:
                self.got += data

            def connectionLost(self, reason: Failure = connectionDone) -> None:
                result.callback(self.got)

        factory = ClientFactory.forProtocol(Raw)
        reactor.connectTCP("127.0.0.1", self.server.port, factory)
        return result


class SlowReaderTests(TestCase):
    """
    A client that does not read its watch.
    """

    timeout = 30

    async def test_costsNoMemory(self) -> None:
        """
        A watch whose client does not read is paused, others go on; when it
        reads again it gets everything.
        """
        server = HTTPStore(reactor)
        self.addCleanup(server.stop)
        store = EtcdStore(reactor, [server.url], 5.0)
        self.addCleanup(store.close)
        slow, quick = RecordingWatcher(), RecordingWatcher()
        watches = [store.watch(b"a", 2, each) for each in (slow, quick)]
        while not (slow.signs and quick.signs):
            await deferLater(reactor, 0.005)
        stream: Any = watches[0].stream  # type: ignore[attr-defined]
        stream.transport.pauseProducing()
        value = os.urandom(30_000)
        for _ in range(400):
            server.engine.transact((), [PutOperation(b"a", value)])
            await deferLater(reactor, 0)
        while len(quick.seen) < 400:
            await deferLater(reactor, 0.005)
        self.assertLess(len(slow.seen), 400)
        self.assertEqual(sum(w.paused for w in server.engine.watches), 1)
        stream.transport.resumeProducing()
        while len(slow.seen) < 400:
            await deferLater(reactor, 0.005)
        self.assertEqual(slow.seen, quick.seen)


class FailoverTests(TestCase):
    """
    L{EtcdStore} with several endpoints, and with bad ones.
    """

    timeout = 20

    def serve(self) -> HTTPStore:
        """
        A provider.
        """
        server = HTTPStore(reactor)
        self.addCleanup(server.stop)
        return server

    def connect(self, *urls: str, seconds: float = 0.3) -> EtcdStore:
        """
        A client.
        """
        store = EtcdStore(reactor, urls, seconds)
        self.addCleanup(store.close)
        return store

    def listen(self, protocol: type[Protocol]) -> str:
        """
        Listen with something that is no store.

        @return: its URL.
        """
        self.connections: list[Protocol] = []

        def build(_: object) -> Protocol:
            made = protocol()
            self.connections.append(made)
            return made

        factory = Factory()
        factory.buildProtocol = build  # type: ignore[assignment,method-assign]
        port = reactor.listenTCP(0, factory, interface="127.0.0.1")

        @inlineCallbacks
        def stop() -> Any:
            for each in self.connections:
                if each.transport is not None:
                    each.transport.abortConnection()  # type: ignore[attr-defined]
            yield port.stopListening()

        self.addCleanup(stop)
        return f"http://127.0.0.1:{port.getHost().port}"

    def nobody(self) -> str:
        """
        A URL where nobody listens.
        """
        return f"http://127.0.0.1:{freePorts(1)[0]}"

    def test_noEndpoints(self) -> None:
        """
        A client needs one.
        """
        self.assertRaises(ValueError, EtcdStore, reactor, [])

    async def test_nextEndpoint(self) -> None:
        """
        Where nobody listens the next endpoint is asked at once, by every call,
        and kept to.
        """
        server = self.serve()
        for call in (
            lambda store: store.txn([], [Put(b"a", b"1")]),
            lambda store: store.snapshot(b"a"),
            lambda store: store.leaseGrant(5),
        ):
            store = self.connect(self.nobody(), server.url)
            await call(store)
            self.assertEqual(store.preferred, 1)
        watcher = RecordingWatcher()
        store = self.connect(self.nobody(), server.url)
        store.watch(b"a", 2, watcher)
        while not watcher.ended:
            await deferLater(reactor, 0.005)
        watch = store.watch(b"a", 2, watcher)
        while not watcher.seen:
            await deferLater(reactor, 0.005)
        watch.stop()

    async def test_nobody(self) -> None:
        """
        With nobody anywhere calls fail, soon.
        """
        store = self.connect(self.nobody(), self.nobody())
        start = reactor.seconds()
        for call in (
            store.txn([], [Put(b"a", b"1")]),
            store.snapshot(b"a"),
            store.leaseKeepAlive(7),
            store.leaseRevoke(7),
        ):
            with self.assertRaises(StoreAway):
                await call
        self.assertLess(reactor.seconds() - start, 5.0)

    async def test_silent(self) -> None:
        """
        An endpoint that takes a connection and says nothing costs one call its
        time; reading is tried at the next, a transaction is not, because it
        may have been done.
        """
        silent = self.listen(Protocol)
        server = self.serve()
        store = self.connect(silent, server.url)
        await store.snapshot(b"a")
        self.assertEqual(store.preferred, 1)
        store = self.connect(silent, server.url)
        with self.assertRaises(StoreAway):
            await store.txn([createdAt(b"a", 0)], [Put(b"a", b"1")])
        await store.txn([createdAt(b"a", 0)], [Put(b"a", b"1")])
        watcher = RecordingWatcher()
        self.connect(silent).watch(b"a", 1, watcher)
        while not watcher.ended:
            await deferLater(reactor, 0.005)
        self.assertIn("not opened in time", watcher.ended[0][0])

    async def test_garbage(self) -> None:
        """
        An endpoint that answers something else is no store: calls fail, watches
        are lost.
        """

        class Nonsense(Protocol):
            answer = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"

            def dataReceived(self, data: bytes) -> None:
                assert self.transport is not None
                self.transport.write(self.answer)
                self.transport.loseConnection()

        for answer in (
            Nonsense.answer,
            b'HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n{"result": [1]}',
            b"HTTP/1.1 200 OK\r\n\r\n[1]\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nhello",
            b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n",
            b'HTTP/1.1 500 No\r\nContent-Length: 14\r\n\r\n{"error":"why"}',
            b"SIP/2.0 200 OK\r\n\r\n",
        ):
            Nonsense.answer = answer
            store = self.connect(self.listen(Nonsense))
            for call in (
                lambda s: s.txn([], [Put(b"a", b"1")]),
                lambda s: s.snapshot(b"a"),
                lambda s: s.leaseGrant(5),
                lambda s: s.leaseKeepAlive(5),
            ):
                with self.assertRaises(StoreAway):
                    await call(store)
            watcher = RecordingWatcher()
            store.watch(b"a", 1, watcher)
            while not watcher.ended:
                await deferLater(reactor, 0.005)
            self.assertEqual(watcher.seen, [])

    async def test_refusals(self) -> None:
        """
        What a store refuses is told with its reason, and not asked elsewhere.
        """
        server = self.serve()
        store = self.connect(server.url, self.nobody())
        with self.assertRaises(StoreRefused) as caught:
            await store.leaseGrant(10**12)
        self.assertEqual(caught.exception.status, 400)
        with self.assertRaises(LeaseGone):
            await store.txn([], [Put(b"a", b"", 99)])
        self.assertEqual(store.preferred, 0)

    async def test_errorLine(self) -> None:
        """
        A watch that is told of an error is lost with it.
        """

        class Erring(Protocol):
            def dataReceived(self, data: bytes) -> None:
                assert self.transport is not None
                self.transport.write(
                    b"HTTP/1.1 200 OK\r\n\r\n"
                    b'\n{"result":{"created":true,"header":{"revision":"9"}}}\n'
                    b'{"error":{"grpc_code":14,"message":"no leader"}}\n{"result":{}}\n'
                )

        watcher = RecordingWatcher()
        self.connect(self.listen(Erring)).watch(b"a", 10, watcher)
        while not watcher.ended:
            await deferLater(reactor, 0.005)
        self.assertEqual((watcher.ended, watcher.signs), ([("no leader", False)], 1))

    async def test_restart(self) -> None:
        """
        A provider that is restarted on its file is found again by the same
        client: what was kept as a connection is not taken for a failure, and
        a watch goes on where it was.
        """
        path = self.mktemp()
        server = HTTPStore(reactor, path)
        store = self.connect(server.url)
        first = await store.txn([], [Put(b"a", b"1")])
        await server.stop()
        server = HTTPStore(reactor, path, server.port)
        self.addCleanup(server.stop)
        snapshot = await store.snapshot(b"a")
        self.assertEqual(snapshot.revision, first.revision)
        await store.txn([], [Put(b"a", b"2")])
        watcher = RecordingWatcher()
        watch = store.watch(b"a", first.revision + 1, watcher)
        self.addCleanup(watch.stop)
        while not watcher.seen:
            await deferLater(reactor, 0.005)
        self.assertEqual(watcher.keys(), [(b"a", b"2")])

    async def test_closedWhileWatching(self) -> None:
        """
        A provider that is stopped ends its watches.
        """
        server = HTTPStore(reactor)
        store = self.connect(server.url)
        watcher = RecordingWatcher()
        store.watch(b"a", 1, watcher)
        while not watcher.signs:
            await deferLater(reactor, 0.005)
        await server.stop()
        while not watcher.ended:
            await deferLater(reactor, 0.005)
        self.assertEqual(watcher.ended[0][1], False)

    async def test_compactedWhileReading(self) -> None:
        """
        A snapshot during which the store forgets its revision begins again.
        """
        server = self.serve()
        store = self.connect(server.url)
        for start in range(0, 5000, 100):
            server.engine.transact(
                (), [PutOperation(b"a%d" % n, b"") for n in range(start, start + 100)]
            )
        range_ = server.engine.keyspace.range
        times = 0

        def forgetting(operation: Any) -> Any:
            nonlocal times
            times += 1
            if times in (2, 4):
                server.engine.transact((), [PutOperation(b"b", b"")])
                server.engine.compact(server.engine.revision)
            return range_(operation)

        self.patch(server.engine.keyspace, "range", forgetting)
        with self.assertRaises(StoreAway):
            await store.snapshot(b"a")
        times = 2
        snapshot = await store.snapshot(b"a")
        self.assertEqual(len(snapshot.entries), 5000)

    async def test_cancelled(self) -> None:
        """
        A call can be cancelled, and leaves nothing behind.
        """
        silent = self.listen(Protocol)
        store = self.connect(silent)
        call = store.snapshot(b"a")
        errors: list[Any] = []
        call.addErrback(errors.append)
        await deferLater(reactor, 0.02)
        call.cancel()
        self.assertEqual(len(errors), 1)


class TLSTests(TestCase):
    """
    A store behind TLS, as an etcd on a network of others is.
    """

    timeout = 10

    async def test_verified(self) -> None:
        """
        A store whose certificate is for its address, from an authority that is
        trusted, is used; another is away.
        """
        pki = PKI(self.mktemp())
        good = pki.issue("127.0.0.1", "localhost")
        server = HTTPStore(reactor)
        self.addCleanup(server.stop)
        certificate = ssl.PrivateCertificate.loadPEM(
            Path(good.privateKey).read_bytes() + Path(good.certificate).read_bytes()
        )
        port = reactor.listenSSL(
            0, server.site, certificate.options(), interface="127.0.0.1"
        )
        self.addCleanup(port.stopListening)
        trusted = ssl.Certificate.loadPEM(Path(pki.authority).read_bytes())
        policy = BrowserLikePolicyForHTTPS(ssl.trustRootFromCertificates([trusted]))
        for host in ("127.0.0.1", "localhost"):
            url = f"https://{host}:{port.getHost().port}"
            store = EtcdStore(reactor, [url], 5.0, policy)
            self.addCleanup(store.close)
            await store.txn([], [Put(b"a", b"1")])
        stranger = EtcdStore(reactor, [url])
        self.addCleanup(stranger.close)
        with self.assertRaises(StoreAway):
            await stranger.snapshot(b"a")


class JSONClientTests(TestCase):
    """
    L{JSONClient}
    """

    timeout = 10

    async def test_answersAreBounded(self) -> None:
        """
        An answer beyond the bound is given up.
        """
        server = HTTPStore(reactor)
        self.addCleanup(server.stop)
        server.engine.transact((), [PutOperation(b"a", b"x" * 100_000)])
        client = JSONClient(reactor)
        self.addCleanup(client.close)
        with self.assertRaises(HTTPFailed) as caught:
            await client.post(
                f"{server.url}/v3/kv/range", b'{"key":"YQ=="}', 5.0, limit=1000
            )
        self.assertTrue(caught.exception.sent)
