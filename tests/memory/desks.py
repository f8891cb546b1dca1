"""
Scenarios with telephones of many lines.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sipcluster.sessioncontroller.controller import SessionController
from sipcluster.sessioncontroller.isupervision import Monitoring
from sipcluster.sip.message import Request
from sipcluster.testing.media_server import (
    ScriptedMediaServer,
    ScriptedMediaService,
)
from sipcluster.testing.telephone import Telephone, settle
from tests.memory.conversations import Desk, Line
from tests.memory.nodes import DOMAIN, PROXY1, PROXY2
from tests.memory.telephony import TelephonyTestCase
from tests.scenarios.table import number


class DeskTelephone(Desk):
    """
    One that is told what to do as a telephone with one line is.
    """

    @property
    def talks(self) -> bool:
        """
        Whether it has a call that was answered.
        """
        return any(line.talks for line in self.lines)

    @property
    def rings(self) -> Request | None:
        """
        The INVITE that it has not answered.
        """
        for line in self.lines:
            if line.rings is not None:
                return line.rings
        return None

    def at(self, what: str, callIDs: Sequence[bytes]) -> Line:
        """
        The line that does something: that of a call, the one that rings, or the last
        one that talks.

        @param callIDs: of the legs of the call; empty: none is named.
        """
        if what in ("answer", "refuse"):
            return self.ringing
        for line in reversed(self.lines):
            if any(map(line.has, callIDs)) if callIDs else line.talks:
                return line
        return self.lines[-1]


class DesksTestCase(TelephonyTestCase):
    """
    Plays scenarios; C{("hangUp", "B", "c2")} is the line that has that call.
    """

    def setUp(self) -> None:
        super().setUp()
        self.desks = {
            letter: DeskTelephone(one.phone, f"phone{letter}", 4000 + 100 * index)
            for index, (letter, one) in enumerate(self.telephones.items())
        }
        self.telephones = self.desks  # type: ignore[assignment] # as one

    def _act(self, what: str, letter: str, more: Sequence[Any]) -> None:
        desk = self.desks.get(letter)
        if what == "call":
            assert desk is not None
            desk.call(number(more[0]), DOMAIN if letter == "O" else "")
        elif what in ("answer", "refuse", "hangUp", "giveUp", "hold", "retrieve"):
            assert desk is not None
            more = list(more)
            callIDs: list[bytes] = []
            if more and more[0] in self.named:
                call = self.node.controller.calls[self.named[more.pop(0)]["connID"]]
                callIDs = [leg.callID for leg in call.telephones]
            method = getattr(Telephone, what)
            method(desk.at(what, callIDs), *more)
        else:
            super()._act(what, letter, more)


def observe(
    controller: SessionController, connID: str, letter: str, more: Sequence[Any]
) -> None:
    """
    A supervisor is called into a call, to listen to another DN.
    """
    monitoring = Monitoring(
        number(letter), number(more[0]), hidden="hidden" in more[1:]
    )
    controller.observe(connID, monitoring).addErrback(lambda failure: None)


class MediaTestCase(DesksTestCase):
    """
    With a scripted media server; C{("type", "A", "12")}: it has got digits;
    C{("observe", "C", "B")}: C is called to listen to B.
    """

    def setUp(self) -> None:
        super().setUp()
        ua = self.node.controller.ua
        ua.media = ScriptedMediaService("media1.example")
        self.server = ScriptedMediaServer(self.peer, "media1.example", PROXY1)

    def settle(self) -> None:
        peers = {PROXY1: self.peer, PROXY2: self.peer2}
        settle(peers, [*self.telephones.values(), self.server])

    def _act(self, what: str, letter: str, more: Sequence[Any]) -> None:
        if what == "type":
            (session,) = self.server.live
            self.server.say(session, reason="digits", digits=more[0])
        elif what == "observe":
            connID = self.named["c1"]["connID"]
            observe(self.node.controller, connID, letter, more)
        else:
            super()._act(what, letter, more)
