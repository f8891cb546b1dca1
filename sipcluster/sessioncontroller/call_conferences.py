"""
The part of a call that has more than two parties.
"""

from __future__ import annotations

from sipcluster.sessioncontroller.call_transfers import Transfers


class Conferences(Transfers):
    """
    What a call does about its conference, and about who hears whom.
    """

    __slots__ = ()
