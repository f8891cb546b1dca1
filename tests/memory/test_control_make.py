"""
Calls that are made by request: the caller's telephone is called first (RFC 3725).
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred

from sipcluster.sessioncontroller.isessioncontroller import Why
from sipcluster.sip.message import Request
from sipcluster.sip.sdp import mediaOf
from sipcluster.testing.sip_peer import sdp
from tests.memory.controls import WHO, ControlTestCase


class MakeTestCase(ControlTestCase):
    """
    Calls from Alice's telephone.

    @ivar made: what the last request has come to.
    """

    made: Deferred[str]

    def setUp(self) -> None:
        super().setUp()
        # So that it is known through which one a call goes that nobody has begun.
        self.node.proxies.setInService("proxy2", False)

    def make(self, destination: str = "1002", **more: Any) -> Request:
        """
        Ask for a call from Alice.

        @return: the INVITE that her telephone gets.
        """
        self.made = self.control.makeCall("1001", destination, requester=WHO, **more)
        invite = self.peer.expectRequest(b"INVITE")
        self.assertEqual(invite.uri, b"sip:1001@lab.example")
        return invite

    def lifted(self, destination: str = "1002", **more: Any) -> Request:
        """
        Alice's telephone answers.

        @return: the INVITE that the called telephone gets.
        """
        mine = self.make(destination, **more)
        self.alice.answer(mine, 200, sdp("alice", 4000))
        self.peer.expectRequest(b"ACK")
        return self.peer.expectRequest(b"INVITE")

    def connected(self) -> None:
        """
        Alice and Bob talk.
        """
        theirs = self.lifted()
        self.bob.answer(theirs, 200, sdp("bob", 5000))
        self.peer.expectRequest(b"ACK")
        again = self.peer.expectRequest(b"INVITE")
        self.alice.answer(again, 200, sdp("alice", 4000))
        self.peer.expectRequest(b"ACK")
        self.peer.expectNothing()
        self.news()


class MakeTests(MakeTestCase):
    """
    L{ICallControl.makeCall} when all goes well.
    """

    def test_flow(self) -> None:
        """
        Alice's telephone is invited without an offer and shown the number that is
        called; its offer is answered with streams that are not sent, and given to
        Bob's; what that answers is offered to Alice's by a re-INVITE.  Each step is
        told when it is due, the first one in answer to the request.
        """
        mine = self.make(userData=(("k", "v"),))
        self.assertEqual(mine.body, b"")
        self.assertEqual(mine.fromAddress.uri.render(), b"sip:1002@lab.example")
        self.assertEqual(mine.toAddress.uri.render(), b"sip:1001@lab.example")
        self.assertIn(b"Alert-Info", mine.headers)
        self.alice.answer(mine, 180)
        self.assertEqual(self.news(), [])
        self.assertEqual(list(self.control.partiesOf("1001")), [])
        self.assertNoResult(self.made)
        self.alice.answer(mine, 200, sdp("alice", 4000))
        ack = self.peer.expectRequest(b"ACK")
        (stream,) = mediaOf(ack.body)
        self.assertEqual((stream.direction, stream.port), (b"inactive", 9))
        self.assertEqual(stream.address, b"192.0.2.21")
        self.assertNotIn(b"198.51.100.7", ack.body)
        self.assertEqual(self.assertDone(self.made), self.connID)
        self.assertEqual(self.news(), ["Offered 1001 !", "Alerting 1002"])
        self.assertEqual(self.states(), {"1001": "Initiated", "1002": "Alerting"})
        theirs = self.peer.expectRequest(b"INVITE")
        self.assertEqual(theirs.fromAddress.uri.render(), b"sip:1001@lab.example")
        self.assertIn(b"m=audio 4000 RTP/AVP 8", theirs.body)
        self.assertEqual(theirs.sessionID, mine.sessionID)
        self.bob.answer(theirs, 180)
        self.assertEqual(self.news(), ["Progressed 1002"])
        self.bob.answer(theirs, 200, sdp("bob", 5000))
        self.peer.expectRequest(b"ACK")
        self.assertEqual(self.news(), ["Answered 1002", "Answered 1001"])
        again = self.peer.expectRequest(b"INVITE")
        self.assertEqual(again.callID, mine.callID)
        self.assertIn(b"m=audio 5000", again.body)
        origins = [body.split(b"\r\n")[1].split() for body in (ack.body, again.body)]
        self.assertEqual(origins[0][1], origins[1][1])
        self.assertEqual(int(origins[0][2]) + 1, int(origins[1][2]))
        self.alice.answer(again, 200, sdp("alice", 4000))
        self.peer.expectRequest(b"ACK")
        self.peer.expectNothing()
        for event in self.sink.events:
            view = event.party
            self.assertEqual((view.ani, view.dnis), ("1001", "1002"))
            self.assertEqual((view.callID, view.userData), (1, (("k", "v"),)))
            self.assertEqual(view.callType.value, "Internal")
        self.hangUp(self.alice)
        self.assertEqual(self.news(), ["Released 1001 Ok", "Released 1002 Ok"])

    def test_eitherEnds(self) -> None:
        """
        Either telephone, or a request, ends it.
        """
        self.connected()
        self.hangUp(self.bob)
        self.alice.dialog = self.bob.dialog = None
        self.connected()
        self.assertDone(self.control.release("1001", self.connID, WHO))
        self.answerBye(2)
        self.assertNoCall()

    def test_otherMedia(self) -> None:
        """
        When Alice's telephone answers with another place than it had offered first,
        Bob's is told.
        """
        theirs = self.lifted()
        self.bob.answer(theirs, 200, sdp("bob", 5000))
        self.peer.expectRequest(b"ACK")
        again = self.peer.expectRequest(b"INVITE")
        self.alice.answer(again, 200, sdp("alice", 4002))
        self.peer.expectRequest(b"ACK")
        once = self.peer.expectRequest(b"INVITE")
        self.assertEqual(once.callID, theirs.callID)
        self.assertIn(b"m=audio 4002", once.body)
        self.bob.answer(once, 200, sdp("bob", 5000))
        self.peer.expectRequest(b"ACK")
        self.peer.expectNothing()
        self.assertEqual(self.news()[-1], "Answered 1001")
        self.hangUp()

    def test_earlyMedia(self) -> None:
        """
        What Bob's side says before it answers is heard by Alice; the same in the
        answer needs no further re-INVITE.
        """
        theirs = self.lifted()
        self.bob.answer(theirs, 183, sdp("bob", 5000))
        again = self.peer.expectRequest(b"INVITE")
        self.assertIn(b"m=audio 5000", again.body)
        self.alice.answer(again, 200, sdp("alice", 4000))
        self.peer.expectRequest(b"ACK")
        self.bob.answer(theirs, 200, sdp("bob", 5000))
        self.peer.expectRequest(b"ACK")
        self.peer.expectNothing()
        self.assertEqual(self.news()[-1], "Answered 1001")
        self.hangUp()

    def test_answeredBeforeEarlyMediaIsTaken(self) -> None:
        """
        When Bob answers with other media while Alice's telephone is still thinking
        about the early ones, it is offered those next.
        """
        theirs = self.lifted()
        self.bob.answer(theirs, 183, sdp("bob", 5000))
        first = self.peer.expectRequest(b"INVITE")
        self.bob.answer(theirs, 200, sdp("bob", 5002))
        self.peer.expectRequest(b"ACK")
        self.peer.expectNothing()
        self.alice.answer(first, 200, sdp("alice", 4000))
        self.peer.expectRequest(b"ACK")
        second = self.peer.expectRequest(b"INVITE")
        self.assertIn(b"m=audio 5002", second.body)
        self.alice.answer(second, 200, sdp("alice", 4000))
        self.peer.expectRequest(b"ACK")
        self.peer.expectNothing()
        self.hangUp()

    def test_glare(self) -> None:
        """
        A re-INVITE that meets one of Alice's telephone is tried again after 2.1 to
        4 seconds, since the Call-ID is ours (RFC 3261 section 14.1).
        """
        theirs = self.lifted()
        self.bob.answer(theirs, 200, sdp("bob", 5000))
        self.peer.expectRequest(b"ACK")
        again = self.peer.expectRequest(b"INVITE")
        own = self.alice.within(b"INVITE", body=sdp("alice", 4000))
        self.alice.acknowledgeRefusal(self.peer.expectResponse(491, own), own)
        self.alice.refuse(again, 491)
        self.peer.expectRequest(b"ACK")
        self.run_(2.0)
        self.peer.expectNothing()
        self.run_(2.1)
        again = self.peer.expectRequest(b"INVITE")
        self.alice.answer(again, 200, sdp("alice", 4000))
        self.peer.expectRequest(b"ACK")
        self.hangUp()

    def test_toTrunk(self) -> None:
        """
        A number outside is called on its trunk, and is an outbound call.
        """
        theirs = self.lifted("95551234")
        self.assertEqual(theirs.uri, b"sip:5551234@203.0.113.9")
        self.assertEqual(self.news(), ["Offered 1001 !", "Alerting 5551234"])
        self.assertEqual(self.sink.events[0].party.callType.value, "Outbound")
        self.peer.respond(theirs, 486, b"x")
        self.peer.expectRequest(b"ACK")
        self.assertDone(self.control.release("1001", self.connID, WHO))
        self.answerBye()
        self.assertNoCall()

    def test_redirected(self) -> None:
        """
        The called side may send the call elsewhere.
        """
        theirs = self.lifted()
        self.bob.refuse(theirs, 302, [(b"Contact", b"<sip:1003@lab.example>")])
        self.peer.expectRequest(b"ACK")
        invite = self.peer.expectRequest(b"INVITE")
        self.assertEqual(invite.uri, b"sip:1003@lab.example")
        self.assertIn(b"m=audio 4000", invite.body)
        self.carol.refuse(invite, 486)
        self.peer.expectRequest(b"ACK")
        self.assertDone(self.control.release("1001", self.connID, WHO))
        self.answerBye()
        self.assertNoCall()


class FailureTests(MakeTestCase):
    """
    L{ICallControl.makeCall} when something fails.
    """

    def test_callerRefuses(self) -> None:
        """
        What Alice's telephone answers is why the request is refused; there is no
        event, since there never was a call for anyone to see.
        """
        for status, why in (
            (486, Why.BUSY),
            (600, Why.BUSY),
            (603, Why.REJECTED),
            (403, Why.REJECTED),
            (480, Why.OUT_OF_SERVICE),
            (404, Why.OUT_OF_SERVICE),
            (302, Why.REJECTED),
            (500, Why.FAILED),
        ):
            invite = self.make()
            self.alice.refuse(invite, status, [(b"Contact", b"<sip:1003@lab.example>")])
            self.peer.expectRequest(b"ACK")
            self.assertNotDone(self.made, why)
            self.peer.expectNothing()
            self.assertNoCall()
        self.assertEqual(self.news(), [])

    def test_callerDoesNotAnswer(self) -> None:
        """
        A telephone that nobody lifts in 25 seconds is cancelled; if it is lifted in
        the same moment, it is hung up on.
        """
        for late in (False, True):
            invite = self.make()
            self.alice.answer(invite, 180)
            self.run_(25.1)
            self.assertNotDone(self.made, Why.NO_ANSWER)
            self.peer.respond(self.peer.expectRequest(b"CANCEL"), 200)
            if late:
                self.alice.answer(invite, 200, sdp())
                self.peer.expectRequest(b"ACK")
                self.answerBye()
            else:
                self.alice.refuse(invite, 487)
                self.peer.expectRequest(b"ACK")
            self.assertNoCall()
        self.assertEqual(self.news(), [])

    def test_callerDoesNotSayAnything(self) -> None:
        """
        A telephone that is not there at all is given up too.
        """
        self.make()
        self.run_(25.1)
        self.assertNotDone(self.made, Why.NO_ANSWER)
        self.run_(80)
        self.assertNoCall()

    def test_noProxyAnswers(self) -> None:
        """
        Without a SIP Proxy there is nobody to call.
        """
        self.network.kill("192.0.2.11")
        self.network.kill("192.0.2.12")
        made = self.control.makeCall("1001", "1002", requester=WHO)
        self.run_(1)
        self.assertNotDone(made, Why.TIMEOUT)
        self.assertNoCall()

    def test_noOffer(self) -> None:
        """
        A telephone that answers without an offer is no use.
        """
        for body in (b"", b"junk"):
            self.alice.answer(self.make(), 200, body)
            self.peer.expectRequest(b"ACK")
            self.assertNotDone(self.made, Why.FAILED)
            self.answerBye()
            self.assertNoCall()
            self.alice.dialog = None
        self.assertEqual(self.news(), [])

    def test_badRequests(self) -> None:
        """
        A DN that makes no calls, no number, and data that are none are told at
        once.
        """
        for dn in ("9", "5000", "7777", ""):
            self.assertNotDone(self.control.makeCall(dn, "1002"), Why.INVALID_DN)
        for number in ("", "1" * 256):
            made = self.control.makeCall("1001", number)
            self.assertNotDone(made, Why.INVALID_DESTINATION)
        wrong: Any = ("k",)
        made = self.control.makeCall("1001", "1002", wrong)
        self.assertNotDone(made, Why.BAD_VALUE)
        made = self.control.makeCall("1001", "1002", (("k", "v" * 50000),))
        self.assertNotDone(made, Why.LIMIT)
        self.peer.expectNothing()
        self.assertNoCall()

    def test_tooManyCalls(self) -> None:
        """
        Calls by request count as all others.
        """
        invites, mades = [], []
        for _ in range(3):
            invites.append(self.make())
            mades.append(self.made)
        made = self.control.makeCall("1001", "1002")
        self.assertNotDone(made, Why.LIMIT)
        for invite in invites:
            self.alice.refuse(invite, 486)
            self.peer.expectRequest(b"ACK")
        for made in mades:
            self.assertNotDone(made, Why.BUSY)
        self.assertNoCall()

    def test_destinationFails(self) -> None:
        """
        A destination that is busy, or is none, is told; Alice's telephone stays
        connected until somebody hangs it up, for 30 seconds at most.
        """
        for how in ("request", "telephone", "time"):
            theirs = self.lifted()
            self.bob.refuse(theirs, 486)
            self.peer.expectRequest(b"ACK")
            self.assertEqual(
                self.news(),
                [
                    "Offered 1001 !",
                    "Alerting 1002",
                    "Released 1002 Busy",
                    "Failed 1001 Busy",
                ],
            )
            self.assertEqual(self.states(), {"1001": "Failed"})
            self.peer.expectNothing()
            if how == "request":
                self.assertDone(self.control.release("1001", self.connID, WHO))
                self.assertEqual(self.news(), ["Released 1001 Ok !"])
                self.answerBye()
            elif how == "telephone":
                self.peer.expectResponse(200, self.alice.within(b"BYE"))
                self.assertEqual(self.news(), ["Released 1001 Ok"])
            else:
                self.run_(29.9)
                self.peer.expectNothing()
                self.run_(0.2)
                self.assertEqual(self.news(), ["Released 1001 Ok"])
                self.answerBye()
            self.assertNoCall()
            self.alice.dialog = self.bob.dialog = None

    def test_noSuchNumber(self) -> None:
        """
        A number that is none fails in the same way.
        """
        self.alice.answer(self.make("7777"), 200, sdp())
        self.peer.expectRequest(b"ACK")
        self.assertEqual(self.news(), ["Offered 1001 !", "Failed 1001 SitInvalidnum"])
        self.peer.expectNothing()
        self.peer.expectResponse(200, self.alice.within(b"BYE"))
        self.assertNoCall()

    def test_callerHangsUpWhileItRings(self) -> None:
        """
        Bob's telephone stops ringing.
        """
        theirs = self.lifted()
        self.bob.answer(theirs, 180)
        self.news()
        self.peer.expectResponse(200, self.alice.within(b"BYE"))
        self.assertEqual(self.news(), ["Released 1001 Ok", "Released 1002 Abandoned"])
        self.peer.respond(self.peer.expectRequest(b"CANCEL"), 200)
        self.bob.refuse(theirs, 487)
        self.peer.expectRequest(b"ACK")
        self.assertNoCall()

    def test_callerHangsUpAtTheAnswer(self) -> None:
        """
        Alice hangs up while her telephone is offered what Bob has answered.
        """
        theirs = self.lifted()
        self.bob.answer(theirs, 200, sdp("bob", 5000))
        self.peer.expectRequest(b"ACK")
        again = self.peer.expectRequest(b"INVITE")
        self.peer.expectResponse(200, self.alice.within(b"BYE"))
        self.answerBye()
        self.alice.refuse(again, 487)
        self.peer.expectRequest(b"ACK")
        self.assertNoCall()

    def test_callerDoesNotTakeIt(self) -> None:
        """
        When Alice's telephone does not want what Bob has answered, there is no
        call.
        """
        theirs = self.lifted()
        self.bob.answer(theirs, 200, sdp("bob", 5000))
        self.peer.expectRequest(b"ACK")
        again = self.peer.expectRequest(b"INVITE")
        self.news()
        self.alice.refuse(again, 488)
        self.peer.expectRequest(b"ACK")
        self.assertEqual(
            self.news(), ["Released 1001 GeneralError", "Released 1002 GeneralError"]
        )
        self.answerBye(2)
        self.assertNoCall()

    def test_callerDoesNotTakeEarlyMedia(self) -> None:
        """
        When it does not want the early media, it rings on.
        """
        theirs = self.lifted()
        self.bob.answer(theirs, 183, sdp("bob", 5000))
        again = self.peer.expectRequest(b"INVITE")
        self.alice.refuse(again, 488)
        self.peer.expectRequest(b"ACK")
        self.bob.answer(theirs, 200, sdp("bob", 5000))
        self.peer.expectRequest(b"ACK")
        again = self.peer.expectRequest(b"INVITE")
        self.alice.answer(again, 200, sdp("alice", 4000))
        self.peer.expectRequest(b"ACK")
        self.hangUp()

    def test_callerIsLost(self) -> None:
        """
        A telephone that does not know its call any more, or does not answer, is
        lost, and the call with it.
        """
        theirs = self.lifted()
        self.bob.answer(theirs, 200, sdp("bob", 5000))
        self.peer.expectRequest(b"ACK")
        again = self.peer.expectRequest(b"INVITE")
        self.alice.refuse(again, 481)
        self.peer.expectRequest(b"ACK")
        self.answerBye(2)
        self.assertNoCall()
        self.assertEqual(self.news()[-1], "Released 1002 Lost")

    def test_calledNeverAnswersAndCallerRefreshes(self) -> None:
        """
        A re-INVITE of Alice's telephone while it rings at Bob's has to wait; when that
        one does not take the call, it is answered: she has nobody to hear.
        """
        theirs = self.lifted()
        own = self.alice.within(b"INVITE", body=sdp("alice", 4000))
        self.alice.acknowledgeRefusal(self.peer.expectResponse(491, own), own)
        self.bob.refuse(theirs, 603)
        self.peer.expectRequest(b"ACK")
        own = self.alice.within(b"INVITE", body=sdp("alice", 4000))
        answer = self.peer.expectResponse(200, own)
        self.assertIn(b"a=inactive", answer.body)
        self.alice.acknowledge()
        self.peer.expectResponse(200, self.alice.within(b"BYE"))
        self.assertNoCall()

    def test_stopped(self) -> None:
        """
        A node that is stopped cancels what it has begun, and refuses it.
        """
        invite = self.make()
        self.alice.answer(invite, 180)
        stopped = self.node.stopService()
        self.peer.respond(self.peer.expectRequest(b"CANCEL"), 200)
        self.alice.refuse(invite, 487)
        self.peer.expectRequest(b"ACK")
        self.assertNotDone(self.made, Why.DISCONNECTED)
        self.successResultOf(stopped)
        made = self.control.makeCall("1001", "1002")
        self.assertNotDone(made, Why.LIMIT)
        self.assertNoCall()
