"""
Who does not want to be shown stays so, wherever the call goes.
"""

from __future__ import annotations

from sipcluster.sessioncontroller.dialog_events import dialogInfo
from sipcluster.sip.message import Request
from tests.memory.controls import WHO
from tests.memory.conversations import Conversation

ANONYMOUS = b"anonymous.invalid"


class HiddenTests(Conversation):
    """
    Alice does not want to be shown.
    """

    def hiddenCall(self, to: str) -> str:
        """
        Alice calls, with C{Privacy: id}.
        """
        before = set(self.controller.calls)
        line = self.desks["A"].newLine()
        fields = ((b"Privacy", b"id"),)
        request = line.phone.request(b"INVITE", to, fields, line.description())
        line._calls = request
        line._callIDs.add(request.callID)
        self.settle()
        (connID,) = set(self.controller.calls) - before
        return connID

    def shownLast(self) -> bytes:
        """
        The From of the last INVITE that a telephone got.
        """
        *_, last = [
            message
            for _, message in self.peer.received
            if isinstance(message, Request)
            and message.method == b"INVITE"
            and not message.toTag
        ]
        return last.headers.first(b"From") or b""

    def test_lamps(self) -> None:
        """
        Lamps do not tell with whom the other one talks.
        """
        connID = self.hiddenCall("1002")
        for _ in range(2):
            info = dialogInfo(self.controller.ua, "1002", 0)
            self.assertIn(b"<state>", info)
            self.assertNotIn(b"1001", info)
            if self.desks["B"].lines[0].rings is not None:
                self.answer("B")
        self.assertEqual(self.controller.calls[connID].parties[0].view.thisDN, "1001")
        self.endAll()

    def test_transferred(self) -> None:
        """
        Neither does the telephone of somebody to whom she is sent on from a call to
        which she has come, nor when another process has written that down.
        """
        c1 = self.talk("B", "C")
        self.done(self.controller.hold("1002", c1, WHO))
        c2 = self.hiddenCall("1002")
        self.answer("B")
        self.done(self.controller.completeTransfer("1002", c1, c2, WHO))
        self.assertTalk(c1, "A", "C")
        value = self.controller.calls[c1].value()
        self.assertEqual(
            [one.dn for one in value.parties if one.hidden and one.state != "Cleared"],
            ["1001"],
        )
        done = self.controller.singleStepTransfer("1003", c1, "1002", requester=WHO)
        self.done(done)
        self.assertIn(ANONYMOUS, self.shownLast())
        self.answer("B")
        self.assertTalk(c1, "A", "B")
        self.endAll()
