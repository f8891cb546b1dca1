"""
Tests for L{sipcluster.media.rtcp} and L{sipcluster.media.control}.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from sipcluster.media.control import Control
from sipcluster.media.rtcp import Block, Report, Sent, ntp, parse, render
from sipcluster.media.sender import Sender
from sipcluster.media.statistics import Reception

BLOCK = Block(7, 64, -3, 70000, 12, 0x12345678, 65536)
SENT = Sent(ntp(1000.5), 160, 3, 480)


class RTCPTests(SynchronousTestCase):
    """
    Compound packets.
    """

    def test_roundTrip(self) -> None:
        """
        What is written is read.
        """
        for sent in (None, SENT):
            for block in (None, BLOCK):
                for bye in (False, True):
                    data = render(9, b"name", sent, block, bye)
                    self.assertEqual(len(data) % 4, 0)
                    self.assertEqual(
                        parse(data),
                        Report(
                            9,
                            sent,
                            () if block is None else (block,),
                            (9,) if bye else (),
                        ),
                    )

    def test_time(self) -> None:
        """
        NTP counts from 1900.
        """
        self.assertEqual(ntp(0) >> 32, 2208988800)
        self.assertEqual(ntp(0.5) & 0xFFFFFFFF, 0x80000000)

    def test_unknownIsLeftOut(self) -> None:
        """
        Other kinds of packets in between are passed over.
        """
        own = bytes([0x80, 204, 0, 2]) + bytes(8)
        self.assertIsNotNone(parse(render(9, b"n") + own))

    def test_refused(self) -> None:
        """
        What does not begin with a report, or claims more than it has, is none.
        """
        good = render(9, b"n", SENT, BLOCK)
        for bad in (
            b"",
            b"\x80\xc8",
            good[:20],
            bytes([0x80, 204, 0, 2]) + bytes(8) + good,
            b"\x00" + good[1:],
            good + bytes(1500),
        ):
            self.assertIsNone(parse(bad))

    @given(st.binary(max_size=80), st.integers(0, 60))
    def test_anything(self, data: bytes, start: int) -> None:
        """
        Whatever comes, nothing is raised.
        """
        good = render(9, b"n", SENT, BLOCK, True)
        parse(data)
        parse(good[:start] + data + good[start:])


class ControlTests(SynchronousTestCase):
    """
    Reports of a session.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1000)
        self.here = Control(lambda size: 0, self.clock.seconds)
        self.there = Control(lambda size: 1 << 8 * size - 1, self.clock.seconds)
        self.sender = Sender(lambda data: None, 11, 0, 0)
        self.other = Sender(lambda data: None, 22, 0, 0)

    def test_due(self) -> None:
        """
        Reports are sent every two and a half to seven and a half seconds.
        """
        turns = [self.here.due() for _ in range(300)]
        self.assertEqual([n for n, due in enumerate(turns, 1) if due], [125, 250])
        turns = [self.there.due() for _ in range(600)]
        self.assertEqual([n for n, due in enumerate(turns, 1) if due], [250, 500])

    def test_whoSendsNothing(self) -> None:
        """
        Only who has sent since the last report says what it has sent.
        """
        first = parse(self.here.report(self.sender, None))
        self.sender.frame(bytes(160), 0)
        second = parse(self.here.report(self.sender, None))
        third = parse(self.here.report(self.sender, None))
        assert first and second and third
        self.assertIsNone(first.sent)
        assert second.sent is not None
        self.assertEqual((second.sent.packets, second.sent.octets), (1, 160))
        self.assertIsNone(third.sent)

    def test_roundTrip(self) -> None:
        """
        From two reports each side knows what arrives, and how long it takes.
        """
        self.sender.frame(bytes(160), 0)
        report = self.here.report(self.sender, None)
        self.clock.advance(0.05)
        self.assertIsNotNone(self.there.received(report, 22))
        self.clock.advance(2)
        reception = Reception(11, 0)
        reception.packet(0, 0, 0.0)
        reception.packet(2, 320, 0.04)
        report = self.there.report(self.other, reception)
        self.clock.advance(0.07)
        self.here.received(report, 11)
        assert self.here.far is not None and self.here.roundTrip is not None
        self.assertEqual((self.here.far.lost, self.here.far.fraction), (1, 85))
        self.assertLess(abs(self.here.roundTrip - 0.12), 0.001)
        self.assertFalse(self.here.gone)

    def test_othersBlocks(self) -> None:
        """
        What is said of somebody else is not of us.
        """
        report = self.there.report(self.other, Reception(99, 0), bye=True)
        self.here.received(report, 11)
        self.assertIsNone(self.here.far)
        self.assertTrue(self.here.gone)

    def test_bad(self) -> None:
        """
        What is no report changes nothing.
        """
        self.assertIsNone(self.here.received(b"nonsense", 11))
        self.assertEqual(self.here.reports, 0)
