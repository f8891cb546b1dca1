"""
Tests for L{sipcluster.tlib.client}: events.
"""

from __future__ import annotations

from sipcluster.testing.clock import runFor
from sipcluster.tlib.client import (
    LinkState,
    Resume,
)
from sipcluster.tlib.codec import Envelope
from sipcluster.tlib.enums import ResumeResult
from sipcluster.tlib.messages import (
    EventLinkConnected,
    EventUserEvent,
    LinkPollAnswer,
    RequestQueryServer,
)
from tests.unit.tlib.scripted import (
    SESSION,
    ClientTestCase,
    ringing,
)

RESUMED = ResumeResult.RESUMED


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

    def test_pausedForAMoment(self) -> None:
        """
        A consumer may pause and go on while it is given an event: the next one comes
        after it, not within.
        """
        depth: list[int] = []

        def take(envelope: Envelope) -> None:
            self.assertEqual(depth, [])
            depth.append(envelope.position)
            self.events.append(envelope)
            client.pauseProducing()
            client.pauseProducing()
            client.resumeProducing()
            client.resumeProducing()
            depth.pop()

        client, server = self.linked(eventReceived=take)
        for position in (1, 2, 3):
            server.send(ringing(position), position)
        self.run_()
        self.assertEqual(self.positions(), [1, 2, 3])

    def test_pausedWithoutLink(self) -> None:
        """
        It may be paused and resumed when there is nothing to read from.
        """
        client = self.make()
        client.pauseProducing()
        client.resumeProducing()
        client.startService()
        self.addCleanup(self.end, client)
        self.run_()
        server = self.welcome()
        server.send(ringing(1), 1)
        self.run_()
        self.assertEqual(self.positions(), [1])

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
