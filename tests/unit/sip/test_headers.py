"""
Tests for L{sipcluster.sip.headers}.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from sipcluster.sip.errors import MalformedMessage, MessageTooLarge
from sipcluster.sip.headers import BROKEN, Headers, keyOf

LINES = [
    b"v:SIP/2.0/UDP a;branch=z9hG4bK1 , SIP/2.0/UDP b;branch=z9hG4bK2",
    b"X-Odd  :   kept\t as\r\n   it is ",
    b"VIA: SIP/2.0/TCP c;branch=z9hG4bK3",
    b'Route: "a, b" <sip:p1,x;lr>,<sip:p2;lr>',
    b"max-forwards: 70",
    b"Subject:",
]


def wire() -> Headers:
    """
    Headers as they came off the wire.
    """
    return Headers.fromLines(b"\r\n".join(LINES).split(b"\r\n"))


class KeyTests(SynchronousTestCase):
    """
    L{keyOf} knows a name in all its spellings.
    """

    def test_spellings(self) -> None:
        """
        Case does not matter, and compact forms are the long names.
        """
        for name in (b"Call-ID", b"call-id", b"CALL-ID", b"cALL-Id", b"i", b"I"):
            self.assertEqual(keyOf(name), b"call-id")
        self.assertEqual(keyOf(b"Via  "), b"via")
        self.assertEqual(keyOf(b"X-My-Header"), b"x-my-header")
        self.assertEqual(keyOf(b"x"), b"session-expires")

    def test_learned(self) -> None:
        """
        An unknown spelling is remembered, but neither a long one nor too many.
        """
        self.assertEqual(keyOf(b"X-Learned"), b"x-learned")
        self.assertIs(keyOf(b"X-Learned"), keyOf(b"X-Learned"))
        long = b"X-" + b"Long" * 100
        self.assertEqual(keyOf(long), long.lower())
        for number in range(3000):
            self.assertEqual(keyOf(b"X-%d" % number), b"x-%d" % number)

    def test_noColon(self) -> None:
        """
        A known name without a colon is no field, whatever was read before.
        """
        for lines in ([b"C", b"X-Seldom-Seen: 1"], [b"C", b"To: a"], [b"C"]):
            for _ in range(2):
                self.assertEqual(Headers.fromLines(list(lines)).keys[0], BROKEN)

    def test_noToken(self) -> None:
        """
        What is no token is no name.
        """
        for bad in (b"", b" ", b"a b", b"a\0", b"<a>", b"\xc3\xa4"):
            self.assertEqual(keyOf(bad), BROKEN)


class ReadingTests(SynchronousTestCase):
    """
    L{Headers} finds values in any spelling.
    """

    def test_first(self) -> None:
        """
        The first field of a name, unfolded and stripped.
        """
        headers = wire()
        self.assertEqual(headers.first(b"X-odd"), b"kept\t as it is")
        self.assertEqual(headers.first(b"Max-Forwards"), b"70")
        self.assertEqual(headers.first(b"Subject"), b"")
        self.assertIsNone(headers.first(b"To"))

    def test_all(self) -> None:
        """
        All fields of a name, in order.
        """
        headers = wire()
        self.assertEqual(len(headers.all(b"Via")), 2)
        self.assertEqual(headers.all(b"Subject"), [b""])
        self.assertEqual(headers.all(b"To"), [])
        self.assertEqual(headers.count(b"v"), 2)
        self.assertEqual(len(headers), 6)

    def test_values(self) -> None:
        """
        Elements over all fields, commas in quotes and brackets left alone.
        """
        headers = wire()
        self.assertEqual(
            [value[8:13] for value in headers.values(b"Via")],
            [b"UDP a", b"UDP b", b"TCP c"],
        )
        self.assertEqual(
            headers.values(b"Route"), [b'"a, b" <sip:p1,x;lr>', b"<sip:p2;lr>"]
        )
        self.assertEqual(headers.values(b"Subject"), [])
        self.assertEqual(
            Headers.of((b"Allow", b",a,,b,")).values(b"Allow"), [b"a", b"b"]
        )

    def test_tooManyValues(self) -> None:
        """
        More than 512 elements in one field are refused before they are cut.
        """
        good = Headers.of((b"Route", b",".join([b"a"] * 512)))
        self.assertEqual(len(good.values(b"Route")), 512)
        bad = Headers.of((b"Route", b",".join([b"a"] * 513)))
        for read in (bad.values, bad.removeFirstValue):
            with self.assertRaises(MessageTooLarge):
                read(b"Route")

    def test_contains(self) -> None:
        """
        Whether a name is there.
        """
        headers = wire()
        self.assertIn(b"Via", headers)
        self.assertNotIn(b"To", headers)
        self.assertNotIn("Via", headers)

    def test_iteration(self) -> None:
        """
        Names are given as they were spelled.
        """
        self.assertEqual(
            [name for name, _ in wire()],
            [b"v", b"X-Odd", b"VIA", b"Route", b"max-forwards", b"Subject"],
        )

    def test_brokenLines(self) -> None:
        """
        A line without a colon, or with something else than a name before it,
        has a key of its own, is found under no name and is kept.
        """
        lines = [b"no colon", b": nothing", b"a b: c", b"To: d"]
        headers = Headers.fromLines(lines)
        self.assertEqual(headers.keys, [BROKEN, BROKEN, BROKEN, b"to"])
        self.assertEqual(
            headers.render(), b"no colon\r\n: nothing\r\na b: c\r\nTo: d\r\n"
        )

    def test_nothingToContinue(self) -> None:
        """
        A first line that begins with a blank continues nothing.
        """
        with self.assertRaises(MalformedMessage):
            Headers.fromLines([b" To: a"])

    def test_foldedEverywhere(self) -> None:
        """
        Several continuations belong to the line above, in the middle and at
        the end.
        """
        headers = Headers.fromLines([b"To: a", b" b", b"\tc", b"From: d", b" ", b"  e"])
        self.assertEqual(headers.first(b"To"), b"a b c")
        self.assertEqual(headers.first(b"From"), b"d e")


class EditingTests(SynchronousTestCase):
    """
    Every edit makes new L{Headers} and leaves other lines byte for byte.
    """

    def assertEdited(self, headers: Headers, *lines: bytes) -> None:
        """
        The headers have these lines, the keys that go with them, and the
        original is as it was.
        """
        self.assertEqual(headers.lines, list(lines))
        self.assertEqual(headers.keys, Headers.fromLines(list(lines)).keys)
        self.assertEqual(wire().lines, LINES)

    def test_prepend(self) -> None:
        """
        A field goes above the first of its name, or on top of all.
        """
        self.assertEdited(wire().prepend(b"Via", b"x"), b"Via: x", *LINES)
        self.assertEdited(
            wire().prepend(b"Record-Route", b"x"), b"Record-Route: x", *LINES
        )
        self.assertEdited(
            wire().prepend(b"Route", b"x"), *LINES[:3], b"Route: x", *LINES[3:]
        )

    def test_append(self) -> None:
        """
        A field goes below all others.
        """
        self.assertEdited(wire().append(b"Via", b"x"), *LINES, b"Via: x")
        self.assertEdited(
            wire().extended([(b"A", b"1"), (b"B", b"2")]), *LINES, b"A: 1", b"B: 2"
        )

    def test_replace(self) -> None:
        """
        New fields stand where the first one stood, or last.
        """
        self.assertEdited(
            wire().replace(b"Max-Forwards", b"69"),
            *LINES[:4],
            b"Max-Forwards: 69",
            LINES[5],
        )
        self.assertEdited(
            wire().replace(b"Via", b"x", b"y"),
            b"Via: x",
            b"Via: y",
            LINES[1],
            *LINES[3:],
        )
        self.assertEdited(wire().replace(b"To", b"x"), *LINES, b"To: x")
        self.assertEdited(wire().replace(b"Via"), LINES[1], *LINES[3:])

    def test_remove(self) -> None:
        """
        All fields of a name go; others stay.
        """
        self.assertEdited(wire().remove(b"Via"), LINES[1], *LINES[3:])
        headers = wire()
        self.assertIs(headers.remove(b"To"), headers)

    def test_removeFirstValue(self) -> None:
        """
        One value goes: of several in a line the others stay, in the spelling
        of their name.
        """
        once = wire().removeFirstValue(b"Via")
        self.assertEdited(once, b"v: SIP/2.0/UDP b;branch=z9hG4bK2", *LINES[1:])
        twice = once.removeFirstValue(b"Via")
        self.assertEdited(twice, *LINES[1:])
        thrice = twice.removeFirstValue(b"Via")
        self.assertEdited(thrice, LINES[1], *LINES[3:])
        self.assertIs(thrice.removeFirstValue(b"Via"), thrice)
        self.assertEqual(
            wire().removeFirstValue(b"Route").values(b"Route"), [b"<sip:p2;lr>"]
        )

    def test_emptyValuesAreNoValues(self) -> None:
        """
        Empty fields and empty elements are passed over.
        """
        headers = Headers.of((b"Route", b""), (b"Route", b", ,"), (b"Route", b",a,,b"))
        self.assertEqual(
            headers.removeFirstValue(b"Route").render(),
            b"Route: \r\nRoute: , ,\r\nRoute: b\r\n",
        )

    def test_replaceFirstValue(self) -> None:
        """
        One value is put in place of the first.
        """
        headers = wire().replaceFirstValue(b"Via", b"x")
        self.assertEdited(headers, b"v: x, SIP/2.0/UDP b;branch=z9hG4bK2", *LINES[1:])
        headers = wire().replaceFirstValue(b"Max-Forwards", b"69")
        self.assertEqual(headers.lines[4], b"max-forwards: 69")
        self.assertEqual(wire().replaceFirstValue(b"To", b"x"), wire())

    def test_lineEndsAreRefused(self) -> None:
        """
        A value with a line end would be a second header: it is our mistake.
        """
        for bad in (b"a\r\nTo: b", b"a\nb", b"a\rb"):
            for edit in (
                lambda value: Headers.of((b"A", value)),
                lambda value: wire().prepend(b"A", value),
                lambda value: wire().append(b"A", value),
                lambda value: wire().replace(b"Via", value),
                lambda value: wire().replaceFirstValue(b"Via", value),
            ):
                with self.assertRaises(ValueError):
                    edit(bad)

    def test_parsedValuesOfOtherFieldsStay(self) -> None:
        """
        What was read of an edited field is forgotten, of others kept.
        """
        headers = wire()
        headers.parsed.update({b"via": 1, b"via*": 2, b"to": 3, b"to;tag": 4})
        self.assertEqual(headers.prepend(b"Via", b"x").parsed, {b"to": 3, b"to;tag": 4})
        self.assertEqual(headers.replace(b"To", b"x").parsed, {b"via": 1, b"via*": 2})
        self.assertEqual(headers.remove(b"Via").parsed, {b"to": 3, b"to;tag": 4})
        self.assertEqual(len(headers.parsed), 4)

    def test_equality(self) -> None:
        """
        Equal when all lines are, and then with the same hash.
        """
        self.assertEqual(wire(), wire())
        self.assertEqual(hash(wire()), hash(wire()))
        self.assertNotEqual(wire(), wire().remove(b"Via"))
        self.assertNotEqual(wire(), 1)
        self.assertEqual(repr(Headers.of((b"A", b"b"))), "Headers([b'A: b'])")
        self.assertEqual(Headers().render(), b"")

    @given(
        st.lists(
            st.sampled_from([*LINES, b"To: a", b"Via: z, y", b"odd", b"m: *"]),
            max_size=8,
        )
    )
    def test_popUndoesPrepend(self, lines: list[bytes]) -> None:
        """
        Taking off what was put on top of any lines gives the same lines.
        """
        headers = Headers.fromLines(b"\r\n".join(lines).split(b"\r\n") if lines else [])
        for name in (b"Via", b"Record-Route", b"Contact"):
            self.assertEqual(
                headers.prepend(name, b"x").removeFirstValue(name), headers
            )
