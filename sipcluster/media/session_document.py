"""
The small part of VoiceXML 2.1 that is run here: one form that plays, collects digits
or records, and ends.
"""

from __future__ import annotations

import re
from pathlib import Path

from sipcluster.msml.elements import BadDocument, Element, parseDocument
from sipcluster.msml.reading import MOST_DIGITS, MOST_URIS
from sipcluster.msml.values import Collect, DialogStart, Play, Record

__all__ = ("documentAt", "readDocument")

#: Bytes of a document.
LONGEST = 65536

_time = re.compile(r"(\d{1,6}(?:\.\d{1,3})?)(ms|s)").fullmatch
_builtin = re.compile(r"(?:builtin:dtmf/)?digits(?:\?(.*))?").fullmatch

#: Elements that do nothing here.
_IDLE = ("property", "meta", "metadata", "noinput", "nomatch", "filled", "exit")


def documentAt(folder: Path, uri: str) -> bytes:
    """
    Fetch a document.

    @param folder: nothing outside of it is read.

    @raise BadDocument: there is no such thing.
    """
    scheme, colon, rest = uri.partition(":")
    if colon and scheme.lower() != "file":
        raise BadDocument(f"documents are files here, not {scheme[:20]}:")
    name = (rest if colon else uri).lstrip("/")
    try:
        top = folder.resolve()
        path = (top / name).resolve()
        if not path.suffix:
            path = path.with_suffix(".vxml").resolve()
        if not path.is_relative_to(top) or not path.is_file():
            raise BadDocument(f"no document {name[:60]}")
        if path.stat().st_size > LONGEST:
            raise BadDocument("the document is too long")
        return path.read_bytes()
    except (OSError, ValueError, RuntimeError) as e:
        if isinstance(e, BadDocument):
            raise
        raise BadDocument(f"no document {name[:60]}: {e}") from None


def readDocument(data: bytes, target: str) -> DialogStart:
    """
    Find out what a document does.

    @param target: the connection with which it does that.

    @raise BadDocument: it is none, or does more than is known here.
    """
    top = parseDocument(data)
    if top.name != "vxml":
        raise BadDocument("no VoiceXML")
    forms = [one for one in top.children if one.name not in _IDLE]
    if len(forms) != 1 or forms[0].name != "form":
        raise BadDocument("VoiceXML: one form is known here, and nothing besides")
    uris: list[str] = []
    bargeIn = False
    collect: Collect | None = None
    record: Record | None = None
    for item in forms[0].children:
        if item.name == "block":
            uris += _audio(item)
        elif item.name == "field" and collect is None and record is None:
            uris += _audio(item)
            collect, bargeIn = _field(item), True
        elif item.name == "record" and collect is None and record is None:
            uris += _audio(item)
            record = _record(item)
        elif item.name not in _IDLE:
            raise BadDocument(f"VoiceXML: {item.name[:40]} is not known here")
    if len(uris) > MOST_URIS:
        raise BadDocument("too much to play")
    play = Play(tuple(uris), bargeIn=bargeIn) if uris else None
    if play is None and collect is None and record is None:
        raise BadDocument("VoiceXML: nothing to do")
    return DialogStart(target, "application", play, collect, record)


def _audio(item: Element) -> list[str]:
    """
    What an item plays.
    """
    found: list[str] = []
    for child in item.children:
        if child.name == "audio":
            src = child.get("src")
            if not src or len(src) > 1024:
                raise BadDocument("VoiceXML: audio without src")
            found.append(src)
        elif child.name == "prompt":
            if child.text:
                raise BadDocument("VoiceXML: nothing here speaks text")
            found += _audio(child)
        elif child.name not in (*_IDLE, "grammar", "break"):
            raise BadDocument(f"VoiceXML: {child.name[:40]} is not known here")
    return found


def _field(item: Element) -> Collect:
    """
    Digits: C{type="digits?minlength=1;maxlength=4"}, or C{length=}.
    """
    kind = item.get("type")
    if not kind:
        grammar = item.first("grammar")
        kind = "" if grammar is None else grammar.get("src")
    found = _builtin(kind)
    if found is None:
        raise BadDocument("VoiceXML: a field other than digits")
    least, most = 1, MOST_DIGITS
    for part in (found[1] or "").replace("&", ";").split(";"):
        name, _, value = part.partition("=")
        if not part:
            continue
        if not re.fullmatch(r"\d{1,3}", value):
            raise BadDocument(f"VoiceXML: {part[:20]}")
        if name == "length":
            least = most = int(value)
        elif name == "minlength":
            least = int(value)
        elif name == "maxlength":
            most = int(value)
    if not 1 <= least <= most <= MOST_DIGITS:
        raise BadDocument("VoiceXML: so many digits")
    properties = {one.get("name"): one.get("value") for one in item.all("property")}
    return Collect(
        most,
        least,
        _seconds(properties.get("timeout", ""), 10.0),
        _seconds(properties.get("interdigittimeout", ""), 5.0),
        "#" if properties.get("termchar", "#") == "#" else "",
    )


def _record(item: Element) -> Record:
    return Record(
        "",
        _seconds(item.get("maxtime"), 60.0),
        _seconds(item.get("finalsilence"), 0.0),
        0.0,
        "" if item.get("dtmfterm") == "false" else "0123456789*#",
        item.get("beep") == "true",
    )


def _seconds(value: str, usual: float) -> float:
    if not value:
        return usual
    found = _time(value)
    if found is None:
        raise BadDocument(f"VoiceXML: {value[:20]} is no time")
    return float(found[1]) / (1000 if found[2] == "ms" else 1)
