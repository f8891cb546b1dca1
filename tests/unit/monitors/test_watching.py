"""
Tests for L{sipcluster.monitors.watching}, and the monitors of the arbiter and of what a
backup lacks: row H12 of the inventory, C{backup-init-check}.
"""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from sipcluster.monitors.condition import (
    ARBITER,
    STANDBY,
    arbiterMonitor,
    standbyMonitor,
)
from sipcluster.monitors.imonitors import IMonitor
from sipcluster.monitors.initialised import REASON, InitCheck
from sipcluster.monitors.numbers import ARBITER_AWAY, ARBITER_BACK
from sipcluster.monitors.service import SERVICE_RUNNING, SERVICE_UNAVAILABLE
from sipcluster.monitors.watching import Watching
from sipcluster.testing.clock import runFor
from tests.unit.monitors.things import World, numbersLogged


class WatchingTests(SynchronousTestCase):
    """
    Only what lasts is believed.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.state: str | None = ""
        self.told: list[tuple[str, float]] = []
        self.watching = Watching(self.clock, 1.0, 2.5, 1.5, self.look, self.turned)
        self.watching.start()

    def look(self) -> str | None:
        if self.state == "raise":
            raise ValueError("no")
        return self.state

    def turned(self, why: str) -> None:
        self.told.append((why, round(self.clock.seconds(), 3)))

    def test_patienceAndTrust(self) -> None:
        """
        Bad counts after the patience from when it was first seen, good after the
        trust.
        """
        self.state = "bad"
        runFor(self.clock, 10)
        self.state = ""
        runFor(self.clock, 10)
        self.assertEqual(self.told, [("bad", 3.5), ("", 12.0)])

    def test_notKnown(self) -> None:
        """
        What cannot be known neither counts as bad nor as good.
        """
        self.state = "bad"
        runFor(self.clock, 3)
        self.state = None
        runFor(self.clock, 10)
        self.state = "bad"
        runFor(self.clock, 2)
        self.assertEqual(self.told, [])
        runFor(self.clock, 2)
        self.assertEqual(len(self.told), 1)
        self.state = None
        runFor(self.clock, 10)
        self.assertEqual(len(self.told), 1)

    def test_lookThatRaises(self) -> None:
        """
        A look that raises is one that does not know; it goes on.
        """
        self.state = "raise"
        runFor(self.clock, 2)
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 2)
        self.state = "bad"
        runFor(self.clock, 5)
        self.assertEqual(len(self.told), 1)

    def test_stop(self) -> None:
        """
        No look comes after the end.
        """
        self.watching.stop()
        self.watching.soon()
        self.watching.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])


class ConditionTests(SynchronousTestCase):
    """
    The arbiter and the other member, seen from one.
    """

    def test_awayAndBack(self) -> None:
        """
        That it is away is an alarm until it is back, and nothing that keeps the
        member from serving; one answer that is late is none.
        """
        world = World()
        numbers = numbersLogged(self)
        away = [""]
        monitor = arbiterMonitor(world.clock, world.alarms, lambda: away[0])
        self.assertTrue(verifyObject(IMonitor, monitor))
        monitor.start()
        monitor.roleChanged(True)
        self.assertEqual(monitor.status(), "the arbiter answers")
        away[0] = "no answer in time"
        runFor(world.clock, 1)
        away[0] = ""
        runFor(world.clock, 5)
        self.assertEqual(world.active, [])
        away[0] = "no answer in time"
        runFor(world.clock, 2)
        self.assertEqual(world.active, [ARBITER])
        self.assertEqual(monitor.status(), "the arbiter is away: no answer in time")
        self.assertEqual(world.service.state, SERVICE_RUNNING)
        away[0] = ""
        runFor(world.clock, 1)
        self.assertEqual(world.active, [])
        told = [n for n in numbers if n in (ARBITER_AWAY, ARBITER_BACK)]
        self.assertEqual(told, [ARBITER_AWAY, ARBITER_BACK])
        monitor.stop()
        self.assertEqual(world.clock.getDelayedCalls(), [])

    def test_hotStandby(self) -> None:
        """
        That no backup has everything is an alarm when it has lasted for ten
        seconds.
        """
        world = World()
        unready = ["node1b has not everything"]
        monitor = standbyMonitor(world.clock, world.alarms, lambda: unready[0])
        monitor.start()
        runFor(world.clock, 9)
        self.assertEqual(world.active, [])
        runFor(world.clock, 1)
        self.assertEqual(world.active, [STANDBY])
        self.assertEqual(
            world.alarms.active()[0].text, "no hot standby: node1b has not everything"
        )
        unready[0] = ""
        monitor.roleChanged(False)
        runFor(world.clock, 0.1)
        self.assertEqual(world.active, [])
        monitor.stop()
        self.assertEqual(world.clock.getDelayedCalls(), [])


class InitCheckTests(SynchronousTestCase):
    """
    A backup and its parts.
    """

    def setUp(self) -> None:
        self.world = World()
        self.missing = {"calls": "not in sync"}
        self.check = InitCheck(
            self.world.clock, self.world.service, lambda: self.missing, 15.0
        )
        self.check.start()
        self.addCleanup(self.check.stop)

    def test_inTime(self) -> None:
        """
        A backup that is initialised in time is well.
        """
        self.assertTrue(verifyObject(IMonitor, self.check))
        self.assertEqual(self.check.status(), "calls: not in sync")
        runFor(self.world.clock, 14)
        self.missing = {}
        runFor(self.world.clock, 100)
        self.assertEqual(self.check.status(), "initialised")
        self.assertEqual(self.world.pair.told, [])

    def test_late(self) -> None:
        """
        One that is not is unavailable until it is.
        """
        runFor(self.world.clock, 15)
        self.assertEqual(
            self.world.service.why,
            {REASON: "not initialised within 15 s: calls: not in sync"},
        )
        self.missing = {}
        runFor(self.world.clock, 1)
        self.assertEqual(self.world.service.state, SERVICE_RUNNING)

    def test_primary(self) -> None:
        """
        A primary is not asked; when it is backup again its time begins anew.
        """
        runFor(self.world.clock, 20)
        self.check.roleChanged(True)
        self.assertEqual(self.world.service.state, SERVICE_RUNNING)
        self.assertEqual(self.check.status(), "not asked of a primary")
        runFor(self.world.clock, 100)
        self.assertEqual(self.world.service.state, SERVICE_RUNNING)
        self.check.roleChanged(False)
        runFor(self.world.clock, 15)
        self.assertEqual(self.world.service.state, SERVICE_RUNNING)
        runFor(self.world.clock, 2)
        self.assertEqual(self.world.service.state, SERVICE_UNAVAILABLE)
