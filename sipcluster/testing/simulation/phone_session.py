"""
The session of a call as a simulated telephone has it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sipcluster.sip.dialog import Dialog
from sipcluster.sip.errors import MalformedMessage
from sipcluster.sip.message import Request, Response
from sipcluster.sip.sdp import directionOf, mediaOf
from sipcluster.sip.server_transaction import ServerTransaction
from sipcluster.sip.session_timer import (
    NO_TIMER,
    Agreement,
    IntervalTooSmall,
    SessionTimer,
    agreedAsUAC,
    agreedAsUAS,
    sessionTimer,
)
from sipcluster.testing.simulation.exchange import Exchange
from sipcluster.testing.sip_peer import sdp

if TYPE_CHECKING:
    from sipcluster.testing.simulation.telephones import Telephone

#: Seconds of a session, unless it is refreshed.
INTERVAL = 90

#: Seconds after which a telephone stops ringing by itself.
RINGS = 60.0

#: How often a BYE that nobody answers is sent anew: what is lost then ends with the
#: session's time.
BYES = 1

#: RFC 3261's T1 and T2.
T1, T2 = 0.5, 4.0

#: How a telephone answers an offer.
_MIRROR = {b"a=sendonly": "recvonly", b"a=recvonly": "sendonly", b"a=ina": "inactive"}


class PhoneSession:
    """
    The session of one call, once there is one: how it is changed, kept alive and ended.

    @ivar phone: whose.
    @ivar state: C{"calling"}, C{"ringing"}, C{"talking"} or C{"over"}.
    @ivar callID: of its dialog.
    @ivar port: of its media.
    @ivar heard: the last session description that the other side has agreed to.
    @ivar until: seconds of the clock, after which nobody may believe in it unless
        it is refreshed.
    """

    def __init__(self, phone: Telephone, callID: bytes) -> None:
        self.phone = phone
        self.state = "calling"
        self.callID = callID
        self.port = phone.world.newPort()
        self.heard = b""
        self.until = phone.clock.seconds() + 400.0
        self.dialog: Dialog | None = None
        self.direction = ""
        self._tag = phone.identifiers.tag()
        self._sequence = 0
        self._version = 0
        self._invite: ServerTransaction | None = None
        self._request: Request | None = None
        self._exchange: Exchange | None = None
        self._givenUp = False
        self._tried = 0
        self._changing = False
        self._refused = ""
        self._unacknowledged: tuple[ServerTransaction, Response, float] | None = None
        self._timer: SessionTimer = sessionTimer(
            phone.queue, self._refresh, self._expired
        )

    # Answers and acknowledgements

    def _further(self, response: Response) -> None:
        """
        A provisional response, or one more 2xx.
        """
        if 200 <= response.status < 300:
            self._acknowledge(response)

    def _acknowledge(self, response: Response) -> None:
        if self.dialog is None or response.toTag != self.dialog.remoteTag:
            return
        ack = self.dialog.ack(response.cseq.number)
        self.phone.layer.sendAck(ack, self.phone.nextHop(self.dialog))

    def _accept(self, transaction: ServerTransaction) -> None:
        """
        Answer an INVITE with 200, again and again until there is an ACK.
        """
        request = transaction.request
        agreement = self._agreement(request)
        if agreement is None:
            self.phone.respond(transaction, 422, [(b"Min-SE", b"90")])
            return
        fields = [self.phone.contact, *self._timerFields(agreement)]
        self.heard = request.body or self.heard
        body = self._description(self._mirror(request.body))
        response = self.phone.respond(transaction, 200, fields, body, self._tag)
        self._agreed(agreement)
        self._unacknowledged = (transaction, response, self.phone.clock.seconds())
        self.phone.clock.callLater(T1, self._again, response, T1)

    def _again(self, response: Response, interval: float) -> None:
        waiting = self._unacknowledged
        if waiting is None or waiting[1] is not response or self.state == "over":
            return
        if self.phone.clock.seconds() - waiting[2] >= 64 * T1:
            self._unacknowledged = None
            self._bye()
            self.ended("no ACK")
            return
        waiting[0].respond(response)
        interval = min(2 * interval, T2)
        self.phone.clock.callLater(interval, self._again, response, interval)

    def acknowledged(self, ack: Request) -> None:
        """
        The ACK of a 2xx came.
        """
        waiting = self._unacknowledged
        if waiting and ack.cseq.number == waiting[0].request.cseq.number:
            self._unacknowledged = None
            self.heard = ack.body or self.heard

    @property
    def talksTo(self) -> int:
        """
        The port to which it talks, and that it hears; 0: none of both, or it is not to
        be asked now.
        """
        quiet = not (self._changing or self._unacknowledged)
        if self.state != "talking" or not quiet or not self.heard:
            return 0
        if directionOf(self.heard) == b"inactive":
            return 0
        return mediaOf(self.heard)[0].port

    # Changes and the end

    def hold(self, on: bool) -> bool:
        """
        Press "hold", or press it again.
        """
        if self.state != "talking" or self._changing or self._unacknowledged:
            return False
        self.direction = "sendonly" if on else ""
        self._reinvite(0)
        return True

    def _reinvite(self, tried: int) -> None:
        dialog, phone = self.dialog, self.phone
        if self.state != "talking" or dialog is None:
            return
        self._changing = True
        value = b"%d;refresher=uac" % INTERVAL
        fields = [phone.contact, (b"Supported", b"timer"), (b"Session-Expires", value)]
        self.dialog, request = dialog.makeRequest(
            b"INVITE", fields, self._description(), b"application/sdp"
        )

        def done(response: Response | None) -> None:
            self._changing = False
            status = 408 if response is None else response.status
            if response is not None and status < 300:
                self._acknowledge(response)
                self.heard = response.body or self.heard
                if self.state == "talking" and self.dialog is not None:
                    self.dialog = self.dialog.refreshed(response)
                    self._agreed(agreedAsUAC(response))
            elif self.state != "talking":
                pass
            elif status == 491 and tried < 5:
                pause = phone.chance.between(0.2, 2.0)
                phone.clock.callLater(pause, self._reinvite, tried + 1)
            elif status == 491:
                self._refused = ": 491"
            elif status in (481, 408):
                self._bye()
                self.ended(f"re-INVITE: {status}")

        exchange = Exchange(done, self._further)
        exchange.transaction = phone.layer.request(
            request, phone.nextHop(self.dialog), exchange
        )

    def _bye(self, tried: int = 0) -> None:
        phone = self.phone
        assert self.dialog is not None
        self.dialog, request = self.dialog.makeRequest(b"BYE")
        target = phone.nextHop(self.dialog)
        if not tried:
            phone.world.checks.calls.hangsUp(phone.number)

        def done(response: Response | None) -> None:
            status = 408 if response is None else response.status
            if status >= 300:
                phone.note(f"BYE: {status}", self._id)
            if status < 300 or status == 481:
                phone.world.checks.calls.hasHungUp(phone.number)
            if response is None and tried < BYES:
                phone.clock.callLater(5.0, self._bye, tried + 1)

        phone.send(request, target, done)

    def ended(self, why: str) -> None:
        """
        It is over.
        """
        if self.state == "over":
            return
        self.state = "over"
        self._timer.stop()
        self._unacknowledged = None
        self.phone.note(f"has no call any more: {why}", self._id)
        phone = self.phone
        phone.world.checks.calls.hasEnded(phone.name, phone.number, why)
        if self in phone.calls:
            phone.calls.remove(self)

    # The session

    def _agreement(self, request: Request) -> Agreement | None:
        try:
            return agreedAsUAS(request, INTERVAL)
        except IntervalTooSmall:
            return None
        except MalformedMessage:
            return NO_TIMER

    def _timerFields(self, agreement: Agreement) -> list[tuple[bytes, bytes]]:
        if not agreement.seconds:
            return []
        fields = [(b"Supported", b"timer"), (b"Session-Expires", agreement.value)]
        if agreement.required:
            fields.append((b"Require", b"timer"))
        return fields

    def _agreed(self, agreement: Agreement) -> None:
        self._timer.refreshed(agreement)
        seconds = agreement.seconds or 10 * INTERVAL
        self.until = self.phone.clock.seconds() + seconds

    def _refresh(self) -> None:
        if self._changing or self._unacknowledged:
            self.phone.clock.callLater(2.0, self._refresh)
        elif self.state == "talking":
            self._reinvite(0)

    def _expired(self) -> None:
        if self.state == "talking":
            self._bye()
            self.ended(f"the session has expired{self._refused}")

    def _mirror(self, offer: bytes) -> str:
        for theirs, ours in _MIRROR.items():
            if theirs in offer:
                return ours
        return self.direction

    def _description(self, direction: str = "") -> bytes:
        self._version += 1
        body = sdp(self.phone.number, self.port, direction or self.direction)
        return body.replace(b" 1 1 IN", b" 1 %d IN" % self._version, 1)

    @property
    def _id(self) -> str:
        return self.callID.decode("utf-8", "replace")

    @property
    def number(self) -> str:
        """
        Who was called, or calls.
        """
        if self._number or self.dialog is None:
            return self._number
        uri = self.dialog.remoteURI
        return uri.partition(b":")[2].partition(b"@")[0].decode("utf-8", "replace")

    _number = ""
