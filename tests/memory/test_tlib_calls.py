"""
Calls as T-Library clients see them: the tables of L{tests.scenarios}, with
telephones in memory.  Each is played with the asking clients at either port.
"""

from __future__ import annotations

from tests.memory.telephony import TelephonyTestCase, plays
from tests.scenarios import digits, holding, two_party, user_data


@plays(*two_party.SCENARIOS, *digits.SCENARIOS)
class TwoPartyTests(TelephonyTestCase):
    """
    Two-party calls and how they fail: call model 3.1.
    """


@plays(*holding.SCENARIOS)
class HoldingTests(TelephonyTestCase):
    """
    Hold and retrieve: call model 3.2.
    """


@plays(*user_data.SCENARIOS)
class UserDataTests(TelephonyTestCase):
    """
    User data: call model 3.9.
    """


class DefaultPortTwoPartyTests(TwoPartyTests):
    """
    The same, asked at the default port.
    """

    portName = "default"


class DefaultPortHoldingTests(HoldingTests):
    """
    The same, asked at the default port.
    """

    portName = "default"


class DefaultPortUserDataTests(UserDataTests):
    """
    The same, asked at the default port.
    """

    portName = "default"
