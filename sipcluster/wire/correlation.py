"""
Who asked for something, how its answer finds the way back, and what is still asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from heapq import heapify, heappop, heappush
from typing import Generic, TypeVar

from attrs import frozen
from twisted.internet.interfaces import IDelayedCall, IReactorTime


@frozen
class Requester:
    """
    Who asked for what happens: goes with a request through the cluster and comes
    back with the event that answers it.  A plain value, so that it can be written
    down with the call it concerns.

    @ivar client: id of the client's session at the port that took the request.
    @ivar reference: the ReferenceID that the client chose; never 0.
    """

    client: str
    reference: int


class TooManyRequests(Exception):
    """
    There are as many requests in flight as are allowed; nothing was added.
    """


Asked = TypeVar("Asked")


class Correlation(Generic[Asked]):
    """
    Requests in flight, by their reference, with a deadline each.

    One timer serves all of them.
    """

    __slots__ = ("_clock", "_deadlines", "_limit", "_pending", "_timedOut", "_timer")

    def __init__(
        self,
        clock: IReactorTime,
        timedOut: Callable[[int, Asked], object],
        limit: int = 10000,
    ) -> None:
        """
        @param timedOut: given the reference and what was kept with it, which is
            forgotten by then.
        @param limit: requests that may be in flight at one time.
        """
        self._clock = clock
        self._timedOut = timedOut
        self._limit = limit
        self._pending: dict[int, tuple[float, Asked]] = {}
        # Deadlines of requests that were answered stay here until they are due,
        # or until there are more of them than of the others.
        self._deadlines: list[tuple[float, int]] = []
        self._timer: IDelayedCall | None = None

    def __len__(self) -> int:
        """
        How many are in flight.
        """
        return len(self._pending)

    def __contains__(self, reference: int) -> bool:
        """
        Whether one is in flight.
        """
        return reference in self._pending

    def __iter__(self) -> Iterator[int]:
        """
        The references in flight, oldest first.
        """
        return iter(tuple(self._pending))

    def add(self, reference: int, asked: Asked, seconds: float) -> None:
        """
        Note a request.

        @param reference: not in flight.
        @param asked: whatever its answer needs.
        @param seconds: until it counts as not answered.

        @raise TooManyRequests: the limit is reached.
        """
        if reference in self._pending:
            raise ValueError(f"reference {reference} is in flight already")
        if len(self._pending) >= self._limit:
            raise TooManyRequests(f"{self._limit} requests are in flight")
        deadline = self._clock.seconds() + seconds
        self._pending[reference] = (deadline, asked)
        heappush(self._deadlines, (deadline, reference))
        if self._deadlines[0] == (deadline, reference):
            self._watch()

    def get(self, reference: int) -> Asked | None:
        """
        What was kept with a request; L{None}: it is not in flight.
        """
        found = self._pending.get(reference)
        return None if found is None else found[1]

    def left(self, reference: int) -> float:
        """
        Seconds until one that is in flight counts as not answered.
        """
        return max(0.0, self._pending[reference][0] - self._clock.seconds())

    def pop(self, reference: int) -> Asked | None:
        """
        A request is answered.

        @return: what was kept with it; L{None}: it is not in flight.
        """
        found = self._pending.pop(reference, None)
        if found is None:
            return None
        if not self._pending:
            self._deadlines.clear()
            self._stop()
        elif len(self._deadlines) > 2 * len(self._pending) + 64:
            self._deadlines = [
                (deadline, other) for other, (deadline, _) in self._pending.items()
            ]
            heapify(self._deadlines)
        return found[1]

    def clear(self) -> list[Asked]:
        """
        Forget all of them, without a word.

        @return: what was kept with them, oldest first.
        """
        asked = [kept for _, kept in self._pending.values()]
        self._pending.clear()
        self._deadlines.clear()
        self._stop()
        return asked

    def _stop(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()

    def _watch(self) -> None:
        self._stop()
        if self._deadlines:
            left = self._deadlines[0][0] - self._clock.seconds()
            self._timer = self._clock.callLater(max(0.0, left), self._due)

    def _due(self) -> None:
        self._timer = None
        now = self._clock.seconds()
        late: list[tuple[int, Asked]] = []
        while self._deadlines and self._deadlines[0][0] <= now:
            deadline, reference = heappop(self._deadlines)
            found = self._pending.get(reference)
            if found is not None and found[0] == deadline:
                del self._pending[reference]
                late.append((reference, found[1]))
        if not self._pending:
            self._deadlines.clear()
        self._watch()
        for reference, asked in late:
            self._timedOut(reference, asked)
