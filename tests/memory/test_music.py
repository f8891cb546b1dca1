"""
Music for those who are held.
"""

from __future__ import annotations

from sipcluster.sessioncontroller.isessioncontroller import Why
from tests.memory.conferring import Conferring
from tests.memory.controls import WHO
from tests.memory.conversations import NUMBERS

MUSIC = "file:music/on_hold"


class MusicTests(Conferring):
    """
    Bob's DN has music.
    """

    def setUp(self) -> None:
        super().setUp()
        self.controller.calls[self.c1].agent.music = self.music
        self.controller.ua.music = self.music

    def music(self, dn: str) -> str:
        """
        What those hear whom a DN holds.
        """
        return MUSIC if dn == "1002" else ""

    def assertMusic(self, letter: str, connID: str = "") -> None:
        """
        A telephone hears music.
        """
        line = self.line(letter, connID or self.c1)
        (session,) = self.media1.live
        self.assertIn(b"play=file:music/on_hold", session.uri)
        self.assertEqual(line.hears, session.port)
        self.assertIn(b"m=audio %d " % line.port, session.offers[-1])

    def test_request(self) -> None:
        """
        Bob holds by request, and Alice hears music until he is back.
        """
        self.done(self.controller.hold("1002", self.c1, WHO))
        self.assertEqual(self.rows(), ["c1 Held B/dest A/orig !"])
        self.assertMusic("A")
        self.assertSilent(self.c1, "B")
        self.done(self.controller.retrieve("1002", self.c1, WHO))
        self.assertEqual(self.rows(), ["c1 Retrieved B/dest A/orig !"])
        self.assertTalk(self.c1, "A", "B")
        self.assertNoMedia()
        self.endAll()

    def test_notForOthers(self) -> None:
        """
        When Alice holds, there is none.
        """
        self.done(self.controller.hold("1001", self.c1))
        self.assertNoMedia()
        self.assertSilent(self.c1, "A", "B")
        self.done(self.controller.retrieve("1001", self.c1))
        self.assertTalk(self.c1, "A", "B")
        self.endAll()

    def test_telephone(self) -> None:
        """
        So it is when Bob holds at his telephone.
        """
        line = self.line("B", self.c1)
        for _ in range(2):
            line.hold()
            self.settle()
            self.assertEqual(self.rows(), ["c1 Held B/dest A/orig"])
            self.assertMusic("A")
            line.hold()  # again, as a refresh does
            self.settle()
            self.assertMusic("A")
            line.retrieve()
            self.settle()
            self.assertEqual(self.rows(), ["c1 Retrieved B/dest A/orig"])
            self.assertTalk(self.c1, "A", "B")
            self.assertNoMedia()
        self.endAll()

    def test_heldOneAsks(self) -> None:
        """
        The telephone of the one who is held may want something meanwhile: it goes to
        the media server.
        """
        self.done(self.controller.hold("1002", self.c1))
        line = self.line("A", self.c1)
        line.hold()
        self.settle()
        line.retrieve()
        self.settle()
        self.assertMusic("A")
        self.done(self.controller.retrieve("1002", self.c1))
        self.assertTalk(self.c1, "A", "B")
        self.endAll()

    def test_both(self) -> None:
        """
        When both hold, nobody hears anybody, and then they talk again.
        """
        self.done(self.controller.hold("1002", self.c1))
        self.done(self.controller.hold("1001", self.c1))
        self.done(self.controller.retrieve("1002", self.c1))
        self.assertSilent(self.c1, "A", "B")
        self.assertNoMedia()
        self.done(self.controller.retrieve("1001", self.c1))
        self.assertTalk(self.c1, "A", "B")
        self.endAll()

    def test_noServer(self) -> None:
        """
        Without a media server there is silence.
        """
        self.service.servers.clear()
        self.done(self.controller.hold("1002", self.c1))
        self.assertSilent(self.c1, "A", "B")
        self.done(self.controller.retrieve("1002", self.c1))
        self.assertTalk(self.c1, "A", "B")
        self.endAll()

    def test_telephoneRefuses(self) -> None:
        """
        Who does not take music hears none; the call goes on.
        """
        self.line("A", self.c1).refusesChanges = [488]
        self.done(self.controller.hold("1002", self.c1))
        self.assertNoMedia()
        self.done(self.controller.retrieve("1002", self.c1))
        self.assertTalk(self.c1, "A", "B")
        self.endAll()

    def test_cannotBeRetrieved(self) -> None:
        """
        When Bob's telephone does not want Alice back, she hears music still.
        """
        self.done(self.controller.hold("1002", self.c1))
        self.line("B", self.c1).refusesChanges = [488]
        asked = self.controller.retrieve("1002", self.c1)
        self.settle()
        self.assertNotDone(asked, Why.REJECTED)
        self.assertMusic("A")
        self.done(self.controller.retrieve("1002", self.c1))
        self.assertTalk(self.c1, "A", "B")
        self.endAll()

    def test_transfer(self) -> None:
        """
        Alice hears music while Bob consults Carol, and then Carol.
        """
        c2 = self.consult("B", self.c1, "C")
        self.assertMusic("A")
        self.assertTalk(c2, "B", "C")
        self.done(self.controller.alternate("1002", self.c1, c2))
        self.assertTalk(self.c1, "A", "B")
        self.assertMusic("C", c2)
        self.done(self.controller.alternate("1002", c2, self.c1))
        self.done(self.controller.completeTransfer("1002", self.c1, c2))
        self.assertTalk(self.c1, "A", "C")
        self.assertNoMedia()
        self.endAll()

    def test_singleStep(self) -> None:
        """
        So she does while Carol rings to whom Bob has sent her out of hold.
        """
        self.done(self.controller.hold("1002", self.c1))
        asked = self.controller.singleStepTransfer("1002", self.c1, NUMBERS["C"])
        self.done(asked)
        self.answer("C")
        self.assertTalk(self.c1, "A", "C")
        self.assertNoMedia()
        self.endAll()

    def test_conference(self) -> None:
        """
        A conference comes after it.
        """
        self.confer("B", self.c1, "C")
        self.assertMixed(self.c1, "A", "B", "C")
        self.endAll()
        self.assertNoMedia()

    def test_hangsUp(self) -> None:
        """
        Whoever hangs up meanwhile ends it all.
        """
        for letter in "AB":
            self.done(self.controller.hold("1002", self.c1))
            self.line(letter, self.c1).hangUp()
            self.settle()
            self.assertNoMedia()
            self.c1 = self.talk("A", "B")
        self.endAll()
