"""
User data: call model 3.9.
"""

from __future__ import annotations

from attrs import evolve

from sipcluster.wire.kvlist import KVList
from tests.scenarios.table import (
    HERE,
    Row,
    Scenario,
    Step,
    answering,
    called,
    caller,
    dialing,
    established,
    ringing,
)
from tests.scenarios.two_party import A_HANGS_UP, ANSWERS, CALLS

FIRST: KVList = (("customer", "4711"), ("tries", 1))
MORE: KVList = (("customer", "0815"), ("blob", b"\x00\xff"), ("list", (("a", "b"),)))
BOTH: KVList = (*FIRST, *MORE)
NEW: KVList = (("customer", "12"), ("tries", 2))


def changed(by: str, data: KVList) -> tuple[Row, ...]:
    """
    EventAttachedDataChanged of both parties; the asking one is told first.
    """
    rows = (
        caller("EventAttachedDataChanged", "A", "B", "", third=by, data=data),
        called("EventAttachedDataChanged", "B", "A", "", third=by, data=data),
    )
    first, second = rows if by == "A" else rows[::-1]
    return answering(first), second


def _with(step: Step, data: KVList) -> Step:
    """
    A step whose events carry user data.
    """
    return evolve(step, rows=tuple(evolve(row, data=data) for row in step.rows))


SCENARIOS = (
    Scenario(
        "attachedUpdatedDeleted",
        "A's client attaches, B's client updates and deletes",
        "3.9",
        (
            CALLS,
            ANSWERS,
            Step(
                "A's client attaches two pairs",
                ("RequestAttachUserData", "A", FIRST),
                changed("A", FIRST),
            ),
            Step(
                "B's client attaches three more; a key may stand twice",
                ("RequestAttachUserData", "B", MORE),
                changed("B", BOTH),
            ),
            Step(
                "B's client deletes one pair",
                ("RequestDeletePair", "B", "blob"),
                changed("B", tuple(pair for pair in BOTH if pair[0] != "blob")),
            ),
            Step(
                "A's client deletes all",
                ("RequestDeleteUserData", "A"),
                changed("A", ()),
            ),
            A_HANGS_UP,
        ),
    ),
    Scenario(
        "updated",
        "A pair that is updated is replaced where it stands, or added",
        "3.9",
        (
            CALLS,
            Step(
                "B's client attaches while B rings",
                ("RequestAttachUserData", "B", FIRST),
                changed("B", FIRST),
            ),
            _with(ANSWERS, FIRST),
            Step(
                "A's client updates",
                ("RequestUpdateUserData", "A", NEW),
                changed("A", NEW),
            ),
            _with(A_HANGS_UP, NEW),
        ),
    ),
    Scenario(
        "madeWithUserData",
        "A's client makes a call with user data: all events carry it",
        "3.9",
        (
            Step(
                "A's client asks for the call",
                ("RequestMakeCall", "A", "B", FIRST),
                (
                    answering(dialing("A", "B", data=FIRST)),
                    ringing("B", "A", data=FIRST),
                ),
            ),
            Step(
                "B answers",
                ("answer", "B"),
                (
                    established("B", "A", False, data=FIRST),
                    established("A", "B", True, data=FIRST),
                ),
            ),
            _with(A_HANGS_UP, FIRST),
        ),
    ),
    Scenario(
        "dataGoesWithTheCall",
        "What is attached while B rings goes with the redirected call to C",
        "3.9",
        (
            CALLS,
            Step(
                "A's client attaches",
                ("RequestAttachUserData", "A", FIRST),
                changed("A", FIRST),
            ),
            Step(
                "B's client redirects to C",
                ("RequestRedirectCall", "B", "C"),
                (
                    answering(
                        called("EventReleased", "B", "A", "Redirected", data=FIRST)
                    ),
                    ringing("C", "A", dnis="B", data=FIRST),
                ),
            ),
            Step(
                "A gives up",
                ("giveUp", "A"),
                (
                    caller("EventReleased", "A", "C", dnis="B", data=FIRST),
                    called("EventAbandoned", "C", "A", dnis="B", data=FIRST),
                ),
            ),
        ),
    ),
    Scenario(
        "userEvent",
        "B's client tells the clients of its own DN something",
        "3.9",
        (
            Step(
                "B's client sends a user event",
                (
                    "RequestDistributeUserEvent",
                    "B",
                    (("userEvent", 1000), ("userData", FIRST)),
                ),
                (
                    Row(
                        "EventUserEvent",
                        "B",
                        conn="",
                        ani="",
                        dnis="",
                        more=(("userEvent", 1000), ("userData", FIRST)),
                        port=HERE,
                    ),
                    Row(
                        "EventACK",
                        "B",
                        conn="",
                        ani="",
                        dnis="",
                        answers=True,
                        port=HERE,
                        private=True,
                    ),
                ),
            ),
        ),
    ),
)
