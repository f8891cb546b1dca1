"""
An INVITE that a far end sent: ours to answer, and to answer again until it is
acknowledged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from zope.interface import implementer

from sipcluster.sessioncontroller.session_description import SDP
from sipcluster.sip.acknowledgement import SuccessRepeater, successRepeater
from sipcluster.sip.adoption import InviteServerValue, writeRefusal, writeServer
from sipcluster.sip.errors import MalformedMessage
from sipcluster.sip.headers import Headers
from sipcluster.sip.isip import IServerTransactionUser
from sipcluster.sip.message import Request, Response, makeResponse, parseMessage
from sipcluster.sip.reliable_provisional import (
    Acknowledged,
    ReliableResponses,
    ReliableValue,
    requires,
    supports,
)

if TYPE_CHECKING:
    from sipcluster.sessioncontroller.useragent import UserAgent
    from sipcluster.sip.transactions import ServerTransaction


class Invited(Protocol):
    """
    Whom an L{IncomingInvite} tells what happens.
    """

    def inviteCancelled(self, invite: IncomingInvite, cancel: Request) -> None:
        "A CANCEL came."

    def inviteAcknowledged(self, invite: IncomingInvite, ack: Request) -> None:
        "The ACK of our 2xx came, the first time."

    def inviteUnacknowledged(self, invite: IncomingInvite) -> None:
        "It did not, in 64*T1."

    def inviteUnproven(self, invite: IncomingInvite) -> None:
        "No PRACK of a reliable 1xx came in 64*T1."


@implementer(IServerTransactionUser)
class IncomingInvite:
    """
    One INVITE of a far end, the first or a later one of its dialog.

    The transaction layer repeats other final responses; a 2xx is ours to repeat
    (RFC 3261 section 13.3.1.4).

    @ivar number: its CSeq number.
    @ivar offered: it carries an offer.
    @ivar accepted: our 2xx, until it is acknowledged.
    @ivar final: the status of our final response, or 0.
    @ivar progressed: a response with our tag was sent: the far end has a dialog.
    """

    __slots__ = (
        "_owner",
        "_reliable",
        "_repeater",
        "_transaction",
        "_ua",
        "accepted",
        "final",
        "number",
        "offered",
        "progressed",
        "request",
    )

    def __init__(
        self, ua: UserAgent, owner: Invited | None, transaction: ServerTransaction
    ) -> None:
        self._ua = ua
        self._owner = owner
        self._transaction: ServerTransaction | None = transaction
        self._reliable: ReliableResponses | None = None
        self._repeater: SuccessRepeater | None = None
        self.request = transaction.request
        self.number = transaction.request.cseq.number
        self.offered = bool(transaction.request.body)
        self.accepted: Response | None = None
        self.final = 0
        self.progressed = False
        transaction.user = self

    def value(self) -> InviteServerValue | None:
        """
        Write it down.

        @return: L{None} when it is over: refused, or accepted and acknowledged.
        """
        transaction = self._transaction
        if transaction is None or (self.final and self.accepted is None):
            return None
        return writeServer(transaction)

    def refusal(self) -> InviteServerValue | None:
        """
        Write it down when it was refused.

        @return: L{None} when it was not, and once that is acknowledged.
        """
        transaction = self._transaction
        return None if transaction is None else writeRefusal(transaction)

    def adopt(self, value: InviteServerValue) -> None:
        """
        Go on with what another process has answered: that is sent again, it may not
        have arrived.

        @raise MalformedMessage: it cannot be read.
        """
        transaction = self._transaction
        if transaction is None or not value.response:
            if transaction is not None:
                transaction.wait()
            return
        last = parseMessage(value.response)
        if not isinstance(last, Response):
            raise MalformedMessage("no response")
        self.progressed = last.status > 100
        if last.status < 200:
            transaction.resend()
        else:
            self._accept(last, value.left)

    def _accept(self, response: Response, seconds: float = 0.0) -> None:
        """
        Send our 2xx until it is acknowledged.

        @param seconds: that this may take; 0: what is usual.
        """
        self.final = response.status
        self.accepted = response
        self._repeater = successRepeater(
            self._ua.timers, self._send, self._unacknowledged, self._ua.t, seconds
        )
        self._repeater.start()

    @property
    def pending(self) -> bool:
        """
        Whether it has no final response yet.
        """
        return not self.final

    def respond(
        self,
        status: int,
        toTag: bytes,
        reason: bytes = b"",
        headers: Headers | None = None,
        body: bytes = b"",
    ) -> None:
        """
        Answer it.  A 2xx is repeated until the ACK comes.
        """
        transaction = self._transaction
        if transaction is None or self.final:
            return
        reliably = 100 < status < 200 and self._isReliable(body)
        if reliably and not self.offered:
            # It would have to be an offer (RFC 3262 section 5), and there is none.
            return
        response = makeResponse(
            self.request,
            status,
            reason,
            toTag,
            headers or (),
            body,
            SDP if body else b"",
        )
        self.progressed = True
        if reliably:
            self._sendReliably().send(response)
            return
        if status >= 200 and self._reliable is not None:
            self._reliable.stop()
        if 200 <= status < 300:
            self._accept(response)
        else:
            if status >= 300:
                self.final = status
            transaction.respond(response)
            if self.final and not self.request.toTag:
                self._ua.refused(self)

    def _isReliable(self, body: bytes) -> bool:
        """
        Whether a 1xx is to be a reliable one: to those who insist, and to those who
        take them when the answer to their offer is in it.
        """
        headers = self.request.headers
        if b"Require" in headers and requires(self.request):
            return True
        return bool(body) and supports(self.request)

    def _sendReliably(self) -> ReliableResponses:
        reliable = self._reliable
        if reliable is None:
            ua = self._ua
            # Fewer bits than there may be, so that it can grow.
            number = int(ua.identifiers.tag()[:6], 16)
            reliable = self._reliable = ReliableResponses(
                ua.timers, ua.t, self._transmit, self._unproven, number
            )
        return reliable

    def _transmit(self, response: Response) -> None:
        """
        Send a 1xx, once more perhaps.
        """
        if self._transaction is not None:
            self._transaction.respond(response)

    def _unproven(self) -> None:
        """
        64*T1 have passed without a PRACK.
        """
        if self._owner is not None:
            self._owner.inviteUnproven(self)

    @property
    def describing(self) -> bool:
        """
        Whether a 1xx with the answer to its offer is not acknowledged yet: until then
        it must not be accepted.
        """
        return self._reliable is not None and self._reliable.describing

    @property
    def described(self) -> bool:
        """
        Whether it has the answer to its offer in a reliable 1xx.
        """
        return self._reliable is not None and self._reliable.described

    def prackReceived(self, rack: Acknowledged) -> bool:
        """
        A PRACK came.

        @return: whether it acknowledges a 1xx that waits for that.
        """
        return self._reliable is not None and self._reliable.received(rack)

    def reliableValue(self) -> ReliableValue | None:
        """
        Write down what was sent reliably.

        @return: L{None} when there was nothing, and once it is answered.
        """
        if self._reliable is None or self.final:
            return None
        return self._reliable.value()

    def adoptReliable(self, value: ReliableValue) -> None:
        """
        Go on with what another process has sent reliably.

        @raise MalformedMessage: it cannot be read.
        """
        self._sendReliably().adopt(value)

    def _send(self) -> None:
        """
        Send our 2xx, once more perhaps.
        """
        if self._transaction is not None and self.accepted is not None:
            self._transaction.respond(self.accepted)

    def _unacknowledged(self) -> None:
        """
        64*T1 have passed without an ACK.
        """
        owner = self._owner
        self._settle()
        if owner is not None:
            owner.inviteUnacknowledged(self)

    def acknowledge(self, ack: Request) -> None:
        """
        An ACK for this INVITE arrived.
        """
        if self.accepted is not None:
            owner = self._owner
            self._settle()
            if owner is not None:
                owner.inviteAcknowledged(self, ack)

    def presumeAcknowledged(self) -> None:
        """
        Something else shows that our 2xx has arrived (RFC 5407 section 3.1.4).
        """
        self._settle()

    def _settle(self) -> None:
        """
        The 2xx needs no more repeating.
        """
        self.accepted = None
        repeater, self._repeater = self._repeater, None
        if repeater is not None:
            repeater.stop()

    def forget(self) -> None:
        """
        The leg is gone: tell it nothing, repeat nothing.
        """
        self._settle()
        if self._reliable is not None:
            self._reliable.stop()
        self._owner = None

    # IServerTransactionUser

    def cancelReceived(self, cancel: Request) -> None:
        self._ua.touch()
        if self._owner is not None and not self.final:
            self._owner.inviteCancelled(self, cancel)

    def ackReceived(self, ack: Request) -> None:
        self._ua.touch()
        if self.final >= 300:
            self._ua.refused(None)
        self.acknowledge(ack)

    def acknowledgementMissing(self) -> None:
        self._ua.touch()
        self._ua.count("unacknowledged")

    def transportFailed(self, why: str) -> None:
        self._ua.touch()
        self._ua.count("unansweredInvites")

    def transactionTerminated(self) -> None:
        self._ua.touch()
        self._transaction = None
        if self.final >= 300:
            self._ua.refused(None)
