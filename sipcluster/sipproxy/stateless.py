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
from sipcluster.sip.isip import IFlow, ITransportLayer, Target
from sipcluster.sip.message import Response
from sipcluster.sip.uri import SIPURI
from sipcluster.sip.via import Via
from sipcluster.sipproxy.branches import Branches
from sipcluster.sipproxy.location import Contacts
from sipcluster.sipproxy.outgoing import upstream
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
        counters: Counter[str],
        seconds: Callable[[], float],
    ) -> None:
        """
        @param seconds: of the clock.
        """
        self._topology = topology
        self._nodes = nodes
        self._transport = transport
        self._store = store
        self._contacts = contacts
        self._branches = branches
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
        elif self._isOneOfSeveral(response):
            self._counters["refusalsHeldBack"] += 1
        else:
            self._pass(response, vias[1])

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

    def _isOneOfSeveral(self, response: Response) -> bool:
        """
        Whether others of the same DN may still ring: the refusal of one of them
        says nothing then.
        """
        status = response.status
        if (
            status < 300
            or status >= 600
            or status == 487
            or response.cseq.method != b"INVITE"
            or response.vias[1].host.lower() not in self._topology.pairHosts
        ):
            return False
        uri = response.toAddress.uri
        if not isinstance(uri, SIPURI) or not self._topology.isOurDomain(uri):
            return False
        bindings = self._store.bindings(self._topology.aor(uri))
        return any(len(group) > 1 for group in self._contacts.groups(bindings))
