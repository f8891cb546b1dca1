"""
What is counted of a stream that comes in (RFC 3550 sections 6.4 and A).
"""

from __future__ import annotations

from sipcluster.media.imedia import RATE

#: Steps of sequence numbers that are no restart of the sender (section A.1).
_DROPOUT = 3000
_MISORDER = 100


class Reception:
    """
    One source.

    @ivar source: its SSRC.
    @ivar jitter: in samples, times 16.
    """

    __slots__ = (
        "_bad",
        "_base",
        "_cycles",
        "_expectedBefore",
        "_highest",
        "_receivedBefore",
        "_transit",
        "jitter",
        "received",
        "source",
    )

    def __init__(self, source: int, sequence: int) -> None:
        self.source = source
        self.jitter = 0
        self._transit: int | None = None
        self._begin(sequence)

    def _begin(self, sequence: int) -> None:
        self._base = self._highest = sequence
        self._cycles = 0
        self._bad = -1
        self.received = 0
        self._expectedBefore = self._receivedBefore = 0

    def packet(self, sequence: int, timestamp: int, now: float) -> None:
        """
        A packet came.

        @param now: seconds of the clock.
        """
        step = sequence - self._highest & 0xFFFF
        if step < _DROPOUT:
            if sequence < self._highest:
                self._cycles += 0x10000
            self._highest = sequence
            self._bad = -1
        elif step <= 0x10000 - _MISORDER:
            # Twice in a row: the sender has begun again.
            if sequence != self._bad:
                self._bad = sequence + 1 & 0xFFFF
                return
            self._begin(sequence)
            self._transit = None
        self.received += 1
        transit = int(now * RATE) - timestamp & 0xFFFFFFFF
        if self._transit is not None:
            # In the ring of 32 bits.
            difference = abs((transit - self._transit + 2**31 & 0xFFFFFFFF) - 2**31)
            if difference < RATE:
                self.jitter += difference - (self.jitter + 8 >> 4)
        self._transit = transit

    @property
    def highest(self) -> int:
        """
        Extended highest sequence number.
        """
        return self._cycles + self._highest

    @property
    def expected(self) -> int:
        """
        Packets that were sent since the first one that came.
        """
        return self.highest - self._base + 1

    @property
    def lost(self) -> int:
        """
        Those of them that did not come; less than 0 where some came twice.
        """
        return self.expected - self.received

    def fraction(self) -> int:
        """
        256ths that were lost since this was asked last.
        """
        expected = self.expected - self._expectedBefore
        received = self.received - self._receivedBefore
        self._expectedBefore, self._receivedBefore = self.expected, self.received
        lost = expected - received
        if expected <= 0 or lost <= 0:
            return 0
        return min(255, 256 * lost // expected)
