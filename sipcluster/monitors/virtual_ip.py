"""
C{sip-iptakeover-monitoring}: the primary has the virtual IP address, the backup has
it not (row H13 of the inventory).
"""

from __future__ import annotations

from collections.abc import Sequence

from attrs import define, field
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from sipcluster.monitors.imonitors import Ended, ICommands, IMonitor, INICs
from sipcluster.monitors.numbers import VIRTUAL_IP_RIGHT, VIRTUAL_IP_WRONG
from sipcluster.monitors.service import Service

log = Logger()

REASON = "sip-iptakeover-monitoring"

#: How often a script is tried before the member says that it cannot serve.
TRIES = 3

#: Seconds between two tries after that.
SLOWLY = 10.0

#: Seconds for which a member stays unavailable that could not take the address, as
#: backup: else two members that cannot would give the role to each other for ever.
COOLING = 60.0


@implementer(IMonitor)
@define(eq=False)
class VirtualIPMonitor:
    """
    Looks whether the address is where it must be, and runs the script that puts it
    right.

    @ivar address: the virtual IP address.
    @ivar up: the command that takes it.
    @ivar down: the command that gives it up.
    @ivar patience: seconds that such a command may take.
    """

    name = REASON

    clock: IReactorTime
    service: Service
    nics: INICs
    commands: ICommands
    address: str
    up: Sequence[str]
    down: Sequence[str]
    interval: float = 1.0
    patience: float = 10.0
    _primary: bool = field(default=False, init=False)
    _tries: int = field(default=0, init=False)
    _wrong: str = field(default="", init=False)
    _coolUntil: float = field(default=-1.0, init=False)
    _running: bool = field(default=False, init=False)
    _round: int = field(default=0, init=False)
    _script: Deferred[None] | None = field(default=None, init=False)
    _timer: IDelayedCall | None = field(default=None, init=False)
    _waiting: list[Deferred[None]] = field(factory=list, init=False)

    def start(self) -> None:
        """
        See L{IMonitor}: a member that begins may have the address still.
        """
        self._running = True
        self._begin()

    def stop(self) -> None:
        """
        See L{IMonitor}.
        """
        self._running = False
        self._never()
        self._killScript()
        self._tellSettled()

    def settled(self) -> Deferred[None]:
        """
        Wait for the script, so that a member that ends leaves the address to the other
        one.

        @return: fires when no script runs; never fails.
        """
        if self._script is None:
            return succeed(None)
        waiting = Deferred[None]()
        self._waiting.append(waiting)
        return waiting

    def _tellSettled(self) -> None:
        if self._script is None:
            waiting, self._waiting = self._waiting, []
            for each in waiting:
                each.callback(None)

    def roleChanged(self, primary: bool) -> None:
        """
        See L{IMonitor}: that the address is not there yet is no failure.
        """
        if primary == self._primary:
            return
        self._primary = primary
        inVain = not primary and REASON in self.service.why
        self._coolUntil = self.clock.seconds() + COOLING if inVain else -1.0
        self._begin()

    def status(self) -> str:
        """
        See L{IMonitor}.
        """
        if self._wrong:
            return self._wrong
        has = "has" if self._primary else "has not"
        return f"this host {has} {self.address}"

    def _begin(self) -> None:
        self._killScript()
        self._tries = 0
        self._wrong = ""
        if self._running:
            self._look()
        self._tellSettled()

    def _look(self) -> None:
        """
        One look, and the script when it is needed.
        """
        self._never()
        why = self._whyWrong()
        if why is None:
            self._later(self.interval)
        elif not why:
            self._right()
            self._later(self.interval)
        else:
            if self._tries:  # a script has run, and it is wrong still
                self._isWrong(why)
            self._tries += 1
            self._run()

    def _whyWrong(self) -> str | None:
        """
        Why it is; C{""} when it is not, and L{None} when that cannot be seen.
        """
        try:
            there = self.nics.find(self.address) is not None
        except OSError as e:
            log.error("{name}: cannot be seen: {why}", name=REASON, why=e)
            return None
        if there == self._primary:
            return ""
        if self._primary:
            return f"this host has not the virtual IP address {self.address}"
        return f"this host, a backup, has the virtual IP address {self.address}"

    def _isWrong(self, why: str) -> None:
        self._wrong = why
        if self._tries >= TRIES:
            self.service.unavailable(REASON, VIRTUAL_IP_WRONG, why)
        elif REASON not in self.service.why:
            self.service.note(REASON, VIRTUAL_IP_WRONG, why)

    def _right(self) -> None:
        has = "has" if self._primary else "has not"
        what = f"this host {has} the virtual IP address {self.address}"
        tried, self._tries = self._tries, 0
        self._wrong = ""
        told = False
        if self.clock.seconds() >= self._coolUntil:
            told = self.service.running(REASON, VIRTUAL_IP_RIGHT, what)
        if tried and not told:
            log.info("{number}: {what}", number=VIRTUAL_IP_RIGHT, what=what)

    def _run(self) -> None:
        command = self.up if self._primary else self.down
        if not command:
            self._later(self._pace)
            return
        role = "primary" if self._primary else "backup"
        environment = {
            "SIPCLUSTER_VIRTUAL_ADDRESS": self.address,
            "SIPCLUSTER_ROLE": role,
        }
        log.info("{name}: {command}", name=REASON, command=" ".join(command), role=role)
        script = self.commands.run(command, environment, self.patience)
        self._round += 1
        over: Deferred[None] = script.addCallback(self._ended, command, self._round)
        over.addErrback(lambda f: log.failure("after a virtual IP script", f))
        if not over.called:
            self._script = over

    def _ended(self, ended: Ended, command: Sequence[str], which: int) -> None:
        if which != self._round:
            return  # killed: something else is to be done now
        self._script = None
        if ended.why:
            log.error(
                "{number}: {command}: {why}: {output}",
                number=VIRTUAL_IP_WRONG,
                command=" ".join(command),
                why=ended.why,
                output=ended.output,
            )
        if self._running:
            # What it has done is seen at once; what it has not, is tried later.
            wait = 0.0 if not ended.why and self._whyWrong() == "" else self._pace
            self._later(wait)
        self._tellSettled()

    @property
    def _pace(self) -> float:
        return self.interval if self._tries <= TRIES else max(SLOWLY, self.interval)

    def _killScript(self) -> None:
        self._round += 1
        script, self._script = self._script, None
        if script is not None:
            script.cancel()

    def _later(self, seconds: float) -> None:
        self._never()
        self._timer = self.clock.callLater(seconds, self._look)

    def _never(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None and timer.active():
            timer.cancel()
