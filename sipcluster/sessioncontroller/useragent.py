"""
What all legs of one node share: the way out, time, chance, limits and names.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from attrs import define, evolve, field

from sipcluster.sessioncontroller.attempt import Attempt
from sipcluster.sessioncontroller.default_routing import RoutingPoints
from sipcluster.sessioncontroller.imedia import IMediaService, NoMedia
from sipcluster.sessioncontroller.isessioncontroller import (
    CallRefused,
    IProxies,
    Limits,
    ProxyAddress,
)
from sipcluster.sip.identifiers import Identifiers
from sipcluster.sip.timers import Timer, TimerQueue, TimerValues
from sipcluster.wire.correlation import Requester

if TYPE_CHECKING:
    from sipcluster.sessioncontroller.call_consulting import IExchange
    from sipcluster.sessioncontroller.incoming_invite import IncomingInvite
    from sipcluster.sessioncontroller.leg import Leg
    from sipcluster.sessioncontroller.party import Party
    from sipcluster.sip.transactions import TransactionLayer


def _nowhere(dn: str) -> ProxyAddress | None:
    """
    Nobody knows where telephones have registered.
    """
    return None


def _unchanged() -> None:
    """
    Nobody keeps this call.
    """


def _unheeded(invite: IncomingInvite | None) -> None:
    """
    Nobody keeps its refusal.
    """


def _noMusic(dn: str) -> str:
    """
    Nobody hears music.
    """
    return ""


class CallTimers(TimerQueue):
    """
    The timers of one call: when one fires, the call may have changed.

    @ivar touched: told so.
    """

    __slots__ = ("_queue", "touched")

    def __init__(self, queue: TimerQueue, touch: Callable[[], object]) -> None:
        # The queues are those of the other one.
        self.clock = queue.clock
        self._queue = queue
        self.touched = touch

    def after(
        self, seconds: float, call: Callable[..., object], *args: object
    ) -> Timer:
        """
        See L{TimerQueue}.
        """
        return self._queue.after(seconds, self._fire, call, args)

    def _fire(self, call: Callable[..., object], args: tuple[object, ...]) -> None:
        self.touched()
        call(*args)


@define(eq=False)
class UserAgent:
    """
    The user agent that a node is, without its calls.

    Each call has one of its own, which differs in what knows of the call: all that
    comes back to a call from outside comes back through it, see
    L{sipcluster.sessioncontroller.keeping}.

    @ivar contactHost: host of our Contact: the name of the node or its pair.
    @ivar domain: of the DNs, in lower case.
    @ivar origin: network type, address type and address of the origin lines
        that we write.
    @ivar wallTime: seconds since 1970, for events.
    @ivar exchange: has all calls; L{None} before there are any.
    @ivar media: knows the media servers.
    @ivar music: the URI of what those hear whom a DN holds; C{""}: nothing.
    @ivar location: where the node is: media servers there come first.
    @ivar home: finds the SIP Proxy at which the telephone of a DN has registered.
    @ivar routing: who says where the calls at routing points go.
    @ivar legs: all legs by our tag.
    @ivar parties: the parties of each DN of this switch, in the order in which
        they were made; those of calls that have not ended.
    @ivar attempts: requests that have not got an answer.
    @ivar refusalsTo: told who had asked for something that could not be gone on with
        after the call was made again from its value, and why not: nobody here waits
        for it.
    @ivar counters: how often what happened, by name.
    @ivar touch: to be called when the call may have changed.
    @ivar own: the same, without other calls.
    @ivar moved: those of calls to which legs of this one have gone.
    @ivar refused: told that the caller's INVITE was refused, and, with L{None}, that
        this is acknowledged, or over.
    """

    layer: TransactionLayer
    timers: TimerQueue
    t: TimerValues
    identifiers: Identifiers
    proxies: IProxies
    contactHost: bytes
    domain: bytes
    origin: bytes
    wallTime: Callable[[], float]
    limits: Limits
    exchange: IExchange | None = None
    media: IMediaService = field(factory=NoMedia)
    music: Callable[[str], str] = _noMusic
    location: str = ""
    home: Callable[[str], ProxyAddress | None] = _nowhere
    routing: RoutingPoints = field(factory=RoutingPoints)
    legs: dict[bytes, Leg] = field(factory=dict)
    parties: dict[str, dict[Party, None]] = field(factory=dict)
    attempts: set[Attempt] = field(factory=set)
    refusalsTo: list[Callable[[Requester, CallRefused], object]] = field(factory=list)
    counters: dict[str, int] = field(factory=dict)
    touch: Callable[[], object] = _unchanged
    own: Callable[[], object] = _unchanged
    moved: list[UserAgent] = field(factory=list)
    refused: Callable[[IncomingInvite | None], object] = _unheeded

    def forCall(
        self,
        touch: Callable[[], object],
        refused: Callable[[IncomingInvite | None], object],
    ) -> UserAgent:
        """
        That of one call.
        """
        timers = CallTimers(self.timers, touch)
        return evolve(
            self, touch=touch, own=touch, moved=[], refused=refused, timers=timers
        )

    def touches(self, another: UserAgent) -> None:
        """
        Another call may have changed as well, from now on, whenever this one may have:
        a leg has gone over to it, and what was begun before comes back through here.
        """
        if another is self or another in self.moved:
            return
        if not self.moved:
            self.touch = self._touchAll
            if isinstance(self.timers, CallTimers):
                self.timers.touched = self._touchAll
        self.moved.append(another)

    def _touchAll(self) -> None:
        """
        Touch the call, and those to which legs of it have gone.
        """
        reached = [self]
        for one in reached:
            one.own()
            reached += [other for other in one.moved if other not in reached]

    def count(self, what: str) -> None:
        """
        Count something that is worth knowing.
        """
        self.counters[what] = self.counters.get(what, 0) + 1

    def undertakingRefused(self, requester: Requester, refused: CallRefused) -> None:
        """
        Something will not be done of what another process was asked for.
        """
        for tell in self.refusalsTo:
            tell(requester, refused)

    def someSeconds(self) -> int:
        """
        From 1 to 10, by chance: for Retry-After (RFC 3261 section 14.2).
        """
        return int(self.identifiers.tag()[:4], 16) % 10 + 1

    def proxyGone(self, name: str) -> None:
        """
        A SIP Proxy is out of service: whoever waits for its answer tries the
        next one.
        """
        for attempt in list(self.attempts):
            attempt.proxyGone(name)
