"""
The golden vectors of the T-Library wire are what the code reads and writes.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from attrs import fields
from twisted.trial.unittest import SynchronousTestCase

from sipcluster.tlib.attributes import BY_FIELD, BY_NAME, Attribute, Kind
from sipcluster.tlib.codec import Envelope, decode, encode, pack, unpack
from sipcluster.tlib.errors import BadMessage
from sipcluster.tlib.messages import MESSAGES, Message, UnknownMessage
from sipcluster.tlib.text import parse, render
from sipcluster.wire.frames import FrameError, FrameReader

HERE = Path(__file__).parents[2] / "vectors" / "tlibrary"

#: The greatest integer that every reader of JSON can hold.
SAFE = 2**53 - 1


def vectors(bad: bool) -> Iterator[tuple[str, bytes, dict[str, Any]]]:
    """
    Name, frame and meaning of each vector.
    """
    for path in sorted(HERE.glob("*.json")):
        if path.name.startswith("bad-") == bad:
            told = json.loads(path.read_text("utf-8"))
            yield path.stem, bytes.fromhex(path.with_suffix(".hex").read_text()), told


def payloadOf(frame: bytes) -> bytes:
    """
    What stands in the one frame.
    """
    reader = FrameReader()
    reader.receive(frame)
    payload = reader.nextFrame()
    assert payload is not None and not reader.buffered
    return payload


def asJSON(value: Any) -> Any:
    """
    A value as it stands in the JSON of a vector.
    """
    if isinstance(value, bytes):
        return {"hex": value.hex()}
    if isinstance(value, (tuple, list)):
        return [asJSON(item) for item in value]
    if isinstance(value, int):
        return int(value) if value <= SAFE else str(int(value))
    return value


def fromJSON(attribute: Attribute, value: Any) -> Any:
    """
    A value of an attribute from the JSON of a vector.
    """
    if attribute.kind is Kind.UNSIGNED:
        return int(value)
    return _plain(value)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return bytes.fromhex(value["hex"])
    return tuple(_plain(item) for item in value) if isinstance(value, list) else value


def meaningOf(envelope: Envelope) -> dict[str, Any]:
    """
    What the JSON of a vector says of a message.
    """
    message = envelope.message
    names = [one.name for one in fields(type(message)) if one.name in BY_FIELD]
    known = not isinstance(message, UnknownMessage)
    return {
        "position": asJSON(envelope.position),
        "reference": envelope.reference,
        "number": message.number,
        "message": type(message).__name__ if known else None,
        "attributes": {
            BY_FIELD[name].name: asJSON(getattr(message, name))
            for name in names
            if getattr(message, name) is not None
        },
        "unknown": {
            str(tag): {"hex": pack(value).hex()} for tag, value in message.unknown
        },
    }


def messageOf(told: dict[str, Any]) -> Message:
    """
    The message that the JSON of a vector tells of.
    """
    values = {
        BY_NAME[name].field: fromJSON(BY_NAME[name], value)
        for name, value in told["attributes"].items()
    }
    values["unknown"] = tuple(
        (int(tag), unpack(bytes.fromhex(value["hex"])))
        for tag, value in told["unknown"].items()
    )
    number = told["number"]
    if told["message"] is None:
        return UnknownMessage(number=number, **values)
    assert MESSAGES[number].__name__ == told["message"]
    return MESSAGES[number](**values)


class Reader:
    """
    Reads MessagePack, written from its specification alone: the vectors must not
    mean only what one library thinks.
    """

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def take(self, count: int) -> bytes:
        """
        The next bytes.
        """
        taken = self.data[self.at : self.at + count]
        assert len(taken) == count
        self.at += count
        return taken

    def number(self, form: str) -> Any:
        """
        The next number.
        """
        return struct.unpack(f">{form}", self.take(struct.calcsize(form)))[0]

    def value(self) -> Any:
        """
        The next value; a map is a list of pairs after the word C{map}.
        """
        first = self.take(1)[0]
        if first < 0x80:
            return first
        if first < 0x90:
            return self.map(first & 0x0F)
        if first < 0xA0:
            return [self.value() for _ in range(first & 0x0F)]
        if first < 0xC0:
            return self.take(first & 0x1F).decode()
        if first >= 0xE0:
            return first - 0x100
        return self.LONG[first](self)

    def map(self, count: int) -> tuple[str, list[tuple[Any, bytes, Any]]]:
        """
        The pairs of a map: key, the bytes of its value, the value.
        """
        pairs = []
        for _ in range(count):
            key = self.value()
            start = self.at
            value = self.value()
            pairs.append((key, self.data[start : self.at], value))
        return "map", pairs

    def array(self, form: str) -> list[Any]:
        """
        A long array.
        """
        return [self.value() for _ in range(self.number(form))]

    LONG: dict[int, Callable[[Reader], Any]] = {
        0xC0: lambda r: None,
        0xC2: lambda r: False,
        0xC3: lambda r: True,
        0xC4: lambda r: r.take(r.number("B")),
        0xC5: lambda r: r.take(r.number("H")),
        0xC6: lambda r: r.take(r.number("I")),
        0xC7: lambda r: r.take(1 + r.number("B")),
        0xCB: lambda r: r.number("d"),
        0xCC: lambda r: r.number("B"),
        0xCD: lambda r: r.number("H"),
        0xCE: lambda r: r.number("I"),
        0xCF: lambda r: r.number("Q"),
        0xD0: lambda r: r.number("b"),
        0xD1: lambda r: r.number("h"),
        0xD2: lambda r: r.number("i"),
        0xD3: lambda r: r.number("q"),
        0xD4: lambda r: r.take(2),
        0xD5: lambda r: r.take(3),
        0xD6: lambda r: r.take(5),
        0xD7: lambda r: r.take(9),
        0xD9: lambda r: r.take(r.number("B")).decode(),
        0xDA: lambda r: r.take(r.number("H")).decode(),
        0xDB: lambda r: r.take(r.number("I")).decode(),
        0xDC: lambda r: r.array("H"),
        0xDD: lambda r: r.array("I"),
        0xDE: lambda r: r.map(r.number("H")),
        0xDF: lambda r: r.map(r.number("I")),
    }


class VectorTests(SynchronousTestCase):
    """
    Vectors hold for every later version: when one fails, the code is wrong.
    """

    def test_thereAreSome(self) -> None:
        """
        They are found, each with all of its files.
        """
        self.assertGreater(len(list(vectors(False))), 40)
        self.assertGreater(len(list(vectors(True))), 20)
        for suffix, bad in ((".hex", 0), (".txt", len(list(vectors(True))))):
            self.assertEqual(
                len(list(HERE.glob(f"*{suffix}"))) + bad,
                len(list(HERE.glob("*.json"))),
            )

    def test_read(self) -> None:
        """
        The bytes are read as the message that the JSON tells of.
        """
        for name, frame, told in vectors(False):
            envelope = decode(payloadOf(frame))
            stated = {key: told[key] for key in meaningOf(envelope)}
            self.assertEqual(meaningOf(envelope), stated, name)
            self.assertEqual(messageOf(told), envelope.message, name)

    def test_write(self) -> None:
        """
        The message is written as these bytes; of those that a server does not
        write so, as bytes that mean the same.
        """
        for name, frame, told in vectors(False):
            position, reference = int(told["position"]), told["reference"]
            written = encode(messageOf(told), position, reference)
            self.assertEqual(written == frame, told["canonical"], name)
            self.assertEqual(decode(payloadOf(written)), decode(payloadOf(frame)), name)

    def test_text(self) -> None:
        """
        It is printed as the text, which can be read again.
        """
        for name, frame, _ in vectors(False):
            text = (HERE / f"{name}.txt").read_text("utf-8")
            envelope = decode(payloadOf(frame))
            self.assertEqual(
                render(
                    envelope.message,
                    envelope.position,
                    envelope.reference,
                    secrets=True,
                ),
                text,
            )
            self.assertEqual(parse(text), envelope)

    def test_byAnotherReader(self) -> None:
        """
        A reader that shares no line with ours finds the same in the bytes.
        """
        for name, frame, told in vectors(False):
            self.assertEqual(struct.unpack(">I", frame[:4])[0], len(frame) - 4)
            reader = Reader(frame[4:])
            position, reference, number, attributes, *_ = reader.value()
            self.assertEqual(reader.at, len(frame) - 4, name)
            self.assertEqual(
                [asJSON(position), reference, number],
                [told["position"], told["reference"], told["number"]],
                name,
            )
            tags = {BY_NAME[one].tag: one for one in told["attributes"]}
            self.assertEqual(
                {
                    tags[tag]: asJSON(value)
                    for tag, _, value in attributes[1]
                    if tag in tags
                },
                told["attributes"],
                name,
            )
            self.assertEqual(
                {
                    str(tag): {"hex": encoded.hex()}
                    for tag, encoded, _ in attributes[1]
                    if tag not in tags
                },
                told["unknown"],
                name,
            )

    def test_bad(self) -> None:
        """
        Bad ones are refused, for the reason that the JSON gives.
        """
        for name, frame, told in vectors(True):
            error = told["error"]
            if error.get("frame"):
                reader = FrameReader()
                reader.receive(frame)
                self.assertRaises(FrameError, reader.nextFrame)
                continue
            bad = self.assertRaises(BadMessage, decode, payloadOf(frame))
            assert isinstance(bad, BadMessage)
            self.assertEqual(bad.fatal, error["fatal"], name)
            if not bad.fatal:
                self.assertEqual(
                    (int(bad.code), bad.reference), (error["code"], error["reference"])
                )
                self.assertTrue(
                    bad.why.startswith(f"Attribute{error['attribute']}: "), name
                )
