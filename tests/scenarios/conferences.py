"""
Calls of more than two parties: call model 3.5.

c1 is the call of A and B, c2 that in which B asks C whom it takes into c1.
"""

from __future__ import annotations

from typing import Any

from attrs import evolve

from tests.scenarios.table import Row, Scenario, Step, answering, called, caller, number
from tests.scenarios.transfers import B_DIALS, B_HELD, B_LEAVES_C2, C_ANSWERS, C_RINGS
from tests.scenarios.two_party import ANSWERS, CALLS

#: Of all events of c1.
C1: dict[str, Any] = {"ani": "A", "dnis": "B"}
CONFERENCED: dict[str, Any] = {"state": "Conferenced"}

#: Who was in the call, and in the consultation.
LISTS = (
    "extensions",
    (
        ("NumOfOrigDNs", 2),
        ("OrigDN-1", number("B")),
        ("OrigDN-2", number("A")),
        ("NumOfConsultDNs", 2),
        ("ConsultDN-1", number("B")),
        ("ConsultDN-2", number("C")),
    ),
)

ROLES = {"A": "Origination", "B": "Destination", "C": "ConferenceMember"}


def member(event: str, this: str, other: str, role: str = "", **more: Any) -> Row:
    """
    An event of one of them.

    @param role: of the other one; C{""}: what it is in the call.
    """
    given = {"state": "Ok", **C1, **more}
    return Row(event, this, ROLES[this], other, role or ROLES[other], **given)


def added(this: str, **more: Any) -> Row:
    """
    One of them is told that C has come.
    """
    by = {"third": "B", "thirdRole": "AddedBy"}
    return member(
        "EventPartyAdded", this, "C", "NewParty", **{**by, **CONFERENCED, **more}
    )


def deleted(this: str, gone: str, **more: Any) -> Row:
    """
    One of them is told that another one has left.
    """
    return member("EventPartyDeleted", this, gone, "DeletedParty", **more)


INITIATES = Step(
    "B's client asks for a consultation, for a conference",
    ("RequestInitiateConference", "B", "C"),
    (
        B_HELD,
        answering(evolve(B_DIALS, transfer="", conference="c1")),
        C_RINGS,
    ),
)
COMPLETES = Step(
    "B's client completes the conference",
    ("RequestCompleteConference", "B", "c1", "c2"),
    (
        answering(evolve(B_LEAVES_C2, **CONFERENCED)),
        evolve(
            called("EventRetrieved", "B", "A"),
            more=(LISTS,),
            **CONFERENCED,
        ),
        added("B", more=(LISTS,)),
        added("A", more=(LISTS,)),
        member(
            "EventPartyChanged",
            *("C", "A", "ConferenceMember"),
            third="B",
            thirdRole="ConferencedBy",
            previous="c2",
            more=(LISTS,),
            **CONFERENCED,
        ),
    ),
)
CONFERENCE = (CALLS, ANSWERS, INITIATES, C_ANSWERS, COMPLETES)

C_LEAVES = Step(
    "C hangs up",
    ("hangUp", "C"),
    (
        member("EventReleased", "C", "A", "ConferenceMember"),
        deleted("A", "C"),
        deleted("B", "C"),
    ),
)
A_ENDS = Step(
    "A hangs up",
    ("hangUp", "A"),
    (caller("EventReleased", "A", "B"), called("EventReleased", "B", "A")),
)


def _mute(how: str) -> Row:
    kind = (("callType", "Internal"),)
    return Row(f"EventMute{how}", "B", ani="", dnis="", more=kind)


def _section(name: str, title: str, *steps: Step) -> Scenario:
    return Scenario(name, title, "3.5", steps)


SCENARIOS = (
    _section(
        "conferenceOfThree",
        "B asks C, and takes it into the call; C leaves, and the others talk on",
        *CONFERENCE,
        C_LEAVES,
        A_ENDS,
    ),
    _section(
        "mergedAsConference",
        "B asks C, and merges the calls",
        *CONFERENCE[:-1],
        evolve(
            COMPLETES,
            what="B's client merges the calls",
            do=("RequestMergeCalls", "B", "c1", "c2", ("mergeType", "Conference")),
        ),
        C_LEAVES,
        A_ENDS,
    ),
    _section(
        "singleStepConference",
        "B's client calls C into the call",
        CALLS,
        ANSWERS,
        Step(
            "B's client asks for C, who rings",
            ("RequestSingleStepConference", "B", "C"),
            (
                member(
                    "EventRinging",
                    *("C", "B"),
                    third="B",
                    thirdRole="AddedBy",
                    **CONFERENCED,
                ),
            ),
        ),
        Step(
            "C answers",
            ("answer", "C"),
            (
                member(
                    "EventEstablished",
                    *("C", "B"),
                    third="B",
                    thirdRole="AddedBy",
                    **CONFERENCED,
                ),
                answering(added("B")),
                added("A"),
            ),
            late="B",
        ),
        evolve(
            C_LEAVES,
            rows=(
                member("EventReleased", "C", "B"),
                *C_LEAVES.rows[1:],
            ),
        ),
        A_ENDS,
    ),
    _section(
        "deletedFromConference",
        "B's client takes C out of the conference",
        *CONFERENCE,
        Step(
            "B's client asks for that",
            ("RequestDeleteFromConference", "B", "C"),
            (
                member(
                    "EventReleased",
                    *("C", "A", "ConferenceMember"),
                    third="B",
                    thirdRole="DeletedBy",
                    state="Dropped",
                ),
                answering(deleted("B", "C", third="B", thirdRole="DeletedBy")),
                deleted("A", "C", third="B", thirdRole="DeletedBy"),
            ),
        ),
        A_ENDS,
    ),
    _section(
        "listening",
        "B's client lets C hear nothing, and again",
        *CONFERENCE,
        Step(
            "B's client disconnects C",
            ("RequestListenDisconnect", "B", "C"),
            (
                answering(member("EventListenDisconnected", "B", "C", state="")),
                member("EventListenDisconnected", "C", "C", state=""),
            ),
        ),
        Step(
            "B's client reconnects C",
            ("RequestListenReconnect", "B", "C"),
            (
                answering(member("EventListenReconnected", "B", "C", state="")),
                member("EventListenReconnected", "C", "C", state=""),
            ),
        ),
        C_LEAVES,
        A_ENDS,
    ),
    _section(
        "muted",
        "B's client mutes B, in a call of two",
        CALLS,
        ANSWERS,
        Step(
            "B's client mutes",
            ("RequestSetMuteOn", "B"),
            (answering(_mute("On")),),
        ),
        Step(
            "B's client mutes again",
            ("RequestSetMuteOn", "B"),
            error="ALREADY_IN_STATE",
        ),
        Step(
            "B's client lets B be heard",
            ("RequestSetMuteOff", "B"),
            (answering(_mute("Off")),),
        ),
        A_ENDS,
    ),
)
