"""
Follows where a request itself says that it goes: a flow token, Route values, the
name of a pair.
"""

from __future__ import annotations

from itertools import chain

from zope.interface import implementer

from sipcluster.servicecheck.iservicecheck import IServiceRegistry
from sipcluster.sip.isip import ITransportLayer, Target
from sipcluster.sip.uri import SIPURI, URI
from sipcluster.sipproxy.context import RequestContext
from sipcluster.sipproxy.destinations import (
    Destination,
    Hop,
    literalTarget,
    one,
    pairHops,
)
from sipcluster.sipproxy.isipproxy import NEXT, Answer, IStep, Outcome
from sipcluster.sipproxy.tokens import FlowTokens
from sipcluster.sipproxy.topology import Topology


@implementer(IStep)
class Routed:
    """
    Serves requests of running dialogs, and those that a fellow proxy passes to
    the flow of a device.

    Only nodes, themselves or through a fellow proxy, may use a flow token or a
    Route to places outside the cluster: the proxy is no relay for strangers.  To
    hold a token is not enough.  Every telephone that has had a call holds the
    one of its own connection: a REGISTER for somebody else, led back on that,
    would be granted by whoever sent it.
    """

    name = "routed"

    def __init__(
        self,
        topology: Topology,
        nodes: IServiceRegistry,
        proxies: IServiceRegistry,
        transport: ITransportLayer,
        tokens: FlowTokens,
    ) -> None:
        self._topology = topology
        self._nodes = nodes
        self._proxies = proxies
        self._transport = transport
        self._tokens = tokens

    def process(self, context: RequestContext) -> Outcome:
        """
        See L{IStep}.
        """
        uri = context.sipURI
        pair = None if uri is None else self._topology.pairOf(uri)
        if pair is None and context.token:
            # Towards a pair the token names the flow that the request came on,
            # or one that the device has lost since: it says nothing then.
            if context.fromNode or context.fellow:
                return self._onFlow(context)
            return Answer(403)
        while (route := context.nextRoute) is not None:
            outcome = self._follow(route.uri, context, pair)
            if outcome is not None:
                return outcome
        if pair is not None:
            context.groups = [[self._toPair(pair)]]
        return NEXT

    def _onFlow(self, context: RequestContext) -> Outcome:
        """
        Send on the flow that the token names.
        """
        name = self._tokens.name(context.token)
        if name is None:
            # Made before our last restart, or by somebody else: good for
            # nothing, but a node needs no token to send to a device.
            return NEXT if context.fromNode else Answer(403)
        flow = self._transport.flowByToken(name)
        if flow is not None and not flow.closed:
            target = Target(flow.transportName, *flow.remote)
            hop = Hop(target, flow, token=context.token)
        else:
            uri = context.sipURI
            direct = None
            if uri is not None and context.nextRoute is None:
                direct = literalTarget(uri)
            if uri is None or direct is None or b"ob" in uri.parameters:
                return Answer(430)
            # A device that does not use RFC 5626 may well listen there.
            hop = Hop(direct)
        context.groups = [[Destination(hops=one(hop), unreachable=430)]]
        return NEXT

    def _follow(
        self, uri: URI, context: RequestContext, pair: str | None
    ) -> Outcome | None:
        """
        Send to the first of the Route values that are left.

        @param pair: the pair that the Request-URI names, if it names one.
        @return: L{None} when it was left out, and the next one counts.
        """
        if not isinstance(uri, SIPURI):
            return Answer(416)
        fellow = self._topology.fellowOf(uri)
        if fellow is not None:
            if pair is None and not context.fromNode:
                return Answer(403)
            member = self._proxies.primary(fellow)
            if member is None or context.fellow:
                # Its way can be taken without it: a pair is found from here,
                # too, and so is a device without a flow.  What one proxy has
                # passed on already is not sent round among all.
                context.popRoute()
                return None
            hops = one(Hop(member.target, None, member, True))
            if pair is not None:
                hops = chain(hops, pairHops(self._nodes, pair, 1))
            destination = Destination(hops=hops)
            if pair is not None:
                destination.pairs, destination.skips = frozenset((pair,)), 1
            context.groups = [[destination]]
            return NEXT
        named = self._topology.pairOf(uri)
        if named is not None:
            context.groups = [[self._toPair(named)]]
            return NEXT
        if not context.fromNode:
            return Answer(403)
        context.groups = [[Destination(locate=uri)]]
        return NEXT

    def _toPair(self, pair: str) -> Destination:
        hops = pairHops(self._nodes, pair)
        return Destination(hops=hops, speaksForAll=True, pairs=frozenset((pair,)))
