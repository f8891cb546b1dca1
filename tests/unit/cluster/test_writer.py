"""
Writes collected into few transactions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted.internet.defer import Deferred, fail
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from sipcluster.cluster.embedded_store import EmbeddedStore, memoryEngine
from sipcluster.cluster.icluster import (
    ClusterError,
    IClusterWriter,
    LeaseGone,
    Operation,
    Put,
    QueueFull,
    StoreAway,
    StoreRefused,
    TxnResult,
)
from sipcluster.cluster.operations import RangeOperation
from sipcluster.cluster.writer import CoalescingWriter
from sipcluster.testing.clock import runFor


class _Counting(EmbeddedStore):
    """
    Remembers what was written together, and refuses one value.
    """

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.batches: list[list[bytes]] = []
        self.broken: Exception | None = None

    def txn(
        self, compare: Any, success: Sequence[Operation], failure: Any = ()
    ) -> Deferred[TxnResult]:
        """
        Write.
        """
        self.batches.append([each.key for each in success])
        if self.broken is not None:
            return fail(self.broken)
        if any(isinstance(each, Put) and each.value == b"poison" for each in success):
            return fail(StoreRefused("too large", 400))
        return super().txn(compare, success, failure)


class CoalescingWriterTests(SynchronousTestCase):
    """
    L{CoalescingWriter}
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.engine = memoryEngine(self.clock)
        self.addCleanup(self.engine.close)
        self.store = _Counting(self.engine, self.clock, delay=0.003)
        self.writer = CoalescingWriter(self.store, self.clock, limit=500)
        self.addCleanup(self.writer.stop)
        verifyObject(IClusterWriter, self.writer)

    def values(self) -> dict[bytes, bytes]:
        """
        What is stored.
        """
        found = self.engine.range(RangeOperation(b"\0", b"\0"))
        return {entry.key: entry.value for entry in found.entries}

    def test_loneWriteLeavesAtOnce(self) -> None:
        """
        A write after a quiet time is not held back.
        """
        result = self.writer.put(b"a", b"1")
        runFor(self.clock, 0.01)
        self.assertEqual(self.successResultOf(result), 2)
        self.assertEqual(self.values(), {b"a": b"1"})

    def test_collected(self) -> None:
        """
        Writes that come within 50 ms leave together, so that a second sees 20
        transactions at most.
        """
        for number in range(1000):
            self.writer.put(b"%d" % (number % 50), b"%d" % number)
            runFor(self.clock, 0.001)
        runFor(self.clock, 0.1)
        self.assertLessEqual(len(self.store.batches), 21)
        self.assertEqual(self.values()[b"49"], b"999")

    def test_sameTurn(self) -> None:
        """
        What is written in one turn of the reactor is one transaction.
        """
        results = [self.writer.put(b"%d" % n, b"") for n in range(10)]
        runFor(self.clock, 0.01)
        self.assertEqual({self.successResultOf(each) for each in results}, {2})
        self.assertEqual(len(self.store.batches), 1)

    def test_lastWriteWins(self) -> None:
        """
        Of several writes to one key the last is made, and all are told when it
        is.
        """
        results = [
            self.writer.put(b"a", b"1"),
            self.writer.delete(b"a"),
            self.writer.put(b"a", b"3"),
        ]
        runFor(self.clock, 0.01)
        self.assertEqual([self.successResultOf(each) for each in results], [2, 2, 2])
        self.assertEqual(self.values(), {b"a": b"3"})

    def test_writtenDuringAWrite(self) -> None:
        """
        A key that is written while an earlier write of it is under way is
        written again.
        """
        self.writer.put(b"a", b"1")
        runFor(self.clock, 0.001)
        second = self.writer.put(b"a", b"2")
        runFor(self.clock, 0.1)
        self.assertEqual(self.successResultOf(second), 3)
        self.assertEqual(self.values(), {b"a": b"2"})

    def test_deleted(self) -> None:
        """
        A key can be deleted.
        """
        self.writer.put(b"a", b"1")
        runFor(self.clock, 0.1)
        result = self.writer.delete(b"a")
        runFor(self.clock, 0.1)
        self.successResultOf(result)
        self.assertEqual(self.values(), {})

    def test_batchesAreBounded(self) -> None:
        """
        No transaction has more than 100 writes, and full ones do not wait.
        """
        for number in range(450):
            self.writer.put(b"%d" % number, b"")
        runFor(self.clock, 0.02)
        sizes = [len(batch) for batch in self.store.batches]
        self.assertEqual(sizes, [100, 100, 100, 100])
        runFor(self.clock, 0.1)
        self.assertEqual(len(self.values()), 450)

    def test_queueIsBounded(self) -> None:
        """
        Beyond the bound a write is refused; one to a key that waits is not.
        """
        self.store.away = True
        for number in range(500):
            self.writer.put(b"%d" % number, b"").addErrback(lambda _: None)
        self.failureResultOf(self.writer.put(b"more", b""), QueueFull)
        self.writer.put(b"7", b"again").addErrback(lambda _: None)
        self.assertEqual(self.writer.pending, 500)

    def test_waitersAreBounded(self) -> None:
        """
        Of those who wait for one key the first are let go when there are many.
        """
        self.store.away = True
        results = [self.writer.put(b"a", b"%d" % number) for number in range(101)]
        self.failureResultOf(results[0], QueueFull)
        self.assertNoResult(results[1])
        for each in results:
            each.addErrback(lambda _: None)

    # Leases

    def test_sharedLease(self) -> None:
        """
        A key can be put on a lease that it shares with others.
        """
        self.writer.put(b"a", b"", seconds=60.0)
        self.writer.put(b"b", b"", seconds=60.0)
        runFor(self.clock, 0.1)
        self.assertEqual(len(self.engine.leaseIDs()), 1)
        runFor(self.clock, 59.0)
        self.assertEqual(len(self.values()), 2)
        runFor(self.clock, 32.0)
        self.assertEqual(self.values(), {})

    def test_ownLease(self) -> None:
        """
        A key can be put on the caller's lease, but not on two.
        """
        id, _ = self.engine.grant(30)
        self.writer.put(b"a", b"", lease=id)
        self.assertRaises(ValueError, self.writer.put, b"a", b"", id, 60.0)
        runFor(self.clock, 0.1)
        self.assertEqual(self.engine.leasedKeys(id), [b"a"])

    def test_sharedLeaseIsGone(self) -> None:
        """
        When a shared lease is gone from the store another takes its place.
        """
        self.writer.put(b"a", b"1", seconds=60.0)
        runFor(self.clock, 0.1)
        (id,) = self.engine.leaseIDs()
        self.engine.revoke(id)
        result = self.writer.put(b"a", b"2", seconds=60.0)
        runFor(self.clock, 0.1)
        self.successResultOf(result)
        self.assertEqual(self.values(), {b"a": b"2"})

    def test_ownLeaseIsGone(self) -> None:
        """
        A write on a lease of the caller's that is gone fails; those that left
        with it are made.
        """
        bad = self.writer.put(b"bad", b"", lease=99)
        good = [self.writer.put(b"%d" % number, b"") for number in range(7)]
        good.append(self.writer.put(b"leased", b"", seconds=60.0))
        runFor(self.clock, 1.0)
        self.failureResultOf(bad, LeaseGone)
        for each in good:
            self.successResultOf(each)
        self.assertEqual(len(self.values()), 8)

    def test_leasesThatDoNotLast(self) -> None:
        """
        A write on a shared lease is not tried for ever.
        """
        self.store.broken = LeaseGone("none")
        result = self.writer.put(b"a", b"", seconds=60.0)
        runFor(self.clock, 1.0)
        self.failureResultOf(result, LeaseGone)

    def test_tooLate(self) -> None:
        """
        A write whose time is over before it could be made is left out.
        """
        self.store.away = True
        result = self.writer.put(b"a", b"", seconds=1.0)
        runFor(self.clock, 2.0)
        self.store.away = False
        runFor(self.clock, 3.0)
        self.assertEqual(self.successResultOf(result), 0)
        self.assertEqual(self.values(), {})

    # Faults

    def test_storeAway(self) -> None:
        """
        While the store is away writes wait, newer ones in place of older ones,
        and are made when it is back.
        """
        self.store.away = True
        first = self.writer.put(b"a", b"1")
        other = self.writer.put(b"b", b"1", seconds=60.0)
        runFor(self.clock, 5.0)
        self.assertTrue(self.writer.away)
        second = self.writer.put(b"a", b"2")
        runFor(self.clock, 5.0)
        for each in (first, second, other):
            self.assertNoResult(each)
        self.store.away = False
        runFor(self.clock, 2.0)
        for each in (first, second, other):
            self.successResultOf(each)
        self.assertEqual(self.values(), {b"a": b"2", b"b": b"1"})
        self.assertFalse(self.writer.away)

    def test_triesAreFew(self) -> None:
        """
        A store that is away is asked every two seconds, not more.
        """
        self.store.away = True
        self.writer.put(b"a", b"1").addErrback(lambda _: None)
        runFor(self.clock, 60.0)
        self.assertLess(len(self.store.batches), 36)

    def test_replacedDuringAFailedWrite(self) -> None:
        """
        A newer write counts when the older one under way fails.
        """
        self.writer.put(b"a", b"1")
        runFor(self.clock, 0.001)
        self.store.away = True
        self.writer.put(b"a", b"2")
        runFor(self.clock, 1.0)
        self.store.away = False
        runFor(self.clock, 3.0)
        self.assertEqual(self.values(), {b"a": b"2"})

    def test_refused(self) -> None:
        """
        A write that the store refuses fails, and those that left with it are
        made.
        """
        bad = self.writer.put(b"bad", b"poison")
        good = [self.writer.put(b"%d" % number, b"") for number in range(20)]
        runFor(self.clock, 1.0)
        self.failureResultOf(bad, StoreRefused)
        for each in good:
            self.successResultOf(each)
        self.assertEqual(self.writer.writes, 20)

    def test_bug(self) -> None:
        """
        What nobody expected fails the writes of that batch, is logged, and
        does not stop the next.
        """
        self.store.broken = RuntimeError("bug")
        result = self.writer.put(b"a", b"1")
        runFor(self.clock, 0.1)
        self.failureResultOf(result, ClusterError)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)
        self.store.broken = None
        result = self.writer.put(b"a", b"1")
        runFor(self.clock, 0.1)
        self.successResultOf(result)

    def test_forget(self) -> None:
        """
        A write that waits can be left out; one that does not wait cannot.
        """
        self.store.away = True
        result = self.writer.put(b"a", b"1")
        self.assertTrue(self.writer.forget(b"a"))
        self.assertEqual(self.successResultOf(result), 0)
        self.assertFalse(self.writer.forget(b"a"))

    def test_cancelled(self) -> None:
        """
        Who waits may give up waiting; the write is made.
        """
        result = self.writer.put(b"a", b"1")
        result.addErrback(lambda _: None)
        result.cancel()
        runFor(self.clock, 0.1)
        self.assertEqual(self.values(), {b"a": b"1"})

    def test_stop(self) -> None:
        """
        Stopped, it fails what waits, what is under way and what comes later,
        and leaves no timer.
        """
        flying = self.writer.put(b"a", b"1")
        runFor(self.clock, 0.001)
        self.store.away = True
        waiting = self.writer.put(b"b", b"1")
        self.writer.stop()
        self.failureResultOf(waiting, StoreAway)
        self.failureResultOf(self.writer.put(b"c", b"1"), StoreAway)
        self.failureResultOf(self.writer.delete(b"c"), StoreAway)
        runFor(self.clock, 1.0)
        self.failureResultOf(flying, StoreAway)
        self.assertEqual(self.clock.getDelayedCalls(), [])
