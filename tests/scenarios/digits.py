"""
Digits that are sent by request: no call model of their own.
"""

from __future__ import annotations

from tests.scenarios.table import Scenario, Step, answering, called, caller
from tests.scenarios.two_party import A_HANGS_UP, ANSWERS, CALLS

DIGITS = "12#"
SENT = (("dtmfDigits", DIGITS),)

SCENARIOS = (
    Scenario(
        "digits",
        "A's client, then B's client sends digits to the other one",
        "3.1",
        (
            CALLS,
            Step(
                "A's client sends digits while B rings",
                ("RequestSendDTMF", "A", DIGITS),
                error="WRONG_SET_STATE",
            ),
            ANSWERS,
            Step(
                "A's client sends digits",
                ("RequestSendDTMF", "A", DIGITS),
                (answering(caller("EventDTMFSent", "A", "B", "", more=SENT)),),
            ),
            Step(
                "B's client sends digits",
                ("RequestSendDTMF", "B", DIGITS),
                (answering(called("EventDTMFSent", "B", "A", "", more=SENT)),),
            ),
            Step(
                "A's client sends what is no digit",
                ("RequestSendDTMF", "A", "1x"),
                error="BAD_PARAMETER",
            ),
            A_HANGS_UP,
        ),
    ),
)
