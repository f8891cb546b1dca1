"""
Tests for L{sipcluster.app.pair_parts}.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from sipcluster.app.pair_parts import Listener
from tests.unit.monitors.things import numbersLogged


class Port:
    """
    A port that is open.
    """

    closed = False

    def getHost(self) -> IPv4Address:
        """
        Where it is.
        """
        return IPv4Address("TCP", "192.0.2.21", 5070)

    def stopListening(self) -> Deferred[None]:
        """
        Close it.
        """
        self.closed = True
        return succeed(None)


class ListenerTests(SynchronousTestCase):
    """
    The port of the HA link is tried until it is open.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.port = Port()
        self.tries = 0
        self.next: Deferred[Any] = succeed(self.port)
        self.listener = Listener(self.clock, self.listen)
        self.logged = numbersLogged(self)

    def listen(self) -> Deferred[IListeningPort]:
        """
        Try to open it.
        """
        self.tries += 1
        return self.next

    def taken(self) -> None:
        """
        Another program has it.
        """
        self.next = fail(CannotListenError("192.0.2.21", 5070, OSError("in use")))

    def test_opened(self) -> None:
        """
        It is open until the service stops.
        """
        self.listener.startService()
        self.assertEqual((self.tries, self.port.closed), (1, False))
        self.successResultOf(self.listener.stopService())
        self.assertTrue(self.port.closed)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_taken(self) -> None:
        """
        A port that is taken is tried again; that is logged once.
        """
        self.taken()
        self.listener.startService()
        self.taken()
        self.clock.advance(2)
        self.next = succeed(self.port)
        self.clock.advance(2)
        self.assertEqual((self.tries, self.logged), (3, ["00-53142"]))
        self.clock.advance(10)
        self.assertEqual(self.tries, 3)
        self.successResultOf(self.listener.stopService())
        self.assertTrue(self.port.closed)

    def test_stoppedWhileTaken(self) -> None:
        """
        Nobody tries any more when the service has stopped.
        """
        self.taken()
        self.listener.startService()
        self.successResultOf(self.listener.stopService())
        self.clock.advance(10)
        self.assertEqual(self.tries, 1)

    def test_stoppedWhileOpening(self) -> None:
        """
        A port that is being opened is not waited for.
        """
        self.next = Deferred()
        self.listener.startService()
        self.successResultOf(self.listener.stopService())
        self.assertEqual(self.clock.getDelayedCalls(), [])
