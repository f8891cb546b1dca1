"""
The Session Controller: has the calls of a node.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from sipcluster.ha.ikeeping import UNKEPT, IKeeper, Unkept
from sipcluster.registrar.register import Lifetimes
from sipcluster.sessioncontroller.authentication import Authenticator
from sipcluster.sessioncontroller.call import Call
from sipcluster.sessioncontroller.default_routing import RoutingPoints
from sipcluster.sessioncontroller.events import Cause
from sipcluster.sessioncontroller.incoming_invite import IncomingInvite
from sipcluster.sessioncontroller.isessioncontroller import (
    IDialPlan,
    IEventSink,
    IProxies,
    Limits,
)
from sipcluster.sessioncontroller.keeping import KeptCalls, KeptRefusals
from sipcluster.sessioncontroller.referring_control import ReferringControl
from sipcluster.sessioncontroller.restoring import goOn, restoreCall
from sipcluster.sessioncontroller.sinks import Distribution
from sipcluster.sessioncontroller.useragent import UserAgent
from sipcluster.sessioncontroller.values import CallValue
from sipcluster.sip.adoption import InviteServerValue
from sipcluster.sip.identifiers import Identifiers
from sipcluster.sip.isip import ITransportLayer
from sipcluster.sip.timers import TimerQueue, TimerValues
from sipcluster.sip.transactions import TransactionLayer
from sipcluster.wire.correlation import Requester

log = Logger()

#: Seconds that C{stop} waits for BYEs and CANCELs to be answered.
STOP_WITHIN = 1.0


class SessionController(ReferringControl):
    """
    A back-to-back user agent for the DNs of one switch, behind SIP Proxies.
    """

    def __init__(
        self,
        clock: IReactorTime,
        transport: ITransportLayer,
        identifiers: Identifiers,
        wallTime: Callable[[], float],
        proxies: IProxies,
        authenticator: Authenticator,
        plan: IDialPlan,
        lifetimes: Lifetimes,
        domain: str,
        contactHost: str,
        address: str,
        sinks: Sequence[IEventSink] = (),
        limits: Limits | None = None,
        timers: TimerValues | None = None,
        role: bytes = b"primary;epoch=0",
        keeper: IKeeper = UNKEPT,
    ) -> None:
        """
        @param contactHost: the name of the node or its pair inside the cluster.
        @param address: the node's IP address, for origin lines.
        @param keeper: keeps the calls at the other member of a pair.
        """
        #: Who takes the events.
        self.distribution = Distribution(sinks)
        publish = self.distribution.publish
        super().__init__(authenticator, plan, lifetimes, publish, role)
        self._stopped: Deferred[None] | None = None
        values = timers or TimerValues()
        queue = TimerQueue(clock)
        kind = b"IN IP6 " if ":" in address else b"IN IP4 "
        self.ua = UserAgent(
            layer=TransactionLayer(
                clock,
                transport,
                self,
                identifiers,
                values,
                rejectMerged=True,
                queue=queue,
            ),
            timers=queue,
            t=values,
            identifiers=identifiers,
            proxies=proxies,
            contactHost=contactHost.encode(),
            domain=domain.lower().encode(),
            origin=kind + address.encode(),
            wallTime=wallTime,
            limits=limits or Limits(),
            routing=RoutingPoints(authenticator.directory.routingPoint),
        )
        self.ua.exchange = self
        self.kept = KeptCalls(self.calls, self._make, self._goOn, self.takenOver)
        self._refusals = KeptRefusals(self._adoptRefusal)
        self._keeper = keeper
        touch = keeper.keep(self.kept)
        self._touch: Callable[[str], object] | None = touch
        if isinstance(keeper, Unkept):
            self._touch = None
        self._refusals.touch = keeper.keep(self._refusals)
        self.numbers.touch = keeper.keep(self.numbers)

    @property
    def full(self) -> bool:
        """
        See L{Reception}.  So much may wait for the other member of the pair that
        what is new would only wait, too.
        """
        return super().full or self._keeper.full()

    def agentOf(self, connID: str) -> UserAgent:
        """
        See L{Reception}.
        """
        touch = self._touch
        if touch is None:
            return self.ua
        return self.ua.forCall(
            partial(touch, connID), partial(self._refusals.refused, connID)
        )

    def _adoptRefusal(self, connID: str, value: InviteServerValue) -> IncomingInvite:
        transaction = self.ua.layer.adoptServer(value)
        invite = IncomingInvite(self.agentOf(connID), None, transaction)
        invite.final = transaction.responded
        return invite

    def callEnded(self, call: Call) -> None:
        """
        See L{Reception}.
        """
        super().callEnded(call)
        call.touch()
        if self._stopped is not None and not self.calls:
            stopped, self._stopped = self._stopped, None
            stopped.callback(None)

    def values(self) -> Iterator[CallValue]:
        """
        All calls, written down.
        """
        for call in list(self.calls.values()):
            yield call.value()

    def restore(self, value: CallValue) -> bool:
        """
        Go on with a call that another Session Controller has written down.

        @return: whether it could be.  One of which its caller has heard nothing yet
            cannot: it ends here, with its events, and is made anew by the SIP Proxy
            that still holds its INVITE.
        """
        if value.connID in self.calls:
            return False
        return self._goOn(self._make(value), value)

    def _make(self, value: CallValue) -> Call:
        connID = value.connID
        call = restoreCall(
            value, self.agentOf(connID), self._plan, self._publish, self.callEnded
        )
        self.calls[connID] = call
        self.numbers.given(value.callID)
        return call

    def _goOn(self, call: Call, value: CallValue) -> bool:
        try:
            return goOn(call, value, self._authenticator.directory.dn)
        except Exception:
            log.failure("call {connID} cannot be gone on with", connID=call.connID)
            call.breakDown()
            call.endIfEmpty()
            return False

    def awaits(self, requester: Requester) -> bool:
        """
        See L{ICallControl}.
        """
        return super().awaits(requester) or self.kept.awaits(requester)

    def proxyGone(self, name: str) -> None:
        """
        A SIP Proxy is out of service.
        """
        self.ua.proxyGone(name)

    def serverStartedAnew(self, name: str) -> None:
        """
        A media server has forgotten all its sessions: another one goes on, or it
        itself.
        """
        for leg in list(self.ua.legs.values()):
            if leg.server == name:
                leg.ua.touch()
                leg.machine.vanished("the media server was started anew")

    def stop(self) -> Deferred[None]:
        """
        Take nothing new, and end all calls.

        @return: fires when all far ends have answered, or after
            L{STOP_WITHIN} seconds.
        """
        self.stopping = True
        stopped: Deferred[None] = Deferred()
        for call in list(self.calls.values()):
            call.release(Cause.SHUTDOWN, b"Q.850;cause=41")
        if not self.calls:
            stopped.callback(None)
            return stopped
        self._stopped = stopped
        timer = self.ua.timers.after(STOP_WITHIN, self._stopLate)
        stopped.addCallback(lambda _: timer.cancel())
        return stopped

    def abandon(self) -> None:
        """
        Another Session Controller goes on with all calls: forget them, and send
        nothing.
        """
        self.stopping = True
        for call in list(self.calls.values()):
            call.abandon()
        self.ua.layer.stop()
        self.calls.clear()
        self.ua.legs.clear()
        self.ua.parties.clear()
        self.ua.attempts.clear()

    def _stopLate(self) -> None:
        for call in list(self.calls.values()):
            for leg in list(call.legs):
                leg.finish()

    def status(self) -> dict[str, object]:
        """
        Counts, for people and for tests.
        """
        layer = self.ua.layer.status()
        transactions = sum(
            layer[name]
            for name in (
                "inviteClient",
                "inviteServer",
                "noninviteClient",
                "noninviteServer",
            )
        )
        return {
            "calls": len(self.calls),
            "dialogs": len(self.ua.legs),
            "transactions": transactions,
            "timers": layer["timers"],
            "attempts": len(self.ua.attempts),
            "counters": {
                **{name: layer[name] for name in ("stray", "merged", "overload")},
                **self._authenticator.counters,
                **self.ua.counters,
            },
        }
