"""
Tests for L{sipcluster.app.tap}.
"""

from __future__ import annotations

import io
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from twisted.application.service import IServiceMaker, MultiService
from twisted.internet.testing import MemoryReactorClock
from twisted.plugin import getPlugins
from twisted.python.usage import Options as UsageOptions
from twisted.python.usage import UsageError
from twisted.trial.unittest import SynchronousTestCase

from sipcluster.app import assembly, lab, tap
from sipcluster.app.ca import LabCA
from sipcluster.app.process import Process

CONFIGURATION = """
[switch]
name = "test"
domain = "lab.example"
[[store]]
name = "store"
listen = "127.0.0.3"
[[node]]
name = "node1"
sip-address = "127.0.0.1"
[[node]]
name = "node2"
sip-address = "127.0.0.2"
"""

PAIR = """
[[pair]]
name = "pair1"
http-port = 0
members = ["node1", "node2"]
"""


class CommandLine(SynchronousTestCase):
    """
    A configuration and a way to parse arguments.
    """

    def setUp(self) -> None:
        """
        Write the configuration.
        """
        self.path = Path(self.mktemp())
        self.path.write_text(CONFIGURATION)

    def parse(self, *arguments: str) -> tap.Options:
        """
        Parse a command line.
        """
        options = tap.Options()
        options.parseOptions(arguments)
        return options

    def refused(self, *arguments: str) -> str:
        """
        Why a command line ends the process.
        """
        error = self.assertRaises(SystemExit, self.parse, *arguments)
        return str(error.code)


class OptionsTests(CommandLine):
    """
    What the command line takes, and how it refuses.
    """

    def test_member(self) -> None:
        """
        A role, its configuration and its name.
        """
        options = self.parse("node", "-c", str(self.path), "-n", "node2")
        self.assertEqual(options.subCommand, "node")
        self.assertEqual(options.subOptions["application"].name, "node2")

    def test_missing(self) -> None:
        """
        What is missing is told with what there is.
        """
        for arguments, why in (
            ((), "want a role: proxy, node"),
            (("node",), "--config FILE is missing"),
            (("node", "-c", str(self.path)), "one of: node1, node2"),
        ):
            error = self.assertRaises(UsageError, self.parse, *arguments)
            self.assertIn(why, str(error))

    def test_wrongName(self) -> None:
        """
        A name must be one of the role's applications.
        """
        config = ("-c", str(self.path), "-n")
        self.assertIn("have: node1, node2", self.refused("node", *config, "store"))
        self.assertIn("there is none at all", self.refused("proxy", *config, "node1"))

    def test_brokenConfiguration(self) -> None:
        """
        All faults, one a line.
        """
        self.path.write_text(CONFIGURATION + "x = 1\ny = 2\n")
        lines = self.refused("node", "-c", str(self.path), "-n", "node1").splitlines()
        self.assertIn("node[2].x: no such option", lines[0])
        self.assertIn("node[2].y: no such option", lines[1])

    def test_check(self) -> None:
        """
        Checking says that a file is good, and ends the process with status 0.
        """
        out = io.StringIO()
        self.patch(sys, "stdout", out)
        error = self.assertRaises(SystemExit, self.parse, "check", "-c", str(self.path))
        self.assertEqual(error.code, 0)
        self.assertIn("good: 0 DNs, 3 applications", out.getvalue())

    def test_checkOne(self) -> None:
        """
        Checking looks into certificates: those of all, or of the application that
        is named, which must be there.
        """
        self.patch(sys, "stdout", io.StringIO())
        bad = Path(self.mktemp())
        bad.write_text("no certificate")
        tls = f'certificate = "{bad.absolute()}"\nprivate-key = "{bad.absolute()}"\n'
        self.path.write_text(CONFIGURATION.replace("[[node]]\n", f"[[node]]\n{tls}", 1))
        config = ("-c", str(self.path))
        why = self.refused("check", *config)
        self.assertIn("node1: ", why)
        self.assertIn("is no PEM", why)
        self.assertEqual(self.refused("check", *config, "-n", "node2"), "0")
        self.assertIn("have: ", self.refused("check", *config, "-n", "nod"))

    def test_checkIdentity(self) -> None:
        """
        A member of a pair whose certificate is another one's is told: the other
        member would refuse the link.
        """
        self.patch(sys, "stdout", io.StringIO())
        authority = LabCA(Path(self.mktemp()), datetime.now(UTC))
        text = CONFIGURATION + PAIR
        for name, shown in (("node1", "node1"), ("node2", "node1")):
            files = authority.issue(
                shown, [f"{shown}.lab.example", "127.0.0.1"], "lab.example"
            )
            rows = zip(
                ("certificate", "private-key", "ca"),
                (*files, authority.certificate),
                strict=True,
            )
            tls = "".join(f'{key} = "{file.absolute()}"\n' for key, file in rows)
            text = text.replace(f'name = "{name}"\n', f'name = "{name}"\n{tls}', 1)
        self.path.write_text(text)
        config = ("-c", str(self.path))
        self.assertEqual(self.refused("check", *config, "-n", "node1"), "0")
        self.assertIn(
            "does not carry sip:node2.lab.example",
            self.refused("check", *config),
        )

    def test_pair(self) -> None:
        """
        A member of a pair is started as one, and any other node is not.
        """
        one = ("-c", str(self.path), "-n", "node1")
        self.assertIn("not a member of a [[pair]]", self.refused("pair", *one))
        tls = "".join(
            f'{name} = "{self.path.absolute()}"\n'
            for name in ("certificate", "private-key", "ca")
        )
        self.path.write_text(
            CONFIGURATION.replace("[[node]]\n", f"[[node]]\n{tls}") + PAIR
        )
        self.assertIn("with twistd sipcluster pair", self.refused("node", *one))
        self.assertEqual(self.parse("pair", *one).subOptions["name"], "node1")

    def test_storeElsewhere(self) -> None:
        """
        An etcd is not started.
        """
        self.path.write_text(
            CONFIGURATION.replace('listen = "127.0.0.3"', 'endpoints = ["http://a:1"]')
        )
        why = self.refused("store", "-c", str(self.path), "-n", "store")
        self.assertIn("an etcd that runs elsewhere", why)

    def test_labAddresses(self) -> None:
        """
        The lab's base is three numbers.
        """
        self.assertEqual(self.parse("lab").subOptions["base"], "127.0.0")
        for base in ("10.9", "10.9.256", "a.b.c"):
            self.assertRaises(UsageError, self.parse, "lab", "--base", base)


class FakeTwistd(UsageOptions):
    """
    The options of C{twistd} around ours.
    """

    optParameters = [
        ("logger", None, None, ""),
        ("logfile", "l", None, ""),
        ("pidfile", None, "twistd.pid", ""),
    ]
    subCommands = [("sipcluster", None, tap.Options, "")]


class TwistdTests(CommandLine):
    """
    What we ask of C{twistd} itself.
    """

    def twistd(self, *arguments: str) -> FakeTwistd:
        """
        Parse a whole command line.
        """
        options = FakeTwistd()
        options.parseOptions(arguments)
        return options

    def test_console(self) -> None:
        """
        Unless it is told where to log, it shows what a person wants to see.
        """
        member = ("sipcluster", "node", "-c", str(self.path), "-n", "node1")
        self.assertEqual(self.twistd(*member)["logger"], tap.CONSOLE)
        self.assertIsNone(self.twistd("-l", "x", *member)["logger"])
        self.assertEqual(self.twistd("--logger", "x", *member)["logger"], "x")
        self.assertEqual(self.twistd(*member)["pidfile"], "twistd.pid")

    def test_labStays(self) -> None:
        """
        A lab runs in front of whoever started it.
        """
        options = self.twistd("sipcluster", "lab")
        self.assertEqual((options["nodaemon"], options["pidfile"]), (True, ""))

    def test_plugin(self) -> None:
        """
        The plug-in is found, once.
        """
        found: list[Any] = [
            p for p in getPlugins(IServiceMaker) if p.tapname == "sipcluster"
        ]
        self.assertEqual(len(found), 1)
        self.assertEqual(found[0].module, "sipcluster.app.tap")


class MakeServiceTests(CommandLine):
    """
    L{tap.makeService} builds what the command line asks for.
    """

    def setUp(self) -> None:
        """
        A reactor that opens nothing.
        """
        super().setUp()
        self.reactor = MemoryReactorClock()

    def test_member(self) -> None:
        """
        A member's process, which opens nothing before it is started.
        """
        options = self.parse("store", "-c", str(self.path), "-n", "store")
        process = tap.makeService(options, self.reactor)
        assert isinstance(process, Process)
        self.assertEqual(process.application.name, "store")
        self.assertEqual(self.reactor.tcpServers, [])

    def test_untilEOF(self) -> None:
        """
        A member may belong to whoever started it: Ctrl-C is for that one.
        """
        made: list[Any] = []
        self.patch(assembly, "StandardIO", lambda *args, **kw: made.append(args))
        before = signal.getsignal(signal.SIGINT)
        self.addCleanup(signal.signal, signal.SIGINT, before)
        arguments = ("store", "-c", str(self.path), "-n", "store", "--until-eof")
        tap.makeService(self.parse(*arguments), self.reactor)
        self.assertEqual(len(made), 1)
        self.assertEqual(signal.getsignal(signal.SIGINT), signal.SIG_IGN)

    def test_lab(self) -> None:
        """
        A lab is given its folder, its addresses and how much it says.
        """
        made: list[Any] = []

        def makeLab(*arguments: Any) -> MultiService:
            made.append(arguments)
            return MultiService()

        self.patch(lab, "makeLab", makeLab)
        options = self.parse("lab", "--dir", "x", "--base", "10.9.8", "--quiet")
        tap.makeService(options, self.reactor)
        self.assertEqual(made, [(self.reactor, Path("x"), "10.9.8", True, True)])
        tap.makeService(self.parse("lab", "--no-pairs"), self.reactor)
        self.assertEqual(made[1][3:], (False, False))
