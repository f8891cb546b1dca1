"""
Hold and retrieve: call model 3.2.
"""

from __future__ import annotations

from tests.scenarios.table import Scenario, Step, answering, called, caller
from tests.scenarios.two_party import (
    A_HANGS_UP,
    A_RELEASES,
    ANSWERS,
    B_HANGS_UP,
    B_RELEASES,
    CALLS,
    LETS_ANSWER,
    MAKES,
)

B_HELD = called("EventHeld", "B", "A")
B_RETRIEVED = called("EventRetrieved", "B", "A")
A_HELD = caller("EventHeld", "A", "B")
A_RETRIEVED = caller("EventRetrieved", "A", "B")

B_HOLDS = Step("B holds", ("hold", "B"), (B_HELD,))
B_IS_BACK = Step("B is back", ("retrieve", "B"), (B_RETRIEVED,))
B_ASKS_HOLD = Step("B's client holds", ("RequestHoldCall", "B"), (answering(B_HELD),))
B_ASKS_BACK = Step(
    "B's client retrieves", ("RequestRetrieveCall", "B"), (answering(B_RETRIEVED),)
)
A_HOLDS = Step("A holds", ("hold", "A"), (A_HELD,))
A_IS_BACK = Step("A is back", ("retrieve", "A"), (A_RETRIEVED,))
A_ASKS_HOLD = Step("A's client holds", ("RequestHoldCall", "A"), (answering(A_HELD),))
A_ASKS_BACK = Step(
    "A's client retrieves", ("RequestRetrieveCall", "A"), (answering(A_RETRIEVED),)
)

SCENARIOS = (
    Scenario(
        "heldAndRetrievedByTelephone",
        "B's telephone holds and retrieves",
        "3.2",
        (CALLS, ANSWERS, B_HOLDS, B_IS_BACK, A_HANGS_UP),
    ),
    Scenario(
        "heldAndRetrievedByRequest",
        "B's client holds and retrieves",
        "3.2",
        (CALLS, ANSWERS, B_ASKS_HOLD, B_ASKS_BACK, A_HANGS_UP),
    ),
    Scenario(
        "allByRequest",
        "Made, answered, held, retrieved and released by T-Library",
        "3.2",
        (MAKES, LETS_ANSWER, A_ASKS_HOLD, A_ASKS_BACK, A_RELEASES),
    ),
    Scenario(
        "heldByCallersTelephone",
        "A's telephone holds and retrieves",
        "3.2",
        (CALLS, ANSWERS, A_HOLDS, A_IS_BACK, B_HANGS_UP),
    ),
    Scenario(
        "releasedWhileHeld",
        "A hangs up while B holds",
        "3.2",
        (CALLS, ANSWERS, B_HOLDS, A_HANGS_UP),
    ),
    Scenario(
        "releasedWhileHeldByRequest",
        "B's client holds, and releases",
        "3.2",
        (CALLS, ANSWERS, B_ASKS_HOLD, B_RELEASES),
    ),
    Scenario(
        "bothHold",
        "B's client holds, A's telephone holds, both come back",
        "3.2",
        (CALLS, ANSWERS, B_ASKS_HOLD, A_HOLDS, A_IS_BACK, B_ASKS_BACK, A_HANGS_UP),
    ),
    Scenario(
        "holdTwice",
        "What is held already cannot be held, what is not cannot be retrieved",
        "3.2",
        (
            CALLS,
            Step(
                "B's client holds the ringing call",
                ("RequestHoldCall", "B"),
                error="WRONG_SET_STATE",
            ),
            ANSWERS,
            Step(
                "B's client retrieves",
                ("RequestRetrieveCall", "B"),
                error="ALREADY_IN_STATE",
            ),
            B_ASKS_HOLD,
            Step(
                "B's client holds again",
                ("RequestHoldCall", "B"),
                error="ALREADY_IN_STATE",
            ),
            B_ASKS_BACK,
            A_HANGS_UP,
        ),
    ),
)
