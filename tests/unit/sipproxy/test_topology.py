"""
L{sipcluster.sipproxy.topology}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from sipcluster.sip.uri import SIPURI, parseURI
from sipcluster.sip.via import Via
from sipcluster.sipproxy.topology import Topology, hostBytes, hostPort
from sipcluster.testing.records import RecordingFlow
from tests.unit.sipproxy.samples import ALICE, NODE1, PROXY, topology


def uri(text: str) -> SIPURI:
    """
    A SIP URI read.
    """
    parsed = parseURI(text.encode())
    assert isinstance(parsed, SIPURI)
    return parsed


class TopologyTests(SynchronousTestCase):
    """
    L{Topology} tells who is who.
    """

    def setUp(self) -> None:
        self.topology = topology()

    def test_own(self) -> None:
        """
        The proxy knows its addresses and its name, at its ports or at none.
        """
        for text in ("sip:192.0.2.11", "sip:192.0.2.11:5061", "sip:PROXY1.example.com"):
            self.assertTrue(self.topology.isOwn(uri(text)), text)
        for text in ("sip:192.0.2.11:5070", "sip:192.0.2.12", "sip:example.com"):
            self.assertFalse(self.topology.isOwn(uri(text)), text)
        self.assertTrue(self.topology.isOwnVia(Via.parse(b"SIP/2.0/UDP 192.0.2.11")))
        self.assertFalse(self.topology.isOwnVia(Via.parse(b"SIP/2.0/UDP h:5060")))

    def test_ownRoute(self) -> None:
        """
        A Route may also call it by the domain.
        """
        self.assertTrue(self.topology.isOwnRoute(uri("sip:example.com;lr")))
        self.assertTrue(self.topology.isOwnRoute(uri("sip:x@192.0.2.11:5060;lr")))
        self.assertFalse(self.topology.isOwnRoute(uri("sip:192.0.2.12;lr")))
        self.assertFalse(self.topology.isOwnRoute(uri("sip:example.com:9;lr")))

    def test_domain(self) -> None:
        """
        The domain goes by the names and addresses of all proxies, too.
        """
        for host in ("EXAMPLE.com", PROXY, "192.0.2.12", "proxy2.example.com"):
            self.assertTrue(self.topology.isOurDomain(uri(f"sip:a@{host}")), host)
            self.assertEqual(
                self.topology.aor(uri(f"sip:%61lice@{host}:5060;x=y")),
                b"sip:alice@example.com",
            )
        self.assertFalse(self.topology.isOurDomain(uri("sip:node1.example.com")))
        self.assertEqual(self.topology.aor(uri("sip:a@B.net")), b"sip:a@b.net")
        self.assertEqual(self.topology.aor(uri("sip:example.com")), b"sip:example.com")

    def test_pairsAndFellows(self) -> None:
        """
        Pairs are known by name, proxies by name and address.
        """
        self.assertEqual(self.topology.pairOf(uri("sip:x@Node1.Example.com")), "node1")
        self.assertIsNone(self.topology.pairOf(uri("sip:x@192.0.2.21")))
        self.assertEqual(self.topology.fellowOf(uri("sip:t@192.0.2.12;lr")), "proxy2")
        self.assertIsNone(self.topology.fellowOf(uri("sip:t@192.0.2.11;lr")))
        self.assertEqual(self.topology.localPairs, ("node1", "node2"))

    def test_sources(self) -> None:
        """
        A datagram of a node comes from its port; a connection must also bear
        its name, since its port says nothing.
        """
        name = b"Node1.example.com"
        datagram = RecordingFlow(remote=(NODE1, 5060))
        self.assertTrue(self.topology.isNode(datagram, b"any"))
        other = RecordingFlow(remote=(NODE1, 5070))
        self.assertFalse(self.topology.isNode(other, name))
        stream = RecordingFlow("TCP", remote=(NODE1, 40000))
        self.assertTrue(self.topology.isNode(stream, name))
        self.assertFalse(self.topology.isNode(stream, NODE1.encode()))
        self.assertFalse(self.topology.isNode(stream, b"node2.example.com"))
        stranger = RecordingFlow("TCP", remote=(ALICE, 40000))
        self.assertFalse(self.topology.isNode(stranger, name))
        self.assertFalse(self.topology.isFellow(stranger))
        fellow = RecordingFlow("TCP", remote=("192.0.2.12", 40000))
        self.assertTrue(self.topology.isFellow(fellow))

    def test_hosts(self) -> None:
        """
        IPv6 addresses get brackets in messages.
        """
        self.assertEqual(hostBytes("2001:DB8::1"), b"[2001:db8::1]")
        self.assertEqual(hostPort("192.0.2.1", 5060), b"192.0.2.1:5060")
        one = Topology("p", b"d", [("2001:db8::1", 5060)], [])
        self.assertTrue(one.isOwn(uri("sip:[2001:DB8::1]")))
        self.assertEqual(one.uri, b"sip:[2001:db8::1]:5060")
