"""
Questions to ask of an Automat machine.
"""

from __future__ import annotations

from typing import Any

from automat import TypeMachine


def states(machine: TypeMachine[Any, Any]) -> set[str]:
    """
    The names of the states of a machine.
    """
    return {state.name for state in machine.__automat_automaton__.states()}


def inputs(machine: TypeMachine[Any, Any]) -> set[str]:
    """
    The names of the inputs that have a transition somewhere.
    """
    return set(machine.__automat_automaton__.inputAlphabet())


def unanswered(
    machine: TypeMachine[Any, Any],
    inputs: set[str],
    besides: frozenset[str] = frozenset(),
) -> set[tuple[str, str]]:
    """
    Find the (state, input) pairs that would raise C{NoTransition}.

    @param inputs: names of the inputs a peer or a timer can cause.
    @param besides: names of the states no such input can reach.
    """
    automaton = machine.__automat_automaton__
    answered = {
        (state.name, name) for (state, name, _, _) in automaton.allTransitions()
    }
    reachable = states(machine) - besides
    return {(state, name) for state in reachable for name in inputs} - answered
