"""
The states of a leg, and what may happen to it in each.

A leg that the far end began goes through Proceeding and Accepted, one that we
began through Calling and Early; both are Confirmed then.  What the outputs call
is in L{Leg<sipcluster.sessioncontroller.leg.Leg>}.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from automat import TypeMachine, TypeMachineBuilder

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
from sipcluster.sessioncontroller.leg_inputs import LegInputs
from sipcluster.sessioncontroller.leg_untimely import LegStates, answerUntimely
from sipcluster.sip.machine import indexed
from sipcluster.sip.message import Response
from sipcluster.sip.server_transaction import ServerTransaction

if TYPE_CHECKING:
    from sipcluster.sessioncontroller.leg import Leg
else:
    Leg = object  # what the machine works on: known to the type checker only


def _build() -> TypeMachine[LegInputs, Leg]:
    m = TypeMachineBuilder(LegInputs, Leg)
    states = LegStates(
        *(
            m.state(name)
            for name in (
                "Null",
                "Proceeding",
                "Accepted",
                "Releasing",
                "Calling",
                "Early",
                "Cancelling",
                "Confirmed",
                "Disconnecting",
                "Terminated",
            )
        )
    )
    null, proceeding, accepted = states.null, states.proceeding, states.accepted
    releasing, calling, early = states.releasing, states.calling, states.early
    cancelling, confirmed = states.cancelling, states.confirmed
    disconnecting, terminated = states.disconnecting, states.terminated
    inviting = (calling, early)

    # The far end's INVITE

    @null.upon(LegInputs.arrive).to(proceeding)
    def arrive(leg: LegInputs, s: Leg) -> None:
        s.offerCall()

    @proceeding.upon(LegInputs.progress).loop()
    def progress(leg: LegInputs, s: Leg, event: Progressed) -> None:
        s.sendProgress(event)

    @proceeding.upon(LegInputs.answer).to(accepted)
    def answer(leg: LegInputs, s: Leg, event: Answered) -> None:
        s.sendAnswer(event)

    @proceeding.upon(LegInputs.refuse).to(terminated)
    def refuse(
        leg: LegInputs, s: Leg, status: int, reason: bytes, fields: Fields
    ) -> None:
        s.sendRefusal(status, reason, fields)
        s.finish()

    @proceeding.upon(LegInputs.release).to(terminated)
    def refuseReleased(leg: LegInputs, s: Leg, cause: Cause, reason: bytes) -> None:
        s.sendRefusal(503 if cause is Cause.SHUTDOWN else 480, b"")
        s.finish()

    @proceeding.upon(LegInputs.cancelled).to(terminated)
    def cancel(leg: LegInputs, s: Leg, reason: bytes) -> None:
        s.sendRefusal(487, b"")
        s.tellReleased(Cause.ABANDONED, reason)
        s.finish()

    @proceeding.upon(LegInputs.byeReceived).to(terminated)
    def byeEarly(leg: LegInputs, s: Leg, transaction: ServerTransaction) -> None:
        reason = s.acceptBye(transaction)
        s.sendRefusal(487, b"")
        s.tellReleased(Cause.ABANDONED, reason)
        s.finish()

    @accepted.upon(LegInputs.acknowledged).to(confirmed)
    @confirmed.upon(LegInputs.acknowledged).loop()
    def acknowledged(leg: LegInputs, s: Leg, body: bytes | None) -> None:
        s.tellAcknowledged(body)

    @accepted.upon(LegInputs.unacknowledged).to(disconnecting)
    @confirmed.upon(LegInputs.unacknowledged).to(disconnecting)
    def unacknowledged(leg: LegInputs, s: Leg) -> None:
        s.tellReleased(Cause.LOST, b"")
        s.sendBye(b"")

    # RFC 3262: a 2xx of ours may have to wait for a PRACK.

    for state in (proceeding, accepted, releasing, confirmed):

        @state.upon(LegInputs.prackReceived).loop()
        def takePrack(leg: LegInputs, s: Leg, transaction: ServerTransaction) -> None:
            s.takePrack(transaction)

    @proceeding.upon(LegInputs.unproven).to(terminated)
    @accepted.upon(LegInputs.unproven).to(terminated)
    @releasing.upon(LegInputs.unproven).to(terminated)
    def unproven(leg: LegInputs, s: Leg) -> None:
        s.giveUpProgress()
        s.finish()

    @accepted.upon(LegInputs.cancelled).to(terminated)
    @releasing.upon(LegInputs.cancelled).to(terminated)
    def cancelHeld(leg: LegInputs, s: Leg, reason: bytes) -> None:
        s.refuseHeld()
        s.tellReleased(Cause.OK, reason)
        s.finish()

    # RFC 3261 section 15: no BYE before the ACK of our 2xx.
    @accepted.upon(LegInputs.release).to(releasing)
    def releaseLater(leg: LegInputs, s: Leg, cause: Cause, reason: bytes) -> None:
        s.reason = reason

    @releasing.upon(LegInputs.acknowledged).to(disconnecting)
    def releaseNow(leg: LegInputs, s: Leg, body: bytes | None) -> None:
        s.sendBye(s.reason)

    @releasing.upon(LegInputs.unacknowledged).to(disconnecting)
    def releaseAnyway(leg: LegInputs, s: Leg) -> None:
        s.sendBye(s.reason)

    # Our INVITE

    @null.upon(LegInputs.place).to(calling)
    def place(leg: LegInputs, s: Leg, body: bytes) -> None:
        s.sendInvite(body)

    @calling.upon(LegInputs.provisional).to(early)
    @early.upon(LegInputs.provisional).loop()
    def provisional(leg: LegInputs, s: Leg, response: Response) -> None:
        s.noteProgress(response)

    for state in inviting:

        @state.upon(LegInputs.accepted).to(confirmed)
        def connect(leg: LegInputs, s: Leg, response: Response) -> None:
            s.noteAnswer(response)

        @state.upon(LegInputs.refused).to(terminated)
        def fail(leg: LegInputs, s: Leg, response: Response) -> None:
            s.noteRefusal(response)
            s.finish()

        @state.upon(LegInputs.unreachable).to(terminated)
        def lose(leg: LegInputs, s: Leg, status: int, why: str) -> None:
            s.noteUnreachable(status, why)
            s.finish()

        @state.upon(LegInputs.release).to(cancelling)
        def giveUp(leg: LegInputs, s: Leg, cause: Cause, reason: bytes) -> None:
            s.cancelInvite(reason)

        @state.upon(LegInputs.noAnswer).to(cancelling)
        def noAnswer(leg: LegInputs, s: Leg) -> None:
            s.tellNoAnswer()
            s.cancelInvite(b"")

        # The BYE overtook the 2xx (RFC 5407 section 3.1.2).
        @state.upon(LegInputs.byeReceived).to(cancelling)
        def byeFirst(leg: LegInputs, s: Leg, transaction: ServerTransaction) -> None:
            s.acceptBye(transaction)
            s.tellRefused(Cause.REJECTED, 480)
            s.cancelInvite(b"")

    @cancelling.upon(LegInputs.accepted).to(disconnecting)
    def tooLate(leg: LegInputs, s: Leg, response: Response) -> None:
        s.undoAnswer(response)

    @cancelling.upon(LegInputs.refused).to(terminated)
    def cancelledIndeed(leg: LegInputs, s: Leg, response: Response) -> None:
        s.finish()

    @cancelling.upon(LegInputs.unreachable).to(terminated)
    def cancelledAnyway(leg: LegInputs, s: Leg, status: int, why: str) -> None:
        s.finish()

    # The dialog

    @confirmed.upon(LegInputs.release).to(disconnecting)
    def release(leg: LegInputs, s: Leg, cause: Cause, reason: bytes) -> None:
        s.sendBye(reason)

    @accepted.upon(LegInputs.byeReceived).to(terminated)
    @confirmed.upon(LegInputs.byeReceived).to(terminated)
    def bye(leg: LegInputs, s: Leg, transaction: ServerTransaction) -> None:
        reason = s.acceptBye(transaction)
        s.refuseHeld()
        s.tellReleased(Cause.OK, reason)
        s.finish()

    @accepted.upon(LegInputs.vanished).to(disconnecting)
    @confirmed.upon(LegInputs.vanished).to(disconnecting)
    def vanish(leg: LegInputs, s: Leg, why: str) -> None:
        s.tellReleased(Cause.LOST, b"")
        s.sendBye(b"")

    @confirmed.upon(LegInputs.acknowledge).loop()
    def acknowledge(leg: LegInputs, s: Leg, event: Acknowledged) -> None:
        s.sendAck(event.body)

    @accepted.upon(LegInputs.inviteReceived).loop()
    @confirmed.upon(LegInputs.inviteReceived).loop()
    def askInvite(leg: LegInputs, s: Leg, transaction: ServerTransaction) -> None:
        s.takeInvite(transaction)

    @accepted.upon(LegInputs.updateReceived).loop()
    @confirmed.upon(LegInputs.updateReceived).loop()
    def askUpdate(leg: LegInputs, s: Leg, transaction: ServerTransaction) -> None:
        s.takeUpdate(transaction)

    @confirmed.upon(LegInputs.changeCancelled).loop()
    @accepted.upon(LegInputs.changeCancelled).loop()
    def withdraw(leg: LegInputs, s: Leg) -> None:
        s.tellWithdrawn()

    @confirmed.upon(LegInputs.refreshDue).loop()
    def refresh(leg: LegInputs, s: Leg) -> None:
        s.refreshSession()

    # RFC 3311 section 5.1: before the answer, once the first offer has one.
    @proceeding.upon(LegInputs.modify).loop()
    @early.upon(LegInputs.modify).loop()
    def modifyEarly(leg: LegInputs, s: Leg, event: ModificationAsked) -> None:
        s.sendEarlyModification(event)

    @confirmed.upon(LegInputs.modify).loop()
    def modify(leg: LegInputs, s: Leg, event: ModificationAsked) -> None:
        s.sendModification(event)

    @confirmed.upon(LegInputs.referReceived).loop()
    def askRefer(leg: LegInputs, s: Leg, transaction: ServerTransaction) -> None:
        s.takeRefer(transaction)

    @confirmed.upon(LegInputs.withdrawModification).loop()
    def cancelModification(leg: LegInputs, s: Leg) -> None:
        s.cancelModification()

    @proceeding.upon(LegInputs.modificationAnswered).loop()
    @early.upon(LegInputs.modificationAnswered).loop()
    @accepted.upon(LegInputs.modificationAnswered).loop()
    @confirmed.upon(LegInputs.modificationAnswered).loop()
    def answerModification(leg: LegInputs, s: Leg, event: ModificationAnswered) -> None:
        s.answerModification(event)

    for state in (proceeding, accepted, early, confirmed):

        @state.upon(LegInputs.changeAnswered).loop()
        def changeAnswered(leg: LegInputs, s: Leg, response: Response) -> None:
            s.noteChange(response)

        @state.upon(LegInputs.changeLost).loop()
        def changeLost(leg: LegInputs, s: Leg, status: int, why: str) -> None:
            s.noteChangeLost(status, why)

    for state in (proceeding, accepted, early, confirmed):

        @state.upon(LegInputs.otherReceived).loop()
        def askOther(leg: LegInputs, s: Leg, transaction: ServerTransaction) -> None:
            s.takeOther(transaction)

        @state.upon(LegInputs.relay).loop()
        def relay(leg: LegInputs, s: Leg, event: Relayed) -> None:
            s.sendOther(event)

        @state.upon(LegInputs.relayAnswered).loop()
        def relayAnswered(leg: LegInputs, s: Leg, event: RelayAnswered) -> None:
            s.answerOther(event)

    # The end

    @disconnecting.upon(LegInputs.byeFinished).to(terminated)
    def end(leg: LegInputs, s: Leg) -> None:
        s.finish()

    @releasing.upon(LegInputs.byeReceived).to(terminated)
    def byeWhileReleasing(
        leg: LegInputs, s: Leg, transaction: ServerTransaction
    ) -> None:
        s.acceptBye(transaction)
        s.refuseHeld()
        s.finish()

    @disconnecting.upon(LegInputs.byeReceived).loop()
    @cancelling.upon(LegInputs.byeReceived).loop()
    def byesCross(leg: LegInputs, s: Leg, transaction: ServerTransaction) -> None:
        s.acceptBye(transaction)

    @disconnecting.upon(LegInputs.changeAnswered).loop()
    def changeTooLate(leg: LegInputs, s: Leg, response: Response) -> None:
        s.settleChange(response)

    answerUntimely(states)
    return m.build()


_machine = indexed(_build())
_STATES = {state.name: state for state in _machine.__automat_automaton__.states()}


def legMachine(leg: object, state: str = "Null") -> LegInputs:
    """
    Make the machine of a leg.

    @param leg: a L{Leg<sipcluster.sessioncontroller.leg.Leg>}.
    @param state: the name of the state in which it begins.
    """
    return _machine(leg, _STATES[state])  # type: ignore[call-overload,no-any-return]


#: What stands in for the machine of a leg that is gone, so that leg and machine
#: do not keep each other alive.
GONE: LegInputs = legMachine(None, "Terminated")
