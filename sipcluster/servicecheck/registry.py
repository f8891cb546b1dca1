"""
Who is in service, and who is primary: what all probes of one process found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from sipcluster.servicecheck.checked import Change, Checked
from sipcluster.servicecheck.iservicecheck import (
    IAsker,
    IPrimaryObserver,
    IServiceObserver,
    IServiceRegistry,
    Member,
    PeerRole,
    ProbeTimes,
)
from sipcluster.servicecheck.probe import IProbeOwner, peerProbe

log = Logger()

#: Numbers in the log: who serves under the name of a pair, that nobody does, and a
#: member that says so and is not believed.
NEW_PRIMARY, NO_PRIMARY, STALE = "00-53301", "00-53302", "00-53303"


@implementer(IServiceRegistry, IProbeOwner)
class ServiceRegistry:
    """
    Keeps the probes of all peers and what they found.

    @ivar times: how often peers are asked; may be set while running, and holds
        from each peer's next question on.
    @ivar refused: how often a member was not believed that it is primary.
    """

    def __init__(
        self,
        clock: IReactorTime,
        asker: IAsker,
        members: Iterable[Member],
        times: ProbeTimes,
        chance: Callable[[], float],
        wallTime: Callable[[], float],
    ) -> None:
        """
        @param chance: uniform in [0, 1).
        @param wallTime: seconds since 1970, for the history.
        """
        self.times = times
        self._wallTime = wallTime
        self._checked: dict[str, Checked] = {}
        self._members: dict[str, list[Checked]] = {}
        self._epochs: dict[str, int] = {}
        self._observers: list[IServiceObserver] = []
        self._primaryObservers: list[IPrimaryObserver] = []
        self._primaries: dict[str, Member] = {}
        self.refused = 0
        self._unasked = False
        self._pairs: tuple[str, ...] = ()
        for member in members:
            checked = Checked(member)
            checked.probe = peerProbe(
                member, asker, self, clock, lambda: self.times, chance
            )
            self._checked[member.name] = checked
            self._members.setdefault(member.pair, []).append(checked)
        self._find()

    def start(self) -> None:
        """
        Ask every peer, and again and again from now on.
        """
        for checked in self._checked.values():
            if checked.probe is not None:
                checked.probe.start()

    def stop(self) -> None:
        """
        Ask no more.  What was found last stays.
        """
        for checked in self._checked.values():
            probe, checked.probe = checked.probe, None
            if probe is not None:
                probe.stop()

    # What others ask

    def primary(self, pair: str) -> Member | None:
        """
        See L{IServiceRegistry}.
        """
        return self._primaries.get(pair)

    def pairs(self) -> Sequence[str]:
        """
        See L{IServiceRegistry}.
        """
        return self._pairs

    def memberFailed(self, name: str, why: str) -> None:
        """
        See L{IServiceRegistry}.
        """
        checked = self._checked.get(name)
        if checked is not None and checked.probe is not None:
            checked.probe.reported(why)

    def observe(self, observer: IServiceObserver) -> None:
        """
        See L{IServiceRegistry}.
        """
        self._observers.append(observer)

    def observePrimaries(self, observer: IPrimaryObserver) -> None:
        """
        See L{IServiceRegistry}.
        """
        self._primaryObservers.append(observer)

    def hasStandby(self, pair: str) -> bool:
        """
        See L{IServiceRegistry}.
        """
        return len(self._members.get(pair, ())) > 1

    def told(self, name: str, role: PeerRole) -> bool:
        """
        See L{IServiceRegistry}.
        """
        checked = self._checked.get(name)
        if checked is None:
            return False
        pair = checked.member.pair
        if role.pair not in ("", pair) or (
            role.primary and role.epoch < self.epoch(pair)
        ):
            self.refused += 1
            log.error(
                "{number}: {member} is not believed to be primary of {pair} in epoch"
                " {epoch}: the highest is {highest}",
                number=STALE,
                member=name,
                pair=role.pair or pair,
                epoch=role.epoch,
                highest=self.epoch(pair),
            )
            return False
        if checked.before is not None and role == checked.role:
            return True  # it is being asked
        before = self.epoch(pair)
        self._unasked = True
        try:
            if checked.probe is not None:
                checked.probe.said(role)
            if checked.role != role or not checked.spoke:
                # It is not being asked yet, or not any more.
                self._learn(checked, role)
                self._refresh()
        finally:
            self._unasked = False
        if role.primary and role.epoch > before:
            # Whoever can send with its address can say this, and no primary in a
            # lower epoch would ever be believed again.
            if checked.before is None:
                checked.before = before
            if checked.probe is not None:
                checked.probe.doubted()
        return True

    def _proved(self, checked: Checked, role: PeerRole) -> None:
        """
        It has answered: nobody who has been primary knows of lower epochs only.
        """
        before, checked.before = checked.before, None
        claimed = checked.role.epoch
        if before is None or role.epoch >= claimed:
            return
        pair = checked.member.pair
        self.refused += 1
        log.error(
            "{number}: somebody has said for {member} that it is primary of {pair} in"
            " epoch {epoch}; it says that the highest is {highest}",
            number=STALE,
            member=checked.member.name,
            pair=pair,
            epoch=claimed,
            highest=role.epoch,
        )
        if self.epoch(pair) == claimed:
            self._epochs[pair] = before

    def epoch(self, pair: str) -> int:
        """
        See L{IServiceRegistry}.
        """
        return self._epochs.get(pair, 0)

    def superseded(self, name: str) -> bool:
        """
        See L{IServiceRegistry}.
        """
        checked = self._checked.get(name)
        return (
            checked is not None
            and checked.role.primary
            and checked.role.epoch < self.epoch(checked.member.pair)
        )

    def roleOf(self, name: str) -> PeerRole | None:
        """
        See L{IServiceRegistry}.
        """
        checked = self._checked.get(name)
        return checked.role if checked is not None and checked.spoke else None

    def doubt(self, name: str) -> None:
        """
        See L{IServiceRegistry}.
        """
        checked = self._checked.get(name)
        if checked is not None and checked.probe is not None:
            checked.probe.doubted()

    def inService(self, name: str) -> bool:
        """
        Whether a member is known to serve.
        """
        checked = self._checked.get(name)
        return checked is not None and checked.inService is True

    def status(self) -> dict[str, object]:
        """
        What is known of each peer, for people.
        """
        return {
            "worstDetection": self.times.worstDetection,
            "peers": {
                name: {
                    "state": _STATES[checked.inService],
                    "pair": checked.member.pair,
                    "role": "primary" if checked.role.primary else "backup",
                    "epoch": checked.role.epoch,
                    "history": [
                        {
                            "at": change.at,
                            "state": _STATES[change.inService],
                            "why": change.why,
                        }
                        for change in checked.history
                    ],
                }
                for name, checked in self._checked.items()
            },
        }

    def states(self) -> dict[str, str]:
        """
        Each peer's state in two words.
        """
        return {name: _STATES[c.inService] for name, c in self._checked.items()}

    # What the probes tell

    def entered(self, member: Member, role: PeerRole) -> None:
        """
        See L{IProbeOwner}.
        """
        checked = self._checked[member.name]
        if not self._unasked:
            self._proved(checked, role)
        checked.inService = True
        checked.history.append(Change(self._wallTime(), True, "answers"))
        log.info("{member} is in service", member=member.name, epoch=role.epoch)
        self._learn(checked, role)
        changed = self._find()
        for observer in self._observers:
            observer.memberInService(member)
        self._tell(changed)

    def left(self, member: Member, why: str) -> None:
        """
        See L{IProbeOwner}.
        """
        checked = self._checked[member.name]
        checked.inService = False
        checked.history.append(Change(self._wallTime(), False, why))
        log.error("{member} is out of service: {why}", member=member.name, why=why)
        changed = self._find()
        for observer in self._observers:
            observer.memberOutOfService(member, why)
        self._tell(changed)

    def heard(self, member: Member, role: PeerRole) -> None:
        """
        See L{IProbeOwner}.
        """
        checked = self._checked[member.name]
        if not self._unasked:
            self._proved(checked, role)
        if checked.role != role:
            log.info(
                "{member} is {role} of {pair}, epoch {epoch}",
                member=member.name,
                role="primary" if role.primary else "backup",
                pair=member.pair,
                epoch=role.epoch,
            )
            self._learn(checked, role)
            self._refresh()

    def _learn(self, checked: Checked, role: PeerRole) -> None:
        checked.role = role
        checked.spoke = True
        pair = checked.member.pair
        if role.primary and role.epoch > self._epochs.get(pair, 0):
            self._epochs[pair] = role.epoch

    def _refresh(self) -> None:
        """
        Find the primaries again, and tell who is another one now.
        """
        self._tell(self._find())

    def _tell(self, changed: list[str]) -> None:
        for pair in changed:
            member = self._primaries.get(pair)
            if self.hasStandby(pair):
                if member is None:
                    log.error(
                        "{number}: {pair}: no primary", number=NO_PRIMARY, pair=pair
                    )
                elif self._checked[member.name].spoke:  # else it is only tried
                    log.info(
                        "{number}: {pair}: {member} is primary, epoch {epoch}",
                        number=NEW_PRIMARY,
                        pair=pair,
                        member=member.name,
                        epoch=self.epoch(pair),
                    )
            for observer in self._primaryObservers:
                observer.primaryChanged(pair, member)

    def _find(self) -> list[str]:
        """
        Find the primaries, so that a call need only look one up.

        @return: the pairs that have another one now, or none any more.
        """
        before = self._primaries
        self._primaries = {}
        for pair, members in self._members.items():
            # One that woke up with an epoch behind the highest seen was
            # replaced while it slept, and does not know it yet.
            serving = [
                checked
                for checked in members
                if checked.inService
                and checked.role.primary
                and checked.role.epoch >= self._epochs.get(pair, 0)
            ]
            if not serving:
                serving = [
                    checked
                    for checked in members
                    if checked.inService is None and checked.role.primary
                ]
            if serving:
                best = max(serving, key=lambda checked: checked.role.epoch)
                self._primaries[pair] = best.member
        known = tuple(
            pair
            for pair in self._primaries
            if any(checked.inService for checked in self._members[pair])
        )
        self._pairs = known or tuple(self._primaries)
        after = self._primaries
        return [pair for pair in self._members if before.get(pair) != after.get(pair)]


_STATES = {None: "unknown", True: "in service", False: "out of service"}
