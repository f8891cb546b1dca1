"""
The locator and a name server on loopback.
"""

from __future__ import annotations

from random import Random
from typing import Any

from twisted.internet import reactor as _reactor
from twisted.internet.defer import inlineCallbacks
from twisted.internet.protocol import DatagramProtocol
from twisted.names import client, dns, server
from twisted.names.authority import FileAuthority
from twisted.names.common import ResolverBase
from twisted.trial.unittest import TestCase

from sipcluster.net.locate import Locator, LocatorLimits
from sipcluster.sip.errors import LocationFailed
from sipcluster.sip.isip import Target
from sipcluster.sip.uri import SIPURI, parseURI

reactor: Any = _reactor


class Zone(FileAuthority):
    """
    The zone C{example.com}, in memory.
    """

    def __init__(self) -> None:
        ResolverBase.__init__(self)
        self._cache: dict[Any, Any] = {}
        soa = dns.Record_SOA(b"ns.example.com", b"root.example.com", 1, minimum=60)
        # FileAuthority declares both as None.
        self.soa = (b"example.com", soa)  # type: ignore[assignment]
        self.records = {  # type: ignore[assignment]
            b"example.com": [
                soa,
                dns.Record_NAPTR(
                    10, 10, b"s", b"SIP+D2T", b"", b"_sip._tcp.example.com", 60
                ),
                dns.Record_NAPTR(
                    20, 10, b"s", b"SIP+D2U", b"", b"_sip._udp.example.com", 60
                ),
            ],
            b"_sip._tcp.example.com": [
                dns.Record_SRV(20, 0, 5070, b"b.example.com", 60),
                dns.Record_SRV(10, 0, 5060, b"a.example.com", 60),
            ],
            b"_sip._udp.example.com": [
                dns.Record_SRV(10, 0, 5060, b"a.example.com", 60),
            ],
            b"a.example.com": [dns.Record_A("192.0.2.1", 60)],
            b"b.example.com": [
                dns.Record_A("192.0.2.2", 60),
                dns.Record_AAAA("2001:db8::2", 60),
            ],
            b"many.example.com": [
                dns.Record_A(f"192.0.2.{n}", 60) for n in range(1, 60)
            ],
        }


class SilentServer(DatagramProtocol):
    """
    Takes queries and says nothing until it is told to.
    """

    def __init__(self) -> None:
        self._queries: list[tuple[bytes, Any]] = []
        self._speaks = False

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        self._queries.append((datagram, addr))
        if self._speaks:
            self.speak()

    def speak(self) -> None:
        """
        Say of every query that it failed, of those that will come too.
        """
        self._speaks = True
        queries, self._queries = self._queries, []
        for query, source in queries:
            message = dns.Message()
            message.fromStr(query)
            message.answer = 1
            message.rCode = dns.ESERVER
            assert self.transport is not None
            self.transport.write(message.toStr(), source)


def uri(text: bytes) -> SIPURI:
    """
    A SIP URI.
    """
    parsed = parseURI(text)
    assert isinstance(parsed, SIPURI)
    return parsed


class LocatorTests(TestCase):
    """
    Look-ups over real datagrams.
    """

    timeout = 20

    def setUp(self) -> None:
        factory = server.DNSServerFactory(authorities=[Zone()])
        factory.noisy = False
        self.port = reactor.listenUDP(
            0, dns.DNSDatagramProtocol(factory), interface="127.0.0.1"
        )
        self.addCleanup(self.port.stopListening)

    def resolver(self, port: int) -> client.Resolver:
        """
        A resolver that asks one name server.
        """
        return client.Resolver(
            servers=[("127.0.0.1", port)], timeout=(1, 1), reactor=reactor
        )

    def locator(self) -> Locator:
        """
        A locator that asks the name server of the zone.
        """
        resolver = self.resolver(self.port.getHost().port)
        return Locator(reactor, resolver, Random(1).random)

    @inlineCallbacks
    def test_domain(self) -> Any:
        """
        NAPTR leads to SRV, and SRV to addresses, in the order that the domain
        wants; the second time at once.
        """
        locator = self.locator()
        expected = (
            Target("TCP", "192.0.2.1", 5060),
            Target("TCP", "192.0.2.2", 5070),
            Target("TCP", "2001:db8::2", 5070),
            Target("UDP", "192.0.2.1", 5060),
        )
        targets = yield locator.locate(uri(b"sip:alice@example.com"))
        self.assertEqual(targets, expected)
        again = locator.locate(uri(b"sip:bob@example.com"))
        self.assertEqual(self.successResultOf(again), expected)

    @inlineCallbacks
    def test_noSuchName(self) -> Any:
        """
        A name that is not in the zone has no server.
        """
        locator = self.locator()
        e = yield self.assertFailure(
            locator.locate(uri(b"sip:none.example.com")), LocationFailed
        )
        self.assertIn("no SIP server", str(e))

    @inlineCallbacks
    def test_silentServer(self) -> Any:
        """
        A name server that takes queries and says nothing: the look-up fails in
        time, and an address is located meanwhile.
        """
        silent = SilentServer()
        port = reactor.listenUDP(0, silent, interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        resolver = self.resolver(port.getHost().port)
        locator = Locator(reactor, resolver, limits=LocatorLimits(patience=0.1))
        looking = locator.locate(uri(b"sip:example.com"))
        self.assertEqual(
            self.successResultOf(locator.locate(uri(b"sip:192.0.2.7"))),
            (Target("UDP", "192.0.2.7", 5060),),
        )
        e = yield self.assertFailure(looking, LocationFailed)
        self.assertIn("no name server answers", str(e))
        # The query itself is still out, and serves whoever asks next.
        late = Locator(reactor, resolver).locate(uri(b"sip:example.com"))
        silent.speak()
        yield self.assertFailure(late, LocationFailed)

    @inlineCallbacks
    def test_hostsFile(self) -> Any:
        """
        Without a resolver the host's own files are read; names in
        C{/etc/hosts} are found there.
        """
        locator = Locator(reactor, families=[4])
        self.addCleanup(locator.stop)
        targets = yield locator.locate(uri(b"sip:localhost:5060"))
        self.assertEqual(targets, (Target("UDP", "127.0.0.1", 5060),))
