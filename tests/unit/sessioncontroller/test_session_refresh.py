"""
Tests for sipcluster.sessioncontroller.session_refresh.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from sipcluster.sessioncontroller.session_refresh import Refresh, again, agreed


class RefreshTests(SynchronousTestCase):
    """
    Who refreshes, as 2xx say it.
    """

    def test_agreed(self) -> None:
        """
        The refresher is named from the side of the request; without a name it is who
        has answered.
        """
        for value, farEndAsked, wanted in (
            (b"1800;refresher=uac", True, Refresh(1800, True)),
            (b"1800;refresher=uac", False, Refresh(1800, False)),
            (b"90 ; Refresher = UAS", True, Refresh(90, False)),
            (b"90;refresher=uas", False, Refresh(90, True)),
            (b"90", False, Refresh(90, True)),
        ):
            for name in (b"Session-Expires", b"x"):
                fields = ((b"Supported", b"timer"), (name, value))
                self.assertEqual(agreed(fields, farEndAsked), wanted)

    def test_nothingAgreed(self) -> None:
        """
        No such field, or one that cannot be read, is no agreement.
        """
        self.assertIsNone(agreed((), True))
        for value in (b"", b"soon", b"-1", b"9" * 40, b";refresher=uac"):
            self.assertIsNone(agreed(((b"Session-Expires", value),), True))

    def test_saidAgain(self) -> None:
        """
        What we ask, when answered with the same words, is the same agreement.
        """
        self.assertEqual(again(None), ())
        for refresh in (Refresh(1800, True), Refresh(90, False)):
            fields = again(refresh)
            self.assertEqual(fields[0], (b"Supported", b"timer"))
            self.assertEqual(agreed(fields, False), refresh)
