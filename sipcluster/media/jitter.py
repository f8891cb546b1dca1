"""
The jitter buffer: puts what arrives into the order in which it was said.

It is one ring of bytes, read at a steady pace; what is not there when its time has come
is silence.  So it cannot grow, and any length of packet will do.
"""

from __future__ import annotations

from sipcluster.media.imedia import SAMPLES, Codec

#: Samples of the ring, a power of two: half a second.
SIZE = 4096
_MASK = SIZE - 1

#: Samples between arrival and playing: at first, and at most.
DELAY = 2 * SAMPLES
LONGEST = 8 * SAMPLES

#: Late packets in a row after which we wait longer.
PATIENCE = 3

#: Frames after which a buffer that was never nearly empty is made shorter.
WINDOW = 100


class JitterBuffer:
    """
    One direction of one stream.

    @ivar late: packets that came after their time.
    @ivar restarts: how often we had to begin again.
    """

    __slots__ = (
        "_at",
        "_delay",
        "_lateNow",
        "_least",
        "_newest",
        "_ring",
        "_silence",
        "_turns",
        "late",
        "restarts",
    )

    def __init__(self, codec: Codec) -> None:
        """
        @param codec: of all that is put in and comes out.
        """
        self._silence = bytes([codec.silence])
        self._ring = bytearray(self._silence * SIZE)
        self._delay = DELAY
        # Time stamp of the sample that is read next.
        self._at: int | None = None
        # Samples from there to the end of what has come.
        self._newest = 0
        self._lateNow = 0
        self._least = SIZE
        self._turns = 0
        self.late = 0
        self.restarts = 0

    def put(self, timestamp: int, payload: bytes) -> None:
        """
        A packet has come.

        @param payload: bytes of the codec.
        """
        length = len(payload)
        if length > SIZE // 2:
            return
        if self._at is None:
            self._begin(timestamp)
        assert self._at is not None
        offset = (timestamp - self._at + 0x80000000 & 0xFFFFFFFF) - 0x80000000
        if offset < 0:
            self.late += 1
            self._lateNow += 1
            if self._lateNow < PATIENCE:
                return
            self._delay = min(LONGEST, self._delay + SAMPLES)
            self._restart(timestamp)
            offset = self._delay
        elif offset + length > SIZE:
            self._restart(timestamp)
            offset = self._delay
        self._lateNow = 0
        start = timestamp & _MASK
        end = start + length
        if end <= SIZE:
            self._ring[start:end] = payload
        else:
            first = SIZE - start
            self._ring[start:] = payload[:first]
            self._ring[: length - first] = payload[first:]
        if offset + length > self._newest:
            self._newest = offset + length

    def _begin(self, timestamp: int) -> None:
        self._at = timestamp - self._delay & 0xFFFFFFFF
        self._newest = 0
        self._least, self._turns = SIZE, 0

    def _restart(self, timestamp: int) -> None:
        self.restarts += 1
        self._ring[:] = self._silence * SIZE
        self._lateNow = 0
        self._begin(timestamp)

    def get(self) -> bytes | None:
        """
        The next frame.

        @return: L{None}: nothing has come of it.
        """
        if self._at is None:
            return None
        if self._newest <= 0:
            # Time goes on without packets, too.
            self._at = self._at + SAMPLES & 0xFFFFFFFF
            return None
        self._turns += 1
        self._least = min(self._least, self._newest)
        if self._turns == WINDOW:
            if self._least > self._delay + 2 * SAMPLES:
                self._take()
            self._least, self._turns = SIZE, 0
        return self._take()

    def _take(self) -> bytes:
        assert self._at is not None
        start = self._at & _MASK
        end = start + SAMPLES
        if end <= SIZE:
            frame = bytes(self._ring[start:end])
            self._ring[start:end] = self._silence * SAMPLES
        else:
            first = SIZE - start
            frame = bytes(self._ring[start:] + self._ring[: SAMPLES - first])
            self._ring[start:] = self._silence * first
            self._ring[: SAMPLES - first] = self._silence * (SAMPLES - first)
        self._at = self._at + SAMPLES & 0xFFFFFFFF
        self._newest -= SAMPLES
        return frame

    def skip(self, frames: int) -> None:
        """
        Leave some out.
        """
        if frames > SIZE // SAMPLES:
            self.reset()
        else:
            for _ in range(frames):
                self.get()

    def reset(self) -> None:
        """
        Somebody else sends from now on.
        """
        self._at = None
        self._newest = 0
        self._delay = DELAY
        self._lateNow = 0
        self._ring[:] = self._silence * SIZE
