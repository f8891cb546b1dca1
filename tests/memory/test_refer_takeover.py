"""
A member of a pair dies at each turn of a transfer by a telephone, and the other one
goes on.
"""

from __future__ import annotations

from tests.memory.conversations import replacing
from tests.memory.test_calls_takeover import Step, TakeoverLives, call, does, waits
from tests.memory.test_replaces import speaksOf
from tests.memory.test_transfers_takeover import (
    TALKS,
    TransferLives,
    addLives,
    ends,
    hears,
)


def refers(to: str) -> Step:
    """
    Bob's telephone sends the call on to a number.
    """

    def act(test: TakeoverLives) -> None:
        assert isinstance(test, TransferLives)
        line = test.line("B", test.known[0])
        line.refer(f"<sip:{to}@lab.example>".encode())

    return act


def refersToCall(test: TakeoverLives) -> None:
    """
    Bob's telephone connects its two calls.
    """
    assert isinstance(test, TransferLives)
    line, other = (test.line("B", connID) for connID in test.known[:2])
    line.refer(replacing(other).encode())


def replaces(letter: str, other: str) -> Step:
    """
    A telephone takes the place of another one.
    """

    def act(test: TakeoverLives) -> None:
        assert isinstance(test, TransferLives)
        line = test.desks[letter].newLine()
        value = speaksOf(test.legOf(other, test.known[0]))
        body = line.description()
        request = line.phone.request(b"INVITE", "1002", [(b"Replaces", value)], body)
        line.begins(request)

    return act


CONSULTS = [*TALKS, does("B", "hold"), call("B", "1003"), does("C", "answer")]


class LifeTests(TransferLives):
    """
    Each life is lived once whole, and then three times for each turn in which the
    first member does something: there it dies.
    """

    lives = {
        "blind": [
            *TALKS,
            refers("1003"),
            waits(5),
            does("C", "answer"),
            hears("A", "C"),
            *ends("A"),
        ],
        "blindInVain": [
            *TALKS,
            refers("1003"),
            waits(5),
            does("C", "refuse", 486),
            hears("A", "B"),
            *ends("A"),
        ],
        "blindHangsUp": [
            *TALKS,
            refers("1003"),
            waits(5),
            *ends("B"),
            waits(5),
            does("C", "answer"),
            hears("A", "C"),
            *ends("C"),
        ],
        "replaces": [*TALKS, replaces("C", "B"), hears("A", "C"), *ends("A")],
        "pickUp": [
            call("A", "1002"),
            replaces("C", "B"),
            hears("A", "C"),
            *ends("C"),
        ],
        "attended": [*CONSULTS, refersToCall, hears("A", "C"), *ends("A")],
    }


addLives(LifeTests)
