"""
Hold and retrieve by request.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred

from sipcluster.sessioncontroller.isessioncontroller import Why
from sipcluster.sessioncontroller.session_refresh import Refresh
from sipcluster.sessioncontroller.values import CallValue, decodeCall, encodeCall
from sipcluster.sip.message import Request
from sipcluster.sip.sdp import directionOf
from sipcluster.testing.sip_peer import Phone, sdp
from tests.memory.controls import WHO, ControlTestCase


class HoldTestCase(ControlTestCase):
    """
    Alice and Bob talk.
    """

    def setUp(self) -> None:
        super().setUp()
        self.established()
        self.news()

    def other(self, phone: Phone) -> Phone:
        """
        The one that a phone talks to.
        """
        return self.bob if phone is self.alice else self.alice

    def asked(self, phone: Phone, direction: bytes, port: int) -> Request:
        """
        A phone gets a re-INVITE.

        @param direction: that it is offered.
        @param port: of the other phone's media.
        """
        invite = self.peer.expectRequest(b"INVITE")
        assert phone.dialog is not None
        self.assertEqual(invite.callID, phone.dialog.callID)
        self.assertEqual(directionOf(invite.body), direction)
        self.assertIn(b"m=audio %d " % port, invite.body)
        return invite

    def takes(self, phone: Phone, invite: Request, direction: str = "") -> None:
        """
        A phone accepts it.
        """
        port = 4000 if phone is self.alice else 5000
        phone.answer(invite, 200, sdp(phone.number, port, direction))
        self.peer.expectRequest(b"ACK")

    def port(self, phone: Phone) -> int:
        """
        Where a phone's media are.
        """
        return 4000 if phone is self.alice else 5000

    def established(self) -> None:
        """
        As always, with media at known places.
        """
        self.alice.dialog = self.bob.dialog = None
        self.alice.request(b"INVITE", "1002", body=sdp("1001", 4000))
        invite = self.peer.expectRequest(b"INVITE")
        self.bob.answer(invite, 200, sdp("1002", 5000))
        self.peer.expectRequest(b"ACK")
        self.alice.accepted(self.peer.expectResponse(200))
        self.alice.acknowledge()
        self.peer.expectNothing()

    def held(self, phone: Phone) -> None:
        """
        A phone's DN holds by request.
        """
        done = self.hold(phone)
        self.takes(
            self.other(phone),
            self.asked(self.other(phone), b"inactive", self.port(phone)),
            "inactive",
        )
        self.takes(
            phone,
            self.asked(phone, b"inactive", self.port(self.other(phone))),
            "inactive",
        )
        self.assertDone(done)
        self.assertEqual(self.news(), [f"Held {phone.number} !"])
        self.peer.expectNothing()

    def hold(self, phone: Phone) -> Deferred[None]:
        """
        Ask for it.
        """
        return self.control.hold(phone.number, self.connID, WHO)

    def retrieve(self, phone: Phone) -> Deferred[None]:
        """
        Ask for the end of it.
        """
        return self.control.retrieve(phone.number, self.connID, WHO)

    def retrieved(self, phone: Phone) -> None:
        """
        A phone's DN is back.
        """
        done = self.retrieve(phone)
        other = self.other(phone)
        self.takes(phone, self.asked(phone, b"sendrecv", self.port(other)))
        self.takes(other, self.asked(other, b"sendrecv", self.port(phone)))
        self.assertDone(done)
        self.assertEqual(self.news(), [f"Retrieved {phone.number} !"])
        self.peer.expectNothing()


class HoldTests(HoldTestCase):
    """
    L{ICallControl.hold} and L{ICallControl.retrieve}.
    """

    def test_flow(self) -> None:
        """
        Either DN may hold the other one and come back: both phones are offered the
        same session in which nobody is heard, and then the one they had.
        """
        for phone in (self.alice, self.bob):
            self.held(phone)
            self.assertEqual(self.states()[phone.number], "Hold")
            self.assertEqual(self.states()[self.other(phone).number], "Connected")
            self.retrieved(phone)
            self.assertEqual(set(self.states().values()), {"Connected"})
        self.hangUp()

    def test_both(self) -> None:
        """
        When both hold, the second one changes nothing for the phones, and they hear
        each other again when both are back.
        """
        self.held(self.alice)
        self.assertDone(self.hold(self.bob))
        self.assertEqual(self.news(), ["Held 1002 !"])
        self.peer.expectNothing()
        self.assertDone(self.retrieve(self.alice))
        self.assertEqual(self.news(), ["Retrieved 1001 !"])
        self.peer.expectNothing()
        self.retrieved(self.bob)
        self.hangUp()

    def test_wrongState(self) -> None:
        """
        What is held already cannot be held, what is not cannot be retrieved, nor
        anything while it rings.
        """
        self.assertNotDone(self.retrieve(self.alice), Why.WRONG_STATE)
        self.held(self.alice)
        self.assertNotDone(self.hold(self.alice), Why.WRONG_STATE)
        self.retrieved(self.alice)
        self.hangUp()
        self.alice.dialog = self.bob.dialog = None
        invite = self.ringing()
        for phone in (self.alice, self.bob):
            self.assertNotDone(self.hold(phone), Why.WRONG_STATE)
            self.assertNotDone(self.retrieve(phone), Why.WRONG_STATE)
        self.bob.refuse(invite, 486)
        self.peer.expectRequest(b"ACK")
        self.assertRefused(486)

    def test_releasedWhileHeld(self) -> None:
        """
        A held call is ended like any other.
        """
        self.held(self.alice)
        self.assertDone(self.control.release("1002", self.connID, WHO))
        self.assertEqual(self.news(), ["Released 1002 Ok !", "Released 1001 Ok"])
        self.answerBye(2)
        self.assertNoCall()
        self.established()
        self.news()
        self.held(self.bob)
        self.hangUp(self.alice)

    def test_asksAtOnceAgain(self) -> None:
        """
        A second request waits for the first one; whether it can be done is seen
        then.
        """
        done, again = self.hold(self.alice), self.hold(self.alice)
        self.takes(self.bob, self.asked(self.bob, b"inactive", 4000), "inactive")
        self.takes(self.alice, self.asked(self.alice, b"inactive", 5000), "inactive")
        self.assertDone(done)
        self.assertNotDone(again, Why.WRONG_STATE)
        done = self.retrieve(self.alice)
        again = self.hold(self.bob)
        self.takes(self.alice, self.asked(self.alice, b"sendrecv", 5000))
        self.takes(self.bob, self.asked(self.bob, b"sendrecv", 4000))
        self.assertDone(done)
        self.takes(self.alice, self.asked(self.alice, b"inactive", 5000), "inactive")
        self.takes(self.bob, self.asked(self.bob, b"inactive", 4000), "inactive")
        self.assertDone(again)
        self.hangUp()

    def test_tooManyRequests(self) -> None:
        """
        No more than a few wait.
        """
        waiting = [self.hold(self.alice) for _ in range(8)]
        self.assertNotDone(self.hold(self.alice), Why.LIMIT)
        self.assertDone(self.control.release("1001", self.connID))
        for done in waiting:
            self.assertNotDone(done, Why.DISCONNECTED)
        self.bob.refuse(self.peer.expectRequest(b"INVITE"), 487)
        self.peer.expectRequest(b"ACK")
        self.answerBye(2)
        self.assertNoCall()

    def test_newMediaWhileHeld(self) -> None:
        """
        A phone that has other media when it is back is heard with those; the other
        one is told.
        """
        self.held(self.alice)
        done = self.retrieve(self.alice)
        invite = self.asked(self.alice, b"sendrecv", 5000)
        self.alice.answer(invite, 200, sdp("1001", 4010))
        self.peer.expectRequest(b"ACK")
        invite = self.asked(self.bob, b"sendrecv", 4010)
        self.bob.answer(invite, 200, sdp("1002", 5010))
        self.peer.expectRequest(b"ACK")
        invite = self.asked(self.alice, b"sendrecv", 5010)
        self.alice.answer(invite, 200, sdp("1001", 4010))
        self.peer.expectRequest(b"ACK")
        self.assertDone(done)
        self.hangUp()


class PhoneTests(HoldTestCase):
    """
    What the phones themselves want meanwhile.
    """

    def reinvite(
        self,
        asking: Phone,
        offer: bytes,
        offered: bytes,
        answer: bytes,
        answered: bytes,
    ) -> None:
        """
        A re-INVITE of a phone.

        @param offered: the direction that the other phone is offered.
        @param answered: the direction that the asking phone is answered.
        """
        asking.within(b"INVITE", body=offer)
        theirs = self.peer.expectRequest(b"INVITE")
        if offered:
            self.assertEqual(directionOf(theirs.body), offered)
        else:
            self.assertEqual(theirs.body, b"")
        self.other(asking).answer(theirs, 200, answer)
        if offer:
            self.peer.expectRequest(b"ACK")
        response = self.peer.expectResponse(200)
        self.assertEqual(directionOf(response.body), answered)

    def test_refreshDoesNotUnhold(self) -> None:
        """
        While a DN holds by request, a re-INVITE of either phone goes through with a
        session in which nobody is heard, and its answer too.
        """
        self.held(self.alice)
        for phone in (self.alice, self.bob):
            self.reinvite(
                phone,
                sdp(phone.number, self.port(phone)),
                b"inactive",
                sdp("x", self.port(self.other(phone)), "inactive"),
                b"inactive",
            )
            phone.acknowledge()
            self.peer.expectNothing()
        self.assertEqual(self.states(), {"1001": "Hold", "1002": "Connected"})
        self.assertEqual(self.news(), ["Updated 1001", "Updated 1002"])
        self.retrieved(self.alice)
        self.hangUp()

    def test_lateOfferDoesNotUnhold(self) -> None:
        """
        A re-INVITE without an offer gets one in which nobody is heard.
        """
        self.held(self.alice)
        self.reinvite(self.bob, b"", b"", sdp("1001", 4000, "sendrecv"), b"inactive")
        self.bob.acknowledge(sdp("1002", 5000, "inactive"))
        ack = self.peer.expectRequest(b"ACK")
        self.assertEqual(directionOf(ack.body), b"inactive")
        self.peer.expectNothing()
        self.assertEqual(self.states(), {"1001": "Hold", "1002": "Connected"})
        self.assertEqual(self.news(), ["Updated 1002"])
        self.retrieved(self.alice)
        self.hangUp()

    def test_updateDoesNotUnhold(self) -> None:
        """
        Nor does an UPDATE; a refresh without a session description says nothing.
        """
        self.held(self.alice)
        self.peer.expectResponse(200, self.alice.within(b"UPDATE"))
        mine = self.bob.within(b"UPDATE", body=sdp("1002", 5000))
        theirs = self.peer.expectRequest(b"UPDATE")
        self.assertEqual(directionOf(theirs.body), b"inactive")
        answer = sdp("1001", 4000, "inactive")
        self.peer.respond(theirs, 200, fields=[self.alice.contact], body=answer)
        got = self.peer.expectResponse(200, mine)
        self.assertEqual(directionOf(got.body), b"inactive")
        self.assertEqual(self.news(), ["Updated 1002"])
        self.retrieved(self.alice)
        self.hangUp()

    def test_newPlaceWhileHeld(self) -> None:
        """
        Where a phone wants its media while it is held is where they go afterwards.
        """
        self.held(self.alice)
        self.reinvite(
            self.bob,
            sdp("1002", 5020),
            b"inactive",
            sdp("1001", 4000, "inactive"),
            b"inactive",
        )
        self.bob.acknowledge()
        done = self.retrieve(self.alice)
        self.takes(self.alice, self.asked(self.alice, b"sendrecv", 5020))
        invite = self.asked(self.bob, b"sendrecv", 4000)
        self.bob.answer(invite, 200, sdp("1002", 5020))
        self.peer.expectRequest(b"ACK")
        self.assertDone(done)
        self.peer.expectNothing()
        self.hangUp()

    def test_phoneHoldsToo(self) -> None:
        """
        A phone that holds by itself while its DN holds by request holds once; when
        only the request ends, it still does.
        """
        self.held(self.alice)
        self.reinvite(
            self.alice,
            sdp("1001", 4000, "sendonly"),
            b"inactive",
            sdp("1002", 5000, "inactive"),
            b"inactive",
        )
        self.alice.acknowledge()
        self.assertEqual(self.news(), ["Updated 1001"])
        done = self.retrieve(self.alice)
        self.takes(self.alice, self.asked(self.alice, b"sendrecv", 5000), "sendonly")
        self.takes(self.bob, self.asked(self.bob, b"sendonly", 4000), "recvonly")
        self.takes(self.alice, self.asked(self.alice, b"recvonly", 5000), "sendonly")
        self.assertNotDone(done, Why.REJECTED)
        self.assertEqual(self.states()["1001"], "Hold")
        self.assertEqual(self.news(), [])
        self.reinvite(
            self.alice,
            sdp("1001", 4000),
            b"sendrecv",
            sdp("1002", 5000),
            b"sendrecv",
        )
        self.alice.acknowledge()
        self.assertEqual(self.news(), ["Retrieved 1001"])
        self.hangUp()

    def test_heldByItsPhone(self) -> None:
        """
        A DN whose phone holds by itself cannot be held; the other DN can hold, and
        what the phone wants is heeded when it is back.
        """
        self.heldByPhone()
        self.assertNotDone(self.hold(self.alice), Why.WRONG_STATE)
        self.held(self.bob)
        done = self.retrieve(self.bob)
        self.takes(self.bob, self.asked(self.bob, b"sendonly", 4000), "recvonly")
        self.takes(self.alice, self.asked(self.alice, b"recvonly", 5000), "sendonly")
        self.assertDone(done)
        self.assertEqual(self.states(), {"1001": "Hold", "1002": "Connected"})
        self.hangUp()

    def heldByPhone(self) -> None:
        """
        Alice's phone holds.
        """
        self.reinvite(
            self.alice,
            sdp("1001", 4000, "sendonly"),
            b"sendonly",
            sdp("1002", 5000, "recvonly"),
            b"recvonly",
        )
        self.alice.acknowledge()
        self.assertEqual(self.news(), ["Held 1001"])

    def backByPhone(self) -> None:
        """
        Alice's phone does no longer.
        """
        self.reinvite(
            self.alice,
            sdp("1001", 4000),
            b"sendrecv",
            sdp("1002", 5000),
            b"sendrecv",
        )
        self.alice.acknowledge()

    def test_retrievedFromItsPhone(self) -> None:
        """
        A phone that holds by itself is asked to talk, by NOTIFY in the dialog; what
        it does then answers the request.  When it has come back by itself, nobody
        had asked.
        """
        self.heldByPhone()
        done = self.retrieve(self.alice)
        self.assertNotDone(self.retrieve(self.alice), Why.WRONG_STATE)
        notify = self.peer.expectRequest(b"NOTIFY")
        self.assertEqual(notify.headers.first(b"Event"), b"talk")
        self.peer.respond(notify, 200)
        self.assertNoResult(done)
        self.backByPhone()
        self.assertDone(done)
        self.assertEqual(self.news(), ["Retrieved 1001 !"])
        self.heldByPhone()
        self.backByPhone()
        self.assertEqual(self.news(), ["Retrieved 1001"])
        self.hangUp()

    def test_phoneDoesNotTalk(self) -> None:
        """
        A phone that does not know the event, or only says that it does, goes on
        holding.
        """
        self.heldByPhone()
        for status in (405, 481, 489):
            done = self.retrieve(self.alice)
            self.peer.respond(self.peer.expectRequest(b"NOTIFY"), status)
            self.pump()
            self.assertNotDone(done, Why.UNSUPPORTED)
        done = self.retrieve(self.alice)
        self.peer.respond(self.peer.expectRequest(b"NOTIFY"), 200)
        self.run_(11)
        self.assertNotDone(done, Why.TIMEOUT)
        done = self.retrieve(self.alice)
        notify = self.peer.expectRequest(b"NOTIFY")
        self.assertEqual(self.states(), {"1001": "Hold", "1002": "Connected"})
        self.hangUp()
        self.assertNotDone(done, Why.DISCONNECTED)
        self.peer.respond(notify, 200)

    def test_asksWhileItIsHeld(self) -> None:
        """
        A re-INVITE of a phone meets ours: ours is tried again, later by us when the
        Call-ID is ours.
        """
        done = self.hold(self.alice)
        ours = self.asked(self.bob, b"inactive", 4000)
        own = self.bob.within(b"INVITE", body=sdp("1002", 5000))
        self.bob.acknowledgeRefusal(self.peer.expectResponse(491, own), own)
        other = self.alice.within(b"INVITE", body=sdp("1001", 4000))
        self.alice.acknowledgeRefusal(self.peer.expectResponse(491, other), other)
        self.bob.refuse(ours, 491)
        self.peer.expectRequest(b"ACK")
        self.run_(2.0)
        self.peer.expectNothing()
        self.run_(2.1)
        self.takes(self.bob, self.asked(self.bob, b"inactive", 4000), "inactive")
        ours = self.asked(self.alice, b"inactive", 5000)
        self.alice.refuse(ours, 491)
        self.peer.expectRequest(b"ACK")
        self.run_(2.1)
        self.takes(self.alice, self.asked(self.alice, b"inactive", 5000), "inactive")
        self.assertDone(done)
        self.assertEqual(self.news(), ["Held 1001 !"])
        self.hangUp()

    def test_phonesChangeGoesFirst(self) -> None:
        """
        A re-INVITE of a phone that is under way when hold is asked for is finished
        before; hold waits for it.
        """
        self.alice.within(b"INVITE", body=sdp("1001", 4002))
        theirs = self.peer.expectRequest(b"INVITE")
        done = self.hold(self.alice)
        self.peer.expectNothing()
        self.bob.answer(theirs, 200, sdp("1002", 5000))
        self.peer.expectRequest(b"ACK")
        answer = self.peer.expectResponse(200)
        self.assertEqual(directionOf(answer.body), b"inactive")
        self.alice.acknowledge()
        self.run_(4.1)
        self.takes(self.bob, self.asked(self.bob, b"inactive", 4002), "inactive")
        self.takes(self.alice, self.asked(self.alice, b"inactive", 5000), "inactive")
        self.assertDone(done)
        self.hangUp()


class RefreshTests(HoldTestCase):
    """
    Session timers (RFC 4028) that the phones and the node have agreed on.
    """

    AGREED = (
        (b"Supported", b"timer"),
        (b"Session-Expires", b"1800;refresher=uac"),
    )

    def test_goesOn(self) -> None:
        """
        A re-INVITE of ours says again who refreshes, so that whoever does goes on
        with it; where nothing was agreed it says nothing.
        """
        done = self.hold(self.alice)
        ours = self.peer.expectRequest(b"INVITE")
        self.assertNotIn(b"Session-Expires", ours.headers)
        self.bob.refuse(ours, 488)
        self.peer.expectRequest(b"ACK")
        self.assertNotDone(done, Why.REJECTED)
        for phone in (self.alice, self.bob):
            self.peer.expectResponse(200, phone.within(b"UPDATE", self.AGREED))
        (value,) = self.node.controller.values()
        self.assertEqual([leg.refresh for leg in value.legs], [Refresh(1800, True)] * 2)
        done = self.hold(self.alice)
        ours = self.peer.expectRequest(b"INVITE")
        self.assertEqual(ours.headers.first(b"Supported"), b"timer")
        theirs = (b"Session-Expires", b"1800;refresher=uas")
        self.assertEqual(ours.headers.first(b"Session-Expires"), theirs[1])
        self.bob.answer(ours, 200, sdp("1002", 5000, "inactive"), fields=[theirs])
        self.peer.expectRequest(b"ACK")
        ours = self.peer.expectRequest(b"INVITE")
        self.assertEqual(ours.headers.first(b"Session-Expires"), b"1800;refresher=uas")
        self.takes(self.alice, ours, "inactive")
        self.assertDone(done)
        # Alice's phone has not said it again: it does not any more, so we do.
        (value,) = self.node.controller.values()
        self.assertEqual(
            [leg.refresh for leg in value.legs],
            [Refresh(1800, False), Refresh(1800, True)],
        )
        self.hangUp()


class FailureTests(HoldTestCase):
    """
    What may go wrong.
    """

    def test_otherRefuses(self) -> None:
        """
        When the other phone does not take it, nothing has changed.
        """
        done = self.hold(self.alice)
        self.bob.refuse(self.asked(self.bob, b"inactive", 4000), 488)
        self.peer.expectRequest(b"ACK")
        self.assertNotDone(done, Why.REJECTED)
        self.assertEqual(self.news(), [])
        self.peer.expectNothing()
        self.held(self.alice)
        self.hangUp()

    def test_ownRefuses(self) -> None:
        """
        When the DN's own phone does not take it, the other one hears and sends
        nothing all the same.
        """
        done = self.hold(self.alice)
        self.takes(self.bob, self.asked(self.bob, b"inactive", 4000), "inactive")
        self.alice.refuse(self.asked(self.alice, b"inactive", 5000), 488)
        self.peer.expectRequest(b"ACK")
        self.assertDone(done)
        self.assertEqual(self.news(), ["Held 1001 !"])
        self.retrieved(self.alice)
        self.hangUp()

    def test_retrieveRefused(self) -> None:
        """
        When a phone does not want to be back, hold goes on for both.
        """
        self.held(self.alice)
        done = self.retrieve(self.alice)
        self.alice.refuse(self.asked(self.alice, b"sendrecv", 5000), 488)
        self.peer.expectRequest(b"ACK")
        self.assertNotDone(done, Why.REJECTED)
        self.assertEqual(self.states()["1001"], "Hold")
        done = self.retrieve(self.alice)
        self.takes(self.alice, self.asked(self.alice, b"sendrecv", 5000))
        self.bob.refuse(self.asked(self.bob, b"sendrecv", 4000), 488)
        self.peer.expectRequest(b"ACK")
        self.takes(self.alice, self.asked(self.alice, b"inactive", 5000), "inactive")
        self.assertNotDone(done, Why.REJECTED)
        self.assertEqual(self.states()["1001"], "Hold")
        self.retrieved(self.alice)
        self.hangUp()

    def test_noAnswer(self) -> None:
        """
        A phone that thinks about it for ever is asked no longer than 20 seconds.
        """
        done = self.hold(self.alice)
        invite = self.asked(self.bob, b"inactive", 4000)
        self.peer.respond(invite, 100)
        self.run_(20.1)
        self.peer.respond(self.peer.expectRequest(b"CANCEL"), 200)
        self.assertNoResult(done)
        self.bob.refuse(invite, 487)
        self.peer.expectRequest(b"ACK")
        self.assertNotDone(done, Why.TIMEOUT)
        self.held(self.alice)
        self.hangUp()

    def test_glareForEver(self) -> None:
        """
        Nor is one that has always something else to do.
        """
        done = self.hold(self.alice)
        times = 0
        while self.clock.seconds() < 21:
            if self.peer.inbox:
                self.bob.refuse(self.peer.expectRequest(b"INVITE"), 491)
                self.peer.expectRequest(b"ACK")
                times += 1
            self.run_(0.1)
        self.assertNotDone(done, Why.TIMEOUT)
        self.assertTrue(4 < times < 12, times)
        self.peer.expectNothing()
        self.hangUp()

    def test_vanishes(self) -> None:
        """
        A phone that has no such call any more, or does not answer at all, is lost,
        and the call with it.
        """
        done = self.hold(self.alice)
        self.bob.refuse(self.asked(self.bob, b"inactive", 4000), 481)
        self.peer.expectRequest(b"ACK")
        self.assertNotDone(done, Why.DISCONNECTED)
        self.assertEqual(self.news(), ["Released 1002 Lost", "Released 1001 Lost"])
        self.answerBye(2)
        self.assertNoCall()
        self.established()
        done = self.hold(self.alice)
        self.run_(140)
        self.assertNotDone(done, Why.DISCONNECTED)
        self.peer.inbox.clear()
        self.assertNoCall()

    def test_releasedMeanwhile(self) -> None:
        """
        A call that ends at any step of hold or retrieve ends in order; who has asked
        is told.
        """
        self.hangUp()
        for step in range(4):
            for how in ("alice", "bob", "request"):
                self.established()
                self.news()
                if step < 2:
                    done = self.hold(self.alice)
                    order = (self.bob, self.alice)
                else:
                    self.held(self.alice)
                    done = self.retrieve(self.alice)
                    order = (self.alice, self.bob)
                if step % 2:
                    invite = self.peer.expectRequest(b"INVITE")
                    direction = "inactive" if step < 2 else ""
                    self.takes(order[0], invite, direction)
                invite = self.peer.expectRequest(b"INVITE")
                if how == "request":
                    self.assertDone(self.control.release("1001", self.connID, WHO))
                    byes = 2
                else:
                    bye = getattr(self, how).within(b"BYE")
                    self.peer.expectResponse(200, bye)
                    byes = 1
                self.assertNotDone(done, Why.DISCONNECTED)
                asked = order[step % 2]
                asked.refuse(invite, 487)
                self.peer.expectRequest(b"ACK")
                self.answerBye(byes)
                self.peer.expectNothing()
                self.assertNoCall()
                self.assertEqual(len(self.news()), 2)

    def test_acceptedAfterTheEnd(self) -> None:
        """
        A phone that takes hold when the call has ended is acknowledged.
        """
        done = self.hold(self.alice)
        invite = self.asked(self.bob, b"inactive", 4000)
        self.peer.expectResponse(200, self.alice.within(b"BYE"))
        self.assertNotDone(done, Why.DISCONNECTED)
        self.takes(self.bob, invite, "inactive")
        self.answerBye()
        self.assertNoCall()

    def test_beforeTheAcknowledgement(self) -> None:
        """
        Hold waits until the caller has acknowledged that it is connected.
        """
        self.hangUp()
        self.alice.dialog = self.bob.dialog = None
        self.alice.request(b"INVITE", "1002", body=sdp("1001", 4000))
        self.bob.answer(self.peer.expectRequest(b"INVITE"), 200, sdp("1002", 5000))
        self.peer.expectRequest(b"ACK")
        self.alice.accepted(self.peer.expectResponse(200))
        done = self.hold(self.alice)
        self.takes(self.bob, self.asked(self.bob, b"inactive", 4000), "inactive")
        self.alice.acknowledge()
        self.run_(0.0)
        self.takes(self.alice, self.asked(self.alice, b"inactive", 5000), "inactive")
        self.assertDone(done)
        self.hangUp()


class ValueTests(HoldTestCase):
    """
    A held call as a value.
    """

    def again(self) -> CallValue:
        """
        Write the call down, forget it, and make it again from that.
        """
        (value,) = self.node.controller.values()
        read = decodeCall(encodeCall(value))
        self.assertEqual(read, value)
        (call,) = self.node.controller.calls.values()
        for leg in list(call.legs):
            leg.finish()
        self.assertNoCall()
        self.assertTrue(self.node.controller.restore(read))
        for written in read.legs:
            if written.acked is not None:
                self.peer.expectRequest(b"ACK")  # the one before may not have left
        return read

    def test_held(self) -> None:
        """
        A call that is made again is still held by request, and is retrieved.
        """
        self.held(self.alice)
        value = self.again()
        self.assertEqual([leg.holding for leg in value.legs], [True, False])
        self.assertEqual(self.states(), {"1001": "Hold", "1002": "Connected"})
        self.retrieved(self.alice)
        self.hangUp()

    def test_whileItIsHeld(self) -> None:
        """
        Hold that is under way is done once more, and answers who has asked.
        """
        done = self.hold(self.alice)
        self.takes(self.bob, self.asked(self.bob, b"inactive", 4000), "inactive")
        before = self.peer.expectRequest(b"INVITE")
        value = self.again()
        self.failureResultOf(done)
        self.assertEqual(value.undertakings[0].requester, WHO)
        self.takes(self.bob, self.asked(self.bob, b"inactive", 4000), "inactive")
        self.alice.refuse(before, 500)
        self.peer.expectRequest(b"ACK")
        self.takes(self.alice, self.asked(self.alice, b"inactive", 5000), "inactive")
        self.assertEqual(self.news(), ["Held 1001 !"])
        self.hangUp()

    def test_whileItIsRetrieved(self) -> None:
        """
        So is retrieve.
        """
        self.held(self.alice)
        done = self.retrieve(self.alice)
        before = self.peer.expectRequest(b"INVITE")
        self.again()
        self.failureResultOf(done)
        self.alice.refuse(before, 500)
        self.peer.expectRequest(b"ACK")
        self.takes(self.alice, self.asked(self.alice, b"sendrecv", 5000))
        self.takes(self.bob, self.asked(self.bob, b"sendrecv", 4000))
        self.assertEqual(self.news(), ["Retrieved 1001 !"])
        self.hangUp()
