"""
Tests for sipcluster.sessioncontroller.dtmf_packets.
"""

from __future__ import annotations

import contextlib

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from sipcluster.sessioncontroller.dtmf_packets import (
    AROUND,
    NoTelephoneEvents,
    Packet,
    Place,
    Stream,
    offerOf,
    placeOf,
)
from sipcluster.sip.sdp import mediaOf

HEAD = b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\n"
PLACE = Place("192.0.2.9", 6000, 101)


class PacketsTests(SynchronousTestCase):
    """
    RTP packets of telephone events.
    """

    def packets(
        self, digits: str, place: Place = PLACE, tone: int = 160, sequence: int = 7
    ) -> list[Packet]:
        """
        The packets of some digits.
        """
        stream = Stream(place, sequence, 0xFFFFFF00, 0xA0B0C0D0)
        return list(stream.packets(digits, tone, 80))

    def test_bytes(self) -> None:
        """
        The packets of one digit, byte by byte.
        """
        self.assertEqual(
            [
                (packet.at, packet.data.hex(" ", 4))
                for packet in self.packets("5", tone=60, sequence=0xFFFE)
            ],
            [
                (120, "80e5fffe 00000220 a0b0c0d0 050a00a0"),
                (140, "8065ffff 00000220 a0b0c0d0 050a0140"),
                (160, "80650000 00000220 a0b0c0d0 058a01e0"),
                (180, "80650001 00000220 a0b0c0d0 058a01e0"),
                (200, "80650002 00000220 a0b0c0d0 058a01e0"),
            ],
        )

    def test_digits(self) -> None:
        """
        Each digit has its number, a timestamp of its own, a marker on its first
        packet and three last ones; the sequence goes on.
        """
        digits = "0123456789*#ABCD"
        packets = self.packets(digits)
        each = len(packets) // len(digits)
        for number in range(16):
            of = [p.data for p in packets[number * each : (number + 1) * each]]
            self.assertEqual({data[12] for data in of}, {number})
            stamps = {int.from_bytes(data[4:8], "big") for data in of}
            since = AROUND + number * 240
            self.assertEqual(stamps, {(0xFFFFFF00 + since * 8) % 2**32})
            self.assertEqual([data[1] >> 7 for data in of], [1] + [0] * (each - 1))
            ends = [data[13] >> 7 for data in of]
            self.assertEqual(ends, [0] * (each - 3) + [1] * 3)
            self.assertEqual(int.from_bytes(of[-1][14:16], "big"), 1280)
        sequence = [int.from_bytes(p.data[2:4], "big") for p in packets]
        self.assertEqual(sequence, list(range(7, 7 + len(packets))))

    def test_silence(self) -> None:
        """
        With G.711 there is a packet at every moment; the timestamps of silence
        are where it begins.
        """
        packets = self.packets("12", evolve(PLACE, silence=8))
        self.assertEqual(
            [packet.at for packet in packets],
            list(range(20, 2 * AROUND + 2 * 240 + 1, 20)),
        )
        kinds = "".join("e" if p.data[1] & 0x7F == 101 else "-" for p in packets)
        self.assertEqual(kinds, "-----eeeeeeeeee--eeeeeeeeee-------")
        self.assertEqual(packets[0].data[1], 0x88)
        for packet in packets:
            stamp = (int.from_bytes(packet.data[4:8], "big") - 0xFFFFFF00) % 2**32
            if packet.data[1] & 0x7F == 8:
                self.assertEqual(stamp, (packet.at - 20) * 8)
                self.assertEqual(packet.data[12:], b"\xd5" * 160)

    def test_otherRate(self) -> None:
        """
        Durations and timestamps count in the rate that was agreed on.
        """
        packets = self.packets("11", Place("192.0.2.9", 6000, 110, 48000), sequence=0)
        self.assertEqual(int.from_bytes(packets[-1].data[14:16], "big"), 7680)
        stamp = int.from_bytes(packets[-1].data[4:8], "big")
        self.assertEqual(stamp, (0xFFFFFF00 + (AROUND + 240) * 48) % 2**32)
        self.assertEqual(packets[0].data[1] & 0x7F, 110)


class OfferTests(SynchronousTestCase):
    """
    The session that a device is offered, and what it answers.
    """

    def test_addsEvents(self) -> None:
        """
        Codecs stay; address, port and direction are ours; telephone events are
        added under a number that is free.
        """
        session = HEAD + (
            b"c=IN IP4 203.0.113.7\r\nt=0 0\r\na=sendonly\r\n"
            b"m=audio 4000 RTP/AVP 8 101 96\r\na=rtpmap:101 opus/48000/2\r\n"
            b"a=rtpmap:96 speex/8000\r\na=ptime:20\r\na=sendonly\r\n"
        )
        self.assertEqual(
            offerOf(session, "192.0.2.21", 30000),
            HEAD + b"t=0 0\r\na=sendonly\r\n"
            b"m=audio 30000 RTP/AVP 8 101 96 97\r\nc=IN IP4 192.0.2.21\r\n"
            b"a=rtpmap:101 opus/48000/2\r\na=rtpmap:96 speex/8000\r\na=ptime:20\r\n"
            b"a=rtpmap:97 telephone-event/8000\r\na=fmtp:97 0-15\r\n"
            b"a=sendrecv\r\n",
        )

    def test_keepsEvents(self) -> None:
        """
        Telephone events that are there stay as they are; what belongs to the media
        of somebody else goes.
        """
        session = HEAD + (
            b"t=0 0\r\na=group:BUNDLE 0\r\na=ice-lite\r\n"
            b"m=audio 4000 RTP/AVP 0 101\r\nc=IN IP6 2001:db8::7\r\nb=AS:64\r\n"
            b"a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\n"
            b"a=rtcp:4001\r\na=rtcp-mux\r\n"
            b"a=candidate:1 1 UDP 1 192.0.2.7 4000 typ host\r\n"
            b"a=ice-ufrag:x\r\na=ssrc:1 cname:x\r\na=mid:0\r\na=maxptime:40"
        )
        offer = offerOf(session, "2001:db8::21", 30000)
        self.assertEqual(
            offer,
            HEAD + b"t=0 0\r\n"
            b"m=audio 30000 RTP/AVP 0 101\r\nc=IN IP6 2001:db8::21\r\n"
            b"a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\n"
            b"a=maxptime:40\r\na=sendrecv\r\n",
        )

    def test_otherStreams(self) -> None:
        """
        Each stream has its place in the offer; all but the first audio are refused
        for as long as it lasts.
        """
        session = HEAD + (
            b"c=IN IP4 203.0.113.7\r\nt=0 0\r\n"
            b"m=video 5000 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n"
            b"m=audio 0 RTP/AVP 8\r\nm=audio 4000 RTP/AVP 8\r\n"
            b"m=audio 4002 RTP/AVP 8\r\n"
        )
        media = mediaOf(offerOf(session, "192.0.2.21", 30000))
        self.assertEqual(
            [(each.kind, each.port) for each in media],
            [(b"video", 0), (b"audio", 0), (b"audio", 30000), (b"audio", 0)],
        )

    def test_answer(self) -> None:
        """
        The place is that of the first audio stream with telephone events that are
        among its formats.
        """
        answer = HEAD + (
            b"c=IN IP4 198.51.100.2\r\nt=0 0\r\nm=audio 6000 RTP/AVP 8 99\r\n"
            b"a=rtpmap:98 telephone-event/8000\r\n"
            b"a=rtpmap:99 Telephone-Event/16000\r\n"
        )
        self.assertEqual(placeOf(answer), Place("198.51.100.2", 6000, 99, 16000))
        plain = answer.replace(b"/16000", b"/8000")
        self.assertEqual(placeOf(plain).silence, 8)
        self.assertIsNone(placeOf(plain.replace(b"8 99", b"9 99")).silence)
        for bad in (
            answer.replace(b"8 99", b"8"),
            answer.replace(b"m=audio 6000", b"m=audio 0"),
            answer.replace(b"c=IN IP4 198.51.100.2\r\n", b""),
            answer.replace(b"/16000", b"/0"),
            answer.replace(b"m=audio", b"m=video"),
            b"",
        ):
            self.assertRaises(NoTelephoneEvents, placeOf, bad)

    @given(
        st.binary(max_size=300).map(lambda tail: HEAD + b"m=audio 1 RTP/AVP " + tail)
    )
    def test_anything(self, session: bytes) -> None:
        """
        Whatever a device has sent, there is an offer and a place, or there are
        none.
        """
        for read in (
            lambda: offerOf(session, "192.0.2.1", 1),
            lambda: placeOf(session),
        ):
            with contextlib.suppress(NoTelephoneEvents):
                read()
