"""
Tests for L{sipcluster.app.lab} and L{sipcluster.app.lab_files}.
"""

from __future__ import annotations

import io
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from twisted.internet.defer import fail, succeed
from twisted.internet.error import ProcessDone, ProcessTerminated
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.client import ResponseDone

from sipcluster.app import lab
from sipcluster.app.lab_files import EXTENSIONS, PAIRED, LabFiles
from sipcluster.app.settings import readConfiguration

NOW = datetime(2026, 11, 20, tzinfo=UTC)


class LabFilesTests(SynchronousTestCase):
    """
    L{LabFiles} writes a cluster that can be started.
    """

    def setUp(self) -> None:
        """
        Files on other addresses than usual.
        """
        self.files = LabFiles(Path(self.mktemp()).absolute(), "10.9.8")
        self.files.make(NOW)
        self.configuration = readConfiguration(self.files.configuration)

    def test_addresses(self) -> None:
        """
        Each member has an address of its own, and so the usual ports.
        """
        applications = self.configuration.applications
        found = {one.name: one.address for one in applications if one.address}
        self.assertEqual(
            found,
            {
                "store": "10.9.8.10",
                "proxy1": "10.9.8.11",
                "proxy2": "10.9.8.12",
                "node1a": "10.9.8.21",
                "node1b": "10.9.8.23",
                "node2a": "10.9.8.22",
                "node2b": "10.9.8.24",
                "media1": "10.9.8.31",
            },
        )
        for proxy in self.configuration.proxies:
            self.assertEqual((proxy.sipPort, proxy.sipTLSPort), (5060, 5061))
        ports = self.configuration.nodes[0].ports
        self.assertEqual(
            (ports.default, ports.tcPort, ports.ipPort, ports.smartProxy),
            (3000, 3001, 3002, 3003),
        )
        self.assertEqual(
            {one.httpPort for one in self.configuration.applications}, {8080}
        )

    def test_dns(self) -> None:
        """
        Twenty extensions with passwords, a routing point and a trunk.
        """
        found = self.configuration
        self.assertEqual(len(EXTENSIONS), 20)
        extension: Any = found.dn("1020")
        self.assertEqual(extension.password, "secret-1020")
        self.assertIsNotNone(found.dn("5000"))
        self.assertEqual(found.trunks[0].contact, "sip:10.9.8.40:5060")
        self.assertEqual(found.switch.domain, "lab.example")

    def test_againWithTheSameAuthority(self) -> None:
        """
        A second start keeps the authority that telephones trust by now.
        """
        before = self.files.authority.read_bytes()
        self.files.make(NOW)
        self.assertEqual(self.files.authority.read_bytes(), before)

    def test_introduction(self) -> None:
        """
        It tells the addresses, the folders, and that T-Library is not there.
        """
        text = self.files.introduction()
        for word in (
            "10.9.8.11",
            str(self.files.authority),
            str(self.files.logs),
            "secret-1001",
            "sipp ",
            "baresip",
            "linphonec",
            "reg_route=<sip:10.9.8.11;",
            "TCport 3001",
        ):
            self.assertIn(word, text)
        self.assertNotIn("{", text)
        self.assertNotIn("127.0.0", text)


class SpawningReactor(MemoryReactorClock):
    """
    A reactor whose processes are only noted.

    @ivar spawned: names of their applications.
    """

    def __init__(self) -> None:
        super().__init__()
        self.spawned: list[str] = []
        self.signals: list[str] = []
        self.protocols: dict[str, Any] = {}
        self.stopped = False

    def spawnProcess(self, protocol: Any, executable: str, args: Any, **_: Any) -> None:
        """
        Note one.
        """
        (name,) = [arg[7:] for arg in args if arg.startswith("--name=")]
        self.spawned.append(name)
        self.protocols[name] = protocol
        protocol.makeConnection(self)

    def signalProcess(self, signal: str) -> None:
        """
        Of any process.
        """
        self.signals.append(signal)

    def end(self, name: str, reason: Any) -> None:
        """
        Let a process end.
        """
        self.protocols[name].processEnded(Failure(reason))


class MembersTests(SynchronousTestCase):
    """
    L{lab.Members} keeps processes running, and ends them all.
    """

    def setUp(self) -> None:
        """
        Two members.
        """
        self.reactor: Any = SpawningReactor()
        self.told: list[str] = []
        self.ended: list[str] = []
        self.members = lab.Members(self.reactor, self.told.append, self.ended.append)
        files = LabFiles(Path("lab"))
        for name in ("node1a", "node2a"):
            self.members.addProcess(name, lab.command(name, files))
        self.members.startService()

    def test_startedAgain(self) -> None:
        """
        One that dies is started again soon, and that is told.
        """
        self.members.ready.add("node1a")
        self.reactor.advance(10)
        self.reactor.end("node1a", ProcessTerminated(signal=9))
        self.reactor.advance(0)
        self.assertEqual(self.reactor.spawned, ["node1a", "node2a", "node1a"])
        self.assertIn("node1a has ended (process ended by signal 9)", self.told[0])
        self.assertEqual(self.ended, [])

    def test_neverReady(self) -> None:
        """
        One that cannot start ends the lab.
        """
        for _ in range(lab.ATTEMPTS):
            self.assertEqual(self.ended, [])
            self.reactor.end("node1a", ProcessTerminated(exitCode=1))
            self.reactor.advance(2)
        self.assertEqual(self.ended, ["lab: node1a does not start"])

    def test_pid(self) -> None:
        """
        The process of a member is known while there is one.
        """
        self.reactor.pid = 4711
        self.assertEqual(self.members.pid("node1a"), 4711)
        self.assertIsNone(self.members.pid("node3"))
        self.members.stopService()

    def test_stop(self) -> None:
        """
        All are asked to end; the last one ends the lab.
        """
        stopped = self.members.stopService()
        self.assertEqual(self.reactor.signals, ["TERM", "TERM"])
        for name in ("node1a", "node2a"):
            self.assertNoResult(stopped)
            self.reactor.end(name, ProcessDone(0))
        self.successResultOf(stopped)
        self.assertEqual((self.told, self.reactor.getDelayedCalls()), ([], []))

    def test_stubborn(self) -> None:
        """
        One that does not end is killed in time.
        """
        self.members.stopService()
        self.reactor.advance(lab.KILL)
        self.assertEqual(self.reactor.signals[2:], ["KILL", "KILL"])
        self.assertLess(lab.KILL, 3)

    def test_nothingRuns(self) -> None:
        """
        With no process left, stopping is over at once.
        """
        for name in ("node1a", "node2a"):
            self.reactor.end(name, ProcessDone(0))
        self.successResultOf(self.members.stopService())


class FakeResponse:
    """
    An answer of JSON.
    """

    code = 200
    phrase = b""

    def __init__(self, value: object) -> None:
        self.value = value

    def deliverBody(self, protocol: Any) -> None:
        """
        All at once.
        """
        protocol.dataReceived(json.dumps(self.value).encode())
        protocol.connectionLost(Failure(ResponseDone()))


class LabTests(SynchronousTestCase):
    """
    L{lab.Lab} says when all members are ready.
    """

    def setUp(self) -> None:
        """
        A lab whose members answer as they are told.
        """
        self.reactor: Any = SpawningReactor()
        self.told: list[str] = []
        self.asked: list[str] = []
        self.healths: dict[str, object] = {}
        self.members = lab.Members(self.reactor, self.told.append, self.told.append)
        files = LabFiles(Path("lab"))
        self.lab = lab.Lab(self.reactor, files, self.members, self.told.append)
        self.urls = {url: name for name, url in files.health().items()}
        agent: Any = self
        self.lab.agent = agent

    def request(self, method: bytes, url: bytes) -> Any:
        """
        Answer as a member would.
        """
        name = self.urls[url.decode()]
        self.asked.append(name)
        health = self.healths.get(name)
        return succeed(FakeResponse(health)) if health else fail(ConnectionError())

    def test_ready(self) -> None:
        """
        Members are asked until each is ready, and the others are in service for
        it.
        """
        self.lab.startService()
        for health in (
            {"state": "starting"},
            {"state": "ready", "nodes": {"a": "out of service"}},
            {"state": "ready", "nodes": {}, "proxies": {"b": "unknown"}},
        ):
            self.healths = dict.fromkeys(PAIRED, health)
            self.reactor.advance(lab.POLL)
        self.assertEqual(set(self.asked), {"store"})
        good = {"state": "ready", "nodes": {"a": "in service"}}
        self.healths = dict.fromkeys(PAIRED, good)
        self.reactor.pump([lab.POLL, 0, 0, 0, 0, 0])
        self.assertEqual(self.told, ["ready"])
        self.assertEqual(self.members.ready, set(PAIRED))
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        self.lab.stopService()

    def test_anotherLab(self) -> None:
        """
        What answers at a member's address and is none of our processes does not
        count: another lab has the addresses.
        """
        self.healths = {name: {"state": "ready", "pid": 4711} for name in PAIRED}
        self.lab.startService()
        self.reactor.advance(lab.POLL)
        self.assertEqual((self.told, self.members.ready), ([], set()))
        self.patch(self.members, "pid", lambda name: 4711)
        self.reactor.pump([lab.POLL, 0, 0, 0, 0, 0])
        self.assertEqual(self.told, ["ready"])
        self.lab.stopService()

    def test_stopped(self) -> None:
        """
        Stopping ends the questions.
        """
        self.lab.startService()
        self.lab.stopService()
        self.assertEqual(self.reactor.getDelayedCalls(), [])


class MakeLabTests(SynchronousTestCase):
    """
    L{lab.makeLab} puts it together.
    """

    def setUp(self) -> None:
        """
        Catch what is printed.
        """
        self.out = io.StringIO()
        self.patch(sys, "stdout", self.out)
        self.patch(lab, "Ending", lambda reactor: self.fail)

    def test_processes(self) -> None:
        """
        Starting it starts all members, by C{twistd} of this Python.
        """
        reactor = SpawningReactor()
        folder = Path(self.mktemp())
        top = lab.makeLab(reactor, folder, "127.0.0", False)
        self.assertTrue((folder / "cluster.toml").exists())
        self.assertIn("127.0.0.11", self.out.getvalue())
        self.patch(lab.Lab, "startService", lambda self: None)
        top.startService()
        self.assertEqual(reactor.spawned, list(PAIRED))

    def test_quiet(self) -> None:
        """
        Quietly nothing is printed before it is ready.
        """
        lab.makeLab(SpawningReactor(), Path(self.mktemp()), "127.0.0", True)
        self.assertEqual(self.out.getvalue(), "")

    def test_folder(self) -> None:
        """
        A folder that cannot be used ends the process.
        """
        path = Path(self.mktemp())
        path.write_text("a file")
        self.assertRaises(
            SystemExit, lab.makeLab, SpawningReactor(), path, "127.0.0", True
        )
