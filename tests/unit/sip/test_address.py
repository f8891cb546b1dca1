"""
Tests for L{sipcluster.sip.address}.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from sipcluster.sip.address import STAR, Address
from sipcluster.sip.errors import MalformedMessage
from sipcluster.sip.uri import SIPURI, parseURI


class AddressTests(SynchronousTestCase):
    """
    L{Address} reads what phones write, and writes what the RFC wants.
    """

    def test_quotedDisplayName(self) -> None:
        """
        Quotes and escapes of a display name are taken off, and put on again.
        """
        raw = rb'"Al \"the <b>\" \\ Bundy" <sip:al@example.com>;tag=1'
        address = Address.parse(raw)
        self.assertEqual(address.display, rb'Al "the <b>" \ Bundy')
        self.assertEqual(address.tag, b"1")
        self.assertEqual(address.render(), raw)

    def test_unquotedDisplayName(self) -> None:
        """
        Names without quotes are read, also with bytes that need them, and are
        written in quotes.
        """
        for raw, display in (
            (b"Bob <sip:bob@h>", b"Bob"),
            (b"Bob  Baker\t<sip:bob@h>", b"Bob  Baker"),
            (b"Bell, Alexander <sip:bob@h>", b"Bell, Alexander"),
            (b"J\xc3\xbcrgen (x) <sip:bob@h>", b"J\xc3\xbcrgen (x)"),
            (b"Bob<sip:bob@h>", b"Bob"),
            (b"<sip:bob@h>", b""),
            (b'""<sip:bob@h>', b""),
        ):
            address = Address.parse(raw)
            self.assertEqual(address.display, display)
            self.assertEqual(Address.parse(address.render()), address)
        self.assertEqual(
            Address.parse(b"Bob <sip:bob@h>").render(), b'"Bob" <sip:bob@h>'
        )

    def test_withoutBrackets(self) -> None:
        """
        Without angle brackets, parameters are the header's.
        """
        address = Address.parse(b"sip:bob@h;tag=a ; x")
        assert isinstance(address.uri, SIPURI)
        self.assertEqual(len(address.uri.parameters), 0)
        self.assertEqual(address.tag, b"a")
        self.assertEqual(address.render(), b"<sip:bob@h>;tag=a;x")

    def test_withBrackets(self) -> None:
        """
        In angle brackets, parameters are the URI's.
        """
        address = Address.parse(b"<sip:bob@h;transport=UDP?a=b> ; Tag=x")
        assert isinstance(address.uri, SIPURI)
        self.assertEqual(address.uri.transport, "UDP")
        self.assertEqual(address.tag, b"x")

    def test_needsBrackets(self) -> None:
        """
        Headers or commas in a URI without brackets are refused (RFC 3261
        section 20.10).
        """
        for bad in (b"sip:bob@h?Route=x", b"sip:b,ob@h"):
            with self.assertRaises(MalformedMessage):
                Address.parse(bad)

    def test_refused(self) -> None:
        """
        What is no address is refused.
        """
        for bad in (
            b"",
            b'"Mr. J. User <sip:j.user@example.com>',
            b'"a" b <sip:a@b>',
            b'a "b" <sip:a@b>',
            b'"a" sip:a@b',
            b"<sip:a@b",
            b"< sip:a@b >",
            b"<sip:a@b> x",
            b"<sip:a@b>x",
            b"<>",
            b"sip:a b@c",
            b'<sip:a@b>;x="y',
        ):
            with self.assertRaises(MalformedMessage, msg=repr(bad)):
                Address.parse(bad)

    def test_star(self) -> None:
        """
        The star of C{Contact: *} is an address of its own.
        """
        address = Address.parse(b" * ")
        self.assertIs(address, STAR)
        self.assertTrue(address.wildcard)
        self.assertEqual(address.render(), b"*")
        self.assertFalse(Address.parse(b"<urn:x:y>").wildcard)

    def test_q(self) -> None:
        """
        q is between 0 and 1, and 1 when it is missing or no number.
        """
        for text, q in (
            (b"", 1.0),
            (b";q=0.5", 0.5),
            (b";q=.5", 0.5),
            (b";q=0", 0.0),
            (b";q=1.000", 1.0),
            (b";q=7", 1.0),
            (b";q=high", 1.0),
            (b";q=", 1.0),
            (b";q=-1", 1.0),
            (b";q=0." + b"1" * 5000, 0.1111111),
            (b";q=" + b"9" * 5000, 1.0),
        ):
            self.assertAlmostEqual(Address.parse(b"<sip:a@b>" + text).q, q, 4)

    def test_expires(self) -> None:
        """
        expires is seconds, at most 2**32-1, and 3600 when it is no number.
        """
        for text, expires in (
            (b"", None),
            (b";expires=0", 0),
            (b";expires=60", 60),
            (b';expires="60"', 60),
            (b";expires=" + b"9" * 5000, 2**32 - 1),
            (b';expires="Thu, 01 Dec 1994 16:00:00 GMT"', 3600),
            (b";expires", 3600),
        ):
            self.assertEqual(Address.parse(b"<sip:a@b>" + text).expires, expires)

    def test_instance(self) -> None:
        """
        The instance is without quotes, and empty when there is none.
        """
        address = Address.parse(b'<sip:a@b>;+sip.instance="<urn:uuid:0>";reg-id=1')
        self.assertEqual(address.instance, b"<urn:uuid:0>")
        self.assertEqual(Address.parse(b"<sip:a@b>").instance, b"")

    def test_parametersAreSet(self) -> None:
        """
        Header parameters are set and left out, the original unchanged.
        """
        address = Address(parseURI(b"sip:a@b"))
        self.assertEqual(address.with_(b"tag", b"x").render(), b"<sip:a@b>;tag=x")
        self.assertEqual(
            address.with_(b"tag", b"x").without(b"TAG").render(), b"<sip:a@b>"
        )
        self.assertEqual(address.render(), b"<sip:a@b>")

    @given(st.binary(max_size=30))
    def test_anyDisplayName(self, display: bytes) -> None:
        """
        Whatever a display name holds, it is read again as it was written.
        """
        address = Address(parseURI(b"sip:a@b"), display)
        self.assertEqual(Address.parse(address.render()), address)

    @given(
        st.binary(max_size=60)
        | st.text('"<>;=,\\ sip:a@b*', max_size=40).map(str.encode)
    )
    def test_onlyOurError(self, raw: bytes) -> None:
        """
        Any bytes are an address, or are refused with our error; what is read
        and written is read as the same again.
        """
        try:
            address = Address.parse(raw)
        except MalformedMessage:
            return
        self.assertEqual(Address.parse(address.render()), address)
