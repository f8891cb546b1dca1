"""
Tests for sipcluster.sessioncontroller.session_description.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from sipcluster.sessioncontroller.session_description import (
    SessionOrigin,
    holds,
    isSessionDescription,
)
from sipcluster.sip.sdp import originOf
from sipcluster.testing.sip_peer import sdp


class SessionOriginTests(SynchronousTestCase):
    """
    The origin line of what a leg sends.
    """

    def setUp(self) -> None:
        self.origin = SessionOrigin(b"IN IP4 192.0.2.1", 4711)

    def test_onlyTheOriginChanges(self) -> None:
        """
        Every other line goes through byte for byte.
        """
        body = sdp("alice")
        sent = self.origin.rewrite(body)
        wanted = body.replace(
            b"o=alice 1 1 IN IP4 198.51.100.7", b"o=- 4711 1 IN IP4 192.0.2.1"
        )
        self.assertEqual(sent, wanted)

    def test_bareLineFeeds(self) -> None:
        """
        Line ends stay as they are.
        """
        body = sdp("alice").replace(b"\r\n", b"\n")
        self.assertEqual(
            self.origin.rewrite(body).splitlines()[1], b"o=- 4711 1 IN IP4 192.0.2.1"
        )
        self.assertNotIn(b"\r", self.origin.rewrite(body))

    @given(st.lists(st.sampled_from([4000, 4002, 0]), min_size=1, max_size=8))
    def test_versionsGrowWithChanges(self, ports: list[int]) -> None:
        """
        The session id stays; the version grows by one for each body that
        differs from the one before, and only then.
        """
        origin = SessionOrigin(b"IN IP4 192.0.2.1", 7)
        version, last = 0, -1
        for number, port in enumerate(ports):
            version += port != last
            last = port
            sent = originOf(origin.rewrite(sdp(f"user{number}", port)))
            self.assertEqual((sent.sessionID, sent.version), (b"7", version))

    def test_noSessionDescription(self) -> None:
        """
        What is no session description is left alone.
        """
        for body in (b"", b"hello", b"v=0\r\ns=-\r\n", b"v=0\r\no=- 1 1"):
            self.assertEqual(self.origin.rewrite(body), body)

    def test_isSessionDescription(self) -> None:
        """
        Version and origin come first.
        """
        self.assertTrue(isSessionDescription(sdp()))
        self.assertFalse(isSessionDescription(b"v=1\r\no=x\r\n"))
        self.assertFalse(isSessionDescription(b""))


class HoldTests(SynchronousTestCase):
    """
    Whether somebody holds.
    """

    def test_directions(self) -> None:
        """
        C{sendonly} and C{inactive} hold, the others do not.
        """
        for direction, wanted in (
            ("", False),
            ("sendrecv", False),
            ("recvonly", False),
            ("sendonly", True),
            ("inactive", True),
        ):
            self.assertEqual(holds(sdp(direction=direction)), wanted, direction)

    def test_oldStyle(self) -> None:
        """
        The address of zeros holds as well.
        """
        self.assertTrue(
            holds(sdp().replace(b"c=IN IP4 198.51.100.7", b"c=IN IP4 0.0.0.0"))
        )

    def test_everyStreamCounts(self) -> None:
        """
        Someone who still listens to one stream does not hold; a refused stream
        does not count.
        """
        held = sdp(direction="sendonly")
        self.assertFalse(holds(held + b"m=video 6000 RTP/AVP 99\r\n"))
        self.assertTrue(holds(held + b"m=video 0 RTP/AVP 99\r\n"))
        self.assertFalse(holds(sdp(port=0, direction="inactive")))

    @given(st.binary(max_size=60))
    def test_garbage(self, junk: bytes) -> None:
        """
        Nothing that cannot be read holds, and nothing raises.
        """
        body = b"v=0\r\na=sendonly\r\nm=" + junk
        self.assertIn(holds(body), (True, False))
        self.assertFalse(holds(junk))
