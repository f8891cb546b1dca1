"""
Out-of-service detection of one peer: the machine that asks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from attrs import define, field
from automat import TypeMachine, TypeMachineBuilder
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from zope.interface import Interface, implementer

from sipcluster.servicecheck.iservicecheck import (
    IAnswerTaker,
    IAsker,
    IQuestion,
    Member,
    PeerRole,
    ProbeTimes,
)


class Probe(Protocol):
    """
    What may happen to the probe of one peer.
    """

    def start(self) -> None:
        "Begin to ask."

    def due(self) -> None:
        "It is time to ask again."

    def alive(self, role: PeerRole) -> None:
        "The peer answered, and serves."

    def dead(self, why: str) -> None:
        "The peer gave no answer in time, or a 503, or its transport refused."

    def reported(self, why: str) -> None:
        "A request of somebody else's to this peer failed."

    def said(self, role: PeerRole) -> None:
        "The peer told its role, unasked."

    def doubted(self) -> None:
        "Something that the peer did does not go with what is known of it."

    def stop(self) -> None:
        "Ask no more."


class IProbeOwner(Interface):
    """
    Is told what a probe finds.
    """

    def entered(member: Member, role: PeerRole) -> None:
        """
        The peer is in service now, and was not before.
        """

    def left(member: Member, why: str) -> None:
        """
        The peer is out of service now, and was not before.
        """

    def heard(member: Member, role: PeerRole) -> None:
        """
        The peer, in service already, answered again: perhaps in a new role.
        """


@define
class _Core:
    member: Member
    asker: IAsker
    owner: IProbeOwner
    clock: IReactorTime
    times: Callable[[], ProbeTimes]
    chance: Callable[[], float]
    timer: IDelayedCall | None = None
    question: IQuestion | None = None
    asking: bool = False
    round: int = 0


@implementer(IAnswerTaker)
@define
class _Taker:
    """
    Takes the answer of one round and lets go of the probe.
    """

    core: _Core
    probe: Probe | None = field(repr=False)
    round: int

    def _take(self) -> Probe | None:
        probe, self.probe = self.probe, None
        if probe is None or self.round != self.core.round or not self.core.asking:
            return None
        self.core.asking = False
        self.core.question = None
        return probe

    def alive(self, role: PeerRole) -> None:
        if (probe := self._take()) is not None:
            probe.alive(role)

    def dead(self, why: str) -> None:
        if (probe := self._take()) is not None:
            probe.dead(why)


def _ask(probe: Probe, s: _Core) -> None:
    s.timer = None
    s.round += 1
    s.asking = True
    taker = _Taker(s, probe, s.round)
    question = s.asker.ask(s.member, s.times().timeout, taker)
    if s.asking:  # else it was answered before the call came back
        s.question = question


def _wait(probe: Probe, s: _Core, seconds: float) -> None:
    """
    Ask again in so many seconds, unless an answer is still to come.
    """
    if s.timer is not None:
        s.timer.cancel()
        s.timer = None
    if not s.asking and seconds > 0:
        s.timer = s.clock.callLater(seconds, probe.due)


def _drop(s: _Core) -> None:
    """
    Expect no answer any more to what was asked before.
    """
    s.asking = False
    question, s.question = s.question, None
    if question is not None:
        question.abandon()


def _build() -> TypeMachine[Probe, _Core]:
    m = TypeMachineBuilder(Probe, _Core)
    idle = m.state("Idle")
    unknown = m.state("Unknown")
    inService = m.state("In service")
    outOfService = m.state("Out of service")
    stopped = m.state("Stopped")

    @idle.upon(Probe.start).to(unknown)
    @unknown.upon(Probe.due).loop()
    @inService.upon(Probe.due).loop()
    @outOfService.upon(Probe.due).loop()
    def ask(probe: Probe, s: _Core) -> None:
        _ask(probe, s)

    @inService.upon(Probe.doubted).loop()
    def askNow(probe: Probe, s: _Core) -> None:
        if not s.asking:
            _wait(probe, s, 0.0)
            _ask(probe, s)

    @unknown.upon(Probe.said).to(inService)
    @outOfService.upon(Probe.said).to(inService)
    def enterUnasked(probe: Probe, s: _Core, role: PeerRole) -> None:
        # An answer that is still under way is older than this.
        _drop(s)
        enter(probe, s, role)

    @inService.upon(Probe.said).loop()
    def heardUnasked(probe: Probe, s: _Core, role: PeerRole) -> None:
        _drop(s)
        again(probe, s, role)

    @unknown.upon(Probe.alive).to(inService)
    @outOfService.upon(Probe.alive).to(inService)
    def enter(probe: Probe, s: _Core, role: PeerRole) -> None:
        # Peers that were asked at the same moment are not asked at the same
        # moment ever after: the first pause is a part of a whole one.
        _wait(probe, s, s.times().check * (1.0 - s.chance()))
        s.owner.entered(s.member, role)

    @inService.upon(Probe.alive).loop()
    def again(probe: Probe, s: _Core, role: PeerRole) -> None:
        # At most a tenth early and never late: what oos-check promises holds.
        _wait(probe, s, s.times().check * (1.0 - 0.1 * s.chance()))
        s.owner.heard(s.member, role)

    @unknown.upon(Probe.dead).to(outOfService)
    @inService.upon(Probe.dead).to(outOfService)
    def leave(probe: Probe, s: _Core, why: str) -> None:
        _wait(probe, s, s.times().force)
        s.owner.left(s.member, why)

    @outOfService.upon(Probe.dead).loop()
    def stillOut(probe: Probe, s: _Core, why: str) -> None:
        _wait(probe, s, s.times().force)

    @unknown.upon(Probe.reported).to(outOfService)
    @inService.upon(Probe.reported).to(outOfService)
    def leaveAtOnce(probe: Probe, s: _Core, why: str) -> None:
        times = s.times()
        _wait(probe, s, min(times.recheck, times.force))
        s.owner.left(s.member, why)

    outOfService.upon(Probe.reported).loop().returns(None)

    @unknown.upon(Probe.stop).to(stopped)
    @inService.upon(Probe.stop).to(stopped)
    @outOfService.upon(Probe.stop).to(stopped)
    def end(probe: Probe, s: _Core) -> None:
        _drop(s)
        _wait(probe, s, 0.0)

    # A report may come before the first question and after the last; nothing
    # is asked then, so nothing else can.
    idle.upon(Probe.reported).loop().returns(None)
    idle.upon(Probe.stop).to(stopped).returns(None)
    stopped.upon(Probe.start).loop().returns(None)
    stopped.upon(Probe.reported).loop().returns(None)
    stopped.upon(Probe.stop).loop().returns(None)
    # Whoever is out of service already is asked in its time, or it never ends: the
    # failure of one question would lead to the next.
    outOfService.upon(Probe.doubted).loop().returns(None)
    unknown.upon(Probe.doubted).loop().returns(None)
    for state in (idle, stopped):
        state.upon(Probe.said).loop().returns(None)
        state.upon(Probe.doubted).loop().returns(None)
        state.upon(Probe.due).loop().returns(None)
        state.upon(Probe.alive).loop().returns(None)
        state.upon(Probe.dead).loop().returns(None)
    for state in (unknown, inService, outOfService):
        state.upon(Probe.start).loop().returns(None)
    return m.build()


_machine = _build()


def peerProbe(
    member: Member,
    asker: IAsker,
    owner: IProbeOwner,
    clock: IReactorTime,
    times: Callable[[], ProbeTimes],
    chance: Callable[[], float],
) -> Probe:
    """
    Make the probe of one peer, which asks nothing before C{start}.

    @param times: asked each time, so that new settings hold from the next
        question on.
    @param chance: uniform in [0, 1): spreads the questions in time.
    """
    return _machine(_Core(member, asker, owner, clock, times, chance))
