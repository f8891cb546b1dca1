"""
Writes to the cluster store, collected.
"""

from __future__ import annotations

from collections.abc import Sequence

from attrs import define, field
from twisted.internet.defer import Deferred, FirstError, fail, gatherResults
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from sipcluster.cluster.icluster import (
    ClusterError,
    Delete,
    IClusterStore,
    IClusterWriter,
    LeaseGone,
    Operation,
    Put,
    QueueFull,
    StoreAway,
)
from sipcluster.cluster.leases import LeaseBuckets

log = Logger()

#: Writes in one transaction.
BATCH = 100

#: How often a write is tried again with another lease before it fails.
LEASE_TRIES = 3

#: Seconds between tries while the store is away: the first, and the longest.
RETRY = (0.1, 2.0)


#: Callers that may wait for one key.
RESULTS = 100


@define(eq=False)
class _Write:
    """
    One write that waits.

    @ivar value: L{None} to delete the key.
    @ivar endsAt: in seconds of the clock, for a write on a shared lease; 0 for
        others.
    @ivar results: who waits for it, and for the ones that it replaced.
    """

    key: bytes
    value: bytes | None
    lease: int = 0
    endsAt: float = 0.0
    results: list[Deferred[int]] = field(factory=list)
    tries: int = 0
    used: int = 0

    def take(self, before: _Write) -> None:
        """
        Answer for a write that this one replaces.
        """
        self.results = before.results + self.results
        before.results = []
        while len(self.results) > RESULTS:
            self.results.pop(0).errback(QueueFull("replaced many times"))

    def done(self, revision: int) -> None:
        results, self.results = self.results, []
        for each in results:
            each.callback(revision)

    def failed(self, why: ClusterError) -> None:
        results, self.results = self.results, []
        for each in results:
            each.errback(why)


@implementer(IClusterWriter)
class CoalescingWriter:
    """
    Puts what is written within a short time into one transaction.

    A write after a quiet time leaves at once.  The next one leaves C{delay}
    later, with everything that has come by then; a full batch does not wait.

    @ivar writes: made, and C{transactions}: how many it took.
    """

    def __init__(
        self,
        store: IClusterStore,
        clock: IReactorTime,
        delay: float = 0.05,
        limit: int = 20_000,
        leases: LeaseBuckets | None = None,
    ) -> None:
        """
        @param delay: seconds between two transactions that are not full.
        @param limit: writes that may wait.
        """
        self._store = store
        self._clock = clock
        self._delay = delay
        self._limit = limit
        self.leases = LeaseBuckets(store, clock) if leases is None else leases
        self._waiting: dict[bytes, _Write] = {}
        self._sending = False
        self._timer: IDelayedCall | None = None
        self._last = -delay
        self._pause = 0.0
        self._stopped = False
        self.writes = 0
        self.transactions = 0

    @property
    def pending(self) -> int:
        """
        Writes that wait.
        """
        return len(self._waiting)

    @property
    def away(self) -> bool:
        """
        Whether the last try found no store.
        """
        return self._pause > 0

    def put(
        self, key: bytes, value: bytes, lease: int = 0, seconds: float = 0.0
    ) -> Deferred[int]:
        """
        Write a key soon.
        """
        if lease and seconds:
            raise ValueError("a lease of one's own, or a shared one, not both")
        endsAt = self._clock.seconds() + seconds if seconds else 0.0
        return self._add(_Write(key, value, lease, endsAt))

    def delete(self, key: bytes) -> Deferred[int]:
        """
        Remove a key soon.
        """
        return self._add(_Write(key, None))

    def forget(self, key: bytes) -> bool:
        """
        Do not make the write to C{key} that waits, if one does: another has
        written something newer.  Its Deferreds fire with 0.

        @return: whether one waited.
        """
        write = self._waiting.pop(key, None)
        if write is not None:
            write.done(0)
        return write is not None

    def _add(self, write: _Write) -> Deferred[int]:
        if self._stopped:
            return fail(StoreAway("stopped"))
        before = self._waiting.get(write.key)
        if before is None and len(self._waiting) >= self._limit:
            return fail(QueueFull(f"{self._limit} writes are waiting"))
        result: Deferred[int] = Deferred()
        write.results.append(result)
        if before is not None:
            write.take(before)
        self._waiting[write.key] = write
        self._schedule()
        return result

    def _schedule(self) -> None:
        if self._sending or self._stopped or not self._waiting:
            return
        now = self._clock.seconds()
        if self._pause:
            wait = self._pause
        elif len(self._waiting) >= BATCH:
            wait = 0.0
        else:
            wait = max(0.0, self._last + self._delay - now)
        if self._timer is not None:
            if self._pause or self._timer.getTime() <= now + wait:
                return
            self._timer.cancel()
        self._timer = self._clock.callLater(wait, self._send)

    def _send(self) -> None:
        self._timer = None
        self._last = self._clock.seconds()
        self._sending = True
        batch = [self._waiting[key] for key in list(self._waiting)[:BATCH]]
        for write in batch:
            del self._waiting[write.key]
        Deferred.fromCoroutine(self._write(batch)).addCallbacks(
            self._sent, self._broke, errbackArgs=(batch,)
        )

    def _sent(self, _: object) -> None:
        self._sending = False
        self._schedule()

    def _broke(self, failure: Failure, batch: Sequence[_Write]) -> None:
        log.failure("writing to the cluster store", failure)
        for write in batch:
            write.failed(ClusterError("failed; see the log"))
        self._sent(None)

    async def _write(self, batch: Sequence[_Write]) -> None:
        """
        Make a batch of writes; every one of them is answered, or waits again.
        """
        try:
            await self._transact(batch)
        except StoreAway as e:
            self._keep(batch, e)
            return
        except LeaseGone as e:
            # One of them, and the store does not say which.
            for write in batch:
                write.tries += 1
                self.leases.forget(write.used)
            if len(batch) == 1:
                (write,) = batch
                if not write.endsAt or write.tries > LEASE_TRIES:
                    write.failed(e)
                    return
            if any(write.tries > 1 for write in batch):
                await self._halves(batch)
            else:
                await self._write(batch)
            return
        except ClusterError as e:
            if len(batch) == 1:
                log.warn("cannot write {key}: {why}", key=batch[0].key, why=e)
                batch[0].failed(e)
            else:
                await self._halves(batch)
            return
        if self._pause:
            log.info("the cluster store takes writes again")
            self._pause = 0.0

    async def _halves(self, batch: Sequence[_Write]) -> None:
        middle = (len(batch) + 1) // 2
        for half in (batch[:middle], batch[middle:]):
            if half:
                await self._write(half)

    async def _transact(self, batch: Sequence[_Write]) -> None:
        now = self._clock.seconds()
        late = [write for write in batch if 0 < write.endsAt <= now]
        for write in late:
            write.done(0)
        batch = [write for write in batch if write not in late]
        if not batch:
            return
        shared = [write for write in batch if write.endsAt]
        wanted = [self.leases.leaseFor(write.endsAt - now) for write in shared]
        try:
            granted = await gatherResults(wanted, consumeErrors=True)
        except FirstError as e:
            e.subFailure.raiseException()
        for write, lease in zip(shared, granted, strict=True):
            write.used = lease
        result = await self._store.txn([], [_operation(write) for write in batch])
        self.transactions += 1
        self.writes += len(batch)
        for write in batch:
            write.done(result.revision)

    def _keep(self, batch: Sequence[_Write], why: StoreAway) -> None:
        """
        Let writes wait again, before the later ones, unless those replace them.
        """
        if self._stopped:
            for write in batch:
                write.failed(why)
            return
        if not self._pause:
            log.error("cluster store: {why}; writes wait", why=why)
        first, longest = RETRY
        self._pause = min(longest, self._pause * 2 or first)
        waiting = {write.key: write for write in batch if write.results}
        for key, later in self._waiting.items():
            before = waiting.get(key)
            if before is not None:
                later.take(before)
            waiting[key] = later
        self._waiting = waiting

    def stop(self) -> None:
        """
        Write no more.  What waits fails with L{StoreAway}.
        """
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        waiting, self._waiting = self._waiting, {}
        for write in waiting.values():
            write.failed(StoreAway("stopped"))


def _operation(write: _Write) -> Operation:
    if write.value is None:
        return Delete(write.key)
    return Put(write.key, write.value, write.used or write.lease)
