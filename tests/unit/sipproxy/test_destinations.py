"""
L{sipcluster.sipproxy.destinations}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from sipcluster.sip.isip import Target
from sipcluster.sip.uri import SIPURI, parseURI
from sipcluster.sipproxy.destinations import (
    Hop,
    literalTarget,
    nodeHops,
    one,
    pairHops,
    targetHops,
)
from tests.unit.sipproxy.samples import FixedRegistry


class HopsTests(SynchronousTestCase):
    """
    Where to go next is decided when it is asked.
    """

    def names(self, *hops: Hop | None) -> list[str]:
        """
        Whom hops lead to.
        """
        return [hop.member.name for hop in hops if hop and hop.member]

    def test_nodesInTurn(self) -> None:
        """
        Each node once, beginning with the one whose turn it is.
        """
        registry = FixedRegistry("a", "b", "c")
        self.assertEqual(self.names(*nodeHops(registry, "abc", 1)), ["b", "c", "a"])
        self.assertEqual(self.names(*nodeHops(registry, "ac", 1)), ["c", "a"])
        self.assertEqual(self.names(*nodeHops(registry, "x", 1)), [])

    def test_onlyThoseThatServeThen(self) -> None:
        """
        One that went out of service meanwhile is passed over.
        """
        registry = FixedRegistry("a", "b", "c")
        hops = nodeHops(registry, "abc", 0)
        first = next(hops)
        registry.memberFailed("a", "reset")
        registry.memberFailed("b", "reset")
        self.assertEqual(self.names(first, *hops), ["a", "c"])

    def test_pair(self) -> None:
        """
        A pair's new primary is tried when the old one failed, each once.
        """
        registry = FixedRegistry("a", "b")
        hops = pairHops(registry, "a", 1)
        first = next(hops)
        self.assertEqual(first.skips, 1)
        registry.serving["a"] = registry.serving["b"]
        self.assertEqual(self.names(first, *hops), ["a", "b"])
        self.assertEqual(list(pairHops(registry, "x")), [])

    def test_targets(self) -> None:
        """
        Targets are tried in their order.
        """
        targets = [Target("UDP", "192.0.2.1", 5060), Target("TCP", "192.0.2.1", 5060)]
        self.assertEqual([hop.target for hop in targetHops(targets)], targets)
        self.assertEqual(len(list(one(Hop(targets[0])))), 1)


class LiteralTargetTests(SynchronousTestCase):
    """
    L{literalTarget} needs no name server (RFC 3263 section 4).
    """

    def target(self, text: str) -> Target | None:
        """
        Where a URI leads.
        """
        uri = parseURI(text.encode())
        assert isinstance(uri, SIPURI)
        return literalTarget(uri)

    def test_addresses(self) -> None:
        """
        Transport and port come from the URI, or are those of its scheme.
        """
        for text, wanted in (
            ("sip:a@192.0.2.1", ("UDP", "192.0.2.1", 5060)),
            ("sip:a@192.0.2.1:7;transport=TCP", ("TCP", "192.0.2.1", 7)),
            ("sip:a@192.0.2.1;transport=tls", ("TLS", "192.0.2.1", 5061)),
            ("sips:a@192.0.2.1", ("TLS", "192.0.2.1", 5061)),
            ("sips:a@192.0.2.1;transport=tcp", ("TLS", "192.0.2.1", 5061)),
            ("sip:a@[2001:DB8::1]", ("UDP", "2001:db8::1", 5060)),
        ):
            self.assertEqual(self.target(text), Target(*wanted), text)

    def test_notHere(self) -> None:
        """
        Names are for the locator; other transports are for nobody.
        """
        for text in (
            "sip:a@example.com",
            "sip:a@192.0.2.1;transport=ws",
            "sips:a@192.0.2.1;transport=udp",
        ):
            self.assertIsNone(self.target(text), text)
