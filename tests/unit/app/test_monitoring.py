"""
Tests for L{sipcluster.app.monitoring} and its settings.
"""

from __future__ import annotations

from pathlib import Path

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from sipcluster.app.monitoring import Surroundings, activeDevices, monitorsOf
from sipcluster.app.settings import BadConfiguration, Monitoring, parseConfiguration
from sipcluster.monitors.monitors import Monitors
from sipcluster.testing.clock import runFor
from tests.unit.monitors.things import FakeCommands, FakeNICs, World

TEXT = """
[switch]
name = "lab"
domain = "lab.test"

[[extension]]
number = "1001"
password = "x"
{asked}

[[node]]
name = "node1"
sip-address = "{address}"
tlib-address = "127.0.0.1"
[node.monitors]
{options}
"""

VIRTUAL = """
sip-iptakeover-monitoring = true
sip-virtual-address = "192.0.2.9"
vip-up-command = ["/sbin/up"]
vip-down-command = ["/sbin/down", "-v"]
"""


class SettingsTests(SynchronousTestCase):
    """
    C{[node.monitors]} and C{[alarms]}.
    """

    def read(self, options: str, asked: str = "", address: str = "127.0.0.2") -> str:
        """
        Read a configuration.

        @return: what is wrong with it, without its places.
        """
        text = TEXT.format(options=options, asked=asked, address=address)
        try:
            self.configuration = parseConfiguration(text, Path("x.toml"))
        except BadConfiguration as e:
            return "; ".join(line.split(": ", 1)[1] for line in e.lines)
        return ""

    def test_good(self) -> None:
        """
        All options have the names and the values of the manual.
        """
        options = (
            "sip-pass-check = true\ntlib-nic-monitoring = true\n"
            'sip-nic-monitoring = true\nsip-nic-address = "127.0.0.3"\n'
            "backup-init-check = true\nbackup-init-check-timeout = 15\n"
            "backup-sip-port-check = false\nmonitoring-interval = 0.5\n" + VIRTUAL
        )
        self.assertEqual(self.read(options, "oos-check = 10\noos-force = 7"), "")
        (node,) = self.configuration.nodes
        self.assertEqual(
            node.monitors,
            Monitoring(
                sipPassCheck=True,
                tlibNICMonitoring=True,
                sipNICMonitoring=True,
                sipNICAddress="127.0.0.3",
                backupInitCheck=True,
                backupInitCheckTimeout=15.0,
                backupSIPPortCheck=False,
                monitoringInterval=0.5,
                sipIPTakeoverMonitoring=True,
                sipVirtualAddress="192.0.2.9",
                vipUpCommand=("/sbin/up",),
                vipDownCommand=("/sbin/down", "-v"),
            ),
        )
        self.assertEqual(list(activeDevices(self.configuration)), [("1001", 10, 7)])

    def test_defaults(self) -> None:
        """
        The field's defaults: nothing but C{backup-sip-port-check} is on.
        """
        plain = Monitoring()
        self.assertFalse(
            plain.sipPassCheck
            or plain.sipIPTakeoverMonitoring
            or plain.tlibNICMonitoring
            or plain.sipNICMonitoring
            or plain.backupInitCheck
        )
        self.assertTrue(plain.backupSIPPortCheck)
        self.assertEqual(plain.backupInitCheckTimeout, 60.0)

    def test_whatIsMissing(self) -> None:
        """
        Options that others need are asked for.
        """
        path = "node[1].monitors"
        self.assertEqual(
            self.read("sip-pass-check = true"),
            f"{path}.sip-pass-check: no extension and no trunk has oos-check",
        )
        self.assertEqual(
            self.read("sip-iptakeover-monitoring = true"),
            "; ".join(
                f"{path}.sip-iptakeover-monitoring: needs {name}"
                for name in (
                    *("sip-virtual-address", "vip-up-command", "vip-down-command"),
                )
            ),
        )
        self.assertEqual(
            self.read("sip-nic-monitoring = true", address="0.0.0.0"),
            f"{path}.sip-nic-monitoring: needs sip-nic-address: SIP is at 0.0.0.0",
        )
        self.assertIn(
            "want 15 to 3600 seconds", self.read("backup-init-check-timeout = 3")
        )


class MonitorsOfTests(SynchronousTestCase):
    """
    L{monitorsOf} makes what is on.
    """

    def setUp(self) -> None:
        self.world = World()
        text = TEXT.format(
            options="", asked="oos-check = 10\noos-force = 30", address="127.0.0.2"
        )
        self.configuration = parseConfiguration(text, Path("x.toml"))

    def made(self, settings: Monitoring, **changes: object) -> Monitors:
        """
        Make them, in a world where everything can be had.
        """
        given: dict[str, object] = {
            "clock": self.world.clock,
            "alarms": self.world.alarms,
            "reasons": self.world.pair,
            "nics": FakeNICs(),
            "commands": FakeCommands(),
            "sipAddress": "127.0.0.2",
            "tlibAddress": "127.0.0.1",
            **changes,
        }
        around = Surroundings(**given)  # type: ignore[arg-type] # of a dict
        return monitorsOf(settings, self.configuration, around)

    everything = Monitoring(
        sipPassCheck=True,
        tlibNICMonitoring=True,
        sipNICMonitoring=True,
        sipIPTakeoverMonitoring=True,
        sipVirtualAddress="192.0.2.9",
        vipUpCommand=("up",),
        vipDownCommand=("down",),
        backupInitCheck=True,
    )

    def test_all(self) -> None:
        """
        Each option makes its monitor; they start, follow the role and stop as one.
        """
        monitors = self.made(self.everything)
        status = monitors.status()
        self.assertEqual(status["service"], "SERVICE_RUNNING")
        self.assertEqual(
            set(status["monitors"]),  # type: ignore[call-overload]
            {
                *("ports", "sip-pass-check", "arbiter-monitoring", "hot-standby"),
                "link",
                *("sip-iptakeover-monitoring", "sip-nic-monitoring"),
                *("tlib-nic-monitoring", "backup-init-check"),
            },
        )
        self.assertTrue(monitors.watchesSIP)
        monitors.start()
        monitors.roleChanged(True)
        runFor(self.world.clock, 39)
        self.assertNotIn("sip-pass-check", monitors.service.why)
        runFor(self.world.clock, 1)
        self.assertIn("sip-pass-check", monitors.service.why)
        monitors.sipSeen()
        self.assertNotIn("sip-pass-check", monitors.service.why)
        monitors.stop()
        monitors.roleChanged(False)
        self.assertEqual(self.world.clock.getDelayedCalls(), [])

    def test_none(self) -> None:
        """
        By default the arbiter, the other member and the ports are looked at; SIP
        messages cost nothing.
        """
        monitors = self.made(Monitoring())
        self.assertEqual(
            set(monitors.status()["monitors"]),  # type: ignore[call-overload]
            {"ports", "arbiter-monitoring", "hot-standby", "link"},
        )
        self.assertFalse(monitors.watchesSIP)
        monitors.sipSeen()
        monitors = self.made(Monitoring(arbiterMonitoring=False))
        self.assertNotIn("arbiter-monitoring", monitors.status()["monitors"])

    def test_whatCannotBe(self) -> None:
        """
        What is on and cannot do anything is told, and does nothing.
        """
        monitors = self.made(self.everything, reasons=None, nics=None)
        self.assertEqual(
            monitors.off,
            {
                "sip-pass-check": "this node is in no pair",
                "sip-iptakeover-monitoring": "this node is in no pair",
                "backup-init-check": "this node is in no pair",
                "sip-nic-monitoring": "this system does not say what interfaces it has",
                "tlib-nic-monitoring": "this system does not say what interfaces it "
                "has",
            },
        )
        monitors.start()
        monitors.stop()
        monitors = self.made(self.everything, commands=None, sipAddress="::")
        self.assertEqual(monitors.off["sip-nic-monitoring"], ":: is of no interface")
        self.assertIn("sip-iptakeover-monitoring", monitors.off)
        plain = self.made(Monitoring(sipIPTakeoverMonitoring=True))
        self.assertEqual(
            plain.off,
            {"sip-iptakeover-monitoring": "there is no sip-virtual-address"},
        )

    def test_monitorThatRaises(self) -> None:
        """
        One that raises does not keep the others from what they do.
        """
        monitors = self.made(Monitoring())
        self.assertIsInstance(self.world.clock, Clock)

        class Broken:
            name = "broken"

            def start(self) -> None:
                raise ValueError("start")

            def stop(self) -> None:
                raise ValueError("stop")

            def roleChanged(self, primary: bool) -> None:
                raise ValueError("role")

        monitors.monitors = (Broken(), *monitors.monitors)  # type: ignore[arg-type] # as one
        monitors.start()
        monitors.roleChanged(True)
        monitors.stop()
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 3)
        self.assertEqual(self.world.clock.getDelayedCalls(), [])
