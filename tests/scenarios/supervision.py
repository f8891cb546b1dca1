"""
Supervision of calls: call model 3.8.

A calls B, and C listens.
"""

from __future__ import annotations

from typing import Any

from attrs import evolve

from tests.scenarios.table import Row, Scenario, Step, answering, called, caller
from tests.scenarios.two_party import ANSWERS, CALLS

#: Of all events of the call.
C1: dict[str, Any] = {"ani": "A", "dnis": "B"}
ROLES = {"A": "Origination", "B": "Destination", "C": "Observer"}


def party(event: str, this: str, other: str, role: str = "", **more: Any) -> Row:
    """
    An event of one of the three.

    @param role: of the other one; C{""}: what it is in the call.
    """
    given = {"state": "Ok", **C1, **more}
    return Row(event, this, ROLES[this], other, role or ROLES[other], **given)


def _mode(how: str, word: str) -> Row:
    """
    The supervisor is heard otherwise.
    """
    more = (("callType", "Internal"), ("extensions", (("MonitorMode", word),)))
    return Row(f"EventMute{how}", "C", ani="", dnis="", more=more)


COMES = Step(
    "C is called, to listen to B",
    ("observe", "C", "B"),
    (party("EventRinging", "C", "A", state="Bridged"),),
)
LISTENS = Step(
    "C answers",
    ("answer", "C"),
    (
        party("EventEstablished", "C", "A", state="Bridged"),
        party("EventPartyAdded", "B", "C", state="Bridged"),
        party("EventPartyAdded", "A", "C", state="Bridged"),
    ),
)
C_LEAVES = Step(
    "C hangs up",
    ("hangUp", "C"),
    (
        party("EventReleased", "C", "A"),
        party("EventPartyDeleted", "A", "C", "DeletedParty"),
        party("EventPartyDeleted", "B", "C", "DeletedParty"),
    ),
)
A_HANGS_UP = Step(
    "A hangs up",
    ("hangUp", "A"),
    (caller("EventReleased", "A", "B"), called("EventReleased", "B", "A")),
)
SUPERVISED = (CALLS, ANSWERS, COMES, LISTENS)


def _section(name: str, title: str, *steps: Step) -> Scenario:
    return Scenario(name, title, "3.8", steps)


SCENARIOS = (
    _section(
        "supervised",
        "C listens, and leaves first",
        *SUPERVISED,
        C_LEAVES,
        A_HANGS_UP,
    ),
    _section(
        "supervisedAgentLeaves",
        "B leaves first, and C is told so before it is out",
        *SUPERVISED,
        Step(
            "B hangs up",
            ("hangUp", "B"),
            (
                called("EventReleased", "B", "A"),
                party("EventPartyDeleted", "C", "B", "DeletedParty"),
                caller("EventReleased", "A", "B"),
                party("EventReleased", "C", "A"),
            ),
        ),
    ),
    _section(
        "supervisorSpeaks",
        "C coaches B, joins the conversation, and only listens again",
        *SUPERVISED,
        *(
            Step(
                f"C's client asks for {word}",
                (
                    f"RequestSetMute{how}",
                    "C",
                    (("extensions", (("MonitorMode", word),)),),
                ),
                (answering(_mode(how, word)),),
            )
            for how, word in (("Off", "coach"), ("Off", "connect"), ("On", "mute"))
        ),
        Step(
            "C's client asks for a mode that there is not",
            ("RequestSetMuteOff", "C", (("extensions", (("MonitorMode", "shout"),)),)),
            error="BAD_PARAMETER",
        ),
        C_LEAVES,
        A_HANGS_UP,
    ),
    _section(
        "hiddenSupervisor",
        "A and B are not told of a hidden supervisor",
        CALLS,
        ANSWERS,
        evolve(COMES, do=(*COMES.do, "hidden")),
        evolve(LISTENS, rows=LISTENS.rows[:1]),
        evolve(C_LEAVES, rows=C_LEAVES.rows[:1]),
        A_HANGS_UP,
    ),
)
