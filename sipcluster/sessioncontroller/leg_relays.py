"""
The part of a leg that passes on what is no change of the session: INFO, MESSAGE and
NOTIFY inside a dialog.

What is on its way is written down, on both legs.  When the far end, or the SIP Proxy,
sends its request again to another process, that one sends on what the first has sent,
under the same branch: whoever has got it answers it again, and does nothing twice.
"""

from __future__ import annotations

from sipcluster.sessioncontroller.attempt import Attempt
from sipcluster.sessioncontroller.events import Fields, RelayAnswered, Relayed
from sipcluster.sessioncontroller.fields import relayedFields
from sipcluster.sessioncontroller.incoming_invite import IncomingInvite
from sipcluster.sessioncontroller.leg_base import LegBase
from sipcluster.sessioncontroller.values import RelayedValue, RelayingValue
from sipcluster.sip.isip import Target
from sipcluster.sip.message import Request, Response, parseMessage
from sipcluster.sip.server_transaction import ServerTransaction


class Relays(LegBase):
    """
    What a leg does about requests that only go through.
    """

    __slots__ = ()

    def takeOther(self, transaction: ServerTransaction) -> None:
        """
        Something for the other far end came.
        """
        relays = self.relays
        if relays is None:
            relays = self.relays = {}
        if len(relays) >= self.ua.limits.relays:
            self.respondLater(transaction, 500)
            return
        request = transaction.request
        repeated = (request.branch, request.cseq.number)
        serial = self.repeats.pop(repeated, 0) if self.repeats else 0
        if not serial:
            serial = self._serial = self._serial + 1
        relays[serial] = transaction
        self.emit(
            Relayed(
                self.party.view,
                self.ua.wallTime(),
                serial,
                request.method,
                request.body,
                relayedFields(request),
            )
        )

    def answerOther(self, event: RelayAnswered) -> None:
        """
        The other far end has answered it.
        """
        transaction = (self.relays or {}).pop(event.serial, None)
        if transaction is not None:
            self.respond(
                transaction, event.status, event.reason, event.fields, event.body
            )

    def sendOther(self, event: Relayed) -> None:
        """
        Send our far end what the other one has for it.
        """
        invite = self.invite
        if self.dialog is None or (
            isinstance(invite, IncomingInvite) and not invite.progressed
        ):
            self.tellRelayAnswered(event.serial, 480)
            return
        serial = event.serial
        sent = self._sentBefore(event)
        if sent is None:
            fields: Fields = ((b"Session-ID", self.sessionID()), *event.fields)
            request = self.request(event.method, fields, event.body, b"")
        else:
            headers = sent[0].headers.removeFirstValue(b"Via")
            request = sent[0].replacing(headers=headers)

        def over() -> None:
            if self.relaying is not None and self.relaying.get(serial) is attempt:
                del self.relaying[serial]

        def answered(response: Response, request: Request) -> None:
            if response.status >= 200:
                over()
                self.tellRelayAnswered(
                    serial,
                    response.status,
                    response.reason,
                    response.body,
                    relayedFields(response),
                )
                # A NOTIFY is of another usage of the dialog (RFC 5057).
                if response.status == 481 and event.method != b"NOTIFY":
                    self.machine.vanished("481 inside the dialog")

        def lost(status: int, why: str) -> None:
            over()
            self.tellRelayAnswered(serial, 408)

        attempt = Attempt(
            self.ua, lambda proxy: self.through(request, proxy), answered, lost
        )
        if serial > 0:
            self.relaying = self.relaying or {}
            self.relaying[serial] = attempt
        if sent is None:
            attempt.start(self.proxy)
        else:
            attempt.repeat(*sent)

    def _sentBefore(self, event: Relayed) -> tuple[Request, Target] | None:
        """
        What another process has sent of this, or L{None}.
        """
        written = self.unanswered.pop(event.serial, None) if self.unanswered else None
        if written is None:
            return None
        sent = parseMessage(written.request)
        assert isinstance(sent, Request)
        if (sent.method, sent.body) != (event.method, event.body):
            return None  # the other leg is another one by now
        return sent, written.target

    def tellRelayAnswered(
        self,
        serial: int,
        status: int,
        reason: bytes = b"",
        body: bytes = b"",
        fields: Fields = (),
    ) -> None:
        """
        Tell the other side what became of what it sent.
        """
        if serial > 0 and status in (401, 407, 408, 481):
            status = 480
        self.emit(
            RelayAnswered(
                self.party.view,
                self.ua.wallTime(),
                serial,
                status,
                reason,
                body,
                fields,
            )
        )

    # Writing down

    def relayedValues(self) -> tuple[RelayedValue, ...]:
        """
        The requests of the far end that are not answered.
        """
        repeats = self.repeats or {}
        waiting = [
            RelayedValue(serial, *repeated) for repeated, serial in repeats.items()
        ]
        for serial, transaction in (self.relays or {}).items():
            request = transaction.request
            number = request.cseq.number
            waiting.append(RelayedValue(serial, request.branch, number))
        return tuple(waiting)

    def relayingValues(self) -> tuple[RelayingValue, ...]:
        """
        Those of the other one that the far end has not answered.
        """
        waiting = list((self.unanswered or {}).values())
        for serial, attempt in (self.relaying or {}).items():
            sent = attempt.sent
            if sent is not None:
                waiting.append(RelayingValue(serial, *sent))
        return tuple(waiting)

    def restoreRelays(
        self, asked: tuple[RelayedValue, ...], sent: tuple[RelayingValue, ...]
    ) -> None:
        """
        Take over what was on its way.
        """
        if asked:
            self.repeats = {(one.branch, one.number): one.serial for one in asked}
            self._serial = max(one.serial for one in asked)
        if sent:
            self.unanswered = {one.serial: one for one in sent}
