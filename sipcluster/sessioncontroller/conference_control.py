"""
What can be asked of calls of more than two parties.
"""

from __future__ import annotations

from sipcluster.sessioncontroller.transfer_control import TransferControl


class ConferenceControl(TransferControl):
    """
    Finds the calls, and has them confer.
    """
