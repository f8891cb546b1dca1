"""
Tests for L{sipcluster.sip.transport_rules}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from sipcluster.sip.errors import MalformedMessage
from sipcluster.sip.isip import Target
from sipcluster.sip.message import Headers, Request, parseMessage
from sipcluster.sip.transport_rules import (
    responseTarget,
    tooLargeForUDP,
    viaReceived,
)
from sipcluster.sip.via import Via


def options(*vias: bytes) -> Request:
    return Request(
        b"OPTIONS", b"sip:example.com", Headers.of(*((b"Via", via) for via in vias))
    )


class ViaReceivedTests(SynchronousTestCase):
    """
    RFC 3261 section 18.2.1 and RFC 3581 section 4.
    """

    def noted(self, via: bytes, host: str = "192.0.2.1", port: int = 5060) -> bytes:
        """
        The top Via after a request came from there; what is kept of it parsed
        says the same.
        """
        message = viaReceived(options(via), host, port)
        again = parseMessage(message.render())
        self.assertEqual(again.via, message.via)
        self.assertEqual(again.vias, message.vias)
        value = again.headers.first(b"Via")
        assert value is not None
        return value

    def test_sameHost(self) -> None:
        """
        A Via that names the source says enough: the message stays the same
        object.
        """
        for via, host in (
            (b"SIP/2.0/UDP 192.0.2.1:5062;branch=z9hG4bK1", "192.0.2.1"),
            (b"SIP/2.0/UDP [2001:DB8::1];branch=z9hG4bK1", "2001:db8::1"),
            (b"SIP/2.0/TCP 192.0.2.1", "192.0.2.1"),
        ):
            message = options(via)
            self.assertIs(viaReceived(message, host, 4711), message)

    def test_otherHost(self) -> None:
        """
        A name, or another address, gets C{received}.
        """
        self.assertEqual(
            self.noted(b"SIP/2.0/UDP pc33.atlanta.example.com;branch=z9hG4bK1"),
            b"SIP/2.0/UDP pc33.atlanta.example.com;branch=z9hG4bK1;received=192.0.2.1",
        )
        self.assertEqual(
            self.noted(b"SIP/2.0/UDP pc33", "2001:db8::9", 5060),
            b"SIP/2.0/UDP pc33;received=2001:db8::9",
        )
        self.assertEqual(
            self.noted(b"SIP/2.0/UDP pc33", "fe80::1%eth0", 5060),
            b"SIP/2.0/UDP pc33;received=fe80::1",
        )

    def test_rport(self) -> None:
        """
        C{rport} gets the source port, and C{received} with it, even when the
        Via names the source already.
        """
        self.assertEqual(
            self.noted(b"SIP/2.0/UDP 192.0.2.1;rport;branch=z9hG4bK1", port=4540),
            b"SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1;received=192.0.2.1;rport=4540",
        )

    def test_claims(self) -> None:
        """
        What the sender wrote there itself is replaced.
        """
        for claim in (
            b";received=198.51.100.7;rport=53",
            b";RPort=53;received=198.51.100.7",
            b";rport;rport;Received=198.51.100.7",
            b';x="a;rport=1";rport',
        ):
            via = Via.parse(self.noted(b"SIP/2.0/UDP 192.0.2.1" + claim, port=4540))
            self.assertEqual((via.received, via.rport), (b"192.0.2.1", 4540))
        via = Via.parse(self.noted(b"SIP/2.0/UDP 192.0.2.1;received=198.51.100.7"))
        self.assertEqual((via.received, via.rport), (b"192.0.2.1", None))

    def test_severalInOneLine(self) -> None:
        """
        Only the top Via is noted in, wherever it stands.
        """
        message = viaReceived(
            options(b"SIP/2.0/UDP a.example;rport, SIP/2.0/TCP b.example;rport"),
            "192.0.2.1",
            7,
        )
        self.assertEqual(
            message.headers.values(b"Via"),
            [
                b"SIP/2.0/UDP a.example;received=192.0.2.1;rport=7",
                b"SIP/2.0/TCP b.example;rport",
            ],
        )
        several = options(b"SIP/2.0/UDP a.example", b"SIP/2.0/TCP b.example")
        self.assertEqual(
            [via.host for via in several.vias], [b"a.example", b"b.example"]
        )
        noted = viaReceived(several, "192.0.2.1", 7)
        self.assertEqual([via.received for via in noted.vias], [b"192.0.2.1", b""])

    def test_unreadable(self) -> None:
        """
        A Via that is none is the sender's fault.
        """
        self.assertRaises(
            MalformedMessage, viaReceived, options(b"nonsense"), "192.0.2.1", 5060
        )


class ResponseTargetTests(SynchronousTestCase):
    """
    RFC 3261 section 18.2.2 and RFC 3581 section 4.
    """

    def test_targets(self) -> None:
        """
        C{maddr} goes first for UDP, then C{received} with C{rport}, then
        sent-by; the default port follows the transport.
        """
        for via, target in (
            (b"SIP/2.0/UDP 192.0.2.1:5070", Target("UDP", "192.0.2.1", 5070)),
            (b"SIP/2.0/UDP [2001:db8::1]", Target("UDP", "2001:db8::1", 5060)),
            (b"SIP/2.0/TLS 192.0.2.1", Target("TLS", "192.0.2.1", 5061)),
            (b"SIP/2.0/UDP Name.Example", Target("UDP", "name.example", 5060)),
            (
                b"SIP/2.0/UDP a:5070;received=192.0.2.1",
                Target("UDP", "192.0.2.1", 5070),
            ),
            (
                b"SIP/2.0/UDP a:5070;received=192.0.2.1;rport=9",
                Target("UDP", "192.0.2.1", 9),
            ),
            (
                b"SIP/2.0/TCP a:5070;received=192.0.2.1;rport=9",
                Target("TCP", "192.0.2.1", 5070),
            ),
            (
                b"SIP/2.0/UDP a:5070;received=[2001:db8::2]",
                Target("UDP", "2001:db8::2", 5070),
            ),
            (
                b"SIP/2.0/UDP a;maddr=224.2.0.1;received=192.0.2.1",
                Target("UDP", "224.2.0.1", 5060),
            ),
            (
                b"SIP/2.0/TCP a;maddr=224.2.0.1;received=192.0.2.1",
                Target("TCP", "192.0.2.1", 5060),
            ),
        ):
            self.assertEqual(responseTarget(Via.parse(via)), target)


class SizeTests(SynchronousTestCase):
    """
    RFC 3261 section 18.1.1.
    """

    def test_limit(self) -> None:
        """
        1300 bytes are the most that go over UDP.
        """
        self.assertFalse(tooLargeForUDP(1300))
        self.assertTrue(tooLargeForUDP(1301))
