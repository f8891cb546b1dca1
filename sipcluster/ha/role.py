"""
The role of one member of a pair: the machine.

What its steps do is in L{PairMember<sipcluster.ha.member.PairMember>}.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from automat import TypeMachine, TypeMachineBuilder
from twisted.logger import Logger

from sipcluster.ha.iha import Refused

if TYPE_CHECKING:
    from sipcluster.ha.member import PairMember
else:
    PairMember = object  # what the machine works on: known to the type checker only

log = Logger()

#: Numbers in the log.
TWO_PRIMARIES, UNFIT = "00-53137", "00-53138"


class Role(Protocol):
    """
    What may happen to the role of a pair member.
    """

    def start(self) -> None:
        "Take part: ask the arbiter, again and again."

    def askDue(self) -> None:
        "It is time to ask the arbiter."

    def vacant(self) -> None:
        "The arbiter says that the role may be free."

    def leaseGranted(self, epoch: int, until: float) -> None:
        """
        The arbiter lets this member serve.

        @param until: when that ends, in seconds of the member's clock, margin and
            drift taken off; counted from when it was asked.
        """

    def leaseRefused(self, refusal: Refused) -> None:
        "The role is not this member's."

    def arbiterAway(self, why: str) -> None:
        "The arbiter gave no answer, or none that can be used."

    def promiseGiven(self, until: float) -> None:
        """
        The other member takes no grant.

        @param until: as for a lease.
        """

    def leaseExpired(self) -> None:
        "The lease ran out before it was renewed."

    def switchover(self) -> None:
        "Somebody wants the other member to serve."

    def handedOver(self) -> None:
        "The other member has all that it needs to serve."

    def handoverFailed(self, why: str) -> None:
        "The switchover takes too long, or the role cannot be given back."

    def peerServes(self, epoch: int, name: str) -> None:
        "The other member says that it is primary, and is to be believed."

    def unfit(self, why: str) -> None:
        "This member cannot serve: nothing reaches it, or a port is not open."

    def fit(self) -> None:
        "This member can serve again."

    def stop(self) -> None:
        "Take part no more."


def _build() -> TypeMachine[Role, PairMember]:
    m = TypeMachineBuilder(Role, PairMember)
    idle = m.state("Idle")
    backup = m.state("Backup")
    primary = m.state("Primary")
    handingOver = m.state("HandingOver")
    unfit = m.state("Unfit")
    stopped = m.state("Stopped")

    @idle.upon(Role.unfit).to(unfit)
    def beginUnfit(role: Role, s: PairMember, why: str) -> None:
        s.follow()
        log.error(
            "{number}: {member} cannot serve: {why}",
            number=UNFIT,
            member=s.name,
            why=why,
        )

    @idle.upon(Role.start).to(backup)
    def begin(role: Role, s: PairMember) -> None:
        s.follow()
        s.acquire()

    # A backup

    @backup.upon(Role.askDue).loop()
    def ask(role: Role, s: PairMember) -> None:
        s.acquire()

    @backup.upon(Role.vacant).loop()
    def askAtOnce(role: Role, s: PairMember) -> None:
        s.freed()

    @backup.upon(Role.leaseRefused).loop()
    def goOnAsBackup(role: Role, s: PairMember, refusal: Refused) -> None:
        s.highest = max(s.highest, refusal.epoch)
        s.later("ask", s.untilAsked(), role.askDue)

    @backup.upon(Role.arbiterAway).loop()
    def waitForArbiter(role: Role, s: PairMember, why: str) -> None:
        # Silence makes no primary, however long it lasts.
        s.later("ask", s.times.askAfter, role.askDue)

    @backup.upon(Role.leaseGranted).to(primary)
    def promote(role: Role, s: PairMember, epoch: int, until: float) -> None:
        s.serve(epoch, until)

    @backup.upon(Role.peerServes).loop()
    def leaveItToPeer(role: Role, s: PairMember, epoch: int, name: str) -> None:
        s.highest = max(s.highest, epoch)
        if s.doubtful:
            s.quiet(s.times.ttl)
        else:
            # It has what was left to it, and may leave it to this one again.
            s.quietOver()

    @backup.upon(Role.unfit).to(unfit)
    def beOutOfService(role: Role, s: PairMember, why: str) -> None:
        s.giveUp()
        log.error(
            "{number}: {member} cannot serve: {why}",
            number=UNFIT,
            member=s.name,
            why=why,
        )

    # A primary

    @primary.upon(Role.askDue).loop()
    @handingOver.upon(Role.askDue).loop()
    def renew(role: Role, s: PairMember) -> None:
        s.renew()

    @primary.upon(Role.leaseGranted).loop()
    @handingOver.upon(Role.leaseGranted).loop()
    def extend(role: Role, s: PairMember, epoch: int, until: float) -> None:
        s.extend(until)

    @primary.upon(Role.promiseGiven).loop()
    @handingOver.upon(Role.promiseGiven).loop()
    def extendByPromise(role: Role, s: PairMember, until: float) -> None:
        s.extend(until)

    @primary.upon(Role.arbiterAway).loop()
    @handingOver.upon(Role.arbiterAway).loop()
    def goOnForNow(role: Role, s: PairMember, why: str) -> None:
        s.later("ask", s.times.retryAfter, role.askDue)
        s.askPromise()

    @primary.upon(Role.leaseRefused).to(backup)
    @handingOver.upon(Role.leaseRefused).to(backup)
    def yieldRole(role: Role, s: PairMember, refusal: Refused) -> None:
        s.highest = max(s.highest, refusal.epoch)
        s.cease("the arbiter has given the role away", release=False)
        s.later("ask", s.times.askAfter, role.askDue)

    @primary.upon(Role.leaseExpired).to(backup)
    @handingOver.upon(Role.leaseExpired).to(backup)
    def demote(role: Role, s: PairMember) -> None:
        s.cease("its lease ran out")
        s.later("ask", s.times.retryAfter, role.askDue)

    @primary.upon(Role.switchover).to(handingOver)
    def handOver(role: Role, s: PairMember) -> None:
        log.info("{member} hands {pair} over", member=s.name, pair=s.pair)
        why = f"not handed over in {s.times.handover:g} s"
        s.later("handover", s.times.handover, lambda: role.handoverFailed(why))
        with log.failuresHandled("handing over"):
            s.observer.handingOver(s.fence.epoch)

    @handingOver.upon(Role.handedOver).to(backup)
    def giveRoleAway(role: Role, s: PairMember) -> None:
        s.quiet(s.times.handover)
        s.cease("switchover")
        s.acquire()

    @handingOver.upon(Role.handoverFailed).to(primary)
    def keepRole(role: Role, s: PairMember, why: str) -> None:
        s.never("handover")
        log.error("{member} stays primary: {why}", member=s.name, why=why)
        with log.failuresHandled("not handing over"):
            s.observer.handoverFailed(why)

    # The arbiter grants no epoch while another one runs: if the peer says that it
    # has one, this member is behind, or the arbiter is none, as with a lock file
    # that the members do not share.
    @primary.upon(Role.peerServes).to(backup)
    @handingOver.upon(Role.peerServes).to(backup)
    def defer(role: Role, s: PairMember, epoch: int, name: str) -> None:
        s.doubtful = True
        log.critical(
            "{number}: {member} and {peer} are both primary of {pair}, epochs {epoch}"
            " and {other}: {member} stops",
            number=TWO_PRIMARIES,
            member=s.name,
            peer=name,
            pair=s.pair,
            epoch=s.fence.epoch,
            other=epoch,
        )
        s.highest = max(s.highest, epoch)
        s.quiet(s.times.ttl)
        s.cease("the peer is primary", release=epoch != s.fence.epoch)
        s.acquire()

    @primary.upon(Role.unfit).to(unfit)
    @handingOver.upon(Role.unfit).to(unfit)
    def ceaseUnfit(role: Role, s: PairMember, why: str) -> None:
        log.error(
            "{number}: {member} cannot serve: {why}",
            number=UNFIT,
            member=s.name,
            why=why,
        )
        s.cease(why)

    @unfit.upon(Role.fit).to(backup)
    def beInService(role: Role, s: PairMember) -> None:
        log.info("{member} can serve again", member=s.name)
        s.acquire()

    # The end

    @idle.upon(Role.stop).to(stopped)
    @backup.upon(Role.stop).to(stopped)
    @unfit.upon(Role.stop).to(stopped)
    def end(role: Role, s: PairMember) -> None:
        s.end()

    @primary.upon(Role.stop).to(stopped)
    @handingOver.upon(Role.stop).to(stopped)
    def endAsPrimary(role: Role, s: PairMember) -> None:
        s.cease("it stops")
        s.end()

    # What has no meaning here, comes late, or comes again.
    for state in (idle, unfit, stopped):
        state.upon(Role.askDue).loop().returns(None)
        state.upon(Role.vacant).loop().returns(None)
        state.upon(Role.leaseGranted).loop().returns(None)
        state.upon(Role.leaseRefused).loop().returns(None)
        state.upon(Role.arbiterAway).loop().returns(None)
        state.upon(Role.peerServes).loop().returns(None)
    for state in (primary, handingOver):
        state.upon(Role.vacant).loop().returns(None)
    for state in (idle, backup, primary, unfit, stopped):
        state.upon(Role.handoverFailed).loop().returns(None)
    for state in (idle, backup, unfit, stopped):
        state.upon(Role.leaseExpired).loop().returns(None)
        state.upon(Role.promiseGiven).loop().returns(None)
        state.upon(Role.switchover).loop().returns(None)
    handingOver.upon(Role.switchover).loop().returns(None)
    for state in (idle, backup, primary, unfit, stopped):
        state.upon(Role.handedOver).loop().returns(None)
    for state in (idle, backup, primary, handingOver, stopped):
        state.upon(Role.fit).loop().returns(None)
    for state in (unfit, stopped):
        state.upon(Role.unfit).loop().returns(None)
    for state in (backup, primary, handingOver, unfit, stopped):
        state.upon(Role.start).loop().returns(None)
    stopped.upon(Role.stop).loop().returns(None)
    return m.build()


_machine = _build()
