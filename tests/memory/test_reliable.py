"""
Reliable provisional responses (RFC 3262), on each leg by itself.
"""

from __future__ import annotations

from sipcluster.sip.message import Request
from sipcluster.testing.sip_peer import sdp
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
        self.assertEqual(invite.headers.all(b"Supported"), [b"100rel"])
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
        self.assertNotIn(b"Supported", invite.headers)
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
