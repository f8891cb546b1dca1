"""
A media engine without media: it writes down what it is asked, and does what a test
says.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from attrs import define, field, frozen
from zope.interface import implementer

from sipcluster.media.imedia import (
    Codec,
    Ended,
    Full,
    Heard,
    IAudio,
    IAudioLibrary,
    IMediaEngine,
    IRTPSession,
    LocalMedia,
    MediaError,
    NoSuchAudio,
    NotAcceptable,
    Talk,
)

#: What it answers and offers; a number of its own for each.
DESCRIPTION = (
    b"v=0\r\no=media 1 %d IN IP4 192.0.2.31\r\ns=-\r\nc=IN IP4 192.0.2.31\r\n"
    b"t=0 0\r\nm=audio %d RTP/AVP 0\r\na=%b\r\n"
)

_ANSWER_TO = {
    b"sendonly": b"recvonly",
    b"recvonly": b"sendonly",
    b"inactive": b"inactive",
}


@implementer(IAudio)
@frozen
class FakeAudio:
    """
    Something with a name.
    """

    uri: str
    length: int = 8000
    endless: bool = False

    def piece(self, codec: Codec, start: int, most: int) -> bytes:
        """
        See L{IAudio}.
        """
        return b"\xff" * min(most, self.length - start)


@implementer(IAudioLibrary)
@define
class FakeLibrary:
    """
    Has all there may be, but for what is missing.
    """

    missing: set[str] = field(factory=set)

    def find(self, uri: str) -> IAudio:
        """
        See L{IAudioLibrary}.
        """
        if uri in self.missing or ".." in uri or uri.startswith("http"):
            raise NoSuchAudio(f"no {uri}")
        return FakeAudio(uri, endless=uri.startswith("tone:"))


@implementer(IRTPSession)
@define(eq=False)
class FakeSession:
    """
    One session.

    @ivar playing: what is played: URIs, how often.
    @ivar conference: of which it is a member: id, name, talk, coached, deaf.
    @ivar recording: where what it hears is written.
    @ivar played: all that was played, in order.
    """

    number: int
    engine: FakeEngine = field(repr=False)
    version: int = 0
    answered: bytes = b""
    offers: list[bytes] = field(factory=list)
    answers: list[bytes] = field(factory=list)
    playing: tuple[tuple[str, ...], int] | None = None
    played: list[tuple[str, ...]] = field(factory=list)
    conference: tuple[str, str, Talk, str, bool] | None = None
    recording: Path | None = None
    stopped: bool = False
    _done: Callable[[Ended], None] | None = field(default=None, repr=False)
    _recorded: Callable[[Ended, float], None] | None = field(default=None, repr=False)
    _digit: Callable[[str], None] | None = field(default=None, repr=False)
    _heard: Callable[[Heard], None] | None = field(default=None, repr=False)

    @property
    def local(self) -> LocalMedia:
        """
        See L{IRTPSession}.
        """
        return LocalMedia("192.0.2.31", 20000 + 2 * self.number, (Codec.PCMU,), 101)

    def _describe(self, direction: bytes) -> bytes:
        self.version += 1
        return DESCRIPTION % (self.version, self.local.port, direction)

    def offer(self) -> bytes:
        """
        See L{IRTPSession}.
        """
        return self._describe(b"sendrecv")

    def answer(self, offer: bytes) -> bytes:
        """
        See L{IRTPSession}.
        """
        if b"m=audio" not in offer:
            raise NotAcceptable("no audio")
        self.offers.append(offer)
        direction = b"sendrecv"
        for theirs, ours in _ANSWER_TO.items():
            if b"a=" + theirs in offer:
                direction = ours
        self.answered = self._describe(direction)
        return self.answered

    def accepted(self, answer: bytes) -> None:
        """
        See L{IRTPSession}.
        """
        if b"m=audio" not in answer:
            raise NotAcceptable("no audio")
        self.answers.append(answer)

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
        self.hush()
        uris = tuple(getattr(one, "uri", "") for one in audio)
        self.playing, self._done = (uris, repeat), done
        self.played.append(uris)

    def hush(self) -> None:
        """
        See L{IRTPSession}.
        """
        self.finish(Ended.STOPPED)

    def dial(self, digits: str, each: float = 0.1, pause: float = 0.1) -> None:
        """
        See L{IRTPSession}.
        """

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
        others = [
            one
            for one in self.engine.live
            if one is not self and one.conference and one.conference[0] == conference
        ]
        if len(others) >= self.engine.members:
            raise Full("the conference is full")
        self.conference = (conference, member, talk, coached, deaf)

    def leave(self) -> None:
        """
        See L{IRTPSession}.
        """
        self.conference = None

    def collect(self, digit: Callable[[str], None] | None) -> None:
        """
        See L{IRTPSession}.
        """
        self._digit = digit

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
        if self.engine.diskFull:
            raise MediaError("no space left")
        self.endRecording()
        self.recording, self._recorded = path, done

    def endRecording(self) -> None:
        """
        See L{IRTPSession}.
        """
        self.written(Ended.STOPPED, 1.5)

    def detect(self, heard: Callable[[Heard], None] | None) -> None:
        """
        See L{IRTPSession}.
        """
        self._heard = heard

    def stop(self) -> None:
        """
        See L{IRTPSession}.
        """
        if not self.stopped:
            self.stopped = True
            self.hush()
            self.endRecording()

    def status(self) -> Mapping[str, object]:
        """
        See L{IRTPSession}.
        """
        return {}

    # What a test lets happen

    def finish(self, ended: Ended = Ended.DONE) -> None:
        """
        What is played is over.
        """
        done, self._done, self.playing = self._done, None, None
        if done is not None:
            done(ended)

    def written(self, ended: Ended, seconds: float) -> None:
        """
        What is recorded is over.
        """
        recorded, self._recorded, self.recording = self._recorded, None, None
        if recorded is not None:
            recorded(ended, seconds)

    def types(self, digits: str) -> None:
        """
        The far end sends digits.
        """
        for digit in digits:
            if self._digit is not None:
                self._digit(digit)

    def hears(self, heard: Heard) -> None:
        """
        It is known who has answered.
        """
        tell, self._heard = self._heard, None
        if tell is not None:
            tell(heard)


@implementer(IMediaEngine)
@define(eq=False)
class FakeEngine:
    """
    See L{IMediaEngine}.

    @ivar most: sessions at one time.
    @ivar members: of one conference, besides one.
    """

    library: FakeLibrary = field(factory=FakeLibrary)
    sessions: list[FakeSession] = field(factory=list)
    most: int = 100
    members: int = 31
    diskFull: bool = False

    @property
    def live(self) -> list[FakeSession]:
        """
        Those that are not over.
        """
        return [one for one in self.sessions if not one.stopped]

    def session(self, offer: bytes | None = None) -> FakeSession:
        """
        See L{IMediaEngine}.
        """
        if len(self.live) >= self.most:
            raise Full("no more sessions")
        made = FakeSession(len(self.sessions) + 1, self)
        if offer is not None:
            made.answer(offer)
        self.sessions.append(made)
        return made

    def status(self) -> Mapping[str, object]:
        """
        See L{IMediaEngine}.
        """
        return {"sessions": len(self.live)}

    def stop(self) -> None:
        """
        See L{IMediaEngine}.
        """
        for one in self.live:
            one.stop()
