"""
Calls whose far ends ask for the same thing again and again.
"""

from __future__ import annotations

from sipcluster.sessioncontroller.call_parts import MOST_REMEMBERED
from sipcluster.sessioncontroller.replaces import ringingName
from tests.memory.controls import WHO
from tests.memory.conversations import Conversation
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


class SomebodyElseTests(Conversation):
    """
    Bob has transferred Alice to Carol, who rings.
    """

    def setUp(self) -> None:
        super().setUp()
        self.c1 = self.talk("A", "B")
        c2 = self.consult("B", self.c1, "C", answers=False)
        self.done(self.controller.completeTransfer("1002", self.c1, c2, WHO))
        self.rows()

    def test_redirected(self) -> None:
        """
        Alice is told that it is somebody else now to whom she is going to talk.
        """
        self.done(self.controller.redirect("1003", self.c1, "94930123", WHO))
        self.answer("O")
        self.assertEqual(
            self.rows("1001"), ["c1 PartyChanged A/orig O/dest Redirected"]
        )
        self.assertTalk(self.c1, "A", "O")
        self.endAll()

    def test_pickedUp(self) -> None:
        """
        So she is when the call is picked up.
        """
        leg = self.legOf("C", self.c1)
        name = ringingName(leg, self.c1)
        value = b"%b;to-tag=%b;from-tag=%b" % (name.callID, name.ours, name.theirs)
        line = self.desks["B"].newLine()
        invite = line.phone.request(
            b"INVITE", "1003", ((b"Replaces", value),), line.description()
        )
        line._calls = invite
        line._callIDs.add(invite.callID)
        self.settle()
        self.assertEqual(
            self.rows("1001"), ["c1 PartyChanged A/orig B/dest Redirected"]
        )
        self.assertTalk(self.c1, "A", "B")
        self.endAll()
