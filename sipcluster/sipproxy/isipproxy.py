"""
The seams of the SIP Proxy: what a step of its chain is and may say.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Final

from attrs import frozen
from zope.interface import Attribute, Interface

if TYPE_CHECKING:
    from sipcluster.sipproxy.context import RequestContext


class Go(enum.Enum):
    """
    How a chain goes on after a step.
    """

    NEXT = "next"
    WAIT = "wait"


#: The next step has its turn.
NEXT: Final = Go.NEXT

#: The step goes on later by C{context.resume}.
WAIT: Final = Go.WAIT


@frozen
class Answer:
    """
    The chain ends here: the request gets this final response.

    @ivar reason: the usual phrase when empty.
    @ivar headers: names and values to be added.
    @ivar stateless: whether nothing is remembered of it: whoever asks again is
        answered again (RFC 3261 section 8.2.7).
    """

    status: int
    reason: bytes = b""
    headers: tuple[tuple[bytes, bytes], ...] = ()
    stateless: bool = False


Outcome = Go | Answer


class IStep(Interface):
    """
    One step in the way of a request through the proxy.
    """

    name: str = Attribute("What the log calls it.")

    def process(context: RequestContext) -> Outcome:
        """
        Look at the request, note in the context what is to become of it.

        @return: L{NEXT}; or L{WAIT}, and then C{context.resume} is called once,
            later; or an L{Answer}.

        @raise MalformedMessage: the request is bad: it is answered with the
            error's status.
        """
