"""
All keys under a prefix, kept in this process by a snapshot and a watch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from attrs import define
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from sipcluster.cluster.following import Following, following
from sipcluster.cluster.icluster import (
    Change,
    Entry,
    IClusterStore,
    IReplica,
    IReplicaListener,
    IWatch,
    IWatcher,
    Put,
    Snapshot,
    StoreAway,
    TxnResult,
)
from sipcluster.cluster.leases import LeaseBuckets

log = Logger()

#: Numbers in the log: a replica has lost its store, and follows it again.
DEGRADED, FOLLOWS = "00-53401", "00-53402"

#: Keys of replicas' heartbeats begin with this, under the prefix; a zero byte
#: keeps them apart from anything that means something.
HEARTBEAT = b"\0beat/"

#: Seconds between tries to load: the first, and the longest.
RETRY = (0.1, 2.0)

#: Seconds for which a heartbeat key outlives its replica.
BEAT_LIFE = 60.0


@implementer(IWatcher)
@define(eq=False)
class _Watcher:
    """
    One watch's way to the machine; mute once the watch is given up.
    """

    following: Following | None

    def changed(self, revision: int, changes: Sequence[Change]) -> None:
        if self.following is not None:
            self.following.heard(revision, changes)

    def lost(self, why: str, compacted: bool) -> None:
        following, self.following = self.following, None
        if following is None:
            return
        if compacted:
            following.historyLost(why)
        else:
            following.watchLost(why)


@implementer(IReplica)
class Replica:
    """
    Follows a prefix of the cluster store.

    A watch that says nothing may have nothing to say, or may be dead: so the
    replica writes a key of its own under the prefix every C{beat} seconds, and
    reads everything again when that does not come back.

    @ivar entries: what there is, heartbeats left out.
    @ivar revision: everything up to here has been seen.
    @ivar loads: how many snapshots were taken.
    @ivar era: how often the store was found to be another one.
    @ivar why: the store is not heard; C{""} while it is.
    """

    def __init__(
        self,
        store: IClusterStore,
        prefix: bytes,
        clock: IReactorTime,
        name: bytes,
        beat: float = 2.0,
        leases: LeaseBuckets | None = None,
    ) -> None:
        """
        @param name: of this process; unlike that of any other.
        @param beat: seconds between heartbeats: silence is noticed within
            twice that.
        """
        self._store = store
        self._prefix = prefix
        self._shown = prefix.decode("utf-8", "backslashreplace")
        self._clock = clock
        self._beats = prefix + HEARTBEAT
        self._beatKey = self._beats + name
        self._interval = beat
        self._leases = LeaseBuckets(store, clock) if leases is None else leases
        self._entries: dict[bytes, Entry] = {}
        self.revision = 0
        self.loads = 0
        self.era = 0
        self.why = "not loaded yet"
        self._listeners: list[IReplicaListener] = []
        self._starting: list[tuple[Deferred[None], IDelayedCall]] = []
        self._watch: IWatch | None = None
        self._watcher: _Watcher | None = None
        self._pause = 0.0
        self._timer: IDelayedCall | None = None
        self._beating: IDelayedCall | None = None
        self._count = 0
        self._heard = False
        self._written = False
        self._loading: Deferred[Any] | None = None
        self._expected: bytes | None = None
        self._following = following(
            load=self._load,
            replace=self._replace,
            watch=self._open,
            apply=self._apply,
            unwatch=self._unwatch,
            trouble=self._trouble,
            pause=self._wait,
            cancel=self._cancel,
        )

    @property
    def entries(self) -> Mapping[bytes, Entry]:
        """
        What there is; not to be changed.
        """
        return self._entries

    @property
    def degraded(self) -> bool:
        """
        Whether what is here may be old.
        """
        return bool(self.why)

    def addListener(self, listener: IReplicaListener) -> None:
        """
        Tell of every change from now on.
        """
        self._listeners.append(listener)

    def start(self, patience: float = 30.0) -> Deferred[None]:
        """
        Begin to follow the store.
        """
        result: Deferred[None] = Deferred()
        timer = self._clock.callLater(patience, self._impatient, result, patience)
        self._starting.append((result, timer))
        if self.loads:
            self._tellStarted()
        self._following.begin()
        return result

    def _impatient(self, result: Deferred[None], patience: float) -> None:
        self._starting = [each for each in self._starting if each[0] is not result]
        result.errback(StoreAway(f"not loaded within {patience:g} s: {self.why}"))

    def _tellStarted(self) -> None:
        starting, self._starting = self._starting, []
        for result, timer in starting:
            timer.cancel()
            result.callback(None)

    def stop(self) -> None:
        """
        Follow no more.
        """
        self._following.end()
        starting, self._starting = self._starting, []
        for result, timer in starting:
            timer.cancel()
            result.errback(StoreAway("stopped"))

    # What the machine asks for

    def _load(self, f: Following) -> None:
        self._loading = loading = self._store.snapshot(self._prefix)

        def failed(failure: Failure) -> None:
            f.loadFailed(failure.getErrorMessage())

        loading.addCallbacks(f.loaded, failed).addErrback(
            lambda failure: log.failure("loading a replica", failure)
        )

    def _replace(self, snapshot: Snapshot) -> None:
        """
        Take a snapshot; what is different is told as changes.
        """
        old = self._entries
        new = {
            entry.key: entry
            for entry in snapshot.entries
            if not entry.key.startswith(self._beats)
        }
        changes = [
            Change(key, None, 0, snapshot.revision) for key in old if key not in new
        ]
        for key, entry in new.items():
            if old.get(key) != entry:
                changes.append(
                    Change(
                        key,
                        entry.value,
                        entry.createRevision,
                        entry.modRevision,
                        entry.lease,
                    )
                )
        if snapshot.revision < self.revision:
            self.era += 1
            log.error(
                "the cluster store has gone back from revision {before} to {revision}",
                before=self.revision,
                revision=snapshot.revision,
            )
        self._entries = new
        self.revision = snapshot.revision
        self.loads += 1
        log.info(
            "replica of {prefix}: {count} keys at revision {revision}",
            prefix=self._shown,
            count=len(new),
            revision=snapshot.revision,
        )
        self._tell(changes)
        self._tellStarted()

    def _open(self, f: Following) -> None:
        self._watcher = _Watcher(f)
        self._heard = False
        self._watch = self._store.watch(self._prefix, self.revision + 1, self._watcher)

    def _apply(self, revision: int, changes: Sequence[Change]) -> None:
        self._pause = 0.0
        if not self._heard:
            self._heard = True
            self._well()
            self._beat()
        told = []
        for change in changes:
            if change.key.startswith(self._beats):
                if change.key == self._beatKey and change.value == self._expected:
                    self._beatReturned()
                continue
            if change.value is None:
                self._entries.pop(change.key, None)
            else:
                self._entries[change.key] = Entry(
                    change.key,
                    change.value,
                    change.createRevision,
                    change.modRevision,
                    change.lease,
                )
            told.append(change)
        self.revision = max(self.revision, revision)
        self._tell(told)

    def _tell(self, changes: Sequence[Change]) -> None:
        if changes:
            for listener in self._listeners:
                with log.failuresHandled("telling of changes"):
                    listener.replicaChanged(changes)

    def _unwatch(self) -> None:
        if self._watcher is not None:
            self._watcher.following = None
            self._watcher = None
        watch, self._watch = self._watch, None
        if watch is not None:
            watch.stop()
        if self._beating is not None:
            self._beating.cancel()
            self._beating = None
        self._expected = None
        self._written = False

    def _trouble(self, why: str) -> None:
        if not self.why:
            log.error(
                "{number}: replica of {prefix} is degraded: {why}",
                number=DEGRADED,
                prefix=self._shown,
                why=why,
            )
        self.why = why or "unknown"

    def _wait(self, f: Following) -> None:
        first, longest = RETRY
        self._pause = min(longest, self._pause * 2 or first)

        def over() -> None:
            self._timer = None
            f.retry()

        self._timer = self._clock.callLater(self._pause, over)

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        loading, self._loading = self._loading, None
        if loading is not None:
            loading.addErrback(lambda _: None)
            loading.cancel()

    # Heartbeats

    def _beat(self) -> None:
        """
        Write a heartbeat, when the last one has come back.
        """
        self._beating = None
        if self._written:
            self._following.silent("the last heartbeat did not come back")
            return
        self._beating = self._clock.callLater(self._interval, self._beat)
        if self._expected is None:
            self._count += 1
            self._expected = b"%d" % self._count
            self._writeBeat(self._expected)

    def _writeBeat(self, value: bytes) -> None:
        used = 0

        def put(lease: int) -> Deferred[TxnResult]:
            nonlocal used
            used = lease
            return self._store.txn([], [Put(self._beatKey, value, lease)])

        def written(_: TxnResult) -> None:
            # It may have come back already.
            self._written = self._expected == value

        def failed(failure: Failure) -> None:
            # The watch may be well all the same: it is not given up for this.
            self._leases.forget(used)
            if self._expected == value:
                self._expected = None
                self._trouble(failure.getErrorMessage())

        writing = self._leases.leaseFor(BEAT_LIFE).addCallback(put)
        writing.addCallbacks(written, failed)

    def _beatReturned(self) -> None:
        self._expected = None
        self._written = False
        self._well()

    def _well(self) -> None:
        if self.why:
            log.info(
                "{number}: replica of {prefix} follows the store",
                number=FOLLOWS,
                prefix=self._shown,
            )
            self.why = ""
