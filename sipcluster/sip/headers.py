"""
The header section of a message: lines as they came, looked into when asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from sipcluster.sip.errors import MalformedMessage, MessageTooLarge
from sipcluster.sip.grammar import isToken, unfold
from sipcluster.sip.parameters import splitOutsideQuotes

VIA = b"via"
FROM = b"from"
TO = b"to"
CALL_ID = b"call-id"
CSEQ = b"cseq"
CONTACT = b"contact"
ROUTE = b"route"
RECORD_ROUTE = b"record-route"
MAX_FORWARDS = b"max-forwards"
EXPIRES = b"expires"
CONTENT_LENGTH = b"content-length"
CONTENT_TYPE = b"content-type"
SESSION_ID = b"session-id"

#: Parsed values beside the first value of a field.
VIAS = b"via*"
FROM_TAG = b"from;tag"
TO_TAG = b"to;tag"
_DERIVED = {VIA: VIAS, FROM: FROM_TAG, TO: TO_TAG}

#: The key of a line that is no header field: no colon, or no token before it.
BROKEN = b""

_COMPACT = {
    b"a": b"Accept-Contact",
    b"b": b"Referred-By",
    b"c": b"Content-Type",
    b"d": b"Request-Disposition",
    b"e": b"Content-Encoding",
    b"f": b"From",
    b"i": b"Call-ID",
    b"j": b"Reject-Contact",
    b"k": b"Supported",
    b"l": b"Content-Length",
    b"m": b"Contact",
    b"n": b"Identity-Info",
    b"o": b"Event",
    b"r": b"Refer-To",
    b"s": b"Subject",
    b"t": b"To",
    b"u": b"Allow-Events",
    b"v": b"Via",
    b"x": b"Session-Expires",
    b"y": b"Identity",
}

_COMMON = (
    b"Accept Accept-Encoding Accept-Language Alert-Info Allow Authorization "
    b"Call-Info Content-Disposition Content-Language CSeq Date Error-Info Expires "
    b"Geolocation History-Info In-Reply-To Join Max-Forwards MIME-Version Min-Expires "
    b"Min-SE Organization P-Access-Network-Info P-Asserted-Identity "
    b"P-Preferred-Identity Path Priority Privacy Proxy-Authenticate "
    b"Proxy-Authorization Proxy-Require RAck Reason Record-Route Refer-Sub Replaces "
    b"Reply-To Require Resource-Priority Retry-After Route RSeq Server Service-Route "
    b"Session-ID SIP-ETag SIP-If-Match Subscription-State Supported Target-Dialog "
    b"Timestamp Unsupported User-Agent Warning WWW-Authenticate"
).split()

#: How many elements one field may have.
MOST_VALUES = 512

#: How many spellings beyond the common ones are remembered, and how long a
#: name may be for that: peers choose them.
_LEARNED = 2000
_LEARNED_LENGTH = 64


def _spellings() -> dict[bytes, bytes]:
    """
    From each usual spelling of a name to its key: the long name in lower case.
    """
    keys: dict[bytes, bytes] = {}
    for name in (*_COMMON, *_COMPACT.values()):
        key = name.lower()
        for spelling in (name, key, name.upper(), name.title()):
            keys[spelling] = key
    for letter, name in _COMPACT.items():
        keys[letter] = keys[letter.upper()] = keys[name]
    # One and the same object in every spelling, so that comparing is looking.
    known = (VIA, FROM, TO, CALL_ID, CSEQ, CONTACT, ROUTE, RECORD_ROUTE)
    same = {key: key for key in known}
    return {spelling: same.setdefault(key, key) for spelling, key in keys.items()}


_keys = _spellings()
_keyFor = _keys.get
_mostKeys = len(_keys) + _LEARNED


def keyOf(name: bytes) -> bytes:
    """
    The key of a header name in any spelling: the long name in lower case, the
    same object each time for a name that is known.

    @return: L{BROKEN} when it is no token.
    """
    key = _keyFor(name)
    if key is not None:
        return key
    bare = name.rstrip()
    if not isToken(bare):
        return BROKEN
    key = bare.lower()
    key = _keyFor(key, key)
    if len(name) <= _LEARNED_LENGTH and len(_keys) < _mostKeys:
        _keys[name] = key
    return key


def _valueOf(line: bytes) -> bytes:
    value = line.partition(b":")[2].strip()
    return unfold(value) if b"\n" in value else value


def elementsOf(value: bytes) -> list[bytes]:
    """
    The elements of one field; empty ones are left out.

    @param value: unfolded.

    @raise MalformedMessage: a quoted string or an angle bracket is not closed,
        or the elements are too many.
    """
    if value.count(b",") >= MOST_VALUES:
        raise MessageTooLarge("too many values", value)
    return [element for element in splitOutsideQuotes(value, b",") if element]


def _line(name: bytes, value: bytes) -> bytes:
    if b"\n" in value or b"\r" in value:
        raise ValueError(f"{value!r} cannot be the value of {name!r}")
    return b"%b: %b" % (name, value)


class Headers:
    """
    An immutable, ordered list of header fields.

    Names are found in any case and in compact form; every method takes the long
    name.  Lines that nobody edits are rendered byte for byte, folding included,
    and are shared by the L{Headers} made from this one.

    @ivar lines: the fields, without their line ends; not to be changed.
    @ivar keys: what L{keyOf} says of each line; not to be changed.
    @ivar parsed: what L{Message} read already, by key; those of untouched
        fields go over to the L{Headers} made from this one.
    """

    __slots__ = ("keys", "lines", "parsed")

    def __init__(
        self,
        lines: list[bytes] | None = None,
        keys: list[bytes] | None = None,
        parsed: dict[bytes, Any] | None = None,
    ) -> None:
        self.lines: list[bytes] = [] if lines is None else lines
        self.keys: list[bytes] = [] if keys is None else keys
        self.parsed: dict[bytes, Any] = {} if parsed is None else parsed

    @classmethod
    def of(cls, *pairs: tuple[bytes, bytes]) -> Headers:
        """
        Make from names and values.

        @raise ValueError: one holds a line end.
        """
        return cls(
            [_line(name, value) for name, value in pairs],
            [_keyFor(name) or keyOf(name) for name, _ in pairs],
        )

    @classmethod
    def fromLines(cls, lines: list[bytes]) -> Headers:
        """
        Make from the lines of a message as they were received.

        A line that begins with a blank continues the one before.
        """
        known = _keys
        try:
            keys = [known[line[: line.index(b":")]] for line in lines]
        except (KeyError, ValueError):  # folding, no colon, a name not in use
            lines = _joinFolded(lines)
            keys = [_lineKey(line) for line in lines]
        return cls(lines, keys, {})

    def first(self, name: bytes) -> bytes | None:
        """
        The value of the first field of this name, unfolded and stripped.

        @return: L{None} when there is none.
        """
        key = _keyFor(name) or keyOf(name)
        keys = self.keys
        if key not in keys:
            return None
        value = self.lines[keys.index(key)].partition(b":")[2].strip()
        return unfold(value) if b"\n" in value else value

    def all(self, name: bytes) -> list[bytes]:
        """
        The values of all fields of this name, unfolded and stripped.
        """
        key = _keyFor(name) or keyOf(name)
        keys = self.keys
        found = keys.count(key)
        if found == 0:
            return []
        if found == 1:
            return [_valueOf(self.lines[keys.index(key)])]
        return [
            _valueOf(line)
            for line, other in zip(self.lines, self.keys, strict=True)
            if other == key
        ]

    def values(self, name: bytes) -> list[bytes]:
        """
        The comma-separated elements of all fields of this name; empty ones are
        left out.

        @raise MalformedMessage: a quoted string or an angle bracket is not
            closed, or the elements are too many.
        """
        elements = []
        for value in self.all(name):
            if b"," in value:
                elements += elementsOf(value)
            elif value:
                elements.append(value)
        return elements

    def __contains__(self, name: object) -> bool:
        return isinstance(name, bytes) and ((_keyFor(name) or keyOf(name)) in self.keys)

    def __len__(self) -> int:
        return len(self.lines)

    def count(self, name: bytes) -> int:
        """
        How many fields of this name there are.
        """
        return self.keys.count(keyOf(name))

    def __iter__(self) -> Iterator[tuple[bytes, bytes]]:
        for line in self.lines:
            yield line.partition(b":")[0].rstrip(), _valueOf(line)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Headers) and self.lines == other.lines

    def __hash__(self) -> int:
        return hash(tuple(self.lines))

    def __repr__(self) -> str:
        return f"Headers({self.lines!r})"

    def prepend(self, name: bytes, value: bytes) -> Headers:
        """
        Add a field above the first of this name, or on top of all.

        @raise ValueError: the value holds a line end.
        """
        key = _keyFor(name) or keyOf(name)
        keys = self.keys
        at = keys.index(key) if key in keys else 0
        return self._spliced(key, at, at, [_line(name, value)], [key])

    def append(self, name: bytes, value: bytes) -> Headers:
        """
        Add a field below all others.

        @raise ValueError: the value holds a line end.
        """
        key, end = keyOf(name), len(self.keys)
        return self._spliced(key, end, end, [_line(name, value)], [key])

    def extended(self, pairs: Iterable[tuple[bytes, bytes]]) -> Headers:
        """
        Add fields below all others.

        @raise ValueError: a value holds a line end.
        """
        headers = self
        for name, value in pairs:
            headers = headers.append(name, value)
        return headers

    def replace(self, name: bytes, *values: bytes) -> Headers:
        """
        Put fields with these values in place of all of this name: where the
        first one stood, or below all others when there was none.

        @raise ValueError: a value holds a line end.
        """
        key = _keyFor(name) or keyOf(name)
        keys = self.keys
        lines = [_line(name, value) for value in values]
        found = keys.count(key)
        at = keys.index(key) if found else len(keys)
        if found > 1:
            return self.remove(name)._spliced(key, at, at, lines, [key] * len(lines))
        return self._spliced(key, at, at + found, lines, [key] * len(lines))

    def remove(self, name: bytes) -> Headers:
        """
        Leave out all fields of this name; no error when there are none.
        """
        key = keyOf(name)
        if key not in self.keys:
            return self
        kept = [
            (line, other)
            for line, other in zip(self.lines, self.keys, strict=True)
            if other != key
        ]
        return Headers(
            [line for line, _ in kept], [other for _, other in kept], self._less(key)
        )

    def removeFirstValue(self, name: bytes) -> Headers:
        """
        Leave out the first element; of C{Via: a, b} is left C{Via: b}.  No
        error when there is none.

        @raise MalformedMessage: a quoted string or an angle bracket is not
            closed.
        """
        return self._firstValue(name, [])

    def replaceFirstValue(self, name: bytes, value: bytes) -> Headers:
        """
        Put another value in place of the first element.  Nothing changes when
        there is none.

        @raise MalformedMessage: a quoted string or an angle bracket is not
            closed.
        @raise ValueError: the value holds a line end.
        """
        return self._firstValue(name, [value])

    def _firstValue(self, name: bytes, instead: list[bytes]) -> Headers:
        key = keyOf(name)
        keys = self.keys
        at = -1
        for _ in range(keys.count(key)):
            at = keys.index(key, at + 1)
            value = _valueOf(self.lines[at])
            rest = []
            if b"," in value:
                elements = elementsOf(value)
                if not elements:
                    continue
                rest = elements[1:]
            elif not value:
                continue
            if not (instead or rest):
                return self._spliced(key, at, at + 1, [], [])
            spelled = self.lines[at].partition(b":")[0].rstrip()
            line = _line(spelled, b", ".join(instead + rest))
            return self._spliced(key, at, at + 1, [line], [key])
        return self

    def _spliced(
        self, key: bytes, start: int, end: int, lines: list[bytes], keys: list[bytes]
    ) -> Headers:
        newLines, newKeys = self.lines.copy(), self.keys.copy()
        newLines[start:end] = lines
        newKeys[start:end] = keys
        return Headers(newLines, newKeys, self._less(key))

    def _less(self, key: bytes) -> dict[bytes, Any]:
        """
        What is still true of the parsed values once this field has changed.
        """
        parsed = self.parsed.copy()
        if key in parsed:
            del parsed[key]
        derived = _DERIVED.get(key)
        if derived in parsed:
            del parsed[derived]
        return parsed

    def render(self) -> bytes:
        """
        Write the fields, each with its line end.
        """
        return b"\r\n".join([*self.lines, b""])


def _joinFolded(lines: list[bytes]) -> list[bytes]:
    joined: list[bytes] = []
    folded: list[bytes] = []
    for line in lines:
        if line[:1] in (b" ", b"\t"):
            if not joined:
                raise MalformedMessage("nothing to continue", line)
            folded.append(line)
        else:
            if folded:
                joined[-1] = b"\r\n".join([joined[-1], *folded])
                folded = []
            joined.append(line)
    if folded:
        joined[-1] = b"\r\n".join([joined[-1], *folded])
    return joined


def _lineKey(line: bytes) -> bytes:
    name, colon, _ = line.partition(b":")
    return keyOf(name) if colon else BROKEN
