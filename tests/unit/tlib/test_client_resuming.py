"""
Tests for L{sipcluster.tlib.client}: coming back.
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
from sipcluster.tlib.client_protocol import ClientProtocol, Ends
from sipcluster.tlib.codec import encode
from sipcluster.tlib.enums import ResumeResult
from sipcluster.tlib.errors import TErrorCode
from sipcluster.tlib.messages import (
    EventDialing,
    EventRegistered,
    EventUnregistered,
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

    def test_bytesAfterTheEnd(self) -> None:
        """
        What was on its way when the server said that it closes is not looked at: it
        comes again.
        """
        _, server = self.linked()
        closing = encode(LinkClosing(errorCode=TErrorCode.RESOURCE_UNAVAILABLE))
        server.end.write(closing + encode(ringing(1), 1))
        server.end.write(encode(ringing(2), 2))
        self.run_()
        self.assertEqual(self.events, [])
        runFor(self.clock, 1)
        server = self.welcome(RESUMED)
        server.send(ringing(1), 1)
        self.run_()
        self.assertEqual(self.positions(), [1])

    def test_connectionIsLostAtOnce(self) -> None:
        """
        A connection that ends before anything could be said on it is one more
        attempt that failed.
        """
        protocol = ClientProtocol(self.clock)
        protocol.connectionLost()
        why: list[str] = []
        protocol.serve(Ends(print, print, why.append, int))
        self.assertEqual(len(why), 1)
        protocol.write(b"nothing")
        gone: list[bool] = []
        protocol.abandon(abort=False, gone=lambda: gone.append(True))
        self.assertEqual(gone, [True])

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
