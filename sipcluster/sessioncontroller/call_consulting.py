"""
The part of a call about which somebody is consulted, or that is a consultation.

A consultation is a call of its own, which its telephone has on a line of its own.  It
knows about which call it is; that one is held, and knows nothing of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

from attrs import evolve
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from sipcluster.sessioncontroller.call_asked import checkSize
from sipcluster.sessioncontroller.call_digits import Digits
from sipcluster.sessioncontroller.isessioncontroller import (
    Asked,
    CallRefused,
    ExtensionDN,
    Why,
)
from sipcluster.sessioncontroller.party import Party
from sipcluster.sessioncontroller.undertakings import Undertaking, withoutFrames
from sipcluster.wire.correlation import Requester
from sipcluster.wire.kvlist import KVList

if TYPE_CHECKING:
    from sipcluster.sessioncontroller.call import Call

log = Logger()

T = TypeVar("T")

#: States of a party that talks, or could again.
TALKING = ("Connected", "Hold")


class IExchange(Protocol):
    """
    Has all calls of a node.
    """

    def callOf(self, connID: str) -> Call | None:
        """
        Find a call, which may change now.
        """

    def extensionOf(self, dn: str) -> ExtensionDN | None:
        """
        A telephone of the switch.
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


class Consulting(Digits):
    """
    What a call does about consultation.
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
        mute: bool = False,
    ) -> Deferred[str]:
        """
        Hold a call unless it is held, and call somebody about it.

        @param mute: the party leaves both calls as soon as that one rings.

        @return: fires with the ConnID of the consultation.

        @raise CallRefused: the party does not talk, or has nobody to leave the call to.
        """
        if party.state not in TALKING:
            raise CallRefused(Why.WRONG_STATE)
        if mute:
            others = self.othersThan(party)
            if len(others) != 1 or others[0].party.state not in TALKING:
                raise CallRefused(Why.WRONG_STATE, "there is nobody to connect")
        checkSize((*self.userData, *userData))
        asked = Undertaking(
            "mute" if mute else "consult",
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

    def making(self, party: Party, requester: Requester | None) -> Deferred[str]:
        """
        See L{ThirdParty<sipcluster.sessioncontroller.call_third_party.ThirdParty>}.
        """
        made = super().making(party, requester)
        if self.consults:
            made.addErrback(self._notMade, party)
        return made

    def _notMade(self, failure: Failure, party: Party) -> Failure:
        """
        The telephone does not take the consultation: its call is as it was.
        """
        refused = failure.value
        if isinstance(refused, CallRefused) and refused.why is not Why.DISCONNECTED:
            self.backToMain(party)
        return failure

    def main(self, party: Party) -> tuple[Call, Party] | None:
        """
        The call about which this one is, and its party that is a DN of this one;
        L{None}: that has ended, or has no such party any more.
        """
        exchange = self._ua.exchange
        call = None if exchange is None else exchange.callOf(self.consults)
        if call is None:
            return None
        found = call.partyOf(party.view.thisDN)
        return None if found is None else (call, found)

    def backToMain(self, party: Party) -> None:
        """
        Take the call back about which this one is, if it was held for it.
        """
        main = self.main(party) if self.heldFor else None
        if main is not None:
            call, found = main
            call.takeBack(found)

    def takeBack(self, party: Party) -> None:
        """
        Let a party that holds be back, if that can be; nobody waits for it.
        """
        self._ua.touch()
        try:
            back = self.retrieveFor(party, None)
        except CallRefused as e:
            log.warn("call {connID}: {why}", connID=self.connID, why=e.text)
        else:
            back.addErrback(self._notBack)

    def _notBack(self, failure: Failure) -> None:
        failure.trap(CallRefused)  # type: ignore[no-untyped-call]
        log.warn("call {connID}: {why}", connID=self.connID, why=failure.value)

    # Two calls of one DN

    def reconnectFrom(
        self,
        party: Party,
        consultation: Consulting,
        consulting: Party,
        requester: Requester | None,
    ) -> None:
        """
        Leave a consultation, and be back in this call.

        @raise CallRefused: this call is not held, or the other one cannot be left.
        """
        states = ("Connected", "Hold", "Initiated", "Failed")
        if (
            consultation is self
            or party.state != "Hold"
            or consulting.state not in states
        ):
            raise CallRefused(Why.WRONG_STATE)
        consultation.releaseParty(consulting, requester)
        self.takeBack(party)

    def alternateWith(
        self, party: Party, other: Call, theirs: Party, requester: Requester | None
    ) -> Deferred[None]:
        """
        Hold another call of a DN, and be back in this one.

        @raise CallRefused: this call is not held, or the other one does not talk.
        """
        if (
            other is self
            or party.state != "Hold"
            or theirs.state not in TALKING
            or self.work.of("alternate") is not None
        ):
            raise CallRefused(Why.WRONG_STATE)
        asked = Undertaking("alternate", party, requester, other=other.connID)
        return self.beginAlternate(asked)

    def beginAlternate(self, asked: Undertaking, again: bool = False) -> Deferred[None]:
        """
        @param again: another process has begun it.

        @raise CallRefused: too much is asked at one time.
        """
        work = self.work
        work.begin(asked)

        def over(result: T) -> T:
            self._ua.touch()
            work.over(asked)
            return withoutFrames(result)

        return Deferred.fromCoroutine(self._alternate(asked, again)).addBoth(over)

    async def _alternate(self, asked: Undertaking, again: bool) -> None:
        if again:
            await self.work.after(asked, 0.0)  # until all calls go on
        party, exchange = asked.party, self._ua.exchange
        other = None if exchange is None else exchange.callOf(asked.other)
        theirs = None if other is None else other.partyOf(party.view.thisDN)
        held = False
        if other is not None and theirs is not None and theirs.state == "Connected":
            try:
                await other.holdFor(theirs, None)
            except CallRefused:
                if theirs.state != "Hold":  # else another process began to hold it
                    raise
            held = True
        self._ua.touch()
        self.work.over(asked)
        try:
            await self.retrieveFor(party, asked.requester)
        except CallRefused:
            if held and other is not None and theirs is not None:
                other.takeBack(theirs)
            raise
