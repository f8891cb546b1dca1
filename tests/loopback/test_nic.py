"""
Tests for L{sipcluster.net.nic} and L{sipcluster.net.commands} with this host's own
interfaces and programs.
"""

from __future__ import annotations

import os
import struct
import sys
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import inlineCallbacks
from twisted.internet.error import ProcessDone
from twisted.internet.protocol import ProcessProtocol
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase, TestCase
from zope.interface.verify import verifyObject

from sipcluster.monitors.imonitors import NIC, Ended, ICommands, INICs
from sipcluster.net import nic
from sipcluster.net.commands import OUTPUT, Commands
from sipcluster.net.nic import NICs
from sipcluster.testing.clock import runFor


class NICsTests(TestCase):
    """
    What Linux says of its interfaces.
    """

    def setUp(self) -> None:
        self.nics = NICs(reactor)

    def test_loopback(self) -> None:
        """
        The loopback interface has all of 127.0.0.0/8, and works.
        """
        self.assertTrue(verifyObject(INICs, self.nics))
        self.assertEqual(self.nics.find("127.0.0.1"), NIC("lo"))
        self.assertEqual(self.nics.find("127.66.5.4"), NIC("lo"))

    def test_elsewhere(self) -> None:
        """
        An address of another host is on no interface.
        """
        self.assertIs(self.nics.find("192.0.2.77"), None)
        self.assertIs(self.nics.find("2001:db8::77"), None)

    def test_noFilesLeft(self) -> None:
        """
        Looking a hundred times leaves no file open.
        """
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(100):
            self.nics.find("127.0.0.1")
        self.assertEqual(len(os.listdir("/proc/self/fd")), before)

    def test_follow(self) -> None:
        """
        Following opens one socket however many follow, and closes it after the
        last.
        """
        before = len(os.listdir("/proc/self/fd"))
        told: list[int] = []
        one = self.nics.follow(lambda: told.append(1))
        two = self.nics.follow(lambda: told.append(2))
        self.assertEqual(len(os.listdir("/proc/self/fd")), before + 1)
        assert self.nics._notices is not None
        self.nics._notices.doRead()
        self.assertEqual(told, [1, 2])
        one.stop()
        one.stop()
        self.nics._tell()
        self.assertEqual(told, [1, 2, 2])
        two.stop()
        self.assertEqual(len(os.listdir("/proc/self/fd")), before)


class MessageTests(SynchronousTestCase):
    """
    What the kernel's bytes mean.
    """

    def test_flags(self) -> None:
        """
        An interface works that is up and running.
        """
        self.assertEqual(nic._why(0x1 | 0x40), "")
        self.assertEqual(nic._why(0x1), "has no carrier")
        self.assertEqual(nic._why(0x40), "is down")

    def test_brokenBytes(self) -> None:
        """
        Lengths that cannot be end the reading, and nothing else.
        """
        self.assertEqual(list(nic._messages(struct.pack("=IHHII", 3, 1, 0, 0, 0))), [])
        self.assertEqual(list(nic._messages(b"\1\0")), [])
        self.assertEqual(nic._attributes(struct.pack("=HH", 0, 3)), {})
        self.assertEqual(nic._attributes(b"\5\0\3\0x\0\0\0"), {3: b"x"})


class Spawning(Clock):
    """
    A reactor whose processes do nothing.

    @ivar told: what they were told.
    @ivar refusal: why it starts none.
    """

    refusal: OSError | None = None

    def __init__(self) -> None:
        super().__init__()
        self.told: list[str] = []
        self.protocol = ProcessProtocol()

    def spawnProcess(self, protocol: ProcessProtocol, *arguments: object) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.protocol = protocol
        protocol.transport = self  # type: ignore[assignment]
        protocol.connectionMade()

    def closeStdin(self) -> None:
        self.told.append("closeStdin")

    def loseConnection(self) -> None:
        self.told.append("loseConnection")

    def signalProcess(self, signal: str) -> None:
        self.told.append(signal)


class CommandsTests(TestCase):
    """
    Commands of the operator.
    """

    timeout = 20

    def setUp(self) -> None:
        self.commands = Commands(reactor)

    def python(self, text: str, seconds: float = 10.0) -> Any:
        return self.commands.run(
            (sys.executable, "-S", "-c", text), {"WORD": "blue sky"}, seconds
        )

    @inlineCallbacks
    def test_succeeds(self) -> Any:
        """
        One that ends with 0 has not failed; it gets the environment it is given,
        and this process's PATH.
        """
        self.assertTrue(verifyObject(ICommands, self.commands))
        text = "import os; print(os.environ['WORD'], 'PATH' in os.environ)"
        self.assertEqual((yield self.python(text)), Ended("", "blue sky True"))

    @inlineCallbacks
    def test_fails(self) -> Any:
        """
        Its status and the end of what it wrote are told.
        """
        text = "import sys; sys.stderr.write('x' * 9999 + 'end'); sys.exit(3)"
        ended = yield self.python(text)
        self.assertEqual(ended.why, "ended with status 3")
        self.assertEqual(len(ended.output), OUTPUT)
        self.assertTrue(ended.output.endswith("xend"))

    @inlineCallbacks
    def test_tooLong(self) -> Any:
        """
        One that takes too long is killed.
        """
        ended = yield self.python("import time; time.sleep(60)", 0.1)
        self.assertEqual(ended.why, "took longer than 0.1 s")

    def test_cancelled(self) -> None:
        """
        One that is not wanted any more is killed, and not waited for; nor is one
        that cannot be killed.
        """
        for cancelled in (True, False):
            host = Spawning()
            running = Commands(host).run(("/bin/true",), {}, 5.0)
            if cancelled:
                running.cancel()
            else:
                runFor(host, 5.5)
                self.assertNoResult(running)
                runFor(host, 0.5)
            why = "was cancelled" if cancelled else "took longer than 5 s"
            self.assertEqual(self.successResultOf(running), Ended(why))
            self.assertEqual(host.told, ["closeStdin", "KILL"])
            host.protocol.processExited(Failure(ProcessDone(0)))
            self.assertEqual(host.told[2:], ["loseConnection"])
            self.assertEqual(host.getDelayedCalls(), [])

    def test_notStarted(self) -> None:
        """
        When the system starts nothing more, that is told.
        """
        host = Spawning()
        host.refusal = OSError(11, "Resource temporarily unavailable")
        ended = self.successResultOf(Commands(host).run(("/bin/true",), {}, 5.0))
        self.assertIn("Resource temporarily unavailable", ended.why)
        self.assertEqual(host.getDelayedCalls(), [])

    @inlineCallbacks
    def test_noProgram(self) -> Any:
        """
        What is no program is told so.
        """
        ended = yield self.commands.run(("/no/such/program",), {}, 1.0)
        self.assertEqual(ended.why, "cannot be started: /no/such/program is no program")

    @inlineCallbacks
    def test_whatItHasStarted(self) -> Any:
        """
        A command that leaves something running behind has ended.
        """
        ended = yield self.commands.run(
            ("/bin/sh", "-c", "sleep 2 & echo begun"), {}, 10.0
        )
        self.assertEqual(ended.why, "")
