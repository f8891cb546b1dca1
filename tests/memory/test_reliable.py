"""
Reliable provisional responses (RFC 3262), on each leg by itself.
"""

from __future__ import annotations

from sipcluster.sessioncontroller.leg_reliable import MOST_PRACKS
from sipcluster.sip.message import Request, Response
from sipcluster.testing.sip_peer import Phone, sdp
from tests.memory.nodes import NodeTestCase

RELIABLE = (b"Require", b"100rel")


class CalledSideTests(NodeTestCase):
    """
    The called side sends reliable 1xx, the caller knows nothing of them.
    """

    def ring(self, body: bytes = b"") -> Request:
        """
        Alice calls Bob.

        @return: the INVITE that Bob got.
        """
        self.alice.request(b"INVITE", "1002", body=body or sdp())
        return self.peer.expectRequest(b"INVITE")

    def reliable(
        self,
        invite: Request,
        number: int,
        status: int = 180,
        body: bytes = b"",
        tag: bytes = b"",
    ) -> None:
        """
        Bob sends one.
        """
        rseq = (b"RSeq", b"%d" % number)
        self.bob.answer(invite, status, body, tag, [RELIABLE, rseq])

    def pracked(self) -> Request:
        """
        Bob gets a PRACK, and answers it.
        """
        prack = self.peer.expectRequest(b"PRACK")
        self.peer.respond(prack, 200)
        return prack

    def test_acknowledged(self) -> None:
        """
        Each one is acknowledged, within the dialog that it makes and with CSeq
        numbers that grow; the caller gets it as an ordinary one.
        """
        invite = self.ring()
        self.assertEqual(
            invite.headers.all(b"Supported"), [b"replaces", b"timer, 100rel"]
        )
        self.reliable(invite, 7001, 183, sdp("bob", 5000))
        prack = self.pracked()
        self.assertEqual(prack.headers.first(b"RAck"), b"7001 1 INVITE")
        self.assertEqual(prack.cseq.number, 2)
        self.assertEqual(prack.uri, b"sip:1002@198.51.100.2")
        early = self.peer.expectResponse(183)
        self.assertNotIn(b"Require", early.headers)
        self.assertNotIn(b"RSeq", early.headers)
        self.assertIn(b"m=audio 5000", early.body)
        self.reliable(invite, 7002)
        self.assertEqual(self.pracked().cseq.number, 3)
        self.peer.expectResponse(180)
        # The answer was in the 183 and need not be repeated.
        self.bob.answer(invite, 200)
        ack = self.peer.expectRequest(b"ACK")
        self.assertEqual(ack.cseq.number, 1)
        answered = self.alice.accepted(self.peer.expectResponse(200))
        self.assertIn(b"m=audio 5000", answered.body)
        self.alice.acknowledge()
        bye = self.alice.within(b"BYE")
        self.peer.expectResponse(200, bye)
        last = self.peer.expectRequest(b"BYE")
        self.assertEqual(last.cseq.number, 4)
        self.peer.respond(last, 200)
        self.assertNoCall()

    def test_repeated(self) -> None:
        """
        One that comes again, or before its turn, is neither acknowledged nor passed
        on: its PRACK is under way.
        """
        invite = self.ring()
        for _ in range(3):
            self.reliable(invite, 1)
        self.pracked()
        self.peer.expectResponse(180)
        self.reliable(invite, 3, 183, sdp("bob"))
        self.peer.expectNothing()
        self.reliable(invite, 2, 183, sdp("bob"))
        self.pracked()
        self.peer.expectResponse(183)
        self.assertEqual(self.peer.count(b"PRACK"), 2)
        self.refuse(invite)

    def refuse(self, invite: Request) -> None:
        """
        Bob does not take the call.
        """
        self.bob.refuse(invite, 486)
        self.peer.expectRequest(b"ACK")
        self.assertRefused(486)

    def test_forks(self) -> None:
        """
        The responses of each fork are counted for themselves, and acknowledged in
        its dialog.  The dialog of the one that answers goes on with its own CSeq
        numbers, and one that answers too late is ended in order.
        """
        invite = self.ring()
        for tag, number in ((b"one", 10), (b"two", 20), (b"two", 21)):
            self.reliable(invite, number, 180, tag=tag)
            prack = self.pracked()
            self.assertEqual(prack.toTag, tag)
            self.assertEqual(prack.headers.first(b"RAck"), b"%d 1 INVITE" % number)
        self.bob.answer(invite, 200, sdp("bob"), b"two")
        self.peer.expectRequest(b"ACK")
        self.bob.answer(invite, 200, sdp("bob"), b"one")
        self.peer.expectRequest(b"ACK")
        bye = self.pracks(self.peer.expectRequest(b"BYE"))
        self.assertEqual((bye.toTag, bye.cseq.number), (b"one", 4))
        self.alice.accepted(self.peer.expectResponse(200))
        self.alice.acknowledge()
        self.alice.within(b"BYE")
        bye = self.pracks(self.peer.expectRequest(b"BYE"))
        self.assertEqual((bye.toTag, bye.cseq.number), (b"two", 4))
        self.assertNoCall()

    def test_flood(self) -> None:
        """
        Who answers no PRACK gets no more of them, until it does.
        """

        def pracks() -> list[Request]:
            self.pump()
            new = [
                one
                for one in self.peer.inbox
                if isinstance(one, Request) and one.method == b"PRACK"
            ]
            self.peer.inbox.clear()
            return new

        invite = self.ring()
        for number in range(1, 3 * MOST_PRACKS):
            self.reliable(invite, number, 183)
        first, *others = pracks()
        self.assertEqual(len(others), MOST_PRACKS - 1)
        self.peer.respond(first, 200)
        self.reliable(invite, MOST_PRACKS + 1, 183)
        (last,) = pracks()
        rack = b"%d 1 INVITE" % (MOST_PRACKS + 1)
        self.assertEqual(last.headers.first(b"RAck"), rack)
        for prack in (*others, last):
            self.peer.respond(prack, 200)
        self.assertEqual(pracks(), [])
        self.refuse(invite)

    def pracks(self, request: Request) -> Request:
        """
        A request that is answered.
        """
        self.peer.respond(request, 200)
        return request

    def test_nonsense(self) -> None:
        """
        An RSeq that cannot be read, or that is not required, is acknowledged by
        nobody; a PRACK that is refused ends nothing.
        """
        invite = self.ring()
        self.bob.answer(invite, 180, fields=[RELIABLE, (b"RSeq", b"first")])
        self.peer.expectNothing()
        self.assertEqual(self.counters["malformed"], 1)
        self.bob.answer(invite, 180, fields=[(b"RSeq", b"1")])
        self.peer.expectResponse(180)
        self.peer.expectNothing()
        self.reliable(invite, 5, 183, sdp("bob"))
        self.peer.respond(self.peer.expectRequest(b"PRACK"), 481)
        self.peer.expectResponse(183)
        self.peer.expectNothing()
        self.refuse(invite)

    def test_withoutOffer(self) -> None:
        """
        To a caller that wants an offer the called side is not to make it in a 1xx.
        """
        self.alice.request(b"INVITE", "1002")
        invite = self.peer.expectRequest(b"INVITE")
        self.assertEqual(invite.headers.all(b"Supported"), [b"replaces", b"timer"])
        self.refuse(invite)

    def test_sequenceOfAll(self) -> None:
        """
        CSeq numbers of other requests in the early dialog grow with those of PRACKs.
        """
        invite = self.ring()
        self.reliable(invite, 1)
        self.pracked()
        self.alice.accepted(self.peer.expectResponse(180))
        self.alice.within(b"INFO", body=b"x", contentType=b"text/plain")
        info = self.pracks(self.peer.expectRequest(b"INFO"))
        self.assertEqual(info.cseq.number, 3)
        self.peer.expectResponse(200)
        self.reliable(invite, 2, 181)
        self.assertEqual(self.pracked().cseq.number, 4)
        self.peer.expectResponse(181)
        self.refuse(invite)


class CallerTests(NodeTestCase):
    """
    The caller takes reliable 1xx, or insists on them; the called side knows nothing
    of that.
    """

    def call(self, option: bytes = b"Require", body: bytes = b"") -> Request:
        """
        Alice calls Bob.

        @return: the INVITE that Bob got.
        """
        fields = [(option, b"100rel")]
        self.alice.request(b"INVITE", "1002", fields, body=body or sdp())
        return self.peer.expectRequest(b"INVITE")

    def reliable(self, status: int) -> Response:
        """
        Alice gets a reliable response.
        """
        response = self.peer.expectResponse(status)
        self.assertEqual(response.headers.first(b"Require"), b"100rel")
        if self.alice.dialog is None:
            self.alice.accepted(response)
        return response

    def answered(self) -> Response:
        """
        Alice gets the 200.
        """
        response = self.peer.expectResponse(200)
        dialog = self.alice.dialog
        if dialog is None or dialog.remoteTag != response.toTag:
            self.alice.accepted(response)
        return response

    def prack(self, response: Response, body: bytes = b"", shift: int = 0) -> Request:
        """
        She acknowledges it.

        @param shift: added to the number.
        """
        number = int(response.headers.first(b"RSeq") or b"0") + shift
        rack = b"%d %d INVITE" % (number, response.cseq.number)
        return self.alice.within(b"PRACK", [(b"RAck", rack)], body=body)

    def answers(self, invite: Request, body: bytes = b"", tag: bytes = b"") -> None:
        """
        Bob does.
        """
        self.bob.answer(invite, 200, body or sdp("bob"), tag)
        self.peer.expectRequest(b"ACK")

    def established(self) -> None:
        """
        Alice gets the 200, and hangs up.
        """
        self.alice.acknowledge(number=self.answered().cseq.number)
        self.hangUp()

    def hangUp(self, who: Phone | None = None) -> None:
        """
        Alice hangs up.
        """
        bye = self.alice.within(b"BYE")
        self.peer.expectResponse(200, bye)
        self.peer.respond(self.peer.expectRequest(b"BYE"), 200)
        self.assertNoCall()

    def test_required(self) -> None:
        """
        To a caller that insists each 1xx is a reliable one, in its turn, with numbers
        that grow by one; the 200 need not wait for those without a description.
        """
        invite = self.call()
        self.bob.answer(invite, 180)
        first = self.reliable(180)
        self.bob.answer(invite, 181)
        self.peer.expectNothing()
        self.peer.expectResponse(200, self.prack(first))
        second = self.reliable(181)
        numbers = [int(each.headers.first(b"RSeq") or b"0") for each in (first, second)]
        self.assertEqual(numbers[1], numbers[0] + 1)
        self.answers(invite)
        self.established()

    def test_repeated(self) -> None:
        """
        A 1xx is sent again, less and less often, until it is acknowledged, and not
        after that.
        """
        invite = self.call()
        self.bob.answer(invite, 180)
        ringing = self.reliable(180)
        self.run_(4)
        self.assertEqual(self.peer.count(180), 4)
        self.peer.expectResponse(200, self.prack(ringing))
        self.run_(30)
        self.assertEqual(self.peer.count(180), 4)
        self.peer.expectResponse(481, self.prack(ringing))
        self.answers(invite)
        self.established()

    def test_supported(self) -> None:
        """
        A caller that takes reliable responses gets those with a description so, and
        others as ever.
        """
        invite = self.call(b"Supported")
        self.bob.answer(invite, 180)
        self.assertNotIn(b"Require", self.peer.expectResponse(180).headers)
        self.bob.answer(invite, 183, sdp("bob"))
        self.peer.expectResponse(200, self.prack(self.reliable(183)))
        self.answers(invite)
        self.established()

    def test_answerWaits(self) -> None:
        """
        The 200 waits until the 1xx with the answer is acknowledged.
        """
        invite = self.call()
        self.bob.answer(invite, 183, sdp("bob"))
        early = self.reliable(183)
        self.answers(invite)
        self.peer.expectNothing()
        self.peer.expectResponse(481, self.prack(early, shift=1))
        self.peer.expectNothing()
        mine = self.alice.within(b"INVITE", body=sdp())
        refused = self.peer.expectResponse(500, mine)
        self.alice.acknowledgeRefusal(refused, mine)
        self.peer.expectResponse(200, self.prack(early))
        answered = self.answered()
        self.assertEqual(answered.toTag, early.toTag)
        self.alice.acknowledge(number=early.cseq.number)
        self.hangUp()

    def test_otherAnswer(self) -> None:
        """
        When the called side answers with another session than it has said before, or
        another device answers, the caller gets it as another dialog, in which nothing
        was said yet.
        """
        for tag in (b"", b"another"):
            invite = self.call()
            self.bob.answer(invite, 183, sdp("bob", 5000))
            early = self.reliable(183)
            self.bob.answer(invite, 183, sdp("bob", 5004))
            self.peer.expectResponse(200, self.prack(early))
            self.peer.expectNothing()
            self.answers(invite, sdp("bob", 5002), tag)
            answered = self.answered()
            self.assertNotEqual(answered.toTag, early.toTag)
            self.assertIn(b"m=audio 5002", answered.body)
            self.alice.acknowledge()
            self.hangUp()
            self.alice.dialog = self.bob.dialog = None

    def test_neverAcknowledged(self) -> None:
        """
        When the caller does not acknowledge a 1xx its call ends on both sides, whether
        the called side has answered or not.
        """
        for answered in (False, True):
            self.peer.received.clear()
            invite = self.call()
            self.bob.answer(invite, 183, sdp("bob"))
            self.reliable(183)
            if answered:
                self.answers(invite)
            else:
                self.peer.expectNothing()
            self.run_(32)
            self.assertRefusedWith(504)
            if answered:
                self.peer.respond(self.peer.expectRequest(b"BYE"), 200)
            else:
                self.peer.respond(self.peer.expectRequest(b"CANCEL"), 200)
                self.bob.refuse(invite, 487)
                self.peer.expectRequest(b"ACK")
            self.assertNoCall()
            self.alice.dialog = self.bob.dialog = None

    def assertRefusedWith(self, status: int) -> None:
        """
        Alice is refused.
        """
        assert self.alice.invite is not None
        refused = self.peer.expectResponse(status)
        self.alice.acknowledgeRefusal(refused, self.alice.invite)

    def test_endedWhileItWaits(self) -> None:
        """
        While the 200 waits the caller may give up, by CANCEL or BYE, or the called
        side hang up.
        """
        for how in ("CANCEL", "BYE", "called"):
            invite = self.call()
            self.bob.answer(invite, 183, sdp("bob"))
            early = self.reliable(183)
            self.answers(invite)
            if how == "called":
                self.bob.within(b"BYE")
                self.peer.expectResponse(200)
                self.peer.expectNothing()
                self.peer.expectResponse(200, self.prack(early))
                self.peer.expectResponse(200)
                self.alice.acknowledge(number=early.cseq.number)
            elif how == "BYE":
                self.peer.expectResponse(200, self.alice.within(b"BYE"))
                self.assertRefusedWith(487)
            else:
                self.alice.cancel()
                self.peer.expectResponse(200)
                self.assertRefusedWith(487)
            self.peer.respond(self.peer.expectRequest(b"BYE"), 200)
            self.peer.expectNothing()
            self.assertNoCall()
            self.alice.dialog = self.bob.dialog = None
        ended = [type(event).__name__ for event in self.sink.events]
        self.assertEqual(ended.count("Released"), 6)

    def test_withoutOffer(self) -> None:
        """
        A caller that insists and offers nothing hears nothing before the answer: a
        reliable 1xx would have to be an offer.
        """
        self.alice.request(b"INVITE", "1002", [RELIABLE])
        invite = self.peer.expectRequest(b"INVITE")
        self.bob.answer(invite, 180)
        self.peer.expectNothing()
        self.bob.answer(invite, 200, sdp("bob"))
        self.answered()
        self.alice.acknowledge(sdp("alice"))
        self.peer.expectRequest(b"ACK")
        self.hangUp()

    def test_nonsense(self) -> None:
        """
        A PRACK that says nothing, or of another request, is refused, one with an offer
        besides; one after the answer acknowledges nothing.
        """
        invite = self.call()
        self.bob.answer(invite, 183, sdp("bob"))
        early = self.reliable(183)
        self.peer.expectResponse(400, self.alice.within(b"PRACK"))
        for rack in (b"x 1 INVITE", b"1 1"):
            bad = self.alice.within(b"PRACK", [(b"RAck", rack)])
            self.peer.expectResponse(400, bad)
        number = early.headers.first(b"RSeq") or b""
        for rest in (b" 99 INVITE", b" %d UPDATE" % early.cseq.number):
            bad = self.alice.within(b"PRACK", [(b"RAck", number + rest)])
            self.peer.expectResponse(481, bad)
        self.peer.expectResponse(488, self.prack(early, sdp("alice", 4002)))
        self.answers(invite)
        self.answered()
        self.peer.expectResponse(481, self.prack(early))
        self.alice.acknowledge(number=early.cseq.number)
        self.hangUp()
        self.peer.expectResponse(481, self.prack(early))

    def test_both(self) -> None:
        """
        Each of them has PRACKs and numbers of its own.
        """
        invite = self.call()
        fields = [RELIABLE, (b"RSeq", b"99")]
        self.bob.answer(invite, 183, sdp("bob"), fields=fields)
        theirs = self.peer.expectRequest(b"PRACK")
        self.assertEqual(theirs.headers.first(b"RAck"), b"99 1 INVITE")
        self.peer.respond(theirs, 200)
        early = self.reliable(183)
        self.assertEqual(len(early.headers.all(b"RSeq")), 1)
        self.peer.expectResponse(200, self.prack(early))
        self.answers(invite)
        self.established()

    def early(self) -> Request:
        """
        Bob has sent a session in a 1xx, which both have acknowledged.
        """
        fields = [(b"Allow", b"INVITE, ACK, BYE, CANCEL, PRACK, UPDATE")]
        self.alice.request(b"INVITE", "1002", [RELIABLE, *fields], body=sdp())
        invite = self.peer.expectRequest(b"INVITE")
        reliable = [RELIABLE, (b"RSeq", b"99"), *fields]
        self.bob.answer(invite, 183, sdp("bob"), fields=reliable)
        self.peer.respond(self.peer.expectRequest(b"PRACK"), 200)
        self.peer.expectResponse(200, self.prack(self.reliable(183)))
        return invite

    def test_update(self) -> None:
        """
        Once the first offer has its answer for good, either side may make another one
        by UPDATE before the call is answered; the answer then is the last one.
        """
        invite = self.early()
        mine = self.alice.within(b"UPDATE", body=sdp("alice", 4002))
        theirs = self.peer.expectRequest(b"UPDATE")
        self.assertIn(b"m=audio 4002", theirs.body)
        crossing = self.bob.within(b"UPDATE", body=sdp("bob", 5000))
        self.peer.expectResponse(491, crossing)
        answer = sdp("bob", 5002)
        self.peer.respond(theirs, 200, fields=[self.bob.contact], body=answer)
        self.assertIn(b"m=audio 5002", self.peer.expectResponse(200, mine).body)
        mine = self.bob.within(b"UPDATE", body=sdp("bob", 5004))
        theirs = self.peer.expectRequest(b"UPDATE")
        answer = sdp("alice", 4004)
        self.peer.respond(theirs, 200, fields=[self.alice.contact], body=answer)
        self.assertIn(b"m=audio 4004", self.peer.expectResponse(200, mine).body)
        self.bob.answer(invite, 200)
        self.peer.expectRequest(b"ACK")
        answered = self.answered()
        self.assertIn(b"m=audio 5004", answered.body)
        self.alice.acknowledge(number=answered.cseq.number)
        self.hangUp()

    def test_updateUnanswered(self) -> None:
        """
        An UPDATE that is answered only after the call is, or never, or in vain.
        """
        invite = self.early()
        mine = self.alice.within(b"UPDATE", body=sdp("alice", 4002))
        theirs = self.peer.expectRequest(b"UPDATE")
        self.peer.respond(theirs, 504)
        self.peer.expectResponse(504, mine)
        mine = self.bob.within(b"UPDATE", body=sdp("bob", 5002))
        theirs = self.peer.expectRequest(b"UPDATE")
        self.answers(invite)
        answered = self.answered()
        self.peer.respond(
            theirs, 200, fields=[self.alice.contact], body=sdp("alice", 4002)
        )
        self.assertIn(b"m=audio 4002", self.peer.expectResponse(200, mine).body)
        self.alice.acknowledge(number=answered.cseq.number)
        self.alice.within(b"UPDATE", body=sdp("alice", 4006))
        theirs = self.peer.expectRequest(b"UPDATE")
        self.peer.respond(theirs, 200, fields=[self.bob.contact], body=sdp("bob"))
        self.peer.expectResponse(200)
        self.hangUp()

    def test_updateOfOneSide(self) -> None:
        """
        Where the other side has not acknowledged anything an offer has to wait.
        """
        fields = [(b"Supported", b"100rel")]
        self.alice.request(b"INVITE", "1002", fields, body=sdp())
        invite = self.peer.expectRequest(b"INVITE")
        self.bob.answer(invite, 183, sdp("bob"))
        self.peer.expectResponse(200, self.prack(self.reliable(183)))
        refused = self.peer.expectResponse(
            500, self.alice.within(b"UPDATE", body=sdp("alice", 4002))
        )
        self.assertIn(b"Retry-After", refused.headers)
        self.answers(invite)
        self.established()

    def test_updateOfAFork(self) -> None:
        """
        A fork may move its remote target; that of another one stays.
        """
        invite = self.early()
        first = self.bob.dialog
        self.bob.answer(invite, 180, tag=b"other")
        self.bob.source = "198.51.100.77"
        self.peer.expectResponse(200, self.bob.within(b"UPDATE"))
        self.peer.expectResponse(500, self.bob.within(b"UPDATE", body=sdp("bob")))
        bad = self.bob.within(b"UPDATE", [(b"Contact", b"<sip:[1>")], contact=False)
        self.peer.expectResponse(400, bad)
        self.alice.within(b"INFO", body=b"x", contentType=b"text/plain")
        info = self.peer.expectRequest(b"INFO")
        self.assertEqual(info.uri, b"sip:1002@198.51.100.2")
        self.peer.respond(info, 200)
        self.peer.expectResponse(200)
        assert first is not None
        self.bob.dialog = first
        self.peer.inbox.clear()
        self.answers(invite)
        self.established()
