"""
Gives what comes from outside to a node in service.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable

from zope.interface import implementer

from sipcluster.servicecheck.iservicecheck import IServiceRegistry
from sipcluster.sipproxy.best_response import RETRY_AFTER
from sipcluster.sipproxy.context import RequestContext
from sipcluster.sipproxy.destinations import Destination, nodeHops
from sipcluster.sipproxy.isipproxy import NEXT, Answer, IStep, Outcome
from sipcluster.sipproxy.topology import Topology


@implementer(IStep)
class ChooseNode:
    """
    The node that has calls of the DN already, else the one that the Call-ID falls on;
    when that one fails, the next.

    Not every node in turn: the INVITE that answers a challenge would then, with
    two nodes, always go to the one that did not challenge, and one of them would
    get all the calls.  By the Call-ID a challenge, its answer and every refresh of
    a registration meet the same node through any SIP Proxy, which then notices a
    nonce that is used twice and an INVITE that comes twice (RFC 3261 section
    8.2.2.2).
    """

    name = "choose-node"

    def __init__(
        self,
        topology: Topology,
        nodes: IServiceRegistry,
        awaits: Callable[[str], bool],
    ) -> None:
        """
        @param awaits: whether a pair without a primary may have one soon.
        """
        self._pairs = frozenset(topology.localPairs)
        self._nodes = nodes
        self._awaits = awaits

    def process(self, context: RequestContext) -> Outcome:
        """
        See L{IStep}.
        """
        if context.groups:
            return NEXT
        if not self._nodes.pairs() and not any(map(self._awaits, self._pairs)):
            return Answer(503, headers=((b"Retry-After", RETRY_AFTER),))
        place = zlib.crc32(context.request.callID)
        hops = nodeHops(self._nodes, self._pairs, place, context.preferred)
        context.groups = [
            [Destination(hops=hops, speaksForAll=True, pairs=self._pairs)]
        ]
        return NEXT
