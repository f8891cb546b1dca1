"""
Predictive calls: call model 3.7.

P calls O, and the call waits at P when somebody answers there.
"""

from __future__ import annotations

from typing import Any

from attrs import evolve

from sipcluster.tlib import enums
from tests.scenarios.table import Row, Scenario, Step, answering, called, caller

#: Of all events of the call.
OUT: dict[str, Any] = {"ani": "P", "dnis": "9O", "callType": "Outbound"}
AT_P: dict[str, Any] = {**OUT, "queue": "P"}
TO_B: dict[str, Any] = {"third": "B", "thirdRole": "Destination"}
UNKNOWN = (("routeType", enums.RouteType.UNKNOWN.label),)


def point(event: str, state: str = "Ok", **more: Any) -> Row:
    """
    An event of the routing point, which has called.
    """
    return caller(event, "P", "O", state, **{**OUT, **more})


def waiting(event: str, state: str = "Ok", **more: Any) -> Row:
    """
    The same when the call waits there.
    """
    return point(event, state, **{**AT_P, **more})


def agent(event: str) -> Row:
    """
    An event of whom the call is given: both were called.
    """
    return evolve(called(event, "B", "O", **AT_P), otherRole="Destination")


MAKES = Step(
    "P's client asks for a call to O, which rings",
    ("RequestMakePredictiveCall", "P", (("otherDN", "9O"), ("timeout", 20))),
    (
        answering(point("EventDialing", ani="")),
        point("EventNetworkReached"),
    ),
)
BUSY = Step(
    "O is busy",
    ("refuse", "O", 486),
    (point("EventDestinationBusy", "Busy"), point("EventReleased", "Busy")),
)

SCENARIOS = (
    Scenario(
        "predictive",
        "P calls O, who answers, and is routed to B",
        "3.7",
        (
            MAKES,
            Step(
                "O answers",
                ("answer", "O"),
                (
                    point("EventEstablished"),
                    waiting("EventQueued"),
                    waiting("EventRouteRequest", port="default"),
                ),
            ),
            Step(
                "P's client routes the call to B, who rings",
                ("RequestRouteCall", "P", "B"),
                (
                    agent("EventRinging"),
                    answering(waiting("EventRouteUsed", more=UNKNOWN, **TO_B)),
                    waiting("EventDiverted", **TO_B),
                ),
            ),
            Step(
                "B answers",
                ("answer", "B"),
                (agent("EventEstablished"),),
            ),
            Step(
                "B hangs up",
                ("hangUp", "B"),
                (agent("EventReleased"),),
            ),
        ),
    ),
    Scenario("predictiveBusy", "P calls O, who is busy", "3.7", (MAKES, BUSY)),
    Scenario(
        "predictiveNoAnswer",
        "P calls O, where nobody answers",
        "3.7",
        (
            MAKES,
            Step(
                "nobody answers",
                ("wait", "O", 20.0),
                tuple(evolve(row, state="NoAnswer") for row in BUSY.rows),
            ),
        ),
    ),
)
