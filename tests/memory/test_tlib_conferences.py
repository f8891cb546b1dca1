"""
Calls of more than two parties as T-Library clients see them: the tables of
L{tests.scenarios.conferences} and L{tests.scenarios.supervision}, with telephones and
a media server in memory.
"""

from __future__ import annotations

from tests.memory.desks import MediaTestCase
from tests.memory.telephony import plays
from tests.scenarios import conferences, supervision, transfers


@plays(
    *conferences.SCENARIOS,
    *(one for one in transfers.SCENARIOS if one.name == "merged"),
)
class ConferenceTests(MediaTestCase):
    """
    Call model 3.5.
    """


@plays(*supervision.SCENARIOS)
class SupervisionTests(MediaTestCase):
    """
    Call model 3.8.
    """


class DefaultPortConferenceTests(ConferenceTests):
    """
    The same, asked at the default port.
    """

    portName = "default"
