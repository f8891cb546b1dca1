"""
Tests for L{sipcluster.tlib.client}: events, and coming back.
"""

from __future__ import annotations

from attrs import evolve

from sipcluster.testing.clock import runFor
from sipcluster.testing.wire import MemoryEndpoint
from sipcluster.tlib.client import (
    LinkState,
    Resume,
    SessionLost,
    TLibraryClient,
)
from sipcluster.tlib.codec import Envelope
from sipcluster.tlib.enums import ResumeResult
from sipcluster.tlib.errors import TErrorCode
from sipcluster.tlib.messages import (
    EventDialing,
    EventLinkConnected,
    EventRegistered,
    EventUnregistered,
    EventUserEvent,
    LinkClosing,
    LinkPoll,
    LinkPollAnswer,
    RequestAgentReady,
    RequestMakeCall,
    RequestQueryServer,
    RequestRegisterAddress,
    RequestRegisterClient,
)
from tests.unit.tlib.scripted import (
    SESSION,
    Accepted,
    ClientTestCase,
    error,
    ringing,
)

LOST = ResumeResult.LOST
RESUMED = ResumeResult.RESUMED
SNAPSHOT = ResumeResult.SNAPSHOT


class EventTests(ClientTestCase):
    """
    Events are handed over once, in order.
    """

    def test_events(self) -> None:
        """
        Those with a position and those without.
        """
        client, server = self.linked()
        server.send(EventLinkConnected(time=(1, 0)))
        for position in (1, 2, 3):
            server.send(ringing(position), position)
        self.run_()
        self.assertEqual(self.positions(), [0, 1, 2, 3])
        self.assertEqual(self.events[3], Envelope(3, 0, ringing(3)))
        self.assertEqual(client.resume, Resume(SESSION, 7, 3))

    def test_positionWhileHandling(self) -> None:
        """
        While an event is being handled, the place to resume is behind it, but the
        server is not told so: a request made meanwhile acknowledges what was before.
        """
        found: list[Resume | None] = []

        def take(envelope: Envelope) -> None:
            found.append(client.resume)
            client.request(RequestQueryServer()).addErrback(lambda _: None)

        client, server = self.linked(eventReceived=take)
        server.send(ringing(1), 1)
        server.send(ringing(2), 2)
        self.run_()
        self.assertEqual([one.position for one in found if one], [1, 2])
        self.assertEqual([one.position for one in server.received], [0, 1])

    def test_failingApplication(self) -> None:
        """
        What the application raises is logged, and the next event comes.
        """

        def take(envelope: Envelope) -> None:
            self.events.append(envelope)
            raise ZeroDivisionError

        _, server = self.linked(eventReceived=take)
        server.send(ringing(1), 1)
        server.send(ringing(2), 2)
        self.run_()
        self.assertEqual(self.positions(), [1, 2])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 2)

    def test_failingWatcher(self) -> None:
        """
        So is what C{linkChanged} raises.
        """

        def fail(state: LinkState) -> None:
            raise ZeroDivisionError

        client, server = self.linked(linkChanged=fail)
        server.send(ringing(1), 1)
        self.run_()
        self.assertEqual(self.positions(), [1])
        self.end(client)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 2)

    def test_acknowledges(self) -> None:
        """
        The server is told what was handled: after 256 events, or a second after the
        first.
        """
        _, server = self.linked()
        for position in range(1, 300):
            server.send(ringing(position), position)
        self.run_()
        self.assertEqual(self.expect(server, LinkPollAnswer).position, 256)
        runFor(self.clock, 1.1)
        self.assertEqual(self.expect(server, LinkPollAnswer).position, 299)
        runFor(self.clock, 5)
        self.assertEqual(server.received, [])

    def test_acknowledgesManyBytes(self) -> None:
        """
        Large events are acknowledged earlier: the server keeps them until then.
        """
        _, server = self.linked()
        large = EventUserEvent(
            thisDN="1001", userEvent=57, userData=(("text", "x" * 40000),)
        )
        for position in range(1, 8):
            server.send(large, position)
        self.run_()
        self.assertEqual(self.expect(server, LinkPollAnswer).position, 7)
        self.assertEqual(server.received, [])

    def test_unknownEvent(self) -> None:
        """
        An event of a later version is handed over like others.
        """
        _, server = self.linked()
        server.end.write(bytes.fromhex("00000007940100cd012c80"))
        server.send(ringing(2), 2)
        self.run_()
        self.assertEqual(self.positions(), [1, 2])
        self.assertEqual(self.events[0].message.number, 300)

    def test_unreadableEvent(self) -> None:
        """
        An event that cannot be read is left out and counted; the link stays.
        """
        client, server = self.linked()
        data = bytes.fromhex("000000079401003c8103c3")
        server.end.write(data)  # EventRinging with true where a number should be
        server.send(ringing(2), 2)
        self.run_()
        if self.positions() == [1, 2]:
            raise AssertionError("attribute 3 takes true")
        self.assertEqual(self.positions(), [2])
        self.assertEqual(client.counts()["unreadable"], 1)

    def test_garbage(self) -> None:
        """
        Bytes that are no messages end the connection, and the client comes back.
        """
        for junk in (b"\0\0\0\0", b"\xff" * 8, b"\0\0\0\1\xc1"):
            client, server = self.linked()
            server.end.write(junk)
            self.run_()
            self.assertTrue(server.lost)
            self.assertFalse(self.states[-1].connected)
            runFor(self.clock, 1)
            self.welcome(RESUMED)
            self.assertTrue(self.states[-1].connected)
            self.end(client)

    def test_slowConsumer(self) -> None:
        """
        Nothing is handed over while the client is paused, and everything after, in
        order; the silence of a server that we do not read is not held against it.
        """
        client, server = self.linked()
        client.pauseProducing()
        for position in (1, 2, 3):
            server.send(ringing(position), position)
        runFor(self.clock, 60)
        self.assertEqual(self.events, [])
        self.assertFalse(server.lost)
        client.resumeProducing()
        self.run_()
        self.assertEqual(self.positions(), [1, 2, 3])

    def test_pausedInTheMiddle(self) -> None:
        """
        A consumer may pause while it is given an event: what came in one piece with
        it waits too.
        """

        def take(envelope: Envelope) -> None:
            self.events.append(envelope)
            client.pauseProducing()

        client, server = self.linked(eventReceived=take)
        for position in (1, 2, 3):
            server.send(ringing(position), position)
        for count in (1, 2, 3):
            self.run_()
            self.assertEqual(len(self.events), count)
            client.resumeProducing()

    def test_pausedAcrossLinks(self) -> None:
        """
        It stays paused on the next connection.
        """
        client, server = self.linked()
        client.stopProducing()
        self.run_()
        self.cut()
        server = self.welcome(RESUMED)
        server.send(ringing(1), 1)
        self.run_()
        self.assertEqual(self.events, [])
        client.resumeProducing()
        self.run_()
        self.assertEqual(self.positions(), [1])


class ResumeTests(ClientTestCase):
    """
    Coming back.
    """

    def test_resumes(self) -> None:
        """
        The client says where it was, and goes on there; what comes twice is dropped.
        """
        client, server = self.linked()
        server.send(ringing(1), 1)
        self.run_()
        self.cut()
        self.assertIsNone(client.info)
        begin = self.accepted[-1].received[0]
        assert isinstance(begin.message, RequestRegisterClient)
        self.assertEqual(begin.position, 1)
        self.assertEqual((begin.message.sessionID, begin.message.epoch), (SESSION, 7))
        server = self.welcome(RESUMED)
        for position in (1, 2, 3):
            server.send(ringing(position), position)
        self.run_()
        self.assertEqual(self.positions(), [1, 2, 3])
        self.assertEqual(client.counts()["duplicates"], 1)
        self.assertEqual(
            [(state.connected, state.resumed) for state in self.states],
            [(True, ResumeResult.NEW), (False, None), (True, RESUMED)],
        )

    def test_anotherProcess(self) -> None:
        """
        What was written down lets another client go on, with references that the
        first one did not use.
        """
        client, server = self.linked(keepSession=True)
        server.send(ringing(1), 1)
        self.run_()
        text = client.resume.asText() if client.resume else ""
        self.end(client)
        self.assertNotIn("LinkClosing", str(server.received))
        self.start(resume=Resume.fromText(text), chance=lambda: 0.25).request(
            RequestQueryServer()
        ).addErrback(lambda _: None)
        server = self.welcome(RESUMED)
        self.assertGreater(self.expect(server, RequestQueryServer).reference, 1 << 29)
        server.send(ringing(2), 2)
        self.run_()
        self.assertEqual(self.positions(), [1, 2])

    def test_badResume(self) -> None:
        """
        What is no place to resume is said to be none.
        """
        for text in ("", "[]", "{}", '{"session": 1, "epoch": 1}', "null"):
            self.assertRaises(ValueError, Resume.fromText, text)

    def test_snapshot(self) -> None:
        """
        After a snapshot the positions go on somewhere above.
        """
        client, server = self.linked()
        self.cut()
        server = self.welcome(SNAPSHOT)
        told = EventRegistered(time=(1, 0), thisDN="1001", snapshot=1)
        server.send(told, 50)
        server.send(ringing(51), 51)
        self.run_()
        self.assertEqual(self.positions(), [50, 51])
        self.assertEqual(client.counts()["gaps"], 0)

    def test_answerThatASnapshotLeftOut(self) -> None:
        """
        An answer that is repeated with its old position after a snapshot completes
        the request, and is no event any more.
        """
        client, server = self.linked()
        asked = client.request(RequestMakeCall(thisDN="1001", otherDN="1002"))
        self.run_()
        reference = self.expect(server, RequestMakeCall).reference
        self.cut()
        server = self.welcome(SNAPSHOT)
        again = self.expect(server, RequestMakeCall)
        self.assertEqual(again.reference, reference)
        server.send(ringing(50), 50)
        server.send(EventDialing(thisDN="1001"), 20, reference)
        self.run_()
        self.assertEqual(self.positions(), [50])
        self.assertEqual(self.successResultOf(asked), EventDialing(thisDN="1001"))

    def test_gap(self) -> None:
        """
        When positions are missing the connection is closed, and the server is asked
        for them; one that does not have them either is believed.
        """
        client, server = self.linked()
        server.send(ringing(1), 1)
        server.send(ringing(3), 3)
        self.run_()
        self.assertTrue(server.lost)
        runFor(self.clock, 1)
        self.assertEqual(self.accepted[-1].received[0].position, 1)
        server = self.welcome(RESUMED)
        server.send(ringing(3), 3)
        self.run_()
        self.assertEqual(self.positions(), [1, 3])
        self.assertEqual(client.counts()["gaps"], 2)
        self.assertTrue(self.states[-1].connected)

    def test_lost(self) -> None:
        """
        When the server has lost the session, the client registers its DNs again,
        and hands what it is told on as snapshots; positions begin again.
        """
        client, server = self.linked()
        registered = []
        for dn in ("1001", "1002", "1003"):
            registered.append(client.register(dn))
        self.run_()
        for position in (1, 2, 3):
            request = self.expect(server, RequestRegisterAddress)
            dn = request.message.thisDN  # type: ignore[attr-defined]
            told = EventRegistered(time=(1, 0), thisDN=dn)
            server.send(told, position, request.reference)
        self.run_()
        for one in registered:
            self.successResultOf(one)
        server.send(EventUnregistered(time=(1, 0), thisDN="1003"), 4)
        self.run_()
        self.assertEqual(client.registered, {"1001", "1002"})
        self.cut()
        del self.events[:]
        server = self.welcome(LOST, session="0" * 32, epoch=8)
        first = self.expect(server, RequestRegisterAddress)
        second = self.expect(server, RequestRegisterAddress)
        self.assertEqual(server.received, [])
        told = EventRegistered(time=(1, 0), thisDN="1001")
        server.send(told, 1, first.reference)
        server.send(error(TErrorCode.DN_NOT_CONFIGURED), 2, second.reference)
        self.run_()
        self.assertEqual(self.events[0].message, evolve(told, snapshot=1))
        self.assertEqual(self.positions(), [1, 2])
        self.assertEqual(client.registered, {"1001"})
        self.assertEqual(client.resume, Resume("0" * 32, 8, 2))

    def test_requestsOfALostSession(self) -> None:
        """
        Of what was sent before, what does no harm is sent again; the rest fails,
        because nobody knows. What was not sent yet is sent now.
        """
        client, server = self.linked()
        call = self.outcome(client.request(RequestMakeCall(thisDN="1", otherDN="2")))
        query = client.request(RequestQueryServer())
        dn = client.register("1001")
        self.run_()
        self.endpoint.wires[-1].reset()
        ready = client.request(RequestAgentReady(thisDN="1001"))
        runFor(self.clock, 1)
        server = self.welcome(LOST, session="0" * 32)
        self.assertIsInstance(call[0], SessionLost)
        for kind in (RequestQueryServer, RequestRegisterAddress, RequestAgentReady):
            self.expect(server, kind)
        self.assertEqual(server.received, [])
        for asked in (query, ready):
            self.assertNoResult(asked)
            asked.addErrback(lambda _: None)
        dn.addErrback(lambda _: None)

    def test_newWhenResumeWasAsked(self) -> None:
        """
        A server that answers New to somebody who has a session has lost it.
        """
        _, server = self.linked()
        server.send(ringing(1), 1)
        self.run_()
        self.cut()
        self.welcome(ResumeResult.NEW, session="1" * 32)
        self.assertEqual(self.states[-1].resumed, LOST)

    def test_manyRegistrationsAgain(self) -> None:
        """
        A server is never given more requests at one time than it takes.
        """
        client, server = self.linked()
        for number in range(1200):
            client.register(str(number))
        position = 0
        while position < 1200:
            self.run_()
            self.assertLessEqual(len(server.received), 500)
            position = self.answerAll(server, position)
        self.assertEqual(len(client.registered), 1200)
        self.cut()
        server = self.welcome(LOST)
        position = 0
        while position < 1200:
            self.run_()
            self.assertLessEqual(len(server.received), 500)
            self.assertTrue(server.received)
            position = self.answerAll(server, position)
        self.assertEqual(len(client.registered), 1200)

    def answerAll(self, server: Accepted, position: int) -> int:
        """
        Register all that was asked for.

        @return: the last position.
        """
        while server.received:
            request = server.received.pop(0)
            if isinstance(request.message, RequestRegisterAddress):
                position += 1
                told = EventRegistered(time=(1, 0), thisDN=request.message.thisDN)
                server.send(told, position, request.reference)
        self.run_()
        return position

    def test_keepAlive(self) -> None:
        """
        A server that says nothing for as long as agreed is asked, and left when it
        does not answer in as long again.
        """
        self.linked(keepAlive=3)
        server = self.accepted[-1]
        runFor(self.clock, 2.9)
        self.assertEqual(server.received, [])
        runFor(self.clock, 0.2)
        poll = self.expect(server, LinkPoll)
        server.send(LinkPollAnswer(), 0, poll.reference)
        runFor(self.clock, 3.1)
        self.expect(server, LinkPoll)
        runFor(self.clock, 3.1)
        self.assertTrue(server.lost)
        self.assertEqual(self.events, [])

    def linked(self, **more: object) -> tuple[TLibraryClient, Accepted]:
        """
        With another keep-alive, when asked.
        """
        seconds = more.pop("keepAlive", 10)
        client = self.start(**more)
        return client, self.welcome(keepAlive=seconds)

    def test_polled(self) -> None:
        """
        A poll is answered at once, with the position.
        """
        _, server = self.linked()
        server.send(ringing(1), 1)
        server.send(LinkPoll(), 0, 77)
        self.run_()
        answer = self.expect(server, LinkPollAnswer)
        self.assertEqual((answer.position, answer.reference), (1, 77))

    def test_closedByServer(self) -> None:
        """
        A server that says why it closes is come back to.
        """
        _, server = self.linked()
        server.send(
            LinkClosing(
                errorCode=TErrorCode.RESOURCE_UNAVAILABLE, errorMessage="too slow"
            )
        )
        self.run_()
        self.assertEqual(self.states[-1], LinkState(False, "too slow"))
        runFor(self.clock, 1)
        self.welcome(RESUMED)
        self.assertTrue(self.states[-1].connected)

    def test_takenOver(self) -> None:
        """
        When another client has resumed the session, this one does not take it back.
        """
        client, server = self.linked()
        server.send(LinkClosing(errorCode=TErrorCode.RESOURCE_SEIZED))
        self.run_()
        self.assertTrue(self.states[-1].forGood)
        self.assertIsNone(client.resume)
        runFor(self.clock, 100)
        self.assertEqual(len(self.accepted), 1)

    def test_sameServerFirst(self) -> None:
        """
        After a lost link the same address is tried first: the session is there.
        """
        other = MemoryEndpoint(self.clock, lambda end: None, self.delay)
        client = self.start(endpoints=[other, self.endpoint])
        runFor(self.clock, 1)
        self.welcome()
        count = len(other.wires)
        runFor(self.clock, 6)
        self.cut()
        self.assertEqual(len(other.wires), count)
        self.welcome(RESUMED)
        self.assertIsNotNone(client.info)
