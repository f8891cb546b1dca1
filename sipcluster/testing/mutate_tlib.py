"""
T-Library messages of every kind, and mutated ones.

L{sipcluster.testing.tlib_campaign} sends them to a T-Library port.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import msgspec
from attrs import fields

from sipcluster.testing.mutate_bytes import ByteMutator
from sipcluster.tlib.attributes import BY_FIELD, Attribute, Kind
from sipcluster.tlib.messages import MESSAGES, Message, isRequest

#: DNs of the switch, and some that it does not have.
DNS = tuple(f"10{number:02}" for number in range(10))
STRANGE_DNS = ("9999", "", "1001\0", "*", "x" * 300, "ü")

#: What is put into the bytes of messages: heads of MessagePack values, edges.
TOKENS: tuple[bytes, ...] = (
    *(bytes([octet]) for octet in b"\x00\x01\x7f\x80\x8f\x90\x9f\xa0\xbf\xff"),
    *(bytes([octet]) for octet in range(0xC0, 0xE0)),
    *(b"\xff" * 4, b"\x00" * 4, b"\xcf" + b"\xff" * 8, b"\xd3\x80" + b"\x00" * 7),
    *(b"\xdb\xff\xff\xff\xff", b"\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff"),
    *(b"\x91" * 40, b"\x91" * 3000, b"\x81\xa1k" * 40, b"\xa1\xff", b"\xd9\xff"),
    *(b"\x94\x00\x00\x00\x80", b"\x1b\x91\x92\xa1k", b"x" * 300, b"\xc4\xff"),
)

_requests = [cls for number, cls in MESSAGES.items() if isRequest(number)]
_others = [cls for number, cls in MESSAGES.items() if not isRequest(number)]


class MessageMaker:
    """
    Makes messages that can be read, and often make sense.
    """

    def __init__(self, random: Random) -> None:
        """
        @param random: chooses everything.
        """
        self._random = random

    def message(self) -> Message:
        """
        Any message, mostly a request.
        """
        kinds = _requests if self._random.random() < 0.9 else _others
        return self.of(self._random.choice(kinds))

    def of(self, cls: type[Message]) -> Message:
        """
        A message of one class: what is mandatory, mostly, and some of the rest.
        """
        values: dict[str, Any] = {}
        for one in fields(cls):
            attribute = BY_FIELD.get(one.name)
            chance = 0.97 if one.name in cls.mandatory else 0.15
            if attribute is not None and self._random.random() < chance:
                values[one.name] = self.value(attribute)
        if self._random.random() < 0.05:
            values["unknown"] = ((self._random.randrange(200, 65536), "later"),)
        return cls(**values)

    def value(self, attribute: Attribute) -> Any:
        """
        A value that an attribute may have.
        """
        random = self._random
        kind = attribute.kind
        if kind is Kind.STRING:
            if attribute.name.endswith("DN") and random.random() < 0.95:
                return random.choice(DNS)
            return random.choice(STRANGE_DNS)
        if kind is Kind.ENUMERATION:
            return random.choice((0, 0, 0, 1, 2, 3, 77, 2**32 - 1))
        if kind is Kind.INTEGER:
            return random.choice((0, 1, 1, 2, -1, 2**31 - 1, -(2**31)))
        if kind is Kind.UNSIGNED:
            return random.choice((0, 1, 60, 2**32, 2**64 - 1))
        if kind is Kind.CONN_ID:
            return f"{random.randrange(20):016x}"
        if kind is Kind.CALL_UUID:
            return f"{random.getrandbits(128):032x}"
        if kind is Kind.BINARY:
            return random.randbytes(random.choice((64, 64, 64, 0, 63, 65)))
        if kind is Kind.TIME:
            return random.randrange(2**40), random.randrange(10**6)
        return self.pairs()

    def pairs(self, depth: int = 3) -> Any:
        """
        A key-value list.
        """
        random = self._random
        many = random.choice((0, 1, 1, 2, 3, 20 if depth == 3 else 0))
        found: list[tuple[str, Any]] = []
        for _ in range(many):
            value: Any = random.choice(("text", "", 7, -(2**31), b"\0\xff", "x" * 500))
            if depth and random.random() < 0.2:
                value = self.pairs(depth - 1)
            found.append((random.choice(("a", "a", "b", "", "ReasonCode")), value))
        return tuple(found)


class FrameMutator(ByteMutator):
    """
    Makes bad frames of good ones.
    """

    def __init__(self, random: Random) -> None:
        """
        @param random: chooses everything.
        """
        super().__init__(random, TOKENS, 12)
        self._bytes: Sequence[Callable[[bytes], bytes]] = (
            *(self._flip, self._insert, self._delete, self._double, self._replace),
            self._cut,
        )

    def mutate(self, frame: bytes) -> bytes:
        """
        Change a frame once or a few times: its values, its bytes, or its length.
        """
        chance = self._random.random()
        if chance < 0.75:
            return _framed(self._values(frame[4:]))
        if chance < 0.97:
            return _framed(self._changed(frame[4:]))
        return self._changed(frame)

    def _changed(self, data: bytes) -> bytes:
        for _ in range(self._random.choice((1, 1, 1, 2, 3, 6))):
            data = self._random.choice(self._bytes)(data)
        return data

    def _double(self, data: bytes) -> bytes:
        start, end = self._span(data)
        return data[:start] + data[start:end] * 2 + data[end:]

    # Values: what is sent can be read, and means something else.

    def _values(self, payload: bytes) -> bytes:
        random = self._random
        found = msgspec.msgpack.decode(payload)
        for _ in range(random.choice((1, 1, 2, 3))):
            if random.random() < 0.8:
                found[3] = self._otherwise(found[3] or {1: ""})
            elif random.random() < 0.8:
                at = random.randrange(3)
                found[at] = random.choice((found[at], *_NUMBERS[at]))
            else:
                found = self._otherwise(found)
            if not isinstance(found, list) or len(found) < 4:
                break
        return msgspec.msgpack.encode(found)

    def _otherwise(self, found: Any) -> Any:
        """
        The same with one value in it another.
        """
        random = self._random
        if isinstance(found, list) and found and random.random() < 0.85:
            at = random.randrange(len(found))
            if random.random() < 0.1:
                return random.choice(
                    (found[:at], found + found[at:], found[:at] + found[at + 1 :])
                )
            changed = list(found)
            changed[at] = self._otherwise(found[at])
            return changed
        if isinstance(found, dict) and found and random.random() < 0.95:
            tag = random.choice(list(found))
            rest = {key: value for key, value in found.items() if key != tag}
            chance = random.random()
            if chance < 0.15:
                return rest
            if chance < 0.3:
                return {**rest, random.choice((1, 5, 13, 27, 999, 70000)): found[tag]}
            return {**rest, tag: self._otherwise(found[tag])}
        return self._value()

    def _value(self) -> Any:
        random = self._random
        chance = random.random()
        if chance < 0.1:
            deep: Any = []
            for _ in range(random.choice((1, 15, 16, 17, 33, 200))):
                deep = [["k", deep]]
            return deep
        if chance < 0.15:
            return "x" * random.choice((255, 65536 - 60, 65536, 60000))
        if chance < 0.2:
            return [["key", "x" * 2000]] * random.choice((1, 20, 31))
        return random.choice(_VALUES)


#: What position, reference and number may be, also wrong ones.
_NUMBERS: tuple[tuple[int, ...], ...] = (
    (0, 1, 2**63, 2**64 - 1, -1),
    (0, 1, 2, 2**32 - 1, 2**32),
    (0, 3, 4, 7, 16, 48, 52, 60, 93, 155, 1000, 1001, 1002, 65535, 65536),
)

_VALUES: tuple[Any, ...] = (
    *(0, 1, 2, 7, -1, 255, 65535, 65536, 2**31 - 1, 2**31, -(2**31), -(2**31) - 1),
    *(2**32 - 1, 2**32, 2**53, 2**63, 2**64 - 1, -(2**63), 60, 93, 138, 1000, 1002),
    *("", "1001", "1002", "9999", "desktop", "\0", "ü", "'", "0" * 16, "f" * 32),
    *(b"", b"\0" * 64, b"\xff" * 64, None, True, False, 1.5, float("nan")),
    *([], {}, [[]], [["a", 1]], [["a", 1], ["a", [["b", b""]]]], [["a"]], [1, 2]),
    *({"a": 1}, {1: "1001"}, [["a", None]], [[1, "a"]], [0, 10**6], [1, 2, 3]),
)


def _framed(payload: bytes) -> bytes:
    return struct.pack(">I", len(payload)) + payload
