"""
Frames: how messages are told apart in a stream.

A frame is four bytes, big-endian, that say how long the rest is, and then that
many bytes.  T-Library ports, and later every other connection between members of
the cluster, are cut into messages this way.
"""

from __future__ import annotations

import struct

#: Bytes that say how long a frame is.
HEAD = 4

#: Bytes that a frame may hold, its length not counted.
LIMIT = 65536

_length = struct.Struct(">I")


class FrameError(Exception):
    """
    A peer announced a frame that must not be: nothing that follows can be read.
    """


def frameOf(payload: bytes) -> bytes:
    """
    Put a message into a frame.

    @param payload: at least one byte; the other side refuses more than its limit.
    """
    return _length.pack(len(payload)) + payload


class FrameReader:
    """
    Cuts a stream into frames.

    A frame that is too long is refused when its length is read, so that never
    more than one frame and what came in one piece with it is kept.
    """

    __slots__ = ("_broken", "_buffer", "_limit", "_position")

    def __init__(self, limit: int = LIMIT) -> None:
        """
        @param limit: bytes of the longest frame that is taken.
        """
        self._limit = limit
        self._buffer = bytearray()
        self._position = 0
        self._broken = ""

    @property
    def buffered(self) -> int:
        """
        Bytes that are kept because their frame is not whole, or was not asked for.
        """
        return len(self._buffer) - self._position

    def receive(self, data: bytes) -> None:
        """
        Take what came, cut in whatever way.
        """
        if not self._broken:
            self._buffer += data

    def nextFrame(self) -> bytes | None:
        """
        Take the next frame out.

        @return: its bytes, without the length; L{None} while it is not whole.

        @raise FrameError: it is empty or too long; and again at each call after
            that.
        """
        if self._broken:
            raise FrameError(self._broken)
        start = self._position + HEAD
        have = len(self._buffer)
        if have < start:
            self._forget()
            return None
        (length,) = _length.unpack_from(self._buffer, self._position)
        if not 0 < length <= self._limit:
            self._broken = (
                f"frame of {length} bytes, at most {self._limit} are taken"
                if length
                else "empty frame"
            )
            self._buffer.clear()
            self._position = 0
            raise FrameError(self._broken)
        end = start + length
        if have < end:
            self._forget()
            return None
        self._position = end
        return bytes(self._buffer[start:end])

    def _forget(self) -> None:
        # Once for all frames of one piece, or many small ones would each move
        # all that follow.
        if self._position:
            del self._buffer[: self._position]
            self._position = 0
