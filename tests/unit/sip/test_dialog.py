"""
Tests for L{sipcluster.sip.dialog}: RFC 3261 section 12.
"""

from __future__ import annotations

from attrs import asdict, evolve
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from sipcluster.sip.dialog import (
    UNKNOWN,
    Dialog,
    DialogSet,
    OutOfOrder,
    contactURI,
    withoutTag,
)
from sipcluster.sip.errors import MalformedMessage
from sipcluster.sip.message import Response
from tests.unit.sip.samples import SDP, arriving, request, response

CONTACT = (b"Contact", b'"Bob" <sip:bob@192.0.2.4:5070;transport=tcp>;q=0.5')


def recordRoute(*values: bytes) -> list[tuple[bytes, bytes]]:
    return [(b"Record-Route", value) for value in values]


def answered(status: int = 200, *routes: bytes, toTag: bytes = b"b1") -> Response:
    """
    Bob's response to an INVITE that came through the proxies that are named,
    nearest to Bob first.
    """
    asked = request(via=b"SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1")
    return response(asked, status, *recordRoute(*routes), CONTACT, toTag=toTag)


P1, P2 = b"<sip:p1.example.com;lr>", b"<sip:p2.example.com;lr>;x=1"
STRICT = b"<sip:p1.example.com;method=INVITE;maddr=192.0.2.8?Subject=x>"


class MakingTests(SynchronousTestCase):
    """
    RFC 3261 section 12.1.
    """

    def test_asUAC(self) -> None:
        """
        The sender of the INVITE has the route reversed, its own URIs as it wrote
        them, and the Contact of the response.
        """
        dialog = Dialog.asUAC(request(number=7), answered(180, P2, P1))
        self.assertEqual(
            dialog,
            Dialog(
                callID=b"3848276298220188511@atlanta.example.com",
                localTag=b"9fxced76sl",
                remoteTag=b"b1",
                localURI=b"Alice <sip:alice@atlanta.example.com>",
                remoteURI=b"Bob <sip:bob@biloxi.example.com>",
                localSequence=7,
                remoteSequence=UNKNOWN,
                remoteTarget=b"sip:bob@192.0.2.4:5070;transport=tcp",
                routeSet=(P1, P2),
                secure=False,
                early=True,
            ),
        )
        self.assertEqual(dialog.id, (dialog.callID, b"9fxced76sl", b"b1"))
        self.assertFalse(Dialog.asUAC(request(), answered(200)).early)

    def test_asUAS(self) -> None:
        """
        The other side has the route as it is, and the Contact of the request.
        """
        invite = arriving(b"INVITE", *recordRoute(P2, P1), number=7)
        self.assertEqual(
            Dialog.asUAS(invite, b"b1", early=True),
            Dialog(
                callID=b"3848276298220188511@atlanta.example.com",
                localTag=b"b1",
                remoteTag=b"9fxced76sl",
                localURI=b"Bob <sip:bob@biloxi.example.com>",
                remoteURI=b"Alice <sip:alice@atlanta.example.com>",
                localSequence=0,
                remoteSequence=7,
                remoteTarget=b"sip:alice@192.0.2.1",
                routeSet=(P2, P1),
                early=True,
            ),
        )

    def test_severalInOneLine(self) -> None:
        """
        Record-Route values may share a line.
        """
        dialog = Dialog.asUAC(request(), answered(200, P2 + b", " + P1))
        self.assertEqual(dialog.routeSet, (P1, P2))

    def test_secure(self) -> None:
        """
        A SIPS Request-URI makes a secure dialog on both sides.
        """
        uri = b"SIPS:bob@biloxi.example.com"
        self.assertTrue(Dialog.asUAC(request(uri=uri), answered()).secure)
        self.assertTrue(Dialog.asUAS(arriving(uri=uri), b"b1").secure)

    def test_noContact(self) -> None:
        """
        An INVITE without a Contact cannot make a dialog; with a response that
        has none the Request-URI stays the target.
        """
        invite = arriving()
        for headers in (
            invite.headers.remove(b"Contact"),
            invite.headers.replace(b"Contact", b"*"),
        ):
            bad = invite.replacing(headers=headers)
            self.assertRaises(MalformedMessage, Dialog.asUAS, bad, b"b1")
        reply = answered(180)
        reply = reply.replacing(headers=reply.headers.remove(b"Contact"))
        dialog = Dialog.asUAC(request(), reply)
        self.assertEqual(dialog.remoteTarget, b"sip:bob@biloxi.example.com")

    def test_contactWithHeaders(self) -> None:
        """
        Headers and a method in a Contact do not come into a Request-URI.
        """
        invite = arriving()
        contact = b"<sip:a@192.0.2.9;method=BYE;x=y?Route=%3Csip:192.0.2.7%3E>"
        invite = invite.replacing(headers=invite.headers.replace(b"Contact", contact))
        dialog = Dialog.asUAS(invite, b"b1")
        self.assertEqual(dialog.remoteTarget, b"sip:a@192.0.2.9;x=y")

    def test_routeThatCannotBeRead(self) -> None:
        """
        A response with a Record-Route that is none makes no dialog, and leaves
        the one there is as it was.
        """
        for routes in ((P1, b"timer"), (b"timer", P1)):
            bad = answered(200, *routes)
            self.assertRaises(MalformedMessage, Dialog.asUAC, request(), bad)
            early = Dialog.asUAC(request(), answered(180, P1))
            self.assertRaises(MalformedMessage, early.confirmed, bad)

    def test_noFrom(self) -> None:
        """
        An INVITE without From cannot make a dialog.
        """
        invite = arriving()
        bad = invite.replacing(headers=invite.headers.remove(b"From"))
        self.assertRaises(MalformedMessage, Dialog.asUAS, bad, b"b1")

    def test_writtenDown(self) -> None:
        """
        A dialog is plain data: what is written down makes the same again.
        """
        dialog = Dialog.asUAC(request(), answered(180, P2, P1))
        again = asdict(dialog)
        self.assertEqual(
            Dialog(**(again | {"routeSet": tuple(again["routeSet"])})), dialog
        )


class TagTests(SynchronousTestCase):
    """
    Names are kept as they were written.
    """

    def test_withoutTag(self) -> None:
        """
        Only the tag goes, wherever it stands.
        """
        for value, kept in (
            (b"<sip:a@example.com>;tag=1", b"<sip:a@example.com>"),
            (b"<sip:a@example.com>;tag=1;x=2", b"<sip:a@example.com>;x=2"),
            (b"sip:a@example.com;tag=1", b"sip:a@example.com"),
            (b"sip:a@example.com", b"sip:a@example.com"),
            (b'"A;tag=x" <sip:a@example.com>', b'"A;tag=x" <sip:a@example.com>'),
            (b"<sip:a@example.com;tag=7>", b"<sip:a@example.com;tag=7>"),
            (b"<sip:a@example.com> ; TAG = 1", b"<sip:a@example.com>"),
        ):
            self.assertEqual(withoutTag(value), kept)

    def test_contact(self) -> None:
        """
        The first Contact that is a URI counts.
        """
        self.assertEqual(contactURI(request()), b"sip:alice@192.0.2.1")
        bare = request()
        bare = bare.replacing(headers=bare.headers.remove(b"Contact"))
        self.assertIsNone(contactURI(bare))


class RequestTests(SynchronousTestCase):
    """
    RFC 3261 section 12.2.1.1.
    """

    def setUp(self) -> None:
        self.dialog = Dialog.asUAC(request(), answered(200, P2, P1))

    def test_looseRoute(self) -> None:
        """
        A request has the dialog's names and tags, the next number, the remote
        target as Request-URI and the route set as Route.
        """
        dialog, bye = self.dialog.makeRequest(b"BYE", [(b"Reason", b"Q.850;cause=16")])
        self.assertEqual(
            bye.render(),
            b"BYE sip:bob@192.0.2.4:5070;transport=tcp SIP/2.0\r\n"
            b"Route: <sip:p1.example.com;lr>\r\n"
            b"Route: <sip:p2.example.com;lr>;x=1\r\n"
            b"Max-Forwards: 70\r\n"
            b"From: Alice <sip:alice@atlanta.example.com>;tag=9fxced76sl\r\n"
            b"To: Bob <sip:bob@biloxi.example.com>;tag=b1\r\n"
            b"Call-ID: 3848276298220188511@atlanta.example.com\r\n"
            b"CSeq: 2 BYE\r\n"
            b"Reason: Q.850;cause=16\r\n"
            b"Content-Length: 0\r\n\r\n",
        )
        self.assertEqual(dialog, evolve(self.dialog, localSequence=2))
        self.assertEqual(dialog.nextHop, b"sip:p1.example.com;lr")

    def test_strictRoute(self) -> None:
        """
        A strict router is the Request-URI, without what may not stand in one,
        and the remote target ends the Route.
        """
        dialog = evolve(self.dialog, routeSet=(STRICT, P2))
        _, bye = dialog.makeRequest(b"BYE")
        self.assertEqual(bye.uri, b"sip:p1.example.com;maddr=192.0.2.8")
        self.assertEqual(
            bye.headers.all(b"Route"),
            [P2, b"<sip:bob@192.0.2.4:5070;transport=tcp>"],
        )

    def test_strangeRoute(self) -> None:
        """
        A route that is no SIP URI is used as it is.
        """
        dialog = evolve(self.dialog, routeSet=(b"<tel:+15550100>",))
        _, bye = dialog.makeRequest(b"BYE")
        self.assertEqual(bye.uri, b"tel:+15550100")

    def test_noRoute(self) -> None:
        """
        Without a route set the remote target is the next hop.
        """
        dialog = evolve(self.dialog, routeSet=())
        _, bye = dialog.makeRequest(b"BYE")
        self.assertNotIn(b"Route", bye.headers)
        self.assertEqual(dialog.nextHop, dialog.remoteTarget)

    def test_body(self) -> None:
        """
        A body comes with its type, and Max-Forwards may be given.
        """
        _, invite = self.dialog.makeRequest(
            b"INVITE", [(b"max-forwards", b"9")], SDP, b"application/sdp"
        )
        self.assertEqual(invite.maxForwards, 9)
        self.assertEqual(invite.headers.count(b"Max-Forwards"), 1)
        self.assertEqual(invite.contentType, b"application/sdp")
        self.assertEqual(
            (invite.body, invite.headers.count(b"Content-Length")), (SDP, 1)
        )

    def test_ack(self) -> None:
        """
        The ACK of a 2xx has the number of its INVITE and counts nothing.
        """
        dialog, _ = self.dialog.makeRequest(b"INFO")
        ack = dialog.ack(1, body=SDP, contentType=b"application/sdp")
        self.assertEqual((ack.cseq.number, ack.cseq.method), (1, b"ACK"))
        self.assertEqual(ack.method, b"ACK")
        self.assertEqual(len(ack.headers.all(b"Route")), 2)

    def test_oldPeer(self) -> None:
        """
        An RFC 2543 peer without a tag gets none.
        """
        _, bye = evolve(self.dialog, remoteTag=b"").makeRequest(b"BYE")
        self.assertEqual(bye.headers.first(b"To"), b"Bob <sip:bob@biloxi.example.com>")

    def test_firstRequestOfUAS(self) -> None:
        """
        The side that was called counts its own requests from 1.
        """
        dialog = Dialog.asUAS(arriving(number=4711), b"b1")
        dialog, bye = dialog.makeRequest(b"BYE")
        self.assertEqual(bye.cseq.number, 1)
        self.assertEqual(bye.uri, b"sip:alice@192.0.2.1")
        self.assertEqual(bye.fromTag, b"b1")
        self.assertEqual(bye.toTag, b"9fxced76sl")
        self.assertEqual(dialog.remoteSequence, 4711)


class ReceivingTests(SynchronousTestCase):
    """
    RFC 3261 section 12.2.2.
    """

    def test_order(self) -> None:
        """
        Numbers may be left out; a lower one is refused with 500, and changes
        nothing.
        """
        dialog = Dialog.asUAC(request(), answered())
        dialog = dialog.received(arriving(b"INFO", number=5))
        dialog = dialog.received(arriving(b"INFO", number=8))
        self.assertEqual(dialog.remoteSequence, 8)
        error = self.assertRaises(
            OutOfOrder, dialog.received, arriving(b"INFO", number=7)
        )
        self.assertEqual(error.status, 500)

    def test_acknowledgements(self) -> None:
        """
        ACK and CANCEL have the number of their INVITE, which may be lower.
        """
        dialog = Dialog.asUAS(arriving(number=8), b"b1")
        for method in (b"ACK", b"CANCEL"):
            self.assertIs(dialog.received(arriving(method, number=7)), dialog)

    @given(st.lists(st.integers(0, 2**31 - 1)))
    def test_neverGoesBack(self, numbers: list[int]) -> None:
        """
        Whatever comes, the remote number never gets lower.
        """
        dialog = Dialog.asUAC(request(), answered())
        for number in numbers:
            before = dialog.remoteSequence
            try:
                dialog = dialog.received(arriving(b"INFO", number=number))
            except OutOfOrder:
                self.assertLess(number, before)
            self.assertGreaterEqual(dialog.remoteSequence, before)

    def test_targetRefresh(self) -> None:
        """
        The Contact of a target refresh is the new remote target; without one the
        old stays.
        """
        dialog = Dialog.asUAC(request(), answered())
        moved = dialog.refreshed(arriving(b"UPDATE"))
        self.assertEqual(moved.remoteTarget, b"sip:alice@192.0.2.1")
        self.assertIs(moved.refreshed(arriving(b"UPDATE")), moved)
        bare = arriving(b"UPDATE")
        bare = bare.replacing(headers=bare.headers.remove(b"Contact"))
        self.assertIs(dialog.refreshed(bare), dialog)

    def test_confirmed(self) -> None:
        """
        The 2xx settles route set and target for the caller; for the other side
        nothing else changes.
        """
        early = Dialog.asUAC(request(), answered(180, P1))
        dialog = early.confirmed(answered(200, P2))
        self.assertEqual((dialog.early, dialog.routeSet), (False, (P2,)))
        called = Dialog.asUAS(arriving(), b"b1", early=True)
        self.assertEqual(called.confirmed(), evolve(called, early=False))


class DialogSetTests(SynchronousTestCase):
    """
    RFC 3261 section 13.2.2: one INVITE, several dialogs.
    """

    def setUp(self) -> None:
        self.dialogs = DialogSet(request(), limit=2)

    def test_forks(self) -> None:
        """
        Each To tag is a dialog of its own, early until its 2xx.
        """
        one = self.dialogs.responseReceived(answered(180, P1, toTag=b"b1"))
        two = self.dialogs.responseReceived(answered(183, toTag=b"b2"))
        assert one is not None and two is not None
        self.assertEqual((one.remoteTag, two.remoteTag), (b"b1", b"b2"))
        self.assertEqual(self.dialogs.early, [one, two])
        self.assertEqual(self.dialogs.confirmed, [])
        won = self.dialogs.responseReceived(answered(200, P2, toTag=b"b2"))
        assert won is not None
        self.assertEqual((won.early, won.routeSet), (False, (P2,)))
        self.assertEqual(self.dialogs.early, [one])
        self.assertEqual(self.dialogs.confirmed, [won])

    def test_noDialog(self) -> None:
        """
        A 100, a 1xx without a tag, and a failure make none.
        """
        for reply in (
            answered(100),
            answered(180, toTag=b""),
            answered(486),
        ):
            self.assertIsNone(self.dialogs.responseReceived(reply))
        self.assertEqual(self.dialogs.dialogs, {})

    def test_withoutEarly(self) -> None:
        """
        A 2xx needs no 1xx before it.
        """
        dialog = self.dialogs.responseReceived(answered(200))
        assert dialog is not None
        self.assertFalse(dialog.early)

    def test_tooMany(self) -> None:
        """
        Forks beyond the limit ring unheard, but can be answered.
        """
        for tag in (b"b1", b"b2"):
            self.dialogs.responseReceived(answered(180, toTag=tag))
        self.assertIsNone(self.dialogs.responseReceived(answered(180, toTag=b"b3")))
        self.assertIsNotNone(self.dialogs.responseReceived(answered(200, toTag=b"b3")))

    def test_laterResponses(self) -> None:
        """
        A further 1xx refreshes the target of an early dialog; a repeated 2xx and
        a late 1xx change nothing any more.
        """
        bare = answered(180)
        bare = bare.replacing(headers=bare.headers.remove(b"Contact"))
        self.dialogs.responseReceived(bare)
        early = self.dialogs.responseReceived(answered(183))
        assert early is not None
        self.assertEqual(early.remoteTarget, b"sip:bob@192.0.2.4:5070;transport=tcp")
        dialog = self.dialogs.responseReceived(answered(200))
        assert dialog is not None
        dialog, _ = dialog.makeRequest(b"INFO")
        self.dialogs.update(dialog)
        self.assertIs(self.dialogs.responseReceived(answered(200, P1)), dialog)
        self.assertIs(self.dialogs.responseReceived(bare), dialog)

    def test_updateOfAnother(self) -> None:
        """
        A dialog of another INVITE is not kept.
        """
        self.dialogs.update(Dialog.asUAC(request(), answered()))
        self.assertEqual(self.dialogs.dialogs, {})
