"""
Tones: frequencies and cadences by country (ITU-T E.180, supplement 2).
"""

from __future__ import annotations

import math
from array import array

from attrs import frozen

from sipcluster.media.imedia import RATE, NoSuchAudio

#: The sample that a sine of 0 dBm0 reaches, since one that fills G.711 has 3.17 dBm0.
_ZERO = 32124 / 10 ** (3.17 / 20)


@frozen
class Tone:
    """
    What a tone is.

    @ivar cadence: frequencies in hertz, and the seconds that they sound; no frequency
        is silence.
    @ivar level: dBm0 of each frequency.
    @ivar endless: it begins again at its end.
    """

    cadence: tuple[tuple[tuple[int, ...], float], ...]
    level: float = -13.0
    endless: bool = True


def _onOff(frequencies: tuple[int, ...], *seconds: float) -> Tone:
    return Tone(
        tuple(
            (() if number % 2 else frequencies, each)
            for number, each in enumerate(seconds)
        )
    )


#: The tones of each country; those of C{us} are where one has none.
COUNTRIES: dict[str, dict[str, Tone]] = {
    "us": {
        "dial": _onOff((350, 440), 1.0),
        "ringback": _onOff((440, 480), 2.0, 4.0),
        "busy": _onOff((480, 620), 0.5, 0.5),
        "fastbusy": _onOff((480, 620), 0.25, 0.25),
        "waiting": _onOff((440,), 0.3, 9.7),
    },
    "de": {
        "dial": _onOff((425,), 1.0),
        "ringback": _onOff((425,), 1.0, 4.0),
        "busy": _onOff((425,), 0.48, 0.48),
        "fastbusy": _onOff((425,), 0.24, 0.24),
        "waiting": _onOff((425,), 0.2, 0.2, 0.2, 5.0),
    },
    "uk": {
        "dial": _onOff((350, 440), 1.0),
        "ringback": _onOff((400, 450), 0.4, 0.2, 0.4, 2.0),
        "busy": _onOff((400,), 0.375, 0.375),
        "fastbusy": _onOff((400,), 0.4, 0.35, 0.225, 0.525),
        "waiting": _onOff((400,), 0.1, 2.0),
    },
    "fr": {
        "dial": _onOff((440,), 1.0),
        "ringback": _onOff((440,), 1.5, 3.5),
        "busy": _onOff((440,), 0.5, 0.5),
        "fastbusy": _onOff((440,), 0.25, 0.25),
        "waiting": _onOff((440,), 0.3, 10.0),
    },
    "jp": {
        "dial": _onOff((400,), 1.0),
        "ringback": _onOff((384, 416), 1.0, 2.0),
        "busy": _onOff((400,), 0.5, 0.5),
        "fastbusy": _onOff((400,), 0.25, 0.25),
        "waiting": _onOff((400,), 0.1, 0.1, 0.1, 4.0),
    },
}

#: Those that are the same everywhere: fax (ITU-T T.30), what a recording begins with,
#: and one that says who has joined or left.
EVERYWHERE: dict[str, Tone] = {
    "beep": Tone((((1000,), 0.2),), endless=False),
    "cng": Tone((((1100,), 0.5), ((), 3.0))),
    "ced": Tone((((2100,), 3.0),), endless=False),
    "joined": Tone((((660,), 0.1), ((880,), 0.1)), endless=False),
    "left": Tone((((880,), 0.1), ((660,), 0.1)), endless=False),
    "sit": Tone(
        (((950,), 0.33), ((1400,), 0.33), ((1800,), 0.33), ((), 1.0)), endless=False
    ),
}

#: The frequencies of digits (ITU-T Q.23), rows and columns.
ROWS = (697, 770, 852, 941)
COLUMNS = (1209, 1336, 1477, 1633)
KEYS = "123A456B789C*0#D"


def toneOf(name: str, country: str = "us") -> Tone:
    """
    Find a tone.

    @raise NoSuchAudio: there is none of that name.
    """
    found = (
        EVERYWHERE.get(name)
        or COUNTRIES.get(country, {}).get(name)
        or COUNTRIES["us"].get(name)
    )
    if found is None:
        raise NoSuchAudio(f"no tone {name[:40]!r}")
    return found


def amplitude(level: float) -> float:
    """
    The highest sample of a sine.

    @param level: dBm0.
    """
    return _ZERO * float(10 ** (level / 20))


def sines(frequencies: tuple[int, ...], seconds: float, level: float) -> array[int]:
    """
    Some at the same time, each with the same level.
    """
    if not frequencies:
        return array("h", bytes(2 * round(seconds * RATE)))
    height = amplitude(level)
    steps = [2 * math.pi * each / RATE for each in frequencies]
    return array(
        "h",
        [
            max(-32768, min(32767, round(height * sum(math.sin(s * n) for s in steps))))
            for n in range(round(seconds * RATE))
        ],
    )


def samplesOf(tone: Tone) -> array[int]:
    """
    One turn of a tone.
    """
    samples = array("h")
    for frequencies, seconds in tone.cadence:
        samples.extend(sines(frequencies, seconds, tone.level))
    return samples


def digit(key: str, seconds: float = 0.1, level: float = -10.0) -> array[int]:
    """
    The two tones of a digit.
    """
    number = KEYS.index(key)
    return sines((ROWS[number // 4], COLUMNS[number % 4]), seconds, level)
