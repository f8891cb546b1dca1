"""
Tests for L{sipcluster.media.telephone_events}.
"""

from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from sipcluster.media.imedia import MediaError
from sipcluster.media.telephone_events import DIGITS, EventReceiver, EventSender


def event(digit: str, duration: int = 160, end: bool = False) -> bytes:
    """
    One event.
    """
    return struct.pack("!BBH", DIGITS.index(digit), 0x80 * end | 10, duration)


class ReceiverTests(SynchronousTestCase):
    """
    Digits of events.
    """

    def setUp(self) -> None:
        self.receiver = EventReceiver()

    def test_once(self) -> None:
        """
        All packets of one event are one digit.
        """
        received = self.receiver.received
        got = [received(event("5", 160 * n), 1000, 1) for n in range(1, 9)]
        got += [received(event("5", 1280, True), 1000, 1) for _ in range(3)]
        self.assertEqual("".join(got), "5")

    def test_onlyTheEnd(self) -> None:
        """
        One packet is enough, whichever it is.
        """
        self.assertEqual(self.receiver.received(event("#", 800, True), 1000, 1), "#")

    def test_sameAgain(self) -> None:
        """
        The same key pressed twice is two digits.
        """
        self.assertEqual(self.receiver.received(event("5"), 1000, 1), "5")
        self.assertEqual(self.receiver.received(event("5"), 3000, 1), "5")

    def test_overtaken(self) -> None:
        """
        What comes late of an event before is no digit; time stamps may wrap.
        """
        self.receiver.received(event("1"), 0xFFFFFF00, 1)
        self.assertEqual(self.receiver.received(event("2"), 0x100, 1), "2")
        self.assertEqual(
            self.receiver.received(event("1", 800, True), 0xFFFFFF00, 1), ""
        )

    def test_anotherSource(self) -> None:
        """
        A sender that begins again begins with time stamps of its own.
        """
        self.receiver.received(event("1"), 5000, 1)
        self.assertEqual(self.receiver.received(event("1"), 100, 2), "1")

    def test_severalInOne(self) -> None:
        """
        Events in one packet follow each other.
        """
        self.assertEqual(
            self.receiver.received(event("1", 400) + event("2", 400), 1000, 1), "12"
        )
        self.assertEqual(self.receiver.received(event("2", 480), 1400, 1), "")

    def test_noDigits(self) -> None:
        """
        Other events, and what is no event, are nothing.
        """
        self.assertEqual(self.receiver.received(b"\x20\x0a\0\xa0", 1000, 1), "")
        self.assertEqual(self.receiver.received(b"\x01\x0a", 9000, 1), "")
        self.assertEqual(self.receiver.received(b"", 9000, 1), "")


class SenderTests(SynchronousTestCase):
    """
    Events of digits.
    """

    def test_frames(self) -> None:
        """
        Durations grow by the frame, the end is sent three times, all with the time
        stamp of the beginning, which alone is marked.
        """
        sender = EventSender()
        sender.add("1", 0.1, 0.1)
        self.assertTrue(sender)
        frames = [sender.frame() for _ in range(4 + 3 + 5)]
        self.assertFalse(sender)
        self.assertIsNone(sender.frame())
        events = [frame for frame in frames if frame is not None]
        self.assertEqual(len(events), 7)
        self.assertEqual(
            [struct.unpack("!BBH", e.payload)[2] for e in events],
            [160, 320, 480, 640, 800, 800, 800],
        )
        self.assertEqual([e.payload[1] >> 7 for e in events], [0, 0, 0, 0, 1, 1, 1])
        self.assertEqual([e.ago for e in events], [160 * n for n in range(7)])
        self.assertEqual([e.marker for e in events], [True] + [False] * 6)

    @given(st.text("".join(DIGITS), max_size=12), st.data())
    def test_received(self, digits: str, data: st.DataObject) -> None:
        """
        What is sent is received, when of each event at least one packet arrives.
        """
        sender, receiver = EventSender(), EventReceiver()
        sender.add(digits, 0.06, 0.04)
        got, timestamp, events = "", 5000, 0
        while sender:
            part = sender.frame()
            if part is not None:
                events += part.marker
                last = part.payload[1] & 0x80 and len(got) < events
                if last or data.draw(st.booleans()):
                    got += receiver.received(part.payload, timestamp - part.ago, 9)
            timestamp += 160
        self.assertEqual(got, digits)

    def test_refused(self) -> None:
        """
        What is no digit, or too long, is refused, and nothing of it is sent.
        """
        sender = EventSender()
        self.assertRaises(MediaError, sender.add, "12x", 0.1, 0.1)
        self.assertRaises(MediaError, sender.add, "1" * 257, 0.1, 0.1)
        self.assertRaises(MediaError, sender.add, "1" * 200, 1.0, 1.0)
        self.assertFalse(sender)

    def test_clear(self) -> None:
        """
        What was not sent yet may be forgotten.
        """
        sender = EventSender()
        sender.add("1", 0.1, 0.1)
        sender.clear()
        self.assertIsNone(sender.frame())
