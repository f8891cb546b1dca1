"""
What can be asked of two calls of one DN.
"""

from __future__ import annotations

from sipcluster.sessioncontroller.call_control import CallControl


class TransferControl(CallControl):
    """
    Finds the calls, and has them consult, transfer and merge.
    """
