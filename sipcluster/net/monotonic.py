"""
A reactor whose timers do not follow the wall clock.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

#: Seconds since some time, by a clock that nobody can set.  Where there is one, by a
#: clock that goes on while the host sleeps: a member of a pair whose host has slept
#: must find its lease over when it wakes up.
seconds: Callable[[], float] = (
    partial(time.clock_gettime, time.CLOCK_BOOTTIME)
    if hasattr(time, "CLOCK_BOOTTIME")
    else time.monotonic
)


def useMonotonicTime(reactor: Any) -> None:
    """
    Let C{reactor} measure time by a clock that nobody can set.

    Twisted's reactors measure by C{time.time}, so that every timer fires early
    or late when someone sets the clock.  To be called before anything is
    scheduled; C{reactor.seconds()} is no date any more afterwards.
    """
    reactor.seconds = seconds
