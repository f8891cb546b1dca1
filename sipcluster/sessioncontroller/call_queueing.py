"""
The part of a call that waits at a routing point, and is given treatments.
"""

from __future__ import annotations

from sipcluster.sessioncontroller.call_supervision import Supervision


class Queueing(Supervision):
    """
    What a call does at a routing point.
    """

    __slots__ = ()
