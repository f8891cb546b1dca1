"""
What can be asked of the embedded store's keys, and what comes back.
"""

from __future__ import annotations

from attrs import frozen

from sipcluster.cluster.icluster import ClusterError


class Compacted(ClusterError):
    """
    A revision was asked for that the store has forgotten.

    @ivar oldest: the lowest revision that it still knows.
    """

    def __init__(self, oldest: int) -> None:
        super().__init__("required revision has been compacted")
        self.oldest = oldest


@frozen
class KeyValue:
    """
    One key at one revision; deleted when C{version} is 0.
    """

    key: bytes
    value: bytes
    created: int
    modified: int
    version: int
    lease: int


@frozen
class RangeOperation:
    """
    Read keys.

    @ivar end: the first key after the range; empty for C{key} alone, a zero
        byte for everything from C{key} on.
    @ivar revision: read the store as it was then; 0 for now.
    @ivar limit: most keys to return; 0 for all.
    """

    key: bytes
    end: bytes = b""
    revision: int = 0
    limit: int = 0
    countOnly: bool = False
    keysOnly: bool = False


@frozen
class PutOperation:
    """
    Write a key.
    """

    key: bytes
    value: bytes
    lease: int = 0


@frozen
class DeleteOperation:
    """
    Delete the keys of a range.
    """

    key: bytes
    end: bytes = b""


KeyspaceOperation = RangeOperation | PutOperation | DeleteOperation


@frozen
class RangeOutcome:
    """
    What a range read.

    @ivar count: keys in the range, also those beyond the limit.
    """

    entries: tuple[KeyValue, ...]
    count: int
    more: bool


#: Of a range its outcome, of a put nothing, of a delete how many keys it took.
Outcome = RangeOutcome | int | None


@frozen
class TransactionOutcome:
    """
    @ivar revision: of the store after it.
    @ivar events: what it changed.
    """

    succeeded: bool
    revision: int
    outcomes: tuple[Outcome, ...]
    events: tuple[KeyValue, ...]


def within(key: bytes, start: bytes, end: bytes) -> bool:
    """
    Tell whether a key lies in a range.
    """
    if not end:
        return key == start
    return key >= start and (end == b"\0" or key < end)
