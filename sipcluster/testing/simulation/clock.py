"""
The time of a simulated world, and that of each process in it.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Any

from twisted.internet.base import DelayedCall
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from zope.interface import implementer

#: What happens at a time: when, by the clock of the world; a number that is never the
#: same; when, by the clock that it was asked of; what; in whose name.
_Due = tuple[float, int, float, Any, "ProcessClock | None"]


def _ignored(call: Any) -> None:
    """
    What is cancelled is left out when its time comes.
    """


@implementer(IReactorTime)
class WorldClock:
    """
    All that will happen, in order.  What falls due at the same time happens in the
    order in which it was asked for.

    @ivar happened: called after everything that happens; L{None}: nobody looks.
    """

    def __init__(self) -> None:
        self._now = 0.0
        self._serial = 0
        self._heap: list[_Due] = []
        self.happened: Callable[[], object] | None = None

    def seconds(self) -> float:
        """
        Since the world began.
        """
        return self._now

    def callLater(
        self, delay: float, callable: Callable[..., object], *args: Any, **kw: Any
    ) -> IDelayedCall:
        """
        See C{IReactorTime}.
        """
        return self.callFor(None, delay, callable, args, kw)

    def callFor(
        self,
        process: ProcessClock | None,
        delay: float,
        callable: Callable[..., object],
        args: Any,
        kw: Any,
    ) -> IDelayedCall:
        """
        Call something later in the name of a process.
        """

        def moved(call: Any) -> None:
            self._push(call, process)

        seconds = self.seconds if process is None else process.seconds
        made: Any = DelayedCall(
            seconds() + max(0.0, delay), callable, args, kw, _ignored, moved, seconds
        )
        self._push(made, process)
        return made  # type: ignore[no-any-return] # DelayedCall has no types

    def _push(self, call: Any, process: ProcessClock | None) -> None:
        self._serial += 1
        at = call.time
        time = at if process is None else max(self._now, process.inWorld(at))
        heapq.heappush(self._heap, (time, self._serial, at, call, process))

    def again(self, due: _Due) -> None:
        """
        Put back what a process could not do while it stood still.
        """
        heapq.heappush(self._heap, due)

    def getDelayedCalls(self) -> list[Any]:
        """
        See C{IReactorTime}: those of dead processes are none.
        """
        found: dict[int, Any] = {}
        for _, _, _, call, process in sorted(self._heap):
            dead = process is not None and process.dead
            if call.active() and not dead:
                found[id(call)] = call
        return list(found.values())

    def runUntil(self, end: float) -> None:
        """
        Let everything happen up to a time, that included.
        """
        heap = self._heap
        while heap and heap[0][0] <= end:
            due = heapq.heappop(heap)
            time, _, at, call, process = due
            if call.cancelled or call.called or at != call.time:
                continue  # moved, and due again elsewhere
            if call.delayed_time > 0:
                call.activate_delay()
                self._push(call, process)
                continue
            if process is not None:
                if process.dead:
                    continue
                if process.frozen:
                    process.missed.append(due)
                    continue
                process.reached(at)
            if time > self._now:
                self._now = time
            call.called = 1
            call.func(*call.args, **call.kw)
            if self.happened is not None:
                self.happened()
        self._now = max(self._now, end)


@implementer(IReactorTime)
class ProcessClock:
    """
    The monotonic clock of one process.  When that is killed nothing of it happens
    any more; when it is stopped and goes on, its clock has gone on meanwhile, and
    what it has missed happens at once.

    Each host counts from when it was switched on, and a little too fast or too slow.

    @ivar missed: what has fallen due while it stood still.
    """

    def __init__(
        self, world: WorldClock, offset: float = 0.0, rate: float = 1.0
    ) -> None:
        """
        @param offset: what the clock said when the world began.
        @param rate: seconds of this clock in a second of the world.
        """
        self._world = world
        self._offset = offset
        self._rate = rate
        self._reached = 0.0
        self.dead = False
        self.frozen = False
        self.missed: list[_Due] = []

    def seconds(self) -> float:
        """
        See C{IReactorTime}.
        """
        now = self._offset + self._rate * self._world._now
        return now if now > self._reached else self._reached

    def inWorld(self, seconds: float) -> float:
        """
        When this clock will say so.
        """
        return (seconds - self._offset) / self._rate

    def reached(self, seconds: float) -> None:
        """
        It is not before this time any more: rounding may wake what waits for it
        too early by a hair, again and again.
        """
        if seconds > self._reached:
            self._reached = seconds

    def callLater(
        self, delay: float, callable: Callable[..., object], *args: Any, **kw: Any
    ) -> IDelayedCall:
        """
        See C{IReactorTime}.
        """
        return self._world.callFor(self, delay, callable, args, kw)

    def getDelayedCalls(self) -> list[Any]:
        """
        See C{IReactorTime}.
        """
        mine: dict[int, Any] = {}
        due = [one for one in self._world._heap if one[4] is self]
        for _, _, _, call, _ in (*sorted(due), *self.missed):
            if call.active():
                mine[id(call)] = call
        return list(mine.values())

    def kill(self) -> None:
        """
        End the process.
        """
        self.dead = True
        self.missed.clear()

    def freeze(self) -> None:
        """
        Stop the process, as SIGSTOP does.
        """
        self.frozen = True

    def thaw(self) -> None:
        """
        Let it go on.
        """
        self.frozen = False
        missed, self.missed = self.missed, []
        for due in missed:
            self._world.again(due)
