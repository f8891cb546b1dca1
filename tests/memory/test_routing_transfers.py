"""
Calls that come to a routing point by consultation and transfer.
"""

from __future__ import annotations

from sipcluster.sessioncontroller.irouting import TreatmentType
from sipcluster.sessioncontroller.isessioncontroller import Why
from sipcluster.sip.message import Request
from tests.memory.controls import WHO
from tests.memory.queues import RP, QueueTestCase

RP_CHANGED = "c1 PartyChanged 5000/dest A/orig by B/TransferredBy Transferred"


class TransferTests(QueueTestCase):
    """
    Alice has called Bob, who talks to her.
    """

    def setUp(self) -> None:
        super().setUp()
        self.c1 = self.talk("A", "B")
        self.rows()

    def consults(self) -> str:
        """
        Bob consults whoever the routing point leads to.
        """
        asked = self.controller.consult("1002", self.c1, RP, requester=WHO)
        self.settle()
        c2: str = self.successResultOf(asked)
        return c2

    def test_consultation(self) -> None:
        """
        A consultation at a routing point is one, and is routed as any call.
        """
        c2 = self.consults()
        self.assertEqual(
            self.rows(),
            [
                "c1 Held B/dest A/orig",
                "c2 Offered B/orig 5000/dest from c1 !",
                "c2 Queued 5000/dest B/orig from c1",
                "c2 RouteRequested 5000/dest B/orig from c1",
            ],
        )
        types = {e.party.callType.value for e in self.sink.events[-2:]}
        self.assertEqual(types, {"Consult"})
        self.successResultOf(self.give(c2, TreatmentType.MUSIC))
        self.assertHears("B", c2, self.session())
        self.successResultOf(self.route(c2, "1003"))
        self.answer("C")
        self.assertNoSession()
        self.assertTalk(c2, "B", "C")
        self.assertEqual(
            self.rows(),
            [
                "c2 TreatmentApplied 5000/dest B/orig from c1 ! Music",
                "c2 Alerting C/dest B/orig from c1",
                "c2 RouteUsed 5000/dest B/orig by C/dest from c1 !",
                "c2 Diverted 5000/dest B/orig by C/dest from c1",
                "c2 Answered C/dest B/orig from c1",
                "c2 Answered B/orig C/dest from c1",
            ],
        )
        self.done(self.controller.completeTransfer("1002", self.c1, c2, WHO))
        self.assertTalk(self.c1, "A", "C")
        self.endAll()

    def test_completed(self) -> None:
        """
        Who consults may leave while the call waits: the other one waits then, hears
        what was given, and is routed under its own call's name.
        """
        c2 = self.consults()
        self.give(c2, TreatmentType.MUSIC)
        self.rows()
        self.done(self.controller.completeTransfer("1002", self.c1, c2, WHO))
        self.assertEqual(
            self.rows(),
            [
                "c2 Released B/orig 5000/dest Transferred from c1 !",
                "c1 Released B/dest A/orig Transferred",
                "c1 PartyChanged A/orig 5000/dest by B/TransferredBy Transferred",
                f"{RP_CHANGED} from c2",
            ],
        )
        self.assertEqual(list(self.controller.calls), [self.c1])
        self.assertHears("A", self.c1, self.session())
        self.assertNotDone(self.route(c2, "1003"), Why.UNKNOWN_CALL)
        self.successResultOf(self.route(self.c1, "1003"))
        self.answer("C")
        self.assertTalk(self.c1, "A", "C")
        self.assertEqual(
            self.rows(),
            [
                "c1 Alerting C/dest A/orig",
                "c1 RouteUsed 5000/dest A/orig by C/dest from c2 !",
                "c1 Diverted 5000/dest A/orig by C/dest from c2",
                "c1 Answered C/dest A/orig",
                "c1 PartyChanged A/orig C/dest",
            ],
        )
        self.endAll()

    def endsInTime(self, kind: TreatmentType) -> None:
        """
        What is given for five seconds ends then, although Bob leaves meanwhile.
        """
        c2 = self.consults()
        self.successResultOf(self.give(c2, kind, (("DURATION", 5),)))
        self.pass_(2)
        self.done(self.controller.completeTransfer("1002", self.c1, c2, WHO))
        self.rows()
        self.pass_(2.5)
        self.assertEqual(self.rows(), [])
        self.pass_(1)
        ended = f"c1 TreatmentEnded 5000/dest A/orig from c2 {kind.value}"
        self.assertEqual(self.rows(), [ended])
        self.assertSilent(self.c1, "A")
        self.assertNoSession()
        self.endAll()

    def test_completedForATime(self) -> None:
        """
        What was given for a time ends when that is over.
        """
        self.endsInTime(TreatmentType.MUSIC)

    def test_silentForATime(self) -> None:
        """
        So does silence.
        """
        self.endsInTime(TreatmentType.SILENCE)

    def test_completedInSilence(self) -> None:
        """
        Who waits then without being given anything hears nobody; when nobody says
        anything, it goes where calls go by default.
        """
        self.point(defaults=("1003",))
        c2 = self.consults()
        self.pass_(5)
        self.done(self.controller.completeTransfer("1002", self.c1, c2, WHO))
        self.assertSilent(self.c1, "A")
        self.pass_(5.3)
        self.answer("C")
        self.assertTalk(self.c1, "A", "C")
        self.endAll()

    def test_routedAlready(self) -> None:
        """
        Nobody leaves in the moment in which the call is being routed, but may when it
        rings.
        """
        self.point(divertOnRinging=False)
        c2 = self.consults()
        routed = self.route(c2, "1003")
        self.assertNoResult(routed)
        refused = self.controller.completeTransfer("1002", self.c1, c2, WHO)
        self.assertNotDone(refused, Why.WRONG_STATE)
        self.answer("C")
        self.done(self.controller.completeTransfer("1002", self.c1, c2, WHO))
        self.assertTalk(self.c1, "A", "C")
        self.endAll()

    def test_consultingLeaves(self) -> None:
        """
        When the consulting telephone hangs up, the routing point is abandoned.
        """
        c2 = self.consults()
        self.rows()
        self.done(self.controller.release("1002", c2, WHO))
        self.assertEqual(
            self.rows(),
            [
                "c2 Released B/orig 5000/dest from c1 !",
                "c2 Released 5000/dest B/orig Abandoned from c1",
            ],
        )
        self.endAll()

    def test_singleStep(self) -> None:
        """
        A call may be sent to a routing point in one step.
        """
        self.done(
            self.controller.singleStepTransfer("1002", self.c1, RP, requester=WHO)
        )
        self.assertEqual(
            self.rows(),
            [
                "c1 Released B/dest A/orig by 5000/dest Transferred !",
                "c1 Queued 5000/dest A/orig by B/TransferredBy Transferred",
                "c1 RouteRequested 5000/dest A/orig",
                "c1 PartyChanged A/orig 5000/dest by B/TransferredBy Transferred",
            ],
        )
        self.assertSilent(self.c1, "A")
        self.successResultOf(self.give(self.c1, TreatmentType.MUSIC))
        self.assertHears("A", self.c1, self.session())
        self.successResultOf(self.route(self.c1, "1003"))
        self.answer("C")
        self.assertTalk(self.c1, "A", "C")
        self.assertEqual(self.rows()[-1], "c1 PartyChanged A/orig C/dest")
        self.endAll()

    def test_singleStepBusy(self) -> None:
        """
        It is still there when the destination is busy.
        """
        self.done(
            self.controller.singleStepTransfer("1002", self.c1, RP, requester=WHO)
        )
        self.desks["C"].refuses = 486
        self.assertNotDone(self.route(self.c1, "1003"), Why.BUSY)
        self.successResultOf(self.route(self.c1, "1002"))
        self.answer("B")
        self.assertTalk(self.c1, "A", "B")
        self.endAll()

    def test_mute(self) -> None:
        """
        And without a word.
        """
        asked = self.controller.muteTransfer("1002", self.c1, RP, requester=WHO)
        self.settle()
        self.run_(0.1)
        self.settle()
        self.successResultOf(asked)
        self.assertEqual(list(self.controller.calls), [self.c1])
        self.successResultOf(self.route(self.c1, "1003"))
        self.answer("C")
        self.assertTalk(self.c1, "A", "C")
        self.endAll()

    def test_unacknowledged(self) -> None:
        """
        Whoever answers before the caller has acknowledged its music gets it all the
        same.
        """
        c2 = self.dial("C", RP)
        line = self.desks["C"].lines[0]
        held: list[Request] = []
        acknowledge = line._acknowledge
        self.patch(line, "_acknowledge", held.append)
        self.give(c2, TreatmentType.MUSIC)
        self.desks["A"].lines[0].hangUp()
        self.settle()
        self.successResultOf(self.route(c2, "1001"))
        self.answer("A")
        acknowledge(held.pop())
        self.pass_(5)
        self.assertTalk(c2, "C", "A")
        self.endAll()
