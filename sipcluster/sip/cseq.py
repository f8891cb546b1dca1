"""
CSeq (RFC 3261 section 20.16).
"""

from __future__ import annotations

from functools import lru_cache

from attrs import frozen

from sipcluster.sip.errors import MalformedMessage
from sipcluster.sip.grammar import isToken, number

#: The greatest sequence number (RFC 3261 section 8.1.1.5).
MAX_NUMBER = 2**31 - 1

#: Bytes of the longest CSeq that is looked into.
_LONGEST = 256


@frozen
class CSeq:
    """
    Number and method of a request.
    """

    number: int
    method: bytes

    @classmethod
    @lru_cache(maxsize=1024)
    def parse(cls, value: bytes) -> CSeq:
        """
        Read one, unfolded.

        @raise MalformedMessage: it is none, or its number is 2**31 or more.
        """
        if len(value) > _LONGEST:
            raise MalformedMessage("bad CSeq", value)
        parts = value.split()
        if len(parts) != 2 or not isToken(parts[1]):
            raise MalformedMessage("bad CSeq", value)
        return cls(number(parts[0], "CSeq", MAX_NUMBER), parts[1])

    def render(self) -> bytes:
        """
        Write it.
        """
        return b"%d %b" % (self.number, self.method)
