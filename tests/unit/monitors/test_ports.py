"""
Tests for L{sipcluster.monitors.ports}: row H10 of the inventory.
"""

from __future__ import annotations

import socket

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import CannotListenError
from twisted.trial.unittest import SynchronousTestCase

from sipcluster.monitors.numbers import CRITICAL, PORT_OPENED
from sipcluster.monitors.ports import Ports
from sipcluster.monitors.service import SERVICE_RUNNING, SERVICE_UNAVAILABLE
from sipcluster.testing.clock import runFor
from tests.unit.monitors.things import World, numbersLogged


class PortsTests(SynchronousTestCase):
    """
    A member with a UDP port and a TCP port for SIP, and one for T-Library.
    """

    def setUp(self) -> None:
        self.world = World()
        self.numbers = numbersLogged(self)
        self.make(True)

    def make(self, check: bool) -> None:
        self.taken: set[str] = set()
        self.tries: list[str] = []
        self.ports = Ports(self.world.clock, self.world.service, check)
        for name, sip in (("UDP", True), ("TCP", True), ("T-Library", False)):
            self.ports.add(name, lambda name=name: self.opens(name), sip)  # type: ignore[misc]
        self.addCleanup(self.ports.stop)

    def opens(self, name: str) -> Deferred[object]:
        self.tries.append(name)
        if name in self.taken:
            error = OSError(98, "Address already in use")
            return fail(CannotListenError("127.0.0.1", 5060, error))
        return succeed(object())

    def test_allOpen(self) -> None:
        """
        When all can be opened nothing is said.
        """
        opened = self.ports.open()
        self.assertTrue(opened.called)
        self.assertEqual(self.world.service.state, SERVICE_RUNNING)
        self.assertEqual(self.ports.status(), "3 open")
        self.assertEqual(self.world.clock.getDelayedCalls(), [])
        self.assertEqual(self.numbers, [])

    def test_noSIPPort(self) -> None:
        """
        A member without any SIP port cannot serve, for whatever the other is like:
        the process stays, logs 00-04200, tries again, and can serve as soon as one
        is open.
        """
        self.taken = {"UDP", "TCP"}
        opened = self.ports.open()
        self.assertTrue(opened.called)
        self.assertEqual(self.world.service.state, SERVICE_UNAVAILABLE)
        self.assertEqual(self.world.pair.soft, {"port UDP": False, "port TCP": False})
        self.assertEqual(self.world.active, ["port UDP", "port TCP"])
        self.assertIn(CRITICAL, self.numbers)
        self.assertIn("Address already in use", self.ports.status())
        runFor(self.world.clock, 60)
        self.assertEqual(self.numbers.count(CRITICAL), 2)
        self.taken = {"TCP"}
        runFor(self.world.clock, 5)
        self.assertEqual(self.world.pair.soft, {"port TCP": True})
        self.taken = set()
        runFor(self.world.clock, 5)
        self.assertEqual(self.world.pair.soft, {})
        self.assertEqual(self.world.service.state, SERVICE_RUNNING)
        self.assertEqual(self.world.active, [])
        self.assertEqual(self.numbers.count(PORT_OPENED), 2)

    def test_anotherPort(self) -> None:
        """
        Without its T-Library port it should not serve if the other can.
        """
        self.taken = {"T-Library"}
        self.ports.open()
        self.assertEqual(self.world.pair.soft, {"port T-Library": True})

    def test_tries(self) -> None:
        """
        It tries again after half a second, then less often, at least each five
        seconds.
        """
        self.taken = {"UDP"}
        self.ports.open()
        del self.tries[:]
        runFor(self.world.clock, 0.5)
        self.assertEqual(self.tries, ["UDP"])
        runFor(self.world.clock, 60)
        self.assertIn(len(self.tries), range(12, 17))
        self.assertEqual(set(self.tries), {"UDP"})

    def test_sipPortCheckIsOff(self) -> None:
        """
        With C{backup-sip-port-check} off a backup may lack its SIP ports, which is
        an alarm all the same; a primary may not.
        """
        self.make(False)
        self.taken = {"UDP", "TCP"}
        self.ports.open()
        self.assertEqual(self.world.service.state, SERVICE_RUNNING)
        self.assertEqual(self.world.active, ["port UDP", "port TCP"])
        runFor(self.world.clock, 30)
        self.assertEqual(self.numbers.count(CRITICAL), 2)
        self.ports.roleChanged(True)
        self.assertEqual(self.world.service.state, SERVICE_UNAVAILABLE)
        self.ports.roleChanged(False)
        self.assertEqual(self.world.service.state, SERVICE_RUNNING)
        self.assertEqual(self.world.active, ["port UDP", "port TCP"])
        self.taken = set()
        runFor(self.world.clock, 5)
        self.assertEqual(self.world.active, [])

    def test_whatOpenerRaises(self) -> None:
        """
        An opener that raises is one whose port cannot be opened.
        """

        def opens() -> Deferred[object]:
            raise socket.gaierror("no such host")

        self.ports.add("other", opens)
        self.assertTrue(self.ports.open().called)
        self.assertEqual(self.ports.closed, {"other": "no such host"})

    def test_slowPort(self) -> None:
        """
        Opening waits for each to have been tried once; stopping waits for none.
        """
        slow: Deferred[object] = Deferred()
        self.ports.add("slow", lambda: slow)
        opened = self.ports.open()
        self.assertFalse(opened.called)
        self.ports.stop()
        self.assertTrue(opened.called)
        self.assertEqual(self.world.service.state, SERVICE_RUNNING)
        self.assertEqual(self.world.clock.getDelayedCalls(), [])

    def test_nothing(self) -> None:
        """
        Without ports all are open.
        """
        self.assertTrue(Ports(self.world.clock, self.world.service).open().called)
