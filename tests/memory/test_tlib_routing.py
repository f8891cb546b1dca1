"""
Routing points as T-Library clients see them: the tables of L{tests.scenarios.routing},
with telephones and a media server in memory.
"""

from __future__ import annotations

from tests.memory.desks import MediaTestCase
from tests.memory.telephony import plays
from tests.scenarios import routing


@plays(*routing.SCENARIOS)
class RoutingTests(MediaTestCase):
    """
    Call model 3.6: routing clients are at the default port.
    """

    portName = "default"
    letters = "ABCP"
