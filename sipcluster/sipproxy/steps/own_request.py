"""
Answers what is asked of the proxy itself.
"""

from __future__ import annotations

from zope.interface import implementer

from sipcluster.sipproxy.context import RequestContext
from sipcluster.sipproxy.isipproxy import NEXT, Answer, IStep, Outcome
from sipcluster.sipproxy.topology import Topology

#: What a proxy says it can do; what it passes on is more.
CAPABILITIES = (
    (b"Accept", b"application/sdp"),
    (b"Allow", b"OPTIONS, REGISTER, INVITE, ACK, CANCEL, BYE"),
    (b"Supported", b"path"),
)


@implementer(IStep)
class OwnRequest:
    """
    Answers OPTIONS to the proxy's own address (RFC 3261 section 11.2): whoever
    asks learns that it lives.
    """

    name = "own-request"

    def __init__(self, topology: Topology) -> None:
        self._topology = topology

    def process(self, context: RequestContext) -> Outcome:
        """
        See L{IStep}.
        """
        if context.request.method != b"OPTIONS":
            return NEXT
        uri = context.sipURI
        if uri is None or uri.user or not self._topology.isOwn(uri):
            return NEXT
        if context.nextRoute is not None:
            return NEXT
        return Answer(200, headers=CAPABILITIES, stateless=True)
