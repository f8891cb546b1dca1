"""
One audio stream with one far end.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from twisted.logger import Logger
from zope.interface import implementer

from sipcluster.media.audio import Silence, linear
from sipcluster.media.conference import Member
from sipcluster.media.imedia import (
    SAMPLES,
    Codec,
    Ended,
    Heard,
    IAudio,
    IRTPSession,
    MediaError,
    Talk,
)
from sipcluster.media.listening import Listening
from sipcluster.media.player import Player
from sipcluster.media.rtp_stream import RTPStream
from sipcluster.media.telephone_events import checked
from sipcluster.media.tones import digit as digitTone

if TYPE_CHECKING:
    from sipcluster.media.engine import MediaEngine

log = Logger()

#: A frame of silence.
SILENCE = {codec: bytes([codec.silence]) * SAMPLES for codec in Codec}


@implementer(IRTPSession)
class RTPSession(RTPStream):
    """
    See L{IRTPSession}.

    @ivar open: it was not stopped.
    """

    __slots__ = (
        "_collecting",
        "_listening",
        "_member",
        "_player",
        "_said",
        "_tones",
        "open",
    )

    def __init__(self, engine: MediaEngine, name: str) -> None:
        """
        @raise Full: there are no ports.
        """
        super().__init__(engine, name)
        self.open = True
        self._player: Player | None = None
        # Digits for far ends that take no events.
        self._tones: Player | None = None
        self._collecting: Callable[[str], None] | None = None
        self._listening = Listening(name, engine.arithmetic)
        self._member: Member | None = None
        # What the far end says in this frame.
        self._said: bytes | None = None

    def changed(self) -> None:
        """
        See L{RTPStream}.
        """
        if self.local.events is None:
            self.sender.events.clear()
        self._listen()

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
            tones: list[IAudio] = []
            for key in digits:
                tones += [linear(digitTone(key, each)), Silence(pause)]
            self._tones = Player(tones, None)

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
        self._check()
        mine = self._member
        if mine is None or mine.conference.name != conference:
            joined = self._engine.conference(conference).join(self)
            self.leave()
            self._member = mine = joined
        mine.name, mine.talk = member, talk
        mine.coached, mine.deaf = coached, deaf
        self._listen()

    def leave(self) -> None:
        """
        See L{IRTPSession}.
        """
        member, self._member = self._member, None
        if member is not None:
            self._engine.left(member)
            self._listen()

    # Listening.

    def collect(self, digit: Callable[[str], None] | None) -> None:
        """
        See L{IRTPSession}.
        """
        self._collecting = digit
        self._listen()

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
        self._check()
        listening = self._listening
        listening.record(path, self.receiver.codec, done, longest, silence, both)
        self._listen()

    def endRecording(self) -> None:
        """
        See L{IRTPSession}.
        """
        self._listening.endRecording(Ended.STOPPED)
        self._listen()

    def detect(self, heard: Callable[[Heard], None] | None) -> None:
        """
        See L{IRTPSession}.
        """
        self._listening.detect(heard)
        self._listen()

    def _listen(self) -> None:
        """
        Have audio of the far end exactly when somebody wants it.
        """
        agreed = self._agreed
        self._listening.tones(
            self._collecting is not None
            and agreed is not None
            and agreed.events is None
        )
        wanted = self._member is not None or self._listening.busy
        if wanted is not self.receiver.buffering:
            self.receiver.listen(wanted)
            self._said = None

    def _check(self) -> None:
        if not self.open:
            raise MediaError("the session is over")

    def digit(self, digit: str) -> None:
        """
        The far end has sent a digit.
        """
        if self._collecting is not None:
            with log.failuresHandled("Digit for {name}", name=self.name):
                self._collecting(digit)

    # The engine's clock.

    def gather(self) -> None:
        """
        Take what the far end says in this frame.
        """
        receiver, agreed = self.receiver, self._agreed
        if agreed is None or not receiver.buffering:
            return
        codec = receiver.codec
        said = receiver.frame()
        if said == SILENCE[codec]:
            said = None
        self._said = said
        member = self._member
        if member is not None:
            member.said = said
            member.codec = member.wanted = codec
            member.listening = self._player is None and agreed.sending

    def emit(self) -> None:
        """
        Send what there is to be heard in this frame.
        """
        agreed = self._agreed
        if agreed is None:
            return
        codec, kind = agreed.codecs[0]
        player, member = self._player, self._member
        frame = None
        if player is not None:
            # It goes on while nobody listens, as the others of a conference do.
            frame = player.frame(codec)
        elif member is not None:
            frame = member.hears
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
            sender.frame(frame or SILENCE[codec], kind, agreed.frame)
        if self._control.due():
            self._report()
        if self._listening.busy:
            self._heard(codec, frame if agreed.sending else None)
        if player is not None and player.over is not None and self._player is player:
            self._player = None
            self._ended(player, player.over)

    def _heard(self, codec: Codec, sent: bytes | None) -> None:
        listening = self._listening
        digits, found = listening.frame(self._said, codec, sent)
        for digit in digits:
            self.digit(digit)
        if found is not None:
            listening.tell(found)
        if not listening.busy:
            self._listen()

    def leaveOut(self, frames: int) -> None:
        """
        The engine was late: these frames are neither sent nor heard.
        """
        self.sender.skip(frames)
        self.receiver.skip(frames)

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
        self.leave()
        self._report(bye=True)
        self._ports.close()
        self.sender.stop()
        self.hush()
        self._listening.stop()
        self.receiver.listen(False)

    def status(self) -> Mapping[str, object]:
        """
        See L{IRTPSession}.
        """
        return {
            **super().status(),
            "playing": self._player is not None,
            "recording": self._listening.recording,
            "conference": "" if self._member is None else self._member.conference.name,
        }
