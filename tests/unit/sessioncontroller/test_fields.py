"""
Tests for sipcluster.sessioncontroller.fields and acceptance.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from sipcluster.sessioncontroller.acceptance import (
    checkExtensions,
    checkSession,
    wrongMethod,
)
from sipcluster.sessioncontroller.fields import (
    commonMethods,
    relayedFields,
    sessionFields,
)
from sipcluster.sip.headers import Headers
from sipcluster.sip.message import Request
from sipcluster.testing.sip_peer import sdp


def request(*fields: tuple[bytes, bytes], body: bytes = b"") -> Request:
    """
    A request with these fields and nothing else.
    """
    return Request(b"INVITE", b"sip:x@y", Headers.of(*fields), body)


class FieldsTests(SynchronousTestCase):
    """
    What goes from one leg to the other.
    """

    def test_session(self) -> None:
        """
        What belongs to the call goes along, and fields of the users' own; what
        belongs to one leg does not, nor what the cluster says to itself.
        """
        fields = sessionFields(
            request(
                (b"Via", b"SIP/2.0/UDP x"),
                (b"s", b"lunch"),
                (b"X-Customer", b"42"),
                (b"x-sipcluster-role", b"primary"),
                (b"P-Asserted-Identity", b"<sip:boss@lab.example>"),
                (b"Authorization", b"Digest secret"),
                (b"User-Agent", b"phone"),
            )
        )
        self.assertEqual(fields, ((b"s", b"lunch"), (b"X-Customer", b"42")))

    def test_folded(self) -> None:
        """
        A folded value is passed on in one line.
        """
        message = request((b"From", b"x"))
        headers = Headers.fromLines(
            [b"Subject: two\r\n  lines", *message.headers.lines]
        )
        fields = sessionFields(message.replacing(headers=headers))
        self.assertEqual(fields, ((b"Subject", b"two lines"),))

    def test_timers(self) -> None:
        """
        Extensions are between the node and one far end, session timers too.
        """
        fields = sessionFields(
            request(
                (b"Supported", b"100rel, Timer"),
                (b"Require", b"timer"),
                (b"Session-Expires", b"1800"),
                (b"Min-SE", b"90"),
            )
        )
        self.assertEqual(fields, ())

    def test_relayed(self) -> None:
        """
        An INFO takes what says what its body is.
        """
        fields = relayedFields(
            request((b"c", b"text/plain"), (b"Info-Package", b"foo"), (b"Date", b"x"))
        )
        self.assertEqual(fields, ((b"c", b"text/plain"), (b"Info-Package", b"foo")))

    def test_methods(self) -> None:
        """
        What both ends take, in our order, and what is not passed on; nothing when the
        far end does not say.
        """
        self.assertEqual(commonMethods(request()), b"")
        self.assertEqual(
            commonMethods(request((b"Allow", b"UPDATE, SUBSCRIBE, INVITE"))),
            b"INVITE, UPDATE, REFER",
        )


class AcceptanceTests(SynchronousTestCase):
    """
    What can be understood.
    """

    def status(self, *fields: tuple[bytes, bytes], body: bytes = b"") -> int:
        """
        What the session of a request is refused with, or 0.
        """
        found = checkSession(request(*fields, body=body))
        return 0 if found is None else found.status

    def test_sessions(self) -> None:
        """
        SDP, or nothing, or what may be left unread.
        """
        kind = (b"Content-Type", b"application/sdp")
        self.assertEqual(self.status(), 0)
        self.assertEqual(self.status(kind, body=sdp()), 0)
        self.assertEqual(self.status(kind, body=b"x"), 488)
        self.assertEqual(self.status((b"c", b"text/plain"), body=b"x"), 415)
        self.assertEqual(
            self.status(
                (b"c", b"text/plain"),
                (b"Content-Disposition", b"render; handling = optional"),
                body=b"x",
            ),
            0,
        )
        encoded = (b"Content-Encoding", b"gzip")
        self.assertEqual(self.status(kind, encoded, body=sdp()), 415)
        plain = (b"Content-Encoding", b"identity")
        self.assertEqual(self.status(kind, plain, body=sdp()), 0)

    def test_accept(self) -> None:
        """
        Who does not take SDP cannot be served.
        """
        for value, wanted in (
            (b"application/sdp", 0),
            (b"text/plain, application/SDP;level=1", 0),
            (b"application/*", 0),
            (b"*/*", 0),
            (b"", 0),
            (b"text/plain", 406),
        ):
            self.assertEqual(self.status((b"Accept", value)), wanted, value)

    def test_extensions(self) -> None:
        """
        Unknown option tags are listed.
        """
        self.assertIsNone(checkExtensions(request()))
        self.assertIsNone(checkExtensions(request((b"Require", b"timer"))))
        found = checkExtensions(request((b"Require", b"timer, gruu, path")))
        assert found is not None
        self.assertEqual(found.headers.first(b"Unsupported"), b"gruu, path")

    def test_methods(self) -> None:
        """
        Each method that is not served is refused in its own way.
        """
        self.assertEqual(wrongMethod(b"BYE").status, 481)
        self.assertEqual(wrongMethod(b"NOTIFY").status, 489)
        self.assertEqual(wrongMethod(b"REFER").status, 405)
        self.assertEqual(wrongMethod(b"refer").status, 501)
