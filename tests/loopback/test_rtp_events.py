"""
L{sipcluster.net.rtp_events} on the loopback interface.
"""

from __future__ import annotations

from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase
from zope.interface.verify import verifyObject

from sipcluster.net.rtp_events import RTPPorts
from sipcluster.sip.imedia import IMediaPort, IMediaPorts


class RTPPortsTests(TestCase):
    """
    UDP ports for RTP.
    """

    timeout = 10

    def setUp(self) -> None:
        self.ports = RTPPorts(reactor, "127.0.0.1", 2)
        self.addCleanup(self.end)

    def end(self) -> Deferred[None]:
        """
        Give all back, and let the sockets close.
        """
        self.ports.close()
        self.assertEqual(self.ports.count, 0)
        return deferLater(reactor, 0)

    @inlineCallbacks
    def test_toAndFro(self) -> Any:
        """
        What one port sends another one receives, with where it came from.
        """
        verifyObject(IMediaPorts, self.ports)
        arrived: Deferred[tuple[bytes, tuple[str, int]]] = Deferred()
        one = self.ports.open(lambda data, source: None)
        verifyObject(IMediaPort, one)
        two = self.ports.open(lambda data, source: arrived.callback((data, source)))
        one.send(b"event", "127.0.0.1", two.port)
        self.assertEqual((yield arrived), (b"event", ("127.0.0.1", one.port)))

    def test_bound(self) -> None:
        """
        No more ports than allowed are open; one that is given back may be taken
        again.
        """
        first = self.ports.open(lambda data, source: None)
        self.ports.open(lambda data, source: None)
        self.assertRaises(OSError, self.ports.open, lambda data, source: None)
        first.close()
        first.close()
        self.ports.open(lambda data, source: None)
        self.assertEqual(self.ports.count, 2)

    def test_cannotOpen(self) -> None:
        """
        An address that is not ours is an OSError.
        """
        elsewhere = RTPPorts(reactor, "192.0.2.1")
        self.assertRaises(OSError, elsewhere.open, lambda data, source: None)

    @inlineCallbacks
    def test_lost(self) -> Any:
        """
        What cannot be sent is counted, and so is nothing of a port that is closed;
        that nobody listens harms nothing.
        """
        port = self.ports.open(lambda data, source: None)
        port.send(b"x", "2001:db8::1", 4000)
        port.send(b"x", "host.example", 4000)
        port.send(b"x" * 70000, "127.0.0.1", 4000)
        self.assertEqual(self.ports.lost, 3)
        other = self.ports.open(lambda data, source: None)
        gone = other.port
        other.close()
        yield deferLater(reactor, 0)
        for _ in range(3):
            port.send(b"x", "127.0.0.1", gone)
            yield deferLater(reactor, 0.01)
        port.close()
        port.send(b"x", "127.0.0.1", 4000)
        self.assertEqual(self.ports.lost, 3)

    @inlineCallbacks
    def test_brokenReceiver(self) -> Any:
        """
        A receiver that raises is logged.
        """

        def broken(data: bytes, source: tuple[str, int]) -> None:
            raise ValueError("broken")

        one = self.ports.open(broken)
        one.send(b"x", "127.0.0.1", one.port)
        for _ in range(100):
            yield deferLater(reactor, 0.01)
            if self.flushLoggedErrors(ValueError):
                return
        self.fail("nothing was logged")
