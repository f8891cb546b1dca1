"""
What is heard in audio: digits, fax machines, answering machines, people.
"""

from __future__ import annotations

from typing import Any

from sipcluster.media.arithmetic import IArithmetic
from sipcluster.media.imedia import FRAME, SAMPLES, Heard
from sipcluster.media.tones import COLUMNS, KEYS, ROWS, amplitude

#: Samples of a block of the digit detector: 12.75 ms.
BLOCK = 102

#: Blocks in a row that make a digit, and after which it is over.
BEGIN, END = 2, 3


def meanSquare(level: float) -> float:
    """
    @param level: dBm0 of a sine.
    """
    return amplitude(level) ** 2 / 2


#: Of each of the two tones, at least.
_QUIETEST = meanSquare(-36.0)

#: How much louder a column may be than a row, and a row than a column (ITU-T Q.24).
_TWIST, _REVERSE = 10**0.4, 10**0.8

#: How much louder a tone is than others of its group.
_PEAK = 6.3

#: The part of everything that the two tones are, when their frequencies are off by
#: as much as they may be.
_PURE = 0.75

#: What is more than noise.
LOUD = meanSquare(-38.0)


class DigitDetector:
    """
    Makes digits of tones.
    """

    __slots__ = ("_bank", "_gap", "_last", "_now")

    def __init__(self, arithmetic: IArithmetic) -> None:
        self._bank = arithmetic.bank((*ROWS, *COLUMNS), BLOCK)
        # What the last block was, the digit that lasts, and blocks since it did.
        self._last = ""
        self._now = ""
        self._gap = 0

    def feed(self, samples: Any) -> str:
        """
        @param samples: of the arithmetic.

        @return: digits that begin in them.
        """
        found = ""
        for powers, energy in self._bank.feed(samples):
            digit = _digitOf(powers, energy)
            if digit == self._now:
                self._gap = 0
            elif digit and digit == self._last:
                self._now, self._gap = digit, 0
                found += digit
            else:
                self._pass(1)
            self._last = digit
        return found

    def silent(self) -> None:
        """
        One frame in which there is nothing.
        """
        self._last = ""
        self._pass(2)

    def _pass(self, blocks: int) -> None:
        if self._now:
            self._gap += blocks
            if self._gap >= END:
                self._now, self._gap = "", 0


def _digitOf(powers: list[float], energy: float) -> str:
    row = max(range(4), key=powers.__getitem__)
    column = max(range(4, 8), key=powers.__getitem__)
    low, high = powers[row], powers[column]
    if (
        low < _QUIETEST
        or high < _QUIETEST
        or high > low * _TWIST
        or low > high * _REVERSE
        or low + high < _PURE * energy
        or any(powers[n] * _PEAK > low for n in range(4) if n != row)
        or any(powers[n] * _PEAK > high for n in range(4, 8) if n != column)
    ):
        return ""
    return KEYS[4 * row + column - 4]


class AnswerDetector:
    """
    Finds out who has answered, by tones and by how long is spoken.

    A person says a word or two and waits; a machine goes on.

    @ivar initial: seconds of silence after which nobody is there.
    @ivar greeting: seconds of speech that are too many for a person.
    @ivar pause: seconds of silence after which a greeting is over.
    @ivar word: seconds that speech lasts at least.
    @ivar tone: seconds that a tone lasts at least.
    """

    initial = 4.0
    greeting = 1.8
    pause = 0.8
    word = 0.1
    tone = 0.3

    __slots__ = ("_arithmetic", "_bank", "_quiet", "_run", "_spoken", "_toneRun")

    def __init__(self, arithmetic: IArithmetic) -> None:
        self._arithmetic = arithmetic
        self._bank = arithmetic.bank((1100, 2100), SAMPLES)
        self._run = 0
        self._quiet = 0
        self._spoken = 0
        self._toneRun = [0, 0]

    def feed(self, samples: Any | None) -> Heard | None:
        """
        One frame.

        @param samples: of the arithmetic; L{None}: silence.

        @return: what was found, once it is.
        """
        loud = tone = False
        if samples is not None:
            [(powers, energy)] = self._bank.feed(samples)
            loud = energy > LOUD
            for number, power in enumerate(powers):
                if loud and power > 0.8 * energy:
                    tone = True
                    self._toneRun[number] += 1
                    if self._toneRun[number] * FRAME >= self.tone:
                        return Heard.FAX
                else:
                    self._toneRun[number] = 0
        else:
            self._toneRun = [0, 0]
        return self._speech(loud and not tone)

    def _speech(self, loud: bool) -> Heard | None:
        if loud:
            self._run += 1
            if self._run * FRAME >= self.word:
                if not self._spoken:
                    self._spoken = self._run
                else:
                    # What was silence between words is part of the greeting.
                    self._spoken += 1 + self._quiet
                self._quiet = 0
                if self._spoken * FRAME >= self.greeting:
                    return Heard.MACHINE
            else:
                self._quiet += 1
        else:
            self._run = 0
            self._quiet += 1
        if self._spoken:
            return Heard.HUMAN if self._quiet * FRAME >= self.pause else None
        return Heard.SILENCE if self._quiet * FRAME >= self.initial else None
