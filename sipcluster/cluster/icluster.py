"""
The seam of the cluster store: revisions, watches, transactions, leases.

What a provider does is what etcd does, no more: keys and values are bytes, one
revision counts every change of the whole store, a lease that is not kept alive
takes its keys with it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from attrs import frozen
from twisted.internet.defer import Deferred
from zope.interface import Attribute, Interface

#: Most operations in one branch of a transaction (etcd's C{--max-txn-ops}).
MAXIMUM_OPERATIONS = 128


class ClusterError(Exception):
    """
    Something the cluster store could not do.
    """


class StoreAway(ClusterError):
    """
    The store did not answer in time, or has lost its quorum.

    Whether a write took place is not known, unless the caller asks again.
    """


class StoreRefused(ClusterError):
    """
    The store answered that it will not do this, now or later.

    @ivar status: HTTP status of the answer, or 0.
    """

    def __init__(self, why: str, status: int = 0) -> None:
        super().__init__(why)
        self.status = status


class LeaseGone(ClusterError):
    """
    A write named a lease that has expired or was revoked; nothing is changed.
    """


class QueueFull(ClusterError):
    """
    Too many writes wait for the store already; this one is not queued.
    """


@frozen
class Entry:
    """
    One key as it stands.

    @ivar createRevision: revision at which the key came to be.
    @ivar modRevision: revision of its last change.
    @ivar lease: the lease it lives on, or 0.
    """

    key: bytes
    value: bytes
    createRevision: int
    modRevision: int
    lease: int = 0


@frozen
class Snapshot:
    """
    All keys under a prefix, as they were at one revision.
    """

    revision: int
    entries: Sequence[Entry]


@frozen
class Change:
    """
    One key was put or deleted.

    @ivar value: L{None} when the key was deleted.
    @ivar createRevision: 0 when it was deleted.
    @ivar modRevision: the revision of this change, deletion too.
    """

    key: bytes
    value: bytes | None
    createRevision: int
    modRevision: int
    lease: int = 0


@frozen
class Compare:
    """
    One condition of a transaction.

    @ivar target: what is looked at; all of an absent key's numbers are 0.
    @ivar operand: a number, or for C{VALUE} bytes.
    """

    key: bytes
    target: Literal["CREATE", "MOD", "VERSION", "VALUE"]
    operand: int | bytes
    result: Literal["EQUAL", "GREATER", "LESS", "NOT_EQUAL"] = "EQUAL"


def createdAt(key: bytes, revision: int) -> Compare:
    """
    The key was created at this revision; 0 means that there is no such key.
    """
    return Compare(key, "CREATE", revision)


def modifiedAt(key: bytes, revision: int) -> Compare:
    """
    The key was last changed at this revision; 0 means that there is no such key.
    """
    return Compare(key, "MOD", revision)


def valueIs(key: bytes, value: bytes) -> Compare:
    """
    The key is there and has this value.
    """
    return Compare(key, "VALUE", value)


@frozen
class Put:
    """
    Write a key.

    @ivar lease: 0 for a key that stays until it is deleted.
    """

    key: bytes
    value: bytes
    lease: int = 0


@frozen
class Delete:
    """
    Remove a key; removing one that is not there is no error.
    """

    key: bytes


@frozen
class Get:
    """
    Read a key within a transaction.
    """

    key: bytes


Operation = Put | Delete | Get


@frozen
class TxnResult:
    """
    What a transaction did.

    @ivar succeeded: which branch ran.
    @ivar revision: of the store after it.
    @ivar gets: one for each L{Get} of the branch that ran, in order; L{None}
        where there is no such key.
    """

    succeeded: bool
    revision: int
    gets: tuple[Entry | None, ...] = ()


@frozen
class Lease:
    """
    A granted lease.

    @ivar ttl: seconds really granted; a provider may give more than was asked.
    """

    id: int
    ttl: float


def checkTransaction(
    success: Sequence[Operation], failure: Sequence[Operation] = ()
) -> None:
    """
    Refuse what no provider takes.

    @raise ValueError: a branch changes a key twice, or is too long.  It is the
        caller's mistake, so it is told at once and not through a Deferred.
    """
    for branch in (success, failure):
        if len(branch) > MAXIMUM_OPERATIONS:
            raise ValueError(f"{len(branch)} operations in one transaction")
        written: set[bytes] = set()
        for operation in branch:
            if isinstance(operation, Get):
                continue
            if operation.key in written:
                raise ValueError(f"{operation.key!r} twice in one transaction")
            written.add(operation.key)


def prefixEnd(prefix: bytes) -> bytes:
    """
    The end of the range of all keys that start with C{prefix}: a zero byte,
    for "to the end of all keys", when there is no such key.
    """
    stripped = prefix.rstrip(b"\xff")
    if not stripped:
        return b"\0"
    return stripped[:-1] + bytes([stripped[-1] + 1])


class IWatcher(Interface):
    """
    Takes what a watch sees.
    """

    def changed(revision: int, changes: Sequence[Change]) -> None:
        """
        Keys under the prefix changed, in order.

        @param revision: of the store when this was sent: nothing at or below it
            is still to come.
        @param changes: may be empty: a sign of life.
        """

    def lost(why: str, compacted: bool) -> None:
        """
        The watch is over; called once, and last.

        @param compacted: the store has forgotten what came after the revision
            that was asked for: a new snapshot is needed.  When false the watch
            can be taken up again at the last revision seen + 1.
        """


class IWatch(Interface):
    """
    A running watch.
    """

    def stop() -> None:
        """
        End it; the watcher is called no more.  May be called twice.
        """


class IClusterStore(Interface):
    """
    A place that all members of the cluster share.

    Every Deferred fires within the short time that the provider sets for a
    call, with L{StoreAway} at the latest.  Any of them may be cancelled, which
    leaves open whether the store has done it.
    """

    def snapshot(prefix: bytes) -> Deferred[Snapshot]:
        """
        Read all keys that start with C{prefix}, at one revision.
        """

    def watch(prefix: bytes, fromRevision: int, watcher: IWatcher) -> IWatch:
        """
        Follow the keys that start with C{prefix}.

        @param fromRevision: the first revision to be told of: that of a
            snapshot + 1.
        """

    def txn(
        compare: Sequence[Compare],
        success: Sequence[Operation],
        failure: Sequence[Operation] = (),
    ) -> Deferred[TxnResult]:
        """
        Do C{success} if all of C{compare} hold, else C{failure}, as one change.

        Fails with L{LeaseGone} when a L{Put} names a dead lease; nothing is
        changed then.

        @raise ValueError: see L{checkTransaction}.
        """

    def leaseGrant(ttl: float) -> Deferred[Lease]:
        """
        Ask for a lease of at least C{ttl} seconds.
        """

    def leaseKeepAlive(id: int) -> Deferred[float]:
        """
        Start the lease's time anew.

        @return: seconds left, or 0 when there is no such lease any more.
        """

    def leaseRevoke(id: int) -> Deferred[None]:
        """
        End a lease and delete its keys; one that is gone already is no error.
        """


class IReplicaListener(Interface):
    """
    Follows a replica.
    """

    def replicaChanged(changes: Sequence[Change]) -> None:
        """
        The replica's entries have changed already.  After a gap the difference
        between old and new is told here, as changes.
        """


class IReplica(Interface):
    """
    All keys under one prefix, in this process.
    """

    entries: Mapping[bytes, Entry] = Attribute("What there is; not to be changed.")
    revision: int = Attribute("Everything up to here has been seen.")
    degraded: bool = Attribute("What is here may be old: the store is not heard.")
    era: int = Attribute(
        "Counts up when the store turns out to be another one, or one from a backup: "
        "revisions of two eras do not compare."
    )

    def addListener(listener: IReplicaListener) -> None:
        """
        Tell of every change from now on.
        """

    def start(patience: float = 30.0) -> Deferred[None]:
        """
        Begin to follow the store.

        @return: fires when all keys are here.  Fails with L{StoreAway} after
            C{patience} seconds; the replica goes on trying even then.
        """

    def stop() -> None:
        """
        Follow no more.  The entries stay as they are.
        """


class IClusterWriter(Interface):
    """
    Collects writes into few transactions.
    """

    def put(
        key: bytes, value: bytes, lease: int = 0, seconds: float = 0.0
    ) -> Deferred[int]:
        """
        Write a key soon; of several writes to one key the last is made.

        @param lease: a lease of the caller's, or 0.
        @param seconds: when not 0, put the key on a shared lease that lives at
            least that long from now; C{lease} must be 0 then.

        @return: fires with the revision at which the store has this write or a
            later one to the key.  While the store is away it waits; it fails
            with L{QueueFull}, L{LeaseGone} or L{StoreRefused}.
        """

    def delete(key: bytes) -> Deferred[int]:
        """
        Remove a key soon, in order with C{put}.
        """

    def forget(key: bytes) -> bool:
        """
        Leave out the write to C{key} that waits, if one does: another member
        has written something newer.  Its Deferreds fire with 0.

        @return: whether one waited.
        """

    away: bool = Attribute("The last try found no store: what is put here waits.")

    def stop() -> None:
        """
        Write no more.  What waits, and what comes later, fails with
        L{StoreAway}.
        """
