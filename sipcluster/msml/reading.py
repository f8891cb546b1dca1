"""
Reads MSML of anybody.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from sipcluster.msml.elements import BadDocument, Element, parseDocument
from sipcluster.msml.values import (
    Action,
    Collect,
    CreateConference,
    DestroyConference,
    DialogEnd,
    DialogStart,
    Event,
    Play,
    Record,
    Result,
    Script,
    Stream,
    Unjoin,
)

__all__ = ("parseMSML", "readAction")

#: What is played in one dialog, digits that are waited for, seconds of anything, and
#: how often something is played at most.
MOST_URIS = 32
MOST_DIGITS = 64
LONGEST = 86400.0
MOST_TIMES = 10000

#: Letters of a URI or an identifier.
LONGEST_TEXT = 1024

_time = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)(ms|s|)").fullmatch
_digits = re.compile(r"[0-9A-D*#]{0,16}", re.IGNORECASE).fullmatch


def parseMSML(data: bytes) -> Script | Event | Result:
    """
    Read a whole document.

    @raise BadDocument: it is none, or has what is not known here.
    """
    top = parseDocument(data)
    if top.name != "msml":
        raise BadDocument(f"no MSML, but {top.name[:40]}")
    if top.get("version") not in ("1.0", "1.1", ""):
        raise BadDocument(f"MSML {top.get('version')[:20]}")
    first = next(iter(top.children), None)
    if first is not None and first.name == "event":
        return Event(text(first, "name"), first.get("id"), _values(first))
    if first is not None and first.name == "result":
        return _result(first)
    marks = [child.get("mark") for child in top.children]
    return Script(tuple(readAction(one) for one in top.children), (marks or [""])[-1])


def _values(event: Element) -> dict[str, str]:
    names = [child.text for child in event.all("name")]
    values = [child.text for child in event.all("value")]
    return dict(zip(names, values, strict=False))


def _result(element: Element) -> Result:
    response = element.get("response")
    if not re.fullmatch(r"[2-6]\d\d", response):
        raise BadDocument("a result without a response")
    description = element.first("description")
    return Result(
        int(response),
        "" if description is None else description.text[:200],
        tuple(child.text for child in element.all("dialogid")),
        tuple(child.text for child in element.all("confid")),
    )


def readAction(element: Element) -> Action:
    """
    Read one thing that is to be done.

    @raise BadDocument: it is not known here.
    """
    name = element.name
    if name == "dialogstart":
        return _dialog(element)
    if name == "dialogend":
        return DialogEnd(text(element, "id"))
    if name == "createconference":
        return CreateConference(element.get("name")[:LONGEST_TEXT])
    if name == "destroyconference":
        return DestroyConference(text(element, "id"))
    if name in ("join", "modifystream"):
        return _stream(element)
    if name == "unjoin":
        return Unjoin(text(element, "id1"), text(element, "id2"))
    raise BadDocument(f"{name[:40]} is not known here")


def _stream(element: Element) -> Stream:
    directions = [
        child.get("dir")
        for child in element.all("stream")
        if child.get("media", "audio") == "audio"
    ]
    both = (not directions and element.name == "join") or "" in directions
    return Stream(
        text(element, "id1"),
        text(element, "id2"),
        element.name == "join",
        both or "to-id1" in directions,
        both or "from-id1" in directions,
        extension(element, "member"),
        extension(element, "coached"),
    )


def _dialog(element: Element) -> DialogStart:
    kind = element.get("type", "application/moml+xml")
    if kind != "application/moml+xml":
        raise BadDocument(f"a dialog of type {kind[:60]}")
    if element.get("src"):
        raise BadDocument("a dialog that is somewhere else")
    found: dict[str, Element] = {}
    for part in _parts(element):
        name = _PARTS.get(part.name, "")
        if not name:
            raise BadDocument(f"{part.name[:40]} in a dialog is not known here")
        if name in found:
            raise BadDocument(f"two of {part.name} in a dialog")
        found[name] = part
    if not found:
        raise BadDocument("nothing in the dialog")
    play, collect, record = (found.get(name) for name in ("play", "collect", "record"))
    bargeIn = collect is not None
    return DialogStart(
        text(element, "target"),
        element.get("name")[:LONGEST_TEXT],
        None if play is None else _play(play, bargeIn),
        None if collect is None else _collect(collect),
        None if record is None else _record(record),
        "detect" in found,
    )


#: What may be in a dialog, and what of a dialog it is.
_PARTS = {
    "play": "play",
    "dtmf": "collect",
    "collect": "collect",
    "record": "record",
    "sc:cpd": "detect",
    "faxdetect": "detect",
}


def _parts(element: Element) -> Iterator[Element]:
    """
    The parts of a dialog, groups unpacked; what only says what comes afterwards is
    left out.
    """
    for child in element.children:
        if child.name == "group":
            yield from _parts(child)
        elif child.name not in ("exit", "send", "groupexit", "disconnect"):
            yield child


def _play(element: Element, bargeIn: bool) -> Play:
    uris = tuple(text(child, "uri") for child in element.all("audio"))
    for media in element.all("media"):
        uris += tuple(text(child, "uri") for child in media.all("audio"))
    if not uris:
        raise BadDocument("nothing to play")
    if len(uris) > MOST_URIS:
        raise BadDocument("too much to play")
    return Play(
        uris,
        _times(element.get("iterate", "1")),
        time(element, "interval", 0.0),
        time(element, "maxtime", 0.0),
        _flag(element, "barge", bargeIn),
    )


def _times(value: str) -> int:
    if value == "forever":
        return 0
    if not re.fullmatch(r"\d{1,6}", value) or not 1 <= int(value) <= MOST_TIMES:
        raise BadDocument(f"iterate={value[:20]}")
    return int(value)


def _collect(element: Element) -> Collect:
    most, least, ending = 1, 1, ""
    for pattern in element.all("pattern"):
        for part in pattern.get("digits").split(";"):
            name, _, value = part.strip().partition("=")
            if name == "rtk" and _digits(value):
                ending = value
            elif name in ("min", "max") and re.fullmatch(r"\d{1,3}", value):
                most = int(value) if name == "max" else most
                least = int(value) if name == "min" else least
            elif re.fullmatch(r"[xX.]+", part.strip()):
                most = least = len(part.strip())
            elif part.strip():
                raise BadDocument(f"a pattern {part[:20]}")
    if not 1 <= most <= MOST_DIGITS:
        raise BadDocument(f"{most} digits")
    return Collect(
        most,
        min(least, most),
        time(element, "fdt", 10.0),
        time(element, "idt", 5.0),
        ending,
    )


def _record(element: Element) -> Record:
    ending = element.get("termkey")
    if not _digits(ending):
        raise BadDocument(f"termkey={ending[:20]}")
    destination = element.get("dest")
    if len(destination) > LONGEST_TEXT:
        raise BadDocument("dest is too long")
    return Record(
        destination,
        time(element, "maxtime", 60.0),
        time(element, "postspeech", 0.0),
        time(element, "prespeech", 0.0),
        ending,
        _flag(element, "beep", False),
    )


def text(element: Element, name: str) -> str:
    """
    An attribute that must be there.

    @raise BadDocument: it is not, or is too long.
    """
    value = element.get(name)
    if not value or len(value) > LONGEST_TEXT:
        raise BadDocument(f"{element.name[:40]} without a {name}")
    return value


def extension(element: Element, name: str) -> str:
    """
    An attribute of ours, whatever its prefix is.
    """
    for key, value in element.attributes.items():
        if key.rpartition(":")[2] == name and ":" in key:
            return value[:LONGEST_TEXT]
    return ""


def time(element: Element, name: str, default: float) -> float:
    """
    An attribute that is a time.

    @return: seconds.

    @raise BadDocument: it is none.
    """
    value = element.get(name)
    if not value:
        return default
    if value == "immediate":
        return 0.0
    if value in ("infinite", "forever"):
        return LONGEST
    found = _time(value)
    if found is None:
        raise BadDocument(f"{name}={value[:20]}")
    seconds = float(found[1]) / (1000.0 if found[2] == "ms" else 1.0)
    return min(seconds, LONGEST)


def _flag(element: Element, name: str, default: bool) -> bool:
    value = element.get(name)
    return value in ("true", "1") if value else default
