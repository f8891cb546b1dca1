"""
The part of a call whose parties go to another call, or come from one.
"""

from __future__ import annotations

from sipcluster.sessioncontroller.call_digits import Digits


class Transfers(Digits):
    """
    What a call does about consultation and transfer.
    """

    __slots__ = ()
