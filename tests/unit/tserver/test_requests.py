"""
Tests for the requests of T-Library clients: checks, answers, and that none is done
twice.
"""

from __future__ import annotations

from twisted.logger import ILogObserver, LogEvent, LogLevel, globalLogPublisher
from zope.interface import implementer
from zope.interface.verify import verifyObject

from sipcluster.testing.tlib_peer import TLibPeer
from sipcluster.tlib.codec import encode
from sipcluster.tlib.enums import SwitchInfoType
from sipcluster.tlib.errors import TErrorCode
from sipcluster.tlib.messages import (
    EventACK,
    EventDialing,
    EventError,
    EventReleased,
    EventRinging,
    EventServerInfo,
    EventSwitchInfo,
    EventUserEvent,
    Message,
    RequestAgentLogin,
    RequestDistributeEvent,
    RequestDistributeUserEvent,
    RequestMakeCall,
    RequestPrivateService,
    RequestQueryServer,
    RequestQuerySwitch,
    RequestRegisterAll,
    RequestRegisterClient,
    RequestReleaseCall,
    RequestRouteCall,
    RequestSetInputMask,
    RequestSingleStepConference,
    UnknownMessage,
)
from sipcluster.tserver.itserver import IConnectionTaker, IEventPublisher
from sipcluster.tserver.limits import Limits
from sipcluster.tserver.outgoing import Outgoing
from sipcluster.wire.correlation import Requester
from tests.unit.tserver.ports import Handler, PortCase, anis

CALL = RequestMakeCall(thisDN="1001", otherDN="1002")


class AnswerTests(PortCase):
    """
    How a request is answered.
    """

    def test_seams(self) -> None:
        """
        A port is what events are published to, and what connections are given to.
        """
        verifyObject(IEventPublisher, self.server)
        verifyObject(IConnectionTaker, self.server)

    def test_handedOver(self) -> None:
        """
        The part that answers a request is told who asks.
        """
        peer = self.peer("1001")
        reference = peer.request(CALL)
        [(request, requester, client)] = self.handler.asked
        self.assertEqual(request, CALL)
        self.assertEqual(requester.reference, reference)
        self.assertEqual(requester.client, client.id)
        self.assertEqual((client.application, client.mayControl), ("desktop", True))
        peer.expectNothing()

    def test_byEvent(self) -> None:
        """
        An event that answers a request has its reference at the client that asked,
        and none at others; the request is done then.
        """
        asking, other = self.peer("1001"), self.peer("1001")
        reference = asking.request(CALL)
        requester = self.handler.asked[0][1]
        self.server.publish("1001", self.dialing("1001"), requester)
        asking.expect(EventDialing, reference=reference)
        other.expect(EventDialing, reference=0)
        self.server.publish("1001", self.dialing("1001"), requester)
        asking.expect(EventDialing, reference=0)
        self.server.refuse(requester, TErrorCode.TIMEOUT)
        self.server.answer(requester, EventACK(time=self.server.now()))
        asking.expectNothing()

    def test_byEventOfOtherDN(self) -> None:
        """
        The client that asked gets the event also when it has not registered the DN,
        and whatever its mask is.
        """
        peer = self.peer("1001")
        peer.request(RequestSetInputMask(inputMask=bytes(64)))
        reference = peer.request(CALL)
        requester = self.handler.asked[0][1]
        self.server.publish("1002", self.ringing("1002"), requester)
        peer.expect(EventRinging, reference=reference)
        self.server.publish("1002", self.ringing("1002"), requester)
        self.server.publish("1001", self.ringing("1001"), requester)
        self.assertEqual(anis(peer), [])

    def test_otherPort(self) -> None:
        """
        A requester of another port means nothing here.
        """
        peer = self.peer("1001")
        other = Requester("elsewhere", 1)
        self.server.publish("1001", self.ringing("1001"), other)
        peer.expect(EventRinging, reference=0)
        self.server.answer(other, EventACK(time=self.server.now()))
        self.server.refuse(other, TErrorCode.TIMEOUT)
        peer.expectNothing()

    def test_encodedOnce(self) -> None:
        """
        An event that is published at two ports is encoded once.
        """
        event = Outgoing(self.ringing("1001"))
        self.peer("1001")
        self.server.publish("1001", event)
        entry = event.entry
        second = self.makeServer()
        peer = TLibPeer(second)
        peer.connect()
        peer.register("1001")
        second.publish("1001", event)
        self.assertIs(event.entry, entry)
        peer.expect(EventRinging)

    def test_refused(self) -> None:
        """
        A refusal repeats what the request named.
        """
        peer = self.peer("1001")
        reference = peer.request(
            RequestReleaseCall(
                thisDN="1001", connID="00000000000000ab", reasons=(("a", 1),)
            )
        )
        requester = self.handler.asked[0][1]
        self.server.refuse(requester, TErrorCode.INVALID_CONNID)
        error = self.assertRefused(
            *(peer, reference, TErrorCode.INVALID_CONNID, "Invalid connection ID")
        )
        self.assertEqual(error.thisDN, "1001")
        self.assertEqual(error.connID, "00000000000000ab")
        self.assertEqual(error.reasons, (("a", 1),))
        self.assertEqual(self.server.counts["error56"], 1)

    def test_timeOut(self) -> None:
        """
        A request that nobody answers is answered by the port; what comes later has
        no reference.
        """
        peer = self.peer("1001")
        peer.answering = False
        reference = peer.request(CALL)
        self.clock.advance(29)
        self.clock.advance(1)
        self.assertEqual(self.server.counts["unanswered"], 1)
        peer.drop()
        peer.resume()
        self.assertRefused(peer, reference, TErrorCode.TIMEOUT)
        self.server.publish("1001", self.dialing("1001"), self.handler.asked[0][1])
        peer.expect(EventDialing, reference=0)

    def test_waitsForPeople(self) -> None:
        """
        A request that may wait for somebody to lift the receiver has more time.
        """
        limits = Limits()
        self.assertEqual(limits.timeOf(CALL), 30)
        for kind in (RequestRouteCall, RequestSingleStepConference):
            self.assertEqual(limits.timeOf(kind()), 180)

    def test_failure(self) -> None:
        """
        One who fails to answer costs the connection nothing.
        """

        def fail(request: Message, requester: Requester) -> None:
            raise RuntimeError("broken")

        self.handler.then = fail
        peer = self.peer("1001")
        reference = peer.request(CALL)
        self.assertRefused(peer, reference, TErrorCode.INTERNAL_ERROR)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)
        self.peer()

    def test_answerTooLong(self) -> None:
        """
        An answer that does not fit into a message becomes a refusal, and such an
        event is lost, with a word in the log.
        """
        peer = self.peer("1001")
        reference = peer.request(CALL)
        long = EventReleased(
            time=self.server.now(), thisDN="1001", userData=(("k", "x" * 70000),)
        )
        self.server.publish("1001", long, self.handler.asked[0][1])
        self.assertRefused(peer, reference, TErrorCode.INTERNAL_ERROR)
        self.server.publish("1001", long)
        self.publish("1001", "1")
        self.assertEqual(anis(peer), ["1"])
        self.assertGreaterEqual(self.server.counts["tooLong"], 2)

    def test_firstHandlerWins(self) -> None:
        """
        Of two who want to answer a request the first one does.
        """
        second = Handler([RequestMakeCall.number, RequestAgentLogin.number])
        self.server.add(second)
        peer = self.peer("1001")
        peer.request(CALL)
        peer.request(RequestAgentLogin(thisDN="1001", agentID="77"))
        self.assertEqual(len(self.handler.asked), 1)
        self.assertEqual(len(second.asked), 1)


class RefusalTests(PortCase):
    """
    What is checked of each request.
    """

    def refused(
        self, message: Message, code: TErrorCode, text: str | None = None
    ) -> None:
        """
        Check that a client that has 1001 is answered so.
        """
        peer = self.peer("1001")
        reference = peer.request(message)
        self.assertRefused(peer, reference, code, text)
        self.assertEqual(self.handler.asked, [])
        # Nothing has happened to the connection.
        peer.request(RequestQueryServer())
        peer.expect(EventServerInfo)

    def test_noReference(self) -> None:
        """
        A request needs a reference.
        """
        peer = self.peer("1001")
        peer.send(CALL)
        self.assertRefused(peer, 0, TErrorCode.INVALID_ATTRIBUTE)
        self.assertEqual(self.handler.asked, [])

    def test_unknown(self) -> None:
        """
        Unknown messages, events, and requests that nobody answers are refused.
        """
        for message in (
            UnknownMessage(number=180),
            UnknownMessage(number=4711, unknown=((1, "x"),)),
            EventRinging(thisDN="1001"),
            RequestAgentLogin(thisDN="1001"),
            RequestRegisterAll(),
            RequestPrivateService(privateMsgID=1),
        ):
            self.refused(message, TErrorCode.UNSUPPORTED_OPERATION)
        self.assertEqual(self.server.counts["unsupported"], 6)

    def test_missing(self) -> None:
        """
        A mandatory attribute that is absent is named.
        """
        self.refused(
            RequestReleaseCall(thisDN="1001"),
            TErrorCode.INVALID_ATTRIBUTE,
            "ConnID is missing",
        )

    def test_wrongType(self) -> None:
        """
        An attribute of a wrong type is named, and counted.
        """
        peer = self.peer("1001")
        data = encode(CALL, 0, 99).replace(b"\xa41001", b"\xce1001")
        peer.sendBytes(data)
        error = peer.expect(EventError, reference=99)
        self.assertEqual(error.errorCode, TErrorCode.INVALID_ATTRIBUTE)
        self.assertIn("ThisDN", error.errorMessage or "")
        self.assertEqual(self.server.counts["badMessages"], 1)
        peer.sendBytes(data)
        again = peer.expect(EventError, reference=99)
        self.assertEqual(again, error)

    def test_notRegistered(self) -> None:
        """
        A request for a DN that the client has not registered is refused.
        """
        self.refused(
            RequestMakeCall(thisDN="1002", otherDN="1001"), TErrorCode.NOT_REGISTERED
        )

    def test_twiceRegistered(self) -> None:
        """
        A client registers itself once.
        """
        self.refused(
            RequestRegisterClient(
                applicationName="desktop",
                applicationPassword="secret",
                protocolVersion=1,
            ),
            TErrorCode.ALREADY_IN_STATE,
        )

    def test_monitorApplication(self) -> None:
        """
        An application that may only watch can register, query and set its mask.
        """
        peer = self.peer("1001", application="wallboard")
        self.publish("1001", "1")
        self.assertEqual(anis(peer), ["1"])
        peer.request(RequestQueryServer())
        peer.expect(EventServerInfo)
        for message in (CALL, RequestDistributeUserEvent(thisDN="1001")):
            reference = peer.request(message)
            self.assertRefused(peer, reference, TErrorCode.UNSUPPORTED_OPERATION)

    def test_tooMany(self) -> None:
        """
        Only so many requests of one client can wait.
        """
        self.server = self.makeServer(pending=3)
        peer = self.peer("1001")
        references = [peer.request(CALL) for _ in range(5)]
        for reference in references[3:]:
            self.assertRefused(peer, reference, TErrorCode.RESOURCE_UNAVAILABLE)
        self.assertEqual(len(self.handler.asked), 3)
        self.assertEqual(self.server.status()["pending"], 3)

    def test_log(self) -> None:
        """
        The first faults of a connection are written down with the client's name and
        place, the others counted.
        """
        seen: list[str] = []

        @implementer(ILogObserver)
        def observe(event: LogEvent) -> None:
            if event.get("log_level") is LogLevel.warn:
                seen.append(str(event.get("client")))

        globalLogPublisher.addObserver(observe)
        self.addCleanup(globalLogPublisher.removeObserver, observe)
        peer = self.peer("1001")
        for _ in range(20):
            peer.request(UnknownMessage(number=180))
        self.assertEqual(seen, ["desktop at 192.0.2.1:40000"] * 5)
        peer.drop()
        self.assertEqual(len(seen), 6)
        self.assertEqual(self.server.counts["refusedRequests"], 20)


class RepetitionTests(PortCase):
    """
    A request that comes twice.
    """

    def test_waiting(self) -> None:
        """
        The repetition of a request that waits for its answer is ignored.
        """
        peer = self.peer("1001")
        reference = peer.request(CALL)
        peer.request(CALL, reference)
        peer.request(RequestQueryServer(), reference)
        self.assertEqual(len(self.handler.asked), 1)
        peer.expectNothing()
        self.assertEqual(self.server.counts["repeatedRequests"], 2)

    def test_answered(self) -> None:
        """
        One that was answered is not done again: its answer comes again as it was,
        with its old position, also over a new connection.
        """
        peer = self.peer("1001")
        reference = peer.request(CALL)
        self.server.publish("1001", self.dialing("1001"), self.handler.asked[0][1])
        first = peer.all[-1]
        self.publish("1001", "1")
        peer.request(CALL, reference)
        self.assertEqual(peer.all[-1], first)
        peer.drop()
        peer.resume()
        peer.request(CALL, reference)
        self.assertEqual(peer.all[-1], first)
        self.assertEqual(len(self.handler.asked), 1)

    def test_refusedOnes(self) -> None:
        """
        A refusal is an answer, too.
        """
        peer = self.peer()
        reference = peer.request(CALL)
        first = peer.all[-1]
        peer.register("1001")
        peer.request(CALL, reference)
        self.assertEqual(peer.all[-1], first)
        self.assertEqual(self.handler.asked, [])

    def test_forgotten(self) -> None:
        """
        After so many others a reference is a new one.
        """
        self.server = self.makeServer(answers=10)
        peer = self.peer("1001")
        reference = peer.request(RequestQueryServer())
        for _ in range(9):
            peer.request(RequestQueryServer())
        count = len(peer.all)
        peer.request(RequestQueryServer(), reference)
        self.assertLess(peer.all[-1].position, peer.all[-2].position)
        peer.request(RequestQueryServer())
        peer.request(RequestQueryServer(), reference)
        self.assertGreater(peer.all[-1].position, peer.all[-2].position)
        self.assertEqual(len(peer.all), count + 3)

    def test_otherClient(self) -> None:
        """
        References belong to the client.
        """
        first, second = self.peer("1001"), self.peer("1001")
        first.request(CALL, 50)
        second.request(CALL, 50)
        self.assertEqual(len(self.handler.asked), 2)


class OwnTests(PortCase):
    """
    What the port answers itself.
    """

    def test_queryServer(self) -> None:
        """
        RequestQueryServer is answered as the start-up was.
        """
        peer = self.peer()
        reference = peer.request(RequestQueryServer())
        info = peer.expect(EventServerInfo, reference=reference)
        self.assertEqual(info.capabilities, peer.info and peer.info.capabilities)
        self.assertEqual(peer.all[-1].position, 1)

    def test_querySwitch(self) -> None:
        """
        The switch knows what time it is, and nothing else.
        """
        peer = self.peer()
        self.clock.advance(1.5)
        peer.request(RequestQuerySwitch(switchInfoType=SwitchInfoType.DATE_TIME))
        info = peer.expect(EventSwitchInfo)
        self.assertEqual(info.time, (1_800_000_001, 500_000))
        reference = peer.request(
            RequestQuerySwitch(switchInfoType=SwitchInfoType.CLASSIFIER_STATISTICS)
        )
        self.assertRefused(peer, reference, TErrorCode.UNSUPPORTED_OPERATION)

    def test_mask(self) -> None:
        """
        A mask holds events back, and they have no position; the answers of the
        client's own requests come all the same.
        """
        peer = self.peer("1001")
        mask = bytearray(64)
        mask[EventDialing.number // 8] |= 1 << EventDialing.number % 8
        peer.request(RequestSetInputMask(inputMask=bytes(mask)))
        peer.expect(EventACK)
        self.publish("1001", "1")
        self.server.publish("1001", self.dialing("1001"))
        self.assertEqual([type(one) for one in peer.messages], [EventDialing])
        self.assertEqual(peer.all[-1].position, peer.all[-2].position + 1)
        peer.request(RequestQueryServer())
        peer.expect(EventServerInfo)
        peer.drop()
        self.publish("1001", "2")
        peer.resume()
        self.publish("1001", "3")
        self.assertEqual(anis(peer), [])
        peer.drop()
        peer.resume(inputMask=b"\xff" * 64)
        self.publish("1001", "4")
        self.assertEqual(anis(peer), ["4"])
        reference = peer.request(RequestSetInputMask(inputMask=b""))
        self.assertRefused(peer, reference, TErrorCode.INVALID_ATTRIBUTE)

    def test_userEvents(self) -> None:
        """
        An event of a client goes to all clients of the DN, and EventACK to itself.
        """
        peer, other = self.peer("1001"), self.peer("1001")
        for kind in (RequestDistributeUserEvent, RequestDistributeEvent):
            reference = peer.request(
                kind(thisDN="1001", userEvent=7, userData=(("k", "v"), ("k", 2)))
            )
            for each in (peer, other):
                event = each.expect(EventUserEvent)
                self.assertEqual(event.userData, (("k", "v"), ("k", 2)))
                self.assertEqual((event.thisDN, event.userEvent), ("1001", 7))
            peer.expect(EventACK, reference=reference, thisDN="1001")
            other.expectNothing()

    def test_userEventTooLong(self) -> None:
        """
        An event that does not fit into a frame is refused, and nobody gets it.
        """
        peer, other = self.peer("1001"), self.peer("1001")
        data = (("k", "v" * 65500),)
        reference = peer.request(
            RequestDistributeUserEvent(thisDN="1001", userEvent=7, userData=data)
        )
        self.assertRefused(peer, reference, TErrorCode.RESOURCE_UNAVAILABLE)
        peer.expectNothing()
        other.expectNothing()

    def test_refusedTooLong(self) -> None:
        """
        What does not fit into EventError beside the reason is not repeated there.
        """
        peer = self.peer("1001")
        data = (("k", "v" * 65500),)
        request = RequestDistributeUserEvent(thisDN="1002", userEvent=7, userData=data)
        reference = peer.request(request)
        error = self.assertRefused(peer, reference, TErrorCode.NOT_REGISTERED)
        self.assertEqual((error.thisDN, error.userData), ("1002", None))
        request = RequestDistributeUserEvent(thisDN="9" * 65500, userEvent=7)
        reference = peer.request(request)
        error = self.assertRefused(peer, reference, TErrorCode.NOT_REGISTERED)
        self.assertIsNone(error.thisDN)

    def test_toAll(self) -> None:
        """
        An event can go to every client, those included that are away.
        """
        first, second = self.peer("1001"), self.peer()
        second.drop()
        self.server.publishToAll(self.ringing("1001", "1"))
        second.resume()
        self.assertEqual((anis(first), anis(second)), (["1"], ["1"]))
