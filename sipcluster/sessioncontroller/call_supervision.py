"""
The part of a call to which supervisors listen.
"""

from __future__ import annotations

from sipcluster.sessioncontroller.call_conferences import Conferences


class Supervision(Conferences):
    """
    What a call does about its supervisors.
    """

    __slots__ = ()
