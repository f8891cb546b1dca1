"""
Tests for L{sipcluster.media.packets}.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from sipcluster.media.packets import RTPPacket, parse, render


class PacketTests(SynchronousTestCase):
    """
    RTP packets.
    """

    @given(
        st.integers(0, 63),
        st.integers(0, 0xFFFF),
        st.integers(0, 0xFFFFFFFF),
        st.integers(0, 0xFFFFFFFF),
        st.binary(max_size=400),
        st.booleans(),
    )
    def test_roundTrip(
        self,
        kind: int,
        sequence: int,
        timestamp: int,
        source: int,
        payload: bytes,
        marker: bool,
    ) -> None:
        """
        What is written is read.
        """
        packet = RTPPacket(kind, sequence, timestamp, source, payload, marker)
        self.assertEqual(
            parse(render(kind, sequence, timestamp, source, payload, marker)), packet
        )

    def test_numbersWrap(self) -> None:
        """
        Sequence numbers and time stamps that are too large begin again.
        """
        packet = parse(render(0, 0x10001, 0x100000002, 3, b""))
        assert packet is not None
        self.assertEqual((packet.sequence, packet.timestamp), (1, 2))

    def test_whatElseThereMayBe(self) -> None:
        """
        Other sources, an extension and padding are no part of the payload.
        """
        plain = render(8, 1, 2, 3, b"abcd")
        head, payload = plain[:12], plain[12:]
        sources = bytes([0x82]) + head[1:] + bytes(8) + payload
        extended = bytes([0x90]) + head[1:] + b"\xbe\xde\0\x01" + bytes(4) + payload
        padded = bytes([0xA0]) + head[1:] + payload + b"\0\0\x03"
        for each in (sources, extended, padded):
            packet = parse(each)
            assert packet is not None
            self.assertEqual(packet.payload, b"abcd")

    def test_refused(self) -> None:
        """
        What is too short, another version, RTCP, or claims more than it has.
        """
        good = render(0, 1, 2, 3, b"ab")
        for bad in (
            b"",
            good[:11],
            b"\x40" + good[1:],
            bytes([0x80, 200]) + good[2:],
            bytes([0x8F]) + good[1:],
            bytes([0x90]) + good[1:],
            bytes([0x90]) + good[1:12] + b"\0\0\xff\xff",
            bytes([0xA0]) + good[1:-1] + b"\xff",
            bytes([0xA0]) + good[1:-1] + b"\0",
            good + bytes(2000),
        ):
            self.assertIsNone(parse(bad), bad[:20])

    @given(st.binary(max_size=60))
    def test_anything(self, data: bytes) -> None:
        """
        Whatever comes, nothing is raised.
        """
        parse(data)
        parse(b"\xb1" + data)
