"""
Where recordings are written.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sipcluster.media.recorder import unfinished


def recordingAt(folder: Path, wanted: str, unnamed: Callable[[], str]) -> Path:
    """
    Find a file for a recording, one that is not there yet, and that nobody writes.

    @param wanted: a URI or a name; C{""}: any.

    @raise ValueError: it would be outside of the folder.
    @raise OSError: there cannot be one.
    """
    name = wanted.removeprefix("file:").lstrip("/") or unnamed()
    parts = name.split("/")
    bad = any(
        part in ("", ".", "..") or len(part) > 100 or not part.isprintable()
        for part in parts
    )
    if bad or "\\" in name or ":" in name or len(parts) > 8:
        raise ValueError("no name for a recording")
    if not name.lower().endswith(".wav"):
        name += ".wav"
    top = folder.resolve()
    path = (top / name).resolve()
    if not path.is_relative_to(top):
        raise ValueError("outside of the folder of recordings")
    path.parent.mkdir(parents=True, exist_ok=True)
    stem = path.stem
    for number in range(2, 1000):
        if not path.exists() and not unfinished(path).exists():
            return path
        path = path.with_name(f"{stem}-{number}.wav")
    raise OSError("too many recordings of that name")
