"""
The part of a call whose parties go to another call, or come from one: consultation and
transfer.

A consultation is a call of its own.  When its party leaves both calls, the others of
the consultation come into the call about which it was, and keep their legs: that is
decided, and all are told of it, in one turn of the reactor; their far ends are told
afterwards, as L{sipcluster.sessioncontroller.call_media} does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

from attrs import evolve
from twisted.internet.defer import Deferred

from sipcluster.sessioncontroller.call_asked import checkSize
from sipcluster.sessioncontroller.call_digits import Digits
from sipcluster.sessioncontroller.events import Cause, Role, ThirdParty
from sipcluster.sessioncontroller.isessioncontroller import (
    Asked,
    CallRefused,
    Why,
)
from sipcluster.sessioncontroller.leg import Leg
from sipcluster.sessioncontroller.party import Party
from sipcluster.sessioncontroller.party_events import PartyChanged
from sipcluster.sessioncontroller.undertakings import Undertaking
from sipcluster.wire.correlation import Requester
from sipcluster.wire.kvlist import KVList

if TYPE_CHECKING:
    from sipcluster.sessioncontroller.call import Call

T = TypeVar("T")

#: States of a party that talks, or could again.
TALKING = ("Connected", "Hold")


class IExchange(Protocol):
    """
    Has all calls of a node.
    """

    def callOf(self, connID: str) -> Call | None:
        """
        Find a call.
        """

    def consultation(
        self, about: Call, party: Party, asked: Undertaking
    ) -> Deferred[str]:
        """
        Make a call about another one.

        @param asked: has where to, and what is attached to it.

        @return: fires with its ConnID when the telephone of the party has answered.

        @raise CallRefused: there can be none.
        """


class Transfers(Digits):
    """
    What a call does about consultation and transfer.
    """

    __slots__ = ()

    # Consultation

    def consultFor(
        self,
        party: Party,
        where: Asked,
        userData: KVList,
        conference: bool,
        requester: Requester | None,
    ) -> Deferred[str]:
        """
        Hold a call unless it is held, and call somebody about it.

        @return: fires with the ConnID of the consultation.

        @raise CallRefused: the party does not talk.
        """
        if party.state not in TALKING:
            raise CallRefused(Why.WRONG_STATE)
        checkSize((*self.userData, *userData))
        asked = Undertaking(
            "consult",
            party,
            requester,
            where=where,
            userData=userData,
            conference=conference,
        )
        return self.beginConsult(asked)

    def beginConsult(self, asked: Undertaking, seconds: float = 0.0) -> Deferred[str]:
        """
        @param seconds: that holding may take; 0: what is usual.
        """
        # The call is held in its turn; what comes then takes its own time.
        made = self._inTurn(asked, lambda: self._consult(asked), seconds)
        return made.addCallback(lambda consultation: consultation[0])

    async def _consult(self, asked: Undertaking) -> tuple[Deferred[str]]:
        party, exchange = asked.party, self._ua.exchange
        assert exchange is not None
        if party.state == "Connected":
            await self._hold(evolve(asked, requester=None))
            asked.sent = True
        if party.state != "Hold":
            raise CallRefused(Why.DISCONNECTED)
        self._ua.touch()
        self.work.over(asked)
        return (exchange.consultation(self, party, asked),)  # type: ignore[arg-type]

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
        stays, comes = self._pairFor(party, consultation, consulting)
        third = ThirdParty(party.view.thisDN, Role.TRANSFERRED_BY)
        answered = comes.party.state in TALKING
        if not answered:
            self._takeMaking(consultation)
        self._busyNoMore()
        self.adopt(comes)
        # Who leaves is told first.
        consultation.release(Cause.TRANSFERRED, b"", consulting, requester)
        self.leave(party, Cause.TRANSFERRED)
        self.placed(stays, comes)
        if answered:
            self.connect(stays, comes)
        self.tellMet(stays.party, comes.party, third, Cause.TRANSFERRED)

    def _pairFor(
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
        self._asked, self._led, self._from = other._asked, other._led, other._from
        self._fields, self._tried = other._fields, other._tried
        self._made = other._made

    def tellMet(
        self, one: Party, other: Party, third: ThirdParty | None, why: Cause
    ) -> None:
        """
        Two parties talk to each other from now on: they are told.

        @param third: who has brought that about.
        """
        now = self._ua.wallTime()
        for this, that in ((one, other), (other, one)):
            this.view = evolve(
                this.view, otherDN=that.view.thisDN, otherRole=that.view.thisRole
            )
        for this in (one, other):
            this.machine.told(PartyChanged(this.view, now, third=third, why=why))
