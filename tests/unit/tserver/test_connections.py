"""
Tests for what clients do to their connections: bad bytes, silence, reading slowly.
"""

from __future__ import annotations

import struct

from hypothesis import given, settings
from hypothesis import strategies as st
from zope.interface.verify import verifyObject

from sipcluster.testing.machines import inputs, unanswered
from sipcluster.testing.tlib_peer import MemoryConnection, TLibPeer
from sipcluster.tlib.enums import ResumeResult
from sipcluster.tlib.errors import TErrorCode
from sipcluster.tlib.messages import (
    EventACK,
    EventError,
    EventLinkConnected,
    EventLinkDisconnected,
    EventRinging,
    EventServerInfo,
    LinkClosing,
    LinkPoll,
    LinkPollAnswer,
    Message,
    RequestAgentLogin,
    RequestMakeCall,
    RequestQueryServer,
    RequestRegisterAddress,
    UnknownMessage,
)
from sipcluster.tserver import link, session
from sipcluster.tserver.itserver import (
    IAddresses,
    IClientObserver,
    IConnection,
    IConnectionUser,
    IRequests,
    ISnapshot,
    ITrace,
)
from sipcluster.wire.correlation import Requester
from tests.unit.tserver.ports import PortCase, Trace, anis


class MachineTests(PortCase):
    """
    The states of connections and sessions.
    """

    def test_connection(self) -> None:
        """
        Whatever happens to a connection is answered in every state.
        """
        machine = link._machine
        self.assertEqual(unanswered(machine, inputs(machine)), set())

    def test_session(self) -> None:
        """
        Whatever happens to a session is answered in every state.
        """
        machine = session._machine
        self.assertEqual(unanswered(machine, inputs(machine)), set())

    def test_seams(self) -> None:
        """
        A connection and the one in memory are what they have to be, and so are
        those whom the port has around it in tests.
        """
        peer = self.peer()
        verifyObject(IConnection, peer.connection)
        verifyObject(IConnectionUser, peer.connection and peer.connection.user)
        verifyObject(IRequests, self.handler)
        verifyObject(ISnapshot, self.snapshot)
        verifyObject(IClientObserver, self.observer)
        verifyObject(ITrace, Trace())
        verifyObject(IAddresses, self.server.addresses)


class BadInputTests(PortCase):
    """
    Clients that send what they should not.
    """

    def cut(self, peer: TLibPeer, data: bytes, why: str = "") -> None:
        """
        Check that these bytes cut a connection, with a reason, and that another
        client does not notice.
        """
        other = self.peer("1001")
        peer.sendBytes(data)
        closing = peer.expect(LinkClosing)
        self.assertEqual(closing.errorCode, TErrorCode.INVALID_ATTRIBUTE)
        self.assertIn(why, closing.errorMessage or "")
        self.assertEqual(peer.connection and peer.connection.closed, "closed")
        peer.sendBytes(data)
        self.publish("1001", "1")
        self.assertEqual(anis(other), ["1"])
        peer.drop()

    def test_frameTooLong(self) -> None:
        """
        A frame of 4 GiB is refused when its length is known, of a client and of a
        stranger; a client can come back.
        """
        peer, stranger = self.peer("1001"), TLibPeer(self.server)
        stranger.open()
        for each in (peer, stranger):
            self.cut(each, struct.pack(">I", 0xFFFFFFFF), "4294967295")
        self.assertEqual(self.server.counts["badFrames"], 2)
        self.assertEqual(peer.resume().resumeResult, ResumeResult.RESUMED)
        self.assertEqual(anis(peer), ["1", "1"])

    def test_emptyFrame(self) -> None:
        """
        So is one without content.
        """
        self.cut(self.peer(), bytes(4), "empty")

    def test_noMessage(self) -> None:
        """
        What is no message cuts the connection.
        """
        for payload in (b"\xc1", b"\x93\x00\x00\x00", b"\x94\x00\x00\x00\x80\x00"):
            frame = struct.pack(">I", len(payload)) + payload
            self.cut(self.peer(), frame)
            stranger = TLibPeer(self.server)
            stranger.open()
            self.cut(stranger, frame)
        self.assertEqual(self.server.counts["badMessages"], 6)

    def test_behindTheBadOne(self) -> None:
        """
        What follows a bad frame in the same piece is not taken.
        """
        peer = self.peer("1001")
        peer.hold()
        peer.sendBytes(bytes(4))
        peer.request(RequestMakeCall(thisDN="1001", otherDN="1002"))
        peer.release()
        self.assertEqual(self.handler.asked, [])

    def test_wrongFirst(self) -> None:
        """
        A first message with something wrong in it is answered, and the connection
        cut.
        """
        peer = TLibPeer(self.server)
        peer.open()
        payload = b"\x94\x00\x07\x00\x81\x01\x01"
        peer.sendBytes(struct.pack(">I", len(payload)) + payload)
        self.assertRefused(peer, 7, TErrorCode.INVALID_ATTRIBUTE)
        self.assertEqual(peer.connection and peer.connection.closed, "closed")

    def test_acknowledgement(self) -> None:
        """
        Who acknowledges what it was never sent is told so and cut.
        """
        for sending in (
            lambda peer: peer.request(RequestQueryServer()),
            lambda peer: peer.send(LinkPoll()),
            lambda peer: peer.send(LinkPollAnswer()),
        ):
            peer = self.peer("1001")
            peer.handled += 1
            sending(peer)
            peer.expect(EventError, errorCode=TErrorCode.INVALID_ATTRIBUTE)
            peer.expect(LinkClosing)
            peer.expectNothing()
        self.assertEqual(self.server.counts["badAcknowledgements"], 3)

    @settings(max_examples=200, deadline=None)
    @given(st.lists(st.binary(max_size=80), max_size=8), st.booleans())
    def test_anything(self, pieces: list[bytes], known: bool) -> None:
        """
        No bytes make anything raise, and others do not notice.
        """
        PortCase.setUp(self)
        other = self.peer("1001")
        peer = TLibPeer(self.server)
        if known:
            peer.connect()
        else:
            peer.open()
        for piece in pieces:
            peer.sendBytes(piece)
            peer.sendBytes(struct.pack(">I", len(piece)) + piece)
        self.publish("1001", "1")
        self.assertEqual(anis(other), ["1"])
        self.assertEqual(self.flushLoggedErrors(), [])
        peer.drop()
        self.run_(100)


class SilenceTests(PortCase):
    """
    Keep-alive.
    """

    def test_polled(self) -> None:
        """
        A silent client is asked for a sign of life, and lives on when it gives one.
        """
        peer = self.peer()
        self.run_(35)
        polls = [one for one in peer.messages if isinstance(one, LinkPoll)]
        self.assertEqual(len(polls), 3)
        self.assertEqual(peer.connection and peer.connection.closed, "")

    def test_dead(self) -> None:
        """
        One that gives none is dead: its connection is ended, and its session waits.
        """
        peer = self.peer("1001")
        peer.answering = False
        connection = peer.connection
        self.run_(19.9)
        self.assertEqual(connection and connection.closed, "")
        self.run_(0.2)
        self.assertEqual(connection and connection.closed, "aborted")
        self.assertEqual(self.server.counts["silentClients"], 1)
        self.publish("1001", "1")
        peer.resume()
        self.assertEqual(anis(peer), ["1"])

    def test_unread(self) -> None:
        """
        While we have not read all that a client has sent, it is not silent.
        """

        def slow(request: Message, requester: Requester) -> None:
            self.clock.rightNow += 1.0
            self.server.answer(requester, EventACK(time=self.server.now()))

        self.server = self.makeServer(batch=1)
        self.handler.then = slow
        peer = self.peer()
        peer.request(RequestRegisterAddress(thisDN="1001"))
        self.run_()
        peer.answering = False
        peer.hold()
        for _ in range(50):
            peer.request(RequestMakeCall(thisDN="1001", otherDN="1002"))
        peer.release()
        for _ in range(100):
            self.turn()
        self.assertEqual(len([m for m in peer.messages if type(m) is EventACK]), 50)
        self.assertEqual(self.server.counts["silentClients"], 0)
        self.run_(20)
        self.assertEqual(self.server.counts["silentClients"], 1)

    def test_agreed(self) -> None:
        """
        The time is the one that was agreed.
        """
        peer = TLibPeer(self.server)
        peer.connect(keepAlive=60)
        self.run_(59)
        peer.expectNothing()
        self.run_(2)
        peer.expect(LinkPoll)

    def test_clientPolls(self) -> None:
        """
        A poll of the client is answered, and acknowledges.
        """
        peer = self.peer("1001")
        self.publish("1001", "1")
        peer.send(LinkPoll(), 9)
        peer.expect(LinkPollAnswer, reference=9)
        self.assertEqual(self.server.status()["journalMessages"], 0)


class SlowClientTests(PortCase):
    """
    Clients that do not read.
    """

    def stalled(self, *dns: str) -> tuple[TLibPeer, MemoryConnection]:
        """
        A client that reads nothing from now on.
        """
        peer = self.peer(*dns)
        assert peer.connection is not None
        peer.connection.stalled = True
        return peer, peer.connection

    def big(self, count: int) -> list[str]:
        """
        So many callers with long numbers: 1000 bytes each.
        """
        return [f"{n:01000}" for n in range(count)]

    def test_waits(self) -> None:
        """
        What a client does not read waits in its journal and not in its connection,
        and comes when it reads.
        """
        peer, connection = self.stalled("1001")
        wanted = self.big(500)
        self.publish("1001", *wanted)
        self.assertLess(len(connection.waiting), 70_000)
        unsent = sum(one.stream.unsent for one in self.server.sessions.values())
        self.assertGreater(unsent, 400_000)
        self.assertEqual(self.server.status()["unsentBytes"], unsent)
        for _ in range(100):
            connection.drain()
            self.turn()
        self.assertEqual(self.server.status()["unsentBytes"], 0)
        connection.stalled = False
        self.publish("1001", "new")
        self.assertEqual(anis(peer), [*wanted, "new"])

    def test_cutOff(self) -> None:
        """
        A client for which too much waits is cut off with a reason, without a word
        of it to others; it comes back and misses nothing.
        """
        other = self.peer("1001")
        peer, connection = self.stalled("1001")
        wanted = self.big(1200)
        self.publish("1001", *wanted)
        self.assertEqual(connection.closed, "")
        self.turn()
        self.assertEqual(connection.closed, "closed")
        self.assertEqual(self.server.counts["slowClients"], 1)
        self.assertEqual(anis(other), wanted)
        connection.drain()
        closing = peer.expect(LinkClosing)
        self.assertEqual(closing.errorCode, TErrorCode.RESOURCE_UNAVAILABLE)
        self.run_(5)
        self.assertEqual(connection.closed, "aborted")
        self.assertEqual(peer.resume().resumeResult, ResumeResult.RESUMED)
        self.run_()
        self.assertEqual(anis(peer), wanted)

    def test_neverReads(self) -> None:
        """
        However much there is, only so much is kept for a client that never reads.
        """
        self.server = self.makeServer(journalMessages=100, journalBytes=50_000)
        peer, connection = self.stalled("1001")
        self.publish("1001", *self.big(1000))
        self.run_()
        self.assertEqual(connection.closed, "closed")
        status = self.server.status()
        self.assertEqual((status["journalBytes"], status["away"]), (0, 1))
        self.assertEqual(peer.resume().resumeResult, ResumeResult.SNAPSHOT)

    def test_acknowledgesNothing(self) -> None:
        """
        A client that reads and never acknowledges is cut off, too; it has missed
        nothing.
        """
        self.server = self.makeServer(journalMessages=100)
        peer = self.peer("1001")
        self.publish("1001", *(f"{n}" for n in range(150)))
        self.run_()
        peer.expect(LinkClosing, errorCode=TErrorCode.RESOURCE_UNAVAILABLE)
        peer.drop()
        self.assertEqual(peer.resume().resumeResult, ResumeResult.RESUMED)
        self.assertEqual(len(anis(peer)), 150)

    def test_ownMessagesWait(self) -> None:
        """
        What is not kept in the journal waits, too, and only the last of it.
        """
        peer, connection = self.stalled("1001")
        reference = peer.request(RequestQueryServer())
        self.publish("1001", *self.big(80))
        waiting = len(connection.waiting)
        for _ in range(1000):
            peer.send(LinkPoll(), 5)
            peer.request(RequestQueryServer(), reference)
            self.server.linkChanged(False, "gone")
            self.server.linkChanged(True)
        self.assertEqual(len(connection.waiting), waiting)
        connection.stalled = False
        connection.drain()
        self.run_()
        peer.expect(LinkPollAnswer, reference=5)
        peer.expect(EventLinkConnected)
        peer.expect(EventServerInfo, reference=reference)
        peer.expect(EventServerInfo, reference=reference)
        self.assertEqual(len(anis(peer)), 80)
        peer.expectNothing()

    def test_pollAndAnswer(self) -> None:
        """
        A request may have any reference: what is said again of it stands for
        nothing else that waits.
        """
        peer, connection = self.stalled("1001")
        reference = peer.request(RequestQueryServer(), LinkPollAnswer.number)
        self.publish("1001", *self.big(80))
        peer.send(LinkPoll(), 5)
        peer.request(RequestQueryServer(), reference)
        connection.stalled = False
        connection.drain()
        self.run_()
        peer.expect(LinkPollAnswer, reference=5)
        peer.expect(EventServerInfo, reference=reference)
        peer.expect(EventServerInfo, reference=reference)

    def test_takenOver(self) -> None:
        """
        A client that has come back on another connection meanwhile is not cut off
        for what was wrong with the old one.
        """
        peer, _ = self.stalled("1001")
        wanted = self.big(1200)
        self.publish("1001", *wanted)
        other = TLibPeer(self.server)
        other.info, other.handled = peer.info, peer.handled
        self.assertEqual(other.resume().resumeResult, ResumeResult.RESUMED)
        self.run_()
        self.assertIsNone(other.cut)
        self.assertEqual(anis(other), wanted)

    def test_pausedAgain(self) -> None:
        """
        A client that reads a little now and then gets all in the end, in order.
        """
        peer, connection = self.stalled("1001")
        wanted = self.big(700)
        self.publish("1001", *wanted)
        for n in range(5000):
            connection.drain(700)
            if n % 7 == 0:
                self.turn()
        self.assertEqual(anis(peer), wanted)
        self.assertIsNone(peer.cut)

    def test_longWay(self) -> None:
        """
        A client that comes back is not cut off for what it has missed, and others
        are served in between.
        """
        peer = self.peer("1001")
        peer.drop()
        wanted = self.big(3000)
        self.publish("1001", *wanted)
        peer.resume()
        self.assertLess(len(peer.messages), 100)
        self.publish("1001", "new")
        turns = 0
        while self.server.status()["unsentBytes"]:
            self.turn()
            turns += 1
        self.assertGreater(turns, 50)
        self.assertEqual(anis(peer), [*wanted, "new"])
        self.assertIsNone(peer.cut)


class TraceTests(PortCase):
    """
    What passes a port, for those who want to read it.
    """

    def test_trace(self) -> None:
        """
        Each message is given once with all who got it; no password is in it.
        """
        trace = self.server.tracing.trace = Trace()
        first, second = self.peer("1001"), self.peer("1001")
        self.assertNotIn("secret", repr(trace.received))
        names = [type(message).__name__ for _, _, message in trace.sent]
        start = ["EventServerInfo", "EventLinkConnected", "EventRegistered"]
        self.assertEqual(names, start * 2)
        trace.sent.clear()
        self.publish("1001", "1")
        [(port, receivers, message)] = trace.sent
        self.assertEqual(port, "TCport")
        self.assertIsInstance(message, EventRinging)
        got = [(one.position, one.reference) for one in receivers]
        self.assertEqual(got, [(2, 0), (2, 0)])
        self.assertEqual(receivers[0].client, "desktop at 192.0.2.1:40000")
        self.publish("1002", "1")
        reference = first.request(RequestAgentLogin(thisDN="1001", password="secret"))
        self.assertRefused(first, reference, TErrorCode.UNSUPPORTED_OPERATION)
        second.send(LinkPoll())
        self.server.linkChanged(False)
        first.expect(EventLinkDisconnected)
        self.assertEqual(
            [type(message).__name__ for _, _, message in trace.sent[1:]],
            ["EventError", "LinkPollAnswer", *["EventLinkDisconnected"] * 2],
        )
        self.assertNotIn("secret", repr(trace.received))

    def test_failing(self) -> None:
        """
        A trace that fails costs nobody anything.
        """

        class Broken(Trace):
            def messageReceived(self, *arguments: object) -> None:
                raise RuntimeError("broken")

            def messageSent(self, *arguments: object) -> None:
                raise RuntimeError("broken")

        self.server.tracing.trace = Broken()
        peer = self.peer("1001")
        self.publish("1001", "1")
        self.assertEqual(anis(peer), ["1"])
        self.assertTrue(self.flushLoggedErrors(RuntimeError))


class StatusTests(PortCase):
    """
    What people are told.
    """

    def test_status(self) -> None:
        """
        Everything that grows is counted.
        """
        peer, away = self.peer("1001", "1002"), self.peer("1001")
        TLibPeer(self.server).open()
        peer.request(RequestMakeCall(thisDN="1001", otherDN="1002"))
        peer.request(UnknownMessage(number=180))
        away.drop()
        self.publish("1001", "1")
        status = self.server.status()
        counts = status.pop("counts")
        self.assertEqual(
            status,
            {
                "clients": 1,
                "away": 1,
                "halfOpen": 1,
                "registrations": 3,
                "watchedDNs": 2,
                "journalMessages": 4,
                "journalBytes": status["journalBytes"],
                "unsentBytes": 0,
                "pending": 1,
                "linked": True,
            },
        )
        self.assertIsInstance(counts, dict)

    def test_clients(self) -> None:
        """
        Each client is told of by what it is, and not by what would let others take
        it over.
        """
        peer, away = self.peer("1001"), self.peer()
        away.drop()
        self.publish("1001", "1")
        first, second = self.server.clients()
        self.assertEqual(first["client"], "desktop at 192.0.2.1:40000")
        self.assertEqual((first["state"], second["state"]), ("connected", "away"))
        self.assertEqual((first["position"], first["acknowledged"]), (2, 0))
        self.assertNotIn(peer.info and peer.info.sessionID, first.values())
