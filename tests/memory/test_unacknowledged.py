"""
What is asked about a call whose caller was answered, and has not acknowledged that yet:
desktops are told of the answer before that.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred

from sipcluster.sessioncontroller.isessioncontroller import Why
from sipcluster.sip.message import Request
from tests.memory.controls import WHO
from tests.memory.conversations import Conversation, Desk, Line


class _Slow(Line):
    """
    A line that acknowledges an answer when it is told so.
    """

    late: Request | None = None

    def _acknowledge(self, invite: Request) -> None:
        if self.acknowledges:
            super()._acknowledge(invite)
        else:
            self.late = invite

    def acknowledge(self) -> None:
        """
        Do it now.
        """
        self.acknowledges = True
        assert self.late is not None
        self._acknowledge(self.late)


class _SlowDesk(Desk):
    lineClass = _Slow


class UnacknowledgedTests(Conversation):
    """
    Bob has answered Alice, whose telephone is slow.
    """

    def setUp(self) -> None:
        super().setUp()
        desk = self.desks["A"] = _SlowDesk(self.alice, "phoneA", 4000)
        self.c1 = self.dial("A", "B")
        (line,) = desk.lines
        assert isinstance(line, _Slow)
        self.slow = line
        line.acknowledges = False
        self.answer("B")
        self.rows()

    def waits(self, asked: Deferred[Any]) -> None:
        """
        It waits for the acknowledgement, and does not wait any longer then.
        """
        self.settle()
        self.assertNoResult(asked)
        self.assertEqual(self.rows(), [])
        self.slow.acknowledge()
        self.settle()
        self.run_(0.0)
        self.done(asked)

    def test_hold(self) -> None:
        """
        Bob holds.
        """
        self.waits(self.controller.hold("1002", self.c1, WHO))
        self.assertEqual(self.rows(), ["c1 Held B/dest A/orig !"])
        self.assertSilent(self.c1, "A", "B")
        self.endAll()

    def test_singleStep(self) -> None:
        """
        Bob lets Alice talk to Carol.
        """
        self.waits(self.controller.singleStepTransfer("1002", self.c1, "1003"))
        self.answer("C")
        self.assertTalk(self.c1, "A", "C")
        self.endAll()

    def test_never(self) -> None:
        """
        It is never acknowledged: the call ends, and what waited for that is refused.
        """
        asked = self.controller.singleStepTransfer("1002", self.c1, "1003", (), WHO)
        self.settle()
        self.pass_(33)
        self.assertNotDone(asked, Why.DISCONNECTED)
        self.endAll()

    def test_hangsUp(self) -> None:
        """
        Bob hangs up instead.
        """
        asked = self.controller.singleStepTransfer("1002", self.c1, "1003", (), WHO)
        self.settle()
        self.desks["B"].lines[0].hangUp()
        self.settle()
        self.assertNotDone(asked, Why.DISCONNECTED)
        self.slow.acknowledge()
        self.settle()
        self.endAll()
