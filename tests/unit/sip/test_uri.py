"""
Tests for L{sipcluster.sip.uri}.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from sipcluster.sip.errors import MalformedMessage
from sipcluster.sip.uri import SIPURI, URI, OtherURI, TelURI, parseURI


def sip(value: bytes) -> SIPURI:
    """
    Read a URI that must be a SIP one.
    """
    uri = parseURI(value)
    assert isinstance(uri, SIPURI)
    return uri


class SIPURITests(SynchronousTestCase):
    """
    C{sip:} and C{sips:} URIs.
    """

    def test_parts(self) -> None:
        """
        All that a URI may have is found.
        """
        uri = sip(b"SIPS:alice:pass;w@[2001:db8::1]:5061;lr;Transport=TCP?a=b&c=d")
        self.assertEqual(uri.scheme, b"sips")
        self.assertTrue(uri.secure)
        self.assertEqual(uri.user, b"alice")
        self.assertEqual(uri.password, b"pass;w")
        self.assertEqual(uri.host, b"[2001:db8::1]")
        self.assertEqual(uri.bareHost, "2001:db8::1")
        self.assertEqual(uri.port, 5061)
        self.assertEqual(uri.transport, "TCP")
        self.assertIn(b"lr", uri.parameters)
        self.assertEqual(uri.headers, b"a=b&c=d")
        self.assertNotIn("pass", repr(uri))

    def test_bare(self) -> None:
        """
        A host is enough.
        """
        uri = sip(b"sip:lab.example")
        self.assertEqual((uri.user, uri.port, uri.transport), (b"", 0, ""))
        self.assertEqual(uri.hostPort(), b"lab.example")
        self.assertEqual(uri.hostPort(5060), b"lab.example:5060")
        self.assertEqual(sip(b"sip:a:5070").hostPort(5060), b"a:5070")

    def test_renderIsIdentity(self) -> None:
        """
        What was read is written as it was.
        """
        for raw in (
            b"sip:lab.example",
            b"sip:alice@lab.example:5070",
            b"sips:1001:secret@192.0.2.1;transport=UDP;lr",
            b"sip:user;par=u%40example.net@example.com",
            b"sip:a%zz@example.com?Subject=x",
            b"sip:%00@example.com;method=INVITE",
            b"sip:+1-212;ext=5@[::1]:5060;maddr=[::2]",
            b"sip:J\xc3\xbcrgen@example.com",
            b"tel:+1-201-555-0123;phone-context=example.com",
            b"urn:service:sos",
            b"soap.beep://192.0.2.103:3002",
        ):
            self.assertEqual(parseURI(raw).render(), raw)

    def test_userMayHoldSemicolonsAndQuestionMarks(self) -> None:
        """
        What stands before the at sign is user, whatever it looks like.
        """
        uri = sip(b"sip:a;b?c=d&e/$f@example.com")
        self.assertEqual(uri.user, b"a;b?c=d&e/$f")
        self.assertEqual(uri.headers, b"")

    def test_refused(self) -> None:
        """
        What is no URI, or a bad SIP one, is refused.
        """
        for bad in (
            b"",
            b"lab.example",
            b"sip:",
            b"sip:@",
            b"sip:a@",
            b"sip:a@b@c",
            b"sip:a b@c",
            b" sip:a@b",
            b"sip:a@b ",
            b"sip:2001:db8::10",
            b"sip:[2001:db8::10",
            b"sip:host:65536",
            b"sip:host:0",
            b"sip:host:50a",
            b"sip:a@b;<lr>",
            b"<sip:a@b>",
            b"sip:a@b\r\nX: y",
            b"sip:a@b\0",
            b"tel:",
            b"tel:;x",
            b":x",
            b"*",
        ):
            with self.assertRaises(MalformedMessage, msg=repr(bad)):
                parseURI(bad)

    def test_emptyPort(self) -> None:
        """
        A colon without a port is read as none.
        """
        self.assertEqual(sip(b"sip:a@b:;lr").render(), b"sip:a@b;lr")

    def test_addressOfRecord(self) -> None:
        """
        The canonical form has the user without escapes, the host in lower case
        and nothing else.
        """
        for raw in (
            b"sip:al%69ce@LAB.Example:5060;user=phone",
            b"sips:alice:pw@lab.example?x=y",
            b"sip:%61lice@lab.example",
        ):
            self.assertEqual(sip(raw).aor(), b"sip:alice@lab.example")
        self.assertEqual(sip(b"sip:LAB.example;lr").aor(), b"sip:lab.example")

    def test_nulInUser(self) -> None:
        """
        A user with an escaped NUL is another one than without (RFC 4475
        section 3.1.1.4).
        """
        self.assertNotEqual(sip(b"sip:null-%00-null@h").aor(), sip(b"sip:null--null@h"))
        self.assertEqual(sip(b"sip:%00@h").userText, b"\0")

    def test_parametersAreSet(self) -> None:
        """
        Parameters are set and left out, the original unchanged.
        """
        uri = sip(b"sip:a@b;lr")
        self.assertEqual(uri.with_(b"ob", None).render(), b"sip:a@b;lr;ob")
        self.assertEqual(uri.without(b"lr").render(), b"sip:a@b")
        self.assertEqual(uri.render(), b"sip:a@b;lr")

    def test_longOnesAreNotRemembered(self) -> None:
        """
        URIs of any length are read.
        """
        raw = b"sip:%b@b" % (b"a" * 5000)
        self.assertEqual(parseURI(raw).render(), raw)


class RequestURITests(SynchronousTestCase):
    """
    RFC 3261 section 19.1.1, table 1.
    """

    def test_asRequestURI(self) -> None:
        """
        Headers and a method are left out; a URI without them stays the same.
        """
        uri = sip(b"sip:a:b@h:5070;x=1;METHOD=BYE;lr?Route=x&Subject=y")
        self.assertEqual(uri.asRequestURI().render(), b"sip:a:b@h:5070;x=1;lr")
        plain = sip(b"sips:a@h;maddr=192.0.2.1")
        self.assertIs(plain.asRequestURI(), plain)


class EquivalenceTests(SynchronousTestCase):
    """
    The examples of RFC 3261 section 19.1.4.
    """

    def test_equivalent(self) -> None:
        """
        What the RFC calls equivalent.
        """
        for one, other in (
            (
                b"sip:%61lice@atlanta.com;transport=TCP",
                b"sip:alice@AtLanTa.CoM;Transport=tcp",
            ),
            (
                b"sip:carol@chicago.com",
                b"sip:carol@chicago.com;newparam=5",
            ),
            (
                b"sip:carol@chicago.com;newparam=5",
                b"sip:carol@chicago.com;security=on",
            ),
            (
                b"sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
                b"sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
            ),
            (
                b"sip:alice@atlanta.com?subject=project%20x&priority=urgent",
                b"sip:alice@atlanta.com?priority=urgent&subject=project%20x",
            ),
            (b"tel:+1-201-555-0123", b"tel:+12015550123"),
            (b"urn:a:b", b"urn:a:b"),
        ):
            self.assertTrue(parseURI(one).equivalent(parseURI(other)), (one, other))
            self.assertTrue(parseURI(other).equivalent(parseURI(one)), (one, other))

    def test_different(self) -> None:
        """
        What the RFC calls not equivalent.
        """
        for one, other in (
            (
                b"SIP:ALICE@AtLanTa.CoM;Transport=udp",
                b"sip:alice@AtLanTa.CoM;Transport=UDP",
            ),
            (b"sip:bob@biloxi.com", b"sip:bob@biloxi.com:5060"),
            (b"sip:bob@biloxi.com", b"sip:bob@biloxi.com;transport=udp"),
            (b"sip:bob@biloxi.com", b"sip:bob@biloxi.com:6000;transport=tcp"),
            (b"sip:carol@chicago.com", b"sip:carol@chicago.com?Subject=next%20meeting"),
            (b"sip:bob@phone21.boxesbybob.com", b"sip:bob@192.0.2.4"),
            (
                b"sip:carol@chicago.com;security=on",
                b"sip:carol@chicago.com;security=off",
            ),
            (b"sip:a@b", b"sips:a@b"),
            (b"sip:a:p@b", b"sip:a:q@b"),
            (b"sip:a@b", b"tel:1"),
            (b"tel:1", b"sip:a@b"),
            (b"tel:1", b"tel:2"),
            (b"tel:1;phone-context=a", b"tel:1;phone-context=b"),
            (b"urn:a:b", b"urn:a:c"),
        ):
            self.assertFalse(parseURI(one).equivalent(parseURI(other)), (one, other))
            self.assertFalse(parseURI(other).equivalent(parseURI(one)), (one, other))


class OtherURITests(SynchronousTestCase):
    """
    URIs of other schemes.
    """

    def test_tel(self) -> None:
        """
        A tel URI has a number and parameters.
        """
        uri = parseURI(b"tel:+1-(201).555;ext=7")
        assert isinstance(uri, TelURI)
        self.assertEqual(uri.digits, b"+1201555")
        self.assertEqual(uri.parameters.get(b"ext"), b"7")
        self.assertFalse(uri.secure)
        self.assertEqual(uri.scheme, b"tel")

    def test_unknownScheme(self) -> None:
        """
        Anything else is kept as it is, its scheme in lower case.
        """
        uri = parseURI(b"HTTP://example.com/")
        assert isinstance(uri, OtherURI)
        self.assertEqual((uri.scheme, uri.secure), (b"http", False))


texts = st.text("abcXYZ019-_.!~*'()&=+$,;?/%", min_size=1, max_size=12).map(str.encode)
hosts = st.sampled_from([b"example.com", b"192.0.2.1", b"[2001:db8::1]", b"a_b"])
words = st.text("abcXYZ019-", min_size=1, max_size=8).map(str.encode)


@st.composite
def sipURIs(draw: st.DrawFn) -> bytes:
    """
    SIP URIs of all shapes.
    """
    parts = [draw(st.sampled_from([b"sip:", b"sips:"]))]
    if draw(st.booleans()):
        parts.append(draw(texts))
        if draw(st.booleans()):
            parts += (b":", draw(words))
        parts.append(b"@")
    parts.append(draw(hosts))
    if draw(st.booleans()):
        parts.append(b":%d" % draw(st.integers(1, 65535)))
    for name in draw(st.lists(words, max_size=3)):
        parts += (b";", name)
        if draw(st.booleans()):
            parts += (b"=", draw(words))
    if draw(st.booleans()):
        parts += (b"?", draw(words), b"=", draw(words))
    return b"".join(parts)


class URIPropertyTests(SynchronousTestCase):
    """
    What holds for all URIs.
    """

    @given(sipURIs())
    def test_renderUndoesParse(self, raw: bytes) -> None:
        """
        A SIP URI is written as it was read, and is equivalent to itself.
        """
        uri = parseURI(raw)
        self.assertEqual(uri.render(), raw)
        self.assertTrue(uri.equivalent(uri))

    @given(st.binary(max_size=60) | sipURIs().map(lambda uri: uri[:-1] + b"%"))
    def test_onlyOurError(self, raw: bytes) -> None:
        """
        Any bytes are a URI, or are refused with our error; what is read and
        written is read as the same again.
        """
        try:
            uri: URI = parseURI(raw)
        except MalformedMessage:
            return
        self.assertEqual(parseURI(uri.render()), uri)
