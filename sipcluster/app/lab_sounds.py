"""
The prompts and the music of the sample cluster, made of tones.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from pathlib import Path

from sipcluster.media.tones import sines
from sipcluster.media.wav import write

#: Hertz of the notes that the music has.
_NOTES = {"c": 262, "e": 330, "g": 392, "a": 440, "C": 523, "E": 659, "-": 0}

#: Files by name: notes, and seconds of each.
SOUNDS: Mapping[str, tuple[str, float]] = {
    "music.wav": ("ceg-Cge-ace-gec-" * 2, 0.3),
    "welcome.wav": ("ceC", 0.25),
    "digits.wav": ("CgC", 0.2),
    "sorry.wav": ("Cgec", 0.2),
}


def notes(names: Sequence[str], seconds: float) -> array[int]:
    """
    One note after another.
    """
    samples: array[int] = array("h")
    for name in names:
        frequency = _NOTES[name]
        frequencies = (frequency, 2 * frequency) if frequency else ()
        samples += sines(frequencies, seconds, -18.0)
    return samples


def makeSounds(folder: Path) -> None:
    """
    Write those files that are not there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, (names, seconds) in SOUNDS.items():
        path = folder / name
        if not path.exists():
            path.write_bytes(write(notes(names, seconds)))
