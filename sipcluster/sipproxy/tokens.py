"""
Flow tokens that nobody else can make (RFC 5626 section 5.2).
"""

from __future__ import annotations

from hmac import compare_digest, digest

#: Bytes of the signature that a token carries.
_SIGNATURE = 10


class FlowTokens:
    """
    Signs the names of flows, so that a peer who puts one into a Route can only
    give back what it was given.

    A signed token is C{name.signature}, safe in the user part of a URI.
    """

    __slots__ = ("_secret",)

    def __init__(self, secret: bytes) -> None:
        """
        @param secret: see L{secret}.
        """
        self.secret = secret

    @property
    def secret(self) -> bytes:
        """
        What tokens are signed with, at least 16 bytes: the same after a restart
        where the tokens in phones' route sets are to live on.
        """
        return self._secret

    @secret.setter
    def secret(self, secret: bytes) -> None:
        if len(secret) < 16:
            raise ValueError("want a secret of at least 16 bytes")
        self._secret = secret

    def sign(self, name: bytes) -> bytes:
        """
        Make the token of a flow.

        @param name: L{IFlow.token<sipcluster.sip.isip.IFlow>}.
        """
        return b"%b.%b" % (name, self._signature(name))

    def name(self, token: bytes) -> bytes | None:
        """
        Read a token.

        @return: the flow's name, or L{None} when the token is not ours.
        """
        name, dot, signature = token.rpartition(b".")
        if not dot or not compare_digest(signature, self._signature(name)):
            return None
        return name

    def _signature(self, name: bytes) -> bytes:
        return digest(self._secret, name, "sha256")[:_SIGNATURE].hex().encode()
