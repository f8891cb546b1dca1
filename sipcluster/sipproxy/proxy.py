"""
The SIP Proxy: what the transaction layer hands to it, through the chain and out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from attrs import frozen
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from sipcluster.registrar.iregistrar import IRegistrationStore
from sipcluster.servicecheck.iservicecheck import IServiceRegistry
from sipcluster.sip.errors import MalformedMessage
from sipcluster.sip.identifiers import Identifiers
from sipcluster.sip.isip import IFlow, ILocator, IRequestReceiver, ITransportLayer
from sipcluster.sip.message import Request, Response
from sipcluster.sip.transactions import ServerTransaction, TransactionLayer
from sipcluster.sipproxy.affinity import CallAffinity
from sipcluster.sipproxy.branches import Branches
from sipcluster.sipproxy.chain import Chain
from sipcluster.sipproxy.context import RequestContext
from sipcluster.sipproxy.forwarding import Forwarding
from sipcluster.sipproxy.isipproxy import Answer, IStep
from sipcluster.sipproxy.location import Contacts
from sipcluster.sipproxy.outgoing import loopKey
from sipcluster.sipproxy.registration import Registration
from sipcluster.sipproxy.response_context import ResponseContext
from sipcluster.sipproxy.stateless import StatelessResponses
from sipcluster.sipproxy.steps.admission import Admission
from sipcluster.sipproxy.steps.affinity import Affinity
from sipcluster.sipproxy.steps.breadth import Breadth
from sipcluster.sipproxy.steps.choose_node import ChooseNode
from sipcluster.sipproxy.steps.locate import Locate
from sipcluster.sipproxy.steps.loop import LoopDetection
from sipcluster.sipproxy.steps.loose_route import LooseRoute
from sipcluster.sipproxy.steps.max_forwards import MaxForwards
from sipcluster.sipproxy.steps.own_request import OwnRequest
from sipcluster.sipproxy.steps.proxy_require import ProxyRequire
from sipcluster.sipproxy.steps.record_route import RecordRoute
from sipcluster.sipproxy.steps.register import Register
from sipcluster.sipproxy.steps.routed import Routed
from sipcluster.sipproxy.steps.sanity import Sanity
from sipcluster.sipproxy.tokens import FlowTokens
from sipcluster.sipproxy.topology import Topology

log = Logger()


@frozen
class ProxyParts:
    """
    What a proxy is made of.

    @ivar wallTime: seconds since 1970, for the ends of bindings.
    @ivar branches: what the Via of a forwarded request is made with.
    @ivar nodes: who of the nodes is in service.
    @ivar proxies: who of the other proxies is in service.
    @ivar timerC: seconds.
    @ivar maxForks: bindings tried for one request.
    @ivar dialogRate: INVITEs a second from outside, 0 for no limit.
    """

    clock: IReactorTime
    wallTime: Callable[[], float]
    topology: Topology
    transport: ITransportLayer
    locator: ILocator
    layer: TransactionLayer
    identifiers: Identifiers
    tokens: FlowTokens
    branches: Branches
    store: IRegistrationStore
    nodes: IServiceRegistry
    proxies: IServiceRegistry
    timerC: float = 180.0
    maxForks: int = 10
    dialogRate: int = 0


@implementer(IRequestReceiver)
class SIPProxy:
    """
    A stateful proxy (RFC 3261 section 16) in front of the cluster's nodes.

    @ivar counters: how often what happened.
    @ivar admission: the step that turns calls away.
    @ivar affinity: which node has the calls of which DN.
    @ivar contacts: how bindings are reached.
    @ivar takeover: what goes on when another member of a pair serves.
    """

    def __init__(self, parts: ProxyParts) -> None:
        self.counters: Counter[str] = Counter()
        self._parts = parts
        self._topology = parts.topology
        self._forwarding = Forwarding(
            parts.layer,
            parts.transport,
            parts.locator,
            parts.nodes,
            parts.proxies,
            parts.identifiers,
            parts.layer.queue,
            parts.timerC,
            self.counters,
            parts.branches,
        )
        self._forwarding.passAck = self._passAck
        self.takeover = self._forwarding.takeover
        self.registration = Registration(
            parts.topology, parts.store, parts.tokens, parts.wallTime
        )
        requests, acks, unknown = self._steps()
        self._requests = Chain(requests, self._passed, self._answered)
        self._acks = Chain(acks, self._unknownPassed, self._unknownAnswered)
        self._unknown = Chain(unknown, self._unknownPassed, self._unknownAnswered)
        self._responses = StatelessResponses(
            parts.topology,
            parts.nodes,
            parts.transport,
            parts.store,
            self.contacts,
            parts.branches,
            self._forwarding.forward,
            self.counters,
            parts.clock.seconds,
        )

    def logSteps(self) -> None:
        """
        Write the order of the steps to the log: said once, at start.
        """
        log.info("steps of a request: {steps}", steps=" > ".join(self._requests.names))
        log.info("steps of an ACK: {steps}", steps=" > ".join(self._acks.names))

    def _steps(self) -> tuple[list[IStep], list[IStep], list[IStep]]:
        """
        What happens to a request, to the ACK of a 2xx, and to what may belong to an
        INVITE that another process has forwarded, in order.
        """
        parts, topology = self._parts, self._parts.topology
        self.contacts = Contacts(
            topology, parts.tokens, parts.transport, parts.proxies, parts.maxForks
        )
        routed = Routed(
            topology, parts.nodes, parts.proxies, parts.transport, parts.tokens
        )
        sanity = Sanity()
        maxForwards = MaxForwards(topology)
        looseRoute = LooseRoute(topology)
        locate = Locate(topology, parts.store, self.contacts)
        self.admission = Admission(parts.clock.seconds, parts.dialogRate)
        self.affinity = CallAffinity(parts.clock.seconds)
        chooseNode = ChooseNode(topology, parts.nodes, self._forwarding.takeover.awaits)
        requests: list[IStep] = [
            sanity,
            maxForwards,
            LoopDetection(topology),
            ProxyRequire(),
            self.admission,
            looseRoute,
            OwnRequest(topology),
            Register(self.registration),
            routed,
            locate,
            Affinity(topology, self.affinity),
            chooseNode,
            Breadth(),
            RecordRoute(parts.tokens),
        ]
        acks: list[IStep] = [sanity, maxForwards, looseRoute, routed, locate]
        return requests, acks, [*acks, chooseNode]

    # What the transaction layer hands over

    def requestReceived(self, transaction: ServerTransaction) -> None:
        """
        See L{IRequestReceiver}.
        """
        request = transaction.request
        self.counters["requests"] += 1
        context = self._context(request, transaction.flow)
        response = ResponseContext(self._forwarding, context, transaction)
        transaction.user = response
        context.response = response
        self._requests.run(context)

    def ackReceived(self, ack: Request, flow: IFlow) -> None:
        """
        See L{IRequestReceiver}.  It may acknowledge a refusal that another process
        has passed on.
        """
        self.counters["acks"] += 1
        context = self._context(ack, flow)
        if self._parts.branches.shared:
            context.loopKey = loopKey(context)
            self._unknown.run(context)
        else:
            self._acks.run(context)

    def _passAck(self, ack: Request, flow: IFlow) -> None:
        """
        Take an ACK that has the branch of its INVITE, and should not: it leaves
        with another one.
        """
        self.counters["acks"] += 1
        self._acks.run(self._context(ack, flow))

    def strayCancel(self, cancel: Request, flow: IFlow) -> bool:
        """
        See L{IRequestReceiver}.
        """
        if not self._parts.branches.shared:
            return False
        self.counters["statelessCancels"] += 1
        context = self._context(cancel, flow)
        context.loopKey = loopKey(context)
        self._unknown.run(context)
        return True

    def strayResponse(self, response: Response, flow: IFlow) -> None:
        """
        See L{IRequestReceiver}.
        """
        self._responses.received(response, flow)

    def _context(self, request: Request, flow: IFlow) -> RequestContext:
        try:
            viaHost = request.via.host
        except MalformedMessage:
            viaHost = b""
        return RequestContext(
            request,
            flow,
            self._topology.isNode(flow, viaHost),
            self._topology.isFellow(flow),
        )

    # What the chain says

    def _passed(self, context: RequestContext) -> None:
        response, context.response = context.response, None
        if response is not None:
            response.start()

    def _answered(self, context: RequestContext, answer: Answer) -> None:
        self.counters["answered"] += 1
        response, context.response = context.response, None
        if response is not None:
            response.answer(answer)

    def _unknownPassed(self, context: RequestContext) -> None:
        if not context.groups:
            self._forwarding.dropped(context)
        for group in context.groups:
            for destination in group:
                self._forwarding.forward(context, destination)

    def _unknownAnswered(self, context: RequestContext, answer: Answer) -> None:
        # Nothing answers an ACK; and a CANCEL comes again, when there is a node.
        self._forwarding.dropped(context)
        if context.request.method == b"CANCEL" and answer.status != 503:
            self._parts.layer.refuse(context.request, context.flow, 481)

    def status(self) -> dict[str, object]:
        """
        Counts, for people.
        """
        return {
            "steps": list(self._requests.names),
            "knownCalls": len(self.affinity),
            "waitingForMembers": self.takeover.waiting,
            "counters": {
                **self.counters,
                "refusedByRate": self.admission.refused,
            },
        }
