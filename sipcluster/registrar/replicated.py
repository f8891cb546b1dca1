"""
The location service that all proxies share.

Every proxy has all bindings in memory, follows the cluster store for the
others' changes and writes its own there.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Sequence

from attrs import define, evolve, field
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from sipcluster.cluster.icluster import (
    Change,
    IClusterStore,
    IClusterWriter,
    IReplica,
    IReplicaListener,
    StoreAway,
)
from sipcluster.cluster.leases import LeaseBuckets
from sipcluster.cluster.replica import Replica
from sipcluster.cluster.writer import CoalescingWriter
from sipcluster.registrar import journal
from sipcluster.registrar.index import BindingIndex
from sipcluster.registrar.iregistrar import (
    All,
    Binding,
    IRegistrationStore,
    TooManyBindings,
)
from sipcluster.registrar.records import PREFIX, BadRecord, decode, encode, keyOf

log = Logger()

#: Seconds that an update waits for the cluster.
PATIENCE = 1.0

#: Seconds after which a write that the store would not take is tried again.
AGAIN = 5.0


@define(eq=False)
class _Known:
    """
    What is known of one key besides the binding itself.

    @ivar storedAt: when the record in the store was made, C{storedUntil} when
        it ends; seconds since the epoch, 0 when there is none.
    @ivar writing: number of the write under way, 0 when there is none.
    @ivar writtenAt: when that was asked for.
    @ivar settled: revision of our last write that is done.
    @ivar late: what the store told of this key during a write.
    @ivar writeAt: when a refresh that was held back is written; 0 for none.
    """

    aor: bytes
    identity: bytes
    storedAt: float = 0.0
    storedUntil: float = 0.0
    writing: int = 0
    writtenAt: float = 0.0
    settled: int = 0
    late: Change | None = None
    writeAt: float = 0.0


def _newer(one: Binding, other: Binding) -> bool:
    """
    Whether C{one} is of a later REGISTER than C{other}.
    """
    if one.callID == other.callID:
        return one.cseq > other.cseq
    return one.updatedAt > other.updatedAt


def _alike(one: Binding, other: Binding) -> bool:
    """
    Whether two bindings differ in nothing but when they were made and end.
    """
    return one == evolve(
        other, expiresAt=one.expiresAt, updatedAt=one.updatedAt, cseq=one.cseq
    )


@implementer(IRegistrationStore, IReplicaListener)
@define(eq=False)
class ReplicatedRegistrationStore:
    """
    All bindings of the cluster.

    While a write of ours is under way, what the store tells of that key waits:
    it is older, or is looked at again when the write is done.

    @ivar name: of this proxy, as in L{Binding.proxy}.
    @ivar unreadable: records in the store that could not be read.
    """

    replica: IReplica
    writer: IClusterWriter
    clock: IReactorTime
    wallTime: Callable[[], float]
    name: str
    _index: BindingIndex = field(init=False)
    _era: int = 0
    _known: dict[bytes, _Known] = field(factory=dict)
    _held: list[tuple[float, bytes]] = field(factory=list)
    _writes: int = 0
    _sweeping: IDelayedCall | None = None
    unreadable: int = 0

    def __attrs_post_init__(self) -> None:
        self._index = BindingIndex(self.wallTime)
        self.replica.addListener(self)

    def start(self, patience: float = 30.0) -> Deferred[None]:
        """
        Begin to follow the cluster store.

        @return: fires when all bindings are here; see L{IReplica.start}.
        """
        if self._sweeping is None:
            self._sweeping = self.clock.callLater(1.0, self._sweep)
        return self.replica.start(patience)

    def stop(self) -> None:
        """
        Follow and write no more.
        """
        if self._sweeping is not None:
            self._sweeping.cancel()
            self._sweeping = None
        self.replica.stop()
        self.writer.stop()

    # Reading

    @property
    def count(self) -> int:
        """
        How many bindings there are.
        """
        return self._index.count

    @property
    def degraded(self) -> bool:
        """
        Whether the cluster is not heard, or does not hear us.
        """
        return self.replica.degraded or self.writer.away

    def bindings(self, aor: bytes) -> Sequence[Binding]:
        """
        Look up an address-of-record.
        """
        return self._index.bindings(aor)

    def allBindings(self) -> Iterator[Binding]:
        """
        Every live binding, in no order.
        """
        return self._index.all()

    # Writing

    def update(
        self,
        aor: bytes,
        changes: Sequence[Binding],
        removed: Sequence[bytes] | All = (),
    ) -> Deferred[None]:
        """
        Change the bindings of one address-of-record.
        """
        try:
            goes = self._index.plan(aor, changes, removed)
        except TooManyBindings as e:
            return fail(e)
        writes = []
        for binding in goes:
            self._index.remove(aor, binding.identity)
            journal.ended(binding, "unregistered")
            writes.append(self._write(keyOf(binding), binding, None))
        for change in changes:
            old = self._index.get(aor, change.identity)
            self._index.put(change)
            if old is None:
                journal.began(change, self.wallTime())
            key = keyOf(change)
            if self._mustWrite(key, old, change):
                writes.append(self._write(key, change, change))
        return self._together(writes) if writes else succeed(None)

    def flowGone(self, proxy: str, flow: bytes) -> int:
        """
        Remove the bindings on a closed flow.
        """
        gone = self._index.onFlow(proxy, flow)
        for binding in gone:
            self._index.remove(binding.aor, binding.identity)
            journal.ended(binding, "its connection is closed")
            self._writeAlone(keyOf(binding), binding, None)
        return len(gone)

    def _together(self, writes: Sequence[Deferred[None]]) -> Deferred[None]:
        """
        Wait for some writes, but not for long.
        """
        left = len(writes)
        result: Deferred[None] = Deferred()

        def late() -> None:
            result.errback(StoreAway("not stored in time; it will be"))

        timer = self.clock.callLater(PATIENCE, late)

        def done(_: None) -> None:
            nonlocal left
            left -= 1
            if not left and timer.active():
                timer.cancel()
                result.callback(None)

        def failed(failure: Failure) -> None:
            if timer.active():
                timer.cancel()
                result.errback(failure)

        for write in writes:
            write.addCallbacks(done, failed)
        return result

    def _mustWrite(self, key: bytes, old: Binding | None, new: Binding) -> bool:
        """
        Whether a change goes to the store at once: not when it only moves the
        end and the store's record has half of its time to go.
        """
        known = self._known.get(key)
        if known is None or known.writing or old is None or not _alike(old, new):
            return True
        if new.expiresAt < known.storedUntil:
            return True
        half = (known.storedAt + known.storedUntil) / 2
        if self.wallTime() >= half:
            return True
        self._hold(key, known, half)
        return False

    def _hold(self, key: bytes, known: _Known, until: float) -> None:
        if known.writeAt != until:
            known.writeAt = until
            heapq.heappush(self._held, (until, key))

    def _write(
        self, key: bytes, binding: Binding, value: Binding | None
    ) -> Deferred[None]:
        """
        @param value: the binding, or L{None} to delete it from the store.
        """
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = _Known(binding.aor, binding.identity)
        return self._writeKnown(key, known, value)

    def _writeAlone(self, key: bytes, binding: Binding, value: Binding | None) -> None:
        # What fails is logged, and tried again.
        self._write(key, binding, value).addErrback(lambda _: None)

    def _writeKnown(
        self, key: bytes, known: _Known, value: Binding | None
    ) -> Deferred[None]:
        self._writes += 1
        known.writing = number = self._writes
        known.writtenAt = now = self.wallTime()
        known.writeAt = 0.0
        if value is None:
            writing = self.writer.delete(key)
        else:
            # One that ends at once would else be put on no lease at all.
            seconds = max(0.001, value.expiresAt - now)
            writing = self.writer.put(key, encode(value), seconds=seconds)

        def done(revision: int) -> None:
            if known.writing == number:
                stored = revision > 0 and value is not None
                known.storedAt = now if stored else 0.0
                known.storedUntil = value.expiresAt if stored and value else 0.0
                self._settle(key, known, revision)

        def failed(failure: Failure) -> Failure:
            log.warn("not stored: {why}", why=failure.getErrorMessage(), aor=known.aor)
            if known.writing == number:
                self._settle(key, known, 0)
                self._hold(key, known, self.wallTime() + AGAIN)
            return failure

        return writing.addCallbacks(done, failed)

    def _settle(self, key: bytes, known: _Known, revision: int) -> None:
        """
        A write of ours is over: hear what the store told meanwhile.
        """
        known.writing = 0
        known.settled = max(known.settled, revision)
        late, known.late = known.late, None
        if late is not None and late.modRevision > revision:
            self._changed(late)
        elif not known.storedUntil:
            # Remembered for a while: what is on its way may be older than our
            # deletion.
            self._hold(key, known, self.wallTime() + AGAIN)

    # What the store tells

    def replicaChanged(self, changes: Sequence[Change]) -> None:
        """
        Some keys changed, by us or by others.
        """
        if self.replica.era != self._era:
            self._newEra()
        for change in changes:
            known = self._known.get(change.key)
            if known is not None and known.writing:
                self._changedMeanwhile(change, known)
            elif known is None or change.modRevision >= known.settled:
                self._changed(change)

    def _newEra(self) -> None:
        """
        The store is another than it was: what we wrote may not be there.

        Each proxy writes its own bindings again.
        """
        self._era = self.replica.era
        for key, known in list(self._known.items()):
            known.settled = 0
            binding = self._index.get(known.aor, known.identity)
            if binding is not None and binding.proxy == self.name:
                self._writeAlone(key, binding, binding)

    def _changedMeanwhile(self, change: Change, known: _Known) -> None:
        known.late = change
        theirs = self._read(change)
        if theirs is None:
            return
        mine = self._index.get(known.aor, known.identity)
        if _newer(theirs, mine) if mine else theirs.updatedAt > known.writtenAt:
            # Ours waits for a store that was away, and is out of date by now.
            self.writer.forget(change.key)

    def _changed(self, change: Change) -> None:
        """
        Take over what the store has.
        """
        known = self._known.get(change.key)
        if change.value is None:
            if known is not None:
                self._index.remove(known.aor, known.identity)
                del self._known[change.key]
            return
        binding = self._read(change)
        if binding is None or binding.expiresAt <= self.wallTime():
            return
        if known is None:
            known = self._known[change.key] = _Known(binding.aor, binding.identity)
        known.storedAt = binding.updatedAt
        known.storedUntil = binding.expiresAt
        mine = self._index.get(binding.aor, binding.identity)
        if mine is not None and _newer(mine, binding) and _alike(mine, binding):
            # Another proxy wrote an earlier refresh after our later one.
            half = (known.storedAt + known.storedUntil) / 2
            self._hold(change.key, known, half)
            return
        known.writeAt = 0.0
        self._index.put(binding)

    def _read(self, change: Change) -> Binding | None:
        if change.value is None:
            return None
        try:
            binding = decode(change.value)
        except BadRecord as e:
            self.unreadable += 1
            log.warn("record at {key} cannot be read: {why}", key=change.key, why=e)
            return None
        if keyOf(binding) != change.key:
            self.unreadable += 1
            log.warn("record at {key} belongs elsewhere", key=change.key)
            return None
        return binding

    # Time

    def _sweep(self) -> None:
        """
        Drop what has ended; write what was held back.
        """
        self._sweeping = self.clock.callLater(1.0, self._sweep)
        for binding in self._index.expired():
            if binding.proxy == self.name:
                journal.ended(binding, "expired")
            known = self._known.get(keyOf(binding))
            if known is not None and not known.writing:
                del self._known[keyOf(binding)]
        now = self.wallTime()
        while self._held and self._held[0][0] <= now:
            when, key = heapq.heappop(self._held)
            known = self._known.get(key)
            if known is None or known.writeAt != when or known.writing:
                continue
            known.writeAt = 0.0
            held = self._index.get(known.aor, known.identity)
            if held is None and known.storedUntil <= now:
                del self._known[key]
            else:
                self._writeKnown(key, known, held).addErrback(lambda _: None)


def replicatedRegistrations(
    store: IClusterStore,
    clock: IReactorTime,
    wallTime: Callable[[], float],
    name: str,
) -> ReplicatedRegistrationStore:
    """
    Make the location service of one proxy.

    @param name: of this process; unlike that of any other.
    """
    leases = LeaseBuckets(store, clock)
    return ReplicatedRegistrationStore(
        Replica(store, PREFIX, clock, name.encode("utf-8"), leases=leases),
        CoalescingWriter(store, clock, leases=leases),
        clock,
        wallTime,
        name,
    )
