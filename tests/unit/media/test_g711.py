"""
Tests for L{sipcluster.media.g711}.
"""

from __future__ import annotations

from array import array

from twisted.trial.unittest import SynchronousTestCase

from sipcluster.media.g711 import ENCODED, LINEAR, converted, decoded, encoded
from sipcluster.media.imedia import Codec

#: Every byte.
ALL = bytes(range(256))


class G711Tests(SynchronousTestCase):
    """
    The tables of G.711.
    """

    def test_bytesComeBack(self) -> None:
        """
        What was decoded is encoded to the same byte, but for the negative zero of
        u-law.
        """
        self.assertEqual(encoded(decoded(ALL, Codec.PCMA), Codec.PCMA), ALL)
        self.assertEqual(
            encoded(decoded(ALL, Codec.PCMU), Codec.PCMU), ALL.replace(b"\x7f", b"\xff")
        )

    def test_knownValues(self) -> None:
        """
        The ends and the middle of both laws are those of the recommendation.
        """
        mu, a = LINEAR[Codec.PCMU], LINEAR[Codec.PCMA]
        self.assertEqual(
            [mu[b] for b in (0x00, 0x80, 0xFF, 0x7F)], [-32124, 32124, 0, 0]
        )
        self.assertEqual(
            [a[b] for b in (0x2A, 0xAA, 0xD5, 0x55)], [-32256, 32256, 8, -8]
        )

    def test_encodingIsNear(self) -> None:
        """
        No sample is further from what is heard of it than half of the step there.
        """
        for codec in Codec:
            values = sorted(set(LINEAR[codec]))
            steps = {
                value: max(abs(value - near) for near in values[n - 1 : n + 2])
                for n, value in enumerate(values[1:-1], 1)
            }
            for sample in range(-31000, 31000, 7):
                heard = LINEAR[codec][ENCODED[codec][sample]]
                self.assertLessEqual(abs(heard - sample), steps[heard] / 2)

    def test_encodingIsMonotone(self) -> None:
        """
        A higher sample is never heard as a lower one.
        """
        for codec in Codec:
            heard = decoded(encoded(array("h", range(-32768, 32768)), codec), codec)
            self.assertEqual(list(heard), sorted(heard))

    def test_silence(self) -> None:
        """
        The byte of silence is that of a sample of zero.
        """
        for codec in Codec:
            self.assertEqual(ENCODED[codec][0], codec.silence)

    def test_converted(self) -> None:
        """
        From one law to the other is as by way of samples; to the same one it is
        nothing.
        """
        self.assertEqual(
            converted(ALL, Codec.PCMU, Codec.PCMA),
            encoded(decoded(ALL, Codec.PCMU), Codec.PCMA),
        )
        self.assertIs(converted(ALL, Codec.PCMU, Codec.PCMU), ALL)
