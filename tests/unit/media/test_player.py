"""
Tests for L{sipcluster.media.player}.
"""

from __future__ import annotations

from array import array

from twisted.trial.unittest import SynchronousTestCase

from sipcluster.media.audio import Audio, Silence, raw
from sipcluster.media.imedia import Codec, Ended, IAudio
from sipcluster.media.player import Player

U = Codec.PCMU


def letters(letter: bytes, length: int, endless: bool = False) -> Audio:
    """
    Audio whose bytes can be told from others.
    """
    return raw(letter * length, U, endless)


class PlayerTests(SynchronousTestCase):
    """
    Lists of what is played.
    """

    def _all(self, player: Player, most: int = 100) -> bytes:
        found = b""
        while player.over is None and len(found) < most * 160:
            frame = player.frame(U)
            self.assertEqual(len(frame), 160)
            found += frame
        return found

    def test_oneAfterAnother(self) -> None:
        """
        Nothing is between two of them; the last frame is filled with silence.
        """
        player = Player([letters(b"a", 200), letters(b"b", 200)], None)
        self.assertEqual(self._all(player), b"a" * 200 + b"b" * 200 + b"\xff" * 80)
        self.assertIs(player.over, Ended.DONE)
        self.assertEqual(player.frame(U), b"\xff" * 160)

    def test_repeat(self) -> None:
        """
        The list is played again, with a pause between.
        """
        player = Player([letters(b"a", 160)], None, repeat=3, pause=0.02)
        silence = b"\xff" * 160
        self.assertEqual(self._all(player), silence.join([b"a" * 160] * 3))

    def test_withoutEnd(self) -> None:
        """
        C{0} times is for ever, and so is what has no end.
        """
        for player in (
            Player([letters(b"a", 30)], None, repeat=0),
            Player([letters(b"a", 30, endless=True), letters(b"b", 30)], None),
        ):
            self.assertEqual(self._all(player), b"a" * 16000)
            self.assertIsNone(player.over)

    def test_longest(self) -> None:
        """
        It ends when its time is over.
        """
        player = Player([letters(b"a", 160)], None, repeat=0, longest=0.1)
        self.assertEqual(self._all(player), b"a" * 800)
        self.assertIs(player.over, Ended.LIMIT)
        self.assertIs(Player([letters(b"a", 1)], None, longest=0).over, Ended.LIMIT)

    def test_nothing(self) -> None:
        """
        Nothing to play is played already.
        """
        empty: list[IAudio] = [Silence(0), raw(b"", U)]
        for audio in ([], empty):
            player = Player(audio, None, repeat=0)
            self.assertIs(player.over, Ended.DONE)

    def test_exactEnd(self) -> None:
        """
        What ends with a frame ends with that frame.
        """
        player = Player([letters(b"a", 320)], None)
        player.frame(U)
        self.assertIsNone(player.over)
        player.frame(U)
        self.assertIs(player.over, Ended.DONE)

    def test_otherCodec(self) -> None:
        """
        The codec may change while it is played.
        """
        player = Player([raw(bytes(320), U)], None)
        self.assertEqual(player.frame(U), bytes(160))
        self.assertEqual(set(player.frame(Codec.PCMA)), {0x2A})
        self.assertEqual(array("B", player.frame(Codec.PCMA))[0], 0xD5)
