"""
What happens to a leg at the wrong time, is late or impossible: all that is answered,
in every state.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import astuple, frozen

from sipcluster.sessioncontroller.events import ModificationAsked, Relayed
from sipcluster.sessioncontroller.leg_inputs import LegInputs
from sipcluster.sip.message import makeResponse
from sipcluster.sip.server_transaction import ServerTransaction

if TYPE_CHECKING:
    from automat._typed import TypedState

    from sipcluster.sessioncontroller.leg import Leg

    State = TypedState[LegInputs, Leg]
else:
    Leg = object  # what the machine works on: known to the type checker only


@frozen
class LegStates:
    """
    The states of a leg, as Automat makes them.
    """

    null: State
    proceeding: State
    accepted: State
    releasing: State
    calling: State
    early: State
    cancelling: State
    confirmed: State
    disconnecting: State
    terminated: State


def answerUntimely(states: LegStates) -> None:
    """
    Say what happens to a leg in the states in which something does not belong.
    """
    null, proceeding, accepted = states.null, states.proceeding, states.accepted
    releasing, calling, early = states.releasing, states.calling, states.early
    cancelling, confirmed = states.cancelling, states.confirmed
    disconnecting, terminated = states.disconnecting, states.terminated
    inviting = (calling, early)
    inDialog = (proceeding, accepted, early, confirmed)
    everywhere: tuple[State, ...] = astuple(states, recurse=False)

    # Requests that come at the wrong time are answered all the same.

    @proceeding.upon(LegInputs.inviteReceived).loop()
    def tooSoon(leg: LegInputs, s: Leg, transaction: ServerTransaction) -> None:
        s.respondLater(transaction, 500)

    for state in inviting:

        @state.upon(LegInputs.inviteReceived).loop()
        def glare(leg: LegInputs, s: Leg, transaction: ServerTransaction) -> None:
            s.respond(transaction, 491)

    for state in (proceeding, calling, early):

        @state.upon(LegInputs.updateReceived).loop()
        def earlyUpdate(leg: LegInputs, s: Leg, transaction: ServerTransaction) -> None:
            s.takeEarlyUpdate(transaction)

    @calling.upon(LegInputs.otherReceived).loop()
    def noDialogYet(leg: LegInputs, s: Leg, transaction: ServerTransaction) -> None:
        s.respondLater(transaction, 500)

    @accepted.upon(LegInputs.referReceived).loop()
    def referLater(leg: LegInputs, s: Leg, transaction: ServerTransaction) -> None:
        s.respondLater(transaction, 500)

    for state in (proceeding, calling, early):

        @state.upon(LegInputs.referReceived).loop()
        def talkFirst(leg: LegInputs, s: Leg, transaction: ServerTransaction) -> None:
            s.respond(transaction, 603)

    for state in (null, cancelling, releasing, disconnecting, terminated):

        @state.upon(LegInputs.referReceived).loop()
        def noSuchCall(leg: LegInputs, s: Leg, transaction: ServerTransaction) -> None:
            respondUnknown(transaction)

    for state in (null, calling, early, cancelling, disconnecting, terminated):

        @state.upon(LegInputs.prackReceived).loop()
        def noSuch(leg: LegInputs, s: Leg, transaction: ServerTransaction) -> None:
            respondUnknown(transaction)

    for state in (null, cancelling, releasing, disconnecting, terminated):
        for method in (
            LegInputs.inviteReceived,
            LegInputs.updateReceived,
            LegInputs.otherReceived,
        ):

            @state.upon(method).loop()
            def unknown(leg: LegInputs, s: Leg, transaction: ServerTransaction) -> None:
                respondUnknown(transaction)

    for state in (null, terminated):

        @state.upon(LegInputs.byeReceived).loop()
        def byeUnknown(leg: LegInputs, s: Leg, transaction: ServerTransaction) -> None:
            respondUnknown(transaction)

    for state in everywhere:
        if state not in (proceeding, early, confirmed):

            @state.upon(LegInputs.modify).loop()
            def notNow(leg: LegInputs, s: Leg, event: ModificationAsked) -> None:
                tellNotNow(s)

        if state not in inDialog:

            @state.upon(LegInputs.relay).loop()
            def notThere(leg: LegInputs, s: Leg, event: Relayed) -> None:
                tellNotThere(s, event)

    # Late or impossible, and harmless.
    answered = {
        LegInputs.arrive: (null,),
        LegInputs.place: (null,),
        LegInputs.progress: (proceeding,),
        LegInputs.answer: (proceeding,),
        LegInputs.refuse: (proceeding,),
        LegInputs.release: (proceeding, accepted, calling, early, confirmed),
        LegInputs.acknowledge: (confirmed,),
        LegInputs.withdrawModification: (confirmed,),
        LegInputs.modificationAnswered: inDialog,
        LegInputs.relayAnswered: inDialog,
        LegInputs.cancelled: (proceeding, accepted, releasing),
        LegInputs.unproven: (proceeding, accepted, releasing),
        LegInputs.acknowledged: (accepted, releasing, confirmed),
        LegInputs.unacknowledged: (accepted, releasing, confirmed),
        LegInputs.provisional: inviting,
        LegInputs.accepted: (*inviting, cancelling),
        LegInputs.refused: (*inviting, cancelling),
        LegInputs.unreachable: (*inviting, cancelling),
        LegInputs.changeAnswered: (*inDialog, disconnecting),
        LegInputs.changeLost: inDialog,
        LegInputs.changeCancelled: (accepted, confirmed),
        LegInputs.vanished: (accepted, confirmed),
        LegInputs.byeFinished: (disconnecting,),
        LegInputs.noAnswer: inviting,
        LegInputs.refreshDue: (confirmed,),
    }
    for happening, places in answered.items():
        for state in everywhere:
            if state not in places:
                state.upon(happening).loop().returns(None)  # type: ignore[arg-type]


def respondUnknown(transaction: ServerTransaction) -> None:
    """
    There is no such dialog, or no longer.
    """
    transaction.respond(makeResponse(transaction.request, 481))


def tellNotNow(leg: Leg | None) -> None:
    """
    A change of the session has to wait, or comes too late.
    """
    if leg is not None:
        leg.tellModificationAnswered(491)


def tellNotThere(leg: Leg | None, event: Relayed) -> None:
    """
    Nothing can be sent to this far end now.
    """
    if leg is not None:
        leg.tellRelayAnswered(event.serial, 480)
