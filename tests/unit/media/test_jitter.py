"""
Tests for L{sipcluster.media.jitter}.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from sipcluster.media.imedia import Codec
from sipcluster.media.jitter import SIZE, JitterBuffer

SILENCE = b"\xff" * 160


def frame(number: int, length: int = 160) -> bytes:
    """
    Audio that can be told from others.
    """
    return bytes([number % 200]) * length


class JitterTests(SynchronousTestCase):
    """
    Putting packets into order.
    """

    def setUp(self) -> None:
        self.buffer = JitterBuffer(Codec.PCMU)

    def _frames(self, count: int) -> list[bytes | None]:
        return [self.buffer.get() for _ in range(count)]

    def test_delay(self) -> None:
        """
        The first packet is heard after two frames.
        """
        self.assertEqual(self._frames(2), [None, None])
        self.buffer.put(5000, frame(1))
        self.assertEqual(self._frames(4), [SILENCE, SILENCE, frame(1), None])

    def test_order(self) -> None:
        """
        Packets that overtake each other are heard in their order, those that come
        twice once.
        """
        for number in (0, 2, 1, 1, 3):
            self.buffer.put(1000 + 160 * number, frame(number))
        self.assertEqual(self._frames(6)[2:], [frame(n) for n in range(4)])

    def test_lost(self) -> None:
        """
        What does not come is silence, and what comes too late is nothing.
        """
        self.buffer.put(0, frame(0))
        self.buffer.put(320, frame(2))
        self.assertEqual(self._frames(4)[2:], [frame(0), SILENCE])
        self.buffer.put(160, frame(1))
        self.assertEqual(self.buffer.late, 1)
        self.assertEqual(self.buffer.get(), frame(2))

    def test_anyLength(self) -> None:
        """
        Packets may be longer or shorter than frames, and time stamps may wrap.
        """
        at = 0xFFFFFFFF - 300
        self.buffer.put(at, frame(1, 240))
        self.buffer.put(at + 240 & 0xFFFFFFFF, frame(2, 80))
        self.buffer.put(at + 320 & 0xFFFFFFFF, frame(3, 160))
        found = b"".join(each or b"" for each in self._frames(5)[2:])
        self.assertEqual(found, frame(1, 240) + frame(2, 80) + frame(3, 160))

    def test_wrapsInTheRing(self) -> None:
        """
        The end of the ring is nothing that can be heard.
        """
        heard = []
        for number in range(3 * SIZE // 160):
            self.buffer.put(100 + 160 * number, frame(number))
            heard.append(self.buffer.get())
        self.assertEqual(heard[2:], [frame(n) for n in range(len(heard) - 2)])

    def test_pause(self) -> None:
        """
        A sender that says nothing for a while, and whose time stamps say so, goes on
        at the right time.
        """
        self.buffer.put(0, frame(1))
        self._frames(50)
        self.buffer.put(160 * 50, frame(2))
        self.assertEqual(self._frames(3), [SILENCE, SILENCE, frame(2)])
        self.assertEqual(self.buffer.restarts, 0)

    def test_lateForGood(self) -> None:
        """
        When several in a row are late we begin again and wait longer than before.
        """
        self.buffer.put(0, frame(1))
        self._frames(20)
        for number in range(1, 4):
            self.buffer.put(160 * number, frame(number))
        self.assertEqual((self.buffer.late, self.buffer.restarts), (3, 1))
        self.assertEqual(self._frames(4), [SILENCE, SILENCE, SILENCE, frame(3)])

    def test_jump(self) -> None:
        """
        Time stamps of quite another time begin again.
        """
        self.buffer.put(0, frame(1))
        self.buffer.put(10_000_000, frame(2))
        self.assertEqual(self._frames(3), [SILENCE, SILENCE, frame(2)])

    def test_drift(self) -> None:
        """
        A sender whose clock is fast does not make the delay grow without end.
        """
        at = 0
        for turn in range(6000):
            self.buffer.put(at, frame(turn))
            at += 160
            if turn % 250 == 0:
                self.buffer.put(at, frame(turn))
                at += 160
            self.buffer.get()
        self.assertEqual(self.buffer.restarts, 0)
        self.assertLess(self.buffer._newest, 8 * 160)

    def test_tooLong(self) -> None:
        """
        No packet fills the ring.
        """
        self.buffer.put(0, bytes(SIZE))
        self.assertEqual(self._frames(3), [None] * 3)

    def test_skipAndReset(self) -> None:
        """
        What is left out is not heard, and after a new beginning nothing old is.
        """
        for number in range(4):
            self.buffer.put(160 * number, frame(number))
        self.buffer.skip(3)
        self.assertEqual(self.buffer.get(), frame(1))
        self.buffer.skip(1000)
        self.assertIsNone(self.buffer.get())
        self.buffer.put(77, frame(9))
        self.assertEqual(self._frames(3), [SILENCE, SILENCE, frame(9)])

    @given(
        st.lists(
            st.one_of(
                st.none(), st.tuples(st.integers(0, 0xFFFFFFFF), st.integers(0, 2000))
            ),
            max_size=60,
        )
    )
    def test_anything(self, steps: list[tuple[int, int] | None]) -> None:
        """
        Whatever comes, a frame is a frame, and memory does not grow.
        """
        buffer = JitterBuffer(Codec.PCMA)
        for step in steps:
            if step is None:
                got = buffer.get()
                self.assertIn(0 if got is None else len(got), (0, 160))
            else:
                buffer.put(step[0], bytes(step[1]))
        self.assertEqual(len(buffer._ring), SIZE)
        self.assertLessEqual(buffer._newest, SIZE)
