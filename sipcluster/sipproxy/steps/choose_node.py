"""
Gives what comes from outside to a node in service.
"""

from __future__ import annotations

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
    Every node in turn; when one fails, the next.
    """

    name = "choose-node"

    def __init__(self, topology: Topology, nodes: IServiceRegistry) -> None:
        self._pairs = frozenset(topology.localPairs)
        self._nodes = nodes
        self._turn = 0

    def process(self, context: RequestContext) -> Outcome:
        """
        See L{IStep}.
        """
        if context.groups:
            return NEXT
        if not self._nodes.pairs():
            return Answer(503, headers=((b"Retry-After", RETRY_AFTER),))
        self._turn += 1
        hops = nodeHops(self._nodes, self._pairs, self._turn)
        context.groups = [[Destination(hops=hops, speaksForAll=True)]]
        return NEXT
