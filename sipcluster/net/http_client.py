"""
HTTP requests: whole answers, and answers that never end.

The only importer of treq.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from attrs import define, field, frozen
from treq.client import HTTPClient
from twisted.internet.abstract import isIPAddress, isIPv6Address
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.endpoints import (
    HostnameEndpoint,
    TCP4ClientEndpoint,
    TCP6ClientEndpoint,
    wrapClientTLS,
)
from twisted.internet.error import ConnectError
from twisted.internet.interfaces import (
    IConsumer,
    IDelayedCall,
    IStreamClientEndpoint,
    ITransport,
)
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import (
    URI,
    Agent,
    BrowserLikePolicyForHTTPS,
    HTTPConnectionPool,
    ResponseDone,
)
from twisted.web.http import PotentialDataLoss
from twisted.web.http_headers import Headers
from twisted.web.iweb import (
    IAgentEndpointFactory,
    IBodyProducer,
    IPolicyForHTTPS,
)
from zope.interface import implementer


class HTTPFailed(Exception):
    """
    A request got no whole answer.

    @ivar sent: whether the other end may have acted upon it.
    """

    def __init__(self, why: str, sent: bool) -> None:
        super().__init__(why)
        self.sent = sent


@frozen
class Answer:
    """
    A whole answer.
    """

    status: int
    body: bytes


@implementer(IBodyProducer)
class _Bytes:
    """
    A request body that is there already.
    """

    def __init__(self, body: bytes) -> None:
        self._body = body
        self.length = len(body)

    def startProducing(self, consumer: IConsumer) -> Deferred[None]:
        consumer.write(self._body)
        return succeed(None)

    def pauseProducing(self) -> None:
        """
        There is nothing left to pause.
        """

    def resumeProducing(self) -> None:
        """
        There is nothing left to produce.
        """

    def stopProducing(self) -> None:
        """
        There is nothing left to stop.
        """


def _why(reason: Failure) -> str:
    text = reason.getErrorMessage()
    inner = getattr(reason.value, "reasons", None)
    if inner:
        text = "; ".join(each.getErrorMessage() for each in inner)
    return text or type(reason.value).__name__


class _Body(Protocol):
    """
    Takes the body of an answer.
    """

    def __init__(
        self, received: Callable[[bytes], None], ended: Callable[[Failure], None]
    ) -> None:
        self._received = received
        self._ended = ended

    def dataReceived(self, data: bytes) -> None:
        self._received(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._ended(reason)


@define(eq=False)
class _Exchange:
    """
    One request and its answer, until it is done, failed or given up.
    """

    limit: int
    others: set[_Exchange]
    result: Deferred[Answer] = field(init=False)
    timer: IDelayedCall | None = None
    requesting: Deferred[Any] | None = None
    transport: ITransport | None = None
    status: int = 0
    body: list[bytes] = field(factory=list)
    size: int = 0

    def __attrs_post_init__(self) -> None:
        self.result = Deferred(self.cancel)

    def responded(self, response: Any) -> None:
        self.requesting = None
        self.status = response.code
        if response.length == 0:
            self.finish(Answer(self.status, b""))
            return
        body = _Body(self.received, self.ended)
        response.deliverBody(body)
        self.transport = body.transport
        if self.timer is None:
            self.abort()  # the body has ended, or we gave up on it, meanwhile

    def received(self, data: bytes) -> None:
        self.body.append(data)
        self.size += len(data)
        if self.size > self.limit:
            self.fail(f"answer of more than {self.limit} bytes", True)

    def ended(self, reason: Failure) -> None:
        if reason.check(ResponseDone, PotentialDataLoss):
            self.finish(Answer(self.status, b"".join(self.body)))
        else:
            self.fail(_why(reason), True)

    def failed(self, reason: Failure) -> None:
        self.requesting = None
        self.fail(_why(reason), reason.check(ConnectError) is None)

    def finish(self, answer: Answer) -> None:
        if self.timer is not None:
            self.over()
            self.transport = None
            self.result.callback(answer)

    def fail(self, why: str, sent: bool) -> None:
        if self.timer is not None:
            self.over()
            self.abort()
            self.result.errback(HTTPFailed(why, sent))

    def giveUp(self, seconds: float) -> None:
        self.fail(f"no answer in {seconds:.3g} s", True)

    def cancel(self, _: object = None) -> None:
        if self.timer is not None:
            self.over()
            self.abort()

    def over(self) -> None:
        assert self.timer is not None
        if self.timer.active():
            self.timer.cancel()
        self.timer = None
        self.others.discard(self)

    def abort(self) -> None:
        requesting, self.requesting = self.requesting, None
        if requesting is not None:
            requesting.cancel()
        transport, self.transport = self.transport, None
        if transport is not None:
            transport.loseConnection()


@define(eq=False)
class Stream:
    """
    An answer that goes on.

    @ivar received: called with bytes as they come.
    @ivar lost: called last, once, with why there is no more; not after
        L{stop}.
    """

    received: Callable[[bytes], None]
    lost: Callable[[str], None]
    requesting: Deferred[Any] | None = None
    transport: ITransport | None = None
    over: bool = False

    def responded(self, response: Any) -> None:
        self.requesting = None
        if response.code != 200:
            self.end(f"HTTP status {response.code}")
        body = _Body(self.bodyReceived, self.bodyEnded)
        response.deliverBody(body)
        self.transport = body.transport
        if self.over:
            self.abort()

    def failed(self, reason: Failure) -> None:
        self.requesting = None
        self.end(_why(reason))

    def bodyReceived(self, data: bytes) -> None:
        if not self.over:
            self.received(data)

    def bodyEnded(self, reason: Failure) -> None:
        self.transport = None
        self.end("the stream was closed")

    def end(self, why: str) -> None:
        if not self.over:
            self.over = True
            self.abort()
            self.lost(why)

    def stop(self) -> None:
        """
        End it; nothing is called any more.
        """
        self.over = True
        self.abort()

    def abort(self) -> None:
        requesting, self.requesting = self.requesting, None
        if requesting is not None:
            requesting.cancel()
        transport, self.transport = self.transport, None
        if transport is not None:
            transport.loseConnection()


@implementer(IAgentEndpointFactory)
@define
class _Endpoints:
    """
    How a server is connected to.

    An address needs no look-up, and its refusal is heard at once: the endpoint
    for names tells only after the pause that it makes between addresses.
    """

    reactor: Any
    timeout: float
    contextFactory: IPolicyForHTTPS

    def endpointForURI(self, uri: URI) -> IStreamClientEndpoint:
        endpoint: IStreamClientEndpoint
        host = uri.host.strip(b"[]").decode("ascii")
        if isIPAddress(host):
            endpoint = TCP4ClientEndpoint(self.reactor, host, uri.port, self.timeout)
        elif isIPv6Address(host):
            endpoint = TCP6ClientEndpoint(self.reactor, host, uri.port, self.timeout)
        else:
            endpoint = HostnameEndpoint(
                self.reactor, host, uri.port, self.timeout, attemptDelay=0.1
            )
        if uri.scheme == b"https":
            creator = self.contextFactory.creatorForNetloc(uri.host, uri.port)
            endpoint = wrapClientTLS(creator, endpoint)
        return endpoint


class JSONClient:
    """
    Posts JSON and keeps connections for the next request.
    """

    def __init__(
        self,
        reactor: Any,
        connectTimeout: float = 0.5,
        connections: int = 16,
        contextFactory: IPolicyForHTTPS | None = None,
    ) -> None:
        """
        @param connectTimeout: seconds for a connection to be made.
        @param connections: kept open to one host while idle.
        @param contextFactory: whom to trust, and our own certificate, for
            https; left out, the platform's authorities.
        """
        self._clock = reactor
        self._closed = False
        self._exchanges: set[_Exchange] = set()
        self._pool = HTTPConnectionPool(reactor)
        self._pool.maxPersistentPerHost = connections
        # Shorter than any server's patience: a request is not to find its
        # connection closed.
        self._pool.cachedConnectionTimeout = 30
        self._pool.retryAutomatically = False
        endpoints = _Endpoints(
            reactor, connectTimeout, contextFactory or BrowserLikePolicyForHTTPS()
        )
        self._client = HTTPClient(
            Agent.usingEndpointFactory(reactor, endpoints, self._pool)
        )
        self._streams = HTTPClient(Agent.usingEndpointFactory(reactor, endpoints))

    def post(
        self, url: str, body: bytes, seconds: float, limit: int = 16 << 20
    ) -> Deferred[Answer]:
        """
        Post, and take the whole answer.

        @param seconds: for all of it.
        @param limit: bytes of answer.

        @return: fails with L{HTTPFailed}; may be cancelled.
        """
        if self._closed:
            return fail(HTTPFailed("closed", False))
        exchange = _Exchange(limit, self._exchanges)
        self._exchanges.add(exchange)
        result = exchange.result
        exchange.timer = self._clock.callLater(seconds, exchange.giveUp, seconds)
        exchange.requesting = requesting = self._post(self._client, url, body, {})
        requesting.addCallbacks(exchange.responded, exchange.failed)
        requesting.addErrback(exchange.failed)
        return result

    def stream(
        self,
        url: str,
        body: bytes,
        headers: Mapping[bytes, bytes],
        received: Callable[[bytes], None],
        lost: Callable[[str], None],
    ) -> Stream:
        """
        Post, and take an answer that does not end.

        It is the caller's to notice that nothing comes.
        """
        stream = Stream(received, lost)
        stream.requesting = requesting = self._post(self._streams, url, body, headers)
        requesting.addCallbacks(stream.responded, stream.failed)
        return stream

    def _post(
        self, client: HTTPClient, url: str, body: bytes, headers: Mapping[bytes, bytes]
    ) -> Deferred[Any]:
        result: Deferred[Any] = client.request(
            "POST",
            url,
            data=_Bytes(body),
            headers=Headers(
                {
                    b"Content-Type": [b"application/json"],
                    **{name: [value] for name, value in headers.items()},
                }
            ),
            allow_redirects=False,
            unbuffered=True,
        )
        return result

    def close(self) -> Deferred[None]:
        """
        Fail what is under way, and close the connections.  Streams are their
        owners' to stop.
        """
        self._closed = True
        for exchange in list(self._exchanges):
            exchange.fail("closed", True)
        result: Deferred[None] = self._pool.closeCachedConnections()
        return result
