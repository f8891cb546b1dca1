"""
Tests for L{sipcluster.testing.network}: it behaves as networks do.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.error import CannotListenError
from twisted.internet.protocol import DatagramProtocol

from sipcluster.sip.isip import IFlow, Target
from sipcluster.testing.network import MemoryTransport
from tests.unit.net.receiver import MemoryTestCase, options

UDP = Target("UDP", "192.0.2.2", 5060)
TCP = Target("TCP", "192.0.2.2", 5060)


class MemoryNetworkTests(MemoryTestCase):
    """
    Delay, loss, partitions, and the death of processes and hosts.
    """

    def send(self, target: Target, body: bytes = b"") -> IFlow:
        """
        Let Alice send a request.
        """
        flow = self.alice.flowTo(target)
        flow.send(options(flow, body))
        return flow

    def test_delay(self) -> None:
        """
        A datagram takes the delay, a connection three times as long until its
        first byte is there.
        """
        self.send(UDP)
        self.send(TCP)
        self.wait(0.009)
        self.assertEqual(self.bobs.messages, [])
        self.wait(0.002)
        self.assertEqual(len(self.bobs.messages), 1)
        self.wait(0.015)
        self.assertEqual(len(self.bobs.messages), 1)
        self.wait(0.01)
        self.assertEqual(len(self.bobs.messages), 2)
        self.stopAll()

    def test_drops(self) -> None:
        """
        A test chooses which datagrams are lost; all are remembered.
        """
        self.network.drops = lambda data, source, destination: b"lost" in data
        self.send(UDP, b"lost")
        self.send(UDP, b"kept")
        self.wait()
        self.assertEqual([m.body for m in self.bobs.messages], [b"kept"])
        self.assertEqual(len(self.network.carried), 2)

    def test_usedPort(self) -> None:
        """
        A port is bound once.
        """
        other = MemoryTransport(self.network)
        self.failureResultOf(other.listenUDP("192.0.2.2", 5060), CannotListenError)
        self.failureResultOf(other.listenTCP("192.0.2.2", 5060), CannotListenError)
        self.assertRaises(CannotListenError, self.network.host, "192.0.2.2")

    def test_partition(self) -> None:
        """
        Across a partition datagrams are lost without a word, and streams hold
        back what they carry until it heals.
        """
        flow = self.send(TCP)
        self.wait()
        self.network.partition("192.0.2.2")
        self.send(UDP)
        self.send(TCP)
        self.wait(10)
        self.assertEqual(len(self.bobs.messages), 1)
        self.network.heal()
        self.wait(1.1)
        self.assertEqual(len(self.bobs.messages), 2)
        self.assertEqual(self.alices.failures, [])
        self.network.partition("192.0.2.2")
        self.send(TCP)
        self.wait(40)
        self.assertEqual([each for each, _ in self.alices.failures], [flow])

    def test_isolatedTogether(self) -> None:
        """
        Hosts that are isolated together reach each other.
        """
        self.network.partition("192.0.2.1", "192.0.2.2")
        self.send(UDP)
        self.wait()
        self.assertEqual(len(self.bobs.messages), 1)

    def test_kill(self) -> None:
        """
        When a process dies, its connections are reset at once, datagrams to it
        come back, and what still runs of it reaches nobody; a new one may take
        its place.
        """
        flow = self.send(TCP)
        self.wait()
        back = self.bobs.flows[0]
        self.network.kill("192.0.2.2")
        self.wait()
        self.assertEqual([each for each, _ in self.alices.failures], [flow])
        udp = self.send(UDP)
        self.wait()
        self.assertIs(self.alices.failures[-1][0], udp)
        back.send(options(back))
        ghost = self.bob.flowTo(Target("UDP", "192.0.2.1", 5060))
        ghost.send(options(ghost))
        self.bob.flowTo(Target("TCP", "192.0.2.1", 5060)).send(b"x")
        self.wait(10)
        self.assertEqual(self.alices.messages, [])
        _, again = self.host("192.0.2.2")
        self.send(UDP)
        self.send(TCP)
        self.wait()
        self.assertEqual(len(again.messages), 2)
        self.assertEqual(len(self.bobs.messages), 1)
        self.assertEqual(self.bobs.failures, [])

    def test_powerOff(self) -> None:
        """
        A host without power says nothing at all, until it is back.
        """
        self.network.powerOff("192.0.2.2")
        self.send(UDP)
        self.wait(1)
        self.assertEqual(self.alices.failures, [])
        self.network.revive("192.0.2.2")
        self.send(UDP)
        self.wait()
        self.assertEqual(len(self.bobs.messages), 1)

    def test_plainProtocol(self) -> None:
        """
        A datagram protocol of a test's own is bound like any other.
        """
        got: list[Any] = []

        class Echo(DatagramProtocol):
            def datagramReceived(self, datagram: bytes, addr: Any) -> None:
                got.append((datagram, addr))
                assert self.transport is not None
                self.transport.write(b"\r\n\r\n", addr)

        self.network.bind(("192.0.2.9", 7000), Echo())
        flow = self.alice.flowTo(Target("UDP", "192.0.2.9", 7000))
        flow.send(b"hello")
        self.wait()
        self.assertEqual(got[0], (b"hello", ("192.0.2.1", 5060)))
        self.assertEqual(self.alice.counts["keepAlives"], 1)

    def test_sameRunTwice(self) -> None:
        """
        Names of flows are the same in every run.
        """
        tokens = []
        for _ in range(2):
            self.setUp()
            tokens.append(self.alice.flowTo(TCP).token)
        self.assertEqual(tokens[0], tokens[1])
