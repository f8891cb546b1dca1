"""
What can be asked of calls at a routing point.
"""

from __future__ import annotations

from sipcluster.sessioncontroller.supervision_control import SupervisionControl


class RoutingControl(SupervisionControl):
    """
    Finds the calls, and has them routed and treated.
    """
