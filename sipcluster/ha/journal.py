"""
Save, then send: what a peer is told leaves when the other member has what it was
told about.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Callable
from typing import Protocol

from attrs import frozen
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from sipcluster.ha.ireplica import IAlone, IOwner, IReplica, JournalFull
from sipcluster.ha.replica import LIFETIME, TOMBSTONES, Replica
from sipcluster.ha.wire import BROKEN_OWNER, FENCED, LINK_DOWN, LINK_UP, Refusal

log = Logger()

#: Before everything.
NEVER = -math.inf

#: How often a member that is not primary is told so in the log.
COMPLAINTS = 10


@frozen
class Limits:
    """
    What a link may use.

    @ivar waiting: sends that may wait for the other member.
    @ivar patience: seconds that one may wait while the link is up; then the link
        is cut.
    @ivar quiet: seconds without a change after which checksums are compared.
    @ivar keepAlive: seconds without anything after which the other member is
        polled; after as many again the link is dead.
    @ivar startUp: seconds in which the other member has to say who it is.
    @ivar lifetime: seconds for which removals are remembered.
    @ivar tombstones: how many removals are remembered at most.
    @ivar chunk: bytes after which a message to the other member ends.
    @ivar window: bytes that may be on their way to it.
    @ivar turn: bytes that are sent to it in one turn of the reactor.
    @ivar aside: bytes of changes that belong together and are kept aside until the
        last of them is there.
    """

    waiting: int = 10_000
    patience: float = 1.0
    quiet: float = 1.0
    keepAlive: float = 0.5
    startUp: float = 2.0
    lifetime: float = LIFETIME
    tombstones: int = TOMBSTONES
    chunk: int = 32_768
    window: int = 262_144
    turn: int = 65_536
    aside: int = 16_777_216


class Wire(Protocol):
    """
    What a journal knows of its link.
    """

    def changed(self) -> None:
        "An entry was changed."

    def roleChanged(self) -> None:
        "This member is something else."

    def cut(self, code: Refusal, why: str) -> None:
        "No more of it is wanted."


@implementer(IReplica)
class Journal:
    """
    What one member of a pair has of all that is kept.

    @ivar replica: the entries.
    @ivar epoch: the highest epoch heard of; on a primary its own.
    @ivar primary: whether this member is primary, and has not heard of a newer one.
    @ivar counts: what happened how often.
    @ivar saved: the position up to which the other member has everything.
    @ivar inSync: the other member has all that there is, or will in a moment.
    @ivar anew: the next stream is to be a snapshot, whatever is held.
    @ivar lostAt: since when nothing was heard that would show that the other member
        does not take over with what it has, in seconds of the clock.
    """

    def __init__(
        self,
        clock: IReactorTime,
        alone: IAlone,
        limits: Limits | None = None,
        fenced: Callable[[int], object] = lambda epoch: None,
        serving: Callable[[], bool] = lambda: True,
    ) -> None:
        """
        @param alone: whether this member may serve without the other one.
        @param fenced: told the epoch when the other member has a newer one than
            ours, although we are primary; by then nothing is sent any more.
        @param serving: whether the lease of a primary still runs: asked before each
            change and each send, since a member that was frozen may be given what
            came meanwhile before it is told that its time is over.
        """
        self.clock = clock
        self.limits = limits or Limits()
        self.replica = Replica(clock, self.limits.lifetime, self.limits.tombstones)
        self.epoch = 0
        self.primary = False
        self.counts: Counter[str] = Counter()
        self.saved = 0
        self.inSync = False
        self.anew = False
        self.lostAt = NEVER
        self._alone = alone
        self._fenced = fenced
        self._serving = serving
        self._owners: dict[str, IOwner] = {}
        self._link: Wire | None = None
        #: Position, since when, and what.
        self._waiting: deque[tuple[int, float, Callable[[], object]]] = deque()
        self._sending = False
        self._timer: IDelayedCall | None = None

    @property
    def position(self) -> int:
        """
        Of the last change.
        """
        return self.replica.position

    @property
    def whole(self) -> bool:
        """
        Whether this member has had all that there was at some time, so that it can
        take over: false before it has got its first snapshot, and in the middle of
        one.
        """
        return self.replica.whole

    @property
    def waiting(self) -> int:
        """
        How many sends wait.
        """
        return len(self._waiting)

    # What owners do.

    def register(self, owner: IOwner) -> None:
        """
        See L{IReplica}.
        """
        if owner.kind in self._owners:
            raise ValueError(f"{owner.kind!r} has an owner")
        self._owners[owner.kind] = owner
        if self.primary:
            self._rebase(owner)
        else:
            for key, value, age in self.replica.aged(owner.kind):
                self.tell(owner.kind, key, value, age)

    def owner(self, kind: str) -> IOwner | None:
        """
        Who has registered for a kind.
        """
        return self._owners.get(kind)

    def snapshot(self, kind: str) -> dict[str, bytes]:
        """
        See L{IReplica}.
        """
        return self.replica.entries(kind)

    def change(self, kind: str, key: str, value: bytes | None) -> int:
        """
        See L{IReplica}.
        """
        if not self.primary or not self._serving():
            self._late("a change")
            return 0
        if value is None and self.replica.get(kind, key) is None:
            return self.replica.position
        self.replica.put(kind, key, value)
        if self._link is not None:
            self._link.changed()
        return self.replica.position

    def then(self, send: Callable[[], object]) -> None:
        """
        See L{IReplica}.
        """
        if not self.primary or not self._serving():
            self._late("a send")
            return
        position = self.replica.position
        if self.inSync:
            if not self._waiting and position <= self.saved and not self._sending:
                self._send(send)
                return
        elif not self._waiting and not self._sending and self._alone.alone():
            self.counts["alone"] += 1
            self._send(send)
            return
        if self._ceased():  # the arbiter has just been asked, and said so
            self._late("a send")
            return
        if len(self._waiting) >= self.limits.waiting:
            self._full()
            if len(self._waiting) >= self.limits.waiting or not self.primary:
                self.counts["refused"] += 1
                raise JournalFull(f"{len(self._waiting)} sends wait already")
        self._waiting.append((position, self.clock.seconds(), send))
        if self._timer is None and self.inSync:
            self._watch(self.limits.patience)
        if not self.inSync:
            self.look()

    def rebase(self) -> None:
        """
        Take the owners' snapshots: what differs from what was journaled is a change.
        To be called when the owners of a new primary have made their objects live.
        """
        for owner in list(self._owners.values()):
            self._rebase(owner)

    def _rebase(self, owner: IOwner) -> None:
        kind = owner.kind
        with log.failuresHandled("snapshot of {kind}", kind=kind):
            now = dict(owner.snapshot())
            before = self.replica.entries(kind)
            for key in before.keys() - now.keys():
                self.change(kind, key, None)
            for key, value in now.items():
                if before.get(key) != value:
                    self.change(kind, key, value)

    def _ceased(self) -> bool:
        return not self.primary

    def _late(self, what: str) -> None:
        self.counts["fenced"] += 1
        if self.counts["fenced"] <= COMPLAINTS:
            log.warn(
                "{number}: {what} of a member that is not primary",
                number=FENCED,
                what=what,
                epoch=self.epoch,
            )

    # What the role says.

    def becamePrimary(self, epoch: int) -> bool:
        """
        This member serves from now on.

        @return: False: a newer epoch has been heard of, and nothing is done.
        """
        if epoch <= self.epoch:
            self._stale(epoch)
            return False
        if not self.replica.whole and self.replica.count:
            log.error("primary without all that there was", epoch=epoch)
        self.epoch = epoch
        self.replica.promote(epoch)
        self.primary = True
        self._roleChanged()
        return True

    def becameBackup(self) -> None:
        """
        This member serves no more; what waits is never sent.
        """
        if self.primary:
            self.primary = False
            self._drop()
            self._roleChanged()

    def _stale(self, epoch: int) -> None:
        self.counts["staleGrants"] += 1
        log.error(
            "{number}: epoch {epoch} is granted, but {heard} was heard of",
            number=FENCED,
            epoch=epoch,
            heard=self.epoch,
        )

    def heard(self, epoch: int) -> bool:
        """
        The other member knows of an epoch.

        @return: whether it is an old one.
        """
        if epoch <= self.epoch:
            return epoch < self.epoch
        self.epoch = epoch
        if self.primary:
            self.counts["fencedByLink"] += 1
            log.error(
                "{number}: the other member knows of epoch {epoch}: we are not "
                "primary any more",
                number=FENCED,
                epoch=epoch,
            )
            self.becameBackup()
            with log.failuresHandled("fenced"):
                self._fenced(epoch)
        return False

    def look(self) -> None:
        """
        Whether this member may serve alone may have changed.
        """
        if self._waiting and self.primary and not self.inSync and self._alone.alone():
            self.counts["alone"] += len(self._waiting)
            self._release(self.replica.position)

    def stop(self) -> None:
        """
        Nothing is sent any more.
        """
        self.primary = False
        self._drop()
        link = self._link
        if link is not None:
            link.cut(Refusal.STOPPING, "stopping")

    # What the link says.

    def attach(self, link: Wire) -> None:
        """
        There is a link; one that was there before ends.
        """
        before, self._link = self._link, link
        if before is not None:
            self._linkLost()
            before.cut(Refusal.REPLACED, "there is a newer connection")

    def detach(self, link: Wire) -> None:
        """
        A link has ended.
        """
        if self._link is link:
            self._link = None
            self._linkLost()

    def _linkLost(self) -> None:
        # It may not have been in sync, and yet be able to take over.
        self.lostAt = self.clock.seconds()
        self.peerLost()

    def peerInSync(self, position: int) -> None:
        """
        The other member has everything up to a position, and gets the rest.
        """
        self.saved = position
        if not self.inSync:
            self.inSync = True
            log.info(
                "{number}: the other member has everything up to {position}",
                number=LINK_UP,
                position=position,
                epoch=self.epoch,
            )
            if self._waiting:
                # Their time begins now.
                now = self.clock.seconds()
                again = [(at, now, one) for at, _, one in self._waiting]
                self._waiting.clear()  # the same one: it may be being emptied
                self._waiting.extend(again)
                self._watch(self.limits.patience)
        self.acknowledged(position)

    def acknowledged(self, position: int) -> None:
        """
        The other member has everything up to a position.
        """
        if position > self.saved:
            self.saved = position
        if self._waiting:
            self._release(self.saved)

    def peerLost(self) -> None:
        """
        The other member gets nothing any more, or not everything.
        """
        if self.inSync:
            self.inSync = False
            self.lostAt = self.clock.seconds()
            log.warn(
                "{number}: the other member has everything up to {position}, and "
                "gets no more",
                number=LINK_DOWN,
                position=self.saved,
                epoch=self.epoch,
            )
        self.saved = 0
        self._stopWatching()
        self.look()

    def tell(self, kind: str, key: str, value: bytes | None, age: float) -> None:
        """
        Give an entry to its owner, if it has one here.
        """
        owner = self._owners.get(kind)
        if owner is None:
            return
        try:
            owner.apply(key, value, age)
        except Exception:
            self.counts["brokenOwners"] += 1
            log.failure(
                "{number}: {kind} {key} is kept, but could not be applied",
                number=BROKEN_OWNER,
                kind=kind,
                key=key,
            )

    # Sends.

    def _send(self, send: Callable[[], object]) -> None:
        self._sending = True
        try:
            with log.failuresHandled("what waited for the other member"):
                send()
        finally:
            self._sending = False
        self._settle()

    def _release(self, position: int) -> None:
        if self._sending:
            return
        self._sending = True
        waiting = self._waiting
        try:
            # What is sent may change our role, and what waits.
            while waiting and waiting[0][0] <= position and self.primary:
                if not self._serving():
                    break
                _, _, send = waiting.popleft()
                try:
                    send()
                except Exception:
                    log.failure("what waited for the other member")
        finally:
            self._sending = False
        # Who watches finds nothing, and stops: cheaper than to stop it each time.
        if waiting:
            self._settle()

    def _settle(self) -> None:
        # While something was sent, nothing else was, whatever happened.
        if self._waiting and self._serving():
            if not self.inSync:
                self.look()
            elif self._waiting[0][0] <= self.saved:
                self._release(self.saved)

    def _drop(self) -> None:
        self.counts["dropped"] += len(self._waiting)
        self._waiting.clear()
        self._stopWatching()

    def _full(self) -> None:
        self.counts["full"] += 1
        if self.inSync and self._link is not None:
            self._link.cut(Refusal.TOO_SLOW, "too many sends wait")
        else:
            self.look()

    def _roleChanged(self) -> None:
        self.peerLost()
        if self._link is not None:
            self._link.roleChanged()

    # Patience.

    def _watch(self, seconds: float) -> None:
        self._stopWatching()
        self._timer = self.clock.callLater(seconds, self._impatient)

    def _stopWatching(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()

    def _impatient(self) -> None:
        self._timer = None
        if not self._waiting or not self.inSync:
            return
        left = self._waiting[0][1] + self.limits.patience - self.clock.seconds()
        if left > 0:
            self._watch(left)
        elif self._link is not None:
            self.counts["impatient"] += 1
            self._link.cut(
                Refusal.TOO_SLOW, f"no acknowledgement for {self.limits.patience} s"
            )
