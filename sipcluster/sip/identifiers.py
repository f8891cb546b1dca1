"""
Branches, tags and Call-IDs, from a source of random bytes.
"""

from __future__ import annotations

from collections.abc import Callable

from sipcluster.sip.via import MAGIC_COOKIE


class Identifiers:
    """
    Makes what must be unique (RFC 3261 sections 8.1.1.7, 19.3, 8.1.1.4).
    """

    __slots__ = ("_entropy",)

    def __init__(self, entropy: Callable[[int], bytes]) -> None:
        """
        @param entropy: gives as many unpredictable bytes as it is asked for,
            such as L{os.urandom}.
        """
        self._entropy = entropy

    def branch(self) -> bytes:
        """
        A branch with the magic cookie; 80 random bits.
        """
        return MAGIC_COOKIE + self._entropy(10).hex().encode()

    def tag(self) -> bytes:
        """
        A tag; 64 random bits.
        """
        return self._entropy(8).hex().encode()

    def callID(self, host: bytes = b"") -> bytes:
        """
        A Call-ID; 128 random bits.

        @param host: put after an C{@}; empty leaves both out.
        """
        word = self._entropy(16).hex().encode()
        return b"%b@%b" % (word, host) if host else word

    def uuid(self) -> bytes:
        """
        32 hexadecimal digits of a random UUID, version 4 (RFC 7989, RFC 9562
        section 5.4).
        """
        octets = bytearray(self._entropy(16))
        octets[6] = octets[6] & 0x0F | 0x40
        octets[8] = octets[8] & 0x3F | 0x80
        return octets.hex().encode()
