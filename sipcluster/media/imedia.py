"""
The seams of the media engine: what it needs of its host, and what whoever controls it
asks of it.

Nothing here is SIP.  A session is one audio stream with one far end; it plays, joins a
conference, records and hears digits, all at the same time if need be.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from attrs import frozen
from zope.interface import Attribute, Interface

from sipcluster.sip.imedia import IMediaPort

#: Samples a second of all audio here.
RATE = 8000

#: Seconds of one frame; what is sent and mixed at one time.
FRAME = 0.02

#: Samples of one frame.
SAMPLES = 160

#: Takes a datagram and where it came from.
Received = Callable[[bytes, tuple[str, int]], None]


class MediaError(Exception):
    """
    What was asked cannot be done; nothing has changed.
    """


class NotAcceptable(MediaError):
    """
    A session description has nothing in common with us, or cannot be read.
    """


class NoSuchAudio(MediaError):
    """
    There is nothing of that name to play, or it cannot be played.
    """


class Full(MediaError):
    """
    No more sessions, ports or members.
    """


class Codec(enum.Enum):
    """
    How audio is written (ITU-T G.711); the value is the static payload type.
    """

    PCMU = 0
    PCMA = 8

    @property
    def silence(self) -> int:
        """
        The byte that says nothing.
        """
        return 0xFF if self is Codec.PCMU else 0xD5


class Talk(enum.Enum):
    """
    Who hears a member of a conference.

    C{COACH}: one other member only.
    """

    ALL = "all"
    NOBODY = "nobody"
    COACH = "coach"


class Ended(enum.Enum):
    """
    Why something that was playing or recording is over.

    C{DONE}: it came to its end.  C{LIMIT}: its longest time is over.  C{SILENCE}: the
    far end has said nothing for as long as was asked.  C{STOPPED}: somebody asked.
    C{FAILED}: it could not go on, as when a disk is full.
    """

    DONE = "done"
    LIMIT = "limit"
    SILENCE = "silence"
    STOPPED = "stopped"
    FAILED = "failed"


class Heard(enum.Enum):
    """
    What answered.

    C{FAX}: 1100 or 2100 Hz.  C{MACHINE}: somebody who talks without a stop.
    C{HUMAN}: somebody who greets and waits.  C{SILENCE}: nobody says anything.
    """

    FAX = "fax"
    MACHINE = "machine"
    HUMAN = "human"
    SILENCE = "silence"


@frozen
class LocalMedia:
    """
    Our end of a session.

    @ivar codecs: those in use, the one that we send first; before anything is
        agreed on, those that we offer.
    @ivar events: payload type of RFC 4733 events; L{None}: digits are tones.
    """

    address: str
    port: int
    codecs: tuple[Codec, ...]
    events: int | None


class IDatagrams(Interface):
    """
    UDP sockets of one address.
    """

    host: str = Attribute("The address, without brackets.")

    def bind(port: int, received: Received) -> IMediaPort:
        """
        Open one.

        @param port: 0: any that is free.

        @raise OSError: it is in use, or there are no more.
        """


class IAudio(Interface):
    """
    Something that can be played.
    """

    length: int = Attribute("Samples.")

    endless: bool = Attribute("Whether it begins again at its end, as a tone does.")

    def piece(codec: Codec, start: int, most: int) -> bytes:
        """
        Part of it, one byte a sample.

        @param start: the first sample, less than L{length}.
        @param most: how many; fewer, at least one, where that is easier.
        """


class IAudioLibrary(Interface):
    """
    Finds what is to be played.
    """

    def find(uri: str) -> IAudio:
        """
        @param uri: C{file:} with a path below the library's folder, C{tone:} with the
            name of a tone, C{silence:} with seconds or without end; a bare path is a
            file.

        @raise NoSuchAudio: there is no such thing, or it may not be played.
        """


class IRTPSession(Interface):
    """
    One audio stream with one far end.

    Callbacks come from the engine's own clock, never from within the call that
    registers them.
    """

    local: LocalMedia = Attribute("Our end.")

    answered: bytes = Attribute("The last answer that we made; empty: none.")

    def offer() -> bytes:
        """
        A session description that offers all we can.
        """

    def answer(offer: bytes) -> bytes:
        """
        Take an offer, the first or a later one, and answer it.

        @raise NotAcceptable: nothing in it suits; the session goes on as before.
        """

    def accepted(answer: bytes) -> None:
        """
        Take the answer to our offer.

        @raise NotAcceptable: nothing in it suits; the session goes on as before.
        """

    def play(
        audio: Sequence[IAudio],
        done: Callable[[Ended], None] | None = None,
        repeat: int = 1,
        pause: float = 0.0,
        longest: float | None = None,
    ) -> None:
        """
        Play one after another, instead of what was played (whose C{done} is called
        with L{Ended.STOPPED}).  A member of a conference hears it instead of the
        others.

        @param done: called once, at the end.
        @param repeat: how often; 0: without end.
        @param pause: seconds of silence between two times.
        @param longest: seconds of it all.
        """

    def hush() -> None:
        """
        Stop playing, if anything is played; C{done} gets L{Ended.STOPPED}.
        """

    def dial(digits: str, each: float = 0.1, pause: float = 0.1) -> None:
        """
        Send digits to the far end, as events if it takes them and else as tones.

        @raise MediaError: there is something else than digits in them, or too many.
        """

    def join(
        conference: str,
        member: str = "",
        talk: Talk = Talk.ALL,
        coached: str = "",
        deaf: bool = False,
    ) -> None:
        """
        Become a member of a conference, which is made by its first; or, for who is a
        member of it, change how.

        @param member: its own name in it.
        @param coached: the name of the one who hears it when it coaches.
        @param deaf: it hears nobody.

        @raise Full: the conference has all the members that it may have.
        """

    def leave() -> None:
        """
        Leave the conference, if any.
        """

    def collect(digit: Callable[[str], None] | None) -> None:
        """
        @param digit: called with each digit of the far end; L{None}: no more.
        """

    def record(
        path: Path,
        done: Callable[[Ended, float], None] | None = None,
        longest: float = 3600.0,
        silence: float | None = None,
        both: bool = False,
    ) -> None:
        """
        Write what the far end says to a WAV file, which has its name when it is
        whole.  A recording that runs is ended before.

        @param done: called once, at the end, with the seconds that it has.
        @param silence: end after that many seconds in which it says nothing.
        @param both: two channels, the far end in the left one and what it hears in
            the right one.

        @raise MediaError: the file cannot be made.
        """

    def endRecording() -> None:
        """
        End the recording, if any; C{done} gets L{Ended.STOPPED}.
        """

    def detect(heard: Callable[[Heard], None] | None) -> None:
        """
        Find out what has answered.

        @param heard: called once; L{None}: no more.
        """

    def stop() -> None:
        """
        End it all and give the ports back.  Callbacks for what still runs get
        L{Ended.STOPPED} before this returns.  May be called twice.
        """

    def status() -> Mapping[str, object]:
        """
        Figures: packets, losses, jitter, what the far end reports.
        """


class IMediaEngine(Interface):
    """
    Makes sessions.
    """

    library: IAudioLibrary = Attribute("What can be played.")

    def session(offer: bytes | None = None) -> IRTPSession:
        """
        Begin one.

        @param offer: what it is to L{IRTPSession.answer}; C{session.answered} is the
            answer.  L{None}: it will L{IRTPSession.offer}, or be offered something
            later.

        @raise Full: no more can be had.
        @raise NotAcceptable: the offer does not suit; no ports are taken.
        """

    def status() -> Mapping[str, object]:
        """
        Figures of all sessions.
        """

    def stop() -> None:
        """
        Stop all sessions.
        """
