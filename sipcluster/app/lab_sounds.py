"""
The prompts and the music of the sample cluster, made of tones.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from pathlib import Path

from sipcluster.media.tones import sines
from sipcluster.media.wav import write

#: Hertz of the notes that there are; those of the digits are above one another.
_NOTES = {"c": 262, "e": 330, "g": 392, "a": 440, "C": 523, "E": 659, "-": 0}

#: Files by name, as treatments name them: notes, and seconds of each.
SOUNDS: Mapping[str, tuple[str, float]] = {
    "music/in_queue.wav": ("ceg-Cge-ace-gec-" * 2, 0.3),
    "music/on_hold.wav": ("CEC-gCg-" * 4, 0.3),
    "announcement/1.wav": ("ceC", 0.25),
    "announcement/2.wav": ("CgC", 0.2),
    "announcement/ran.wav": ("Cgec", 0.2),
    **{f"digits/{digit}.wav": ("g" + "c" * digit, 0.1) for digit in range(10)},
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
        path.parent.mkdir(exist_ok=True)
        if not path.exists():
            path.write_bytes(write(notes(names, seconds)))
