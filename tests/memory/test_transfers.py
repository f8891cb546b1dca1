"""
Consultation and transfer by request.
"""

from __future__ import annotations

from tests.memory.controls import WHO
from tests.memory.conversations import Conversation


class TransferTestCase(Conversation):
    """
    Alice has called Bob, who talks to her.
    """

    def setUp(self) -> None:
        super().setUp()
        self.c1 = self.talk("A", "B")
        self.rows()


class TwoStepTests(TransferTestCase):
    """
    L{ITransfers.consult} and L{ITransfers.completeTransfer}.
    """

    def test_flow(self) -> None:
        """
        Bob consults Carol and leaves both calls to Alice and her.
        """
        c2 = self.consult("B", self.c1, "C")
        self.assertSilent(self.c1, "A", "B")
        self.assertTalk(c2, "B", "C")
        self.assertEqual(
            self.rows(),
            [
                "c1 Held 1002/Destination 1001/Origination",
                "c2 Offered 1002/Origination 1003/Destination from c1 !",
                "c2 Alerting 1003/Destination 1002/Origination from c1",
                "c2 Progressed 1003/Destination 1002/Origination from c1",
                "c2 Answered 1003/Destination 1002/Origination from c1",
                "c2 Answered 1002/Origination 1003/Destination from c1",
            ],
        )
        self.done(self.controller.completeTransfer("1002", self.c1, c2, WHO))
        self.assertEqual(
            self.rows(),
            [
                "c2 Released 1002/Origination 1003/Destination Transferred from c1 !",
                "c1 Released 1002/Destination 1001/Origination Transferred",
                "c1 PartyChanged 1001/Origination 1003/Destination "
                "by 1002/TransferredBy Transferred",
                "c1 PartyChanged 1003/Destination 1001/Origination "
                "by 1002/TransferredBy Transferred from c2",
            ],
        )
        self.assertTalk(self.c1, "A", "C")
        self.assertEqual(list(self.controller.calls), [self.c1])
        self.endAll()
        self.assertEqual(
            self.rows(),
            [
                "c1 Released 1001/Origination 1003/Destination",
                "c1 Released 1003/Destination 1001/Origination from c2",
            ],
        )
