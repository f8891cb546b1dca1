"""
Rules that keep a pair together, broken on purpose: what the simulation must find.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sipcluster.ha.companion import Companion
from sipcluster.ha.ikeeping import IKept
from sipcluster.ha.journal import Journal
from sipcluster.ha.keeper import Keeper
from sipcluster.ha.lease import LeaseTimes
from sipcluster.ha.member import PairMember
from sipcluster.ha.replica import Replica
from sipcluster.tserver import startup
from sipcluster.tserver.outbox import Outbox
from tests.simulation.broken_rules import BrokenRule, Patch


def _noFencing(patch: Patch) -> None:
    # What leaves asks only whether this process has been told that it is backup.
    patch(Companion, "serving", lambda companion: True)


def _leaseTooLong(patch: Patch) -> None:
    patch(LeaseTimes, "usable", lambda times, seconds: seconds + 2.0)


def _sentBeforeSaved(patch: Patch) -> None:
    def then(journal: Journal, send: Callable[[], object]) -> None:
        if journal.primary:
            send()

    patch(Journal, "then", then)


def _epochIgnored(patch: Patch) -> None:
    # Each hold of the role is like the one before, and nobody minds.
    honest: Any = PairMember.serve

    def serve(member: PairMember, epoch: int, until: float) -> None:
        honest(member, max(1, member.highest), until)

    begin: Any = Journal.becamePrimary

    def becamePrimary(journal: Journal, epoch: int) -> bool:
        journal.epoch = min(journal.epoch, epoch - 1)
        return bool(begin(journal, epoch))

    patch(PairMember, "serve", serve)
    patch(Journal, "becamePrimary", becamePrimary)


def _tombstonesForgotten(patch: Patch) -> None:
    honest = Replica._set

    def keep(replica: Replica, entry: Any, value: Any, *rest: Any) -> None:
        honest(replica, entry, value, *rest)
        if value is None:
            replica._gone.clear()
            replica._entries.pop((entry.kind, entry.key), None)
            entry.position = 0

    patch(Replica, "_set", keep)


def _promiseIgnored(patch: Patch) -> None:
    honest = PairMember.promise

    def promise(member: PairMember, epoch: int, seconds: float) -> float:
        given = honest(member, epoch, seconds)
        member._promised = member.clock.seconds()
        return given

    patch(PairMember, "promise", promise)


def _touchForgotten(patch: Patch) -> None:
    honest = Keeper.keep

    def keep(keeper: Keeper, kept: IKept) -> Callable[[str], object]:
        touch = honest(keeper, kept)
        if kept.kind != "dn":
            return touch
        times = iter(range(1 << 30))
        return lambda key: next(times) % 5 == 4 or touch(key)

    patch(Keeper, "keep", keep)


def _positionsForgotten(patch: Patch) -> None:
    honest = Outbox.settle

    def settle(outbox: Outbox) -> Any:
        return {
            number: {position: told[position] for position in sorted(told)[:-1]}
            for number, told in honest(outbox).items()
        }

    patch(Outbox, "settle", settle)


def _forkedResume(patch: Patch) -> None:
    # Whoever told a client of its events, the session has them.
    patch(startup, "shared", lambda holds, epoch, position: position)


#: All of them.
BROKEN_PAIRS = (
    BrokenRule(
        "nothing asks the fence",
        2462,
        "is not primary",
        _noFencing,
        (3720, 1249, 1544),
    ),
    BrokenRule("a lease is used for too long", 45, "two primaries", _leaseTooLong),
    BrokenRule(
        "what is sent is not saved before", 98, "is known", _sentBeforeSaved, (5, 45)
    ),
    BrokenRule("epochs are ignored", 7, " after ", _epochIgnored),
    BrokenRule("removals are forgotten", 7, "members differ", _tombstonesForgotten),
    BrokenRule("a promise is not kept", 16, "two primaries", _promiseIgnored),
    BrokenRule("a change is not told", 12, "has not journaled", _touchForgotten),
    BrokenRule("positions are not saved", 7, "is known", _positionsForgotten),
    BrokenRule(
        "nobody asks from whom a client has its events",
        31807,
        "what it was",
        _forkedResume,
        (1247,),
    ),
)
