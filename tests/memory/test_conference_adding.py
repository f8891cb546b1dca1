"""
Somebody is called into a call.
"""

from __future__ import annotations

from sipcluster.sessioncontroller.isessioncontroller import Why
from tests.memory.conferring import Conferring
from tests.memory.controls import WHO


class SingleStepTests(Conferring):
    """
    L{IConferences.singleStepConference}.
    """

    def test_flow(self) -> None:
        """
        Bob has Carol called into his call with Alice; they talk until she answers.
        """
        asked = self.controller.singleStepConference("1002", self.c1, "1003", (), WHO)
        self.settle()
        rung = "c1 Alerting C/ConferenceMember B/dest by B/AddedBy Conferenced"
        self.assertEqual(self.rows()[0], rung)
        self.assertTalk(self.c1, "A", "B")
        self.assertNoResult(asked)
        self.answer("C")
        self.done(asked)
        added = "C/NewParty by B/AddedBy Conferenced"
        self.assertEqual(
            self.rows(),
            [
                "c1 Answered C/ConferenceMember B/dest by B/AddedBy Conferenced",
                f"c1 PartyAdded B/dest {added} !",
                f"c1 PartyAdded A/orig {added}",
            ],
        )
        self.assertMixed(self.c1, "A", "B", "C")
        self.endAll()
        self.assertNoMedia()

    def test_userData(self) -> None:
        """
        Data goes along, and all see it.
        """
        pairs = (("key", "value"),)
        asked = self.controller.singleStepConference("1002", self.c1, "1003", pairs)
        self.settle()
        self.answer("C")
        self.done(asked)
        for status in self.controller.partiesIn(self.c1):
            self.assertEqual(status.view.userData, pairs)
        self.endAll()

    def test_fourth(self) -> None:
        """
        One after the other is called in.
        """
        for letter, dn in (("C", "1003"), ("D", "1004")):
            asked = self.controller.singleStepConference("1002", self.c1, dn)
            self.settle()
            self.answer(letter)
            self.done(asked)
        self.assertMixed(self.c1, "A", "B", "C", "D")
        self.endAll()
        self.assertNoMedia()

    def refused(self, why: Why, rows: list[str]) -> None:
        """
        Nobody comes, and nothing has changed.
        """
        asked = self.asked
        self.assertNotDone(asked, why)
        self.assertEqual([row for row in self.rows() if "Progressed" not in row], rows)
        self.assertTalk(self.c1, "A", "B")
        self.assertNoMedia()
        self.endAll()

    def ring(self) -> None:
        """
        Carol rings, or not.
        """
        self.asked = self.controller.singleStepConference(
            "1002", self.c1, "1003", (), WHO
        )
        self.settle()
        self.alerted = [row for row in self.rows() if "Alerting" in row]

    def test_busy(self) -> None:
        """
        Carol is busy.
        """
        self.desks["C"].refuses = 486
        self.ring()
        self.assertEqual(len(self.alerted), 1)
        self.refused(Why.BUSY, [])

    def test_noAnswer(self) -> None:
        """
        Carol does not answer.
        """
        self.ring()
        self.pass_(130)
        released = "c1 Released C/ConferenceMember B/dest NoAnswer"
        self.refused(Why.NO_ANSWER, [released])

    def test_rejected(self) -> None:
        """
        Carol's desktop rejects it.
        """
        self.ring()
        self.done(self.controller.release("1003", self.c1, WHO))
        released = "c1 Released C/ConferenceMember B/dest Rejected !"
        self.refused(Why.REJECTED, [released])

    def test_answeredByRequest(self) -> None:
        """
        Carol's desktop answers it.
        """
        self.ring()
        self.done(self.controller.answer("1003", self.c1))
        self.done(self.asked)
        self.assertMixed(self.c1, "A", "B", "C")
        self.endAll()

    def test_noMediaServer(self) -> None:
        """
        Without a media server Carol is not kept.
        """
        self.service.servers.clear()
        self.ring()
        self.answer("C")
        self.refused(Why.FAILED, ["c1 Released C/ConferenceMember B/dest Abandoned"])

    def test_adderLeaves(self) -> None:
        """
        When Bob hangs up while Carol rings, the call ends for all.
        """
        self.ring()
        self.line("B", self.c1).hangUp()
        self.settle()
        self.assertNotDone(self.asked, Why.DISCONNECTED)
        self.assertEqual(
            [row for row in self.rows() if "C/" in row],
            ["c1 Released C/ConferenceMember B/dest Abandoned"],
        )
        self.endAll()

    def test_impossible(self) -> None:
        """
        What cannot be is refused at once.
        """
        for to, why in (
            ("7777", Why.INVALID_DESTINATION),
            ("1001", Why.INVALID_DESTINATION),
            ("", Why.INVALID_DESTINATION),
        ):
            asked = self.controller.singleStepConference("1002", self.c1, to)
            self.assertNotDone(asked, why)
        self.ring()
        asked = self.controller.singleStepConference("1002", self.c1, "1004")
        self.assertNotDone(asked, Why.WRONG_STATE)
        self.endAll()
        self.assertNotDone(self.asked, Why.DISCONNECTED)
