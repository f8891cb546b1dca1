"""
One audio stream with one far end.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from twisted.logger import Logger
from zope.interface import implementer

from sipcluster.media.audio import linear
from sipcluster.media.imedia import (
    Codec,
    Ended,
    Heard,
    IAudio,
    IRTPSession,
    LocalMedia,
    MediaError,
    Talk,
)
from sipcluster.media.negotiation import EVENTS, Agreed, Ours, understand
from sipcluster.media.player import Player
from sipcluster.media.receiver import Receiver
from sipcluster.media.sender import Sender
from sipcluster.media.telephone_events import checked
from sipcluster.media.tones import digit as digitTone

if TYPE_CHECKING:
    from sipcluster.media.engine import MediaEngine

log = Logger()


@implementer(IRTPSession)
class RTPSession:
    """
    See L{IRTPSession}.

    @ivar name: for logs.
    @ivar open: it was not stopped.
    """

    __slots__ = (
        "_agreed",
        "_collecting",
        "_engine",
        "_ours",
        "_player",
        "_ports",
        "_tones",
        "answered",
        "name",
        "open",
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
        self.open = True
        self._agreed: Agreed | None = None
        self._player: Player | None = None
        # Digits for far ends that take no events.
        self._tones: Player | None = None
        self._collecting: Callable[[str], None] | None = None

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
        self._agreed = agreed
        self.receiver.agreed(agreed)

    # Playing.

    def play(
        self,
        audio: Sequence[IAudio],
        done: Callable[[Ended], None] | None = None,
        repeat: int = 1,
        pause: float = 0.0,
        longest: float | None = None,
    ) -> None:
        """
        See L{IRTPSession}.
        """
        self._check()
        before, self._player = (
            self._player,
            Player(audio, done, repeat, pause, longest),
        )
        self._ended(before, Ended.STOPPED)

    def hush(self) -> None:
        """
        See L{IRTPSession}.
        """
        before, self._player = self._player, None
        self._ended(before, Ended.STOPPED)

    def _ended(self, player: Player | None, why: Ended) -> None:
        if player is not None and player.done is not None:
            done, player.done = player.done, None
            with log.failuresHandled("Played for {name}", name=self.name):
                done(why)

    def dial(self, digits: str, each: float = 0.1, pause: float = 0.1) -> None:
        """
        See L{IRTPSession}.
        """
        self._check()
        checked(digits)
        if self.local.events is not None:
            self.sender.events.add(digits, each, pause)
        elif self._tones is not None:
            raise MediaError("digits are being sent")
        else:
            tones = [linear(digitTone(key, each)) for key in digits]
            self._tones = Player(tones, None, pause=pause)

    # Conferences.

    def join(
        self,
        conference: str,
        member: str = "",
        talk: Talk = Talk.ALL,
        coached: str = "",
        deaf: bool = False,
    ) -> None:
        """
        See L{IRTPSession}.
        """
        raise MediaError("there are no conferences yet")

    def leave(self) -> None:
        """
        See L{IRTPSession}.
        """

    # Listening.

    def collect(self, digit: Callable[[str], None] | None) -> None:
        """
        See L{IRTPSession}.
        """
        self._collecting = digit

    def record(
        self,
        path: Path,
        done: Callable[[Ended, float], None] | None = None,
        longest: float = 3600.0,
        silence: float | None = None,
        both: bool = False,
    ) -> None:
        """
        See L{IRTPSession}.
        """
        raise MediaError("there are no recordings yet")

    def endRecording(self) -> None:
        """
        See L{IRTPSession}.
        """

    def detect(self, heard: Callable[[Heard], None] | None) -> None:
        """
        See L{IRTPSession}.
        """

    def _check(self) -> None:
        if not self.open:
            raise MediaError("the session is over")

    # Packets.

    def _received(self, data: bytes, origin: tuple[str, int]) -> None:
        digits = self.receiver.received(data, origin, self._engine.clock.seconds())
        for digit in digits:
            self.digit(digit)

    def digit(self, digit: str) -> None:
        """
        The far end has sent a digit.
        """
        if self._collecting is not None:
            with log.failuresHandled("Digit for {name}", name=self.name):
                self._collecting(digit)

    def _controlReceived(self, data: bytes, origin: tuple[str, int]) -> None:
        pass

    def _send(self, packet: bytes) -> None:
        agreed = self._agreed
        if agreed is not None:
            host, port = self.receiver.peer or (agreed.host, agreed.port)
            self._ports.rtp.send(packet, host, port)

    # The engine's clock.

    def emit(self) -> None:
        """
        Send what there is to be heard in this frame.
        """
        agreed = self._agreed
        if agreed is None:
            return
        codec, kind = agreed.codecs[0]
        player = self._player
        frame = None
        if player is not None:
            # It goes on while nobody listens, as the others of a conference do.
            frame = player.frame(codec)
        if self._tones is not None:
            frame = self._tones.frame(codec)
            if self._tones.over is not None:
                self._tones = None
        sender = self.sender
        if not agreed.sending:
            sender.skip()
        elif sender.events and agreed.events is not None:
            sender.event(agreed.events)
        else:
            if frame is None:
                frame = SILENCE[codec]
            sender.frame(frame, kind, agreed.frame)
        if player is not None and player.over is not None and self._player is player:
            self._player = None
            self._ended(player, player.over)

    def stop(self) -> None:
        """
        See L{IRTPSession}.
        """
        if not self.open:
            return
        self.open = False
        self._collecting = None
        self._tones = None
        self._engine.ended(self)
        self._ports.close()
        self.hush()

    def status(self) -> Mapping[str, object]:
        """
        See L{IRTPSession}.
        """
        receiver = self.receiver
        reception = receiver.reception
        return {
            "name": self.name,
            "sent": self.sender.packets,
            "received": 0 if reception is None else reception.received,
            "lost": 0 if reception is None else reception.lost,
            "jitter": 0.0 if reception is None else reception.jitter / 16 / 8000,
            "bad": receiver.bad,
            "foreign": receiver.foreign,
            "unknown": receiver.unknown,
            "late": 0 if receiver.buffer is None else receiver.buffer.late,
            "playing": self._player is not None,
        }


#: A frame of silence.
SILENCE = {codec: bytes([codec.silence]) * 160 for codec in Codec}
