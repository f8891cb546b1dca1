"""
The part of a leg that answers the INVITE of its far end.
"""

from __future__ import annotations

from attrs import evolve

from sipcluster.sessioncontroller.events import (
    Acknowledged,
    Answered,
    Fields,
    Offered,
    Progressed,
)
from sipcluster.sessioncontroller.fields import commonMethods, sessionFields
from sipcluster.sessioncontroller.incoming_invite import IncomingInvite
from sipcluster.sessioncontroller.leg_base import sessionDescription
from sipcluster.sessioncontroller.leg_reliable import Reliable
from sipcluster.sessioncontroller.session_refresh import asked, proposed
from sipcluster.sip.dialog import Dialog
from sipcluster.sip.headers import Headers
from sipcluster.sip.message import Request
from sipcluster.sip.server_transaction import ServerTransaction
from sipcluster.sip.via import MAGIC_COOKIE


def _withContact(request: Request) -> Request:
    """
    An INVITE of an RFC 2543 peer, which need not have a Contact, with the URI
    of its From instead.
    """
    if b"Contact" in request.headers or request.branch.startswith(MAGIC_COOKIE):
        return request
    uri = request.fromAddress.uri.render()
    return request.replacing(headers=request.headers.append(b"Contact", b"<%b>" % uri))


class ServerSide(Reliable):
    """
    What a leg does with an INVITE that its far end sent, the first or a later
    one.
    """

    __slots__ = ()

    def take(self, transaction: ServerTransaction) -> None:
        """
        Take the INVITE that makes this leg.

        @raise MalformedMessage: it can make no dialog; nothing is changed.
        """
        request = transaction.request
        dialog = Dialog.asUAS(_withContact(request), self.localTag, True)
        self.allow = commonMethods(request)
        self.secure = dialog.secure
        self.settled(dialog)
        maxForwards = request.maxForwards
        self.maxForwards = 70 if maxForwards is None else maxForwards
        self.received = sessionDescription(request)
        self.invite = IncomingInvite(self.ua, self, transaction)

    def offerCall(self) -> None:
        """
        Give the far end's wish to the call.
        """
        assert isinstance(self.invite, IncomingInvite)
        request = self.invite.request
        fields = sessionFields(request)
        if not self.ua.limits.sessionInterval:
            # Who watches over the caller watches over the called side.
            fields = (*fields, *proposed(asked(request)))
        self.emit(Offered(self.party.view, self.ua.wallTime(), self.received, fields))

    def sendProgress(self, event: Progressed) -> None:
        """
        Pass a 1xx on.

        There is one early dialog with the far end, however many forks the other
        leg has, so the media of the first fork that has some is what it hears
        until one answers.
        """
        assert isinstance(self.invite, IncomingInvite)
        body = event.body
        if body:
            if self.mediaFork is None:
                self.mediaFork = event.fork
            if self.mediaFork == event.fork and not self.invite.described:
                body = self.origin.rewrite(body)
            elif event.status == 183:
                return
            else:
                body = b""
        self.invite.respond(
            event.status,
            self.localTag,
            event.reason,
            self.sessionHeaders(event.fields),
            body,
        )

    def sendAnswer(self, event: Answered) -> None:
        """
        Pass the 2xx on.
        """
        assert isinstance(self.invite, IncomingInvite)
        if self.invite.describing:
            self.heldAnswer = event.body, event.fork, event.fields
        else:
            self.accept(event.body, event.fork, event.fields)

    def accept(self, body: bytes, fork: bytes, fields: Fields) -> None:
        """
        Accept the far end's INVITE.
        """
        invite = self.invite
        assert isinstance(invite, IncomingInvite)
        if body and (
            self.mediaFork not in (None, fork)
            or (invite.described and not self.origin.says(body))
        ):
            self.retag()
        assert self.dialog is not None
        self.dialog = self.dialog.confirmed()
        fields = (*fields, *self.grant(invite.request))
        body = self.origin.rewrite(body) if body else b""
        invite.respond(200, self.localTag, b"", self.sessionHeaders(fields), body)

    def retag(self) -> None:
        """
        Become another dialog for the far end, as if another device had answered
        its INVITE: its session is another one than its early media.  Nothing was
        said in it yet.
        """
        assert isinstance(self.invite, IncomingInvite)
        self.ua.legs.pop(self.localTag, None)
        self.localTag = self.ua.identifiers.tag()
        self.ua.legs[self.localTag] = self  # type: ignore[assignment] # it is a Leg
        if self.dialog is not None:
            self.dialog = evolve(
                self.dialog,
                localTag=self.localTag,
                localSequence=0,
                remoteSequence=self.invite.number,
            )

    def sendRefusal(self, status: int, reason: bytes, fields: Fields = ()) -> None:
        """
        Refuse the INVITE.
        """
        assert isinstance(self.invite, IncomingInvite)
        headers = Headers.of((b"Session-ID", self.sessionID()), *fields)
        self.invite.respond(status, self.localTag, reason, headers)

    def tellAcknowledged(self, body: bytes | None) -> None:
        """
        The far end has our 2xx.

        @param body: its answer to the offer in it; L{None} when there was none.
        """
        if isinstance(self.change, IncomingInvite) and self.change.final:
            self.change = None
        if body is not None:
            if body and not self.muted:
                self.received = body
            self.emit(Acknowledged(self.party.view, self.ua.wallTime(), body))
        if self.call is not None:
            self.call.legConfirmed(self)
            if not self.joined:
                self.call.alignSoon()

    # Invited

    def inviteCancelled(self, invite: IncomingInvite, cancel: Request) -> None:
        """
        See L{Invited<sipcluster.sessioncontroller.incoming_invite.Invited>}.
        """
        if invite is self.invite:
            self.machine.cancelled(cancel.headers.first(b"Reason") or b"")
        elif invite is self.change:
            invite.respond(487, self.localTag)
            self.machine.changeCancelled()

    def inviteAcknowledged(self, invite: IncomingInvite, ack: Request) -> None:
        """
        See L{Invited<sipcluster.sessioncontroller.incoming_invite.Invited>}.
        """
        self.machine.acknowledged(None if invite.offered else sessionDescription(ack))

    def inviteUnacknowledged(self, invite: IncomingInvite) -> None:
        """
        See L{Invited<sipcluster.sessioncontroller.incoming_invite.Invited>}.
        """
        self.ua.count("unacknowledged")
        self.machine.unacknowledged()
