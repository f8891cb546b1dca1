"""
What campaigns of the model have found, step by step.
"""

from __future__ import annotations

from sipcluster.sessioncontroller.isessioncontroller import Why
from sipcluster.sessioncontroller.isupervision import Monitoring
from tests.memory.conferring import Conferring
from tests.memory.controls import WHO
from tests.memory.nodes import DOMAIN


class FaultTests(Conferring):
    """
    Alice talks to Bob.
    """

    def observed(self) -> None:
        """
        Carol supervises Bob.
        """
        monitoring = Monitoring("1003", "1002")
        self.controller.observe(self.c1, monitoring).addErrback(lambda _: None)
        self.settle()
        self.answer("C")

    def test_muteTransferToNobody(self) -> None:
        """
        A mute transfer of a call whose other party rings yet is refused before
        anything is done: the call is not held.
        """
        self.done(self.controller.singleStepTransfer("1002", self.c1, "1003", (), WHO))
        refused = self.controller.muteTransfer("1001", self.c1, "1004", (), WHO)
        self.assertNotDone(refused, Why.WRONG_STATE)
        self.settle()
        self.assertEqual(
            self.states(self.c1), {"1001": "Connected", "1003": "Alerting"}
        )
        self.assertEqual(len(self.controller.calls), 1)
        self.desks["C"].answer()
        self.settle()
        self.assertTalk(self.c1, "A", "C")
        self.endAll()

    def test_deafAfterTransfer(self) -> None:
        """
        Who is to hear nobody does not hear whoever answers a transferred call.
        """
        self.done(self.controller.listenDisconnect("1002", self.c1, "1001", WHO))
        self.done(self.controller.singleStepTransfer("1002", self.c1, "1003"))
        self.answer("C")
        alice, carol = self.line("A", self.c1), self.line("C", self.c1)
        self.assertEqual((alice.hears, carol.hears), (0, alice.port))
        self.done(self.controller.listenReconnect("1003", self.c1, "1001"))
        self.assertTalk(self.c1, "A", "C")
        self.endAll()

    def test_calledInRedirects(self) -> None:
        """
        Who is called into a call can send nobody else there.
        """
        self.controller.singleStepConference("1002", self.c1, "1003", (), WHO)
        self.settle()
        redirected = self.controller.redirect("1003", self.c1, "1001")
        self.assertNotDone(redirected, Why.WRONG_STATE)
        self.answer("C")
        self.assertMixed(self.c1, "A", "B", "C")
        self.endAll()

    def test_transferToSupervisor(self) -> None:
        """
        A supervisor is not called into the call that it hears.
        """
        self.observed()
        moved = self.controller.singleStepTransfer("1002", self.c1, "1003")
        self.assertNotDone(moved, Why.INVALID_DESTINATION)
        c2 = self.consult("B", self.c1, "C")
        merged = self.controller.completeTransfer("1002", self.c1, c2)
        self.assertNotDone(merged, Why.WRONG_STATE)
        self.endAll()

    def test_calledInAndConsulted(self) -> None:
        """
        Who is being called into a call does not come into it from a consultation.
        """
        self.controller.singleStepConference("1001", self.c1, "1003")
        self.settle()
        c2 = self.consult("B", self.c1, "C", answers=False)
        self.line("C", c2).answer()
        self.settle()
        merged = self.controller.completeConference("1002", self.c1, c2, WHO)
        self.assertNotDone(merged, Why.WRONG_STATE)
        self.line("C", self.c1).answer()
        self.settle()
        self.done(self.controller.reconnect("1002", self.c1, c2))
        self.assertMixed(self.c1, "A", "B", "C")
        self.endAll()

    def test_referredInVain(self) -> None:
        """
        A supervised call that a telephone could not leave is mixed as before.
        """
        self.observed()
        self.assertMixed(self.c1, "A", "B", "C")
        self.line("B", self.c1).refer(f"<sip:1004@{DOMAIN}>".encode())
        self.settle()
        self.desks["D"].ringing.refuse(486)
        self.settle()
        self.assertMixed(self.c1, "A", "B", "C")
        self.endAll()
