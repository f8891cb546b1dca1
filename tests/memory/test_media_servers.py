"""
Far ends that are brought to a media server, and back to each other.
"""

from __future__ import annotations

from sipcluster.sessioncontroller.call import Call
from sipcluster.sessioncontroller.imedia import MediaKind, MediaRequest, Talk
from sipcluster.testing.media_server import ScriptedMediaServer, ScriptedMediaService
from sipcluster.testing.telephone import Telephone, settle
from tests.memory.nodes import PROXY1, PROXY2, NodeTestCase

MUSIC = MediaRequest(MediaKind.ANNOUNCEMENT, "music", ("file:music.wav",), repeat=0)


def mixed(member: str, talk: Talk = Talk.ALL) -> MediaRequest:
    """
    A member of a conference.
    """
    return MediaRequest(MediaKind.CONFERENCE, "c1", member=member, talk=talk)


class MediaServerTests(NodeTestCase):
    """
    Alice and Bob talk; there are two media servers.
    """

    def setUp(self) -> None:
        super().setUp()
        self.service = ScriptedMediaService("media1.example", "media2.example")
        self.node.controller.ua.media = self.service
        self.server = ScriptedMediaServer(self.peer, "media1.example", PROXY1)
        self.second = ScriptedMediaServer(self.peer, "media2.example", PROXY1, 40000)
        self.a = Telephone(self.alice, "alice", 4000)
        self.b = Telephone(self.bob, "bob", 5000)
        self.a.call("1002")
        self.settle()
        self.b.answer()
        self.settle()
        (self.call,) = self.node.controller.calls.values()
        self.addCleanup(self.leave)

    def leave(self) -> None:
        """
        Alice hangs up, if she talks still.
        """
        if self.a.talks:
            self.a.hangUp()
        self.settle()
        if self.server.silent:
            self.run_(40)  # it may yet say that it has seen the CANCEL
        self.assertNoCall()
        self.assertEqual(self.server.live + self.second.live, [])

    def settle(self) -> None:
        """
        Let everything arrive, and everybody answer.
        """
        peers = {PROXY1: self.peer, PROXY2: self.peer2}
        settle(peers, [self.a, self.b, self.server, self.second])

    def hears(self, telephone: Telephone, port: int) -> None:
        """
        A telephone was told last that it talks to this port.
        """
        self.assertIn(b"m=audio %d " % port, telephone.offers[-1])

    def test_music(self) -> None:
        """
        One hears something of a media server, and then the other one again.
        """
        call: Call = self.call
        a, b = call.telephones
        call.play(b, MUSIC)
        self.settle()
        (session,) = self.server.live
        self.assertEqual(session.uri, b"sip:annc@media1.example;play=file:music.wav")
        self.hears(self.b, session.port)
        self.assertIn(b"m=audio 5000 ", session.offers[-1])
        call.connect(a, b)
        self.settle()
        self.assertEqual(self.server.live, [])
        self.hears(self.a, 5000)
        self.hears(self.b, 4000)

    def test_mixed(self) -> None:
        """
        Both are mixed; what changes then is told by INFO.
        """
        a, b = self.call.telephones
        self.call.play(a, mixed("1001"))
        self.call.play(b, mixed("1002"))
        self.settle()
        one, other = self.server.mixed("c1")
        self.hears(self.a, one.port)
        self.hears(self.b, other.port)
        self.assertEqual(one.told, [b"1001 all"])
        self.call.play(a, mixed("1001", Talk.NOBODY))
        self.settle()
        self.assertEqual(one.told, [b"1001 all", b"1001 nobody"])
        self.assertEqual(self.server.live, [one, other])
        self.call.connect(a, b)
        self.settle()
        self.assertEqual(self.server.live, [])

    def test_refused(self) -> None:
        """
        When one does not take it, the next one does.
        """
        self.server.refuses = 486
        _, b = self.call.telephones
        self.call.play(b, MUSIC)
        self.settle()
        (session,) = self.second.live
        self.hears(self.b, session.port)

    def test_silent(self) -> None:
        """
        When one does not answer, the next one does.
        """
        self.server.silent = True
        _, b = self.call.telephones
        self.call.play(b, MUSIC)
        self.settle()
        self.run_(5)
        self.settle()
        (session,) = self.second.live
        self.hears(self.b, session.port)

    def test_gone(self) -> None:
        """
        When one hangs up in the middle, another one goes on.
        """
        _, b = self.call.telephones
        self.call.play(b, MUSIC)
        self.settle()
        self.server.refuses = 503
        self.server.hangUp(self.server.live[0])
        self.settle()
        (session,) = self.second.live
        self.hears(self.b, session.port)

    def test_forgets(self) -> None:
        """
        A media server that has died and come back knows nothing of its sessions: that
        is found out before a minute has passed, and another one goes on.
        """
        call: Call = self.call
        _, b = call.telephones
        call.play(b, MUSIC)
        self.settle()
        self.assertEqual(len(self.server.live), 1)
        self.server.die()
        for _ in range(50):
            self.run_(1)
            self.settle()
        (session,) = self.second.live
        self.hears(self.b, session.port)

    def test_startedAnew(self) -> None:
        """
        One that says so itself is found out at once.
        """
        call: Call = self.call
        _, b = call.telephones
        call.play(b, MUSIC)
        self.settle()
        self.server.die()
        tell = self.node.mediaServices.startedAnew
        tell("another")
        self.peer.expectNothing()
        tell(self.service.servers[0].name)
        self.settle()
        (session,) = self.second.live
        self.hears(self.b, session.port)
