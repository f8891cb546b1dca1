"""
Requests that were sent to a member of the cluster, or wait for one: what becomes of
them when the member fails and another one of its pair goes on.
"""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import TYPE_CHECKING

from attrs import define
from twisted.logger import Logger
from zope.interface import implementer

from sipcluster.servicecheck.iservicecheck import (
    IPrimaryObserver,
    IServiceObserver,
    IServiceRegistry,
    Member,
)
from sipcluster.sip.timers import Timer, TimerQueue
from sipcluster.sipproxy.destinations import Destination, Hop

if TYPE_CHECKING:
    from sipcluster.sip.transactions import TransactionLayer
    from sipcluster.sipproxy.branch import Branch
    from sipcluster.sipproxy.response_context import ResponseContext

log = Logger()

#: Seconds that a pair may be without a primary before its requests are refused.
PATIENCE = 10.0

#: Seconds after which what another pair can do as well goes there.
ELSEWHERE = 0.5

#: Most requests that wait for a primary without having been sent to one.
MOST_PARKED = 5000


@define(eq=False)
class _Gap:
    """
    A pair has no primary.
    """

    elsewhere: Timer
    end: Timer


@implementer(IServiceObserver, IPrimaryObserver)
class Takeover:
    """
    Whom the client transactions of a proxy wait for.

    A member that stands alone takes what it has not answered with it: that goes to
    another one.  In a pair the other member goes on, under the same branches:

    - What it may not know is sent to it again: an INVITE that has no 1xx but 100, any
      other request without its final response.
    - An INVITE that rings is known there.  Nothing is sent, but a CANCEL that has
      perhaps not arrived; further responses come from there.
    - While nobody has taken over, what was sent waits, and so does what comes in,
      for L{PATIENCE}; after L{ELSEWHERE} it goes to another pair if any will do.
    """

    def __init__(
        self,
        layer: TransactionLayer,
        nodes: IServiceRegistry,
        proxies: IServiceRegistry,
        timers: TimerQueue,
        counters: Counter[str],
    ) -> None:
        self._layer = layer
        self._nodes = nodes
        self._timers = timers
        self._counters = counters
        self._sent: dict[str, dict[Branch, None]] = {}
        self._gaps: dict[str, _Gap] = {}
        self._parked: dict[Destination, ResponseContext] = {}
        nodes.observe(self)
        if proxies is not nodes:
            proxies.observe(self)
        nodes.observePrimaries(self)

    @property
    def waiting(self) -> int:
        """
        How many requests to members of the cluster have no response at all.
        """
        return len(self._parked) + sum(
            not branch.heard and not branch.over
            for sent in self._sent.values()
            for branch in sent
        )

    def awaits(self, pair: str) -> bool:
        """
        Whether a pair has no primary, but may have one soon.
        """
        return pair in self._gaps

    # On the way

    def sent(self, branch: Branch, member: Member) -> None:
        """
        A request has left for a member.
        """
        sent = self._sent.get(member.pair)
        if sent is None:
            sent = self._sent[member.pair] = {}
        sent[branch] = None
        if branch.transaction is not None and self._nodes.hasStandby(member.pair):
            branch.transaction.broken = partial(self._broken, branch)

    def gone(self, branch: Branch) -> None:
        """
        The client transaction of a request is over.
        """
        member = branch.hop.member
        if member is not None:
            self._sent.get(member.pair, {}).pop(branch, None)

    def _broken(self, branch: Branch, why: str) -> None:
        """
        The flow to a member of a pair has failed: it is not the end of what was sent.
        The member is asked; whether it is dead shows at once.
        """
        member = branch.hop.member
        if member is not None and not branch.over:
            self._nodes.doubt(member.name)

    def park(self, context: ResponseContext, destination: Destination) -> bool:
        """
        Let a request wait for a primary.

        @return: False when there is none to be expected.
        """
        if not self._gaps or self._gaps.keys().isdisjoint(destination.pairs):
            return False
        if len(self._parked) >= MOST_PARKED:
            self._counters["waitingRefused"] += 1
            return False
        self._counters["waitedForPrimary"] += 1
        self._parked[destination] = context
        return True

    def forget(self, context: ResponseContext) -> list[Destination]:
        """
        A request waits for no primary any more.

        @return: what waited.
        """
        mine = [each for each, owner in self._parked.items() if owner is context]
        for each in mine:
            del self._parked[each]
        return mine

    # IServiceObserver

    def memberInService(self, member: Member) -> None:
        """
        See L{IServiceObserver}.
        """

    def memberOutOfService(self, member: Member, why: str) -> None:
        """
        See L{IServiceObserver}.
        """
        if self._nodes.hasStandby(member.pair):
            return
        for branch in tuple(self._sent.get(member.pair, ())):
            if not branch.heard and branch.context is not None:
                branch.context.memberGone(branch, why)

    # IPrimaryObserver

    def primaryChanged(self, pair: str, member: Member | None) -> None:
        """
        See L{IPrimaryObserver}.
        """
        if not self._nodes.hasStandby(pair):
            return
        self._close(pair)
        if member is None:
            self._gaps[pair] = _Gap(
                self._timers.after(ELSEWHERE, self._tryElsewhere, pair),
                self._timers.after(PATIENCE, self._giveUp, pair),
            )
            return
        for branch in tuple(self._sent.get(pair, ())):
            if branch.waits:
                self._counters["drivenAgain"] += 1
            branch.follow(member, self._layer)
        for destination, context in tuple(self._parked.items()):
            if pair in destination.pairs and destination in self._parked:
                del self._parked[destination]
                hop = Hop(member.target, None, member, skips=destination.skips)
                context.unparked(destination, hop)

    def _close(self, pair: str) -> None:
        gap = self._gaps.pop(pair, None)
        if gap is not None:
            gap.elsewhere.cancel()
            gap.end.cancel()

    def _waitingFor(self, pair: str) -> list[Branch]:
        return [branch for branch in self._sent.get(pair, ()) if branch.waits]

    def _tryElsewhere(self, pair: str) -> None:
        for branch in self._waitingFor(pair):
            if branch.context is not None:
                branch.context.elsewhere(branch)

    def _giveUp(self, pair: str) -> None:
        self._close(pair)
        log.error("{pair}: nobody has taken over in {n} s", pair=pair, n=PATIENCE)
        for branch in self._waitingFor(pair):
            branch.fail(503, "nobody has taken over", False)
            branch.abandon()
        for destination, context in tuple(self._parked.items()):
            if self._gaps.keys().isdisjoint(destination.pairs):
                del self._parked[destination]
                context.unparked(destination, None)
