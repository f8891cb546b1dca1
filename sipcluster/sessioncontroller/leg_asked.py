"""
The part of a leg whose far end changes or refreshes its session: re-INVITE and UPDATE
(RFC 3261 section 14, RFC 3311).

One change at a time: a second one of the same side is told to come later (500),
one that meets a change of the other side is told so (491).
"""

from __future__ import annotations

from attrs import evolve

from sipcluster.sessioncontroller.attempt import Attempt
from sipcluster.sessioncontroller.events import (
    Fields,
    ModificationAnswered,
    ModificationAsked,
    ModificationWithdrawn,
)
from sipcluster.sessioncontroller.fields import commonMethods, sessionFields
from sipcluster.sessioncontroller.incoming_invite import IncomingInvite
from sipcluster.sessioncontroller.leg_base import sessionDescription
from sipcluster.sessioncontroller.leg_reliable import Reliable
from sipcluster.sessioncontroller.outgoing_invite import OutgoingInvite
from sipcluster.sessioncontroller.session_description import SDP
from sipcluster.sip.dialog import Dialog
from sipcluster.sip.errors import MalformedMessage
from sipcluster.sip.message import Request, Response, makeResponse
from sipcluster.sip.server_transaction import ServerTransaction

#: What is not true of the asking side although it is of the answering one.
_TRANSLATED = {401: 488, 407: 488, 408: 480, 481: 480, 503: 500}


class AskedToChange(Reliable):
    """
    What a leg does about changes of its session that its far end wants.
    """

    __slots__ = ()

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
        invite = IncomingInvite(self.ua, self, transaction)  # type: ignore[arg-type]
        self.change = invite
        request = transaction.request
        body = sessionDescription(request)
        isRefresh = b"Session-Expires" in request.headers and self.origin.sent
        if isRefresh and body and body == self.received:
            # It says nothing new: neither do we.
            fields = self.grant(request)
            self.refreshTarget(request)
            invite.respond(
                200, self.localTag, b"", self.sessionHeaders(fields), self.origin.last
            )
        else:
            self._ask(request)

    def takeUpdate(self, transaction: ServerTransaction) -> None:
        """
        An UPDATE came.
        """
        if self.heldAnswer is not None:
            self.takeEarlyUpdate(transaction)
            return
        if not self._mayAsk(transaction):
            return
        request = transaction.request
        if request.body:
            self.change = transaction
            self._ask(request)
        elif self.refreshTarget(request):
            self._accept(transaction, b"", self.grant(request))
        else:
            self.respond(transaction, 400)

    def _mayAsk(self, transaction: ServerTransaction, early: bool = False) -> bool:
        change = self.change
        first = self.invite
        shortest = self.tooShort(transaction.request)
        if shortest:
            self.respond(transaction, 422, fields=((b"Min-SE", b"%d" % shortest),))
            return False
        if isinstance(change, OutgoingInvite | Attempt) or (
            isinstance(first, OutgoingInvite) and first.pending and not early
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
        An UPDATE came before there is an answer: good for a new Contact, and for a
        new offer once the first one has its answer (RFC 3311 section 5.2).
        """
        request, dialog = transaction.request, self.dialog
        fork = None
        if dialog is None or dialog.remoteTag != request.fromTag:
            fork = None if self.forks is None else self.forks.dialogs[request.fromTag]
        if request.body:
            if fork is not None or not self.described:
                self.respondLater(transaction, 500)
            elif self._mayAsk(transaction, True):
                self.change = transaction
                self._ask(request)
        elif self.refreshTarget(request, fork):
            self._accept(transaction, b"", self.grant(request))
        else:
            self.respond(transaction, 400)

    def refreshTarget(
        self, message: Request | Response, fork: Dialog | None = None
    ) -> bool:
        """
        Take a new Contact over.

        @param fork: the early dialog that is meant; L{None}: ours.
        """
        dialog = fork or self.dialog
        assert dialog is not None
        try:
            self.keep(dialog.refreshed(message))
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
            granted = self.grant(change.request)
            event = evolve(event, fields=(*event.fields, *granted))
            self.refreshTarget(change.request)
            if self.offered:
                self.received = self.offered
                self.heardEarly()
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

    def heardEarly(self) -> None:
        """
        The far end would like something else before there is an answer: the 2xx, which
        says nothing more, means that.
        """
        if self.earlyMedia is not None and self.dialog is not None:
            self.earlyMedia[self.dialog.remoteTag] = self.received
