"""
One application of the configuration as a process: what is opened in which order,
what ends it, and what is told about it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from typing import Any

from twisted.application.service import IService, MultiService
from twisted.internet.defer import (
    Deferred,
    TimeoutError,
    inlineCallbacks,
    succeed,
)
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.task import LoopingCall
from twisted.logger import Logger, globalLogPublisher

from sipcluster import __version__
from sipcluster.app.alarms import ProcessAlarms
from sipcluster.app.ending import bounded, stop
from sipcluster.app.http_control import Order
from sipcluster.app.http_monitor import monitorSite
from sipcluster.app.log_streams import LogStreams
from sipcluster.app.settings import (
    Application,
)
from sipcluster.monitors.monitors import Monitors
from sipcluster.monitors.ports import Ports

log = Logger()

#: Writes to the stream of the System Monitor, and not to the console.
monitor = Logger("sipcluster.systemmonitor")

#: Seconds between two records of the counts.
COUNTING = 60.0

#: Seconds for the answer to who has asked for a restart.
_BEFORE_END = 0.1

#: Transports whose ports are for SIP.
_SIP = ("UDP", "TCP", "TLS")

#: What is counted.
COUNTS = (
    *("calls", "dialogs", "transactions", "timers", "registrations"),
    *("leases", "watches"),
)

#: Seconds that a member may take until it can answer its first message.
LOADING = 10.0

#: Seconds that a member may take to end what is under way.
ENDING = 2.0


def refusal(error: BaseException, opening: str = "TCP") -> str:
    """
    One line for the operator about why a process cannot start.

    @param opening: the transport whose port was to be opened.
    """
    if isinstance(error, CannotListenError):
        why = getattr(error.socketError, "strerror", None) or error.socketError
        host = error.interface or "any address"
        return f"cannot listen on {opening} {host} port {error.port}: {why}"
    text = str(error) or type(error).__name__
    return " ".join(text.split())


class Process(MultiService):
    """
    A member of the cluster with its ports, HTTP and logs.

    The order is: HTTP, so that health can be asked from the beginning; the
    member itself; what it must load; at last its SIP ports.  Whatever fails on
    this way ends the process with one line and exit status 1.

    @ivar loads: what the member loads from, in words.
    @ivar alarms: what somebody must see to.
    @ivar monitors: look whether a member of a pair can serve, and open its ports;
        L{None} in any other process.
    @ivar controlPassword: what somebody must show to have something done; C{""}:
        nobody can.
    """

    def __init__(
        self,
        reactor: Any,
        application: Application,
        ending: Callable[[str], None],
        streams: LogStreams,
        alarms: ProcessAlarms,
    ) -> None:
        super().__init__()
        self.application = application
        self.member: Any = None
        self.state = "starting"
        self.loads = "what it needs"
        self.controlPassword = ""
        self.alarms = alarms
        self.monitors: Monitors | None = None
        self._reactor = reactor
        self._ending = ending
        self._streams = streams
        self._started = reactor.seconds()
        self._openPorts: list[tuple[str, Callable[[], Deferred[Any]]]] = []
        self._closeFirst: list[Callable[[], Any]] = []
        self._closeLast: list[Callable[[], Any]] = []
        self._parts: dict[str, Callable[[], object]] = {"log": streams.status}
        self._counting = LoopingCall(self._count)
        self._counting.clock = reactor
        self._beginning: IDelayedCall | None = None
        self._waiting: Deferred[Any] | None = None

    def runs(self, member: IService) -> None:
        """
        Set the member that this process is.
        """
        self.member = member

    def opens(self, transportName: str, port: Callable[[], Deferred[Any]]) -> None:
        """
        Add a port to be opened once the member has loaded.
        """
        self._openPorts.append((transportName, port))

    def closesFirst(self, close: Callable[[], Any]) -> None:
        """
        Add something to be closed before the member stops.
        """
        self._closeFirst.append(close)

    def closesLast(self, close: Callable[[], Any]) -> None:
        """
        Add something to be closed after the member has stopped.
        """
        self._closeLast.append(close)

    def tells(self, name: str, status: Callable[[], object]) -> None:
        """
        Add something to the status.
        """
        self._parts[name] = status

    def startService(self) -> None:
        globalLogPublisher.addObserver(self._streams)
        super().startService()
        try:
            self._streams.startService()
            self.alarms.start()
            if self.monitors is not None:
                self.monitors.start()
            self._listenHTTP()
            self.member.startService()
        except Exception as e:
            self._refuse(e)
            return
        # Not before the reactor runs, and a signal to end is heard.
        self._beginning = self._reactor.callLater(0, self._begin)

    def _begin(self) -> None:
        self._waiting = self._start()

    def _listenHTTP(self) -> None:
        one = self.application
        if not one.httpPort or not one.httpHost:
            return
        port = self._reactor.listenTCP(
            one.httpPort, monitorSite(self), interface=one.httpHost
        )
        self._closeLast.append(port.stopListening)
        monitor.info("HTTP on {host}:{port}", host=one.httpHost, port=one.httpPort)

    @inlineCallbacks
    def _start(self) -> Generator[Deferred[Any], Any, None]:
        opening = "TCP"
        try:
            yield self.member.load().addTimeout(LOADING, self._reactor)
            if self.monitors is not None and self.monitors.ports is not None:
                yield self._openForPair(self.monitors.ports)
            else:
                for what, port in self._openPorts:
                    opening = what
                    yield port()
        except TimeoutError:
            self._ending(
                f"{self.application.name}: {self.loads} did not answer within "
                f"{LOADING:g} seconds"
            )
            self.state = "failed"
            return
        except Exception as e:
            if self.state == "starting":
                self._refuse(e, opening)
            return
        self.state = "ready"
        self._counting.start(COUNTING, now=False)
        log.info(
            "{app} is ready",
            app=self.application.name,
            seconds=self.uptime,
            version=__version__,
        )

    def _openForPair(self, ports: Ports) -> Deferred[None]:
        """
        Open the ports of a member of a pair: one that cannot be opened does not end
        it, the other member serves.
        """
        for what, port in self._openPorts:
            ports.add(what, port, what in _SIP)
        return ports.open()

    def _count(self) -> None:
        """
        Write down what the process has to do with.
        """
        status = self.member.status()
        counts = {name: status[name] for name in COUNTS if name in status}
        shown = ", ".join(f"{count} {name}" for name, count in counts.items())
        monitor.info("{counts}", counts=shown, **counts)

    def _refuse(self, error: Exception, opening: str = "TCP") -> None:
        self.state = "failed"
        self._ending(f"{self.application.name}: {refusal(error, opening)}")

    @property
    def uptime(self) -> float:
        """
        Seconds since the process was built.
        """
        return float(self._reactor.seconds() - self._started)

    @inlineCallbacks
    def stopService(self) -> Generator[Deferred[Any], Any, None]:
        self.state = "stopping"
        if self._counting.running:
            self._counting.stop()
        if self._beginning is not None and self._beginning.active():
            self._beginning.cancel()
        if self._waiting is not None:
            self._waiting.cancel()
        monitors = self.monitors
        if monitors is not None and monitors.ports is not None:
            monitors.ports.stop()
        for close in self._closeFirst:
            yield bounded(self._reactor, ENDING / 4, close)
        if self.member.running:
            yield bounded(self._reactor, ENDING, self.member.stopService)
        if monitors is not None:
            # A primary has just given its role up, and perhaps an address with it.
            yield bounded(self._reactor, ENDING / 4, monitors.settled)
            monitors.stop()
        for close in reversed(self._closeLast):
            yield bounded(self._reactor, ENDING / 4, close)
        yield super().stopService()
        log.info("{app} has stopped", app=self.application.name)
        self.alarms.stop()
        globalLogPublisher.removeObserver(self._streams)
        self._streams.stopService()

    def orders(self) -> dict[bytes, Order]:
        """
        What the process can be asked to do, by path.
        """
        found: dict[bytes, Order] = {b"/control/restart": self._restart}
        switchover = getattr(self.member, "switchover", None)
        if switchover is not None:
            found[b"/control/switchover"] = switchover
        found[b"/control/clear-alarms"] = self._clearAlarms
        return found

    def _clearAlarms(self) -> Deferred[str]:
        """
        Clear the alarms that no event clears.
        """
        self.alarms.events.clear()
        return succeed("")

    def _restart(self) -> Deferred[str]:
        """
        End in order; whatever has started the process starts it again.
        """
        self._reactor.callLater(_BEFORE_END, stop, self._reactor)
        return succeed("")

    def status(self) -> dict[str, object]:
        """
        What C{GET /status} answers: plain values only.
        """
        return {
            "application": self.application.name,
            "role": type(self.application).__name__.lower(),
            "state": self.state,
            "version": __version__,
            "pid": os.getpid(),
            "uptime": round(self.uptime, 3),
            "alarms": self.alarms.status(),
            **({} if self.monitors is None else self.monitors.status()),
            **self.member.status(),
            **{name: status() for name, status in self._parts.items()},
        }
