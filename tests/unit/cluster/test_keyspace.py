"""
Keys, revisions and history on SQLite.
"""

from __future__ import annotations

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from sipcluster.cluster.icluster import (
    ClusterError,
    Compare,
    LeaseGone,
    StoreRefused,
    prefixEnd,
)
from sipcluster.cluster.keyspace import Keyspace
from sipcluster.cluster.operations import (
    Compacted,
    DeleteOperation,
    KeyspaceOperation,
    KeyValue,
    PutOperation,
    RangeOperation,
    within,
)


def never(lease: int) -> bool:
    """
    No lease lives.
    """
    return False


class KeyspaceTests(SynchronousTestCase):
    """
    L{Keyspace} in memory.
    """

    def setUp(self) -> None:
        self.keyspace = Keyspace(":memory:")
        self.addCleanup(self.keyspace.close)

    def do(self, *operations: KeyspaceOperation) -> int:
        """
        One transaction.

        @return: the revision after it.
        """
        return self.keyspace.transact((), operations, (), never).revision

    def keys(self, operation: RangeOperation) -> list[bytes]:
        """
        The keys of a range.
        """
        return [each.key for each in self.keyspace.range(operation).entries]

    def test_beginsAtOne(self) -> None:
        """
        An empty store is at revision 1, as etcd is; the first change makes 2.
        """
        self.assertEqual(self.keyspace.revision, 1)
        self.assertEqual(self.do(PutOperation(b"a", b"")), 2)

    def test_versions(self) -> None:
        """
        A key counts its own changes, and begins again after it was deleted.
        """
        self.do(PutOperation(b"a", b"1"))
        self.do(PutOperation(b"a", b"2"))
        self.assertEqual(self.keyspace.one(b"a"), KeyValue(b"a", b"2", 2, 3, 2, 0))
        self.do(DeleteOperation(b"a"))
        self.do(PutOperation(b"a", b"3"))
        self.assertEqual(self.keyspace.one(b"a"), KeyValue(b"a", b"3", 5, 5, 1, 0))

    def test_ranges(self) -> None:
        """
        A range is one key, everything up to its end, or everything from a key
        on.
        """
        self.do(*(PutOperation(key, b"") for key in (b"a", b"a1", b"b", b"\xff\xff")))
        for key, end, expected in (
            (b"a", b"", [b"a"]),
            (b"a", b"b", [b"a", b"a1"]),
            (b"a1", b"\0", [b"a1", b"b", b"\xff\xff"]),
            (b"\xff", prefixEnd(b"\xff"), [b"\xff\xff"]),
            (b"c", b"a", []),
        ):
            self.assertEqual(self.keys(RangeOperation(key, end)), expected)
            for name in (b"a", b"a1", b"b", b"\xff\xff"):
                self.assertEqual(within(name, key, end), name in expected)

    def test_limits(self) -> None:
        """
        A limited range says how many keys there are; one that only counts
        carries none; one that wants keys carries no values.
        """
        self.do(*(PutOperation(b"%d" % n, b"v") for n in range(5)))
        for revision in (0, self.keyspace.revision):
            found = self.keyspace.range(
                RangeOperation(b"0", b"9", limit=2, revision=revision)
            )
            self.assertEqual(
                ([e.key for e in found.entries], found.count, found.more),
                ([b"0", b"1"], 5, True),
            )
        found = self.keyspace.range(RangeOperation(b"0", b"9", countOnly=True))
        self.assertEqual((found.entries, found.count, found.more), ((), 5, False))
        found = self.keyspace.range(RangeOperation(b"0", keysOnly=True))
        self.assertEqual([e.value for e in found.entries], [b""])

    def test_thePast(self) -> None:
        """
        The store as it was at any revision can be read: what was there, what
        was not yet, and what has gone since.
        """
        first = self.do(PutOperation(b"a", b"1"), PutOperation(b"gone", b"1"))
        second = self.do(PutOperation(b"a", b"2"), PutOperation(b"new", b"1"))
        third = self.do(DeleteOperation(b"gone"), PutOperation(b"new", b"2"))

        def at(revision: int) -> dict[bytes, bytes]:
            found = self.keyspace.range(RangeOperation(b"a", b"z", revision))
            return {entry.key: entry.value for entry in found.entries}

        self.assertEqual(at(first), {b"a": b"1", b"gone": b"1"})
        self.assertEqual(at(second), {b"a": b"2", b"gone": b"1", b"new": b"1"})
        self.assertEqual(at(third), {b"a": b"2", b"new": b"2"})
        old = self.keyspace.range(RangeOperation(b"a", b"z", first, limit=1))
        self.assertEqual((len(old.entries), old.count, old.more), (1, 2, True))
        old = self.keyspace.range(RangeOperation(b"a", b"z", first, countOnly=True))
        self.assertEqual((old.entries, old.count), ((), 2))
        old = self.keyspace.range(RangeOperation(b"a", b"z", first, keysOnly=True))
        self.assertEqual({e.value for e in old.entries}, {b""})

    def test_theFuture(self) -> None:
        """
        A revision that has not come cannot be read.
        """
        self.assertRaises(
            StoreRefused, self.keyspace.range, RangeOperation(b"a", revision=2)
        )

    def test_compares(self) -> None:
        """
        Every comparison, of a key that is there and of one that is not.
        """
        self.do(PutOperation(b"a", b"m"))
        self.do(PutOperation(b"a", b"m"))

        def holds(condition: Compare) -> bool:
            return self.keyspace.transact([condition], (), (), never).succeeded

        for target, less, equal in (
            ("CREATE", 1, 2),
            ("MOD", 2, 3),
            ("VERSION", 1, 2),
            ("VALUE", b"a", b"m"),
        ):
            for result, expected in (
                ("EQUAL", (False, True)),
                ("NOT_EQUAL", (True, False)),
                ("GREATER", (True, False)),
                ("LESS", (False, False)),
            ):
                got = tuple(
                    holds(Compare(b"a", target, operand, result))  # type: ignore[arg-type]
                    for operand in (less, equal)
                )
                self.assertEqual(got, expected, (target, result))
        self.assertTrue(holds(Compare(b"none", "VERSION", 0)))
        self.assertTrue(holds(Compare(b"none", "MOD", 1, "LESS")))
        self.assertFalse(holds(Compare(b"none", "VALUE", b"x", "NOT_EQUAL")))

    def test_readingIsNoChange(self) -> None:
        """
        A transaction that only reads, or deletes nothing, makes no revision.
        """
        self.assertEqual(self.do(RangeOperation(b"a")), 1)
        self.assertEqual(self.do(DeleteOperation(b"a", b"z")), 1)
        self.assertEqual(self.do(), 1)

    def test_allOrNothing(self) -> None:
        """
        A transaction that fails in the middle leaves no trace.
        """
        self.assertRaises(
            LeaseGone, self.do, PutOperation(b"a", b""), PutOperation(b"b", b"", 7)
        )
        self.assertEqual((self.keyspace.one(b"a"), self.keyspace.revision), (None, 1))
        self.assertEqual(self.do(PutOperation(b"a", b"")), 2)

    def test_compaction(self) -> None:
        """
        After a compaction the revision itself can be read and watched from,
        earlier ones cannot; compacting to what is forgotten or has not come
        does nothing.
        """
        for number in range(5):
            self.do(PutOperation(b"a", b"%d" % number))
        self.keyspace.compact(4)
        self.keyspace.compact(3)
        self.keyspace.compact(99)
        self.assertEqual(self.keyspace.oldest, 4)
        error = self.assertRaises(
            Compacted, self.keyspace.range, RangeOperation(b"a", revision=3)
        )
        self.assertEqual(error.oldest, 4)
        found = self.keyspace.range(RangeOperation(b"a", revision=4))
        self.assertEqual([entry.value for entry in found.entries], [b"2"])
        _, changes = self.keyspace.changes(b"a", b"", 4, 100)
        self.assertEqual([change.modified for change in changes], [4, 5, 6])

    def test_historyIsBounded(self) -> None:
        """
        Only so many revisions are remembered.
        """
        keyspace = Keyspace(":memory:", history=100)
        self.addCleanup(keyspace.close)
        for _ in range(1000):
            keyspace.transact((), [PutOperation(b"a", b"")], (), never)
        self.assertLessEqual(keyspace.revision - keyspace.oldest, 125)
        self.assertGreaterEqual(keyspace.revision - keyspace.oldest, 100)
        _, changes = keyspace.changes(b"a", b"", 0, 10_000)
        self.assertLessEqual(len(changes), 126)

    def test_changesInSlices(self) -> None:
        """
        A long history is told in slices that never cut a revision.
        """
        for _ in range(4):
            self.do(*(PutOperation(b"%d" % n, b"") for n in range(10)))
        reached, changes = self.keyspace.changes(b"0", b"\0", 0, 15)
        self.assertEqual((reached, len(changes)), (3, 20))
        reached, changes = self.keyspace.changes(b"0", b"\0", reached + 1, 100)
        self.assertEqual((reached, len(changes)), (5, 20))

    @settings(max_examples=50, deadline=None)
    @given(
        st.lists(
            st.lists(
                st.tuples(
                    st.sampled_from([b"a", b"b", b"c"]),
                    st.one_of(st.none(), st.binary(max_size=2)),
                ),
                max_size=3,
                unique_by=lambda change: change[0],
            ),
            max_size=8,
        )
    )
    def test_everyRevisionIsAsItWas(
        self, transactions: list[list[tuple[bytes, bytes | None]]]
    ) -> None:
        """
        Whatever is put and deleted, each revision read later is what the store
        was then, and so is a store made by following the changes.
        """
        keyspace = Keyspace(":memory:")
        then: dict[int, dict[bytes, bytes]] = {1: {}}
        state: dict[bytes, bytes] = {}
        for transaction in transactions:
            operations: list[KeyspaceOperation] = []
            for key, value in transaction:
                if value is None:
                    state.pop(key, None)
                    operations.append(DeleteOperation(key))
                else:
                    state[key] = value
                    operations.append(PutOperation(key, value))
            revision = keyspace.transact((), operations, (), never).revision
            then[revision] = dict(state)
        followed: dict[bytes, bytes] = {}
        _, changes = keyspace.changes(b"a", b"z", 0, 1000)
        for change in changes:
            if change.version:
                followed[change.key] = change.value
            else:
                del followed[change.key]
        self.assertEqual(followed, state)
        for revision, expected in then.items():
            found = keyspace.range(RangeOperation(b"a", b"z", revision))
            self.assertEqual({e.key: e.value for e in found.entries}, expected)
        keyspace.close()


class OnDiskTests(SynchronousTestCase):
    """
    L{Keyspace} in a file.
    """

    def setUp(self) -> None:
        self.path = self.mktemp()

    def test_survives(self) -> None:
        """
        Keys, revisions, history and leases are there again after a restart.
        """
        keyspace = Keyspace(self.path)
        keyspace.transact((), [PutOperation(b"a", b"1")], (), never)
        keyspace.transact((), [PutOperation(b"a", b"2")], (), never)
        keyspace.saveLeases([(7, 30.0, 12.5)])
        keyspace.compact(2)
        keyspace.close()
        keyspace = Keyspace(self.path)
        self.addCleanup(keyspace.close)
        self.assertEqual(keyspace.one(b"a"), KeyValue(b"a", b"2", 2, 3, 2, 0))
        self.assertEqual((keyspace.revision, keyspace.oldest), (3, 2))
        self.assertEqual(len(keyspace.changes(b"a", b"", 2, 10)[1]), 2)
        self.assertEqual(list(keyspace.leases()), [(7, 30.0, 12.5)])

    def test_revisionAfterEverythingIsForgotten(self) -> None:
        """
        The revision does not go back when the last change was forgotten.
        """
        keyspace = Keyspace(self.path)
        for _ in range(3):
            keyspace.transact((), [PutOperation(b"a", b"")], (), never)
        keyspace.compact(4)
        keyspace.close()
        keyspace = Keyspace(self.path)
        self.addCleanup(keyspace.close)
        self.assertEqual(keyspace.revision, 4)

    def test_onlyOneProcess(self) -> None:
        """
        A second user of the file is told that it is in use.
        """
        first = Keyspace(self.path)
        self.addCleanup(first.close)
        error = self.assertRaises(ClusterError, Keyspace, self.path)
        self.assertIn("locked", str(error))

    def test_notADatabase(self) -> None:
        """
        A file of something else is refused by name, and left as it was.
        """
        Path(self.path).write_bytes(b"something else" * 1000)
        error = self.assertRaises(ClusterError, Keyspace, self.path)
        self.assertIn(self.path, str(error))
        self.assertTrue(Path(self.path).read_bytes().startswith(b"something else"))

    def test_noSuchFolder(self) -> None:
        """
        A place where no file can be is refused by name.
        """
        path = self.path + "/none/store.sqlite"
        error = self.assertRaises(ClusterError, Keyspace, path)
        self.assertIn(path, str(error))

    def test_otherLayout(self) -> None:
        """
        A file that another release wrote otherwise is refused.
        """
        keyspace = Keyspace(self.path)
        keyspace._execute("UPDATE meta SET value = 99 WHERE name = 'layout'")
        keyspace.close()
        error = self.assertRaises(ClusterError, Keyspace, self.path)
        self.assertIn("another release", str(error))

    def test_fullDisk(self) -> None:
        """
        A change that finds no room fails, is not made, and does no harm to
        what comes when there is room again.
        """
        keyspace = Keyspace(self.path)
        self.addCleanup(keyspace.close)
        keyspace.transact((), [PutOperation(b"a", b"1")], (), never)
        (pages,) = keyspace._execute("PRAGMA page_count").fetchone()
        keyspace._execute(f"PRAGMA max_page_count = {pages}")
        big = [PutOperation(b"a", b"2"), PutOperation(b"b", b"x" * 100_000)]
        error = self.assertRaises(ClusterError, keyspace.transact, (), big, (), never)
        self.assertIn("full", str(error))
        self.assertEqual(keyspace.one(b"a"), KeyValue(b"a", b"1", 2, 2, 1, 0))
        self.assertEqual(keyspace.revision, 2)
        keyspace._execute("PRAGMA max_page_count = 1000000")
        self.assertEqual(keyspace.transact((), big, (), never).revision, 3)
