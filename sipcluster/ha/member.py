"""
One member of a pair: its fence, its lease, what it asks the arbiter.
"""

from __future__ import annotations

from collections.abc import Callable

from attrs import define, field
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from sipcluster.ha.iha import (
    ALONE,
    Granted,
    IArbiter,
    IFitness,
    IFollowing,
    IPartner,
    IRoleObserver,
    Refused,
    Verdict,
)
from sipcluster.ha.lease import CLOSED, Fence, LeaseTimes, RoleFields
from sipcluster.ha.question import Question
from sipcluster.ha.role import Role, _machine

log = Logger()


@implementer(IFitness)
@define(eq=False)
class PairMember:
    """
    One member of a pair: its role, its fence, its way to the arbiter.

    It begins as backup, and nothing but the arbiter makes it primary.

    @ivar name: of the member; its peer has another.
    @ivar clock: must be monotonic: a lease measured on a wall clock ends when
        someone sets the time.
    @ivar fence: ask C{member.fence.open} whenever something leaves that only a
        primary may send; the fence of an earlier hold stays closed.
    @ivar highest: the highest epoch this member has seen.
    @ivar doubtful: both members have been primary at a time: the arbiter is none.
    @ivar away: why the arbiter cannot be reached; empty while it answers.
    @ivar preferred: whether it asks first when both members start.
    @ivar partner: the way to the other member.
    @ivar confirmed: when the last question was asked that the arbiter has answered
        with a grant.
    """

    name: str
    pair: str
    arbiter: IArbiter
    observer: IRoleObserver
    clock: IReactorTime
    times: LeaseTimes = field(factory=LeaseTimes)
    highest: int = 0
    away: str = ""
    doubtful: bool = False
    preferred: bool = True
    partner: IPartner = ALONE
    confirmed: float = field(default=CLOSED, init=False)
    fence: Fence = field(init=False)
    role: Role = field(init=False)
    _question: Question | None = field(default=None, init=False)
    _timers: dict[str, IDelayedCall] = field(factory=dict, init=False)
    _following: IFollowing | None = field(default=None, init=False)
    _quietUntil: float = field(default=CLOSED, init=False)
    #: Until when the other member may count on our taking no grant.
    _promised: float = field(default=CLOSED, init=False)
    #: Until when we may count on the other member's taking none.
    _relied: float = field(default=CLOSED, init=False)
    _confirming: float = field(default=CLOSED, init=False)
    _releasing: Deferred[None] | None = field(default=None, init=False)

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

    def confirm(self, since: float) -> bool:
        """
        Whether the arbiter has said that this member is primary, asked after some
        time; if not, it is asked at once, and the partner is told when it has.
        """
        if not self.fence.open:
            return False
        if self.confirmed >= since:
            return True
        if self._confirming < since:
            self._confirming = since
            self.role.askDue()
        return False

    @property
    def fields(self) -> RoleFields:
        """
        What this member says of itself in OPTIONS, at this moment.
        """
        serves = self.fence.open
        epoch = self.fence.epoch if serves else self.highest
        return RoleFields(serves, epoch, self.pair)

    # What the machine calls

    def later(self, name: str, seconds: float, call: Callable[[], None]) -> None:
        """
        Start a timer, in place of one of the same name.
        """
        self.never(name)

        def due() -> None:
            del self._timers[name]
            call()

        self._timers[name] = self.clock.callLater(max(0.0, seconds), due)

    def never(self, *names: str) -> None:
        """
        Stop timers.
        """
        for name in names:
            timer = self._timers.pop(name, None)
            if timer is not None:
                timer.cancel()

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

    def acquire(self) -> None:
        """
        Ask for the role, unless it is being asked for, or left to the other.
        """
        quiet = max(self._quietUntil, self._promised) - self.clock.seconds()
        if self._question is not None:
            return
        if quiet > 0:
            self.later("ask", quiet, self.role.askDue)
            return
        if not self.partner.mayAsk():
            self.later("ask", self.times.askAfter, self.role.askDue)
            return
        self.never("ask")
        self._ask(self.arbiter.acquire, self.highest, self._acquired)

    def renew(self) -> None:
        """
        Ask to go on, unless that is being asked, or too late.
        """
        if not self.fence.open:
            self.role.leaseExpired()
        elif self._question is None:
            relies = self._relied > self.clock.seconds()
            ask = self.arbiter.reclaim if relies else self.arbiter.renew
            self._ask(ask, self.fence.epoch, self._renewed)

    def _ask(
        self,
        ask: Callable[[int], Deferred[Verdict]],
        epoch: int,
        answered: Callable[[float, Verdict], None],
    ) -> None:
        question = Question(self.clock.seconds(), answered, self._failed)
        self._question = question
        question.timer = self.clock.callLater(self.times.patience, question.late)
        question.put(ask, epoch)

    def _failed(self, why: str) -> None:
        self._question = None
        if not self.away:
            log.error(
                "arbiter of {pair} away: {why}",
                pair=self.pair,
                member=self.name,
                why=why,
            )
        self.away = why
        self.role.arbiterAway(why)

    def askPromise(self) -> None:
        """
        Without the arbiter the word of the other member is enough.
        """
        if self.fence.open:
            self.partner.askPromise(self.fence.epoch, self.times.ttl)

    def _back(self) -> None:
        self._question = None
        if self.away:
            log.info("arbiter of {pair} is back", pair=self.pair, member=self.name)
            self.away = ""

    def _acquired(self, asked: float, verdict: Verdict) -> None:
        self._back()
        if not isinstance(verdict, Granted):
            self.role.leaseRefused(verdict)
            return
        until = asked + self.times.usable(verdict.seconds)
        why = ""
        if verdict.epoch <= self.highest:
            why = f"epoch {verdict.epoch} is not above {self.highest}"
        elif until <= self.clock.seconds():
            why = f"a lease of {verdict.seconds:g} s is over when it comes"
        if why:
            log.error(
                "{pair}: the arbiter's grant is not used: {why}",
                pair=self.pair,
                member=self.name,
                why=why,
            )
            self.release(verdict.epoch)
            self.role.leaseRefused(Refused())
        else:
            self.confirmed = asked
            self.role.leaseGranted(verdict.epoch, until)

    def _renewed(self, asked: float, verdict: Verdict) -> None:
        if isinstance(verdict, Refused) and self._relied > self.clock.seconds():
            # A grant that the other member has asked for before it promised, and
            # does not use; it runs out.
            holder = verdict.holder or "nobody"
            self._failed(f"says that {holder} is primary, epoch {verdict.epoch}")
            return
        self._back()
        if isinstance(verdict, Granted) and verdict.epoch != self.fence.epoch:
            log.error(
                "{pair}: asked to renew epoch {epoch}, the arbiter granted {other}",
                pair=self.pair,
                member=self.name,
                epoch=self.fence.epoch,
                other=verdict.epoch,
            )
            self.release(verdict.epoch)
            verdict = Refused()
        if isinstance(verdict, Granted):
            until = asked + self.times.usable(verdict.seconds)
            self.confirmed = max(self.confirmed, asked)
            self.role.leaseGranted(verdict.epoch, until)
            self._confirmed()
        else:
            self.role.leaseRefused(verdict)

    def _confirmed(self) -> None:
        if self._confirming > self.confirmed:
            self.role.askDue()  # what was asked before does not count
        elif self.fence.open:
            self.partner.confirmed()

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

    def giveUp(self) -> None:
        """
        Forget what the arbiter is being asked, and the next time to ask.
        """
        self.never("ask")
        question, self._question = self._question, None
        if question is not None:
            question.giveUp()

    def release(self, epoch: int) -> None:
        """
        Give a hold back; if the arbiter cannot be told, its lease runs out.
        """
        done: Deferred[None] = Deferred()
        self._releasing = done
        released = maybeDeferred(self.arbiter.release, epoch)
        timer = self.clock.callLater(self.times.patience, released.cancel)

        def ended(failure: Failure | None) -> None:
            if timer.active():
                timer.cancel()
            if failure is not None:
                log.warn(
                    "{pair}: epoch {epoch} not given back, it runs out: {why}",
                    pair=self.pair,
                    member=self.name,
                    epoch=epoch,
                    why=failure.getErrorMessage(),
                )
            if self._releasing is done:
                self._releasing = None
            done.callback(None)

        released.addBoth(ended)
        released.addErrback(lambda f: log.failure("giving the role back", f))

    def quiet(self, seconds: float) -> None:
        """
        Leave the role to the other member for a while.
        """
        self._quietUntil = max(self._quietUntil, self.clock.seconds() + seconds)

    def end(self) -> None:
        """
        Hear nothing more of the arbiter.
        """
        self.giveUp()
        self.never("expire", "handover")
        if self._following is not None:
            self._following.stop()
