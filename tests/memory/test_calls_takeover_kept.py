"""
What a member of a pair has of calls, and what becomes of times, refusals, credentials
and requests when it goes on with them.
"""

from __future__ import annotations

from sipcluster.sessioncontroller.isessioncontroller import CallRefused, Why
from sipcluster.sip.message import Request, Response, makeResponse
from sipcluster.testing.sip_peer import SIPPeer, sdp
from tests.memory.controls import WHO
from tests.memory.takeover import PAIR, Cut, TakeoverTestCase

AGREED = ((b"Supported", b"timer"), (b"Session-Expires", b"90;refresher=uac"))


class EntriesTestCase(TakeoverTestCase):
    """
    Looks at the entries of calls.
    """

    def entries(self) -> list[str]:
        """
        The kinds of what the second member has of calls.
        """
        kinds = [kind for kind, _ in self.second.all]
        return [kind for kind in kinds if kind in ("call", "refusal")]


class KeptCallTests(EntriesTestCase):
    """
    Entries of calls.
    """

    def test_fromTheFirstWord(self) -> None:
        """
        A call is there when its INVITE has left, and gone when it has ended.
        """
        self.ringing()
        self.assertEqual(self.entries(), ["call"])
        self.alice.cancel()
        self.pump()
        for request in self.peer.inbox:
            if request.cseq.method == b"CANCEL" and not isinstance(request, Response):
                self.peer.respond(request, 200)
        self.run_(40)
        self.assertEqual(self.entries(), [])
        self.peer.inbox.clear()

    def test_ended(self) -> None:
        """
        Nothing is left of a call that was hung up, on either member.
        """
        self.established()
        self.assertEqual(self.entries(), ["call"])
        self.hangUp()
        self.assertEqual(self.entries(), [])

    def test_number(self) -> None:
        """
        No number is given to a second call, also when no call is left of those that had
        one.
        """
        self.established()
        self.hangUp()
        self.takeOver()
        self.alice.dialog = self.bob.dialog = None
        self.alice.challenges = []
        self.established()
        self.hangUp()
        numbers = {event.party.connID: event.party.callID for event in self.sink.events}
        first, second = numbers.values()
        self.assertEqual(first, 1)
        self.assertGreater(second, first)

    def test_challengedIsNoCall(self) -> None:
        """
        Of an INVITE that is only challenged nothing is written down.
        """
        self.peer.send(self.alice.build(b"INVITE", "1002", body=sdp()))
        self.peer.expectResponse(401)
        self.assertEqual(self.entries(), [])
        self.run_(40)

    def test_doubts(self) -> None:
        """
        A change that goes past all doors is found.
        """
        self.established()
        (call,) = self.node.controller.calls.values()
        self.assertEqual(self.keeper.differing(), [])
        call.redirections += 1
        self.assertEqual(self.keeper.differing(), [f"call {call.connID}"])
        call.touch()
        self.pump()
        self.assertEqual(self.keeper.differing(), [])
        self.hangUp()

    def test_abandoned(self) -> None:
        """
        A Session Controller whose process serves no more tells nobody anything: no
        telephone, no program.
        """
        self.established()
        self.moves()
        told = len(self.sink.events)
        before = self.node
        self.peer.inbox.clear()
        self.node.controller.abandon()
        self.run_(200)
        self.assertEqual(len(self.sink.events), told)
        self.assertEqual(self.peer.inbox, [])
        self.assertEqual(before.controller.calls, {})
        self.assertEqual(before.controller.ua.legs, {})

    def test_tooMuchWaits(self) -> None:
        """
        When so much waits for the other member that what is new would only wait, too,
        new calls go elsewhere; those that there are go on.
        """
        self.established()
        self.keeper.full = lambda: True  # type: ignore[method-assign]
        invite = self.bob.build(b"INVITE", "1003", body=sdp())
        self.peer.send(invite)
        refused = self.peer.expectResponse(503)
        self.assertIn(b"Retry-After", refused.headers)
        self.bob.acknowledgeRefusal(refused, invite)
        made = self.control.makeCall("1003", "1002", requester=WHO)
        self.assertNotDone(made, Why.LIMIT)
        self.hangUp()
        self.run_(40)

    def test_garbage(self) -> None:
        """
        An entry that cannot be read is lost, is told so, and disturbs nobody.
        """
        self.established()
        self.first.journal.change("call", "0" * 16, b"\xc1 no call")
        self.carry()
        self.moves()
        self.assertEqual(self.keeper.counts, {"notRestored": 1})
        self.keeper.counts.clear()
        self.assertEqual(len(self.flushLoggedErrors()), 1)
        self.assertEqual([went for _, went in self.moved], [True])
        self.hangUp()
        self.assertEqual(self.entries(), [])


class RefusalTests(EntriesTestCase):
    """
    What a caller was told last.
    """

    cut = Cut.UNSENT

    def refuse(self) -> None:
        """
        Bob is busy; the member dies before it has told Alice so.
        """
        invite = self.ringing()
        self.cutAt = self.turns + 1
        self.bob.answer(invite, 486)
        self.pump()
        self.assertEqual(self.moved, [])

    def test_toldByTheOther(self) -> None:
        """
        The other member tells her, until she acknowledges it.
        """
        self.refuse()
        self.assertEqual(self.entries(), ["refusal"])
        refused = self.peer.expectResponse(486)
        assert self.alice.invite is not None
        self.alice.acknowledgeRefusal(refused, self.alice.invite)
        self.pump()
        self.assertEqual(self.entries(), [])
        self.assertEqual(self.node.status()["calls"], 0)

    def test_acknowledged(self) -> None:
        """
        The telephone that has refused, and tells the other member so again, hears the
        ACK that the dead one could not send.
        """
        invite = self.ringing()
        self.cutAt = self.turns + 1
        busy = self.bob.answer(invite, 486)
        ack = self.peer.expectRequest(b"ACK")
        self.assertEqual(ack.branch, invite.branch)
        self.assertEqual(ack.toTag, busy.toTag)
        self.peer.expectResponse(486)
        self.run_(40)
        self.peer.inbox.clear()

    def test_noAckForStrangers(self) -> None:
        """
        A response that was never asked for gets none: neither one of a stranger, nor
        one whose Via is not ours.
        """
        invite = self.ringing()
        self.refuseStray(invite, b"elsewhere.example", self.peer)
        stranger = self.makePeer("198.51.100.99")
        self.refuseStray(invite, PAIR, stranger)
        for peer in (self.peer, stranger):
            self.pump()
            self.assertEqual(peer.count(b"ACK"), 0)
        self.node.controller.calls.popitem()[1].breakDown()
        self.run_(1)
        self.peer.respond(self.peer.expectRequest(b"CANCEL"), 200)
        self.run_(40)
        self.peer.inbox.clear()

    def refuseStray(self, invite: Request, host: bytes, peer: SIPPeer) -> None:
        """
        Refuse an INVITE that was never sent.
        """
        via = b"SIP/2.0/UDP %b;branch=z9hG4bKnever" % host
        headers = invite.headers.replaceFirstValue(b"Via", via)
        peer.send(makeResponse(invite.replacing(headers=headers), 486, toTag=b"x"))
        self.pump()

    def test_notForEver(self) -> None:
        """
        What is left of timer H goes on.
        """
        self.refuse()
        self.run_(31)
        self.assertEqual(self.entries(), ["refusal"])
        self.run_(2)
        self.assertEqual(self.entries(), [])
        self.peer.inbox.clear()


class TimeTests(TakeoverTestCase):
    """
    Times that run go on.
    """

    def setUp(self) -> None:
        super().setUp()
        self.alice.request(b"INVITE", "1002", [*AGREED], body=sdp())
        self.rung = self.peer.expectRequest(b"INVITE")

    def test_noAnswer(self) -> None:
        """
        A telephone rings no longer because another member lets it.
        """
        self.bob.answer(self.rung, 180)
        self.peer.expectResponse(180)
        self.run_(40)
        self.takeOver()
        self.peer.inbox.clear()
        self.run_(19)
        self.assertEqual(self.peer.count(b"CANCEL"), 0)
        self.run_(2)
        self.peer.respond(self.peer.expectRequest(b"CANCEL"), 200)
        self.bob.answer(self.rung, 487)
        self.peer.expectRequest(b"ACK")
        self.assertRefused(480)

    def test_session(self) -> None:
        """
        A session that nobody refreshes ends when it would have ended.
        """
        theirs = (b"Session-Expires", b"90;refresher=uas")
        self.bob.answer(self.rung, 200, sdp("bob"), fields=[theirs])
        self.peer.expectRequest(b"ACK")
        self.alice.accepted(self.peer.expectResponse(200))
        self.alice.acknowledge()
        self.peer.expectNothing()
        self.run_(100)
        self.takeOver()
        self.run_(20)
        self.peer.inbox.clear()
        self.assertEqual(self.node.status()["calls"], 1)
        self.run_(3)
        for _ in range(2):
            self.peer.respond(self.peer.expectRequest(b"BYE"), 200)
        self.pump()
        self.assertEqual(self.node.status()["calls"], 0)

    def test_refresh(self) -> None:
        """
        What it is on the node to refresh another member does when it is due, and at
        once when that is over.
        """
        ours = [
            (b"Session-Expires", b"90;refresher=uac"),
            (b"Allow", b"INVITE, ACK, BYE, UPDATE"),
        ]
        self.bob.answer(self.rung, 200, sdp("bob"), fields=ours)
        self.peer.expectRequest(b"ACK")
        self.alice.accepted(self.peer.expectResponse(200))
        self.alice.acknowledge()
        self.peer.expectNothing()
        self.run_(46)
        self.assertTrue(self.peer.expectRequest(b"UPDATE"))
        self.takeOver()
        self.run_(1)
        again = self.peer.expectRequest(b"UPDATE")
        self.peer.respond(again, 200, fields=[self.bob.contact, *ours])
        self.alice.within(b"UPDATE", [*AGREED])
        self.peer.received.clear()
        self.run_(44)
        self.assertEqual(self.peer.count(b"UPDATE"), 0)
        self.run_(2)
        again = self.peer.expectRequest(b"UPDATE")
        self.peer.respond(again, 200, fields=[self.bob.contact, *ours])
        self.peer.inbox.clear()
        self.hangUp()


class AskedTests(TakeoverTestCase):
    """
    Requests of programs, and credentials of telephones.
    """

    def test_awaited(self) -> None:
        """
        The other member knows who waits for an answer, and gives it.
        """
        self.established()
        self.control.hold("1001", self.connID, WHO).addErrback(lambda _: None)
        invite = self.peer.expectRequest(b"INVITE")
        self.moves()
        self.assertTrue(self.control.awaits(WHO))
        self.bob.answer(invite, 488)
        self.peer.expectRequest(b"ACK")
        # That was the dead member's; the other one tries it itself.
        self.bob.answer(self.peer.expectRequest(b"INVITE"), 488)
        self.peer.expectRequest(b"ACK")
        self.assertFalse(self.control.awaits(WHO))
        ((who, refused),) = self.refused
        self.assertEqual((who, refused.why), (WHO, Why.REJECTED))
        self.hangUp()

    def test_nobodyWaits(self) -> None:
        """
        Nor does it make up anything.
        """
        self.established()
        self.moves()
        self.assertFalse(self.control.awaits(WHO))
        self.assertEqual(self.refused, [])
        self.hangUp()

    def test_staleNonce(self) -> None:
        """
        A telephone that answers the challenge of the dead member is challenged again,
        in such a way that it does not ask anybody for a password.
        """
        self.established()
        self.moves()
        self.hangUp()
        invite = self.alice.build(b"INVITE", "1002", body=sdp())
        self.peer.send(invite)
        refused = self.peer.expectResponse(401)
        for value in refused.headers.all(b"WWW-Authenticate"):
            self.assertIn(b"stale=true", value)
        self.alice.challenged(refused, invite)
        self.ringing()
        self.node.controller.calls.popitem()[1].breakDown()
        self.run_(1)
        self.peer.respond(self.peer.expectRequest(b"CANCEL"), 200)
        self.run_(40)
        self.peer.inbox.clear()


class RefusedTests(TakeoverTestCase):
    """
    L{CallRefused} for those whose call cannot be gone on with.
    """

    def test_lost(self) -> None:
        """
        Who waits for a call that cannot be gone on with is told so.
        """
        self.established()
        self.control.hold("1001", self.connID, WHO).addErrback(lambda _: None)
        (call,) = self.node.controller.calls.values()
        for leg in call.legs:
            leg.dialog = None  # what no version writes
        call.touch()
        self.takeOver()
        self.assertEqual([went for _, went in self.moved], [False])
        ((who, refused),) = self.refused
        self.assertIsInstance(refused, CallRefused)
        self.assertEqual((who, refused.why), (WHO, Why.DISCONNECTED))
        self.peer.inbox.clear()
