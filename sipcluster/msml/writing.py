"""
Writes MSML.
"""

from __future__ import annotations

from collections.abc import Iterable

from sipcluster.msml.elements import Element, renderDocument
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

__all__ = ("renderMSML",)

#: The names of our extensions.
NAMESPACE = "urn:sipcluster:msml"
PREFIX = "sc"


def renderMSML(what: Script | Event | Result) -> bytes:
    """
    Write a whole document.
    """
    attributes = {"version": "1.1"}
    top = Element("msml", attributes)
    if isinstance(what, Script):
        if any(_isExtended(action) for action in what.actions):
            attributes[f"xmlns:{PREFIX}"] = NAMESPACE
        top.children += [_action(action) for action in what.actions]
    elif isinstance(what, Event):
        event = Element("event", {"name": what.name, "id": what.id})
        for name, value in what.values.items():
            event.children.append(Element("name", text=name))
            event.children.append(Element("value", text=value))
        top.children.append(event)
    else:
        result = Element("result", {"response": str(what.response)})
        if what.description:
            result.children.append(Element("description", text=what.description))
        for name, ids in (("dialogid", what.dialogs), ("confid", what.conferences)):
            result.children += [Element(name, text=one) for one in ids]
        top.children.append(result)
    return renderDocument(top)


def _isExtended(action: Action) -> bool:
    if isinstance(action, Stream):
        return bool(action.member or action.coached)
    return isinstance(action, DialogStart) and action.detect


def _action(action: Action) -> Element:
    if isinstance(action, DialogStart):
        return _dialog(action)
    if isinstance(action, DialogEnd):
        return Element("dialogend", {"id": action.id})
    if isinstance(action, CreateConference):
        return Element(
            "createconference",
            {"name": action.name, "deletewhen": "nomedia"},
            [Element("audiomix", {}, [Element("n-loudest", {"n": "3"})])],
        )
    if isinstance(action, DestroyConference):
        return Element("destroyconference", {"id": action.id})
    if isinstance(action, Unjoin):
        return Element("unjoin", {"id1": action.one, "id2": action.other})
    return _stream(action)


def _stream(action: Stream) -> Element:
    attributes = {"id1": action.one, "id2": action.other}
    if action.member:
        attributes[f"{PREFIX}:member"] = action.member
    if action.coached:
        attributes[f"{PREFIX}:coached"] = action.coached
    top = Element("join" if action.isJoin else "modifystream", attributes)
    if action.hears:
        top.children.append(Element("stream", {"media": "audio", "dir": "to-id1"}))
    if action.heard:
        top.children.append(Element("stream", {"media": "audio", "dir": "from-id1"}))
    return top


def _dialog(action: DialogStart) -> Element:
    attributes = {"target": action.target, "type": "application/moml+xml"}
    if action.name:
        attributes["name"] = action.name
    parts: list[Element] = []
    if action.play is not None:
        parts.append(_play(action.play))
    if action.collect is not None:
        parts.append(_collect(action.collect))
    if action.record is not None:
        parts.append(_record(action.record))
    if action.detect:
        parts.append(Element(f"{PREFIX}:cpd"))
    if action.play is not None and action.collect is not None:
        # At the same time: who knows the way need not hear all of it.
        parts = [Element("group", {"topology": "parallel"}, parts)]
    return Element("dialogstart", attributes, parts)


def _exit(on: str, names: Iterable[str]) -> Element:
    leave = Element("exit", {"namelist": " ".join(names)})
    return Element(on, {}, [leave])


def _play(play: Play) -> Element:
    attributes = {
        "iterate": str(play.repeat) if play.repeat else "forever",
        "barge": "true" if play.bargeIn else "false",
    }
    if play.interval:
        attributes["interval"] = seconds(play.interval)
    if play.longest:
        attributes["maxtime"] = seconds(play.longest)
    parts = [Element("audio", {"uri": uri}) for uri in play.uris]
    parts.append(_exit("playexit", ("play.end", "play.amt")))
    return Element("play", attributes, parts)


def _collect(collect: Collect) -> Element:
    least = collect.least if collect.ending else collect.most
    digits = f"min={least};max={collect.most}"
    if collect.ending:
        digits += f";rtk={collect.ending}"
    names = ("dtmf.digits", "dtmf.end")
    pattern = _exit("pattern", names)
    pattern.attributes = {"digits": digits, "format": "moml+digits"}
    return Element(
        "dtmf",
        {
            "fdt": seconds(collect.firstDigit),
            "idt": seconds(collect.nextDigit),
        },
        [pattern, _exit("noinput", names), _exit("nomatch", names)],
    )


def _record(record: Record) -> Element:
    attributes = {
        "format": "audio/wav",
        "maxtime": seconds(record.longest),
        "beep": "true" if record.beep else "false",
    }
    if record.destination:
        attributes["dest"] = record.destination
    if record.silence:
        attributes["postspeech"] = seconds(record.silence)
    if record.preSpeech:
        attributes["prespeech"] = seconds(record.preSpeech)
    if record.ending:
        attributes["termkey"] = record.ending
    names = ("record.end", "record.len", "record.recordid")
    return Element("record", attributes, [_exit("recordexit", names)])


def seconds(value: float) -> str:
    """
    A time as MSML has it.
    """
    if value == int(value):
        return f"{int(value)}s"
    return f"{round(value * 1000)}ms"
