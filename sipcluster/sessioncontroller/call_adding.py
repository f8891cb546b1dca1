"""
The part of a call that calls somebody into it, while others talk.

Who is called is no part of it until a media server mixes: the telephone is called
without an offer, and what it offers is answered at once with streams on which nothing
is sent, so that it need not wait.  Then all is decided and told in one turn.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from attrs import evolve
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from sipcluster.sessioncontroller.call_asked import checkSize, checkUserData
from sipcluster.sessioncontroller.call_conferences import Conferences
from sipcluster.sessioncontroller.call_consulting import TALKING
from sipcluster.sessioncontroller.call_ringing import REFUSALS
from sipcluster.sessioncontroller.events import (
    Acknowledged,
    Alerting,
    Answered,
    CallType,
    Cause,
    Progressed,
    Refused,
    Role,
    ThirdParty,
)
from sipcluster.sessioncontroller.iconferences import MOST_PARTIES
from sipcluster.sessioncontroller.identity import shownAs
from sipcluster.sessioncontroller.isessioncontroller import (
    Asked,
    CallRefused,
    Destination,
    ExtensionDN,
    Refusal,
    Why,
)
from sipcluster.sessioncontroller.leg import Leg
from sipcluster.sessioncontroller.party import Party
from sipcluster.sessioncontroller.session_description import nothingYet
from sipcluster.sessioncontroller.standing import AS_USUAL, Standing
from sipcluster.sessioncontroller.undertakings import Undertaking, withoutFrames
from sipcluster.wire.correlation import Requester
from sipcluster.wire.kvlist import KVList

log = Logger()

T = TypeVar("T")


class Adding(Conferences):
    """
    What a call does when somebody is called into it.
    """

    __slots__ = ()

    def addFor(
        self,
        party: Party,
        where: Asked,
        userData: KVList,
        requester: Requester | None,
    ) -> Deferred[None]:
        """
        Call somebody into the call for one of its parties.

        @return: fires when that one is in it.

        @raise CallRefused: the party does not talk, or there is no room.
        """
        data = checkUserData(userData)
        checkSize((*self.userData, *data))
        self._checkAdd(party)
        asked = Undertaking("add", party, requester, where=where, userData=data)
        return self.beginAdd(asked)

    def beginAdd(self, asked: Undertaking) -> Deferred[None]:
        """
        Begin with it, or go on where another process was.

        @raise CallRefused: the call was asked too much.
        """
        work = self.work
        work.begin(asked)

        def over(result: T) -> T:
            work.over(asked)
            return withoutFrames(result)

        return Deferred.fromCoroutine(self._add(asked)).addBoth(over)

    def _checkAdd(self, party: Party) -> None:
        """
        @raise CallRefused: nobody can be called into the call.
        """
        if party.state != "Connected" or len(self.members) < 2:
            raise CallRefused(Why.WRONG_STATE)
        if self.work.of("add") is not None:
            raise CallRefused(Why.WRONG_STATE, "somebody is being called already")
        self.checkRoom()

    def checkRoom(self) -> None:
        """
        @raise CallRefused: nobody can be called into the call.
        """
        live = [one for one in self.parties if one.live]
        if len(live) >= MOST_PARTIES:
            raise CallRefused(Why.LIMIT, f"more than {MOST_PARTIES} parties")

    async def _add(self, asked: Undertaking) -> None:
        party = asked.party
        dn = party.view.thisDN
        leg = self.called(lambda standing: standing.addedBy == dn)
        if leg is None:
            assert asked.where is not None
            found = await self.destinationOf(asked, asked.where)
            if party.state != "Connected":
                raise CallRefused(Why.DISCONNECTED)
            third = ThirdParty(dn, Role.ADDED_BY)
            leg = self.callIn(
                found,
                Role.CONFERENCE_MEMBER,
                Standing(addedBy=dn),
                party,
                third,
                Cause.CONFERENCED,
            )
        await self.bringIn(asked, leg, lambda leg: self._addNow(asked, leg))

    async def destinationOf(self, asked: Undertaking, where: Asked) -> Destination:
        """
        Who is to be called.

        @raise CallRefused: nobody, or somebody who is in the call.
        """
        found = await self.work.until(asked, self._plan.route(where))
        if isinstance(found, Refusal):
            raise CallRefused(REFUSALS.get(found.cause, Why.INVALID_DESTINATION))
        if not isinstance(found, Destination):
            raise CallRefused(Why.INVALID_DESTINATION)
        if self.partyOf(found.dn) is not None:
            raise CallRefused(Why.INVALID_DESTINATION, "it is in the call")
        return found

    def _addNow(self, asked: Undertaking, leg: Leg) -> None:
        """
        Somebody is in the call from now on.
        """
        new, party = leg.party, asked.party
        if party.state not in TALKING:
            raise CallRefused(Why.DISCONNECTED)
        dn = party.view.thisDN
        third = ThirdParty(dn, Role.ADDED_BY)
        others = [one.party for one in self.members if one is not leg]
        if asked.userData:
            self.changeUserData(party, asked.userData, (), (), False, None)
        self.connectNew(new, third, Cause.CONFERENCED)
        others.sort(key=lambda one: one is not party)
        self.tellAdded(new, others, third, Cause.CONFERENCED, requester=asked.requester)

    # For all who are called into a call

    def called(self, wanted: Callable[[Standing], bool]) -> Leg | None:
        """
        The leg of somebody who is being called, with such a standing.
        """
        for leg in self.telephones:
            if leg.party.state == "Alerting" and wanted(leg.party.standing):
                return leg
        return None

    def callIn(
        self,
        found: Destination,
        role: Role,
        standing: Standing,
        other: Party,
        third: ThirdParty | None,
        why: Cause,
    ) -> Leg:
        """
        Call a telephone, in the name of a party.

        @param standing: that of the new one.
        @param other: whom the new one sees as the other party.
        """
        party = self.addParty(
            found.dn, role, found.callType is not CallType.OUTBOUND, other
        )
        party.standing = standing
        leg = self.addLeg(party, False, loose=True)
        near = self.legOf(other)
        leg.proxy = self._ua.home(found.dn) or (None if near is None else near.proxy)
        leg.aim(found, shownAs(other.view, self._ua.domain), 70, ())
        log.info(
            "call {connID} has one more leg {callID}",
            connID=self.connID,
            callUUID=self.callUUID,
            callID=leg.callID.decode("utf-8", "replace"),
            dn=found.dn,
        )
        now = self._ua.wallTime()
        party.machine.alerted(Alerting(party.view, now, third=third, why=why))
        leg.machine.place(b"")
        return leg

    async def bringIn(
        self, asked: Undertaking, leg: Leg, decide: Callable[[Leg], None]
    ) -> None:
        """
        Wait until somebody who is called answers, and a media server mixes.

        @param decide: makes the new one a part of the call, at once.

        @raise CallRefused: it does not come so far; the new one has gone.
        """
        work = self.work
        try:
            if leg.state != "Confirmed":
                asked.done = work.waiting(asked)
                await asked.done
            mixing = Undertaking("bring", None)
            await self._inTurn(mixing, lambda: self._bringIn(mixing, leg, decide))
        except CallRefused:
            self.sendAway(leg)
            raise

    async def _bringIn(
        self, asked: Undertaking, leg: Leg, decide: Callable[[Leg], None]
    ) -> None:
        mixer = None
        if not self.isMixed:
            mixer = await self.mixer(asked, leg)
        if leg.party.state != "Alerting" or len(self.members) < 2:
            self.alignSoon()  # nobody wants the media server any more
            raise CallRefused(Why.DISCONNECTED)
        self.touch()
        try:
            decide(leg)
        except CallRefused:
            self.alignSoon()
            raise
        self.mixAt(leg, mixer)
        self.regroup()

    def connectNew(
        self,
        new: Party,
        third: ThirdParty | None,
        why: Cause,
        requester: Requester | None = None,
    ) -> None:
        """
        Somebody who was called is connected.
        """
        new.standing = evolve(new.standing, addedBy="")
        now = self._ua.wallTime()
        leg = self.legOf(new)
        answering = None if leg is None else self.talks("answer", leg)
        if answering is not None:
            requester = answering.requester or requester
            answering.isDone()
        new.machine.connected(
            Answered(new.view, now, requester=requester, third=third, why=why)
        )

    def sendAway(self, leg: Leg, cause: Cause = Cause.ABANDONED) -> None:
        """
        Somebody who is called is not wanted any more.
        """
        if leg.call is self and leg.party.state == "Alerting":
            self.leave(leg.party, cause)

    def isCalledIn(self, leg: Leg) -> bool:
        """
        Whether this is the leg of somebody who is being called into the call.
        """
        standing = leg.party.standing
        return (
            standing is not AS_USUAL
            and (bool(standing.addedBy) or standing.monitoring is not None)
            and leg.party.state == "Alerting"
        )

    def _askedFor(self, leg: Leg) -> Undertaking | None:
        """
        What somebody is called for.
        """
        standing = leg.party.standing
        for one in self.work.begun:
            if one.kind == "add" and one.party.view.thisDN == standing.addedBy:
                return one
            if (
                one.kind == "observe"
                and one.where is not None
                and standing.monitoring is not None
                and one.where.user == standing.monitoring.supervisor
            ):
                return one
        return None

    def _alerted(self, party: Party) -> Leg:
        leg = self.legOf(party)
        if leg is not None and self.isCalledIn(leg):
            return leg
        return super()._alerted(party)

    def redirectParty(
        self,
        party: Party,
        destination: str,
        forwarder: ExtensionDN | None,
        requester: Requester | None,
    ) -> Deferred[None]:
        """
        See L{Ringing<sipcluster.sessioncontroller.call_ringing.Ringing>}.  Who is
        called into a call sends nobody else there.
        """
        leg = self.legOf(party) if len(self.parties) > 2 else None
        if leg is not None and self.isCalledIn(leg):
            raise CallRefused(Why.WRONG_STATE, "it is called into a call")
        return super().redirectParty(party, destination, forwarder, requester)

    def _progressed(self, leg: Leg, event: Progressed) -> None:
        if leg.party.standing is not AS_USUAL and self.isCalledIn(leg):
            leg.party.machine.progressed(event)
            self._talk(leg)
        else:
            super()._progressed(leg, event)

    def _answered(self, leg: Leg, event: Answered) -> None:
        if leg.party.standing is AS_USUAL or not self.isCalledIn(leg):
            super()._answered(leg, event)
            return
        asked = self._askedFor(leg)
        offer = event.body
        now = self._ua.wallTime()
        answer = nothingYet(offer, self._ua.origin) if offer else b""
        leg.machine.acknowledge(Acknowledged(leg.party.view, now, answer))
        if asked is None or asked.done is None:
            self.sendAway(leg)
        elif not offer:
            self.work.refuse(asked, Why.FAILED)
        elif not asked.done.called:
            asked.done.callback(None)

    def _refused(self, leg: Leg, event: Refused) -> None:
        if not self.isCalledIn(leg):
            super()._refused(leg, event)
            return
        asked = self._askedFor(leg)
        self._clear(leg.party, event.cause)
        if asked is not None:
            self.work.refuse(asked, REFUSALS.get(event.cause, Why.FAILED))

    def releaseParty(self, party: Party, requester: Requester | None) -> None:
        """
        See L{AskedOf<sipcluster.sessioncontroller.call_asked.AskedOf>}.
        """
        leg = self.legOf(party) if len(self.parties) > 2 else None
        if leg is None or not self.isCalledIn(leg):
            super().releaseParty(party, requester)
        else:
            self.withdraw(party, Cause.REJECTED, requester)

    def withdraw(
        self,
        party: Party,
        cause: Cause,
        requester: Requester | None = None,
        by: Party | None = None,
    ) -> bool:
        """
        See L{Conferences}.
        """
        leg = self.legOf(party) if len(self.parties) > 2 else None
        if leg is None or not self.isCalledIn(leg):
            return super().withdraw(party, cause, requester, by)
        asked = self._askedFor(leg)
        self.leave(party, cause, requester)
        if asked is not None:
            self.work.refuse(asked, Why.REJECTED)
        return True
