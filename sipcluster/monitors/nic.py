"""
C{sip-nic-monitoring} and C{tlib-nic-monitoring}: a member whose network interface
has failed leaves the role to the other (rows H09, H14 and H15 of the inventory).
"""

from __future__ import annotations

from attrs import define, field
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from sipcluster.monitors.imonitors import IFollowing, IMonitor, INICs
from sipcluster.monitors.service import Service
from sipcluster.monitors.watching import Watching

log = Logger()

SIP_NIC = "sip-nic-monitoring"
TLIB_NIC = "tlib-nic-monitoring"

#: Seconds that an interface must have failed before that counts: a cable that is
#: put into another socket takes longer, the restart of a driver does not.
PATIENCE = 0.5

#: Seconds that it must work before it is used again: links come up several times.
TRUST = 2.0


@implementer(IMonitor)
@define(eq=False)
class NICMonitor:
    """
    Looks at the network interface that has an address; both members do.

    @ivar name: of the monitor, and of the reason that it gives.
    @ivar failed: number of the log event when it has failed.
    @ivar works: when it works again.
    @ivar deaf: without it no telephone reaches this member.
    """

    name: str
    clock: IReactorTime
    service: Service
    nics: INICs
    address: str
    failed: str
    works: str
    interval: float = 1.0
    deaf: bool = False
    _watching: Watching = field(init=False)
    _following: IFollowing | None = field(default=None, init=False)
    _nic: str = field(default="", init=False)
    _blind: str = field(default="", init=False)

    def __attrs_post_init__(self) -> None:
        self._watching = Watching(
            self.clock, self.interval, PATIENCE, TRUST, self._look, self._turned
        )

    def start(self) -> None:
        """
        See L{IMonitor}.
        """
        try:
            self._following = self.nics.follow(self._watching.soon)
        except OSError as e:
            log.warn("{name}: only by looking: {why}", name=self.name, why=e)
        self._watching.start()

    def stop(self) -> None:
        """
        See L{IMonitor}.
        """
        following, self._following = self._following, None
        if following is not None:
            following.stop()
        self._watching.stop()

    def roleChanged(self, primary: bool) -> None:
        """
        See L{IMonitor}: it does not matter here.
        """

    def status(self) -> str:
        """
        See L{IMonitor}.
        """
        if self._blind:
            return f"cannot be seen: {self._blind}"
        if self._watching.bad:
            return self._watching.bad
        return f"{self._nic or 'the interface'} of {self.address} works"

    def _look(self) -> str | None:
        try:
            nic = self.nics.find(self.address)
        except OSError as e:
            if not self._blind:
                log.error("{name}: cannot be seen: {why}", name=self.name, why=e)
            self._blind = str(e)
            return None
        self._blind = ""
        if nic is None:
            return f"no network interface has {self.address}"
        self._nic = nic.name
        return nic.why and f"network interface {nic.name} of {self.address} {nic.why}"

    def _turned(self, why: str) -> None:
        if why:
            self.service.unavailable(self.name, self.failed, why, deaf=self.deaf)
        else:
            what = f"network interface {self._nic} of {self.address} works"
            self.service.running(self.name, self.works, what)
