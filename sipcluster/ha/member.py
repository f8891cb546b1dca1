"""
One member of a pair: its fence, its lease, what it asks the arbiter.
"""

from __future__ import annotations

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from zope.interface import implementer

from sipcluster.ha.asking import Asking
from sipcluster.ha.iha import IFitness
from sipcluster.ha.lease import CLOSED, Fence, RoleFields
from sipcluster.ha.role import _machine

log = Logger()


@implementer(IFitness)
@define(eq=False)
class PairMember(Asking):
    """
    One member of a pair: its role, its fence, its way to the arbiter.

    It begins as backup, and nothing but the arbiter makes it primary.
    """

    #: The role was given back while the arbiter was being asked for it.
    _freedMeanwhile: bool = field(default=False, init=False)

    def __attrs_post_init__(self) -> None:
        self.fence = Fence(0, CLOSED, self.clock.seconds)
        self.role = _machine(self)

    # What others call

    def start(self) -> None:
        """
        Take part.
        """
        self.role.start()

    def stop(self) -> Deferred[None]:
        """
        Take part no more; a primary gives its role back.

        @return: fires when the arbiter has it back, or it cannot be told so in
            the time that it is given.
        """
        self.role.stop()
        result: Deferred[None] = Deferred()
        if self._releasing is None:
            result.callback(None)
        else:
            self._releasing.chainDeferred(result)
        return result

    def switchover(self) -> bool:
        """
        Give the role to the other member, in order.

        @return: whether this member is primary, and begins to.
        """
        if self.fence.open and not self.away:
            self.role.switchover()
            return True
        why = self.away or "it is not primary"
        log.warn("no switchover from {member}: {why}", member=self.name, why=why)
        return False

    def handedOver(self) -> None:
        """
        The other member has all that it needs.
        """
        if self.away:  # it could not be told, and nobody would serve
            self.role.handoverFailed(f"arbiter away: {self.away}")
        else:
            self.role.handedOver()

    def peerClaims(self, epoch: int, name: str) -> None:
        """
        The other member says that it is primary.

        If this one is too, the one with the lower epoch stops, of two with the
        same the one whose name comes later.
        """
        if self.fence.open:
            own = self.fence.epoch
            if epoch < own or (epoch == own and name >= self.name):
                log.warn(
                    "{peer} says that it is primary of {pair}, epoch {other}",
                    peer=name,
                    pair=self.pair,
                    member=self.name,
                    epoch=own,
                    other=epoch,
                )
                return
        elif epoch < self.highest:
            return  # it does not know yet that its time is over
        else:
            # Of one that was frozen, the end may not have been noticed yet.
            self.role.leaseExpired()
        self.role.peerServes(epoch, name)

    def peerEpoch(self, epoch: int) -> None:
        """
        The other member knows this epoch: what it asks for is above it.
        """
        self.highest = max(self.highest, epoch)

    def unfit(self, why: str) -> None:
        """
        This member cannot serve.
        """
        self.role.unfit(why)

    def fit(self) -> None:
        """
        This member can serve again.
        """
        self.role.fit()

    # What the other member and this one promise each other

    def promise(self, epoch: int, seconds: float) -> float:
        """
        The other member wants to go on as primary while the arbiter is away: this
        one is to take no grant.

        @param epoch: in which it serves.
        @param seconds: for which it asks.

        @return: for how many seconds of this member's clock it takes none, from
            now on; 0: it promises nothing.
        """
        if self.fence.open or epoch < self.highest:
            return 0.0
        self.highest = epoch
        given = min(seconds, self.times.ttl)
        if not given > 0:  # or not a number
            return 0.0
        self.giveUp()  # a grant that is on its way is not taken
        self._promised = max(self._promised, self.clock.seconds() + given)
        self.role.askDue()
        return given

    def peerClosed(self) -> None:
        """
        The other member says that it counts on no promise.
        """
        if self._promised > self.clock.seconds():
            self._promised = CLOSED
            self.role.askDue()

    def promised(self, epoch: int, asked: float, seconds: float) -> None:
        """
        The other member takes no grant.

        @param epoch: of the hold for which it was asked.
        @param asked: when, in seconds of this member's clock.
        @param seconds: of the other member's clock, from some time after that.
        """
        until = asked + self.times.usable(seconds)
        if epoch != self.fence.epoch or not self.fence.open:
            return
        if until > self.clock.seconds():
            self._relied = max(self._relied, until)
            self.role.promiseGiven(until)

    @property
    def fields(self) -> RoleFields:
        """
        What this member says of itself in OPTIONS, at this moment.
        """
        serves = self.fence.open
        epoch = self.fence.epoch if serves else self.highest
        return RoleFields(serves, epoch, self.pair)

    # What the machine calls

    def follow(self) -> None:
        """
        Hear when the role becomes free.

        Whoever may promise something may have done so in the process before this
        one: what it has promised is over after C{ttl}.
        """
        now = self.clock.seconds()
        if self.partner.promises():
            self._promised = now + self.times.ttl
        if not self.preferred:
            self.quiet(self.times.askAfter)
        self._following = self.arbiter.follow(self.role.vacant)

    def serve(self, epoch: int, until: float) -> None:
        """
        Be primary.
        """
        self.highest = epoch
        self.fence = Fence(epoch, until, self.clock.seconds)
        log.info(
            "{member} is primary of {pair}, epoch {epoch}",
            member=self.name,
            pair=self.pair,
            epoch=epoch,
        )
        self._count()
        with log.failuresHandled("becoming primary"):
            self.observer.becamePrimary(self.fence)

    def extend(self, until: float) -> None:
        """
        Go on being primary.
        """
        if self.fence.extend(until):
            self._count()
        else:
            self.role.leaseExpired()

    def _count(self) -> None:
        now = self.clock.seconds()
        left = self.fence.validUntil - now
        self.later("expire", left, self.role.leaseExpired)
        self.later("ask", min(self.times.renewAfter, left / 2), self.role.askDue)

    def cease(self, why: str, release: bool = True) -> None:
        """
        Be primary no more.

        @param release: give the role back, rather than let the lease run out.
        """
        self.giveUp()
        self.never("expire", "handover")
        epoch = self.fence.epoch
        self.fence.close()
        log.warn(
            "{member} of {pair} is primary no more, epoch {epoch}: {why}",
            member=self.name,
            pair=self.pair,
            epoch=epoch,
            why=why,
        )
        with log.failuresHandled("becoming backup"):
            self.observer.becameBackup(why)
        self._relied = CLOSED
        self.partner.changed()
        if release:
            self.release(epoch)

    def quiet(self, seconds: float) -> None:
        """
        Leave the role to the other member for a while.
        """
        self._quietUntil = max(self._quietUntil, self.clock.seconds() + seconds)

    def freed(self) -> None:
        """
        The role may be free: ask for it.  What is being asked already may have been
        answered before.
        """
        self._freedMeanwhile = self._question is not None
        self.acquire()

    def untilAsked(self) -> float:
        """
        @return: seconds after a refusal until the next question.
        """
        freed, self._freedMeanwhile = self._freedMeanwhile, False
        return 0.0 if freed else self.times.askAfter

    def quietOver(self) -> None:
        """
        Ask again when there is a reason to.
        """
        self._quietUntil = CLOSED

    def end(self) -> None:
        """
        Hear nothing more of the arbiter.
        """
        self.giveUp()
        self.never("expire", "handover")
        if self._following is not None:
            self._following.stop()
