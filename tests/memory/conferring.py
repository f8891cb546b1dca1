"""
Conversations of more than two: telephones A, B, C and D, and media servers.
"""

from __future__ import annotations

from attrs import evolve

from sipcluster.app.node import NodeMember
from sipcluster.app.settings import Extension
from sipcluster.sessioncontroller.imedia import MediaKind
from sipcluster.testing.media_server import (
    MediaSession,
    ScriptedMediaServer,
    ScriptedMediaService,
)
from sipcluster.testing.telephone import settle
from tests.memory.controls import WHO
from tests.memory.conversations import NUMBERS, Conversation, Desk, Meeting
from tests.memory.nodes import PROXY1, PROXY2


class Mixed(Meeting):
    """
    Looks at telephones that media servers mix.

    @ivar media1: the media server that is chosen first.
    @ivar media2: the one that is chosen next.
    """

    media1: ScriptedMediaServer
    media2: ScriptedMediaServer

    def sessionOf(
        self, letter: str, connID: str, server: ScriptedMediaServer | None = None
    ) -> MediaSession:
        """
        The session that a media server has with a telephone.
        """
        line = self.line(letter, connID)
        for one in (server or self.media1).live:
            if one.port in (line.hears, line.speaksTo):
                return one
        raise AssertionError(f"{letter} is not mixed: {line.heard!r}")

    def assertMixed(
        self, connID: str, *letters: str, server: ScriptedMediaServer | None = None
    ) -> None:
        """
        These telephones, and no others, are mixed.
        """
        mixed = (server or self.media1).mixed(connID)
        sessions = []
        for letter in letters:
            session = self.sessionOf(letter, connID, server)
            self.assertIn(session, mixed)
            port = b"m=audio %d " % self.line(letter, connID).port
            self.assertIn(port, session.offers[-1])
            sessions.append(session)
        self.assertEqual(len({id(session) for session in sessions}), len(letters))
        self.assertEqual(len(mixed), len(letters))
        for leg in self.controller.calls[connID].telephones:
            self.assertTrue(leg.joined)
            assert leg.media is not None
            self.assertIs(leg.media.kind, MediaKind.CONFERENCE)

    def assertNoMedia(self) -> None:
        """
        No media server has anything to do.
        """
        self.assertEqual(self.media1.live + self.media2.live, [])


class Conferring(Conversation, Mixed):
    """
    Alice has called Bob, who talks to her.
    """

    def setUp(self) -> None:
        super().setUp()
        dave = self.phone(NUMBERS["D"], "198.51.100.4")
        self.desks["D"] = Desk(dave, "phoneD", 4400)
        self.service = ScriptedMediaService("media1.example", "media2.example")
        self.controller.ua.media = self.service
        self.media1 = ScriptedMediaServer(self.peer, "media1.example", PROXY1)
        self.media2 = ScriptedMediaServer(self.peer, "media2.example", PROXY1, 40000)
        self.c1 = self.talk("A", "B")
        self.rows()

    def makeNode(self, name: str, address: str) -> NodeMember:
        number = NUMBERS["D"]
        dave = Extension(number=number, password=f"secret-{number}")
        dns = self.configuration.dns
        if dave not in dns:
            self.configuration = evolve(self.configuration, dns=(*dns, dave))
        return super().makeNode(name, address)

    def settle(self) -> None:
        """
        Let all that is under way arrive, and everybody do what it wants.
        """
        peers = {PROXY1: self.peer, PROXY2: self.peer2}
        everybody = [*self.desks.values(), self.media1, self.media2]
        settle(peers, everybody)  # type: ignore[arg-type] # as one

    def confer(self, letter: str, connID: str, to: str) -> None:
        """
        A telephone's DN takes somebody into its call, by way of a consultation.
        """
        c2 = self.consult(letter, connID, to)
        dn = NUMBERS[letter]
        self.done(self.controller.completeConference(dn, connID, c2, WHO))
