"""
DNs and agents as T-Library clients of the TCport see them: the tables of
L{tests.scenarios}, with telephones in memory.
"""

from __future__ import annotations

from tests.memory.telephony import TelephonyTestCase, plays
from tests.scenarios import agents, dn_states


@plays(*dn_states.SCENARIOS)
class DNStateTests(TelephonyTestCase):
    """
    DN states: call model 3.10.
    """


@plays(*agents.SCENARIOS)
class AgentStateTests(TelephonyTestCase):
    """
    Agent states: call model 3.11.
    """
