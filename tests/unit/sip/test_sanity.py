"""
Tests for L{sipcluster.sip.sanity}.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from sipcluster.sip import sanity
from sipcluster.sip.errors import MalformedMessage
from sipcluster.sip.framing import parseDatagram
from sipcluster.sip.message import Request
from sipcluster.sip.sanity import checkRequest, checkResponse
from tests.unit.sip.wire_samples import INVITE, RINGING, edited, requestOf, responseOf


class CheckRequestTests(SynchronousTestCase):
    """
    L{checkRequest} lets good requests pass and says what is wrong with others.
    """

    def assertRefused(self, status: int, why: str, *edits: tuple[bytes, bytes]) -> None:
        """
        The INVITE with these edits is refused.
        """
        request = parseDatagram(edited(INVITE, *edits))
        assert isinstance(request, Request)
        with self.assertRaises(MalformedMessage) as caught:
            checkRequest(request)
        self.assertIn(why, str(caught.exception))
        self.assertEqual(caught.exception.status, status)

    def test_good(self) -> None:
        """
        A good request passes, and so does one with odd but allowed values.
        """
        for edits in (
            (),
            ((b"SIP/2.0\r\n", b"sip/2.0\r\n"),),
            ((b"INVITE sip:bob@biloxi.example.com", b"INVITE tel:+1-2;ext=3"),),
            ((b"Max-Forwards: 70\r\n", b""),),
            ((b'"Alice" <', b'"Al\\"ice <" <'),),
            ((b"To: Bob", b"To: Bob, J\xc3\xbcrgen"),),
            ((b"Contact: ", b'Contact: "B" <sips:[::1]:5061>;q=0.1, '),),
            ((b"Max-F", b"Route: <sip:p;lr>, sip:q\r\nMax-F"),),
            ((b"Max-F", b"Record-Route: <sip:p;lr>, <tel:1>\r\nMax-F"),),
            ((b"Max-F", b"Expires: soon\r\nMax-F"),),
            ((b"Max-F", b"Subject: x\r\nSubject: y\r\nMax-F"),),
        ):
            checkRequest(requestOf(edited(INVITE, *edits)))

    def test_eachValueOnce(self) -> None:
        """
        However many lines a field has, each of its values is read once: a short
        datagram must not keep us busy.
        """
        read: list[bytes] = []

        class Counting:
            """
            Stands for L{Address}.
            """

            @staticmethod
            def parse(value: bytes) -> None:
                """
                Count.
                """
                read.append(value)

        self.patch(sanity, "Address", Counting)
        lines = b'Record-Route: "\\"" <sip:p;lr>\r\n' * 200
        checkRequest(requestOf(edited(INVITE, (b"Max-F", lines + b"Max-F"))))
        self.assertEqual(len(read), 200)

    def test_blanks(self) -> None:
        """
        Thousands of blanks before an address are no matter.
        """
        blanks = b" " * 8000
        for name in (b"Contact:", b"To:", b"From:"):
            checkRequest(requestOf(edited(INVITE, (name, name + blanks))))
        self.assertRefused(400, "not a URI", (b"To: Bob", b"To:" + blanks + b"x\r\nA:"))

    def test_version(self) -> None:
        """
        Another version is 505.
        """
        self.assertRefused(505, "version", (b"SIP/2.0\r\n", b"SIP/7.0\r\n"))

    def test_requestURI(self) -> None:
        """
        A Request-URI of an unknown scheme is 416; one that is none, or has
        headers, is 400.
        """
        uri = b"INVITE sip:bob@biloxi.example.com"
        self.assertRefused(416, "scheme", (uri, b"INVITE http://example.com/"))
        self.assertRefused(400, "not a URI", (uri, b"INVITE <sip:bob@h>"))
        self.assertRefused(400, "headers", (uri, b"INVITE sip:bob@h?Route=x"))

    def test_mandatory(self) -> None:
        """
        What must be there is missed.
        """
        for line in INVITE.split(b"\r\n")[1:7]:
            name = line.partition(b":")[0].lower().decode()
            if name != "max-forwards":
                self.assertRefused(400, f"no {name}", (line + b"\r\n", b""))
        self.assertRefused(400, "no call-id", (b"3848276298220188511@", b"\r\nX: "))

    def test_once(self) -> None:
        """
        What may be there once is not there twice.
        """
        for line in INVITE.split(b"\r\n")[2:7]:
            name = line.partition(b":")[0].lower().decode()
            self.assertRefused(
                400,
                f"more than one {name}",
                (b"Contact:", line + b"\r\nContact:"),
            )
        self.assertRefused(
            400, "more than one content-type", (b"Contact:", b"c: a/b\r\nContact:")
        )

    def test_cseq(self) -> None:
        """
        CSeq is a number in range and the method.
        """
        self.assertRefused(400, "another method", (b"1 INVITE", b"1 BYE"))
        self.assertRefused(400, "too large", (b"1 INVITE", b"2147483648 INVITE"))
        self.assertRefused(400, "bad CSeq", (b"1 INVITE", b"INVITE"))

    def test_values(self) -> None:
        """
        Values that someone will have to read can be read.
        """
        for edit in (
            (b"Max-Forwards: 70", b"Max-Forwards: 256"),
            (b"Max-Forwards: 70", b"Max-Forwards: x"),
            (b"Via: ", b"Via: ;, "),
            (b"Bob <", b'"Bob <'),
            (b'"Alice" <', b'"Alice <'),
            (b"Max-F", b"m: sip:b@h?x=y\r\nMax-F"),
            (b"Contact: <sip:alice", b"Contact: <sip:al ice"),
            (b"Max-F", b"Route: <sip:p;lr\r\nMax-F"),
            (b"Max-F", b"Route: sip:p?x=y\r\nMax-F"),
            (b"Max-F", b"Record-Route: x\r\nMax-F"),
            (b"Max-F", b"no header\r\nMax-F"),
            (b"Max-F", b"a b: c\r\nMax-F"),
        ):
            self.assertRefused(400, "", edit)

    def test_expires(self) -> None:
        """
        Expires is a number where it means something.
        """
        request = edited(
            INVITE, (b"INVITE", b"REGISTER"), (b"Max-F", b"Expires: x\r\nMax-F")
        )
        with self.assertRaises(MalformedMessage):
            checkRequest(requestOf(request))
        checkRequest(
            requestOf(edited(request, (b"Expires: x", b"Expires: 99999999999")))
        )

    def test_length(self) -> None:
        """
        A body shorter than announced, or a length that is none, is 400.
        """
        self.assertRefused(400, "shorter", (b"Length: 151", b"Length: 152"))
        self.assertRefused(400, "not a number", (b"Length: 151", b"Length: -999"))
        self.assertRefused(400, "several", (b"Length: 151", b"Length: 151\r\nl: 150"))
        checkRequest(requestOf(edited(INVITE, (b"Content-Length: 151\r\n", b""))))


class CheckResponseTests(SynchronousTestCase):
    """
    L{checkResponse} lets good responses pass and no others.
    """

    def test_good(self) -> None:
        """
        A good response passes, and so does one with a line that is no header.
        """
        checkResponse(responseOf(RINGING))
        checkResponse(responseOf(edited(RINGING, (b"Contact", b"x\r\nContact"))))
        checkResponse(responseOf(edited(RINGING, (b"CSeq", b"Require: a\r\nCSeq"))))

    def test_bad(self) -> None:
        """
        One that cannot be told to its transaction and dialog does not.
        """
        for edit in (
            (b"1 INVITE", b"9292394834772304023312 INVITE"),
            (b"Call-ID", b"X-Call-ID"),
            (b"Call-ID", b"CSeq: 1 INVITE\r\nCall-ID"),
            (b"Via:", b"X-Via:"),
            (b"To: Bob <", b"To: Bob "),
            (b"From: Alice <", b"From: Alice <<"),
            (b"Via:", b"Via: SIP/2.0/UDP \r\nVia:"),
            (b"Via:", b'Via: SIP/2.0/UDP h;x="\r\nVia:'),
            (b"Via:", b"Via: SIP/2.0/UDP h\r\n" * 70 + b"Via:"),
            (b"Via:", b"Via: " + b"SIP/2.0/UDP h," * 70),
        ):
            with self.assertRaises(MalformedMessage, msg=repr(edit)):
                checkResponse(responseOf(edited(RINGING, edit)))

    def test_placesAreForOthers(self) -> None:
        """
        A bad Contact or Record-Route is left to who needs it.
        """
        checkResponse(responseOf(edited(RINGING, (b"Contact: <", b"Contact: <<"))))
        routed = edited(RINGING, (b"Contact", b"Record-Route: <x\r\nContact"))
        checkResponse(responseOf(routed))

    @given(st.sampled_from((b"Via", b"From", b"To")), st.data())
    def test_plainIsReadable(self, name: bytes, data: st.DataObject) -> None:
        """
        What passes can be read, however it is spelled.
        """
        if name == b"Via":
            spelled = rb"SIP/2\.0/[A-Z]{1,4} [a-z.\-:0-9\[\]]{1,12}(;[ -~]{0,9}){0,2}"
        else:
            spelled = rb'("[ -~]{0,4}"|[a-z ]{0,4})<sips?:[ -~]{1,9}>(;[ -~]{0,9})?'
        value = data.draw(st.from_regex(spelled, fullmatch=True))
        lines = [name + b": " + value]
        lines += [
            line
            for line in RINGING.split(b"\r\n")[1:]
            if line and not line.startswith(name + b":")
        ]
        head = b"SIP/2.0 180 Ringing\r\n" + b"\r\n".join(lines) + b"\r\n\r\n"
        response = responseOf(head)
        try:
            checkResponse(response)
        except MalformedMessage:
            return
        self.assertTrue(response.vias)
        self.assertIsNotNone(response.fromAddress)
        self.assertIsNotNone(response.toAddress)
        self.assertIsInstance(response.fromTag + response.toTag, bytes)
