"""
The disk that both members of a pair see, and their lock files on it.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import TypeVar

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from sipcluster.testing.arbiters import Disk
from sipcluster.testing.simulation.chance import Chance

_T = TypeVar("_T")


@define(eq=False)
class SimulatedDisk:
    """
    A disk that is slow at times, full, read-only, or fails.

    @ivar files: what is on it.
    @ivar delay: seconds that something on it takes at most.
    @ivar broken: everything fails, after it was done or instead.
    """

    chance: Chance
    files: Disk = field(factory=Disk)
    delay: float = 0.001
    broken: bool = False

    def heal(self) -> None:
        """
        It is as it should be.
        """
        self.delay, self.broken = 0.001, False
        self.files.full = self.files.readOnly = False


@define(eq=False)
class Thread:
    """
    What a process does on a disk in a thread: a thread stands still with its process,
    and dies with it.
    """

    disk: SimulatedDisk
    clock: IReactorTime

    def __call__(self, work: Callable[[], _T], /) -> Deferred[_T]:
        """
        Do it, at some time; it is known later.
        """
        result: Deferred[_T] = Deferred()
        disk = self.disk

        def go() -> None:
            outcome: _T | Failure
            try:
                if disk.broken and disk.chance.happens(0.5):
                    raise OSError(errno.EIO, "Input/output error")
                outcome = work()
                if disk.broken:
                    raise OSError(errno.EIO, "Input/output error")
            except OSError:
                outcome = Failure()
            self._soon(lambda: result.callback(outcome))

        self._soon(go)
        return result

    def _soon(self, call: Callable[[], object]) -> None:
        self.clock.callLater(self.disk.chance.random() * self.disk.delay, call)
