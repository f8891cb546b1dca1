"""
T-Library ports on real sockets.
"""

from __future__ import annotations

import gc
import os
import socket
import struct
import time
import weakref
from typing import Any

from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.endpoints import TCP4ClientEndpoint as ClientEndpoint
from twisted.internet.endpoints import (
    TCP4ServerEndpoint,
    connectProtocol,
    wrapClientTLS,
)
from twisted.internet.interfaces import IPushProducer
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.task import deferLater
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase
from zope.interface.verify import verifyObject

from sipcluster.net.sip_tls import TLSContexts
from sipcluster.net.tlib import TLibFactory, TLibProtocol
from sipcluster.testing.pki import PKI
from sipcluster.testing.tlib_peer import Addresses
from sipcluster.tlib.codec import Envelope, decode, encode
from sipcluster.tlib.enums import ResumeResult
from sipcluster.tlib.errors import TErrorCode
from sipcluster.tlib.messages import (
    EventError,
    EventLinkConnected,
    EventRegistered,
    EventRinging,
    EventServerInfo,
    LinkClosing,
    LinkPollAnswer,
    Message,
    RequestQueryServer,
    RequestRegisterAddress,
    RequestRegisterClient,
)
from sipcluster.tserver.itserver import IConnection
from sipcluster.tserver.limits import Application, Limits
from sipcluster.tserver.server import TServer
from sipcluster.wire.frames import FrameReader

reactor: Any = _reactor

DNS = [f"{n}" for n in range(1000, 11000)]


class Client(Protocol):
    """
    A client on a socket.

    @ivar got: all that has come.
    @ivar ended: why the connection is gone; L{None}: it is not.
    """

    def __init__(self) -> None:
        self.got: list[Envelope] = []
        self.ended: Failure | None = None
        self._reader = FrameReader()
        self._waiting: list[tuple[type[Message], int, Deferred[Any]]] = []
        self._end: list[Deferred[None]] = []

    def dataReceived(self, data: bytes) -> None:
        self._reader.receive(data)
        while (payload := self._reader.nextFrame()) is not None:
            self.got.append(decode(payload))
        for one in list(self._waiting):
            kind, count, done = one
            found = self.of(kind)
            if len(found) >= count:
                self._waiting.remove(one)
                done.callback(found[-1])

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.ended = reason
        waiting, self._waiting = self._waiting, []
        for _, _, done in waiting:
            done.errback(reason)
        ends, self._end = self._end, []
        for end in ends:
            end.callback(None)

    def of(self, kind: type[Message]) -> list[Any]:
        """
        All messages of a kind that have come.
        """
        return [one.message for one in self.got if isinstance(one.message, kind)]

    def when(self, kind: type[Message], count: int = 1) -> Deferred[Any]:
        """
        @return: fires with the last one when there are so many of a kind.
        """
        done: Deferred[Any] = Deferred()
        self._waiting.append((kind, count, done))
        self.dataReceived(b"")
        return done

    def whenEnded(self) -> Deferred[None]:
        """
        @return: fires when the connection is gone.
        """
        done: Deferred[None] = Deferred()
        if self.ended is not None:
            done.callback(None)
        else:
            self._end.append(done)
        return done

    def send(self, message: Message, reference: int = 0, position: int = 0) -> None:
        """
        Send a message.
        """
        transport: Any = self.transport
        transport.write(encode(message, position, reference))

    def register(self, **attributes: Any) -> Deferred[Any]:
        """
        Register the client.

        @return: fires when it is done.
        """
        self.send(
            RequestRegisterClient(
                applicationName="desktop",
                applicationPassword="secret",
                protocolVersion=1,
                **attributes,
            ),
            1,
        )
        return self.when(EventLinkConnected)


class TLibTestCase(TestCase):
    """
    A T-Library port on the loopback interface.
    """

    timeout = 30
    contexts: TLSContexts | None = None

    @inlineCallbacks
    def listen(self, **limits: Any) -> Any:
        """
        Open it.
        """
        self.server = TServer(
            *("default", reactor, time.time, os.urandom),
            {"desktop": Application("desktop", "secret")},
            Addresses.of(*DNS),
            limits=Limits(**({"closing": 1.0} | limits)),
        )
        factory: Any = TLibFactory(self.server)
        if self.contexts is not None:
            factory = TLSMemoryBIOFactory(self.contexts.server(), False, factory)
        endpoint = TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1")
        self.listening = yield endpoint.listen(factory)
        self.addCleanup(self.close)

    @inlineCallbacks
    def close(self) -> Any:
        yield self.listening.stopListening()
        yield self.server.stop()

    @inlineCallbacks
    def connect(self) -> Any:
        """
        @return: fires with a L{Client}.
        """
        endpoint: Any = ClientEndpoint(
            reactor, "127.0.0.1", self.listening.getHost().port
        )
        if self.contexts is not None:
            endpoint = wrapClientTLS(self.contexts.client("localhost"), endpoint)
        client = yield connectProtocol(endpoint, Client())

        def end() -> Any:
            if client.ended is None:
                client.transport.abortConnection()
            return client.whenEnded()

        self.addCleanup(end)
        return client

    @inlineCallbacks
    def client(self, *dns: str) -> Any:
        """
        @return: fires with a L{Client} that has registered some DNs.
        """
        client = yield self.connect()
        yield client.register()
        for dn in dns:
            client.send(RequestRegisterAddress(thisDN=dn), 100 + DNS.index(dn))
        if dns:
            yield client.when(EventRegistered, len(dns))
        return client

    @inlineCallbacks
    def until(self, condition: Any) -> Any:
        """
        Wait for something to become true.
        """
        while not condition():
            yield deferLater(reactor, 0.005, lambda: None)

    def publish(self, dn: str, count: int = 1, size: int = 10) -> None:
        """
        Publish some events.
        """
        for n in range(count):
            event = EventRinging(time=self.server.now(), thisDN=dn, ani=f"{n:0{size}}")
            self.server.publish(dn, event)


class ConnectionTests(TLibTestCase):
    """
    Over TCP.
    """

    def test_seam(self) -> None:
        """
        A protocol is what a port wants of a connection.
        """
        protocol = TLibProtocol(None, "192.0.2.1:1")  # type: ignore[arg-type]
        verifyObject(IConnection, protocol)
        verifyObject(IPushProducer, protocol)

    @inlineCallbacks
    def test_works(self) -> Any:
        """
        A client gets its events; after a reset it comes back and misses nothing.
        """
        yield self.listen()
        client = yield self.client("1000")
        self.publish("1000", 3)
        yield client.when(EventRinging, 3)
        position = client.got[-1].position
        info = client.of(EventServerInfo)[0]
        client.transport.setTcpNoDelay(True)
        client.transport.socket.setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
        )
        client.transport.abortConnection()
        yield self.until(lambda: self.server.status()["away"])
        self.publish("1000", 2)
        again = yield self.connect()
        again.send(
            RequestRegisterClient(
                applicationName="desktop",
                applicationPassword="secret",
                protocolVersion=1,
                sessionID=info.sessionID,
                epoch=info.epoch,
            ),
            1,
            position,
        )
        yield again.when(EventRinging, 2)
        [info] = again.of(EventServerInfo)
        self.assertEqual(info.resumeResult, ResumeResult.RESUMED)
        self.assertEqual(
            [one.position for one in again.got if one.position],
            [position + 1, position + 2],
        )

    @inlineCallbacks
    def test_refused(self) -> Any:
        """
        Who is refused is told why before the connection ends.
        """
        yield self.listen()
        client = yield self.connect()
        client.send(
            RequestRegisterClient(
                applicationName="desktop", applicationPassword="x", protocolVersion=1
            ),
            1,
        )
        for n in range(1000):
            client.send(RequestQueryServer(), n + 2)
        yield self.until(lambda: client.ended is not None or client.of(EventError))
        [error] = client.of(EventError)
        self.assertEqual(error.errorCode, TErrorCode.BAD_PASSWORD)
        client.transport.loseConnection()
        yield client.whenEnded()
        yield self.until(lambda: not self.server._connections)

    @inlineCallbacks
    def test_hugeFrame(self) -> Any:
        """
        A client that announces 4 GiB and goes on sending reads why it is cut.
        """
        yield self.listen()
        other = yield self.client("1000")
        client = yield self.client("1000")
        client.transport.write(b"\xff" * 4)
        client.transport.write(bytes(3_000_000))
        yield client.when(LinkClosing)
        [closing] = client.of(LinkClosing)
        self.assertEqual(closing.errorCode, TErrorCode.INVALID_ATTRIBUTE)
        self.publish("1000")
        yield other.when(EventRinging)
        # It does not close by itself, so it is ended.
        yield client.whenEnded()
        yield self.until(lambda: len(self.server._connections) == 1)

    @inlineCallbacks
    def test_burst(self) -> Any:
        """
        While 10 000 registrations in one burst are done, another client is answered
        in no time.
        """
        yield self.listen()
        other = yield self.client()
        client = yield self.client()
        burst = b"".join(
            encode(RequestRegisterAddress(thisDN=dn), 0, n + 2)
            for n, dn in enumerate(DNS)
        )
        client.transport.write(burst)
        done = client.when(EventRegistered, len(DNS))
        waits: list[float] = []
        while not done.called:
            begun = time.perf_counter()
            count = len(other.of(EventServerInfo))
            other.send(RequestQueryServer(), count + 1)
            yield other.when(EventServerInfo, count + 1)
            waits.append(time.perf_counter() - begun)
        yield done
        self.assertGreater(len(waits), 20)
        self.assertIsNone(client.ended)
        self.assertEqual(self.server.status()["registrations"], len(DNS))

    @inlineCallbacks
    def test_neverReads(self) -> Any:
        """
        A client that never reads is cut off; another one has each event.
        """
        yield self.listen(unsent=200_000)
        other = yield self.client("1000")
        slow = yield self.client("1000")
        slow.transport.pauseProducing()
        for _ in range(600):
            self.publish("1000", 3, 10_000)
            yield deferLater(reactor, 0, lambda: None)
            other.send(LinkPollAnswer(), 0, other.got[-1].position)
        yield other.when(EventRinging, 1800)
        yield self.until(lambda: self.server.status()["away"])
        self.assertEqual(self.server.counts["slowClients"], 1)
        # And ended when it does not read the reason either.
        yield self.until(lambda: len(self.server._connections) == 1)

    @inlineCallbacks
    def test_catchesUp(self) -> Any:
        """
        A client that reads again has all that waited, in order.
        """
        yield self.listen(unsent=50_000_000, journalBytes=50_000_000)
        slow = yield self.client("1000")
        slow.transport.pauseProducing()
        for _ in range(100):
            self.publish("1000", 20, 10_000)
            yield deferLater(reactor, 0, lambda: None)
        self.assertGreater(int(str(self.server.status()["unsentBytes"])), 1_000_000)
        slow.transport.resumeProducing()
        yield slow.when(EventRinging, 2000)
        self.assertEqual(
            [one.position for one in slow.got if one.position], list(range(1, 2002))
        )

    @inlineCallbacks
    def test_keptByNobody(self) -> Any:
        """
        A connection that its client has broken is gone at once: nothing of it waits
        for the garbage collector.
        """
        yield self.listen()
        client = yield self.client("1000")
        self.publish("1000")
        yield client.when(EventRinging)
        [connection] = self.server._connections
        gone: list[Any] = [
            weakref.ref(one) for one in (connection, connection.transport)
        ]
        del connection
        gc.disable()
        self.addCleanup(gc.enable)
        client.transport.abortConnection()
        yield self.until(lambda: self.server.status()["away"])
        yield deferLater(reactor, 0, lambda: None)
        self.assertEqual([one() for one in gone], [None, None])

    @inlineCallbacks
    def test_stop(self) -> Any:
        """
        Clients are told that the server stops.
        """
        yield self.listen()
        client = yield self.client()
        self.server.stop()
        yield client.when(LinkClosing)
        yield client.whenEnded()
        [closing] = client.of(LinkClosing)
        self.assertEqual(closing.errorCode, TErrorCode.OUT_OF_SERVICE)

    @inlineCallbacks
    def test_stopInTime(self) -> Any:
        """
        It waits for them, also for one that does not close by itself, and leaves
        nothing in the reactor.
        """
        yield self.listen()
        client = yield self.client()
        [connection] = self.server._connections
        transport: Any = connection.transport
        client.transport.pauseProducing()
        stopping = self.server.stop()
        self.assertFalse(stopping.called)
        yield stopping
        self.assertFalse(transport.transport.connected)

    @inlineCallbacks
    def test_notTaken(self) -> Any:
        """
        A connection that the port fails to take is not left open for nobody.
        """
        yield self.listen()
        self.patch(self.server, "connectionMade", lambda connection: 1 / 0)
        client = yield self.connect()
        yield client.whenEnded()
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    @inlineCallbacks
    def test_flood(self) -> Any:
        """
        A flood of connections that say nothing keeps no client out.
        """
        yield self.listen(halfOpen=50)
        silent = []
        for _ in range(200):
            one = yield self.connect()
            silent.append(one)
        client = yield self.client("1000")
        self.publish("1000")
        yield client.when(EventRinging)
        yield self.until(lambda: self.server.counts["halfOpenCut"] >= 150)


class TLSTests(ConnectionTests):
    """
    The same over TLS.
    """

    def setUp(self) -> None:
        pki = PKI(self.mktemp())
        self.contexts = pki.contexts("localhost")

    @inlineCallbacks
    def test_noTLS(self) -> Any:
        """
        A client without TLS gets nowhere, and is gone after the time for start-up.
        """
        yield self.listen(startUp=0.2)
        contexts, self.contexts = self.contexts, None
        client = yield self.connect()
        self.contexts = contexts
        client.dataReceived = lambda data: None
        client.send(RequestQueryServer(), 1)
        yield client.whenEnded()
        self.assertEqual(self.server.status()["halfOpen"], 0)
