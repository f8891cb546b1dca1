"""
The acknowledgement of a 2xx to an INVITE, which is the business of both user
agents and of no transaction (RFC 3261 sections 13.2.2.4 and 13.3.1.4).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from attrs import define
from automat import TypeMachine, TypeMachineBuilder
from twisted.logger import Logger

from sipcluster.sip.machine import indexed
from sipcluster.sip.message import Response
from sipcluster.sip.timers import TimerQueue, TimerSet, TimerValues

log = Logger()

_DEFAULTS = TimerValues()


class SuccessRepeater(Protocol):
    """
    What may happen to a 2xx of ours to an INVITE.
    """

    def start(self) -> None:
        "The 2xx leaves."

    def again(self) -> None:
        "Time to send it again."

    def acknowledged(self) -> None:
        "Its ACK arrived."

    def expired(self) -> None:
        "No ACK came in 64*T1."

    def stop(self) -> None:
        "Nobody needs it any more: the dialog is over."


@define(eq=False)
class _Repetition:
    send: Callable[[], None]
    unacknowledged: Callable[[], None]
    timers: TimerSet
    t: TimerValues
    within: float
    interval: float = 0.0

    def sendOnce(self) -> None:
        try:
            self.send()
        except Exception:
            log.failure("2xx")

    def finish(self) -> None:
        self.timers.stopAll()
        self.send = self.unacknowledged = _nothing


def _nothing() -> None:
    """
    Called in place of what is over.
    """


def _buildRepeater() -> TypeMachine[SuccessRepeater, _Repetition]:
    m = TypeMachineBuilder(SuccessRepeater, _Repetition)
    idle = m.state("Idle")
    waiting = m.state("Waiting for ACK")
    ended = m.state("Ended")

    @idle.upon(SuccessRepeater.start).to(waiting)
    def begin(repeater: SuccessRepeater, s: _Repetition) -> None:
        s.interval = s.t.t1
        s.timers.start("again", s.interval, repeater.again)
        s.timers.start("expired", s.within, repeater.expired)
        s.sendOnce()

    @waiting.upon(SuccessRepeater.again).loop()
    def repeat(repeater: SuccessRepeater, s: _Repetition) -> None:
        s.sendOnce()
        s.interval = min(2 * s.interval, s.t.t2)
        s.timers.start("again", s.interval, repeater.again)

    @idle.upon(SuccessRepeater.stop).to(ended)
    @waiting.upon(SuccessRepeater.stop).to(ended)
    @waiting.upon(SuccessRepeater.acknowledged).to(ended)
    def finish(repeater: SuccessRepeater, s: _Repetition) -> None:
        s.finish()

    @waiting.upon(SuccessRepeater.expired).to(ended)
    def giveUp(repeater: SuccessRepeater, s: _Repetition) -> None:
        unacknowledged = s.unacknowledged
        s.finish()
        try:
            unacknowledged()
        except Exception:
            log.failure("2xx without ACK")

    # Late, and harmless.
    for state in (waiting, ended):
        state.upon(SuccessRepeater.start).loop().returns(None)
    for state in (idle, ended):
        state.upon(SuccessRepeater.again).loop().returns(None)
        state.upon(SuccessRepeater.expired).loop().returns(None)
        state.upon(SuccessRepeater.acknowledged).loop().returns(None)
    ended.upon(SuccessRepeater.stop).loop().returns(None)
    return m.build()


_repeaterMachine = indexed(_buildRepeater())


def successRepeater(
    queue: TimerQueue,
    send: Callable[[], None],
    unacknowledged: Callable[[], None],
    t: TimerValues = _DEFAULTS,
    seconds: float = 0.0,
) -> SuccessRepeater:
    """
    Send our 2xx to an INVITE until its ACK comes (RFC 3261 section 13.3.1.4):
    at once, after T1, and each time after twice as long, up to T2; on every
    transport, since the next hop may be UDP.

    @param send: sends it, as C{transaction.respond} does in state Accepted.
    @param unacknowledged: called once, when no ACK has come in 64*T1: the
        dialog is to be ended with BYE.
    @param seconds: that are left of the 64*T1 of a 2xx that was sent before; 0: it
        was not.
    """
    within = seconds or 64 * t.t1
    core = _Repetition(send, unacknowledged, TimerSet(queue), t, within)
    return _repeaterMachine(core)


class Acknowledgements:
    """
    The ACKs of the 2xx to one INVITE of ours, one for each dialog: sent again
    for each retransmission of the 2xx (RFC 3261 section 13.2.2.4).
    """

    __slots__ = ("_acks", "_limit")

    def __init__(self, limit: int = 16) -> None:
        """
        @param limit: how many are kept; further forks are acknowledged once.
        """
        self._acks: dict[bytes, Callable[[], None]] = {}
        self._limit = limit

    def sent(self, remoteTag: bytes, send: Callable[[], None]) -> None:
        """
        Send the ACK of one dialog, and keep it.

        @param send: sends the ACK that is ready; it takes a new branch each
            time or the same.
        """
        if remoteTag in self._acks or len(self._acks) < self._limit:
            self._acks[remoteTag] = send
        send()

    def repeat(self, response: Response) -> bool:
        """
        A 2xx arrived.

        @return: whether it was a retransmission: its ACK was sent again.  False
            when it is the first one of its dialog, or the ACK, which may have to
            wait for an answer, is not ready yet.
        """
        send = self._acks.get(response.toTag)
        if send is None:
            return False
        send()
        return True

    def clear(self) -> None:
        """
        Forget them: no retransmission will come.
        """
        self._acks.clear()
