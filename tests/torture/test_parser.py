"""
The torture messages of RFC 4475 and RFC 5118 at the parser.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.trial.unittest import SynchronousTestCase

from sipcluster.sip.errors import MalformedMessage
from sipcluster.sip.framing import Frame, StreamFramer, parseDatagram
from sipcluster.sip.message import Request, Response
from sipcluster.sip.sanity import checkRequest, checkResponse
from sipcluster.sip.uri import SIPURI
from tests.torture.corpora import rfc4475, rfc5118

#: What becomes of a message, as one word: C{request} and C{response} are good
#: ones, a number is the refusal that a request is answered with, C{drop} is for
#: what is not answered, and C{pass} is for what is read and must be refused
#: further up.
Outcome = str | int

#: Section of RFC 4475, file, what becomes of it, and why.
RFC4475: list[tuple[str, str, Outcome, str]] = [
    ("3.1.1.1", "wsinv", "request", "folding, odd blanks, compact forms"),
    ("3.1.1.2", "intmeth", "request", "every odd character that is legal"),
    ("3.1.1.3", "esc01", "request", "escapes in URIs"),
    ("3.1.1.4", "escnull", "request", "an escaped NUL in a user part"),
    ("3.1.1.5", "esc02", "request", "a percent sign that is no escape"),
    ("3.1.1.6", "lwsdisp", "request", "no blank before the bracket"),
    ("3.1.1.7", "longreq", "request", "very long values"),
    ("3.1.1.8", "dblreq", "request", "octets after the end of the message"),
    ("3.1.1.9", "semiuri", "request", "semicolons in a user part"),
    ("3.1.1.10", "transports", "request", "transports nobody knows"),
    ("3.1.1.11", "mpart01", "request", "a multipart body with binary parts"),
    ("3.1.1.12", "unreason", "response", "a phrase in UTF-8"),
    ("3.1.1.13", "noreason", "response", "an empty phrase"),
    ("3.1.2.1", "badinv01", 400, "stray separators"),
    ("3.1.2.2", "clerr", 400, "shorter than announced"),
    ("3.1.2.3", "ncl", 400, "a negative length"),
    ("3.1.2.4", "scalar02", 400, "numbers too large for a request"),
    ("3.1.2.5", "scalarlg", "drop", "numbers too large for a response"),
    ("3.1.2.6", "quotbal", 400, "a quoted string without an end"),
    ("3.1.2.7", "ltgtruri", 400, "a Request-URI in brackets"),
    ("3.1.2.8", "lwsruri", 400, "blanks in the Request-URI"),
    ("3.1.2.9", "lwsstart", 400, "more than one blank in the request line"),
    ("3.1.2.10", "trws", "request", "blanks after the version: let pass"),
    ("3.1.2.11", "escruri", 400, "headers in the Request-URI"),
    ("3.1.2.12", "baddate", "request", "a Date that is none: nobody reads it"),
    ("3.1.2.13", "regbadct", 400, "a Contact that needs brackets"),
    ("3.1.2.14", "badaspec", 400, "blanks within brackets"),
    ("3.1.2.15", "baddn", "request", "a display name without quotes: let pass"),
    ("3.1.2.16", "badvers", 505, "another version"),
    ("3.1.2.17", "mismatch01", 400, "CSeq of another method"),
    ("3.1.2.18", "mismatch02", 400, "CSeq of another unknown method"),
    ("3.1.2.19", "bigcode", "drop", "a status that is none"),
    ("3.2.1", "badbranch", "request", "a branch that is the cookie alone"),
    ("3.3.1", "insuf", 400, "mandatory headers missing"),
    ("3.3.2", "unkscm", 416, "a Request-URI of an unknown scheme"),
    ("3.3.3", "novelsc", 416, "a Request-URI of a scheme that is not SIP"),
    ("3.3.4", "unksm2", "pass", "such schemes in To and From: the registrar"),
    ("3.3.5", "bext01", "pass", "an unknown option tag: 420 from who acts on it"),
    ("3.3.6", "invut", "pass", "an unknown body: 415 from the user agent"),
    ("3.3.7", "regaut01", "pass", "an unknown scheme: challenged again"),
    ("3.3.8", "multi01", 400, "twice what may be once"),
    ("3.3.9", "mcl01", 400, "two lengths that differ"),
    ("3.3.10", "bcast", "response", "a broadcast address: matches no transaction"),
    ("3.3.11", "zeromf", "pass", "no hop left: 483 from a proxy"),
    ("3.3.12", "cparam01", "request", "unknown Contact parameters"),
    ("3.3.13", "cparam02", "request", "unknown URI parameters in a Contact"),
    ("3.3.14", "regescrt", "request", "an escaped Route in a Contact"),
    ("3.3.15", "sdp01", "pass", "SDP is not accepted: the user agent"),
    ("3.4.1", "inv2543", "request", "an INVITE of RFC 2543"),
    ("", "test", "drop", "described nowhere: it has no version"),
]

#: The same for RFC 5118.
RFC5118: list[tuple[str, str, Outcome, str]] = [
    ("4.1", "ipv6-good", "request", "an IPv6 reference"),
    ("4.2", "ipv6-bad", 400, "an IPv6 address without brackets"),
    ("4.3", "port-ambiguous", "request", "what looks like a port is none"),
    ("4.4", "port-unambiguous", "request", "a port outside the brackets"),
    ("4.5", "via-received-param-with-delim", "request", "received in brackets"),
    ("4.5", "via-received-param-no-delim", "request", "received without"),
    ("4.6", "ipv6-in-sdp", "request", "IPv6 in a body"),
    ("4.7", "mult-ip-in-header", "request", "hops of both kinds"),
    ("4.8", "mult-ip-in-sdp", "request", "media of both kinds"),
    ("4.9", "ipv4-mapped-ipv6", "request", "mapped addresses"),
    ("4.10", "ipv6-bug-abnf-3-colons", "request", "the grammar bug: let pass"),
    ("4.10", "ipv6-correct-abnf-2-colons", "request", "the same, right"),
]


def outcomeOf(data: bytes) -> Outcome:
    """
    What becomes of a datagram.
    """
    try:
        message = parseDatagram(data)
        if isinstance(message, Response):
            checkResponse(message)
            return "response"
    except MalformedMessage:
        return "drop"
    assert isinstance(message, Request)
    try:
        checkRequest(message)
    except MalformedMessage as e:
        return e.status
    return "request"


class _TortureTests(SynchronousTestCase):
    """
    What every message of a corpus must come through.
    """

    def checkMessage(self, data: bytes, wanted: Outcome) -> None:
        """
        It comes to the wanted end, it is written as it was read, and in a
        stream it does the same however it is cut.
        """
        self.assertEqual(outcomeOf(data), "request" if wanted == "pass" else wanted)
        try:
            message = parseDatagram(data)
        except MalformedMessage:
            return
        assert isinstance(message, Request | Response)
        raw = message.render()
        self.assertTrue((data + b"\r\n").startswith(raw))
        for size in (1, 7, len(raw)):
            framer = StreamFramer()
            frames = []
            try:
                for start in range(0, len(raw), size):
                    framer.receive(raw[start : start + size])
                    while (event := framer.nextEvent()) is not None:
                        assert isinstance(event, Frame)
                        frames.append(event.message.render())
            except MalformedMessage:
                self.assertIn(wanted, (400, "request", "pass"))
            else:
                self.assertIn(frames, ([raw], []) if wanted == 400 else ([raw],))


def _tests(
    table: list[tuple[str, str, Outcome, str]], corpus: dict[str, bytes]
) -> dict[str, Callable[[_TortureTests], None]]:
    """
    Make a test method of each row.
    """

    def make(
        section: str, name: str, wanted: Outcome, why: str
    ) -> Callable[[_TortureTests], None]:
        def test(self: _TortureTests) -> None:
            self.checkMessage(corpus[name], wanted)

        test.__doc__ = f"Section {section}: {why}."
        return test

    return {f"test_{row[1].replace('-', '_')}": make(*row) for row in table}


RFC4475Tests = type(
    "RFC4475Tests",
    (_TortureTests,),
    {"__doc__": "RFC 4475.", "__module__": __name__, **_tests(RFC4475, rfc4475())},
)
RFC5118Tests = type(
    "RFC5118Tests",
    (_TortureTests,),
    {"__doc__": "RFC 5118.", "__module__": __name__, **_tests(RFC5118, rfc5118())},
)


class TableTests(SynchronousTestCase):
    """
    The tables are whole.
    """

    def test_everyFileHasARow(self) -> None:
        """
        Every file of a corpus has a row and every row a file.
        """
        for table, corpus in ((RFC4475, rfc4475()), (RFC5118, rfc5118())):
            self.assertEqual(sorted(row[1] for row in table), sorted(corpus))


class UnderstoodTests(SynchronousTestCase):
    """
    What is to be understood of valid messages.
    """

    def request(self, name: str) -> Request:
        """
        A message of either corpus that is a request.
        """
        message = parseDatagram((rfc4475() | rfc5118())[name])
        assert isinstance(message, Request)
        return message

    def test_wsinv(self) -> None:
        """
        Every value is found in spite of its spelling.
        """
        request = self.request("wsinv")
        self.assertEqual(request.uri, b"sip:vivekg@chair-dnrc.example.com;unknownparam")
        self.assertEqual(
            request.toAddress.uri.render(), b"sip:vivekg@chair-dnrc.example.com"
        )
        self.assertEqual(request.toTag, b"1918181833n")
        self.assertEqual(request.fromAddress.display, b'J Rosenberg \\"')
        self.assertEqual(request.fromTag, b"98asjd8")
        self.assertEqual(request.maxForwards, 68)
        self.assertEqual(request.callID, b"wsinv.ndaksdj@192.0.2.1")
        self.assertEqual(request.cseq.render(), b"9 INVITE")
        self.assertEqual(
            [via.render() for via in request.vias],
            [
                b"SIP/2.0/UDP 192.0.2.2;branch=390skdjuw",
                b"SIP/2.0/TCP spindle.example.com;branch=z9hG4bK9ikj8",
                b"SIP/2.0/UDP 192.168.255.111;branch=z9hG4bK30239",
            ],
        )
        self.assertEqual(request.headers.first(b"Subject"), b"")
        self.assertEqual(
            request.headers.first(b"NewFangledHeader"),
            b"newfangled value continued newfangled value",
        )
        self.assertEqual(request.contentType, b"application/sdp")
        self.assertEqual(
            [route.uri.render() for route in request.routes],
            [b"sip:services.example.com;lr;unknownwith=value;unknown-no-value"],
        )
        self.assertEqual(
            request.contacts[0].render(),
            b'"Quoted string \\"\\"" <sip:jdrosen@example.com>;newparam=newvalue;'
            b"secondparam;q=0.33",
        )
        self.assertEqual(request.contacts[0].q, 0.33)

    def test_intmeth(self) -> None:
        """
        Methods, URIs and names of odd characters are what they are.
        """
        request = self.request("intmeth")
        self.assertEqual(request.method, b"!interesting-Method0123456789_*+`.%indeed'~")
        self.assertEqual(request.cseq.method, request.method)
        uri = request.requestURI
        assert isinstance(uri, SIPURI)
        self.assertEqual(uri.host, b"example.com")
        self.assertEqual(uri.password[:4], b"&it+")
        self.assertEqual(uri.render(), request.uri)
        self.assertIn(b"\xd9", request.fromAddress.display + b"\xd9")
        self.assertEqual(request.toAddress.display, b"BEL:\x07 NUL:\x00 DEL:\x7f")

    def test_escapes(self) -> None:
        """
        Users are compared without escapes; an escaped at sign does not end the
        user, an escaped NUL is of the user.
        """
        request = self.request("esc01")
        uri = request.requestURI
        assert isinstance(uri, SIPURI)
        self.assertEqual(uri.userText, b"sips:user@example.com")
        self.assertEqual(uri.host, b"example.net")
        users = []
        for contact in self.request("escnull").contacts:
            assert isinstance(contact.uri, SIPURI)
            users.append(contact.uri.userText)
        self.assertEqual(users, [b"\0", b"\0\0"])

    def test_esc02(self) -> None:
        """
        In methods and header names a percent sign escapes nothing.
        """
        request = self.request("esc02")
        self.assertEqual(request.method, b"RE%47IST%45R")
        self.assertEqual(len(request.contacts), 2)

    def test_lwsdisp(self) -> None:
        """
        A display name may touch its bracket.
        """
        self.assertEqual(self.request("lwsdisp").fromAddress.display, b"caller")

    def test_longreq(self) -> None:
        """
        Long values are whole.
        """
        request = self.request("longreq")
        self.assertEqual(len(request.vias), 34)
        self.assertGreater(len(request.callID), 140)
        self.assertEqual(request.contentType, b"application/sdp")

    def test_dblreq(self) -> None:
        """
        A datagram is one message; a stream of the same bytes is two, and then
        ends because the length of the second is not right.
        """
        data = rfc4475()["dblreq"]
        self.assertEqual(self.request("dblreq").method, b"REGISTER")
        framer = StreamFramer()
        framer.receive(data)
        methods = []
        with self.assertRaises(MalformedMessage):
            while (event := framer.nextEvent()) is not None:
                if isinstance(event, Frame):
                    assert isinstance(event.message, Request)
                    methods.append(event.message.method)
        self.assertEqual(methods, [b"REGISTER", b"INVITE"])

    def test_semiuri(self) -> None:
        """
        Semicolons before the at sign are of the user.
        """
        uri = self.request("semiuri").requestURI
        assert isinstance(uri, SIPURI)
        self.assertEqual(uri.userText, b"user;par=u@example.net")
        self.assertEqual(len(uri.parameters), 0)

    def test_transports(self) -> None:
        """
        Every transport has a name.
        """
        self.assertEqual(
            [via.transport for via in self.request("transports").vias],
            [b"UDP", b"SCTP", b"TLS", b"UNKNOWN", b"TCP"],
        )

    def test_mpart01(self) -> None:
        """
        A binary body is kept.
        """
        body = self.request("mpart01").body
        self.assertIn(b"\0", body)
        self.assertEqual(len(body), 553)

    def test_scalar(self) -> None:
        """
        An expiry time too large is the largest there is.
        """
        request = self.request("scalar02")
        self.assertEqual(request.contacts[0].expires, 2**32 - 1)
        self.assertEqual(request.expires, 2**32 - 1)

    def test_contactParameters(self) -> None:
        """
        Unknown parameters are of the Contact or of its URI, as they stand, and
        escaped headers stay with the URI.
        """
        contact = self.request("cparam01").contacts[0]
        self.assertIn(b"unknownparam", contact.parameters)
        contact = self.request("cparam02").contacts[0]
        assert isinstance(contact.uri, SIPURI)
        self.assertIn(b"unknownparam", contact.uri.parameters)
        contact = self.request("regescrt").contacts[0]
        assert isinstance(contact.uri, SIPURI)
        self.assertEqual(contact.uri.headers[:6], b"Route=")

    def test_inv2543(self) -> None:
        """
        An INVITE of RFC 2543 has no branch, no tag and no hop count.
        """
        request = self.request("inv2543")
        self.assertEqual((request.branch, request.fromTag), (b"", b""))
        self.assertIsNone(request.maxForwards)

    def test_badbranch(self) -> None:
        """
        A branch that is the cookie alone is read as that.
        """
        self.assertEqual(self.request("badbranch").branch, b"z9hG4bK")

    def test_ipv6Ports(self) -> None:
        """
        What follows the brackets is a port, what is in them is not.
        """
        for name, port in (("port-ambiguous", 0), ("port-unambiguous", 5070)):
            uri = self.request(name).requestURI
            assert isinstance(uri, SIPURI)
            self.assertEqual(uri.port, port)

    def test_ipv6Received(self) -> None:
        """
        received is an address without brackets in either spelling.
        """
        for name in ("with", "no"):
            via = self.request(f"via-received-param-{name}-delim").via
            self.assertEqual(via.received, b"2001:db8::9:255")
