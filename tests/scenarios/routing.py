"""
Routing points: call model 3.6.

P is a routing point, at which a client of the default port says where calls go.
"""

from __future__ import annotations

from typing import Any

from attrs import evolve

from sipcluster.tlib import enums
from tests.scenarios.table import (
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

#: Of all events of a call to the routing point.
DIALLED: dict[str, Any] = {"dnis": "P"}
#: Of those of the routing point, and of whom the call is given.
THROUGH: dict[str, Any] = {"queue": "P", **DIALLED}
#: Where it went.
TO_B: dict[str, Any] = {"third": "B", "thirdRole": "Destination"}


def atPoint(event: str, state: str = "Ok", **more: Any) -> Row:
    """
    An event of the routing point.
    """
    return called(event, "P", "A", state, **{**THROUGH, **more})


def request(**more: Any) -> Row:
    """
    EventRouteRequest: only clients of the default port are asked.
    """
    return atPoint("EventRouteRequest", port="default", **more)


def used(kind: enums.RouteType = enums.RouteType.UNKNOWN, **more: Any) -> Row:
    """
    EventRouteUsed, which answers the request.
    """
    return answering(
        atPoint("EventRouteUsed", more=(("routeType", kind.label),), **more)
    )


A_DIALS = dialing("A", "P")
QUEUED = atPoint("EventQueued")
B_RINGS = ringing("B", "A", **THROUGH)
USED = used(**TO_B)
DIVERTED = atPoint("EventDiverted", **TO_B)
B_TALKS = established("B", "A", False, **THROUGH)
A_TALKS = established("A", "B", True, **DIALLED)
A_LEAVES = caller("EventReleased", "A", "B", **DIALLED)
B_LEAVES = called("EventReleased", "B", "A", **THROUGH)

CALLS = Step("A calls P", ("call", "A", "P"), (A_DIALS, QUEUED, request()))
ROUTES = Step(
    "P's client routes the call to B, who rings",
    ("RequestRouteCall", "P", "B"),
    (B_RINGS, USED, DIVERTED),
)
ANSWERS = Step("B answers", ("answer", "B"), (B_TALKS, A_TALKS))
A_HANGS_UP = Step("A hangs up", ("hangUp", "A"), (A_LEAVES, B_LEAVES))
GIVES_UP = Step(
    "A gives up",
    ("giveUp", "A"),
    (caller("EventReleased", "A", "P"), atPoint("EventAbandoned")),
)


def _treatment(event: str, kind: str, **more: Any) -> Row:
    return atPoint(
        event,
        "",
        more=(
            ("treatmentType", enums.TreatmentType[kind].label),
            *sorted(more.items()),
        ),
    )


def _section(name: str, title: str, *steps: Step) -> Scenario:
    return Scenario(name, title, "3.6", steps)


DATA = (("SKILL", "billing"),)

SCENARIOS = (
    _section("routed", "A calls P, is routed to B", CALLS, ROUTES, ANSWERS, A_HANGS_UP),
    _section("abandoned", "A gives up while it waits at P", CALLS, GIVES_UP),
    _section(
        "routedWithData",
        "What the router attaches is there when B rings",
        CALLS,
        Step(
            "P's client routes the call to B, with data",
            ("RequestRouteCall", "P", "B", "c1", DATA),
            (
                atPoint("EventAttachedDataChanged", "", third="P", data=DATA),
                caller(
                    "EventAttachedDataChanged",
                    *("A", "P", ""),
                    third="P",
                    data=DATA,
                ),
                *(evolve(row, data=DATA) for row in ROUTES.rows),
            ),
        ),
        *(
            evolve(step, rows=tuple(evolve(row, data=DATA) for row in step.rows))
            for step in (ANSWERS, A_HANGS_UP)
        ),
    ),
    _section(
        "routedToBusy",
        "B is busy: the router is told, and routes the call to C",
        CALLS,
        Step(
            "B is busy",
            ("RequestRouteCall", "P", "B", 486),
            (
                B_RINGS,
                evolve(B_LEAVES, state="Busy"),
            ),
            error="DN_BUSY",
        ),
        GIVES_UP,
    ),
    _section(
        "rejected",
        "The router rejects the call",
        CALLS,
        Step(
            "P's client rejects the call",
            ("RequestRouteCall", "P", (("routeType", "Reject"),)),
            (
                used(enums.RouteType.REJECT),
                atPoint("EventReleased", "Busy"),
                caller("EventReleased", "A", "P", "Busy"),
            ),
        ),
    ),
    _section(
        "rerouted",
        "B does not answer, and the call is back at P",
        CALLS,
        Step(
            "P's client routes the call to B, for ten seconds",
            (
                "RequestRouteCall",
                "P",
                (
                    ("otherDN", "B"),
                    ("extensions", (("NO_ANSWER_TIMEOUT", 10),)),
                ),
            ),
            ROUTES.rows,
        ),
        Step(
            "B does not answer",
            ("wait", "B", 10.0),
            (evolve(B_LEAVES, state="NoAnswer"), QUEUED, request()),
        ),
        GIVES_UP,
    ),
    _section(
        "given",
        "A hears music, and is asked for digits",
        CALLS,
        Step(
            "P's client gives music",
            ("RequestGiveMusicTreatment", "P", ()),
            (answering(_treatment("EventTreatmentApplied", "MUSIC")),),
        ),
        Step(
            "P's client asks for a digit",
            ("RequestCollectDigits", "P", ()),
            (answering(_treatment("EventTreatmentApplied", "COLLECT_DIGITS")),),
        ),
        Step(
            "A types",
            ("type", "A", "4"),
            (
                _treatment(
                    "EventTreatmentEnd",
                    "COLLECT_DIGITS",
                    collectedDigits="4",
                    lastCollectedDigit="4",
                ),
            ),
        ),
        ROUTES,
        ANSWERS,
        A_HANGS_UP,
    ),
)
