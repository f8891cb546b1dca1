"""
Tests for the T-Library ports of a member of a pair.
"""

from __future__ import annotations

from sipcluster.testing.tlib_peer import TLibPeer
from sipcluster.tlib.enums import ServerRole
from sipcluster.tlib.errors import TErrorCode
from sipcluster.tlib.messages import EventError, EventServerInfo
from sipcluster.tserver.standby import BackupPort, SwitchablePort
from tests.unit.tserver.ports import APPLICATIONS, PortCase


class BackupPortTests(PortCase):
    """
    L{BackupPort} sends clients elsewhere.
    """

    def setUp(self) -> None:
        super().setUp()
        self.backup = BackupPort(
            "TCport",
            self.clock,
            self.wallTime,
            self.entropy,
            APPLICATIONS,
            location="Berlin",
        )

    def test_sentElsewhere(self) -> None:
        """
        A client with the right password is told that the server is backup, and the
        connection is closed.
        """
        peer = TLibPeer(self.backup)
        connection = peer.open()
        reference = peer.registerClient()
        info = peer.expect(EventServerInfo, reference=reference)
        self.assertEqual(info.serverRole, ServerRole.BACKUP)
        self.assertEqual(info.location, "Berlin")
        self.assertIsNone(info.sessionID)
        self.assertIsNone(info.epoch)
        assert peer.cut is not None
        self.assertEqual(peer.cut.errorCode, TErrorCode.OUT_OF_SERVICE)
        self.assertEqual(peer.cut.errorMessage, "backup; the primary is elsewhere")
        self.assertEqual(connection.closed, "closed")
        self.assertEqual(self.backup.counts["sentElsewhere"], 1)
        peer.drop()
        self.assertNoTimers()

    def test_wrongPassword(self) -> None:
        """
        One with a wrong password is refused, as everywhere.
        """
        peer = TLibPeer(self.backup, password="wrong")
        peer.open()
        peer.registerClient()
        error = peer.expect(EventError)
        self.assertEqual(error.errorCode, TErrorCode.BAD_PASSWORD)

    def test_nothingSaid(self) -> None:
        """
        One that says nothing is cut after a while.
        """
        peer = TLibPeer(self.backup)
        connection = peer.open()
        self.run_(20)
        self.assertEqual(connection.closed, "aborted")
        self.assertNoTimers()


class SwitchablePortTests(PortCase):
    """
    L{SwitchablePort} leads to whoever serves.
    """

    def test_switched(self) -> None:
        """
        Connections go to the one who serves when they are made; those that a backup
        has not answered are cut when another one does.
        """
        backup = BackupPort(
            "TCport", self.clock, self.wallTime, self.entropy, APPLICATIONS
        )
        port = SwitchablePort(backup)
        waiting = TLibPeer(port)
        connection = waiting.open()
        port.taker = self.server
        self.assertEqual(connection.closed, "aborted")
        peer = TLibPeer(port)
        self.assertEqual(peer.connect().serverRole, ServerRole.PRIMARY)
        port.stop()
        self.assertNoTimers()

    def test_stopped(self) -> None:
        """
        When the process ends, connections are cut, and so are those that come yet.
        """
        port = SwitchablePort(self.server)
        peer = TLibPeer(port)
        peer.connect()
        connection = peer.connection
        assert connection is not None
        port.stop()
        self.assertEqual(connection.closed, "aborted")
        late = TLibPeer(port)
        self.assertEqual(late.open().closed, "closed")
        late.drop()
        self.assertNoTimers()


class AbandonedTests(PortCase):
    """
    L{TServer.abandon} ends all without a word.
    """

    def test_nothingSaid(self) -> None:
        """
        Connections are aborted, clients and observers are told nothing, and no
        timer is left.
        """
        present, away = self.peer("1001"), self.peer("1002")
        away.drop()
        half = TLibPeer(self.server)
        other = half.open()
        present.clear()
        connection = present.connection
        assert connection is not None
        told = list(self.observer.told)
        self.server.abandon()
        present.expectNothing()
        self.assertEqual((connection.closed, other.closed), ("aborted", "aborted"))
        self.assertEqual(self.observer.told, told)
        self.assertEqual(self.server.sessions, {})
        self.assertNoTimers()
        self.server.abandon()
