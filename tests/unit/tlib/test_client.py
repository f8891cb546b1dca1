"""
Tests for L{sipcluster.tlib.client}: the beginning and the end.
"""

from __future__ import annotations

from itertools import pairwise

from twisted.application.service import IService
from twisted.internet.defer import CancelledError
from twisted.internet.interfaces import IPushProducer
from twisted.internet.task import Clock
from twisted.logger import globalLogPublisher
from twisted.test.proto_helpers import EventLoggingObserver
from twisted.trial.unittest import TestCase
from zope.interface.verify import verifyObject

from sipcluster.testing.clock import runFor
from sipcluster.testing.machines import inputs, unanswered
from sipcluster.testing.wire import MemoryEndpoint
from sipcluster.tlib.client import (
    ClientStopped,
    LinkState,
    RequestRefused,
    Resume,
    Times,
    TLibraryClient,
)
from sipcluster.tlib.client_link import _machine
from sipcluster.tlib.codec import Envelope
from sipcluster.tlib.enums import ClientRole, ResumeResult
from sipcluster.tlib.errors import TErrorCode
from sipcluster.tlib.messages import (
    EventLinkConnected,
    LinkClosing,
    RequestQueryServer,
    RequestRegisterClient,
)
from tests.unit.tlib.scripted import (
    SESSION,
    ClientTestCase,
    error,
    info,
    ringing,
)


class StartUpTests(ClientTestCase):
    """
    Connecting, and being taken or not.
    """

    def test_isAService(self) -> None:
        """
        A client goes into a service tree.
        """
        verifyObject(IService, self.make())

    def test_isAProducer(self) -> None:
        """
        What follows its events may pause it.
        """
        verifyObject(IPushProducer, self.make())

    def test_saysWhoItIs(self) -> None:
        """
        The first message says who the client is, and has a reference.
        """
        self.start(times=Times(keepAlive=20))
        begin = self.expect(self.accepted[0], RequestRegisterClient)
        self.assertEqual(
            begin.message,
            RequestRegisterClient(
                applicationName="desktop",
                applicationPassword="secret",
                protocolVersion=1,
                clientRole=ClientRole.REGULAR,
                keepAlive=20,
            ),
        )
        self.assertEqual((begin.position, begin.reference > 0), (0, True))

    def test_linked(self) -> None:
        """
        Once the server has taken the client, everybody knows.
        """
        client = self.start()
        waiting = client.whenLinked()
        self.assertNoResult(waiting)
        self.assertIsNone(client.resume)
        self.welcome()
        self.assertEqual(self.successResultOf(waiting), info())
        self.assertEqual(self.successResultOf(client.whenLinked()), info())
        self.assertEqual(self.states, [LinkState(True, "", ResumeResult.NEW, info())])
        self.assertEqual(client.info, info())
        self.assertEqual(client.resume, Resume(SESSION, 7, 0))

    def test_nobodyWaits(self) -> None:
        """
        Who does not want to wait any more cancels.
        """
        client = self.start()
        waiting = client.whenLinked()
        waiting.cancel()
        self.failureResultOf(waiting, CancelledError)
        self.welcome()

    def test_needsAnEndpoint(self) -> None:
        """
        A client without any address is a mistake.
        """
        self.assertRaises(ValueError, self.make, endpoints=[])

    def test_addressesInTurn(self) -> None:
        """
        Where nobody listens, the next address is tried, and then the first again.
        """
        tried: list[str] = []

        def refuse(name: str) -> MemoryEndpoint:
            return MemoryEndpoint(self.clock, lambda end: tried.append(name))

        self.start(endpoints=[refuse("primary"), refuse("backup")])
        runFor(self.clock, 2)
        # At 0, 0.15, 0.45, 0.75, 1.35 and 1.95 s: pauses grow when all were tried.
        self.assertEqual(tried, 3 * ["primary", "backup"])

    def test_failure(self) -> None:
        """
        A client says why its last attempt came to nothing, until it is linked.
        """
        client = self.start()
        self.assertEqual(client.failure, "")
        runFor(self.clock, 3.7)
        self.assertEqual(client.failure, "no answer to RequestRegisterClient in time")
        runFor(self.clock, 1)
        self.welcome()
        self.assertEqual(client.failure, "")

    def test_pausesGrow(self) -> None:
        """
        Each pause is twice as long as the last, by chance somewhat shorter, and
        never longer than the reconnect interval.
        """
        tried: list[float] = []
        self.endpoint = MemoryEndpoint(
            self.clock, lambda end: tried.append(self.clock.seconds())
        )
        self.start(chance=lambda: 0.0)
        runFor(self.clock, 60)
        pauses = [round(b - a, 3) for a, b in pairwise(tried)]
        self.assertEqual(pauses, [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10, 10, 10, 10])

    def test_connectingTakesTooLong(self) -> None:
        """
        A connection that is not there in 3.6 seconds is given up, also when it is
        made after that.
        """
        self.endpoint = MemoryEndpoint(self.clock, self._accept, 4.0)
        self.start()
        runFor(self.clock, 3.7)
        self.assertEqual(self.states, [])
        runFor(self.clock, 3)
        self.assertEqual(self.accepted, [])

    def test_serverIsSilent(self) -> None:
        """
        A server that does not answer in 3.6 seconds is left.
        """
        self.start()
        runFor(self.clock, 3.7)
        self.assertTrue(self.accepted[0].lost)
        runFor(self.clock, 1)
        self.assertEqual(len(self.accepted), 2)

    def test_serverHangsUp(self) -> None:
        """
        So is one that closes the connection.
        """
        self.start()
        self.accepted[0].end.loseConnection()
        runFor(self.clock, 1)
        self.assertEqual(len(self.accepted), 2)

    def test_refusedForNow(self) -> None:
        """
        A server that has no room is asked again after the reconnect interval.
        """
        client = self.start()
        waiting = client.whenLinked()
        self.accepted[0].send(error(TErrorCode.NO_LICENSE), 0, 1)
        self.run_()
        why = self.failureResultOf(waiting, RequestRefused).value
        self.assertEqual(why.code, TErrorCode.NO_LICENSE)
        runFor(self.clock, 19)
        self.assertEqual(len(self.accepted), 1)
        runFor(self.clock, 2)
        self.assertEqual(len(self.accepted), 2)
        self.welcome()
        self.assertTrue(self.states[-1].connected)

    def test_refusedForGood(self) -> None:
        """
        A wrong password is not tried again; requests fail.
        """
        client = self.start()
        waiting = client.whenLinked()
        asked = self.outcome(client.request(RequestQueryServer()))
        self.accepted[0].send(error(TErrorCode.BAD_PASSWORD, "bad password"), 0, 1)
        self.run_()
        why = self.failureResultOf(waiting, RequestRefused).value
        self.assertEqual(str(why), "119 bad password")
        self.assertIsInstance(asked[0], ClientStopped)
        self.assertEqual(
            self.states, [LinkState(False, "119 bad password", forGood=True)]
        )
        runFor(self.clock, 100)
        self.assertEqual(len(self.accepted), 1)
        # Nobody waits for a link that will not come, until it is tried again.
        self.failureResultOf(client.whenLinked(), RequestRefused)
        client.stopService()
        client.startService()
        linked = client.whenLinked()
        self.run_()
        self.welcome()
        self.successResultOf(linked)

    def test_version(self) -> None:
        """
        A server that speaks a version we do not is left for good.
        """
        client = self.start()
        waiting = client.whenLinked()
        self.welcome(version=3)
        why = self.failureResultOf(waiting, RequestRefused).value
        self.assertEqual(why.code, TErrorCode.INCORRECT_VERSION)
        self.assertTrue(self.accepted[0].lost)

    def test_strayBeforeStart(self) -> None:
        """
        What comes before the server's answer is not an event.
        """
        self.start()
        self.accepted[0].send(EventLinkConnected(time=(1, 0)))
        self.run_()
        self.assertEqual(self.events, [])
        self.welcome()
        self.assertTrue(self.states[-1].connected)

    def test_everyInputInEveryState(self) -> None:
        """
        Nothing that may happen to a link is unexpected anywhere.
        """
        self.assertEqual(unanswered(_machine, inputs(_machine)), set())


class StopTests(ClientTestCase):
    """
    The end of a client.
    """

    def test_orderly(self) -> None:
        """
        The server is told, so that the session ends at once; requests fail.
        """
        client, server = self.linked()
        asked = client.request(RequestQueryServer())
        self.run_()
        del server.received[:]
        stopped = client.stopService()
        self.assertNoResult(stopped)
        self.run_()
        self.successResultOf(stopped)
        self.expect(server, LinkClosing)
        self.assertTrue(server.lost)
        self.failureResultOf(asked, ClientStopped)
        self.assertIsNone(client.resume)
        self.assertEqual(
            self.states[-1], LinkState(False, "the client was stopped", forGood=True)
        )

    def test_serverDoesNotListen(self) -> None:
        """
        A connection that does not close in time is torn down.
        """
        client, server = self.linked()
        server.end.pauseProducing()
        stopped = client.stopService()
        runFor(self.clock, 1.9)
        self.assertNoResult(stopped)
        runFor(self.clock, 0.2)
        self.successResultOf(stopped)

    def test_whilePaused(self) -> None:
        """
        A client that does not read can be stopped.
        """
        client, _ = self.linked()
        client.pauseProducing()
        stopped = client.stopService()
        self.run_()
        self.successResultOf(stopped)

    def test_inEachState(self) -> None:
        """
        A client can be stopped at any time, and more than once; whoever waits for
        the link is told.
        """
        client = self.make()
        self.successResultOf(client.stopService())
        for seconds in (0.0, 0.015, 0.1, 3.7):
            client = self.make()
            waiting = client.whenLinked()
            client.startService()
            runFor(self.clock, seconds)
            client.stopService()
            runFor(self.clock, 1)
            self.failureResultOf(waiting, ClientStopped)
            self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_startedAgain(self) -> None:
        """
        It can be started again: with a new session, or with the one that was kept.
        """
        for keep in (False, True):
            client, _ = self.linked(keepSession=keep)
            client.stopService()
            self.run_()
            client.startService()
            client.startService()
            self.run_()
            begin = self.accepted[-1].received[0].message
            assert isinstance(begin, RequestRegisterClient)
            self.assertEqual(begin.sessionID, SESSION if keep else None)
            self.end(client)

    def test_stoppedWhenToldOfTheLink(self) -> None:
        """
        It may be stopped from where it tells something.
        """
        clients: list[TLibraryClient] = []
        clients.append(self.start(linkChanged=lambda state: clients[0].stopService()))
        self.welcome()
        self.assertIsNone(clients[0].info)
        self.assertTrue(self.accepted[-1].lost)

    def test_stoppedByAnEvent(self) -> None:
        """
        After that no event is handed over, also of those that came in one piece.
        """

        def take(envelope: Envelope) -> None:
            self.events.append(envelope)
            client.stopService()

        client, server = self.linked(eventReceived=take)
        server.send(ringing(1), 1)
        server.send(ringing(2), 2)
        self.run_()
        self.assertEqual(self.positions(), [1])


class LogTests(TestCase):
    """
    What is written down.
    """

    def test_noPassword(self) -> None:
        """
        The password is in no log line.
        """
        observer = EventLoggingObserver.createWithCleanup(self, globalLogPublisher)
        clock = Clock()
        endpoint = MemoryEndpoint(clock, lambda end: None)
        client = TLibraryClient(
            [endpoint], clock, "desktop", "Xyzzy", print, chance=lambda: 0.5
        )
        client.startService()
        runFor(clock, 1)
        client.stopService()
        self.assertTrue(list(observer))
        self.assertNotIn("Xyzzy", repr(list(observer)))
