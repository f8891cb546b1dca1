"""
L{sipcluster.sipproxy.tokens}.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from sipcluster.sipproxy.tokens import FlowTokens


class FlowTokensTests(SynchronousTestCase):
    """
    L{FlowTokens} gives names that cannot be made up.
    """

    def test_roundTrip(self) -> None:
        """
        A signed name is read again, also by another who has the secret.
        """
        token = FlowTokens(b"s" * 16).sign(b"u0-c0000201-5060")
        self.assertEqual(FlowTokens(b"s" * 16).name(token), b"u0-c0000201-5060")
        self.assertRegex(token, rb"^[A-Za-z0-9.-]+$")

    def test_otherSecret(self) -> None:
        """
        Another secret's token is nothing.
        """
        tokens = FlowTokens(b"s" * 16)
        token = tokens.sign(b"x")
        tokens.secret = b"t" * 16
        self.assertIsNone(tokens.name(token))

    @given(st.binary(max_size=60))
    def test_forged(self, junk: bytes) -> None:
        """
        Whatever a peer makes up is refused.
        """
        self.assertIsNone(FlowTokens(b"s" * 16).name(junk))

    def test_shortSecret(self) -> None:
        """
        A secret that could be guessed is our own mistake.
        """
        self.assertRaises(ValueError, FlowTokens, b"short")
