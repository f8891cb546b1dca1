"""
What every cluster store must do: test mixins, run against each of them.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any

from attrs import define, field
from twisted.internet.defer import Deferred
from zope.interface import implementer
from zope.interface.verify import verifyObject

from sipcluster.cluster.icluster import (
    Change,
    Delete,
    Get,
    IClusterStore,
    IWatcher,
    LeaseGone,
    Put,
    StoreRefused,
    createdAt,
    modifiedAt,
    valueIs,
)

if TYPE_CHECKING:
    from twisted.trial.unittest import TestCase as _TestCase
else:
    # A mixin: where it is imported, trial is not to take it for a test.
    _TestCase = object


@implementer(IWatcher)
@define(eq=False)
class RecordingWatcher:
    """
    Remembers what a watch saw.

    @ivar seen: every change, in order.
    @ivar reached: the last revision told.
    @ivar ended: why the watch was lost, and whether it was compacted.
    """

    seen: list[Change] = field(factory=list)
    reached: int = 0
    signs: int = 0
    ended: list[tuple[str, bool]] = field(factory=list)

    def changed(self, revision: int, changes: Sequence[Change]) -> None:
        """
        Something changed.
        """
        self.reached = revision
        self.signs += 1
        self.seen += changes

    def lost(self, why: str, compacted: bool) -> None:
        """
        The watch is over.
        """
        self.ended.append((why, compacted))

    def keys(self) -> list[tuple[bytes, bytes | None]]:
        """
        What changed, without revisions.
        """
        return [(change.key, change.value) for change in self.seen]


class ClusterStoreContract(_TestCase):
    """
    What an L{IClusterStore} does.

    A provider's test says how to make one (C{makeStore}) and how to wait
    (C{until}, C{sleep}): on a fake clock that is to turn it.
    """

    #: Everything a test writes is under here, so that tests can share a store.
    prefix = b"/contract/"

    store: Any

    def makeStore(self) -> Any:
        """
        @return: a store, or a Deferred or coroutine of one.
        """
        raise NotImplementedError

    async def until(self, true: Callable[[], object], seconds: float = 5.0) -> None:
        """
        Wait for something to become true; fail the test when it does not.
        """
        raise NotImplementedError

    async def compact(self, revision: int) -> None:
        """
        Make the store forget what came before C{revision}.
        """
        raise NotImplementedError

    def setUp(self) -> Any:
        """
        Make a store.
        """

        async def make() -> None:
            made = self.makeStore()
            if isinstance(made, Deferred | Coroutine):
                made = await made
            self.store = made
            verifyObject(IClusterStore, made)

        return Deferred.fromCoroutine(make())

    async def put(self, name: bytes, value: bytes = b"v", lease: int = 0) -> int:
        """
        Write one key.

        @return: the revision at which it stands.
        """
        result = await self.store.txn([], [Put(self.prefix + name, value, lease)])
        revision: int = result.revision
        return revision

    async def values(self) -> dict[bytes, bytes]:
        """
        All keys under the prefix, without it.
        """
        snapshot = await self.store.snapshot(self.prefix)
        skip = len(self.prefix)
        return {entry.key[skip:]: entry.value for entry in snapshot.entries}

    async def watching(self, fromRevision: int) -> RecordingWatcher:
        """
        Start a watch and wait until it is open.
        """
        watcher = RecordingWatcher()
        watch = self.store.watch(self.prefix, fromRevision, watcher)
        self.addCleanup(watch.stop)
        await self.until(lambda: watcher.signs or watcher.ended)
        return watcher

    # Keys

    async def test_snapshotShowsWhatWasPut(self) -> None:
        """
        A snapshot holds the keys under the prefix and no others, in order,
        with the revisions at which they were made and changed.
        """
        first = await self.put(b"a", b"1")
        second = await self.put(b"b", b"\x00\xff binary")
        third = await self.put(b"a", b"2")
        await self.store.txn([], [Put(b"/contracu", b"elsewhere")])
        snapshot = await self.store.snapshot(self.prefix)
        self.assertGreaterEqual(snapshot.revision, third)
        self.assertEqual(
            [
                (entry.key, entry.value, entry.createRevision, entry.modRevision)
                for entry in snapshot.entries
            ],
            [
                (self.prefix + b"a", b"2", first, third),
                (self.prefix + b"b", b"\x00\xff binary", second, second),
            ],
        )

    async def test_emptySnapshot(self) -> None:
        """
        A prefix without keys gives an empty snapshot, at a revision.
        """
        snapshot = await self.store.snapshot(self.prefix + b"nothing/")
        self.assertEqual(list(snapshot.entries), [])
        self.assertGreater(snapshot.revision, 0)

    async def test_largeSnapshot(self) -> None:
        """
        A prefix with more keys than are read at once is read whole.
        """
        for start in range(0, 4500, 100):
            await self.store.txn(
                [],
                [
                    Put(self.prefix + b"%06d" % number, b"x" * 20)
                    for number in range(start, start + 100)
                ],
            )
        snapshot = await self.store.snapshot(self.prefix)
        self.assertEqual(
            [entry.key for entry in snapshot.entries],
            [self.prefix + b"%06d" % number for number in range(4500)],
        )

    async def test_emptyValue(self) -> None:
        """
        An empty value is a value.
        """
        await self.put(b"empty", b"")
        self.assertEqual(await self.values(), {b"empty": b""})

    async def test_delete(self) -> None:
        """
        A deleted key is gone; deleting what is not there changes nothing, not
        even the revision.
        """
        await self.put(b"a")
        gone = await self.store.txn([], [Delete(self.prefix + b"a")])
        again = await self.store.txn([], [Delete(self.prefix + b"a")])
        self.assertEqual(await self.values(), {})
        self.assertEqual(gone.revision, again.revision)

    # Transactions

    async def test_createIfAbsent(self) -> None:
        """
        Of two that create one key, one succeeds, and the other reads who did.
        """
        key = self.prefix + b"election"
        compare = [createdAt(key, 0)]
        first = await self.store.txn(compare, [Put(key, b"one")], [Get(key)])
        second = await self.store.txn(compare, [Put(key, b"two")], [Get(key)])
        self.assertEqual((first.succeeded, first.gets), (True, ()))
        self.assertEqual(second.succeeded, False)
        (holder,) = second.gets
        self.assertEqual(
            (holder.value, holder.createRevision), (b"one", first.revision)
        )

    async def test_fencedWrite(self) -> None:
        """
        A write guarded by the token of an election fails once another holds it.
        """
        key = self.prefix + b"election"
        token = (await self.store.txn([], [Put(key, b"one")])).revision
        guarded = self.prefix + b"guarded"
        mine = await self.store.txn([createdAt(key, token)], [Put(guarded, b"1")])
        await self.store.txn([], [Delete(key)])
        await self.store.txn([], [Put(key, b"two")])
        late = await self.store.txn([createdAt(key, token)], [Put(guarded, b"2")])
        self.assertEqual((mine.succeeded, late.succeeded), (True, False))
        self.assertEqual((await self.values())[b"guarded"], b"1")

    async def test_compareModified(self) -> None:
        """
        A compare-and-swap by revision succeeds only for the revision that
        stands.
        """
        key = self.prefix + b"a"
        revision = await self.put(b"a", b"1")
        swapped = await self.store.txn([modifiedAt(key, revision)], [Put(key, b"2")])
        late = await self.store.txn([modifiedAt(key, revision)], [Put(key, b"3")])
        self.assertEqual((swapped.succeeded, late.succeeded), (True, False))
        self.assertEqual(await self.values(), {b"a": b"2"})

    async def test_compareValue(self) -> None:
        """
        A value can be compared; an absent key has none.
        """
        key = self.prefix + b"a"
        absent = await self.store.txn([valueIs(key, b"")], [Put(key, b"0")])
        await self.put(b"a", b"1")
        same = await self.store.txn([valueIs(key, b"1")], [Put(key, b"2")])
        other = await self.store.txn([valueIs(key, b"1")], [Put(key, b"3")])
        self.assertEqual(
            (absent.succeeded, same.succeeded, other.succeeded), (False, True, False)
        )

    async def test_allConditionsMustHold(self) -> None:
        """
        One condition that fails makes the transaction take the other branch.
        """
        await self.put(b"a", b"1")
        result = await self.store.txn(
            [valueIs(self.prefix + b"a", b"1"), valueIs(self.prefix + b"b", b"1")],
            [Put(self.prefix + b"c", b"yes")],
            [Put(self.prefix + b"c", b"no"), Delete(self.prefix + b"a")],
        )
        self.assertEqual(result.succeeded, False)
        self.assertEqual(await self.values(), {b"c": b"no"})

    async def test_transactionIsOneRevision(self) -> None:
        """
        All that a transaction changes has one revision.
        """
        result = await self.store.txn(
            [], [Put(self.prefix + b"a", b"1"), Put(self.prefix + b"b", b"2")]
        )
        snapshot = await self.store.snapshot(self.prefix)
        self.assertEqual(
            {entry.modRevision for entry in snapshot.entries}, {result.revision}
        )

    async def test_getsInOrder(self) -> None:
        """
        What a transaction reads comes back in order, L{None} for an absent
        key, and sees what the transaction has written before.
        """
        await self.put(b"a", b"1")
        result = await self.store.txn(
            [],
            [
                Get(self.prefix + b"none"),
                Put(self.prefix + b"a", b"2"),
                Get(self.prefix + b"a"),
            ],
        )
        (none, entry) = result.gets
        self.assertIs(none, None)
        self.assertEqual(entry.value, b"2")

    def test_sameKeyTwice(self) -> None:
        """
        A transaction that changes a key twice is refused before it is sent.
        """
        key = self.prefix + b"a"
        self.assertRaises(
            ValueError, self.store.txn, [], [Put(key, b"1"), Put(key, b"2")]
        )
        self.assertRaises(
            ValueError, self.store.txn, [], [], [Put(key, b"1"), Delete(key)]
        )

    def test_tooManyOperations(self) -> None:
        """
        A transaction that is too long is refused before it is sent.
        """
        puts = [Put(self.prefix + b"%d" % number, b"") for number in range(129)]
        self.assertRaises(ValueError, self.store.txn, [], puts)

    # Watches

    async def test_watchSeesChangesInOrder(self) -> None:
        """
        A watch is told of every change under its prefix, in order, with its
        revision, and of nothing else.
        """
        start = await self.put(b"before")
        watcher = await self.watching(start + 1)
        first = await self.put(b"a", b"1")
        await self.store.txn([], [Put(b"/contracu", b"elsewhere")])
        second = await self.put(b"a", b"2")
        gone = (await self.store.txn([], [Delete(self.prefix + b"a")])).revision
        await self.until(lambda: len(watcher.seen) == 3)
        key = self.prefix + b"a"
        self.assertEqual(
            watcher.seen,
            [
                Change(key, b"1", first, first),
                Change(key, b"2", first, second),
                Change(key, None, 0, gone),
            ],
        )
        self.assertEqual(watcher.reached, gone)

    async def test_watchFromThePast(self) -> None:
        """
        A watch that starts at an old revision is told of what came since, then
        of what comes.
        """
        await self.put(b"old")
        since = await self.put(b"a", b"1")
        await self.put(b"a", b"2")
        await self.store.txn([], [Delete(self.prefix + b"a")])
        watcher = await self.watching(since)
        await self.put(b"b", b"3")
        await self.until(lambda: len(watcher.seen) == 4)
        a = self.prefix + b"a"
        self.assertEqual(
            watcher.keys(),
            [(a, b"1"), (a, b"2"), (a, None), (self.prefix + b"b", b"3")],
        )

    async def test_snapshotThenWatchMissesNothing(self) -> None:
        """
        A snapshot and a watch from the revision after it see every change once.
        """
        await self.put(b"a", b"1")
        snapshot = await self.store.snapshot(self.prefix)
        await self.put(b"a", b"2")
        watcher = await self.watching(snapshot.revision + 1)
        await self.until(lambda: watcher.seen)
        self.assertEqual([entry.value for entry in snapshot.entries], [b"1"])
        self.assertEqual(watcher.keys(), [(self.prefix + b"a", b"2")])

    async def test_twoWatches(self) -> None:
        """
        Two watches see the same; one that is stopped sees no more.
        """
        start = await self.put(b"before")
        one, other = RecordingWatcher(), RecordingWatcher()
        stopped = self.store.watch(self.prefix, start + 1, one)
        going = self.store.watch(self.prefix, start + 1, other)
        self.addCleanup(going.stop)
        await self.until(lambda: one.signs and other.signs)
        await self.put(b"a", b"1")
        await self.until(lambda: one.seen and other.seen)
        stopped.stop()
        stopped.stop()
        await self.put(b"a", b"2")
        await self.until(lambda: len(other.seen) == 2)
        self.assertEqual(len(one.seen), 1)
        self.assertEqual((one.ended, other.ended), ([], []))

    async def test_transactionIsToldWhole(self) -> None:
        """
        What one transaction changed is told in one call.
        """
        start = await self.put(b"before")
        watcher = await self.watching(start + 1)
        signs = watcher.signs
        await self.store.txn(
            [], [Put(self.prefix + b"%03d" % number, b"v") for number in range(100)]
        )
        await self.until(lambda: len(watcher.seen) == 100)
        self.assertEqual(watcher.signs, signs + 1)

    async def test_compactedWatch(self) -> None:
        """
        A watch from a revision that the store has forgotten is lost, and its
        watcher told that it needs a snapshot.
        """
        old = await self.put(b"a", b"1")
        for number in range(5):
            revision = await self.put(b"a", b"%d" % number)
        await self.compact(revision)
        watcher = RecordingWatcher()
        self.store.watch(self.prefix, old, watcher)
        await self.until(lambda: watcher.ended)
        ((_, compacted),) = watcher.ended
        self.assertEqual((compacted, watcher.seen), (True, []))

    async def test_storeThatWentBack(self) -> None:
        """
        A watch from a revision far ahead of the store is lost as well: this is
        not the store that it was.
        """
        revision = await self.put(b"a")
        watcher = RecordingWatcher()
        self.store.watch(self.prefix, revision + 1000, watcher)
        await self.until(lambda: watcher.ended)
        ((_, compacted),) = watcher.ended
        self.assertTrue(compacted)

    async def test_manyChangesAtOnce(self) -> None:
        """
        A watch that starts thousands of changes ago is told of all of them.
        """
        start = await self.put(b"before")
        for number in range(30):
            await self.store.txn(
                [],
                [
                    Put(self.prefix + b"%03d" % key, b"%d" % number)
                    for key in range(100)
                ],
            )
        watcher = await self.watching(start + 1)
        await self.until(lambda: len(watcher.seen) == 3000)
        revisions = [change.modRevision for change in watcher.seen]
        self.assertEqual(revisions, sorted(revisions))

    # Leases

    async def test_leaseTakesItsKeys(self) -> None:
        """
        When a lease runs out its keys are deleted, watches are told, and
        others' keys stay.
        """
        start = await self.put(b"stays")
        lease = await self.store.leaseGrant(1.0)
        self.assertGreaterEqual(lease.ttl, 1.0)
        await self.put(b"goes", b"1", lease.id)
        await self.put(b"too", b"2", lease.id)
        watcher = await self.watching(start + 1)
        await self.until(
            lambda: len([c for c in watcher.seen if c.value is None]) == 2, 10.0
        )
        self.assertEqual(await self.values(), {b"stays": b"v"})
        self.assertEqual(watcher.seen[0].lease, lease.id)

    async def test_leaseIsKeptAlive(self) -> None:
        """
        Keeping a lease alive gives it its time anew; one that is gone says 0.
        """
        lease = await self.store.leaseGrant(30.0)
        self.assertEqual(await self.store.leaseKeepAlive(lease.id), lease.ttl)
        await self.store.leaseRevoke(lease.id)
        self.assertEqual(await self.store.leaseKeepAlive(lease.id), 0.0)

    async def test_revokedLeaseTakesItsKeys(self) -> None:
        """
        Revoking a lease deletes its keys before it answers; doing it again is
        no error.
        """
        lease = await self.store.leaseGrant(30.0)
        await self.put(b"a", b"1", lease.id)
        await self.store.leaseRevoke(lease.id)
        self.assertEqual(await self.values(), {})
        await self.store.leaseRevoke(lease.id)

    async def test_putOnADeadLease(self) -> None:
        """
        A put on a lease that is gone fails, and nothing of its transaction is
        done.
        """
        lease = await self.store.leaseGrant(30.0)
        await self.store.leaseRevoke(lease.id)
        with self.assertRaises(LeaseGone):
            await self.store.txn(
                [],
                [
                    Put(self.prefix + b"a", b"1"),
                    Put(self.prefix + b"b", b"2", lease.id),
                ],
            )
        self.assertEqual(await self.values(), {})

    async def test_putMovesAKeyToItsLastLease(self) -> None:
        """
        A key belongs to the lease of its last put only; a put without lease
        takes it off.
        """
        old = await self.store.leaseGrant(30.0)
        new = await self.store.leaseGrant(30.0)
        await self.put(b"moved", b"1", old.id)
        await self.put(b"moved", b"2", new.id)
        await self.put(b"freed", b"1", old.id)
        await self.put(b"freed", b"2")
        await self.store.leaseRevoke(old.id)
        self.assertEqual(await self.values(), {b"moved": b"2", b"freed": b"2"})
        await self.store.leaseRevoke(new.id)
        self.assertEqual(await self.values(), {b"freed": b"2"})

    async def test_impossibleLease(self) -> None:
        """
        A lease for longer than a store can count is refused.
        """
        with self.assertRaises(StoreRefused):
            await self.store.leaseGrant(10_000_000_000)

    async def test_largeLease(self) -> None:
        """
        A lease with more keys than one step deletes takes them all.
        """
        lease = await self.store.leaseGrant(30.0)
        for start in range(0, 1200, 100):
            await self.store.txn(
                [],
                [
                    Put(self.prefix + b"%04d" % number, b"", lease.id)
                    for number in range(start, start + 100)
                ],
            )
        await self.store.leaseRevoke(lease.id)
        self.assertEqual(await self.values(), {})
