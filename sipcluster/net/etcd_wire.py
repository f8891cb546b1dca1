"""
What etcd's JSON gateway says and hears.

Bytes are base64, numbers of 64 bits are strings, and what is zero, empty or
false is left out.
"""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from sipcluster.cluster.icluster import (
    Change,
    ClusterError,
    Compare,
    Delete,
    Entry,
    LeaseGone,
    Operation,
    Put,
    StoreAway,
    StoreRefused,
)
from sipcluster.net.http_client import Answer

_T = TypeVar("_T")


class WireKV(msgspec.Struct, frozen=True):
    key: bytes
    value: bytes = b""
    create_revision: int = 0
    mod_revision: int = 0
    lease: int = 0


class WireHeader(msgspec.Struct, frozen=True):
    revision: int = 0


class WireRange(msgspec.Struct, frozen=True):
    header: WireHeader = WireHeader()
    kvs: list[WireKV] = []
    more: bool = False


class WireResponse(msgspec.Struct, frozen=True):
    response_range: WireRange | None = None


class WireTxn(msgspec.Struct, frozen=True):
    header: WireHeader = WireHeader()
    succeeded: bool = False
    responses: list[WireResponse] = []


class WireGrant(msgspec.Struct, frozen=True):
    header: WireHeader = WireHeader()
    ID: int = 0
    TTL: int = 0


class WireKeptAlive(msgspec.Struct, frozen=True):
    result: WireGrant = WireGrant()


class WireEvent(msgspec.Struct, frozen=True):
    kv: WireKV
    type: str = "PUT"


class WireWatchResult(msgspec.Struct, frozen=True):
    header: WireHeader = WireHeader()
    created: bool = False
    canceled: bool = False
    compact_revision: int = 0
    cancel_reason: str = ""
    events: list[WireEvent] = []


class WireWatchError(msgspec.Struct, frozen=True):
    message: str = ""


class WireWatchLine(msgspec.Struct, frozen=True):
    result: WireWatchResult = WireWatchResult()
    error: WireWatchError | None = None


class WireError(msgspec.Struct, frozen=True):
    error: str = ""
    message: str = ""
    code: int = 0


# Numbers of 64 bits come as strings: strict decoding would refuse them.
decodeRange = msgspec.json.Decoder(WireRange, strict=False)
decodeTxn = msgspec.json.Decoder(WireTxn, strict=False)
decodeGrant = msgspec.json.Decoder(WireGrant, strict=False)
decodeKeptAlive = msgspec.json.Decoder(WireKeptAlive, strict=False)
decodeLine = msgspec.json.Decoder(WireWatchLine, strict=False)
decodeError = msgspec.json.Decoder(WireError, strict=False)
encode = msgspec.json.Encoder().encode

_COMPARED = {
    "CREATE": "create_revision",
    "MOD": "mod_revision",
    "VERSION": "version",
    "VALUE": "value",
}


def compareJSON(condition: Compare) -> dict[str, object]:
    operand = condition.operand
    return {
        "key": condition.key,
        "target": condition.target,
        "result": condition.result,
        _COMPARED[condition.target]: (
            operand if isinstance(operand, bytes) else str(operand)
        ),
    }


def operationJSON(operation: Operation) -> dict[str, object]:
    if isinstance(operation, Put):
        put: dict[str, object] = {"key": operation.key, "value": operation.value}
        if operation.lease:
            put["lease"] = str(operation.lease)
        return {"request_put": put}
    if isinstance(operation, Delete):
        return {"request_delete_range": {"key": operation.key}}
    return {"request_range": {"key": operation.key}}


def entryOf(kv: WireKV) -> Entry:
    return Entry(kv.key, kv.value, kv.create_revision, kv.mod_revision, kv.lease)


def changeOf(event: WireEvent) -> Change:
    kv = event.kv
    if event.type == "DELETE":
        return Change(kv.key, None, 0, kv.mod_revision)
    return Change(kv.key, kv.value, kv.create_revision, kv.mod_revision, kv.lease)


def refusal(answer: Answer) -> ClusterError:
    """
    What an answer other than 200 means.
    """
    try:
        error = decodeError.decode(answer.body)
    except msgspec.MsgspecError:
        error = WireError()
    why = error.message or error.error or f"HTTP status {answer.status}"
    if "lease not found" in why:
        return LeaseGone(why)
    if answer.status >= 500 or answer.status == 429:
        # No leader, no quorum, no space: it may do so later.
        return StoreAway(why)
    return StoreRefused(why, answer.status)


def decoded(decoder: msgspec.json.Decoder[_T], body: bytes) -> _T:
    """
    Read an answer.

    @raise StoreAway: it is none of a cluster store's, which never leaves out
        its revision.
    """
    try:
        answer = decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as e:
        raise StoreAway(f"not an answer of a cluster store: {e}") from e
    outer: Any = answer
    inner: Any = getattr(outer, "result", outer)
    header: WireHeader = inner.header
    if header.revision < 1:
        raise StoreAway("not an answer of a cluster store: no revision")
    return answer
