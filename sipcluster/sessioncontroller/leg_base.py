"""
What all parts of a leg work on: its dialog, its names, and the way out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.logger import Logger

from sipcluster.sessioncontroller.attempt import Attempt
from sipcluster.sessioncontroller.events import CallEvent, Cause, Fields, Released
from sipcluster.sessioncontroller.fields import ALLOW
from sipcluster.sessioncontroller.in_dialog import firstProxy, routed
from sipcluster.sessioncontroller.incoming_invite import IncomingInvite
from sipcluster.sessioncontroller.leg_data import LegData
from sipcluster.sessioncontroller.leg_states import GONE
from sipcluster.sessioncontroller.outgoing_invite import OutgoingInvite
from sipcluster.sessioncontroller.session_description import (
    SDP,
    isSessionDescription,
)
from sipcluster.sessioncontroller.values_aged import LITTLE
from sipcluster.sip.headers import Headers
from sipcluster.sip.message import Message, Request, Response, makeResponse
from sipcluster.sip.server_transaction import ServerTransaction

if TYPE_CHECKING:
    from sipcluster.sessioncontroller.isessioncontroller import (
        ProxyAddress,
    )
    from sipcluster.sessioncontroller.session_refresh import Refresh
    from sipcluster.sip.dialog import Dialog

log = Logger()

#: Seconds until a refresh is tried again.
_AGAIN = 8.0

#: Requests that the far end may send again, when another process has answered them,
#: and that are not to be done twice.
_ONCE = frozenset([b"PRACK", b"UPDATE", b"INFO", b"MESSAGE", b"REFER"])

#: Telephones look for it before they connect two calls.
_REPLACES = (b"Supported", b"replaces")


def sessionDescription(message: Message) -> bytes:
    """
    The SDP of a message, or C{b""} when it has none that can be passed on.
    """
    body = message.body
    if body and message.contentType == SDP and isSessionDescription(body):
        return body
    return b""


class LegBase(LegData):
    """
    What all parts of a leg do.
    """

    __slots__ = ()

    # What goes out

    @property
    def contact(self) -> bytes:
        """
        Our Contact: the name of the node or its pair, never an address.
        """
        scheme = b"sips" if self.secure else b"sip"
        return b"<%b:%b@%b>" % (scheme, self.id, self.ua.contactHost)

    def sessionID(self) -> bytes:
        """
        The Session-ID of all that this leg sends (RFC 7989).
        """
        return b"" if self.call is None else self.call.sessionID

    def sessionHeaders(self, fields: Fields = ()) -> Headers:
        """
        What stands in our answers to INVITE and UPDATE.
        """
        return Headers.of(*self.sessionFields(fields))

    def sessionFields(self, fields: Fields = ()) -> Fields:
        """
        What stands in our re-INVITE and UPDATE.
        """
        call = self.call
        allow = ALLOW if call is None else call.allowFor(self)  # type: ignore[arg-type]
        return (
            (b"Contact", self.contact),
            (b"Session-ID", self.sessionID()),
            (b"Allow", allow),
            *fields,
            _REPLACES,
        )

    def request(
        self,
        method: bytes,
        fields: Fields = (),
        body: bytes = b"",
        contentType: bytes = SDP,
    ) -> Request:
        """
        Our next request in the dialog.
        """
        assert self.dialog is not None
        dialog, request = self.dialog.makeRequest(method, fields, body, contentType)
        self.keep(dialog)
        return request

    def keep(self, dialog: Dialog) -> None:
        """
        A request has gone through one of our dialogs, either way.
        """
        current = self.dialog
        if current is not None and current.remoteTag == dialog.remoteTag:
            self.dialog = dialog
        if self.forks is not None:
            self.forks.update(dialog)

    def through(self, request: Request, proxy: ProxyAddress) -> Request:
        """
        A request of ours as it goes through a SIP Proxy.
        """
        return routed(request, proxy, self.proxy)

    def respond(
        self,
        transaction: ServerTransaction,
        status: int,
        reason: bytes = b"",
        fields: Fields = (),
        body: bytes = b"",
        contentType: bytes = b"",
    ) -> None:
        """
        Answer a request of the far end.
        """
        self.answer(
            transaction,
            makeResponse(
                transaction.request,
                status,
                reason,
                self.localTag,
                Headers.of((b"Session-ID", self.sessionID()), *fields),
                body,
                contentType,
            ),
        )

    def answer(self, transaction: ServerTransaction, response: Response) -> None:
        """
        Answer a request of the far end with a response that is ready.
        """
        transaction.respond(response)
        if transaction.request.method in _ONCE:
            self.answered = response

    def respondLater(self, transaction: ServerTransaction, status: int) -> None:
        """
        Ask the far end to come again.
        """
        fields = ((b"Retry-After", b"%d" % self.ua.someSeconds()),)
        self.respond(transaction, status, b"", fields)

    # What the call is told

    def emit(self, event: CallEvent) -> None:
        """
        Tell the call what happened here.
        """
        call = self.call
        if call is not None:
            try:
                call.legEvent(self, event)  # type: ignore[arg-type]
            except Exception:
                log.failure("{event}", event=type(event).__name__, connID=call.connID)
                call.breakDown()

    def tellReleased(self, cause: Cause, reason: bytes) -> None:
        """
        The far end is out of the call.
        """
        self.emit(
            Released(
                self.party.view,
                self.ua.wallTime(),
                cause,
                self.party.answered,
                reason,
            )
        )

    # The dialog

    def settled(self, dialog: Dialog) -> None:
        """
        This dialog counts from now on.
        """
        self.dialog = dialog
        self.proxy = firstProxy(self.ua, dialog) or self.proxy

    # The end

    def acceptBye(self, transaction: ServerTransaction) -> bytes:
        """
        Answer a BYE.

        @return: the value of its Reason header.
        """
        self.respond(transaction, 200)
        return transaction.request.headers.first(b"Reason") or b""

    def sendBye(self, reason: bytes) -> None:
        """
        End the dialog.
        """
        self.expireNoMore()
        self.endChange()
        if self.dialog is None:
            self.machine.byeFinished()
            return
        fields: Fields = ((b"Session-ID", self.sessionID()),)
        if reason:
            fields = (*fields, (b"Reason", reason))
        bye = self.request(b"BYE", fields)
        Attempt(
            self.ua,
            lambda proxy: self.through(bye, proxy),
            self._byeAnswered,
            self._byeLost,
        ).start(self.proxy)

    def _byeAnswered(self, response: Response, request: Request) -> None:
        if response.status >= 200:
            self.machine.byeFinished()

    def _byeLost(self, status: int, why: str) -> None:
        self.ua.count("byesLost")
        self.machine.byeFinished()

    def endChange(self) -> None:
        """
        No change of the session will come of what is under way.
        """
        change = self.change
        if isinstance(change, IncomingInvite):
            change.respond(487, self.localTag)
            change.forget()
            self.change = None
        elif isinstance(change, ServerTransaction):
            self.respond(change, 487)
            self.change = None
        elif isinstance(change, OutgoingInvite):
            change.cancel()
        elif change is not None:
            change.abandon()
            self.change = None

    def stopRinging(self) -> None:
        """
        It rings no more.
        """
        if self._ringing is not None:
            self._ringing.cancel()
            self._ringing = None

    # Session timers

    @property
    def expiring(self) -> float:
        """
        Seconds in which the session must be refreshed; 0: it need not.
        """
        if self._expiring is None:
            return 0.0
        return max(LITTLE, self._until - self.ua.timers.clock.seconds())

    def agreeOn(self, refresh: Refresh | None, seconds: float = 0.0) -> None:
        """
        The far end and we have agreed on who refreshes the session, or have refreshed
        it: it ends when that is not done in time, so that no call outlives its far
        end.

        @param seconds: until then; 0: what was agreed.
        """
        self.refresh = refresh
        self.expireNoMore()
        if refresh is not None:
            timers, whole = self.ua.timers, refresh.expiresIn
            within = seconds or whole
            self._until = timers.clock.seconds() + within
            due = max(LITTLE, within - whole + refresh.dueIn)
            self._expiring = timers.after(due, self._due)

    def _due(self) -> None:
        """
        The session is to be refreshed, or has ended.
        """
        timers, refresh = self.ua.timers, self.refresh
        left = self._until - timers.clock.seconds()
        if refresh is not None and not refresh.byFarEnd and left > LITTLE:
            self._expiring = timers.after(min(left, _AGAIN), self._due)
            self.machine.refreshDue()
            return
        self._expiring = None
        self.ua.count("sessionsExpired")
        self.machine.vanished("nobody has refreshed the session")

    def expireNoMore(self) -> None:
        """
        The session has ended.
        """
        if self._expiring is not None:
            self._expiring.cancel()
            self._expiring = None

    def finish(self) -> None:
        """
        The leg is over: let go of everything that points back here.
        """
        self.stopRinging()
        self.expireNoMore()
        self.endChange()
        for invite in (self.invite, self.change):
            if isinstance(invite, IncomingInvite | OutgoingInvite):
                invite.forget()
        self.invite = self.change = None
        relays, self.relays, self.relaying = self.relays, None, None
        if relays:
            for transaction in relays.values():
                self.respond(transaction, 480)
        self.ua.legs.pop(self.localTag, None)
        self.machine = GONE
        call, self.call = self.call, None
        if call is not None:
            call.legEnded(self)  # type: ignore[arg-type]
