"""
What a media server is asked to do, from the Request-URI (RFC 4240).
"""

from __future__ import annotations

import re
from collections.abc import Callable

from attrs import frozen

from sipcluster.media.imedia import IAudio, IAudioLibrary, NoSuchAudio
from sipcluster.sip.errors import MalformedMessage
from sipcluster.sip.grammar import unescape
from sipcluster.sip.uri import SIPURI, parseURI

__all__ = (
    "Announcement",
    "Conference",
    "Control",
    "Document",
    "Plan",
    "Refused",
    "planOf",
)

#: Letters of a name or a URI, and how often something is played.
LONGEST = 1024
MOST_TIMES = 10000

#: Milliseconds of anything.
MOST_MILLISECONDS = 86_400_000

_name = re.compile(r"[^\x00-\x1f\x7f/\\]{1,128}").fullmatch


class Refused(Exception):
    """
    It is not done.

    @ivar status: to be answered.
    @ivar why: for a Warning.
    """

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status
        self.why = why


@frozen
class Announcement:
    """
    C{annc}: something is played, and that is all (section 3).

    @ivar repeat: 0: without end.
    @ivar delay: seconds between two times.
    @ivar longest: seconds of all of it; L{None}: no limit.
    """

    audio: tuple[IAudio, ...]
    repeat: int = 1
    delay: float = 0.0
    longest: float | None = None


@frozen
class Document:
    """
    C{dialog}: a VoiceXML document is run (section 4).
    """

    uri: str


@frozen
class Conference:
    """
    C{conf=}: a member of a conference (section 5).

    @ivar member: our extension: its name.
    """

    id: str
    member: str = ""


@frozen
class Control:
    """
    C{msml}: MSML will say what is done (RFC 5707 section 4.1).
    """


Plan = Announcement | Document | Conference | Control


def planOf(uri: bytes, library: IAudioLibrary) -> Plan:
    """
    Find out what is wanted.

    @raise Refused: it cannot be done.
    """
    try:
        found = parseURI(uri)
    except MalformedMessage as e:
        raise Refused(400, e.why) from None
    if not isinstance(found, SIPURI):
        raise Refused(416, "no SIP URI")
    user = _text(found.userText)
    service, equals, name = user.partition("=")
    service = service.lower()
    if service == "annc" and not equals:
        return _announcement(found, library)
    if service == "dialog" and not equals:
        document = _parameter(found, b"voicexml")
        if not document:
            raise Refused(400, "voicexml= is missing")
        return Document(document)
    if service == "conf":
        if not _name(name):
            raise Refused(400, "conf= wants a name")
        return Conference(name, _parameter(found, b"member")[:128])
    if service == "msml":
        return Control()
    raise Refused(404, "no such service")


def _announcement(uri: SIPURI, library: IAudioLibrary) -> Announcement:
    play = _parameter(uri, b"play")
    if not play:
        raise Refused(400, "play= is missing")
    repeat = _parameter(uri, b"repeat")
    if repeat.lower() == "forever":
        times = 0
    else:
        times = int(_number(repeat, "repeat", 1, 1, MOST_TIMES))
    delay = _number(_parameter(uri, b"delay"), "delay", 0, 0, MOST_MILLISECONDS)
    given = _parameter(uri, b"duration")
    duration = _number(given, "duration", 0, 1, MOST_MILLISECONDS) / 1000
    audio = found(library.find, play)
    return Announcement((audio,), times, delay / 1000, duration or None)


def found(find: Callable[[str], IAudio], uri: str) -> IAudio:
    """
    Find what is to be played.

    @raise Refused: there is no such thing.
    """
    try:
        return find(uri)
    except NoSuchAudio as e:
        raise Refused(404, str(e)) from None


def _number(value: str, name: str, default: int, low: int, high: int) -> int:
    if not value:
        return default
    if not re.fullmatch(r"[0-9]{1,9}", value) or not low <= int(value) <= high:
        raise Refused(400, f"{name}={value[:20]}")
    return int(value)


def _parameter(uri: SIPURI, name: bytes) -> str:
    return _text(unescape(uri.parameters.get(name) or b""))


def _text(value: bytes) -> str:
    if len(value) > LONGEST:
        raise Refused(414, "too long")
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        raise Refused(400, "no UTF-8") from None
