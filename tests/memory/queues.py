"""
Telephones that call a routing point, a routing client that is the test, and scripted
media servers.
"""

from __future__ import annotations

from typing import Any

from attrs import evolve
from twisted.internet.defer import Deferred

from sipcluster.sessioncontroller.events import CallEvent, Progressed
from sipcluster.sessioncontroller.irouting import Treatment, TreatmentType
from sipcluster.sessioncontroller.queue_events import (
    TreatmentApplied,
    TreatmentEnded,
    TreatmentNotApplied,
)
from sipcluster.testing.media_server import (
    MediaSession,
    ScriptedMediaServer,
    ScriptedMediaService,
)
from sipcluster.testing.telephone import settle
from sipcluster.wire.kvlist import KVList
from tests.memory.controls import WHO
from tests.memory.conversations import Conversation
from tests.memory.nodes import PROXY1, PROXY2
from tests.memory.routing import Clients

RP = "5000"


class QueueTestCase(Conversation):
    """
    The routing point 5000, and two media servers.

    @ivar clients: who says where calls go.
    @ivar servers: the media servers.
    """

    def setUp(self) -> None:
        super().setUp()
        self.clients = Clients("5000", "5001")
        ua = self.controller.ua
        ua.routing.clients = self.clients
        ua.media = self.service = ScriptedMediaService(
            "media1.example", "media2.example"
        )
        self.servers = [
            ScriptedMediaServer(self.peer, "media1.example", PROXY1),
            ScriptedMediaServer(self.peer, "media2.example", PROXY1, 40000),
        ]

    def point(self, number: str = RP, **settings: Any) -> None:
        """
        Set something at a routing point.
        """
        directory = self.controller._authenticator.directory
        directory._dns[number] = evolve(directory._dns[number], **settings)

    def settle(self) -> None:
        peers = {PROXY1: self.peer, PROXY2: self.peer2}
        everybody = [*self.desks.values(), *self.servers]
        settle(peers, everybody)  # type: ignore[arg-type] # as one

    def row(self, event: CallEvent) -> str:
        """
        With what a treatment says of itself.
        """
        row = super().row(event)
        if isinstance(event, TreatmentApplied | TreatmentNotApplied | TreatmentEnded):
            row = f"{row} {event.treatment.value}"
        if isinstance(event, TreatmentEnded) and event.digits:
            row = f"{row} {event.digits}"
        return row

    def rows(self, dn: str = "") -> list[str]:
        """
        Without what only says that it rings.
        """
        return [
            row for row in super().rows(dn) if f" {Progressed.__name__} " not in row
        ]

    def give(
        self, connID: str, kind: TreatmentType, parameters: KVList = (), dn: str = RP
    ) -> Deferred[None]:
        """
        The caller is given something.
        """
        given = self.controller.applyTreatment(
            dn, connID, Treatment(kind, parameters), WHO
        )
        self.settle()
        return given

    def route(self, connID: str, to: str, dn: str = RP, **more: Any) -> Deferred[None]:
        """
        The call is sent somewhere.
        """
        routed = self.controller.route(dn, connID, to, requester=WHO, **more)
        self.settle()
        return routed

    def session(self) -> MediaSession:
        """
        The one session at the media servers that is not over.
        """
        (session,) = (one for server in self.servers for one in server.live)
        return session

    def assertNoSession(self) -> None:
        """
        Nobody has a session at a media server.
        """
        self.assertEqual([one for server in self.servers for one in server.live], [])

    def assertHears(self, letter: str, connID: str, session: MediaSession) -> None:
        """
        A telephone and a media server hear each other.
        """
        self.assertEqual(self.line(letter, connID).hears, session.port)

    def endAll(self) -> None:
        for desk in self.desks.values():
            for line in desk.lines:
                if line._calls is not None:
                    line.giveUp()
                    self.settle()
        super().endAll()
        self.assertNoSession()
