"""
What a SIP Proxy forwards that it knows nothing of: it belongs to a request that went
through another process, which is gone (RFC 3261 sections 16.10 and 16.11).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from ipaddress import ip_address

from twisted.logger import Logger

from sipcluster.registrar.iregistrar import IRegistrationStore
from sipcluster.servicecheck.iservicecheck import IServiceRegistry
from sipcluster.sip.errors import NoTransport
from sipcluster.sip.headers import Headers
from sipcluster.sip.isip import IFlow, ITransportLayer, Target
from sipcluster.sip.message import Request, Response
from sipcluster.sip.uri import SIPURI
from sipcluster.sip.via import Via
from sipcluster.sipproxy.branches import Branches, contactPlace, loopKeyIn, placeIn
from sipcluster.sipproxy.context import RequestContext
from sipcluster.sipproxy.destinations import Destination
from sipcluster.sipproxy.location import Contacts
from sipcluster.sipproxy.outgoing import upstream
from sipcluster.sipproxy.response_context import ELSEWHERE
from sipcluster.sipproxy.topology import Topology

log = Logger()

#: Number in the log: a response that nobody here has asked for.
UNASKED = "00-53306"

#: Seconds from one such line to the next.
_LOGGED_EVERY = 60.0

#: Methods whose responses are passed back: whoever waits for any other asks again.
_METHODS = frozenset([b"INVITE", b"CANCEL"])


class StatelessResponses:
    """
    Passes responses back to an INVITE that another process has forwarded: this SIP
    Proxy before it was killed, or another one that is dead.

    Only with a branch that one of the SIP Proxies has given, and only to where that
    one would have sent it: strangers can have nothing sent anywhere.
    """

    def __init__(
        self,
        topology: Topology,
        nodes: IServiceRegistry,
        transport: ITransportLayer,
        store: IRegistrationStore,
        contacts: Contacts,
        branches: Branches,
        forward: Callable[[RequestContext, Destination], None],
        counters: Counter[str],
        seconds: Callable[[], float],
    ) -> None:
        """
        @param forward: sends a CANCEL on.
        @param seconds: of the clock.
        """
        self._topology = topology
        self._nodes = nodes
        self._transport = transport
        self._store = store
        self._contacts = contacts
        self._branches = branches
        self._forward = forward
        self._counters = counters
        self._seconds = seconds
        self._logged = -_LOGGED_EVERY

    def received(self, response: Response, flow: IFlow) -> None:
        """
        Take a response that belongs to no transaction.

        @raise MalformedMessage: it cannot be read.
        """
        vias = response.vias
        if (
            not self._branches.shared
            or response.status == 100
            or len(vias) < 2
            or response.cseq.method not in _METHODS
            or not self._topology.isClusterVia(vias[0])
        ):
            self._counters["strayResponses"] += 1
        elif not self._branches.verifies(response):
            self._unasked(response, flow)
        else:
            others = self._others(response)
            if others and 300 <= response.status < 600 and response.status != 487:
                # It says nothing: another one may answer.
                self._counters["refusalsHeldBack"] += 1
                return
            self._pass(response, vias[1])
            if others and 200 <= response.status < 300:
                self._cancel(others, response, flow)

    def _unasked(self, response: Response, flow: IFlow) -> None:
        self._counters["unaskedResponses"] += 1
        now = self._seconds()
        if now - self._logged >= _LOGGED_EVERY:
            self._logged = now
            log.warn(
                "{number}: a response to what no SIP Proxy has sent: dropped,"
                " {n} so far",
                number=UNASKED,
                n=self._counters["unaskedResponses"],
                status=response.status,
                flow=flow.remote,
            )

    def _pass(self, response: Response, via: Via) -> None:
        back = upstream(response)
        target = self._target(via)
        if back is None or target is None:
            self._counters["unreturnable"] += 1
            return
        try:
            self._transport.flowTo(target).send(back.render())
            self._counters["statelessResponses"] += 1
        except NoTransport:
            self._counters["unreturnable"] += 1

    def _target(self, via: Via) -> Target | None:
        """
        Where a response goes (section 18.2.2); C{maddr} is not followed.
        """
        name = via.transport.decode("ascii", "replace")
        pair = self._topology.pairHosts.get(via.host.lower())
        if pair is not None:
            member = self._nodes.primary(pair)
            if member is None:
                return None  # it comes again
            return Target(name, member.target.host, member.target.port)
        port = via.port or (5061 if name == "TLS" else 5060)
        if name == "UDP" and via.rport:
            port = via.rport
        try:
            # Whoever has taken the request has noted where it came from.
            host = str(ip_address(via.received.decode("ascii") or via.bareHost))
        except ValueError:
            return None
        return Target(name, host, port)

    def _others(self, response: Response) -> list[Destination]:
        """
        Which other telephones of the same DN may still ring, when one gives a final
        response to an INVITE of a node.
        """
        if (
            response.status < 200
            or response.cseq.method != b"INVITE"
            or response.vias[1].host.lower() not in self._topology.pairHosts
        ):
            return []
        uri = response.toAddress.uri
        if not isinstance(uri, SIPURI) or not self._topology.isOurDomain(uri):
            return []
        bindings = self._store.bindings(self._topology.aor(uri))
        if len(bindings) < 2:
            return []
        own = placeIn(response.via.branch)
        return [
            destination
            for group in self._contacts.groups(bindings)
            if len(group) > 1
            for destination in group
            if contactPlace(destination) != own
        ]

    def _cancel(
        self, others: list[Destination], response: Response, flow: IFlow
    ) -> None:
        """
        Somebody has answered: the others are to ring no longer.
        """
        headers = response.headers
        to = _withoutTag(headers.first(b"To") or b"")
        cancel = Request(
            b"CANCEL",
            b"sip:" + self._topology.domain,  # each gets its own
            Headers.of(
                *((b"Via", via) for via in headers.values(b"Via")[1:]),
                (b"Max-Forwards", b"70"),
                (b"From", headers.first(b"From") or b""),
                (b"To", to),
                (b"Call-ID", response.callID),
                (b"CSeq", b"%d CANCEL" % response.cseq.number),
                *ELSEWHERE,
                (b"Content-Length", b"0"),
            ),
        )
        for destination in others:
            context = RequestContext(cancel, flow, True, False)
            context.loopKey = loopKeyIn(response.via.branch)
            self._counters["statelessCancels"] += 1
            self._forward(context, destination)


def _withoutTag(to: bytes) -> bytes:
    """
    To as it was in the request.
    """
    address, bracket, parameters = to.rpartition(b">")
    kept = [
        parameter
        for parameter in parameters.split(b";")
        if parameter.partition(b"=")[0].strip().lower() != b"tag"
    ]
    return address + bracket + b";".join(kept)
