"""
Reliable provisional responses (RFC 3262): which 1xx is one, and what its PRACK says.
"""

from __future__ import annotations

from attrs import frozen

from sipcluster.sip.errors import MalformedMessage
from sipcluster.sip.grammar import MAX_UNSIGNED, clampedNumber
from sipcluster.sip.message import Message, Request, Response

#: The option tag.
OPTION = b"100rel"

#: The greatest number of a response (section 7.1).
MAX_RSEQ = 2**32 - 1

#: The greatest one that may be the first of an INVITE (section 3).
MAX_FIRST = 2**31 - 1


def _lists(message: Message, name: bytes) -> bool:
    headers = message.headers
    return name in headers and any(
        tag.lower() == OPTION for tag in headers.values(name)
    )


def requires(message: Message) -> bool:
    """
    Whether a message says C{Require: 100rel}.
    """
    return _lists(message, b"Require")


def supports(message: Message) -> bool:
    """
    Whether its sender takes reliable provisional responses.
    """
    return _lists(message, b"Supported") or requires(message)


def responseNumber(response: Response) -> int:
    """
    The number of a reliable provisional response.

    @return: 0: it is none.

    @raise MalformedMessage: it cannot be read.
    """
    value = response.headers.first(b"RSeq")
    if value is None or not 100 < response.status < 200 or not requires(response):
        return 0
    return clampedNumber(value.strip(), "RSeq", MAX_RSEQ)


@frozen
class Acknowledged:
    """
    Which response a PRACK acknowledges: the value of its RAck.

    @ivar response: the number of the response.
    @ivar request: the CSeq number of the request that it answers.
    @ivar method: of that request.
    """

    response: int
    request: int
    method: bytes = b"INVITE"

    @classmethod
    def of(cls, prack: Request) -> Acknowledged:
        """
        Read it from a PRACK.

        @raise MalformedMessage: there is none, or it cannot be read.
        """
        value = prack.headers.first(b"RAck")
        words = (value or b"").split()
        if len(words) != 3:
            raise MalformedMessage("no RAck", value or b"")
        return cls(
            clampedNumber(words[0], "RAck", MAX_RSEQ),
            clampedNumber(words[1], "RAck", MAX_UNSIGNED),
            words[2],
        )

    def render(self) -> bytes:
        """
        Write it.
        """
        return b"%d %d %b" % (self.response, self.request, self.method)
