"""
A call as a simulated telephone has it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from zope.interface import implementer

from sipcluster.sip.client_transaction import ClientTransaction
from sipcluster.sip.dialog import Dialog, OutOfOrder
from sipcluster.sip.errors import MalformedMessage
from sipcluster.sip.isip import IServerTransactionUser, ITransactionUser
from sipcluster.sip.message import Request, Response
from sipcluster.sip.server_transaction import ServerTransaction
from sipcluster.sip.session_timer import (
    NO_TIMER,
    Agreement,
    IntervalTooSmall,
    SessionTimer,
    agreedAsUAC,
    agreedAsUAS,
    sessionTimer,
)
from sipcluster.testing.sip_peer import sdp

if TYPE_CHECKING:
    from sipcluster.testing.simulation.telephones import Telephone

#: Seconds of a session, unless it is refreshed.
INTERVAL = 90

#: Seconds after which a telephone stops ringing by itself.
RINGS = 60.0

#: How often a BYE that nobody answers is sent anew: more often than most telephones
#: do, since what comes of none is known: see L{World.forgotten}.
BYES = 8

#: RFC 3261's T1 and T2.
T1, T2 = 0.5, 4.0

#: How a telephone answers an offer.
_MIRROR = {b"a=sendonly": "recvonly", b"a=recvonly": "sendonly", b"a=ina": "inactive"}


@implementer(ITransactionUser)
class Exchange:
    """
    A request and what came of it.
    """

    def __init__(self, done: Any, each: Callable[[Response], None] | None = None):
        """
        @param done: called once with the final response; L{None}: there is none.
        @param each: called with each other response to an INVITE.
        """
        self._done: Callable[[Response | None], None] | None = done
        self._each = each or (lambda response: None)
        self.transaction: ClientTransaction | None = None

    def responseReceived(self, response: Response) -> None:
        """
        See L{ITransactionUser}.
        """
        if response.status < 200 or self._done is None:
            self._each(response)
            return
        done, self._done = self._done, None
        done(response)

    def _failed(self) -> None:
        done, self._done = self._done, None
        if done is not None:
            done(None)

    def transactionTimedOut(self) -> None:
        """
        See L{ITransactionUser}.
        """
        self._failed()

    def transportFailed(self, why: str) -> None:
        """
        See L{ITransactionUser}.
        """
        self._failed()

    def transactionTerminated(self) -> None:
        """
        See L{ITransactionUser}.
        """


@implementer(IServerTransactionUser)
class PhoneCall:
    """
    The call of one telephone.

    @ivar phone: whose.
    @ivar state: C{"calling"}, C{"ringing"}, C{"talking"} or C{"over"}.
    @ivar callID: of its dialog.
    @ivar until: seconds of the clock, after which nobody may believe in it unless
        it is refreshed.
    """

    def __init__(self, phone: Telephone, callID: bytes) -> None:
        self.phone = phone
        self.state = "calling"
        self.callID = callID
        self.until = phone.clock.seconds() + 400.0
        self.dialog: Dialog | None = None
        self.direction = ""
        self._tag = phone.identifiers.tag()
        self._sequence = 0
        self._version = 0
        self._invite: ServerTransaction | None = None
        self._request: Request | None = None
        self._exchange: Exchange | None = None
        self._givenUp = False
        self._tried = 0
        self._changing = False
        self._unacknowledged: tuple[ServerTransaction, Response, float] | None = None
        self._timer: SessionTimer = sessionTimer(
            phone.queue, self._refresh, self._expired
        )

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
        request = phone.outside(
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

    def _further(self, response: Response) -> None:
        """
        A provisional response, or one more 2xx.
        """
        if 200 <= response.status < 300:
            self._acknowledge(response)

    def _acknowledge(self, response: Response) -> None:
        if self.dialog is None or response.toTag != self.dialog.remoteTag:
            return
        ack = self.dialog.ack(response.cseq.number)
        self.phone.layer.sendAck(ack, self.phone.nextHop(self.dialog))

    def _answered(self, response: Response | None) -> None:
        phone = self.phone
        status = 408 if response is None else response.status
        if response is not None and status < 300:
            assert self._request is not None
            self.dialog = Dialog.asUAC(self._request, response)
            self._acknowledge(response)
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

    def _accept(self, transaction: ServerTransaction) -> None:
        """
        Answer an INVITE with 200, again and again until there is an ACK.
        """
        request = transaction.request
        agreement = self._agreement(request)
        if agreement is None:
            self.phone.respond(transaction, 422, [(b"Min-SE", b"90")])
            return
        fields = [self.phone.contact, *self._timerFields(agreement)]
        body = self._description(self._mirror(request.body))
        response = self.phone.respond(transaction, 200, fields, body, self._tag)
        self._agreed(agreement)
        self._unacknowledged = (transaction, response, self.phone.clock.seconds())
        self.phone.clock.callLater(T1, self._again, response, T1)

    def _again(self, response: Response, interval: float) -> None:
        waiting = self._unacknowledged
        if waiting is None or waiting[1] is not response or self.state == "over":
            return
        if self.phone.clock.seconds() - waiting[2] >= 64 * T1:
            self._unacknowledged = None
            self._bye()
            self.ended("no ACK")
            return
        waiting[0].respond(response)
        interval = min(2 * interval, T2)
        self.phone.clock.callLater(interval, self._again, response, interval)

    def acknowledged(self, ack: Request) -> None:
        """
        The ACK of a 2xx came.
        """
        waiting = self._unacknowledged
        if waiting and ack.cseq.number == waiting[0].request.cseq.number:
            self._unacknowledged = None

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
            body = self._description() if request.body else b""
            phone.respond(transaction, 200, fields, body)
        elif request.method == b"NOTIFY" and self.state == "ringing":
            phone.respond(transaction, 200)
            if request.headers.first(b"Event") == b"talk":
                self.answer()
        else:
            phone.respond(transaction, 200)

    # What the person does

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

    def hold(self, on: bool) -> bool:
        """
        Press "hold", or press it again.
        """
        if self.state != "talking" or self._changing or self._unacknowledged:
            return False
        self.direction = "sendonly" if on else ""
        self._reinvite(0)
        return True

    def _reinvite(self, tried: int) -> None:
        dialog, phone = self.dialog, self.phone
        if self.state != "talking" or dialog is None:
            return
        self._changing = True
        value = b"%d;refresher=uac" % INTERVAL
        fields = [phone.contact, (b"Supported", b"timer"), (b"Session-Expires", value)]
        self.dialog, request = dialog.makeRequest(
            b"INVITE", fields, self._description(), b"application/sdp"
        )

        def done(response: Response | None) -> None:
            self._changing = False
            status = 408 if response is None else response.status
            if response is not None and status < 300:
                self._acknowledge(response)
                if self.state == "talking" and self.dialog is not None:
                    self.dialog = self.dialog.refreshed(response)
                    self._agreed(agreedAsUAC(response))
            elif self.state != "talking":
                pass
            elif status == 491 and tried < 5:
                pause = phone.chance.between(0.2, 2.0)
                phone.clock.callLater(pause, self._reinvite, tried + 1)
            elif status in (481, 408):
                self._bye()
                self.ended(f"re-INVITE: {status}")

        exchange = Exchange(done, self._further)
        exchange.transaction = phone.layer.request(
            request, phone.nextHop(self.dialog), exchange
        )

    def _bye(self, tried: int = 0) -> None:
        phone = self.phone
        assert self.dialog is not None
        self.dialog, request = self.dialog.makeRequest(b"BYE")
        target = phone.nextHop(self.dialog)

        def done(response: Response | None) -> None:
            status = 408 if response is None else response.status
            if status >= 300:
                phone.note(f"BYE: {status}", self._id)
            if response is None and tried < BYES:
                phone.clock.callLater(5.0, self._bye, tried + 1)

        phone.send(request, target, done)

    def ended(self, why: str) -> None:
        """
        It is over.
        """
        if self.state == "over":
            return
        self.state = "over"
        self._timer.stop()
        self._unacknowledged = None
        self.phone.note(f"has no call any more: {why}", self._id)
        if self.phone.call is self:
            self.phone.call = None

    # The session

    def _agreement(self, request: Request) -> Agreement | None:
        try:
            return agreedAsUAS(request, INTERVAL)
        except IntervalTooSmall:
            return None
        except MalformedMessage:
            return NO_TIMER

    def _timerFields(self, agreement: Agreement) -> list[tuple[bytes, bytes]]:
        if not agreement.seconds:
            return []
        fields = [(b"Supported", b"timer"), (b"Session-Expires", agreement.value)]
        if agreement.required:
            fields.append((b"Require", b"timer"))
        return fields

    def _agreed(self, agreement: Agreement) -> None:
        self._timer.refreshed(agreement)
        seconds = agreement.seconds or 10 * INTERVAL
        self.until = self.phone.clock.seconds() + seconds

    def _refresh(self) -> None:
        if self._changing or self._unacknowledged:
            self.phone.clock.callLater(2.0, self._refresh)
        elif self.state == "talking":
            self._reinvite(0)

    def _expired(self) -> None:
        if self.state == "talking":
            self._bye()
            self.ended("the session has expired")

    def _mirror(self, offer: bytes) -> str:
        for theirs, ours in _MIRROR.items():
            if theirs in offer:
                return ours
        return self.direction

    def _description(self, direction: str = "") -> bytes:
        self._version += 1
        body = sdp(self.phone.number, 4000, direction or self.direction)
        return body.replace(b" 1 1 IN", b" 1 %d IN" % self._version, 1)

    @property
    def _id(self) -> str:
        return self.callID.decode("utf-8", "replace")

    _number = ""
