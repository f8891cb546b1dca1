"""
Tests for L{sipcluster.sip.machine}.
"""

from __future__ import annotations

from typing import Protocol

from attrs import define
from automat import NoTransition, TypeMachine, TypeMachineBuilder
from twisted.trial.unittest import SynchronousTestCase

from sipcluster.sip.machine import indexed, stateName


class Door(Protocol):
    """
    What may happen to a door.
    """

    def push(self, by: str) -> None:
        "Someone pushes it."

    def pull(self) -> None:
        "Someone pulls it."

    def ask(self) -> str:
        "Someone asks whether it is open."


@define(eq=False)
class _Core:
    done: list[str]


def _build() -> TypeMachine[Door, _Core]:
    m = TypeMachineBuilder(Door, _Core)
    shut = m.state("Shut")
    ajar = m.state("Ajar")
    broken = m.state("Broken")

    @shut.upon(Door.push).to(ajar)
    def open(door: Door, s: _Core, by: str) -> None:
        s.done.append(f"opening for {by}")
        if by == "a child":
            door.pull()
        if by == "a curious one":
            door.ask()
        if by == "a brute":
            door.pull()
            raise RuntimeError("splinters")
        s.done.append("open")

    @ajar.upon(Door.pull).to(shut)
    def close(door: Door, s: _Core) -> None:
        s.done.append("shut")

    ajar.upon(Door.push).to(broken).returns(None)
    shut.upon(Door.ask).loop().returns("no")
    ajar.upon(Door.ask).loop().returns("yes")
    return m.build()


_machine = indexed(_build(), frozenset(["ask"]))


class IndexedTests(SynchronousTestCase):
    """
    An indexed machine does what Automat's own does.
    """

    def setUp(self) -> None:
        self.core = _Core([])
        self.door = _machine(self.core)

    def test_steps(self) -> None:
        """
        An input moves the state, then calls its output.
        """
        self.assertEqual(stateName(self.door), "Shut")
        self.door.push("a guest")
        self.assertEqual(stateName(self.door), "Ajar")
        self.assertEqual(self.core.done, ["opening for a guest", "open"])

    def test_answers(self) -> None:
        """
        An input that returns something returns what its output does.
        """
        self.assertEqual(self.door.ask(), "no")
        self.door.push("a guest")
        self.assertEqual(self.door.ask(), "yes")

    def test_inputsFromOutputsWait(self) -> None:
        """
        An input that comes from an output takes effect when that has ended.
        """
        self.door.push("a child")
        self.assertEqual(self.core.done, ["opening for a child", "open", "shut"])
        self.assertEqual(stateName(self.door), "Shut")

    def test_noAnswerFromOutputs(self) -> None:
        """
        An input that returns something cannot wait, and says so.
        """
        self.assertRaises(RuntimeError, self.door.push, "a curious one")

    def test_failingOutput(self) -> None:
        """
        When an output raises, the state has moved, what it postponed is
        dropped, and the machine goes on.
        """
        self.assertRaises(RuntimeError, self.door.push, "a brute")
        self.assertEqual(stateName(self.door), "Ajar")
        self.door.pull()
        self.assertEqual(stateName(self.door), "Shut")

    def test_noTransition(self) -> None:
        """
        An input without a transition is our own mistake.
        """
        error = self.assertRaises(NoTransition, self.door.pull)
        self.assertEqual((error.state.name, error.symbol), ("Shut", "pull"))
        self.assertEqual(stateName(self.door), "Shut")

    def test_madeInAState(self) -> None:
        """
        A machine can be made in a given state.
        """
        states = _machine.__automat_automaton__.states()
        [ajar] = [state for state in states if state.name == "Ajar"]
        door = _machine(self.core, ajar)  # type: ignore[arg-type]
        self.assertEqual(door.ask(), "yes")

    def test_statesWithData(self) -> None:
        """
        A machine that keeps data in its states is refused.
        """
        m = TypeMachineBuilder(Door, _Core)
        m.state("Shut").upon(Door.push).to(
            m.state("Ajar", lambda door, core, by: by)
        ).returns(None)
        self.assertRaises(ValueError, indexed, m.build())
