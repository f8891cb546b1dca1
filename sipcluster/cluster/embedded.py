"""
The embedded cluster store: one process, SQLite, etcd's way of counting.

It is a single process and claims nothing more: where the store must outlive a
host, etcd takes its place.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Sequence

from attrs import define, field
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from sipcluster.cluster.icluster import Compare, StoreRefused
from sipcluster.cluster.keyspace import Keyspace
from sipcluster.cluster.operations import (
    KeyspaceOperation,
    KeyValue,
    RangeOperation,
    RangeOutcome,
    TransactionOutcome,
    within,
)

log = Logger()

#: Keys of an ended lease deleted in one revision: what one step of the reactor
#: may take.
LEASE_SLICE = 500

#: Changes handed to a watch that catches up, at once.
WATCH_SLICE = 1000


@define
class _Lease:
    id: int
    ttl: float
    endsAt: float
    saved: float


@define(eq=False)
class EngineWatch:
    """
    One watch of a range.

    It begins paused.  While paused it takes no memory: on L{resume} what was
    missed is read from the history.

    @ivar next: the first revision not yet handed over.
    """

    engine: EmbeddedEngine
    key: bytes
    end: bytes
    next: int
    changed: Callable[[int, Sequence[KeyValue]], None]
    compacted: Callable[[int], None]
    paused: bool = True
    ended: bool = False

    def pause(self) -> None:
        """
        Hand over nothing more for now.
        """
        self.paused = True

    def resume(self) -> None:
        """
        Hand over what was missed, then what comes.
        """
        self.paused = False
        self.engine.catchUp(self)

    def stop(self) -> None:
        """
        End it.
        """
        self.ended = True
        self.engine.watches.pop(self, None)


@define(eq=False)
class EmbeddedEngine:
    """
    Keys, leases and watches.

    @ivar leaseID: a source of lease ids, which must not repeat.
    @ivar minimumTTL: seconds; who asks for less gets this.
    @ivar leaseLimit: most leases at a time.
    """

    keyspace: Keyspace
    clock: IReactorTime
    leaseID: Callable[[], int]
    minimumTTL: float = 2.0
    leaseLimit: int = 50_000
    # In order, so that all hear of a change in the same order in every run.
    watches: dict[EngineWatch, None] = field(factory=dict)
    _leases: dict[int, _Lease] = field(factory=dict)
    _events: deque[tuple[int, tuple[KeyValue, ...]]] = field(factory=deque)
    _telling: bool = False
    _timer: IDelayedCall | None = None
    _checkpoint: float = 0.0
    closed: bool = False

    def __attrs_post_init__(self) -> None:
        now = self.clock.seconds()
        for id, ttl, remaining in self.keyspace.leases():
            self._leases[id] = _Lease(id, ttl, now + remaining, remaining)
        self._checkpoint = now + 10.0
        self._arm()

    @property
    def revision(self) -> int:
        """
        Of the last change.
        """
        return self.keyspace.revision

    def range(self, operation: RangeOperation) -> RangeOutcome:
        """
        Read keys.
        """
        return self.keyspace.range(operation)

    def transact(
        self,
        compare: Sequence[Compare],
        success: Sequence[KeyspaceOperation],
        failure: Sequence[KeyspaceOperation] = (),
    ) -> TransactionOutcome:
        """
        Do one transaction and tell the watches.
        """
        outcome = self.keyspace.transact(compare, success, failure, self._alive)
        self._tell(outcome.events)
        return outcome

    def compact(self, revision: int) -> None:
        """
        Forget what came before a revision.
        """
        self.keyspace.compact(revision)

    # Leases

    def _alive(self, id: int) -> bool:
        lease = self._leases.get(id)
        return lease is not None and lease.endsAt > self.clock.seconds()

    def grant(self, ttl: float, id: int = 0) -> tuple[int, float]:
        """
        Make a lease.

        @return: its id and the seconds granted.
        """
        if not ttl > 0 or ttl > 9_000_000_000:
            raise StoreRefused("too small or too large lease TTL", 400)
        if id and id in self._leases:
            raise StoreRefused("lease already exists", 412)
        if len(self._leases) >= self.leaseLimit:
            raise StoreRefused("too many leases", 429)
        while not id or id in self._leases:
            id = self.leaseID()
        ttl = float(max(math.ceil(ttl), self.minimumTTL))
        self.keyspace.saveLeases([(id, ttl, ttl)])
        lease = _Lease(id, ttl, self.clock.seconds() + ttl, ttl)
        self._leases[id] = lease
        if self._timer is not None and self._timer.getTime() > lease.endsAt:
            self._timer.cancel()
            self._timer = None
        self._arm()
        return id, ttl

    def keepAlive(self, id: int) -> float:
        """
        Start a lease's time anew.

        @return: seconds it has now, or 0 when there is none.
        """
        if not self._alive(id):
            return 0.0
        lease = self._leases[id]
        lease.endsAt = self.clock.seconds() + lease.ttl
        if lease.saved < 0.9 * lease.ttl:
            # After a restart it must not end before the owner was promised.
            self._save([lease])
        return lease.ttl

    def timeToLive(self, id: int) -> tuple[float, float]:
        """
        Seconds left of a lease and its TTL; C{(-1, 0)} when there is none.
        """
        if not self._alive(id):
            return -1.0, 0.0
        lease = self._leases[id]
        return lease.endsAt - self.clock.seconds(), lease.ttl

    def leaseIDs(self) -> list[int]:
        """
        All live leases.
        """
        return [id for id in self._leases if self._alive(id)]

    def leasedKeys(self, id: int) -> list[bytes]:
        """
        The keys of a lease.
        """
        return self.keyspace.leased(id)

    def revoke(self, id: int) -> bool:
        """
        End a lease, with its keys.

        @return: whether there was one.
        """
        if id not in self._leases:
            return False
        while self._deleteLeased(id):
            pass
        return True

    def _deleteLeased(self, id: int) -> bool:
        """
        @return: whether keys may be left.
        """
        events = self.keyspace.deleteLeased(id, LEASE_SLICE)
        more = len(events) == LEASE_SLICE
        if not more:
            self.keyspace.dropLease(id)
            del self._leases[id]
        self._tell(events)
        return more

    def _save(self, leases: Sequence[_Lease]) -> None:
        now = self.clock.seconds()
        for lease in leases:
            lease.saved = lease.endsAt - now
        self.keyspace.saveLeases([(each.id, each.ttl, each.saved) for each in leases])

    def _arm(self) -> None:
        if self._timer is None and self._leases:
            first = min(lease.endsAt for lease in self._leases.values())
            wait = min(first, self._checkpoint) - self.clock.seconds()
            self._timer = self.clock.callLater(max(0.0, wait), self._turn)

    def _turn(self) -> None:
        """
        End leases, a slice at a time; write down the others' remaining time.
        """
        self._timer = None
        now = self.clock.seconds()
        for lease in list(self._leases.values()):
            if lease.endsAt <= now:
                with log.failuresHandled("ending lease {lease}", lease=lease.id):
                    self._deleteLeased(lease.id)
                break
        if now >= self._checkpoint:
            self._checkpoint = now + 10.0
            aged = [
                lease
                for lease in self._leases.values()
                if lease.saved - (lease.endsAt - now) > max(5.0, 0.1 * lease.ttl)
            ]
            with log.failuresHandled("writing down leases"):
                if aged:
                    self._save(aged)
        self._arm()

    # Watches

    def watch(
        self,
        key: bytes,
        end: bytes,
        since: int,
        changed: Callable[[int, Sequence[KeyValue]], None],
        compacted: Callable[[int], None],
    ) -> EngineWatch:
        """
        Make a watch, paused.

        @param since: the first revision wanted; 0 for what comes from now on.
        @param changed: called with the revision reached and what changed.
        @param compacted: called last, when history does not reach back so far.
        """
        watch = EngineWatch(
            self, key, end, since or self.revision + 1, changed, compacted
        )
        self.watches[watch] = None
        return watch

    def _tell(self, events: tuple[KeyValue, ...]) -> None:
        if not events:
            return
        self._events.append((events[0].modified, events))
        if self._telling:
            return  # a watcher has written: it and the others hear in order
        self._telling = True
        try:
            while self._events:
                revision, events = self._events.popleft()
                for watch in list(self.watches):
                    if watch.paused or watch.ended or watch.next > revision:
                        continue
                    watch.next = revision + 1
                    wanted = _wanted(watch, events)
                    if wanted:
                        watch.changed(revision, wanted)
        finally:
            self._telling = False

    def catchUp(self, watch: EngineWatch) -> None:
        """
        Hand a watch what it has missed.
        """
        keyspace = self.keyspace
        while not (watch.paused or watch.ended) and watch.next <= keyspace.revision:
            if watch.next < keyspace.oldest:
                watch.stop()
                watch.compacted(keyspace.oldest)
                return
            revision, events = keyspace.changes(
                watch.key, watch.end, watch.next, WATCH_SLICE
            )
            watch.next = revision + 1
            if events:
                watch.changed(revision, events)

    def close(self) -> None:
        """
        Write down the leases and close the database.  May be called twice.
        """
        if self.closed:
            return
        self.closed = True
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None
        self.watches.clear()
        self._save(list(self._leases.values()))
        self.keyspace.close()


def _wanted(watch: EngineWatch, events: tuple[KeyValue, ...]) -> Sequence[KeyValue]:
    wanted = [event for event in events if within(event.key, watch.key, watch.end)]
    return events if len(wanted) == len(events) else wanted
