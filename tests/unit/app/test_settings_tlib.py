"""
Tests for L{sipcluster.app.settings.tlib}.
"""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from sipcluster.app.settings import BadConfiguration, parseConfiguration

SWITCH = '[switch]\nname = "lab"\ndomain = "lab.example"\n'
SOURCE = Path("/etc/cluster.toml")


class TLibApplicationTests(SynchronousTestCase):
    """
    Who may connect to the T-Library ports.
    """

    def faults(self, text: str) -> list[str]:
        """
        Paths of what is wrong with a configuration.
        """
        error = self.assertRaises(
            BadConfiguration, parseConfiguration, SWITCH + text, SOURCE
        )
        return [line.split(": ")[1] for line in error.lines]

    def test_read(self) -> None:
        """
        An application may control calls on both ports unless it says otherwise.
        """
        configuration = parseConfiguration(
            f"""{SWITCH}
[[tlib-application]]
name = "Desktop 1"
password = "secret"
[[tlib-application]]
name = "wallboard"
password = "secret"
role = "monitor"
ports = ["TCport"]
""",
            SOURCE,
        )
        self.assertEqual(
            [
                (one.name, one.password, one.role, one.ports)
                for one in configuration.tlibApplications
            ],
            [
                ("Desktop 1", "secret", "control", ("default", "TCport")),
                ("wallboard", "secret", "monitor", ("TCport",)),
            ],
        )

    def test_passwordFile(self) -> None:
        """
        The first line of the file is the password.
        """
        path = Path(self.mktemp())
        path.write_text("secret\nnote\n")
        file = path.absolute()
        configuration = parseConfiguration(
            f'{SWITCH}[[tlib-application]]\nname = "a"\npassword-file = "{file}"',
            SOURCE,
        )
        self.assertEqual(configuration.tlibApplications[0].password, "secret")

    def test_faults(self) -> None:
        """
        A name is used once, and has one password.
        """
        empty = Path(self.mktemp())
        empty.write_text("\n")
        self.assertEqual(
            self.faults(f"""
[[tlib-application]]
name = "a"
password = "x"
[[tlib-application]]
name = "a"
password = "x"
password-file = "{empty.absolute()}"
[[tlib-application]]
name = "b"
[[tlib-application]]
name = "c"
password-file = "/nowhere"
[[tlib-application]]
name = "d"
password = "x"
role = "boss"
ports = ["IPport"]
"""),
            [
                "tlib-application[2]",
                "tlib-application[2].name",
                "tlib-application[2].password-file",
                "tlib-application[3]",
                "tlib-application[4].password-file",
                "tlib-application[5].role",
                "tlib-application[5].ports",
            ],
        )

    def test_tls(self) -> None:
        """
        T-Library ports with TLS need a certificate and its key.
        """
        self.assertEqual(
            self.faults("""
[[node]]
name = "node1"
sip-address = "192.0.2.21"
tlib-tls = true
"""),
            ["node[1]", "node[1]"],
        )

    def test_address(self) -> None:
        """
        T-Library ports listen where SIP does, unless told otherwise; no port is
        taken twice.
        """
        text = """
[[node]]
name = "node1"
sip-address = "192.0.2.21"
[[node]]
name = "node2"
sip-address = "192.0.2.22"
{}
"""
        configuration = parseConfiguration(
            SWITCH + text.format('tlib-address = "192.0.2.23"'), SOURCE
        )
        self.assertEqual(
            [node.tlibHost for node in configuration.nodes],
            ["192.0.2.21", "192.0.2.23"],
        )
        self.assertEqual(
            self.faults(text.format('tlib-address = "192.0.2.21"')),
            [
                f"node[2].ports.{name}"
                for name in ("default", "TCport", "IPport", "SmartProxy")
            ],
        )
