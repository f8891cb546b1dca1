"""
A replica that follows a prefix.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from sipcluster.cluster import following
from sipcluster.cluster.embedded_store import EmbeddedStore, memoryEngine
from sipcluster.cluster.icluster import (
    Change,
    Delete,
    IReplica,
    IReplicaListener,
    IWatch,
    IWatcher,
    Operation,
    Put,
    StoreAway,
    TxnResult,
)
from sipcluster.cluster.replica import Replica
from sipcluster.testing.clock import runFor
from sipcluster.testing.machines import unanswered

PREFIX = b"/test/"


@implementer(IReplicaListener)
class _Listener:
    """
    Remembers changes.
    """

    def __init__(self) -> None:
        self.told: list[tuple[bytes, bytes | None]] = []

    def replicaChanged(self, changes: Sequence[Change]) -> None:
        """
        Something changed.
        """
        self.told += [(change.key[len(PREFIX) :], change.value) for change in changes]


class _Deaf(EmbeddedStore):
    """
    A way to the store whose watches go silent without a word, or whose writes
    fail.
    """

    deaf = False
    readOnly = False

    def watch(self, prefix: bytes, fromRevision: int, watcher: IWatcher) -> IWatch:
        """
        Watch, as far as we are not deaf.
        """
        return super().watch(prefix, fromRevision, _Ear(self, watcher))

    def txn(
        self, compare: Any, success: Sequence[Operation], failure: Any = ()
    ) -> Deferred[TxnResult]:
        """
        Write, if we may.
        """
        if self.readOnly:
            self._away = True
            result = super().txn(compare, success, failure)
            self._away = False
            return result
        return super().txn(compare, success, failure)


@implementer(IWatcher)
class _Ear:
    def __init__(self, store: _Deaf, watcher: IWatcher) -> None:
        self._store = store
        self._watcher = watcher

    def changed(self, revision: int, changes: Sequence[Change]) -> None:
        if not self._store.deaf or not changes:
            self._watcher.changed(revision, changes)

    def lost(self, why: str, compacted: bool) -> None:
        self._watcher.lost(why, compacted)


class FollowingTests(SynchronousTestCase):
    """
    The machine of a replica.
    """

    def test_everythingIsAnswered(self) -> None:
        """
        Whatever the store does, whenever it does it, is no unknown transition.
        """
        inputs = {
            *("loaded", "loadFailed", "heard", "watchLost", "historyLost"),
            *("silent", "retry", "end", "begin"),
        }
        self.assertEqual(unanswered(following._machine, inputs), set())


class ReplicaTests(SynchronousTestCase):
    """
    L{Replica}
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.engine = memoryEngine(self.clock)
        self.addCleanup(self.engine.close)
        self.way = _Deaf(self.engine, self.clock)
        self.other = EmbeddedStore(self.engine, self.clock)
        self.listener = _Listener()
        self.replica = self.make(b"one")
        self.replica.addListener(self.listener)
        verifyObject(IReplica, self.replica)

    def make(self, name: bytes) -> Replica:
        """
        A replica, not started.
        """
        replica = Replica(self.way, PREFIX, self.clock, name, beat=2.0)
        self.addCleanup(replica.stop)
        return replica

    def start(self) -> None:
        """
        Start it and wait.
        """
        started = self.replica.start()
        runFor(self.clock, 0.1)
        self.successResultOf(started)

    def put(self, key: bytes, value: bytes = b"") -> None:
        """
        Another member writes.
        """
        self.successResultOf(self.other.txn([], [Put(PREFIX + key, value)]))

    def delete(self, key: bytes) -> None:
        """
        Another member deletes.
        """
        self.successResultOf(self.other.txn([], [Delete(PREFIX + key)]))

    def values(self) -> dict[bytes, bytes]:
        """
        What the replica has.
        """
        return {
            key[len(PREFIX) :]: entry.value
            for key, entry in self.replica.entries.items()
        }

    def test_loads(self) -> None:
        """
        When it has started it has what there was, and has told it as changes.
        """
        self.put(b"a", b"1")
        self.assertTrue(self.replica.degraded)
        self.start()
        self.assertEqual(self.values(), {b"a": b"1"})
        self.assertEqual(self.listener.told, [(b"a", b"1")])
        self.assertFalse(self.replica.degraded)

    def test_follows(self) -> None:
        """
        Puts and deletions arrive, in order, and its own heartbeats do not.
        """
        self.start()
        self.put(b"a", b"1")
        self.put(b"a", b"2")
        self.put(b"b", b"1")
        self.delete(b"b")
        runFor(self.clock, 30.0)
        self.assertEqual(self.values(), {b"a": b"2"})
        self.assertEqual(
            self.listener.told, [(b"a", b"1"), (b"a", b"2"), (b"b", b"1"), (b"b", None)]
        )
        self.assertEqual(self.replica.loads, 1)

    def test_startedTwice(self) -> None:
        """
        Who starts it again hears at once.
        """
        self.start()
        self.successResultOf(self.replica.start())
        self.assertEqual(self.replica.loads, 1)

    def test_storeAwayAtStart(self) -> None:
        """
        Without a store it tries until there is one; who waits is told after a
        while that there is none.
        """
        self.way.away = True
        patient = self.replica.start(60.0)
        hasty = self.replica.start(5.0)
        runFor(self.clock, 5.0)
        self.failureResultOf(hasty, StoreAway)
        self.assertNoResult(patient)
        self.way.away = False
        runFor(self.clock, 2.1)
        self.successResultOf(patient)
        self.assertFalse(self.replica.degraded)

    def test_watchLost(self) -> None:
        """
        A watch that breaks is taken up where it was, without reading all.
        """
        self.start()
        self.put(b"a", b"1")
        self.way.away = True
        self.assertTrue(self.replica.degraded)
        self.put(b"a", b"2")
        self.put(b"b", b"1")
        self.way.away = False
        runFor(self.clock, 1.0)
        self.assertEqual(self.values(), {b"a": b"2", b"b": b"1"})
        self.assertEqual(self.replica.loads, 1)
        self.assertFalse(self.replica.degraded)

    def test_triesAreFew(self) -> None:
        """
        A store that stays away is asked every two seconds, not more.
        """
        tries: list[float] = []
        watch = self.way.watch

        def counted(*arguments: Any) -> Any:
            tries.append(self.clock.seconds())
            return watch(*arguments)

        self.start()
        self.patch(self.way, "watch", counted)
        self.way.away = True
        runFor(self.clock, 60.0)
        self.assertLess(len(tries), 36)
        self.way.away = False
        runFor(self.clock, 3.0)
        self.assertFalse(self.replica.degraded)

    def test_compacted(self) -> None:
        """
        When the store has forgotten what was missed, everything is read again
        and the difference told: what is new, what is changed, what is gone.
        """
        for key in (b"same", b"changed", b"gone"):
            self.put(key, b"1")
        self.start()
        self.listener.told.clear()
        self.way.away = True
        self.put(b"changed", b"2")
        self.put(b"new", b"1")
        self.delete(b"gone")
        self.engine.compact(self.engine.revision)
        self.way.away = False
        runFor(self.clock, 3.0)
        self.assertEqual(
            sorted(self.listener.told, key=lambda told: told[0]),
            [(b"changed", b"2"), (b"gone", None), (b"new", b"1")],
        )
        self.assertEqual((self.replica.loads, self.replica.era), (2, 0))

    def test_silence(self) -> None:
        """
        A watch that has gone silent without a word is noticed by the heartbeat
        that does not come back, and everything is read again.
        """
        self.start()
        self.way.deaf = True
        self.put(b"missed", b"1")
        runFor(self.clock, 4.5)
        self.assertEqual(self.values(), {b"missed": b"1"})
        self.way.deaf = False
        runFor(self.clock, 4.5)
        self.assertFalse(self.replica.degraded)

    def test_cannotWrite(self) -> None:
        """
        A store that takes no heartbeat makes the replica degraded, but a watch
        that works is kept; it is well again when writes are.
        """
        self.start()
        self.way.readOnly = True
        runFor(self.clock, 4.0)
        self.assertTrue(self.replica.degraded)
        self.put(b"a", b"1")
        runFor(self.clock, 0.1)
        self.assertEqual(self.values(), {b"a": b"1"})
        self.way.readOnly = False
        runFor(self.clock, 4.0)
        self.assertFalse(self.replica.degraded)
        self.assertEqual(self.replica.loads, 1)

    def test_heartbeatsEnd(self) -> None:
        """
        The heartbeat of a replica that is gone goes too, in its time.
        """
        self.start()
        runFor(self.clock, 10.0)
        self.replica.stop()
        runFor(self.clock, 95.0)
        left = self.successResultOf(self.other.snapshot(PREFIX))
        self.assertEqual(list(left.entries), [])

    def test_heartbeatLeaseGone(self) -> None:
        """
        A heartbeat whose lease is gone gets another.
        """
        self.start()
        for id in self.engine.leaseIDs():
            self.engine.revoke(id)
        runFor(self.clock, 6.0)
        self.assertFalse(self.replica.degraded)

    def test_anotherStore(self) -> None:
        """
        A store that has gone back to an earlier revision is another store: its
        era counts up, and the replica is what that store has.
        """
        for number in range(20):
            self.put(b"%d" % number)
        self.start()
        engine = memoryEngine(self.clock)
        self.addCleanup(engine.close)
        self.way.away = True
        self.way._engine = engine
        self.way.away = False
        runFor(self.clock, 3.0)
        self.assertEqual((self.values(), self.replica.era), ({}, 1))
        self.assertFalse(self.replica.degraded)

    def test_badListener(self) -> None:
        """
        A listener that raises does no harm to the replica or to the others.
        """

        @implementer(IReplicaListener)
        class Bad:
            def replicaChanged(self, changes: Sequence[Change]) -> None:
                raise RuntimeError("bug")

        last = _Listener()
        self.replica.addListener(Bad())
        self.replica.addListener(last)
        self.start()
        self.put(b"a", b"1")
        runFor(self.clock, 0.1)
        self.assertEqual(last.told, [(b"a", b"1")])
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)

    def test_stop(self) -> None:
        """
        Stopped in whatever it does, it leaves no timer and tells who waits.
        """
        self.way.delay = 0.1
        for seconds in (0.0, 0.05, 0.15, 0.25, 5.0):
            replica = self.make(b"other")
            started = replica.start()
            runFor(self.clock, seconds)
            replica.stop()
            replica.stop()
            if seconds < 0.1:
                self.failureResultOf(started, StoreAway)
            else:
                self.successResultOf(started)
            runFor(self.clock, 0.3)
            for id in self.engine.leaseIDs():
                self.engine.revoke(id)
            runFor(self.clock, 10.0)
            self.assertEqual(self.clock.getDelayedCalls(), [])
            self.assertEqual(self.engine.watches, {})

    def test_stopWhileAway(self) -> None:
        """
        Stopped while it waits to try again, it leaves no timer.
        """
        self.start()
        self.way.away = True
        self.replica.stop()
        for id in self.engine.leaseIDs():
            self.engine.revoke(id)
        runFor(self.clock, 10.0)
        self.assertEqual(self.clock.getDelayedCalls(), [])
