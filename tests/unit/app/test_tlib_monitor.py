"""
Tests for L{sipcluster.app.tlib_monitor}: what it takes from the configuration.
"""

from __future__ import annotations

import argparse
import io
import sys
from pathlib import Path

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from sipcluster.app import control, tlib_monitor
from sipcluster.app.control_cluster import Cluster, Refused
from sipcluster.app.tlib_monitor import dnsOf, doorsOf, passwordOf

CONFIGURATION = """
[switch]
name = "test"
domain = "lab.example"
[[tlib-application]]
name = "desktop"
password = "secret-desktop"
[[extension]]
number = "1001"
password = "x"
[[routing-point]]
number = "5000"
[[trunk]]
number = "9"
contact = "sip:192.0.2.99"
[[store]]
name = "store"
listen = "192.0.2.10"
[[proxy]]
name = "proxy1"
sip-address = "192.0.2.11"
[[node]]
name = "node1"
sip-address = "192.0.2.21"
[[node]]
name = "node2"
sip-address = "192.0.2.22"
tlib-address = "192.0.2.32"
[node.ports]
TCport = 0
default = 4000
"""


class ConfigurationTests(SynchronousTestCase):
    """
    The configuration says where to connect, as whom, and for what.
    """

    def setUp(self) -> None:
        """
        A configuration with two nodes.
        """
        self.folder = Path(self.mktemp())
        self.folder.mkdir()
        (self.folder / "cluster.toml").write_text(CONFIGURATION)

    def given(self, *words: str) -> tuple[argparse.Namespace, Cluster]:
        """
        A command line.
        """
        line = ["tlib", "--dir", str(self.folder), *words, "monitor", "all"]
        given = control.parser().parse_args(line)
        return given, Cluster(given)

    def doors(self, *words: str) -> list[str]:
        """
        The names of the ports that are connected to.
        """
        return [door.node for door in doorsOf(*self.given(*words), Clock())]

    def test_nodes(self) -> None:
        """
        Every node that has the port, or the one that is named.
        """
        self.assertEqual(self.doors(), ["node1"])
        self.assertEqual(self.doors("--port", "default"), ["node1", "node2"])
        self.assertEqual(self.doors("--port", "default", "--app", "node2"), ["node2"])
        self.assertRaises(Refused, self.doors, "--app", "node2")
        self.assertRaises(Refused, self.doors, "--app", "proxy1")

    def test_addresses(self) -> None:
        """
        An address of the command line needs no configuration.
        """
        words = ("--address", "[2001:db8::1]:3001", "--address", "node.example:3001")
        self.assertEqual(
            self.doors(*words), ["[2001:db8::1]:3001", "node.example:3001"]
        )

    def test_password(self) -> None:
        """
        The configured one, or that in a file.
        """
        self.assertEqual(passwordOf(*self.given()), "secret-desktop")
        self.assertRaises(Refused, passwordOf, *self.given("--application", "x"))
        file = self.folder / "password"
        for text, password in (("abc\nnext", "abc"), ("", "")):
            file.write_text(text)
            given = self.given("--password-file", str(file))
            self.assertEqual(passwordOf(*given), password)

    def test_dns(self) -> None:
        """
        C{all} are those that can be watched; else what is named, once.
        """
        _, cluster = self.given()
        self.assertEqual(dnsOf(["all"], cluster), ["1001", "5000"])
        self.assertEqual(dnsOf(["7", "8", "7"], cluster), ["7", "8"])

    def test_refusal(self) -> None:
        """
        C{sipclusterctl} says why it cannot do something.
        """
        err = io.StringIO()
        self.patch(sys, "stderr", err)
        self.patch(tlib_monitor, "react", lambda main: main(Clock()))
        status = control.main(["tlib", "--dir", "/nowhere", "monitor", "all"])
        self.assertEqual(status, 1)
        self.assertIn("there is no /nowhere/cluster.toml", err.getvalue())
