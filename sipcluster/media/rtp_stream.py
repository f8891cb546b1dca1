"""
The packets of one session: what both ends can, RTP and RTCP.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from sipcluster.media.control import Control
from sipcluster.media.imedia import RATE, Codec, LocalMedia
from sipcluster.media.negotiation import EVENTS, Agreed, Ours, understand
from sipcluster.media.receiver import Receiver
from sipcluster.media.sender import Sender

if TYPE_CHECKING:
    from sipcluster.media.engine import MediaEngine


class RTPStream:
    """
    What a session is without knowing what is played or heard.

    @ivar name: for logs.
    @ivar answered: see L{sipcluster.media.imedia.IRTPSession}.
    """

    __slots__ = (
        "_agreed",
        "_control",
        "_controlPeer",
        "_engine",
        "_ours",
        "_ports",
        "answered",
        "name",
        "receiver",
        "sender",
    )

    def __init__(self, engine: MediaEngine, name: str) -> None:
        """
        @raise Full: there are no ports.
        """
        self._engine = engine
        self.name = name
        self._ports = engine.ports.take(self._received, self._controlReceived)
        number = engine.random
        self._ours = Ours(
            engine.address,
            self._ports.rtp.port,
            self._ports.rtcp.port,
            number(4) & 0x7FFFFFFF,
            0,
        )
        self.receiver = Receiver()
        self.sender = Sender(self._send, number(4), number(2), number(4))
        self.answered = b""
        self._agreed: Agreed | None = None
        self._control = Control(number, engine.wallTime)
        self._controlPeer: tuple[str, int] | None = None

    # What both ends can.

    @property
    def local(self) -> LocalMedia:
        """
        See L{IRTPSession}.
        """
        agreed = self._agreed
        if agreed is None:
            return LocalMedia(self._ours.host, self._ours.port, tuple(Codec), EVENTS)
        return LocalMedia(
            self._ours.host,
            self._ours.port,
            tuple(codec for codec, _ in agreed.codecs),
            agreed.events,
        )

    def _describe(self) -> Ours:
        ours = self._ours
        self._ours = Ours(
            ours.host, ours.port, ours.control, ours.session, ours.version + 1
        )
        return self._ours

    def offer(self) -> bytes:
        """
        See L{IRTPSession}.
        """
        return self._describe().offer(self._agreed)

    def answer(self, offer: bytes) -> bytes:
        """
        See L{IRTPSession}.
        """
        description = understand(offer)
        self._agree(description.agreed)
        self.answered = self._describe().answer(description)
        return self.answered

    def accepted(self, answer: bytes) -> None:
        """
        See L{IRTPSession}.
        """
        self._agree(understand(answer).agreed)

    def _agree(self, agreed: Agreed) -> None:
        before, self._agreed = self._agreed, agreed
        if before is None or before.control != agreed.control:
            self._controlPeer = None
        self.receiver.agreed(agreed)
        self.changed()

    def changed(self) -> None:
        """
        What both ends do is another thing now; for those who build on this.
        """

    # Packets.

    def _received(self, data: bytes, origin: tuple[str, int]) -> None:
        agreed = self._agreed
        multiplexed = agreed is not None and agreed.multiplexed
        if multiplexed and len(data) > 1 and 192 <= data[1] <= 223:
            self._controlReceived(data, origin)
            return
        digits = self.receiver.received(data, origin, self._engine.clock.seconds())
        for digit in digits:
            self.digit(digit)

    def digit(self, digit: str) -> None:
        """
        The far end has sent a digit; for those who build on this.
        """

    def _controlReceived(self, data: bytes, origin: tuple[str, int]) -> None:
        agreed, peer = self._agreed, self.receiver.peer
        if agreed is None or not (
            origin[0] == agreed.host or (peer is not None and origin[0] == peer[0])
        ):
            self.receiver.foreign += 1
        elif self._control.received(data, self.sender.source) is None:
            self.receiver.bad += 1
        else:
            self._controlPeer = origin

    def _report(self, bye: bool = False) -> None:
        agreed = self._agreed
        if agreed is None:
            return
        packet = self._control.report(self.sender, self.receiver.reception, bye)
        if agreed.multiplexed:
            self._send(packet)
            return
        host, port = self._controlPeer or agreed.control
        if host and port:
            self._ports.rtcp.send(packet, host, port)

    def _send(self, packet: bytes) -> None:
        agreed = self._agreed
        if agreed is not None:
            host, port = self.receiver.peer or (agreed.host, agreed.port)
            if host:
                self._ports.rtp.send(packet, host, port)

    def status(self) -> Mapping[str, object]:
        """
        See L{sipcluster.media.imedia.IRTPSession}.
        """
        receiver, far = self.receiver, self._control.far
        reception = receiver.reception
        return {
            "name": self.name,
            "sent": self.sender.packets,
            "received": 0 if reception is None else reception.received,
            "lost": 0 if reception is None else reception.lost,
            "jitter": 0.0 if reception is None else reception.jitter / 16 / RATE,
            "bad": receiver.bad,
            "foreign": receiver.foreign,
            "unknown": receiver.unknown,
            "late": 0 if receiver.buffer is None else receiver.buffer.late,
            "roundTrip": self._control.roundTrip,
            "farLost": 0 if far is None else far.lost,
            "farJitter": 0.0 if far is None else far.jitter / RATE,
            "gone": self._control.gone,
            # Seconds since a packet came; None: none has.
            "quiet": None
            if reception is None
            else self._engine.clock.seconds() - receiver.heard,
        }
