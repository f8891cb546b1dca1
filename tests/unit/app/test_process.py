"""
Tests for L{sipcluster.app.process}, and for the members that it can be.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import CannotListenError
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from sipcluster.app.alarms import ProcessAlarms
from sipcluster.app.log_streams import LogStreams
from sipcluster.app.process import COUNTING, ENDING, LOADING, Process, refusal
from sipcluster.app.settings import AlarmSettings, Log, Proxy
from sipcluster.monitors.alarms import Alarms
from sipcluster.monitors.imonitors import NIC, Ended
from sipcluster.monitors.monitors import Monitors
from sipcluster.monitors.service import Service as Serving
from sipcluster.monitors.virtual_ip import VirtualIPMonitor
from tests.unit.monitors.things import FakeCommands, FakeNICs


class FakeMember(Service):
    """
    A member that loads and ends when it is told to.

    @ivar loading: what C{load} gives.
    @ivar ending: what C{stopService} gives.
    """

    def __init__(self) -> None:
        self.loading: Deferred[None] = Deferred()
        self.ending: Deferred[None] = succeed(None)

    def load(self) -> Deferred[None]:
        """
        See C{loading}.
        """
        return self.loading

    def stopService(self) -> Any:
        """
        See C{ending}.
        """
        super().stopService()
        return self.ending

    def status(self) -> dict[str, object]:
        """
        One count.
        """
        return {"calls": 1}

    def registrations(self) -> Iterable[dict[str, object]]:
        """
        None.
        """
        return ()


class FullReactor(MemoryReactorClock):
    """
    All ports are taken.
    """

    def listenTCP(self, port: int, *args: Any, **kwargs: Any) -> Any:
        """
        Taken.
        """
        raise CannotListenError(
            kwargs["interface"], port, OSError(98, "Address already in use")
        )


class ProcessTests(SynchronousTestCase):
    """
    L{Process} opens things in order, and ends when one cannot be opened.
    """

    def setUp(self) -> None:
        """
        A process with one port.
        """
        self.reactor: Any = MemoryReactorClock()
        self.member = FakeMember()
        self.folder = Path(self.mktemp())
        self.ended: list[str] = []
        self.closed: list[str] = []
        self.port: Deferred[Any] = Deferred()
        self.opened: list[str] = []

    def build(self, **settings: Any) -> Process:
        """
        The process of proxy1.
        """
        one = Proxy(name="proxy1", sipAddress="192.0.2.1", **settings)
        streams = LogStreams(
            self.reactor, lambda: 0.0, "proxy1", Log(directory=self.folder)
        )
        alarms = ProcessAlarms(self.reactor, AlarmSettings(), "proxy1")
        process = Process(self.reactor, one, self.ended.append, streams, alarms)
        process.runs(self.member)
        process.opens("UDP", self.open)
        process.closesFirst(lambda: self.closed.append("T-Library"))
        process.closesLast(lambda: self.closed.append("transport"))
        process.tells("extra", lambda: 5)
        self.addCleanup(process.stopService)
        return process

    def start(self, process: Process) -> None:
        """
        Start the process, and the reactor.
        """
        process.startService()
        self.reactor.advance(0)

    def open(self) -> Deferred[Any]:
        """
        Open the port.
        """
        self.opened.append("UDP")
        return self.port

    def test_order(self) -> None:
        """
        HTTP, the member, what it loads, its ports; then it is ready.
        """
        process = self.build()
        self.start(process)
        (listening,) = self.reactor.tcpServers
        self.assertEqual((listening[0], listening[3]), (8080, "192.0.2.1"))
        self.assertEqual((self.member.running, self.opened), (True, []))
        self.member.loading.callback(None)
        self.assertEqual((process.state, self.opened), ("starting", ["UDP"]))
        self.port.callback(None)
        self.assertEqual(process.state, "ready")

    def test_status(self) -> None:
        """
        The status says what runs, then what the member says.
        """
        process = self.build()
        self.reactor.advance(2)
        found = process.status()
        del found["pid"], found["version"]
        self.assertEqual(found.pop("alarms")["active"], [])  # type: ignore[index]
        self.assertEqual(
            found,
            {
                "application": "proxy1",
                "role": "proxy",
                "state": "starting",
                "uptime": 2.0,
                "calls": 1,
                "log": {"failures": 0},
                "extra": 5,
            },
        )

    def test_counts(self) -> None:
        """
        A process that is ready writes down its counts every minute.
        """
        process = self.build()
        self.start(process)
        self.member.loading.callback(None)
        self.port.callback(None)
        self.reactor.advance(COUNTING)
        self.successResultOf(process.stopService())
        text = (self.folder / "proxy1.system-monitor.log").read_text()
        self.assertIn("[sipcluster.systemmonitor] 1 calls\n", text)

    def test_httpIsTaken(self) -> None:
        """
        A taken HTTP port ends the process before the member starts.
        """
        self.reactor = FullReactor()
        process = self.build()
        process.startService()
        (why,) = self.ended
        self.assertEqual(
            why,
            "proxy1: cannot listen on TCP 192.0.2.1 port 8080: Address already in use",
        )
        self.assertEqual((process.state, self.member.running), ("failed", False))

    def test_httpMayBeOff(self) -> None:
        """
        Port 0 is none.
        """
        self.build(httpPort=0).startService()
        self.assertEqual(self.reactor.tcpServers, [])

    def test_loadingFails(self) -> None:
        """
        A member that cannot load ends the process, and no port is opened.
        """
        self.start(self.build())
        self.member.loading.errback(ValueError("the store\nis away"))
        self.assertEqual(self.ended, ["proxy1: the store is away"])
        self.assertEqual(self.opened, [])

    def test_loadingTakesTooLong(self) -> None:
        """
        Loading is bounded.
        """
        self.start(self.build())
        self.reactor.advance(LOADING)
        self.assertEqual(
            self.ended, ["proxy1: what it needs did not answer within 10 seconds"]
        )

    def test_portIsTaken(self) -> None:
        """
        A taken SIP port ends the process, and says of which transport it is.
        """
        process = self.build()
        self.start(process)
        self.member.loading.callback(None)
        self.port.errback(CannotListenError("", 5060, OSError("taken")))
        self.assertEqual(
            self.ended, ["proxy1: cannot listen on UDP any address port 5060: taken"]
        )

    def test_stop(self) -> None:
        """
        The member ends first, then what it stood on; the record tells it.
        """
        process = self.build()
        self.start(process)
        self.member.loading.callback(None)
        self.port.callback(None)
        self.member.ending = Deferred()
        stopped = process.stopService()
        self.assertEqual((process.state, self.closed), ("stopping", ["T-Library"]))
        self.member.ending.callback(None)
        self.successResultOf(stopped)
        self.assertEqual(self.closed, ["T-Library", "transport"])
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        lines = (self.folder / "proxy1.jsonl").read_text().splitlines()
        self.assertEqual(json.loads(lines[-1])["msg"], "proxy1 has stopped")

    def test_stopGivesUpTheAddress(self) -> None:
        """
        The monitors end after the member: a primary that ends has given up its
        virtual IP address by then, or had the time to.
        """
        alarms = Alarms(self.reactor, lambda: 0.0)
        nics, commands = FakeNICs(), FakeCommands(ends=None)
        address = VirtualIPMonitor(
            *(self.reactor, Serving(alarms), nics, commands),
            *("192.0.2.9", ("up",), ("down",)),
        )
        monitors = Monitors(alarms, Serving(alarms), [address])
        process = self.build()
        process.monitors = monitors
        self.start(process)
        nics.found["192.0.2.9"] = NIC("eth0")
        monitors.roleChanged(True)
        self.member.loading.callback(None)
        self.member.ending = Deferred()
        stopped = process.stopService()
        monitors.roleChanged(False)
        self.member.ending.callback(None)
        self.assertEqual((commands.names, commands.cancelled), (["down"], 0))
        self.assertEqual(self.closed, ["T-Library"])
        nics.found.clear()
        commands.waiting[-1].callback(Ended())
        self.successResultOf(stopped)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_stopIsBounded(self) -> None:
        """
        A member that does not end is left.
        """
        process = self.build()
        self.start(process)
        self.member.loading.callback(None)
        self.member.ending = Deferred()
        stopped = process.stopService()
        self.assertNoResult(stopped)
        self.reactor.advance(ENDING)
        self.successResultOf(stopped)

    def test_stopWhileStarting(self) -> None:
        """
        Whoever ends a process that is still loading gets no error.
        """
        process = self.build()
        self.start(process)
        self.successResultOf(process.stopService())
        self.assertEqual((self.ended, self.opened), ([], []))

    def test_stopAtOnce(self) -> None:
        """
        The same before the reactor runs.
        """
        process = self.build()
        process.startService()
        self.successResultOf(process.stopService())
        self.assertEqual(self.reactor.getDelayedCalls(), [])


class RefusalTests(SynchronousTestCase):
    """
    L{refusal} is one line for a person.
    """

    def test_lines(self) -> None:
        """
        Errors without words are called by their names.
        """
        self.assertEqual(refusal(ValueError()), "ValueError")
        self.assertEqual(refusal(ValueError("a\n b")), "a b")
