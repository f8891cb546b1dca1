"""
One cluster for all tests of a module, started by the first and ended with the run
or when another module wants its own.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from unittest import SkipTest

from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase

from sipcluster.app.lab_files import MEMBERS, PAIRED
from tests.interop.cluster import Cluster
from tests.interop.namespaces import Bridge, Namespace, NoNamespaces
from tests.interop.sipp import Report, SIPp

#: The global reactor has every interface; its type says so nowhere.
reactor: Any = _reactor

#: What a cluster is made from: the base of its addresses, the last numbers of
#: hosts besides its members (none: loopback), how its configuration differs, and
#: whether each node is a pair.
Recipe = tuple[str, tuple[int, ...], Callable[[str], str], bool]


def asGiven(toml: str) -> str:
    """
    The lab's configuration, unchanged: then it is the lab itself that runs.
    """
    return toml


class _Running:
    """
    The cluster that runs now, if any.
    """

    def __init__(self) -> None:
        self.recipe: Recipe | None = None
        self.cluster: Cluster | None = None
        self.bridge: Bridge | None = None
        self.namespace: Namespace | None = None
        self._ends = False

    async def get(self, recipe: Recipe) -> Cluster:
        """
        Get the cluster of a recipe, starting it where it does not run.
        """
        if self.recipe == recipe and self.cluster is not None:
            return self.cluster
        await self.stop()
        if not self._ends:
            self._ends = True
            reactor.addSystemEventTrigger(
                "before", "shutdown", lambda: Deferred.fromCoroutine(self.stop())
            )
        base, hosts, change, paired = recipe
        if hosts:
            members = [last for _, last in (PAIRED if paired else MEMBERS).values()]
            self.bridge = Bridge.make(base, (1, *members))
            for host in hosts:
                self.bridge.addPhone(host)
            self.namespace = self.bridge.hub
        else:
            self.namespace = Namespace.make()
        cluster = self.cluster = Cluster.make(self.namespace, base, change, paired)
        if change is asGiven:
            await cluster.startLab(reactor)
        else:
            await cluster.start(reactor)
        self.recipe = recipe
        return cluster

    async def stop(self) -> None:
        """
        End it.
        """
        self.recipe = None
        cluster, self.cluster = self.cluster, None
        if cluster is not None:
            await cluster.stop(reactor)
        if self.bridge is not None:
            self.bridge.delete()
        elif self.namespace is not None:
            self.namespace.delete()
        self.bridge = self.namespace = None


running = _Running()


def lacking(why: str) -> None:
    """
    Something that a foreign client needs is not there: skip the test, or fail
    where nothing may be skipped.
    """
    if os.environ.get("CI") == "true":
        raise AssertionError(why)
    raise SkipTest(why)


class ClusterTestCase(TestCase):
    """
    A test whose other ends are foreign programs around a running cluster.

    @cvar programs: what must be installed.
    @cvar base: the first three numbers of the cluster's addresses.
    @cvar hosts: last numbers of further hosts, each in a namespace of its own;
        empty when everything is on the loopback interface.
    @cvar paired: whether each node is a pair.
    @cvar change: what is different from the lab's configuration.
    @ivar work: a folder for the test's own files.
    """

    timeout = 110
    programs: Iterable[str] = ("sipp",)
    base = "127.0.0"
    hosts: tuple[int, ...] = ()
    paired = False

    change: Callable[[str], str] = staticmethod(asGiven)

    # Trial waits for it; the type of unittest's knows nothing of that.
    async def setUp(self) -> None:  # type: ignore[override]
        """
        Have a cluster.
        """
        missing = [name for name in self.programs if not shutil.which(name)]
        if missing:
            lacking(f"not installed: {', '.join(missing)}")
        self.work = Path(tempfile.mkdtemp(prefix="sipcluster-test-"))
        self.addCleanup(shutil.rmtree, self.work, True)
        try:
            self.cluster = await running.get(
                (self.base, self.hosts, self.change, self.paired)
            )
        except NoNamespaces as e:
            lacking(f"no network namespace: {e}")

    @property
    def bridge(self) -> Bridge:
        """
        The hosts around the cluster, where there are any.
        """
        assert running.bridge is not None
        return running.bridge

    def run_(self, run: SIPp, name: str = "") -> Deferred[Report]:
        """
        Start one run of SIPp.
        """
        folder = self.work / (name or f"{run.scenario}-{run.local}")
        return run.run(folder, self.cluster.namespace)

    def assertAsWritten(self, report: Report, repeats: bool = False) -> None:
        """
        Every call went as its scenario says, and nothing was sent twice.

        @param repeats: whether something may have been.
        """
        self.assertEqual(report.status, 0, report.why)
        self.assertEqual(report.failed, 0, report.why)
        if not repeats:
            self.assertEqual(report.repeated, (), "sent or received more than once")
