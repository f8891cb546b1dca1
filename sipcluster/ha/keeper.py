"""
Keeps what there is at the other member of a pair: what changes in a turn of the
reactor is journaled at its end, and what was to be sent leaves when it is there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from attrs import define, frozen
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from sipcluster.ha.ikeeping import IKeeper, IKept
from sipcluster.ha.ireplica import EntryTooLong, IOwner, JournalFull
from sipcluster.ha.journal import Journal

log = Logger()

#: Sends of one turn.
_Batch = list[tuple[Callable[..., object], tuple[object, ...]]]


@implementer(IOwner)
@define(eq=False)
class _Owner:
    """
    One kind in the journal.  The backup keeps entries as they are: only a primary
    makes them live.
    """

    kind: str
    kept: IKept | None = None

    def snapshot(self) -> Iterable[tuple[str, bytes]]:
        """
        See L{IOwner}.
        """
        kept = self.kept
        if kept is None:
            return
        for key in list(kept.keys()):
            value = kept.entry(key)
            if value is not None:
                yield key, value

    def apply(self, key: str, value: bytes | None, age: float) -> None:
        """
        See L{IOwner}.
        """


@frozen
class Restored:
    """
    What a new primary found.

    @ivar entries: how many of each kind were restored.
    @ivar failed: how many could not be.
    @ivar seconds: that it took.
    """

    entries: dict[str, int]
    failed: int
    seconds: float


@implementer(IKeeper)
class Keeper:
    """
    Of one life of a node: from when its process becomes primary until it ceases to.

    @ivar counts: what happened how often.
    """

    def __init__(self, clock: IReactorTime, journal: Journal) -> None:
        self.counts: Counter[str] = Counter()
        self._clock = clock
        self._journal = journal
        self._kept: dict[str, IKept] = {}
        self._touched: dict[tuple[str, str], None] = {}
        self._batch: _Batch = []
        self._turn: IDelayedCall | None = None
        self._over = False

    # What those that are kept do.

    def keep(self, kept: IKept) -> Callable[[str], object]:
        """
        See L{IKeeper}.
        """
        kind = kept.kind
        if kind in self._kept:
            raise ValueError(f"{kind!r} is kept already")
        self._kept[kind] = kept
        touched = self._touched

        def touch(key: str) -> None:
            touched[kind, key] = None
            if self._turn is None:
                self._wait()

        return touch

    def put(self, send: Callable[..., object], *args: object) -> None:
        """
        See L{IKeeper}.
        """
        self._batch.append((send, args))
        if self._turn is None:
            self._wait()

    def full(self) -> bool:
        """
        See L{IKeeper}.
        """
        return 2 * self._journal.waiting > self._journal.limits.waiting

    # A life.

    def begin(self) -> Restored:
        """
        Make live what was written down by another process.
        """
        began = self._clock.seconds()
        counts: dict[str, int] = {}
        failed = 0
        for kind, kept in self._kept.items():
            entries = self._journal.replica.aged(kind)
            counts[kind] = len(entries)
            for key, value, age in entries:
                try:
                    kept.restore(key, value, age)
                except Exception:
                    failed += 1
                    self.counts["notRestored"] += 1
                    log.failure("{kind} {key} is lost", kind=kind, key=key)
        for kept in self._kept.values():
            with log.failuresHandled("restored"):
                kept.restored()
        for kept in self._kept.values():
            _own(self._journal, kept)
        self._journal.rebase()
        return Restored(counts, failed, self._clock.seconds() - began)

    @property
    def pending(self) -> bool:
        """
        Whether something has changed, or is to be sent, in a turn that has not ended.
        """
        return self._turn is not None

    def flush(self) -> None:
        """
        End the turn now.
        """
        turn, self._turn = self._turn, None
        if turn is not None and turn.active():
            turn.cancel()
        if self._over:
            return
        touched = self._touched
        if touched:
            changed = list(touched)
            touched.clear()
            for kind, key in changed:
                self._change(kind, key)
        batch = self._batch
        if batch:
            self._batch = []
            try:
                self._journal.then(lambda: self._send(batch))
            except JournalFull as e:
                self.counts["lostSends"] += len(batch)
                log.error("{count} sends are lost: {why}", count=len(batch), why=str(e))

    def end(self) -> None:
        """
        This process is primary no more: nothing is kept, and nothing is sent.
        """
        self._over = True
        turn, self._turn = self._turn, None
        if turn is not None and turn.active():
            turn.cancel()
        for kind in self._kept:
            owner: Any = self._journal.owner(kind)
            if owner is not None and owner.kept is self._kept[kind]:
                owner.kept = None
        self._touched.clear()
        self._batch = []
        self._kept.clear()

    def differing(self) -> list[str]:
        """
        Entries that are not as they were journaled: when nothing waits to be, there
        are none.  For tests, and for who doubts.
        """
        found = []
        for kind, kept in self._kept.items():
            journaled = self._journal.snapshot(kind)
            for key in {*journaled, *kept.keys()}:
                now, then = kept.entry(key), journaled.get(key)
                if now is None or then is None:
                    if now is not then:
                        found.append(f"{kind} {key}")
                elif now != then and kept.comparable(now) != kept.comparable(then):
                    found.append(f"{kind} {key}")
        return found

    # Turns.

    def _wait(self) -> None:
        if self._over:
            self._touched.clear()
            self._batch.clear()
        else:
            self._turn = self._clock.callLater(0, self._ended)

    def _ended(self) -> None:
        self._turn = None
        self.flush()

    def _change(self, kind: str, key: str) -> None:
        try:
            self._journal.change(kind, key, self._kept[kind].entry(key))
        except EntryTooLong as e:
            self.counts["tooLong"] += 1
            log.error("{kind} {key} is not kept: {why}", kind=kind, key=key, why=str(e))
        except Exception:
            self.counts["notKept"] += 1
            log.failure("{kind} {key} is not kept", kind=kind, key=key)

    def _send(self, batch: _Batch) -> None:
        for send, args in batch:
            if self._over:  # by what was sent before
                return
            try:
                send(*args)
            except Exception:
                log.failure("what waited to be sent")


def _own(journal: Journal, kept: IKept) -> None:
    """
    Be the owner of a kind in a journal.  An owner is for ever, what is kept for one
    life.
    """
    owner = journal.owner(kept.kind)
    if owner is None:
        journal.register(_Owner(kept.kind, kept))
    else:
        assert isinstance(owner, _Owner)
        owner.kept = kept
