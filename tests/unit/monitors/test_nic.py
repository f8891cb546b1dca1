"""
Tests for L{sipcluster.monitors.nic}: rows H09, H14 and H15 of the inventory.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from sipcluster.monitors.imonitors import NIC, IMonitor, INICs
from sipcluster.monitors.nic import SIP_NIC, NICMonitor
from sipcluster.monitors.numbers import SIP_NIC_FAILED, SIP_NIC_WORKS
from sipcluster.monitors.service import SERVICE_RUNNING, SERVICE_UNAVAILABLE
from sipcluster.testing.clock import runFor
from tests.unit.monitors.things import FakeNICs, World, numbersLogged

ADDRESS = "192.0.2.1"


class NICMonitorTests(SynchronousTestCase):
    """
    One network interface.
    """

    def setUp(self) -> None:
        self.world = World()
        self.nics = FakeNICs({ADDRESS: NIC("eth0")})
        self.numbers = numbersLogged(self)
        self.monitor = NICMonitor(
            SIP_NIC,
            self.world.clock,
            self.world.service,
            self.nics,
            ADDRESS,
            SIP_NIC_FAILED,
            SIP_NIC_WORKS,
        )
        self.monitor.start()
        self.addCleanup(self.monitor.stop)

    def run_(self, seconds: float) -> None:
        runFor(self.world.clock, seconds)

    def test_interfaces(self) -> None:
        """
        It is a monitor.
        """
        self.assertTrue(verifyObject(IMonitor, self.monitor))
        self.assertTrue(verifyObject(INICs, self.nics))

    def test_works(self) -> None:
        """
        As long as the interface works nothing is said, whatever the role is.
        """
        self.run_(100)
        self.monitor.roleChanged(True)
        self.run_(100)
        self.assertEqual(self.world.service.state, SERVICE_RUNNING)
        self.assertEqual(self.monitor.status(), "eth0 of 192.0.2.1 works")

    def test_failsAndWorksAgain(self) -> None:
        """
        A failure is told with 00-52027 when it has lasted half a second, that it
        works again with 00-52028 two seconds later; the alarm is there between.
        """
        self.nics.found[ADDRESS] = NIC("eth0", "has no carrier")
        self.nics.tell()
        self.run_(0.5)
        self.assertEqual(self.world.service.state, SERVICE_RUNNING)
        self.run_(0.1)
        why = "network interface eth0 of 192.0.2.1 has no carrier"
        self.assertEqual(self.world.service.why, {SIP_NIC: why})
        self.assertEqual(self.world.pair.soft, {SIP_NIC: True})
        self.assertEqual(self.world.active, [SIP_NIC])
        self.assertEqual(self.monitor.status(), why)
        self.nics.found[ADDRESS] = NIC("eth0")
        self.nics.tell()
        self.run_(1.9)
        self.assertEqual(self.world.service.state, SERVICE_UNAVAILABLE)
        self.run_(0.2)
        self.assertEqual(self.world.service.state, SERVICE_RUNNING)
        self.assertEqual(self.world.active, [])
        wanted = [SIP_NIC_FAILED, SIP_NIC_WORKS]
        self.assertEqual([n for n in self.numbers if n in wanted], wanted)

    def test_withoutNotices(self) -> None:
        """
        Where the system tells nothing, looking each second is enough.
        """
        self.monitor.stop()
        self.nics.silent = True
        self.monitor.start()
        self.run_(0.3)
        del self.nics.found[ADDRESS]
        self.run_(1.3)
        self.assertEqual(
            self.world.service.why, {SIP_NIC: "no network interface has 192.0.2.1"}
        )

    def test_shortFailure(self) -> None:
        """
        A link that comes back within half a second, again and again, is none that
        has failed.
        """
        for _ in range(20):
            self.nics.found[ADDRESS] = NIC("eth0", "has no carrier")
            self.nics.tell()
            self.run_(0.3)
            self.nics.found[ADDRESS] = NIC("eth0")
            self.nics.tell()
            self.run_(0.1)
        self.assertEqual(self.world.pair.told, [])

    def test_systemDoesNotSay(self) -> None:
        """
        When the system does not say what there is, what was believed stays so.
        """
        self.nics.broken = "too many files are open"
        self.run_(60)
        self.assertEqual(self.world.service.state, SERVICE_RUNNING)
        self.assertEqual(
            self.monitor.status(), "cannot be seen: too many files are open"
        )
        self.nics.broken = ""
        self.nics.found[ADDRESS] = NIC("eth0", "is down")
        self.run_(2)
        self.assertEqual(self.world.service.state, SERVICE_UNAVAILABLE)
        self.nics.broken = "too many files are open"
        self.run_(60)
        self.assertEqual(self.world.service.state, SERVICE_UNAVAILABLE)

    def test_manyNotices(self) -> None:
        """
        A thousand notices at a time are one look.
        """
        looks = self.nics.looks
        for _ in range(1000):
            self.nics.tell()
        self.run_(0.1)
        self.assertEqual(self.nics.looks, looks + 1)

    def test_stop(self) -> None:
        """
        It leaves neither timers nor followers behind, and may be stopped twice.
        """
        self.nics.found.clear()
        self.run_(0.1)
        self.monitor.stop()
        self.monitor.stop()
        self.nics.tell()
        self.assertEqual(self.nics.followers, [])
        self.assertEqual(self.world.clock.getDelayedCalls(), [])
