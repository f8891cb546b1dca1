"""
What happens inside an established call: re-INVITE, UPDATE, INFO, MESSAGE.
"""

from __future__ import annotations

from sipcluster.sip.message import Request, Response
from sipcluster.testing.sip_peer import Phone, sdp
from tests.memory.nodes import NodeTestCase


class ChangeTestCase(NodeTestCase):
    """
    Alice and Bob talk.
    """

    def setUp(self) -> None:
        super().setUp()
        self.established()
        self.before = len(self.sink.events)

    def news(self) -> list[tuple[str, str]]:
        """
        What the event sinks have been told since.
        """
        return [
            (type(event).__name__, event.party.thisDN)
            for event in self.sink.events[self.before :]
        ]

    def reinvite(
        self, asking: Phone, asked: Phone, offer: bytes, answer: bytes
    ) -> tuple[Request, Response]:
        """
        One re-INVITE that is accepted.

        @return: what the asked side got, and what the asking side got.
        """
        asking.within(b"INVITE", body=offer)
        theirs = self.peer.expectRequest(b"INVITE")
        asked.answer(theirs, 200, answer)
        self.peer.expectRequest(b"ACK")
        accepted = self.peer.expectResponse(200)
        asking.acknowledge()
        self.peer.expectNothing()
        return theirs, accepted


class ReinviteTests(ChangeTestCase):
    """
    RFC 3261 section 14.
    """

    def test_hold(self) -> None:
        """
        Either side may put the other on hold and come back, with one answer to
        one offer on each leg, and the events say who holds.
        """
        for asking, asked in ((self.alice, self.bob), (self.bob, self.alice)):
            self.before = len(self.sink.events)
            theirs, accepted = self.reinvite(
                asking,
                asked,
                sdp("x", 4000, "sendonly"),
                sdp("y", 5000, "recvonly"),
            )
            self.assertIn(b"a=sendonly", theirs.body)
            self.assertIn(b"a=recvonly", accepted.body)
            self.assertEqual(self.news(), [("Held", asking.number)])
            self.reinvite(asking, asked, sdp("x"), sdp("y", 5000))
            self.assertEqual(
                self.news(), [("Held", asking.number), ("Retrieved", asking.number)]
            )
        self.hangUp()

    def test_codecChange(self) -> None:
        """
        Another codec is another session version on both legs, and no hold.
        """
        other = sdp("alice").replace(b"RTP/AVP 8", b"RTP/AVP 0")
        theirs, _ = self.reinvite(self.alice, self.bob, other, sdp("bob", 5002))
        self.assertIn(b"RTP/AVP 0", theirs.body)
        self.assertEqual(self.news(), [("Updated", "1001")])
        self.hangUp()

    def test_versionsOnlyGrow(self) -> None:
        """
        The origin line that a far end sees has one session id, and a version
        that grows when the session changes and only then.
        """
        origins = []
        for port in (4000, 4000, 4002):
            theirs, _ = self.reinvite(self.alice, self.bob, sdp("a", port), sdp("bob"))
            line = next(x for x in theirs.body.split(b"\r\n") if x[:2] == b"o=")
            origins.append(line.split()[1:3])
        self.assertEqual(len({session for session, _ in origins}), 1)
        self.assertEqual([version for _, version in origins], [b"1", b"1", b"2"])
        self.hangUp()

    def test_lateOffer(self) -> None:
        """
        A re-INVITE without SDP goes through without SDP: the offer comes in the
        200, the answer in the ACK.
        """
        self.alice.within(b"INVITE")
        theirs = self.peer.expectRequest(b"INVITE")
        self.assertEqual(theirs.body, b"")
        self.bob.answer(theirs, 200, sdp("bob", 5000))
        acks = self.peer.count(b"ACK")
        self.assertIn(b"m=audio 5000", self.peer.expectResponse(200).body)
        self.assertEqual(self.peer.count(b"ACK"), acks)
        self.alice.acknowledge(sdp("alice", 4002, "sendonly"))
        self.assertIn(b"m=audio 4002", self.peer.expectRequest(b"ACK").body)
        self.assertEqual(self.news()[-1], ("Held", "1001"))
        self.hangUp()

    def test_refused(self) -> None:
        """
        A refused change is told to who asked; the call goes on as it was.
        """
        self.alice.within(b"INVITE", body=sdp("alice", 4002))
        self.bob.refuse(self.peer.expectRequest(b"INVITE"), 488)
        self.peer.expectRequest(b"ACK")
        self.peer.expectResponse(488)
        self.assertEqual(self.news(), [])
        self.reinvite(self.alice, self.bob, sdp(), sdp())
        self.hangUp()

    def test_targetRefresh(self) -> None:
        """
        A re-INVITE with a new Contact moves the remote target of that side.
        """
        self.alice.source = "198.51.100.77"
        self.reinvite(self.alice, self.bob, sdp(), sdp())
        self.bob.source = "198.51.100.78"
        self.reinvite(self.alice, self.bob, sdp(), sdp())
        self.alice.within(b"BYE")
        bye = self.peer.expectRequest(b"BYE")
        self.assertEqual(bye.uri, b"sip:1002@198.51.100.78")
        self.peer.respond(bye, 200)
        self.assertNoCall()

    def test_gone(self) -> None:
        """
        A far end that does not know the dialog any more ends the call.
        """
        for status in (481, 408):
            self.alice.within(b"INVITE", body=sdp())
            self.bob.refuse(self.peer.expectRequest(b"INVITE"), status)
            self.peer.expectRequest(b"ACK")
            self.peer.expectResponse(480)
            for _ in range(2):
                self.peer.respond(self.peer.expectRequest(b"BYE"), 481)
            self.assertNoCall()
            self.peer.inbox.clear()
            if status == 481:
                self.alice.dialog = self.bob.dialog = None
                self.established()

    def test_notAnswered(self) -> None:
        """
        A far end that does not answer a re-INVITE at all is lost, and with it
        the call.
        """
        self.alice.within(b"INVITE", body=sdp())
        self.run_(64)
        self.assertEqual(self.peer.count(480), 1 + self.repeats(480))
        self.run_(64)
        self.assertNoCall()

    def repeats(self, status: int) -> int:
        """
        How often a response was repeated.
        """
        return self.peer.count(status) - 1

    def test_thoughtAboutForEver(self) -> None:
        """
        A re-INVITE that gets provisional answers only is given up after timer C,
        so that the session can be changed again.
        """
        self.alice.within(b"INVITE", body=sdp("alice", 4002))
        theirs = self.peer.expectRequest(b"INVITE")
        self.peer.respond(theirs, 100)
        self.run_(180)
        self.peer.respond(self.peer.expectRequest(b"CANCEL"), 200)
        self.bob.refuse(theirs, 487)
        self.peer.expectRequest(b"ACK")
        self.peer.expectResponse(100)
        self.peer.expectResponse(487)
        self.reinvite(self.alice, self.bob, sdp(), sdp())
        self.hangUp()

    def test_cancelled(self) -> None:
        """
        A re-INVITE that is cancelled is cancelled on the other leg, and the call
        goes on.
        """
        invite = self.alice.within(b"INVITE", body=sdp("alice", 4002))
        theirs = self.peer.expectRequest(b"INVITE")
        self.peer.respond(theirs, 100)
        self.alice.cancel(invite)
        self.peer.expectResponse(487)
        self.peer.expectResponse(200)
        self.peer.respond(self.peer.expectRequest(b"CANCEL"), 200)
        self.bob.refuse(theirs, 487)
        self.peer.expectRequest(b"ACK")
        self.reinvite(self.alice, self.bob, sdp(), sdp())
        self.hangUp()

    def test_cancelledTooLate(self) -> None:
        """
        When the other side accepts what was taken back, it is asked to return
        to what was.
        """
        invite = self.alice.within(b"INVITE", body=sdp("alice", 4002))
        theirs = self.peer.expectRequest(b"INVITE")
        self.peer.respond(theirs, 100)
        self.alice.cancel(invite)
        self.peer.expectResponse(487)
        self.peer.expectResponse(200)
        self.peer.respond(self.peer.expectRequest(b"CANCEL"), 200)
        self.bob.answer(theirs, 200, sdp("bob", 5002))
        self.peer.expectRequest(b"ACK")
        again = self.peer.expectRequest(b"INVITE")
        self.assertIn(b"m=audio 4000", again.body)
        self.bob.answer(again, 200, sdp("bob", 5000))
        self.peer.expectRequest(b"ACK")
        self.peer.expectNothing()
        self.hangUp()

    def test_byeMeanwhile(self) -> None:
        """
        A BYE while a re-INVITE is under way ends both.
        """
        self.alice.within(b"INVITE", body=sdp("alice", 4002))
        theirs = self.peer.expectRequest(b"INVITE")
        self.bob.within(b"BYE")
        self.peer.expectResponse(200)
        self.peer.expectResponse(487)
        self.peer.respond(self.peer.expectRequest(b"BYE"), 200)
        self.bob.refuse(theirs, 487)
        self.peer.expectRequest(b"ACK")
        self.assertNoCall()

    def test_acceptedAfterBye(self) -> None:
        """
        A re-INVITE that is accepted when its call has ended is acknowledged.
        """
        self.alice.within(b"INVITE", body=sdp("alice", 4002))
        theirs = self.peer.expectRequest(b"INVITE")
        self.alice.within(b"BYE")
        self.peer.expectResponse(200)
        self.bob.answer(theirs, 200, sdp("bob"))
        self.peer.expectRequest(b"ACK")
        self.peer.respond(self.peer.expectRequest(b"BYE"), 200)
        self.peer.expectResponse(487)
        self.assertNoCall()


class GlareTests(ChangeTestCase):
    """
    Both sides want something at once.
    """

    def test_reinvitesCross(self) -> None:
        """
        A re-INVITE that meets one of the other side is answered 491, on each
        leg, and works when it is tried again.
        """
        self.alice.within(b"INVITE", body=sdp("alice", 4002))
        theirs = self.peer.expectRequest(b"INVITE")
        mine = self.bob.within(b"INVITE", body=sdp("bob", 5002))
        refused = self.peer.expectResponse(491, mine)
        self.bob.acknowledgeRefusal(refused, mine)
        self.bob.refuse(theirs, 491)
        self.peer.expectRequest(b"ACK")
        self.peer.expectResponse(491)
        self.assertEqual(self.counters["glare"], 1)
        self.reinvite(self.bob, self.alice, sdp("bob", 5002), sdp("alice"))
        self.hangUp()

    def test_bothAskAtTheSameInstant(self) -> None:
        """
        Two re-INVITEs that are both taken before either is passed on: each
        side is told 491.
        """
        one = self.alice.within(b"INVITE", body=sdp("alice", 4002))
        other = self.bob.within(b"INVITE", body=sdp("bob", 5002))
        self.peer.expectResponse(491, other)
        theirs = self.peer.expectRequest(b"INVITE")
        self.bob.answer(theirs, 200, sdp("bob"))
        self.peer.expectRequest(b"ACK")
        self.peer.expectResponse(200, one)
        self.alice.acknowledge()
        self.hangUp()

    def test_secondOfTheSameSide(self) -> None:
        """
        A second re-INVITE before the first is answered is told to come later.
        """
        self.alice.within(b"INVITE", body=sdp("alice", 4002))
        theirs = self.peer.expectRequest(b"INVITE")
        second = self.alice.within(b"INVITE", body=sdp("alice", 4004))
        refused = self.peer.expectResponse(500, second)
        after = int(refused.headers.first(b"Retry-After") or b"-1")
        self.assertTrue(0 <= after <= 10)
        self.bob.answer(theirs, 200, sdp("bob"))
        self.peer.expectRequest(b"ACK")
        self.peer.expectResponse(200)
        self.alice.acknowledge(number=2)
        self.hangUp()

    def test_updateMeetsReinvite(self) -> None:
        """
        An UPDATE that meets a re-INVITE of the other side is answered 491, one
        of the same side 500.
        """
        self.alice.within(b"INVITE", body=sdp("alice", 4002))
        theirs = self.peer.expectRequest(b"INVITE")
        self.peer.expectResponse(491, self.bob.within(b"UPDATE", body=sdp()))
        self.peer.expectResponse(500, self.alice.within(b"UPDATE", body=sdp()))
        self.bob.answer(theirs, 200, sdp("bob"))
        self.peer.expectRequest(b"ACK")
        self.peer.expectResponse(200)
        self.alice.acknowledge(number=3)
        self.hangUp()

    def test_beforeTheAcknowledgement(self) -> None:
        """
        A re-INVITE of the called side while the caller has not acknowledged the
        200 yet meets 491.
        """
        self.hangUp()
        self.alice.dialog = self.bob.dialog = None
        invite = self.ringing()
        self.bob.answer(invite, 200, sdp("bob"))
        self.peer.expectRequest(b"ACK")
        self.alice.accepted(self.peer.expectResponse(200))
        mine = self.bob.within(b"INVITE", body=sdp("bob", 5002))
        self.peer.expectResponse(491, mine)
        self.alice.acknowledge()
        self.hangUp()

    def test_acknowledgementLostBeforeReinvite(self) -> None:
        """
        A re-INVITE shows that the caller has seen our 200, even if its ACK was
        lost (RFC 5407 section 3.1.4).
        """
        self.hangUp()
        self.alice.dialog = self.bob.dialog = None
        invite = self.ringing()
        self.bob.answer(invite, 200, sdp("bob"))
        self.peer.expectRequest(b"ACK")
        self.alice.accepted(self.peer.expectResponse(200))
        self.reinvite(self.alice, self.bob, sdp("alice", 4002), sdp("bob"))
        self.run_(40)
        self.peer.expectNothing()
        self.hangUp()

    def test_reinviteBeforeLateAnswer(self) -> None:
        """
        A re-INVITE that comes before the ACK with the answer to our offer is
        answered 491.
        """
        self.hangUp()
        self.alice.dialog = self.bob.dialog = None
        self.alice.request(b"INVITE", "1002")
        self.bob.answer(self.peer.expectRequest(b"INVITE"), 200, sdp("bob"))
        self.alice.accepted(self.peer.expectResponse(200))
        early = self.alice.within(b"INVITE", body=sdp())
        self.peer.expectResponse(491, early)
        self.alice.acknowledge(sdp("alice"), number=1)
        self.peer.expectRequest(b"ACK")
        self.hangUp()


class UpdateTests(ChangeTestCase):
    """
    RFC 3311 and session refresh (RFC 4028).
    """

    def test_passedOn(self) -> None:
        """
        An UPDATE with SDP goes through, and its answer comes back.
        """
        mine = self.alice.within(b"UPDATE", body=sdp("alice", 4002, "inactive"))
        theirs = self.peer.expectRequest(b"UPDATE")
        self.assertIn(b"m=audio 4002", theirs.body)
        self.peer.respond(
            theirs, 200, fields=[self.bob.contact], body=sdp("bob", 5002, "inactive")
        )
        answer = self.peer.expectResponse(200, mine)
        self.assertIn(b"m=audio 5002", answer.body)
        self.assertEqual(self.news(), [("Held", "1001")])
        self.hangUp()

    def test_refresh(self) -> None:
        """
        A refresh without SDP is between the far end and the node, and so is one by a
        re-INVITE that says nothing new.
        """
        fields = [
            (b"Session-Expires", b"1800;refresher=uac"),
            (b"Supported", b"timer"),
        ]
        for mine in (
            self.bob.within(b"UPDATE", fields),
            self.bob.within(b"INVITE", fields, sdp("bob")),
        ):
            answer = self.peer.expectResponse(200, mine)
            self.assertEqual(answer.headers.first(b"Require"), b"timer")
            self.assertEqual(answer.headers.first(b"Session-Expires"), fields[0][1])
        self.assertIn(b" 1 IN IP4 192.0.2.21", answer.body)
        self.bob.acknowledge()
        self.peer.expectNothing()
        self.assertEqual(self.news(), [])
        self.hangUp()

    def test_refreshByReinvite(self) -> None:
        """
        A re-INVITE with the same SDP is passed on with the same version.
        """
        for _ in range(2):
            theirs, _ = self.reinvite(self.alice, self.bob, sdp(), sdp("bob"))
            self.assertIn(b" 1 IN IP4", theirs.body)
        self.hangUp()

    def test_farEndWithoutUpdate(self) -> None:
        """
        A refresh towards a far end that takes no UPDATE is answered for it; a
        change becomes a re-INVITE there.
        """
        theirs, _ = self.reinviteAllowing(b"INVITE, ACK, BYE, CANCEL")
        mine = self.alice.within(b"UPDATE")
        self.peer.expectResponse(200, mine)
        mine = self.alice.within(b"UPDATE", body=sdp("alice", 4002))
        theirs = self.peer.expectRequest(b"INVITE")
        self.bob.answer(theirs, 200, sdp("bob", 5002))
        self.peer.expectRequest(b"ACK")
        self.assertIn(b"m=audio 5002", self.peer.expectResponse(200, mine).body)
        self.hangUp()

    def reinviteAllowing(self, allow: bytes) -> tuple[Request, Response]:
        """
        A re-INVITE by which the called side says what it takes.
        """
        self.alice.within(b"INVITE", body=sdp())
        theirs = self.peer.expectRequest(b"INVITE")
        self.bob.answer(theirs, 200, sdp("bob"), fields=[(b"Allow", allow)])
        self.peer.expectRequest(b"ACK")
        accepted = self.peer.expectResponse(200)
        self.alice.acknowledge()
        return theirs, accepted

    def test_allowIsThatOfTheOtherSide(self) -> None:
        """
        What we allow is what the other far end takes, and REFER, which we see to.
        """
        _, accepted = self.reinviteAllowing(b"INVITE, ACK, BYE, SUBSCRIBE")
        self.assertEqual(accepted.headers.first(b"Allow"), b"INVITE, ACK, BYE, REFER")
        self.hangUp()

    def test_unanswered(self) -> None:
        """
        A far end that does not answer an UPDATE is lost.
        """
        self.alice.within(b"UPDATE", body=sdp())
        self.run_(130)
        self.assertNoCall()

    def test_early(self) -> None:
        """
        Before the answer, an UPDATE may move the remote target; an offer in it
        has to wait.
        """
        self.hangUp()
        self.alice.dialog = self.bob.dialog = None
        invite = self.ringing()
        early = [
            m
            for _, m in self.peer.received
            if isinstance(m, Response) and m.status == 180
        ]
        self.alice.accepted(early[-1])
        self.peer.expectResponse(500, self.alice.within(b"UPDATE", body=sdp()))
        self.peer.expectResponse(200, self.alice.within(b"UPDATE"))
        self.peer.expectResponse(200, self.bob.within(b"UPDATE"))
        bad = self.bob.within(b"UPDATE", [(b"Contact", b"<sip:[1002>")], contact=False)
        self.peer.expectResponse(400, bad)
        glare = self.bob.within(b"INVITE", body=sdp())
        self.peer.expectResponse(491, glare)
        soon = self.alice.within(b"INVITE", body=sdp())
        self.peer.expectResponse(500, soon)
        self.bob.refuse(invite, 486)
        self.peer.expectRequest(b"ACK")
        self.peer.expectResponse(486)


class RelayTests(ChangeTestCase):
    """
    INFO and MESSAGE inside the dialog.
    """

    def test_info(self) -> None:
        """
        An INFO goes through with body and type, and so does its answer.
        """
        mine = self.alice.within(
            b"INFO", body=b"Signal=5\r\n", contentType=b"application/dtmf-relay"
        )
        theirs = self.peer.expectRequest(b"INFO")
        self.assertEqual(theirs.body, b"Signal=5\r\n")
        self.assertEqual(theirs.contentType, b"application/dtmf-relay")
        self.peer.respond(theirs, 200)
        self.peer.expectResponse(200, mine)
        self.hangUp()

    def test_message(self) -> None:
        """
        A MESSAGE goes through in the other direction; a refusal comes back.
        """
        mine = self.bob.within(b"MESSAGE", body=b"hello", contentType=b"text/plain")
        theirs = self.peer.expectRequest(b"MESSAGE")
        self.assertEqual(theirs.body, b"hello")
        self.peer.respond(theirs, 415, fields=[(b"Accept", b"text/html")])
        answer = self.peer.expectResponse(415, mine)
        self.assertEqual(answer.headers.first(b"Accept"), b"text/html")
        self.hangUp()

    def test_tooMany(self) -> None:
        """
        More than the bound may not wait; those that wait when the call ends are
        answered.
        """
        for _ in range(8):
            self.alice.within(b"INFO")
        self.peer.expectResponse(500, self.alice.within(b"INFO"))
        self.pump()
        self.assertEqual(self.peer.count(b"INFO"), 8)
        self.peer.inbox.clear()
        bye = self.alice.within(b"BYE")
        self.peer.expectResponse(200, bye)
        self.assertEqual(self.peer.count(480), 8)
        self.peer.respond(self.peer.expectRequest(b"BYE"), 200)
        self.assertNoCall()

    def test_gone(self) -> None:
        """
        A far end that answers an INFO with 481 is gone; one that does not
        answer an INFO may still be there.
        """
        self.alice.within(b"INFO")
        self.run_(70)  # its sender has given up long ago
        self.assertEqual(self.node.status()["calls"], 1)
        self.peer.inbox.clear()
        mine = self.alice.within(b"INFO")
        self.peer.respond(self.peer.expectRequest(b"INFO"), 481)
        self.peer.expectResponse(480, mine)
        for _ in range(2):
            self.peer.respond(self.peer.expectRequest(b"BYE"), 200)
        self.assertNoCall()

    def test_early(self) -> None:
        """
        While it rings, an INFO goes through once both sides have a dialog.
        """
        self.hangUp()
        self.alice.dialog = self.bob.dialog = None
        self.alice.request(b"INVITE", "1002", body=sdp())
        invite = self.peer.expectRequest(b"INVITE")
        self.bob.answer(invite, 180)
        self.alice.accepted(self.peer.expectResponse(180))
        mine = self.bob.within(b"INFO")
        self.peer.respond(self.peer.expectRequest(b"INFO"), 200)
        self.peer.expectResponse(200, mine)
        mine = self.alice.within(b"INFO")
        self.peer.respond(self.peer.expectRequest(b"INFO"), 200)
        self.peer.expectResponse(200, mine)
        self.bob.refuse(invite, 486)
        self.peer.expectRequest(b"ACK")
        self.peer.expectResponse(486)

    def test_options(self) -> None:
        """
        OPTIONS inside the dialog is answered by the node.
        """
        self.peer.expectResponse(200, self.alice.within(b"OPTIONS"))
        self.hangUp()

    def test_notServed(self) -> None:
        """
        Methods that are not served inside a dialog are told so, with Allow;
        unknown extensions too.
        """
        for method, status in (
            (b"NOTIFY", 489),
            (b"SUBSCRIBE", 489),
            (b"DANCE", 501),
        ):
            response = self.peer.expectResponse(status, self.alice.within(method))
            self.assertIn(b"INVITE", response.headers.first(b"Allow") or b"")
        refused = self.peer.expectResponse(
            420, self.alice.within(b"UPDATE", [(b"Require", b"foo, timer")])
        )
        self.assertEqual(refused.headers.first(b"Unsupported"), b"foo")
        self.peer.expectResponse(
            415,
            self.alice.within(b"INVITE", body=b"hello", contentType=b"text/plain"),
        )
        self.hangUp()

    def test_outOfOrder(self) -> None:
        """
        A request with a lower CSeq than one before is answered 500 (RFC 3261
        section 12.2.2).
        """
        kept = self.alice.dialog
        self.alice.within(b"OPTIONS")
        self.alice.within(b"OPTIONS")
        after, self.alice.dialog = self.alice.dialog, kept
        self.peer.expectResponse(500, self.alice.within(b"INFO"))
        self.alice.dialog = after
        self.peer.inbox.clear()
        self.assertEqual(self.counters["outOfOrder"], 1)
        self.hangUp()

    def test_unknownDialog(self) -> None:
        """
        A request for a dialog that is not there is answered 481, whatever its
        method.
        """
        dialog = self.alice.dialog
        self.hangUp()
        self.alice.dialog = dialog
        for method in (b"INVITE", b"BYE", b"INFO", b"UPDATE", b"NOTIFY"):
            request = self.alice.within(method)
            self.alice.acknowledgeRefusal(
                self.peer.expectResponse(481, request), request
            )
        self.assertEqual(self.counters["unknownDialogs"], 5)
