"""
Tests for sipcluster.sessioncontroller.leg_states and party: what may happen when.
"""

from __future__ import annotations

from automat import NoTransition
from twisted.trial.unittest import SynchronousTestCase

from sipcluster.sessioncontroller import leg_states, party
from sipcluster.sessioncontroller.events import (
    Answered,
    CallEvent,
    CallType,
    PartyView,
    Released,
    Role,
)
from sipcluster.sessioncontroller.leg_states import GONE, legMachine
from sipcluster.sessioncontroller.party import Party
from sipcluster.sip.machine import stateName
from sipcluster.testing.machines import unanswered

#: What only the call itself does, and does right.
_OURS = {"arrive", "place"}


class LegMachineTests(SynchronousTestCase):
    """
    The machine of a leg.
    """

    def test_everythingIsAnsweredInEveryState(self) -> None:
        """
        No input, of a far end, of the other leg or of time, is ever an
        unexpected transition.
        """
        machine = leg_states._machine
        inputs = set(machine.__automat_automaton__.inputAlphabet())
        self.assertTrue(inputs > _OURS)
        self.assertEqual(unanswered(machine, inputs), set())

    def test_gone(self) -> None:
        """
        What stands in for a leg that is gone takes anything.
        """
        for _ in range(2):
            GONE.byeFinished()
            GONE.unacknowledged()
            GONE.release(None, b"")  # type: ignore[arg-type]
            GONE.modify(None)  # type: ignore[arg-type]
            GONE.relay(None)  # type: ignore[arg-type]
        self.assertEqual(stateName(GONE), "Terminated")

    def test_madeInAnyState(self) -> None:
        """
        A machine can begin in any state: so a call is gone on with.
        """
        self.assertEqual(stateName(legMachine(None, "Confirmed")), "Confirmed")


class PartyMachineTests(SynchronousTestCase):
    """
    The machine of a party.
    """

    def setUp(self) -> None:
        self.told: list[CallEvent] = []
        view = PartyView(
            "0" * 16,
            "0" * 32,
            CallType.INTERNAL,
            "1001",
            Role.ORIGINATION,
            True,
            "1002",
            Role.DESTINATION,
            "1001",
            "1002",
        )
        self.party = Party(view, self.told.append)
        self.event = CallEvent(view, 0.0)

    def test_everythingIsAnsweredInEveryState(self) -> None:
        """
        No input is ever an unexpected transition.
        """
        machine = party._machine
        inputs = set(machine.__automat_automaton__.inputAlphabet())
        self.assertEqual(unanswered(machine, inputs), set())

    def test_toldOnce(self) -> None:
        """
        A release is told once, however often it is said, and nothing after it.
        """
        machine = self.party.machine
        machine.initiated(self.event)
        for _ in range(2):
            machine.cleared(self.event)
        machine.connected(self.event)
        machine.held(self.event)
        self.assertEqual(len(self.told), 2)
        self.assertEqual(self.party.state, "Cleared")
        self.assertFalse(self.party.answered)

    def test_neverTold(self) -> None:
        """
        A party of which nothing was told is cleared silently.
        """
        self.party.machine.cleared(self.event)
        self.assertEqual(self.told, [])

    def test_hold(self) -> None:
        """
        Hold and retrieve alternate; what changes nothing is not told.
        """
        machine = self.party.machine
        machine.initiated(self.event)
        machine.retrieved(self.event)
        machine.connected(Answered(self.party.view, 1.0))
        self.assertTrue(self.party.answered)
        machine.retrieved(self.event)
        machine.held(self.event)
        machine.held(self.event)
        machine.updated(self.event)
        machine.retrieved(self.event)
        machine.updated(self.event)
        self.assertEqual(len(self.told), 6)
        self.assertEqual(self.party.state, "Connected")

    def test_forgotten(self) -> None:
        """
        A forgotten party tells nothing, and takes anything.
        """
        self.party.forget()
        self.party.machine.cleared(self.event)
        self.party.tell(self.event)
        self.assertEqual(self.told, [])

    def test_ourMistake(self) -> None:
        """
        An input that does not exist is a mistake of ours, and raises.
        """
        self.assertRaises(AttributeError, getattr, self.party.machine, "flown")
        self.assertTrue(issubclass(NoTransition, Exception))

    def test_lastWord(self) -> None:
        """
        Released is the last event of a party that was connected.
        """
        machine = self.party.machine
        machine.alerted(self.event)
        machine.progressed(self.event)
        machine.connected(self.event)
        last = Released(self.party.view, 2.0, None)  # type: ignore[arg-type]
        machine.cleared(last)
        machine.progressed(self.event)
        self.assertIs(self.told[-1], last)
