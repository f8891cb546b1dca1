"""
The cluster store as arbiter: one key that only one member can create.

The key lives on a lease; its create-revision is the epoch.  A renewal moves it to
a new lease.  The old one is not kept alive: etcd answers a keep-alive from a
leader that may have been replaced already, and may end a lease that another
leader has prolonged (etcd's issue 15247, open up to 3.4.24), while a grant and a
transaction are what most of its members have agreed on.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from sipcluster.cluster.icluster import (
    Change,
    ClusterError,
    Compare,
    Delete,
    Entry,
    Get,
    IClusterStore,
    IWatch,
    IWatcher,
    Put,
    createdAt,
    modifiedAt,
)
from sipcluster.ha.iha import (
    ArbiterAway,
    Granted,
    IArbiter,
    IFollowing,
    Refused,
    Verdict,
)

log = Logger()

#: Tries of one question, where the other member was quicker each time.
TRIES = 4

#: Seconds from the loss of a watch to the next.
PAUSE = 1.0

_T = TypeVar("_T")


@define
class _Hold:
    """
    @ivar created: create-revision of the key.
    @ivar modified: revision of its last change known.
    @ivar value: of the key.
    """

    epoch: int
    created: int
    modified: int
    value: bytes


@implementer(IArbiter)
class StoreArbiter:
    """
    One member's way to the election key of its pair.

    @ivar key: the election key, C{/ha/PAIR/primary}; its value is the name of
        the holder and a word that is its process's own, and C{@} and the epoch if
        that is another than C{base} and the create-revision make.
    @ivar value: what stands there in front of that.
    @ivar base: C{/ha/PAIR/base}, a number that is added to the create-revision;
        absent, it is 0.  It is raised when a store has begun to count anew.
    """

    def __init__(
        self,
        store: IClusterStore,
        clock: IReactorTime,
        pair: str,
        member: str,
        incarnation: str,
        ttl: float = 5.0,
    ) -> None:
        """
        @param incarnation: no other process of this member has the same.
        @param ttl: seconds; the store may grant more.
        """
        self._store = store
        self._clock = clock
        self._ttl = ttl
        self.key = f"/ha/{pair}/primary".encode()
        self.base = f"/ha/{pair}/base".encode()
        self.value = f"{member} {incarnation}".encode()
        self._hold: _Hold | None = None
        self._question = 0

    def acquire(self, above: int) -> Deferred[Verdict]:
        """
        See L{IArbiter}.
        """
        return _told(self._acquire(above, self._next()))

    def renew(self, epoch: int) -> Deferred[Verdict]:
        """
        See L{IArbiter}.
        """
        return _told(self._renew(epoch, self._next()))

    def reclaim(self, epoch: int) -> Deferred[Verdict]:
        """
        See L{IArbiter}.
        """
        return _told(self._reclaim(epoch, self._next()))

    def release(self, epoch: int) -> Deferred[None]:
        """
        See L{IArbiter}.
        """
        guard = self.guard(epoch)
        self._next()
        self._hold = None
        return _told(self._delete(guard))

    def follow(self, vacant: Callable[[], None]) -> IFollowing:
        """
        See L{IArbiter}.
        """
        following = _Following(self._store, self._clock, self.key, vacant)
        following.open()
        return following

    def guard(self, epoch: int) -> Compare:
        """
        The condition that makes a write of a primary's fail when the role is not
        its own any more; one that never holds when this member does not know of
        such a hold.
        """
        hold = self._hold
        known = hold is not None and hold.epoch == epoch
        return createdAt(self.key, hold.created if hold and known else -1)

    def _next(self) -> int:
        """
        Begin a question, which ends all that were asked before.
        """
        self._question += 1
        return self._question

    async def _answer(self, question: int, asked: Deferred[_T]) -> _T:
        """
        Wait for the store.  A question whose place another has taken does no more
        then: it would work on what it knew before.
        """
        answer = await asked
        if question != self._question:
            raise ArbiterAway("asked again in the meantime")
        return answer

    async def _delete(self, guard: Compare) -> None:
        await self._store.txn([guard], [Delete(self.key)])

    async def _acquire(self, above: int, question: int) -> Verdict:
        self._hold = None
        for _ in range(TRIES):
            looked = await self._answer(
                question, self._store.txn([], [Get(self.key), Get(self.base)])
            )
            holder, base = looked.gets
            offset = _number(base)
            unmoved = modifiedAt(self.base, base.modRevision if base else 0)
            if holder is not None and not self._ours(holder):
                return _refused(holder, base)
            if holder is not None:
                # Ours, though the answer was lost: ended, so that a hold known
                # to nobody is not taken up under an epoch that may be over.
                mine = createdAt(self.key, holder.createRevision)
                await self._answer(
                    question, self._store.txn([mine], [Delete(self.key)])
                )
            lease = await self._answer(question, self._store.leaseGrant(self._ttl))
            created = await self._answer(
                question,
                self._store.txn(
                    [createdAt(self.key, 0), unmoved],
                    [Put(self.key, self.value, lease.id)],
                ),
            )
            if not created.succeeded:
                continue
            epoch = offset + created.revision
            if epoch > above:
                revision = created.revision
                self._hold = _Hold(epoch, revision, revision, self.value)
                return Granted(epoch, lease.ttl)
            log.warn(
                "cluster store counts anew: {epoch} after {above}",
                epoch=epoch,
                above=above,
            )
            await self._answer(
                question,
                self._store.txn(
                    [createdAt(self.key, created.revision), unmoved],
                    [Delete(self.key), Put(self.base, b"%d" % above)],
                ),
            )
        raise ArbiterAway("the key changes faster than it can be asked for")

    async def _renew(self, epoch: int, question: int) -> Verdict:
        hold = self._hold
        if hold is None or hold.epoch != epoch:
            return Refused()
        lease = await self._answer(question, self._store.leaseGrant(self._ttl))
        for _ in range(TRIES):
            # Of renewals that overtake each other on the way only one can take
            # place, or the key would go back to a lease that ends earlier.
            moved = await self._answer(
                question,
                self._store.txn(
                    [
                        createdAt(self.key, hold.created),
                        modifiedAt(self.key, hold.modified),
                    ],
                    [Put(self.key, hold.value, lease.id)],
                    [Get(self.key), Get(self.base)],
                ),
            )
            if moved.succeeded:
                hold.modified = moved.revision
                return Granted(epoch, lease.ttl)
            found, base = moved.gets
            if found is None:
                return Refused()
            if found.createRevision != hold.created:
                return _refused(found, base)
            hold.modified = found.modRevision
        raise ArbiterAway("the key changes faster than it can be renewed")

    async def _reclaim(self, epoch: int, question: int) -> Verdict:
        value = b"%s@%d" % (self.value, epoch)
        for _ in range(TRIES):
            looked = await self._answer(
                question, self._store.txn([], [Get(self.key), Get(self.base)])
            )
            found, base = looked.gets
            if found is not None:
                if not self._ours(found) or _epoch(found, base) != epoch:
                    return _refused(found, base)
                created, modified = found.createRevision, found.modRevision
                self._hold = _Hold(epoch, created, modified, found.value)
                return await self._renew(epoch, question)
            lease = await self._answer(question, self._store.leaseGrant(self._ttl))
            unmoved = modifiedAt(self.base, base.modRevision if base else 0)
            changes: list[Put] = [Put(self.key, value, lease.id)]
            if _number(base) + looked.revision <= epoch:
                changes.append(Put(self.base, b"%d" % epoch))  # it counts anew
            made = await self._answer(
                question,
                self._store.txn([createdAt(self.key, 0), unmoved], changes),
            )
            if made.succeeded:
                self._hold = _Hold(epoch, made.revision, made.revision, value)
                log.warn("epoch {epoch} goes on in the cluster store", epoch=epoch)
                return Granted(epoch, lease.ttl)
        raise ArbiterAway("the key changes faster than it can be asked for")

    def _ours(self, holder: Entry) -> bool:
        value, _, epoch = holder.value.rpartition(b"@")
        return self.value in (holder.value, value if epoch.isdigit() else b"")


def _number(entry: Entry | None) -> int:
    if entry is None:
        return 0
    if not entry.value.isdigit() or len(entry.value) > 18:
        raise ArbiterAway(f"{entry.key!r} is no number: {entry.value[:40]!r}")
    return int(entry.value)


def _epoch(holder: Entry, base: Entry | None) -> int:
    word = holder.value.rpartition(b" ")[2].rpartition(b"@")
    if word[0] and word[2].isdigit() and len(word[2]) <= 18:
        return int(word[2])
    return _number(base) + holder.createRevision


def _refused(holder: Entry, base: Entry | None) -> Refused:
    return Refused(_epoch(holder, base), _name(holder.value))


def _name(value: bytes) -> str:
    return value.decode("utf-8", "replace").rpartition(" ")[0]


def _told(asked: Coroutine[Any, Any, _T]) -> Deferred[_T]:
    """
    Turn what a store cannot do into what an arbiter cannot do.
    """
    result = Deferred.fromCoroutine(asked)

    def failed(failure: Failure) -> Failure:
        if isinstance(failure.value, ClusterError):
            raise ArbiterAway(failure.getErrorMessage()) from failure.value
        return failure

    result.addErrback(failed)
    return result


@implementer(IFollowing, IWatcher)
@define(eq=False)
class _Following:
    """
    Watches the election key.
    """

    store: IClusterStore
    clock: IReactorTime
    key: bytes
    vacant: Callable[[], None]
    watch: IWatch | None = None
    looking: Deferred[None] | None = None
    pause: IDelayedCall | None = None
    over: bool = field(default=False)

    def open(self) -> None:
        self.pause = None
        self.looking = Deferred.fromCoroutine(self.look())
        self.looking.addErrback(self.failed)

    async def look(self) -> None:
        looked = await self.store.txn([], [Get(self.key)])
        if self.over:
            return
        self.watch = self.store.watch(self.key, looked.revision + 1, self)
        if looked.gets[0] is None:
            self.vacant()

    def failed(self, failure: Failure) -> None:
        if not self.over:
            if not isinstance(failure.value, ClusterError):
                log.failure("following the election key", failure)
            self.lost(failure.getErrorMessage(), False)

    def changed(self, revision: int, changes: Sequence[Change]) -> None:
        for change in changes:
            if change.key == self.key and change.value is None and not self.over:
                self.vacant()

    def lost(self, why: str, compacted: bool) -> None:
        self.watch = None
        if not self.over:
            self.pause = self.clock.callLater(PAUSE, self.open)

    def stop(self) -> None:
        self.over = True
        if self.pause is not None:
            self.pause.cancel()
            self.pause = None
        if self.looking is not None:
            self.looking.cancel()
        if self.watch is not None:
            self.watch.stop()
            self.watch = None
