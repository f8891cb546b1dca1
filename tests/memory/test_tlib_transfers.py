"""
Consultation and transfer as T-Library clients see them: the tables of
L{tests.scenarios.transfers}, with telephones in memory.
"""

from __future__ import annotations

from tests.memory.desks import DesksTestCase
from tests.memory.telephony import plays
from tests.scenarios import transfers

#: Those that are still to come.
PENDING = ("merged",)


@plays(*(one for one in transfers.SCENARIOS if one.name not in PENDING))
class TransferTests(DesksTestCase):
    """
    Call models 3.3 and 3.4.
    """


class DefaultPortTransferTests(TransferTests):
    """
    The same, asked at the default port.
    """

    portName = "default"
