"""
The part of a call that calls a supervisor into it.
"""

from __future__ import annotations

from typing import TypeVar

from twisted.internet.defer import Deferred, succeed

from sipcluster.sessioncontroller.call_consulting import TALKING
from sipcluster.sessioncontroller.call_holding import Holding
from sipcluster.sessioncontroller.events import (
    Cause,
    Role,
)
from sipcluster.sessioncontroller.isessioncontroller import (
    Asked,
    CallRefused,
    Destination,
    Why,
)
from sipcluster.sessioncontroller.isupervision import (
    Monitoring,
    MonitorMode,
)
from sipcluster.sessioncontroller.leg import Leg
from sipcluster.sessioncontroller.party import Party
from sipcluster.sessioncontroller.standing import Standing
from sipcluster.sessioncontroller.undertakings import Undertaking, withoutFrames
from sipcluster.wire.correlation import Requester

T = TypeVar("T")


class Observing(Holding):
    """
    What a call does until a supervisor hears it.
    """

    __slots__ = ()

    def observeFor(
        self,
        party: Party,
        monitoring: Monitoring,
        where: Asked,
        found: Destination,
        requester: Requester | None,
    ) -> Deferred[None]:
        """
        Call a supervisor into the call.

        @param party: the one who is supervised.
        @param where: names the supervisor.
        @param found: its telephone.

        @return: fires when it hears the call.

        @raise CallRefused: the party does not talk, or there is no room.
        """
        if party.state not in TALKING or len(self.members) < 2:
            raise CallRefused(Why.WRONG_STATE)
        if self.partyOf(monitoring.supervisor) is not None:
            raise CallRefused(Why.WRONG_STATE, "it is in the call")
        self.checkRoom()
        asked = Undertaking("observe", party, requester, where=where)
        silent = monitoring.mode is MonitorMode.SILENT
        leg = self.callIn(
            found,
            Role.OBSERVER,
            Standing(muted=silent, monitoring=monitoring),
            self._otherOf(party),
            None,
            Cause.BRIDGED,
        )
        try:
            return self.beginObserve(asked)
        except CallRefused:
            self.sendAway(leg)
            raise

    def beginObserve(self, asked: Undertaking) -> Deferred[None]:
        """
        Wait for a supervisor who is being called.

        @raise CallRefused: the call was asked too much.
        """
        work = self.work
        work.begin(asked)

        def over(result: T) -> T:
            work.over(asked)
            return withoutFrames(result)

        return Deferred.fromCoroutine(self._observe(asked)).addBoth(over)

    async def _observe(self, asked: Undertaking) -> None:
        where = asked.where

        def wanted(standing: Standing) -> bool:
            one = standing.monitoring
            return (
                one is not None and where is not None and one.supervisor == where.user
            )

        leg = self.called(wanted)
        if leg is None:
            raise CallRefused(Why.DISCONNECTED)
        await self.bringIn(asked, leg, lambda leg: self._observeNow(asked, leg))

    def _otherOf(self, party: Party) -> Party:
        """
        The one to whom somebody talks who is supervised.
        """
        others = [one.party for one in self.members if one.party is not party]
        others.sort(key=lambda one: one.view.thisDN != party.view.otherDN)
        return others[0] if others else party

    def _observeNow(self, asked: Undertaking, leg: Leg) -> None:
        """
        A supervisor is in the call from now on.
        """
        new, party = leg.party, asked.party
        if party.state not in TALKING:
            raise CallRefused(Why.DISCONNECTED)
        others = [one.party for one in self.members if one is not leg]
        others.sort(key=lambda one: one is not party)
        self.connectNew(new, None, Cause.BRIDGED, asked.requester)
        self.tellAdded(new, others, None, Cause.BRIDGED, Role.OBSERVER)

    def resumeBringing(
        self, asked: Undertaking, seconds: float
    ) -> Deferred[None] | None:
        """
        Go on with what takes somebody into the call.

        @return: L{None}: it is nothing of the kind.
        """
        if asked.kind == "confer":
            return self.beginConfer(asked, seconds, True)
        if asked.kind == "add":
            return self.beginAdd(asked)
        if asked.kind == "observe":
            return self.beginObserve(asked)
        if asked.kind in ("bring", "mix"):
            self.regroup()
            return succeed(None)
        return None

    def isObserver(self, party: Party) -> bool:
        """
        Whether a party supervises.
        """
        return party.standing.monitoring is not None
