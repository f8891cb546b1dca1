"""
Timers of the SIP core: their values, and cheap ones by the thousand.

A transaction arms two timers and nearly always cancels both.  With one
C{callLater} each that is most of what the transaction costs, so timers of the
same length share a queue: they fall due in the order in which they were set, and
only the first of them has a C{callLater}.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from attrs import define, field, frozen
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

log = Logger()

#: Differences in time that are only rounding, in seconds.
EPSILON = 1e-6

#: Queues that are kept although nothing waits in them: the fixed SIP timers have
#: about a dozen lengths, random ones any number.
KEPT_QUEUES = 32

#: Cancelled timers that may stay in a queue beyond those that wait.
KEPT_CANCELLED = 64

#: How many seconds a call may be late so that others are made with it.
LATEST = 0.01


@frozen
class TimerValues:
    """
    The base values of RFC 3261 table 4, in seconds.

    @ivar t1: estimate of the round trip time.
    @ivar t2: longest gap between retransmissions, the INVITE request aside.
    @ivar t4: how long a message can stay in the network.
    @ivar timerC: how long a proxy lets an INVITE ring (section 16.6 step 11).
    """

    t1: float = 0.5
    t2: float = 4.0
    t4: float = 5.0
    timerC: float = 180.0

    @property
    def silence(self) -> float:
        """
        How long a non-INVITE request may go without any response: as long as
        the client's timer E takes to grow to T2 (RFC 4320 section 4.1).
        """
        gap, seconds = self.t1, 0.0
        while gap < self.t2:
            seconds += gap
            gap *= 2
        return seconds


class Timer:
    """
    One call that will be made, unless it is cancelled.
    """

    __slots__ = ("_args", "_call", "_queue", "_time")

    def __init__(
        self,
        queue: _Queue,
        time: float,
        call: Callable[..., object],
        args: tuple[object, ...],
    ) -> None:
        self._queue = queue
        self._time = time
        self._call: Callable[..., object] | None = call
        self._args = args

    @property
    def active(self) -> bool:
        """
        Whether the call is still to come.
        """
        return self._call is not None

    @property
    def left(self) -> float:
        """
        Seconds until then; 0 when the call is not to come.
        """
        if self._call is None:
            return 0.0
        return max(0.0, self._time - self._queue.owner.clock.seconds())

    def cancel(self) -> None:
        """
        Do not make the call.  Harmless when it was made or cancelled already.
        """
        if self._call is not None:
            self._call = None
            self._args = ()
            self._queue.cancelled()


@define(eq=False)
class _Queue:
    """
    The timers of one length, first due first.

    @ivar waiting: with those that were cancelled and not reached yet; they are
        empty, and never many more than the others.
    @ivar live: how many are to be called.
    @ivar due: the one delayed call.  After its timer was cancelled it comes too
        early, and is set again for the timer that is first then.
    """

    owner: TimerQueue
    length: float
    waiting: deque[Timer] = field(factory=deque)
    live: int = 0
    due: IDelayedCall | None = None

    def cancelled(self) -> None:
        """
        One of the timers is not to be called.
        """
        self.live -= 1
        self.owner.pending -= 1
        if not self.live:
            self.rest()
        elif len(self.waiting) > 2 * self.live + KEPT_CANCELLED:
            self.waiting = deque([each for each in self.waiting if each.active])

    def rest(self) -> None:
        """
        Nothing waits: leave no delayed call behind.
        """
        self.waiting.clear()
        due, self.due = self.due, None
        if due is not None and due.active():  # else its clock has been ended
            due.cancel()
        self.owner.rested(self)

    def fire(self) -> None:
        """
        Make the calls that are due, then wait for the next one.
        """
        self.due = None
        now = self.owner.clock.seconds() + EPSILON
        # Those set by the calls made here have their turn next time, even if
        # their length is 0.
        for _ in range(len(self.waiting)):
            if not self.waiting or self.waiting[0]._time > now:
                break
            timer = self.waiting.popleft()
            call, args = timer._call, timer._args
            if call is None:
                continue
            timer._call = None
            timer._args = ()
            self.live -= 1
            self.owner.pending -= 1
            try:
                call(*args)
            except Exception:
                log.failure("timer of {seconds} s", seconds=self.length)
        self.wait()

    def wait(self) -> None:
        """
        Have the first timer's time awaited, unless it is already.
        """
        if self.due is not None:
            return
        if not self.live:
            self.rest()
            return
        while not self.waiting[0].active:
            self.waiting.popleft()
        clock = self.owner.clock
        seconds = self.waiting[0]._time - clock.seconds()
        # Under load many fall due within a short time: they are called
        # together, a thousandth of their length late at most.
        least = min(self.length / 1000, LATEST)
        self.due = clock.callLater(max(least, seconds), self.fire)


class TimerQueue:
    """
    All timers of one process, or of one test.

    @ivar clock: monotonic.
    @ivar pending: how many calls are to come.
    """

    __slots__ = ("_queues", "clock", "pending")

    def __init__(self, clock: IReactorTime) -> None:
        self.clock = clock
        self.pending = 0
        self._queues: dict[float, _Queue] = {}

    def after(
        self, seconds: float, call: Callable[..., object], *args: object
    ) -> Timer:
        """
        Make a call after C{seconds}.  An exception that it raises is logged.
        """
        queue = self._queues.get(seconds)
        if queue is None:
            queue = self._queues[seconds] = _Queue(self, seconds)
        timer = Timer(queue, self.clock.seconds() + seconds, call, args)
        queue.waiting.append(timer)
        queue.live += 1
        self.pending += 1
        if queue.due is None:
            queue.due = self.clock.callLater(seconds, queue.fire)
        return timer

    def rested(self, queue: _Queue) -> None:
        """
        A queue has become empty.
        """
        queues = self._queues
        if len(queues) > KEPT_QUEUES and queues.get(queue.length) is queue:
            del queues[queue.length]


class TimerSet:
    """
    The running timers of one machine, by the letter that the RFC gives them.
    """

    __slots__ = ("_queue", "_timers")

    def __init__(self, queue: TimerQueue) -> None:
        self._queue = queue
        self._timers: dict[str, Timer] = {}

    def start(
        self, name: str, seconds: float, call: Callable[..., object], *args: object
    ) -> None:
        """
        Start the timer C{name}; one that runs under this name starts anew.
        """
        timers = self._timers
        if name in timers:
            timers[name].cancel()
        timers[name] = self._queue.after(seconds, call, *args)

    def stop(self, *names: str) -> None:
        """
        Stop some timers, running or not.
        """
        for name in names:
            timer = self._timers.pop(name, None)
            if timer is not None:
                timer.cancel()

    def stopAll(self) -> None:
        """
        Stop every timer.
        """
        if self._timers:
            for timer in self._timers.values():
                timer.cancel()
            self._timers.clear()

    def running(self, name: str) -> bool:
        """
        Whether the timer C{name} is to fire.
        """
        timer = self._timers.get(name)
        return timer is not None and timer.active

    def left(self, name: str) -> float:
        """
        Seconds until the timer C{name} fires; 0 when it does not run.
        """
        timer = self._timers.get(name)
        return 0.0 if timer is None else timer.left
