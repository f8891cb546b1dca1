"""
The part of a leg that has to do with reliable provisional responses (RFC 3262): those
of its far end, which it acknowledges, and its own, which its far end does.

Each leg does that by itself: a reliable 1xx of one far end may be an ordinary one for
the other.
"""

from __future__ import annotations

from twisted.logger import Logger

from sipcluster.sessioncontroller.attempt import Attempt
from sipcluster.sessioncontroller.events import Cause
from sipcluster.sessioncontroller.fields import commonMethods
from sipcluster.sessioncontroller.in_dialog import firstProxy, routed
from sipcluster.sessioncontroller.incoming_invite import IncomingInvite
from sipcluster.sessioncontroller.leg_refresh import Refreshing
from sipcluster.sessioncontroller.outgoing_invite import OutgoingInvite
from sipcluster.sip.dialog import Dialog
from sipcluster.sip.errors import MalformedMessage
from sipcluster.sip.message import Request, Response
from sipcluster.sip.reliable_provisional import Acknowledged, responseNumber
from sipcluster.sip.server_transaction import ServerTransaction

log = Logger()

#: PRACKs that are under way on one leg; a far end that answers none has no more of its
#: 1xx acknowledged.
MOST_PRACKS = 32


class Reliable(Refreshing):
    """
    What a leg does about reliable provisional responses.
    """

    __slots__ = ()

    @property
    def described(self) -> bool:
        """
        Whether the first offer has its answer, in a reliable 1xx, although the INVITE
        has none.
        """
        invite, dialog = self.invite, self.dialog
        if isinstance(invite, IncomingInvite):
            return invite.described and not invite.describing
        return (
            invite is not None
            and invite.offered
            and dialog is not None
            and dialog.remoteTag in (self.pracked or ())
            and dialog.remoteTag in (self.earlyMedia or ())
        )

    # The far end's

    def acknowledgeProgress(self, dialog: Dialog, response: Response) -> bool:
        """
        Acknowledge a 1xx if it is a reliable one (section 4).

        @param dialog: of its fork.

        @return: whether it is new, and in its turn.
        """
        try:
            number = responseNumber(response)
        except MalformedMessage as e:
            log.warn("1xx with a wrong RSeq: {why}", why=e)
            self.ua.count("malformed")
            return False
        fork = dialog.remoteTag
        if not number:
            return True
        if self.pracked is None:
            self.pracked = {}
        last = self.pracked.get(fork)
        isNew = last is None or number == last + 1
        if not isNew:
            again = self.repracked and self.repracked.pop(fork, None)
            if number != last or again != number:
                # Repeated, and our PRACK is on its way; or too early.
                return False
        if self.pracks >= MOST_PRACKS:
            self.ua.count("unansweredPracks")
            return False
        self.pracked[fork] = number
        if b"Allow" in response.headers:
            self.allow = commonMethods(response)
        rack = Acknowledged(number, response.cseq.number).render()
        fields = ((b"RAck", rack), (b"Session-ID", self.sessionID()))
        dialog, request = dialog.makeRequest(b"PRACK", fields)
        self.keep(dialog)
        assert isinstance(self.invite, OutgoingInvite)
        self.invite.counted(dialog.localSequence)
        usual = firstProxy(self.ua, dialog) or self.proxy
        self.pracks += 1

        def answered(response: Response, request: Request) -> None:
            if response.status >= 200:
                self.pracks -= 1

        def lost(status: int, why: str) -> None:
            self.pracks -= 1

        Attempt(
            self.ua, lambda proxy: routed(request, proxy, usual), answered, lost
        ).start(usual)
        return isNew

    # Ours

    def takePrack(self, transaction: ServerTransaction) -> None:
        """
        A PRACK came.
        """
        request, invite = transaction.request, self.invite
        if not isinstance(invite, IncomingInvite) or not invite.prackReceived(
            Acknowledged.of(request)
        ):
            self.respond(transaction, 481)
            return
        # An offer in it would be the far end's second one, and there may be nobody
        # yet who could answer it.
        self.respond(transaction, 488 if request.body else 200)
        held = self.heldAnswer
        if held is not None and not invite.describing:
            self.heldAnswer = None
            self.accept(*held)

    def accept(
        self, body: bytes, fork: bytes, fields: tuple[tuple[bytes, bytes], ...]
    ) -> None:
        """
        Accept the far end's INVITE.
        """
        raise NotImplementedError

    def refuseHeld(self) -> None:
        """
        The far end has ended what we could not accept yet.
        """
        invite = self.invite
        if self.heldAnswer is not None and isinstance(invite, IncomingInvite):
            self.heldAnswer = None
            invite.respond(487, self.localTag)

    def giveUpProgress(self) -> None:
        """
        Our far end does not acknowledge a 1xx (section 3).
        """
        invite = self.invite
        assert isinstance(invite, IncomingInvite)
        self.ua.count("unacknowledged")
        self.heldAnswer = None
        invite.respond(504, self.localTag)
        self.tellReleased(Cause.LOST, b"")

    def inviteUnproven(self, invite: IncomingInvite) -> None:
        """
        See L{Invited<sipcluster.sessioncontroller.incoming_invite.Invited>}.
        """
        self.machine.unproven()
