"""
An INVITE that we send: its forks, and the ACKs of its 2xx.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from attrs import evolve
from twisted.logger import Logger

from sipcluster.sessioncontroller.attempt import Attempt
from sipcluster.sessioncontroller.in_dialog import firstProxy, routed, sendAck
from sipcluster.sessioncontroller.isessioncontroller import ProxyAddress
from sipcluster.sessioncontroller.session_description import SDP
from sipcluster.sessioncontroller.values import OutgoingInviteValue
from sipcluster.sip.dialog import Dialog
from sipcluster.sip.errors import MalformedMessage
from sipcluster.sip.message import Request, Response

if TYPE_CHECKING:
    from sipcluster.sessioncontroller.useragent import UserAgent

log = Logger()

Fields = tuple[tuple[bytes, bytes], ...]


class Inviting(Protocol):
    """
    Whom an L{OutgoingInvite} tells what happens.
    """

    def inviteProgressed(self, invite: OutgoingInvite, response: Response) -> None:
        "A 1xx other than 100."

    def inviteAccepted(self, invite: OutgoingInvite, response: Response) -> None:
        "The first 2xx; it waits for L{OutgoingInvite.acknowledge}."

    def inviteRefused(self, invite: OutgoingInvite, response: Response) -> None:
        "Another final response."

    def inviteLost(self, invite: OutgoingInvite, status: int, why: str) -> None:
        "There will be none."


class OutgoingInvite:
    """
    One INVITE of ours, the first or a later one of its dialog.

    The first 2xx wins.  Those of other forks are acknowledged and their dialogs
    ended at once (RFC 3261 section 13.2.2.4), also when the leg is long gone;
    a 2xx that comes again is acknowledged again.

    @ivar offered: it carries an offer.
    @ivar number: its CSeq number.
    @ivar winner: To tag of the first 2xx, or L{None}.
    @ivar final: the status of the final response, or 0.
    """

    __slots__ = (
        "_ack",
        "_ackProxy",
        "_attempt",
        "_callID",
        "_counted",
        "_declined",
        "_owner",
        "_ua",
        "final",
        "number",
        "offered",
        "winner",
    )

    def __init__(
        self,
        ua: UserAgent,
        owner: Inviting,
        make: Callable[[ProxyAddress], Request],
        offered: bool,
    ) -> None:
        self._ua = ua
        self._owner: Inviting | None = owner
        self._ack: Request | None = None
        self._ackProxy: ProxyAddress | None = None
        self._declined: tuple[bytes, ...] = ()
        self._callID = b""
        self._counted = 0
        self.offered = offered
        self.number = 0
        self.winner: bytes | None = None
        self.final = 0
        self._attempt: Attempt | None = Attempt(ua, make, self._received, self._lost)

    @property
    def request(self) -> Request | None:
        """
        The INVITE as it was sent, while its transaction lives.
        """
        return None if self._attempt is None else self._attempt.request

    @property
    def proxy(self) -> ProxyAddress | None:
        """
        The SIP Proxy it went through last.
        """
        return None if self._attempt is None else self._attempt.proxy

    @property
    def pending(self) -> bool:
        """
        Whether it has no final response yet, or one that is not acknowledged.
        """
        return not self.final or (self.winner is not None and self._ack is None)

    def start(self, preferred: ProxyAddress | None) -> None:
        """
        Send it.
        """
        assert self._attempt is not None
        self._attempt.start(preferred)

    def value(self, own: bool = False) -> OutgoingInviteValue | None:
        """
        Write it down.

        @param own: see L{OutgoingInviteValue}.

        @return: L{None} once its transaction is over.
        """
        attempt = self._attempt
        written = None if attempt is None else attempt.value()
        if attempt is None or written is None:
            return None
        return OutgoingInviteValue(
            written, attempt.tried, self.winner or b"", self._ack is not None, own
        )

    def adopt(self, value: OutgoingInviteValue) -> Request:
        """
        Go on with an INVITE that another process has sent.

        @return: the INVITE.

        @raise MalformedMessage: it cannot be read.
        """
        assert self._attempt is not None
        self._attempt.adopt(value.transaction, value.tried)
        request = self.request
        assert request is not None
        self.offered = bool(request.body)
        if value.winner:
            self.winner = value.winner
            self.final = 200
            self.number = request.cseq.number
            self._callID = request.callID
        return request

    def acknowledged(self, dialog: Dialog, body: bytes, fields: Fields) -> None:
        """
        Another process has acknowledged the 2xx that won.
        """
        self._ack = dialog.ack(self.number, fields, body, SDP)
        self._ackProxy = self.proxy

    def counted(self, number: int) -> None:
        """
        A request of ours in an early dialog had this CSeq number.
        """
        self._counted = max(self._counted, number)

    def cancel(self, fields: Fields = ()) -> None:
        """
        Give it up; what became of it is told as always.
        """
        if self._attempt is not None and not self.final:
            self._attempt.cancel(fields)

    def acknowledge(self, dialog: Dialog, body: bytes, fields: Fields) -> None:
        """
        Send the ACK of the 2xx that won.

        @param body: the answer to the offer of the 2xx, or C{b""}.
        """
        self.acknowledged(dialog, body, fields)
        self.acknowledgeAgain()

    def acknowledgeAgain(self) -> None:
        """
        The 2xx came again: the ACK was lost.
        """
        if self._ack is not None:
            sendAck(self._ua, self._ack, self._ackProxy)

    def forget(self) -> None:
        """
        The leg is gone: tell it nothing.  Answers that still come are dealt
        with.
        """
        self._owner = None

    # What the attempt tells

    def _received(self, response: Response, request: Request) -> None:
        status = response.status
        owner = self._owner
        if status == 100:
            return
        if status < 200:
            if owner is not None and not self.final:
                owner.inviteProgressed(self, response)
            return
        if status < 300:
            self._accepted(response, request)
            return
        if not self.final:
            self.final = status
            if owner is not None:
                owner.inviteRefused(self, response)

    def _accepted(self, response: Response, request: Request) -> None:
        tag = response.toTag
        if (
            self.winner is None
            and not self.final
            and self._owner is not None
            and self._isCurrent(request)
        ):
            self.winner = tag
            self._callID = request.callID
            self.final = response.status
            self.number = request.cseq.number
            if request is not self.request and self._attempt is not None:
                # A re-INVITE came through after all; the one that was sent
                # after it may never be answered.
                self._attempt.cancel()
            self._owner.inviteAccepted(self, response)
        elif tag == self.winner and request.callID == self._callID:
            self.acknowledgeAgain()
        else:
            self._decline(response, request)

    def _isCurrent(self, request: Request) -> bool:
        """
        Whether this is the INVITE that counts, and not one that was given up
        with its SIP Proxy.
        """
        current = self.request
        return current is not None and current.callID == request.callID

    def _decline(self, response: Response, request: Request) -> None:
        """
        Another device answered too, or one answered what was given up.
        """
        try:
            dialog = Dialog.asUAC(request, response)
        except MalformedMessage as e:
            log.warn("2xx of a fork makes no dialog: {why}", why=e)
            return
        usual = firstProxy(self._ua, dialog)
        sendAck(self._ua, dialog.ack(request.cseq.number), usual)
        if dialog.remoteTag in self._declined:
            return
        self._declined = (*self._declined, dialog.remoteTag)
        self._ua.count("forksDeclined")
        number = max(dialog.localSequence, self._counted)
        _, bye = evolve(dialog, localSequence=number).makeRequest(b"BYE")
        Attempt(self._ua, lambda proxy: routed(bye, proxy, usual)).start(usual)

    def _lost(self, status: int, why: str) -> None:
        if not self.final:
            self.final = status
            if self._owner is not None:
                self._owner.inviteLost(self, status, why)
