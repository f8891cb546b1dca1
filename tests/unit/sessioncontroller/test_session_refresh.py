"""
Tests for sipcluster.sessioncontroller.session_refresh.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from sipcluster.sessioncontroller.session_refresh import (
    Refresh,
    again,
    agreed,
    answered,
    asked,
    proposed,
)
from sipcluster.sip.headers import Headers
from sipcluster.sip.message import Request, Response
from sipcluster.sip.session_timer import IntervalTooSmall

KNOWN = (b"Supported", b"timer")


def request(*fields: tuple[bytes, bytes]) -> Request:
    """
    One of a far end.
    """
    return Request(b"INVITE", b"sip:x@y", Headers.of(*fields))


def response(*fields: tuple[bytes, bytes]) -> Response:
    """
    The 2xx of one.
    """
    return Response(200, b"OK", Headers.of(*fields))


class RefreshTests(SynchronousTestCase):
    """
    Who refreshes.
    """

    def test_agreed(self) -> None:
        """
        A 2xx names the refresher from our side; without a name it is us.
        """
        for value, wanted in (
            (b"1800;refresher=uac", Refresh(1800, False)),
            (b"90 ; Refresher = UAS", Refresh(90, True)),
            (b"90", Refresh(90, False)),
            (b"20;refresher=uas", Refresh(90, True)),
        ):
            for name in (b"Session-Expires", b"x"):
                self.assertEqual(agreed(response((name, value)), 0), wanted, value)

    def test_nothingAgreed(self) -> None:
        """
        No such field is no agreement, unless we have asked for one: then we refresh.
        One that cannot be read is none.
        """
        self.assertIsNone(agreed(response(), 0))
        self.assertEqual(agreed(response(), 600), Refresh(600, False))
        for value in (b"", b"soon", b"-1", b";refresher=uac"):
            made = response((b"Session-Expires", value))
            self.assertIsNone(agreed(made, 600), value)

    def test_answered(self) -> None:
        """
        A far end that knows of session timers refreshes, unless it wants us to; for one
        that does not we do.
        """
        for fields, interval, refresh, said in (
            ((), 0, None, ()),
            ((KNOWN,), 600, Refresh(600, True), (b"timer", b"600;refresher=uac")),
            ((), 600, Refresh(600, False), (b"600;refresher=uas",)),
            (
                (KNOWN, (b"Session-Expires", b"1800")),
                600,
                Refresh(600, True),
                (b"timer", b"600;refresher=uac"),
            ),
            (
                (KNOWN, (b"x", b"300;refresher=uas")),
                0,
                Refresh(300, False),
                (b"300;refresher=uas",),
            ),
        ):
            got, told = answered(request(*fields), interval, 90)
            self.assertEqual(got, refresh, fields)
            self.assertEqual(tuple(value for _, value in told), said)

    def test_tooShort(self) -> None:
        """
        Refreshes that would come too often are refused.
        """
        made = request(KNOWN, (b"Session-Expires", b"100"))
        refused = self.assertRaises(IntervalTooSmall, answered, made, 0, 120)
        self.assertEqual(refused.minimum, 120)

    def test_asked(self) -> None:
        """
        What a far end asks for.
        """
        self.assertEqual(asked(request((b"x", b"300;refresher=uas"))), 300)
        self.assertEqual(asked(request((b"x", b"soon"))), 0)
        self.assertEqual(asked(request()), 0)

    def test_proposed(self) -> None:
        """
        What we ask for, the far end is to do.
        """
        self.assertEqual(proposed(0), ())
        value = b"90;refresher=uas"
        self.assertEqual(proposed(90), ((b"Session-Expires", value),))

    def test_saidAgain(self) -> None:
        """
        What we ask, when answered with the same words, is the same agreement.
        """
        self.assertEqual(again(None), ())
        for refresh in (Refresh(1800, True), Refresh(90, False)):
            fields = again(refresh)
            self.assertEqual(fields[0], KNOWN)
            self.assertEqual(agreed(response(*fields), 0), refresh)
