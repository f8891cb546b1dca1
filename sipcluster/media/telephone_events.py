"""
Digits as RTP events (RFC 4733).
"""

from __future__ import annotations

import struct
from collections import deque

from attrs import frozen

from sipcluster.media.imedia import RATE, SAMPLES, MediaError

#: The events 0 to 15.
DIGITS = "0123456789*#ABCD"

#: How often the end of an event is sent.
ENDS = 3

#: Digits that wait to be sent.
MOST = 256

_event = struct.Struct("!BBH")


class EventReceiver:
    """
    Makes digits of events.

    A digit is told as soon as its event is known to begin; what else is sent of the
    same event has its time stamp, so a lost beginning loses no digit and a repeated
    end makes none.
    """

    __slots__ = ("_last",)

    def __init__(self) -> None:
        self._last: tuple[int, int] | None = None

    def received(self, payload: bytes, timestamp: int, source: int) -> str:
        """
        @return: the digit that begins with it; C{""}: none.
        """
        digit = ""
        # Several events in one packet follow each other (section 2.5.1.5).
        for start in range(0, len(payload) - 3, 4):
            number, _, duration = _event.unpack_from(payload, start)
            last = self._last
            if last is not None and last[1] == source:
                behind = (last[0] - timestamp) & 0xFFFFFFFF
                if behind < 0x80000000:
                    # The same event, or an older one that was overtaken.
                    timestamp += duration
                    continue
            self._last = (timestamp, source)
            if number < len(DIGITS):
                digit += DIGITS[number]
            timestamp += duration
        return digit


@frozen
class _Sent:
    """
    One packet of an event.

    @ivar ago: samples since the event began.
    """

    payload: bytes
    marker: bool
    ago: int


class EventSender:
    """
    Makes events of digits, one packet for each frame.
    """

    __slots__ = ("_frames",)

    def __init__(self) -> None:
        self._frames: deque[_Sent | None] = deque()

    def __bool__(self) -> bool:
        return bool(self._frames)

    def add(self, digits: str, each: float, pause: float) -> None:
        """
        Send these too.

        @raise MediaError: these are no digits, or too many.
        """
        checked(digits)
        frames = max(2, round(each * RATE / SAMPLES))
        gap = max(1, round(pause * RATE / SAMPLES))
        if len(self._frames) + len(digits) * (frames + ENDS + gap) > 50 * 60:
            raise MediaError("too many digits at one time")
        for digit in digits:
            number = DIGITS.index(digit)
            for frame in range(1, frames):
                self._frames.append(
                    _Sent(
                        _event.pack(number, 10, frame * SAMPLES),
                        frame == 1,
                        (frame - 1) * SAMPLES,
                    )
                )
            whole = _event.pack(number, 0x80 | 10, frames * SAMPLES)
            for again in range(ENDS):
                self._frames.append(_Sent(whole, False, (frames - 1 + again) * SAMPLES))
            self._frames.extend([None] * gap)

    def frame(self) -> _Sent | None:
        """
        The next one.

        @return: L{None}: a pause.
        """
        return self._frames.popleft() if self._frames else None

    def clear(self) -> None:
        """
        Send no more.
        """
        self._frames.clear()


def checked(digits: str) -> str:
    """
    @raise MediaError: these are no digits, or too many.
    """
    if len(digits) > MOST or not set(digits) <= set(DIGITS):
        raise MediaError(f"no digits: {digits[:40]!r}")
    return digits
