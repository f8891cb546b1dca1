"""
What became of calls, as the telephones at both of their ends wrote it down.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import pairwise
from pathlib import Path

from attrs import define, field

#: The stages of a call at the side that calls, in order.
STAGES = ("invited", "ringing", "answered", "ended")


@define
class Call:
    """
    One call.

    @ivar kind: what the called telephone does.
    @ivar proxy: by which proxy the caller made it.
    @ivar caller: its number.
    @ivar called: its number.
    @ivar session: the Session-ID, which is the CallUUID; empty: nothing rang.
    @ivar at: when the caller came to each stage, in seconds since 1970.
    @ivar far: when the called side came to each of its own: C{rings}, C{talks},
        C{ended}.
    """

    kind: str
    proxy: str
    caller: str = ""
    called: str = ""
    session: str = ""
    at: dict[str, float] = field(factory=dict)
    far: dict[str, float] = field(factory=dict)

    @property
    def whole(self) -> bool:
        """
        Whether it ended as it was to end, at both sides.
        """
        return "ended" in self.at and "ended" in self.far

    def reached(self, stage: str, moment: float) -> bool:
        """
        Whether the caller had come to a stage at some time.
        """
        return self.at.get(stage, moment) < moment

    def over(self, moment: float) -> bool:
        """
        Whether either side had ended it at some time.
        """
        return (
            self.at.get("ended", moment) < moment
            or self.far.get("ended", moment) < moment
        )


@define
class Calls:
    """
    All calls of a cell.

    @ivar strays: calls that telephones were offered, and nobody who called has
        heard of, by Session-ID: when the telephone came to each stage.
    """

    calls: list[Call] = field(factory=list)
    strays: dict[str, dict[str, float]] = field(factory=dict)

    @classmethod
    def read(cls, logs: Iterable[tuple[str, Path]]) -> Calls:
        """
        Read the logs of SIPp.

        @param logs: the name of each run, as C{rings-calls-proxy1} or
            C{rings-called}, and its file.
        """
        own: dict[str, Call] = {}
        far: dict[str, dict[str, float]] = {}
        for name, file in logs:
            if not file.exists():
                continue
            kind, _, proxy = name.partition("-calls-")
            for moment, stage, callID, more in _lines(file):
                if proxy:
                    call = own.setdefault(f"{name} {callID}", Call(kind, proxy))
                    call.at.setdefault(stage, moment)
                    if stage == "invited":
                        call.caller, call.called = more[0], more[1]
                    elif more and len(more[0]) == 32:
                        # The last word: who began again has another one.
                        call.session = more[0]
                elif more:
                    far.setdefault(more[0], {}).setdefault(stage, moment)
        made = cls(list(own.values()))
        for call in made.calls:
            call.far = far.pop(call.session, {})
        made.strays = far
        return made

    def of(self, *kinds: str) -> list[Call]:
        """
        The calls of some kinds.
        """
        return [call for call in self.calls if call.kind in kinds]

    def bySession(self) -> Mapping[str, Call]:
        """
        Those that rang, by CallUUID.
        """
        return {call.session: call for call in self.calls if call.session}


def longestGap(moments: Iterable[float], start: float, end: float) -> float:
    """
    The longest time in which nothing happened.

    @param start: what was before is left out, and so is what is after C{end}.
    """
    inside = sorted(moment for moment in moments if start <= moment <= end)
    edges = [start, *inside, end]
    return max(b - a for a, b in pairwise(edges))


def _lines(file: Path) -> Iterable[tuple[float, str, str, list[str]]]:
    """
    Time, stage, Call-ID and further words of each line.
    """
    for line in file.read_text("utf-8", "replace").splitlines():
        words = line.split("\t")
        if len(words) != 3:
            continue
        parts = words[2].split()
        if len(parts) < 3:
            continue
        try:
            moment = float(parts[0])
        except ValueError:
            continue
        yield moment, parts[1], parts[2], parts[3:]
