"""
The part of a call that goes from a routing point to where somebody says.

It has left the routing point when it rings there, or is answered there, as the routing
point says (C{divert-on-ringing}).  When that cannot be, it is still at it.
"""

from __future__ import annotations

from attrs import evolve
from twisted.internet.defer import Deferred, succeed

from sipcluster.sessioncontroller.call_ringing import REFUSALS
from sipcluster.sessioncontroller.call_waiting import MOST_PARTIES, Waits
from sipcluster.sessioncontroller.events import (
    Answered,
    Cause,
    Fields,
    Progressed,
    Refused,
    Released,
    Role,
    ThirdParty,
)
from sipcluster.sessioncontroller.irouting import RouteType
from sipcluster.sessioncontroller.isessioncontroller import (
    CallRefused,
    Destination,
    QueuedAt,
    Why,
)
from sipcluster.sessioncontroller.leg import Leg
from sipcluster.sessioncontroller.party import Party
from sipcluster.sessioncontroller.queue_events import (
    NO_ANSWER_ACTION,
    Diverted,
    RouteUsed,
)
from sipcluster.sessioncontroller.undertakings import Undertaking, withoutFrames
from sipcluster.sessioncontroller.waiting import (
    BACK,
    NOWHERE,
    Overrides,
    Route,
    Waiting,
)
from sipcluster.wire.correlation import Requester
from sipcluster.wire.kvlist import KVList

#: Route types that say that a call goes nowhere: the status that its caller is
#: answered, and what its routing point is told.
_ENDS = {
    RouteType.REJECT: (603, Cause.REJECTED),
    RouteType.CALL_DISCONNECT: (480, Cause.DROPPED),
}

#: What this node cannot do.
_UNSUPPORTED = frozenset([RouteType.ANNOUNCEMENT])


class Routed(Waits):
    """
    What a call does when somebody says where it goes.
    """

    __slots__ = ()

    def waitsAt(self, party: Party) -> Waiting:
        """
        What is known of a routing point where the call waits.

        @raise CallRefused: it does not, or it is on its way.
        """
        waiting = self._queue
        if waiting is None or waiting.party is not party or not waiting.isHere:
            raise CallRefused(Why.WRONG_STATE, "the call is not at the routing point")
        if waiting.route is not None:
            raise CallRefused(Why.WRONG_STATE, "the call is being routed")
        return waiting

    def routeParty(
        self,
        party: Party,
        destination: str,
        routeType: RouteType,
        userData: KVList,
        overrides: Overrides,
        requester: Requester | None,
    ) -> Deferred[None]:
        """
        Send a call where somebody says.

        @raise CallRefused: it is not at this routing point, or cannot go there.
        """
        waiting = self.waitsAt(party)
        if routeType in _UNSUPPORTED:
            raise CallRefused(Why.UNSUPPORTED)
        if len(self.parties) >= MOST_PARTIES:
            raise CallRefused(Why.LIMIT, "the call went to too many places")
        if userData:
            self.changeUserData(party, (), userData, (), False, None)
        if routeType in _ENDS:
            self._routeNowhere(waiting, routeType, requester)
            return succeed(None)
        if routeType is RouteType.DEFAULT and not destination:
            defaults = waiting.defaults or self._ua.routing.defaults(waiting.point)
            if not defaults:
                raise CallRefused(Why.INVALID_DESTINATION, "there is no default")
            destination, *rest = defaults
            waiting.defaults = tuple(rest)
        where = self.askedBy(waiting.point, destination)
        asked = Undertaking("route", party, requester, where=where)
        done = self.awaitRoute(asked)
        waiting.wait(None)
        waiting.route = Route(routeType, overrides, asked)
        self._tried = {waiting.point.number}
        self._made = len(self.legs)
        if routeType is RouteType.OVERWRITE_DNIS:
            self._overwriteDNIS(destination)
        self._route(where)
        return done

    def awaitRoute(self, asked: Undertaking) -> Deferred[None]:
        """
        Wait until a call has left its routing point.

        @raise CallRefused: too much is asked at one time.
        """
        work = self.work
        work.begin(asked)
        asked.done = work.waiting(asked)

        def over(result: None) -> None:
            work.over(asked)
            return withoutFrames(result)

        return asked.done.addBoth(over)

    def _overwriteDNIS(self, number: str) -> None:
        self.dnis = number
        for party in self.parties:
            party.view = evolve(party.view, dnis=number)

    def _routeNowhere(
        self, waiting: Waiting, routeType: RouteType, requester: Requester | None
    ) -> None:
        """
        End a call.
        """
        status, cause = _ENDS[routeType]
        self._tellUsed(waiting, Route(routeType), None, requester)
        self.endAtPoint(waiting, status, cause)

    def endAtPoint(self, waiting: Waiting, status: int, cause: Cause) -> None:
        """
        End a call that waits.

        @param status: what its caller is answered, if it was not.
        """
        first = self._first
        self._forgetQueue()
        self._clear(waiting.party, cause)
        if first is not None and first.state == "Proceeding":
            self._clear(first.party, cause)
            first.machine.refuse(status, b"", ())
        if self.legs:
            self.release(cause, b"", None if first is None else first.party)

    # On its way

    def _place(
        self,
        first: Leg,
        found: Destination,
        third: ThirdParty | None = None,
        why: Cause = Cause.OK,
    ) -> Party:
        waiting = self._queue
        if waiting is not None and waiting.route is not None:
            if isinstance(found, QueuedAt):
                self._divert(waiting, found.dn)
            timeout = waiting.route.overrides.timeout or waiting.point.noAnswerTimeout
            if timeout:
                found = evolve(found, noAnswerTimeout=timeout)
        return super()._place(first, found, third, why)

    def _progressed(self, leg: Leg, event: Progressed) -> None:
        waiting = self._queue
        if waiting is not None and leg is self._second:
            if waiting.point.divertOnRinging:
                self._divert(waiting, leg.party.view.thisDN)
            first = self._first
            if first is not None and first.media is not None:
                # The caller hears what it is given until somebody answers.
                event = evolve(event, body=b"")
        super()._progressed(leg, event)

    def _answered(self, leg: Leg, event: Answered) -> None:
        waiting, first = self._queue, self._first
        if waiting is None or leg is not self._second:
            super()._answered(leg, event)
            return
        meets = first is not None and first.party.answered and self.leaving is None
        self._divert(waiting, leg.party.view.thisDN)
        self._forgetQueue()
        super()._answered(leg, event)
        if meets and first is not None:
            # It has talked to somebody before.
            self.tellMet(first.party, leg.party, None, Cause.OK, both=False)

    def _refused(self, leg: Leg, event: Refused) -> None:
        waiting = self._queue
        if waiting is not None and waiting.route is not None and leg is self._second:
            action = waiting.route.overrides.action
            if event.cause is Cause.NO_ANSWER and action not in ("", "none"):
                party = leg.party
                party.machine.cleared(
                    Released(
                        party.view,
                        self._ua.wallTime(),
                        event.cause,
                        extensions=((NO_ANSWER_ACTION, action),),
                    )
                )
        super()._refused(leg, event)

    def _divert(self, waiting: Waiting, to: str) -> None:
        """
        The call has left its routing point.
        """
        if not waiting.isHere:
            return
        waiting.wait(None)
        route, party = waiting.route, waiting.party
        third = ThirdParty(to, Role.DESTINATION)
        if route is not None:
            asked, route.asked = route.asked, None
            requester = None if asked is None else asked.requester
            self._tellUsed(waiting, route, third, requester)
            if asked is not None:
                asked.isDone()
        party.machine.cleared(Diverted(party.view, self._ua.wallTime(), third=third))
        if self._work is not None:
            self._work.gone(party)

    def _tellUsed(
        self,
        waiting: Waiting,
        route: Route,
        third: ThirdParty | None,
        requester: Requester | None,
    ) -> None:
        party = waiting.party
        party.machine.told(
            RouteUsed(
                party.view,
                self._ua.wallTime(),
                route.routeType,
                requester=requester,
                third=third,
            )
        )

    def _refuse(
        self, status: int, cause: Cause, reason: bytes = b"", fields: Fields = ()
    ) -> None:
        waiting, first = self._queue, self._first
        if waiting is None:
            super()._refuse(status, cause, reason, fields)
            return
        if waiting.route is None or first is None:
            self._leave(status, cause, reason, fields)
            return
        route, waiting.route = waiting.route, None
        if not waiting.isHere:
            self._overflow(waiting, route, first, status, cause)
            return
        first.party.meet(waiting.party)
        asked = route.asked
        if asked is None:
            self._routeByDefault()
        else:
            # Whoever has said so may say something else.
            self._giveTime()
            self.work.refuse(asked, REFUSALS.get(cause, Why.FAILED))

    def _overflow(
        self, waiting: Waiting, route: Route, first: Leg, status: int, cause: Cause
    ) -> None:
        """
        A call is not taken where it was sent.
        """
        overflow = route.overrides.overflow or waiting.point.noAnswerOverflow
        if waiting.byDefault or len(self.parties) >= MOST_PARTIES:
            overflow = (BACK,)
        to, *rest = overflow if cause is Cause.NO_ANSWER else (BACK,)
        if to == NOWHERE:
            self._leave(status, cause)
            return
        if to != BACK:
            overrides = evolve(route.overrides, overflow=(*rest, BACK))
            waiting.route = evolve(route, overrides=overrides)
            self._tried.clear()
            self._route(self.askedBy(waiting.point, to))
            return
        self._tried.discard(waiting.point.number)
        number = waiting.point.number
        self._route(self.askedBy(waiting.point, number))
