"""
Session timers (RFC 4028): ending a call whose other side has vanished.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from attrs import define, frozen
from automat import TypeMachine, TypeMachineBuilder
from twisted.logger import Logger

from sipcluster.sip.errors import MalformedMessage
from sipcluster.sip.grammar import MAX_UNSIGNED, clampedNumber
from sipcluster.sip.machine import indexed
from sipcluster.sip.message import Message, Request, Response
from sipcluster.sip.parameters import NONE, Parameters
from sipcluster.sip.timers import TimerQueue, TimerSet

log = Logger()

#: The least interval in seconds that anybody may insist on (section 5).
MIN_SE = 90

UAC, UAS = b"uac", b"uas"


@frozen
class SessionExpires:
    """
    The header of that name.

    @ivar seconds: the session interval.
    @ivar refresher: C{b"uac"}, C{b"uas"}, or empty when that is left open.
    """

    seconds: int
    refresher: bytes = b""

    @classmethod
    def of(cls, message: Message) -> SessionExpires | None:
        """
        Read it from a message.

        @return: L{None} when there is none.

        @raise MalformedMessage: it cannot be read.
        """
        value = message.headers.first(b"Session-Expires")
        if value is None:
            return None
        seconds, semicolon, rest = value.partition(b";")
        parameters = Parameters.parse(semicolon + rest) if semicolon else NONE
        refresher = (parameters.get(b"refresher") or b"").lower()
        return cls(
            clampedNumber(seconds.strip(), "Session-Expires", MAX_UNSIGNED),
            refresher if refresher in (UAC, UAS) else b"",
        )

    def render(self) -> bytes:
        """
        Write it.
        """
        if self.refresher:
            return b"%d;refresher=%b" % (self.seconds, self.refresher)
        return b"%d" % self.seconds


def minSE(message: Message) -> int:
    """
    The Min-SE of a message, at least L{MIN_SE}.

    @raise MalformedMessage: it cannot be read.
    """
    value = message.headers.first(b"Min-SE")
    if value is None:
        return MIN_SE
    number = value.partition(b";")[0].strip()
    return max(MIN_SE, clampedNumber(number, "Min-SE", MAX_UNSIGNED))


def supportsTimer(message: Message) -> bool:
    """
    Whether the sender knows session timers.
    """
    for name in (b"Supported", b"Require"):
        if any(option.lower() == b"timer" for option in message.headers.values(name)):
            return True
    return False


class IntervalTooSmall(MalformedMessage):
    """
    The interval that is asked for is below what is served here: to be answered
    422.

    @ivar minimum: for Min-SE, in seconds.
    """

    def __init__(self, minimum: int) -> None:
        super().__init__("Session Interval Too Small", b"", 422)
        self.minimum = minimum


@frozen
class Agreement:
    """
    What both sides agreed on.

    @ivar seconds: the session interval; 0 when the session does not expire.
    @ivar weRefresh: whether it is on us to refresh.
    @ivar required: whether the response is to say C{Require: timer} (section 9).
    @ivar value: the Session-Expires of the response; empty for none.
    """

    seconds: int = 0
    weRefresh: bool = False
    required: bool = False
    value: bytes = b""


NO_TIMER = Agreement()


def agreedAsUAS(request: Request, interval: int, minimum: int = MIN_SE) -> Agreement:
    """
    What to answer to an INVITE or UPDATE (section 9).

    @param interval: the longest session interval that we want, in seconds; 0
        leaves it to the other side.
    @param minimum: the least one that we serve.

    @raise IntervalTooSmall: it is to be answered 422.
    @raise MalformedMessage: it cannot be read.
    """
    asked = SessionExpires.of(request)
    knows = supportsTimer(request)
    minimum = max(minimum, MIN_SE)
    if asked is None:
        if not interval:
            return NO_TIMER
        seconds = max(interval, minSE(request), minimum)
        refresher = b""
    else:
        if asked.seconds < minimum and knows:
            raise IntervalTooSmall(minimum)
        seconds = asked.seconds
        if interval:
            seconds = max(min(seconds, interval), minSE(request), minimum)
        refresher = asked.refresher
    if not knows:
        refresher = UAS
    elif not refresher:
        refresher = UAC
    value = SessionExpires(seconds, refresher).render()
    return Agreement(seconds, refresher == UAS, knows and refresher == UAC, value)


def agreedAsUAC(response: Response) -> Agreement:
    """
    What a 2xx to our INVITE or UPDATE says (section 7.2).

    @raise MalformedMessage: it cannot be read.
    """
    granted = SessionExpires.of(response)
    if granted is None:
        return NO_TIMER
    seconds = max(granted.seconds, MIN_SE)
    return Agreement(seconds, granted.refresher != UAS)


class SessionTimer(Protocol):
    """
    What may happen to the timer of a session.
    """

    def refreshed(self, agreement: Agreement) -> None:
        "A 2xx to an INVITE or UPDATE was sent or received."

    def half(self) -> None:
        "Half of the interval is over."

    def expire(self) -> None:
        "The interval is nearly over and no refresh came."

    def stop(self) -> None:
        "The session is over."


@define(eq=False)
class _Core:
    refresh: Callable[[], None]
    expired: Callable[[], None]
    timers: TimerSet

    def call(self, call: Callable[[], None]) -> None:
        try:
            call()
        except Exception:
            log.failure("session timer")

    def finish(self) -> None:
        self.timers.stopAll()
        self.refresh = self.expired = _nothing


def _nothing() -> None:
    """
    Called in place of what is over.
    """


def _build() -> TypeMachine[SessionTimer, _Core]:
    m = TypeMachineBuilder(SessionTimer, _Core)
    running = m.state("Running")
    ended = m.state("Ended")

    @running.upon(SessionTimer.refreshed).loop()
    def start(timer: SessionTimer, s: _Core, agreement: Agreement) -> None:
        s.timers.stopAll()
        seconds = agreement.seconds
        if seconds:
            if agreement.weRefresh:
                s.timers.start("half", seconds / 2, timer.half)
            # Section 10: a BYE a third of the interval before, at most 32 s.
            s.timers.start("expire", seconds - min(32, seconds / 3), timer.expire)

    @running.upon(SessionTimer.half).loop()
    def refresh(timer: SessionTimer, s: _Core) -> None:
        s.call(s.refresh)

    @running.upon(SessionTimer.expire).to(ended)
    def expire(timer: SessionTimer, s: _Core) -> None:
        expired = s.expired
        s.finish()
        s.call(expired)

    @running.upon(SessionTimer.stop).to(ended)
    def stop(timer: SessionTimer, s: _Core) -> None:
        s.finish()

    # Late, and harmless.
    ended.upon(SessionTimer.refreshed).loop().returns(None)
    ended.upon(SessionTimer.half).loop().returns(None)
    ended.upon(SessionTimer.expire).loop().returns(None)
    ended.upon(SessionTimer.stop).loop().returns(None)
    return m.build()


_machine = indexed(_build())


def sessionTimer(
    queue: TimerQueue, refresh: Callable[[], None], expired: Callable[[], None]
) -> SessionTimer:
    """
    Watch one session.

    @param refresh: called when it is on us to send a re-INVITE or UPDATE.
    @param expired: called once, when no refresh came in time: the dialog is to
        be ended with BYE.
    """
    return _machine(_Core(refresh, expired, TimerSet(queue)))
