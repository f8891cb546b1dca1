"""
C{;name=value} lists, as they follow URIs, addresses and Via values.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from sipcluster.sip.errors import MalformedMessage
from sipcluster.sip.grammar import unquote

_specials = {
    (b",", True): re.compile(rb'[",<>\\]'),
    (b",", False): re.compile(rb'[",\\]'),
    (b";", False): re.compile(rb'[";\\]'),
    (b";", True): re.compile(rb'[";<>\\]'),
}


def splitOutsideQuotes(
    value: bytes, separator: bytes, brackets: bool | None = None
) -> list[bytes]:
    """
    Split C{value} at C{separator}, leaving quoted strings whole.

    A quoted string may hold any separator, and a backslash in one escapes
    the next byte (RFC 3261 section 25.1, C{quoted-string}).

    @param value: a header value, unfolded.
    @param separator: one byte: C{b","} or C{b";"}.
    @param brackets: whether C{<...>} is left whole too; by default when
        splitting at commas, because a URI may hold one.

    @return: the pieces, stripped of linear white space; at least one.

    @raise MalformedMessage: a quoted string or a bracket is not closed.
    """
    if brackets is None:
        brackets = separator == b","
    if b'"' not in value and not (brackets and b"<" in value):
        return [piece.strip() for piece in value.split(separator)]
    pieces: list[bytes] = []
    start = skipped = 0
    quoted = enclosed = False
    for match in _specials[separator, brackets].finditer(value):
        position = match.start()
        byte = value[position : position + 1]
        if quoted:
            if position < skipped:
                continue  # escaped by a backslash
            if byte == b"\\":
                skipped = position + 2
            elif byte == b'"':
                quoted = False
        elif byte == b'"':
            quoted = not enclosed
        elif byte == b"<":
            enclosed = True
        elif byte == b">":
            enclosed = False
        elif byte == separator and not enclosed:
            pieces.append(value[start:position].strip())
            start = position + 1
    if quoted:
        raise MalformedMessage("unclosed quoted string", value)
    if enclosed:
        raise MalformedMessage("unclosed angle bracket", value)
    pieces.append(value[start:].strip())
    return pieces


_isPlain = re.compile(rb';[^\x00-\x20"]*').fullmatch


class Parameters:
    """
    An ordered list of parameters, immutable.

    Names are compared without case and rendered as they were spelled.  Where
    a name stands twice, the first counts.
    """

    __slots__ = ("_items", "_raw")

    #: (name in lower case, name as spelled, value as spelled or L{None})
    _items: tuple[tuple[bytes, bytes, bytes | None], ...] | None
    _raw: bytes | None

    def __init__(
        self, items: tuple[tuple[bytes, bytes, bytes | None], ...] = ()
    ) -> None:
        self._items = items
        self._raw = None

    @classmethod
    def parse(cls, value: bytes) -> Parameters:
        """
        Read C{;a=b;lr}, with or without the first semicolon.

        @raise MalformedMessage: a quoted string is not closed.
        """
        if not value:
            return NONE
        if _isPlain(value):
            return cls.plain(value)
        return cls(_items(value))

    @classmethod
    def plain(cls, value: bytes) -> Parameters:
        """
        Take C{;a=b;lr} as it is: nothing is wrong with it, and it is looked
        into when someone asks.

        @param value: begins with a semicolon, and has neither quotes nor blanks.
        """
        new = cls.__new__(cls)
        new._items = None
        new._raw = value
        return new

    @property
    def items(self) -> tuple[tuple[bytes, bytes, bytes | None], ...]:
        """
        All parameters: name in lower case, name as spelled, value as spelled
        or L{None} for a flag.
        """
        if self._items is None:
            assert self._raw is not None
            self._items = _plainItems(self._raw)
        return self._items

    def get(self, name: bytes) -> bytes | None:
        """
        Look one up.

        @param name: in lower case.

        @return: the value as spelled, quotes included; empty for a flag;
            L{None} when it is not there.
        """
        for key, _, value in self._items or self.items:
            if key == name:
                return value or b""
        return None

    def text(self, name: bytes) -> bytes:
        """
        The value without quotes, empty when absent.
        """
        return unquote(self.get(name) or b"")

    def names(self) -> list[bytes]:
        """
        The names in lower case, in order, repetitions included.
        """
        return [item[0] for item in self.items]

    def __contains__(self, name: object) -> bool:
        return any(item[0] == name for item in self.items)

    def __iter__(self) -> Iterator[tuple[bytes, bytes]]:
        return ((name, value or b"") for name, _, value in self.items)

    def __len__(self) -> int:
        return len(self.items)

    def with_(self, name: bytes, value: bytes | None) -> Parameters:
        """
        Set one parameter: in its place, or last when it is not there.

        @param value: L{None} makes a flag.
        """
        key = name.lower()
        items = list(self.items)
        for index, item in enumerate(items):
            if item[0] == key:
                items[index] = (key, item[1], value)
                break
        else:
            items.append((key, name, value))
        return Parameters(tuple(items))

    def without(self, name: bytes) -> Parameters:
        """
        Leave one parameter out; no error when it is not there.
        """
        key = name.lower()
        return Parameters(tuple(item for item in self.items if item[0] != key))

    def render(self) -> bytes:
        """
        Write them, each with its semicolon; empty when there are none.
        """
        if self._raw is None:
            self._raw = b"".join(
                b";" + name if value is None else b";%b=%b" % (name, value)
                for _, name, value in self.items
            )
        return self._raw

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Parameters):
            return NotImplemented
        return [(key, value) for key, _, value in self.items] == [
            (key, value) for key, _, value in other.items
        ]

    def __hash__(self) -> int:
        return hash(tuple((key, value) for key, _, value in self.items))

    def __repr__(self) -> str:
        return f"Parameters({self.render()!r})"


def _items(value: bytes) -> tuple[tuple[bytes, bytes, bytes | None], ...]:
    items = []
    for piece in splitOutsideQuotes(value, b";"):
        if piece:
            name, equals, text = piece.partition(b"=")
            name = name.rstrip()
            items.append((name.lower(), name, text.lstrip() if equals else None))
    return tuple(items)


def _plainItems(value: bytes) -> tuple[tuple[bytes, bytes, bytes | None], ...]:
    items = []
    for piece in value.split(b";"):
        if piece:
            name, equals, text = piece.partition(b"=")
            items.append((name.lower(), name, text if equals else None))
    return tuple(items)


#: No parameters.
NONE = Parameters()
