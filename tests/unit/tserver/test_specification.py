"""
Each row of the specification's tables of refusals and endings, against the port.

The numbers here are those of C{docs/protocols/tlibrary.md}; who changes one changes
the other.
"""

from __future__ import annotations

import struct
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from sipcluster.testing.clock import runFor
from sipcluster.testing.tlib_peer import Addresses, TLibPeer
from sipcluster.tlib.codec import encode
from sipcluster.tlib.enums import (
    AddressType,
    ClientRole,
    RegisterMode,
    ResumeResult,
)
from sipcluster.tlib.messages import (
    EventError,
    EventRegistered,
    EventRinging,
    EventServerInfo,
    EventUserEvent,
    LinkClosing,
    LinkPoll,
    LinkPollAnswer,
    Message,
    RequestAgentLogin,
    RequestHoldCall,
    RequestMakeCall,
    RequestQueryServer,
    RequestRegisterAddress,
    RequestRegisterClient,
    RequestSetInputMask,
    UnknownMessage,
)
from sipcluster.tserver.limits import Application, Limits
from sipcluster.tserver.server import TServer


class SpecificationTestCase(SynchronousTestCase):
    """
    A port and a client.
    """

    limits = Limits(sessions=3, halfOpen=2, registrations=2)

    def setUp(self) -> None:
        """
        Make them.
        """
        self.clock = Clock()
        self.chance = 0
        self.server = TServer(
            "TCport",
            self.clock,
            lambda: 1_795_165_200.0 + self.clock.seconds(),
            self.entropy,
            {
                "desktop": Application("desktop", "secret"),
                "wall": Application("wall", "secret", mayControl=False),
                "elsewhere": Application(
                    "elsewhere", "secret", ports=frozenset(("default",))
                ),
            },
            Addresses.of("1001", "1002", "1003"),
            limits=self.limits,
        )

    def entropy(self, count: int) -> bytes:
        """
        Not much of it.
        """
        self.chance += 1
        return self.chance.to_bytes(count, "big")

    def peer(self, application: str = "desktop", **attributes: Any) -> TLibPeer:
        """
        A client that is connected.
        """
        peer = TLibPeer(self.server, application)
        peer.connect(**attributes)
        return peer

    def opened(self) -> TLibPeer:
        """
        A client that has said nothing yet.
        """
        peer = TLibPeer(self.server)
        peer.open()
        return peer

    def say(self, peer: TLibPeer, *words: str) -> None:
        """
        Let a client send bytes that are written in hexadecimal.
        """
        peer.sendBytes(b"".join(bytes.fromhex(word) for word in words))

    def frame(self, payload: str) -> str:
        """
        A frame, in hexadecimal.
        """
        data = bytes.fromhex(payload)
        return (struct.pack(">I", len(data)) + data).hex()

    def assertCut(self, peer: TLibPeer, code: int) -> None:
        """
        The client was told why, last, and nothing else follows.
        """
        runFor(self.clock, 0.1)
        closing = peer.cut
        self.assertIsNotNone(closing)
        assert closing is not None
        self.assertEqual(closing.errorCode, code)
        self.assertIsInstance(peer.all[-1].message, LinkClosing)
        self.assertEqual(self.closed(peer), "closed")

    def closed(self, peer: TLibPeer) -> str:
        """
        How the server has ended a connection.
        """
        assert peer.connection is not None
        return peer.connection.closed

    def refused(self, peer: TLibPeer, request: Message, reference: int = 0) -> int:
        """
        The code with which a request is refused.
        """
        reference = peer.request(request, reference)
        runFor(self.clock, 0.1)
        error = peer.expect(EventError, reference=reference)
        assert error.errorCode is not None
        return int(error.errorCode)

    def startUp(self, **attributes: Any) -> int:
        """
        The code with which a start-up is refused.
        """
        peer = self.opened()
        reference = peer.registerClient(**attributes)
        error = peer.expect(EventError, reference=reference)
        self.assertEqual(self.closed(peer), "closed")
        self.assertEqual(peer.all[-1].position, 0)
        peer.drop()
        assert error.errorCode is not None
        return int(error.errorCode)


class FrameTests(SpecificationTestCase):
    """
    Section 15, what cannot be read.
    """

    def test_impossibleLengths(self) -> None:
        """
        N = 0 and N above 65 536 cut the connection when the four bytes are there.
        """
        for length in (0, 65537, 0xFFFFFFFF):
            peer = self.peer()
            self.say(peer, f"{length:08x}"[:6])
            self.assertIsNone(peer.cut)
            self.say(peer, f"{length:08x}"[6:])
            self.assertCut(peer, 53)
            peer.drop()
            runFor(self.clock, 61)

    def test_noMessages(self) -> None:
        """
        What is no array of position, reference, number and attributes is cut.
        """
        for payload in (
            "c1",
            "00",
            "93 00 01 01",
            "94 a1 30 01 01 80",
            "94 00 a1 30 01 80",
            "94 00 01 a1 30 80",
            "94 00 01 01 90",
            "94 00 01 01 81 a1 41 01",
            "94 ff 01 01 80",
            "94 00 cf 00 00 00 01 00 00 00 00 01 80",
            "94 00 01 ce 00 01 00 00 80",
            "94 00 01 01 80 00",
            "94 00 01 01 81 cd 9c 40" + "91" * 100 + "01",
        ):
            peer = self.peer()
            self.say(peer, self.frame(payload))
            self.assertCut(peer, 53)
            peer.drop()
            runFor(self.clock, 61)

    def test_furtherElements(self) -> None:
        """
        Elements behind the fourth are ignored.
        """
        peer = self.peer()
        self.say(peer, self.frame("96 00 09 01 80 a1 41 c0"))
        peer.expect(EventServerInfo, reference=9)

    def test_neverSent(self) -> None:
        """
        An acknowledgement of a position that was never sent is EventError 53, and
        a cut.
        """
        peer = self.peer()
        peer.sendBytes(encode(LinkPollAnswer(), 7))
        self.assertEqual(peer.expect(EventError).errorCode, 53)
        self.assertCut(peer, 53)

    def test_lowerAcknowledgement(self) -> None:
        """
        A lower position than before is ignored, a poll is answered under its
        reference, an unasked-for answer is silent.
        """
        peer = self.peer()
        peer.register("1001", "1002")
        peer.sendBytes(encode(LinkPoll(), 2, 77))
        peer.sendBytes(encode(LinkPoll(), 1, 78))
        peer.sendBytes(encode(LinkPollAnswer(), 2, 79))
        answers = [one.reference for one in peer.envelopes]
        self.assertEqual(answers, [77, 78])


class StartUpTests(SpecificationTestCase):
    """
    Sections 4 and 5.
    """

    def test_refusals(self) -> None:
        """
        Each wrong start-up has its code, position 0 and its reference, and the
        connection is closed.
        """
        for code, attributes in (
            (119, {"applicationName": "nobody"}),
            (119, {"applicationPassword": "wrong"}),
            (119, {"applicationName": "elsewhere"}),
            (55, {"protocolVersion": 0}),
            (51, {"clientRole": ClientRole.SMART}),
            (51, {"clientRole": ClientRole.RECORDER}),
            (53, {"inputMask": b"\xff"}),
            (53, {"applicationName": None}),
            (53, {"applicationPassword": None}),
            (53, {"protocolVersion": None}),
        ):
            self.assertEqual(self.startUp(**attributes), code, attributes)

    def test_withoutReference(self) -> None:
        """
        A start-up with reference 0 is EventError 53.
        """
        peer = self.opened()
        message = RequestRegisterClient(
            applicationName="desktop", applicationPassword="secret", protocolVersion=1
        )
        peer.send(message)
        self.assertEqual(peer.expect(EventError).errorCode, 53)
        self.assertEqual(self.closed(peer), "closed")

    def test_tooManySessions(self) -> None:
        """
        One session too many is EventError 40.
        """
        for _ in range(3):
            self.peer()
        self.assertEqual(self.startUp(), 40)

    def test_newerClient(self) -> None:
        """
        A client of a later version is answered the version that both speak.
        """
        peer = self.opened()
        peer.registerClient(protocolVersion=9)
        self.assertEqual(peer.expect(EventServerInfo).protocolVersion, 1)

    def test_anotherMessageFirst(self) -> None:
        """
        It is EventError 41, and the connection is closed; polls are answered.
        """
        peer = self.opened()
        peer.send(LinkPoll())
        peer.expect(LinkPollAnswer)
        peer.request(RequestQueryServer())
        self.assertEqual(peer.expect(EventError).errorCode, 41)
        self.assertEqual(self.closed(peer), "closed")

    def test_late(self) -> None:
        """
        Nothing for 5 seconds is LinkClosing 57.
        """
        peer = self.opened()
        runFor(self.clock, 4.9)
        self.assertIsNone(peer.cut)
        self.assertCut(peer, 57)

    def test_halfOpen(self) -> None:
        """
        One connection too many that has not registered: the oldest is told 166.
        """
        first, _, _ = self.opened(), self.opened(), self.opened()
        self.assertCut(first, 166)

    def test_twice(self) -> None:
        """
        RequestRegisterClient on a working connection is EventError 43, and changes
        nothing.
        """
        peer = self.peer()
        reference = peer.registerClient()
        self.assertEqual(peer.expect(EventError, reference=reference).errorCode, 43)
        peer.register("1001")

    def test_keepAlive(self) -> None:
        """
        What the client proposes is taken within 1 and 3600 seconds; without, or
        with 0, it is 10.
        """
        for proposed, agreed in ((None, 10), (0, 10), (1, 1), (20, 20), (9999, 3600)):
            peer = self.opened()
            peer.registerClient(keepAlive=proposed)
            self.assertEqual(peer.expect(EventServerInfo).keepAlive, agreed)
            peer.leave()

    def test_requestsAtOnce(self) -> None:
        """
        Requests may follow the start-up at once.
        """
        peer = self.opened()
        register = RequestRegisterClient(
            applicationName="desktop", applicationPassword="secret", protocolVersion=1
        )
        peer.sendBytes(
            encode(register, 0, 1) + encode(RequestRegisterAddress(thisDN="1001"), 0, 2)
        )
        peer.expect(EventRegistered, reference=2)


class ResumeTests(SpecificationTestCase):
    """
    Section 9.
    """

    def result(self, peer: TLibPeer, position: int, **attributes: Any) -> int | None:
        """
        What becomes of the session of a client that comes back.
        """
        assert peer.info is not None
        given = {"sessionID": peer.info.sessionID, "epoch": peer.info.epoch}
        message = RequestRegisterClient(
            **{
                "applicationName": "desktop",
                "applicationPassword": "secret",
                "protocolVersion": 1,
                **given,
                **attributes,
            }
        )
        peer.drop()
        peer.open()
        peer.sendBytes(encode(message, position, 1))
        return peer.expect(EventServerInfo).resumeResult

    def test_results(self) -> None:
        """
        Resumed, and Lost for another epoch, another application, a position that
        was never sent, and a session that there is not.
        """
        for result, position, attributes in (
            (ResumeResult.RESUMED, 0, {}),
            (ResumeResult.RESUMED, 1, {}),
            (ResumeResult.LOST, 2, {}),
            (ResumeResult.LOST, 1, {"epoch": 1}),
            (ResumeResult.LOST, 1, {"epoch": None}),
            (ResumeResult.LOST, 1, {"applicationName": "wall"}),
            (ResumeResult.LOST, 1, {"sessionID": "0" * 32}),
            (ResumeResult.NEW, 1, {"sessionID": None, "epoch": None}),
        ):
            peer = self.peer()
            peer.register("1001")
            self.assertEqual(
                self.result(peer, position, **attributes), result, attributes
            )
            peer.drop()
            runFor(self.clock, 61)

    def test_retention(self) -> None:
        """
        After 60 seconds the session is lost.
        """
        peer = self.peer()
        peer.drop()
        runFor(self.clock, 59.9)
        self.assertEqual(self.result(peer, 0), ResumeResult.RESUMED)
        peer.drop()
        runFor(self.clock, 60.1)
        self.assertEqual(self.result(peer, 0), ResumeResult.LOST)

    def test_orderlyEnd(self) -> None:
        """
        After the client's LinkClosing the session is lost at once.
        """
        peer = self.peer()
        peer.leave()
        self.assertEqual(self.result(peer, 0), ResumeResult.LOST)

    def test_takenOver(self) -> None:
        """
        Who resumes a session that has a connection takes it; the other one is told
        42.
        """
        first = self.peer()
        second = TLibPeer(self.server)
        second.info = first.info
        self.assertEqual(second.resume().resumeResult, ResumeResult.RESUMED)
        self.assertCut(first, 42)
        second.register("1001")

    def test_stop(self) -> None:
        """
        A server that stops says 58, and its sessions are gone.
        """
        peer = self.peer()
        self.server.stop()
        self.assertCut(peer, 58)
        self.assertEqual(self.server.status()["away"], 0)

    def test_maskIsKept(self) -> None:
        """
        A resumed session keeps its mask where none is given.
        """
        peer = self.peer(inputMask=bytes(64))
        peer.register("1001")
        self.result(peer, 1)
        self.server.publish("1001", EventUserEvent(time=(1, 0), thisDN="1001"))
        runFor(self.clock, 0.1)
        self.assertEqual(peer.all[-1].position, 0)


class RequestTests(SpecificationTestCase):
    """
    Sections 10 to 12.
    """

    def test_checks(self) -> None:
        """
        Each refusal has its code.
        """
        peer = self.peer()
        peer.register("1001")
        for code, request in (
            (51, UnknownMessage(number=155)),
            (51, UnknownMessage(number=60000)),
            (51, EventRinging(thisDN="1001")),
            (51, RequestMakeCall(thisDN="1001", otherDN="1002")),
            (53, RequestRegisterAddress()),
            (53, RequestSetInputMask()),
            (53, RequestSetInputMask(inputMask=b"\xff")),
            (51, RequestHoldCall(thisDN="1002", connID="0" * 16)),
            (59, RequestRegisterAddress(thisDN="9999")),
            (43, RequestRegisterAddress(thisDN="1001")),
            (53, RequestRegisterAddress(thisDN="1002", addressType=AddressType.TRUNK)),
        ):
            reference = peer.nextReference()
            self.assertEqual(self.refused(peer, request, reference), code, request)

    def test_noReference(self) -> None:
        """
        A request with reference 0 is EventError 53 with reference 0.
        """
        peer = self.peer()
        peer.send(RequestQueryServer())
        self.assertEqual(peer.expect(EventError, reference=0).errorCode, 53)

    def test_wrongType(self) -> None:
        """
        A wrong type is EventError 53 that names the attribute; so is text that is
        not UTF-8; the connection lives.
        """
        peer = self.peer()
        for reference, value in ((50, "07"), (51, "a1 ff"), (52, "c0"), (53, "90")):
            self.say(peer, self.frame(f"94 00 {reference:02x} 03 81 01 {value}"))
            error = peer.expect(EventError, reference=reference)
            self.assertEqual(error.errorCode, 53)
            self.assertIn("ThisDN", error.errorMessage or "")
        peer.register("1001")

    def test_unknownAttribute(self) -> None:
        """
        An unknown attribute makes nothing wrong.
        """
        peer = self.peer()
        peer.register("1001", unknown=((60000, "later"),))

    def test_limitOfRegistrations(self) -> None:
        """
        One DN too many is EventError 166.
        """
        peer = self.peer()
        peer.register("1001", "1002")
        request = RequestRegisterAddress(thisDN="1003")
        self.assertEqual(self.refused(peer, request), 166)

    def test_private(self) -> None:
        """
        Private is refused with 42 when another session has the DN, and others
        are while one has it so.
        """
        one, other = self.peer(), self.peer()
        one.register("1001")
        one.register("1002", registerMode=RegisterMode.PRIVATE)
        for dn, mode in (("1001", RegisterMode.PRIVATE), ("1002", None)):
            request = RequestRegisterAddress(thisDN=dn, registerMode=mode)
            self.assertEqual(self.refused(other, request), 42)

    def test_monitor(self) -> None:
        """
        An application that may only watch is refused with 51 what is more.
        """

        class Login:
            numbers = (RequestAgentLogin.number,)

            def requested(self, *arguments: object) -> None:
                raise AssertionError("it may not")

        self.server.requests.add(Login())  # type: ignore[arg-type]
        request = RequestAgentLogin(thisDN="1001", agentID="4711")
        wall = self.peer("wall")
        wall.register("1001")
        self.assertEqual(self.refused(wall, request), 51)
        watching = self.peer()
        watching.register("1001", registerMode=RegisterMode.MONITOR)
        self.assertEqual(self.refused(watching, request), 41)
        stranger = self.peer()
        self.assertEqual(self.refused(stranger, request), 41)

    def test_repeated(self) -> None:
        """
        A reference that was answered gets its answer again, with its old position,
        whatever the request is.
        """
        peer = self.peer()
        peer.request(RequestRegisterAddress(thisDN="1001"), 9)
        peer.request(RequestQueryServer(), 10)
        peer.envelopes.clear()
        peer.request(RequestQueryServer(), 9)
        [again] = peer.envelopes
        self.assertIsInstance(again.message, EventRegistered)
        self.assertEqual((again.position, again.reference), (1, 9))

    def test_queryServer(self) -> None:
        """
        RequestQueryServer tells nothing of what was agreed at the start-up.
        """
        peer = self.peer()
        peer.request(RequestQueryServer())
        info = peer.expect(EventServerInfo)
        self.assertEqual(
            (info.protocolVersion, info.resumeResult, info.keepAlive), (None,) * 3
        )
        self.assertIsNotNone(info.epoch)
