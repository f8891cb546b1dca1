"""
Routing points as T-Library clients see them: the tables of L{tests.scenarios.routing},
with telephones and a media server in memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sipcluster.testing.media_server import (
    ScriptedMediaServer,
    ScriptedMediaService,
)
from sipcluster.testing.telephone import settle
from tests.memory.desks import DesksTestCase
from tests.memory.nodes import PROXY1, PROXY2
from tests.memory.telephony import plays
from tests.scenarios import routing


@plays(*routing.SCENARIOS)
class RoutingTests(DesksTestCase):
    """
    Call model 3.6: routing clients are at the default port.
    """

    portName = "default"
    letters = "ABCP"

    def setUp(self) -> None:
        super().setUp()
        ua = self.node.controller.ua
        ua.media = ScriptedMediaService("media1.example")
        self.server = ScriptedMediaServer(self.peer, "media1.example", PROXY1)

    def settle(self) -> None:
        peers = {PROXY1: self.peer, PROXY2: self.peer2}
        everybody = [*self.telephones.values(), self.server]
        settle(peers, everybody)

    def _act(self, what: str, letter: str, more: Sequence[Any]) -> None:
        if what == "type":
            (session,) = self.server.live
            self.server.say(session, reason="digits", digits=more[0])
        else:
            super()._act(what, letter, more)
