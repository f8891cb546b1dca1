"""
Tests for L{sipcluster.sip.sdp}.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from sipcluster.sip.errors import MalformedMessage
from sipcluster.sip.sdp import (
    INACTIVE,
    RECVONLY,
    SENDONLY,
    SENDRECV,
    Origin,
    directionOf,
    mediaOf,
    originOf,
    sameSession,
    withOrigin,
)
from tests.unit.sip.wire_samples import SDP, edited


class OriginTests(SynchronousTestCase):
    """
    The C{o=} line is rewritten and nothing else.
    """

    def test_read(self) -> None:
        """
        All its words are found.
        """
        self.assertEqual(
            originOf(SDP),
            Origin(
                b"alice",
                b"2890844526",
                2890844526,
                b"IN",
                b"IP4",
                b"client.atlanta.example.com",
            ),
        )

    def test_rewritten(self) -> None:
        """
        What is given is put there, what is not stays, and so does every other
        byte, line ends of either kind included.
        """
        for end in (b"\r\n", b"\n"):
            body = SDP.replace(b"\r\n", end)
            self.assertEqual(
                withOrigin(body, sessionID=1, version=2, username=b"-"),
                body.replace(b"alice 2890844526 2890844526", b"- 1 2"),
            )
            self.assertEqual(
                withOrigin(body, sessionID=b"007"),
                body.replace(b"alice 2890844526", b"alice 007"),
            )
            self.assertEqual(withOrigin(body), body)

    def test_atTheEnd(self) -> None:
        """
        The line may be the last, without a line end, with blanks after it.
        """
        for body in (b"v=0\r\no=a 1 2 IN IP4 b", b"o=a 1 2 IN IP4 b  \r\ns=-"):
            self.assertEqual(originOf(body).address, b"b")
            self.assertIn(b"o=a 1 9 IN IP4 b", withOrigin(body, version=9))

    def test_refused(self) -> None:
        """
        Without a good line there is nothing to rewrite.
        """
        for bad in (
            b"",
            b"v=0\r\ns=o=a 1 2 IN IP4 b\r\n",
            b"o=a 1 2 IN IP4\r\n",
            b"o=a x 2 IN IP4 b\r\n",
            b"o=a 1 2 IN IP4 b c\r\n",
        ):
            with self.assertRaises(MalformedMessage):
                originOf(bad)
            with self.assertRaises(MalformedMessage):
                withOrigin(bad, version=1)

    def test_longNumbers(self) -> None:
        """
        A version of thousands of digits is the greatest there is.
        """
        body = edited(SDP, (b"2890844526 IN", b"9" * 5000 + b" IN"))
        self.assertEqual(originOf(body).version, 2**64 - 1)

    def test_sameSession(self) -> None:
        """
        Descriptions that differ in their origin alone are the same.
        """
        self.assertTrue(sameSession(SDP, withOrigin(SDP, 1, 2, b"x")))
        self.assertFalse(sameSession(SDP, edited(SDP, (b"49172", b"49174"))))


class MediaTests(SynchronousTestCase):
    """
    Streams, their ports and directions.
    """

    def test_read(self) -> None:
        """
        What a stream does not say is as the session says.
        """
        body = (
            b"v=0\r\nc=IN IP4 192.0.2.1/127\r\na=recvonly\r\n"
            b"m=audio 4000/2 RTP/AVP 0 8\r\n"
            b"m=video 0 RTP/SAVP 31\r\nc=IN IP6 2001:db8::1\r\na=sendonly\r\n"
        )
        audio, video = mediaOf(body)
        self.assertEqual((audio.kind, audio.port), (b"audio", 4000))
        self.assertEqual((audio.protocol, audio.formats), (b"RTP/AVP", (b"0", b"8")))
        self.assertEqual((audio.address, audio.direction), (b"192.0.2.1", RECVONLY))
        self.assertFalse(audio.held)
        self.assertEqual((video.port, video.address), (0, b"2001:db8::1"))
        self.assertEqual(video.direction, SENDONLY)
        self.assertTrue(video.held)

    def test_directions(self) -> None:
        """
        A stream is sent both ways unless it says otherwise; an address of zeros
        is hold in the old manner.
        """
        zeros = edited(SDP, (b"IP4 192.0.2.101", b"IP4 0.0.0.0"))
        for body, direction in (
            (SDP, SENDRECV),
            (SDP + b"a=sendonly\r\n", SENDONLY),
            (SDP + b"a=inactive \r\n", INACTIVE),
            (SDP + b"a=recvonly\r\na=x\r\n", RECVONLY),
            (zeros, SENDONLY),
            (zeros + b"a=recvonly\r\n", INACTIVE),
            (zeros + b"a=inactive\r\n", INACTIVE),
            (SDP.replace(b"\r\n", b"\n") + b"a=sendonly", SENDONLY),
            (edited(SDP, (b"49172", b"0")), INACTIVE),
            (b"v=0\r\n", INACTIVE),
            (b"", INACTIVE),
            (edited(SDP, (b"c=IN IP4 192.0.2.101", b"c=IN")), SENDRECV),
        ):
            self.assertEqual(directionOf(body), direction, body)

    def test_refusedStreamsDoNotCount(self) -> None:
        """
        The direction is that of the first stream that is not refused.
        """
        body = b"m=audio 0 RTP/AVP 0\r\nm=audio 9 RTP/AVP 0\r\na=sendonly\r\n"
        self.assertEqual(directionOf(body), SENDONLY)

    def test_refused(self) -> None:
        """
        A media line that is none, and more streams than anyone has, are
        refused.
        """
        for bad in (
            b"m=audio\r\n",
            b"m=audio x RTP/AVP 0\r\n",
            b"m=audio 65536 RTP/AVP 0\r\n",
            b"m=\r\n",
            b"m=audio 9 RTP/AVP 0\r\n" * 65,
        ):
            with self.assertRaises(MalformedMessage):
                mediaOf(bad)

    @given(
        st.lists(
            st.sampled_from(
                [
                    b"m=",
                    b"o=a 1 2 IN IP4 b",
                    b"c=IN IP4 x",
                    b"a=sendonly",
                    b"\r\n",
                    b" 9 ",
                ]
            )
            | st.binary(max_size=5),
            max_size=15,
        )
    )
    def test_onlyOurError(self, pieces: list[bytes]) -> None:
        """
        Any bytes are read, or refused with our error; a rewritten origin is
        read as it was written.
        """
        body = b"".join(pieces)
        try:
            directionOf(body)
            changed = withOrigin(body, version=7)
        except MalformedMessage:
            return
        self.assertEqual(originOf(changed).version, 7)
        self.assertTrue(sameSession(body, changed))
