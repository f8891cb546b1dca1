"""
Messages as bytes, and back.

A message is written in two parts: what one client alone gets (position, reference)
at a fixed width, and behind it what all get alike, which is encoded once.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import Annotated, Any

import msgspec
from attrs import fields, frozen

from sipcluster.tlib.attributes import BY_FIELD, BY_TAG, readerOf
from sipcluster.tlib.errors import BadMessage, MessageTooLong
from sipcluster.tlib.messages import MESSAGES, Message, Opaque, UnknownMessage
from sipcluster.wire.frames import LIMIT

#: Length, the array of four, position and reference at their full width.
_head = struct.Struct(">IBBQBI")

#: Bytes of it that count as part of the frame.
HEAD = _head.size - 4

#: How deep values of unknown attributes may stand in one another.
DEPTH = 32


@frozen
class Envelope:
    """
    A message as it travels.

    @ivar position: from a server its EventSequenceNumber, 0 for a message without
        one; from a client the highest that it has handled.
    @ivar reference: the ReferenceID; 0 for none.
    """

    position: int
    reference: int
    message: Message


class _Frame(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """
    What a frame must hold; further elements are not looked at.
    """

    position: Annotated[int, msgspec.Meta(ge=0)]
    reference: Annotated[int, msgspec.Meta(ge=0, le=0xFFFFFFFF)]
    number: Annotated[int, msgspec.Meta(ge=0, le=0xFFFF)]
    attributes: dict[Annotated[int, msgspec.Meta(ge=0, le=0xFFFF)], Any]


class _RawFrame(msgspec.Struct, array_like=True, frozen=True):
    """
    The same, its values left as they are.
    """

    position: Annotated[int, msgspec.Meta(ge=0)]
    reference: Annotated[int, msgspec.Meta(ge=0, le=0xFFFFFFFF)]
    number: Annotated[int, msgspec.Meta(ge=0, le=0xFFFF)]
    attributes: dict[Annotated[int, msgspec.Meta(ge=0, le=0xFFFF)], msgspec.Raw]


_encoder = msgspec.msgpack.Encoder()
_encode = _encoder.encode
_decodeFrame = msgspec.msgpack.Decoder(_Frame).decode
_decodeRaw = msgspec.msgpack.Decoder(_RawFrame).decode
_decodeValue = msgspec.msgpack.Decoder(Any).decode
_decodeSkipping = msgspec.msgpack.Decoder(msgspec.Raw).decode

#: What msgspec says of bytes that are no MessagePack, or not what is wanted.
_BAD = (msgspec.MsgspecError, ValueError, RecursionError)


class _Layout:
    """
    How one class of messages is written and read.

    @ivar prefix: its number, encoded.
    @ivar tags: of its fields, in their order.
    @ivar values: the values of these fields.
    @ivar readers: field and reader of each tag.
    """

    __slots__ = ("prefix", "readers", "tags", "values")

    def __init__(self, cls: type[Message]) -> None:
        names = [one.name for one in fields(cls) if one.name in BY_FIELD]
        attributes = sorted((BY_FIELD[name] for name in names), key=lambda one: one.tag)
        self.prefix = b"" if cls is UnknownMessage else _encode(cls.number)
        self.tags = tuple(one.tag for one in attributes)
        self.values = _getter([one.field for one in attributes])
        self.readers: Mapping[int, tuple[str, Callable[[object], object]]] = {
            one.tag: (one.field, readerOf(one)) for one in attributes
        }


def _getter(names: list[str]) -> Callable[[Message], tuple[object, ...]]:
    if len(names) < 2:
        return lambda message: tuple(getattr(message, name) for name in names)
    return attrgetter(*names)


_LAYOUTS = {cls: _Layout(cls) for cls in MESSAGES.values()}
_UNKNOWN = _Layout(UnknownMessage)


def encodeBody(message: Message) -> bytes:
    """
    Encode what all who get a message get alike: its number and its attributes.

    @raise MessageTooLong: no frame can hold it.
    """
    layout = _LAYOUTS.get(type(message))
    if layout is None:
        prefix, layout = _encode(message.number), _UNKNOWN
    else:
        prefix = layout.prefix
    attributes: dict[int, Any] = {
        tag: value
        for tag, value in zip(layout.tags, layout.values(message), strict=True)
        if value is not None
    }
    if message.unknown:
        for tag, value in message.unknown:
            attributes[tag] = _raw(value)
    try:
        body = prefix + _encode(attributes)
    except UnicodeEncodeError:
        # Half a pair of UTF-16, as careless programs and bad SIP make it.
        body = prefix + _encode(_mended(attributes))
    if len(body) > LIMIT - HEAD:
        raise MessageTooLong(
            f"{type(message).__name__} of {len(body)} bytes does not fit into a frame"
        )
    return body


def frame(position: int, reference: int, body: bytes) -> bytes:
    """
    Make a frame for one receiver.

    @param body: from L{encodeBody}.
    """
    return _head.pack(HEAD + len(body), 0x94, 0xCF, position, 0xCE, reference) + body


def encode(message: Message, position: int = 0, reference: int = 0) -> bytes:
    """
    Make a frame.

    @raise MessageTooLong: no frame can hold it.
    """
    return frame(position, reference, encodeBody(message))


def pack(value: object) -> bytes:
    """
    Encode the value of an unknown attribute.
    """
    return _encode(_raw(value))


def unpack(encoded: bytes) -> object:
    """
    Read the value of an unknown attribute.

    @raise ValueError: it is no MessagePack value.
    """
    try:
        _decodeSkipping(encoded)
        return _kept(encoded)
    except (*_BAD, _TooDeep) as e:
        raise ValueError(f"no value: {_short(e)}") from e


def missing(message: Message) -> tuple[str, ...]:
    """
    The fields that a message lacks, and without which it means nothing.
    """
    return tuple([name for name in message.mandatory if getattr(message, name) is None])


def decode(payload: bytes) -> Envelope:
    """
    Read a message.

    @param payload: of one frame.

    @raise BadMessage: it is none.
    """
    try:
        found: _Frame | _RawFrame = _decodeFrame(payload)
    except _BAD:
        found = _rawFrame(payload)
    number, reference = found.number, found.reference
    cls = MESSAGES.get(number)
    readers = (_UNKNOWN if cls is None else _LAYOUTS[cls]).readers
    values: dict[str, Any] = {}
    strange = False
    for tag, value in found.attributes.items():
        row = readers.get(tag)
        if row is None:
            strange = True
            continue
        try:
            if type(value) is msgspec.Raw:
                value = _decodeValue(value)
            values[row[0]] = row[1](value)
        except _BAD as e:
            raise BadMessage(
                f"Attribute{BY_TAG[tag].name}: {_short(e)}",
                reference=reference,
                number=number,
            ) from e
    if strange:
        values["unknown"] = _unknown(payload, found, readers)
    if cls is None:
        message: Message = UnknownMessage(number=number, **values)
    else:
        message = cls(**values)
    return Envelope(found.position, reference, message)


def _rawFrame(payload: bytes) -> _RawFrame:
    """
    Read what can be read of a frame.

    @raise BadMessage: nothing can.
    """
    try:
        return _decodeRaw(payload)
    except _BAD as e:
        raise BadMessage(f"no message: {_short(e)}", fatal=True) from e


def _unknown(
    payload: bytes, found: _Frame | _RawFrame, readers: Mapping[int, object]
) -> tuple[tuple[int, object], ...]:
    """
    The attributes that a message does not have here, exactly as they came.
    """
    raw = found if isinstance(found, _RawFrame) else _rawFrame(payload)
    try:
        return tuple(
            [
                (tag, _kept(bytes(value)))
                for tag, value in raw.attributes.items()
                if tag not in readers
            ]
        )
    except _TooDeep as e:
        raise BadMessage(
            str(e), reference=found.reference, number=found.number, fatal=True
        ) from e


def _kept(encoded: bytes) -> object:
    """
    What stands in a message for an encoded value.

    @raise _TooDeep: there is more in it than is allowed.
    """
    try:
        value = _plain(_decodeValue(encoded))
    except _BAD:
        return Opaque(encoded)
    # Maps, floating point, a longer form than needed: as it came.
    return value if _encode(value) == encoded else Opaque(encoded)


class _TooDeep(Exception):
    """
    More values in one another than are allowed.
    """


def _plain(value: object, depth: int = DEPTH) -> object:
    """
    The same with tuples for arrays.

    @raise ValueError: there is something else in it.
    """
    if type(value) is list:
        if not depth:
            raise _TooDeep(f"more than {DEPTH} values in one another")
        return tuple([_plain(item, depth - 1) for item in value])
    if value is None or isinstance(value, (str, int, bytes)):
        return value
    raise ValueError("no plain value")


def _raw(value: object) -> object:
    return msgspec.Raw(value.encoded) if isinstance(value, Opaque) else value


def _mended(value: Any) -> Any:
    """
    The same with every string one that UTF-8 can write.
    """
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, tuple):
        return tuple(_mended(item) for item in value)
    if isinstance(value, dict):
        return {tag: _mended(item) for tag, item in value.items()}
    return value


def _short(error: BaseException) -> str:
    return str(error)[:120]
