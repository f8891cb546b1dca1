"""
Routing points and predictive calls as T-Library clients see them: the tables of
L{tests.scenarios.routing} and L{tests.scenarios.predictive}, with telephones and a
media server in memory.
"""

from __future__ import annotations

from tests.memory.desks import MediaTestCase
from tests.memory.telephony import plays
from tests.scenarios import predictive, routing


@plays(*routing.SCENARIOS, *predictive.SCENARIOS)
class QueueTests(MediaTestCase):
    """
    Call models 3.6 and 3.7: routing clients are at the default port.
    """

    portName = "default"
    letters = "ABCP"
