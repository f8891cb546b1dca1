"""
Two-party calls through a node: how they are made and how they fail.
"""

from __future__ import annotations

from attrs import evolve

from sipcluster.sessioncontroller.events import Failed, Released
from sipcluster.sip.message import Response
from sipcluster.testing.sip_peer import sdp
from tests.memory.nodes import DOMAIN, NODE, PROXY1, TRUNK, NodeTestCase


class BasicCallTests(NodeTestCase):
    """
    A call is made, answered and ended.
    """

    def test_calledSide(self) -> None:
        """
        The INVITE to the called DN comes from the caller's number in our domain,
        names the node and not its address, and is a call of its own.
        """
        self.alice.request(b"INVITE", "1002", body=sdp())
        invite = self.peer.expectRequest(b"INVITE")
        assert self.alice.invite is not None
        self.assertEqual(invite.uri, b"sip:1002@lab.example")
        self.assertEqual(invite.fromAddress.uri.render(), b"sip:1001@lab.example")
        self.assertEqual(invite.toAddress.uri.render(), b"sip:1002@lab.example")
        self.assertEqual(invite.headers.all(b"Route"), [b"<sip:192.0.2.11:5060;lr>"])
        self.assertEqual(invite.via.sentBy, b"node1.lab.example")
        (contact,) = invite.contacts
        self.assertTrue(contact.uri.render().endswith(b"@node1.lab.example"))
        self.assertNotEqual(invite.callID, self.alice.invite.callID)
        self.assertEqual(invite.maxForwards, 68)
        self.assertEqual(len(invite.sessionID), 32)
        self.bob.refuse(invite, 486)
        self.peer.expectRequest(b"ACK")
        self.assertRefused(486)

    def test_answeredAndEnded(self) -> None:
        """
        A call is offered, rings, is answered, acknowledged and ended by the
        caller; each side sees a complete dialog.
        """
        self.established()
        self.assertEqual(self.node.status()["calls"], 1)
        self.assertEqual(self.node.status()["dialogs"], 2)
        self.hangUp(self.alice)

    def test_endedByCalled(self) -> None:
        """
        The called side ends a call, too.
        """
        self.established()
        self.hangUp(self.bob)

    def test_events(self) -> None:
        """
        Events tell what happened to each DN, in a legal order, with the same
        ConnID and CallUUID, which is the Session-ID on both sides.
        """
        self.established()
        (call,) = self.node.calls()
        self.hangUp()
        self.assertEqual(
            [(type(e).__name__, e.party.thisDN) for e in self.sink.events],
            [
                ("Offered", "1001"),
                ("Alerting", "1002"),
                ("Progressed", "1002"),
                ("Answered", "1002"),
                ("Answered", "1001"),
                ("Released", "1001"),
                ("Released", "1002"),
            ],
        )
        parties = [event.party for event in self.sink.events]
        self.assertEqual({party.connID for party in parties}, {call["connID"]})
        self.assertEqual({party.callUUID for party in parties}, {call["callUUID"]})
        self.assertRegex(parties[0].connID, "^[0-9a-f]{16}$")
        self.assertRegex(parties[0].callUUID, "^[0-9a-f]{32}$")
        self.assertEqual({(p.ani, p.dnis) for p in parties}, {("1001", "1002")})
        sessions = {
            message.sessionID.decode()
            for _, message in self.peer.received
            if message.callID
            and message.cseq.method in (b"INVITE", b"BYE", b"ACK")
            and not (isinstance(message, Response) and message.status in (100, 401))
        }
        self.assertEqual(sessions, {call["callUUID"]})

    def test_sessionDescriptionsGoThrough(self) -> None:
        """
        Each side gets the other's SDP, with an origin that is this leg's own.
        """
        self.alice.request(b"INVITE", "1002", body=sdp("alice", 4000))
        invite = self.peer.expectRequest(b"INVITE")
        self.assertIn(b"m=audio 4000 RTP/AVP 8", invite.body)
        self.assertNotIn(b"alice", invite.body)
        self.assertIn(b" IN IP4 %b\r\n" % NODE.encode(), invite.body)
        self.bob.answer(invite, 200, sdp("bob", 5000))
        self.peer.expectRequest(b"ACK")
        answer = self.alice.accepted(self.peer.expectResponse(200))
        self.assertIn(b"m=audio 5000 RTP/AVP 8", answer.body)
        self.assertNotIn(b"bob", answer.body)
        self.alice.acknowledge()
        self.hangUp()

    def test_lateOffer(self) -> None:
        """
        An INVITE without SDP makes the called side offer in its 2xx; the answer
        in the ACK is passed on in the ACK.
        """
        self.alice.request(b"INVITE", "1002")
        invite = self.peer.expectRequest(b"INVITE")
        self.assertEqual(invite.body, b"")
        self.bob.answer(invite, 200, sdp("bob", 5000))
        self.assertEqual(self.peer.count(b"ACK"), 0)
        offer = self.alice.accepted(self.peer.expectResponse(200))
        self.assertIn(b"m=audio 5000", offer.body)
        self.alice.acknowledge(sdp("alice", 4000))
        ack = self.peer.expectRequest(b"ACK")
        self.assertIn(b"m=audio 4000", ack.body)
        self.assertEqual(ack.cseq.number, invite.cseq.number)
        self.hangUp()

    def test_displayNameNeedsQuotes(self) -> None:
        """
        The caller's display name goes along, quoted.
        """
        request = self.alice.build(b"INVITE", "1002", body=sdp())
        self.alice.peer.send(request)
        self.alice.challenged(self.peer.expectResponse(401), request)
        request = self.alice.build(b"INVITE", "1002", body=sdp())
        named = b'"Alice \\"A\\" Smith, Esq." <sip:1001@lab.example>;tag=1'
        request = request.replacing(headers=request.headers.replace(b"From", named))
        self.alice.invite = request
        self.peer.send(request)
        invite = self.peer.expectRequest(b"INVITE")
        self.assertEqual(invite.fromAddress.display, b'Alice "A" Smith, Esq.')
        self.bob.refuse(invite, 486)
        self.peer.expectRequest(b"ACK")
        self.assertRefused(486)

    def test_manyViasInOneLine(self) -> None:
        """
        A request with all its Vias in one field is served.
        """
        self.alice.request(b"INVITE", "1003")  # for the challenge
        self.carol.refuse(self.peer.expectRequest(b"INVITE"), 486)
        self.peer.expectRequest(b"ACK")
        self.assertRefused(486)
        request = self.alice.build(b"INVITE", "1002", body=sdp())
        joined = b", ".join(request.headers.all(b"Via"))
        request = request.replacing(headers=request.headers.replace(b"Via", joined))
        self.alice.invite = request
        self.peer.send(request)
        self.bob.answer(self.peer.expectRequest(b"INVITE"), 200, sdp())
        self.peer.expectRequest(b"ACK")
        self.alice.accepted(self.peer.expectResponse(200))
        self.alice.acknowledge()
        self.hangUp()


class SecureTests(NodeTestCase):
    """
    Calls to SIPS URIs.
    """

    def test_allHopsAreSecure(self) -> None:
        """
        A call to a SIPS URI is one on both legs: Request-URI, From, To and
        Contact (RFC 3261 section 12.1.1, 26.2.2).
        """
        self.alice.request(b"REGISTER")
        self.peer.expectResponse(200)
        request = self.alice.build(b"INVITE", body=sdp(), uri=b"sips:1002@lab.example")
        self.alice.invite = request
        self.peer.send(request)
        invite = self.peer.expectRequest(b"INVITE")
        self.assertEqual(invite.uri, b"sips:1002@lab.example")
        self.assertEqual(invite.fromAddress.uri.render(), b"sips:1001@lab.example")
        self.assertEqual(invite.toAddress.uri.render(), b"sips:1002@lab.example")
        self.assertTrue(invite.contacts[0].uri.secure)
        self.bob.answer(invite, 200, sdp("bob"))
        self.peer.expectRequest(b"ACK")
        answer = self.alice.accepted(self.peer.expectResponse(200))
        self.assertTrue(answer.contacts[0].uri.secure)
        self.alice.acknowledge()
        self.hangUp()


class ProvisionalTests(NodeTestCase):
    """
    What happens before a call is answered.
    """

    def test_provisionalsArePassedOn(self) -> None:
        """
        180, 181, 182 and 183 go through; 100 does not.
        """
        self.alice.request(b"INVITE", "1002", body=sdp())
        invite = self.peer.expectRequest(b"INVITE")
        self.peer.respond(invite, 100)
        self.peer.expectNothing()
        for status in (180, 181, 182, 183):
            self.bob.answer(invite, status)
            self.peer.expectResponse(status)
        self.bob.refuse(invite, 486)
        self.peer.expectRequest(b"ACK")
        self.assertRefused(486)

    def test_trying(self) -> None:
        """
        When the called side says nothing for 200 ms the caller gets a 100.
        """
        self.alice.request(b"INVITE", "1002", body=sdp())
        invite = self.peer.expectRequest(b"INVITE")
        self.peer.expectNothing()
        self.run_(0.2)
        self.peer.expectResponse(100)
        self.bob.refuse(invite, 486)
        self.peer.expectRequest(b"ACK")
        self.assertRefused(486)

    def test_earlyMedia(self) -> None:
        """
        The SDP of a 183 reaches the caller, and that of the 200 of the same
        device too, with a version that has not changed with the same SDP.
        """
        self.alice.request(b"INVITE", "1002", body=sdp())
        invite = self.peer.expectRequest(b"INVITE")
        self.bob.answer(invite, 183, sdp("bob", 5000))
        early = self.peer.expectResponse(183)
        self.assertIn(b"m=audio 5000", early.body)
        self.bob.answer(invite, 200, sdp("bob", 5000))
        self.peer.expectRequest(b"ACK")
        final = self.alice.accepted(self.peer.expectResponse(200))
        self.assertEqual(final.body, early.body)
        self.assertEqual(final.toTag, early.toTag)
        self.alice.acknowledge()
        self.hangUp()

    def test_answerOnlyInProvisional(self) -> None:
        """
        A device that does not repeat its SDP in the 200 is served: the caller
        gets it in the 200.
        """
        self.alice.request(b"INVITE", "1002", body=sdp())
        invite = self.peer.expectRequest(b"INVITE")
        self.bob.answer(invite, 183, sdp("bob", 5000))
        self.peer.expectResponse(183)
        self.bob.answer(invite, 200)
        self.peer.expectRequest(b"ACK")
        final = self.alice.accepted(self.peer.expectResponse(200))
        self.assertIn(b"m=audio 5000", final.body)
        self.alice.acknowledge()
        self.hangUp()

    def test_earlyDialogTerminated(self) -> None:
        """
        A 199 about one fork is not the caller's business.
        """
        invite = self.ringing()
        self.bob.answer(invite, 199)
        self.peer.expectNothing()
        self.bob.refuse(invite, 486)
        self.peer.expectRequest(b"ACK")
        self.assertRefused(486)


class ForkTests(NodeTestCase):
    """
    The called DN has several devices, and the SIP Proxy forks.
    """

    def setUp(self) -> None:
        super().setUp()
        self.desk = self.phone("1002", "198.51.100.4")

    def test_firstAnswerWins(self) -> None:
        """
        Of two devices that answer, the first one is connected; the other is
        acknowledged and hung up on at once.
        """
        invite = self.ringing()
        self.desk.answer(invite, 180)
        self.pump()
        self.assertEqual(self.peer.count(180), 2)
        self.bob.answer(invite, 200, sdp("bob", 5000))
        self.peer.expectRequest(b"ACK")
        final = self.alice.accepted(self.peer.expectResponse(200))
        self.assertIn(b"m=audio 5000", final.body)
        self.desk.answer(invite, 200, sdp("desk", 6000))
        ack = self.peer.expectRequest(b"ACK")
        bye = self.peer.expectRequest(b"BYE")
        assert self.desk.dialog is not None
        self.assertEqual(ack.toTag, self.desk.dialog.localTag)
        self.assertEqual(bye.toTag, self.desk.dialog.localTag)
        self.peer.respond(bye, 200)
        self.peer.expectNothing()
        self.assertEqual(self.counters["forksDeclined"], 1)
        self.alice.acknowledge()
        self.hangUp()

    def test_secondAnswerAfterTheEnd(self) -> None:
        """
        A device that answers when the call is over already is hung up on, too.
        """
        invite = self.ringing()
        self.bob.answer(invite, 200, sdp("bob"))
        self.peer.expectRequest(b"ACK")
        self.alice.accepted(self.peer.expectResponse(200))
        self.alice.acknowledge()
        self.hangUp()
        self.desk.answer(invite, 200, sdp("desk", 6000))
        self.peer.expectRequest(b"ACK")
        self.peer.respond(self.peer.expectRequest(b"BYE"), 200)
        self.peer.expectNothing()

    def test_firstMediaWins(self) -> None:
        """
        The caller hears the early media of the first device that has some;
        another device that answers gets a dialog of its own with the caller,
        since one dialog has one answer (RFC 3261 section 13.2.1).
        """
        self.alice.request(b"INVITE", "1002", body=sdp())
        invite = self.peer.expectRequest(b"INVITE")
        self.bob.answer(invite, 183, sdp("bob", 5000))
        early = self.peer.expectResponse(183)
        self.desk.answer(invite, 183, sdp("desk", 6000))
        self.peer.expectNothing()
        self.desk.answer(invite, 180, sdp("desk", 6000))
        self.assertEqual(self.peer.expectResponse(180).body, b"")
        self.desk.answer(invite, 200, sdp("desk", 6000))
        self.peer.expectRequest(b"ACK")
        final = self.alice.accepted(self.peer.expectResponse(200))
        self.assertIn(b"m=audio 6000", final.body)
        self.assertNotEqual(final.toTag, early.toTag)
        self.alice.acknowledge()
        self.hangUp(self.alice)

    def test_manyForks(self) -> None:
        """
        Devices beyond the bound ring unheard, and can answer all the same.
        """
        invite = self.ringing()
        for _ in range(11):
            self.phone("1002", "198.51.100.5").answer(invite, 180)
        self.pump()
        self.assertEqual(self.peer.count(180), 12)
        late = self.phone("1002", "198.51.100.6")
        late.answer(invite, 180)
        self.pump()
        self.assertEqual(self.peer.count(180), 12)
        self.assertEqual(self.counters["forksIgnored"], 1)
        late.answer(invite, 200, sdp("late"))
        self.peer.expectRequest(b"ACK")
        self.alice.accepted(self.peer.expectResponse(200))
        self.alice.acknowledge()
        self.hangUp()


class RefusalTests(NodeTestCase):
    """
    Calls that are not answered.
    """

    def test_refusals(self) -> None:
        """
        A refusal is passed on, or translated where it would be misread, and
        tells the event sinks why.
        """
        for status, told, cause in (
            (486, 486, "Busy"),
            (600, 600, "Busy"),
            (603, 603, "Rejected"),
            (480, 480, "Unreachable"),
            (404, 404, "SitInvalidnum"),
            (488, 488, "GeneralError"),
            (401, 403, "GeneralError"),
            (407, 403, "GeneralError"),
            (500, 500, "GeneralError"),
        ):
            self.alice.request(b"INVITE", "1002", body=sdp())
            self.bob.refuse(self.peer.expectRequest(b"INVITE"), status)
            self.peer.expectRequest(b"ACK")
            self.assertRefused(told)
            self.assertNoCall()
            failed = [e for e in self.sink.events if isinstance(e, Failed)][-1]
            self.assertEqual(
                (failed.party.thisDN, failed.status, failed.cause.value),
                ("1001", told, cause),
            )
            self.assertEqual(self.sink.of("1002")[-1], "Released")
            self.assertEqual(self.sink.of("1001")[-2:], ["Failed", "Released"])

    def test_noAnswer(self) -> None:
        """
        A phone that rings too long is given up, and the caller told 480.
        """
        invite = self.ringing()
        self.run_(120)
        cancel = self.peer.expectRequest(b"CANCEL")
        self.peer.respond(cancel, 200)
        self.peer.expectResponse(480)
        self.bob.refuse(invite, 487)
        self.peer.expectRequest(b"ACK")
        self.assertNoCall()
        self.assertEqual(self.released("1002"), "NoAnswer")

    def released(self, dn: str) -> str:
        """
        Why a DN was released.
        """
        (event,) = [
            e
            for e in self.sink.events
            if isinstance(e, Released) and e.party.thisDN == dn
        ]
        return event.cause.value

    def test_notAnsweredAtAll(self) -> None:
        """
        When no SIP Proxy answers, all have been tried, and the caller is told
        408.
        """
        self.alice.request(b"INVITE", "1002", body=sdp())
        self.peer.expectRequest(b"INVITE")
        self.run_(32)
        self.peer2.expectRequest(b"INVITE")
        self.run_(32)
        self.peer.inbox.clear()
        self.assertEqual(self.peer.count(408) > 0, True)
        self.assertNoCall()

    def test_unknownNumbers(self) -> None:
        """
        Unknown numbers and foreign domains are answered 404, a call to oneself
        486, a routing point without a routing client 480; nobody is called.
        """
        for number, status in (("7777", 404), ("1001", 486), ("5000", 480)):
            self.alice.request(b"INVITE", number, body=sdp())
            self.assertRefused(status)
            self.assertEqual(self.sink.of("1001")[-2:], ["Failed", "Released"])
        self.alice.domain = "example.org"
        foreign = self.alice.build(b"INVITE", "1002")
        self.alice.domain = DOMAIN
        own = b"<sip:1001@lab.example>;tag=1"
        foreign = foreign.replacing(headers=foreign.headers.replace(b"From", own))
        self.alice.invite = foreign
        self.peer.send(foreign)
        self.assertRefused(404)

    def test_cancelled(self) -> None:
        """
        The caller gives up: the called side is cancelled, with the caller's
        Reason, and the caller's INVITE answered 487.
        """
        invite = self.ringing()
        reason = b'SIP;cause=600;text="Busy"'
        cancel = self.alice.cancel(fields=[(b"Reason", reason)])
        self.peer.expectResponse(200, cancel)
        self.assertRefused487()
        theirs = self.peer.expectRequest(b"CANCEL")
        self.assertEqual(theirs.branch, invite.branch)
        self.assertEqual(theirs.headers.first(b"Reason"), reason)
        self.peer.respond(theirs, 200)
        self.bob.refuse(invite, 487)
        self.peer.expectRequest(b"ACK")
        self.assertNoCall()
        self.assertEqual(self.released("1001"), "Ok")
        self.assertEqual(self.released("1002"), "Abandoned")

    def assertRefused487(self) -> None:
        """
        Alice's INVITE is answered 487.
        """
        assert self.alice.invite is not None
        self.alice.acknowledgeRefusal(self.peer.expectResponse(487), self.alice.invite)

    def test_cancelledBeforeAnyAnswer(self) -> None:
        """
        The CANCEL to the called side waits for its first 1xx (RFC 3261 section
        9.1).
        """
        self.alice.request(b"INVITE", "1002", body=sdp())
        invite = self.peer.expectRequest(b"INVITE")
        self.alice.cancel()
        self.assertRefused487()
        self.assertEqual(self.peer.count(b"CANCEL"), 0)
        self.peer.respond(invite, 100)
        self.peer.respond(self.peer.expectRequest(b"CANCEL"), 200)
        self.bob.refuse(invite, 487)
        self.peer.expectRequest(b"ACK")
        self.assertNoCall()

    def test_cancelCrossesAnswer(self) -> None:
        """
        A called side that answers although it was cancelled is acknowledged and
        hung up on.
        """
        invite = self.ringing()
        self.alice.cancel()
        self.assertRefused487()
        self.peer.respond(self.peer.expectRequest(b"CANCEL"), 200)
        self.bob.answer(invite, 200, sdp("bob"))
        self.peer.expectRequest(b"ACK")
        self.peer.respond(self.peer.expectRequest(b"BYE"), 200)
        self.assertNoCall()

    def test_cancelNeverAnswered(self) -> None:
        """
        A called side that answers neither CANCEL nor INVITE is waited for no
        longer than 64*T1.
        """
        self.ringing()
        self.alice.cancel()
        self.assertRefused487()
        self.peer.expectRequest(b"CANCEL")
        self.run_(33)
        self.assertNoCall()

    def test_cancelTooLate(self) -> None:
        """
        A CANCEL that meets our 200 is answered and has no effect.
        """
        invite = self.ringing()
        self.bob.answer(invite, 200, sdp("bob"))
        self.peer.expectRequest(b"ACK")
        self.alice.accepted(self.peer.expectResponse(200))
        cancel = self.alice.cancel()
        self.peer.expectResponse(200, cancel)
        self.alice.acknowledge()
        self.assertEqual(self.node.status()["calls"], 1)
        self.hangUp()

    def test_byeInsteadOfCancel(self) -> None:
        """
        A caller may end its early dialog with BYE: the INVITE is answered 487.
        """
        invite = self.ringing()
        assert self.alice.invite is not None
        self.alice.accepted(self.earlyResponse())
        bye = self.alice.within(b"BYE")
        self.peer.expectResponse(200, bye)
        self.assertRefused487()
        self.peer.respond(self.peer.expectRequest(b"CANCEL"), 200)
        self.bob.refuse(invite, 487)
        self.peer.expectRequest(b"ACK")
        self.assertNoCall()

    def earlyResponse(self) -> Response:
        """
        The 180 that Alice got.
        """
        (found,) = [
            m
            for _, m in self.peer.received
            if isinstance(m, Response) and m.status == 180
        ]
        return found

    def test_byeOvertakesAnswer(self) -> None:
        """
        The BYE of a called side whose 200 was lost is answered; when the 200
        comes again it is acknowledged, and the caller is told 480.
        """
        invite = self.ringing()
        bye = self.bob.within(b"BYE")
        self.peer.expectResponse(200, bye)
        self.peer.expectResponse(480)
        self.peer.respond(self.peer.expectRequest(b"CANCEL"), 200)
        self.bob.answer(invite, 200, sdp("bob"))
        self.peer.expectRequest(b"ACK")
        self.peer.respond(self.peer.expectRequest(b"BYE"), 481)
        self.assertNoCall()

    def test_answerWithoutContact(self) -> None:
        """
        A 200 with a Contact that cannot be read makes no call, and leaves none.
        """
        invite = self.ringing()
        self.peer.respond(invite, 200, b"x", [(b"Contact", b"<sip:1002@host")])
        self.peer.expectResponse(500)
        self.assertNoCall()

    def test_answerWithoutAWay(self) -> None:
        """
        So does a 200 with a Record-Route that cannot be read, in whatever place,
        also when it comes after the caller has given up.
        """
        good = b"<sip:%b;lr>" % PROXY1.encode()
        contact = (b"Contact", b"<sip:1002@198.51.100.2>")
        for routes in ((good, b"timer"), (b"timer", good)):
            fields = [(b"Record-Route", route) for route in routes] + [contact]
            invite = self.ringing()
            self.peer.respond(invite, 200, b"x", fields)
            self.peer.expectResponse(500)
            self.assertNoCall()
            invite = self.ringing()
            self.alice.cancel()
            self.peer.expectResponse(487)
            self.peer.respond(self.peer.expectRequest(b"CANCEL"), 200)
            self.peer.respond(invite, 200, b"x", fields)
            self.assertNoCall()


class RedirectionTests(NodeTestCase):
    """
    The called DN sends its calls elsewhere.
    """

    settings = {"maxRedirections": 2}

    def redirect(self, *contacts: bytes, status: int = 302) -> None:
        """
        The DN that rings redirects.
        """
        invite = self.peer.expectRequest(b"INVITE")
        fields = [(b"Contact", contact) for contact in contacts]
        self.bob.dialog = None
        self.bob.refuse(invite, status, fields)
        self.peer.expectRequest(b"ACK")

    def test_followed(self) -> None:
        """
        A 302 to another extension is followed; the caller notices nothing but
        whom it talks to.
        """
        self.alice.request(b"INVITE", "1002", body=sdp())
        self.redirect(b"<sip:1003@lab.example>")
        invite = self.peer.expectRequest(b"INVITE")
        self.assertEqual(invite.uri, b"sip:1003@lab.example")
        self.carol.answer(invite, 200, sdp("carol"))
        self.peer.expectRequest(b"ACK")
        self.alice.accepted(self.peer.expectResponse(200))
        self.alice.acknowledge()
        self.assertEqual(self.sink.of("1002"), ["Alerting", "Released"])
        (answered,) = [
            e
            for e in self.sink.events
            if type(e).__name__ == "Answered" and e.party.thisDN == "1001"
        ]
        self.assertEqual(answered.party.otherDN, "1003")
        self.hangUp()

    def test_bestContactFirst(self) -> None:
        """
        Contacts are taken by q.
        """
        self.alice.request(b"INVITE", "1002", body=sdp())
        self.redirect(b"<sip:7777@lab.example>;q=0.1", b"<sip:1003@lab.example>;q=0.9")
        invite = self.peer.expectRequest(b"INVITE")
        self.assertEqual(invite.uri, b"sip:1003@lab.example")
        self.carol.refuse(invite, 486)
        self.peer.expectRequest(b"ACK")
        self.assertRefused(486)

    def test_onlyToAllowedTargets(self) -> None:
        """
        A redirection to a foreign domain, to a trunk, to something that cannot
        be dialled or to nowhere ends the call.
        """
        for contact, status in (
            (b"<sip:1003@elsewhere.example>", 403),
            (b"<sip:90123@lab.example>", 403),
            (b"<sip:7777@lab.example>", 404),
            (b"<sip:lab.example>", 480),
            (b"<mailto:carol@example.com>", 480),
            (b"<sip:broken", 480),
        ):
            self.alice.request(b"INVITE", "1002", body=sdp())
            self.redirect(contact)
            self.assertRefused(status)
            self.assertNoCall()

    def test_withoutContact(self) -> None:
        """
        A 3xx without a Contact is answered 480.
        """
        self.alice.request(b"INVITE", "1002", body=sdp())
        self.redirect(status=300)
        self.assertRefused(480)

    def test_inACircle(self) -> None:
        """
        A redirection to who redirected is not followed.
        """
        self.alice.request(b"INVITE", "1002", body=sdp())
        self.redirect(b"<sip:1003@lab.example>")
        self.redirect(b"<sip:1002@lab.example>")
        self.assertRefused(480)

    def test_backToTheCaller(self) -> None:
        """
        A redirection to the caller is answered 486: that line is in use.
        """
        self.alice.request(b"INVITE", "1002", body=sdp())
        self.redirect(b"<sip:1001@lab.example>")
        self.assertRefused(486)


class OneRedirectionTests(NodeTestCase):
    """
    The number of redirections is limited.
    """

    settings = {"maxRedirections": 0}

    def test_tooMany(self) -> None:
        """
        One redirection too many is answered 480.
        """
        self.alice.request(b"INVITE", "1002", body=sdp())
        invite = self.peer.expectRequest(b"INVITE")
        self.bob.refuse(invite, 302, [(b"Contact", b"<sip:1003@lab.example>")])
        self.peer.expectRequest(b"ACK")
        self.assertRefused(480)
        self.assertEqual(self.counters["redirectionsRefused"], 1)


class FewLegsTests(NodeTestCase):
    """
    The number of legs that one call may make is limited.
    """

    def test_tooMany(self) -> None:
        """
        A redirection that would need one leg too many is answered 480.
        """
        ua = self.node.controller.ua
        ua.limits = evolve(ua.limits, legs=2)
        self.alice.request(b"INVITE", "1002", body=sdp())
        invite = self.peer.expectRequest(b"INVITE")
        self.bob.refuse(invite, 302, [(b"Contact", b"<sip:1003@lab.example>")])
        self.peer.expectRequest(b"ACK")
        self.assertRefused(480)


class TrunkTests(NodeTestCase):
    """
    Calls to and from another switch.
    """

    def test_outbound(self) -> None:
        """
        A number with the prefix of a trunk is sent to its contact, without the
        prefix where the configuration says so.
        """
        self.alice.request(b"INVITE", "90123", body=sdp())
        invite = self.peer.expectRequest(b"INVITE")
        self.assertEqual(invite.uri, b"sip:0123@%b" % TRUNK.encode())
        self.assertEqual(invite.fromAddress.uri.render(), b"sip:1001@lab.example")
        alerting = self.sink.events[-1]
        self.assertEqual(alerting.party.callType.value, "Outbound")
        self.assertFalse(alerting.party.internal)
        self.bob.refuse(invite, 503)
        self.peer.expectRequest(b"ACK")
        invite = self.peer2.expectRequest(b"INVITE")
        self.peer2.respond(invite, 503, b"x")
        self.peer2.expectRequest(b"ACK")
        self.assertRefused(500)

    def test_inbound(self) -> None:
        """
        A call from the address of a trunk needs no digest; its number is
        presented in our domain.
        """
        far = self.phone("0123", TRUNK)
        far.password = b""
        far.domain = "carrier.example"
        self.bob.domain = DOMAIN
        request = far.build(b"INVITE", "1002", body=sdp())
        request = request.replacing(uri=b"sip:1002@lab.example")
        far.invite = request
        self.peer.send(request)
        invite = self.peer.expectRequest(b"INVITE")
        self.assertEqual(invite.fromAddress.uri.render(), b"sip:0123@lab.example")
        offered, alerting = self.sink.events
        self.assertEqual(offered.party.thisDN, "0123")
        self.assertFalse(offered.party.internal)
        self.assertTrue(alerting.party.internal)
        self.assertEqual(alerting.party.callType.value, "Inbound")
        self.assertEqual(alerting.party.ani, "0123")
        self.bob.refuse(invite, 486)
        self.peer.expectRequest(b"ACK")
        far.acknowledgeRefusal(self.peer.expectResponse(486), request)

    def test_inboundWithoutRport(self) -> None:
        """
        A trunk that calls itself by its address is known by that: nothing more
        is noted in its Via then.
        """
        far = self.phone("0123", TRUNK)
        far.password = b""
        request = far.build(b"INVITE", "1002", body=sdp())
        top, own = request.headers.all(b"Via")
        own = own.replace(b";received=%b;rport=5060" % TRUNK.encode(), b"")
        headers = request.headers.replace(b"Via", top, own)
        request = request.replacing(headers=headers)
        self.peer.send(request)
        self.bob.refuse(self.peer.expectRequest(b"INVITE"), 486)
        self.peer.expectRequest(b"ACK")
        far.acknowledgeRefusal(self.peer.expectResponse(486), request)

    def test_noTransit(self) -> None:
        """
        A call from a trunk to a trunk is refused.
        """
        far = self.phone("0123", TRUNK)
        far.password = b""
        self.alice = far
        far.request(b"INVITE", "90456", body=sdp())
        self.assertRefused(403)

    def test_addressIsBelievedFromSIPProxiesOnly(self) -> None:
        """
        Whoever writes the address of a trunk into a Via itself, or has it as
        its own without a SIP Proxy in between, is refused.
        """
        stranger = self.makePeer("203.0.113.66")
        far = self.phone("0123", TRUNK, stranger)
        far.password = b""
        far.request(b"INVITE", "1002", body=sdp())
        stranger.expectResponse(403)
        self.assertEqual(self.counters["untrusted"], 1)
        liar = self.phone("0123", TRUNK)
        request = liar.build(b"INVITE", "1002", body=sdp())
        vias = request.headers.all(b"Via")
        own = b"SIP/2.0/UDP node2.lab.example;branch=" + liar.peer.identifiers.branch()
        request = request.replacing(
            headers=request.headers.replace(b"Via", vias[0], own)
        )
        self.peer.send(request)
        liar.acknowledgeRefusal(self.peer.expectResponse(401), request)


class AddressTests(NodeTestCase):
    """
    Where in-dialog requests go.
    """

    def test_routeSet(self) -> None:
        """
        Requests in a dialog follow its route set to the remote target, with
        double Record-Route too (RFC 5658).
        """
        inner = b"<sip:%b;lr>" % PROXY1.encode()
        outer = b"<sip:token@%b:5061;transport=tls;lr>" % PROXY1.encode()
        self.alice.routes = (inner, outer)
        self.established()
        self.bob.within(b"BYE")
        bye = self.peer.expectRequest(b"BYE")
        self.assertEqual(bye.uri, b"sip:1001@198.51.100.1")
        self.assertEqual(bye.headers.all(b"Route"), [inner, outer])
        self.peer.respond(bye, 200)
        self.peer.expectResponse(200)
        self.assertNoCall()
