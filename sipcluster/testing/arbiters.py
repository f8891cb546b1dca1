"""
Arbiters for tests: one that is only a value, a disk in memory for lock files, and
a way to a cluster store on which everything goes wrong.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure
from zope.interface import implementer

from sipcluster.cluster.icluster import (
    Change,
    Compare,
    IClusterStore,
    IWatch,
    IWatcher,
    Lease,
    Operation,
    Snapshot,
    StoreAway,
    TxnResult,
)
from sipcluster.ha.iha import (
    Granted,
    IArbiter,
    IFollowing,
    ILockFiles,
    Refused,
    Verdict,
)
from sipcluster.testing.hosts import Host, Wire

_T = TypeVar("_T")


@define(eq=False)
class Court:
    """
    Whose the role is, by the clock of the arbiter.

    @ivar epoch: the highest that was granted.
    @ivar held: of the last hold.
    """

    clock: IReactorTime
    ttl: float = 5.0
    epoch: int = 0
    held: int = 0
    holder: str = ""
    until: float = 0.0
    followers: list[Callable[[], None]] = field(factory=list)
    answered: dict[object, Verdict] = field(factory=dict)

    def vacant(self) -> bool:
        """
        Whether nobody has the role.
        """
        return not self.holder or self.until <= self.clock.seconds()

    def acquire(self, name: str, above: int, question: object) -> Verdict:
        """
        Judge.

        @param question: the same one gets the same answer.
        """
        if question not in self.answered:
            self.answered[question] = self._acquire(name, above)
        return self.answered[question]

    def _acquire(self, name: str, above: int) -> Verdict:
        if not self.vacant() and self.holder != name:
            return Refused(self.held, self.holder)
        self.epoch = self.held = max(self.epoch, above) + 1
        self.holder = name
        return self._grant()

    def _grant(self) -> Granted:
        self.until = self.clock.seconds() + self.ttl
        end = self.until

        def over() -> None:
            if self.until == end:
                self.tell()

        self.clock.callLater(self.ttl, over)
        return Granted(self.held, self.ttl)

    def renew(self, name: str, epoch: int) -> Verdict:
        """
        Judge.
        """
        if self.vacant() or (self.holder, self.held) != (name, epoch):
            return Refused(0 if self.vacant() else self.held, self.holder)
        return self._grant()

    def reclaim(self, name: str, epoch: int) -> Verdict:
        """
        Judge.
        """
        if not self.vacant() and (self.holder, self.held) != (name, epoch):
            return Refused(self.held, self.holder)
        self.holder, self.held = name, epoch
        self.epoch = max(self.epoch, epoch)
        return self._grant()

    def release(self, name: str, epoch: int) -> None:
        """
        Take the role back.
        """
        if (self.holder, self.held) == (name, epoch):
            self.holder = ""
            self.tell()

    def tell(self) -> None:
        """
        The role is free.
        """
        for follower in list(self.followers):
            follower()


@implementer(IArbiter)
@define(eq=False)
class FakeArbiter:
    """
    One member's way to a L{Court}, over a wire that loses and delays.

    @ivar asked: what was asked, in order.
    """

    court: Court
    name: str
    host: Host
    wire: Wire
    asked: list[tuple[str, int]] = field(factory=list)

    def acquire(self, above: int) -> Deferred[Verdict]:
        """
        See L{IArbiter}.
        """
        self.asked.append(("acquire", above))
        question = object()
        return self._ask(lambda: self.court.acquire(self.name, above, question))

    def renew(self, epoch: int) -> Deferred[Verdict]:
        """
        See L{IArbiter}.
        """
        self.asked.append(("renew", epoch))
        return self._ask(lambda: self.court.renew(self.name, epoch))

    def reclaim(self, epoch: int) -> Deferred[Verdict]:
        """
        See L{IArbiter}.
        """
        self.asked.append(("reclaim", epoch))
        return self._ask(lambda: self.court.reclaim(self.name, epoch))

    def release(self, epoch: int) -> Deferred[None]:
        """
        See L{IArbiter}.
        """
        self.asked.append(("release", epoch))
        return self._ask(lambda: self.court.release(self.name, epoch))

    def _ask(self, judge: Callable[[], _T]) -> Deferred[_T]:
        result: Deferred[_T] = Deferred()

        def arrive() -> None:
            verdict = judge()
            self.wire.back(lambda: self.host.run(lambda: answer(verdict)))

        def answer(verdict: _T) -> None:
            if not result.called:
                result.callback(verdict)

        self.wire.out(arrive)
        return result

    def follow(self, vacant: Callable[[], None]) -> IFollowing:
        """
        See L{IArbiter}.
        """

        def tell() -> None:
            self.wire.back(lambda: self.host.run(following.tell))

        following = _Following(self.court, tell, vacant)
        self.court.followers.append(tell)
        return following


@implementer(IFollowing)
@define(eq=False)
class _Following:
    court: Court
    follower: Callable[[], None]
    vacant: Callable[[], None] | None

    def tell(self) -> None:
        if self.vacant is not None:
            self.vacant()

    def stop(self) -> None:
        self.vacant = None
        if self.follower in self.court.followers:
            self.court.followers.remove(self.follower)


@define(eq=False)
class Disk:
    """
    A directory of claims that several processes use.

    @ivar files: by epoch, the record and who holds the claim.
    @ivar full: nothing new can be written.
    @ivar readOnly: nothing can be written.
    @ivar step: called before each operation, with who does it.
    """

    files: dict[int, list[Any]] = field(factory=dict)
    full: bool = False
    readOnly: bool = False
    step: Callable[[object], None] = lambda _: None

    def died(self, owner: object) -> None:
        """
        A process has ended: what it held is held no more.
        """
        for file in self.files.values():
            if file[1] is owner:
                file[1] = None


@implementer(ILockFiles)
@define(eq=False)
class MemoryLockFiles:
    """
    One process's view of a L{Disk}.
    """

    disk: Disk

    def _writing(self, new: bool) -> None:
        if self.disk.readOnly:
            raise OSError(errno.EROFS, "Read-only file system")
        if new and self.disk.full:
            raise OSError(errno.ENOSPC, "No space left on device")

    def epochs(self) -> Sequence[int]:
        """
        See L{ILockFiles}.
        """
        self.disk.step(self)
        return sorted(self.disk.files)

    def claim(self, epoch: int, record: bytes) -> bool:
        """
        See L{ILockFiles}.
        """
        self.disk.step(self)
        self._writing(True)
        if epoch in self.disk.files:
            return False
        self.disk.files[epoch] = [record, self]
        return True

    def mine(self, epoch: int) -> bool:
        """
        See L{ILockFiles}.
        """
        return epoch in self.disk.files and self.disk.files[epoch][1] is self

    def write(self, epoch: int, record: bytes) -> None:
        """
        See L{ILockFiles}.
        """
        self.disk.step(self)
        self._writing(False)
        if epoch in self.disk.files:  # or it is written where nobody looks
            self.disk.files[epoch][0] = record

    def read(self, epoch: int) -> bytes | None:
        """
        See L{ILockFiles}.
        """
        self.disk.step(self)
        file = self.disk.files.get(epoch)
        return None if file is None else file[0]

    def held(self, epoch: int) -> bool:
        """
        See L{ILockFiles}.
        """
        self.disk.step(self)
        file = self.disk.files.get(epoch)
        return file is not None and file[1] is not None

    def drop(self, epoch: int) -> None:
        """
        See L{ILockFiles}.
        """
        self.disk.step(self)
        if self.mine(epoch):
            self.disk.files[epoch][1] = None

    def remove(self, epoch: int) -> None:
        """
        See L{ILockFiles}.
        """
        self.disk.step(self)
        self._writing(False)
        self.disk.files.pop(epoch, None)


@implementer(IClusterStore)
@define(eq=False)
class UnsteadyStore:
    """
    A process's way to a cluster store over a L{Wire}: what it asks may be done
    late, twice, or unknown to it.

    @ivar seconds: what it gives an answer.
    """

    store: IClusterStore
    host: Host
    wire: Wire
    seconds: float = 1.0

    def _ask(self, do: Callable[[], Deferred[_T]]) -> Deferred[_T]:
        result: Deferred[_T] = Deferred()

        def arrive() -> None:
            do().addBoth(done)

        def done(outcome: _T | Failure) -> None:
            self.wire.back(lambda: self.host.run(lambda: answer(outcome)))

        def answer(outcome: _T | Failure) -> None:
            if result.called:
                return
            if timer.active():
                timer.cancel()
            if isinstance(outcome, Failure):
                result.errback(outcome)
            else:
                result.callback(outcome)

        def late() -> None:
            if not result.called:
                result.errback(StoreAway("no answer in time"))

        timer = self.host.callLater(self.seconds, late)
        self.wire.out(arrive)
        return result

    def snapshot(self, prefix: bytes) -> Deferred[Snapshot]:
        """
        See L{IClusterStore}.
        """
        return self._ask(lambda: self.store.snapshot(prefix))

    def watch(self, prefix: bytes, fromRevision: int, watcher: IWatcher) -> IWatch:
        """
        See L{IClusterStore}.
        """
        return self.store.watch(prefix, fromRevision, _Carried(self, watcher))

    def txn(
        self,
        compare: Sequence[Compare],
        success: Sequence[Operation],
        failure: Sequence[Operation] = (),
    ) -> Deferred[TxnResult]:
        """
        See L{IClusterStore}.
        """
        return self._ask(lambda: self.store.txn(compare, success, failure))

    def leaseGrant(self, ttl: float) -> Deferred[Lease]:
        """
        See L{IClusterStore}.
        """
        return self._ask(lambda: self.store.leaseGrant(ttl))

    def leaseKeepAlive(self, id: int) -> Deferred[float]:
        """
        See L{IClusterStore}.
        """
        return self._ask(lambda: self.store.leaseKeepAlive(id))

    def leaseRevoke(self, id: int) -> Deferred[None]:
        """
        See L{IClusterStore}.
        """
        return self._ask(lambda: self.store.leaseRevoke(id))


@implementer(IWatcher)
@define(eq=False)
class _Carried:
    """
    What a watch sees, on its way.
    """

    way: UnsteadyStore
    watcher: IWatcher

    def changed(self, revision: int, changes: Sequence[Change]) -> None:
        self._tell(lambda: self.watcher.changed(revision, changes))

    def lost(self, why: str, compacted: bool) -> None:
        self._tell(lambda: self.watcher.lost(why, compacted))

    def _tell(self, call: Callable[[], None]) -> None:
        self.way.wire.back(lambda: self.way.host.run(call))
