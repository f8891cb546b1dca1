"""
Tests for the start-up of T-Library connections.
"""

from __future__ import annotations

from typing import Any

from twisted.logger import globalLogPublisher
from twisted.test.proto_helpers import EventLoggingObserver

from sipcluster.testing.tlib_peer import TLibPeer
from sipcluster.tlib.enums import ClientRole, ResumeResult, ServerRole
from sipcluster.tlib.errors import TErrorCode
from sipcluster.tlib.messages import (
    EventError,
    EventLinkConnected,
    EventLinkDisconnected,
    EventServerInfo,
    LinkClosing,
    LinkPoll,
    LinkPollAnswer,
    RequestMakeCall,
    RequestQueryServer,
    RequestRegisterClient,
)
from sipcluster.tserver.limits import Application, hashed
from sipcluster.tserver.server import TServer
from tests.unit.tserver.ports import APPLICATIONS, BEGINNING, PortCase


class StartUpTests(PortCase):
    """
    What a client is told when it connects.
    """

    def test_serverInfo(self) -> None:
        """
        EventServerInfo says what the server is and which session the client has,
        has no position, and is followed by EventLinkConnected.
        """
        peer = TLibPeer(self.server)
        peer.open()
        reference = peer.registerClient()
        first, second = peer.envelopes
        self.assertEqual((first.position, first.reference), (0, reference))
        self.assertEqual((second.position, second.reference), (0, 0))
        info: Any = first.message
        self.assertIsInstance(info, EventServerInfo)
        self.assertIsInstance(second.message, EventLinkConnected)
        self.assertEqual(info.serverRole, ServerRole.PRIMARY)
        self.assertEqual(info.protocolVersion, 1)
        self.assertEqual(info.resumeResult, ResumeResult.NEW)
        self.assertEqual(info.keepAlive, 10)
        self.assertEqual(info.serverStartTime, (int(BEGINNING), 0))
        self.assertEqual(info.epoch, int(BEGINNING * 1000))
        self.assertEqual(len(info.sessionID), 32)

    def test_capabilities(self) -> None:
        """
        Capabilities has a bit for each request that is answered: those of the port
        and those of its parts.
        """
        bits = TLibPeer(self.server).connect().capabilities or b""
        numbers = {n for n in range(512) if bits[n // 8] >> n % 8 & 1}
        self.assertEqual(numbers, {0, 1, 3, 4, 7, 14, 17, 48, 49, 121})

    def test_link(self) -> None:
        """
        EventLinkDisconnected with a reason comes where the telephones cannot be
        reached, and each change is told to all who are connected.
        """
        early, away = self.peer(), self.peer()
        away.drop()
        self.server.linkChanged(False, "no SIP Proxy")
        self.server.linkChanged(False, "no SIP Proxy")
        told = early.expect(EventLinkDisconnected)
        self.assertEqual(told.errorCode, TErrorCode.LINK_DOWN)
        self.assertEqual(told.errorMessage, "no SIP Proxy")
        late = TLibPeer(self.server)
        late.open()
        late.registerClient()
        late.expect(EventLinkDisconnected, errorMessage="no SIP Proxy")
        self.server.linkChanged(True)
        for peer in (early, late):
            peer.expect(EventLinkConnected)
        early.expectNothing()
        away.expectNothing()

    def test_keepAlive(self) -> None:
        """
        The time for keep-alive is the one that the client proposes, within bounds.
        """
        agreed = [
            TLibPeer(self.server).connect(keepAlive=proposed).keepAlive
            for proposed in (None, 0, 1, 25, 100_000)
        ]
        self.assertEqual(agreed, [10, 10, 1, 25, 3600])

    def test_requestsBehind(self) -> None:
        """
        Requests may follow directly, in the same piece.
        """
        peer = TLibPeer(self.server)
        peer.open()
        peer.hold()
        peer.registerClient()
        reference = peer.request(RequestQueryServer())
        peer.release()
        peer.expect(EventServerInfo)
        peer.expect(EventServerInfo, reference=reference)

    def test_poll(self) -> None:
        """
        A poll is answered before the start-up, too.
        """
        peer = TLibPeer(self.server)
        peer.open()
        peer.send(LinkPollAnswer())
        peer.send(LinkPoll(), 7)
        peer.expect(LinkPollAnswer, reference=7)
        peer.expectNothing()


class RefusalTests(PortCase):
    """
    Who does not get in.
    """

    def refused(self, peer: TLibPeer, **attributes: Any) -> EventError:
        """
        Try to connect.

        @return: what came instead.
        """
        connection = peer.open()
        reference = peer.registerClient(**attributes)
        error = peer.expect(EventError, reference=reference)
        self.assertEqual(peer.all[-1].position, 0)
        self.assertEqual(connection.closed, "closed")
        peer.expectNothing()
        self.assertEqual(self.server.sessions, {})
        return error

    def test_password(self) -> None:
        """
        A wrong password, an unknown application and one that may not use the port
        are told the same, and are counted.
        """
        for peer in (
            TLibPeer(self.server, password="Secret"),
            TLibPeer(self.server, password=""),
            TLibPeer(self.server, "nobody"),
            TLibPeer(self.server, "router"),
        ):
            error = self.refused(peer)
            self.assertEqual(error.errorCode, TErrorCode.BAD_PASSWORD)
            self.assertEqual(error.errorMessage, TErrorCode.BAD_PASSWORD.text)
        self.assertEqual(self.server.counts["badPasswords"], 4)
        self.assertEqual(self.server.counts["error119"], 4)

    def test_whyInTheLog(self) -> None:
        """
        Operators read in the log whether the password or the application was wrong,
        which the client is not told.
        """
        seen = EventLoggingObserver()
        globalLogPublisher.addObserver(seen)
        self.addCleanup(globalLogPublisher.removeObserver, seen)
        for peer, why in (
            (TLibPeer(self.server, password="Secret"), "Bad password"),
            (TLibPeer(self.server, "nobody"), "no such application at this port"),
        ):
            self.refused(peer)
            told = [event["why"] for event in seen if event.get("fault")]
            self.assertTrue(told[-1].endswith(f"is refused: {why}"), told)

    def test_version(self) -> None:
        """
        A version that is too old is refused; one that is newer speaks ours.
        """
        error = self.refused(TLibPeer(self.server), protocolVersion=0)
        self.assertEqual(error.errorCode, TErrorCode.INCORRECT_VERSION)
        self.assertEqual(self.server.counts["wrongVersions"], 1)
        info = TLibPeer(self.server).connect(protocolVersion=9)
        self.assertEqual(info.protocolVersion, 1)

    def test_versionBefore(self) -> None:
        """
        The version before the newest one is spoken with those who know no other.
        """
        server = TServer(
            *("TCport", self.clock, self.wallTime, self.entropy, APPLICATIONS),
            self.server.addresses,
            versions=(1, 2),
        )
        spoken = [
            TLibPeer(server).connect(protocolVersion=highest).protocolVersion
            for highest in (1, 2, 3)
        ]
        self.assertEqual(spoken, [1, 2, 2])

    def test_role(self) -> None:
        """
        Smart clients and recorders have other ports.
        """
        for role in (ClientRole.SMART, ClientRole.RECORDER, 77):
            error = self.refused(TLibPeer(self.server), clientRole=role)
            self.assertEqual(error.errorCode, TErrorCode.UNSUPPORTED_OPERATION)

    def test_attributes(self) -> None:
        """
        An attribute that is missing or wrong is named.
        """
        for attributes, text in (
            ({"applicationName": None}, "ApplicationName is missing"),
            (
                {"applicationPassword": None, "protocolVersion": None},
                "ApplicationPassword, ProtocolVersion is missing",
            ),
            ({"inputMask": b"\xff" * 63}, "InputMask: 64 bytes are wanted"),
        ):
            error = self.refused(TLibPeer(self.server), **attributes)
            self.assertEqual(error.errorCode, TErrorCode.INVALID_ATTRIBUTE)
            self.assertEqual(error.errorMessage, text)

    def test_reference(self) -> None:
        """
        RequestRegisterClient needs a reference.
        """
        peer = TLibPeer(self.server)
        peer.open()
        peer.send(
            RequestRegisterClient(
                applicationName="desktop",
                applicationPassword="secret",
                protocolVersion=1,
            )
        )
        self.assertRefused(peer, 0, TErrorCode.INVALID_ATTRIBUTE)

    def test_otherFirst(self) -> None:
        """
        No other message may be the first.
        """
        peer = TLibPeer(self.server)
        connection = peer.open()
        reference = peer.request(RequestMakeCall(thisDN="1001", otherDN="1002"))
        self.assertRefused(peer, reference, TErrorCode.NOT_REGISTERED)
        self.assertEqual(connection.closed, "closed")
        self.assertEqual(self.server.counts["unregistered"], 1)

    def test_sessions(self) -> None:
        """
        There are only so many clients, those included that are away.
        """
        self.server = self.makeServer(sessions=2)
        self.peer()
        away = self.peer()
        away.drop()
        third = TLibPeer(self.server)
        third.open()
        reference = third.registerClient()
        self.assertRefused(third, reference, TErrorCode.NO_LICENSE)
        self.assertEqual(self.server.counts["tooManySessions"], 1)
        self.assertEqual(away.resume().resumeResult, ResumeResult.RESUMED)

    def test_tooLate(self) -> None:
        """
        A connection without a client is cut after a while, with a reason.
        """
        peer = TLibPeer(self.server)
        connection = peer.open()
        self.run_(4.9)
        self.assertEqual(connection.closed, "")
        self.run_(0.2)
        closing = peer.expect(LinkClosing)
        self.assertEqual(closing.errorCode, TErrorCode.TIMEOUT)
        self.assertEqual(connection.closed, "closed")
        self.assertEqual(self.server.counts["lateStartUps"], 1)
        self.run_(5.0)
        self.assertEqual(connection.closed, "aborted")
        self.assertNoTimers()

    def test_flood(self) -> None:
        """
        Of too many connections without a client the oldest are cut, so that a flood
        keeps nobody out; those with a client do not feel it.  Nor do those that do
        not close when they are told add up.
        """
        self.server = self.makeServer(halfOpen=10)
        client = self.peer("1001")
        flood = [TLibPeer(self.server) for _ in range(30)]
        connections = [peer.open() for peer in flood]
        self.assertEqual(self.server.status()["halfOpen"], 10)
        self.assertEqual(
            [one.closed for one in connections[:20]], ["aborted"] * 10 + ["closed"] * 10
        )
        closing = flood[0].expect(LinkClosing)
        self.assertEqual(closing.errorCode, TErrorCode.RESOURCE_UNAVAILABLE)
        self.assertEqual(self.server.counts["halfOpenCut"], 20)
        self.peer()
        self.publish("1001", "1")
        self.assertEqual(len(client.messages), 1)


class PasswordTests(PortCase):
    """
    Passwords as they stand in a configuration.
    """

    def test_hashed(self) -> None:
        """
        What was made of a password opens to that password alone.
        """
        made = hashed("sésame", b"salt" * 4, 10)
        application = Application("a", made)
        self.assertNotIn("sésame", made)
        self.assertTrue(application.admits("sésame", "TCport"))
        self.assertFalse(application.admits("sesame", "TCport"))
        self.assertFalse(application.admits(made, "TCport"))

    def test_changed(self) -> None:
        """
        A password that was right is asked again when it has been changed.
        """
        applications = dict(APPLICATIONS)
        self.server.applications = applications
        made = hashed("one", b"salt" * 4, 10)
        for password, right in (("one", made), ("two", "two"), ("two", "two")):
            applications["desktop"] = Application("desktop", right)
            for _ in range(2):
                TLibPeer(self.server, password=password).connect()
        old = TLibPeer(self.server, password="one")
        old.open()
        reference = old.registerClient()
        self.assertRefused(old, reference, TErrorCode.BAD_PASSWORD)

    def test_broken(self) -> None:
        """
        What was not made of any password opens to none.
        """
        for broken in ("pbkdf2:", "pbkdf2:x:y:z", "pbkdf2:0:00:00", "pbkdf2:1:0:1"):
            self.assertFalse(Application("a", broken).admits("", "TCport"))

    def test_notShown(self) -> None:
        """
        The password is not in what is printed of the application.
        """
        self.assertNotIn("secret", repr(APPLICATIONS["desktop"]))
