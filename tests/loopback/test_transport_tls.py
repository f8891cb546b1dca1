"""
The transport layer on real sockets: TLS.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import inlineCallbacks
from twisted.internet.task import deferLater

from sipcluster.net.flows import TransportLimits
from sipcluster.net.sip_tls import TLSContexts
from sipcluster.sip.errors import NoTransport
from sipcluster.sip.isip import Target
from sipcluster.sip.message import Response
from sipcluster.testing.pki import PKI
from tests.loopback.test_transport import TransportTestCase, options, reactor


class TLSTests(TransportTestCase):
    """
    Whose certificate is right, and what happens when one is not.
    """

    def setUp(self) -> None:
        self.pki = PKI(self.mktemp())

    @inlineCallbacks
    def connect(
        self,
        server: TLSContexts,
        client: TLSContexts,
        serverName: str,
        clientListens: TLSContexts | None = None,
    ) -> Any:
        """
        Send an OPTIONS to a server.

        @return: both transports and receivers, and the client's flow.
        """
        first, served = self.transport(answers=True)
        second, got = self.transport()
        port = yield first.listenTLS("127.0.0.1", 0, server)
        second.tls = client
        flow = second.flowTo(Target("TLS", "127.0.0.1", port.port, serverName))
        flow.send(options(flow))
        return first, served, second, got, flow

    @inlineCallbacks
    def assertWorks(
        self, server: TLSContexts, client: TLSContexts, serverName: str
    ) -> Any:
        """
        The request is answered.

        @return: the flow as the server sees it.
        """
        _, served, _, got, flow = yield self.connect(server, client, serverName)
        yield got.whenMessages(1)
        self.assertIsInstance(got.messages[0][0], Response)
        self.assertIs(got.messages[0][1], flow)
        return served.messages[0][1]

    @inlineCallbacks
    def assertRefused(
        self, server: TLSContexts, client: TLSContexts, serverName: str, why: str
    ) -> Any:
        """
        The flow fails on the client's side, and the server sees no message.
        """
        first, served, _, got, flow = yield self.connect(server, client, serverName)
        yield got.whenFailures(1)
        self.assertIs(got.failures[0][0], flow)
        self.assertIn(why, got.failures[0][1])
        self.assertEqual(served.messages, [])
        yield served.whenFailures(1)
        self.assertEqual(first.counts["tlsFailed"], 1)
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_good(self) -> Any:
        """
        A certificate for the domain, signed by a trusted CA.
        """
        return self.assertWorks(
            self.pki.contexts("sip.example.com"),
            self.pki.contexts(),
            "sip.example.com",
        )

    def test_address(self) -> Any:
        """
        A certificate for an IP address.
        """
        return self.assertWorks(
            self.pki.contexts("127.0.0.1"), self.pki.contexts(), "127.0.0.1"
        )

    def test_expired(self) -> Any:
        """
        A certificate that has ended.
        """
        return self.assertRefused(
            self.pki.contexts("sip.example.com", expired=True),
            self.pki.contexts(),
            "sip.example.com",
            "certificate verify failed",
        )

    def test_wrongHost(self) -> Any:
        """
        A certificate for another domain.
        """
        return self.assertRefused(
            self.pki.contexts("other.example.com"),
            self.pki.contexts(),
            "sip.example.com",
            "the certificate is for another name",
        )

    def test_wrongAddress(self) -> Any:
        """
        A certificate for another address.
        """
        return self.assertRefused(
            self.pki.contexts("192.0.2.1", "sip.example.com"),
            self.pki.contexts(),
            "127.0.0.1",
            "the certificate is for another name",
        )

    def test_foreignCA(self) -> Any:
        """
        A certificate from a CA that is not trusted.
        """
        foreign = PKI(self.mktemp())
        return self.assertRefused(
            foreign.contexts("sip.example.com"),
            self.pki.contexts(),
            "sip.example.com",
            "certificate verify failed",
        )

    @inlineCallbacks
    def test_domainURI(self) -> Any:
        """
        A certificate with a SIP URI of the domain is good for it.
        """
        identity = self.pki.issueForURIs("sip:example.com", names=("h1.example.com",))
        server = TLSContexts(identity.certificate, identity.privateKey)
        yield self.assertWorks(server, self.pki.contexts(), "example.com")

    @inlineCallbacks
    def test_domainURIGoesBeforeNames(self) -> Any:
        """
        Where a certificate has SIP URIs, its DNS names say nothing (RFC 5922
        section 7.1).
        """
        identity = self.pki.issueForURIs("sip:example.com", names=("h1.example.com",))
        server = TLSContexts(identity.certificate, identity.privateKey)
        yield self.assertRefused(
            server,
            self.pki.contexts(),
            "h1.example.com",
            "the certificate is for another name",
        )

    @inlineCallbacks
    def test_personURI(self) -> Any:
        """
        A SIP URI with a user part names no domain.
        """
        identity = self.pki.issueForURIs("sip:alice@example.com")
        server = TLSContexts(identity.certificate, identity.privateKey)
        yield self.assertRefused(
            server,
            self.pki.contexts(),
            "example.com",
            "the certificate is for another name",
        )

    def test_unchecked(self) -> Any:
        """
        Without a server name no certificate is checked.
        """
        return self.assertWorks(
            self.pki.contexts("sip.example.com", expired=True), self.pki.contexts(), ""
        )

    @inlineCallbacks
    def test_mutual(self) -> Any:
        """
        A client certificate that is wanted and given: the server knows whom it
        names.
        """
        accepted = yield self.assertWorks(
            self.pki.contexts("sip.example.com", clients="required"),
            self.pki.contexts("node1.example.com"),
            "sip.example.com",
        )
        self.assertEqual(accepted.peerNames, ("node1.example.com",))

    def test_clientCertificateMissing(self) -> Any:
        """
        A client certificate that is required and not given.
        """
        return self.assertRefused(
            self.pki.contexts("sip.example.com", clients="required"),
            self.pki.contexts(),
            "sip.example.com",
            "",
        )

    def test_clientCertificateForeign(self) -> Any:
        """
        A client certificate of a stranger's CA is refused, even where none is
        required.
        """
        foreign = PKI(self.mktemp())
        return self.assertRefused(
            self.pki.contexts("sip.example.com", clients="optional"),
            foreign.contexts("node1.example.com", trusted=self.pki),
            "sip.example.com",
            "",
        )

    @inlineCallbacks
    def test_clientCertificateOptional(self) -> Any:
        """
        A client certificate that is optional and not given.
        """
        accepted = yield self.assertWorks(
            self.pki.contexts("sip.example.com", clients="optional"),
            self.pki.contexts(),
            "sip.example.com",
        )
        self.assertEqual(accepted.peerNames, ())

    @inlineCallbacks
    def test_notTLS(self) -> Any:
        """
        A peer that speaks plain SIP to a TLS port is cut off and counted, and
        the port serves the next.
        """
        server, served = self.transport(answers=True)
        port = yield server.listenTLS("127.0.0.1", 0, self.pki.contexts("127.0.0.1"))
        plain, got = self.transport()
        flow = plain.flowTo(Target("TCP", "127.0.0.1", port.port))
        flow.send(options(flow))
        yield got.whenFailures(1)
        yield served.whenFailures(1)
        self.assertEqual(server.counts["tlsFailed"], 1)
        plain.tls = self.pki.contexts()
        flow = plain.flowTo(Target("TLS", "127.0.0.1", port.port, "127.0.0.1"))
        flow.send(options(flow))
        yield got.whenMessages(1)

    @inlineCallbacks
    def test_toPlainPort(self) -> Any:
        """
        A TLS connection to a peer that never shakes hands fails in time.
        """
        server, _ = self.transport()
        port = yield server.listenTCP("127.0.0.1", 0)
        client, got = self.transport(limits=TransportLimits(connectTimeout=0.2))
        client.tls = self.pki.contexts()
        flow = client.flowTo(Target("TLS", "127.0.0.1", port.port, "127.0.0.1"))
        yield got.whenFailures(1)
        self.assertIs(got.failures[0][0], flow)

    def test_noTLS(self) -> None:
        """
        Where there is neither certificate nor CA, there is no TLS.
        """
        client, _ = self.transport()
        target = Target("TLS", "127.0.0.1", 5061, "example.com")
        self.assertRaises(NoTransport, client.flowTo, target)

    @inlineCallbacks
    def test_namesAreNotMixed(self) -> Any:
        """
        A connection that was checked for one domain is not used for another at
        the same address, and one that a peer opened for none.
        """
        _, served, client, got, flow = yield self.connect(
            self.pki.contexts("a.example.com", "b.example.com"),
            self.pki.contexts(),
            "a.example.com",
        )
        yield got.whenMessages(1)
        host, port = flow.remote
        self.assertIs(client.flowTo(Target("TLS", host, port, "a.example.com")), flow)
        other = client.flowTo(Target("TLS", host, port, "b.example.com"))
        self.assertIsNot(other, flow)
        server = served.transport
        accepted = served.messages[0][1]
        back = Target("TLS", *accepted.remote)
        self.assertIs(server.flowTo(back), accepted)
        host, port = accepted.remote
        checked = Target("TLS", host, port, "phone.example.com")
        self.assertIsNot(server.flowTo(checked), accepted)

    @inlineCallbacks
    def test_largeMessages(self) -> Any:
        """
        Messages larger than a TLS record arrive whole.
        """
        _, served, _, got, flow = yield self.connect(
            self.pki.contexts("127.0.0.1"), self.pki.contexts(), "127.0.0.1"
        )
        flow.send(options(flow, b"x" * 50_000))
        yield got.whenMessages(2)
        self.assertEqual(len(served.messages[1][0].body), 50_000)

    @inlineCallbacks
    def test_slowPeer(self) -> Any:
        """
        A peer that does not read is cut off over TLS too, and hears no more of
        us than what the bound allows.
        """
        first, served = self.transport(answers=True)
        second, got = self.transport(limits=TransportLimits(queueBytes=100_000))
        contexts = self.pki.contexts("127.0.0.1")
        port = yield first.listenTLS("127.0.0.1", 0, contexts)
        second.tls = self.pki.contexts()
        flow = second.flowTo(Target("TLS", "127.0.0.1", port.port, "127.0.0.1"))
        flow.send(options(flow))
        yield got.whenMessages(1)
        accepted: Any = served.messages[0][1]
        accepted._wire.transport.pauseProducing()
        message = options(flow, b"x" * 30_000)
        sent = 0
        while not got.failures and sent < 2000:
            flow.send(message)
            sent += 1
            yield deferLater(reactor, 0)
        yield got.whenFailures(1)
        self.assertEqual(got.failures, [(flow, "the peer reads too slowly")])
        accepted.abort("test")
