"""
Tests for who imports whom: docs/floors.rst.
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

import sipcluster

HERE = Path(sipcluster.__file__).parent

#: What each package may import of the rest, itself aside: a package, or one
#: module of it, so that a neighbour's seam can be named without its inside.
FLOORS: dict[str, set[str]] = {
    "sip": set(),
    "wire": set(),
    "tlib": {"wire"},
    "cluster": set(),
    "ha": {"cluster.icluster", "sip.machine", "wire"},
    "monitors": set(),
    "registrar": {"ha.ikeeping", "sip", "cluster"},
    "servicecheck": {"ha.ikeeping", "sip"},
    "sipproxy": {
        "sip",
        "registrar.iregistrar",
        "registrar.register",
        "servicecheck.iservicecheck",
        "servicecheck.roles",
    },
    "sessioncontroller": {
        "ha.ikeeping",
        "sip",
        "registrar.iregistrar",
        "registrar.register",
        "servicecheck.iservicecheck",
        "wire",
    },
    "msml": set(),
    "media": {"msml", "sip"},
    "mediaservice": {
        "msml",
        "servicecheck.iservicecheck",
        "servicecheck.probe",
        "sessioncontroller.imedia",
        "sip",
    },
    "tserver": {
        "ha.ikeeping",
        "wire",
        "tlib",
        "sessioncontroller.events",
        "sessioncontroller.iconferences",
        "sessioncontroller.irouting",
        "sessioncontroller.isessioncontroller",
        "sessioncontroller.isupervision",
        "sessioncontroller.itransfers",
        "sessioncontroller.party_events",
        "sessioncontroller.queue_events",
    },
    "tcontroller": {
        "ha.ikeeping",
        "wire",
        "tlib",
        "tserver.itserver",
        "servicecheck.iservicecheck",
        "sessioncontroller.events",
        "sessioncontroller.iconferences",
        "sessioncontroller.irouting",
        "sessioncontroller.isessioncontroller",
        "sessioncontroller.isupervision",
        "sessioncontroller.itransfers",
        "sessioncontroller.party_events",
        "sessioncontroller.queue_events",
    },
    "net": {
        "sip",
        "cluster",
        "ha.iha",
        "ha.ireplica",
        "media.imedia",
        "monitors.imonitors",
        "wire",
        "tlib",
        "tserver.itserver",
    },
    "testing": {
        "sip",
        "cluster",
        "ha",
        "monitors",
        "registrar",
        "servicecheck",
        "sipproxy",
        "sessioncontroller",
        "media",
        "mediaservice",
        "msml",
        "wire",
        "tlib",
        "tserver",
        "tcontroller",
        "net",
    },
    "app": {
        "sip",
        "cluster",
        "ha",
        "monitors",
        "registrar",
        "servicecheck",
        "sipproxy",
        "sessioncontroller",
        "media",
        "mediaservice",
        "msml",
        "wire",
        "tlib",
        "tserver",
        "tcontroller",
        "net",
    },
}

#: Packages that must run with no reactor at all.
PURE = {
    *("sip", "wire", "tlib", "registrar", "servicecheck", "sipproxy"),
    *("sessioncontroller", "tserver", "tcontroller", "ha", "monitors"),
    *("media", "mediaservice", "msml"),
}

#: What they do without.
IMPURE = (
    "asyncio.",
    "random.",
    "select.",
    "socket.",
    "ssl.",
    "subprocess.",
    "threading.",
    "time.",
    "twisted.internet.reactor",
    "twisted.names.",
    "twisted.web.",
    "treq.",
)

#: What the SIP core may use beyond the standard library.
CORE = (
    "attrs.",
    "automat.",
    "sipcluster.sip.",
    "twisted.internet.defer.",
    "twisted.internet.error.",
    "twisted.internet.interfaces.",
    "twisted.logger.",
    "twisted.python.failure.",
    "zope.interface.",
)

#: Where the reactor is fetched.
REACTOR = {"app/tap.py"}


def imported(source: Path) -> set[str]:
    """
    Every module a file imports, at any depth of nesting.
    """
    names: set[str] = set()
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            names.update(f"{alias.name}." for alias in node.names)
    return names


def sources(package: str) -> list[Path]:
    """
    The files of a package.
    """
    return sorted((HERE / package).rglob("*.py"))


class FloorTests(SynchronousTestCase):
    """
    Imports point down.
    """

    def test_importsPointDown(self) -> None:
        """
        No package imports one that its row does not list.
        """
        wrong = []
        for package, allowed in FLOORS.items():
            rooms = (
                "sipcluster.__version__",
                *(f"sipcluster.{row}." for row in {package, *allowed}),
            )
            for source in sources(package):
                for name in imported(source):
                    if name.startswith("sipcluster.") and not name.startswith(rooms):
                        wrong.append(f"{source.relative_to(HERE)}: {name}")
        self.assertEqual(wrong, [])

    def test_coreUsesLittle(self) -> None:
        """
        The SIP core uses the standard library, attrs, automat, zope.interface
        and names of Twisted.
        """
        wrong = [
            f"{source.relative_to(HERE)}: {name}"
            for source in sources("sip")
            for name in imported(source)
            if name.partition(".")[0] not in sys.stdlib_module_names
            and not name.startswith(CORE)
        ]
        self.assertEqual(wrong, [])

    def test_everyPackageHasARow(self) -> None:
        """
        A new package says what it may import.
        """
        packages = {path.parent.name for path in HERE.glob("*/__init__.py")}
        self.assertEqual(packages, set(FLOORS))

    def test_pureFloorsNameNoReactor(self) -> None:
        """
        Below C{net} nothing reads a socket, the time of day or chance.
        """
        wrong = [
            f"{source.relative_to(HERE)}: {name}"
            for package in sorted(PURE)
            for source in sources(package)
            for name in imported(source)
            if name.startswith(IMPURE)
        ]
        self.assertEqual(wrong, [])

    def test_reactorIsFetchedOnce(self) -> None:
        """
        Everything else is given its reactor.
        """
        found = {
            str(source.relative_to(HERE))
            for source in HERE.rglob("*.py")
            if "twisted.internet.reactor" in imported(source)
        }
        self.assertEqual(found - REACTOR, set())

    def test_onlyTestsUseTesting(self) -> None:
        """
        What ships for tests is used by nothing that runs.
        """
        found = [
            str(source.relative_to(HERE))
            for source in HERE.rglob("*.py")
            if source.relative_to(HERE).parts[0] != "testing"
            and any(name.startswith("sipcluster.testing") for name in imported(source))
        ]
        self.assertEqual(found, [])
