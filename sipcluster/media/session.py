"""
One session of the media server: a SIP dialog, and the audio stream that it has.
"""

from __future__ import annotations

from twisted.logger import Logger

from sipcluster.media.application import (
    Announcement,
    Conference,
    Document,
    Plan,
    Refused,
)
from sipcluster.media.imedia import Ended, Full, IRTPSession, NotAcceptable
from sipcluster.media.session_dialogs import Dialogs
from sipcluster.media.session_digits import digitOf
from sipcluster.media.session_invite import Accepted
from sipcluster.media.session_owner import Answered, ISessionOwner
from sipcluster.msml.elements import BadDocument
from sipcluster.msml.reading import parseMSML
from sipcluster.msml.values import (
    CONTENT_TYPE,
    Event,
    Result,
    Script,
    connection,
)
from sipcluster.msml.writing import renderMSML
from sipcluster.sip.dialog import Dialog, OutOfOrder
from sipcluster.sip.errors import MalformedMessage
from sipcluster.sip.message import Request, Response, makeResponse
from sipcluster.sip.offer_answer import Refusal
from sipcluster.sip.server_transaction import ServerTransaction
from sipcluster.sip.session_timer import (
    Agreement,
    IntervalTooSmall,
    agreedAsUAC,
    agreedAsUAS,
    sessionTimer,
)
from sipcluster.sip.timers import Timer
from sipcluster.sip.usages import inviteUsage

__all__ = ("ALLOW", "SDP", "SUPPORTED", "MediaSession")

log = Logger()

#: What is understood here.
ALLOW = (b"Allow", b"INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE")

SDP = b"application/sdp"

SUPPORTED = (b"Supported", b"timer")


class MediaSession:
    """
    One session.

    It is answered at once; what it has to play begins when that is acknowledged.

    @ivar ended: it is over.
    """

    def __init__(
        self,
        owner: ISessionOwner,
        transaction: ServerTransaction,
        tag: bytes,
        plan: Plan,
        rtp: IRTPSession,
    ) -> None:
        """
        @raise MalformedMessage: the INVITE makes no dialog.
        """
        request = transaction.request
        self.plan = plan
        self.rtp = rtp
        self.tag = tag
        self.ended = False
        self.conference = ""
        self._owner = owner
        self._dialog = Dialog.asUAS(request, tag)
        self._usage = inviteUsage(owner.timers, False, owner.chance)
        self._timer = sessionTimer(owner.timers, self._refresh, self._expired)
        self._invite: Accepted | None = None
        self._begun = False
        self._mayUpdate = b"UPDATE" in (request.headers.first(b"Allow") or b"")
        self._dialogs: Dialogs | None = None
        self._longest: Timer | None = owner.timers.after(
            owner.maxDuration, self._expired
        )

    @property
    def id(self) -> tuple[bytes, bytes]:
        """
        What it is found by: Call-ID, and the tag of the far end.
        """
        return (self._dialog.callID, self._dialog.remoteTag)

    def begin(self, transaction: ServerTransaction) -> None:
        """
        Answer the INVITE.

        @raise Refused: it is to be answered otherwise, and the session is none.
        """
        plan = self.plan
        if isinstance(plan, Conference):
            request = transaction.request
            member = plan.member
            if not member:
                member = request.fromAddress.uri.render().decode("utf-8", "replace")
            try:
                self.rtp.join(plan.id, member)
            except Full as e:
                raise Refused(486, str(e)) from None
            self.conference = plan.id
        self._accept(transaction)

    def _accept(self, transaction: ServerTransaction) -> None:
        """
        Answer an INVITE, the first or a later one.

        @raise Refused: it is to be answered otherwise; the session is as before.
        """
        request = transaction.request
        try:
            agreement = agreedAsUAS(request, 0)
        except IntervalTooSmall as e:
            raise Refused(422, f"Min-SE: {e.minimum}") from None
        body = self._describe(request)
        response = makeResponse(
            request,
            200,
            b"",
            self.tag,
            (*self._fields(agreement), ALLOW, SUPPORTED),
            body,
            SDP,
        )
        invite = self._invite = Accepted(
            self._owner.timers,
            transaction,
            response,
            not request.body,
            self._acknowledged,
            self._unacknowledged,
        )
        self._timer.refreshed(agreement)
        invite.start()

    def _fields(self, agreement: Agreement) -> list[tuple[bytes, bytes]]:
        fields = [self._contact()]
        if agreement.value:
            fields.append((b"Session-Expires", agreement.value))
        if agreement.required:
            fields.append((b"Require", b"timer"))
        return fields

    def _describe(self, request: Request) -> bytes:
        """
        The answer to the offer of a request, or an offer.
        """
        if not request.body:
            return self.rtp.offer()
        if request.contentType not in (SDP, b""):
            raise Refused(415, "no session description")
        try:
            return self.rtp.answer(request.body)
        except NotAcceptable as e:
            raise Refused(488, str(e)) from None

    def _contact(self) -> tuple[bytes, bytes]:
        return (b"Contact", b"<%b>" % self._owner.contact)

    def _unacknowledged(self) -> None:
        self._settle()
        self.hangUp("not acknowledged")

    def _settle(self) -> None:
        """
        An INVITE is over.
        """
        invite, self._invite = self._invite, None
        if invite is not None:
            invite.stop()
        if self._begun:
            self._usage.inviteEnded()
        else:
            self._usage.established()

    def ackReceived(self, ack: Request) -> None:
        """
        The ACK of a 2xx of ours.
        """
        if self._invite is not None:
            self._invite.ackReceived(ack)

    def _acknowledged(self, invite: Accepted, ack: Request) -> None:
        self._settle()
        if invite.offered and ack.body:
            try:
                self.rtp.accepted(ack.body)
            except NotAcceptable as e:
                self.hangUp(str(e))
                return
        if not self._begun:
            self._begun = True
            self._start()

    # What it does

    def _start(self) -> None:
        plan = self.plan
        if isinstance(plan, Announcement):
            self.rtp.play(
                plan.audio, self._announced, plan.repeat, plan.delay, plan.longest
            )
        elif isinstance(plan, Document):
            start = self._owner.dialogOf(plan, connection(self.tag))
            done = start is not None and self.dialogs.execute(Script((start,)))
            if not done or done.response >= 300:
                self.hangUp("the document cannot be run")

    def _announced(self, ended: Ended) -> None:
        if not self.ended:
            self.hangUp(f"the announcement is over: {ended.value}")

    @property
    def dialogs(self) -> Dialogs:
        """
        What does as MSML says.
        """
        if self._dialogs is None:
            id = connection(self.tag)
            self._dialogs = self._owner.dialogsOf(id, self.rtp, self._say)
        return self._dialogs

    def _say(self, event: Event) -> None:
        """
        Tell the far end something.
        """
        if self.ended:
            return
        body = renderMSML(event)
        self._ask(b"INFO", (), body, CONTENT_TYPE)
        if isinstance(self.plan, Document):
            # It has nothing more to do.
            self.hangUp("the document is over")

    # Requests inside the dialog

    def requestReceived(self, transaction: ServerTransaction) -> None:
        """
        Take one.
        """
        request = transaction.request
        try:
            self._dialog = self._dialog.received(request)
        except OutOfOrder:
            self._owner.respond(transaction, 500)
            return
        method = request.method
        try:
            if method == b"INVITE":
                self._reinvited(transaction)
            elif method == b"UPDATE":
                self._updated(transaction)
            elif method == b"INFO":
                self._informed(transaction)
            elif method == b"BYE":
                self._owner.respond(transaction, 200)
                self._end("the far end has hung up")
            elif method == b"OPTIONS":
                self._owner.respond(transaction, 200, fields=(ALLOW,))
            else:
                self._owner.respond(transaction, 405, fields=(ALLOW,))
        except Refused as e:
            self.refuse(transaction, e)

    def refuse(self, transaction: ServerTransaction, refused: Refused) -> None:
        """
        Answer that something is not done.
        """
        fields: tuple[tuple[bytes, bytes], ...] = ()
        if refused.status == 422:
            fields = ((b"Min-SE", refused.why.partition(": ")[2].encode()),)
        elif refused.status == 415:
            fields = ((b"Accept", SDP + b", " + CONTENT_TYPE),)
        self._owner.respond(
            transaction, refused.status, self.tag, fields, why=refused.why
        )

    def _reinvited(self, transaction: ServerTransaction) -> None:
        refusal: Refusal | None = self._usage.inviteReceived()
        if refusal is not None:
            fields: tuple[tuple[bytes, bytes], ...] = ()
            if refusal.retryAfter:
                fields = ((b"Retry-After", b"%d" % int(self._owner.chance() * 10)),)
            self._owner.respond(transaction, refusal.status, self.tag, fields)
            return
        self._dialog = self._dialog.refreshed(transaction.request)
        try:
            self._accept(transaction)
        except Refused:
            self._usage.inviteEnded()
            raise

    def _updated(self, transaction: ServerTransaction) -> None:
        request = transaction.request
        if self._invite is not None and request.body:
            # Its offer or answer is not known to have arrived.
            raise Refused(491, "an INVITE is under way")
        try:
            agreement = agreedAsUAS(request, 0)
        except IntervalTooSmall as e:
            raise Refused(422, f"Min-SE: {e.minimum}") from None
        body = self._describe(request) if request.body else b""
        self._dialog = self._dialog.refreshed(request)
        self._owner.respond(
            transaction,
            200,
            self.tag,
            tuple(self._fields(agreement)),
            body,
            SDP if body else b"",
        )
        self._timer.refreshed(agreement)

    def _informed(self, transaction: ServerTransaction) -> None:
        request = transaction.request
        kind = request.contentType
        if kind == CONTENT_TYPE:
            result = self._executed(request.body)
            if result is None:
                self._owner.respond(transaction, 200)
            else:
                body = renderMSML(result)
                self._owner.respond(
                    transaction, 200, body=body, contentType=CONTENT_TYPE
                )
        elif kind in (b"application/dtmf-relay", b"application/dtmf"):
            digit = digitOf(kind, request.body)
            if not digit:
                raise Refused(400, "no digit")
            self._owner.respond(transaction, 200)
            if self._dialogs is not None:
                self._dialogs.digit(digit)
        elif not request.body:
            self._owner.respond(transaction, 200)
        else:
            raise Refused(415, "of no use here")

    def _executed(self, body: bytes) -> Result | None:
        """
        Do as MSML says.

        @return: what is answered; L{None}: nothing.
        """
        try:
            said = parseMSML(body)
        except BadDocument as e:
            return Result(400, str(e))
        if isinstance(said, Script):
            return self.dialogs.execute(said)
        return None

    # Requests of ours

    def _ask(
        self,
        method: bytes,
        fields: tuple[tuple[bytes, bytes], ...] = (),
        body: bytes = b"",
        contentType: bytes = b"",
        answered: Answered | None = None,
    ) -> None:
        self._dialog, request = self._dialog.makeRequest(
            method, (self._contact(), *fields), body, contentType
        )
        self._owner.send(self._dialog, request, answered or self._asked)

    def _asked(self, status: int, response: Response | None) -> None:
        """
        A request of ours was answered.
        """
        if status in (408, 481):
            self._end("the far end is gone")

    def _refresh(self) -> None:
        """
        It is on us to refresh the session.
        """
        if self._mayUpdate and not self.ended:
            self._ask(
                b"UPDATE",
                ((b"Supported", b"timer"), (b"Session-Expires", b"1800;refresher=uac")),
                answered=self._refreshed,
            )

    def _refreshed(self, status: int, response: Response | None) -> None:
        if self.ended:
            return
        if status < 300 and response is not None:
            try:
                self._timer.refreshed(agreedAsUAC(response))
            except MalformedMessage:
                log.debug("a bad Session-Expires")
        else:
            self._asked(status, response)

    def _expired(self) -> None:
        self.hangUp("it has lasted long enough")

    def hangUp(self, why: str) -> None:
        """
        End the session.
        """
        if not self.ended:
            self._ask(b"BYE", answered=lambda status, response: None)
            self._end(why)

    def _end(self, why: str) -> None:
        if self.ended:
            return
        self.ended = True
        invite, self._invite = self._invite, None
        if invite is not None:
            invite.stop()
        if self._longest is not None:
            self._longest.cancel()
            self._longest = None
        self._timer.stop()
        self._usage.end()
        if self._dialogs is not None:
            self._dialogs.stop()
        self.rtp.stop()
        self._owner.sessionEnded(self, why)

    def abandon(self) -> None:
        """
        It has not become a session.
        """
        self._end("refused")

    def leaveConference(self) -> None:
        """
        The conference is over.
        """
        self.rtp.leave()
        if isinstance(self.plan, Conference):
            self.hangUp("the conference is over")
