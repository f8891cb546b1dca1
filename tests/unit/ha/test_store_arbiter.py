"""
The cluster store as arbiter: what others may have done in between.
"""

from __future__ import annotations

from typing import TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from sipcluster.cluster.embedded_store import EmbeddedStore, memoryEngine
from sipcluster.cluster.icluster import Delete, Get, Put, TxnResult
from sipcluster.ha.arbiters.store import StoreArbiter
from sipcluster.ha.iha import ArbiterAway, Granted, Refused
from sipcluster.testing.clock import runFor

_T = TypeVar("_T")


class StoreArbiterTests(SynchronousTestCase):
    """
    L{StoreArbiter}.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.engine = memoryEngine(self.clock)
        self.addCleanup(self.engine.close)
        self.store = EmbeddedStore(self.engine, self.clock)
        self.a = self.arbiter("a", self.store)
        self.b = self.arbiter("b", EmbeddedStore(self.engine, self.clock))

    def arbiter(self, name: str, store: EmbeddedStore) -> StoreArbiter:
        """
        A member's way to the store.
        """
        return StoreArbiter(store, self.clock, "node1", name, f"1{name}", 5.0)

    def acquired(self, arbiter: StoreArbiter) -> int:
        """
        @return: the epoch granted.
        """
        verdict = self.successResultOf(arbiter.acquire(0))
        assert isinstance(verdict, Granted)
        return verdict.epoch

    def do(self, asked: Deferred[_T]) -> _T:
        """
        @return: what has been answered.
        """
        return self.successResultOf(asked)

    def entry(self) -> TxnResult:
        """
        Read the election key.
        """
        return self.do(self.store.txn([], [Get(self.a.key)]))

    def test_epochIsTheCreateRevision(self) -> None:
        """
        The epoch is the key's create-revision, and stays so when it is renewed.
        """
        epoch = self.acquired(self.a)
        self.do(self.a.renew(epoch))
        (entry,) = self.entry().gets
        assert entry is not None
        self.assertEqual(entry.createRevision, epoch)
        self.assertGreater(entry.modRevision, epoch)

    def test_guardedWrite(self) -> None:
        """
        A write under the guard of an epoch takes place while the role is held in
        it, and not afterwards, whoever else holds it.
        """
        epoch = self.acquired(self.a)
        guard = self.a.guard(epoch)
        write = [Put(b"/registration", b"x")]
        self.assertTrue(self.do(self.store.txn([guard], write)).succeeded)
        self.do(self.a.release(epoch))
        self.assertFalse(self.do(self.store.txn([guard], write)).succeeded)
        self.acquired(self.b)
        self.assertFalse(self.do(self.store.txn([guard], write)).succeeded)
        unknown = self.a.guard(epoch)
        self.assertFalse(self.do(self.store.txn([unknown], write)).succeeded)

    def test_renewalsOvertakeEachOther(self) -> None:
        """
        A renewal that was given up and arrives after the next one does not put
        the key back on the lease that ends earlier.
        """
        epoch = self.acquired(self.a)
        self.store.delay = 3.0
        late = self.a.renew(epoch)
        runFor(self.clock, 3.0)  # has its lease; its transaction is on the way
        self.store.delay = 0.0
        self.assertEqual(self.do(self.a.renew(epoch)), Granted(epoch, 5.0))
        (before,) = self.entry().gets
        assert before is not None
        lease = before.lease
        runFor(self.clock, 2.9)
        (after,) = self.entry().gets
        assert after is not None
        self.assertEqual(after.lease, lease)
        runFor(self.clock, 0.2)
        self.failureResultOf(late, ArbiterAway)
        (after,) = self.entry().gets
        assert after is not None
        self.assertEqual(after.lease, lease)

    def test_renewalWhoseAnswerWasLost(self) -> None:
        """
        The next renewal finds the key where the lost one has put it, and goes on
        from there.
        """
        epoch = self.acquired(self.a)
        (entry,) = self.entry().gets
        assert entry is not None
        self.do(self.store.txn([], [Put(self.a.key, entry.value, entry.lease)]))
        self.assertEqual(self.do(self.a.renew(epoch)), Granted(epoch, 5.0))

    def test_keyGone(self) -> None:
        """
        A renewal of a key that is gone, or is another's, is refused.
        """
        epoch = self.acquired(self.a)
        self.do(self.store.txn([], [Delete(self.a.key)]))
        self.assertEqual(self.do(self.a.renew(epoch)), Refused())
        other = self.acquired(self.b)
        self.assertEqual(self.do(self.a.renew(epoch)), Refused(other, "b"))

    def test_storeCountsAnew(self) -> None:
        """
        On a store that has begun anew epochs go on above those that a member
        remembers, and the other member tells the same epoch.
        """
        verdict = self.do(self.a.acquire(5000))
        assert isinstance(verdict, Granted)
        self.assertGreater(verdict.epoch, 5000)
        self.assertEqual(self.do(self.b.acquire(0)), Refused(verdict.epoch, "a"))
        self.assertIsInstance(self.do(self.a.renew(verdict.epoch)), Granted)

    def test_storeAnswersWrong(self) -> None:
        """
        What cannot be read as a number is no base of epochs: the arbiter is away.
        """
        for wrong in (b"", b"-5", b"x" * 1000, b"9" * 30):
            self.do(self.store.txn([], [Put(self.a.base, wrong)]))
            self.failureResultOf(self.a.acquire(0), ArbiterAway)

    def test_storeAway(self) -> None:
        """
        Whatever the store cannot do, the arbiter is away.
        """
        epoch = self.acquired(self.a)
        self.store.away = True
        for ask in (self.a.renew, self.a.release, self.a.acquire):
            self.failureResultOf(ask(epoch), ArbiterAway)

    def test_followedAgain(self) -> None:
        """
        Who follows the role is told that it is free also when that happened while
        the store could not be reached.
        """
        epoch = self.acquired(self.b)
        told: list[float] = []
        following = self.a.follow(lambda: told.append(self.clock.seconds()))
        runFor(self.clock, 0.1)
        self.store.away = True
        runFor(self.clock, 2.0)
        self.do(self.b.release(epoch))
        self.assertEqual(told, [])
        self.store.away = False
        runFor(self.clock, 1.5)
        self.assertEqual(len(told), 1)
        self.store.away = True
        following.stop()
        runFor(self.clock, 60.0)
        self.assertEqual(len(told), 1)
        self.assertEqual(self.clock.getDelayedCalls(), [])
