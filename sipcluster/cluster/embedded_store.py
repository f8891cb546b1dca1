"""
The embedded store in the same process: for one process alone, and for tests.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from attrs import define, field
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from sipcluster.cluster.embedded import EmbeddedEngine, EngineWatch
from sipcluster.cluster.icluster import (
    Change,
    ClusterError,
    Compare,
    Delete,
    Entry,
    IClusterStore,
    IWatch,
    IWatcher,
    Lease,
    Operation,
    Put,
    Snapshot,
    StoreAway,
    TxnResult,
    checkTransaction,
    prefixEnd,
)
from sipcluster.cluster.keyspace import Keyspace
from sipcluster.cluster.operations import (
    DeleteOperation,
    KeyspaceOperation,
    KeyValue,
    PutOperation,
    RangeOperation,
    RangeOutcome,
)

log = Logger()

_T = TypeVar("_T")


def _entry(entry: KeyValue) -> Entry:
    return Entry(entry.key, entry.value, entry.created, entry.modified, entry.lease)


def _change(event: KeyValue) -> Change:
    if event.version == 0:
        return Change(event.key, None, 0, event.modified)
    return Change(event.key, event.value, event.created, event.modified, event.lease)


def _operation(operation: Operation) -> KeyspaceOperation:
    if isinstance(operation, Put):
        return PutOperation(operation.key, operation.value, operation.lease)
    if isinstance(operation, Delete):
        return DeleteOperation(operation.key)
    return RangeOperation(operation.key)


@implementer(IWatch)
@define(eq=False)
class _Watch:
    watcher: IWatcher
    others: dict[_Watch, None]
    watch: EngineWatch = field(init=False)
    starting: IDelayedCall | None = None
    over: bool = False

    def changed(self, revision: int, events: Sequence[KeyValue]) -> None:
        if not self.over:
            with log.failuresHandled("telling a watcher"):
                self.watcher.changed(revision, [_change(event) for event in events])

    def lost(self, why: str, compacted: bool) -> None:
        if not self.over:
            self.stop()
            with log.failuresHandled("telling a watcher"):
                self.watcher.lost(why, compacted)

    def stop(self) -> None:
        self.over = True
        self.others.pop(self, None)
        self.watch.stop()
        if self.starting is not None:
            self.starting.cancel()
            self.starting = None


@implementer(IClusterStore)
class EmbeddedStore:
    """
    One member's way to an engine in the same process.

    Several of these on one engine are several members; each can be cut off.

    @ivar delay: seconds from a call to its effect; with 0 every Deferred has
        fired when it is returned.
    """

    def __init__(
        self, engine: EmbeddedEngine, clock: IReactorTime, delay: float = 0.0
    ) -> None:
        self._engine = engine
        self._clock = clock
        self.delay = delay
        self._away = False
        self._watches: dict[_Watch, None] = {}

    @property
    def away(self) -> bool:
        """
        Whether this member is cut off: its calls fail, its watches are lost.
        """
        return self._away

    @away.setter
    def away(self, away: bool) -> None:
        self._away = away
        if away:
            for watch in list(self._watches):
                watch.lost("the store is away", False)

    def _soon(self, call: Callable[[], _T]) -> Deferred[_T]:
        if not self.delay:
            return self._now(call)
        result: Deferred[_T] = Deferred(lambda _: timer.cancel())

        def go() -> None:
            self._now(call).chainDeferred(result)

        timer = self._clock.callLater(self.delay, go)
        return result

    def _now(self, call: Callable[[], _T]) -> Deferred[_T]:
        if self._away:
            return fail(StoreAway("the store is away"))
        try:
            return succeed(call())
        except ClusterError as e:
            return fail(e)

    def snapshot(self, prefix: bytes) -> Deferred[Snapshot]:
        """
        Read all keys that start with C{prefix}.
        """

        def read() -> Snapshot:
            found = self._engine.range(RangeOperation(prefix, prefixEnd(prefix)))
            return Snapshot(
                self._engine.revision, [_entry(entry) for entry in found.entries]
            )

        return self._soon(read)

    def watch(self, prefix: bytes, fromRevision: int, watcher: IWatcher) -> IWatch:
        """
        Follow the keys that start with C{prefix}.
        """
        watch = _Watch(watcher, self._watches)
        watch.watch = self._engine.watch(
            prefix,
            prefixEnd(prefix),
            fromRevision,
            watch.changed,
            lambda oldest: watch.lost(f"compacted up to {oldest}", True),
        )
        self._watches[watch] = None

        # The caller has the watch before it hears of anything.
        def begin() -> None:
            watch.starting = None
            if self._away:
                watch.lost("the store is away", False)
            elif fromRevision > self._engine.revision + 1:
                watch.lost("the store has gone back", True)
            else:
                watch.changed(self._engine.revision, ())
                watch.watch.resume()

        watch.starting = self._clock.callLater(self.delay, begin)
        return watch

    def txn(
        self,
        compare: Sequence[Compare],
        success: Sequence[Operation],
        failure: Sequence[Operation] = (),
    ) -> Deferred[TxnResult]:
        """
        Do one transaction.
        """
        checkTransaction(success, failure)

        def do() -> TxnResult:
            outcome = self._engine.transact(
                compare,
                [_operation(operation) for operation in success],
                [_operation(operation) for operation in failure],
            )
            gets = tuple(
                _entry(each.entries[0]) if each.entries else None
                for each in outcome.outcomes
                if isinstance(each, RangeOutcome)
            )
            return TxnResult(outcome.succeeded, outcome.revision, gets)

        return self._soon(do)

    def leaseGrant(self, ttl: float) -> Deferred[Lease]:
        """
        Ask for a lease.
        """
        return self._soon(lambda: Lease(*self._engine.grant(ttl)))

    def leaseKeepAlive(self, id: int) -> Deferred[float]:
        """
        Start a lease's time anew.
        """
        return self._soon(lambda: self._engine.keepAlive(id))

    def leaseRevoke(self, id: int) -> Deferred[None]:
        """
        End a lease.
        """

        def revoke() -> None:
            self._engine.revoke(id)

        return self._soon(revoke)


def memoryEngine(clock: IReactorTime, history: int = 10_000) -> EmbeddedEngine:
    """
    An engine that keeps its keys in memory and counts its leases from 1.
    """
    numbers = iter(range(1, 1 << 62))
    return EmbeddedEngine(Keyspace(":memory:", history), clock, lambda: next(numbers))
