"""
Tests for sipcluster.sessioncontroller.call_numbers.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from sipcluster.ha.ikeeping import IKept
from sipcluster.sessioncontroller.call_numbers import BLOCK, HIGHEST, CallNumbers


class CallNumbersTests(SynchronousTestCase):
    """
    Tests for L{CallNumbers}.
    """

    def setUp(self) -> None:
        self.touched: list[str] = []
        self.numbers = CallNumbers()
        self.numbers.touch = self.touched.append

    def moved(self) -> CallNumbers:
        """
        Those of the process that goes on.
        """
        other = CallNumbers()
        for key in list(self.numbers.keys()):
            value = self.numbers.entry(key)
            assert value is not None
            other.restore(key, value, 5.0)
            self.assertEqual(other.entry(key), value)
        other.restored()
        return other

    def test_kept(self) -> None:
        """
        They are entries, of which there is none before the first number.
        """
        verifyObject(IKept, self.numbers)
        self.assertEqual(list(self.numbers.keys()), [])
        self.assertIsNone(self.numbers.entry("last"))
        self.assertEqual(self.moved().next(), 1)

    def test_oneAfterTheOther(self) -> None:
        """
        They count, and are written down once for many.
        """
        given = [self.numbers.next() for _ in range(BLOCK + 1)]
        self.assertEqual(given, list(range(1, BLOCK + 2)))
        self.assertEqual(self.touched, ["last", "last"])

    def test_noneTwice(self) -> None:
        """
        Another process goes on with numbers that were not given, also when no call is
        left, and after a second takeover.
        """
        given = [self.numbers.next() for _ in range(3)]
        for _ in range(2):
            self.numbers = self.moved()
            given.append(self.numbers.next())
        self.assertEqual(given, [1, 2, 3, BLOCK + 1, 2 * BLOCK + 1])

    def test_notWrittenDown(self) -> None:
        """
        The number of a call that came from elsewhere is not given again.
        """
        self.numbers.given(77)
        self.numbers.given(5)
        self.assertEqual(self.numbers.next(), 78)

    def test_anew(self) -> None:
        """
        After the highest one they begin at 1, for the other process too.
        """
        self.numbers.given(HIGHEST - 1)
        self.assertEqual([self.numbers.next() for _ in range(2)], [HIGHEST, 1])
        other = CallNumbers()
        other.given(HIGHEST)
        other.restore("last", self.numbers.entry("last") or b"", 0.0)
        self.assertEqual(other.next(), BLOCK + 1)

    def test_garbage(self) -> None:
        """
        What is no such number is not believed.
        """
        for value in (b"", b"x", b"0", b"-5", b"%d" % (HIGHEST + 1)):
            self.assertRaises(ValueError, self.numbers.restore, "last", value, 0.0)
        self.assertEqual(self.numbers.next(), 1)
