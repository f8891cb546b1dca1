"""
Ends requests that went through too many hops (RFC 3261 section 16.3 step 3).
"""

from __future__ import annotations

from zope.interface import implementer

from sipcluster.sipproxy.context import RequestContext
from sipcluster.sipproxy.isipproxy import NEXT, Answer, IStep, Outcome
from sipcluster.sipproxy.topology import Topology

#: For a request that came without one (section 16.6 step 3).
DEFAULT = 70


@implementer(IStep)
class MaxForwards:
    """
    Answers 483, or counts down.
    """

    name = "max-forwards"

    def __init__(self, topology: Topology) -> None:
        self._topology = topology

    def process(self, context: RequestContext) -> Outcome:
        """
        See L{IStep}.
        """
        hops = context.request.maxForwards
        if hops is None:
            context.maxForwards = DEFAULT
        elif hops > 0:
            context.maxForwards = hops - 1
        elif not self._goesNoFurther(context):
            return Answer(483)
        return NEXT

    def _goesNoFurther(self, context: RequestContext) -> bool:
        uri = context.sipURI
        return (
            context.request.method == b"OPTIONS"
            and uri is not None
            and not uri.user
            and self._topology.isOwn(uri)
        )
