"""
Tests for L{sipcluster.sip.auth}.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from sipcluster.sip.auth import AuthValue
from sipcluster.sip.errors import MalformedMessage


class AuthValueTests(SynchronousTestCase):
    """
    L{AuthValue} reads challenges and credentials.
    """

    def test_reads(self) -> None:
        """
        Names are found without case, values come without quotes, and commas,
        blanks and brackets in them do no harm.
        """
        value = AuthValue.parse(
            rb'DIGEST Realm="a, \"b\" <c" ,  nonce = "x=", QOP=auth,, '
            rb'uri="sip:a@b;x=<y"'
        )
        self.assertEqual(value.scheme, b"digest")
        self.assertEqual(value.get(b"realm"), b'a, "b" <c')
        self.assertEqual(value.get(b"nonce"), b"x=")
        self.assertEqual(value.get(b"qop"), b"auth")
        self.assertEqual(value.get(b"uri"), b"sip:a@b;x=<y")
        self.assertEqual(value.get(b"stale"), b"")
        self.assertEqual(value.get(b"algorithm", b"MD5"), b"MD5")

    def test_otherSchemes(self) -> None:
        """
        Credentials of another scheme are read as far as they are understood.
        """
        value = AuthValue.parse(b"Bearer eyJ0.x==")
        self.assertEqual(value.scheme, b"bearer")
        self.assertEqual(AuthValue.parse(b"NTLM").parameters, {})

    def test_refused(self) -> None:
        """
        What is no digest is refused, and the error quotes none of it: it may
        be a secret.
        """
        for bad in (
            b"",
            b'Digest username="hidden',
            b"Digest hidden",
            b"Digest hid den=x",
            b"Digest a=1, A=2",
            b"Digest " + b",".join(b"a%d=1" % n for n in range(100)),
            b"<>",
        ):
            with self.assertRaises(MalformedMessage) as caught:
                AuthValue.parse(bad)
            self.assertNotIn("hidden", str(caught.exception))

    def test_written(self) -> None:
        """
        qop is quoted in a challenge and bare in credentials (RFC 7616 section
        3.3 and 3.4).
        """
        challenge = AuthValue(
            b"digest", {b"realm": b'a"b', b"qop": b"auth", b"algorithm": b"MD5"}
        )
        self.assertEqual(
            challenge.render(), rb'Digest realm="a\"b", qop="auth", algorithm=MD5'
        )
        credentials = AuthValue(
            b"digest", {b"qop": b"auth", b"nc": b"00000001", b"response": b"x"}
        )
        self.assertEqual(
            credentials.render(), b'Digest qop=auth, nc=00000001, response="x"'
        )

    def test_nothingSecretInItsName(self) -> None:
        """
        Printed, it tells scheme and realm only.
        """
        value = AuthValue.parse(b'Digest realm="r", response="hidden"')
        self.assertEqual(repr(value), "<digest for b'r'>")

    @given(st.binary(max_size=60).map(lambda rest: b"Digest " + rest))
    def test_onlyOurError(self, raw: bytes) -> None:
        """
        Any bytes are credentials, or are refused with our error.
        """
        try:
            value = AuthValue.parse(raw)
        except MalformedMessage:
            return
        self.assertEqual(AuthValue.parse(value.render()), value)
