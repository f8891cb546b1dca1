"""
Messages as text, in the field's look; gaps at the beginning of a line and before a
value are tabs::

    EventRinging (60)
      AttributeEventSequenceNumber  0000000000000007
      AttributeTimeinuSecs          250000
      AttributeTimeinSecs           1760000000 (08:53:20)
      AttributeThisDN               '1002'
      AttributeThisDNRole           2 [Destination]
      AttributeConnID               006c02462a161006
      AttributeUserData             [2]
        'ACCOUNT'   '4711'
        'ROUTE'     [1]
          'SKILL'     'billing'

The number of a list says how many pairs it has; they stand one tab further to the
right.  Bytes are C{bin: 00 ff}.  In quotes a backslash stands before a quote and a
backslash, and makes what cannot be printed visible: C{\\n}, C{\\x00}, C{\\u200b}.  An
attribute without a name has its number, and its value as it is encoded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sipcluster.tlib.attributes import Kind
from sipcluster.tlib.codec import pack
from sipcluster.tlib.enums import Labelled
from sipcluster.tlib.messages import Message, UnknownMessage
from sipcluster.tlib.text_reading import BadText as BadText
from sipcluster.tlib.text_reading import attributesOf
from sipcluster.tlib.text_reading import parse as parse
from sipcluster.tlib.text_reading import parseValue as parseValue
from sipcluster.wire.kvlist import KVList

#: Stands for a value that is not shown.
HIDDEN = "***"

_ESCAPES = {"\\": "\\\\", "'": "\\'", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def render(
    message: Message,
    position: int = 0,
    reference: int = 0,
    secrets: bool = False,
    userData: bool = True,
) -> str:
    """
    Write a message.

    @param position: 0 is left out.
    @param reference: 0 is left out.
    @param secrets: whether passwords and session ids are shown; they are three
        stars otherwise.
    @param userData: whether the values attached to calls are.

    @return: lines, the last one ended, too.
    """
    name = type(message).__name__
    if isinstance(message, UnknownMessage):
        name = f"Message{message.number}"
    lines = [f"{name} ({message.number})"]
    if position:
        lines.append(f"\tAttributeEventSequenceNumber\t{position:016x}")
    if reference:
        lines.append(f"\tAttributeReferenceID\t{reference}")
    for attribute in attributesOf(type(message)):
        value = getattr(message, attribute.field)
        if value is None:
            continue
        if attribute.secret and not secrets:
            value = HIDDEN
        elif attribute.name == "UserData" and not userData:
            value = tuple((key, HIDDEN) for key, _ in value)
        _RENDERERS[attribute.kind](lines, attribute.name, value)
    for tag, value in message.unknown:
        lines.append(f"\tAttribute{tag}\t{_bytes(pack(value))}")
    lines.append("")
    return "\n".join(lines)


def _quoted(text: str) -> str:
    if text.isprintable() and "'" not in text and "\\" not in text:
        return f"'{text}'"
    return "'" + "".join([_visible(one) for one in text]) + "'"


def _visible(character: str) -> str:
    escape = _ESCAPES.get(character)
    if escape is not None:
        return escape
    if character.isprintable():
        return character
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _bytes(value: bytes) -> str:
    return f"bin: {value.hex(' ')}".rstrip()


def _renderPlain(lines: list[str], name: str, value: Any) -> None:
    lines.append(f"\tAttribute{name}\t{value}")


def _renderString(lines: list[str], name: str, value: Any) -> None:
    lines.append(f"\tAttribute{name}\t{_quoted(value)}")


def _renderBytes(lines: list[str], name: str, value: Any) -> None:
    lines.append(f"\tAttribute{name}\t{_bytes(value)}")


def _renderEnumeration(lines: list[str], name: str, value: Any) -> None:
    label = f" [{value.label}]" if isinstance(value, Labelled) else ""
    lines.append(f"\tAttribute{name}\t{int(value)}{label}")


def _renderTime(lines: list[str], name: str, value: Any) -> None:
    seconds, microseconds = value
    if name != "time":
        lines.append(f"\tAttribute{name}\t{seconds}.{microseconds:06}")
        return
    minutes, second = divmod(seconds, 60)
    hour, minute = divmod(minutes % 1440, 60)
    lines.append(f"\tAttributeTimeinuSecs\t{microseconds}")
    clock = f"{hour:02}:{minute:02}:{second:02}"
    lines.append(f"\tAttributeTimeinSecs\t{seconds} ({clock})")


def _renderList(lines: list[str], name: str, value: Any) -> None:
    lines.append(f"\tAttribute{name}\t[{len(value)}]")
    _renderPairs(lines, value, "\t\t")


def _renderPairs(lines: list[str], pairs: KVList, indent: str) -> None:
    for key, value in pairs:
        head = f"{indent}{_quoted(key)}\t"
        if isinstance(value, str):
            lines.append(head + _quoted(value))
        elif isinstance(value, bytes):
            lines.append(head + _bytes(value))
        elif isinstance(value, int):
            lines.append(f"{head}{value}")
        else:
            lines.append(f"{head}[{len(value)}]")
            _renderPairs(lines, value, indent + "\t")


_RENDERERS: Mapping[Kind, Callable[[list[str], str, Any], None]] = {
    Kind.STRING: _renderString,
    Kind.INTEGER: _renderPlain,
    Kind.UNSIGNED: _renderPlain,
    Kind.CONN_ID: _renderPlain,
    Kind.CALL_UUID: _renderPlain,
    Kind.BINARY: _renderBytes,
    Kind.ENUMERATION: _renderEnumeration,
    Kind.LIST: _renderList,
    Kind.TIME: _renderTime,
}
