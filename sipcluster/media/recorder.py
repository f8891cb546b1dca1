"""
Recordings: WAV files of one or two channels of G.711.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

from twisted.logger import Logger

from sipcluster.media.g711 import converted
from sipcluster.media.imedia import FRAME, SAMPLES, Codec, Ended, MediaError
from sipcluster.media.wav import FORMATS, header

log = Logger()

#: Seconds of a recording at most.
LONGEST = 12 * 3600.0


def unfinished(path: Path) -> Path:
    """
    What the file of a recording is called until it is whole.
    """
    return path.with_name(path.name + ".part")


class Recorder:
    """
    One recording.

    The file gets its name when it is whole; before, it is L{unfinished}.

    @ivar over: why it has ended; L{None}: it has not.
    """

    __slots__ = (
        "_both",
        "_codec",
        "_file",
        "_frames",
        "_most",
        "_path",
        "_patience",
        "_quiet",
        "_silence",
        "done",
        "over",
    )

    def __init__(
        self,
        path: Path,
        codec: Codec,
        done: Callable[[Ended, float], None] | None,
        longest: float,
        silence: float | None,
        both: bool,
    ) -> None:
        """
        See L{sipcluster.media.imedia.IRTPSession.record}.
        """
        self._path = path
        self._codec = codec
        self.done = done
        self._both = both
        self._most = max(1, round(min(longest, LONGEST) / FRAME))
        self._patience = None if silence is None else max(1, round(silence / FRAME))
        self._quiet = 0
        self._frames = 0
        self._silence = bytes([codec.silence]) * SAMPLES
        self.over: Ended | None = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = unfinished(path).open("xb")
            self._file.write(self._header())
        except (OSError, ValueError) as e:
            raise MediaError(f"cannot record to {path.name[:80]!r}: {e}") from e

    @property
    def patient(self) -> bool:
        """
        Whether silence would end it.
        """
        return self._patience is not None

    @property
    def seconds(self) -> float:
        """
        How long it is.
        """
        return self._frames * FRAME

    def _header(self) -> bytes:
        return header(FORMATS[self._codec], 1 + self._both, self._frames * SAMPLES)

    def frame(
        self, said: bytes | None, codec: Codec, heard: bytes | None, loud: bool
    ) -> None:
        """
        One more frame.

        @param said: by the far end; L{None}: nothing.
        @param codec: of both.
        @param heard: what was sent to it.
        @param loud: whether there is something in what it said; counts only when
            L{patient}.
        """
        if self.over is not None:
            return
        mine = self._codec
        left = self._silence if said is None else converted(said, codec, mine)
        data = left
        if self._both:
            right = self._silence if heard is None else converted(heard, codec, mine)
            mixed = bytearray(2 * SAMPLES)
            mixed[::2], mixed[1::2] = left, right
            data = bytes(mixed)
        try:
            self._file.write(data)
        except (OSError, ValueError) as e:
            log.error("Cannot record {path}: {why}", path=self._path.name, why=e)
            self.over = Ended.FAILED
            return
        self._frames += 1
        self._quiet = 0 if loud else self._quiet + 1
        if self._frames >= self._most:
            self.over = Ended.LIMIT
        elif self._patience is not None and self._quiet >= self._patience:
            self.over = Ended.SILENCE

    def end(self, why: Ended) -> Ended:
        """
        Close the file and give it its name; what there is of one that has failed is
        kept.

        @return: C{why}, or that it has failed.
        """
        try:
            self._file.seek(0)
            self._file.write(self._header())
            self._file.close()
            os.replace(unfinished(self._path), self._path)
        except (OSError, ValueError) as e:
            log.error("Cannot end {path}: {why}", path=self._path.name, why=e)
            with contextlib.suppress(OSError, ValueError):
                self._file.close()
            why = Ended.FAILED
        return why
