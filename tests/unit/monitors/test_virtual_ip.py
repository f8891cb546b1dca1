"""
Tests for L{sipcluster.monitors.virtual_ip}: row H13 of the inventory.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from sipcluster.monitors.imonitors import NIC, Ended, ICommands, IMonitor
from sipcluster.monitors.numbers import VIRTUAL_IP_RIGHT, VIRTUAL_IP_WRONG
from sipcluster.monitors.service import SERVICE_RUNNING, SERVICE_UNAVAILABLE
from sipcluster.monitors.virtual_ip import COOLING, REASON, VirtualIPMonitor
from sipcluster.testing.clock import runFor
from tests.unit.monitors.things import FakeCommands, FakeNICs, World, numbersLogged

VIP = "192.0.2.100"


class VirtualIPTests(SynchronousTestCase):
    """
    One member that has, or has not, the virtual IP address.
    """

    def setUp(self) -> None:
        self.world = World()
        self.nics = FakeNICs()
        self.commands = FakeCommands()
        self.commands.effects = {"up": self.take, "down": self.give}
        self.monitor = VirtualIPMonitor(
            self.world.clock,
            self.world.service,
            self.nics,
            self.commands,
            VIP,
            ("up", VIP),
            ("down", VIP),
            interval=1.0,
            patience=7.0,
        )
        self.logged = numbersLogged(self)
        self.monitor.start()
        self.addCleanup(self.monitor.stop)

    def take(self) -> None:
        self.nics.found[VIP] = NIC("eth0")

    def give(self) -> None:
        self.nics.found.pop(VIP, None)

    def run_(self, seconds: float) -> None:
        runFor(self.world.clock, seconds)

    @property
    def numbers(self) -> list[str]:
        """
        What was logged of the address.
        """
        wanted = (VIRTUAL_IP_RIGHT, VIRTUAL_IP_WRONG)
        return [number for number in self.logged if number in wanted]

    def test_interfaces(self) -> None:
        """
        It is a monitor.
        """
        self.assertTrue(verifyObject(IMonitor, self.monitor))
        self.assertTrue(verifyObject(ICommands, self.commands))

    def test_rolesTakeAndGive(self) -> None:
        """
        Who becomes primary takes the address at once, who becomes backup gives it
        up; neither is a failure.
        """
        self.monitor.roleChanged(True)
        self.run_(0)
        command, environment, seconds = self.commands.began[0]
        self.assertEqual(command, ("up", VIP))
        self.assertEqual(
            environment,
            {"SIPCLUSTER_VIRTUAL_ADDRESS": VIP, "SIPCLUSTER_ROLE": "primary"},
        )
        self.assertEqual(seconds, 7.0)
        self.assertEqual(self.monitor.status(), f"this host has {VIP}")
        self.run_(10)
        self.monitor.roleChanged(False)
        self.run_(10)
        self.assertEqual(self.commands.names, ["up", "down"])
        self.assertEqual(self.numbers, [VIRTUAL_IP_RIGHT] * 2)
        self.assertEqual(self.world.pair.told, [])
        self.assertEqual(self.world.active, [])

    def test_addressIsLost(self) -> None:
        """
        An address that goes is taken again within the interval.
        """
        self.monitor.roleChanged(True)
        self.run_(5)
        self.give()
        self.run_(1)
        self.assertIn(VIP, self.nics.found)
        self.assertEqual(self.commands.names, ["up", "up"])

    def test_backupThatHasIt(self) -> None:
        """
        A backup that has the address gives it up; when it cannot, that is logged
        with 00-52029, then it is unavailable, and with 00-52030 it is well again.
        """
        self.commands.effects = {}
        self.take()
        self.run_(1.5)
        self.assertEqual(self.world.service.state, SERVICE_RUNNING)
        self.assertEqual(self.numbers, [])
        self.run_(0.5)
        self.assertEqual(self.numbers, [VIRTUAL_IP_WRONG])
        self.assertEqual(self.world.active, [REASON])
        self.assertEqual(self.world.service.state, SERVICE_RUNNING)
        self.run_(2)
        self.assertEqual(self.commands.names[:3], ["down"] * 3)
        self.assertEqual(self.world.service.state, SERVICE_UNAVAILABLE)
        self.assertEqual(self.world.pair.soft, {REASON: True})
        self.assertIn("a backup, has", self.monitor.status())
        tried = len(self.commands.began)
        self.run_(100)
        self.assertEqual(len(self.commands.began), tried + 10)
        self.give()
        self.run_(10)
        self.assertEqual(self.world.service.state, SERVICE_RUNNING)
        self.assertEqual(self.world.active, [])
        self.assertEqual(self.numbers[-1], VIRTUAL_IP_RIGHT)

    def test_primaryThatCannotTakeIt(self) -> None:
        """
        It leaves the role to the other, and is no candidate for a minute, so that
        two that cannot do not give it to each other for ever.
        """
        self.commands.effects = {}
        self.commands.ends = Ended("ended with status 2", "no such device")
        self.monitor.roleChanged(True)
        self.run_(5)
        self.assertEqual(self.world.service.state, SERVICE_UNAVAILABLE)
        self.monitor.roleChanged(False)
        self.run_(COOLING - 1)
        self.assertEqual(self.world.service.state, SERVICE_UNAVAILABLE)
        self.run_(2)
        self.assertEqual(self.world.service.state, SERVICE_RUNNING)

    def test_scriptThatHangs(self) -> None:
        """
        Another role kills the script of the one before, whose end then matters no
        more.
        """
        self.commands.ends = None
        self.commands.effects = {}
        self.monitor.roleChanged(True)
        self.run_(30)
        self.assertEqual(self.commands.names, ["up"])
        self.take()
        self.monitor.roleChanged(False)
        self.assertEqual(self.commands.cancelled, 1)
        self.assertEqual(self.commands.names, ["up", "down"])
        self.give()
        self.commands.waiting[-1].callback(Ended())
        self.run_(5)
        self.assertEqual(self.commands.names, ["up", "down"])
        self.assertEqual(self.monitor.status(), f"this host has not {VIP}")

    def test_settled(self) -> None:
        """
        Who ends can wait for the script that gives the address up; one that is killed
        is waited for no more, but the one that runs in its place is.
        """
        self.successResultOf(self.monitor.settled())
        self.commands.ends = None
        self.commands.effects = {}
        self.monitor.roleChanged(True)
        settled = self.monitor.settled()
        self.take()
        self.monitor.roleChanged(False)
        self.assertEqual(self.commands.names, ["up", "down"])
        self.assertNoResult(settled)
        self.give()
        self.commands.waiting[-1].callback(Ended())
        self.successResultOf(settled)
        self.monitor.roleChanged(True)
        settled = self.monitor.settled()
        self.monitor.stop()
        self.successResultOf(settled)

    def test_withoutScripts(self) -> None:
        """
        Without scripts it is looked at only.
        """
        self.monitor.stop()
        bare = VirtualIPMonitor(
            *(self.world.clock, self.world.service, self.nics, self.commands),
            *(VIP, (), ()),
        )
        bare.start()
        self.addCleanup(bare.stop)
        bare.roleChanged(True)
        self.run_(3)
        self.assertEqual(self.commands.began, [])
        self.assertEqual(self.world.service.state, SERVICE_UNAVAILABLE)

    def test_systemDoesNotSay(self) -> None:
        """
        Nothing is run while the system does not say which addresses there are.
        """
        self.nics.broken = "too many files are open"
        self.monitor.roleChanged(True)
        self.run_(20)
        self.assertEqual(self.commands.began, [])
        self.nics.broken = ""
        self.run_(1)
        self.assertEqual(self.commands.names, ["up"])

    def test_stop(self) -> None:
        """
        It leaves nothing behind; a script that runs is killed.
        """
        self.commands.ends = None
        self.monitor.roleChanged(True)
        self.monitor.stop()
        self.monitor.stop()
        self.assertEqual(self.commands.cancelled, 1)
        self.assertEqual(self.world.clock.getDelayedCalls(), [])
