"""
The other member of a pair, as this one knows it: what it says of itself over the
link, and what the two have promised each other.

It joins what decides the role (L{PairMember}) with what is kept (L{Journal}): each
asks it about the other member.
"""

from __future__ import annotations

from collections.abc import Callable

from attrs import define, field
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from zope.interface import implementer

from sipcluster.ha.fitness import Fitness
from sipcluster.ha.iha import IPartner
from sipcluster.ha.ireplica import IAlone
from sipcluster.ha.journal import Journal
from sipcluster.ha.lease import believable
from sipcluster.ha.member import PairMember
from sipcluster.ha.wire import (
    ALONE,
    NO_PROMISE,
    PROMISED,
    Ask,
    Message,
    Promise,
    Role,
    State,
)

log = Logger()

#: Questions that may still be answered.
ASKS = 64

_SERIALS = 1 << 32

#: Seconds for which a new primary waits for the other member to have everything, when
#: that has had everything of the one before: after a switchover.
CATCH_UP = 0.5


@implementer(IPartner, IAlone)
@define(eq=False)
class Companion:
    """
    The other member.

    To be made first, given to the L{Journal} and to the L{PairMember}, and then
    joined with both::

        companion = Companion("node1b")
        journal = Journal(clock, companion, None, companion.fenced, companion.serving)
        member = PairMember(..., partner=companion)
        companion.join(member, journal, Fitness(member))
        links = Links(journal, identity, companion)

    @ivar name: the other member's.
    @ivar state: what it has said of itself last; L{None}: there is no link.
    @ivar said: what it was told last.
    """

    name: str
    state: State | None = None
    said: State | None = None
    _member: PairMember | None = None
    _journal: Journal | None = None
    _fitness: Fitness | None = None
    _send: Callable[[Message], object] | None = None
    _serial: int = 0
    _asks: dict[int, tuple[int, float]] = field(factory=dict)
    _alone: bool = False
    _relies: bool = False
    _denied: bool = False
    #: Epoch in which the other member is waited for, since when, and for how long.
    _catching: tuple[int, float] | None = None
    _enough: IDelayedCall | None = None

    def join(self, member: PairMember, journal: Journal, fitness: Fitness) -> None:
        """
        Say whose companion it is.
        """
        self._member, self._journal, self._fitness = member, journal, fitness
        fitness.changed = self.changed

    def follow(self, journal: Journal) -> None:
        """
        Say only what a journal knows: nothing here decides the role.
        """
        self._journal = journal

    @property
    def member(self) -> PairMember:
        """
        Whose companion it is.
        """
        assert self._member is not None
        return self._member

    @property
    def journal(self) -> Journal:
        """
        Its journal.
        """
        assert self._journal is not None
        return self._journal

    # What the role asks.

    def promises(self) -> bool:
        """
        See L{IPartner}.
        """
        return True

    def askPromise(self, epoch: int, seconds: float) -> None:
        """
        See L{IPartner}.
        """
        if self._send is None:
            return
        self._serial = (self._serial + 1) % _SERIALS
        if len(self._asks) >= ASKS:
            del self._asks[next(iter(self._asks))]
        self._asks[self._serial] = epoch, self.member.clock.seconds()
        self._send(Ask(self._serial, epoch, int(seconds * 1000)))

    def mayAsk(self) -> bool:
        """
        See L{IPartner}.
        """
        state = self.state
        if state is None or self.journal.whole:
            return True
        return not (state.able and state.heldEpoch)

    def confirmed(self) -> None:
        """
        See L{IPartner}.
        """
        self._relies = self._denied = False
        self.journal.look()

    def changed(self) -> None:
        """
        See L{IPartner}: whatever this member says of itself may have changed.
        """
        send = self._send
        if send is None:
            return
        now = self.saying()
        before = self.said
        if before is None or _news(now) != _news(before):
            self.said = now
            send(now)

    # What the journal asks.

    def alone(self) -> bool:
        """
        See L{IAlone}: when the arbiter has said so after the other member was lost.
        """
        member = self._member
        if member is None or self._catchesUp():
            return False
        alone = member.confirm(self.journal.lostAt)
        if alone and not self._alone and self._send is None:
            log.warn(
                "{number}: {member} serves without {other}",
                number=ALONE,
                member=self.member.name,
                other=self.name,
            )
        self._alone = alone
        return alone

    def _catchesUp(self) -> bool:
        """
        Whether the other member, which could take over with what it has, is about to
        have the rest: not for long.
        """
        state, journal = self.state, self.journal
        if state is None or not state.heldEpoch:
            return False
        clock = journal.clock
        if self._catching is None or self._catching[0] != journal.epoch:
            self._stopCatching()
            self._catching = journal.epoch, clock.seconds()
            self._enough = clock.callLater(CATCH_UP, self._waitedEnough)
        return clock.seconds() - self._catching[1] < CATCH_UP

    def _waitedEnough(self) -> None:
        # Its silence is no better than the loss of the link.
        self._enough = None
        self.journal.lostAt = self.journal.clock.seconds()
        self.journal.look()

    def _stopCatching(self) -> None:
        self._catching = None
        enough, self._enough = self._enough, None
        if enough is not None:
            enough.cancel()

    def believes(self, epoch: int) -> bool:
        """
        Whether there may be an epoch that somebody knows of.
        """
        known = self.journal.epoch
        if self._member is not None:
            known = max(known, self._member.highest)
        return believable(epoch, known)

    def serving(self) -> bool:
        """
        Whether what leaves this member may leave.
        """
        return self._member is not None and self._member.fence.open

    def fenced(self, epoch: int) -> None:
        """
        The other member, or a SIP Proxy, knows of a newer epoch than ours.
        """
        if self._member is not None and self.believes(epoch):
            self._member.peerClaims(epoch, self.name)

    # What the link says.

    def linked(self, send: Callable[[Message], object]) -> None:
        """
        There is a link; the one before it, if any, has ended.
        """
        self.unlinked(self._send)
        self._send = send

    def saying(self) -> State:
        """
        What this member says of itself.
        """
        journal = self.journal
        replica = journal.replica
        fitness = self._fitness
        closed = self._member is not None and not self.serving()
        return State(
            Role.PRIMARY if journal.primary else Role.BACKUP,
            journal.epoch,
            replica.epoch,
            replica.position,
            int(replica.whole and (fitness is None or fitness.able)),
            int(closed),
        )

    def heard(self, state: State) -> None:
        """
        What the other member says of itself.
        """
        self.state = state
        if self._member is None:
            return
        if state.role == Role.PRIMARY:
            self.member.peerClaims(state.epoch, self.name)
        else:
            self.member.peerEpoch(state.epoch)
            if state.closed:
                self.member.peerClosed()
        if self._fitness is not None:
            self._fitness.peer(bool(state.able))

    def asked(self, ask: Ask) -> None:
        """
        The other member asks this one to take no grant.
        """
        given = 0.0
        if self._member is not None:
            given = self._member.promise(ask.epoch, ask.milliseconds / 1000)
        if self._send is not None:
            self._send(Promise(ask.serial, ask.epoch, int(given * 1000)))

    def promised(self, promise: Promise) -> None:
        """
        The other member has answered.
        """
        epoch, asked = self._asks.pop(promise.serial, (0, 0.0))
        if epoch != promise.epoch:
            return
        member = self.member
        if promise.milliseconds:
            if not self._relies:
                self._relies = True
                log.warn(
                    "{number}: {member} goes on as primary by the promise of {other}",
                    number=PROMISED,
                    member=member.name,
                    other=self.name,
                    epoch=epoch,
                )
            member.promised(epoch, asked, promise.milliseconds / 1000)
        elif not self._denied:
            self._denied = True
            log.error(
                "{number}: {other} promises nothing",
                number=NO_PROMISE,
                member=member.name,
                other=self.name,
                epoch=epoch,
            )

    def unlinked(self, send: Callable[[Message], object] | None) -> None:
        """
        A link has ended; not when there is a newer one.
        """
        if send is None or send != self._send:
            return
        self._send = self.state = self.said = None
        self._asks.clear()
        self._stopCatching()
        if self._fitness is not None:
            self._fitness.peer(False)
        if self.serving():
            self.alone()  # asks the arbiter before anything has to wait for it
            self.journal.look()
        elif self._member is not None:
            self._member.role.askDue()  # it may have been left to the other one


def _news(state: State) -> tuple[int, ...]:
    """
    What is worth telling again.
    """
    return (
        state.role,
        state.epoch,
        int(state.heldEpoch != 0),
        state.able,
        state.closed,
    )
