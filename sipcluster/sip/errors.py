"""
What goes wrong with a message: the peer's fault, never ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sipcluster.sip.message import Request

#: How many bytes of evidence an error carries.
FRAGMENT = 80


class SIPError(Exception):
    """
    Base of the errors of the SIP core.
    """


class MalformedMessage(SIPError):
    """
    A peer sent what RFC 3261 does not allow.

    @ivar why: what is wrong, for the log and for a reason phrase.
    @ivar fragment: at most 80 bytes of what was read.
    @ivar status: what to answer, when it can be answered.
    @ivar request: the request as far as it could be read, when its header
        section stood but its length did not: good enough for
        C{makeResponse}; L{None} when nothing can be answered.
    """

    def __init__(self, why: str, fragment: bytes = b"", status: int = 400) -> None:
        super().__init__(why)
        self.why = why
        self.fragment = fragment[:FRAGMENT]
        self.status = status
        self.request: Request | None = None

    def __str__(self) -> str:
        return f"{self.why}: {self.fragment!r}" if self.fragment else self.why


class MessageTooLarge(MalformedMessage):
    """
    A message is beyond what is read here (RFC 3261 section 21.5.7).
    """

    def __init__(self, why: str, fragment: bytes = b"", status: int = 513) -> None:
        super().__init__(why, fragment, status)


class NoTransport(SIPError):
    """
    Nothing here speaks the transport or the address family that is asked for.
    """


class LocationFailed(SIPError):
    """
    A name has no SIP server, or the name servers did not answer in time
    (RFC 3263).
    """
