"""
Tests for L{sipcluster.tlib.client}: requests and their answers.
"""

from __future__ import annotations

from twisted.internet.defer import CancelledError

from sipcluster.testing.clock import runFor
from sipcluster.tlib.client import (
    ClientStopped,
    RequestRefused,
    RequestTimedOut,
    Times,
    TooManyRequests,
    maskOf,
)
from sipcluster.tlib.client_session import WINDOW
from sipcluster.tlib.enums import ResumeResult
from sipcluster.tlib.errors import TErrorCode
from sipcluster.tlib.messages import (
    EventACK,
    EventDialing,
    EventError,
    EventRegistered,
    EventRinging,
    EventUnregistered,
    LinkPoll,
    RequestMakeCall,
    RequestQueryServer,
    RequestRegisterAddress,
    RequestRegisterClient,
    RequestRouteCall,
    RequestSetInputMask,
    RequestUnregisterAddress,
)
from tests.unit.tlib.scripted import (
    ClientTestCase,
    error,
    info,
)

RESUMED = ResumeResult.RESUMED


class RequestTests(ClientTestCase):
    """
    Requests and their answers.
    """

    def test_answered(self) -> None:
        """
        The answer fires the Deferred, after it was handed over as an event.
        """
        client, server = self.linked()
        order: list[str] = []
        client._session._eventReceived = lambda _: order.append("event")
        asked = client.request(RequestMakeCall(thisDN="1001", otherDN="1002"))
        asked.addCallback(lambda _: order.append("answer"))
        self.run_()
        request = self.expect(server, RequestMakeCall)
        server.send(EventDialing(thisDN="1001"), 1, request.reference)
        self.run_()
        self.assertEqual(order, ["event", "answer"])

    def test_refused(self) -> None:
        """
        EventError fails it, with the code and the text; a code that we do not know
        is a number.
        """
        client, server = self.linked()
        for position, code in ((1, 56), (2, 4711)):
            asked = client.request(RequestMakeCall(thisDN="1001", otherDN="1002"))
            self.run_()
            reference = self.expect(server, RequestMakeCall).reference
            event = EventError(time=(1, 0), errorCode=code, errorMessage="no")
            server.send(event, position, reference)
            self.run_()
            why = self.failureResultOf(asked, RequestRefused).value
            self.assertEqual((why.code, why.text, str(why)), (code, "no", f"{code} no"))
            self.assertEqual(why.event, event)

    def test_references(self) -> None:
        """
        References go up, and after the last one from 1 again; one in use is left
        out.
        """
        client, server = self.linked()
        client._session._last = 0xFFFFFFFD
        for _ in range(3):
            client.request(RequestQueryServer()).addErrback(lambda _: None)
        client._session._last = 0xFFFFFFFD
        client.request(RequestQueryServer()).addErrback(lambda _: None)
        self.run_()
        self.assertEqual(
            [request.reference for request in server.received],
            [0xFFFFFFFE, 0xFFFFFFFF, 1, 2],
        )

    def test_withoutLink(self) -> None:
        """
        A request waits for a link, and is sent again on the next one under the same
        reference.
        """
        client = self.make()
        asked = client.request(RequestQueryServer())
        client.startService()
        self.addCleanup(self.end, client)
        self.run_()
        server = self.welcome()
        first = self.expect(server, RequestQueryServer)
        self.cut()
        server = self.welcome(RESUMED)
        second = self.expect(server, RequestQueryServer)
        self.assertEqual(first.reference, second.reference)
        server.send(info(), 1, second.reference)
        server.send(info(), 1, second.reference)
        self.run_()
        self.assertEqual(self.successResultOf(asked), info())
        self.assertEqual(self.positions(), [1])

    def test_neverStarted(self) -> None:
        """
        A request to a client that is stopped before it was started fails.
        """
        client = self.make()
        asked = client.request(RequestQueryServer())
        client.stopService()
        self.failureResultOf(asked, ClientStopped)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_timeOut(self) -> None:
        """
        A request without an answer fails; an answer that comes after all is an
        event.
        """
        client, server = self.linked(times=Times(request=5))
        asked = client.request(RequestQueryServer())
        runFor(self.clock, 5.1)
        self.failureResultOf(asked, RequestTimedOut)
        server.send(info(), 1, 1)
        self.run_()
        self.assertEqual(self.positions(), [1])

    def test_timeOutOfPeople(self) -> None:
        """
        A request that waits for people has more time.
        """
        client, server = self.linked(times=Times(request=5, patient=50))
        routed = client.request(
            RequestRouteCall(thisDN="5000", connID="0" * 16, otherDN="1001")
        )
        for _ in range(10):
            server.send(LinkPoll(), 0)
            self.assertNoResult(routed)
            runFor(self.clock, 4.9)
        runFor(self.clock, 1.1)
        self.failureResultOf(routed, RequestTimedOut)

    def test_cancelled(self) -> None:
        """
        So does one that is cancelled; one that was not sent yet is never sent.
        """
        client = self.start()
        for asked in (client.request(RequestQueryServer()) for _ in range(2)):
            asked.cancel()
            self.failureResultOf(asked, CancelledError)
        server = self.welcome()
        self.assertEqual(server.received, [])

    def test_cancelledOnTheWay(self) -> None:
        """
        The server works at what was cancelled, too: what waits for it to have time
        is sent when it has answered, and not before.
        """
        client, server = self.linked()
        asked = [client.request(RequestQueryServer()) for _ in range(WINDOW)]
        last = client.request(RequestQueryServer())
        self.run_()
        self.assertEqual(len(server.received), WINDOW)
        for one in asked:
            one.addErrback(lambda _: None)
            one.cancel()
        self.run_()
        self.assertEqual(len(server.received), WINDOW)
        server.send(info(), 1, server.received[0].reference)
        self.run_()
        self.assertEqual(len(server.received), WINDOW + 1)
        server.send(info(), 2, server.received[-1].reference)
        self.run_()
        self.assertEqual(self.successResultOf(last), info())

    def test_nothingKept(self) -> None:
        """
        Nothing is kept of requests that have failed before there was a link.
        """
        client = self.make()
        for _ in range(3):
            asked = client.request(RequestQueryServer())
            asked.cancel()
            self.failureResultOf(asked, CancelledError)
        self.assertEqual(len(client._session._unsent), 0)

    def test_bounded(self) -> None:
        """
        More than so many do not wait.
        """
        client = self.start(limit=2)
        for _ in range(2):
            client.request(RequestQueryServer()).addErrback(lambda _: None)
        self.failureResultOf(client.request(RequestQueryServer()), TooManyRequests)

    def test_doesNotFit(self) -> None:
        """
        What no frame holds is refused at once.
        """
        client = self.start()
        request = RequestMakeCall(
            thisDN="1", otherDN="2", userData=(("k", "v" * 70000),)
        )
        self.assertRaises(ValueError, client.request, request)

    def test_register(self) -> None:
        """
        Registering gives the state of the DN; a DN that the session, resumed, has
        registered already is as good.
        """
        client, server = self.linked()
        asked = client.register("1001")
        self.run_()
        request = self.expect(server, RequestRegisterAddress)
        told = EventRegistered(time=(1, 0), thisDN="1001", extensions=(("dnd", 1),))
        server.send(told, 1, request.reference)
        self.run_()
        self.assertEqual(self.successResultOf(asked), told)
        for position, code in (
            (2, TErrorCode.ALREADY_IN_STATE),
            (3, TErrorCode.DN_NOT_CONFIGURED),
        ):
            asked = client.register(f"100{position}")
            self.run_()
            reference = self.expect(server, RequestRegisterAddress).reference
            server.send(error(code), position, reference)
            self.run_()
            if code == TErrorCode.ALREADY_IN_STATE:
                self.assertIsNone(self.successResultOf(asked))
            else:
                self.failureResultOf(asked, RequestRefused)
        self.assertEqual(client.registered, {"1001", "1002"})
        gone = client.unregister("1001")
        self.run_()
        reference = self.expect(server, RequestUnregisterAddress).reference
        server.send(EventUnregistered(time=(1, 0), thisDN="1001"), 4, reference)
        self.run_()
        self.successResultOf(gone)
        self.assertEqual(client.registered, {"1002"})

    def test_mask(self) -> None:
        """
        A mask that the server has taken is part of each start-up from then on.
        """
        client, server = self.linked()
        wanted = client.wantOnly(EventRinging)
        self.run_()
        request = self.expect(server, RequestSetInputMask)
        assert isinstance(request.message, RequestSetInputMask)
        self.assertEqual(request.message.inputMask, maskOf([EventRinging]))
        server.send(EventACK(time=(1, 0)), 1, request.reference)
        self.run_()
        self.successResultOf(wanted)
        self.cut()
        begin = self.accepted[-1].received[0].message
        assert isinstance(begin, RequestRegisterClient)
        self.assertEqual(begin.inputMask, maskOf([EventRinging]))

    def test_refusedMask(self) -> None:
        """
        One that it has not taken is none.
        """
        client, server = self.linked()
        wanted = client.wantOnly(EventRinging)
        self.run_()
        reference = self.expect(server, RequestSetInputMask).reference
        server.send(error(TErrorCode.INVALID_ATTRIBUTE), 1, reference)
        self.run_()
        self.failureResultOf(wanted, RequestRefused)
        self.assertIsNone(client._session.mask)

    def test_maskOf(self) -> None:
        """
        EventRinging is bit 4 of byte 7.
        """
        mask = maskOf([EventRinging])
        self.assertEqual((len(mask), mask[7], sum(mask)), (64, 0x10, 0x10))
