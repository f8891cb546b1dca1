"""
Finds requests that were here before (RFC 3261 section 16.3 step 4, RFC 5393).
"""

from __future__ import annotations

from zope.interface import implementer

from sipcluster.sip.headers import VIA
from sipcluster.sipproxy.context import RequestContext
from sipcluster.sipproxy.isipproxy import NEXT, Answer, IStep, Outcome
from sipcluster.sipproxy.outgoing import loopKey
from sipcluster.sipproxy.topology import Topology


@implementer(IStep)
class LoopDetection:
    """
    Answers 482 to a request that comes back as it was; one that comes back
    changed is a spiral, and goes on.
    """

    name = "loop"

    def __init__(self, topology: Topology) -> None:
        self._topology = topology

    def process(self, context: RequestContext) -> Outcome:
        """
        See L{IStep}.
        """
        key = context.loopKey = loopKey(context)
        headers = context.request.headers
        if not any(
            key in line
            for line, name in zip(headers.lines, headers.keys, strict=True)
            if name is VIA
        ):
            return NEXT  # nearly always, and no Via had to be read for it
        for via in context.request.vias:
            if via.branch.endswith(key) and self._topology.isOwnVia(via):
                return Answer(482)
        return NEXT
