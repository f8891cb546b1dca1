"""
The part of a call that makes it by request: the caller's telephone is called first
(third party call control, RFC 3725).

The caller's telephone makes the offer, which is answered at once so that it need not
wait: its streams are taken, and none is sent.  The called side is given that offer.
What it answers, or what it sends before, the caller's telephone is offered by a
re-INVITE; if that answers with something else than it had offered first, the called
side is told.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from sipcluster.sessioncontroller.call_media import Media
from sipcluster.sessioncontroller.call_ringing import REFUSALS
from sipcluster.sessioncontroller.events import (
    Acknowledged,
    Answered,
    Cause,
    Failed,
    Fields,
    Offered,
    Progressed,
    Refused,
)
from sipcluster.sessioncontroller.isessioncontroller import (
    Asked,
    CallRefused,
    Destination,
    Why,
)
from sipcluster.sessioncontroller.leg import Leg
from sipcluster.sessioncontroller.party import Party
from sipcluster.sessioncontroller.session_description import differ, nothingYet
from sipcluster.sessioncontroller.undertakings import Undertaking
from sipcluster.sip.grammar import escapeUser
from sipcluster.sip.sdp import sameSession
from sipcluster.wire.correlation import Requester

log = Logger()


class ThirdParty(Media):
    """
    What a call does that was made by request.
    """

    __slots__ = ()

    def makeFrom(
        self,
        party: Party,
        telephone: Destination,
        fields: Fields,
        asked: Asked,
        requester: Requester | None,
    ) -> Deferred[str]:
        """
        Call the caller's telephone.

        @param telephone: where it is.
        @param fields: what its INVITE says besides.
        @param asked: where the caller wants to call.

        @return: fires with the ConnID when it has answered.
        """
        self._asked = asked
        self._from = _address(party.view.thisDN, self._ua.domain)
        made = self.making(party, requester)
        leg = self.addLeg(party, False, calling=True)
        leg.proxy = self._ua.home(party.view.thisDN)
        leg.aim(telephone, _address(asked.user, self._ua.domain), 70, fields)
        log.info(
            "call {connID} is made for {dn}, whose telephone is called first",
            connID=self.connID,
            callUUID=self.callUUID,
            callID=leg.callID.decode("utf-8", "replace"),
            dn=party.view.thisDN,
            otherDN=party.view.otherDN,
            ref=0 if requester is None else requester.reference,
        )
        leg.machine.place(b"")
        return made

    def making(self, party: Party, requester: Requester | None) -> Deferred[str]:
        """
        The caller's telephone is being called.

        @return: as for L{makeFrom}.
        """
        making = Undertaking("make", party, requester)
        work = self.work
        work.begin(making)
        making.done = work.waiting(making)

        def over(result: str) -> str:
            work.over(making)
            return result

        return making.done.addBoth(over)

    def _isOurs(self, leg: Leg | None) -> bool:
        """
        Whether this is the leg of a caller whom we have called, or have answered
        already: what the called side says cannot be an answer to its INVITE.
        """
        return (
            leg is not None
            and leg is self._first
            and (not leg.incoming or leg.state == "Confirmed")
        )

    # The caller's telephone

    def _progressed(self, leg: Leg, event: Progressed) -> None:
        if self._isOurs(leg):
            return  # it rings at the caller's
        super()._progressed(leg, event)
        if event.body and self._isOurs(self._first):
            self._connectSoon()

    def _answered(self, leg: Leg, event: Answered) -> None:
        if self._isOurs(leg):
            self._callerAnswered(leg, event)
            return
        super()._answered(leg, event)
        first = self._first
        if first is None or not self._isOurs(first):
            return
        if first.joined:
            self._connectSoon()
        else:
            self.alignSoon()

    def _callerAnswered(self, leg: Leg, event: Answered) -> None:
        making = self.work.of("make")
        party = leg.party
        offer = event.body
        now = self._ua.wallTime()
        answer = nothingYet(offer, self._ua.origin) if offer else b""
        leg.machine.acknowledge(Acknowledged(party.view, now, answer))
        if making is None or making.done is None or making.done.called:
            leg.machine.release(Cause.OK, b"")
            return
        if not offer:
            self.work.refuse(making, Why.FAILED)
            leg.machine.release(Cause.FAILED, b"")
            return
        assert self._asked is not None
        offered = Offered(party.view, now, requester=making.requester)
        self._seek(leg, offered, self._asked)
        if not making.done.called:  # the call may have ended in this very moment
            making.done.callback(self.connID)

    def _refused(self, leg: Leg, event: Refused) -> None:
        if not self._isOurs(leg):
            super()._refused(leg, event)
            return
        making = self.work.of("make")
        if making is not None:
            why = REFUSALS.get(event.cause, Why.FAILED)
            if why is Why.INVALID_DESTINATION:
                why = Why.OUT_OF_SERVICE
            self.work.refuse(making, why)

    # The called side

    def _refuse(
        self, status: int, cause: Cause, reason: bytes = b"", fields: Fields = ()
    ) -> None:
        first = self._first
        if first is None or not self._isOurs(first):
            super()._refuse(status, cause, reason, fields)
            return
        # Nobody hangs up for people who have lifted their telephone; but they
        # may have gone away.
        party = first.party
        party.machine.failed(Failed(party.view, self._ua.wallTime(), cause, status))
        self.hangUpLater()

    def hangUpLater(self, seconds: float = 0.0) -> None:
        """
        The caller's telephone has a call that leads nowhere.

        @param seconds: until it is hung up; 0: what is usual.
        """
        if self._busy is None:
            seconds = seconds or self._ua.limits.busyTone
            self._busy = self._ua.timers.after(seconds, self._hangUp)

    def _hangUp(self) -> None:
        self._busy = None
        self.release(Cause.OK)

    def _connectSoon(self) -> None:
        """
        There is something for the caller to hear: let it.
        """
        assert self._first is not None
        work = self.work
        waiting = work.of("connect")
        if waiting is not None and waiting is not work.current:
            return
        connecting = Undertaking("connect", self._first.party)
        try:
            done = self._inTurn(connecting, self._connect)
        except CallRefused:
            return
        done.addErrback(self._notConnected)

    def _notConnected(self, failure: Failure) -> None:
        """
        The caller's telephone does not want to hear it.
        """
        second = self._second
        refused = failure.value
        if not isinstance(refused, CallRefused):
            log.failure("connect {connID}", failure=failure, connID=self.connID)
        elif refused.why is Why.DISCONNECTED:
            return
        if second is not None and second.party.answered:
            log.warn("call {connID} cannot be connected", connID=self.connID)
            self.release(Cause.FAILED)

    async def _connect(self) -> None:
        first, second = self._first, self._second
        if first is None or second is None:
            return
        answered = second.party.answered
        if self.masks(first) or (answered and self.limits(first)):
            if answered:
                await self._join(first, second)
            return
        heard, work = second.heard, self.work
        if not heard or sameSession(heard, work.heard):
            answer = first.received
        else:
            answer = await self.renegotiate(first, lambda: heard, False)
            work.heard = heard
            self._noteAnswer(first)
        if answered and differ(answer, second.origin.last):
            await self._attempt(second, lambda: answer, False)


def _address(number: str, domain: bytes) -> bytes:
    """
    A From.
    """
    return b"<sip:%b@%b>" % (escapeUser(number.encode()), domain)
