"""
What one member of a pair asks the arbiter, and what it makes of the answers.
"""

from __future__ import annotations

from collections.abc import Callable

from attrs import define, field
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from sipcluster.ha.iha import (
    ALONE,
    Granted,
    IArbiter,
    IFollowing,
    IPartner,
    IRoleObserver,
    Refused,
    Verdict,
)
from sipcluster.ha.lease import CLOSED, LAST_EPOCH, Fence, LeaseTimes
from sipcluster.ha.question import Question
from sipcluster.ha.role import Role

log = Logger()

#: Numbers in the log.
AWAY, BACK, UNUSED, NOT_GIVEN_BACK = "00-53134", "00-53135", "00-53136", "00-53139"


@define(eq=False)
class Asking:
    """
    One member's way to the arbiter.

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
                    "{number}: {pair}: epoch {epoch} runs out, not given back: {why}",
                    number=NOT_GIVEN_BACK,
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
                "{number}: arbiter of {pair} away: {why}",
                number=AWAY,
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
            log.info(
                "{number}: arbiter of {pair} is back",
                number=BACK,
                pair=self.pair,
                member=self.name,
            )
            self.away = ""

    def _acquired(self, asked: float, verdict: Verdict) -> None:
        self._back()
        if not isinstance(verdict, Granted):
            self.role.leaseRefused(verdict)
            return
        until = asked + self.times.usable(verdict.seconds)
        why = ""
        if not self.highest < verdict.epoch <= LAST_EPOCH:
            why = f"epoch {verdict.epoch} is not above {self.highest}, or none"
        elif until <= self.clock.seconds():
            why = f"a lease of {verdict.seconds:g} s is over when it comes"
        if why:
            log.error(
                "{number}: {pair}: the arbiter's grant is not used: {why}",
                number=UNUSED,
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
                "{number}: {pair}: epoch {epoch} was to be renewed, {other} is granted",
                number=UNUSED,
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
