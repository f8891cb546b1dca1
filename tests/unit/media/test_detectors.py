"""
Tests for L{sipcluster.media.detectors}.
"""

from __future__ import annotations

import math
import random
from array import array

from twisted.trial.unittest import SynchronousTestCase

from sipcluster.media.arithmetic import IArithmetic, PlainArithmetic, best
from sipcluster.media.detectors import AnswerDetector, DigitDetector
from sipcluster.media.g711 import encoded
from sipcluster.media.imedia import Codec, Heard
from sipcluster.media.tones import (
    COLUMNS,
    COUNTRIES,
    KEYS,
    ROWS,
    amplitude,
    digit,
    samplesOf,
    sines,
)


def silence(seconds: float) -> array[int]:
    """
    Nothing.
    """
    return array("h", bytes(2 * round(8000 * seconds)))


def noise(seconds: float, level: float, seed: int = 1) -> array[int]:
    """
    White noise of a level.
    """
    chance = random.Random(seed)
    height = amplitude(level) / 2**0.5
    return array(
        "h",
        [
            max(-32768, min(32767, round(chance.gauss(0, height))))
            for _ in range(round(8000 * seconds))
        ],
    )


def added(*parts: array[int]) -> array[int]:
    """
    All at the same time.
    """
    return array(
        "h", [max(-32768, min(32767, sum(row))) for row in zip(*parts, strict=True)]
    )


def joined(*parts: array[int]) -> array[int]:
    """
    One after another.
    """
    found = array("h")
    for part in parts:
        found.extend(part)
    return found


def speech(seconds: float, seed: int = 1) -> array[int]:
    """
    Something like a voice: a pitch that glides, its harmonics, and syllables.
    """
    chance = random.Random(seed)
    found = array("h")
    phase = 0.0
    pitch = 120.0
    weights = [chance.random() / n for n in range(1, 16)]
    for n in range(round(8000 * seconds)):
        if n % 800 == 0:
            weights = [chance.random() / k**0.7 for k in range(1, 16)]
        pitch += chance.uniform(-0.05, 0.05)
        phase += 2 * math.pi * pitch / 8000
        envelope = 0.3 + 0.7 * abs(math.sin(math.pi * n / 1600))
        value = sum(w * math.sin(phase * k) for k, w in enumerate(weights, 1))
        found.append(max(-32000, min(32000, round(2500 * envelope * value))))
    return found


class DigitTests(SynchronousTestCase):
    """
    Digits as tones.
    """

    def arithmetic(self) -> IArithmetic:
        """
        The one to measure with.
        """
        return best()

    def digits(self, samples: array[int], codec: Codec = Codec.PCMU) -> str:
        """
        What is found.
        """
        arithmetic = self.arithmetic()
        detector = DigitDetector(arithmetic)
        data = encoded(samples, codec)
        return "".join(
            detector.feed(arithmetic.samples(data[start : start + 160], codec))
            for start in range(0, len(data), 160)
        )

    def dialled(
        self, digits: str, each: float = 0.06, pause: float = 0.06, level: float = -10
    ) -> array[int]:
        """
        Digits one after another.
        """
        return joined(
            *(
                part
                for key in digits
                for part in (digit(key, each, level), silence(pause))
            )
        )

    def test_all(self) -> None:
        """
        Each key, in both laws, loud and quiet.
        """
        for codec in Codec:
            for level in (-5.0, -10.0, -25.0):
                samples = self.dialled(KEYS, level=level)
                self.assertEqual(self.digits(samples, codec), KEYS, (codec, level))

    def test_same(self) -> None:
        """
        The same one again is another digit; one that is held long is one.
        """
        self.assertEqual(self.digits(self.dialled("5555", 0.05, 0.05)), "5555")
        self.assertEqual(self.digits(self.dialled("5", each=2.0)), "5")

    def test_anyBeginning(self) -> None:
        """
        Digits need not begin with a block.
        """
        for start in range(0, 102, 17):
            samples = joined(silence(start / 8000), self.dialled("147#", 0.05, 0.05))
            self.assertEqual(self.digits(samples), "147#")

    def test_gaps(self) -> None:
        """
        A short break in a digit makes it no two.
        """
        samples = joined(digit("7", 0.1), silence(0.01), digit("7", 0.1), silence(0.1))
        self.assertEqual(self.digits(samples), "7")

    def test_noise(self) -> None:
        """
        Digits are found in noise that is 15 dB below, and none in noise alone.
        """
        samples = self.dialled("0123456789", 0.08, 0.08)
        self.assertEqual(
            self.digits(added(samples, noise(len(samples) / 8000, -22.0))), "0123456789"
        )
        self.assertEqual(self.digits(noise(10.0, -15.0)), "")

    def test_frequenciesOff(self) -> None:
        """
        Frequencies may be 1.5 % off, and are no digit when they are 4 % off (ITU-T
        Q.24 asks for 3.5).
        """
        for row, column in ((697, 1209), (941, 1633), (770, 1477)):
            for factor, found in ((1.015, 1), (0.985, 1), (1.045, 0), (0.955, 0)):
                both = (round(row * factor), round(column * factor))
                samples = joined(sines(both, 0.1, -10.0), silence(0.1))
                self.assertEqual(len(self.digits(samples)), found, (both, factor))

    def test_twist(self) -> None:
        """
        A column may be 3 dB louder than the row and the row 6 dB louder than the
        column, but neither 12.
        """
        for low, high, found in (
            (-13.0, -10.0, "1"),
            (-10.0, -16.0, "1"),
            (-22.0, -10.0, ""),
            (-10.0, -22.0, ""),
        ):
            samples = added(sines(ROWS[:1], 0.1, low), sines(COLUMNS[:1], 0.1, high))
            self.assertEqual(self.digits(joined(samples, silence(0.1))), found)

    def test_tooShortOrQuiet(self) -> None:
        """
        What lasts 15 ms, or is next to nothing, is no digit.
        """
        self.assertEqual(self.digits(self.dialled("1" * 20, each=0.015)), "")
        self.assertEqual(self.digits(self.dialled("123", level=-50.0)), "")

    def test_otherTones(self) -> None:
        """
        Tones of the network, and one frequency alone, are no digits.
        """
        for country, tones in COUNTRIES.items():
            for name, tone in tones.items():
                self.assertEqual(self.digits(samplesOf(tone)), "", (country, name))
        for frequency in (*ROWS, *COLUMNS, 1100, 2100):
            self.assertEqual(self.digits(sines((frequency,), 0.5, -8.0)), "")

    def test_speech(self) -> None:
        """
        Nobody dials by talking.
        """
        for seed in range(4):
            self.assertEqual(self.digits(speech(5.0, seed)), "")


class PlainDigitTests(DigitTests):
    """
    The same, without numpy.
    """

    def arithmetic(self) -> IArithmetic:
        """
        The one to measure with.
        """
        return PlainArithmetic()


class AnswerTests(SynchronousTestCase):
    """
    Who has answered.
    """

    def answer(self, samples: array[int]) -> tuple[Heard | None, float]:
        """
        What is found, and after how many seconds.
        """
        arithmetic = best()
        detector = AnswerDetector(arithmetic)
        data = encoded(joined(samples, silence(6.0)), Codec.PCMU)
        for start in range(0, len(data) - 159, 160):
            frame = data[start : start + 160]
            quiet = frame == b"\xff" * 160
            found = detector.feed(
                None if quiet else arithmetic.samples(frame, Codec.PCMU)
            )
            if found is not None:
                return found, (start + 160) / 8000
        return None, 0.0

    def test_human(self) -> None:
        """
        Who says a word, or two with a pause, and waits is a person.
        """
        for samples in (
            speech(0.5),
            joined(silence(1.5), speech(0.9)),
            joined(speech(0.4), silence(0.3), speech(0.5)),
            joined(noise(1.0, -50.0), speech(0.6), noise(1.0, -50.0)),
        ):
            found, after = self.answer(samples)
            self.assertIs(found, Heard.HUMAN)
            self.assertLess(after, len(samples) / 8000 + 0.9)

    def test_machine(self) -> None:
        """
        Who goes on and on is a machine, pauses between words or not.
        """
        words = [part for n in range(8) for part in (speech(0.5, n), silence(0.25))]
        for samples in (speech(4.0), joined(silence(1.0), *words)):
            found, after = self.answer(samples)
            self.assertIs(found, Heard.MACHINE)
            self.assertLess(after, 3.2)

    def test_fax(self) -> None:
        """
        Both tones of a fax machine, also after a while and with noise, and quiet.
        """
        for frequency in (1100, 2100):
            for level in (-10.0, -30.0):
                tone = sines((frequency,), 0.5, level)
                found, after = self.answer(
                    joined(silence(1.0), added(tone, noise(0.5, level - 20)))
                )
                self.assertIs(found, Heard.FAX, (frequency, level))
                self.assertLess(after, 1.4)

    def test_shortTone(self) -> None:
        """
        A beep of that frequency is no fax machine.
        """
        samples = joined(sines((1100,), 0.2, -10.0), silence(0.2), speech(0.6))
        self.assertIs(self.answer(samples)[0], Heard.HUMAN)

    def test_silence(self) -> None:
        """
        Nobody says anything, but for clicks and noise.
        """
        click = joined(noise(0.03, -5.0), silence(0.5))
        for samples in (silence(0.1), noise(6.0, -45.0), joined(*[click] * 6)):
            found, after = self.answer(samples)
            self.assertIs(found, Heard.SILENCE)
            self.assertLess(abs(after - 4.0), 0.2)
