"""
C{sip-pass-check}: a primary that no SIP message reaches leaves the role to the other
member (rows H04 to H08 of the inventory).

The other begins to count when it becomes primary.  If nothing reaches it either, the
role comes back: a double switchover, and each makes the time twice as long, up to
four times what it was, until either of the two sees SIP.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from attrs import define, field
from automat import TypeMachine, TypeMachineBuilder
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from zope.interface import implementer

from sipcluster.monitors.imonitors import IMonitor
from sipcluster.monitors.numbers import SIP_HEARD, SIP_SILENT
from sipcluster.monitors.service import Service

#: What C{oos-force} counts at least, in seconds.
LEAST_FORCE = 5.0

#: How many times as long the time may become.
MOST = 4

#: Seconds between two looks while a device has not been given up yet.
_AGAIN = 1.0

#: A timer that comes so much too late was asleep with its process, and says
#: nothing of the network.
_ASLEEP = 1.0

#: Seconds that a member may need to ask for the role again.
_ASKING = 3.0

#: Seconds that the other member may need for its part, beyond its time.
_SLACK = 60.0

REASON = "sip-pass-check"


def period(devices: Iterable[tuple[float, float]]) -> float:
    """
    How long no SIP message may come (row H07).

    @param devices: C{oos-check} and C{oos-force} of the devices with active
        out-of-service detection; those with C{oos-check} 0 have none.

    @return: in seconds; 0 when there is no such device (row H05).
    """
    return max(
        (check + max(force, LEAST_FORCE) for check, force in devices if check > 0),
        default=0.0,
    )


class Passing(Protocol):
    """
    What may happen to the one who looks whether SIP comes.
    """

    def start(self) -> None:
        "Begin, as backup."

    def becamePrimary(self) -> None:
        "This member serves."

    def becameBackup(self) -> None:
        "This member serves no longer."

    def heard(self) -> None:
        "A SIP message came, and one that matters: it was silent before."

    def silent(self) -> None:
        "The time is over."

    def settled(self) -> None:
        "The other member has had the time to take the role."

    def stop(self) -> None:
        "Look no more."


@define(eq=False)
class _Core:
    """
    @ivar period: how long no SIP message may come at first, in seconds.
    @ivar failed: whether all devices with active out-of-service detection have
        failed.
    @ivar settle: for how long the role is left to the other member, in seconds.
    @ivar last: when the last SIP message came.
    @ivar factor: what the period is multiplied with.
    @ivar gaveUp: when the role was last given up because nothing came, if
        nothing has come since.
    @ivar hopeless: nobody took the role when it was last given up: while the other
        member is not heard it is kept.
    @ivar attentive: whether the next message is to be told to the machine.
    """

    clock: IReactorTime
    service: Service
    period: float
    failed: Callable[[], bool]
    settle: float
    last: float = 0.0
    factor: int = 1
    gaveUp: float | None = None
    attentive: bool = False
    hopeless: bool = False
    timer: IDelayedCall | None = None

    def later(self, seconds: float, call: Callable[[], None]) -> None:
        self.never()
        self.timer = self.clock.callLater(seconds, self._due, call)

    def _due(self, call: Callable[[], None]) -> None:
        self.timer = None
        call()

    def never(self) -> None:
        timer, self.timer = self.timer, None
        if timer is not None:
            timer.cancel()

    @property
    def timeout(self) -> float:
        """
        How long no SIP message may come now.
        """
        return self.period * self.factor

    def watch(self, passing: Passing) -> None:
        """
        Count from now.
        """
        self.last = self.clock.seconds()
        self.wait(passing, self.timeout)

    def wait(self, passing: Passing, seconds: float) -> None:
        due = self.clock.seconds() + seconds
        self.later(seconds, lambda: self.look(passing, due))

    def look(self, passing: Passing, due: float) -> None:
        now = self.clock.seconds()
        left = self.last + self.timeout - now
        if now - due > _ASLEEP:
            self.watch(passing)
        elif left > 0:
            self.wait(passing, left)
        elif not self.failed():
            self.wait(passing, _AGAIN)
        else:
            passing.silent()

    def returned(self) -> None:
        """
        The role has come.  If it was given up in vain, the time is doubled: the
        other has waited for no longer than it may, and given it up too.  If it was
        away for less than the other waits, nobody has taken it.
        """
        gaveUp, self.gaveUp = self.gaveUp, None
        if gaveUp is None:
            return
        away = self.clock.seconds() - gaveUp
        self.hopeless = away < min(self.period, self.settle + _ASKING)
        if away > MOST * self.period + self.settle + _SLACK:
            self.factor = 1  # the other has kept it: something came there
        elif not self.hopeless:
            self.factor = min(MOST, 2 * self.factor)


def _build() -> TypeMachine[Passing, _Core]:
    m = TypeMachineBuilder(Passing, _Core)
    idle = m.state("Idle")
    backup = m.state("Backup")
    watching = m.state("Watching")
    silent = m.state("Silent")
    leaving = m.state("Leaving")
    stopped = m.state("Stopped")

    idle.upon(Passing.start).to(backup).returns(None)

    @backup.upon(Passing.becamePrimary).to(watching)
    def begin(passing: Passing, s: _Core) -> None:
        s.returned()
        s.attentive = s.factor > 1 or s.hopeless
        s.watch(passing)

    @watching.upon(Passing.becameBackup).to(backup)
    def end(passing: Passing, s: _Core) -> None:
        s.never()

    @backup.upon(Passing.heard).loop()
    @watching.upon(Passing.heard).loop()
    @leaving.upon(Passing.heard).loop()
    def count(passing: Passing, s: _Core) -> None:
        s.factor, s.gaveUp, s.attentive, s.hopeless = 1, None, False, False

    @watching.upon(Passing.silent).to(silent)
    def giveUp(passing: Passing, s: _Core) -> None:
        s.attentive = True
        why = f"no SIP for {s.timeout:g} s"
        s.service.unavailable(REASON, SIP_SILENT, why, deaf=not s.hopeless)

    # The other member is no better, or has not taken the role yet.

    @silent.upon(Passing.heard).to(watching)
    def goOn(passing: Passing, s: _Core) -> None:
        s.factor, s.attentive, s.hopeless = 1, False, False
        s.service.running(REASON, SIP_HEARD, "SIP comes again")
        s.watch(passing)

    @silent.upon(Passing.becameBackup).to(leaving)
    def leave(passing: Passing, s: _Core) -> None:
        s.gaveUp = s.clock.seconds()
        s.later(s.settle, passing.settled)

    @leaving.upon(Passing.settled).to(backup)
    def beBackup(passing: Passing, s: _Core) -> None:
        s.service.running(REASON, SIP_HEARD, "the other member may serve")

    @leaving.upon(Passing.becamePrimary).to(watching)
    def beginAgain(passing: Passing, s: _Core) -> None:
        s.returned()
        s.attentive = s.factor > 1 or s.hopeless
        s.watch(passing)
        s.service.running(REASON, SIP_HEARD, "this member serves again")

    for state in (idle, backup, watching, silent, leaving):

        @state.upon(Passing.stop).to(stopped)
        def stop(passing: Passing, s: _Core) -> None:
            s.never()
            s.attentive = False

    # What comes again, or late.
    for state in (backup, watching, silent, leaving, stopped):
        state.upon(Passing.start).loop().returns(None)
    for state in (idle, watching, silent, stopped):
        state.upon(Passing.becamePrimary).loop().returns(None)
    for state in (idle, backup, leaving, stopped):
        state.upon(Passing.becameBackup).loop().returns(None)
    for state in (idle, stopped):
        state.upon(Passing.heard).loop().returns(None)
    for state in (idle, backup, silent, leaving, stopped):
        state.upon(Passing.silent).loop().returns(None)
    for state in (idle, backup, watching, silent, stopped):
        state.upon(Passing.settled).loop().returns(None)
    stopped.upon(Passing.stop).loop().returns(None)
    return m.build()


_machine = _build()


@implementer(IMonitor)
@define(eq=False)
class SIPPassCheck:
    """
    Looks whether SIP comes while this member is primary.
    """

    name = REASON

    clock: IReactorTime
    service: Service
    period: float
    failed: Callable[[], bool] = lambda: True
    settle: float = 5.0
    _core: _Core = field(init=False)
    _passing: Passing = field(init=False)

    def __attrs_post_init__(self) -> None:
        if self.period <= 0:
            raise ValueError("no device has active out-of-service detection")
        self._core = _Core(
            self.clock, self.service, self.period, self.failed, self.settle
        )
        self._passing = _machine(self._core)

    def start(self) -> None:
        """
        See L{IMonitor}.
        """
        self._passing.start()

    def stop(self) -> None:
        """
        See L{IMonitor}.
        """
        self._passing.stop()

    def roleChanged(self, primary: bool) -> None:
        """
        See L{IMonitor}.
        """
        if primary:
            self._passing.becamePrimary()
        else:
            self._passing.becameBackup()

    def sipSeen(self) -> None:
        """
        A SIP message came: a request, or a response to a question of ours.  Called
        for each one, whether this member is primary or not.
        """
        core = self._core
        core.last = core.clock.seconds()
        if core.attentive:
            self._passing.heard()

    def status(self) -> str:
        """
        See L{IMonitor}.
        """
        core = self._core
        times = "" if core.factor == 1 else f" ({core.factor} times {core.period:g})"
        return f"at most {core.timeout:g} s without SIP{times}"
