"""
Supervisors listen to calls, coach, and barge in.
"""

from __future__ import annotations

from sipcluster.sessioncontroller.isessioncontroller import Why
from sipcluster.sessioncontroller.isupervision import (
    Monitoring,
    MonitorMode,
    MonitorScope,
)
from sipcluster.tlib.messages import RequestMonitorNextCall
from sipcluster.tserver.itserver import ClientView
from sipcluster.wire.correlation import Requester
from tests.memory.conferring import Conferring
from tests.memory.controls import WHO


class SupervisionTestCase(Conferring):
    """
    Alice has called Bob, whom Dave supervises.
    """

    def observe(
        self,
        mode: MonitorMode = MonitorMode.SILENT,
        scope: MonitorScope = MonitorScope.CALL,
        hidden: bool = False,
    ) -> None:
        """
        Dave listens.
        """
        monitoring = Monitoring("1004", "1002", mode, scope, hidden)
        asked = self.controller.observe(self.c1, monitoring, WHO)
        self.settle()
        self.answer("D")
        self.done(asked)

    def news_(self) -> list[str]:
        """
        The events, without what telephones say of their ringing.
        """
        return [row for row in self.rows() if "Progressed" not in row]


class ObserveTests(SupervisionTestCase):
    """
    L{ISupervision.observe}.
    """

    def test_flow(self) -> None:
        """
        Dave hears Alice and Bob, who do not hear him.
        """
        self.observe()
        self.assertEqual(
            self.news_(),
            [
                "c1 Alerting D/Observer A/orig Bridged",
                "c1 Answered D/Observer A/orig Bridged !",
                "c1 PartyAdded B/dest D/Observer Bridged",
                "c1 PartyAdded A/orig D/Observer Bridged",
            ],
        )
        self.assertMixed(self.c1, "A", "B", "D")
        d = self.line("D", self.c1)
        session = self.sessionOf("D", self.c1)
        self.assertEqual((d.hears, d.speaksTo), (session.port, 0))
        self.assertIn(b"nobody", session.told[-1])
        self.endAll()
        self.assertNoMedia()

    def test_hidden(self) -> None:
        """
        Those whom Dave hears are not told.
        """
        self.observe(hidden=True)
        self.line("D", self.c1).hangUp()
        self.settle()
        self.assertEqual(
            [row for row in self.news_() if "D/Observer" not in row.split(" ")[2]], []
        )
        self.assertTalk(self.c1, "A", "B")
        self.assertNoMedia()
        self.endAll()

    def test_supervisorLeavesFirst(self) -> None:
        """
        When Dave hangs up, Alice and Bob talk on.
        """
        self.observe()
        self.news_()
        self.line("D", self.c1).hangUp()
        self.settle()
        self.assertEqual(
            self.news_(),
            [
                "c1 Released D/Observer A/orig",
                "c1 PartyDeleted A/orig D/DeletedParty",
                "c1 PartyDeleted B/dest D/DeletedParty",
            ],
        )
        self.assertTalk(self.c1, "A", "B")
        self.assertNoMedia()
        self.endAll()

    def test_agentLeavesFirst(self) -> None:
        """
        When Bob hangs up, all is over, and Dave is told why.
        """
        self.observe()
        self.news_()
        self.line("B", self.c1).hangUp()
        self.settle()
        self.assertEqual(
            self.news_(),
            [
                "c1 Released B/dest A/orig",
                "c1 PartyDeleted D/Observer B/DeletedParty",
                "c1 Released A/orig B/dest",
                "c1 Released D/Observer A/orig",
            ],
        )
        self.endAll()
        self.assertNoMedia()

    def test_scopeAgent(self) -> None:
        """
        With the scope agent, Dave leaves a conference with Bob; with call he stays.
        """
        for scope, stays in ((MonitorScope.AGENT, False), (MonitorScope.CALL, True)):
            if scope is MonitorScope.CALL:
                self.c1 = self.talk("A", "B")
            self.observe(scope=scope)
            self.confer("B", self.c1, "C")
            self.news_()
            self.line("B", self.c1).hangUp()
            self.settle()
            dns = {one.view.thisDN for one in self.controller.partiesIn(self.c1)}
            self.assertEqual("1004" in dns, stays)
            if stays:
                self.assertMixed(self.c1, "A", "C", "D")
            else:
                self.assertTalk(self.c1, "A", "C")
                self.assertNoMedia()
            self.endAll()

    def test_coach(self) -> None:
        """
        Only Bob hears Dave who coaches him.
        """
        self.observe(MonitorMode.COACH)
        d, b = self.sessionOf("D", self.c1), self.legOf("B", self.c1)
        self.assertIn(b"coach coached=%b" % b.id, d.told[-1])
        self.assertMixed(self.c1, "A", "B", "D")
        self.endAll()

    def test_cannotCoach(self) -> None:
        """
        Where the media server cannot be told, nobody hears Dave who coaches.
        """
        self.patch(self.service, "start", lambda *_: None)
        self.observe(MonitorMode.COACH)
        d = self.line("D", self.c1)
        session = self.sessionOf("D", self.c1)
        self.assertEqual((d.hears, d.speaksTo), (session.port, 0))
        self.assertIn(b"a=recvonly", session.offers[-1])
        self.done(self.controller.changeMode("1004", self.c1, MonitorMode.BARGE_IN))
        self.assertEqual((d.hears, d.speaksTo), (session.port, session.port))
        self.endAll()

    def test_bargeIn(self) -> None:
        """
        All hear Dave who barges in; when Bob goes, the call goes on.
        """
        self.observe(MonitorMode.BARGE_IN)
        self.assertIn(b"all", self.sessionOf("D", self.c1).told[-1])
        self.line("B", self.c1).hangUp()
        self.settle()
        self.assertTalk(self.c1, "A", "D")
        self.endAll()

    def test_modes(self) -> None:
        """
        Dave goes from one mode to the next.
        """
        self.observe()
        self.news_()
        session = self.sessionOf("D", self.c1)
        for mode, event, told in (
            (MonitorMode.COACH, "Unmuted", b"coach"),
            (MonitorMode.BARGE_IN, "Unmuted", b"all"),
            (MonitorMode.SILENT, "Muted", b"nobody"),
        ):
            self.done(self.controller.changeMode("1004", self.c1, mode, WHO))
            self.assertEqual(self.news_(), [f"c1 {event} D/Observer A/orig !"])
            self.assertIn(told, session.told[-1])
            again = self.controller.changeMode("1004", self.c1, mode)
            self.assertNotDone(again, Why.WRONG_STATE)
        self.done(self.controller.mute("1004", self.c1, False, WHO))
        self.assertIn(b"all", session.told[-1])
        asked = self.controller.changeMode("1002", self.c1, MonitorMode.COACH)
        self.assertNotDone(asked, Why.WRONG_STATE)
        self.endAll()

    def test_impossible(self) -> None:
        """
        What cannot be is refused.
        """
        for monitoring, why in (
            (Monitoring("1004", "1004"), Why.BAD_VALUE),
            (Monitoring("1004", "1003"), Why.NOT_A_PARTY),
            (Monitoring("1001", "1002"), Why.WRONG_STATE),
            (Monitoring("7777", "1002"), Why.INVALID_DN),
        ):
            asked = self.controller.observe(self.c1, monitoring, WHO)
            self.assertNotDone(asked, why)
        self.desks["D"].refuses = 486
        asked = self.controller.observe(self.c1, Monitoring("1004", "1002"), WHO)
        self.settle()
        self.assertNotDone(asked, Why.BUSY)
        self.assertTalk(self.c1, "A", "B")
        self.endAll()

    def test_goneMeanwhile(self) -> None:
        """
        When the call ends while Dave rings, he rings no longer.
        """
        asked = self.controller.observe(self.c1, Monitoring("1004", "1002"), WHO)
        self.settle()
        self.line("A", self.c1).hangUp()
        self.settle()
        self.assertNotDone(asked, Why.DISCONNECTED)
        self.assertIsNone(self.desks["D"].lines[-1].rings)
        self.endAll()


class TransferTests(SupervisionTestCase):
    """
    Bob leaves a call that Dave supervises to Carol.
    """

    def check(self, scope: MonitorScope) -> None:
        """
        Alice and Carol talk, and Dave hears them still unless he goes with Bob.
        """
        if scope is MonitorScope.CALL:
            self.assertMixed(self.c1, "A", "C", "D")
        else:
            self.assertTalk(self.c1, "A", "C")
            self.assertNoMedia()
        self.endAll()
        self.assertNoMedia()

    def test_twoSteps(self) -> None:
        """
        After a consultation.
        """
        for scope in MonitorScope:
            self.c1 = self.talk("A", "B") if not self.controller.calls else self.c1
            self.observe(scope=scope)
            c2 = self.consult("B", self.c1, "C")
            self.done(self.controller.completeTransfer("1002", self.c1, c2, WHO))
            self.check(scope)

    def test_ringing(self) -> None:
        """
        While Carol rings.
        """
        for scope in MonitorScope:
            self.c1 = self.talk("A", "B") if not self.controller.calls else self.c1
            self.observe(scope=scope)
            c2 = self.consult("B", self.c1, "C", answers=False)
            self.done(self.controller.completeTransfer("1002", self.c1, c2, WHO))
            self.answer("C")
            self.check(scope)

    def test_singleStep(self) -> None:
        """
        Without a consultation.
        """
        for scope in MonitorScope:
            self.c1 = self.talk("A", "B") if not self.controller.calls else self.c1
            self.observe(scope=scope)
            asked = self.controller.singleStepTransfer("1002", self.c1, "1003")
            self.done(asked)
            self.answer("C")
            self.check(scope)

    def test_inVain(self) -> None:
        """
        When Carol is busy, all is over.
        """
        self.observe()
        self.desks["C"].refuses = 486
        self.done(self.controller.singleStepTransfer("1002", self.c1, "1003"))
        self.pass_(1)
        self.assertEqual(self.controller.calls, {})
        self.endAll()


class MonitorNextCallTests(SupervisionTestCase):
    """
    Dave is called into the next call of Bob.
    """

    def test_nextCall(self) -> None:
        """
        As soon as Bob has answered, Dave's telephone rings.
        """
        self.endAll()
        desktop, asked = ClientView("d", "desktop"), Requester("d", 1)
        request = RequestMonitorNextCall(thisDN="1004", otherDN="1002")
        self.node.cti.controller.requested(request, asked, desktop)
        self.c1 = self.talk("A", "B")
        self.answer("D")
        self.assertMixed(self.c1, "A", "B", "D")
        self.endAll()
        self.c1 = self.talk("A", "B")
        self.assertTalk(self.c1, "A", "B")
        self.assertNoMedia()
        self.endAll()

    def test_callThere(self) -> None:
        """
        When he talks already, at once.
        """
        desktop, asked = ClientView("d", "desktop"), Requester("d", 1)
        request = RequestMonitorNextCall(thisDN="1004", otherDN="1002")
        self.node.cti.controller.requested(request, asked, desktop)
        self.settle()
        self.answer("D")
        self.assertMixed(self.c1, "A", "B", "D")
        self.endAll()
