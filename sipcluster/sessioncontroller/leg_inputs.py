"""
What may happen to a leg.
"""

from __future__ import annotations

from typing import Protocol

from sipcluster.sessioncontroller.events import (
    Acknowledged,
    Answered,
    Cause,
    Fields,
    ModificationAnswered,
    ModificationAsked,
    Progressed,
    RelayAnswered,
    Relayed,
)
from sipcluster.sip.message import Response
from sipcluster.sip.server_transaction import ServerTransaction


class LegInputs(Protocol):
    """
    What may happen to a leg.
    """

    # From the call: what the other leg does.

    def arrive(self) -> None:
        "The call has taken the far end's INVITE."

    def place(self, body: bytes) -> None:
        "Invite the far end."

    def progress(self, event: Progressed) -> None:
        "The other side is being alerted."

    def answer(self, event: Answered) -> None:
        "The other side answered."

    def refuse(self, status: int, reason: bytes, fields: Fields) -> None:
        "The call cannot be made."

    def release(self, cause: Cause, reason: bytes) -> None:
        "The call is over."

    def acknowledge(self, event: Acknowledged) -> None:
        "The other side saw our far end's answer."

    def modify(self, event: ModificationAsked) -> None:
        "The other side wants to change the session."

    def withdrawModification(self) -> None:
        "It no longer does."

    def modificationAnswered(self, event: ModificationAnswered) -> None:
        "The other side answered what our far end wants to change."

    def relay(self, event: Relayed) -> None:
        "The other side's device sends something."

    def relayAnswered(self, event: RelayAnswered) -> None:
        "The other side's device answered something."

    # From the far end: the INVITE that it sent.

    def cancelled(self, reason: bytes) -> None:
        "It gave its INVITE up."

    def acknowledged(self, body: bytes | None) -> None:
        "It acknowledged our 2xx, with an answer to our offer if there was one."

    def unacknowledged(self) -> None:
        "It never did."

    def unproven(self) -> None:
        "It never acknowledged a reliable 1xx of ours."

    # From the far end: the INVITE that we sent.

    def provisional(self, response: Response) -> None:
        "A 1xx other than 100."

    def accepted(self, response: Response) -> None:
        "The first 2xx."

    def refused(self, response: Response) -> None:
        "Another final response."

    def unreachable(self, status: int, why: str) -> None:
        "There will be none."

    # From the far end: inside the dialog.

    def changeAnswered(self, response: Response) -> None:
        "A final response to our re-INVITE or UPDATE."

    def changeLost(self, status: int, why: str) -> None:
        "There will be none."

    def byeReceived(self, transaction: ServerTransaction) -> None:
        "A BYE."

    def inviteReceived(self, transaction: ServerTransaction) -> None:
        "A re-INVITE."

    def updateReceived(self, transaction: ServerTransaction) -> None:
        "An UPDATE."

    def prackReceived(self, transaction: ServerTransaction) -> None:
        "A PRACK."

    def referReceived(self, transaction: ServerTransaction) -> None:
        "A REFER."

    def otherReceived(self, transaction: ServerTransaction) -> None:
        "An INFO, or a MESSAGE."

    def changeCancelled(self) -> None:
        "It gave its re-INVITE up."

    def vanished(self, why: str) -> None:
        "It does not know the dialog any more, or does not answer."

    def byeFinished(self) -> None:
        "Our BYE was answered, or never will be."

    # Time.

    def refreshDue(self) -> None:
        "It is on us to refresh the session, and time to do so."

    def noAnswer(self) -> None:
        "It has been ringing for too long."
