"""
The part of a call that waits at a routing point, until somebody says where it goes, or
nobody does.

A routing point is a party without a leg.  Its caller need not be answered: it is told
from time to time that it waits.
"""

from __future__ import annotations

from attrs import evolve
from twisted.logger import Logger

from sipcluster.sessioncontroller.call_supervision import Supervision
from sipcluster.sessioncontroller.events import (
    CallType,
    Cause,
    Fields,
    Progressed,
    Role,
    ThirdParty,
)
from sipcluster.sessioncontroller.irouting import RouteType
from sipcluster.sessioncontroller.isessioncontroller import (
    DN,
    Asked,
    Destination,
    ExtensionDN,
    QueuedAt,
    RoutingPointDN,
    TrunkDN,
)
from sipcluster.sessioncontroller.leg import Leg
from sipcluster.sessioncontroller.party import Party
from sipcluster.sessioncontroller.queue_events import Queued, RouteRequested
from sipcluster.sessioncontroller.queue_values import GivenValue, QueueValue
from sipcluster.sessioncontroller.values import CallValue
from sipcluster.sessioncontroller.waiting import Overrides, Route, Waiting

log = Logger()

#: Seconds after which a caller that was not answered is told again that it waits
#: (RFC 3261 section 13.3.1.1).
TOLD_AGAIN = 60.0

#: Parties that a call may have had; it is not routed any further then.
MOST_PARTIES = 64


class Waits(Supervision):
    """
    What a call does at a routing point while nobody says anything.
    """

    __slots__ = ()

    def pointOf(self, number: str) -> RoutingPointDN:
        """
        What is known of a routing point.
        """
        return self._ua.routing.find(number) or RoutingPointDN(number)

    def addParty(
        self,
        dn: str,
        role: Role,
        internal: bool,
        other: Party | None = None,
        state: str = "Null",
    ) -> Party:
        """
        See L{CallParts<sipcluster.sessioncontroller.call_parts.CallParts>}.
        """
        party = super().addParty(dn, role, internal, other, state)
        waiting = self._queue
        if waiting is not None:
            party.view = evolve(party.view, thisQueue=waiting.point.number)
        return party

    def _place(
        self,
        first: Leg,
        found: Destination,
        third: ThirdParty | None = None,
        why: Cause = Cause.OK,
    ) -> Party:
        if isinstance(found, QueuedAt):
            return self._queueAt(first, found, third, why)
        return super()._place(first, found, third, why)

    def _queueAt(
        self, first: Leg, found: QueuedAt, third: ThirdParty | None, why: Cause
    ) -> Party:
        """
        Let a call wait at a routing point.
        """
        before = self._queue
        point = self.pointOf(found.dn)
        self.callType = self._typeOf(first, found)
        party = self.addParty(found.dn, Role.DESTINATION, True, first.party)
        if self.callType is CallType.CONSULT:
            party.isOf(CallType.CONSULT)
        party.view = evolve(party.view, thisQueue=found.dn)
        waiting = self._queue = Waiting(party, point)
        if before is not None:
            if before.point.number == found.dn:
                waiting.byDefault = before.byDefault
                waiting.defaults = before.defaults
            waiting.given, before.given = before.given, None
            before.end()
        first.party.meet(party)
        if first.party.answered and first.peer is None and first.joined:
            # It has talked to somebody who is not there any more.
            self.silence(first)
        log.info(
            "call {connID} waits at {dn}",
            connID=self.connID,
            callUUID=self.callUUID,
            dn=found.dn,
        )
        party.machine.queued(
            Queued(party.view, self._ua.wallTime(), third=third, why=why)
        )
        self._askRoute()
        return party

    def _tellWaits(self) -> None:
        """
        Tell a caller that was not answered that it waits, now and then.
        """
        waiting, first = self._queue, self._first
        if waiting is None or first is None or first.state != "Proceeding":
            return
        if first.media is None:
            now = self._ua.wallTime()
            status = 180 if waiting.point.ringing else 182
            first.machine.progress(Progressed(waiting.party.view, now, status))
        else:
            first.machine.progress(
                Progressed(waiting.party.view, self._ua.wallTime(), 183)
            )
        waiting.again = self._ua.timers.after(TOLD_AGAIN, self._tellWaits)

    def _askRoute(self) -> None:
        """
        Ask those who say where calls go, if there are any.
        """
        waiting = self._queue
        assert waiting is not None
        party = waiting.party
        if waiting.byDefault or not self._ua.routing.asks(waiting.point.number):
            self._routeByDefault()
            return
        self._tellWaits()
        self._giveTime()
        party.machine.told(
            RouteRequested(party.view, self._ua.wallTime(), lastDigit=waiting.lastDigit)
        )

    def _giveTime(self) -> None:
        """
        Somebody is to say something about it, and soon.
        """
        waiting = self._queue
        assert waiting is not None
        if waiting.given is not None:
            return  # somebody is at it
        within = waiting.point.routerTimeout
        waiting.wait(self._ua.timers.after(within, self._routerSilent))

    def _routerSilent(self) -> None:
        waiting = self._queue
        if waiting is None or not waiting.isHere:
            return
        waiting.timer = None
        self._ua.count("routersSilent")
        log.warn(
            "nobody says where call {connID} goes that waits at {dn}",
            connID=self.connID,
            dn=waiting.point.number,
        )
        self._routeByDefault()

    def routersGone(self) -> None:
        """
        Nobody is there any more who says where calls go.
        """
        waiting = self._queue
        if waiting is not None and waiting.isHere and waiting.route is None:
            within = waiting.point.routerTimeout
            waiting.wait(self._ua.timers.after(within, self._routerSilent))

    # Default routing

    def _routeByDefault(self) -> None:
        """
        Send a call where it goes when nobody says where.
        """
        waiting = self._queue
        assert waiting is not None
        waiting.wait(None)
        if not waiting.byDefault:
            waiting.byDefault = True
            if not waiting.defaults:
                waiting.defaults = self._ua.routing.defaults(waiting.point)
        if not waiting.defaults or len(self.parties) >= MOST_PARTIES:
            self._leave(480, Cause.UNREACHABLE)
            return
        number, *rest = waiting.defaults
        waiting.defaults = tuple(rest)
        self._ua.count("routedByDefault")
        waiting.route = Route(RouteType.DEFAULT, Overrides())
        self._route(self.askedBy(waiting.point, number))

    def askedBy(self, point: RoutingPointDN, number: str) -> Asked:
        """
        Where a routing point sends a call.
        """
        first, asked = self._first, self._asked
        assert first is not None
        # Whoever led the call here may have left it.
        caller: DN = ExtensionDN(first.party.view.thisDN)
        if asked is not None and not first.party.view.internal:
            caller = asked.caller if isinstance(asked.caller, TrunkDN) else caller
        return Asked(number, self._ua.domain.decode(), caller, False, point)

    def _leave(
        self, status: int, cause: Cause, reason: bytes = b"", fields: Fields = ()
    ) -> None:
        """
        The call cannot go anywhere.
        """
        waiting = self._forgetQueue()
        if waiting is not None:
            self._clear(waiting.party, cause, reason)
        super()._refuse(status, cause, reason, fields)
        if not self.telephones:
            self.release(cause)  # a media server may be left

    def _forgetQueue(self) -> Waiting | None:
        """
        It is not at a routing point any more.
        """
        waiting, self._queue = self._queue, None
        if waiting is not None:
            waiting.end()
        return waiting

    def _letGo(self) -> None:
        if self._queue is not None:
            self._forgetQueue()
        super()._letGo()

    # Writing down, and going on

    def queueValue(self) -> QueueValue | None:
        """
        What it knows of its routing point.
        """
        waiting = self._queue
        if waiting is None:
            return None
        return waiting.value(self.parties.index(waiting.party))

    def _resumeQueue(self, value: CallValue) -> None:
        """
        Know what was known of its routing point.
        """
        written = value.queue
        if written is None:
            return
        party = self.parties[written.party]
        waiting = self._queue = Waiting(
            party,
            self.pointOf(party.view.thisDN),
            byDefault=written.byDefault,
            defaults=written.defaults,
            lastDigit=written.lastDigit,
        )
        route = written.route
        if route is not None:
            waiting.route = Route(
                route.routeType,
                Overrides(route.timeout, route.overflow, route.action),
            )
        if written.given is not None:
            self._resumeGiven(waiting, written.given)
        timers = self._ua.timers
        if written.left:
            waiting.timer = timers.after(written.left, self._routerSilent)
        waiting.again = timers.after(TOLD_AGAIN, self._tellWaits)

    def _resumeGiven(self, waiting: Waiting, written: GivenValue) -> None:
        """
        Go on with what the caller is given.
        """
