"""
Tests for clients that come back: nothing is missing and nothing comes twice.
"""

from __future__ import annotations

import gc
import weakref
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from sipcluster.testing.tlib_peer import Addresses, MemoryConnection, TLibPeer
from sipcluster.tlib.enums import ResumeResult
from sipcluster.tlib.errors import TErrorCode
from sipcluster.tlib.messages import (
    EventDialing,
    EventRegistered,
    EventRinging,
    EventServerInfo,
    LinkClosing,
    RequestMakeCall,
    RequestQueryServer,
    RequestUnregisterAddress,
)
from sipcluster.tserver.ending import PATIENCE
from tests.unit.tserver.ports import PortCase, anis

CALL = RequestMakeCall(thisDN="1001", otherDN="1002")


class ResumeTests(PortCase):
    """
    A client that has lost its connection.
    """

    def test_missed(self) -> None:
        """
        What a client has missed comes in order with its old positions, and then
        what is new.
        """
        peer, other = self.peer("1001"), self.peer("1001")
        self.publish("1001", "1", "2")
        peer.drop()
        self.publish("1001", "3", "4")
        info = peer.resume()
        self.assertEqual(info.resumeResult, ResumeResult.RESUMED)
        self.assertEqual(info.sessionID, peer.info and peer.info.sessionID)
        self.publish("1001", "5")
        self.assertEqual(anis(peer), ["1", "2", "3", "4", "5"])
        self.assertEqual(anis(other), ["1", "2", "3", "4", "5"])
        self.assertEqual(
            [one.position for one in peer.all if one.position], [1, 2, 3, 4, 5, 6]
        )

    def test_unhandled(self) -> None:
        """
        What had arrived and was not handled comes again.
        """
        peer = self.peer("1001")
        self.publish("1001", "1", "2", "3")
        peer.drop()
        peer.handled = 2
        peer.clear()
        peer.resume()
        self.assertEqual(anis(peer), ["2", "3"])

    def test_acknowledged(self) -> None:
        """
        What was acknowledged is forgotten, and cannot be had again.
        """
        peer = self.peer("1001")
        self.publish("1001", "1", "2", "3")
        peer.request(RequestQueryServer())
        status = self.server.status()
        self.assertEqual(status["journalMessages"], 1)
        peer.drop()
        peer.handled = 2
        self.assertEqual(peer.resume().resumeResult, ResumeResult.SNAPSHOT)

    def test_answerMeanwhile(self) -> None:
        """
        A request goes on while its client is away; the answer waits for it.
        """
        peer = self.peer("1001")
        reference = peer.request(CALL)
        peer.drop()
        self.server.publish("1001", self.dialing("1001"), self.handler.asked[0][1])
        peer.resume()
        peer.request(CALL, reference)
        peer.expect(EventDialing, reference=reference)
        self.assertEqual(len(self.handler.asked), 1)

    def test_lost(self) -> None:
        """
        A session of another epoch, of another application, one that is gone, and
        one that has not come as far as the client says, is lost: the client has a
        new one.
        """
        peer = self.peer("1001")
        info = peer.info
        assert info is not None
        peer.drop()
        for attributes in (
            {"epoch": (info.epoch or 0) + 1},
            {"epoch": None},
            {"sessionID": "f" * 32},
            {"applicationName": "wallboard"},
        ):
            usual = {"sessionID": info.sessionID, "epoch": info.epoch}
            other = TLibPeer(self.server)
            other.handled = peer.handled
            new = other.connect(**(usual | attributes))
            self.assertEqual(new.resumeResult, ResumeResult.LOST)
            self.assertNotEqual(new.sessionID, info.sessionID)
        peer.handled += 1
        self.assertEqual(peer.resume().resumeResult, ResumeResult.LOST)
        self.assertEqual(self.server.counts["lostSessions"], 5)

    def test_retention(self) -> None:
        """
        A session is kept for some time, and then its client is gone.
        """
        peer = self.peer("1001")
        peer.drop()
        self.run_(59.9)
        self.assertEqual(self.server.status()["away"], 1)
        peer.resume()
        peer.drop()
        self.run_(60.1)
        self.assertEqual(self.server.status()["away"], 0)
        self.assertEqual(self.server.status()["registrations"], 0)
        self.assertEqual(peer.resume().resumeResult, ResumeResult.LOST)
        self.assertEqual(
            self.observer.told,
            [
                ("registered", "desktop", "1001"),
                ("away", "desktop", "1001"),
                ("back", "desktop", "1001"),
                ("away", "desktop", "1001"),
                ("gone", "desktop", "1001"),
            ],
        )

    def test_inOrder(self) -> None:
        """
        The session of a client that leaves in order is gone at once.
        """
        peer = self.peer("1001")
        reference = peer.request(CALL)
        connection = peer.connection
        peer.send(LinkClosing())
        self.assertEqual(connection and connection.closed, "closed")
        self.assertEqual(self.server.sessions, {})
        self.assertEqual(self.observer.told[-1], ("gone", "desktop", "1001"))
        requester = self.handler.asked[0][1]
        self.server.publish("1001", self.dialing("1001"), requester)
        self.server.refuse(requester, TErrorCode.TIMEOUT)
        with self.assertRaises(AssertionError):
            peer.expect(EventDialing, reference=reference)
        peer.drop()
        self.assertNoTimers()

    def test_takenOver(self) -> None:
        """
        A second connection that resumes a session has it from then on, and the
        first one is told and cut.
        """
        first = self.peer("1001")
        self.publish("1001", "1")
        self.assertEqual(anis(first), ["1"])
        second = TLibPeer(self.server)
        second.info, second.handled = first.info, first.handled
        self.assertEqual(second.resume().resumeResult, ResumeResult.RESUMED)
        closing = first.expect(LinkClosing)
        self.assertEqual(closing.errorCode, TErrorCode.RESOURCE_SEIZED)
        self.assertEqual(first.connection and first.connection.closed, "closed")
        self.publish("1001", "2")
        first.drop()
        self.publish("1001", "3")
        self.assertEqual(anis(second), ["2", "3"])
        self.assertEqual(anis(first), [])
        # The client was never away.
        self.assertEqual(self.observer.told, [("registered", "desktop", "1001")])
        self.assertEqual(self.server.counts["takenOver"], 1)

    def test_nothingLeft(self) -> None:
        """
        Of a client that is gone nothing is left, and no collector has to look for
        it.
        """
        peer = self.peer("1001")
        session = next(iter(self.server.sessions.values()))
        connection: Any = peer.connection
        left = [weakref.ref(one) for one in (session, session.stream, connection.user)]
        gc.collect()
        gc.disable()
        self.addCleanup(gc.enable)
        peer.leave()
        self.run_()
        del session, connection
        self.assertEqual([one() for one in left], [None, None, None])
        self.assertNoTimers()

    def test_stop(self) -> None:
        """
        A server that stops ends all sessions, and says why.
        """
        present, away = self.peer("1001"), self.peer("1002")
        halfOpen = TLibPeer(self.server)
        halfOpen.open()
        away.drop()
        stopped = self.server.stop()
        late = TLibPeer(self.server)
        late.open()
        for peer in (late, present, halfOpen):
            self.assertNoResult(stopped)
            closing = peer.expect(LinkClosing)
            self.assertEqual(closing.errorCode, TErrorCode.OUT_OF_SERVICE)
            peer.drop()
        self.successResultOf(stopped)
        self.assertEqual(self.server.status()["clients"], 0)
        self.assertEqual(self.server.status()["away"], 0)
        self.assertNoTimers()
        self.successResultOf(self.server.stop())

    def test_stopInTime(self) -> None:
        """
        A server that stops waits for clients to close, but not for long.
        """
        peer = self.peer("1001")
        leaving = self.peer()
        leaving.send(LinkClosing())
        stopped, again = self.server.stop(), self.server.stop()
        self.run_(PATIENCE - 0.01)
        self.assertNoResult(stopped)
        self.run_(0.02)
        self.successResultOf(stopped)
        self.successResultOf(again)
        for one in (peer, leaving):
            self.assertEqual(one.connection and one.connection.closed, "aborted")
        self.assertNoTimers()

    def test_stopInAFlood(self) -> None:
        """
        Those who come when it has stopped are not waited for.
        """
        peer = self.peer()
        stopped = self.server.stop()
        late = TLibPeer(self.server)
        late.open()
        peer.drop()
        self.successResultOf(stopped)
        late.drop()
        self.assertNoTimers()


class SnapshotTests(PortCase):
    """
    A client that has missed more than is kept.
    """

    def setUp(self) -> None:
        super().setUp()
        self.server = self.makeServer(journalMessages=5)

    def test_snapshot(self) -> None:
        """
        It is told anew of each DN that it has registered, marked as such, and then
        what is new.
        """
        self.snapshot.known["1001"] = (("status", 1),)
        peer = self.peer("1001", "1002")
        peer.drop()
        last = peer.handled
        self.publish("1001", *"123456789")
        self.assertEqual(self.server.status()["journalMessages"], 0)
        self.assertEqual(peer.resume().resumeResult, ResumeResult.SNAPSHOT)
        self.publish("1001", "10")
        first, second, third = peer.envelopes
        self.assertGreater(first.position, last)
        self.assertEqual(
            [one.position - first.position for one in (first, second, third)],
            [0, 1, 2],
        )
        told: Any = first.message
        self.assertIsInstance(told, EventRegistered)
        self.assertEqual((told.thisDN, told.snapshot), ("1001", 1))
        self.assertEqual(told.extensions, (("status", 1),))
        self.assertEqual(first.reference, 0)
        peer.expect(EventRegistered, thisDN="1002", snapshot=1)
        self.assertEqual(anis(peer), ["10"])
        self.assertEqual(self.server.counts["snapshots"], 1)

    def test_fullJournal(self) -> None:
        """
        As much as is kept is given.
        """
        peer = self.peer("1001")
        peer.drop()
        self.publish("1001", *"12345")
        self.assertEqual(peer.resume().resumeResult, ResumeResult.RESUMED)
        self.assertEqual(anis(peer), list("12345"))

    def test_answerMeanwhile(self) -> None:
        """
        The answer of a request is not lost with the events: the client asks again,
        and has it, under a new position, since those around the old one are lost.
        """
        peer = self.peer("1001")
        reference = peer.request(CALL)
        peer.drop()
        self.publish("1001", *"123456789")
        self.server.publish("1001", self.dialing("1001"), self.handler.asked[0][1])
        peer.resume()
        for _ in range(2):
            peer.request(CALL, reference)
        positions = [one.position for one in peer.envelopes]
        self.assertEqual(positions[1] - positions[0], 1)
        self.assertEqual(positions[2], positions[1])
        peer.expect(EventDialing, reference=reference)
        self.assertEqual(len(self.handler.asked), 1)

    def test_manyDNs(self) -> None:
        """
        Very many snapshots are made some at a time; no event of a DN comes before
        its snapshot, and a lost connection in between loses nothing.
        """
        self.server = self.makeServer(journalMessages=200)
        dns = [f"{n}" for n in range(2000, 3000)]
        self.server.addresses = Addresses.of(*dns)
        peer = self.peer(*dns)
        peer.drop()
        self.publish("2000", *(f"{n}" for n in range(300)))
        peer.resume()
        count = len(peer.messages)
        self.assertTrue(0 < count < 200)
        self.publish("2999", "early")
        self.publish("2000", "in time")
        peer.request(RequestUnregisterAddress(thisDN="2500"))
        self.turn()
        self.assertLess(len(peer.messages), 300)
        peer.drop()
        self.assertEqual(peer.resume().resumeResult, ResumeResult.RESUMED)
        while len(peer.messages) < 1000:
            self.turn()
            peer.acknowledge()
        self.run_()
        self.publish("2999", "late")
        told = [
            one.thisDN
            for one in peer.messages
            if isinstance(one, EventRegistered) and one.snapshot
        ]
        self.assertEqual(told, [dn for dn in dns if dn != "2500"])
        self.assertEqual(anis(peer), ["in time", "late"])
        self.assertNotIn("early", [getattr(one.message, "ani", "") for one in peer.all])
        positions = [one.position for one in peer.all if one.position]
        start = positions.index(positions[0])
        self.assertEqual(len(set(positions)), len(positions[start:]))

    def test_atTheClientsPace(self) -> None:
        """
        A client that does not acknowledge gets no more snapshots for now, but
        events of what it was told of; when it does, the rest comes.
        """
        self.server = self.makeServer(journalMessages=200)
        dns = [f"{n}" for n in range(2000, 2500)]
        self.server.addresses = Addresses.of(*dns)
        peer = self.peer(*dns)
        peer.drop()
        self.publish("2000", *(f"{n}" for n in range(300)))
        peer.resume()
        self.run_()
        self.assertEqual(len(peer.messages), 150)
        self.publish("2000", "1")
        self.publish("2499", "2")
        self.run_()
        self.assertEqual(anis(peer), ["1"])
        for _ in range(10):
            peer.acknowledge()
            self.run_()
        self.assertEqual(len(peer.messages), 500)
        self.publish("2499", "3")
        self.assertEqual(anis(peer), ["3"])
        self.assertIsNone(peer.cut)

    def test_longSnapshots(self) -> None:
        """
        The same where it is the bytes that are too many.
        """
        self.server = self.makeServer(journalMessages=1000, journalBytes=120_000)
        dns = [f"{n}" for n in range(2000, 2500)]
        self.server.addresses = Addresses.of(*dns)
        peer = TLibPeer(self.server)
        peer.connect()
        for dn in dns:
            peer.register(dn)
            self.snapshot.known[dn] = (("text", "x" * 1000),)
        peer.drop()
        self.publish("2000", *(f"{n}" for n in range(1200)))
        self.assertEqual(peer.resume().resumeResult, ResumeResult.SNAPSHOT)
        self.run_()
        self.assertEqual(len(peer.messages), 100)
        for _ in range(10):
            peer.acknowledge()
            self.run_()
        self.assertEqual(len(peer.messages), 500)
        self.assertIsNone(peer.cut)


class ExactStreamTests(PortCase):
    """
    Whatever happens, a client has the exact stream, or is told that it has not.
    """

    @settings(max_examples=300, deadline=None)
    @given(
        st.lists(
            st.one_of(
                st.sampled_from(
                    ["event", "event", "event", "ask", "turn", "drop", "resume"]
                ),
                st.sampled_from(["stall", "read", "takeOver", "acknowledge"]),
                st.tuples(st.just("part"), st.integers(1, 3000)),
            ),
            max_size=60,
        ),
        st.sampled_from([5, 20, 10000]),
        st.sampled_from([9000, 30000, 10**6]),
    )
    def test_anything(self, steps: list[Any], journal: int, unsent: int) -> None:
        """
        For any sequence of events, requests, lost and taken over connections, and
        times in which the client reads nothing, what it has handled is the exact
        stream: nothing is missing and nothing comes twice.  Where the server had to
        forget something, it says so, and the stream goes on after that.
        """
        PortCase.setUp(self)
        self.server = self.makeServer(journalMessages=journal, unsent=unsent)
        self.patch(MemoryConnection, "full", 5000)
        client = _Client(self)
        for step in steps:
            client.step(step)
        client.finish()
        self.assertEqual(client.heard, client.published)


class _Client:
    """
    A client that writes down whose calls it has seen, and what there were.

    @ivar published: what it should have seen since it last was told that events
        are lost.
    @ivar heard: what it has.
    """

    def __init__(self, case: PortCase) -> None:
        self.case = case
        self.published: list[str] = []
        self.heard: list[str] = []
        self.count = 0
        self.position = 0
        self.afterSnapshot = False
        self.peer = TLibPeer(case.server)
        self.peer.connect()
        self.peer.register("1001")
        self.position = self.peer.handled
        self.take()

    def take(self) -> None:
        """
        Handle what has come, as the protocol says.
        """
        for one in self.peer.envelopes:
            if isinstance(one.message, EventServerInfo) and not one.position:
                self.afterSnapshot = False
                if one.message.resumeResult == ResumeResult.SNAPSHOT:
                    self.afterSnapshot = True
                    self.heard, self.published = [], []
                elif one.message.resumeResult != ResumeResult.NEW:
                    assert one.message.resumeResult == ResumeResult.RESUMED
            if not one.position or one.position <= self.position:
                assert not one.position or one.reference, one
                continue
            if self.afterSnapshot:
                self.afterSnapshot = False
            else:
                assert one.position == self.position + 1, (one, self.position)
            self.position = one.position
            if isinstance(one.message, EventRinging):
                self.heard.append(one.message.ani or "")
        self.peer.clear()
        self.peer.handled = self.position

    def step(self, step: Any) -> None:
        """
        Let something happen.
        """
        if isinstance(step, tuple):
            connection = self.peer.connection
            if connection is not None:
                connection.drain(step[1])
        else:
            getattr(self, step)()
        self.take()

    def event(self) -> None:
        self.count += 1
        ani = f"{self.count}" + "x" * (self.count % 7 * 1000)
        self.published.append(ani)
        self.case.publish("1001", ani)

    def ask(self) -> None:
        if self.alive:
            self.peer.request(RequestQueryServer())

    @property
    def alive(self) -> bool:
        connection = self.peer.connection
        return connection is not None and not connection.closed

    def turn(self) -> None:
        self.case.turn()

    def drop(self) -> None:
        self.peer.drop()

    def resume(self) -> None:
        if not self.alive:
            self.peer.drop()
            before = self.published
            self.peer.resume()
            self.take()
            if self.published is not before:
                # What is published from now on is what counts; a snapshot of the
                # DN covers all before.
                self.published = []

    def takeOver(self) -> None:
        old = self.peer
        self.peer = TLibPeer(self.case.server)
        self.peer.info, self.peer.handled = old.info, self.position
        self.peer._reference = old._reference
        self.peer.resume()
        self.take()
        old.drop()

    def stall(self) -> None:
        if self.peer.connection is not None:
            self.peer.connection.stalled = True

    def read(self) -> None:
        if self.peer.connection is not None:
            self.peer.connection.stalled = False
            self.peer.connection.drain()

    def acknowledge(self) -> None:
        if self.alive:
            self.peer.acknowledge()

    def finish(self) -> None:
        """
        Come back, and read all there is.
        """
        for _ in range(3):
            self.read()
            self.case.run_()
            self.take()
            self.resume()
        self.read()
        self.case.run_()
        self.take()
