"""
Tests for L{sipcluster.wire.frames}.
"""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from sipcluster.wire.frames import LIMIT, FrameError, FrameReader, frameOf


def frames(reader: FrameReader) -> list[bytes]:
    """
    All frames that are whole.
    """
    return list(iter(reader.nextFrame, None))


class FrameReaderTests(SynchronousTestCase):
    """
    L{FrameReader} cuts a stream where its frames end, and nowhere else.
    """

    @given(
        payloads=st.lists(st.binary(min_size=1, max_size=40), max_size=8),
        cuts=st.lists(st.integers(min_value=0, max_value=400), max_size=10),
        late=st.booleans(),
    )
    def test_anyFragmentation(
        self, payloads: list[bytes], cuts: list[int], late: bool
    ) -> None:
        """
        However the bytes are cut, and whenever frames are asked for, the same
        ones come out, in order.
        """
        stream = b"".join(frameOf(payload) for payload in payloads)
        edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
        reader = FrameReader()
        got: list[bytes] = []
        for start, end in itertools.pairwise(edges):
            reader.receive(stream[start:end])
            if not late:
                got += frames(reader)
        got += frames(reader)
        self.assertEqual(got, payloads)
        self.assertEqual(reader.buffered, 0)

    @given(st.binary(max_size=300), st.integers(min_value=1, max_value=100))
    def test_garbageRaisesOnlyOurError(self, junk: bytes, limit: int) -> None:
        """
        Whatever a peer sends, frames within the limit come out, or L{FrameError}
        does, and then again and again.
        """
        reader = FrameReader(limit)
        reader.receive(junk)
        try:
            got = frames(reader)
        except FrameError:
            self.assertRaises(FrameError, reader.nextFrame)
        else:
            self.assertTrue(all(1 <= len(one) <= limit for one in got))
            self.assertLess(reader.buffered, limit + 4)

    def test_longestFrame(self) -> None:
        """
        A frame of exactly the limit is taken.
        """
        reader = FrameReader()
        reader.receive(frameOf(b"x" * LIMIT))
        self.assertEqual(frames(reader), [b"x" * LIMIT])

    def test_refusedByItsLengthAlone(self) -> None:
        """
        A frame of 4 GiB is refused when its length is there, and nothing that
        follows is kept.
        """
        reader = FrameReader()
        reader.receive(b"\xff\xff\xff")
        self.assertIsNone(reader.nextFrame())
        reader.receive(b"\xff")
        error = self.assertRaises(FrameError, reader.nextFrame)
        self.assertIn("4294967295", str(error))
        reader.receive(b"x" * 1000)
        self.assertEqual(reader.buffered, 0)
        self.assertRaises(FrameError, reader.nextFrame)

    def test_framesBeforeTheBadOneComeOut(self) -> None:
        """
        What stands before a frame that is refused is still read.
        """
        reader = FrameReader()
        reader.receive(frameOf(b"a") + b"\0\0\0\0" + frameOf(b"b"))
        self.assertEqual(reader.nextFrame(), b"a")
        error = self.assertRaises(FrameError, reader.nextFrame)
        self.assertEqual(str(error), "empty frame")

    def test_oneOverTheLimit(self) -> None:
        """
        One byte more than the limit is too much.
        """
        reader = FrameReader(5)
        reader.receive(frameOf(b"123456"))
        self.assertRaises(FrameError, reader.nextFrame)
