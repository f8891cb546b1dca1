"""
The form of the tables: a scenario is a list of steps, a step is what somebody does
and the events that come of it at once, in their order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from attrs import evolve, frozen

from sipcluster.wire.kvlist import KVList

#: Whom the letters of the tables stand for.  O is outside of the switch, behind a
#: trunk; N is nobody: there is no such number; P is a routing point.
NUMBERS = {
    "A": "1001",
    "B": "1002",
    "C": "1003",
    "O": "5550100",
    "N": "1999",
    "P": "5000",
}

#: As the port of a row: that at which somebody asked.
HERE = "the asking client's port"

#: What those inside dial to reach O.
PREFIX = "9"


@frozen
class Row:
    """
    One event as all clients of one DN get it.

    @ivar event: its name.
    @ivar this: AttributeThisDN: a letter of L{NUMBERS}.
    @ivar role: AttributeThisDNRole; C{""}: none, as all others that are empty.
    @ivar other: AttributeOtherDN.
    @ivar otherRole: AttributeOtherDNRole.
    @ivar third: AttributeThirdPartyDN.
    @ivar thirdRole: AttributeThirdPartyDNRole.
    @ivar state: AttributeCallState.
    @ivar callType: AttributeCallType.
    @ivar conn: names the call: the same name stands for the same AttributeConnID,
        AttributeCallID and AttributeCallUUID; C{""}: the event is of no call.
    @ivar previous: the call of AttributePreviousConnID.
    @ivar transfer: that of AttributeTransferConnID.
    @ivar conference: that of AttributeConferenceConnID.
    @ivar queue: AttributeThisQueue.
    @ivar ani: AttributeANI.
    @ivar dnis: AttributeDNIS: what was dialled.
    @ivar data: AttributeUserData.
    @ivar more: other attributes, by field.
    @ivar answers: the event answers the request of its step: the asking client's
        copy has the ReferenceID.
    @ivar private: only the client that asked gets it.
    @ivar port: C{"TCport"} for what only the T-Controller tells, L{HERE} for what
        only clients of the port get at which somebody asked.
    """

    event: str
    this: str
    role: str = ""
    other: str = ""
    otherRole: str = ""
    third: str = ""
    thirdRole: str = ""
    state: str = ""
    callType: str = "Internal"
    conn: str = "c1"
    previous: str = ""
    transfer: str = ""
    conference: str = ""
    queue: str = ""
    ani: str = "A"
    dnis: str = "B"
    data: KVList = ()
    more: tuple[tuple[str, Any], ...] = ()
    answers: bool = False
    port: str = ""
    private: bool = False


@frozen
class Step:
    """
    What somebody does, and what comes of it.

    @ivar what: for people; and what the driver of telephones and clients is asked
        to do, see C{do}.
    @ivar do: name of what the driver does, and whom or what it is told; begins
        with C{Request} for what a T-Library client asks.
    @ivar rows: the events, in their order.
    @ivar error: name of the error code with which the request is refused.
    @ivar late: the letter whose request of a step before is answered now.
    """

    what: str
    do: tuple[Any, ...]
    rows: tuple[Row, ...] = ()
    error: str = ""
    late: str = ""


@frozen
class Scenario:
    """
    A course of events.

    @ivar name: of the test.
    @ivar title: for people.
    @ivar section: of the call models.
    @ivar steps: in order; when they are over, so are all calls.
    @ivar settings: settings of the VoIP Service that it needs.
    """

    name: str
    title: str
    section: str
    steps: tuple[Step, ...]
    settings: tuple[tuple[str, Any], ...] = ()

    @property
    def rows(self) -> Iterator[Row]:
        """
        All events, in order.
        """
        for step in self.steps:
            yield from step.rows

    def of(self, letter: str) -> list[Row]:
        """
        The events of one DN.
        """
        return [row for row in self.rows if row.this == letter]


def number(letter: str) -> str:
    """
    What a letter, or letters with what is dialled before, stand for: C{"9O"}.
    """
    if letter[:1] == PREFIX:
        return PREFIX + NUMBERS[letter[1:]]
    return NUMBERS[letter]


# Rows of the common form

ORIGINATION, DESTINATION = "Origination", "Destination"


def caller(event: str, this: str, other: str, state: str = "Ok", **more: Any) -> Row:
    """
    An event of a calling party.
    """
    given = {"ani": this, "dnis": other, **more}
    return Row(event, this, ORIGINATION, other, DESTINATION, state=state, **given)


def called(event: str, this: str, other: str, state: str = "Ok", **more: Any) -> Row:
    """
    An event of a called party.
    """
    given = {"ani": other, "dnis": this, **more}
    return Row(event, this, DESTINATION, other, ORIGINATION, state=state, **given)


def dialing(this: str, other: str, **more: Any) -> Row:
    """
    EventDialing: has no AttributeANI.
    """
    return caller("EventDialing", this, other, ani="", **more)


def ringing(this: str, other: str, **more: Any) -> Row:
    """
    EventRinging.
    """
    return called("EventRinging", this, other, **more)


def established(this: str, other: str, origin: bool, **more: Any) -> Row:
    """
    EventEstablished.
    """
    return party("EventEstablished", this, other, origin, **more)


def party(event: str, this: str, other: str, origin: bool, **more: Any) -> Row:
    """
    An event of either party.

    @param origin: C{this} is the caller.
    """
    return (caller if origin else called)(event, this, other, **more)


def answering(row: Row) -> Row:
    """
    The same row as the answer of a request.
    """
    return evolve(row, answers=True)


# Hooks


def withHooks(rows: Iterable[Row], offHook: dict[str, set[str]]) -> list[Row]:
    """
    The rows of a step as they come at the TCport: EventOffHook before the first
    event in which a DN is not only alerted, EventOnHook after the last.

    @param offHook: the calls in which each DN is so; kept up here.
    """
    result = []
    for row in rows:
        if row.this == "P":  # has no hook
            result.append(row)
            continue
        calls = offHook.setdefault(row.this, set())
        if row.event == "EventPartyChanged" and row.previous in calls:
            calls.discard(row.previous)
            calls.add(row.conn)
        if row.event in ("EventDialing", "EventEstablished"):
            if not calls:
                result.append(_hook("EventOffHook", row))
            calls.add(row.conn)
        result.append(row)
        if row.event == "EventReleased" and row.conn in calls:
            calls.discard(row.conn)
            if not calls:
                result.append(_hook("EventOnHook", row))
    return result


def _hook(event: str, row: Row) -> Row:
    return Row(event, row.this, conn=row.conn, ani="", dnis="", port="TCport")
