"""
What media servers are told by MSML, and what they say.
"""

from __future__ import annotations

from urllib.parse import parse_qsl

from sipcluster.msml.elements import BadDocument
from sipcluster.msml.reading import parseMSML
from sipcluster.msml.values import (
    CONTENT_TYPE,
    DIALOG_EXIT,
    Action,
    Collect,
    DialogStart,
    Event,
    Play,
    Record,
    Result,
    Script,
    Stream,
    connection,
)
from sipcluster.msml.writing import renderMSML
from sipcluster.sessioncontroller.imedia import (
    MediaKind,
    MediaRequest,
    MediaResult,
    Talk,
)

__all__ = ("resultOf", "scriptOf")

#: What dialogs are called whose request has no name.
UNNAMED = "dialog"

#: The values of an application that ends (RFC 5552 section 4.2).
_FORM = b"application/x-www-form-urlencoded"

#: Letters of what a server gives, at most.
_LONGEST = 1024


def scriptOf(request: MediaRequest, tag: bytes) -> bytes:
    """
    What a server is told.

    @param tag: the server's own, in the dialog.
    """
    own = connection(tag)
    action: Action
    if request.kind is MediaKind.CONFERENCE:
        action = Stream(
            own,
            f"conf:{request.name}",
            hears=not request.deaf,
            heard=request.talk is not Talk.NOBODY,
            member=request.member,
            coached=request.coached if request.talk is Talk.COACH else "",
        )
    else:
        action = _dialogOf(request, own)
    return renderMSML(Script((action,)))


def _dialogOf(request: MediaRequest, target: str) -> DialogStart:
    """
    One that plays, collects digits, records.
    """
    play = collect = record = None
    if request.play:
        play = Play(request.play, request.repeat, bargeIn=request.bargeIn)
    if request.digits:
        collect = Collect(
            request.digits,
            1,
            request.firstDigit,
            request.nextDigit,
            request.ending,
        )
    if request.record:
        record = Record(
            request.record,
            request.longest,
            ending="" if request.digits else request.ending,
        )
    if play is None and collect is None and record is None and not request.detect:
        play = Play(("silence:",), request.repeat)
    name = request.name or UNNAMED
    return DialogStart(target, name, play, collect, record, request.detect)


def resultOf(method: bytes, contentType: bytes, body: bytes) -> MediaResult | None:
    """
    What a server says.

    @return: L{None}: nothing that counts, or nothing that can be read.
    """
    kind = contentType.partition(b";")[0].strip().lower()
    if method == b"BYE" and kind == _FORM:
        return _formOf(body)
    if method != b"INFO" or kind != CONTENT_TYPE:
        return None
    try:
        said = parseMSML(body)
    except BadDocument:
        return None
    if isinstance(said, Event):
        return _eventOf(said)
    if isinstance(said, Result) and said.response >= 300:
        return MediaResult("failed")
    return None


def _formOf(body: bytes) -> MediaResult | None:
    try:
        pairs = parse_qsl(body.decode("utf-8"), max_num_fields=64)
    except ValueError:
        return None
    values = dict(pairs)
    digits = _digits(values.get("digits", ""))
    return MediaResult("digits" if digits else "done", digits)


def _eventOf(event: Event) -> MediaResult | None:
    values = event.values
    last = event.name == DIALOG_EXIT
    detected = values.get("cpd.result", "")
    if detected in ("human", "machine", "fax"):
        return MediaResult(detected, last=last)
    if not last:
        return None
    recording = values.get("record.recordid", "")[:_LONGEST]
    if values.get("record.end", "").startswith("record.failed"):
        recording = ""
    digits = _digits(values.get("dtmf.digits", ""))
    ended = values.get("dtmf.end", "")
    if digits or ended == "dtmf.match":
        return MediaResult("digits", digits, recording)
    if ended:
        return MediaResult("noinput", "", recording)
    if recording:
        return MediaResult("recorded", "", recording)
    if values.get("play.end", "").startswith("play.failed") or any(
        name.endswith(".end") and value.startswith("record.failed")
        for name, value in values.items()
    ):
        return MediaResult("failed")
    if "error" in values:
        return MediaResult("failed")
    return MediaResult("done")


def _digits(text: str) -> str:
    """
    Those letters of a text that are digits of a telephone.
    """
    return "".join(one for one in text.upper() if one in "0123456789ABCD*#")[:64]
