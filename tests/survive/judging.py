"""
What a cell has shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from attrs import asdict, define, field

from tests.survive.calls import Call, Calls, longestGap
from tests.survive.streams import (
    Stream,
    alike,
    lawful,
    numbering,
    sessions,
    told,
    truthful,
)

#: How many faults of a kind are told.
_TOLD = 5


@define
class Kept:
    """
    Calls in one state when it happened.

    @ivar all: how many there were.
    @ivar kept: how many ended as they were to end, at both sides.
    @ivar hurt: how many of all were on the pair that was hurt.
    @ivar hurtKept: how many of those ended well.
    """

    all: int = 0
    kept: int = 0
    hurt: int = 0
    hurtKept: int = 0

    @property
    def lost(self) -> int:
        """
        How many did not.
        """
        return self.all - self.kept

    def __str__(self) -> str:
        return f"{self.kept} of {self.all}"


@define
class Verdict:
    """
    What a cell has shown.

    @ivar established: calls in which both talked.
    @ivar ringing: calls that rang.
    @ivar underWay: calls of which the caller had not heard more than 100.
    @ivar new: calls made afterwards.
    @ivar gap: longest time without an answered new call on the pair hurt, in seconds.
    @ivar clusterGap: the same for all pairs together.
    @ivar slowest: longest time from a caller's INVITE until it heard ringing.
    @ivar clients: by pair and client: events, how its sessions went on, longest time
        without a link.
    @ivar figures: what else was measured, by name.
    @ivar faults: what was not as it is to be.
    """

    established: Kept = field(factory=Kept)
    ringing: Kept = field(factory=Kept)
    underWay: Kept = field(factory=Kept)
    new: Kept = field(factory=Kept)
    gap: float = 0.0
    clusterGap: float = 0.0
    slowest: float = 0.0
    clients: dict[str, dict[str, Any]] = field(factory=dict)
    figures: dict[str, Any] = field(factory=dict)
    faults: list[str] = field(factory=list)

    def asTable(self) -> dict[str, Any]:
        """
        Plain values.
        """
        return asdict(self)

    def fault(self, kind: str, found: Iterable[str]) -> None:
        """
        Take down what was wrong.
        """
        several = list(found)
        self.faults += [f"{kind}: {one}" for one in several[:_TOLD]]
        if len(several) > _TOLD:
            self.faults.append(f"{kind}: and {len(several) - _TOLD} more")


def stateAt(call: Call, moment: float) -> str:
    """
    How far a call was at some time.
    """
    if not call.reached("invited", moment):
        return "new"
    if call.over(moment):
        return "over"
    if call.reached("answered", moment):
        return "established"
    return "ringing" if call.reached("ringing", moment) else "underWay"


def judge(
    calls: Calls,
    streams: Mapping[str, Mapping[str, Stream]],
    hurt: str,
    moment: float,
) -> Verdict:
    """
    Look at all calls and at all that the T-Library clients were told.

    @param streams: by pair, by client.
    @param hurt: the pair that it happened to.
    @param moment: when it happened, in seconds since 1970.
    """
    verdict = Verdict()
    there = told(streams.get(hurt, {}))
    for call in calls.calls:
        state = stateAt(call, moment)
        if state == "over":
            continue
        kept: Kept = getattr(verdict, state)
        kept.all += 1
        kept.kept += call.whole
        if call.session in there:
            kept.hurt += 1
            kept.hurtKept += call.whole
    for state in ("established", "ringing", "underWay", "new"):
        verdict.fault(
            f"lost, {state}",
            (
                f"{call.kind} by {call.proxy}, {call.session or 'never rang'}: "
                f"{_times(call.at, moment)}; far side {_times(call.far, moment)}"
                for call in calls.calls
                if stateAt(call, moment) == state and not call.whole
            ),
        )
    # A SIP Proxy that hears nothing goes elsewhere with an INVITE: then it rings twice,
    # and the first of the two is to be given up in order.
    verdict.fault(
        "a call that nobody made",
        (one for one, stages in calls.strays.items() if "ended" not in stages),
    )
    twice = sum("ended" in stages for stages in calls.strays.values())
    if twice:
        verdict.figures["calls made again, the first one given up"] = twice
    hasty = sum(
        call.whole and "answered" in call.at and "talks" not in call.far
        for call in calls.calls
    )
    if hasty:
        verdict.figures["calls hung up before their answer was acknowledged"] = hasty
    _times_(verdict, calls.of("answers"), there, moment)
    for pair, clients in streams.items():
        _clients(verdict, calls, pair, clients, moment)
    return verdict


def _times_(verdict: Verdict, new: list[Call], there: set[str], moment: float) -> None:
    """
    How long nobody was answered.
    """
    if not new:
        return
    end = max(call.at["invited"] for call in new)
    answered = [call for call in new if "answered" in call.at]
    verdict.clusterGap = round(
        longestGap((call.at["answered"] for call in answered), moment, end), 3
    )
    verdict.gap = round(
        longestGap(
            (call.at["answered"] for call in answered if call.session in there),
            moment,
            end,
        ),
        3,
    )
    verdict.slowest = round(
        max(
            (
                call.at["ringing"] - call.at["invited"]
                for call in new
                if "ringing" in call.at
            ),
            default=0.0,
        ),
        3,
    )


def _clients(
    verdict: Verdict,
    calls: Calls,
    pair: str,
    clients: Mapping[str, Stream],
    moment: float,
) -> None:
    """
    What the clients of one pair were told.
    """
    made = calls.bySession()
    for name, stream in clients.items():
        verdict.clients[f"{pair} {name}"] = {
            "events": len(stream.calls),
            "resumed": dict(stream.resumed),
            "away": round(stream.away(moment), 3),
            "again": stream.counts.get("duplicates", 0),
        }
        verdict.fault(f"{pair}, positions", numbering(stream))
        verdict.fault(f"{pair}, sessions", sessions(stream))
        verdict.fault(f"{pair}, registrations", stream.refused)
        verdict.fault(f"{pair}, events", lawful(stream))
        verdict.fault(f"{pair}, telephones", truthful(stream, made))
    verdict.fault(f"{pair}, clients", alike(list(clients.values())))


def _times(at: Mapping[str, float], moment: float) -> str:
    return ", ".join(f"{stage} {when - moment:+.2f}" for stage, when in at.items()) or (
        "heard nothing"
    )
