"""
One process of a pair in a simulation.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from zope.interface import implementer

from sipcluster.ha.companion import Companion
from sipcluster.ha.fitness import Fitness
from sipcluster.ha.iha import IArbiter, IRoleObserver
from sipcluster.ha.journal import Journal, Limits
from sipcluster.ha.lease import Fence, LeaseTimes
from sipcluster.ha.link import Identity, Links
from sipcluster.ha.member import PairMember
from sipcluster.testing.arbiters import MemoryLockFiles
from sipcluster.testing.hosts import Host, Wire

if TYPE_CHECKING:
    from sipcluster.testing.pair import PairWorld
else:
    PairWorld = object  # the world makes them: known to the type checker only

#: Seldom polls: a world lives for hundreds of seconds.
LIMITS = Limits(keepAlive=0.9, quiet=30.0)

_T = TypeVar("_T")


class Broken(AssertionError):
    """
    Something that must always hold did not.
    """


@implementer(IRoleObserver)
@define(eq=False)
class Process:
    """
    One process of one member.

    @ivar fences: of all its holds, each with whether it was seen closed.
    @ivar serving: what its observer was told last.
    """

    world: PairWorld
    name: str
    host: Host
    wire: Wire
    files: MemoryLockFiles
    member: PairMember = field(init=False)
    companion: Companion = field(init=False)
    journal: Journal = field(init=False)
    fitness: Fitness = field(init=False)
    links: Links = field(init=False)
    fences: dict[Fence, bool] = field(factory=dict)
    serving: bool = False
    fit: bool = True

    def begin(self, arbiter: IArbiter, times: LeaseTimes) -> None:
        """
        Take part.
        """
        name, host = self.name, self.host
        other = "b" if name == "a" else "a"
        self.companion = Companion(other)
        self.journal = Journal(
            host,
            self.companion,
            LIMITS,
            self.companion.fenced,
            self.companion.serving,
        )
        self.member = PairMember(
            name,
            "node1",
            arbiter,
            self,
            host,
            times,
            preferred=name == "a",
            partner=self.companion,
        )
        self.fitness = Fitness(self.member)
        self.companion.join(self.member, self.journal, self.fitness)
        identity = Identity("lab", "node1", name, other)
        self.links = Links(self.journal, identity, self.companion)
        self.member.start()

    def becamePrimary(self, fence: Fence) -> None:
        """
        See L{IRoleObserver}.
        """
        if self.serving:
            raise Broken(f"{self.name} became primary twice")
        self.serving = True
        self.fences[fence] = False
        self.world.promoted(self, fence)
        self.journal.becamePrimary(fence.epoch)

    def handingOver(self, epoch: int) -> None:
        """
        See L{IRoleObserver}.
        """
        delay = self.world.chance.choice((0.0, 0.1, 4.0))
        self.host.callLater(delay, self.member.handedOver)

    def handoverFailed(self, why: str) -> None:
        """
        See L{IRoleObserver}.
        """

    def becameBackup(self, why: str) -> None:
        """
        See L{IRoleObserver}.
        """
        if not self.serving:
            raise Broken(f"{self.name} ceased to serve twice")
        self.serving = False
        self.journal.becameBackup()
        self.world.story.append(f"{self.name} is backup: {why}")

    @property
    def open(self) -> bool:
        """
        Whether anything could leave it that only a primary sends.
        """
        return not self.host.dead and self.member.fence.open


@define(eq=False)
class InAThread:
    """
    Operations on a disk that may be slow: done at some time, known later.
    """

    host: Host
    wire: Wire

    def __call__(self, work: Callable[[], _T], /) -> Deferred[_T]:
        """
        Do it.  A wire that is cut is a disk that fails, before or after.
        """
        result: Deferred[_T] = Deferred()

        def go() -> None:
            outcome: _T | Failure
            try:
                if self.wire.cutOut:
                    raise OSError(errno.EIO, "Input/output error")
                outcome = work()
                if self.wire.cutIn:
                    raise OSError(errno.EIO, "Input/output error")
            except OSError:
                outcome = Failure()
            self._soon(lambda: result.callback(outcome))

        self._soon(go)
        return result

    def _soon(self, call: Callable[[], None]) -> None:
        delay = self.wire.chance.uniform(0, self.wire.slowest)
        self.wire.time.callLater(delay, self.host.run, call)
