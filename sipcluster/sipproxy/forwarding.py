"""
Sends requests on: what all response contexts of a proxy share.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from sipcluster.servicecheck.iservicecheck import IServiceRegistry
from sipcluster.sip.errors import MalformedMessage, NoTransport
from sipcluster.sip.identifiers import Identifiers
from sipcluster.sip.isip import IFlow, ILocator, ITransportLayer, Target
from sipcluster.sip.message import Request
from sipcluster.sip.timers import TimerQueue
from sipcluster.sip.transport_rules import tooLargeForUDP
from sipcluster.sipproxy.branches import Branches, placeOf
from sipcluster.sipproxy.context import RequestContext
from sipcluster.sipproxy.destinations import (
    Destination,
    Hop,
    literalTarget,
    one,
    targetHops,
)
from sipcluster.sipproxy.outgoing import GROWTH, outgoing
from sipcluster.sipproxy.takeover import Takeover

if TYPE_CHECKING:
    from sipcluster.sip.transactions import TransactionLayer
    from sipcluster.sipproxy.branch import Branch

log = Logger()

#: Most targets of one URI that are tried.
MOST_TARGETS = 6


class Forwarding:
    """
    Client transactions of a proxy.

    @ivar takeover: which of them were sent to members of the cluster.
    @ivar counters: how often what happened.
    @ivar passAck: takes the ACK of a 2xx that came to a server transaction.
    """

    def __init__(
        self,
        layer: TransactionLayer,
        transport: ITransportLayer,
        locator: ILocator,
        nodes: IServiceRegistry,
        proxies: IServiceRegistry,
        identifiers: Identifiers,
        timers: TimerQueue,
        timerC: float,
        counters: Counter[str],
        branches: Branches,
    ) -> None:
        """
        @param timerC: seconds; more than three minutes where RFC 3261 section
            16.6 step 11 is to be kept.
        """
        self.identifiers = identifiers
        self.counters = counters
        self.passAck: Callable[[Request, IFlow], None] = lambda ack, flow: None
        self._layer = layer
        self._transport = transport
        self._locator = locator
        self._nodes = nodes
        self._proxies = proxies
        self._timers = timers
        self._clock = timers.clock
        self._timerC = timerC
        self._branches = branches
        self.takeover = Takeover(layer, nodes, proxies, timers, counters)

    def count(self, name: str) -> None:
        """
        Something happened once more.
        """
        self.counters[name] += 1

    # Where to

    def locate(self, destination: Destination) -> Deferred[None] | None:
        """
        Find the hops of a destination that is a URI.

        @return: L{None} when there is nothing to wait for; else fires when
            they are known, or fails with L{LocationFailed
            <sipcluster.sip.errors.LocationFailed>}.  May be cancelled.
        """
        uri, destination.locate = destination.locate, None
        if uri is None:
            return None
        target = literalTarget(uri)
        if target is not None:
            destination.hops = one(Hop(target))
            return None

        def located(targets: Sequence[Target]) -> None:
            destination.located = True
            destination.hops = targetHops(targets[:MOST_TARGETS])

        return self._locator.locate(uri).addCallback(located)

    # On the way

    def send(self, branch: Branch, context: RequestContext) -> bool:
        """
        Send a branch's request to its hop.

        @return: False when it cannot even be tried; then the branch is told
            nothing.
        """
        hop = branch.hop
        request = self._made(context, branch.destination, hop)
        if request is None:
            return False
        if request[0].method == b"INVITE":
            self.startTimerC(branch)
        transaction = self._layer.request(
            request[0],
            hop.target,
            branch,
            request[1],
            branchSuffix=context.loopKey,
            branch=self._branches.of(
                context.request, placeOf(branch.destination, hop), context.loopKey
            ),
        )
        if not transaction.terminated:
            branch.transaction = transaction
            if hop.member is not None:
                self.takeover.sent(branch, hop.member)
            # A stream for no other reason than the size of the request.
            transaction.mayReroute = (
                request[1].reliable and hop.target.transportName == "UDP"
            )
        return True

    def forward(self, context: RequestContext, destination: Destination) -> None:
        """
        Send an ACK, or a CANCEL of an unknown INVITE, on: no transaction, no second
        try.
        """
        locating = self.locate(destination)
        if locating is None:
            self._forward(None, context, destination)
            return
        locating.addCallback(self._forward, context, destination)
        locating.addErrback(lambda f: self.dropped(context))

    def _forward(
        self, _: None, context: RequestContext, destination: Destination
    ) -> None:
        for hop in destination.hops:
            made = self._made(context, destination, hop)
            if made is not None:
                branch = b""
                if context.loopKey:
                    place = placeOf(destination, hop)
                    branch = self._branches.of(context.request, place, context.loopKey)
                self._layer.forward(made[0], hop.target, made[1], branch)
                return
        self.dropped(context)

    def dropped(self, context: RequestContext) -> None:
        """
        Something that has no transaction goes nowhere.
        """
        ack = context.request.method == b"ACK"
        self.count("droppedAcks" if ack else "droppedCancels")

    def _made(
        self, context: RequestContext, destination: Destination, hop: Hop
    ) -> tuple[Request, IFlow] | None:
        try:
            flow = hop.flow
            if flow is None:
                flow = self._transport.flowTo(hop.target)
            elif flow.closed:
                return None
            made = outgoing(context, destination, hop, flow)
            if hop.flow is None and not flow.reliable:
                size = GROWTH + len(made.body) + sum(map(len, made.headers.lines))
                if tooLargeForUDP(size):
                    flow = self._transport.flowTo(hop.target, size)
                    made = outgoing(context, destination, hop, flow)
            return made, flow
        except (NoTransport, MalformedMessage) as e:
            self.counters["unsendable"] += 1
            log.warn("cannot send to {target}: {why}", target=hop.target, why=e)
            return None

    def startTimerC(self, branch: Branch) -> None:
        """
        Give an INVITE its time to ring.
        """
        branch.rangAt = self._clock.seconds()
        branch.timerC = self._timers.after(self._timerC, self._timerCFired, branch)

    def rings(self, branch: Branch) -> None:
        """
        Give a ringing branch its whole time again.
        """
        # Only noted: the timer looks at it when it fires, which is cheaper
        # than a new one for each 1xx.
        branch.rangAt = self._clock.seconds()

    def _timerCFired(self, branch: Branch) -> None:
        left = branch.rangAt + self._timerC - self._clock.seconds()
        if left > 0.001:
            branch.timerC = self._timers.after(left, self._timerCFired, branch)
        else:
            branch.timerCFired()

    # What comes of it

    def answers(self, branch: Branch) -> None:
        """
        The first response to a branch has come.
        """
        if branch.hop.member is None and branch.destination.located:
            self._locator.markWorking(branch.hop.target)

    def branchFailed(self, branch: Branch, why: str) -> None:
        """
        A branch ended without a final response.
        """
        if branch.heard:
            return
        member = branch.hop.member
        if member is not None:
            registry = self._proxies if branch.hop.fellow else self._nodes
            registry.memberFailed(member.name, why)
        elif branch.destination.located:
            self._locator.markFailed(branch.hop.target)
