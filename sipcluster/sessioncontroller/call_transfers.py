"""
The part of a call whose parties go to another call, or come from one.

When somebody leaves a consultation and the call about which it was, the other one of
the consultation comes into that call, and keeps its leg: that is decided, and all are
told of it, in one turn of the reactor; the far ends are told afterwards, as
L{sipcluster.sessioncontroller.call_media} does.
"""

from __future__ import annotations

from collections.abc import Container
from typing import TypeVar

from attrs import evolve
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from sipcluster.sessioncontroller.call_asked import checkSize
from sipcluster.sessioncontroller.call_consulting import TALKING, Consulting
from sipcluster.sessioncontroller.call_ringing import REFUSALS
from sipcluster.sessioncontroller.events import (
    Answered,
    Cause,
    Fields,
    Progressed,
    Released,
    Role,
    ThirdParty,
)
from sipcluster.sessioncontroller.identity import shownAs
from sipcluster.sessioncontroller.isessioncontroller import (
    Asked,
    CallRefused,
    Destination,
    Refusal,
    Why,
)
from sipcluster.sessioncontroller.leg import Leg
from sipcluster.sessioncontroller.party import Party
from sipcluster.sessioncontroller.party_events import PartyChanged
from sipcluster.sessioncontroller.undertakings import Undertaking, withoutFrames
from sipcluster.wire.correlation import Requester
from sipcluster.wire.kvlist import KVList

T = TypeVar("T")

#: The states of a leg whose far end talks, or is about to.
SOON = ("Accepted", "Confirmed")


class Transfers(Consulting):
    """
    What a call does about transfer.
    """

    __slots__ = ()

    # Single-step transfer

    def singleStepFor(
        self,
        party: Party,
        where: Asked,
        userData: KVList,
        requester: Requester | None,
    ) -> Deferred[None]:
        """
        Find out where a number leads; then the party leaves, and that rings.

        @raise CallRefused: the party has nobody whom it could leave the call to.
        """
        self._staysWithout(party, SOON)
        checkSize((*self.userData, *userData))
        asked = Undertaking(
            "transfer", party, requester, where=where, userData=userData
        )
        return self.beginTransfer(asked)

    def beginTransfer(self, asked: Undertaking) -> Deferred[None]:
        """
        See L{singleStepFor}.

        @raise CallRefused: too much is asked at one time.
        """
        work = self.work
        work.begin(asked)

        def over(result: T) -> T:
            work.over(asked)
            return withoutFrames(result)

        return Deferred.fromCoroutine(self._transfer(asked)).addBoth(over)

    async def _transfer(self, asked: Undertaking) -> None:
        where = asked.where
        assert where is not None
        found = await self.work.until(asked, self._plan.route(where))
        await self.work.confirmation(asked, self._staysWithout(asked.party, SOON))
        self._staysWithout(asked.party)
        if isinstance(found, Refusal):
            raise CallRefused(REFUSALS.get(found.cause, Why.INVALID_DESTINATION))
        self.sendOn(asked.party, where, found, asked.userData, asked.requester)

    def sendOn(
        self,
        party: Party,
        where: Asked,
        found: Destination,
        userData: KVList = (),
        requester: Requester | None = None,
        waits: bool = False,
        fields: Fields = (),
    ) -> Party:
        """
        Let a party leave a call of two, and a destination ring for the other one, who
        has been answered and stays.

        @param where: what has led there.
        @param userData: that is attached to the call.
        @param requester: is answered by C{Released} of the party.
        @param waits: the party leaves when the destination answers; if that does not,
            it has the other one back.  What becomes of it is told to L{leaverTold}.

        @param fields: that its INVITE has besides.

        @return: the one that rings.

        @raise CallRefused: that cannot be; nothing is changed.
        """
        stays = self._staysWithout(party)
        staying = stays.party.view
        if self.partyOf(found.dn) not in (None, party):
            raise CallRefused(Why.INVALID_DESTINATION, "it is in the call")
        view = party.view
        leg = self.legOf(party)
        self._callsFor(stays)
        self.attach(userData)
        self._busyNoMore()
        self._asked = self._led = where
        self._tried = {found.dn, staying.thisDN}
        self._fields = fields
        self._made, self.redirections = len(self.legs), 0
        to = ThirdParty(found.dn, Role.DESTINATION)
        if waits and leg is not None:
            self.unpair(leg)
        else:
            self.leave(party, Cause.TRANSFERRED, requester, to)
        self.placed(stays, None)
        third = ThirdParty(view.thisDN, Role.TRANSFERRED_BY)
        rings = self._place(stays, found, third, Cause.TRANSFERRED)
        if waits:
            self.leaving = leg
        else:
            self.tellMet(stays.party, rings, third, both=False)
        return rings

    def _callsFor(self, leg: Leg) -> None:
        """
        Whoever is called from now on is called in the name of a far end.
        """
        if not (leg is self._first and leg.incoming and self._from):
            self._from = shownAs(leg.party.view, self._ua.domain)

    def _place(
        self,
        first: Leg,
        found: Destination,
        third: ThirdParty | None = None,
        why: Cause = Cause.OK,
    ) -> Party:
        rings = super()._place(first, found, third, why)
        if third is None:
            self.tellSomebodyElse(first.party, rings)
        return rings

    def tellSomebodyElse(self, one: Party, comes: Party) -> None:
        """
        Somebody who was told that another one rings, to whom a call was transferred,
        gets to know that it is yet another one.
        """
        if one.answered and self.leaving is None and self._queue is None:
            self.tellMet(one, comes, None, Cause.REDIRECTED, both=False)

    def attach(self, userData: KVList) -> None:
        """
        Attach data to the call that its next events bring.
        """
        if userData:
            self.userData = (*self.userData, *userData)
            for party in self.parties:
                party.view = evolve(party.view, userData=self.userData)

    def _staysWithout(
        self, party: Party, states: Container[str] = ("Confirmed",)
    ) -> Leg:
        """
        The one whom a party leaves the call to.

        @param states: how far its leg may be.

        @raise CallRefused: there is none, or more than one.
        """
        others = self.othersThan(party)
        if (
            len(others) != 1
            or self.leaving is not None
            or party.state not in TALKING
            or others[0].party.state not in TALKING
            or others[0].state not in states
        ):
            raise CallRefused(Why.WRONG_STATE)
        return others[0]

    # Somebody leaves as soon as somebody else answers

    def leaverTold(self, leg: Leg, status: int) -> None:
        """
        What has become of a call to which a party is to be left, or how far it is.

        @param leg: of that party.
        @param status: below 200: it waits; 200: it has left, its leg ends; else it is
            connected as before, and the leg is nobody's that leaves any more.
        """

    def _progressed(self, leg: Leg, event: Progressed) -> None:
        super()._progressed(leg, event)
        if self.leaving is not None and leg is self._second:
            self.leaverTold(self.leaving, event.status)
        if self._work is not None:
            self._rings(leg)

    def _answered(self, leg: Leg, event: Answered) -> None:
        leaving = self.leaving
        if leaving is not None and leg is self._second:
            self._leaves(leaving, leg, None)
        super()._answered(leg, event)
        if self._work is not None:
            self._rings(leg)

    def _leaves(self, leaving: Leg, comes: Leg, requester: Requester | None) -> None:
        """
        The other one has somebody else: a party can go.
        """
        first = self._first
        assert first is not None
        party = leaving.party
        to = ThirdParty(comes.party.view.thisDN, Role.DESTINATION)
        self.leaving = None
        self.leaverTold(leaving, 200)
        self.leave(party, Cause.TRANSFERRED, requester, to)
        third = ThirdParty(party.view.thisDN, Role.TRANSFERRED_BY)
        self.tellMet(first.party, comes.party, third, both=False)

    def _refuse(
        self, status: int, cause: Cause, reason: bytes = b"", fields: Fields = ()
    ) -> None:
        leaving, first = self.leaving, self._first
        mute = None if self._work is None else self._work.of("mute")
        if first is not None and mute is not None:
            self.work.refuse(mute, REFUSALS.get(cause, Why.FAILED))
            self.release(cause)
            self.backToMain(first.party)
        elif first is None or not first.party.answered:
            super()._refuse(status, cause, reason, fields)
        elif leaving is None:
            # Whoever wanted them to talk has gone.
            self.release(cause)
        else:
            self.leaving = None
            self.placed(first, leaving)
            leaving.party.meet(first.party)
            first.party.meet(leaving.party)
            self.connect(first, leaving)
            self.leaverTold(leaving, status)

    def goesOnWithout(self, leg: Leg, event: Released) -> bool:
        """
        See L{AskedOf<sipcluster.sessioncontroller.call_asked.AskedOf>}.  Who was to
        leave does not wait until the other one is answered.
        """
        second = self._second
        if leg is not self.leaving or second is None or self._first is None:
            return super().goesOnWithout(leg, event)
        self._leaves(leg, second, event.requester)
        return True

    # Mute transfer

    def leaveWhenItRings(
        self, party: Party, made: Deferred[str], requester: Requester | None
    ) -> Deferred[None]:
        """
        Let a party leave this consultation, and the call about which it is, as soon as
        the called side rings.

        @param made: fires when its telephone has answered.

        @raise CallRefused: too much is asked at one time.
        """
        asked = Undertaking("mute", party, requester)
        work = self.work
        work.begin(asked)
        asked.done = work.waiting(asked)

        def over(result: T) -> T:
            work.over(asked)
            return result

        def notMade(failure: Failure) -> None:
            why = failure.value
            if isinstance(why, CallRefused):
                work.refuse(asked, why.why, why.text)
            else:
                work.refuse(asked, Why.FAILED)

        done: Deferred[None] = asked.done.addBoth(over)
        made.addCallbacks(lambda _: None, notMade)
        return done

    def _rings(self, leg: Leg) -> None:
        """
        The called side rings, or talks: see whether somebody waits for that.
        """
        asked = None if self._work is None else self._work.of("mute")
        if asked is None or leg is not self._second:
            return
        main = self.main(asked.party)
        try:
            if main is None:
                raise CallRefused(Why.DISCONNECTED)
            call, party = main
            call.pairFor(party, self, asked.party)
        except CallRefused as e:
            self.work.refuse(asked, e.why, e.text)
            self.release(Cause.FAILED)
            self.backToMain(asked.party)
            return
        requester = asked.requester
        asked.isDone()
        call.transferTo(party, self, asked.party, requester)

    # Transfer

    def transferTo(
        self,
        party: Party,
        consultation: Transfers,
        consulting: Party,
        requester: Requester | None = None,
    ) -> None:
        """
        Let somebody leave two calls, whose other parties talk to each other from now
        on, in this one.  The other party of the consultation may still ring.

        All is decided at once; the far ends are told afterwards.

        @param party: the one who leaves, in this call.
        @param consultation: the other call.
        @param consulting: the one who leaves, in that.
        @param requester: is answered by C{Released} of C{consulting}.

        @raise CallRefused: that cannot be; nothing is changed.
        """
        stays, comes = self.pairFor(party, consultation, consulting)
        third = ThirdParty(party.view.thisDN, Role.TRANSFERRED_BY)
        answered = comes.party.state in TALKING
        if not answered:
            self._takeMaking(consultation)
            self._tried.add(stays.party.view.thisDN)
            self._callsFor(stays)
        self._busyNoMore()
        self.adopt(comes)
        # Who leaves is told first.
        consultation.release(Cause.TRANSFERRED, b"", consulting, requester)
        self.leave(party, Cause.TRANSFERRED)
        self.placed(stays, comes)
        if answered:
            self.connect(stays, comes)
        self.tellMet(stays.party, comes.party, third)

    def pairFor(
        self, party: Party, consultation: Transfers, consulting: Party
    ) -> tuple[Leg, Leg]:
        """
        The one who stays, and the one who comes.
        """
        if consultation is self:
            raise CallRefused(Why.WRONG_STATE, "it is one call")
        stays, come = self.othersThan(party), consultation.othersThan(consulting)
        if len(stays) != 1 or len(come) != 1:
            raise CallRefused(Why.WRONG_STATE, "there is nobody to connect")
        (stay,), (comes,) = stays, come
        coming = comes.party.view
        if coming.internal and self.partyOf(coming.thisDN) not in (None, party):
            raise CallRefused(Why.WRONG_STATE, "it is in the call")
        if (
            party.state not in TALKING
            or stay.party.state not in TALKING
            or comes.party.state not in (*TALKING, "Alerting")
            or consulting.state not in (*TALKING, "Initiated")
        ):
            raise CallRefused(Why.WRONG_STATE)
        return stay, comes

    def _takeMaking(self, other: Transfers) -> None:
        """
        Know where another call leads whose called side comes here while it rings.
        """
        self._asked, self._led = other._asked, other._led
        self._fields = other._fields
        self._tried = other._tried
        self._made = other._made

    def tellMet(
        self,
        one: Party,
        other: Party,
        third: ThirdParty | None,
        why: Cause = Cause.TRANSFERRED,
        both: bool = True,
    ) -> None:
        """
        Two parties talk to each other from now on: they are told.

        @param third: who has brought that about.
        @param one: was in this call before.
        @param both: else that one only.
        """
        now = self._ua.wallTime()
        for this, that in ((one, other), (other, one)):
            this.view = evolve(
                this.view, otherDN=that.view.thisDN, otherRole=that.view.thisRole
            )
        # The first one is in no other call than before.
        view = evolve(one.view, previousConnID="")
        one.machine.told(PartyChanged(view, now, third=third, why=why))
        if both:
            other.machine.told(PartyChanged(other.view, now, third=third, why=why))
