"""
The part of a call whose parties connect the other ones to somebody else by REFER.

It ends in what a transfer by request does: L{Transfers.sendOn
<sipcluster.sessioncontroller.call_transfers.Transfers.sendOn>} where somebody is to be
called, L{Transfers.transferTo
<sipcluster.sessioncontroller.call_transfers.Transfers.transferTo>} where the telephone
has called already.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from sipcluster.sessioncontroller.call_consulting import TALKING
from sipcluster.sessioncontroller.call_queueing import Queueing
from sipcluster.sessioncontroller.call_waiting import MOST_PARTIES
from sipcluster.sessioncontroller.events import (
    Alerting,
    Answered,
    Cause,
    Fields,
    Role,
    ThirdParty,
)
from sipcluster.sessioncontroller.isessioncontroller import (
    Asked,
    CallRefused,
    ExtensionDN,
    ProxyAddress,
    Refusal,
)
from sipcluster.sessioncontroller.leg import Leg
from sipcluster.sessioncontroller.party import Party
from sipcluster.sessioncontroller.refers import ReferAsked
from sipcluster.sessioncontroller.replaces import DialogID, findLeg
from sipcluster.sessioncontroller.session_description import nothingYet, silent
from sipcluster.sessioncontroller.undertakings import Undertaking, withoutFrames
from sipcluster.sip.errors import MalformedMessage
from sipcluster.sip.grammar import escapeUser
from sipcluster.sip.server_transaction import ServerTransaction

log = Logger()

#: Characters of a number that is to be called.
_MOST_DIALLED = 255


class Referring(Queueing):
    """
    What a call does about REFER.
    """

    __slots__ = ()

    def _referAsked(self, leg: Leg, event: ReferAsked) -> None:
        party, refer, exchange = leg.party, event.refer, self._ua.exchange
        view = party.view
        caller = None
        if exchange is not None and view.internal:
            caller = exchange.extensionOf(view.thisDN)
        if caller is None:
            # Whoever is outside would send calls anywhere, at our cost.
            leg.refuseRefer(403)
        elif self._work is not None and self._work.of("refer") is not None:
            leg.refuseRefer(491)
        elif self.leaving is not None or party.state not in TALKING:
            leg.refuseRefer(603)
        else:
            leg.acceptRefer()
            log.info(
                "{dn} refers call {connID} to {user}",
                dn=view.thisDN,
                connID=self.connID,
                user=refer.user,
                replaces=refer.replaces is not None,
            )
            if refer.replaces is not None:
                self._referToCall(leg, refer.replaces)
            else:
                self._referTo(leg, caller, refer.user, refer.host)

    # To somebody with whom the telephone talks

    def _referToCall(self, leg: Leg, wanted: DialogID) -> None:
        """
        A telephone has two calls, and leaves both.
        """
        party = leg.party
        other = findLeg(self._ua.legs, wanted)
        if other is None or other.call is None or other.server:
            leg.tellRefer(481)
            return
        call, theirs = other.call, other.party
        if not theirs.view.internal or theirs.view.thisDN != party.view.thisDN:
            log.warn("{dn} refers to a call of others", dn=party.view.thisDN)
            self._ua.count("foreignReplaces")
            leg.tellRefer(403)
            return
        call.touch()
        leg.expectRefer(200)  # it is told that as soon as it is to leave
        try:
            if self.consults == call.connID:
                # Whichever of the two is told, the call about which it was stays.
                call.transferTo(theirs, self, party)
            else:
                self.transferTo(party, call, theirs)
        except CallRefused as e:
            log.warn("{dn} cannot transfer: {why}", dn=party.view.thisDN, why=e.text)
            leg.tellRefer(603)

    # To somebody who is to be called

    def _referTo(self, leg: Leg, caller: ExtensionDN, user: str, host: str) -> None:
        if not user or len(user) > _MOST_DIALLED:
            leg.tellRefer(404)
            return
        where = Asked(user, host or self._ua.domain.decode(), caller)
        leg.tellRefer(100)
        self.beginRefer(Undertaking("refer", leg.party, where=where))

    def beginRefer(self, asked: Undertaking) -> None:
        """
        Find out where a number leads, and let that ring for the other one.
        """
        try:
            self.work.begin(asked)
        except CallRefused as e:
            self._notReferred(Failure(e), asked)  # type: ignore[no-untyped-call]
            return

        def over(result: None) -> None:
            self.work.over(asked)
            return withoutFrames(result)

        done = Deferred.fromCoroutine(self._refer(asked)).addBoth(over)
        done.addErrback(self._notReferred, asked)

    async def _refer(self, asked: Undertaking) -> None:
        where, party = asked.where, asked.party
        assert where is not None
        found = await self.work.until(asked, self._plan.route(where))
        if isinstance(found, Refusal):
            self._tellReferrer(party, found.status)
            return
        number = escapeUser(party.view.thisDN.encode())
        by = b"<sip:%b@%b>" % (number, self._ua.domain)
        fields: Fields = ((b"Referred-By", by),)
        self.sendOn(party, where, found, waits=True, fields=fields)

    def _notReferred(self, failure: Failure, asked: Undertaking) -> None:
        refused = failure.value
        if not isinstance(refused, CallRefused):
            log.failure("refer {connID}", failure=failure, connID=self.connID)
        self._tellReferrer(asked.party, 603)

    def _tellReferrer(self, party: Party, status: int) -> None:
        leg = self.legOf(party)
        if leg is not None:
            leg.tellRefer(status)

    def leaverTold(self, leg: Leg, status: int) -> None:
        """
        See L{Transfers<sipcluster.sessioncontroller.call_transfers.Transfers>}.
        """
        super().leaverTold(leg, status)
        if leg.state == "Confirmed":
            leg.tellRefer(status)

    # Somebody else in the place of a party

    def cannotReplace(self, leg: Leg, dn: str, earlyOnly: bool) -> int:
        """
        See whether a telephone may have the place of another one (RFC 3891 section 3).

        @param leg: of that one.
        @param dn: its DN.
        @param earlyOnly: not if it has been answered.

        @return: the status that says why not; 0: it may.
        """
        others = self.othersThan(leg.party)
        if leg.server or (leg.incoming and leg.state == "Proceeding"):
            return 481
        if leg.state == "Confirmed":
            if earlyOnly:
                return 486
            if self.leaving is not None or leg.party.state not in TALKING:
                return 603
        elif leg.state not in ("Calling", "Early") or leg is not self._second:
            return 603
        if (
            len(others) != 1
            or others[0].party.view.thisDN == dn
            or others[0].state not in ("Proceeding", "Confirmed")
            or len(self.parties) >= MOST_PARTIES
        ):
            return 603
        return 0

    def replace(
        self,
        replaced: Leg,
        dn: str,
        transaction: ServerTransaction,
        proxy: ProxyAddress | None,
    ) -> None:
        """
        Let a telephone that calls have the place of another one, at once.

        @raise MalformedMessage: its INVITE makes no dialog; nothing is changed.
        """
        self._ua.touch()
        request = transaction.request
        (stays,) = self.othersThan(replaced.party)
        view, now = replaced.party.view, self._ua.wallTime()
        talks = replaced.state == "Confirmed"
        party = self.addParty(dn, view.thisRole, True, stays.party)
        leg = self.addLeg(party, True, request.callID, state="Proceeding", loose=True)
        leg.proxy = proxy
        try:
            leg.take(transaction)
        except MalformedMessage:
            leg.finish()
            raise
        log.info(
            "{dn} takes the place of {other} in call {connID}",
            dn=dn,
            other=view.thisDN,
            connID=self.connID,
        )
        why = Cause.TRANSFERRED if talks else Cause.REDIRECTED
        third = ThirdParty(view.thisDN, Role.TRANSFERRED_BY) if talks else None
        self.leave(replaced.party, why, None, ThirdParty(dn, Role.DESTINATION))
        party.machine.alerted(Alerting(party.view, now, third=third, why=why))
        origin = self._ua.origin
        mine = Answered(stays.party.view, now, _answerFor(leg, stays, origin))
        if talks:
            party.machine.connected(Answered(party.view, now))
            self.placed(stays, leg)
            self.tellMet(stays.party, party, third, both=False)
        else:
            self.placed(stays, leg)
            stays.party.meet(party)
            self.tellSomebodyElse(stays.party, party)
            leg.joined = stays.joined = False
            theirs = _answerFor(stays, leg, origin)
            self._answered(leg, Answered(party.view, now, theirs, leg.id))
        leg.machine.answer(mine)
        self.connect(stays, leg)


def _answerFor(leg: Leg, other: Leg, address: bytes) -> bytes:
    """
    What a telephone is answered at once; whom it hears it is told later.
    """
    if leg.received:
        return nothingYet(leg.received, address)
    return silent(other.received)
