"""
Hosts of a simulation: clocks that drift, processes that freeze and die, and what
lies between them and what they ask.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any

from attrs import define, field
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.task import Clock
from zope.interface import implementer


@implementer(IDelayedCall)
@define(eq=False)
class _Call:
    host: Host
    at: float
    call: Callable[[], object]
    real: Any = None
    over: bool = False

    def due(self) -> None:
        if not self.over:
            self.over = True
            self.host.calls.discard(self)
            # Rounding may have woken it a hair too early, again and again.
            self.host.reached = max(self.host.reached, self.at)
            self.call()

    def cancel(self) -> None:
        if self.over:
            raise ValueError("called or cancelled already")
        self.over = True
        self.host.calls.discard(self)
        if self.real.active():
            self.real.cancel()

    def active(self) -> bool:
        return not self.over

    def getTime(self) -> float:
        return self.at

    def delay(self, secondsLater: float) -> None:
        raise NotImplementedError

    def reset(self, secondsFromNow: float) -> None:
        raise NotImplementedError


@implementer(IReactorTime)
@define(eq=False)
class Host:
    """
    A process with a clock of its own.

    @ivar time: true time.
    @ivar rate: seconds of this clock in a true second.
    @ivar calls: its timers that run.
    @ivar reached: its clock does not go back behind this.
    @ivar waiting: what happens to it when it is no longer frozen.
    """

    time: Clock
    rate: float = 1.0
    offset: float = 0.0
    frozen: bool = False
    dead: bool = False
    calls: set[_Call] = field(factory=set)
    reached: float = -math.inf
    waiting: list[Callable[[], object]] = field(factory=list)

    def seconds(self) -> float:
        """
        Its clock.
        """
        return max(self.reached, self.offset + self.rate * self.time.seconds())

    def callLater(
        self, delay: float, callable: Callable[..., object], *args: Any, **kw: Any
    ) -> IDelayedCall:
        """
        See L{IReactorTime}.
        """
        call = _Call(self, self.seconds() + delay, lambda: callable(*args, **kw))
        call.real = self.time.callLater(delay / self.rate, self.run, call.due)
        self.calls.add(call)
        return call

    def getDelayedCalls(self) -> list[Any]:
        """
        See L{IReactorTime}.
        """
        return list(self.calls)

    def run(self, call: Callable[[], object]) -> None:
        """
        Something happens to the process: now, or when it wakes up.
        """
        if self.frozen:
            self.waiting.append(call)
        elif not self.dead:
            call()

    def thaw(self, chance: random.Random) -> None:
        """
        Wake up: what has waited happens in any order.
        """
        self.frozen = False
        waiting, self.waiting = self.waiting, []
        chance.shuffle(waiting)
        for call in waiting:
            self.run(call)

    def kill(self) -> None:
        """
        End the process, without a word.
        """
        self.dead = True
        self.frozen = False
        self.waiting = []
        for call in list(self.calls):
            call.cancel()


@define(eq=False)
class Wire:
    """
    What lies between a process and what it asks.

    @ivar slowest: a message takes up to so many seconds.
    @ivar loss: part of the messages that never arrive.
    @ivar twice: part of the messages that arrive twice.
    @ivar cutOut: nothing arrives at the other end.
    @ivar cutIn: nothing comes back.
    """

    time: Clock
    chance: random.Random
    slowest: float = 0.0
    loss: float = 0.0
    twice: float = 0.0
    cutOut: bool = False
    cutIn: bool = False

    def out(self, arrive: Callable[[], object]) -> None:
        """
        Send something to the other end.
        """
        if not self.cutOut:
            self._carry(arrive)

    def back(self, arrive: Callable[[], object]) -> None:
        """
        Send something from there.
        """
        if not self.cutIn:
            self._carry(arrive)

    def _carry(self, arrive: Callable[[], object]) -> None:
        for _ in range(2 if self.chance.random() < self.twice else 1):
            if self.chance.random() >= self.loss:
                self.time.callLater(self.chance.uniform(0, self.slowest), arrive)
