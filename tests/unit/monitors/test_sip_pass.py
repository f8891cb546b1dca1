"""
Tests for L{sipcluster.monitors.sip_pass}: rows H04 to H08 of the inventory.
"""

from __future__ import annotations

import itertools

from attrs import define, field
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from sipcluster.monitors.alarms import Alarms
from sipcluster.monitors.imonitors import IMonitor
from sipcluster.monitors.service import (
    SERVICE_RUNNING,
    SERVICE_UNAVAILABLE,
    Service,
)
from sipcluster.monitors.sip_pass import SIPPassCheck, _machine, period
from sipcluster.testing.clock import runFor
from sipcluster.testing.machines import inputs, unanswered
from tests.unit.monitors.things import World


class PeriodTests(SynchronousTestCase):
    """
    Row H07.
    """

    def test_longestSum(self) -> None:
        """
        It is the longest sum of oos-check and oos-force.
        """
        self.assertEqual(period([(10, 20), (25, 6), (1, 7)]), 31)

    def test_forceIsAtLeastFive(self) -> None:
        """
        An oos-force below 5 counts as 5.
        """
        self.assertEqual(period([(10, 0), (11, 4.9)]), 16)

    def test_devicesWithoutDetection(self) -> None:
        """
        A device that is not asked does not count; without any there is no time.
        """
        self.assertEqual(period([(0, 30), (2, 5)]), 7)
        self.assertEqual(period([(0, 30)]), 0)
        self.assertRaises(ValueError, SIPPassCheck, Clock(), World().service, 0.0)


class SIPPassTests(SynchronousTestCase):
    """
    One member.
    """

    def setUp(self) -> None:
        self.world = World()
        self.failed = True
        self.check = SIPPassCheck(
            self.world.clock,
            self.world.service,
            20.0,
            lambda: self.failed,
            settle=3.0,
        )
        self.check.start()

    def test_interface(self) -> None:
        """
        It is a monitor, and each input has its answer in each state.
        """
        self.assertTrue(verifyObject(IMonitor, self.check))
        self.assertEqual(unanswered(_machine, inputs(_machine)), set())

    def run_(self, seconds: float) -> None:
        runFor(self.world.clock, seconds)

    def test_silentPrimaryIsUnavailable(self) -> None:
        """
        A primary that nothing reaches says so when the time is over, and not
        before.
        """
        self.check.roleChanged(True)
        self.run_(19.9)
        self.assertEqual(self.world.service.state, SERVICE_RUNNING)
        self.run_(0.1)
        self.assertEqual(self.world.service.state, SERVICE_UNAVAILABLE)
        self.assertEqual(
            self.world.pair.told, ["unfit sip-pass-check: no SIP for 20 s"]
        )
        self.assertEqual(self.world.pair.soft, {"sip-pass-check": True})
        self.assertEqual(self.world.active, ["sip-pass-check"])

    def test_timeCountsFromTheLastMessage(self) -> None:
        """
        Each SIP message starts the time anew, to the moment.
        """
        self.check.roleChanged(True)
        self.run_(13.25)
        self.check.sipSeen()
        self.run_(19.75)
        self.assertEqual(self.world.service.state, SERVICE_RUNNING)
        self.run_(0.25)
        self.assertEqual(self.world.service.state, SERVICE_UNAVAILABLE)

    def test_aDeviceThatHasNotFailed(self) -> None:
        """
        As long as one device has not failed, silence says nothing.
        """
        self.failed = False
        self.check.roleChanged(True)
        self.run_(100)
        self.assertEqual(self.world.service.state, SERVICE_RUNNING)
        self.failed = True
        self.run_(1)
        self.assertEqual(self.world.service.state, SERVICE_UNAVAILABLE)

    def test_backupDoesNotWatch(self) -> None:
        """
        A backup may be without SIP.
        """
        self.run_(1000)
        self.check.roleChanged(True)
        self.run_(5)
        self.check.roleChanged(False)
        self.run_(1000)
        self.assertEqual(self.world.pair.told, [])
        self.assertEqual(self.world.clock.getDelayedCalls(), [])

    def test_runningAgainWhenTheOtherHasTheRole(self) -> None:
        """
        The member is fit again when the other has had the time to take the role.
        """
        self.check.roleChanged(True)
        self.run_(20)
        self.check.roleChanged(False)
        self.run_(2.9)
        self.assertEqual(self.world.service.state, SERVICE_UNAVAILABLE)
        self.run_(0.1)
        self.assertEqual(self.world.service.state, SERVICE_RUNNING)
        self.assertEqual(self.world.pair.told[-1], "fit sip-pass-check")
        self.assertEqual(self.world.active, [])

    def test_primaryThatHearsSIPAgain(self) -> None:
        """
        When there is no better member it stays primary, and is well at once when
        SIP comes.
        """
        self.check.roleChanged(True)
        self.run_(500)
        self.check.sipSeen()
        self.assertEqual(self.world.service.state, SERVICE_RUNNING)
        self.run_(19)
        self.assertEqual(self.world.service.state, SERVICE_RUNNING)
        self.run_(1)
        self.assertEqual(self.world.service.state, SERVICE_UNAVAILABLE)

    def test_processThatSlept(self) -> None:
        """
        A timer that comes much too late does not speak of the network: the time
        begins anew.
        """
        self.check.roleChanged(True)
        self.world.clock.advance(300)
        self.assertEqual(self.world.service.state, SERVICE_RUNNING)
        self.run_(20)
        self.assertEqual(self.world.service.state, SERVICE_UNAVAILABLE)

    def test_stop(self) -> None:
        """
        It leaves no timer behind, in whatever state it is.
        """
        for steps in ((), (True,), (True, 20.0), (True, 20.0, False)):
            self.setUp()
            for step in steps:
                if isinstance(step, bool):
                    self.check.roleChanged(step)
                else:
                    self.run_(step)
            self.check.stop()
            self.check.stop()
            self.check.sipSeen()
            self.assertEqual(self.world.clock.getDelayedCalls(), [])

    def test_roleThatCameBackLate(self) -> None:
        """
        When the other member has kept the role for longer than it could have
        without SIP, the time is the first one again.
        """
        self.check.roleChanged(True)
        self.run_(20)
        self.check.roleChanged(False)
        self.run_(200)
        self.check.roleChanged(True)
        self.run_(20)
        self.assertEqual(self.world.service.state, SERVICE_UNAVAILABLE)

    def test_nobodyTookIt(self) -> None:
        """
        When nobody has taken the role, it is not given up in the dark again, and
        the time is not doubled; SIP ends that.
        """
        self.world.service.linked = False
        self.check.roleChanged(True)
        self.run_(20)
        self.assertEqual(self.world.pair.soft, {"sip-pass-check": False})
        self.check.roleChanged(False)
        self.run_(4)
        self.check.roleChanged(True)
        self.run_(20)
        self.assertEqual(self.world.pair.soft, {"sip-pass-check": True})
        self.check.sipSeen()
        self.assertEqual(self.world.pair.soft, {})
        self.run_(20)
        self.assertEqual(self.world.pair.soft, {"sip-pass-check": False})
        self.world.service.linkChanged(True)
        self.assertEqual(self.world.pair.soft, {"sip-pass-check": True})
        self.world.service.linkChanged(True)
        self.world.service.linkChanged(False)
        self.assertEqual(self.world.pair.soft, {"sip-pass-check": False})

    def test_status(self) -> None:
        """
        It says how long it waits.
        """
        self.assertEqual(self.check.status(), "at most 20 s without SIP")
        self.check.roleChanged(True)
        self.run_(20)
        self.check.roleChanged(False)
        self.run_(20)
        self.check.roleChanged(True)
        self.assertEqual(self.check.status(), "at most 40 s without SIP (2 times 20)")


@define(eq=False)
class Side:
    """
    One of two members that leave the role to each other.
    """

    name: str
    both: Both
    check: SIPPassCheck = field(init=False)

    def __attrs_post_init__(self) -> None:
        service = Service(Alarms(self.both.clock, lambda: 0.0), self)
        self.check = SIPPassCheck(self.both.clock, service, 10.0, settle=1.0)
        self.check.start()

    def unfit(self, reason: str, why: str, soft: bool = False) -> None:
        """
        The other one takes the role a moment later.
        """
        other = next(side for side in self.both.sides if side is not self)
        self.check.roleChanged(False)
        self.both.clock.callLater(0, self.both.serve, other)

    def fit(self, reason: str) -> None:
        """
        It does not ask for the role: the other has it.
        """


@define(eq=False)
class Both:
    """
    Two members, one of them primary.

    @ivar served: who began to serve when.
    """

    clock: Clock = field(factory=Clock)
    sides: list[Side] = field(init=False)
    served: list[tuple[str, float]] = field(factory=list)

    def __attrs_post_init__(self) -> None:
        self.sides = [Side("a", self), Side("b", self)]

    def serve(self, side: Side) -> None:
        self.served.append((side.name, self.clock.seconds()))
        side.check.roleChanged(True)


class DoubleSwitchoverTests(SynchronousTestCase):
    """
    Two members, neither of which anything reaches: row H08.
    """

    def setUp(self) -> None:
        self.both = Both()
        self.a, self.b = self.both.sides
        self.both.serve(self.a)

    def held(self) -> list[tuple[str, float]]:
        """
        Who had the role for how long.
        """
        served = self.both.served
        return [
            (one[0], round(two[1] - one[1], 3))
            for one, two in itertools.pairwise(served)
        ]

    def test_timeDoubles(self) -> None:
        """
        Each double switchover doubles the time, up to four times the first one.
        """
        runFor(self.both.clock, 300)
        self.assertEqual(
            self.held()[:8],
            [
                ("a", 10.0),
                ("b", 10.0),
                ("a", 20.0),
                ("b", 20.0),
                ("a", 40.0),
                ("b", 40.0),
                ("a", 40.0),
                ("b", 40.0),
            ],
        )

    def test_whoSeesSIPStays(self) -> None:
        """
        As soon as SIP reaches the primary it keeps the role, and the time is the
        first one again.
        """
        runFor(self.both.clock, 50)
        self.assertEqual(self.both.served[-1][0], "b")
        self.b.check.sipSeen()
        switchovers = len(self.both.served)
        for _ in range(100):
            runFor(self.both.clock, 5)
            self.b.check.sipSeen()
        self.assertEqual(len(self.both.served), switchovers)
        self.assertEqual(self.b.check.status(), "at most 10 s without SIP")
        runFor(self.both.clock, 10)
        self.assertEqual(self.both.served[-1][0], "a")
        self.assertEqual(self.a.check.status(), "at most 10 s without SIP")

    def test_backupThatSeesSIP(self) -> None:
        """
        A backup that SIP reaches will not wait for longer when the role comes.
        """
        runFor(self.both.clock, 11)
        self.a.check.sipSeen()
        runFor(self.both.clock, 10)
        self.assertEqual(self.held(), [("a", 10.0), ("b", 10.0)])
        self.assertEqual(self.a.check.status(), "at most 10 s without SIP")
