"""
The embedded cluster store on HTTP: the paths of etcd's C{/v3/} JSON gateway.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import msgspec
from attrs import define
from twisted.internet.interfaces import IDelayedCall, IPushProducer, IReactorTime
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request, Site
from zope.interface import implementer

from sipcluster.cluster.embedded import EmbeddedEngine, EngineWatch
from sipcluster.cluster.icluster import ClusterError, LeaseGone, StoreRefused
from sipcluster.cluster.operations import Compacted, KeyValue
from sipcluster.net.store_wire import (
    BadRequest,
    CompactionRequest,
    DeleteRangeRequest,
    EmptyRequest,
    GrantRequest,
    LeaseRequest,
    PutRequest,
    RangeRequest,
    TxnRequest,
    WatchRequest,
    decode,
    eventJSON,
    rangeJSON,
    txnJSON,
)

log = Logger()

#: Bytes of one request; etcd's own bound.
BODY_LIMIT = 1_500_000

#: Watches at a time.
WATCH_LIMIT = 1000

#: Connections at a time.
CONNECTION_LIMIT = 2000

#: Seconds after which a watch that asked for it is shown a sign of life.
PROGRESS = 10.0

_encode = msgspec.json.Encoder().encode


class _Request(Request):
    """
    A request whose body is bounded before it is read.
    """

    def gotLength(self, length: int | None) -> None:
        """
        A body of this length is to come.
        """
        if length is not None and length > BODY_LIMIT:
            self._tooLong()
            length = 0
        super().gotLength(length)

    def handleContentChunk(self, data: bytes) -> None:
        """
        Some of the body came.
        """
        if self.content is not None and self.content.tell() + len(data) > BODY_LIMIT:
            self._tooLong()
            return
        super().handleContentChunk(data)

    def _tooLong(self) -> None:
        channel = self.channel
        if isinstance(channel, HTTPChannel) and channel.transport is not None:
            if getattr(channel.transport, "disconnecting", False):
                return
            body = b'{"error":"request is too large","code":3}'
            channel.transport.write(
                b"HTTP/1.1 413 Request Entity Too Large\r\nConnection: close\r\n"
                b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
                % (len(body), body)
            )
            channel.loseConnection()


@implementer(IPushProducer)
@define(eq=False)
class _WatchStream:
    """
    One watch on one connection.

    A reader slower than the store costs no memory: the watch is paused while
    the connection is full, and reads the history afterwards.
    """

    resource: StoreResource
    request: Request
    wanted: bool
    watch: EngineWatch | None = None

    def changed(self, revision: int, events: Sequence[KeyValue]) -> None:
        self.request.write(self.resource.changesLine(revision, events))

    def compacted(self, oldest: int) -> None:
        # The stream stays open, as etcd's does.
        self.resource.streams.discard(self)
        self.line(
            {
                "canceled": True,
                "compact_revision": str(oldest),
                "cancel_reason": "required revision has been compacted",
            }
        )

    def line(self, result: dict[str, object]) -> None:
        result["header"] = self.resource.header()
        self.request.write(_encode({"result": result}) + b"\n")

    def progress(self) -> None:
        if self.wanted and self.watch is not None and not self.watch.paused:
            self.line({})

    def pauseProducing(self) -> None:
        if self.watch is not None:
            self.watch.pause()

    def resumeProducing(self) -> None:
        if self.watch is not None:
            self.watch.resume()

    def stopProducing(self) -> None:
        self.gone()

    def gone(self, _: object = None) -> None:
        self.resource.streams.discard(self)
        watch, self.watch = self.watch, None
        if watch is not None:
            watch.stop()


class StoreResource(Resource):
    """
    Everything under C{/v3/}, and C{/health}.
    """

    isLeaf = True

    def __init__(self, engine: EmbeddedEngine, clock: IReactorTime) -> None:
        super().__init__()
        self._engine = engine
        self._clock = clock
        self._progress: IDelayedCall | None = None
        self.streams: set[_WatchStream] = set()
        self._lastEvents: Sequence[KeyValue] = ()
        self._lastLine = b""
        #: Requests answered, and those refused, for the status page.
        self.requests = 0
        self.refused = 0

    def header(self) -> dict[str, object]:
        """
        What stands in every answer.
        """
        return {
            "cluster_id": "1",
            "member_id": "1",
            "revision": str(self._engine.revision),
            "raft_term": "1",
        }

    def changesLine(self, revision: int, events: Sequence[KeyValue]) -> bytes:
        """
        A line of a watch; made once for all the watches that see the same.
        """
        if events is not self._lastEvents:
            header = self.header()
            header["revision"] = str(revision)
            self._lastLine = (
                _encode(
                    {
                        "result": {
                            "header": header,
                            "events": [eventJSON(event) for event in events],
                        }
                    }
                )
                + b"\n"
            )
            self._lastEvents = events
        return self._lastLine

    def render(self, request: Request) -> bytes | int:
        """
        Answer one request.
        """
        self.requests += 1
        request.setHeader(b"Content-Type", b"application/json")
        if request.method == b"GET" and request.path == b"/health":
            return b'{"health":"true"}'
        answer = self._paths.get(request.path)
        if answer is None:
            return self._refuse(request, 404, 5, "no such path")
        if request.method != b"POST":
            request.setHeader(b"Allow", b"POST")
            return self._refuse(request, 405, 12, "only POST is answered here")
        try:
            body = b"" if request.content is None else request.content.read()
            result = answer(self, request, body)
        except BadRequest as e:
            return self._refuse(request, 400, 3, str(e))
        except LeaseGone:
            return self._refuse(request, 404, 5, "requested lease not found")
        except Compacted as e:
            return self._refuse(request, 400, 11, str(e))
        except StoreRefused as e:
            return self._refuse(request, e.status or 400, 3, str(e))
        except ClusterError as e:
            return self._refuse(request, 503, 14, str(e))
        except Exception:
            log.failure("answering {path}", path=request.path)
            return self._refuse(request, 500, 13, "internal error; see the log")
        return NOT_DONE_YET if result is None else _encode(result)

    def _refuse(self, request: Request, status: int, code: int, why: str) -> bytes:
        self.refused += 1
        request.setResponseCode(status)
        return _encode({"error": why, "message": why, "code": code})

    def _answer(self, **result: object) -> dict[str, object]:
        return {"header": self.header(), **result}

    # One method a path; each returns what to send, or None when it streams.

    def _range(self, request: Request, body: bytes) -> dict[str, object] | None:
        found = self._engine.range(decode(RangeRequest, body).operation())
        return self._answer(**rangeJSON(found))

    def _put(self, request: Request, body: bytes) -> dict[str, object] | None:
        self._engine.transact((), [decode(PutRequest, body).operation()])
        return self._answer()

    def _deleteRange(self, request: Request, body: bytes) -> dict[str, object] | None:
        outcome = self._engine.transact(
            (), [decode(DeleteRangeRequest, body).operation()]
        )
        return self._answer(deleted=str(outcome.outcomes[0]))

    def _txn(self, request: Request, body: bytes) -> dict[str, object] | None:
        compare, success, failure = decode(TxnRequest, body).operations()
        outcome = self._engine.transact(compare, success, failure)
        operations = success if outcome.succeeded else failure
        return self._answer(**txnJSON(outcome, operations, self.header()))

    def _compact(self, request: Request, body: bytes) -> dict[str, object] | None:
        self._engine.compact(decode(CompactionRequest, body).revision)
        return self._answer()

    def _grant(self, request: Request, body: bytes) -> dict[str, object] | None:
        wanted = decode(GrantRequest, body)
        id, ttl = self._engine.grant(wanted.TTL, wanted.ID)
        return self._answer(ID=str(id), TTL=str(int(ttl)))

    def _keepAlive(self, request: Request, body: bytes) -> dict[str, object] | None:
        id = decode(LeaseRequest, body).ID
        ttl = self._engine.keepAlive(id)
        result = self._answer(ID=str(id))
        if ttl:
            result["TTL"] = str(int(ttl))
        return {"result": result}

    def _revoke(self, request: Request, body: bytes) -> dict[str, object] | None:
        if not self._engine.revoke(decode(LeaseRequest, body).ID):
            raise LeaseGone()
        return self._answer()

    def _timeToLive(self, request: Request, body: bytes) -> dict[str, object] | None:
        wanted = decode(LeaseRequest, body)
        left, ttl = self._engine.timeToLive(wanted.ID)
        result = self._answer(ID=str(wanted.ID), TTL=str(int(left)))
        if ttl:
            result["grantedTTL"] = str(int(ttl))
            if wanted.keys:
                result["keys"] = self._engine.leasedKeys(wanted.ID)
        return result

    def _leases(self, request: Request, body: bytes) -> dict[str, object] | None:
        decode(EmptyRequest, body)
        return self._answer(leases=[{"ID": str(i)} for i in self._engine.leaseIDs()])

    def _status(self, request: Request, body: bytes) -> dict[str, object] | None:
        decode(EmptyRequest, body)
        return self._answer(
            version="3.4.0-embedded",
            dbSize=str(self._engine.keyspace.size),
            leader="1",
            raftIndex=str(self._engine.revision),
            raftTerm="1",
        )

    def _watch(self, request: Request, body: bytes) -> dict[str, object] | None:
        wanted = decode(WatchRequest, body).create_request
        if len(self._engine.watches) >= WATCH_LIMIT:
            raise StoreRefused("too many watches", 429)
        stream = _WatchStream(self, request, wanted.progress_notify)
        request.notifyFinish().addBoth(stream.gone)
        self.streams.add(stream)
        stream.watch = self._engine.watch(
            wanted.key,
            wanted.range_end,
            wanted.start_revision,
            stream.changed,
            stream.compacted,
        )
        stream.line({"created": True})
        stream.watch.paused = False
        request.registerProducer(stream, True)
        if stream.watch is not None and not stream.watch.paused:
            stream.watch.resume()
        if self._progress is None:
            self._progress = self._clock.callLater(PROGRESS, self._showProgress)
        return None

    def _showProgress(self) -> None:
        self._progress = None
        for stream in list(self.streams):
            stream.progress()
        if self.streams:
            self._progress = self._clock.callLater(PROGRESS, self._showProgress)

    def close(self) -> None:
        """
        End all watches.
        """
        if self._progress is not None:
            self._progress.cancel()
            self._progress = None
        for stream in list(self.streams):
            stream.gone()
            stream.request.loseConnection()

    _paths: ClassVar[
        dict[
            bytes,
            Callable[[StoreResource, Request, bytes], dict[str, object] | None],
        ]
    ] = {
        b"/v3/kv/range": _range,
        b"/v3/kv/put": _put,
        b"/v3/kv/deleterange": _deleteRange,
        b"/v3/kv/txn": _txn,
        b"/v3/kv/compaction": _compact,
        b"/v3/lease/grant": _grant,
        b"/v3/lease/keepalive": _keepAlive,
        b"/v3/lease/revoke": _revoke,
        b"/v3/kv/lease/revoke": _revoke,
        b"/v3/lease/timetolive": _timeToLive,
        b"/v3/lease/leases": _leases,
        b"/v3/watch": _watch,
        b"/v3/maintenance/status": _status,
    }


class _Channel(HTTPChannel):
    """
    A connection that is counted.
    """

    counted: StoreSite | None = None

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        It is gone.
        """
        super().connectionLost(reason)
        if self.counted is not None:
            self.counted.channels.discard(self)
            self.counted = None


class StoreSite(Site):
    """
    Listens for the store's clients.
    """

    displayTracebacks = False
    noisy = False
    # Declared as what negotiates HTTP/2; there is none of that here.
    protocol = _Channel  # type: ignore[assignment]

    def __init__(self, resource: StoreResource, reactor: Any) -> None:
        super().__init__(
            resource, requestFactory=_Request, timeout=120, reactor=reactor
        )
        self.channels: set[_Channel] = set()

    @property
    def connections(self) -> int:
        """
        How many are open.
        """
        return len(self.channels)

    def stopFactory(self) -> None:
        """
        The port is closed: close the connections too, which their clients
        would keep for later.
        """
        super().stopFactory()
        for channel in list(self.channels):
            channel.loseConnection()

    def buildProtocol(self, addr: Any) -> Any:
        """
        Take a connection, within the bound.
        """
        if self.connections >= CONNECTION_LIMIT:
            log.warn("refusing a connection: {count} are open", count=self.connections)
            return None
        channel: Any = super().buildProtocol(addr)
        channel.counted = self
        self.channels.add(channel)
        return channel

    def log(self, request: Any) -> None:
        """
        Write nothing: an access log of every keep-alive is no log.
        """
