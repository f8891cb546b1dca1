"""
The receiving side of a session: who sends, what is lost, digits and audio.
"""

from __future__ import annotations

from sipcluster.media.g711 import converted
from sipcluster.media.imedia import Codec
from sipcluster.media.jitter import JitterBuffer
from sipcluster.media.negotiation import Agreed
from sipcluster.media.packets import parse
from sipcluster.media.statistics import Reception
from sipcluster.media.telephone_events import EventReceiver

#: Seconds without a packet after which somebody else may be the far end.
PATIENCE = 3.0


class Receiver:
    """
    Takes datagrams.

    The far end is where the session description says, or, when that is behind a
    translator of addresses, where the first packet came from (symmetric RTP,
    RFC 4961); what others send is dropped.

    @ivar peer: where the far end's packets come from; L{None}: none has come.
    @ivar buffering: audio is wanted; else it is only counted.
    @ivar heard: clock time of its last packet.
    """

    __slots__ = (
        "_agreed",
        "_codecs",
        "_events",
        "bad",
        "buffer",
        "buffering",
        "codec",
        "foreign",
        "heard",
        "peer",
        "reception",
        "unknown",
    )

    def __init__(self) -> None:
        self._agreed: Agreed | None = None
        self._codecs: dict[int, Codec] = {}
        self._events = EventReceiver()
        self.peer: tuple[str, int] | None = None
        self.reception: Reception | None = None
        self.codec = Codec.PCMU
        self.buffer: JitterBuffer | None = None
        self.buffering = False
        self.heard = 0.0
        self.bad = 0
        self.foreign = 0
        self.unknown = 0

    def agreed(self, agreed: Agreed) -> None:
        """
        The description of the far end is another one.
        """
        before = self._agreed
        self._agreed = agreed
        self._codecs = {number: codec for codec, number in agreed.codecs}
        if before is None or (before.host, before.port) != (agreed.host, agreed.port):
            self.peer = None
        codec = agreed.codecs[0][0]
        if codec is not self.codec:
            self.codec = codec
            self.buffer = None
        if self.buffering:
            self.listen(True)

    def listen(self, wanted: bool) -> None:
        """
        Audio is wanted from now on, or not any more.
        """
        self.buffering = wanted
        if not wanted:
            self.buffer = None
        elif self.buffer is None:
            self.buffer = JitterBuffer(self.codec)

    def received(self, data: bytes, origin: tuple[str, int], now: float) -> str:
        """
        A datagram came.

        @return: digits that begin with it; most often none.
        """
        packet = parse(data)
        agreed = self._agreed
        if packet is None:
            self.bad += 1
            return ""
        if agreed is None or not (origin == self.peer or self._isPeer(origin, now)):
            self.foreign += 1
            return ""
        self.heard = now
        kind = packet.kind
        codec = self._codecs.get(kind)
        if codec is None and kind != agreed.events:
            # Comfort noise (RFC 3389) among others.
            self.unknown += 1
            return ""
        reception = self.reception
        if reception is None or reception.source != packet.source:
            reception = self.reception = Reception(packet.source, packet.sequence)
            if self.buffer is not None:
                self.buffer.reset()
        reception.packet(packet.sequence, packet.timestamp, now)
        if codec is None:
            return self._events.received(
                packet.payload, packet.timestamp, packet.source
            )
        if self.buffer is not None and agreed.receiving:
            self.buffer.put(
                packet.timestamp, converted(packet.payload, codec, self.codec)
            )
        return ""

    def _isPeer(self, origin: tuple[str, int], now: float) -> bool:
        assert self._agreed is not None
        described = (self._agreed.host, self._agreed.port)
        if (
            self.peer is None
            or origin == described
            or (self.peer != described and now - self.heard > PATIENCE)
            or now - self.heard > 2 * PATIENCE
        ):
            self.peer = origin
            return True
        return False

    def frame(self) -> bytes | None:
        """
        The next frame that the far end has said, in L{codec}.

        @return: L{None}: nothing.
        """
        return None if self.buffer is None else self.buffer.get()

    def skip(self, frames: int) -> None:
        """
        These are not asked for any more.
        """
        if self.buffer is not None:
            self.buffer.skip(frames)
