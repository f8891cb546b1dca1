"""
What the embedded store hears and says in the words of etcd's JSON gateway.

Bytes are base64, numbers of 64 bits may come as strings and leave as such, and
what is zero, empty or false is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeVar

import msgspec

from sipcluster.cluster.icluster import MAXIMUM_OPERATIONS, Compare
from sipcluster.cluster.operations import (
    DeleteOperation,
    KeyspaceOperation,
    KeyValue,
    PutOperation,
    RangeOperation,
    RangeOutcome,
    TransactionOutcome,
    within,
)

_T = TypeVar("_T")


class BadRequest(Exception):
    """
    A request that is not what its path takes.
    """


class _Request(msgspec.Struct, forbid_unknown_fields=True):
    """
    A request, whose unknown fields are an error: they would be ignored wishes.
    """


class RangeRequest(_Request):
    """
    C{/v3/kv/range}
    """

    key: bytes = b""
    range_end: bytes = b""
    limit: int = 0
    revision: int = 0
    sort_order: Literal["NONE", "ASCEND"] = "NONE"
    sort_target: Literal["KEY"] = "KEY"
    serializable: bool = False
    keys_only: bool = False
    count_only: bool = False

    def operation(self) -> RangeOperation:
        """
        @raise BadRequest: no key.
        """
        return RangeOperation(
            _key(self.key),
            self.range_end,
            max(0, self.revision),
            max(0, self.limit),
            self.count_only,
            self.keys_only,
        )


class PutRequest(_Request):
    """
    C{/v3/kv/put}
    """

    key: bytes = b""
    value: bytes = b""
    lease: int = 0

    def operation(self) -> PutOperation:
        """
        @raise BadRequest: no key.
        """
        return PutOperation(_key(self.key), self.value, self.lease)


class DeleteRangeRequest(_Request):
    """
    C{/v3/kv/deleterange}
    """

    key: bytes = b""
    range_end: bytes = b""

    def operation(self) -> DeleteOperation:
        """
        @raise BadRequest: no key.
        """
        return DeleteOperation(_key(self.key), self.range_end)


class Condition(_Request):
    """
    One comparison of a transaction.
    """

    key: bytes = b""
    target: Literal["VERSION", "CREATE", "MOD", "VALUE"] = "VERSION"
    result: Literal["EQUAL", "GREATER", "LESS", "NOT_EQUAL"] = "EQUAL"
    version: int = 0
    create_revision: int = 0
    mod_revision: int = 0
    value: bytes = b""

    def compare(self) -> Compare:
        """
        @raise BadRequest: no key.
        """
        operands: dict[str, int | bytes] = {
            "VERSION": self.version,
            "CREATE": self.create_revision,
            "MOD": self.mod_revision,
            "VALUE": self.value,
        }
        operand = operands[self.target]
        return Compare(_key(self.key), self.target, operand, self.result)


class RequestOp(_Request):
    """
    One operation of a transaction; exactly one of these.
    """

    request_range: RangeRequest | None = None
    request_put: PutRequest | None = None
    request_delete_range: DeleteRangeRequest | None = None

    def operation(self) -> KeyspaceOperation:
        """
        @raise BadRequest: none or several are given.
        """
        given = [
            each
            for each in (
                self.request_range,
                self.request_put,
                self.request_delete_range,
            )
            if each is not None
        ]
        if len(given) != 1:
            raise BadRequest("an operation wants one request")
        return given[0].operation()


class TxnRequest(_Request):
    """
    C{/v3/kv/txn}
    """

    compare: list[Condition] = []
    success: list[RequestOp] = []
    failure: list[RequestOp] = []

    def operations(
        self,
    ) -> tuple[list[Compare], list[KeyspaceOperation], list[KeyspaceOperation]]:
        """
        @raise BadRequest: too many operations, or a key is changed twice.
        """
        for each in (self.compare, self.success, self.failure):
            if len(each) > MAXIMUM_OPERATIONS:
                raise BadRequest("too many operations in txn request")
        success = [each.operation() for each in self.success]
        failure = [each.operation() for each in self.failure]
        _checkTwice(success)
        _checkTwice(failure)
        return [each.compare() for each in self.compare], success, failure


class CompactionRequest(_Request):
    """
    C{/v3/kv/compaction}
    """

    revision: int = 0
    physical: bool = False


class GrantRequest(_Request):
    """
    C{/v3/lease/grant}
    """

    TTL: int = 0
    ID: int = 0


class LeaseRequest(_Request):
    """
    C{/v3/lease/keepalive}, C{revoke}, C{timetolive}
    """

    ID: int = 0
    keys: bool = False


class WatchCreateRequest(_Request):
    """
    What to watch.
    """

    key: bytes = b""
    range_end: bytes = b""
    start_revision: int = 0
    progress_notify: bool = False


class WatchRequest(_Request):
    """
    C{/v3/watch}
    """

    create_request: WatchCreateRequest


class EmptyRequest(_Request):
    """
    C{/v3/maintenance/status}, C{/v3/lease/leases}
    """


def decode(kind: type[_T], body: bytes) -> _T:
    """
    Read a request.

    @raise BadRequest: it is not JSON, or not of this kind.
    """
    try:
        return msgspec.json.decode(body or b"{}", type=kind, strict=False)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as e:
        raise BadRequest(str(e)) from e


def _key(key: bytes) -> bytes:
    if not key:
        raise BadRequest("key is not provided")
    return key


def _checkTwice(operations: Sequence[KeyspaceOperation]) -> None:
    puts: set[bytes] = set()
    for operation in operations:
        if isinstance(operation, PutOperation):
            if operation.key in puts:
                raise BadRequest("duplicate key given in txn request")
            puts.add(operation.key)
    for operation in operations:
        if isinstance(operation, DeleteOperation) and any(
            within(key, operation.key, operation.end) for key in puts
        ):
            raise BadRequest("duplicate key given in txn request")


def keyValueJSON(entry: KeyValue) -> dict[str, object]:
    """
    One key.
    """
    result: dict[str, object] = {
        "key": entry.key,
        "create_revision": str(entry.created),
        "mod_revision": str(entry.modified),
        "version": str(entry.version),
        "value": entry.value,
    }
    if entry.lease:
        result["lease"] = str(entry.lease)
    return result


def eventJSON(event: KeyValue) -> dict[str, object]:
    """
    One change.
    """
    if event.version == 0:
        return {
            "type": "DELETE",
            "kv": {"key": event.key, "mod_revision": str(event.modified)},
        }
    return {"kv": keyValueJSON(event)}


def rangeJSON(found: RangeOutcome) -> dict[str, object]:
    """
    What a range found.
    """
    result: dict[str, object] = {}
    if found.entries:
        result["kvs"] = [keyValueJSON(entry) for entry in found.entries]
    if found.more:
        result["more"] = True
    if found.count:
        result["count"] = str(found.count)
    return result


def txnJSON(
    outcome: TransactionOutcome,
    operations: Sequence[KeyspaceOperation],
    header: dict[str, object],
) -> dict[str, object]:
    """
    What a transaction did.
    """
    responses: list[dict[str, object]] = []
    inner = {"revision": header["revision"]}
    for operation, each in zip(operations, outcome.outcomes, strict=True):
        if isinstance(each, RangeOutcome):
            found = {"header": inner, **rangeJSON(each)}
            responses.append({"response_range": found})
        elif isinstance(operation, PutOperation):
            responses.append({"response_put": {"header": inner}})
        else:
            deleted = {"header": inner, "deleted": str(each)}
            responses.append({"response_delete_range": deleted})
    result: dict[str, object] = {}
    if outcome.succeeded:
        result["succeeded"] = True
    if responses:
        result["responses"] = responses
    return result
