"""
T-Library messages as a person types them, and as a program wants them.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any

from attrs import fields

from sipcluster.tlib.attributes import BY_FIELD, BY_NAME, Kind
from sipcluster.tlib.codec import Envelope, missing
from sipcluster.tlib.enums import Labelled
from sipcluster.tlib.messages import MESSAGES, Message, Opaque, isRequest
from sipcluster.tlib.text import HIDDEN, parseValue

_REQUESTS = {cls.__name__: cls for cls in MESSAGES.values() if isRequest(cls.number)}


class BadWords(ValueError):
    """
    Words that are no request; the text says why.
    """


def requestOf(name: str, words: Sequence[str]) -> Message:
    """
    Make a request.

    @param name: C{RequestMakeCall} or C{MakeCall}.
    @param words: C{thisDN=1001} or C{ThisDN=1001}; pairs of a key-value list as
        C{userData.ACCOUNT=4711}, with a number as value C{userData.TRIES:=2}.

    @raise BadWords: there is no such request, or it has no such attribute.
    """
    cls = _REQUESTS.get(name) or _REQUESTS.get(f"Request{name}")
    if cls is None:
        close = difflib.get_close_matches(name, _REQUESTS, 3, 0.5)
        hint = f"; perhaps {' or '.join(close)}" if close else ""
        raise BadWords(f"there is no request {name}{hint}")
    allowed = {one.name for one in fields(cls)} - {"unknown"}
    values: dict[str, Any] = {}
    for word in words:
        left, equals, text = word.partition("=")
        if not equals:
            raise BadWords(f"{word}: want attribute=value")
        field, dot, key = left.partition(".")
        field = BY_NAME[field].field if field in BY_NAME else field
        if field not in allowed:
            raise BadWords(f"{cls.__name__} has no attribute {left.partition('.')[0]}")
        if dot:
            values[field] = (*values.get(field, ()), _pair(field, key, text))
        elif field in values:
            raise BadWords(f"{left} is given twice")
        else:
            values[field] = _value(field, text)
    made = cls(**values)
    lacking = missing(made)
    if lacking:
        raise BadWords(f"{cls.__name__} needs {', '.join(lacking)}")
    return made


def _value(field: str, text: str) -> object:
    attribute = BY_FIELD[field]
    if attribute.kind is Kind.LIST:
        raise BadWords(f"{field}: want {field}.KEY=value")
    try:
        return parseValue(attribute, text)
    except ValueError as e:
        raise BadWords(f"{field}={text}: {e}") from e


def _pair(field: str, key: str, text: str) -> tuple[str, str | int]:
    if BY_FIELD[field].kind is not Kind.LIST:
        raise BadWords(f"{field} has no keys")
    if not key.endswith(":"):
        return key, text
    try:
        number = int(text)
    except ValueError:
        raise BadWords(f"{field}.{key}={text}: want a number") from None
    if not -(2**31) <= number < 2**31:
        raise BadWords(f"{field}.{key}={text}: want a number of 32 bits")
    return key[:-1], number


def plain(envelope: Envelope) -> dict[str, object]:
    """
    A message as JSON has it, with the field's names and without secrets.
    """
    message = envelope.message
    found = {
        BY_FIELD[one.name].name: HIDDEN
        if BY_FIELD[one.name].secret
        else _plain(getattr(message, one.name))
        for one in fields(type(message))
        if one.name in BY_FIELD and getattr(message, one.name) is not None
    }
    found |= {str(number): _plain(value) for number, value in message.unknown}
    return {
        "name": type(message).__name__,
        "number": message.number,
        "position": envelope.position,
        "reference": envelope.reference,
        "attributes": found,
    }


def _plain(value: object) -> object:
    if isinstance(value, Labelled):
        return value.label
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    if isinstance(value, Opaque):
        return value.encoded.hex(" ")
    return value.hex(" ") if isinstance(value, bytes) else value
