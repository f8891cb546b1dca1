"""
All monitors of one process.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from attrs import define, field
from twisted.internet.defer import Deferred, gatherResults
from twisted.logger import Logger

from sipcluster.monitors.alarms import Alarms
from sipcluster.monitors.imonitors import IMonitor
from sipcluster.monitors.ports import Ports
from sipcluster.monitors.service import Service
from sipcluster.monitors.sip_pass import SIPPassCheck
from sipcluster.monitors.virtual_ip import VirtualIPMonitor

log = Logger()


def _nobody() -> None:
    """
    Nobody wants to know of SIP messages.
    """


@define(eq=False)
class Monitors:
    """
    The monitors that are configured, as one.

    @ivar service: whether this process can serve.
    @ivar watchesSIP: whether anybody wants to know of SIP messages.
    @ivar sipSeen: to be called for each SIP message that comes; it costs little.
    @ivar off: monitors that are configured and cannot do anything, with why.
    @ivar ports: opens the ports of the process, again and again; C{ports.add} and
        C{ports.open} are for whoever has them.
    """

    alarms: Alarms
    service: Service
    monitors: Sequence[IMonitor] = ()
    off: dict[str, str] = field(factory=dict)
    ports: Ports | None = None
    sipSeen: Callable[[], None] = field(init=False, default=_nobody)
    watchesSIP: bool = field(init=False, default=False)
    _running: bool = field(default=False, init=False)

    def __attrs_post_init__(self) -> None:
        for monitor in self.monitors:
            if isinstance(monitor, SIPPassCheck):
                self.sipSeen = monitor.sipSeen
                self.watchesSIP = True

    def start(self) -> None:
        """
        Begin; this member is backup.
        """
        self._running = True
        for name, why in self.off.items():
            log.warn("{monitor} is on, but does nothing: {why}", monitor=name, why=why)
        for monitor in self.monitors:
            with log.failuresHandled("starting {name}", name=monitor.name):
                monitor.start()

    def settled(self) -> Deferred[None]:
        """
        Wait for what has been begun, after the role was given up and before all is
        stopped.

        @return: fires when no command that a monitor has begun runs any more.
        """
        running = [
            monitor.settled()
            for monitor in self.monitors
            if isinstance(monitor, VirtualIPMonitor)
        ]
        return gatherResults(running).addCallback(lambda _: None)

    def stop(self) -> None:
        """
        Look at nothing any more, and kill what runs.
        """
        self._running = False
        for monitor in self.monitors:
            with log.failuresHandled("stopping {name}", name=monitor.name):
                monitor.stop()
        if self.ports is not None:
            self.ports.stop()

    def roleChanged(self, primary: bool) -> None:
        """
        This member serves now, or no longer.
        """
        if self.ports is not None:
            self.ports.roleChanged(primary)
        for monitor in self.monitors:
            if not self._running:
                return
            with log.failuresHandled("telling {name} the role", name=monitor.name):
                monitor.roleChanged(primary)

    def status(self) -> dict[str, object]:
        """
        For people.
        """
        ports = {} if self.ports is None else {"ports": self.ports.status()}
        return {
            **self.service.status(),
            "monitors": {
                **ports,
                **{one.name: one.status() for one in self.monitors},
                **{name: f"does nothing: {why}" for name, why in self.off.items()},
            },
        }
