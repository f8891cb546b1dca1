"""
What must hold of a pair whatever goes wrong.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.trial.unittest import SynchronousTestCase

from sipcluster.ha.companion import Companion
from sipcluster.ha.iha import Verdict
from sipcluster.ha.member import PairMember
from sipcluster.testing.pair import Broken, PairWorld

#: Runs of one kind of arbiter.
SEEDS = 40


def fromTheAnswer(
    answered: Callable[[PairMember, float, Verdict], None],
) -> Callable[[PairMember, float, Verdict], None]:
    """
    Change what takes an answer so that it counts from then.
    """

    def late(member: PairMember, asked: float, verdict: Verdict) -> None:
        answered(member, member.clock.seconds(), verdict)

    return late


class PairTests(SynchronousTestCase):
    """
    Two members whose clocks are as wrong as they may be, which freeze, die, are cut
    off in one direction or both, and whose arbiter answers late, twice, out of
    order or not at all.

    After every step of every run at most one of them is primary, epochs have only
    grown, and no fence has opened again; in the calm afterwards one of them serves,
    and goes on serving.
    """

    def live(self, kind: str, seeds: int = SEEDS, drift: float = 0.01) -> str:
        """
        Run them.

        @return: what went wrong first.
        """
        for seed in range(seeds):
            try:
                PairWorld(seed, kind, drift=drift).live()
            except Broken as e:
                return str(e)
        return ""

    def test_arbiterForTests(self) -> None:
        """
        It holds under the arbiter for tests.
        """
        self.assertEqual(self.live("fake"), "")

    def test_store(self) -> None:
        """
        It holds under the cluster store.
        """
        self.assertEqual(self.live("store"), "")

    def test_lockFile(self) -> None:
        """
        It holds under the lock file, on a disk that is full, read-only or slow.
        """
        self.assertEqual(self.live("lock file", 12), "")

    def test_clocksBeyondTheBound(self) -> None:
        """
        The runs come close enough to the edge to see that it does not hold when
        clocks are three times as wrong as they may be.
        """
        self.assertIn("two primaries", self.live("fake", drift=0.03))
        self.assertIn("two primaries", self.live("store", drift=0.03))

    def test_countedFromTheAnswer(self) -> None:
        """
        They also see it when a lease is counted from when the answer came.
        """
        for name in ("_acquired", "_renewed"):
            self.patch(PairMember, name, fromTheAnswer(getattr(PairMember, name)))
        self.assertIn("two primaries", self.live("fake", 200))

    def test_timerInPlaceOfTheClock(self) -> None:
        """
        They also see it when a member that was frozen believes its lease to run
        until a timer has told it so.
        """


        def believe(member: PairMember, until: float) -> None:
            member.fence.validUntil = until
            member._count()
            member.fence.validUntil = until + 5.0

        self.patch(PairMember, "extend", believe)
        self.assertIn("two primaries", self.live("store"))

    def test_promiseNotKept(self) -> None:
        """
        They also see it when a backup says that it takes no grant, and takes one.
        """
        self.patch(PairMember, "promise", lambda member, epoch, seconds: seconds)
        self.assertIn("two primaries", self.live("fake", 200))

    def test_promiseCountedFromTheAnswer(self) -> None:
        """
        They also see it when a promise is counted from when it came.
        """
        promised = PairMember.promised

        def late(member: PairMember, epoch: int, asked: float, given: float) -> None:
            promised(member, epoch, member.clock.seconds(), given)

        self.patch(PairMember, "promised", late)
        self.assertIn("two primaries", self.live("fake", 200))

    def test_promiseForgotten(self) -> None:
        """
        They also see it when a member that has begun anew does not wait for what
        the process before it may have promised.
        """
        self.patch(Companion, "promises", lambda companion: False)
        self.assertIn("two primaries", self.live("fake", 200))
