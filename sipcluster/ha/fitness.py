"""
Whether a member of a pair can serve: unfit while there is any reason.
"""

from __future__ import annotations

from collections.abc import Callable

from attrs import define, field, frozen
from twisted.logger import Logger

from sipcluster.ha.iha import IFitness

log = Logger()

#: Characters of a reason and of why, that are kept.
LIMIT = 200


@frozen
class Reason:
    """
    Why a member should not serve.

    @ivar soft: it serves all the same, if the other member is no better.
    """

    why: str
    soft: bool = False


@define(eq=False)
class Fitness:
    """
    Several reasons for which one member of a pair cannot serve, or should not.

    A member with a hard reason gives the role up and asks for it no more.  One
    that has only soft ones does so while the other member says that it can serve;
    when that is unfit too, or has nothing to say, somebody must serve.

    @ivar member: told what comes of it: a
        L{PairMember<sipcluster.ha.member.PairMember>}.
    @ivar changed: called whenever C{able} has changed: the other member is to be
        told.  Must not raise.
    @ivar peerAble: whether the other member says that it can take the role now;
        false while nothing is known of it.
    """

    member: IFitness
    changed: Callable[[], object] = lambda: None
    peerAble: bool = False
    _reasons: dict[str, Reason] = field(factory=dict, init=False)
    _out: bool = field(default=False, init=False)

    @property
    def reasons(self) -> dict[str, Reason]:
        """
        All that there are, by name: for people.
        """
        return dict(self._reasons)

    @property
    def able(self) -> bool:
        """
        Whether there is no reason at all.
        """
        return not self._reasons

    def unfit(self, reason: str, why: str, soft: bool = False) -> None:
        """
        There is a reason.  One of the same name is replaced.

        @param why: for people.
        @param soft: to serve is better than that nobody does.
        """
        before = self.able
        given = Reason(why[:LIMIT], soft)
        if self._reasons.get(reason) == given:
            return
        self._reasons[reason] = given
        log.warn(
            "{reason} speaks against this member: {why}",
            reason=reason,
            why=given.why,
            soft=soft,
        )
        self._settle(before)

    def fit(self, reason: str) -> None:
        """
        A reason is gone; nothing happens when there is none of this name.
        """
        before = self.able
        if self._reasons.pop(reason, None) is not None:
            log.info("{reason} speaks no more against this member", reason=reason)
            self._settle(before)

    def peer(self, able: bool) -> None:
        """
        What the other member says of itself; C{False} too when the link to it is
        lost.
        """
        if able != self.peerAble:
            self.peerAble = able
            self._settle(self.able)

    def _settle(self, before: bool) -> None:
        reasons = self._reasons.values()
        out = any(self.peerAble or not each.soft for each in reasons)
        if out != self._out:
            self._out = out
            if out:
                why = next(r for r in reasons if self.peerAble or not r.soft).why
                self.member.unfit(why)
            else:
                self.member.fit()
        if self.able != before:
            self.changed()
