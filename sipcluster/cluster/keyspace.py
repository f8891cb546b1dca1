"""
Keys, revisions and history on SQLite: the memory of the embedded store.

What etcd calls MVCC, as small as it can be: one table holds the keys as they
are, another what each revision changed, with what was there before.  So the
store as it was at any revision that is not forgotten can be read again.
"""

from __future__ import annotations

import heapq
import itertools
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from operator import attrgetter
from typing import Any

from attrs import evolve

from sipcluster.cluster.icluster import ClusterError, Compare, LeaseGone, StoreRefused
from sipcluster.cluster.operations import (
    Compacted,
    DeleteOperation,
    KeyspaceOperation,
    KeyValue,
    Outcome,
    PutOperation,
    RangeOperation,
    RangeOutcome,
    TransactionOutcome,
)

_SCHEMA = """
CREATE TABLE IF NOT EXISTS kv (
    key BLOB PRIMARY KEY, value BLOB NOT NULL, created INTEGER NOT NULL,
    modified INTEGER NOT NULL, version INTEGER NOT NULL, lease INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS kv_lease ON kv (lease) WHERE lease != 0;
CREATE TABLE IF NOT EXISTS history (
    revision INTEGER NOT NULL, sub INTEGER NOT NULL, key BLOB NOT NULL,
    value BLOB, created INTEGER, version INTEGER, lease INTEGER,
    oldvalue BLOB, oldcreated INTEGER, oldmodified INTEGER, oldversion INTEGER,
    oldlease INTEGER, PRIMARY KEY (revision, sub)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS lease (
    id INTEGER PRIMARY KEY, ttl REAL NOT NULL, remaining REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
"""

#: Comes with the file, so that a later layout can tell.
_LAYOUT = 1


_byKey = attrgetter("key")


def _where(start: bytes, end: bytes) -> tuple[str, tuple[bytes, ...]]:
    if not end:
        return "key = ?", (start,)
    if end == b"\0":
        return "key >= ?", (start,)
    return "key >= ? AND key < ?", (start, end)


class Keyspace:
    """
    The store's keys in one SQLite database.

    Every call is synchronous: one takes some tenths of a millisecond.

    @ivar revision: of the last change; 1 when there was none.
    @ivar oldest: the lowest revision that can be read or watched from.
    """

    def __init__(
        self, path: str, history: int = 10_000, synchronous: str = "NORMAL"
    ) -> None:
        """
        @param path: of the database file, or C{":memory:"}.
        @param history: revisions to remember.
        @param synchronous: SQLite's word: with C{NORMAL} nothing is lost when
            the process dies, with C{FULL} nothing when the host loses power.

        @raise ClusterError: the file cannot be used.
        """
        self._history = history
        try:
            self._connection = sqlite3.connect(path, isolation_level=None, timeout=0.2)
        except sqlite3.Error as e:
            raise ClusterError(f"{path}: {e}") from e
        self._execute = self._connection.execute
        try:
            # Nobody else may write here, and a second process must hear so.
            self._execute("PRAGMA locking_mode = EXCLUSIVE")
            self._execute("PRAGMA journal_mode = WAL")
            self._execute(f"PRAGMA synchronous = {synchronous}")
            self._connection.executescript(_SCHEMA)
            self._execute("BEGIN IMMEDIATE")
            layout = self._meta("layout", _LAYOUT)
            self.oldest = self._meta("oldest", 1)
            self._execute("COMMIT")
        except sqlite3.Error as e:
            self._connection.close()
            raise ClusterError(f"{path}: {e}") from e
        if layout != _LAYOUT:
            self._connection.close()
            raise ClusterError(f"{path}: written by another release")
        (newest,) = self._execute("SELECT max(revision) FROM history").fetchone()
        self.revision: int = max(newest or 1, self.oldest)

    def _meta(self, name: str, default: int) -> int:
        self._execute("INSERT OR IGNORE INTO meta VALUES (?, ?)", (name, default))
        row = self._execute("SELECT value FROM meta WHERE name = ?", (name,))
        value: int = row.fetchone()[0]
        return value

    def close(self) -> None:
        """
        Close the database.
        """
        self._connection.close()

    def range(self, operation: RangeOperation) -> RangeOutcome:
        """
        Read keys.

        @raise Compacted: the revision asked for is forgotten.

        @raise StoreRefused: it has not come yet.
        """
        if 0 < operation.revision < self.oldest:
            raise Compacted(self.oldest)
        if operation.revision > self.revision:
            raise StoreRefused("required revision is a future revision", 400)
        undo: dict[bytes, KeyValue | None] = {}
        if 0 < operation.revision < self.revision:
            undo = self._undo(operation)
        if operation.countOnly:
            return RangeOutcome((), self._count(operation, undo), False)
        entries = self._entries(operation, undo)
        count = len(entries)
        more = 0 < operation.limit < count
        if more:
            entries = entries[: operation.limit]
            count = self._count(operation, undo)
        return RangeOutcome(tuple(_withoutValues(operation, entries)), count, more)

    def _undo(self, operation: RangeOperation) -> dict[bytes, KeyValue | None]:
        """
        What the keys that have changed since a revision were then; L{None} for
        those that were not there.
        """
        where, key = _where(operation.key, operation.end)
        rows = self._execute(
            "SELECT key, oldvalue, oldcreated, oldmodified, oldversion, oldlease"
            f" FROM history WHERE revision > ? AND {where}"
            " ORDER BY revision DESC, sub DESC",
            (operation.revision, *key),
        )
        return {row[0]: None if row[1] is None else KeyValue(*row) for row in rows}

    def _count(
        self, operation: RangeOperation, undo: dict[bytes, KeyValue | None]
    ) -> int:
        where, key = _where(operation.key, operation.end)
        counted = self._execute(f"SELECT count(*) FROM kv WHERE {where}", key)
        count: int = counted.fetchone()[0]
        for name, then in undo.items():
            count += (then is not None) - (self.one(name) is not None)
        return count

    def _entries(
        self, operation: RangeOperation, undo: dict[bytes, KeyValue | None]
    ) -> list[KeyValue]:
        """
        The keys of a range, in order; one more than the limit when there are
        more.
        """
        where, key = _where(operation.key, operation.end)
        rows = self._execute(
            "SELECT key, value, created, modified, version, lease FROM kv"
            f" WHERE {where} ORDER BY key",
            key,
        )
        now = (KeyValue(*row) for row in rows if row[0] not in undo)
        then = sorted((e for e in undo.values() if e is not None), key=_byKey)
        merged = heapq.merge(now, then, key=_byKey) if then else now
        if operation.limit:
            return list(itertools.islice(merged, operation.limit + 1))
        return list(merged)

    def one(self, key: bytes) -> KeyValue | None:
        """
        Read one key as it is.
        """
        row = self._execute(
            "SELECT key, value, created, modified, version, lease FROM kv"
            " WHERE key = ?",
            (key,),
        ).fetchone()
        return None if row is None else KeyValue(*row)

    def transact(
        self,
        compare: Sequence[Compare],
        success: Sequence[KeyspaceOperation],
        failure: Sequence[KeyspaceOperation],
        alive: Callable[[int], bool],
    ) -> TransactionOutcome:
        """
        Do one transaction, whole or not at all.

        @param alive: tells whether a lease is.

        @raise LeaseGone: a put names a lease that is not alive.
        """
        succeeded = all(self._holds(condition) for condition in compare)
        operations = success if succeeded else failure
        if all(isinstance(operation, RangeOperation) for operation in operations):
            reads = tuple(
                self.range(operation)
                for operation in operations
                if isinstance(operation, RangeOperation)
            )
            return TransactionOutcome(succeeded, self.revision, reads, ())
        revision = self.revision + 1
        outcomes: list[Outcome] = []
        events: list[KeyValue] = []
        with self._whole():
            for operation in operations:
                if isinstance(operation, PutOperation):
                    if operation.lease and not alive(operation.lease):
                        raise LeaseGone(f"no lease {operation.lease}")
                    self._put(operation, revision, events)
                    outcomes.append(None)
                elif isinstance(operation, DeleteOperation):
                    outcomes.append(
                        self._delete(operation.key, operation.end, revision, events)
                    )
                else:
                    outcomes.append(self.range(operation))
            self._finish(revision, events)
        return TransactionOutcome(
            succeeded, self.revision, tuple(outcomes), tuple(events)
        )

    def deleteLeased(self, lease: int, limit: int) -> tuple[KeyValue, ...]:
        """
        Delete keys of a lease, at most C{limit}, as one revision.
        """
        found = self._execute(
            "SELECT key FROM kv WHERE lease = ? AND lease != 0 ORDER BY key LIMIT ?",
            (lease, limit),
        ).fetchall()
        events: list[KeyValue] = []
        revision = self.revision + 1
        with self._whole():
            for (key,) in found:
                self._delete(key, b"", revision, events)
            self._finish(revision, events)
        return tuple(events)

    @contextmanager
    def _whole(self) -> Iterator[None]:
        """
        A transaction of SQLite's, whole or not at all.

        @raise ClusterError: the database cannot be written, as when the disk is
            full.
        """
        try:
            self._execute("BEGIN IMMEDIATE")
            yield
        except BaseException as e:
            # SQLite has done so by itself after some errors.
            if self._connection.in_transaction:
                self._execute("ROLLBACK")
            if isinstance(e, sqlite3.Error):
                raise ClusterError(f"cannot write: {e}") from e
            raise

    def _finish(self, revision: int, events: Sequence[KeyValue]) -> None:
        oldest = self.oldest
        if events and revision - oldest >= 1.25 * self._history:
            oldest = revision - self._history
            self._execute("DELETE FROM history WHERE revision < ?", (oldest,))
            self._execute("UPDATE meta SET value = ? WHERE name = 'oldest'", (oldest,))
        self._execute("COMMIT")
        self.oldest = oldest
        if events:
            self.revision = revision

    def compact(self, revision: int) -> None:
        """
        Forget what came before a revision.
        """
        if not self.oldest < revision <= self.revision:
            return
        self._execute("DELETE FROM history WHERE revision < ?", (revision,))
        self._execute("UPDATE meta SET value = ? WHERE name = 'oldest'", (revision,))
        self.oldest = revision

    def _holds(self, condition: Compare) -> bool:
        entry = self.one(condition.key)
        actual: Any
        if condition.target == "VALUE":
            if entry is None:
                return False
            actual = entry.value
        elif entry is None:
            actual = 0
        elif condition.target == "CREATE":
            actual = entry.created
        elif condition.target == "MOD":
            actual = entry.modified
        else:
            actual = entry.version
        operand: Any = condition.operand
        if condition.result == "EQUAL":
            return bool(actual == operand)
        if condition.result == "NOT_EQUAL":
            return bool(actual != operand)
        if condition.result == "GREATER":
            return bool(actual > operand)
        return bool(actual < operand)

    def _put(
        self, operation: PutOperation, revision: int, events: list[KeyValue]
    ) -> None:
        old = self.one(operation.key)
        created = revision if old is None else old.created
        version = 1 if old is None else old.version + 1
        new = KeyValue(
            operation.key, operation.value, created, revision, version, operation.lease
        )
        self._execute(
            "INSERT OR REPLACE INTO kv VALUES (?, ?, ?, ?, ?, ?)",
            (new.key, new.value, created, revision, version, new.lease),
        )
        self._remember(new, new.value, old, len(events))
        events.append(new)

    def _delete(
        self, key: bytes, end: bytes, revision: int, events: list[KeyValue]
    ) -> int:
        where, names = _where(key, end)
        rows = self._execute(
            "SELECT key, value, created, modified, version, lease FROM kv"
            f" WHERE {where} ORDER BY key",
            names,
        ).fetchall()
        for row in rows:
            gone = KeyValue(row[0], b"", 0, revision, 0, 0)
            self._remember(gone, None, KeyValue(*row), len(events))
            events.append(gone)
        if rows:
            self._execute(f"DELETE FROM kv WHERE {where}", names)
        return len(rows)

    def _remember(
        self, new: KeyValue, value: bytes | None, old: KeyValue | None, sub: int
    ) -> None:
        before = (
            (None, None, None, None, None)
            if old is None
            else (old.value, old.created, old.modified, old.version, old.lease)
        )
        self._execute(
            "INSERT INTO history VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(new.modified, sub, new.key, value),
                *(new.created, new.version, new.lease),
                *before,
            ),
        )

    def changes(
        self, key: bytes, end: bytes, since: int, limit: int
    ) -> tuple[int, tuple[KeyValue, ...]]:
        """
        What changed in a range from a revision on.

        @param limit: about how many changes to return; a revision is never cut.

        @return: the last revision looked at, and the changes up to it.
        """
        where, names = _where(key, end)
        rows = self._execute(
            "SELECT key, value, created, revision, version, lease FROM history"
            f" WHERE revision >= ? AND {where} ORDER BY revision, sub",
            (since, *names),
        )
        events: list[KeyValue] = []
        for row in rows:
            if len(events) >= limit and row[3] != events[-1].modified:
                return events[-1].modified, tuple(events)
            events.append(KeyValue(row[0], row[1] or b"", *row[2:]))
        return self.revision, tuple(events)

    def leases(self) -> Iterator[tuple[int, float, float]]:
        """
        The leases written down: id, TTL, seconds left at the last writing.
        """
        yield from self._execute("SELECT id, ttl, remaining FROM lease").fetchall()

    def saveLeases(self, leases: Sequence[tuple[int, float, float]]) -> None:
        """
        Write down leases: id, TTL, seconds left.
        """
        with self._whole():
            self._connection.executemany(
                "INSERT OR REPLACE INTO lease VALUES (?, ?, ?)", leases
            )
            self._execute("COMMIT")

    def dropLease(self, id: int) -> None:
        """
        Strike out a lease.
        """
        self._execute("DELETE FROM lease WHERE id = ?", (id,))

    def leased(self, id: int) -> list[bytes]:
        """
        The keys on a lease.
        """
        rows = self._execute(
            "SELECT key FROM kv WHERE lease = ? AND lease != 0 ORDER BY key", (id,)
        )
        return [key for (key,) in rows]

    @property
    def size(self) -> int:
        """
        Bytes of the database.
        """
        (pages,) = self._execute("PRAGMA page_count").fetchone()
        (page,) = self._execute("PRAGMA page_size").fetchone()
        return int(pages) * int(page)


def _withoutValues(
    operation: RangeOperation, entries: Sequence[KeyValue]
) -> Sequence[KeyValue]:
    if not operation.keysOnly:
        return entries
    return [evolve(entry, value=b"") for entry in entries]
