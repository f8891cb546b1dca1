"""
Tests for L{sipcluster.net.guardian}: what becomes of its child.  What the child does is
in C{tests.loopback.test_guardian}.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.error import ProcessDone
from twisted.internet.protocol import ProcessProtocol
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from sipcluster.net.guardian import NO_GUARDIAN, PATIENCE, RARELY, SOON, Guardian
from tests.unit.monitors.things import numbersLogged


class Child:
    """
    The transport of a process that there is not.
    """

    pid = 7

    def __init__(self) -> None:
        self.written = b""
        self.signals: list[str] = []

    def write(self, data: bytes) -> None:
        """
        It reads.
        """
        self.written += data

    def closeStdin(self) -> None:
        """
        It reads no more.
        """

    def signalProcess(self, signal: str) -> None:
        """
        It gets a signal.
        """
        self.signals.append(signal)


class Starting(Clock):
    """
    A reactor that starts processes.

    @ivar broken: it cannot.
    """

    broken = False

    def __init__(self) -> None:
        super().__init__()
        self.began: list[ProcessProtocol] = []

    def spawnProcess(self, protocol: Any, *args: Any, **kw: Any) -> None:
        """
        Start one.
        """
        if self.broken:
            raise OSError("no more processes")
        self.began.append(protocol)
        protocol.makeConnection(Child())


class GuardianTests(SynchronousTestCase):
    """
    There is always one child, while the service runs.
    """

    def setUp(self) -> None:
        self.reactor = Starting()
        self.logged = numbersLogged(self)
        self.guardian = Guardian(self.reactor, ["http://192.0.2.1"], b"key", b"value")
        self.guardian.startService()

    @property
    def child(self) -> Any:
        """
        The last one.
        """
        return self.reactor.began[-1]

    def die(self) -> None:
        """
        The last child ends.
        """
        self.child.processEnded(Failure(ProcessDone(0)))

    def test_again(self) -> None:
        """
        One that ends is followed by another one, with growing pauses; after one that
        has lived long they begin anew.
        """
        for pause in (SOON, 2 * SOON, 4 * SOON):
            count = self.guardian.begun
            self.die()
            self.assertEqual(self.guardian.pid, 0)
            self.reactor.advance(pause - 0.1)
            self.assertEqual(self.guardian.begun, count)
            self.reactor.advance(0.2)
            self.assertEqual((self.guardian.begun, self.guardian.pid), (count + 1, 7))
        self.reactor.advance(RARELY + 1)
        self.die()
        self.reactor.advance(SOON)
        self.assertEqual(self.guardian.begun, 5)
        self.assertEqual(self.logged, [NO_GUARDIAN] * 4)

    def test_cannotBegin(self) -> None:
        """
        It is tried again when no process can be started.
        """
        self.reactor.broken = True
        self.die()
        self.reactor.advance(SOON)
        self.assertEqual((self.guardian.begun, self.guardian.pid), (2, 0))
        self.reactor.broken = False
        self.reactor.advance(2 * SOON)
        self.assertEqual(self.guardian.pid, 7)

    def test_stop(self) -> None:
        """
        The child is told that all is over, and waited for.
        """
        stopped = self.guardian.stopService()
        self.assertTrue(self.child.transport.written.endswith(b"\nover\n"))
        self.assertNoResult(stopped)
        self.die()
        self.successResultOf(stopped)
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        self.assertEqual(self.child.transport.signals, [])

    def test_stopWithoutAChild(self) -> None:
        """
        Nobody is waited for between two children.
        """
        self.die()
        self.successResultOf(self.guardian.stopService())
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_doesNotEnd(self) -> None:
        """
        One that does not end is killed.
        """
        stopped = self.guardian.stopService()
        self.reactor.advance(PATIENCE)
        self.assertEqual(self.child.transport.signals, ["KILL"])
        self.die()
        self.successResultOf(stopped)
