"""
What T-Library clients were told, held against each other and against what the
telephones did.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import define, field

from tests.survive.calls import Call

#: Events with which a DN comes into a call, and with which it leaves it.
FIRST = ("EventDialing", "EventRinging")
LAST = ("EventReleased", "EventAbandoned")

#: Events of DNs that name a call; only some ports have them.
OF_DNS = ("EventOffHook", "EventOnHook")

#: Further events of a call, each at most once here.
BETWEEN = ("EventEstablished", "EventDestinationBusy")

#: How many of the faults of a kind are told in full.
_TOLD = 3


@define
class Stream:
    """
    What one client was told, over all its connections.

    @ivar events: what it was given, in order.
    @ivar links: when it was linked, and to whom.
    @ivar resumed: how often a session went on, by what became of it.
    @ivar counts: of the client: C{duplicates}, C{gaps}, C{unreadable}.
    @ivar refused: DNs that it could not register.
    """

    name: str
    events: list[Mapping[str, Any]] = field(factory=list)
    links: list[Mapping[str, Any]] = field(factory=list)
    resumed: Counter[str] = field(factory=Counter)
    counts: dict[str, int] = field(factory=dict)
    refused: list[str] = field(factory=list)

    @property
    def calls(self) -> list[Mapping[str, Any]]:
        """
        The events of calls.
        """
        return [
            event
            for event in self.events
            if event["session"] and event["name"] not in OF_DNS
        ]

    @property
    def answers(self) -> int:
        """
        Requests that were answered.
        """
        return sum(1 for event in self.events if event["reference"])

    def away(self, since: float) -> float:
        """
        The longest time without a link, in seconds.

        @param since: what was before is left out.
        """
        longest, lost = 0.0, 0.0
        for link in self.links:
            if link["connected"]:
                if lost:
                    longest = max(longest, link["time"] - lost)
                lost = 0.0
            elif link["time"] >= since and not lost:
                lost = link["time"]
        return longest


def read(file: Path) -> dict[str, Stream]:
    """
    Read what a recorder wrote, by client.
    """
    streams: dict[str, Stream] = {}
    for text in file.read_text("utf-8").splitlines():
        line = json.loads(text)
        stream = streams.setdefault(line["client"], Stream(line["client"]))
        kind = line["kind"]
        if kind == "event":
            stream.events.append(line)
        elif kind == "link":
            stream.links.append(line)
            if line["connected"]:
                stream.resumed[line["resumed"]] += 1
        elif kind == "refused":
            stream.refused.append(f"{line['dn']}: {line['why']}")
        elif kind == "counts":
            stream.counts = {
                key: line[key] for key in ("duplicates", "gaps", "unreadable")
            }
    return streams


def numbering(stream: Stream) -> list[str]:
    """
    Positions that are missing or there twice.
    """
    faults = []
    last = 0
    for event in stream.events:
        position = event["position"]
        if not position:
            continue
        if position != last + 1:
            faults.append(f"{stream.name}: {position} after {last}")
        last = position
    return faults


def sessions(stream: Stream) -> list[str]:
    """
    Sessions that were not resumed exactly.
    """
    return [
        f"{stream.name}: session {how}, {count} times"
        for how, count in stream.resumed.items()
        if how.upper() in ("SNAPSHOT", "LOST") or (how.upper() == "NEW" and count > 1)
    ]


def alike(streams: Sequence[Stream]) -> list[str]:
    """
    Differences between what clients of the same calls were told.
    """
    faults: list[str] = []
    if not streams:
        return faults
    first = streams[0]
    truth = [event["text"] for event in first.calls]
    for other in streams[1:]:
        told = [event["text"] for event in other.calls]
        if told == truth:
            continue
        extra = Counter(told) - Counter(truth)
        missing = Counter(truth) - Counter(told)
        if not extra and not missing:
            faults.append(f"{other.name} and {first.name}: another order")
        faults += [
            f"{other.name}, not {first.name}: {_short(text)}"
            for text in list(extra)[:_TOLD]
        ]
        faults += [
            f"{first.name}, not {other.name}: {_short(text)}"
            for text in list(missing)[:_TOLD]
        ]
    return faults


def lawful(stream: Stream) -> list[str]:
    """
    Calls in which a DN's events are not what they are to be: one that begins, each
    further one at most once, and one that ends it, exactly once.
    """
    parties: dict[tuple[str, str], list[str]] = defaultdict(list)
    for event in stream.calls:
        parties[(event["session"], event["dn"])].append(event["name"])
    faults = []
    for (session, dn), told in parties.items():
        if not lawfulParty(told):
            faults.append(f"{stream.name}: {dn} in {session}: {' '.join(told)}")
    return faults


def lawfulParty(told: Sequence[str]) -> bool:
    """
    Whether these are the events of one DN in one call, from its begin to its end.
    """
    if len(told) < 2 or told[0] not in FIRST or told[-1] not in LAST:
        return False
    middle = told[1:-1]
    return len(set(middle)) == len(middle) and all(one in BETWEEN for one in middle)


def truthful(stream: Stream, made: Mapping[str, Call]) -> list[str]:
    """
    Calls of which a client was told something else than the telephones did.

    @param made: the calls of all pairs, by CallUUID.
    """
    told: dict[str, Counter[str]] = defaultdict(Counter)
    for event in stream.calls:
        told[event["session"]][event["name"]] += 1
    faults = []
    for session, events in told.items():
        call = made.get(session)
        if call is None:
            continue  # nothing rang at the caller; L{lawful} has looked at it
        answered = 2 if "answered" in call.at else 0
        if call.kind == "cancelled":
            answered = 0
        if "ended" in call.at and events["EventEstablished"] != answered:
            faults.append(
                f"{stream.name}: {call.kind} {session}: {dict(events)}, "
                f"the telephones: {sorted(call.at)}"
            )
    return faults


def told(streams: Mapping[str, Stream]) -> set[str]:
    """
    CallUUIDs of which any client was told.
    """
    return {event["session"] for stream in streams.values() for event in stream.calls}


def _short(text: str) -> str:
    return " ".join(text.split())[:160]
