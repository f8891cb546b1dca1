"""
The part of a leg that changes and refreshes its session: re-INVITE and UPDATE,
either way (RFC 3261 section 14, RFC 3311).

One change at a time: a second one of the same side is told to come later (500),
one that meets a change of the other side is told so (491).
"""

from __future__ import annotations

from sipcluster.sessioncontroller.attempt import Attempt
from sipcluster.sessioncontroller.events import (
    Fields,
    ModificationAnswered,
    ModificationAsked,
    ModificationWithdrawn,
)
from sipcluster.sessioncontroller.fields import commonMethods, sessionFields
from sipcluster.sessioncontroller.in_dialog import sendAck
from sipcluster.sessioncontroller.incoming_invite import IncomingInvite
from sipcluster.sessioncontroller.leg_base import LegBase, sessionDescription
from sipcluster.sessioncontroller.outgoing_invite import OutgoingInvite
from sipcluster.sessioncontroller.session_description import SDP
from sipcluster.sessioncontroller.session_refresh import agreed
from sipcluster.sessioncontroller.values import LITTLE
from sipcluster.sip.errors import MalformedMessage
from sipcluster.sip.message import Request, Response, makeResponse
from sipcluster.sip.server_transaction import ServerTransaction

#: What says that the far end has no such dialog (any more).
_GONE = (408, 481)

#: What is not true of the asking side although it is of the answering one.
_TRANSLATED = {401: 488, 407: 488, 408: 480, 481: 480, 503: 500}


class Changes(LegBase):
    """
    What a leg does about changes of its session.
    """

    __slots__ = ()

    # The far end asks

    def takeInvite(self, transaction: ServerTransaction) -> None:
        """
        A re-INVITE came.
        """
        first = self.invite
        if isinstance(first, IncomingInvite) and first.pending:
            self.respondLater(transaction, 500)
            return
        if isinstance(first, IncomingInvite) and first.accepted is not None:
            if not first.offered:
                # The answer to our offer is in an ACK that is still to come.
                self.respond(transaction, 491)
                return
            first.presumeAcknowledged()
            self.machine.acknowledged(None)
        change = self.change
        if isinstance(change, IncomingInvite) and change.accepted and change.offered:
            change.presumeAcknowledged()
            change = self.change = None
        if not self._mayAsk(transaction):
            return
        self.change = IncomingInvite(self.ua, self, transaction)  # type: ignore[arg-type]
        self._ask(transaction.request)

    def takeUpdate(self, transaction: ServerTransaction) -> None:
        """
        An UPDATE came.
        """
        if self.heldAnswer is not None:
            self.takeEarlyUpdate(transaction)
            return
        if self._mayAsk(transaction):
            self.change = transaction
            self._ask(transaction.request)

    def _mayAsk(self, transaction: ServerTransaction) -> bool:
        change = self.change
        first = self.invite
        if isinstance(change, OutgoingInvite | Attempt) or (
            isinstance(first, OutgoingInvite) and first.pending
        ):
            self.ua.count("glare")
            self.respond(transaction, 491)
        elif change is not None:
            self.respondLater(transaction, 500)
        else:
            return True
        return False

    def _ask(self, request: Request) -> None:
        self.offered = sessionDescription(request)
        self.emit(
            ModificationAsked(
                self.party.view,
                self.ua.wallTime(),
                request.method,
                self.offered,
                sessionFields(request),
            )
        )

    def takeEarlyUpdate(self, transaction: ServerTransaction) -> None:
        """
        An UPDATE came before there is an answer: good for a new Contact, not for
        a new offer (RFC 3311 section 5.2).
        """
        if transaction.request.body:
            self.respondLater(transaction, 500)
        elif self._refresh(transaction.request):
            self._accept(transaction, b"", ())
        else:
            self.respond(transaction, 400)

    def _refresh(self, message: Request | Response) -> bool:
        """
        Take a new Contact over.
        """
        assert self.dialog is not None
        try:
            self.dialog = self.dialog.refreshed(message)
        except MalformedMessage:
            return False
        if b"Allow" in message.headers:
            self.allow = commonMethods(message)
        return True

    def _accept(
        self, transaction: ServerTransaction, body: bytes, fields: Fields
    ) -> None:
        self.answer(
            transaction,
            makeResponse(
                transaction.request,
                200,
                b"",
                self.localTag,
                self.sessionHeaders(fields),
                body,
                SDP,
            ),
        )

    def answerModification(self, event: ModificationAnswered) -> None:
        """
        The other side has answered what our far end asked.
        """
        change = self.change
        self.muted = event.masked
        status = _TRANSLATED.get(event.status, event.status)
        accepted = status < 300
        if not isinstance(change, IncomingInvite | ServerTransaction):
            if self.withdrawn and accepted:
                # It was taken back too late there: put things as they are here.
                self.emit(
                    ModificationAsked(
                        self.party.view,
                        self.ua.wallTime(),
                        b"INVITE",
                        self.received,
                    )
                )
            self.withdrawn = False
            return
        if accepted:
            self.agreeOn(agreed(event.fields, True))
            self._refresh(change.request)
            if self.offered:
                self.received = self.offered
        self.offered = b""
        body = self.origin.rewrite(event.body) if event.body and accepted else b""
        if isinstance(change, ServerTransaction):
            self.change = None
            if accepted:
                self._accept(change, body, event.fields)
            else:
                self.respond(change, status, event.reason, event.fields)
        elif accepted:
            change.respond(
                200, self.localTag, b"", self.sessionHeaders(event.fields), body
            )
        else:
            self.change = None
            reason = event.reason if status == event.status else b""
            change.respond(status, self.localTag, reason)

    def tellWithdrawn(self) -> None:
        """
        The far end gave its re-INVITE up, and was told 487.
        """
        self.change = None
        self.offered = b""
        self.withdrawn = True
        self.emit(ModificationWithdrawn(self.party.view, self.ua.wallTime()))

    # We ask

    def sendModification(self, event: ModificationAsked) -> None:
        """
        Ask our far end what the other one wants.
        """
        first = self.invite
        if self.change is not None or (
            isinstance(first, OutgoingInvite | IncomingInvite) and _unsettled(first)
        ):
            self.ua.count("glare")
            self.tellModificationAnswered(491)
            return
        method = event.method
        if method == b"UPDATE" and self.allow and b"UPDATE" not in self.allow:
            if not event.body:
                # Only a refresh, and this side cannot be asked: all is well.
                self.tellModificationAnswered(200)
                return
            method = b"INVITE"
        self.muted = event.masked
        body = self.origin.rewrite(event.body) if event.body else b""
        request = self.request(method, self.sessionFields(event.fields), body)
        if method == b"INVITE":
            invite = self.change = OutgoingInvite(
                self.ua,
                self,  # type: ignore[arg-type] # every leg is a Leg
                lambda proxy: self.through(request, proxy),
                bool(body),
            )
            self.thinkAboutChange(self.ua.t.timerC)
            invite.start(self.proxy)
        else:
            attempt = self.change = Attempt(
                self.ua,
                lambda proxy: self.through(request, proxy),
                self._updateAnswered,
                self._updateLost,
            )
            attempt.start(self.proxy)

    def thinkAboutChange(self, seconds: float) -> None:
        """
        The far end has so long for a re-INVITE.
        """
        self.stopRinging()
        self._ringing = self.ua.timers.after(seconds, self._changeTakesTooLong)

    def _changeTakesTooLong(self) -> None:
        """
        A re-INVITE is being thought about for ever.
        """
        self._ringing = None
        self.cancelModification()

    def _updateAnswered(self, response: Response, request: Request) -> None:
        if response.status >= 200:
            self.machine.changeAnswered(response)

    def _updateLost(self, status: int, why: str) -> None:
        self.machine.changeLost(status, why)

    def cancelModification(self) -> None:
        """
        The other side takes it back.
        """
        if isinstance(self.change, OutgoingInvite):
            self.change.cancel()

    def noteChange(self, response: Response) -> None:
        """
        Our far end answered.
        """
        self.stopRinging()
        change = self.change
        status = response.status
        body = b""
        fields = sessionFields(response)
        if status < 300:
            self.agreeOn(agreed(fields, False))
            self._refresh(response)
            body = sessionDescription(response)
            asked = not isinstance(change, OutgoingInvite) or change.offered
            if body and not (asked and self.muted):
                self.received = body
        if isinstance(change, OutgoingInvite) and status < 300:
            if change.offered:
                self._acknowledgeChange(change, b"")
        else:
            self._changeOver()
        self.tellModificationAnswered(status, response.reason, body, fields)
        if status in _GONE:
            self.machine.vanished(f"{status} inside the dialog")

    def _acknowledgeChange(self, change: OutgoingInvite, body: bytes) -> None:
        assert self.dialog is not None
        fields = ((b"Session-ID", self.sessionID()),)
        change.acknowledge(self.dialog, body, fields)
        until = self.ua.timers.clock.seconds() + 64 * self.ua.t.t1
        self.acked = change.number, until, bool(body)
        change.forget()
        self.change = None

    def acknowledgeAgain(self, number: int) -> None:
        """
        Send the ACK of a re-INVITE that another process has sent, and perhaps no ACK.

        @param number: its CSeq number.
        """
        acked, dialog = self.acked, self.dialog
        assert dialog is not None
        body = b""
        if acked is not None and acked[0] == number and acked[2]:
            body = self.origin.last
        fields = ((b"Session-ID", self.sessionID()),)
        sendAck(self.ua, dialog.ack(number, fields, body, SDP), self.proxy)

    def goOn(self) -> None:
        """
        Send again what another process has sent, if it did, when nobody would ask for
        it in time: ACKs and the BYE.  A far end that gets the BYE of the other one
        before the ACK of its 2xx would not know what to make of it.
        """
        first, acked = self.invite, self.acked
        if isinstance(first, OutgoingInvite):
            first.acknowledgeAgain()
        now = self.ua.timers.clock.seconds()
        if (
            self.dialog is not None
            and acked is not None
            and acked[1] > now + 2 * LITTLE
        ):
            self.acknowledgeAgain(acked[0])
        if self.state == "Disconnecting":
            self.sendBye(self.reason)

    def _changeOver(self) -> None:
        """
        Nothing more can come of our change.
        """
        if isinstance(self.change, OutgoingInvite):
            self.change.forget()
        self.change = None

    def settleChange(self, response: Response) -> None:
        """
        Our far end answered, but the leg ends.
        """
        change = self.change
        if isinstance(change, OutgoingInvite) and change.winner is not None:
            self._acknowledgeChange(change, b"")
        self._changeOver()

    def noteChangeLost(self, status: int, why: str) -> None:
        """
        Our far end does not answer: the dialog has ended (RFC 3261 section
        12.2.1.2).
        """
        self.stopRinging()
        self.change = None
        self.tellModificationAnswered(status)
        self.machine.vanished(why)

    def tellModificationAnswered(
        self,
        status: int,
        reason: bytes = b"",
        body: bytes = b"",
        fields: Fields = (),
    ) -> None:
        """
        Tell the other side what became of its wish.
        """
        self.emit(
            ModificationAnswered(
                self.party.view, self.ua.wallTime(), status, reason, body, fields
            )
        )

    def sendAck(self, body: bytes) -> None:
        """
        The other side has seen the offer of our far end's 2xx.

        @param body: its answer.
        """
        if body:
            body = self.origin.rewrite(body)
        change, first = self.change, self.invite
        if isinstance(change, OutgoingInvite):
            if change.winner is not None and change.pending:
                self._acknowledgeChange(change, body)
        elif isinstance(first, OutgoingInvite) and first.pending:
            assert self.dialog is not None
            fields = ((b"Session-ID", self.sessionID()),)
            first.acknowledge(self.dialog, body, fields)


def _unsettled(invite: IncomingInvite | OutgoingInvite) -> bool:
    """
    Whether the INVITE that makes the leg is still being dealt with.
    """
    if isinstance(invite, OutgoingInvite):
        return invite.pending
    return invite.accepted is not None
