"""
A lock file as arbiter, for two members on one host.

A claim is a file of its epoch, which its holder keeps locked while it lives and in
which it writes until when it has the role.  So a member that dies gives the role
up at that moment, and one that is frozen when its time is over.  Both members read
the same clock of the host.

No step waits for the other member: one that is frozen in the middle of a step
holds nobody up.  Who claims first makes the claim and then looks for others; who
goes on first writes and then looks for others.  So of two at the same time at least
one sees the other, and gives way.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol, TypeVar
from urllib.parse import quote, unquote

from attrs import define, frozen
from twisted.internet.defer import Deferred, fail, maybeDeferred, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from sipcluster.ha.iha import (
    ArbiterAway,
    Granted,
    IArbiter,
    IFollowing,
    ILockFiles,
    Refused,
    Verdict,
)

log = Logger()

#: Seconds between two looks of a backup at the claim of the primary.
LOOK = 0.1

#: Bytes of a record: always the same, so that it is replaced in one piece and a
#: disk that is full has room for it.
RECORD = 256

_T = TypeVar("_T")


@frozen
class Claim:
    """
    What stands in the file of a claim.

    @ivar until: when it ends, in seconds of the clock of the host.
    @ivar member: name of the holder.
    """

    until: float
    member: str

    def render(self) -> bytes:
        """
        As bytes of a fixed size, with a checksum.
        """
        text = f"sipcluster-ha 1 {self.until!r} {quote(self.member)[:160]}".encode()
        return (
            b"%s %08x" % (text, zlib.crc32(text))
            + b" " * (RECORD - len(text) - 10)
            + b"\n"
        )

    @classmethod
    def parse(cls, record: bytes) -> Claim | None:
        """
        @return: L{None} when it is damaged, or being written.
        """
        text, _, checksum = record.rstrip().rpartition(b" ")
        words = text.split(b" ")
        if checksum != b"%08x" % zlib.crc32(text) or len(words) != 4:
            return None
        return cls(float(words[2]), unquote(words[3].decode("ascii")))


class Perform(Protocol):
    """
    Runs operations on files, one at a time: in a thread where a disk may be slow.
    """

    def __call__(self, work: Callable[[], _T], /) -> Deferred[_T]:
        """
        Run it.

        @return: what it returns.
        """


@implementer(IArbiter)
class LockFileArbiter:
    """
    One member's way to the lock file of its pair.
    """

    def __init__(
        self,
        files: ILockFiles,
        clock: IReactorTime,
        member: str,
        ttl: float = 5.0,
        perform: Perform = maybeDeferred,
    ) -> None:
        """
        @param clock: the same by which this member judges its lease, and one that
            all processes of the host read alike; its time is read in whatever
            thread C{perform} uses.
        """
        self._files = files
        self._clock = clock
        self._member = member
        self._ttl = ttl
        self._perform = perform
        self._busy = False
        self._looking = False
        self._waiting: list[Callable[[], None]] = []
        self._holds = 0
        self._unused = 0

    def acquire(self, above: int) -> Deferred[Verdict]:
        """
        See L{IArbiter}.
        """
        return self._afterLook(lambda: self._acquire(above))

    def renew(self, epoch: int) -> Deferred[Verdict]:
        """
        See L{IArbiter}.
        """
        return self._afterLook(lambda: self._renew(epoch))

    def reclaim(self, epoch: int) -> Deferred[Verdict]:
        """
        See L{IArbiter}.
        """
        return self._afterLook(lambda: self._reclaim(epoch))

    def release(self, epoch: int) -> Deferred[None]:
        """
        See L{IArbiter}.
        """
        if not self._busy:
            return self._one(lambda: self._drop(epoch))
        result: Deferred[None] = Deferred()

        def go() -> None:
            self._one(lambda: self._drop(epoch)).chainDeferred(result)

        self._waiting.append(go)
        return result

    def follow(self, vacant: Callable[[], None]) -> IFollowing:
        """
        See L{IArbiter}.
        """
        following = _Following(self, self._clock, vacant)
        following.wait()
        return following

    def look(self) -> Deferred[bool]:
        """
        Whether nobody has the role.
        """
        if self._holds or self._busy:
            return succeed(False)
        looked = self._one(lambda: not self._living(0))
        self._looking = self._busy
        return looked

    def _afterLook(self, work: Callable[[], _T]) -> Deferred[_T]:
        """
        A look is no reason to refuse what was asked for: it waits for its end.
        """
        if not self._looking:
            return self._one(work)

        def unasked(_: object) -> None:
            with suppress(ValueError):  # it has begun
                self._waiting.remove(go)

        def done(outcome: _T | Failure) -> None:
            if not result.called:
                result.callback(outcome)

        def go() -> None:
            self._one(work).addBoth(done)

        result: Deferred[_T] = Deferred(unasked)

        self._waiting.append(go)
        return result

    def _one(self, work: Callable[[], _T]) -> Deferred[_T]:
        if self._busy:
            return fail(ArbiterAway("the disk has not done yet what was asked before"))
        self._busy = True
        # What is cancelled goes on in its thread: the next waits for it.  A
        # cancelled Deferred takes the first answer that still comes, for nobody.
        result: Deferred[_T] = Deferred()

        def done(outcome: _T | Failure) -> None:
            self._busy = self._looking = False
            if not isinstance(outcome, Failure):
                result.callback(outcome)
            elif isinstance(outcome.value, OSError):
                result.errback(ArbiterAway(f"lock file: {outcome.value}"))
            else:
                result.errback(outcome)
            while self._waiting and not self._busy:
                self._waiting.pop(0)()

        self._perform(work).addBoth(done).addErrback(
            lambda f: log.failure("working on the lock file", f)
        )
        return result

    # In a thread, perhaps

    def _living(self, besides: int) -> int:
        """
        The highest claim that is not over, or 0.
        """
        for epoch in reversed(self._files.epochs()):
            if epoch != besides and self._lives(epoch):
                return epoch
        return 0

    def _lives(self, epoch: int) -> bool:
        if not self._files.held(epoch):
            return False  # its holder gave it up, or is dead
        record = self._files.read(epoch)
        if record is None:
            return False
        claim = Claim.parse(record)
        # A damaged one may be of a holder that is just writing: not ours to take.
        return claim is None or claim.until > self._clock.seconds()

    def _holder(self, epoch: int) -> str:
        claim = Claim.parse(self._files.read(epoch) or b"")
        return claim.member if claim is not None else ""

    def _acquire(self, above: int) -> Verdict:
        files = self._files
        for epoch in files.epochs():
            if files.mine(epoch):
                files.drop(epoch)  # its answer was lost
        self._holds = 0
        other = self._living(0)
        if other:
            return Refused(other, self._holder(other))
        epoch = max(above, *files.epochs(), 0) + 1
        until = self._clock.seconds() + self._ttl
        if not files.claim(epoch, Claim(until, self._member).render()):
            return Refused(epoch, self._holder(epoch))
        other = self._living(epoch)
        if other:
            files.drop(epoch)
            files.remove(epoch)
            return Refused(other, self._holder(other))
        for old in files.epochs():
            if old < epoch:
                files.remove(old)
        self._holds = epoch
        return Granted(epoch, self._ttl)

    def _reclaim(self, epoch: int) -> Verdict:
        """
        Later claims that are over were never used: by a member that had promised
        to use none.
        """
        files = self._files
        other = self._living(epoch)
        if other:
            return Refused(other, self._holder(other))
        if epoch not in files.epochs():  # removed by such a claim
            files.drop(epoch)
            until = self._clock.seconds() + self._ttl
            if not files.claim(epoch, Claim(until, self._member).render()):
                return Refused()
            self._holds = epoch
        self._unused = max(files.epochs())
        return self._renew(epoch)

    def _renew(self, epoch: int) -> Verdict:
        files = self._files
        if not files.mine(epoch):
            return Refused()
        record = Claim(self._clock.seconds() + self._ttl, self._member).render()
        found = files.epochs()
        if (found and found[-1] > epoch) or epoch in found:
            files.write(epoch, record)
        else:
            # Somebody has deleted it: the other member would see no claim.
            files.drop(epoch)
            if not files.claim(epoch, record):
                return Refused()
        later = max(files.epochs(), default=0)
        if later > max(epoch, self._unused):
            files.drop(epoch)
            self._holds = 0
            return Refused(later, self._holder(later))
        return Granted(epoch, self._ttl)

    def _drop(self, epoch: int) -> None:
        if self._holds == epoch:
            self._holds = 0
        self._files.drop(epoch)


@implementer(IFollowing)
@define(eq=False)
class _Following:
    """
    Looks again and again.
    """

    arbiter: LockFileArbiter
    clock: IReactorTime
    vacant: Callable[[], None]
    timer: IDelayedCall | None = None
    over: bool = False

    def wait(self) -> None:
        self.timer = self.clock.callLater(LOOK, self.look)

    def look(self) -> None:
        self.timer = None
        self.arbiter.look().addCallbacks(self.looked, self.failed)

    def looked(self, vacant: bool) -> None:
        if not self.over:
            self.wait()
            if vacant:
                self.vacant()

    def failed(self, failure: Failure) -> None:
        if not self.over:
            # Told where it matters: when the role is asked for.
            if not isinstance(failure.value, ArbiterAway):
                log.failure("looking at the lock file", failure)
            self.wait()

    def stop(self) -> None:
        self.over = True
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
