"""
Messages of the HA link as bytes: docs/protocols/ha.md.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import Annotated, Protocol, TypeAlias

import msgspec

from sipcluster.wire.frames import frameOf

#: The version that this program speaks, and the oldest that it still speaks.
VERSION = 1
OLDEST = 1

#: Bytes that a frame may hold.  More than elsewhere: a call with all its user data
#: is one entry.
LIMIT = 1 << 20

#: Bytes of kind, key and value together that one entry may have.
ENTRY_LIMIT = LIMIT - 1024

#: Bytes that a change is taken to have besides its kind, key and value.
OVERHEAD = 32

#: Characters of a kind.
KIND_LIMIT = 64

_UInt: TypeAlias = Annotated[int, msgspec.Meta(ge=0)]
_UInt32: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=0xFFFFFFFF)]
_UInt16: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=0xFFFF)]


class BadMessage(Exception):
    """
    The other side sent something that is no message.
    """


class Refusal(enum.IntEnum):
    """
    Why a member wants no more of a connection.
    """

    CLUSTER = 1
    PAIR = 2
    MEMBER = 3
    TOO_OLD = 4
    TOO_NEW = 5
    TWO_PRIMARIES = 6
    MALFORMED = 7
    OUT_OF_ORDER = 8
    LATE = 9
    REPLACED = 10
    TOO_SLOW = 11
    STOPPING = 12
    TOO_MUCH = 13

    @property
    def number(self) -> str:
        """
        Its number in the log.
        """
        return f"00-53{100 + self}"


#: The last position that is taken of another: who goes on after it has room for more.
LAST_POSITION = 1 << 62

#: Numbers in the log of what refuses nothing.
SILENT, MISMATCH, GAP, BROKEN_OWNER = "00-53120", "00-53121", "00-53122", "00-53123"
FENCED, LINK_UP, LINK_DOWN = "00-53124", "00-53125", "00-53126"
STRANGER, STALE_EPOCH = "00-53127", "00-53128"
PROMISED, NO_PROMISE, ALONE = "00-53130", "00-53131", "00-53132"


class Role(enum.IntEnum):
    """
    What a member says of itself.
    """

    BACKUP = 0
    PRIMARY = 1


class Hello(msgspec.Struct, array_like=True, frozen=True, tag=1):
    """
    The first message of both sides.

    @ivar version: the highest that it speaks.
    @ivar oldest: the lowest that it speaks.
    @ivar member: its own name.
    @ivar program: name and version, for people.
    """

    version: _UInt16
    oldest: _UInt16
    cluster: str
    pair: str
    member: str
    program: str = ""


class Refuse(msgspec.Struct, array_like=True, frozen=True, tag=2):
    """
    The last message of a side that wants no more.

    @ivar code: a L{Refusal}, or one of a later version.
    """

    code: _UInt16
    text: str = ""


class State(msgspec.Struct, array_like=True, frozen=True, tag=3):
    """
    What a member is: behind its Hello, and whenever it changes.

    @ivar role: a L{Role}.
    @ivar epoch: of a primary its own, else the highest that it has heard of.
    @ivar heldEpoch: epoch of what it holds; 0: it holds nothing whole.
    @ivar position: up to where it holds it.
    @ivar able: 1: it is fit, and has all that it needs to be primary.
    @ivar closed: 1: it is not primary, and counts on no promise.
    """

    role: _UInt16
    epoch: _UInt
    heldEpoch: _UInt
    position: _UInt
    able: _UInt16 = 0
    closed: _UInt16 = 0


class Want(msgspec.Struct, array_like=True, frozen=True, tag=4):
    """
    A backup asks for the stream.

    @ivar epoch: of the primary that is asked.
    @ivar heldEpoch: of what it holds; 0: it wants a snapshot.
    @ivar position: up to where it holds it.
    """

    epoch: _UInt
    heldEpoch: _UInt
    position: _UInt


class Begin(msgspec.Struct, array_like=True, frozen=True, tag=5):
    """
    A stream begins; one that was there before has ended.

    @ivar stream: its number in this connection; grows.
    @ivar snapshot: 1: what is not named before Complete is gone.
    @ivar after: the first change is the one after this position; 0 for a snapshot.
    @ivar floor: in a snapshot, the position up to which removals are not told.
    @ivar ends: epochs before, oldest first, each with its last position.
    @ivar groups: 1: what belongs together is marked; 0: by an older member.
    """

    epoch: _UInt
    stream: _UInt32
    snapshot: _UInt16
    after: _UInt
    floor: _UInt
    ends: list[tuple[_UInt, _UInt]]
    groups: _UInt16 = 0


class Change(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """
    One entry.

    @ivar value: L{None}: it is gone.
    @ivar age: milliseconds since it was written.
    """

    kind: str
    key: str
    value: bytes | None
    position: _UInt
    age: _UInt32


class Changed(Protocol):
    """
    A change, or what it is made of.
    """

    @property
    def kind(self) -> str:
        "See L{Change}."

    @property
    def key(self) -> str:
        "See L{Change}."

    @property
    def value(self) -> bytes | None:
        "See L{Change}."


class Changes(msgspec.Struct, array_like=True, frozen=True, tag=6):
    """
    What happened after one position, up to another one.

    @ivar more: 1: what is in the next one belongs to it.
    """

    stream: _UInt32
    after: _UInt
    upTo: _UInt
    entries: list[Change]
    more: _UInt16 = 0


class Complete(msgspec.Struct, array_like=True, frozen=True, tag=7):
    """
    The backup holds all that there is up to a position.
    """

    stream: _UInt32
    position: _UInt


class Ack(msgspec.Struct, array_like=True, frozen=True, tag=8):
    """
    The backup holds what it was sent up to a position.

    @ivar complete: 1: it has had Complete.
    @ivar received: up to here came what is not all there yet; not above the position:
        there is no such thing.
    """

    stream: _UInt32
    position: _UInt
    complete: _UInt16
    received: _UInt = 0


class Check(msgspec.Struct, array_like=True, frozen=True, tag=9):
    """
    What the primary holds, when it is quiet.

    @ivar count: entries.
    @ivar sum: of the digests of all of them, modulo 2**64.
    """

    stream: _UInt32
    position: _UInt
    count: _UInt
    sum: _UInt


class Poll(msgspec.Struct, array_like=True, frozen=True, tag=10):
    """
    Asks for a sign of life.
    """


class PollAnswer(msgspec.Struct, array_like=True, frozen=True, tag=11):
    """
    A sign of life.
    """


class Ask(msgspec.Struct, array_like=True, frozen=True, tag=12):
    """
    A primary without its arbiter asks the backup to take no grant.

    @ivar serial: the answer has the same.
    @ivar epoch: in which it serves.
    @ivar milliseconds: for so long.
    """

    serial: _UInt32
    epoch: _UInt
    milliseconds: _UInt32


class Promise(msgspec.Struct, array_like=True, frozen=True, tag=13):
    """
    The backup takes no grant.

    @ivar milliseconds: for so long from when it says so; 0: it promises nothing.
    """

    serial: _UInt32
    epoch: _UInt
    milliseconds: _UInt32


class Unknown(msgspec.Struct, frozen=True):
    """
    A message of a later version.
    """

    number: int


Message: TypeAlias = (
    Hello
    | Refuse
    | State
    | Want
    | Begin
    | Changes
    | Complete
    | Ack
    | Check
    | Poll
    | PollAnswer
    | Ask
    | Promise
    | Unknown
)

_Known: TypeAlias = (
    Hello
    | Refuse
    | State
    | Want
    | Begin
    | Changes
    | Complete
    | Ack
    | Check
    | Poll
    | PollAnswer
    | Ask
    | Promise
)

#: The highest number of a message.
LAST = 13

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Known).decode
_decodeAny = msgspec.msgpack.Decoder(list[msgspec.Raw]).decode
_decodeNumber = msgspec.msgpack.Decoder(_UInt16).decode

#: What msgspec says of bytes that are not what is wanted.
_BAD = (msgspec.MsgspecError, ValueError, RecursionError)


def encode(message: Message) -> bytes:
    """
    Make a frame.
    """
    return frameOf(_encode(message))


def decode(payload: bytes) -> Message:
    """
    Read a message.

    @param payload: of one frame.

    @raise BadMessage: it is none.
    """
    try:
        message: Message = _decode(payload)
    except _BAD as e:
        try:
            number = _decodeNumber(bytes(_decodeAny(payload)[0]))
        except (*_BAD, IndexError):
            number = 0
        if number > LAST:
            return Unknown(number)
        raise BadMessage(f"no message: {str(e)[:120]}") from e
    return message


def weight(changes: Iterable[Changed]) -> int:
    """
    The bytes that changes are taken to have.
    """
    return sum(
        OVERHEAD + len(one.kind) + len(one.key) + len(one.value or b"")
        for one in changes
    )


def agreed(hello: Hello, version: int = VERSION, oldest: int = OLDEST) -> int | Refusal:
    """
    The version that two members speak with each other.

    @param hello: of the other member.
    @param version: the highest that we speak.
    @param oldest: the lowest that we speak.
    """
    if hello.version < oldest:
        return Refusal.TOO_OLD
    if hello.oldest > version:
        return Refusal.TOO_NEW
    return min(hello.version, version)
