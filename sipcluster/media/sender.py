"""
The sending side of a session.
"""

from __future__ import annotations

from collections.abc import Callable

from sipcluster.media.imedia import SAMPLES
from sipcluster.media.packets import render
from sipcluster.media.telephone_events import EventSender


class Sender:
    """
    Makes packets of frames.

    Time stamps go on whether something is sent or not, since they are time.

    @ivar source: our SSRC.
    @ivar timestamp: that of the next frame.
    """

    __slots__ = (
        "_bytes",
        "_fresh",
        "_send",
        "_since",
        "_waiting",
        "events",
        "octets",
        "packets",
        "sequence",
        "source",
        "timestamp",
    )

    def __init__(
        self,
        send: Callable[[bytes], None],
        source: int,
        sequence: int,
        timestamp: int,
    ) -> None:
        """
        @param send: takes each packet.
        """
        self._send = send
        self.source = source
        self.sequence = sequence
        self.timestamp = timestamp
        self.events = EventSender()
        self.packets = 0
        self.octets = 0
        # What is less than a packet yet, and the time stamp of its beginning.
        self._waiting = b""
        self._since = 0
        # The next packet begins a spurt.
        self._fresh = True

    def frame(self, payload: bytes, kind: int, length: int = SAMPLES) -> None:
        """
        Send one frame.

        @param kind: payload type.
        @param length: bytes of a packet.
        """
        if length == SAMPLES and not self._waiting:
            self._packet(kind, self.timestamp, payload)
        else:
            if not self._waiting:
                self._since = self.timestamp
            data, start = self._waiting + payload, 0
            while len(data) - start >= length:
                self._packet(kind, self._since, data[start : start + length])
                start += length
                self._since += length
            self._waiting = data[start:]
        self.timestamp = self.timestamp + SAMPLES & 0xFFFFFFFF

    def _packet(self, kind: int, timestamp: int, payload: bytes) -> None:
        self._send(
            render(kind, self.sequence, timestamp, self.source, payload, self._fresh)
        )
        self._fresh = False
        self.sequence = self.sequence + 1 & 0xFFFF
        self.packets += 1
        self.octets += len(payload)

    def event(self, kind: int) -> None:
        """
        Send the next packet of an event, instead of a frame.

        @param kind: payload type of events.
        """
        self._waiting = b""
        self._fresh = True
        part = self.events.frame()
        if part is not None:
            self._send(
                render(
                    kind,
                    self.sequence,
                    self.timestamp - part.ago,
                    self.source,
                    part.payload,
                    part.marker,
                )
            )
            self.sequence = self.sequence + 1 & 0xFFFF
            self.packets += 1
            self.octets += len(part.payload)
        self.timestamp = self.timestamp + SAMPLES & 0xFFFFFFFF

    def stop(self) -> None:
        """
        Send nothing more, and hold nobody.
        """
        self._send = _nowhere
        self.events.clear()

    def skip(self, frames: int = 1) -> None:
        """
        Say nothing for a while.
        """
        self._waiting = b""
        self._fresh = True
        self.timestamp = self.timestamp + frames * SAMPLES & 0xFFFFFFFF


def _nowhere(packet: bytes) -> None:
    """
    The way of packets when all is over.
    """
