"""
Calls whose far ends ask for the same thing again and again.
"""

from __future__ import annotations

from sipcluster.sessioncontroller.call_parts import MOST_REMEMBERED
from tests.memory.controls import WHO
from tests.memory.nodes import DOMAIN
from tests.memory.test_refer import ReferTestCase


class AgainTests(ReferTestCase):
    """
    Bob's telephone transfers, and transfers.
    """

    def test_nobodyTakesIt(self) -> None:
        """
        Who was called in vain is forgotten sooner or later: neither memory nor what is
        written down of the call grows without end.
        """
        call = self.controller.calls[self.c1]
        most = 0
        for _ in range(MOST_REMEMBERED + 20):
            self.desks["C"].refuses = 486
            self.refer(f"<sip:1003@{DOMAIN}>")
            self.pass_(0.1)
            most = max(most, len(call.parties))
        self.assertEqual(most, MOST_REMEMBERED)
        self.assertLess(len(self.controller.ua.parties["1003"]), MOST_REMEMBERED)
        self.assertTalk(self.c1, "A", "B")
        self.assertEqual(call.value().parties[0].dn, "1001")
        self.endAll()

    def test_inCircles(self) -> None:
        """
        So are those who have left.
        """
        call = self.controller.calls[self.c1]
        for _ in range(MOST_REMEMBERED // 2):
            for here, there in (("B", "C"), ("C", "B")):
                c2 = self.consult(here, self.c1, there)
                number = self.desks[here].number
                done = self.controller.completeTransfer(number, self.c1, c2, WHO)
                self.done(done)
        self.assertLess(len(call.parties), MOST_REMEMBERED)
        self.assertTalk(self.c1, "A", "B")
        self.endAll()
