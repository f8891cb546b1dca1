"""
Processes that die one after the other, each going on with what the one before has
written down.
"""

from __future__ import annotations

from collections.abc import Callable

from attrs import define, field
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from sipcluster.ha.ikeeping import IKept
from sipcluster.ha.ireplica import IAlone
from sipcluster.ha.journal import Journal
from sipcluster.ha.keeper import Keeper, Restored


@implementer(IAlone)
class Alone:
    """
    A member without another one.
    """

    def alone(self) -> bool:
        """
        See L{IAlone}.
        """
        return True


@define(eq=False)
class Lives:
    """
    The lives of one member of a pair.

    @ivar keeper: of the present one.
    """

    test: SynchronousTestCase
    clock: Clock
    epoch: int = 0
    journal: Journal = field(init=False)
    keeper: Keeper = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.journal = Journal(self.clock, Alone())
        self.next()

    def next(self) -> Keeper:
        """
        Begin another life.
        """
        self.epoch += 1
        self.journal.becameBackup()
        self.journal.becamePrimary(self.epoch)
        self.keeper = Keeper(self.clock, self.journal)
        return self.keeper

    def check(self) -> None:
        """
        All has been written down as it is.
        """
        self.keeper.flush()
        self.test.assertEqual(self.keeper.differing(), [])

    def die(self) -> None:
        """
        End the present one after a turn.
        """
        self.check()
        self.keeper.end()

    def begin(self) -> Restored:
        """
        Let the next one go on with what was written down.
        """
        restored = self.keeper.begin()
        self.check()
        return restored


@define(eq=False)
@implementer(IKept)
class Others:
    """
    Other entries, of which nothing is kept here: they call when all is restored.
    """

    kind: str
    settled: Callable[[], object]

    def keys(self) -> list[str]:
        """
        See L{IKept}.
        """
        return []

    def entry(self, key: str) -> None:
        """
        See L{IKept}.
        """

    def restore(self, key: str, value: bytes, age: float) -> None:
        """
        See L{IKept}.
        """

    def restored(self) -> None:
        """
        See L{IKept}.
        """
        self.settled()

    def comparable(self, value: bytes) -> object:
        """
        See L{IKept}.
        """
        return value
