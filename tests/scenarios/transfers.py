"""
Consultation and transfer: call models 3.3 and 3.4.

c1 is the call of A and B, c2 that in which B asks C about it.
"""

from __future__ import annotations

from typing import Any

from attrs import evolve

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
from tests.scenarios.two_party import A_RELEASED, ANSWERS, B_RELEASED, CALLS

#: Of the rows of a consultation.
CONSULT: dict[str, Any] = {"conn": "c2", "callType": "Consult", "previous": "c1"}

B_HELD = called("EventHeld", "B", "A")
B_RETRIEVED = called("EventRetrieved", "B", "A")
B_DIALS = dialing("B", "C", transfer="c1", **CONSULT)
C_RINGS = ringing("C", "B", **CONSULT)
C_TALKS = established("C", "B", False, **CONSULT)
B_TALKS = established("B", "C", True, **CONSULT)
B_LEAVES_C2 = caller("EventReleased", "B", "C", **CONSULT)
C_LEAVES_C2 = called("EventReleased", "C", "B", **CONSULT)

#: B leaves both.
TRANSFERRED: dict[str, Any] = {"state": "Transferred"}
B_GONE = (
    answering(evolve(B_LEAVES_C2, **TRANSFERRED)),
    evolve(B_RELEASED, **TRANSFERRED),
)

#: Who did it.
BY_B: dict[str, Any] = {"third": "B", "thirdRole": "TransferredBy"}

#: A has C instead of B in c1, and C comes there from c2.
A_CHANGED = caller("EventPartyChanged", "A", "C", dnis="B", **TRANSFERRED, **BY_B)
C_CHANGED = called(
    "EventPartyChanged", "C", "A", dnis="B", previous="c2", **TRANSFERRED, **BY_B
)
A_AND_C_END = (
    called("EventReleased", "C", "A", dnis="B"),
    caller("EventReleased", "A", "C", dnis="B"),
)
C_HANGS_UP = Step("C hangs up", ("hangUp", "C"), A_AND_C_END)
A_HANGS_UP = Step("A hangs up", ("hangUp", "A"), A_AND_C_END[::-1])

INITIATES = Step(
    "B's client asks for a consultation; B's telephone answers by itself",
    ("RequestInitiateTransfer", "B", "C"),
    (B_HELD, answering(B_DIALS), C_RINGS),
)
C_ANSWERS = Step("C answers", ("answer", "C"), (C_TALKS, B_TALKS))
COMPLETES = Step(
    "B's client completes the transfer",
    ("RequestCompleteTransfer", "B", "c1", "c2"),
    (*B_GONE, A_CHANGED, C_CHANGED),
)

#: How it begins.
CONSULTS = (CALLS, ANSWERS, INITIATES, C_ANSWERS)


def _section(name: str, title: str, *steps: Step, section: str = "3.3") -> Scenario:
    return Scenario(name, title, section, steps)


def _completing(what: str, *do: Any, first: Row = B_GONE[0]) -> Step:
    """
    The transfer is completed by another request.
    """
    return evolve(COMPLETES, what=what, do=do, rows=(first, *COMPLETES.rows[1:]))


SCENARIOS = (
    _section(
        "transferred",
        "B asks C, and transfers",
        *CONSULTS,
        COMPLETES,
        C_HANGS_UP,
    ),
    _section(
        "transferredOtherWayRound",
        "The request may name the two calls in either order",
        *CONSULTS,
        evolve(COMPLETES, do=("RequestCompleteTransfer", "B", "c2", "c1")),
        A_HANGS_UP,
    ),
    _section(
        "merged",
        "B asks C, and merges the calls without staying",
        *CONSULTS,
        _completing(
            "B's client merges the calls",
            *("RequestMergeCalls", "B", "c1", "c2", ("mergeType", "Transfer")),
        ),
        C_HANGS_UP,
    ),
    _section(
        "transferredWhileRinging",
        "B transfers while C rings",
        CALLS,
        ANSWERS,
        INITIATES,
        COMPLETES,
        Step(
            "C answers",
            ("answer", "C"),
            (called("EventEstablished", "C", "A", dnis="B"),),
        ),
        C_HANGS_UP,
    ),
    _section(
        "dataInConsultation",
        "The consultation has what is attached to the call, and its own",
        CALLS,
        ANSWERS,
        Step(
            "B's client attaches",
            ("RequestAttachUserData", "B", (("ACCOUNT", "4711"),)),
            (
                answering(
                    called(
                        "EventAttachedDataChanged",
                        "B",
                        "A",
                        "",
                        third="B",
                        data=(("ACCOUNT", "4711"),),
                    )
                ),
                caller(
                    "EventAttachedDataChanged",
                    "A",
                    "B",
                    "",
                    third="B",
                    data=(("ACCOUNT", "4711"),),
                ),
            ),
        ),
        Step(
            "B's client asks for a consultation with data",
            ("RequestInitiateTransfer", "B", "C", "c1", (("WHY", "angry"),)),
            tuple(
                evolve(row, data=data)
                for row, data in (
                    (B_HELD, (("ACCOUNT", "4711"),)),
                    (answering(B_DIALS), (("ACCOUNT", "4711"), ("WHY", "angry"))),
                    (C_RINGS, (("ACCOUNT", "4711"), ("WHY", "angry"))),
                )
            ),
        ),
        Step(
            "C gives back what was attached, and A too",
            ("hangUp", "A"),
            tuple(
                evolve(row, data=(("ACCOUNT", "4711"),))
                for row in (A_RELEASED, B_RELEASED)
            ),
        ),
        Step(
            "B gives up",
            ("RequestReleaseCall", "B", (("connID", "c2"),)),
            tuple(
                evolve(row, data=(("ACCOUNT", "4711"), ("WHY", "angry")))
                for row in (
                    answering(B_LEAVES_C2),
                    called("EventAbandoned", "C", "B", **CONSULT),
                )
            ),
        ),
    ),
    _section(
        "consultedAndReconnected",
        "B asks C, and goes back to A",
        *CONSULTS,
        Step(
            "B's client reconnects",
            ("RequestReconnectCall", "B", "c1", "c2"),
            (answering(B_LEAVES_C2), C_LEAVES_C2, B_RETRIEVED),
        ),
        Step("A hangs up", ("hangUp", "A"), (A_RELEASED, B_RELEASED)),
    ),
    _section(
        "consultedNobody",
        "C is busy, and B goes back to A",
        CALLS,
        ANSWERS,
        INITIATES,
        Step(
            "C is busy",
            ("refuse", "C", 486),
            (
                evolve(C_LEAVES_C2, state="Busy"),
                caller("EventDestinationBusy", "B", "C", "Busy", **CONSULT),
            ),
        ),
        Step(
            "B's client reconnects",
            ("RequestReconnectCall", "B", "c1", "c2"),
            (answering(B_LEAVES_C2), B_RETRIEVED),
        ),
        Step("A hangs up", ("hangUp", "A"), (A_RELEASED, B_RELEASED)),
    ),
    _section(
        "alternated",
        "B goes from one call to the other and back, and transfers",
        *CONSULTS,
        Step(
            "B's client alternates",
            ("RequestAlternateCall", "B", "c1", "c2"),
            (
                caller("EventHeld", "B", "C", **CONSULT),
                answering(B_RETRIEVED),
            ),
        ),
        Step(
            "B's client alternates again",
            ("RequestAlternateCall", "B", "c2", "c1"),
            (B_HELD, answering(caller("EventRetrieved", "B", "C", **CONSULT))),
        ),
        COMPLETES,
        C_HANGS_UP,
    ),
    _section(
        "hungUpDuringConsultation",
        "A hangs up while B asks C",
        *CONSULTS,
        Step("A hangs up", ("hangUp", "A"), (A_RELEASED, B_RELEASED)),
        Step("C hangs up", ("hangUp", "C"), (C_LEAVES_C2, B_LEAVES_C2)),
    ),
    _section(
        "consultedHangsUp",
        "C hangs up, and B's client retrieves A",
        *CONSULTS,
        Step("C hangs up", ("hangUp", "C"), (C_LEAVES_C2, B_LEAVES_C2)),
        Step(
            "B's client retrieves",
            ("RequestRetrieveCall", "B"),
            (answering(B_RETRIEVED),),
        ),
        Step("A hangs up", ("hangUp", "A"), (A_RELEASED, B_RELEASED)),
    ),
    _section(
        "muteTransferred",
        "B's client gives the call to C without talking to it",
        CALLS,
        ANSWERS,
        Step(
            "B's client transfers to C",
            ("RequestMuteTransfer", "B", "C"),
            (
                B_HELD,
                B_DIALS,
                C_RINGS,
                *B_GONE,
                A_CHANGED,
                C_CHANGED,
            ),
        ),
        Step(
            "C answers",
            ("answer", "C"),
            (called("EventEstablished", "C", "A", dnis="B"),),
        ),
        C_HANGS_UP,
    ),
    _section(
        "singleStepTransferred",
        "B's client gives the call to C in one step",
        CALLS,
        ANSWERS,
        Step(
            "B's client transfers to C",
            ("RequestSingleStepTransfer", "B", "C"),
            (
                answering(
                    evolve(
                        B_RELEASED, third="C", thirdRole="Destination", **TRANSFERRED
                    )
                ),
                called("EventRinging", "C", "A", dnis="B", **TRANSFERRED, **BY_B),
                A_CHANGED,
            ),
        ),
        Step(
            "C answers",
            ("answer", "C"),
            (called("EventEstablished", "C", "A", dnis="B"),),
        ),
        C_HANGS_UP,
        section="3.4",
    ),
)
