"""
How the bindings of an address-of-record are reached.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, groupby

from sipcluster.registrar.iregistrar import Binding
from sipcluster.servicecheck.iservicecheck import IServiceRegistry
from sipcluster.sip.address import Address
from sipcluster.sip.errors import MalformedMessage
from sipcluster.sip.isip import ITransportLayer, Target
from sipcluster.sip.uri import SIPURI, parseURI
from sipcluster.sipproxy.destinations import Destination, Hop, literalTarget, one
from sipcluster.sipproxy.tokens import FlowTokens
from sipcluster.sipproxy.topology import Topology, hostPort


class Contacts:
    """
    Makes destinations of bindings.

    @ivar maxForks: most bindings that are tried for one request.
    """

    def __init__(
        self,
        topology: Topology,
        tokens: FlowTokens,
        transport: ITransportLayer,
        proxies: IServiceRegistry,
        maxForks: int,
    ) -> None:
        self.maxForks = maxForks
        self._topology = topology
        self._tokens = tokens
        self._transport = transport
        self._proxies = proxies

    def groups(self, bindings: Sequence[Binding]) -> list[list[Destination]]:
        """
        The target set: those of the highest q at the same time, then those of
        the next.

        @param bindings: highest q first.
        """
        if len(bindings) == 1:
            made = self._destination(bindings[0])
            return [] if made is None else [[made]]
        groups = []
        for _, same in groupby(bindings[: self.maxForks], lambda binding: binding.q):
            group = [d for d in map(self._destination, _oneFlowEach(same)) if d]
            if group:
                groups.append(group)
        return groups

    def _destination(self, binding: Binding) -> Destination | None:
        try:
            uri = parseURI(binding.contact)
            path = Address.parse(binding.path[0]).uri if binding.path else uri
        except MalformedMessage:
            return None
        if not isinstance(uri, SIPURI) or not isinstance(path, SIPURI):
            return None
        topology = self._topology
        if topology.isOwn(uri) or topology.fellowOf(uri) or topology.pairOf(uri):
            return None  # no device: whoever registered that wants us to go round
        target = uri.asRequestURI()
        contact = binding.contact if target is uri else target.render()
        made = Destination(contact, unreachable=480, retries=False)
        if binding.flow:
            made.hops = self._flowHops(binding, uri)
        else:
            made.locate = path
            made.route = binding.path
        return made

    def _flowHops(self, binding: Binding, uri: SIPURI) -> Iterator[Hop]:
        """
        The flow of the device, here or at another proxy; or, where that is
        gone, its own word for where it is.
        """
        if binding.proxy == self._topology.name:
            name = self._tokens.name(binding.flow)
            flow = None if name is None else self._transport.flowByToken(name)
            if flow is not None and not flow.closed:
                target = Target(flow.transportName, *flow.remote)
                return one(Hop(target, flow, token=binding.flow))
            return self._direct(binding, uri)
        return chain(self._fellow(binding), self._direct(binding, uri))

    def _fellow(self, binding: Binding) -> Iterator[Hop]:
        member = self._proxies.primary(binding.proxy)
        if member is not None:
            target = member.target
            place = hostPort(target.host, target.port)
            route = b"<sip:%b@%b;lr>" % (binding.flow, place)
            yield Hop(target, None, member, True, route)

    def _direct(self, binding: Binding, uri: SIPURI) -> Iterator[Hop]:
        if binding.received is not None and binding.transport == "UDP":
            yield Hop(Target("UDP", *binding.received))
            return
        target = literalTarget(uri)
        if target is not None:
            yield Hop(target)


def _oneFlowEach(bindings: Iterator[Binding]) -> Iterator[Binding]:
    """
    Of several flows of one device only the newest (RFC 5626 section 6).
    """
    seen: set[bytes] = set()
    for binding in bindings:
        if binding.instance:
            if binding.instance in seen:
                continue
            seen.add(binding.instance)
        yield binding
