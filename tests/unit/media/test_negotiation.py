"""
Tests for L{sipcluster.media.negotiation}.
"""

from __future__ import annotations

import contextlib

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from sipcluster.media.imedia import Codec, NotAcceptable
from sipcluster.media.negotiation import Agreed, Ours, understand
from sipcluster.sip.sdp import mediaOf

U, A = Codec.PCMU, Codec.PCMA

OURS = Ours("192.0.2.1", 30000, 30001, 77, 3)


def offer(*lines: str, session: str = "c=IN IP4 192.0.2.9") -> bytes:
    """
    A description.
    """
    head = ["v=0", "o=- 1 1 IN IP4 192.0.2.9", "s=-", session, "t=0 0"]
    return "\r\n".join([*head, *lines, ""]).encode()


def agreed(*lines: str, session: str = "c=IN IP4 192.0.2.9") -> Agreed:
    """
    What comes of it.
    """
    return understand(offer(*lines, session=session)).agreed


class UnderstandTests(SynchronousTestCase):
    """
    Descriptions of the far end.
    """

    def test_plain(self) -> None:
        """
        Static payload types need no more words.
        """
        found = agreed("m=audio 4000 RTP/AVP 8 0")
        self.assertEqual((found.host, found.port), ("192.0.2.9", 4000))
        self.assertEqual(found.codecs, ((A, 8), (U, 0)))
        self.assertEqual(found.control, ("192.0.2.9", 4001))
        self.assertEqual((found.events, found.frame), (None, 160))
        self.assertTrue(found.sending and found.receiving)

    def test_dynamic(self) -> None:
        """
        Other payload types are what C{rtpmap} says, whatever they are.
        """
        found = agreed(
            "m=audio 4000 RTP/AVP 18 111 96 101 102",
            "a=rtpmap:111 opus/48000/2",
            "a=rtpmap:96 pcmu/8000/1",
            "a=rtpmap:101 telephone-event/48000",
            "a=rtpmap:102 telephone-event/8000",
            "a=ptime:30",
        )
        self.assertEqual(found.codecs, ((U, 96),))
        self.assertEqual((found.events, found.frame), (102, 240))

    def test_staticTypesMayBeOthers(self) -> None:
        """
        C{rtpmap} counts for 0 and 8 too.
        """
        self.assertRaises(
            NotAcceptable, agreed, "m=audio 4000 RTP/AVP 0", "a=rtpmap:0 G726/8000"
        )

    def test_packets(self) -> None:
        """
        Packets are as long as is wished, in reason, and no longer than is taken.
        """
        for lines, frame in (
            (["a=ptime:10"], 80),
            (["a=ptime:60"], 480),
            (["a=ptime:200"], 480),
            (["a=ptime:40", "a=maxptime:20"], 160),
            (["a=ptime:0"], 160),
            (["a=ptime:x"], 160),
            (["a=ptime:20.0"], 160),
            (["a=ptime:5"], 80),
            (["a=ptime:99999999"], 160),
        ):
            self.assertEqual(agreed("m=audio 4 RTP/AVP 0", *lines).frame, frame, lines)

    def test_directions(self) -> None:
        """
        Who is held hears nothing; who listens only says nothing.
        """
        for direction, sending, receiving in (
            ("sendrecv", True, True),
            ("sendonly", False, True),
            ("recvonly", True, False),
            ("inactive", False, False),
        ):
            found = agreed("m=audio 4 RTP/AVP 0", f"a={direction}")
            self.assertEqual((found.sending, found.receiving), (sending, receiving))
        found = agreed("m=audio 4 RTP/AVP 0", session="c=IN IP4 0.0.0.0")
        self.assertEqual((found.host, found.sending), ("", False))

    def test_control(self) -> None:
        """
        RTCP goes one port higher, or where it is said.
        """
        for line, control in (
            ("a=rtcp:5000", ("192.0.2.9", 5000)),
            ("a=rtcp:5000 IN IP4 192.0.2.8", ("192.0.2.8", 5000)),
            ("a=rtcp:99999", ("192.0.2.9", 4001)),
            ("a=rtcp:x", ("192.0.2.9", 4001)),
            ("a=rtcp-mux", ("192.0.2.9", 4000)),
        ):
            found = agreed("m=audio 4000 RTP/AVP 0", line)
            self.assertEqual(found.control, control, line)
        self.assertEqual(agreed("m=audio 65535 RTP/AVP 0").control[1], 0)

    def test_addresses(self) -> None:
        """
        Addresses of the stream come before those of the session; names, and those of
        groups, are none.
        """
        self.assertEqual(
            agreed("m=audio 4 RTP/AVP 0", "c=IN IP6 2001:db8::1").host, "2001:db8::1"
        )
        for line in ("c=IN IP4 example.com", "c=IN IP4 224.0.0.1", "c=IN IP4 \xe4"):
            self.assertRaises(NotAcceptable, agreed, "m=audio 4 RTP/AVP 0", line)

    def test_nothingInCommon(self) -> None:
        """
        Without audio that we can have, there is nothing.
        """
        for lines in (
            [],
            ["m=video 4000 RTP/AVP 0"],
            ["m=audio 0 RTP/AVP 0"],
            ["m=audio 4000 RTP/SAVP 0"],
            ["m=audio 4000 RTP/AVP 18 101", "a=rtpmap:101 telephone-event/8000"],
            ["m=audio 4000 RTP/AVP x 128 999999"],
            ["m=audio"],
        ):
            self.assertRaises(NotAcceptable, agreed, *lines)
        self.assertRaises(NotAcceptable, understand, b"")
        self.assertRaises(
            NotAcceptable, understand, offer("m=audio 4 RTP/AVP 0", "a=x" * 9000)
        )

    @given(st.binary(max_size=100), st.integers(0, 120))
    def test_anything(self, data: bytes, start: int) -> None:
        """
        Whatever is described, only our error comes of it.
        """
        good = offer("m=audio 4000 RTP/AVP 0 96", "a=rtpmap:96 PCMA/8000", "a=rtcp:9")
        with contextlib.suppress(NotAcceptable):
            understand(good[:start] + data + good[start:])


class OursTests(SynchronousTestCase):
    """
    Our descriptions.
    """

    def test_offer(self) -> None:
        """
        We offer both laws and events.
        """
        body = OURS.offer(None)
        [media] = mediaOf(body)
        self.assertEqual(media.formats, (b"0", b"8", b"101"))
        self.assertIn(b"o=media 77 3 IN IP4 192.0.2.1\r\n", body)
        self.assertNotIn(b"a=rtcp:", body)
        found = understand(body).agreed
        self.assertEqual(found.codecs, ((U, 0), (A, 8)))
        self.assertEqual(found.events, 101)

    def test_offerAgain(self) -> None:
        """
        A later offer keeps the numbers that are in use, and the order.
        """
        before = agreed(
            "m=audio 4 RTP/AVP 8 97", "a=rtpmap:97 telephone-event/8000", "a=ptime:40"
        )
        body = OURS.offer(before)
        self.assertEqual(mediaOf(body)[0].formats, (b"8", b"0", b"97"))
        self.assertIn(b"a=ptime:40\r\n", body)

    def test_answer(self) -> None:
        """
        An answer has what both have, mirrored, and a port of 0 for what we do not
        take.
        """
        body = OURS.answer(
            understand(
                offer(
                    "m=video 5000 RTP/AVP 31",
                    "m=audio 4000 RTP/AVP 8 18 101",
                    "a=rtpmap:101 telephone-event/8000",
                    "a=sendonly",
                    "m=audio 4002 RTP/AVP 0",
                    "m=image 5002 udptl t38",
                )
            )
        )
        streams = mediaOf(body)
        self.assertEqual([each.port for each in streams], [0, 30000, 0, 0])
        self.assertEqual(streams[1].formats, (b"8", b"101"))
        self.assertEqual(streams[1].direction, b"recvonly")
        self.assertEqual(streams[3].protocol, b"udptl")

    def test_otherPorts(self) -> None:
        """
        Where RTCP is not next to RTP, it is said; not where it is with it.
        """
        ours = Ours("2001:db8::1", 4000, 4010, 1, 1)
        body = ours.offer(None)
        self.assertIn(b"a=rtcp:4010\r\n", body)
        self.assertIn(b"c=IN IP6 2001:db8::1\r\n", body)
        body = ours.answer(understand(offer("m=audio 4 RTP/AVP 0", "a=rtcp-mux")))
        self.assertIn(b"a=rtcp-mux\r\n", body)
        self.assertNotIn(b"a=rtcp:", body)
