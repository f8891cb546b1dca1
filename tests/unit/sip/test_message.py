"""
Tests for L{sipcluster.sip.message} and L{sipcluster.sip.fields}.
"""

from __future__ import annotations

import contextlib

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from sipcluster.sip.address import STAR
from sipcluster.sip.cseq import CSeq
from sipcluster.sip.errors import MalformedMessage, MessageTooLarge
from sipcluster.sip.headers import Headers
from sipcluster.sip.message import (
    Limits,
    Message,
    Request,
    Response,
    makeResponse,
    parseMessage,
)
from sipcluster.sip.uri import OtherURI
from tests.unit.sip.wire_samples import (
    INVITE,
    RINGING,
    SDP,
    edited,
    invite,
    requestOf,
    responseOf,
)

#: Every attribute that reads a header.
ACCESSORS = (
    *("via", "vias", "branch", "callID", "cseq", "fromTag", "toTag"),
    *("fromAddress", "toAddress", "contacts", "routes", "recordRoutes"),
    *("maxForwards", "expires", "contentType", "sessionID"),
)


class ReadingTests(SynchronousTestCase):
    """
    Messages are read, and their headers when asked.
    """

    def test_request(self) -> None:
        """
        A request has what its lines say.
        """
        request = invite()
        self.assertEqual(request.method, b"INVITE")
        self.assertEqual(request.uri, b"sip:bob@biloxi.example.com")
        self.assertEqual(request.version, b"SIP/2.0")
        self.assertEqual(request.requestURI.render(), request.uri)
        self.assertEqual(request.body, SDP)
        self.assertEqual(request.branch, b"z9hG4bK74bf9")
        self.assertEqual(request.via.host, b"client.atlanta.example.com")
        self.assertEqual(request.vias, (request.via,))
        self.assertEqual(request.callID, b"3848276298220188511@atlanta.example.com")
        self.assertEqual(request.cseq, CSeq(1, b"INVITE"))
        self.assertEqual(request.fromTag, b"9fxced76sl")
        self.assertEqual(request.toTag, b"")
        self.assertEqual(request.fromAddress.display, b"Alice")
        self.assertEqual(request.toAddress.display, b"Bob")
        self.assertEqual(len(request.contacts), 1)
        self.assertEqual(request.routes, ())
        self.assertEqual(request.recordRoutes, ())
        self.assertEqual(request.maxForwards, 70)
        self.assertIsNone(request.expires)
        self.assertEqual(request.contentType, b"application/sdp")
        self.assertEqual(request.sessionID, b"")
        self.assertEqual(
            repr(request), "<Request b'INVITE' b'sip:bob@biloxi.example.com'>"
        )

    def test_response(self) -> None:
        """
        A response has what its lines say, folded ones included.
        """
        response = responseOf(RINGING)
        self.assertEqual((response.status, response.reason), (180, b"Ringing"))
        self.assertEqual(response.via.received, b"192.0.2.101")
        self.assertEqual(response.toTag, b"8321234356")
        self.assertEqual(response.body, b"")
        self.assertIsNone(response.maxForwards)
        self.assertEqual(response.contentType, b"")
        self.assertEqual(repr(response), "<Response 180 b'Ringing'>")

    def test_valuesAreKept(self) -> None:
        """
        A value that was read once is the same object the next time.
        """
        request = invite()
        for name in ("via", "vias", "cseq", "callID", "fromAddress", "contacts"):
            self.assertIs(getattr(request, name), getattr(request, name))
        self.assertIs(request.requestURI, request.requestURI)

    def test_statusLines(self) -> None:
        """
        A phrase may be empty, missing or in UTF-8.
        """
        for line, status, reason in (
            (b"SIP/2.0 100 ", 100, b""),
            (b"SIP/2.0 100", 100, b""),
            (b"sip/2.0  699 So  what", 699, b"So  what"),
            (b"SIP/2.0 200 \xd0\xbd\xd0\xbe", 200, b"\xd0\xbd\xd0\xbe"),
        ):
            response = responseOf(edited(RINGING, (b"SIP/2.0 180 Ringing", line)))
            self.assertEqual((response.status, response.reason), (status, reason))

    def test_badStatusLines(self) -> None:
        """
        Other versions and codes outside 100 to 699 are no response.
        """
        for line in (
            b"SIP/3.0 200 OK",
            b"SIP/2.0 99 x",
            b"SIP/2.0 700 x",
            b"SIP/2.0 4294967301 better not",
            b"SIP/2.0 2000 x",
            b"SIP/2.0",
            b"SIP/2.0 abc x",
        ):
            with self.assertRaises(MalformedMessage):
                parseMessage(edited(RINGING, (b"SIP/2.0 180 Ringing", line)))

    def test_requestLines(self) -> None:
        """
        A version that is not ours is read, so that it can be answered 505;
        blanks in the Request-URI too, so that it can be answered 400; blanks
        at the end are let pass.
        """
        line = b"INVITE sip:bob@biloxi.example.com SIP/2.0"
        request = requestOf(edited(INVITE, (line, b"INVITE sip:a SIP/7.0")))
        self.assertEqual(request.version, b"SIP/7.0")
        request = requestOf(edited(INVITE, (line, b"INVITE sip:a SIP/2.0  ")))
        self.assertEqual(request.uri, b"sip:a")
        for uri in (b"sip:a; lr", b" sip:a", b"sip:a ", b"<sip:a>"):
            request = requestOf(edited(INVITE, (line, b"INVITE %b SIP/2.0" % uri)))
            self.assertEqual(request.uri, uri)
            with self.assertRaises(MalformedMessage):
                request.requestURI  # noqa: B018

    def test_badRequestLines(self) -> None:
        """
        What is no request line is refused.
        """
        line = b"INVITE sip:bob@biloxi.example.com SIP/2.0"
        for bad in (
            b"",
            b"INVITE",
            b"INVITE sip:a",
            b"INVITE  SIP/2.0",
            b"INVITE sip:a HTTP/1.1",
            b"INV<TE sip:a SIP/2.0",
            b" INVITE sip:a SIP/2.0",
            b"INVITE sip:a SIP/2",
        ):
            with self.assertRaises(MalformedMessage, msg=repr(bad)):
                parseMessage(edited(INVITE, (line, bad)))

    def test_mandatory(self) -> None:
        """
        Reading what must be there raises our error when it is not, and what may
        be missing is empty.
        """
        request = requestOf(b"OPTIONS sip:a SIP/2.0\r\n\r\n")
        missing = []
        for name in ACCESSORS:
            try:
                self.assertIn(getattr(request, name), ((), None, b""))
            except MalformedMessage:
                missing.append(name)
        self.assertEqual(
            missing,
            list(ACCESSORS[:9]),
        )

    def test_emptyIsMissing(self) -> None:
        """
        A mandatory header without a value is as good as missing.
        """
        request = requestOf(b"OPTIONS sip:a SIP/2.0\r\nCall-ID:\r\nVia: ,\r\n\r\n")
        for name in ("callID", "via", "vias"):
            with self.assertRaises(MalformedMessage):
                getattr(request, name)

    def test_severalVias(self) -> None:
        """
        Via values in one line are as good as in several.
        """
        request = requestOf(
            b"OPTIONS sip:a SIP/2.0\r\n"
            b"v: SIP/2.0/UDP a;branch=1,SIP/2.0/TCP b;branch=2\r\n"
            b"Via: SIP/2.0/TLS c\r\n\r\n"
        )
        self.assertEqual(request.branch, b"1")
        self.assertEqual([via.host for via in request.vias], [b"a", b"b", b"c"])
        self.assertEqual(request.via, request.vias[0])

    def test_tooManyVias(self) -> None:
        """
        More than 70 Via values are refused, in fields or in one.
        """
        via = b"SIP/2.0/UDP a"
        start = b"OPTIONS sip:a SIP/2.0\r\n"
        request = requestOf(start + b"Via: " + b",".join([via] * 71) + b"\r\n\r\n")
        with self.assertRaises(MalformedMessage):
            request.vias  # noqa: B018
        with self.assertRaises(MessageTooLarge):
            parseMessage(start + (b"Via: " + via + b"\r\n") * 71 + b"\r\n")
        request = requestOf(start + (b"Via: " + via + b"\r\n") * 70 + b"\r\n")
        self.assertEqual(len(request.vias), 70)

    def test_tags(self) -> None:
        """
        A tag is found wherever it stands, and not where there is none.
        """
        for value, tag in (
            (b"<sip:a@b>;tag=x", b"x"),
            (b"<sip:a@b>;tag=x-1.2", b"x-1.2"),
            (b"<sip:a@b>;tag=x;y=z", b"x"),
            (b"<sip:a@b>;y;TAG=x", b"x"),
            (b"<sip:a@b>; tag = x", b"x"),
            (b"<sip:a@b>;tag=", b""),
            (b"sip:a@b;tag=x", b"x"),
            (b"<sip:a@b;tag=x>", b""),
            (b'"a;tag=y" <sip:a@b>', b""),
            (b'"a;tag=y" <sip:a@b>;tag=x', b"x"),
            (b"Tagore <sip:a@b>", b""),
            (b"<sip:a@b>", b""),
        ):
            for line in (b"From", b"t"):
                request = requestOf(
                    b"OPTIONS sip:a SIP/2.0\r\n%b: %b\r\n\r\n" % (line, value)
                )
                got = request.fromTag if line == b"From" else request.toTag
                self.assertEqual(got, tag, value)

    def test_numbers(self) -> None:
        """
        Max-Forwards is at most 255; an overlarge Expires is the largest there
        is.
        """
        for header, name, value, wanted in (
            (b"Max-Forwards", "maxForwards", b"255", 255),
            (b"Max-Forwards", "maxForwards", b"256", None),
            (b"Max-Forwards", "maxForwards", b"x", None),
            (b"Expires", "expires", b"60", 60),
            (b"Expires", "expires", b"9" * 5000, 2**32 - 1),
            (b"Expires", "expires", b"soon", None),
        ):
            request = requestOf(
                b"OPTIONS sip:a SIP/2.0\r\n%b: %b\r\n\r\n" % (header, value)
            )
            if wanted is None:
                with self.assertRaises(MalformedMessage):
                    getattr(request, name)
            else:
                self.assertEqual(getattr(request, name), wanted)

    def test_contentType(self) -> None:
        """
        The type is in lower case, without blanks and parameters.
        """
        request = requestOf(
            b"OPTIONS sip:a SIP/2.0\r\nc: Application / SDP ;charset=x\r\n\r\n"
        )
        self.assertEqual(request.contentType, b"application/sdp")

    def test_sessionID(self) -> None:
        """
        The sender's UUID, or nothing when it is none.
        """
        for value, wanted in (
            (b"A" * 32 + b" ;remote=" + b"0" * 32, b"a" * 32),
            (b"a" * 31, b""),
            (b"", b""),
        ):
            request = requestOf(
                b"OPTIONS sip:a SIP/2.0\r\nSession-ID: %b\r\n\r\n" % value
            )
            self.assertEqual(request.sessionID, wanted)

    def test_contactStar(self) -> None:
        """
        C{Contact: *} is an address that no URI equals.
        """
        request = requestOf(b"REGISTER sip:a SIP/2.0\r\nm: *\r\n\r\n")
        self.assertEqual(request.contacts, (STAR,))
        self.assertEqual(request.contacts[0].uri, OtherURI(b"", b"*"))

    def test_utf8(self) -> None:
        """
        Values in UTF-8, and in what is none, go through.
        """
        data = edited(INVITE, (b'"Alice"', b'"J\xc3\xbcrgen \xff"'))
        self.assertEqual(requestOf(data).fromAddress.display, b"J\xc3\xbcrgen \xff")
        self.assertEqual(requestOf(data).render(), data)


class BodyTests(SynchronousTestCase):
    """
    Where a message ends.
    """

    START = b"OPTIONS sip:a SIP/2.0\r\nX: y\r\n"

    def test_cutToLength(self) -> None:
        """
        What follows the announced body is not of the message.
        """
        request = requestOf(self.START + b"l: 3\r\n\r\nabcdef")
        self.assertEqual(request.body, b"abc")
        self.assertEqual(request.render(), self.START + b"l: 3\r\n\r\nabc")

    def test_withoutLength(self) -> None:
        """
        Without a length the body is all the rest.
        """
        self.assertEqual(requestOf(self.START + b"\r\nabcdef").body, b"abcdef")

    def test_tooShort(self) -> None:
        """
        A request shorter than announced raises, with the request for an answer;
        a lenient reader gets it with what there is.
        """
        data = self.START + b"l: 9\r\n\r\nabc"
        with self.assertRaises(MalformedMessage) as caught:
            parseMessage(data)
        self.assertEqual(caught.exception.status, 400)
        request = caught.exception.request
        assert request is not None
        self.assertEqual(request.body, b"abc")
        self.assertEqual(parseMessage(data, lenient=True).body, b"abc")

    def test_badLength(self) -> None:
        """
        So does one whose length is no number, or two.
        """
        for bad in (b"-1", b"x", b"9" * 5000, b"", b"1\r\nl: 2"):
            data = self.START + b"l: " + bad + b"\r\n\r\nabc"
            with self.assertRaises(MalformedMessage) as caught:
                parseMessage(data)
            self.assertIsNotNone(caught.exception.request)
            self.assertEqual(parseMessage(data, lenient=True).body, b"abc")

    def test_sameLengthTwice(self) -> None:
        """
        The same length twice says the same.
        """
        self.assertEqual(
            requestOf(self.START + b"l: 1\r\nContent-Length: 1\r\n\r\nabc").body, b"a"
        )

    def test_shortResponse(self) -> None:
        """
        A response shorter than announced raises, lenient or not.
        """
        data = edited(RINGING, (b"Content-Length: 0", b"Content-Length: 1"))
        for lenient in (False, True):
            with self.assertRaises(MalformedMessage) as caught:
                parseMessage(data, lenient=lenient)
            self.assertIsNone(caught.exception.request)

    def test_missingEmptyLine(self) -> None:
        """
        A header section that ends with the datagram is whole; one that ends
        within a line is not.
        """
        request = requestOf(self.START)
        self.assertEqual(request.render(), self.START + b"\r\n")
        with self.assertRaises(MalformedMessage):
            parseMessage(self.START[:-1])

    def test_strayLineEnds(self) -> None:
        """
        Half a line end in the header section is no line end, and no blank
        either.
        """
        for stray in (b"\r", b"\n", b"\n\r"):
            with self.assertRaises(MalformedMessage):
                parseMessage(self.START + b"A: b" + stray + b"c: d\r\n\r\n")

    def test_bounds(self) -> None:
        """
        The whole, the lines and the length of one are bounded.
        """
        start, end = self.START, b"\r\n"
        for bad in (
            start + b"\r\n" + b"x" * 65535,
            start + b"A: b\r\n" * 256 + end,
            start + b"A: " + b"b" * 8192 + b"\r\n\r\n",
        ):
            with self.assertRaises(MessageTooLarge) as caught:
                parseMessage(bad)
            self.assertEqual(caught.exception.status, 513)
        parseMessage(
            start + b"A: " + b"b" * 8000 + b"\r\nB: " + b"c" * 8000 + b"\r\n\r\n"
        )
        with self.assertRaises(MessageTooLarge):
            parseMessage(start + end, Limits(message=20))


class WritingTests(SynchronousTestCase):
    """
    What is not changed is written as it came.
    """

    ODD = (
        b"INVITE sip:a@b SIP/2.0\r\n"
        b"v:SIP/2.0/UDP x;branch=z9hG4bK1\r\n"
        b"X-Odd   :  a\r\n"
        b"    b  \r\n"
        b"Max-FORWARDS:  9\r\n"
        b"t: c@d\r\n"
        b"x-odd: \t\xff\r\n"
        b"\r\n"
        b"body"
    )

    def test_unchanged(self) -> None:
        """
        A message that nobody changed is written byte for byte, and so are
        copies of it, up to a Content-Length where there is none.
        """
        self.assertEqual(requestOf(self.ODD).render(), self.ODD)
        self.assertEqual(responseOf(RINGING).render(), RINGING)
        self.assertEqual(invite().replacing().render(), INVITE)
        self.assertEqual(responseOf(RINGING).replacing().render(), RINGING)
        self.assertEqual(
            requestOf(self.ODD).replacing().render(),
            edited(self.ODD, (b"\r\n\r\n", b"\r\nContent-Length: 4\r\n\r\n")),
        )

    def test_editsOfAProxy(self) -> None:
        """
        What a proxy changes is changed, and every other byte stays.
        """
        request = requestOf(self.ODD)
        headers = (
            request.headers.replaceFirstValue(
                b"Via", request.via.with_(b"received", b"192.0.2.1").render()
            )
            .replace(b"Max-Forwards", b"8")
            .prepend(b"Record-Route", b"<sip:p;lr>")
            .prepend(b"Via", b"SIP/2.0/UDP p;branch=z9hG4bK2")
        )
        self.assertEqual(
            request.replacing(uri=b"sip:c@d", headers=headers).render(),
            b"INVITE sip:c@d SIP/2.0\r\n"
            b"Record-Route: <sip:p;lr>\r\n"
            b"Via: SIP/2.0/UDP p;branch=z9hG4bK2\r\n"
            b"v: SIP/2.0/UDP x;branch=z9hG4bK1;received=192.0.2.1\r\n"
            b"X-Odd   :  a\r\n"
            b"    b  \r\n"
            b"Max-Forwards: 8\r\n"
            b"t: c@d\r\n"
            b"x-odd: \t\xff\r\n"
            b"Content-Length: 4\r\n"
            b"\r\n"
            b"body",
        )
        self.assertEqual(request.render(), self.ODD)

    def test_newRequestURI(self) -> None:
        """
        With another Request-URI the one read before is forgotten.
        """
        request = invite()
        uri = request.requestURI
        self.assertIs(request.replacing(headers=request.headers).requestURI, uri)
        self.assertIs(request.replacing(uri=request.uri).requestURI, uri)
        other = request.replacing(uri=b"sip:carol@example.com")
        self.assertEqual(other.requestURI.render(), b"sip:carol@example.com")

    def test_newBody(self) -> None:
        """
        Content-Length follows the body, in its place.
        """
        request = invite().replacing(body=b"abc")
        self.assertEqual(request.headers.first(b"Content-Length"), b"3")
        self.assertEqual(requestOf(request.render()).body, b"abc")
        response = responseOf(RINGING).replacing(body=b"abc")
        self.assertEqual(response.render()[-22:], b"Content-Length: 3\r\n\r\nabc"[-22:])

    def test_newStatus(self) -> None:
        """
        A new code brings its phrase, unless one is given.
        """
        ringing = responseOf(RINGING)
        self.assertEqual(
            ringing.replacing(status=486).render()[:21], b"SIP/2.0 486 Busy Here"
        )
        again = ringing.replacing(status=183, reason=b"x", headers=ringing.headers)
        self.assertEqual(again.render()[:15], b"SIP/2.0 183 x\r\n")

    def test_made(self) -> None:
        """
        Requests and responses made here have the Content-Length of their body,
        whatever the headers say.
        """
        headers = Headers.of((b"To", b"<sip:a>"), (b"Content-Length", b"77"))
        request = Request(b"MESSAGE", b"sip:a", headers, b"hello")
        self.assertEqual(
            request.render(),
            b"MESSAGE sip:a SIP/2.0\r\nTo: <sip:a>\r\nContent-Length: 5\r\n\r\nhello",
        )
        response = Response(200, b"OK", Headers(), b"hello")
        self.assertEqual(
            response.render(), b"SIP/2.0 200 OK\r\nContent-Length: 5\r\n\r\nhello"
        )
        self.assertIs(response.render(), response.render())

    def test_lineEndsAreRefused(self) -> None:
        """
        A first line that would be two is our mistake.
        """
        for bad in (b"a\r\nX: y", b"a\n", b"a\r"):
            for make in (
                lambda bad: Request(b"ACK", bad, Headers()),
                lambda bad: invite().replacing(uri=bad),
                lambda bad: Response(200, bad, Headers()),
                lambda bad: responseOf(RINGING).replacing(reason=bad),
                lambda bad: makeResponse(invite(), 400, bad),
            ):
                with self.assertRaises(ValueError):
                    make(bad)

    def test_baseIsNoMessage(self) -> None:
        """
        L{Message} alone has no first line.
        """
        message = Message()
        message.headers, message.body, message._raw = Headers(), b"", None
        with self.assertRaises(NotImplementedError):
            message.render()


class MakeResponseTests(SynchronousTestCase):
    """
    L{makeResponse} answers as RFC 3261 section 8.2.6 wants.
    """

    def test_copies(self) -> None:
        """
        Via, From, To, Call-ID and CSeq come back byte for byte, and nothing
        else does.
        """
        data = edited(
            INVITE,
            (b"To: Bob <", b"t :  Bob\r\n  <"),
            (b"Via: ", b"Via: SIP/2.0/UDP p;branch=z9hG4bK0\r\nv: "),
        )
        response = makeResponse(requestOf(data), 486, toTag=b"abc")
        self.assertEqual(
            response.render(),
            b"SIP/2.0 486 Busy Here\r\n"
            b"Via: SIP/2.0/UDP p;branch=z9hG4bK0\r\n"
            b"v: SIP/2.0/TCP client.atlanta.example.com:5060;branch=z9hG4bK74bf9\r\n"
            b'From: "Alice" <sip:alice@atlanta.example.com>;tag=9fxced76sl\r\n'
            b"t :  Bob\r\n  <sip:bob@biloxi.example.com>;tag=abc\r\n"
            b"Call-ID: 3848276298220188511@atlanta.example.com\r\n"
            b"CSeq: 1 INVITE\r\n"
            b"Content-Length: 0\r\n\r\n",
        )
        self.assertEqual(response.toTag, b"abc")
        self.assertEqual(response.fromTag, b"9fxced76sl")

    def test_tagStays(self) -> None:
        """
        A To that has a tag keeps it; without a tag to put on, none is put.
        """
        request = requestOf(edited(INVITE, (b"biloxi.example.com>", b"b>;tag=old")))
        self.assertEqual(makeResponse(request, 200, toTag=b"new").toTag, b"old")
        self.assertEqual(makeResponse(invite(), 100).toTag, b"")

    def test_recordRoute(self) -> None:
        """
        Record-Route comes back where the response may make a dialog.
        """
        data = edited(
            INVITE, (b"Max-Forwards", b"Record-Route: <sip:p;lr>\r\nMax-Forwards")
        )
        for status, there in ((100, 0), (180, 1), (200, 1), (302, 0), (486, 0)):
            response = makeResponse(requestOf(data), status)
            self.assertEqual(response.headers.count(b"Record-Route"), there)
        bye = requestOf(edited(data, (b"INVITE", b"BYE")))
        self.assertEqual(makeResponse(bye, 200).headers.count(b"Record-Route"), 0)

    def test_timestamp(self) -> None:
        """
        Timestamp comes back in a 100 only.
        """
        data = edited(INVITE, (b"Max-Forwards", b"Timestamp: 54\r\nMax-Forwards"))
        for status, there in ((100, 1), (180, 0), (200, 0)):
            response = makeResponse(requestOf(data), status)
            self.assertEqual(response.headers.count(b"Timestamp"), there)

    def test_additions(self) -> None:
        """
        Further fields, a body and its type are put below; a phrase may be
        given.
        """
        for headers in (
            Headers.of((b"Contact", b"<sip:b@c>"), (b"Content-Length", b"9")),
            [(b"Contact", b"<sip:b@c>")],
        ):
            response = makeResponse(
                invite(), 200, b"Fine", b"x", headers, SDP, b"application/sdp"
            )
            self.assertEqual(response.reason, b"Fine")
            self.assertEqual(response.body, SDP)
            self.assertEqual(response.contentType, b"application/sdp")
            self.assertEqual(
                response.headers.all(b"Content-Length"), [b"%d" % len(SDP)]
            )
            self.assertEqual(len(response.contacts), 1)
            self.assertEqual(
                parseMessage(response.render()).render(), response.render()
            )

    def test_ofFaultyRequest(self) -> None:
        """
        A request with fields missing or twice is answered with what there is.
        """
        request = requestOf(
            b"OPTIONS sip:a SIP/2.0\r\nVia: SIP/2.0/UDP a\r\n"
            b"CSeq: 1 OPTIONS\r\nCSeq: 2 OPTIONS\r\nTo: <\r\n\r\n"
        )
        self.assertEqual(
            makeResponse(request, 400, b"Why").render(),
            b"SIP/2.0 400 Why\r\nVia: SIP/2.0/UDP a\r\nCSeq: 1 OPTIONS\r\nTo: <\r\n"
            b"Content-Length: 0\r\n\r\n",
        )
        tagged = makeResponse(request, 400, toTag=b"x")
        self.assertEqual(tagged.headers.first(b"To"), b"<;tag=x")


class PropertyTests(SynchronousTestCase):
    """
    What holds for all bytes.
    """

    @given(
        st.lists(
            st.sampled_from(
                [
                    b"\r\n",
                    b"\r\n\r\n",
                    b"\r\n ",
                    b"INVITE sip:a SIP/2.0",
                    b"SIP/2.0 200 OK",
                    b"Via:",
                    b"v: SIP/2.0/UDP a;branch=z9hG4bK",
                    b"To: <sip:a@b>",
                    b"From: sip:a@b;tag=x",
                    b'Contact: "',
                    b"CSeq: 1 INVITE",
                    b"Call-ID: x",
                    b"l: 3",
                    b",",
                    b";tag=",
                    b"Expires: 9",
                ]
            )
            | st.binary(max_size=6),
            max_size=20,
        )
    )
    def test_onlyOurError(self, pieces: list[bytes]) -> None:
        """
        Any bytes are a message, or are refused with our error; reading its
        headers raises no other either, and writing it gives what was read.
        """
        data = b"".join(pieces)
        try:
            message = parseMessage(data)
        except MalformedMessage:
            return
        self.assertTrue((data + b"\r\n").startswith(message.render()))
        self.assertEqual(parseMessage(message.render()).render(), message.render())
        for name in ACCESSORS:
            with contextlib.suppress(MalformedMessage):
                getattr(message, name)
        if isinstance(message, Request):
            try:
                answer = makeResponse(message, 400, toTag=b"x")
            except MalformedMessage:
                return  # a To that cannot be read
            parseMessage(answer.render())
