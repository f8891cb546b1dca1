"""
Tests for L{sipcluster.media.tones}.
"""

from __future__ import annotations

import math

from twisted.trial.unittest import SynchronousTestCase

from sipcluster.media.imedia import NoSuchAudio
from sipcluster.media.tones import (
    COUNTRIES,
    EVERYWHERE,
    digit,
    samplesOf,
    sines,
    toneOf,
)
from tests.unit.media.sessions import meanSquare, power


class ToneTests(SynchronousTestCase):
    """
    Tones by frequency and cadence.
    """

    def test_cadence(self) -> None:
        """
        One turn is as long as its parts, silent where it has no frequency.
        """
        samples = samplesOf(toneOf("ringback"))
        self.assertEqual(len(samples), 6 * 8000)
        self.assertEqual(set(samples[16000:]), {0})
        self.assertGreater(power(samples[:8000], 440), 1000)
        self.assertGreater(power(samples[:8000], 480), 1000)

    def test_level(self) -> None:
        """
        A sine of 0 dBm0 is 3.17 dB less than one that fills G.711.
        """
        loudest = 32124**2 / 2
        for level in (0.0, -13.0, -30.0):
            found = meanSquare(sines((1000,), 1.0, level))
            heard = 10 * math.log10(found / loudest) + 3.17
            self.assertLess(abs(heard - level), 0.05)

    def test_countries(self) -> None:
        """
        Each has its own; what it has not, and a country that we do not know, has
        those of the US.
        """
        self.assertNotEqual(toneOf("busy", "de"), toneOf("busy", "us"))
        self.assertEqual(toneOf("busy", "xx"), toneOf("busy", "us"))
        names = set(COUNTRIES["us"])
        for country, tones in COUNTRIES.items():
            self.assertEqual(set(tones), names, country)

    def test_unknown(self) -> None:
        """
        A name that is none is refused.
        """
        self.assertRaises(NoSuchAudio, toneOf, "nonsense")

    def test_all(self) -> None:
        """
        All of them can be made, of moderate length, and none is clipped.
        """
        for tones in (*COUNTRIES.values(), EVERYWHERE):
            for name, tone in tones.items():
                samples = samplesOf(tone)
                self.assertLessEqual(len(samples), 12 * 8000, name)
                self.assertLess(max(samples), 32000, name)

    def test_digits(self) -> None:
        """
        A digit has a row and a column.
        """
        five = digit("5", 0.1)
        self.assertEqual(len(five), 800)
        for frequency in (770, 1336):
            self.assertGreater(power(five, frequency), 1e7)
        for frequency in (697, 852, 1209, 1477):
            self.assertLess(power(five, frequency), 1e6)
