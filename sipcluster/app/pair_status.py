"""
What a member of a pair tells people about itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from sipcluster.app.node import NodeMember, plainCall
from sipcluster.app.runtime import NodeRuntime
from sipcluster.app.standby import Standby
from sipcluster.ha.companion import Companion
from sipcluster.ha.fitness import Fitness
from sipcluster.ha.journal import Journal
from sipcluster.ha.keeper import Keeper, Restored
from sipcluster.ha.member import PairMember
from sipcluster.sessioncontroller.values import decodeCall

#: What a backup has none of.
_NOTHING = {
    "calls": 0,
    "dialogs": 0,
    "transactions": 0,
    "timers": 0,
    "attempts": 0,
    "registrations": 0,
}


class PairStatus:
    """
    The part of a L{PairProcess<sipcluster.app.pair.PairProcess>} that answers
    questions; its attributes are explained there.
    """

    runtime: NodeRuntime
    pair: str
    other: str
    counts: Counter[str]
    member: PairMember
    companion: Companion
    fitness: Fitness
    journal: Journal
    life: NodeMember | None
    keeper: Keeper | None
    restored: Restored | None
    _standby: Standby

    def status(self) -> dict[str, object]:
        """
        See L{IMember}.
        """
        life, journal, fields = self.life, self.journal, self.member.fields
        restored, state = self.restored, self.companion.state
        return {
            **(_NOTHING if life is None else life.status()),
            "degraded": self._degraded(),
            "pair": {
                "name": self.pair,
                "role": "primary" if fields.primary else "backup",
                "epoch": fields.epoch,
                "other": self.other,
                "arbiter": self.member.away or "answers",
                "inSync": self.inSync,
                "linked": state is not None,
                "reasons": {
                    name: reason.why for name, reason in self.fitness.reasons.items()
                },
                "position": journal.position,
                "entries": journal.replica.count,
                "waiting": journal.waiting,
                "restored": None
                if restored is None
                else {"entries": restored.entries, "failed": restored.failed},
                "counters": {
                    **self.counts,
                    **journal.counts,
                    **self._standby.counts,
                    **({} if self.keeper is None else self.keeper.counts),
                },
            },
        }

    def _degraded(self) -> str:
        """
        What this member goes on without; empty when all is well.
        """
        found = []
        if self.life is not None:
            found.append(self.life.devices.degraded)
        if not self.inSync:
            # Whoever serves has everything.
            lacks = self.runtime.name if self.life is None else self.other
            found.append(f"{lacks} has not everything")
        if self.member.away:
            found.append(f"arbiter away: {self.member.away}")
        return "; ".join(one for one in found if one)

    @property
    def inSync(self) -> bool:
        """
        Whether both members have everything.
        """
        journal = self.journal
        if self.life is not None:
            return journal.inSync
        return journal.whole and self.companion.state is not None

    def registrations(self) -> Iterable[dict[str, object]]:
        """
        See L{IMember}.
        """
        return () if self.life is None else self.life.registrations()

    def calls(self) -> Iterable[dict[str, object]]:
        """
        See L{IMember}: on a backup those that it could go on with, marked as
        copies.
        """
        if self.life is not None:
            yield from self.life.calls()
            return
        for value in self.journal.snapshot("call").values():
            yield {**plainCall(decodeCall(value)), "copy": True}

    def explained(self) -> Iterable[dict[str, object]]:
        """
        See L{IDNStates}.
        """
        return () if self.life is None else self.life.explained()

    def agents(self) -> Iterable[dict[str, object]]:
        """
        See L{IDNStates}.
        """
        return () if self.life is None else self.life.agents()

    def explain(self, dn: str) -> dict[str, object] | None:
        """
        See L{IDNStates}.
        """
        return None if self.life is None else self.life.explain(dn)

    def clients(self) -> Iterable[dict[str, object]]:
        """
        The T-Library clients.
        """
        return () if self.life is None else self.life.clients()
