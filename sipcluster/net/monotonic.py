"""
A reactor whose timers do not follow the wall clock.
"""

from __future__ import annotations

import time
from typing import Any


def useMonotonicTime(reactor: Any) -> None:
    """
    Let C{reactor} measure time by a clock that nobody can set.

    Twisted's reactors measure by C{time.time}, so that every timer fires early
    or late when someone sets the clock.  To be called before anything is
    scheduled; C{reactor.seconds()} is no date any more afterwards.
    """
    reactor.seconds = time.monotonic
