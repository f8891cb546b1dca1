"""
Reading messages from text as L{sipcluster.tlib.text} prints them.
"""

from __future__ import annotations

import re
from typing import Any

from attrs import fields

from sipcluster.tlib.attributes import (
    BY_FIELD,
    BY_NAME,
    BY_TAG,
    Attribute,
    Kind,
    readerOf,
)
from sipcluster.tlib.codec import Envelope, unpack
from sipcluster.tlib.messages import MESSAGES, Message, UnknownMessage
from sipcluster.wire.kvlist import DEPTH, KVList, KVValue

_BY_CLASS_NAME = {cls.__name__: cls for cls in MESSAGES.values()}

#: What stands for what, behind a backslash.
_MEANINGS = {"\\": "\\", "'": "'", "n": "\n", "r": "\r", "t": "\t"}


class BadText(ValueError):
    """
    A text is no message.

    @ivar line: where, counted from 1.
    """

    def __init__(self, line: int, why: str) -> None:
        super().__init__(f"line {line}: {why}")
        self.line = line


_ordered: dict[type[Message], tuple[Attribute, ...]] = {}


def attributesOf(cls: type[Message]) -> tuple[Attribute, ...]:
    """
    The attributes of a class of messages, in the order in which they are printed.
    """
    found = _ordered.get(cls)
    if found is None:
        known = [BY_FIELD[one.name] for one in fields(cls) if one.name in BY_FIELD]
        # The time comes first, as in the field's logs.
        known.sort(key=lambda one: (one.kind is not Kind.TIME, one.tag))
        found = _ordered[cls] = tuple(known)
    return found


def parse(text: str) -> Envelope:
    """
    Read a message as L{sipcluster.tlib.text.render} writes it.

    @raise BadText: it is none.
    """
    return _Parser(text).envelope()


def parseValue(attribute: Attribute, text: str) -> Any:
    """
    Read the value of an attribute; a list cannot be read so.

    @param text: as it is printed; a string may be without quotes, and an
        enumeration's member may be its name alone.

    @raise ValueError: it is no value of this attribute.
    """
    kind = attribute.kind
    value: object
    if kind is Kind.STRING:
        value = _unquoted(text) if text.startswith("'") else text
    elif kind is Kind.CONN_ID or kind is Kind.CALL_UUID:
        value = text
    elif kind is Kind.BINARY:
        value = _unhex(text)
    elif kind is Kind.TIME:
        seconds, _, microseconds = text.partition(".")
        value = _int(seconds), _int(microseconds.ljust(6, "0"))
    elif kind is Kind.ENUMERATION:
        value = _member(attribute, text)
    elif kind is Kind.LIST:
        raise ValueError("a list stands on lines of its own")
    else:
        value = _int(text)
    return readerOf(attribute)(value)


def _int(text: str) -> int:
    if re.fullmatch("-?[0-9]{1,20}", text) is None:
        raise ValueError("want a number")
    return int(text)


def _within(value: int, most: int) -> int:
    if not 0 <= value <= most:
        raise ValueError(f"want a number from 0 to {most}")
    return value


def _digits(text: str) -> str:
    if re.fullmatch("[0-9a-f]{16}", text) is None:
        raise ValueError("want 16 hexadecimal digits")
    return text


def _member(attribute: Attribute, text: str) -> int:
    assert attribute.members is not None
    number = re.fullmatch(r"([0-9]{1,10})( \[.*\])?", text)
    if number is not None:
        return int(number[1])
    for member in attribute.members:
        if member.label == text or member.name == text:
            return int(member)
    raise ValueError(f"no {attribute.members.__name__}")


def _unhex(text: str) -> bytes:
    if not text.startswith("bin:"):
        raise ValueError("want bytes: bin: 00 ff")
    return bytes.fromhex(text[4:])


_escape = re.compile(r"\\(x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8}|.|$)", re.DOTALL)


def _unquoted(text: str) -> str:
    if len(text) < 2 or text[0] != "'" or text[-1] != "'":
        raise ValueError("want text in quotes")
    return _escape.sub(_meaning, text[1:-1])


def _meaning(found: re.Match[str]) -> str:
    escape = found[1]
    if len(escape) > 1:
        code = int(escape[1:], 16)
        if code > 0x10FFFF:
            raise ValueError(f"no character \\{escape}")
        return chr(code)
    if escape not in _MEANINGS:
        raise ValueError(f"no such escape: \\{escape}")
    return _MEANINGS[escape]


class _Parser:
    """
    Reads the lines of one message.
    """

    def __init__(self, text: str) -> None:
        self._lines = text.split("\n")
        while self._lines and not self._lines[-1].strip():
            self._lines.pop()
        self._at = 0
        self._position = self._reference = 0
        self._allowed: frozenset[str] = frozenset()
        self._values: dict[str, Any] = {}
        self._unknown: dict[int, object] = {}
        self._time: dict[str, int] = {}

    def envelope(self) -> Envelope:
        """
        Read all of it.
        """
        try:
            return self._envelope()
        except BadText:
            raise
        except ValueError as e:
            raise BadText(self._at, str(e)) from e

    def _next(self) -> str:
        line = self._lines[self._at]
        self._at += 1
        return line.removesuffix("\r")

    def _envelope(self) -> Envelope:
        if not self._lines:
            raise BadText(1, "no message")
        head = re.fullmatch(r"(\w+) \(([0-9]{1,5})\)", self._next().strip())
        if head is None:
            raise ValueError("want a name and a number")
        number = int(head[2])
        cls = _BY_CLASS_NAME.get(head[1])
        if cls is None and (head[1] != f"Message{number}" or number in MESSAGES):
            raise ValueError("no such message")
        if cls is not None and cls.number != number:
            raise ValueError(f"{head[1]} has the number {cls.number}")
        self._allowed = frozenset(
            [one.name for one in attributesOf(UnknownMessage if cls is None else cls)]
        )
        while self._at < len(self._lines):
            self._attribute(self._next())
        if self._time:
            self._setTime()
        self._values["unknown"] = tuple(self._unknown.items())
        message = (
            UnknownMessage(number=number, **self._values)
            if cls is None
            else cls(**self._values)
        )
        return Envelope(self._position, self._reference, message)

    def _attribute(self, line: str) -> None:
        found = re.fullmatch(r"\tAttribute(\w+)\t(.*)", line)
        if found is None:
            raise ValueError("want a tab, Attribute and its name, a tab, a value")
        name, value = found.groups()
        if name == "EventSequenceNumber":
            self._position = int.from_bytes(bytes.fromhex(_digits(value)), "big")
        elif name == "ReferenceID":
            self._reference = _within(_int(value), 0xFFFFFFFF)
        elif name in ("TimeinSecs", "TimeinuSecs") and "time" in self._allowed:
            self._time[name] = _int(value.partition(" ")[0])
        elif name.isdecimal():
            self._strange(_within(_int(name), 0xFFFF), value)
        else:
            self._known(name, value)

    def _known(self, name: str, value: str) -> None:
        if name not in self._allowed or name == "time":
            raise ValueError(f"no attribute {name} here")
        attribute = BY_NAME[name]
        if attribute.kind is Kind.LIST:
            self._values[attribute.field] = self._pairs(_count(value), 2)
        else:
            self._values[attribute.field] = parseValue(attribute, value)

    def _strange(self, tag: int, value: str) -> None:
        own = tag in BY_TAG and BY_TAG[tag].name in self._allowed
        if own or tag in self._unknown:
            raise ValueError(f"attribute {tag} is there by its name, or twice")
        self._unknown[tag] = unpack(_unhex(value))

    def _setTime(self) -> None:
        value = self._time.get("TimeinSecs", 0), self._time.get("TimeinuSecs", 0)
        self._values["time"] = readerOf(BY_NAME["time"])(value)

    def _pairs(self, count: int, depth: int) -> KVList:
        if depth - 2 >= DEPTH:
            raise ValueError(f"more than {DEPTH} lists in one another")
        pairs: list[tuple[str, KVValue]] = []
        for _ in range(count):
            if self._at >= len(self._lines):
                raise ValueError("pairs are missing")
            line = self._next()
            key, tab, value = line[depth:].partition("\t")
            if line[:depth].strip("\t") or not tab or "\t" in value:
                raise ValueError("want tabs, a key, a tab, a value")
            pairs.append((_unquoted(key), self._pairValue(value, depth)))
        return tuple(pairs)

    def _pairValue(self, text: str, depth: int) -> KVValue:
        if text.startswith("'"):
            return _unquoted(text)
        if text.startswith("bin:"):
            return _unhex(text)
        if text.startswith("["):
            return self._pairs(_count(text), depth + 1)
        value = _int(text)
        if not -0x80000000 <= value <= 0x7FFFFFFF:
            raise ValueError("want an integer of 32 bits")
        return value


def _count(text: str) -> int:
    found = re.fullmatch(r"\[([0-9]{1,6})\]", text)
    if found is None:
        raise ValueError("want how many pairs follow: [2]")
    return int(found[1])
