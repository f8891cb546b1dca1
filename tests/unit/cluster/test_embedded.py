"""
The engine of the embedded store: leases, watches, restarts.
"""

from __future__ import annotations

from collections.abc import Sequence

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from sipcluster.cluster.embedded import EmbeddedEngine, EngineWatch
from sipcluster.cluster.embedded_store import EmbeddedStore, memoryEngine
from sipcluster.cluster.icluster import LeaseGone, StoreAway, StoreRefused
from sipcluster.cluster.keyspace import Keyspace
from sipcluster.cluster.operations import KeyValue, PutOperation, RangeOperation
from sipcluster.testing.clock import runFor
from sipcluster.testing.contracts import RecordingWatcher


class EngineTests(SynchronousTestCase):
    """
    L{EmbeddedEngine} on a clock.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.engine = memoryEngine(self.clock)
        self.addCleanup(self.engine.close)

    def put(self, key: bytes, lease: int = 0, value: bytes = b"") -> int:
        """
        Write a key.
        """
        operation = PutOperation(key, value, lease)
        return self.engine.transact((), [operation]).revision

    def putMany(self, count: int, lease: int = 0) -> None:
        """
        Write many keys.
        """
        for start in range(0, count, 100):
            numbers = range(start, start + 100)
            self.engine.transact(
                (), [PutOperation(b"%04d" % n, b"", lease) for n in numbers]
            )

    def keys(self) -> list[bytes]:
        """
        All keys.
        """
        found = self.engine.range(RangeOperation(b"\0", b"\0"))
        return [entry.key for entry in found.entries]

    def watch(self, since: int = 0) -> tuple[EngineWatch, list[tuple[int, bytes]]]:
        """
        Watch everything.

        @return: the watch, and what it is told: revisions and keys.
        """
        told: list[tuple[int, bytes]] = []

        def changed(revision: int, events: Sequence[KeyValue]) -> None:
            told.extend((event.modified, event.key) for event in events)

        def compacted(oldest: int) -> None:
            told.append((oldest, b"compacted"))

        return self.engine.watch(b"\0", b"\0", since, changed, compacted), told

    # Leases

    def test_shortestLease(self) -> None:
        """
        Who asks for less than the minimum gets the minimum; a part of a second
        counts as one.
        """
        self.assertEqual(self.engine.grant(0.5)[1], 2.0)
        self.assertEqual(self.engine.grant(4.1)[1], 5.0)

    def test_badLeases(self) -> None:
        """
        No lease for no time, none twice of one id, and not too many.
        """
        for ttl in (0, -1, float("nan"), 1e12):
            self.assertRaises(StoreRefused, self.engine.grant, ttl)
        self.engine.grant(10, id=77)
        self.assertRaises(StoreRefused, self.engine.grant, 10, id=77)
        self.engine.leaseLimit = 1
        self.assertRaises(StoreRefused, self.engine.grant, 10)

    def test_endsInTime(self) -> None:
        """
        A lease ends when its time is over, not before; what is left can be
        asked.
        """
        id, _ = self.engine.grant(10)
        self.put(b"a", id)
        runFor(self.clock, 9.9)
        left, ttl = self.engine.timeToLive(id)
        self.assertAlmostEqual(left, 0.1)
        self.assertEqual((ttl, self.keys()), (10.0, [b"a"]))
        self.assertEqual(self.engine.leasedKeys(id), [b"a"])
        runFor(self.clock, 0.1)
        self.assertEqual(self.keys(), [])
        self.assertEqual(self.engine.timeToLive(id), (-1.0, 0.0))
        self.assertEqual(self.engine.leaseIDs(), [])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_shorterLeaseLater(self) -> None:
        """
        A lease that is granted later but ends sooner ends in time.
        """
        self.engine.grant(100)
        id, _ = self.engine.grant(5)
        self.put(b"a", id)
        runFor(self.clock, 5.0)
        self.assertEqual(self.keys(), [])

    def test_keptAlive(self) -> None:
        """
        A lease lives for as long as it is kept alive.
        """
        id, _ = self.engine.grant(5)
        self.put(b"a", id)
        for _ in range(10):
            runFor(self.clock, 4.0)
            self.assertEqual(self.engine.keepAlive(id), 5.0)
        self.assertEqual(self.keys(), [b"a"])
        runFor(self.clock, 5.0)
        self.assertEqual(self.keys(), [])

    def test_largeLeaseEndsInSlices(self) -> None:
        """
        The keys of a large lease are deleted a few hundred at a time, so that
        nobody waits long; the lease itself takes no more keys meanwhile.
        """
        id, _ = self.engine.grant(5)
        self.putMany(1200, id)
        since = self.engine.revision + 1
        refused = []

        def changed(revision: int, events: Sequence[KeyValue]) -> None:
            refused.append(self.assertRaises(LeaseGone, self.put, b"more", id))

        watch = self.engine.watch(b"\0", b"\0", since, changed, lambda _: None)
        watch.resume()
        runFor(self.clock, 5.0)
        self.assertEqual((self.keys(), len(refused)), ([], 3))

    def test_revokeUnknown(self) -> None:
        """
        There may be no such lease.
        """
        self.assertFalse(self.engine.revoke(99))

    # Watches

    def test_pausedWatch(self) -> None:
        """
        A watch that is paused hears nothing, and everything when it goes on.
        """
        watch, told = self.watch()
        watch.resume()
        self.put(b"a")
        watch.pause()
        self.put(b"b")
        self.put(b"c")
        self.assertEqual(told, [(2, b"a")])
        watch.resume()
        self.put(b"d")
        self.assertEqual(told, [(2, b"a"), (3, b"b"), (4, b"c"), (5, b"d")])

    def test_pausedForTooLong(self) -> None:
        """
        A watch that was paused for longer than the store remembers is told so,
        and ends.
        """
        watch, told = self.watch()
        for _ in range(5):
            last = self.put(b"a")
        self.engine.compact(last)
        watch.resume()
        self.put(b"b")
        self.assertEqual(told, [(last, b"compacted")])
        self.assertEqual(self.engine.watches, {})

    def test_pausesWhileCatchingUp(self) -> None:
        """
        A watch may pause in the middle of catching up.
        """
        for _ in range(3):
            self.putMany(1000)
        told = []

        def changed(revision: int, events: Sequence[KeyValue]) -> None:
            told.append(len(events))
            watch.pause()

        watch = self.engine.watch(b"\0", b"\0", 1, changed, lambda _: None)
        watch.resume()
        self.assertEqual(told, [1000])
        watch.resume()
        watch.resume()
        watch.resume()
        self.assertEqual(told, [1000, 1000, 1000])

    def test_writingWatcher(self) -> None:
        """
        A watcher that writes is told of its own write after the first change,
        and so is every other watcher.
        """
        first: list[bytes] = []

        def echo(revision: int, events: Sequence[KeyValue]) -> None:
            first.extend(event.key for event in events)
            if events[0].key == b"a":
                self.put(b"echo")

        self.engine.watch(b"\0", b"\0", 0, echo, lambda _: None).resume()
        watch, told = self.watch()
        watch.resume()
        self.put(b"a")
        self.assertEqual(first, [b"a", b"echo"])
        self.assertEqual(told, [(2, b"a"), (3, b"echo")])

    def test_stopsInTheMiddle(self) -> None:
        """
        A watch that is stopped by what another hears is not told.
        """
        watch, told = self.watch()

        def stop(revision: int, events: Sequence[KeyValue]) -> None:
            for each in (one, other):
                each.stop()

        one = self.engine.watch(b"a", b"", 0, stop, lambda _: None)
        other = self.engine.watch(b"a", b"", 0, stop, lambda _: None)
        for each in (one, other, watch):
            each.resume()
        self.put(b"a")
        self.assertEqual(told, [(2, b"a")])
        self.assertEqual(list(self.engine.watches), [watch])


class RestartTests(SynchronousTestCase):
    """
    L{EmbeddedEngine} on a file, closed or killed, and started again.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.path = self.mktemp()
        self.numbers = iter(range(1, 1000))
        self.engine = self.begin()

    def begin(self) -> EmbeddedEngine:
        """
        Start.
        """
        engine = EmbeddedEngine(
            Keyspace(self.path), self.clock, lambda: next(self.numbers)
        )
        self.addCleanup(engine.close)
        return engine

    def kill(self) -> None:
        """
        End without a word: what is not in the file is lost.
        """
        self.engine.keyspace.close()
        self.engine.closed = True
        for call in self.clock.getDelayedCalls():
            call.cancel()

    def test_closed(self) -> None:
        """
        After a restart a lease has the time that it had left, and its keys
        still go with it.
        """
        id, _ = self.engine.grant(30)
        self.engine.transact((), [PutOperation(b"a", b"", id)])
        runFor(self.clock, 12.0)
        self.engine.close()
        runFor(self.clock, 1000.0)
        self.engine = self.begin()
        self.assertEqual(self.engine.timeToLive(id), (18.0, 30.0))
        runFor(self.clock, 18.0)
        self.assertEqual(self.engine.range(RangeOperation(b"a")).count, 0)

    def test_killed(self) -> None:
        """
        After a crash a lease has at least the time that it had left, and not
        much more.
        """
        id, _ = self.engine.grant(100)
        runFor(self.clock, 65.0)
        self.kill()
        self.engine = self.begin()
        left, _ = self.engine.timeToLive(id)
        self.assertTrue(35.0 <= left <= 55.0, left)

    def test_killedAfterKeepAlive(self) -> None:
        """
        A lease that was kept alive before the crash lives as long as its owner
        was told.
        """
        id, ttl = self.engine.grant(100)
        runFor(self.clock, 65.0)
        self.engine.keepAlive(id)
        self.kill()
        self.engine = self.begin()
        self.assertEqual(self.engine.timeToLive(id), (ttl, ttl))

    def test_ended(self) -> None:
        """
        A lease that ended does not come back.
        """
        self.engine.grant(5)
        runFor(self.clock, 6.0)
        self.kill()
        self.engine = self.begin()
        self.assertEqual(self.engine.leaseIDs(), [])


class AwayTests(SynchronousTestCase):
    """
    L{EmbeddedStore} whose member is cut off.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.engine = memoryEngine(self.clock)
        self.addCleanup(self.engine.close)
        self.store = EmbeddedStore(self.engine, self.clock, delay=0.01)

    def test_callsFail(self) -> None:
        """
        While it is away every call fails.
        """
        self.store.away = True
        calls = [
            self.store.snapshot(b"a"),
            self.store.txn([], []),
            self.store.leaseGrant(5),
            self.store.leaseKeepAlive(1),
            self.store.leaseRevoke(1),
        ]
        runFor(self.clock, 0.1)
        for call in calls:
            self.failureResultOf(call, StoreAway)

    def test_watchesAreLost(self) -> None:
        """
        Watches are lost, those that were opened and those that are not yet;
        one that was stopped hears nothing.
        """
        watchers = [RecordingWatcher() for _ in range(4)]
        self.store.watch(b"a", 1, watchers[0])
        stopped = self.store.watch(b"a", 1, watchers[1])
        runFor(self.clock, 0.1)
        stopped.stop()
        self.store.watch(b"a", 1, watchers[2])
        self.store.away = True
        self.assertTrue(self.store.away)
        self.store.watch(b"a", 1, watchers[3])
        runFor(self.clock, 0.1)
        self.assertEqual([len(w.ended) for w in watchers], [1, 0, 1, 1])
        self.assertEqual(self.engine.watches, {})

    def test_cancelled(self) -> None:
        """
        A call that is cancelled in time is not made.
        """
        call = self.store.leaseGrant(5)
        call.addErrback(lambda _: None)
        call.cancel()
        runFor(self.clock, 0.1)
        self.assertEqual(self.engine.leaseIDs(), [])
