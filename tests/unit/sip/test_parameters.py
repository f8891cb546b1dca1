"""
Tests for L{sipcluster.sip.parameters}.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from sipcluster.sip.errors import MalformedMessage
from sipcluster.sip.parameters import NONE, Parameters, splitOutsideQuotes

tokens = st.text("abcXYZ019-.!%*_+`'~", min_size=1, max_size=8).map(str.encode)


class SplitTests(SynchronousTestCase):
    """
    L{splitOutsideQuotes} cuts at separators and nowhere else.
    """

    def test_quotedSeparators(self) -> None:
        """
        Separators in quotes, escaped quotes included, do not count.
        """
        self.assertEqual(
            splitOutsideQuotes(rb'a;b="x;\";y" ; c', b";"), [b"a", rb'b="x;\";y"', b"c"]
        )

    def test_brackets(self) -> None:
        """
        Commas in angle brackets do not count; brackets in quotes do not open.
        """
        value = b'<sip:a,b@h>, "x<," <sip:c@h>'
        self.assertEqual(
            splitOutsideQuotes(value, b","), [b"<sip:a,b@h>", b'"x<," <sip:c@h>']
        )
        self.assertEqual(
            splitOutsideQuotes(b'"x" <a, b', b",", brackets=False), [b'"x" <a', b"b"]
        )
        self.assertEqual(
            splitOutsideQuotes(b"<a;b>;c", b";", brackets=True), [b"<a;b>", b"c"]
        )

    def test_quoteInBrackets(self) -> None:
        """
        A quote in angle brackets opens nothing.
        """
        self.assertEqual(splitOutsideQuotes(b'<a">,b', b","), [b'<a">', b"b"])

    def test_unclosed(self) -> None:
        """
        A quoted string or a bracket that does not end is refused.
        """
        for bad in (b'a,"b', rb'"a\"', b"<a,b", b'"a\\'):
            with self.assertRaises(MalformedMessage):
                splitOutsideQuotes(bad, b",")

    def test_emptyPieces(self) -> None:
        """
        Empty pieces are pieces.
        """
        self.assertEqual(splitOutsideQuotes(b",a,", b","), [b"", b"a", b""])
        self.assertEqual(splitOutsideQuotes(b"", b","), [b""])

    @given(st.binary(max_size=60), st.sampled_from([b",", b";"]))
    def test_onlyOurError(self, value: bytes, separator: bytes) -> None:
        """
        Any bytes are split, or refused with our error; what is split without
        quotes and brackets can be joined again.
        """
        try:
            pieces = splitOutsideQuotes(value, separator)
        except MalformedMessage:
            return
        self.assertEqual(
            b"".join(separator.join(pieces).split()), b"".join(value.split())
        )


class ParametersTests(SynchronousTestCase):
    """
    L{Parameters} keep order and spelling, and are found without case.
    """

    def test_lookUp(self) -> None:
        """
        Names are found in lower case; a flag has an empty value.
        """
        parameters = Parameters.parse(b";Transport=UDP;lr;x=")
        self.assertEqual(parameters.get(b"transport"), b"UDP")
        self.assertEqual(parameters.get(b"lr"), b"")
        self.assertEqual(parameters.get(b"x"), b"")
        self.assertIsNone(parameters.get(b"y"))
        self.assertIn(b"lr", parameters)
        self.assertNotIn(b"y", parameters)
        self.assertEqual(parameters.names(), [b"transport", b"lr", b"x"])
        self.assertEqual(len(parameters), 3)

    def test_spellingIsKept(self) -> None:
        """
        What is not changed is written as it was.
        """
        for raw in (b";Transport=UDP;lr;x=", b";;a", b";a=b=c"):
            self.assertEqual(Parameters.parse(raw).render(), raw)

    def test_blanksAreDropped(self) -> None:
        """
        Blanks around names, values and semicolons are read and not written.
        """
        parameters = Parameters.parse(b' ; Branch =  z9hG4bK1 ;q = "a b" ; lr')
        self.assertEqual(parameters.render(), b';Branch=z9hG4bK1;q="a b";lr')
        self.assertEqual(parameters.get(b"branch"), b"z9hG4bK1")
        self.assertEqual(parameters.text(b"q"), b"a b")
        self.assertEqual(parameters.text(b"none"), b"")

    def test_withoutFirstSemicolon(self) -> None:
        """
        The semicolon in front may be missing.
        """
        self.assertEqual(Parameters.parse(b"a=b;c").render(), b";a=b;c")

    def test_firstOfTwoCounts(self) -> None:
        """
        Of two with one name the first counts, for reading and for setting.
        """
        parameters = Parameters.parse(b";a=1;A=2")
        self.assertEqual(parameters.get(b"a"), b"1")
        self.assertEqual(parameters.with_(b"a", b"3").render(), b";a=3;A=2")

    def test_setting(self) -> None:
        """
        A parameter is set in its place, or last; the original is unchanged.
        """
        parameters = Parameters.parse(b";rport;branch=x")
        changed = parameters.with_(b"rport", b"5060").with_(b"received", b"192.0.2.1")
        self.assertEqual(changed.render(), b";rport=5060;branch=x;received=192.0.2.1")
        self.assertEqual(changed.with_(b"rport", None).render()[:7], b";rport;")
        self.assertEqual(parameters.render(), b";rport;branch=x")

    def test_leavingOut(self) -> None:
        """
        A parameter is left out in all its spellings.
        """
        parameters = Parameters.parse(b";a;B=1;b=2")
        self.assertEqual(parameters.without(b"B").render(), b";a")
        self.assertEqual(parameters.without(b"c"), parameters)

    def test_equality(self) -> None:
        """
        Equal without case of the names, and then with the same hash.
        """
        self.assertEqual(Parameters.parse(b";A=1"), Parameters.parse(b";a=1"))
        self.assertEqual(
            hash(Parameters.parse(b";A=1")), hash(Parameters.parse(b";a=1"))
        )
        self.assertNotEqual(Parameters.parse(b";a"), Parameters.parse(b";a="))
        self.assertNotEqual(NONE, 1)
        self.assertEqual(repr(Parameters.parse(b";a")), "Parameters(b';a')")

    def test_none(self) -> None:
        """
        No parameters are written as nothing.
        """
        self.assertIs(Parameters.parse(b""), NONE)
        self.assertEqual(NONE.render(), b"")
        self.assertEqual(list(NONE), [])

    def test_unclosedQuote(self) -> None:
        """
        A value that does not end is refused.
        """
        with self.assertRaises(MalformedMessage):
            Parameters.parse(b';a="b')

    @given(st.lists(st.tuples(tokens, st.none() | tokens), max_size=6))
    def test_parseUndoesRender(self, items: list[tuple[bytes, bytes | None]]) -> None:
        """
        What was written is read again.
        """
        parameters = Parameters(tuple((n.lower(), n, value) for n, value in items))
        again = Parameters.parse(parameters.render())
        self.assertEqual(again, parameters)
        self.assertEqual(again.render(), parameters.render())
