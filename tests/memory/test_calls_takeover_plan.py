"""
A dial plan takes its time, and the member that asks it dies meanwhile.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred
from zope.interface import implementer

from sipcluster.app.node import NodeMember
from sipcluster.sessioncontroller.events import Cause
from sipcluster.sessioncontroller.isessioncontroller import (
    Asked,
    Destination,
    DNFeatures,
    ForwardMode,
    IDialPlan,
    Refusal,
)
from tests.memory.controls import WHO
from tests.memory.nodes import DOMAIN
from tests.memory.takeover import TakeoverTestCase

Found = Deferred[Destination | Refusal]


@implementer(IDialPlan)
class PausingPlan:
    """
    A dial plan that does not answer while it pauses.
    """

    def __init__(self, plan: IDialPlan) -> None:
        self._plan = plan
        self.pauses = False

    def route(self, asked: Asked) -> Found:
        """
        See L{IDialPlan}.
        """
        return Deferred() if self.pauses else self._plan.route(asked)

    def instead(
        self, asked: Asked, destination: Destination, cause: Cause
    ) -> Found | None:
        """
        See L{IDialPlan}.
        """
        found = self._plan.instead(asked, destination, cause)
        return Deferred() if found is not None and self.pauses else found


class PlanTests(TakeoverTestCase):
    """
    The other member asks its dial plan again.
    """

    def finishNode(self, node: NodeMember) -> None:
        super().finishNode(node)
        node.controller._plan = self.plan = PausingPlan(node.controller._plan)

    def paused(self) -> None:
        """
        A while later, the member dies.
        """
        self.settle()
        self.run_(1)
        self.settle()
        self.takeOver()
        self.assertEqual([went for _, went in self.moved], [True])
        self.settle()

    def end(self, who: str) -> None:
        """
        Somebody answers, and Alice hangs up.
        """
        self.telephones[who].answer()
        self.settle()
        self.telephones["A"].hangUp()
        self.finish()

    def test_first(self) -> None:
        """
        Before it has said where the call goes: it is told of its beginning then.
        """
        self.plan.pauses = True
        self.telephones["A"].call("1002")
        self.paused()
        self.end("B")
        self.assertEqual(
            self.told(),
            [
                *("Offered 1001", "Alerting 1002", "Progressed 1002"),
                *("Answered 1002", "Answered 1001"),
                *("Released 1001 Ok", "Released 1002 Ok"),
            ],
        )

    def test_redirected(self) -> None:
        """
        After a 302 of Bob's telephone.
        """
        self.telephones["A"].call("1002")
        self.settle()
        self.plan.pauses = True
        uri = f"<sip:1003@{DOMAIN}>".encode()
        self.telephones["B"].refuse(302, [(b"Contact", uri)])
        self.paused()
        self.end("C")
        self.assertEqual(
            self.told()[3:],
            [
                *("Released 1002 Redirected", "Alerting 1003", "Progressed 1003"),
                *("Answered 1003", "Answered 1001"),
                *("Released 1001 Ok", "Released 1003 Ok"),
            ],
        )

    def test_forwarded(self) -> None:
        """
        When Bob is busy, and forwards his calls then.
        """
        self.switchedOn["1002"] = DNFeatures(
            forwardMode=ForwardMode.ON_BUSY, forwardTo="1003"
        )
        self.telephones["A"].call("1002")
        self.settle()
        self.plan.pauses = True
        self.telephones["B"].refuse(486)
        self.paused()
        self.end("C")
        self.assertEqual(
            self.told()[3:6],
            ["Released 1002 Forwarded", "Alerting 1003", "Progressed 1003"],
        )

    def test_forwardedNoMore(self) -> None:
        """
        When he does not any more, the caller is told what there is to tell.
        """
        self.switchedOn["1002"] = DNFeatures(
            forwardMode=ForwardMode.ON_BUSY, forwardTo="1003"
        )
        self.telephones["A"].call("1002")
        self.settle()
        self.plan.pauses = True
        self.telephones["B"].refuse(486)
        self.settle()
        self.switchedOn.clear()
        self.paused()
        self.assertIn(480, self.telephones["A"].seen)
        self.finish()
        self.assertEqual(self.told()[4:], ["Failed 1001 Busy", "Released 1001 Busy"])

    def test_redirectedByRequest(self) -> None:
        """
        When it is asked for somebody who wants the call elsewhere.
        """
        self.telephones["A"].call("1002")
        self.settle()
        self.plan.pauses = True
        self.control.redirect("1002", self.connID, "1003", WHO)
        self.paused()
        self.end("C")
        self.assertEqual(
            self.told()[3:6],
            ["Released 1002 Redirected !", "Alerting 1003", "Progressed 1003"],
        )
