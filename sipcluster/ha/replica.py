"""
What both members of a pair hold alike: entries, each with the position of its last
change, and what was removed lately.

The entries, in the order of these positions, are the stream.  So there is no list of
changes besides that could grow: who is behind gets what is changed since, once,
however often it has changed; and a snapshot is what has changed since the beginning.
What is removed stays as a I{tombstone} for a while, in the same order: who comes back
in time learns of it, and who comes later gets a snapshot.
"""

from __future__ import annotations

import struct
from bisect import bisect_left
from collections import deque
from collections.abc import Iterator
from hashlib import blake2b

from attrs import define
from twisted.internet.interfaces import IReactorTime

from sipcluster.ha.ireplica import EntryTooLong
from sipcluster.ha.wire import ENTRY_LIMIT, KIND_LIMIT

#: Seconds for which a removal is remembered, and how many are at most.
LIFETIME, TOMBSTONES = 300.0, 100_000

#: How many epochs before are remembered.
EPOCHS = 16

_head = struct.Struct(">II")


@define(eq=False)
class Entry:
    """
    One of them.

    @ivar head: what its digest begins with.
    @ivar value: L{None}: it is gone.
    @ivar position: of its last change.
    @ivar written: when the primary wrote it, in seconds of the clock.
    @ivar digest: 0 for one that is gone.
    """

    kind: str
    key: str
    head: bytes
    value: bytes | None = None
    position: int = 0
    written: float = 0.0
    digest: int = 0


def headOf(kind: str, key: str) -> bytes:
    """
    What tells an entry from all others, as bytes.

    @raise ValueError: it cannot be told so.
    """
    if not 0 < len(kind) <= KIND_LIMIT or "\0" in kind:
        raise ValueError(f"no name of a kind: {kind!r}")
    first, second = kind.encode(), key.encode()
    return _head.pack(len(first), len(second)) + first + second


def digestOf(head: bytes, value: bytes) -> int:
    """
    What stands for an entry in the sum over all.
    """
    return int.from_bytes(blake2b(head + value, digest_size=8).digest(), "big")


class Replica:
    """
    All entries of a member.

    @ivar position: of the last change.
    @ivar epoch: in which this was; 0: what is here is not whole, or there has never
        been a primary.
    @ivar floor: removals up to this position are forgotten, or were never told.
    @ivar ends: epochs before and the last position of each, oldest first.
    @ivar count: how many entries there are.
    @ivar sum: of their digests, modulo 2**64.
    @ivar whole: it has had all that there was at some time.
    """

    def __init__(
        self,
        clock: IReactorTime,
        lifetime: float = LIFETIME,
        tombstones: int = TOMBSTONES,
    ) -> None:
        """
        @param lifetime: seconds for which a removal is remembered.
        @param tombstones: how many removals are remembered at most.
        """
        self._clock = clock
        self._lifetime = lifetime
        self._tombstones = tombstones
        self._entries: dict[tuple[str, str], Entry] = {}
        #: Each change with its entry, in order; one whose entry has another
        #: position by now is stale.
        self._log: list[tuple[int, Entry]] = []
        self._gone: deque[tuple[float, int, Entry]] = deque()
        #: While a snapshot comes: entries that it has not named.
        self._unnamed: set[tuple[str, str]] = set()
        self.position = 0
        self.epoch = 0
        self.floor = 0
        self.ends: list[tuple[int, int]] = []
        self.count = 0
        self.sum = 0
        self.whole = False

    # What is asked.

    def get(self, kind: str, key: str) -> bytes | None:
        """
        One entry; L{None}: there is none.
        """
        entry = self._entries.get((kind, key))
        return None if entry is None else entry.value

    def entries(self, kind: str) -> dict[str, bytes]:
        """
        All of one kind, by key.
        """
        return {entry.key: entry.value for entry in self._living(kind)}  # type: ignore[misc]  # the living have one

    def all(self) -> dict[tuple[str, str], bytes]:
        """
        All of all kinds, by kind and key.
        """
        return {
            which: entry.value
            for which, entry in self._entries.items()
            if entry.value is not None
        }

    def aged(self, kind: str) -> list[tuple[str, bytes, float]]:
        """
        All of one kind: key, value, and seconds since it was written.
        """
        now = self._clock.seconds()
        return [
            (entry.key, entry.value, max(0.0, now - entry.written))  # type: ignore[misc]  # the living have one
            for entry in self._living(kind)
        ]

    def _living(self, kind: str) -> list[Entry]:
        return [
            entry
            for entry in self._entries.values()
            if entry.kind == kind and entry.value is not None
        ]

    def after(self, position: int) -> Iterator[Entry]:
        """
        What has changed after a position and not again since, in order; with what
        is gone.
        """
        log = self._log
        for index in range(bisect_left(log, (position + 1,)), len(log)):
            at, entry = log[index]
            if entry.position == at:
                yield entry

    def reaches(self, epoch: int, position: int) -> bool:
        """
        Whether all that has changed is known, for one who holds what there was in
        an epoch up to a position.
        """
        if not epoch or position < self.floor:
            return False
        if epoch == self.epoch:
            return position <= self.position
        return position <= dict(self.ends).get(epoch, -1)

    # The primary's changes.

    def put(self, kind: str, key: str, value: bytes | None) -> None:
        """
        Change an entry.

        @raise EntryTooLong: it could not be sent.
        @raise ValueError: its key is none.  Nothing is changed then.
        """
        entry = self._entries.get((kind, key))
        if entry is None:
            entry = Entry(kind, key, headOf(kind, key))
        if len(entry.head) + (len(value) if value else 0) > ENTRY_LIMIT:
            raise EntryTooLong(f"{kind} {key[:80]!r} has more than {ENTRY_LIMIT} bytes")
        self.position += 1
        self._set(entry, value, self.position, self._clock.seconds())

    def promote(self, epoch: int) -> None:
        """
        Go on as primary with what there is.
        """
        if self.whole:
            # Of an epoch before there may have been more than is here.
            ends = [(epoch, min(end, self.position)) for epoch, end in self.ends]
            self.ends = [*ends, (self.epoch, self.position)][-EPOCHS:]
        else:
            # Its positions are worth nothing to anybody.
            self._renumber()
        self.epoch = epoch
        self.whole = True

    def _renumber(self) -> None:
        self._unnamed.clear()
        self._gone.clear()
        living = [
            (which, one)
            for which, one in self._entries.items()
            if one.value is not None
        ]
        self._entries = dict(living)
        self._log = []
        for position, (_, entry) in enumerate(living, self.position + 1):
            entry.position = position
            self._log.append((position, entry))
        self.position += len(living)
        self.floor = self.position
        self.ends = []

    # What the backup is told.

    def begin(
        self, epoch: int, snapshot: bool, ends: list[tuple[int, int]], groups: bool
    ) -> None:
        """
        A stream begins.

        @param snapshot: what it does not name before L{complete} is gone.
        @param groups: what belongs together is taken together, so that what is whole
            stays so.
        """
        if snapshot or not groups:
            self.whole = False
        self.ends = ends[-EPOCHS:]
        if snapshot:
            self.epoch = 0
            self.position = 0
            self._log = []
            self._gone.clear()
            self._entries = {
                which: one
                for which, one in self._entries.items()
                if one.value is not None
            }
            self._unnamed = set(self._entries)
        else:
            self.epoch = epoch
            self._unnamed.clear()

    def take(
        self, kind: str, key: str, value: bytes | None, position: int, age: float
    ) -> bool:
        """
        Take a change of the primary.

        @param age: seconds since it was written.

        @return: False: it is gone, and was not there.

        @raise ValueError: its key is none.
        """
        which = kind, key
        entry = self._entries.get(which)
        if entry is None:
            entry = Entry(kind, key, headOf(kind, key))
        self._unnamed.discard(which)
        known = entry.value is not None or value is not None
        self.position = position
        self._set(entry, value, position, self._clock.seconds() - age)
        return known

    def complete(self, epoch: int, floor: int | None) -> list[tuple[str, str]]:
        """
        All that there was has come.

        @param floor: of a snapshot; L{None}: it was none.

        @return: kind and key of the entries that are gone because a snapshot has
            not named them.
        """
        unnamed = sorted(self._unnamed)
        self._unnamed.clear()
        for which in unnamed:
            entry = self._entries.pop(which)
            self.count -= 1
            self.sum = (self.sum - entry.digest) & 0xFFFFFFFFFFFFFFFF
        if floor is not None:
            # One that is above what it says of itself could never be reached.
            self.floor = min(floor, self.position)
        self.epoch = epoch
        self.whole = True
        return unnamed

    def _set(
        self, entry: Entry, value: bytes | None, position: int, written: float
    ) -> None:
        digest = 0 if value is None else digestOf(entry.head, value)
        self.count += (value is not None) - (entry.value is not None)
        self.sum = (self.sum + digest - entry.digest) & 0xFFFFFFFFFFFFFFFF
        entry.value = value
        entry.digest = digest
        entry.position = position
        entry.written = written
        self._entries[entry.kind, entry.key] = entry
        log = self._log
        log.append((position, entry))
        if len(log) > 2 * len(self._entries) + 1000:
            self._log = [pair for pair in log if pair[1].position == pair[0]]
        if value is None:
            now = self._clock.seconds()
            self._gone.append((now + self._lifetime, position, entry))
            self._forget(now)

    def _forget(self, now: float) -> None:
        gone = self._gone
        while gone and (gone[0][0] <= now or len(gone) > self._tombstones):
            _, position, entry = gone.popleft()
            if entry.position == position:
                del self._entries[entry.kind, entry.key]
                entry.position = 0
                self.floor = position
