"""
Takes our own values out of the route (RFC 3261 section 16.4).
"""

from __future__ import annotations

from zope.interface import implementer

from sipcluster.sip.headers import ROUTE
from sipcluster.sip.uri import SIPURI
from sipcluster.sipproxy.context import RequestContext
from sipcluster.sipproxy.isipproxy import NEXT, IStep, Outcome
from sipcluster.sipproxy.outgoing import SECOND
from sipcluster.sipproxy.topology import Topology


@implementer(IStep)
class LooseRoute:
    """
    Undoes what a strict router did, pops our Route values, and notes the flow
    token in them.
    """

    name = "loose-route"

    def __init__(self, topology: Topology) -> None:
        self._topology = topology

    def process(self, context: RequestContext) -> Outcome:
        """
        See L{IStep}.
        """
        if ROUTE not in context.request.headers.keys:
            return NEXT
        uri = context.sipURI
        if uri is not None and b"lr" in uri.parameters and self._topology.isOwn(uri):
            # The hop before is a strict router: it put our Record-Route value
            # into the Request-URI, and the true one below all others.
            context.retarget(context.popLastRoute().uri.render())
            context.token = uri.user
        own = self._top(context)
        if own is None:
            return NEXT
        context.popRoute()
        context.token = own.user
        if SECOND in own.parameters:
            # The other half of a double Record-Route: the side that the
            # request leaves on (RFC 5658).
            other = self._top(context)
            if other is not None and SECOND in other.parameters:
                context.popRoute()
                context.token = other.user
        return NEXT

    def _top(self, context: RequestContext) -> SIPURI | None:
        """
        The first Route value, when it is ours.
        """
        address = context.nextRoute
        if address is not None:
            uri = address.uri
            if isinstance(uri, SIPURI) and self._topology.isOwnRoute(uri):
                return uri
        return None
