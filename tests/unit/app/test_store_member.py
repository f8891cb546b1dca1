"""
Tests for L{sipcluster.app.store}.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from sipcluster.app.runtime import IMember
from sipcluster.app.settings import Configuration, Store, Switch
from sipcluster.app.store import leaseID, makeStore
from sipcluster.cluster.icluster import ClusterError


class StoreMemberTests(SynchronousTestCase):
    """
    The role C{store}.
    """

    def setUp(self) -> None:
        """
        A store in a folder that is not there yet.
        """
        self.folder = Path(self.mktemp()).absolute()
        self.reactor: Any = MemoryReactorClock()

    def build(self, **settings: Any) -> Any:
        """
        The member of a store.
        """
        store = Store(name="store", listen="192.0.2.10", **settings)
        configuration = Configuration(
            Switch(name="x", domain="x"),
            applications=(store,),
            source=self.folder / "cluster.toml",
        )
        return makeStore(self.reactor, configuration, store)

    def test_member(self) -> None:
        """
        It is a member of the cluster without registrations and calls.
        """
        member = self.build()
        verifyObject(IMember, member)
        self.assertEqual((*member.registrations(), *member.calls()), ())
        self.assertEqual(member.status(), {})

    def test_life(self) -> None:
        """
        Loading opens database and port, stopping closes them, and a later one
        opens them again.
        """
        for _ in range(2):
            member = self.build()
            member.startService()
            self.successResultOf(member.load())
            self.assertEqual(self.reactor.tcpServers[-1][0], 2379)
            self.assertEqual(member.status()["leases"], 0)
            member.stopService()
            self.assertEqual(self.reactor.getDelayedCalls(), [])
        self.assertTrue((self.folder / "store.sqlite").exists())

    def test_stoppedEarly(self) -> None:
        """
        A store that never loaded can be stopped.
        """
        member = self.build()
        member.startService()
        member.stopService()

    def test_path(self) -> None:
        """
        The file may be anywhere; one that cannot be used is told.
        """
        self.folder.mkdir()
        (self.folder / "junk").write_text("no database" * 100)
        member = self.build(path=self.folder / "junk")
        error = self.failureResultOf(member.load(), ClusterError)
        self.assertIn("junk", str(error.value))

    def test_leaseIDs(self) -> None:
        """
        Positive, of 63 bits, and not the same twice.
        """
        found = {leaseID() for _ in range(100)}
        self.assertEqual(len(found), 100)
        self.assertTrue(all(0 <= one < 2**63 for one in found))
