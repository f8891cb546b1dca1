"""
A party: the state of one DN in one call, in the words of ECMA-269.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from attrs import evolve
from automat import TypeMachine, TypeMachineBuilder

from sipcluster.sessioncontroller.events import CallEvent, CallType, PartyView
from sipcluster.sessioncontroller.standing import AS_USUAL, Standing
from sipcluster.sessioncontroller.values import PartyValue
from sipcluster.sip.machine import indexed, stateName


class PartyInputs(Protocol):
    """
    What may happen to a party.  Each input brings the event that tells of it,
    and the event sinks get it when it changes something.
    """

    def initiated(self, event: CallEvent) -> None:
        "It asks for a call."

    def alerted(self, event: CallEvent) -> None:
        "Its device was told of a call."

    def progressed(self, event: CallEvent) -> None:
        "Its device said something about that."

    def connected(self, event: CallEvent) -> None:
        "It is connected."

    def held(self, event: CallEvent) -> None:
        "It put the others on hold."

    def retrieved(self, event: CallEvent) -> None:
        "It is back."

    def updated(self, event: CallEvent) -> None:
        "Its session changed otherwise."

    def failed(self, event: CallEvent) -> None:
        "It cannot have the call it asked for."

    def cleared(self, event: CallEvent) -> None:
        "It is out of the call."

    def queued(self, event: CallEvent) -> None:
        "It is a routing point, at which the call waits."

    def told(self, event: CallEvent) -> None:
        "Something happened that changes nothing of its state."


class Party:
    """
    One DN in one call.

    @ivar view: how events name it.
    @ivar answered: it has been connected.
    @ivar standing: who hears it, and whom it hears.
    """

    __slots__ = ("__weakref__", "_publish", "answered", "machine", "standing", "view")

    def __init__(
        self,
        view: PartyView,
        publish: Callable[[CallEvent], None],
        state: str = "Null",
        answered: bool = False,
    ) -> None:
        self.view = view
        self.answered = answered
        self.standing: Standing = AS_USUAL
        self._publish: Callable[[CallEvent], None] | None = publish
        self.machine: PartyInputs = _make(self, state)

    @property
    def state(self) -> str:
        """
        The name of its state.
        """
        return stateName(self.machine)

    @property
    def live(self) -> bool:
        """
        Whether it has begun, and is not out of the call.
        """
        return self.state not in ("Null", "Cleared")

    def tell(self, event: CallEvent) -> None:
        """
        Give an event to the sinks.
        """
        if self._publish is not None:
            self._publish(event)

    def meet(self, other: Party) -> None:
        """
        Another party is the other one from now on, and the call is of the type
        that makes it.
        """
        theirs = other.view
        self.view = evolve(
            self.view,
            callType=theirs.callType,
            otherDN=theirs.thisDN,
            otherRole=theirs.thisRole,
        )

    def isOf(self, callType: CallType) -> None:
        """
        The call is of this type.
        """
        if self.view.callType is not callType:
            self.view = evolve(self.view, callType=callType)

    def isAt(self, queue: str) -> None:
        """
        The call waits at this routing point, or has come from there.
        """
        self.view = evolve(self.view, thisQueue=queue)

    def forget(self) -> None:
        """
        The call is over: let go of everything.
        """
        self._publish = None
        self.machine = _GONE

    def value(self, callType: CallType) -> PartyValue:
        """
        Write it down.

        @param callType: that of its call.
        """
        view = self.view
        return PartyValue(
            view.thisDN,
            view.thisRole,
            view.internal,
            self.state,
            self.answered,
            view.otherDN,
            view.otherRole,
            view.previousConnID,
            view.thisQueue,
            view.conference,
            None if view.callType is callType else view.callType,
            None if self.standing is AS_USUAL else self.standing,
            view.hidden,
        )


def _build() -> TypeMachine[PartyInputs, Party]:
    m = TypeMachineBuilder(PartyInputs, Party)
    null = m.state("Null")
    initiated = m.state("Initiated")
    alerting = m.state("Alerting")
    connected = m.state("Connected")
    hold = m.state("Hold")
    failed = m.state("Failed")
    cleared = m.state("Cleared")
    queued = m.state("Queued")
    live = (initiated, alerting, connected, hold, failed, queued)
    everywhere = (null, *live, cleared)

    @null.upon(PartyInputs.initiated).to(initiated)
    @null.upon(PartyInputs.alerted).to(alerting)
    @null.upon(PartyInputs.queued).to(queued)
    @connected.upon(PartyInputs.queued).to(queued)
    @queued.upon(PartyInputs.cleared).to(cleared)
    @alerting.upon(PartyInputs.progressed).loop()
    @connected.upon(PartyInputs.held).to(hold)
    @hold.upon(PartyInputs.retrieved).to(connected)
    @connected.upon(PartyInputs.updated).loop()
    @hold.upon(PartyInputs.updated).loop()
    @initiated.upon(PartyInputs.failed).to(failed)
    @initiated.upon(PartyInputs.cleared).to(cleared)
    @alerting.upon(PartyInputs.cleared).to(cleared)
    @connected.upon(PartyInputs.cleared).to(cleared)
    @hold.upon(PartyInputs.cleared).to(cleared)
    @failed.upon(PartyInputs.cleared).to(cleared)
    def tell(party: PartyInputs, s: Party, event: CallEvent) -> None:
        s.tell(event)

    @initiated.upon(PartyInputs.connected).to(connected)
    @alerting.upon(PartyInputs.connected).to(connected)
    def connect(party: PartyInputs, s: Party, event: CallEvent) -> None:
        s.answered = True
        s.tell(event)

    for state in live:

        @state.upon(PartyInputs.told).loop()
        def pass_(party: PartyInputs, s: Party, event: CallEvent) -> None:
            s.tell(event)

    null.upon(PartyInputs.told).loop().returns(None)
    cleared.upon(PartyInputs.told).loop().returns(None)

    # What both ends say at the same time, or again, changes nothing.
    null.upon(PartyInputs.cleared).to(cleared).returns(None)
    cleared.upon(PartyInputs.cleared).loop().returns(None)
    for state in everywhere:
        if state is not null:
            state.upon(PartyInputs.initiated).loop().returns(None)
            state.upon(PartyInputs.alerted).loop().returns(None)
        if state not in (null, connected):
            state.upon(PartyInputs.queued).loop().returns(None)
        if state is not alerting:
            state.upon(PartyInputs.progressed).loop().returns(None)
        if state not in (initiated, alerting):
            state.upon(PartyInputs.connected).loop().returns(None)
        if state is not connected:
            state.upon(PartyInputs.held).loop().returns(None)
        if state is not hold:
            state.upon(PartyInputs.retrieved).loop().returns(None)
        if state not in (connected, hold):
            state.upon(PartyInputs.updated).loop().returns(None)
        if state is not initiated:
            state.upon(PartyInputs.failed).loop().returns(None)
    return m.build()


_machine = indexed(_build())
_STATES = {state.name: state for state in _machine.__automat_automaton__.states()}


def _make(party: object, state: str) -> PartyInputs:
    return _machine(party, _STATES[state])  # type: ignore[call-overload,no-any-return]


#: What stands in for the machine of a party that was forgotten.
_GONE = _make(None, "Cleared")
