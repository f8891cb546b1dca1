"""
Tests for C{sipcluster.net.ha_link}: two members over TLS.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

from twisted.application.internet import ClientService
from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred, fail, inlineCallbacks
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP4ServerEndpoint
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from twisted.protocols.tls import TLSMemoryBIOProtocol
from twisted.trial.unittest import TestCase

from sipcluster.net.ha_link import (
    HANDSHAKE,
    HALinkProtocol,
    dialHALink,
    listenHALink,
    redial,
)
from sipcluster.net.sip_tls import TLSContexts
from sipcluster.testing.clock import runFor
from sipcluster.testing.pki import PKI
from tests.unit.ha.members import Member

reactor: Any = _reactor


class HALinkTests(TestCase):
    """
    A listens, B connects.
    """

    timeout = 20

    def setUp(self) -> None:
        """
        A is primary, and has something.
        """
        self.pki = PKI(self.mktemp())
        self.a, self.b = (Member(reactor, name) for name in "ab")
        self.a.journal.becamePrimary(1)
        self.a.change("k", b"1")
        self.addCleanup(self.b.journal.stop)
        self.addCleanup(self.a.journal.stop)

    def contexts(self, name: str, clients: str = "required") -> TLSContexts:
        """
        What a member with a certificate for a name uses.
        """
        return self.pki.contexts(name, clients=clients)

    @inlineCallbacks
    def listening(self, contexts: TLSContexts) -> Any:
        """
        A listens, and expects C{b.example}; its port.
        """
        endpoint = TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1")
        port = yield listenHALink(
            reactor, endpoint, self.a.links, contexts, "b.example"
        )
        self.addCleanup(port.stopListening)
        return port.getHost().port

    def dialing(self, port: int, contexts: TLSContexts) -> ClientService:
        """
        B connects, and expects C{a.example}.
        """
        endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", port)
        service = dialHALink(
            reactor, endpoint, self.b.links, contexts, "a.example", lambda: 0.5
        )
        service.startService()
        self.addCleanup(service.stopService)
        return service

    def until(self, true: Callable[[], object]) -> Deferred[None]:
        """
        Wait for something.
        """
        done: Deferred[None] = Deferred()

        def look() -> None:
            if true():
                done.callback(None)
            else:
                reactor.callLater(0.005, look)

        look()
        return done

    @inlineCallbacks
    def test_bothHoldTheSame(self) -> Any:
        """
        With certificates for each other's names the backup gets everything, what
        is sent waits for it, and a link that is lost is made again.
        """
        port = yield self.listening(self.contexts("a.example"))
        self.dialing(port, self.contexts("b.example"))
        yield self.until(lambda: self.a.journal.inSync)
        self.assertEqual(self.b.all, {("call", "k"): b"1"})
        self.a.change("k", b"2" * 100_000)
        sent: Deferred[None] = Deferred()
        self.a.journal.then(lambda: sent.callback(None))
        self.assertFalse(sent.called)
        yield sent
        self.assertEqual(self.b.all, self.a.all)
        link: Any = self.a.journal._link
        link.transport.abort()
        yield self.until(lambda: not self.a.journal.inSync)
        self.a.change("k", None)
        yield self.until(lambda: self.a.journal.inSync)
        self.assertEqual(self.b.all, {})

    @inlineCallbacks
    def test_clientForAnotherName(self) -> Any:
        """
        A member whose certificate is right, but for another name, is told nothing.
        """
        port = yield self.listening(self.contexts("a.example"))
        self.dialing(port, self.contexts("c.example"))
        yield self.until(lambda: self.a.journal.counts["strangers"])
        self.assertIsNone(self.a.journal._link)
        self.assertEqual(self.b.all, {})

    @inlineCallbacks
    def test_serverForAnotherName(self) -> Any:
        """
        Nor is a server told anything whose certificate is for another name.
        """
        port = yield self.listening(self.contexts("c.example"))
        self.dialing(port, self.contexts("b.example"))
        yield self.until(lambda: self.b.journal.counts["strangers"])
        self.assertIsNone(self.b.journal._link)
        self.assertIsNone(self.a.journal._link)

    @inlineCallbacks
    def test_strangersCertificate(self) -> Any:
        """
        A certificate of another authority is refused.
        """
        other = PKI(self.mktemp())
        port = yield self.listening(self.contexts("a.example"))
        stranger = other.contexts("b.example", trusted=self.pki)
        self.dialing(port, stranger)
        yield self.until(lambda: self.a.journal.counts["strangers"])
        self.assertIsNone(self.a.journal._link)

    @inlineCallbacks
    def test_noCertificate(self) -> Any:
        """
        Who shows none is refused, also by a port that forgot to ask for one.
        """
        for clients in ("required", "no"):
            self.a.journal.counts.clear()
            port = yield self.listening(self.contexts("a.example", clients))
            service = self.dialing(port, self.pki.contexts())
            yield self.until(lambda: self.a.journal.counts["strangers"])
            yield service.stopService()
            self.assertIsNone(self.a.journal._link)

    @inlineCallbacks
    def test_notEncrypted(self) -> Any:
        """
        Who does not speak TLS is refused, and told nothing.
        """
        port = yield self.listening(self.contexts("a.example"))
        got: list[bytes] = []
        gone: Deferred[None] = Deferred()

        class Clear(Protocol):
            def connectionMade(self) -> None:
                assert self.transport is not None
                self.transport.write(b"\0\0\0\1\xc0" * 100)

            def dataReceived(self, data: bytes) -> None:
                got.append(data)

            def connectionLost(self, reason: object = None) -> None:
                gone.callback(None)

        endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", port)
        yield endpoint.connect(Factory.forProtocol(Clear))
        yield gone
        yield self.until(lambda: self.a.journal.counts["strangers"])
        self.assertNotIn(b"lab", b"".join(got))

    def test_nameIsNeeded(self) -> None:
        """
        A link that would take anybody's certificate cannot be made.
        """
        with self.assertRaises(ValueError):
            listenHALink(reactor, None, self.a.links, self.contexts("a.example"), "")  # type: ignore[arg-type]  # never gets that far

    def test_protocolWithoutTLS(self) -> None:
        """
        A protocol that expects a name ends a connection that is not encrypted.
        """

        class Transport:
            aborted = False

            def abortConnection(self) -> None:
                self.aborted = True

        transport: Any = Transport()
        protocol = HALinkProtocol(self.a.links, "192.0.2.1:1", "b.example")
        protocol.makeConnection(transport)
        self.assertTrue(transport.aborted)
        self.assertEqual(self.a.journal.counts["strangers"], 1)

    def test_silentStranger(self) -> None:
        """
        Who connects and shows no certificate is cut off after a while.
        """
        aborted: list[float] = []
        clock = Clock()

        class Transport(TLSMemoryBIOProtocol):
            def __init__(self) -> None: ...

            def setTcpNoDelay(self, enabled: bool) -> None: ...

            def setTcpKeepAlive(self, enabled: bool) -> None: ...

            def abortConnection(self) -> None:
                aborted.append(clock.seconds())

        protocol = HALinkProtocol(self.a.links, "192.0.2.1:1", "b.example", clock)
        protocol.makeConnection(Transport())
        runFor(clock, HANDSHAKE - 0.1)
        self.assertEqual(aborted, [])
        runFor(clock, 1.0)
        self.assertEqual(len(aborted), 1)
        self.assertEqual(self.a.journal.counts["strangers"], 1)
        protocol = HALinkProtocol(self.a.links, "192.0.2.1:1", "b.example", clock)
        protocol.makeConnection(Transport())
        protocol.connectionLost()
        self.assertEqual(clock.getDelayedCalls(), [])

    def test_nobodyTakesIt(self) -> None:
        """
        A connection that could not be begun here is not kept.
        """

        class Taker:
            def connectionMade(self, transport: object) -> None:
                raise RuntimeError("not today")

        class Transport:
            aborted = False

            def abortConnection(self) -> None:
                self.aborted = True

        transport: Any = Transport()
        taker: Any = Taker()
        HALinkProtocol(taker, "192.0.2.1:1", "").makeConnection(transport)
        self.assertTrue(transport.aborted)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)

    def test_pauses(self) -> None:
        """
        Attempts become rarer while no connection lasts; after one that did they
        begin anew.
        """
        clock = Clock()
        tried: list[float] = []

        class Nobody:
            def connect(self, factory: object) -> Deferred[Any]:
                tried.append(clock.seconds())
                if len(tried) == 8:
                    clock.advance(10.0)
                return fail(ConnectionRefusedError())

        endpoint: Any = Nobody()
        service = redial(clock, endpoint, Factory(), lambda: 0.5)
        service.startService()
        runFor(clock, 30.0)
        service.stopService()
        gaps = [round(b - a, 3) for a, b in pairwise(tried)]
        self.assertEqual(gaps[:10], [0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0, 10.1, 0.2, 0.4])
