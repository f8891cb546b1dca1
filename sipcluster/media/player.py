"""
Plays one thing after another, frame by frame.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sipcluster.media.imedia import RATE, SAMPLES, Codec, Ended, IAudio


class Player:
    """
    A list that is played some times.

    @ivar over: why nothing comes any more; L{None}: something does.
    """

    __slots__ = (
        "_audio",
        "_left",
        "_number",
        "_pause",
        "_pausing",
        "_position",
        "_turns",
        "done",
        "over",
    )

    def __init__(
        self,
        audio: Sequence[IAudio],
        done: Callable[[Ended], None] | None,
        repeat: int = 1,
        pause: float = 0.0,
        longest: float | None = None,
    ) -> None:
        """
        See L{sipcluster.media.imedia.IRTPSession.play}.
        """
        self._audio = [each for each in audio if each.length]
        self.done = done
        self._turns = repeat
        self._pause = round(pause * RATE)
        self._left = None if longest is None else round(longest * RATE)
        self._number = 0
        self._position = 0
        self._pausing = 0
        self.over: Ended | None = None if self._audio else Ended.DONE
        if self._left is not None and self._left <= 0:
            self.over = Ended.LIMIT

    def frame(self, codec: Codec) -> bytes:
        """
        The next frame; silence at and after the end.
        """
        found = b""
        while len(found) < SAMPLES and self.over is None:
            found += self._piece(codec, SAMPLES - len(found))
        if self._left is not None:
            self._left -= SAMPLES
            if self._left <= 0 and self.over is None:
                self.over = Ended.LIMIT
        if len(found) < SAMPLES:
            found += bytes([codec.silence]) * (SAMPLES - len(found))
        return found

    def _piece(self, codec: Codec, most: int) -> bytes:
        if self._pausing:
            length = min(self._pausing, most)
            self._pausing -= length
            return bytes([codec.silence]) * length
        audio = self._audio[self._number]
        start = self._position
        piece = audio.piece(codec, start, most)
        self._position = start + len(piece)
        if self._position >= audio.length:
            self._position = 0
            if not audio.endless:
                self._next()
        return piece

    def _next(self) -> None:
        self._number += 1
        if self._number < len(self._audio):
            return
        self._number = 0
        if self._turns == 1:
            self.over = Ended.DONE
        else:
            self._turns = max(0, self._turns - 1)
            self._pausing = self._pause
