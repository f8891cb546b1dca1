"""
Automat machines that step in a fraction of a microsecond.

Automat finds a transition by walking the set of all transitions: 6 µs for a
machine of six states and ten inputs, which is more than a whole transaction may
cost.  L{indexed} takes a built machine and gives one that is the same for its
users, for C{automat-visualize} and for the tests (a L{TypeMachine} with the same
automaton), but finds each transition in a dictionary, and its instances have
slots.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from automat import NoTransition, TypeMachine

Input = TypeVar("Input")
Core = TypeVar("Core")


class _Row(dict[str, tuple["_Row", Callable[..., object]]]):
    """
    What happens in one state: name of the input to next state and output.
    """

    __slots__ = ("state",)

    def __init__(self, state: Any) -> None:
        self.state = state


class _Indexed:
    """
    One machine: its core, its state, and the inputs that wait until the output
    that caused them has ended.
    """

    __slots__ = ("__weakref__", "_core", "_postponed", "_row", "_running")

    def __init__(self, core: object, row: _Row) -> None:
        self._core = core
        self._row = row
        self._running = False
        self._postponed: list[tuple[Callable[..., object], tuple[object, ...]]] | None
        self._postponed = None


def stateName(machine: object) -> str:
    """
    The name of the state in which a machine made by L{indexed} is.
    """
    return cast(str, cast(_Indexed, machine)._row.state.name)


def _implement(name: str, answers: bool) -> Callable[..., object]:
    """
    Make the method of one input.

    @param answers: it returns something, and so cannot wait.
    """

    def step(self: _Indexed, *args: object) -> object:
        if self._running:
            if answers:
                raise RuntimeError(f"{name} wants an answer while an output runs")
            if self._postponed is None:
                self._postponed = []
            self._postponed.append((step, args))
            return None
        try:
            self._row, output = self._row[name]
        except KeyError:
            raise NoTransition(self._row.state, name) from None
        self._running = True
        try:
            result = output(self, self._core, *args)
        except BaseException:
            self._postponed = None
            raise
        finally:
            self._running = False
        if self._postponed is not None:
            postponed, self._postponed = self._postponed, None
            for method, arguments in postponed:
                method(self, *arguments)
        return result

    step.__name__ = step.__qualname__ = name
    return step


@dataclass(frozen=True)
class _IndexedMachine(TypeMachine[Input, Core]):
    """
    A L{TypeMachine} whose instances are found, not searched.
    """

    rows: dict[str, _Row]
    initial: _Row

    def __call__(self, core: Core, state: Any = None, dataFactory: Any = None) -> Input:
        """
        Make a machine, in its first state or in the given one.
        """
        row = self.initial if state is None else self.rows[state.name]
        # Declared as Automat's own class, which takes a state and not a row.
        return cast(Input, self.__automat_type__(core, row))  # type: ignore[arg-type]


def indexed(
    machine: TypeMachine[Input, Core], answering: frozenset[str] = frozenset()
) -> TypeMachine[Input, Core]:
    """
    Make the fast form of a built machine.

    @param answering: names of the inputs that return something.  As with
        Automat, they cannot be called from an output.

    @raise ValueError: a state has data of its own; a core keeps it instead.
    """
    automaton = machine.__automat_automaton__
    rows = {state.name: _Row(state) for state in automaton.states()}
    for state, name, new, outputs in automaton.allTransitions():
        if len(outputs) != 1 or not hasattr(outputs[0], "method"):
            raise ValueError(f"{state.name}, {name}: states with data are not indexed")
        rows[state.name][name] = (rows[new.name], outputs[0].method)
    kind = type(
        machine.__automat_type__.__name__,
        (_Indexed,),
        {"__slots__": ()}
        | {
            name: _implement(name, name in answering)
            for name in automaton.inputAlphabet()
        },
    )
    return _IndexedMachine(
        cast(Any, kind), automaton, rows, rows[automaton.initialState.name]
    )
