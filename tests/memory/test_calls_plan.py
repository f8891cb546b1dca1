"""
Tests for sipcluster.sessioncontroller.call_making: a dial plan that takes its time.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred
from zope.interface import implementer

from sipcluster.app.node import directoryOf
from sipcluster.sessioncontroller.dialplan import StaticDialPlan
from sipcluster.sessioncontroller.events import Cause
from sipcluster.sessioncontroller.isessioncontroller import (
    Asked,
    Destination,
    IDialPlan,
    Refusal,
)
from sipcluster.testing.sip_peer import sdp
from tests.memory.nodes import NodeTestCase


@implementer(IDialPlan)
class SlowDialPlan:
    """
    A dial plan whose answers the test gives.

    @ivar waiting: what was asked, and who waits for the answer.
    """

    def __init__(self, plan: StaticDialPlan) -> None:
        self.plan = plan
        self.waiting: list[tuple[Asked, Deferred[Destination | Refusal]]] = []

    def route(self, asked: Asked) -> Deferred[Destination | Refusal]:
        made: Deferred[Destination | Refusal] = Deferred()
        self.waiting.append((asked, made))
        return made

    def instead(
        self, asked: Asked, destination: Destination, cause: Cause
    ) -> Deferred[Destination | Refusal] | None:
        return None

    def answer(self) -> None:
        """
        Give the oldest answer.
        """
        asked, made = self.waiting.pop(0)
        made.callback(self.plan.find(asked))


class SlowDialPlanTests(NodeTestCase):
    """
    Things happen while a call waits for its dial plan.
    """

    def setUp(self) -> None:
        super().setUp()
        controller = self.node.controller
        plan = StaticDialPlan(directoryOf(self.configuration))
        self.plan = controller._plan = SlowDialPlan(plan)
        self.alice.request(b"INVITE", "1002", body=sdp())
        self.peer.expectNothing()

    def test_answersLater(self) -> None:
        """
        The call goes on when the answer comes; the caller has got a 100.
        """
        self.run_(0.5)
        self.peer.expectResponse(100)
        self.plan.answer()
        self.bob.refuse(self.peer.expectRequest(b"INVITE"), 486)
        self.peer.expectRequest(b"ACK")
        self.assertRefused(486)

    def test_cancelledMeanwhile(self) -> None:
        """
        A caller that gives up is let go at once, and nobody is called.
        """
        self.alice.cancel()
        self.peer.expectResponse(200)
        self.assertRefused(487)
        self.assertNoCall()
        self.assertTrue(self.plan.waiting[0][1].called)
        self.assertEqual(self.sink.of("1001"), ["Offered", "Released"])

    def test_cancelledWhileRedirected(self) -> None:
        """
        So is one whose call is being redirected.
        """
        self.plan.answer()
        invite = self.peer.expectRequest(b"INVITE")
        self.bob.refuse(invite, 302, [(b"Contact", b"<sip:1003@lab.example>")])
        self.peer.expectRequest(b"ACK")
        self.assertEqual(len(self.plan.waiting), 1)
        self.alice.cancel()
        self.peer.expectResponse(200)
        self.assertRefused(487)
        self.assertNoCall()

    def test_fails(self) -> None:
        """
        A dial plan that breaks its promise not to fail is logged, and the
        caller answered 500.
        """
        self.plan.waiting[0][1].errback(ValueError("no plan"))
        self.assertRefused(500)
        self.assertNoCall()
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)

    def test_stopped(self) -> None:
        """
        A node that is stopped does not wait for it.
        """
        stopped = self.node.stopService()
        self.assertRefused(503)
        self.successResultOf(stopped)
        self.assertNoCall()
