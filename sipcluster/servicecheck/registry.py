"""
Who is in service, and who is primary: what all probes of one process found.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence

from attrs import define, field, frozen
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from sipcluster.servicecheck.iservicecheck import (
    IAsker,
    IServiceObserver,
    IServiceRegistry,
    Member,
    PeerRole,
    ProbeTimes,
)
from sipcluster.servicecheck.probe import IProbeOwner, Probe, peerProbe

log = Logger()

_ALONE = PeerRole()

#: How many changes of one peer are remembered.
HISTORY = 20


@frozen
class Change:
    """
    One change of one peer.

    @ivar at: seconds since 1970, for people.
    @ivar why: what was seen.
    """

    at: float
    inService: bool
    why: str


@define
class _Checked:
    member: Member
    probe: Probe | None = field(default=None, repr=False)
    inService: bool | None = None
    role: PeerRole = _ALONE
    history: deque[Change] = field(factory=lambda: deque(maxlen=HISTORY))


@implementer(IServiceRegistry, IProbeOwner)
class ServiceRegistry:
    """
    Keeps the probes of all peers and what they found.

    @ivar times: how often peers are asked; may be set while running, and holds
        from each peer's next question on.
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
        self._checked: dict[str, _Checked] = {}
        self._members: dict[str, list[_Checked]] = {}
        self._epochs: dict[str, int] = {}
        self._observers: list[IServiceObserver] = []
        self._primaries: dict[str, Member] = {}
        self._pairs: tuple[str, ...] = ()
        for member in members:
            checked = _Checked(member)
            checked.probe = peerProbe(
                member, asker, self, clock, lambda: self.times, chance
            )
            self._checked[member.name] = checked
            self._members.setdefault(member.pair, []).append(checked)
        self._refresh()

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
        checked.inService = True
        checked.history.append(Change(self._wallTime(), True, "answers"))
        log.info("{member} is in service", member=member.name, epoch=role.epoch)
        self._learn(checked, role)
        self._refresh()
        for observer in self._observers:
            observer.memberInService(member)

    def left(self, member: Member, why: str) -> None:
        """
        See L{IProbeOwner}.
        """
        checked = self._checked[member.name]
        checked.inService = False
        checked.history.append(Change(self._wallTime(), False, why))
        log.error("{member} is out of service: {why}", member=member.name, why=why)
        self._refresh()
        for observer in self._observers:
            observer.memberOutOfService(member, why)

    def heard(self, member: Member, role: PeerRole) -> None:
        """
        See L{IProbeOwner}.
        """
        checked = self._checked[member.name]
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

    def _learn(self, checked: _Checked, role: PeerRole) -> None:
        checked.role = role
        pair = checked.member.pair
        if role.primary and role.epoch > self._epochs.get(pair, 0):
            self._epochs[pair] = role.epoch

    def _refresh(self) -> None:
        """
        Find the primaries again, so that a call need only look one up.
        """
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
                serving = [c for c in members if c.inService is None]
            if serving:
                best = max(serving, key=lambda checked: checked.role.epoch)
                self._primaries[pair] = best.member
        known = tuple(
            pair
            for pair in self._primaries
            if any(checked.inService for checked in self._members[pair])
        )
        self._pairs = known or tuple(self._primaries)


_STATES = {None: "unknown", True: "in service", False: "out of service"}
