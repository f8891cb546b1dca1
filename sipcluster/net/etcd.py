"""
The client of the cluster store: etcd's C{/v3/} JSON gateway.

The embedded provider answers the same paths, so this is the only client.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import msgspec
from attrs import define, field
from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from twisted.web.iweb import IPolicyForHTTPS
from zope.interface import implementer

from sipcluster.cluster.icluster import (
    Compare,
    Entry,
    IClusterStore,
    IWatch,
    IWatcher,
    Lease,
    LeaseGone,
    Operation,
    Snapshot,
    StoreAway,
    StoreRefused,
    TxnResult,
    checkTransaction,
    prefixEnd,
)
from sipcluster.net.etcd_wire import (
    changeOf,
    compareJSON,
    decoded,
    decodeGrant,
    decodeKeptAlive,
    decodeLine,
    decodeRange,
    decodeTxn,
    encode,
    entryOf,
    operationJSON,
    refusal,
)
from sipcluster.net.http_client import Answer, HTTPFailed, JSONClient, Stream

log = Logger()

#: Keys read at once: some milliseconds of decoding.
PAGE = 2000

#: Bytes of one line of a watch.  etcd sends what one transaction changed, or a
#: thousand revisions when catching up, in one.
LINE_LIMIT = 64 << 20

#: A watch with this header ends when the member it talks to has lost the
#: others; without it, it stays open and silent for ever.
_HAS_LEADER = {b"Grpc-Metadata-hasleader": b"true"}


@define(eq=False)
class _Call:
    """
    One call, tried at one endpoint after the other.

    @ivar repeatable: may be sent again although it may have been done.
    """

    store: EtcdStore
    path: str
    body: bytes
    repeatable: bool
    seconds: float
    deadline: float
    tries: int
    result: Deferred[bytes] = field(init=False)
    asking: Deferred[Any] | None = None
    endpoint: int = 0

    def __attrs_post_init__(self) -> None:
        self.result = Deferred(self.cancel)

    def cancel(self, _: object) -> None:
        self.tries = 0
        if self.asking is not None:
            self.asking.cancel()

    def ask(self) -> None:
        self.tries -= 1
        self.endpoint = self.store.preferred
        url = self.store.endpoints[self.endpoint] + self.path
        left = max(0.01, self.deadline - self.store.clock.seconds())
        seconds = min(left, self.seconds)
        self.asking = self.store.client.post(url, self.body, seconds)
        self.asking.addCallbacks(self.answered, self.failed)

    def answered(self, answer: Answer) -> None:
        self.asking = None
        if answer.status == 200:
            self.result.callback(answer.body)
            return
        error = refusal(answer)
        if isinstance(error, StoreAway):
            self.again(error, self.repeatable)
        else:
            self.result.errback(error)

    def failed(self, failure: Any) -> None:
        self.asking = None
        error = failure.value
        if not isinstance(error, HTTPFailed):
            if not self.result.called:
                self.result.errback(failure)
            return
        why = StoreAway(f"{self.store.endpoints[self.endpoint]}: {error}")
        self.again(why, self.repeatable or not error.sent)

    def again(self, why: StoreAway, may: bool) -> None:
        self.store.avoid(self.endpoint)
        late = self.store.clock.seconds() >= self.deadline
        if may and self.tries > 0 and not late:
            self.ask()
        elif not self.result.called:
            self.result.errback(why)


@implementer(IWatch)
@define(eq=False)
class _Watch:
    """
    A watch: lines of JSON that go on until something goes wrong.
    """

    store: EtcdStore
    prefix: bytes
    fromRevision: int
    watcher: IWatcher
    endpoint: int = 0
    stream: Stream | None = None
    opening: IDelayedCall | None = None
    created: bool = False
    over: bool = False
    reached: int = 0
    buffer: list[bytes] = field(factory=list)
    size: int = 0

    def open(self) -> None:
        self.reached = self.fromRevision - 1
        self.endpoint = self.store.preferred
        request = {
            "create_request": {
                "key": self.prefix,
                "range_end": prefixEnd(self.prefix),
                "start_revision": str(self.fromRevision),
                "progress_notify": True,
            }
        }
        self.opening = self.store.clock.callLater(
            2 * self.store.seconds, self.lost, "the watch was not opened in time"
        )
        self.stream = self.store.client.stream(
            self.store.endpoints[self.endpoint] + "/v3/watch",
            encode(request),
            _HAS_LEADER,
            self.received,
            self.lost,
        )

    def received(self, data: bytes) -> None:
        *lines, rest = data.split(b"\n")
        if lines:
            lines[0] = b"".join((*self.buffer, lines[0]))
            self.buffer, self.size = [], 0
        if rest:
            self.buffer.append(rest)
            self.size += len(rest)
        for line in lines:
            if self.over:
                return
            if line:
                self.lineReceived(line)
        if self.size > LINE_LIMIT:
            self.lost(f"a line of more than {LINE_LIMIT} bytes")

    def lineReceived(self, line: bytes) -> None:
        try:
            message = decodeLine.decode(line)
        except msgspec.MsgspecError as e:
            self.lost(f"not a line of a watch: {e}")
            return
        if message.error is not None:
            self.lost(message.error.message or "error")
            return
        result = message.result
        if result.canceled:
            why = result.cancel_reason or f"compacted up to {result.compact_revision}"
            self.lost(why, bool(result.compact_revision))
            return
        if result.created and not self.created:
            self.created = True
            self.openedInTime()
            if result.header.revision < self.fromRevision - 1:
                # Another store, or one from a backup: waiting for the revision
                # to come would be waiting in the dark.
                self.lost("the store has gone back", True)
                return
        # The header says how far the store is, not how far this watch is; what an
        # event says of itself tells that.
        if result.events:
            self.reached = result.events[-1].kv.mod_revision
        with log.failuresHandled("telling a watcher"):
            self.watcher.changed(
                self.reached, [changeOf(each) for each in result.events]
            )

    def openedInTime(self) -> None:
        if self.opening is not None:
            if self.opening.active():
                self.opening.cancel()
            self.opening = None

    def lost(self, why: str, compacted: bool = False) -> None:
        if not self.over:
            self.stop()
            if not compacted:
                self.store.avoid(self.endpoint)
            with log.failuresHandled("telling a watcher"):
                self.watcher.lost(why, compacted)

    def stop(self) -> None:
        self.over = True
        self.store.watches.discard(self)
        self.openedInTime()
        if self.stream is not None:
            self.stream.stop()


@implementer(IClusterStore)
class EtcdStore:
    """
    A cluster store somewhere on the network.

    @ivar endpoints: base URLs, all of the same store.  The first that answers
        is kept to; the next takes its place when it fails.
    @ivar seconds: what one endpoint is given to answer one call.
    """

    def __init__(
        self,
        reactor: Any,
        endpoints: Sequence[str],
        seconds: float = 1.0,
        contextFactory: IPolicyForHTTPS | None = None,
    ) -> None:
        if not endpoints:
            raise ValueError("no endpoints")
        self.clock = reactor
        self.endpoints = [endpoint.rstrip("/") for endpoint in endpoints]
        self.seconds = seconds
        self.preferred = 0
        self.client = JSONClient(
            reactor, min(0.5, seconds), contextFactory=contextFactory
        )
        self.watches: set[_Watch] = set()

    def avoid(self, endpoint: int) -> None:
        """
        An endpoint failed: prefer the next, unless that has been done.
        """
        if endpoint == self.preferred and len(self.endpoints) > 1:
            self.preferred = (endpoint + 1) % len(self.endpoints)
            log.warn(
                "cluster store at {endpoint} failed, trying {other}",
                endpoint=self.endpoints[endpoint],
                other=self.endpoints[self.preferred],
            )

    def _call(
        self, path: str, request: object, repeatable: bool, seconds: float = 0.0
    ) -> Deferred[bytes]:
        seconds = seconds or self.seconds
        endpoints = len(self.endpoints)
        call = _Call(
            self,
            path,
            encode(request),
            repeatable,
            seconds,
            self.clock.seconds() + seconds * endpoints,
            # A connection that was kept may be found closed: once more, then.
            endpoints + 1 if repeatable else endpoints,
        )
        call.ask()
        return call.result

    def snapshot(self, prefix: bytes) -> Deferred[Snapshot]:
        """
        Read all keys that start with C{prefix}, some thousands at a time.
        """
        return _Pages(self, prefix).start()

    def watch(self, prefix: bytes, fromRevision: int, watcher: IWatcher) -> IWatch:
        """
        Follow the keys that start with C{prefix}.
        """
        watch = _Watch(self, prefix, fromRevision, watcher)
        self.watches.add(watch)
        watch.open()
        return watch

    def txn(
        self,
        compare: Sequence[Compare],
        success: Sequence[Operation],
        failure: Sequence[Operation] = (),
    ) -> Deferred[TxnResult]:
        """
        Do one transaction.

        It is not sent twice where the first may have been done: the second
        would find its own work and take it for another's.
        """
        checkTransaction(success, failure)
        request = {
            "compare": [compareJSON(condition) for condition in compare],
            "success": [operationJSON(operation) for operation in success],
            "failure": [operationJSON(operation) for operation in failure],
        }

        def done(body: bytes) -> TxnResult:
            answer = decoded(decodeTxn, body)
            return TxnResult(
                answer.succeeded,
                answer.header.revision,
                tuple(
                    entryOf(each.response_range.kvs[0])
                    if each.response_range.kvs
                    else None
                    for each in answer.responses
                    if each.response_range is not None
                ),
            )

        return self._call("/v3/kv/txn", request, False).addCallback(done)

    def leaseGrant(self, ttl: float) -> Deferred[Lease]:
        """
        Ask for a lease; a whole number of seconds is granted.
        """

        def granted(body: bytes) -> Lease:
            answer = decoded(decodeGrant, body)
            return Lease(answer.ID, float(answer.TTL))

        # One granted twice would only run out unused.
        request = {"TTL": str(math.ceil(ttl))}
        return self._call("/v3/lease/grant", request, True).addCallback(granted)

    def leaseKeepAlive(self, id: int) -> Deferred[float]:
        """
        Start a lease's time anew.
        """

        def kept(body: bytes) -> float:
            return float(decoded(decodeKeptAlive, body).result.TTL)

        request = {"ID": str(id)}
        return self._call("/v3/lease/keepalive", request, True).addCallback(kept)

    def leaseRevoke(self, id: int) -> Deferred[None]:
        """
        End a lease.
        """
        result = self._call("/v3/lease/revoke", {"ID": str(id)}, True)

        def revoked(_: bytes) -> None:
            return None

        def gone(failure: Any) -> None:
            failure.trap(LeaseGone)

        return result.addCallbacks(revoked, gone)

    def close(self) -> Deferred[None]:
        """
        End the watches, fail the calls under way, close the connections.
        """
        for watch in list(self.watches):
            watch.stop()
        return self.client.close()


@define(eq=False)
class _Pages:
    """
    Reads a snapshot page by page, all at the revision of the first.
    """

    store: EtcdStore
    prefix: bytes
    entries: list[Entry] = field(factory=list)
    revision: int = 0
    restarted: bool = False

    def start(self) -> Deferred[Snapshot]:
        return self.read(self.prefix)

    def read(self, key: bytes) -> Deferred[Snapshot]:
        request: dict[str, object] = {
            "key": key,
            "range_end": prefixEnd(self.prefix),
            "limit": str(PAGE),
        }
        if self.revision:
            request["revision"] = str(self.revision)
        page = self.store._call(
            "/v3/kv/range", request, True, max(2.0, self.store.seconds)
        )
        return page.addCallbacks(self.took, self.forgotten)

    def took(self, body: bytes) -> Snapshot | Deferred[Snapshot]:
        page = decoded(decodeRange, body)
        self.revision = self.revision or page.header.revision
        self.entries += [entryOf(kv) for kv in page.kvs]
        if page.more and page.kvs:
            return self.read(page.kvs[-1].key + b"\0")
        return Snapshot(self.revision, self.entries)

    def forgotten(self, failure: Any) -> Any:
        """
        The store was compacted while we read: begin again, once.
        """
        if not isinstance(failure.value, StoreRefused) or not self.revision:
            return failure
        if self.restarted:
            return fail(StoreAway("compacted while reading"))
        self.restarted = True
        self.revision = 0
        self.entries = []
        return self.read(self.prefix)
