"""
Moving the time of a test.
"""

from __future__ import annotations

from twisted.internet.task import Clock


def runFor(clock: Clock, seconds: float) -> None:
    """
    Advance C{clock}, stopping at every call that falls due on the way.

    L{Clock.advance} jumps first and runs calls after, so a timer that restarts
    itself would restart from the end of the jump.  A SIP timer that doubles
    would then fire once where it should fire six times.

    @param seconds: at least 0; calls due exactly at the end are made.
    """
    end = clock.seconds() + seconds
    while True:
        due = [
            call.getTime() for call in clock.getDelayedCalls() if call.getTime() <= end
        ]
        if not due:
            break
        clock.advance(max(0.0, min(due) - clock.seconds()))
    clock.advance(max(0.0, end - clock.seconds()))
