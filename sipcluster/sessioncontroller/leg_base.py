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
from sipcluster.sessioncontroller.isessioncontroller import DTMFMethod
from sipcluster.sessioncontroller.leg_inputs import LegInputs
from sipcluster.sessioncontroller.leg_states import GONE, legMachine
from sipcluster.sessioncontroller.outgoing_invite import OutgoingInvite
from sipcluster.sessioncontroller.session_description import (
    SDP,
    SessionOrigin,
    isSessionDescription,
)
from sipcluster.sip.headers import Headers
from sipcluster.sip.machine import stateName
from sipcluster.sip.message import Message, Request, Response, makeResponse
from sipcluster.sip.server_transaction import ServerTransaction

if TYPE_CHECKING:
    from sipcluster.sessioncontroller.call import Call
    from sipcluster.sessioncontroller.isessioncontroller import (
        Destination,
        ProxyAddress,
    )
    from sipcluster.sessioncontroller.party import Party
    from sipcluster.sessioncontroller.session_refresh import Refresh
    from sipcluster.sessioncontroller.useragent import UserAgent
    from sipcluster.sip.dialog import Dialog, DialogSet
    from sipcluster.sip.timers import Timer

log = Logger()

#: A change of the session under way: what our far end asks, or what we ask it.
Change = IncomingInvite | ServerTransaction | OutgoingInvite | Attempt


#: Requests that the far end may send again, when another process has answered them,
#: and that are not to be done twice.
_ONCE = frozenset([b"UPDATE", b"INFO", b"MESSAGE"])


def sessionDescription(message: Message) -> bytes:
    """
    The SDP of a message, or C{b""} when it has none that can be passed on.
    """
    body = message.body
    if body and message.contentType == SDP and isSessionDescription(body):
        return body
    return b""


class LegBase:
    """
    The data of a leg.

    @ivar ua: what all legs share.
    @ivar call: L{None} once the leg is gone.
    @ivar party: the DN on this side.
    @ivar id: the user part of our Contact.
    @ivar incoming: whether the far end sent the INVITE.
    @ivar machine: takes the inputs.
    @ivar localTag: ours; legs are found by it.
    @ivar dialog: the confirmed one, else the early one that counts, or L{None}.
    @ivar forks: the early dialogs of our INVITE.
    @ivar caller: From of our INVITE, without a tag.
    @ivar invite: the INVITE that makes this leg, whoever sent it.
    @ivar change: the change of the session that is under way, or L{None}.
    @ivar origin: of the SDP that we send.
    @ivar received: the last SDP of the far end that tells what it would like.
    @ivar offered: the SDP in our far end's change, until it is answered.
    @ivar allow: common methods, as the value of an Allow; empty when the far
        end did not say.
    @ivar held: the far end listens to nobody: it holds by itself.
    @ivar holding: the DN on this side holds the other one by request.
    @ivar muted: the last offer or answer that the far end was sent says less than
        the other side would like, because somebody holds by request: what the far
        end answers does not tell what it would like itself.
    @ivar refresh: who refreshes the session; L{None}: nobody.
    @ivar dtmfMethod: how the far end is sent digits.
    @ivar proxy: the SIP Proxy in between.
    @ivar secure: a SIPS leg.
    @ivar mediaFork: which fork's early media the far end hears; L{None} when it
        hears none.
    @ivar withdrawn: our far end gave a change up that is still under way on the
        other leg.
    @ivar reason: for the BYE that has to wait.
    @ivar answered: the last answer to a request of the far end inside the dialog that
        is no INVITE and does something.
    """

    __slots__ = (
        "__weakref__",
        "_expiring",
        "_ringing",
        "_serial",
        "allow",
        "answered",
        "call",
        "callID",
        "caller",
        "change",
        "destination",
        "dialog",
        "dtmfMethod",
        "earlyMedia",
        "forks",
        "held",
        "holding",
        "id",
        "incoming",
        "invite",
        "localTag",
        "machine",
        "maxForwards",
        "mediaFork",
        "muted",
        "offerFields",
        "offered",
        "origin",
        "party",
        "proxy",
        "reason",
        "received",
        "refresh",
        "relays",
        "secure",
        "ua",
        "withdrawn",
    )

    def __init__(
        self,
        ua: UserAgent,
        call: Call,
        party: Party,
        incoming: bool,
        legID: bytes,
        callID: bytes,
        localTag: bytes,
        origin: SessionOrigin,
        state: str = "Null",
    ) -> None:
        self.ua = ua
        self.call: Call | None = call
        self.party = party
        self.id = legID
        self.incoming = incoming
        self.callID = callID
        self.localTag = localTag
        self.origin = origin
        self.dialog: Dialog | None = None
        self.forks: DialogSet | None = None
        self.invite: IncomingInvite | OutgoingInvite | None = None
        self.change: Change | None = None
        self.destination: Destination | None = None
        self.maxForwards = 70
        self.earlyMedia: dict[bytes, bytes] | None = None
        self.mediaFork: bytes | None = None
        self.received = b""
        self.offered = b""
        self.offerFields: Fields = ()
        self.allow = b""
        self.held = False
        self.holding = False
        self.refresh: Refresh | None = None
        self.muted = False
        self.dtmfMethod = DTMFMethod.INFO
        self.proxy: ProxyAddress | None = None
        self.secure = False
        self.caller = b""
        self.reason = b""
        self.withdrawn = False
        self.answered: Response | None = None
        self.relays: dict[int, ServerTransaction] | None = None
        self._serial = 0
        self._ringing: Timer | None = None
        self._expiring: Timer | None = None
        self.machine: LegInputs = legMachine(self, state)
        ua.legs[localTag] = self  # type: ignore[assignment] # as above

    @property
    def state(self) -> str:
        """
        The name of the leg's state.
        """
        return stateName(self.machine)

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
        self.dialog, request = self.dialog.makeRequest(
            method, fields, body, contentType
        )
        return request

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
        return 0.0 if self._expiring is None else self._expiring.left

    def agreeOn(self, refresh: Refresh | None, seconds: float = 0.0) -> None:
        """
        The far end and the other one have agreed on who refreshes the session, or
        have refreshed it: the call ends when they do not in time, so that it cannot
        outlive both.

        @param seconds: until then; 0: what was agreed.
        """
        self.refresh = refresh
        self.expireNoMore()
        if refresh is not None:
            within = seconds or refresh.expiresIn
            self._expiring = self.ua.timers.after(within, self._expired)

    def _expired(self) -> None:
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
        relays, self.relays = self.relays, None
        if relays:
            for transaction in relays.values():
                self.respond(transaction, 480)
        self.ua.legs.pop(self.localTag, None)
        self.machine = GONE
        call, self.call = self.call, None
        if call is not None:
            call.legEnded(self)  # type: ignore[arg-type]
