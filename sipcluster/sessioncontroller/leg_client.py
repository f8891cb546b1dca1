"""
The part of a leg that invites its far end.
"""

from __future__ import annotations

from twisted.logger import Logger

from sipcluster.sessioncontroller.events import (
    Answered,
    Cause,
    Fields,
    Progressed,
    Refused,
)
from sipcluster.sessioncontroller.fields import (
    commonMethods,
    sessionFields,
)
from sipcluster.sessioncontroller.identity import told
from sipcluster.sessioncontroller.isessioncontroller import Destination, ProxyAddress
from sipcluster.sessioncontroller.leg_base import sessionDescription
from sipcluster.sessioncontroller.leg_refresh import longer
from sipcluster.sessioncontroller.leg_reliable import Reliable
from sipcluster.sessioncontroller.outgoing_invite import OutgoingInvite
from sipcluster.sessioncontroller.session_description import SDP
from sipcluster.sessioncontroller.session_refresh import asked, proposed
from sipcluster.sip.dialog import Dialog, DialogSet
from sipcluster.sip.errors import MalformedMessage
from sipcluster.sip.headers import Headers
from sipcluster.sip.message import Request, Response
from sipcluster.sip.uri import SIPURI

log = Logger()

#: What a far end's refusal means; others are L{Cause.FAILED}.
CAUSES = {
    403: Cause.FORBIDDEN,
    404: Cause.INVALID_NUMBER,
    408: Cause.LOST,
    410: Cause.INVALID_NUMBER,
    480: Cause.UNREACHABLE,
    484: Cause.INVALID_NUMBER,
    486: Cause.BUSY,
    487: Cause.ABANDONED,
    500: Cause.FAILED,
    503: Cause.OVERLOAD,
    600: Cause.BUSY,
    603: Cause.REJECTED,
    604: Cause.INVALID_NUMBER,
    607: Cause.REJECTED,
    608: Cause.REJECTED,
}

#: The session timer of legs to media servers: the shortest there may be (RFC 4028
#: section 5), of which half passes until one is asked whether it is still there.
_OF_SERVERS: Fields = ((b"Session-Expires", b"90;refresher=uac"),)

#: Bounds on the contacts of one 3xx.
_MOST_CONTACTS = 8


class ClientSide(Reliable):
    """
    What a leg does to reach its far end.
    """

    __slots__ = ()

    def aim(
        self,
        destination: Destination,
        caller: bytes,
        maxForwards: int,
        fields: Fields,
    ) -> None:
        """
        Say where to.

        @param caller: the value of From, without a tag.
        @param maxForwards: of the INVITE.
        @param fields: that go along.
        """
        self.destination = destination
        self.caller = caller
        self.maxForwards = maxForwards
        self.offerFields = fields
        self.secure = destination.uri.startswith(b"sips:")
        self.dtmfMethod = destination.dtmfMethod

    def sendInvite(self, body: bytes) -> None:
        """
        Invite the far end.
        """
        assert self.destination is not None
        if body:
            body = self.origin.rewrite(body)
        first = True

        def make(proxy: ProxyAddress) -> Request:
            nonlocal first
            if not first:
                self.rename()
                self.forks = self.pracked = self.repracked = None
            first = False
            return self._makeInvite(proxy, body)

        self.invite = OutgoingInvite(self.ua, self, make, bool(body))
        self.ring(self.destination.noAnswerTimeout)
        self.invite.start(self.proxy)

    def ring(self, seconds: float) -> None:
        """
        It may ring for so long.
        """
        self._ringing = self.ua.timers.after(seconds, self._rangTooLong)

    def rename(self) -> None:
        """
        Begin anew: what was sent before may have arrived somewhere.
        """
        self.ua.legs.pop(self.localTag, None)
        self.callID = self.ua.identifiers.callID()
        self.localTag = self.ua.identifiers.tag()
        self.ua.legs[self.localTag] = self  # type: ignore[assignment] # it is a Leg

    def _makeInvite(self, proxy: ProxyAddress, body: bytes) -> Request:
        destination = self.destination
        assert destination is not None
        self.proxy = proxy
        pairs = [
            (b"Route", b"<%b>" % proxy.uri),
            (b"Max-Forwards", b"%d" % self.maxForwards),
            (b"From", b"%b;tag=%b" % (self.caller, self.localTag)),
            (b"To", b"<%b>" % destination.to),
            (b"Call-ID", self.callID),
            (b"CSeq", b"1 INVITE"),
            *self.sessionFields(
                told(self.offerFields, self.caller, destination.trusted)
            ),
            *self._proposal(),
            # Without an offer the first 1xx would have to be one, and its PRACK the
            # answer (RFC 3262 section 5).
            (b"Supported", b"timer, 100rel" if body else b"timer"),
        ]
        if body:
            pairs.append((b"Content-Type", SDP))
        pairs.append((b"Content-Length", b"%d" % len(body)))
        return Request(b"INVITE", destination.uri, Headers.of(*pairs), body)

    def _proposal(self) -> Fields:
        if self.server:
            # One that dies says nothing: we ask, and another goes on.
            return _OF_SERVERS
        interval = self.ua.limits.sessionInterval
        names = [name for name, _ in self.offerFields]
        return () if b"Session-Expires" in names else proposed(interval)

    def _rangTooLong(self) -> None:
        self._ringing = None
        self.machine.noAnswer()

    def noteProgress(self, response: Response) -> None:
        """
        A 1xx came.
        """
        invite = self.invite
        assert isinstance(invite, OutgoingInvite)
        fork = response.toTag
        body = b""
        if fork:
            try:
                if self.forks is None and invite.request is not None:
                    self.forks = DialogSet(invite.request, self.ua.limits.forks)
                dialog = (
                    None
                    if self.forks is None
                    else self.forks.responseReceived(response)
                )
            except MalformedMessage as e:
                log.warn("1xx makes no dialog: {why}", why=e)
                self.ua.count("malformed")
                return
            if dialog is None:
                self.ua.count("forksIgnored")
                return
            if self.dialog is None or dialog.remoteTag == self.dialog.remoteTag:
                self.settled(dialog)
            if b"RSeq" in response.headers and not (
                self.acknowledgeProgress(dialog, response)
            ):
                return
            body = sessionDescription(response)
            if body:
                self.earlyMedia = self.earlyMedia or {}
                self.earlyMedia[fork] = body
        if response.status == 199:
            return
        self.emit(
            Progressed(
                self.party.view,
                self.ua.wallTime(),
                response.status,
                response.reason,
                body,
                fork,
            )
        )

    def _confirm(self, response: Response) -> bool:
        """
        Make the dialog of a 2xx the one that counts.

        @return: whether it makes one.
        """
        invite = self.invite
        assert isinstance(invite, OutgoingInvite)
        self.stopRinging()
        forks, self.forks = self.forks, None
        self.pracked = self.repracked = None
        try:
            dialog = self.dialog
            if dialog is not None and dialog.remoteTag == response.toTag:
                dialog = dialog.confirmed(response)
            elif forks is not None and response.toTag in forks.dialogs:
                dialog = forks.dialogs[response.toTag].confirmed(response)
            else:
                assert invite.request is not None
                dialog = Dialog.asUAC(invite.request, response)
        except MalformedMessage as e:
            log.warn("2xx makes no dialog: {why}", why=e)
            self.ua.count("malformed")
            self.dialog = None
            return False
        self.settled(dialog)
        return True

    def noteAnswer(self, response: Response) -> None:
        """
        The first 2xx came.
        """
        invite = self.invite
        assert isinstance(invite, OutgoingInvite)
        if not self._confirm(response):
            self.tellRefused(Cause.FAILED, 500)
            self.machine.vanished("2xx makes no dialog")
            return
        media, self.earlyMedia = self.earlyMedia, None
        body = sessionDescription(response)
        if not body and invite.offered and media is not None:
            # The answer was in a 1xx of this fork, and not repeated.
            body = media.get(response.toTag, b"")
        self.received = body
        self.allow = commonMethods(response)
        fields = sessionFields(response)
        wanted = 0 if invite.request is None else asked(invite.request)
        self.agreed(response, wanted)
        if invite.offered:
            self._acknowledge(b"")
        self.emit(
            Answered(
                self.party.view,
                self.ua.wallTime(),
                body,
                response.toTag,
                fields,
            )
        )

    def _acknowledge(self, body: bytes) -> None:
        invite = self.invite
        assert isinstance(invite, OutgoingInvite)
        assert self.dialog is not None
        fields = ((b"Session-ID", self.sessionID()),)
        invite.acknowledge(self.dialog, body, fields)

    def undoAnswer(self, response: Response) -> None:
        """
        A 2xx came although the INVITE was given up.
        """
        if self._confirm(response):
            self._acknowledge(b"")
        self.sendBye(self.reason)

    def noteRefusal(self, response: Response) -> None:
        """
        Another final response came.
        """
        status = response.status
        contacts: list[bytes] = []
        cause = CAUSES.get(status, Cause.FAILED)
        if 300 <= status < 400:
            cause = Cause.REDIRECTED
            try:
                wanted = sorted(response.contacts, key=lambda contact: -contact.q)
            except MalformedMessage as e:
                log.warn("{status}: {why}", status=status, why=e)
                wanted = []
            contacts = [
                contact.uri.render()
                for contact in wanted[:_MOST_CONTACTS]
                if isinstance(contact.uri, SIPURI)
            ]
        self.emit(
            Refused(
                self.party.view,
                self.ua.wallTime(),
                cause,
                status,
                response.reason,
                tuple(contacts),
                sessionFields(response),
            )
        )

    def noteUnreachable(self, status: int, why: str) -> None:
        """
        No final response will come.
        """
        log.warn("leg {leg} got no answer: {why}", leg=self.id.decode(), why=why)
        self.ua.count("legsUnreachable")
        self.tellRefused(Cause.LOST, status)

    def tellNoAnswer(self) -> None:
        """
        It has been ringing for too long.
        """
        self.tellRefused(Cause.NO_ANSWER, 480)

    def tellRefused(self, cause: Cause, status: int) -> None:
        """
        The far end cannot be had.
        """
        self.emit(Refused(self.party.view, self.ua.wallTime(), cause, status))

    def cancelInvite(self, reason: bytes) -> None:
        """
        Give the INVITE up.
        """
        self.stopRinging()
        self.reason = reason
        if isinstance(self.invite, OutgoingInvite):
            self.invite.cancel(((b"Reason", reason),) if reason else ())

    # Inviting

    def inviteProgressed(self, invite: OutgoingInvite, response: Response) -> None:
        """
        See L{Inviting<sipcluster.sessioncontroller.outgoing_invite.Inviting>}.
        """
        if invite is self.invite:
            self.machine.provisional(response)

    def inviteAccepted(self, invite: OutgoingInvite, response: Response) -> None:
        """
        See L{Inviting<sipcluster.sessioncontroller.outgoing_invite.Inviting>}.
        """
        if invite is self.invite:
            self.machine.accepted(response)
        else:
            self.machine.changeAnswered(response)

    def inviteRefused(self, invite: OutgoingInvite, response: Response) -> None:
        """
        See L{Inviting<sipcluster.sessioncontroller.outgoing_invite.Inviting>}.
        """
        if invite is self.invite:
            if response.status != 422 or not self._askLonger(invite, response):
                self.machine.refused(response)
        else:
            self.machine.changeAnswered(response)

    def _askLonger(self, invite: OutgoingInvite, response: Response) -> bool:
        """
        Our INVITE asks for refreshes that come too often: send another one, once (RFC
        4028 section 7.3).

        @return: whether it does.
        """
        wanted = 0 if invite.request is None else asked(invite.request)
        seconds = longer(response, wanted)
        names = [name for name, _ in self.offerFields]
        if self.state != "Calling" or b"Min-SE" in names or seconds <= wanted:
            return False
        body = invite.request.body if invite.request is not None else b""
        others = [each for each in self.offerFields if each[0] != b"Session-Expires"]
        self.offerFields = (*others, (b"Min-SE", b"%d" % seconds), *proposed(seconds))
        invite.forget()
        self.stopRinging()
        self.rename()
        self.sendInvite(body)
        return True

    def inviteLost(self, invite: OutgoingInvite, status: int, why: str) -> None:
        """
        See L{Inviting<sipcluster.sessioncontroller.outgoing_invite.Inviting>}.
        """
        if invite is self.invite:
            self.machine.unreachable(status, why)
        else:
            self.machine.changeLost(status, why)
