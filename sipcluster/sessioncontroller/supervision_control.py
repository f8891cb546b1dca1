"""
What can be asked of calls for a supervisor.
"""

from __future__ import annotations

from sipcluster.sessioncontroller.conference_control import ConferenceControl


class SupervisionControl(ConferenceControl):
    """
    Finds the calls, and has them listened to.
    """
