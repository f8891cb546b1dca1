"""
Tests for sipcluster.sessioncontroller.session_description.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from sipcluster.sessioncontroller.session_description import (
    SessionOrigin,
    differ,
    holds,
    isSessionDescription,
    narrowed,
    nothingYet,
    silent,
    talking,
)
from sipcluster.sip.sdp import mediaOf, originOf
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


class DirectionTests(SynchronousTestCase):
    """
    Sessions in which nobody, or everybody, is heard.
    """

    def directions(self, body: bytes) -> list[bytes]:
        """
        Of all streams.
        """
        return [media.direction for media in mediaOf(body)]

    @given(
        st.lists(
            st.sampled_from(["", "sendrecv", "sendonly", "recvonly", "inactive"]),
            min_size=1,
            max_size=4,
        ),
        st.sampled_from([b"", b"a=sendonly\r\n"]),
        st.booleans(),
    )
    def test_everyStream(self, streams: list[str], session: bytes, bare: bool) -> None:
        """
        Each stream gets the direction, whatever it and the session have said before;
        nothing else changes, and the same once more changes nothing.
        """
        body = sdp("alice").partition(b"m=")[0] + session
        for port, direction in enumerate(streams, 4000):
            body += b"m=audio %d RTP/AVP 8\r\n" % port
            if direction:
                body += f"a={direction}\r\na=ptime:20\r\n".encode()
        if bare:
            body = body.replace(b"\r\n", b"\n")
        for turned, wanted in ((silent, b"inactive"), (talking, b"sendrecv")):
            result = turned(body)
            self.assertEqual(self.directions(result), [wanted] * len(streams))
            self.assertEqual(turned(result), result)
            kept = [
                [line for line in one.splitlines() if line[2:] not in _DIRECTIONS]
                for one in (result, body)
            ]
            self.assertEqual(kept[0], kept[1])
            self.assertEqual(b"\r" in result, not bare)

    def test_lastLineWithoutAnEnd(self) -> None:
        """
        A body whose last line has no end gets one.
        """
        self.assertTrue(
            silent(sdp("alice")[:-2]).endswith(b"RTP/AVP 8\r\na=inactive\r\n")
        )
        self.assertTrue(
            silent(sdp("alice", 4000, "sendonly")[:-2]).endswith(
                b"RTP/AVP 8\r\na=inactive\r\n"
            )
        )

    def test_nothing(self) -> None:
        """
        No body stays none.
        """
        self.assertEqual(silent(b""), b"")

    def test_nobodyThereYet(self) -> None:
        """
        An answer for nobody takes each stream that is offered, sends none, and does
        not lead media to who has offered; a stream that is refused stays so.
        """
        offer = sdp("alice", 4000) + b"m=video 0 RTP/AVP 99\r\n"
        offer += b"m=audio 5000/2 RTP/AVP 0\r\nc=IN IP6 2001:db8::1\r\n"
        answer = nothingYet(offer, b"IN IP4 192.0.2.1")
        media = mediaOf(answer)
        self.assertEqual([one.port for one in media], [9, 0, 9])
        self.assertEqual({one.address for one in media}, {b"192.0.2.1"})
        self.assertEqual(self.directions(answer), [b"inactive"] * 3)
        self.assertEqual(
            [one.formats for one in media], [one.formats for one in mediaOf(offer)]
        )


class DifferTests(SynchronousTestCase):
    """
    Whether a far end is at another place.
    """

    def test_places(self) -> None:
        """
        Another port, address or direction is told; another codec or origin is not.
        """
        body = sdp("alice", 4000)
        self.assertFalse(differ(body, sdp("bob", 4000)))
        self.assertFalse(differ(body, body.replace(b"AVP 8", b"AVP 8 0")))
        self.assertFalse(differ(body, sdp("alice", 4000, "sendrecv")))
        self.assertTrue(differ(body, sdp("alice", 4002)))
        self.assertTrue(differ(body, sdp("alice", 4000, "sendonly")))
        self.assertTrue(differ(body, body.replace(b"100.7\r\nt", b"100.8\r\nt")))
        self.assertTrue(differ(body, body + b"m=video 0 RTP/AVP 99\r\n"))

    def test_unreadable(self) -> None:
        """
        What cannot be read is no reason to do anything.
        """
        self.assertFalse(differ(sdp("alice"), b"v=0\r\no=x\r\nm=audio x\r\n"))


_DIRECTIONS = {b"sendrecv", b"sendonly", b"recvonly", b"inactive"}


class NarrowedTests(SynchronousTestCase):
    """
    L{narrowed}.
    """

    def test_ways(self) -> None:
        """
        No stream goes a way that is left out, nor one that it did not go before.
        """
        for direction, sends, listens, left in (
            ("sendrecv", True, True, "sendrecv"),
            ("sendrecv", True, False, "sendonly"),
            ("sendrecv", False, True, "recvonly"),
            ("sendrecv", False, False, "inactive"),
            ("sendonly", False, True, "inactive"),
            ("sendonly", True, False, "sendonly"),
            ("recvonly", True, False, "inactive"),
            ("inactive", True, False, "inactive"),
        ):
            body = sdp(direction=direction)
            wanted = sdp(direction=left)
            self.assertEqual(narrowed(body, sends, listens), wanted)

    def test_streams(self) -> None:
        """
        Each stream by itself; that of the session counts where one says nothing.
        """
        first = b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\na=recvonly\r\n"
        body = first + b"m=audio 4000 RTP/AVP 8\r\na=sendrecv\r\nm=video 4002 RTP/AVP 9"
        left = narrowed(body, False, True)
        self.assertEqual(
            [media.direction for media in mediaOf(left)], [b"recvonly", b"recvonly"]
        )
        left = narrowed(body, True, False)
        self.assertEqual(
            [media.direction for media in mediaOf(left)], [b"sendonly", b"inactive"]
        )
        self.assertEqual(narrowed(b"", False, False), b"")
