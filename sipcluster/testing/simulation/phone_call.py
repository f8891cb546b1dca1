"""
A call as a simulated telephone has it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zope.interface import implementer

from sipcluster.sip.dialog import Dialog, OutOfOrder
from sipcluster.sip.isip import IServerTransactionUser
from sipcluster.sip.message import Request, Response
from sipcluster.sip.server_transaction import ServerTransaction
from sipcluster.sip.session_timer import NO_TIMER, agreedAsUAC
from sipcluster.testing.simulation.exchange import Exchange, outside
from sipcluster.testing.simulation.phone_session import (
    INTERVAL,
    RINGS,
    PhoneSession,
)

if TYPE_CHECKING:
    from sipcluster.testing.simulation.telephones import Telephone


@implementer(IServerTransactionUser)
class PhoneCall(PhoneSession):
    """
    The call of one telephone, from the first ring or the dialled number on.
    """

    # Making one

    @classmethod
    def calling(cls, phone: Telephone, number: str) -> PhoneCall:
        """
        Call a number.
        """
        call = cls(phone, phone.identifiers.callID())
        call._number = number
        call._ask()
        return call

    def _ask(self) -> None:
        phone = self.phone
        self._sequence += 1
        uri = b"sip:%b@%b" % (self._number.encode(), phone.world.domain)
        fields = [
            phone.contact,
            (b"Supported", b"timer"),
            (b"Session-Expires", b"%d" % INTERVAL),
            *phone.credentials(b"INVITE", uri),
        ]
        request = outside(
            phone.aor,
            b"INVITE",
            uri,
            uri,
            self.callID,
            self._tag,
            self._sequence,
            fields,
            self._description(),
        )
        self._request = request
        exchange = Exchange(self._answered, self._further)
        self._exchange = exchange
        exchange.transaction = phone.layer.request(request, phone.target, exchange)

    def _answered(self, response: Response | None) -> None:
        phone = self.phone
        status = 408 if response is None else response.status
        if response is not None and status < 300:
            assert self._request is not None
            self.dialog = Dialog.asUAC(self._request, response)
            self._acknowledge(response)
            self.heard = response.body
            if self.state == "over" or self._givenUp:
                self._bye()
                self.ended("given up too late")
                return
            self.state = "talking"
            self._agreed(agreedAsUAC(response))
            phone.note("is answered", self._id)
        elif (
            response is not None
            and status == 401
            and self._tried < 3
            and self.state == "calling"
            and not self._givenUp
        ):
            self._tried += 1
            phone.challenged(response)
            self._ask()
        else:
            self.ended(f"{status}")

    # Being called

    @classmethod
    def called(cls, phone: Telephone, transaction: ServerTransaction) -> PhoneCall:
        """
        Somebody calls.
        """
        request = transaction.request
        call = cls(phone, request.callID)
        call.state = "ringing"
        call._invite = transaction
        transaction.user = call
        call.dialog = Dialog.asUAS(request, call._tag, True)
        info = request.headers.first(b"Call-Info") or b""
        patience = 0.0 if b"answer-after=0" in info else phone.patience
        if patience < 0:
            phone.respond(transaction, int(-patience), tag=call._tag)
            call.ended("refuses")
        else:
            phone.respond(transaction, 180, [phone.contact], tag=call._tag)
            phone.note("rings", call._id)
            phone.clock.callLater(patience, call.answer)
            phone.clock.callLater(RINGS, call._ringsNoMore)
        return call

    def _ringsNoMore(self) -> None:
        if self.state == "ringing":
            self.hangUp()

    def answer(self) -> None:
        """
        Lift the receiver.
        """
        invite = self._invite
        if self.state != "ringing" or invite is None or invite.terminated:
            return
        self.state = "talking"
        assert self.dialog is not None
        self.dialog = self.dialog.confirmed()
        self._accept(invite)
        self.phone.note("answers", self._id)

    # IServerTransactionUser, of the INVITE that rings

    def cancelReceived(self, cancel: Request) -> None:
        """
        The caller gave up.
        """
        if self.state == "ringing" and self._invite is not None:
            self.phone.respond(self._invite, 487, tag=self._tag)
            self.ended("cancelled")

    def ackReceived(self, ack: Request) -> None:
        """
        See L{IServerTransactionUser}.
        """

    def acknowledgementMissing(self) -> None:
        """
        See L{IServerTransactionUser}.
        """

    def transportFailed(self, why: str) -> None:
        """
        See L{IServerTransactionUser}.
        """

    def transactionTerminated(self) -> None:
        """
        See L{IServerTransactionUser}.
        """

    # Inside

    def owns(self, request: Request) -> bool:
        """
        Whether a request belongs to this call.
        """
        if request.callID != self.callID:
            return False
        return request.toTag == self._tag and request.fromTag == self._remoteTag

    @property
    def _remoteTag(self) -> bytes:
        return b"" if self.dialog is None else self.dialog.remoteTag

    def requested(self, transaction: ServerTransaction) -> None:
        """
        Answer a request inside the call.
        """
        phone, request = self.phone, transaction.request
        assert self.dialog is not None
        try:
            self.dialog = self.dialog.received(request)
        except OutOfOrder:
            phone.respond(transaction, 500)
            return
        if request.method == b"BYE":
            phone.respond(transaction, 200)
            if self.state == "ringing" and self._invite is not None:
                phone.respond(self._invite, 487, tag=self._tag)
            self.ended("the other side hung up")
        elif request.method == b"INVITE":
            if self.state != "talking" or self._changing or self._unacknowledged:
                phone.respond(transaction, 491)
                return
            self.dialog = self.dialog.refreshed(request)
            self._accept(transaction)
        elif request.method == b"UPDATE":
            agreement = self._agreement(request) or NO_TIMER
            self._agreed(agreement)
            fields = [phone.contact, *self._timerFields(agreement)]
            self.heard = request.body or self.heard
            body = self._description() if request.body else b""
            phone.respond(transaction, 200, fields, body)
        elif request.method == b"NOTIFY" and self.state == "ringing":
            phone.respond(transaction, 200)
            if request.headers.first(b"Event") == b"talk":
                self.answer()
        else:
            phone.respond(transaction, 200)

    # What the person does

    def refer(self, target: bytes) -> bool:
        """
        Ask the other side to call somebody, or to take the place of another call.

        @param target: the value of Refer-To.
        """
        if self.state != "talking" or self.dialog is None:
            return False
        phone = self.phone
        fields = [phone.contact, (b"Refer-To", target)]
        self.dialog, request = self.dialog.makeRequest(b"REFER", fields)

        def done(response: Response | None) -> None:
            status = 408 if response is None else response.status
            phone.note(f"REFER: {status}", self._id)

        phone.send(request, phone.nextHop(self.dialog), done)
        return True

    @property
    def replacing(self) -> bytes:
        """
        What a Refer-To says of this call, so that another one takes its place.
        """
        dialog = self.dialog
        assert dialog is not None
        return b"Replaces=%b%%3Bto-tag%%3D%b%%3Bfrom-tag%%3D%b" % (
            dialog.callID.replace(b"@", b"%40"),
            dialog.remoteTag,
            dialog.localTag,
        )

    def hangUp(self) -> None:
        """
        End it.
        """
        phone = self.phone
        if self.state == "talking":
            self._bye()
            self.ended("hangs up")
        elif self.state == "ringing" and self._invite is not None:
            phone.respond(self._invite, 480, tag=self._tag)
            self.ended("does not take it")
        elif self.state == "calling" and self._exchange is not None:
            self._givenUp = True
            transaction = self._exchange.transaction
            if transaction is not None and not transaction.terminated:
                transaction.cancel()
                phone.note("gives up", self._id)
