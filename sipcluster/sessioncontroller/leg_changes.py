"""
The part of a leg that has its far end change the session: re-INVITE and UPDATE of our
own (RFC 3261 section 14, RFC 3311).
"""

from __future__ import annotations

from sipcluster.sessioncontroller.attempt import Attempt
from sipcluster.sessioncontroller.events import (
    Fields,
    ModificationAnswered,
    ModificationAsked,
)
from sipcluster.sessioncontroller.fields import sessionFields
from sipcluster.sessioncontroller.in_dialog import sendAck
from sipcluster.sessioncontroller.incoming_invite import IncomingInvite
from sipcluster.sessioncontroller.leg_asked import AskedToChange
from sipcluster.sessioncontroller.leg_base import sessionDescription
from sipcluster.sessioncontroller.outgoing_invite import OutgoingInvite
from sipcluster.sessioncontroller.session_description import SDP
from sipcluster.sessioncontroller.session_refresh import again
from sipcluster.sessioncontroller.values_aged import LITTLE
from sipcluster.sip.message import Response

#: What says that the far end has no such dialog (any more).
_GONE = (408, 481)


class Changes(AskedToChange):
    """
    What a leg does about changes of its session that our side wants.
    """

    __slots__ = ()

    def sendEarlyModification(self, event: ModificationAsked) -> None:
        """
        Ask our far end what the other one wants, before there is an answer.
        """
        if (
            event.method == b"UPDATE"
            and self.described
            and self.change is None
            and b"UPDATE" in self.allow
        ):
            self._sendUpdate(event)
        else:
            later = ((b"Retry-After", b"%d" % self.ua.someSeconds()),)
            self.tellModificationAnswered(500, fields=later)

    def _changing(self, fields: Fields) -> Fields:
        """
        What our re-INVITE and UPDATE say: among that, what is agreed on refreshes.
        """
        if not any(name == b"Session-Expires" for name, _ in fields):
            fields = (*fields, *again(self.refresh))
        return self.sessionFields(fields)

    def _sendUpdate(self, event: ModificationAsked) -> None:
        self.muted = event.masked
        body = self.origin.rewrite(event.body) if event.body else b""
        request = self.request(b"UPDATE", self._changing(event.fields), body)
        attempt = self.change = Attempt(
            self.ua,
            lambda proxy: self.through(request, proxy),
            self._updateAnswered,
            self._updateLost,
        )
        attempt.start(self.proxy)

    def sendModification(self, event: ModificationAsked) -> None:
        """
        Ask our far end what the other one wants.
        """
        first = self.invite
        if self.change is not None or (
            isinstance(first, OutgoingInvite | IncomingInvite) and _unsettled(first)
        ):
            self.ua.count("glare")
            self.tellModificationAnswered(491)
            return
        method = event.method
        if method == b"UPDATE" and self.allow and b"UPDATE" not in self.allow:
            if not event.body:
                # Only a refresh, and this side cannot be asked: all is well.
                self.tellModificationAnswered(200)
                return
            method = b"INVITE"
        if method == b"UPDATE":
            self._sendUpdate(event)
            return
        self.muted = event.masked
        body = self.origin.rewrite(event.body) if event.body else b""
        request = self.request(method, self._changing(event.fields), body)
        invite = self.change = OutgoingInvite(
            self.ua,
            self,  # type: ignore[arg-type] # every leg is a Leg
            lambda proxy: self.through(request, proxy),
            bool(body),
        )
        self.thinkAboutChange(self.ua.t.timerC)
        invite.start(self.proxy)

    def cancelModification(self) -> None:
        """
        The other side takes it back.
        """
        if isinstance(self.change, OutgoingInvite) and not self.refreshing:
            self.change.cancel()

    def noteChange(self, response: Response) -> None:
        """
        Our far end answered.
        """
        self.stopRinging()
        change = self.change
        own, self.refreshing = self.refreshing, False
        before = self.received
        status = response.status
        body = b""
        fields = sessionFields(response)
        if status < 300:
            refresh = self.refresh
            self.agreed(response, 0 if refresh is None else refresh.seconds)
            self.refreshTarget(response)
            body = sessionDescription(response)
            asked = not isinstance(change, OutgoingInvite) or change.offered
            if body and not (asked and self.muted):
                self.received = body
                self.heardEarly()
        if isinstance(change, OutgoingInvite) and status < 300:
            if change.offered:
                self._acknowledgeChange(change, b"")
        else:
            self._changeOver()
        if own:
            self.refreshed(response, before)
        else:
            self.tellModificationAnswered(status, response.reason, body, fields)
        if status in _GONE:
            self.machine.vanished(f"{status} inside the dialog")

    def _acknowledgeChange(self, change: OutgoingInvite, body: bytes) -> None:
        assert self.dialog is not None
        fields = ((b"Session-ID", self.sessionID()),)
        change.acknowledge(self.dialog, body, fields)
        until = self.ua.timers.clock.seconds() + 64 * self.ua.t.t1
        self.acked = change.number, until, bool(body)
        change.forget()
        self.change = None

    def acknowledgeAgain(self, number: int) -> None:
        """
        Send the ACK of a re-INVITE that another process has sent, and perhaps no ACK.

        @param number: its CSeq number.
        """
        acked, dialog = self.acked, self.dialog
        assert dialog is not None
        body = b""
        if acked is not None and acked[0] == number and acked[2]:
            body = self.origin.last
        fields = ((b"Session-ID", self.sessionID()),)
        sendAck(self.ua, dialog.ack(number, fields, body, SDP), self.proxy)

    def goOn(self) -> None:
        """
        Send again what another process has sent, if it did, when nobody would ask for
        it in time: ACKs and the BYE.  A far end that gets the BYE of the other one
        before the ACK of its 2xx would not know what to make of it.
        """
        first, acked = self.invite, self.acked
        if isinstance(first, OutgoingInvite):
            first.acknowledgeAgain()
        now = self.ua.timers.clock.seconds()
        if (
            self.dialog is not None
            and acked is not None
            and acked[1] > now + 2 * LITTLE
        ):
            self.acknowledgeAgain(acked[0])
        if self.state == "Disconnecting":
            self.sendBye(self.reason)

    def _changeOver(self) -> None:
        """
        Nothing more can come of our change.
        """
        if isinstance(self.change, OutgoingInvite):
            self.change.forget()
        self.change = None

    def settleChange(self, response: Response) -> None:
        """
        Our far end answered, but the leg ends.
        """
        change = self.change
        if isinstance(change, OutgoingInvite) and change.winner is not None:
            self._acknowledgeChange(change, b"")
        self._changeOver()

    def noteChangeLost(self, status: int, why: str) -> None:
        """
        Our far end does not answer: the dialog has ended (RFC 3261 section
        12.2.1.2).
        """
        self.stopRinging()
        self.change = None
        own, self.refreshing = self.refreshing, False
        if not own:
            self.tellModificationAnswered(status)
        self.machine.vanished(why)

    def tellModificationAnswered(
        self,
        status: int,
        reason: bytes = b"",
        body: bytes = b"",
        fields: Fields = (),
    ) -> None:
        """
        Tell the other side what became of its wish.
        """
        self.emit(
            ModificationAnswered(
                self.party.view, self.ua.wallTime(), status, reason, body, fields
            )
        )

    def sendAck(self, body: bytes) -> None:
        """
        The other side has seen the offer of our far end's 2xx.

        @param body: its answer.
        """
        if body:
            body = self.origin.rewrite(body)
        change, first = self.change, self.invite
        if isinstance(change, OutgoingInvite):
            if change.winner is not None and change.pending:
                self._acknowledgeChange(change, body)
        elif isinstance(first, OutgoingInvite) and first.pending:
            assert self.dialog is not None
            fields = ((b"Session-ID", self.sessionID()),)
            first.acknowledge(self.dialog, body, fields)


def _unsettled(invite: IncomingInvite | OutgoingInvite) -> bool:
    """
    Whether the INVITE that makes the leg is still being dealt with.
    """
    if isinstance(invite, OutgoingInvite):
        return invite.pending
    return invite.accepted is not None
