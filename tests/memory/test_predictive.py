"""
Calls that are made for a routing point.
"""

from __future__ import annotations

from typing import Any

from sipcluster.sessioncontroller.isessioncontroller import Why
from sipcluster.testing.media_server import MediaSession
from tests.memory.controls import WHO
from tests.memory.queues import RP, QueueTestCase

OUTSIDE = "94930123"
DETECT = (("call_answer_type_recognition", "positive_am_detection"),)


class PredictiveTests(QueueTestCase):
    """
    L{IRouting.makePredictiveCall}.
    """

    def make(self, to: str = OUTSIDE, *extensions: tuple[str, Any], **more: Any) -> str:
        """
        Call a number for the routing point.

        @return: the ConnID.
        """
        made = self.controller.makePredictiveCall(
            RP, to, extensions=extensions, requester=WHO, **more
        )
        self.settle()
        connID: str = self.successResultOf(made)
        return connID

    def listening(self) -> MediaSession:
        """
        Somebody outside answers, and a media server listens.
        """
        self.c1 = self.make(OUTSIDE, *DETECT)
        self.answer("O")
        self.rows()
        return self.session()

    def test_flow(self) -> None:
        """
        A number is called without a media server; who answers waits at the routing
        point, and talks to whom the call is sent.
        """
        c1 = self.make()
        self.assertEqual(
            self.rows(),
            [
                "c1 Offered 5000/orig O/dest !",
                "c1 Alerting O/dest 5000/orig",
                "c1 NetworkReached 5000/orig O/dest",
            ],
        )
        types = {event.party.callType.value for event in self.sink.events}
        self.assertEqual(types, {"Outbound"})
        self.assertEqual(self.states(), {"5000": "Initiated", "4930123": "Alerting"})
        self.answer("O")
        self.assertEqual(
            self.rows(),
            [
                "c1 Answered O/dest 5000/orig",
                "c1 Answered 5000/orig O/dest",
                "c1 Queued 5000/orig O/dest",
                "c1 RouteRequested 5000/orig O/dest",
            ],
        )
        self.successResultOf(self.route(c1, "1002"))
        self.answer("B")
        self.assertEqual(
            self.rows()[:4],
            [
                "c1 Alerting B/dest O/dest",
                "c1 RouteUsed 5000/orig O/dest by B/dest !",
                "c1 Diverted 5000/orig O/dest by B/dest",
                "c1 Answered B/dest O/dest",
            ],
        )
        self.assertEqual(self.desks["O"].lines[0].hears, self.line("B", c1).port)
        self.assertEqual(self.line("B", c1).hears, self.desks["O"].lines[0].port)
        self.endAll()

    def test_human(self) -> None:
        """
        A media server may listen first.
        """
        session = self.listening()
        self.assertEqual(self.desks["O"].lines[0].hears, session.port)
        self.servers[0].say(session, reason="human")
        self.settle()
        self.assertNoSession()
        self.assertEqual(
            self.rows(),
            [
                "c1 Answered 5000/orig O/dest",
                "c1 Queued 5000/orig O/dest",
                "c1 RouteRequested 5000/orig O/dest",
            ],
        )
        self.endAll()

    def test_machine(self) -> None:
        """
        What is no human is not connected, unless that is wanted.
        """
        for reason, cause in (
            ("machine", "AnsweringMachineDetected"),
            ("fax", "FaxDetected"),
        ):
            session = self.listening()
            self.servers[0].say(session, reason=reason)
            self.settle()
            name = self.names[self.c1]
            self.assertEqual(
                self.rows(),
                [
                    f"{name} Released 5000/orig O/dest {cause}",
                    f"{name} Released O/dest 5000/orig {cause}",
                ],
            )
            self.assertNoSession()
            self.assertNoCall()

    def test_machineConnected(self) -> None:
        """
        Then it is said what it is.
        """
        c1 = self.make(OUTSIDE, *DETECT, ("am-detected", "connect"))
        self.answer("O")
        self.rows()
        self.servers[0].say(self.session(), reason="machine")
        self.settle()
        self.assertEqual(
            self.rows(),
            [
                "c1 Answered 5000/orig O/dest AnsweringMachineDetected",
                "c1 Queued 5000/orig O/dest AnsweringMachineDetected",
                "c1 RouteRequested 5000/orig O/dest",
            ],
        )
        self.successResultOf(self.route(c1, "1002"))
        self.answer("B")
        self.endAll()

    def test_nothingFound(self) -> None:
        """
        A media server that says nothing in time, or does not answer, is not waited for.
        """
        self.listening()
        self.pass_(5.3)
        self.assertNoSession()
        self.assertEqual(self.rows()[-1], "c1 RouteRequested 5000/orig O/dest")
        self.endAll()
        for server in self.servers:
            server.refuses = 486
        self.c1 = self.make(OUTSIDE, *DETECT)
        self.answer("O")
        self.assertEqual(self.rows()[-1], "c2 RouteRequested 5000/orig O/dest")
        self.endAll()

    def test_refused(self) -> None:
        """
        What the network says of a number is told.
        """
        for status, cause in (
            (486, "Busy"),
            (603, "Busy"),
            (404, "SitInvalidnum"),
            (410, "SitVacant"),
            (480, "NoAnswer"),
            (502, "SitNocircuit"),
            (500, "SitDetected"),
        ):
            self.desks["O"].refuses = status
            connID = self.make()
            name = self.names.setdefault(connID, f"c{len(self.names) + 1}")
            self.assertEqual(
                self.rows(RP)[-2:],
                [
                    f"{name} Failed 5000/orig O/dest {cause}",
                    f"{name} Released 5000/orig O/dest {cause}",
                ],
                status,
            )
            self.assertNoCall()

    def test_noAnswer(self) -> None:
        """
        It rings for as long as it is to.
        """
        self.make(timeout=12.0)
        self.pass_(12.2)
        self.assertEqual(
            self.rows(RP)[-2:],
            [
                "c1 Failed 5000/orig O/dest NoAnswer",
                "c1 Released 5000/orig O/dest NoAnswer",
            ],
        )
        self.endAll()

    def test_released(self) -> None:
        """
        Whoever has made it may end it at any time, and so may who answers.
        """
        c1 = self.make()
        self.done(self.controller.release(RP, c1, WHO))
        self.endAll()
        c2 = self.make(OUTSIDE, *DETECT)
        self.answer("O")
        self.done(self.controller.release(RP, c2, WHO))
        self.endAll()
        self.make(OUTSIDE, *DETECT)
        self.answer("O").hangUp()
        self.settle()
        self.endAll()
        self.make()
        self.rows()
        self.answer("O").hangUp()
        self.settle()
        self.assertEqual(
            self.rows()[-2:],
            ["c4 Released O/dest 5000/orig", "c4 Released 5000/orig O/dest Abandoned"],
        )
        self.endAll()

    def test_inside(self) -> None:
        """
        An extension may be called, too.
        """
        c1 = self.make("1003", userData=(("k", "v"),))
        self.answer("C")
        self.successResultOf(self.route(c1, "1002"))
        self.answer("B")
        self.assertTalk(c1, "B", "C")
        self.assertEqual(self.sink.events[-1].party.userData, (("k", "v"),))
        self.endAll()

    def test_trunkGroup(self) -> None:
        """
        A call may be made for a trunk group, which has it then.
        """
        made = self.controller.makePredictiveCall("9", OUTSIDE, requester=WHO)
        self.settle()
        c1 = self.successResultOf(made)
        self.answer("O")
        self.assertEqual(self.rows()[-1], "c1 Answered 9/orig O/dest")
        self.done(self.controller.release("9", c1, WHO))
        self.endAll()

    def test_nonsense(self) -> None:
        """
        What cannot be is refused.
        """
        for dn, to, words, why in (
            ("1001", OUTSIDE, (), Why.INVALID_DN),
            ("7777", OUTSIDE, (), Why.INVALID_DN),
            (RP, "", (), Why.INVALID_DESTINATION),
            (RP, "7777", (), Why.INVALID_DESTINATION),
            (RP, "5001", (), Why.INVALID_DESTINATION),
            (RP, OUTSIDE, (("am-detected", "x"),), Why.BAD_VALUE),
            (RP, OUTSIDE, (("call_timeguard_timeout", "x"),), Why.BAD_VALUE),
            (RP, OUTSIDE, (("call_answer_type_recognition", 1),), Why.BAD_VALUE),
        ):
            made = self.controller.makePredictiveCall(
                dn, to, extensions=words, requester=WHO
            )
            self.assertNotDone(made, why)
        self.assertEqual(self.rows(), [])
