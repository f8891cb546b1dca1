"""
Tests for L{sipcluster.sip.via} and L{sipcluster.sip.cseq}.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from sipcluster.sip.cseq import CSeq
from sipcluster.sip.errors import MalformedMessage
from sipcluster.sip.via import Via


class ViaTests(SynchronousTestCase):
    """
    L{Via} reads where a message came through.
    """

    def test_parts(self) -> None:
        """
        All that a Via may have is found.
        """
        via = Via.parse(
            b"SIP/2.0/udp Erlang.Bell-Telephone.com:5060;received=192.0.2.207;"
            b"Branch=z9hG4bK87asdks7;rport=9988"
        )
        self.assertEqual(via.transport, b"UDP")
        self.assertEqual(via.host, b"Erlang.Bell-Telephone.com")
        self.assertEqual(via.bareHost, "erlang.bell-telephone.com")
        self.assertEqual(via.port, 5060)
        self.assertEqual(via.sentBy, b"Erlang.Bell-Telephone.com:5060")
        self.assertEqual(via.branch, b"z9hG4bK87asdks7")
        self.assertEqual(via.received, b"192.0.2.207")
        self.assertEqual(via.rport, 9988)

    def test_little(self) -> None:
        """
        Transport and host are enough.
        """
        via = Via.parse(b"SIP/2.0/TCP h")
        self.assertEqual((via.port, via.branch, via.received), (0, b"", b""))
        self.assertIsNone(via.rport)
        self.assertEqual(via.sentBy, b"h")

    def test_spacing(self) -> None:
        """
        Blanks are allowed nearly everywhere (RFC 4475 section 3.1.1.1).
        """
        via = Via.parse(
            b"SIP  / 2.0  / TCP     spindle.example.com  :  5060 ;"
            b" branch  =   z9hG4bK9ikj8  "
        )
        self.assertEqual(
            via.render(),
            b"SIP/2.0/TCP spindle.example.com:5060;branch=z9hG4bK9ikj8",
        )

    def test_ipv6(self) -> None:
        """
        C{received} may be in brackets or not (RFC 5118 section 4.5).
        """
        for received in (b"2001:db8::9:255", b"[2001:db8::9:255]"):
            via = Via.parse(b"SIP/2.0/UDP [2001:db8::9:1];received=" + received)
            self.assertEqual(via.received, b"2001:db8::9:255")
            self.assertEqual(via.bareHost, "2001:db8::9:1")

    def test_rport(self) -> None:
        """
        A flag is 0, and so is what is no port.
        """
        for text, rport in (
            (b";rport", 0),
            (b";rport=", 0),
            (b";rport=1", 1),
            (b";rport=65536", 0),
            (b";rport=x", 0),
            (b";rport=" + b"1" * 5000, 0),
        ):
            self.assertEqual(Via.parse(b"SIP/2.0/UDP h" + text).rport, rport)

    def test_parametersAreSet(self) -> None:
        """
        A parameter is set, the original unchanged.
        """
        via = Via.parse(b"SIP/2.0/UDP h:5061;rport;branch=z9hG4bK1")
        self.assertEqual(
            via.with_(b"rport", b"40000").with_(b"received", b"192.0.2.1").render(),
            b"SIP/2.0/UDP h:5061;rport=40000;branch=z9hG4bK1;received=192.0.2.1",
        )
        self.assertEqual(via.render(), b"SIP/2.0/UDP h:5061;rport;branch=z9hG4bK1")

    def test_refused(self) -> None:
        """
        What is no Via is refused.
        """
        for bad in (
            b"",
            b";",
            b"SIP/2.0/UDP",
            b"SIP/2.0/UDP ",
            b"SIP/2.0 h",
            b"HTTP/2.0/UDP h",
            b"SIP/2.0/UDP 2001:db8::9:1",
            b"SIP/2.0/UDP h:70000",
            b"SIP/2.0/UDP h:0",
            b"SIP/2.0/UDP h x",
            b"SIP/2.0/U\xffDP h",
            b'SIP/2.0/UDP h;x="y',
        ):
            with self.assertRaises(MalformedMessage, msg=repr(bad)):
                Via.parse(bad)

    @given(
        st.binary(max_size=60)
        | st.text(' ;=:"abZ90.[]', max_size=30).map(
            lambda text: b"SIP/2.0/UDP " + text.encode()
        )
    )
    def test_onlyOurError(self, raw: bytes) -> None:
        """
        Any bytes are a Via, or are refused with our error; what is read and
        written is read as the same again.
        """
        try:
            via = Via.parse(raw)
        except MalformedMessage:
            return
        self.assertEqual(Via.parse(via.render()), via)


class CSeqTests(SynchronousTestCase):
    """
    L{CSeq} is a number and a method.
    """

    def test_reads(self) -> None:
        """
        Blanks and leading zeros are read and not written.
        """
        cseq = CSeq.parse(b"0009 \t INVITE")
        self.assertEqual(cseq, CSeq(9, b"INVITE"))
        self.assertEqual(cseq.render(), b"9 INVITE")

    def test_limit(self) -> None:
        """
        The number is below 2**31.
        """
        self.assertEqual(CSeq.parse(b"2147483647 ACK").number, 2**31 - 1)

    def test_refused(self) -> None:
        """
        What is no CSeq is refused.
        """
        for bad in (
            b"",
            b"1",
            b"INVITE",
            b"x INVITE",
            b"-1 INVITE",
            b"2147483648 INVITE",
            b"1 INVITE x",
            b"1 IN\xffVITE",
            b"1" * 5000 + b" INVITE",
        ):
            with self.assertRaises(MalformedMessage, msg=repr(bad[:40])):
                CSeq.parse(bad)

    @given(st.integers(0, 2**31 - 1), st.sampled_from([b"ACK", b"x-%y"]))
    def test_parseUndoesRender(self, number: int, method: bytes) -> None:
        """
        What was written is read again.
        """
        self.assertEqual(
            CSeq.parse(CSeq(number, method).render()), CSeq(number, method)
        )
