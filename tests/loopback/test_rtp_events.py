"""
L{sipcluster.net.rtp_events} on the loopback interface.
"""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase
from zope.interface.verify import verifyObject

from sipcluster.net.rtp_events import RTPPorts
from sipcluster.sessioncontroller.dtmf_packets import Place, Stream
from sipcluster.sip.imedia import IMediaPort, IMediaPorts

TSHARK = shutil.which("tshark")


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
        Give all back: nothing is left of them in the reactor.
        """
        closed = self.ports.close()
        self.assertEqual(self.ports.count, 0)
        return closed

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


class DissectedTests(TestCase):
    """
    What somebody else reads in the packets.
    """

    skip = (
        None if TSHARK or os.environ.get("CI") == "true" else "tshark is not installed"
    )

    def test_dissected(self) -> None:
        """
        Wireshark sees the digits, their durations and ends, and one stream without
        a gap.
        """
        assert TSHARK is not None
        place = Place("192.0.2.9", 6000, 101, silence=0)
        stream = Stream(place, 65530, 5, 0xABCDEF)
        # A capture file of raw IPv4 packets.
        capture = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101)
        for packet in stream.packets("159*#D", 160, 80):
            size = len(packet.data)
            datagram = struct.pack(
                "!BBHHHBBH4s4sHHHH",
                *(0x45, 0, 28 + size, 0, 0, 64, 17, 0),
                *(bytes([192, 0, 2, 21]), bytes([192, 0, 2, 9])),
                *(30000, 6000, 8 + size, 0),
            )
            seconds, rest = divmod(packet.at, 1000)
            length = len(datagram) + size
            capture += struct.pack("<IIII", seconds, rest * 1000, length, length)
            capture += datagram + packet.data
        file = Path(self.mktemp())
        file.write_bytes(capture)
        fields = ("event_id", "end_of_event", "duration")
        command = [
            *(TSHARK, "-r", str(file), "-d", "udp.port==6000,rtp"),
            *("-o", "rtpevent.event_payload_type_value:101", "-T", "fields"),
            *(word for name in fields for word in ("-e", f"rtpevent.{name}")),
        ]
        out = subprocess.run(command, capture_output=True, text=True, check=True)
        lines = [line.split("\t") for line in out.stdout.splitlines()]
        events = [line for line in lines if line[0]]
        digits = [events[at][0] for at in range(0, len(events), 10)]
        self.assertEqual(digits, ["1", "5", "9", "10", "11", "15"])
        self.assertEqual(
            [(line[1], line[2]) for line in events[:10]],
            [("0", str(160 * n)) for n in range(1, 8)] + [("1", "1280")] * 3,
        )
        command = [TSHARK, *command[1:5], "-q", "-z", "rtp,streams"]
        out = subprocess.run(command, capture_output=True, text=True, check=True)
        self.assertIn("g711U, rtpevent", out.stdout)
        self.assertIn("0 (0.0%)", out.stdout)
