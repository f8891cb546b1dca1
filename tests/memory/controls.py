"""
A node whose calls are controlled, between scripted phones.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred

from sipcluster.sessioncontroller.events import CallEvent
from sipcluster.sessioncontroller.isessioncontroller import (
    CallRefused,
    ICallControl,
    Why,
)
from sipcluster.wire.correlation import Requester
from tests.memory.nodes import NodeTestCase

#: Who asks in these tests.
WHO = Requester("desktop", 7)


class ControlTestCase(NodeTestCase):
    """
    One node, asked by the test.

    @ivar seen: how many events the test has looked at.
    """

    seen = 0

    @property
    def control(self) -> ICallControl:
        """
        What can be asked.
        """
        return self.node.controller

    @property
    def connID(self) -> str:
        """
        Of the one call.
        """
        (connID,) = self.node.controller.calls
        return connID

    def news(self) -> list[str]:
        """
        What the event sinks were told since the test looked last: name and DN,
        the cause where there is one, and a C{!} where it answers a request.
        """
        self.pump()
        new = self.sink.events[self.seen :]
        self.seen = len(self.sink.events)
        return [self.short(event) for event in new]

    def short(self, event: CallEvent) -> str:
        """
        One event in a few letters.
        """
        cause = getattr(event, "cause", None)
        words = [type(event).__name__, event.party.thisDN]
        if cause is not None:
            words.append(cause.value)
        if event.requester is not None:
            self.assertEqual(event.requester, WHO)
            words.append("!")
        return " ".join(words)

    def states(self, connID: str = "") -> dict[str, str]:
        """
        The states of the parties of a call.
        """
        return {
            party.view.thisDN: party.state
            for party in self.control.partiesIn(connID or self.connID)
        }

    def assertDone(self, done: Deferred[Any]) -> Any:
        """
        A request was done.
        """
        return self.successResultOf(done)

    def assertNotDone(self, done: Deferred[Any], why: Why) -> CallRefused:
        """
        A request was refused.
        """
        refused = self.failureResultOf(done, CallRefused).value
        assert isinstance(refused, CallRefused)
        self.assertEqual(refused.why, why)
        return refused

    def answerBye(self, times: int = 1) -> None:
        """
        The phones take the BYEs of the node.
        """
        for _ in range(times):
            self.peer.respond(self.peer.expectRequest(b"BYE"), 200)
