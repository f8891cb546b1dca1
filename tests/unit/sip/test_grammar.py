"""
Tests for L{sipcluster.sip.grammar} and L{sipcluster.sip.errors}.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from sipcluster.sip import grammar
from sipcluster.sip.errors import MalformedMessage, MessageTooLarge


class NumberTests(SynchronousTestCase):
    """
    Numbers are read without ever converting more digits than they may have.
    """

    def test_readsDigits(self) -> None:
        """
        Digits are a number, leading zeros included.
        """
        self.assertEqual(grammar.number(b"0070", "n", 255), 70)

    def test_refusesWhatIsNoNumber(self) -> None:
        """
        Signs, blanks and nothing at all are no number.
        """
        for bad in (b"", b"-1", b"+1", b" 1", b"1.0", b"0x10", b"\xd9\xa1"):
            with self.assertRaises(MalformedMessage):
                grammar.number(bad, "n", 255)

    def test_refusesWhatIsTooLarge(self) -> None:
        """
        A number above its limit is refused.
        """
        with self.assertRaises(MalformedMessage):
            grammar.number(b"256", "n", 255)

    def test_thousandsOfDigits(self) -> None:
        """
        Five thousand digits are too large, or the number that is left when they
        begin with zeros; they never raise what L{int} raises for so many.
        """
        with self.assertRaises(MalformedMessage):
            grammar.number(b"9" * 5000, "n", 255)
        self.assertEqual(grammar.number(b"0" * 5000, "n", 255), 0)
        self.assertEqual(grammar.number(b"0" * 5000 + b"7", "n", 255), 7)

    def test_clamped(self) -> None:
        """
        Where a limit stands for whatever is greater, nothing is too large.
        """
        self.assertEqual(grammar.clampedNumber(b"3600", "n", 7200), 3600)
        self.assertEqual(grammar.clampedNumber(b"7201", "n", 7200), 7200)
        self.assertEqual(grammar.clampedNumber(b"9" * 5000, "n", 7200), 7200)
        self.assertEqual(grammar.clampedNumber(b"0" * 5000 + b"1", "n", 7200), 1)
        with self.assertRaises(MalformedMessage):
            grammar.clampedNumber(b"soon", "n", 7200)

    def test_ports(self) -> None:
        """
        A port is from 1 to 65535.
        """
        self.assertEqual(grammar.portNumber(b"5060"), 5060)
        for bad in (b"0", b"65536", b"sip"):
            with self.assertRaises(MalformedMessage):
                grammar.portNumber(bad)


class QuotingTests(SynchronousTestCase):
    """
    Quoted strings and escapes are undone as they were made.
    """

    @given(st.binary(max_size=40))
    def test_unquoteUndoesQuote(self, text: bytes) -> None:
        """
        Whatever is quoted comes out of its quotes again.
        """
        self.assertEqual(grammar.unquote(grammar.quote(text)), text)

    @given(st.binary(max_size=40))
    def test_unescapeUndoesEscape(self, user: bytes) -> None:
        """
        Whatever is escaped for a user part comes back, and stands in a URI.
        """
        escaped = grammar.escapeUser(user)
        self.assertEqual(grammar.unescape(escaped), user)
        self.assertNotRegex(escaped, rb"[@: <>\"\x00-\x20]")

    def test_strayPercent(self) -> None:
        """
        A percent sign without two digits stays.
        """
        self.assertEqual(grammar.unescape(b"a%zz%4"), b"a%zz%4")

    def test_unquoteLeavesTokens(self) -> None:
        """
        What has no quotes, or only one, stays as it is.
        """
        for token in (b"", b'"', b"abc", b'"abc', b'abc"'):
            self.assertEqual(grammar.unquote(token), token)


class HostTests(SynchronousTestCase):
    """
    Names, IPv4 and IPv6 addresses are hosts.
    """

    def test_hosts(self) -> None:
        """
        IPv6 addresses need brackets; the grammar bug of RFC 3261 is forgiven.
        """
        for good in (b"a", b"192.0.2.1", b"lab_1.example", b"[::1]", b"[2001:db8:::1]"):
            self.assertTrue(grammar.isHost(good), good)
        for bad in (b"", b"::1", b"a b", b"[::1", b"a@b", b"\xc3\xa4.example"):
            self.assertFalse(grammar.isHost(bad), bad)

    def test_hostPort(self) -> None:
        """
        A port may follow, with blanks around the colon.
        """
        self.assertEqual(grammar.hostPort(b"[::1]:5061"), (b"[::1]", 5061))
        self.assertEqual(grammar.hostPort(b"a : 5061"), (b"a", 5061))
        self.assertEqual(grammar.hostPort(b"a"), (b"a", 0))
        for bad in (b"2001:db8::10", b"a:b", b"a:70000", b""):
            with self.assertRaises(MalformedMessage):
                grammar.hostPort(bad)


class ErrorTests(SynchronousTestCase):
    """
    Errors carry what is wrong, what to answer and a little evidence.
    """

    def test_fragmentIsShort(self) -> None:
        """
        Of what was read, an error keeps 80 bytes.
        """
        error = MalformedMessage("too long", b"x" * 1000)
        self.assertEqual(len(error.fragment), 80)
        self.assertEqual(error.status, 400)
        self.assertIn("too long: b'xxx", str(error))

    def test_withoutFragment(self) -> None:
        """
        Without evidence the text is the fault alone.
        """
        self.assertEqual(str(MessageTooLarge("too large")), "too large")
        self.assertEqual(MessageTooLarge("too large").status, 513)
