"""
A leg: one UA side of a call.

A leg turns what its far end says into call-control events and gives them to its
call; what the call tells it, it turns into SIP.  It knows no other leg.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.logger import Logger

from sipcluster.sessioncontroller.incoming_invite import IncomingInvite
from sipcluster.sessioncontroller.leg_client import ClientSide
from sipcluster.sessioncontroller.leg_inputs import LegInputs
from sipcluster.sessioncontroller.leg_refers import Refers
from sipcluster.sessioncontroller.leg_relays import Relays
from sipcluster.sessioncontroller.leg_server import ServerSide
from sipcluster.sessioncontroller.leg_written import writeLeg
from sipcluster.sessioncontroller.outgoing_invite import OutgoingInvite
from sipcluster.sessioncontroller.values import LegValue
from sipcluster.sip.dialog import OutOfOrder
from sipcluster.sip.message import Request, Response
from sipcluster.sip.server_transaction import ServerTransaction

log = Logger()

#: What a request inside a dialog is for the machine.
_INPUTS: dict[bytes, Callable[[LegInputs, ServerTransaction], None]] = {
    b"BYE": lambda machine, transaction: machine.byeReceived(transaction),
    b"INVITE": lambda machine, transaction: machine.inviteReceived(transaction),
    b"PRACK": lambda machine, transaction: machine.prackReceived(transaction),
    b"UPDATE": lambda machine, transaction: machine.updateReceived(transaction),
    b"REFER": lambda machine, transaction: machine.referReceived(transaction),
    b"INFO": lambda machine, transaction: machine.otherReceived(transaction),
    b"MESSAGE": lambda machine, transaction: machine.otherReceived(transaction),
}


class Leg(ServerSide, ClientSide, Refers, Relays):
    """
    One UA side of a call.
    """

    __slots__ = ()

    def requestReceived(self, transaction: ServerTransaction) -> None:
        """
        A request of our far end came, inside a dialog of this leg.
        """
        self.ua.touch()
        request = transaction.request
        tag = request.fromTag
        dialog = self.dialog
        answered = self.answered
        if (
            answered is not None
            and answered.branch == request.branch
            and answered.cseq == request.cseq
        ):
            # Another process has done this, and answered; that may not have arrived.
            transaction.respond(answered)
            return
        try:
            if dialog is not None and dialog.remoteTag == tag:
                self.keep(dialog.received(request))
            elif self.forks is not None and tag in self.forks.dialogs:
                self.keep(self.forks.dialogs[tag].received(request))
            elif dialog is not None or request.method != b"BYE":
                self.respond(transaction, 481)
                return
        except OutOfOrder:
            self.ua.count("outOfOrder")
            self.respondLater(transaction, 500)
            return
        if request.method == b"OPTIONS":
            self.respond(transaction, 200)
            return
        _INPUTS[request.method](self.machine, transaction)

    def ackReceived(self, ack: Request) -> None:
        """
        The ACK of one of our 2xx came.
        """
        self.ua.touch()
        number = ack.cseq.number
        for invite in (self.change, self.invite):
            if isinstance(invite, IncomingInvite) and invite.number == number:
                invite.acknowledge(ack)
                return

    def acceptedAgain(self, response: Response) -> None:
        """
        A 2xx came that has no transaction any more: the far end has not seen
        our ACK.
        """
        self.ua.touch()
        for invite in (self.change, self.invite):
            if (
                isinstance(invite, OutgoingInvite)
                and invite.winner == response.toTag
                and invite.number == response.cseq.number
            ):
                invite.acknowledgeAgain()
                return
        dialog = self.dialog
        if (
            self.change is None
            and self.state == "Confirmed"
            and dialog is not None
            and dialog.remoteTag == response.toTag
            and response.cseq.number <= dialog.localSequence
        ):
            self.acknowledgeAgain(response.cseq.number)

    @property
    def heard(self) -> bytes:
        """
        What the far end would like to be heard of it, early media too; C{b""} when
        it has not said.
        """
        if self.earlyMedia:
            return next(iter(self.earlyMedia.values()))
        return self.received

    # Writing down

    def value(self, party: int) -> LegValue:
        """
        Write the leg down.

        @param party: index of its party in the call's value.
        """
        return writeLeg(self, party)
