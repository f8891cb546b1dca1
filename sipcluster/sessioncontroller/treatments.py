"""
What a treatment is: the words of the field as what a media server does.

Names of what is played are paths below the folder of the media servers: C{music/…},
C{announcement/…}; or URIs, where their scheme is one of L{SCHEMES}.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from attrs import frozen

from sipcluster.sessioncontroller.imedia import MediaKind, MediaRequest
from sipcluster.sessioncontroller.irouting import Treatment, TreatmentType
from sipcluster.sessioncontroller.isessioncontroller import CallRefused, Why
from sipcluster.sessioncontroller.route_words import number
from sipcluster.wire.kvlist import KVList

__all__ = ("MUSIC", "SCHEMES", "Prescription", "prescribe")

#: What is played where the treatment does not say.
MUSIC = "music/in_queue"

#: Schemes of what is played that goes to the media server as it is.
SCHEMES = ("file:", "http:", "https:", "tone:", "silence:")

#: Characters of the name of what is played.
MOST_NAME = 255

#: What is played in one treatment.
MOST_PROMPTS = 32

#: Digits that are waited for in one treatment.
MOST_DIGITS = 64

#: Seconds that a treatment may be given; as long as a day.
MOST_SECONDS = 86400


@frozen
class Prescription:
    """
    What a treatment comes to.

    @ivar media: what a media server does; L{None}: none is needed.
    @ivar lasts: seconds after which it ends in any case; 0: it need not.
    @ivar destination: the default route of this call from now on.
    @ivar ends: the call ends.
    @ivar cannot: why this node cannot give it; C{""}: it can.
    """

    media: MediaRequest | None = None
    lasts: float = 0.0
    destination: str = ""
    ends: bool = False
    cannot: str = ""


def prescribe(treatment: Treatment, name: str) -> Prescription:
    """
    Find out what a treatment comes to.

    @param name: under which what a caller says is kept.

    @raise CallRefused: a parameter makes no sense.
    """
    make = _MAKERS.get(treatment.kind)
    if make is None:
        return Prescription(cannot=f"{treatment.kind.value} is not supported")
    return make(_Words(treatment.parameters), name)


class _Words:
    """
    TreatmentParms.
    """

    def __init__(self, parameters: KVList) -> None:
        self.words: dict[str, object] = {}
        for key, value in parameters:
            self.words.setdefault(key, value)

    def number(
        self, name: str, usual: float, most: float = MOST_SECONDS, least: float = 0
    ) -> float:
        """
        A number.
        """
        value = self.words.get(name, usual)
        found = number(value, name) if name in self.words else usual
        if not least <= found <= most:
            raise CallRefused(Why.BAD_VALUE, f"{name}: {least:g} to {most:g}")
        return found

    def text(self, name: str, usual: str = "") -> str:
        """
        Text, or a number as text.
        """
        value = self.words.get(name, usual)
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        if not isinstance(value, str):
            raise CallRefused(Why.BAD_VALUE, f"{name}: want text")
        return value

    def digits(self, name: str) -> str:
        """
        Keys of a telephone.
        """
        found = self.text(name)
        if len(found) > 16 or not set(found) <= set("0123456789*#ABCDabcd"):
            raise CallRefused(Why.BAD_VALUE, f"{name}: want digits")
        return found


def _uri(name: str, folder: str = "") -> str:
    """
    The URI of something that is played.
    """
    good = name.isprintable() and " " not in name and 0 < len(name) <= MOST_NAME
    if not good or ".." in name or "\\" in name or name.startswith("/"):
        raise CallRefused(Why.BAD_VALUE, "a name of what is to be played")
    if name.startswith(SCHEMES):
        return name
    if ":" in name:
        raise CallRefused(Why.BAD_VALUE, f"{name}: a scheme that is not known")
    return f"file:{folder}{name}"


def _prompts(words: _Words) -> tuple[tuple[str, ...], bool]:
    """
    What C{PROMPT} says.

    @return: what is played, and whether a digit ends it.
    """
    value = words.words.get("PROMPT")
    if value is None:
        return (), True
    if isinstance(value, str | int):
        return (_uri(str(value), "announcement/"),), True
    if not isinstance(value, tuple):
        raise CallRefused(Why.BAD_VALUE, "PROMPT: want a list")
    play: list[str] = []
    interruptable = True
    items = [item for _, item in value] if _nested(value) else [value]
    for item in items:
        one = _Words(item)
        interruptable = interruptable and one.number("INTERRUPTABLE", 1, 1) > 0
        play += _prompt(one)
    if len(play) > MOST_PROMPTS:
        raise CallRefused(Why.BAD_VALUE, f"PROMPT: at most {MOST_PROMPTS}")
    return tuple(play), interruptable


def _nested(value: KVList) -> bool:
    return bool(value) and all(isinstance(item, tuple) for _, item in value)


def _prompt(one: _Words) -> list[str]:
    words = one.words
    if "ID" in words:
        return [_uri(one.text("ID"), "announcement/")]
    if "USER_ANN_ID" in words:
        return [_uri(one.text("USER_ANN_ID"), "recordings/")]
    if "DIGITS" in words:
        return [f"file:digits/{digit}" for digit in one.digits("DIGITS")]
    if "TEXT" in words:
        raise CallRefused(Why.UNSUPPORTED, "PROMPT: nothing here speaks TEXT")
    raise CallRefused(Why.BAD_VALUE, "PROMPT: want ID, USER_ANN_ID or DIGITS")


# One function for each treatment


def _tone(tone: str) -> Callable[[_Words, str], Prescription]:
    def make(words: _Words, name: str) -> Prescription:
        return Prescription(
            MediaRequest(
                MediaKind.ANNOUNCEMENT, tone, (f"tone:{tone}",), 0, early=True
            ),
            words.number("DURATION", 0),
        )

    return make


def _music(words: _Words, name: str) -> Prescription:
    play = _uri(words.text("MUSIC_DN") or MUSIC)
    return Prescription(
        MediaRequest(MediaKind.ANNOUNCEMENT, "music", (play,), 0),
        words.number("DURATION", 0),
    )


def _silence(words: _Words, name: str) -> Prescription:
    return Prescription(None, words.number("DURATION", 0))


def _announcement(words: _Words, name: str) -> Prescription:
    play, _ = _prompts(words)
    if not play:
        raise CallRefused(Why.BAD_VALUE, "PROMPT: nothing is to be played")
    return Prescription(MediaRequest(MediaKind.ANNOUNCEMENT, "announcement", play))


def _recorded(words: _Words, name: str) -> Prescription:
    play, _ = _prompts(words)
    if not play:
        play = (_uri(words.text("RAN", "ran"), "announcement/"),)
    return Prescription(MediaRequest(MediaKind.ANNOUNCEMENT, "ran", play, 0))


def _collect(words: _Words, name: str) -> Prescription:
    play, interruptable = _prompts(words)
    media = MediaRequest(
        MediaKind.DIALOG,
        "digits",
        play,
        digits=int(words.number("MAX_DIGITS", 1, MOST_DIGITS, 1)),
        firstDigit=words.number("START_TIMEOUT", 10, 3600),
        nextDigit=words.number("DIGIT_TIMEOUT", 5, 3600),
        ending=words.digits("TERM_DIGITS"),
        bargeIn=interruptable,
    )
    return Prescription(media, words.number("TOTAL_TIMEOUT", 0))


def _announceAndCollect(words: _Words, name: str) -> Prescription:
    if not _prompts(words)[0]:
        raise CallRefused(Why.BAD_VALUE, "PROMPT: nothing is to be played")
    return _collect(words, name)


def _record(words: _Words, name: str) -> Prescription:
    play, interruptable = _prompts(words)
    user = words.text("USER_ID")
    if user:
        name = f"{user}/{name}"
    _uri(name)
    longest = words.number("TOTAL_TIMEOUT", 60, 3600, 1)
    media = MediaRequest(
        MediaKind.DIALOG,
        "record",
        play,
        firstDigit=words.number("START_TIMEOUT", 10, 3600),
        ending=words.digits("TERM_DIGITS") or words.digits("ABORT_DIGITS"),
        bargeIn=interruptable,
        record=name,
        longest=longest,
    )
    return Prescription(media)


def _application(words: _Words, name: str) -> Prescription:
    application = words.text("APP_URI") or words.text("APP_ID")
    uri = _uri(application, "application/")
    return Prescription(
        MediaRequest(MediaKind.APPLICATION, "application", application=uri)
    )


def _cancel(words: _Words, name: str) -> Prescription:
    return Prescription(ends=True)


def _default(words: _Words, name: str) -> Prescription:
    destination = words.text("DEST")
    if not destination or len(destination) > MOST_NAME:
        raise CallRefused(Why.BAD_VALUE, "DEST: want a number")
    return Prescription(destination=destination)


_MAKERS: Mapping[TreatmentType, Callable[[_Words, str], Prescription]] = {
    TreatmentType.MUSIC: _music,
    TreatmentType.RING_BACK: _tone("ringback"),
    TreatmentType.SILENCE: _silence,
    TreatmentType.BUSY: _tone("busy"),
    TreatmentType.FAST_BUSY: _tone("fastbusy"),
    TreatmentType.COLLECT_DIGITS: _collect,
    TreatmentType.PLAY_ANNOUNCEMENT: _announcement,
    TreatmentType.PLAY_ANNOUNCEMENT_AND_DIGITS: _announceAndCollect,
    TreatmentType.RECORD_USER_ANNOUNCEMENT: _record,
    TreatmentType.CANCEL_CALL: _cancel,
    TreatmentType.PLAY_APPLICATION: _application,
    TreatmentType.SET_DEFAULT_ROUTE: _default,
    TreatmentType.RAN: _recorded,
}
