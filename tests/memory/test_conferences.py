"""
Calls of more than two parties.
"""

from __future__ import annotations

from sipcluster.sessioncontroller.iconferences import MOST_PARTIES
from sipcluster.sessioncontroller.isessioncontroller import Why
from tests.memory.conferring import Conferring
from tests.memory.controls import WHO
from tests.memory.conversations import Desk
from tests.memory.nodes import TRUNK

#: What C's coming is to the others.
ADDED = "C/NewParty by B/AddedBy Conferenced"


class CompleteTests(Conferring):
    """
    L{IConferences.completeConference}.
    """

    def test_flow(self) -> None:
        """
        Bob consults Carol, and takes her into his call with Alice.
        """
        c2 = self.consult("B", self.c1, "C")
        self.rows()
        self.done(self.controller.completeConference("1002", self.c1, c2, WHO))
        changed = "c1 PartyChanged C/ConferenceMember A/ConferenceMember"
        self.assertEqual(
            self.rows(),
            [
                "c2 Released B/orig C/dest Conferenced from c1 !",
                "c1 Retrieved B/dest A/orig Conferenced",
                f"c1 PartyAdded B/dest {ADDED}",
                f"c1 PartyAdded A/orig {ADDED}",
                f"{changed} by B/ConferencedBy Conferenced from c2",
            ],
        )
        self.assertMixed(self.c1, "A", "B", "C")
        self.assertEqual(list(self.controller.calls), [self.c1])
        self.endAll()
        self.assertNoMedia()

    def test_lists(self) -> None:
        """
        Who was in it, and who has come, stands in the extensions.
        """
        self.confer("B", self.c1, "C")
        (event,) = (
            one
            for one in self.sink.events
            if type(one).__name__ == "PartyAdded" and one.party.thisDN == "1001"
        )
        self.assertEqual(
            event.extensions,
            (
                ("NumOfOrigDNs", 2),
                ("OrigDN-1", "1002"),
                ("OrigDN-2", "1001"),
                ("NumOfConsultDNs", 2),
                ("ConsultDN-1", "1002"),
                ("ConsultDN-2", "1003"),
            ),
        )
        self.endAll()

    def test_four(self) -> None:
        """
        Carol brings in a fourth one; all see it.
        """
        self.confer("B", self.c1, "C")
        self.rows()
        self.confer("C", self.c1, "D")
        self.assertMixed(self.c1, "A", "B", "C", "D")
        added = [row for row in self.rows() if "PartyAdded" in row]
        self.assertEqual(len(added), 3)
        self.endAll()
        self.assertNoMedia()

    def test_noMediaServer(self) -> None:
        """
        Without a media server nothing changes.
        """
        self.service.servers.clear()
        c2 = self.consult("B", self.c1, "C")
        self.rows()
        asked = self.controller.completeConference("1002", self.c1, c2, WHO)
        self.settle()
        self.assertNotDone(asked, Why.FAILED)
        self.assertEqual(self.rows(), [])
        self.assertTalk(c2, "B", "C")
        self.endAll()

    def test_mediaServerRefuses(self) -> None:
        """
        When the first media server refuses, the next one mixes.
        """
        self.media1.refuses = 486
        self.confer("B", self.c1, "C")
        self.assertMixed(self.c1, "A", "B", "C", server=self.media2)
        self.endAll()
        self.assertNoMedia()

    def test_allRefuse(self) -> None:
        """
        When all refuse, nothing changes.
        """
        self.media1.refuses = self.media2.refuses = 486
        c2 = self.consult("B", self.c1, "C")
        self.rows()
        asked = self.controller.completeConference("1002", self.c1, c2, WHO)
        self.settle()
        self.assertNotDone(asked, Why.FAILED)
        self.assertEqual(self.rows(), [])
        self.assertTalk(c2, "B", "C")
        self.endAll()

    def test_leavesMeanwhile(self) -> None:
        """
        When Carol hangs up before the media server answers, nothing comes of it.
        """
        c2 = self.consult("B", self.c1, "C")
        self.rows()
        self.media1.silent = True
        asked = self.controller.completeConference("1002", self.c1, c2, WHO)
        self.settle()
        self.line("C", c2).hangUp()
        self.settle()
        self.pass_(5)
        self.assertNotDone(asked, Why.DISCONNECTED)
        self.assertEqual(self.states(self.c1), {"1001": "Connected", "1002": "Hold"})
        self.media1.silent = False
        self.endAll()
        self.assertNoMedia()

    def test_notHeld(self) -> None:
        """
        The first call must be held, and the second one must talk.
        """
        c2 = self.consult("B", self.c1, "C", answers=False)
        asked = self.controller.completeConference("1002", self.c1, c2, WHO)
        self.assertNotDone(asked, Why.WRONG_STATE)
        self.answer("C")
        asked = self.controller.completeConference("1002", c2, self.c1, WHO)
        self.assertNotDone(asked, Why.WRONG_STATE)
        self.endAll()


class LeaveTests(Conferring):
    """
    Who leaves a conference.
    """

    def setUp(self) -> None:
        super().setUp()
        self.confer("B", self.c1, "C")
        self.rows()

    def test_hangsUp(self) -> None:
        """
        Carol hangs up; Alice and Bob talk on, without a media server.
        """
        self.line("C", self.c1).hangUp()
        self.settle()
        gone = "C/DeletedParty"
        self.assertEqual(
            self.rows(),
            [
                "c1 Released C/ConferenceMember A/ConferenceMember from c2",
                f"c1 PartyDeleted A/orig {gone}",
                f"c1 PartyDeleted B/dest {gone}",
            ],
        )
        self.assertTalk(self.c1, "A", "B")
        self.assertNoMedia()
        self.endAll()

    def test_firstLeaves(self) -> None:
        """
        Whoever has begun the call may leave it.
        """
        self.done(self.controller.release("1001", self.c1, WHO))
        self.assertEqual(
            self.rows(),
            [
                "c1 Released A/orig B/dest !",
                "c1 PartyDeleted B/dest A/DeletedParty",
                "c1 PartyDeleted C/ConferenceMember A/DeletedParty from c2",
            ],
        )
        self.assertTalk(self.c1, "B", "C")
        self.assertNoMedia()
        self.endAll()
        self.assertEqual(
            self.rows(),
            [
                "c1 Released B/dest C/ConferenceMember",
                "c1 Released C/ConferenceMember B/dest from c2",
            ],
        )

    def test_deleted(self) -> None:
        """
        Bob takes Carol out.
        """
        asked = self.controller.deleteFromConference("1002", self.c1, "1003", WHO)
        self.done(asked)
        gone = "C/DeletedParty by B/DeletedBy"
        dropped = "c1 Released C/ConferenceMember A/ConferenceMember"
        self.assertEqual(
            self.rows(),
            [
                f"{dropped} by B/DeletedBy Dropped from c2",
                f"c1 PartyDeleted B/dest {gone} !",
                f"c1 PartyDeleted A/orig {gone}",
            ],
        )
        self.assertTalk(self.c1, "A", "B")
        self.assertNoMedia()
        self.endAll()

    def test_cannotBeDeleted(self) -> None:
        """
        Nobody is taken out who is not in it, nor out of a call of two.
        """
        for other, why in (
            ("1004", Why.INVALID_DESTINATION),
            ("1002", Why.WRONG_STATE),
        ):
            asked = self.controller.deleteFromConference("1002", self.c1, other, WHO)
            self.assertNotDone(asked, why)
        self.line("C", self.c1).hangUp()
        self.settle()
        asked = self.controller.deleteFromConference("1002", self.c1, "1001", WHO)
        self.assertNotDone(asked, Why.WRONG_STATE)
        self.endAll()

    def test_serverHangsUp(self) -> None:
        """
        When the media server ends one session, all are mixed by another one.
        """
        session = self.media1.live[0]
        self.media1.die()
        session.ended = False
        self.media1.hangUp(session)
        self.settle()
        self.pass_(1)
        self.assertMixed(self.c1, "A", "B", "C", server=self.media2)
        self.assertEqual(self.rows(), [])
        self.endAll()
        self.assertNoMedia()

    def test_noServerLeft(self) -> None:
        """
        When there is none left, they are mixed as soon as there is one again.
        """
        self.media2.refuses = 503
        session = self.media1.live[0]
        self.media1.die()
        session.ended = False
        self.media1.hangUp(session)
        self.settle()
        self.pass_(3)
        self.media1.refuses = 0
        self.service.gone.clear()
        self.pass_(9)
        self.assertMixed(self.c1, "A", "B", "C")
        self.endAll()
        self.assertNoMedia()
        self.flushLoggedErrors()

    def test_holds(self) -> None:
        """
        Alice holds by request: she hears nobody, the others talk on.
        """
        self.done(self.controller.hold("1001", self.c1, WHO))
        self.assertSilent(self.c1, "A")
        session = self.sessionOf("B", self.c1)
        self.assertEqual(self.line("B", self.c1).speaksTo, session.port)
        self.done(self.controller.retrieve("1001", self.c1, WHO))
        self.assertMixed(self.c1, "A", "B", "C")
        self.endAll()

    def test_refusesToBeJoined(self) -> None:
        """
        A telephone that does not take its new session is out; the others talk on.
        """
        self.line("A", self.c1).refusesChanges = [488]
        self.confer("C", self.c1, "D")
        self.line("A", self.c1).refusesChanges = [488]
        self.controller.mute("1001", self.c1, True)
        self.settle()
        self.assertMixed(self.c1, "B", "C", "D")
        self.endAll()
        self.assertNoMedia()


class MuteTests(Conferring):
    """
    Who hears whom.
    """

    def test_two(self) -> None:
        """
        Bob is muted in a call of two: Alice does not hear him, he hears her.
        """
        self.done(self.controller.mute("1002", self.c1, True, WHO))
        self.assertEqual(self.rows(), ["c1 Muted B/dest A/orig !"])
        a, b = self.line("A", self.c1), self.line("B", self.c1)
        self.assertEqual((a.hears, a.speaksTo), (0, b.port))
        self.assertEqual((b.hears, b.speaksTo), (a.port, 0))
        again = self.controller.mute("1002", self.c1, True, WHO)
        self.assertNotDone(again, Why.WRONG_STATE)
        self.done(self.controller.mute("1002", self.c1, False, WHO))
        self.assertTalk(self.c1, "A", "B")
        self.assertEqual(self.rows(), ["c1 Unmuted B/dest A/orig !"])
        self.assertNoMedia()
        self.endAll()

    def test_telephoneAsks(self) -> None:
        """
        Muted stays muted whatever the telephones want themselves.
        """
        self.done(self.controller.mute("1002", self.c1, True, WHO))
        a, b = self.line("A", self.c1), self.line("B", self.c1)
        for line in (a, b):
            line.hold()
            self.settle()
            line.retrieve()
            self.settle()
            self.assertEqual((a.hears, a.speaksTo), (0, b.port))
            self.assertEqual((b.hears, b.speaksTo), (a.port, 0))
        self.done(self.controller.mute("1002", self.c1, False, WHO))
        self.assertTalk(self.c1, "A", "B")
        self.assertNotIn("Hold", self.states(self.c1).values())
        self.endAll()

    def test_mutedAndHeld(self) -> None:
        """
        So does it when the call is held and retrieved.
        """
        self.done(self.controller.mute("1002", self.c1, True))
        self.done(self.controller.hold("1001", self.c1))
        self.assertSilent(self.c1, "A", "B")
        self.done(self.controller.retrieve("1001", self.c1))
        a, b = self.line("A", self.c1), self.line("B", self.c1)
        self.assertEqual((a.hears, a.speaksTo), (0, b.port))
        self.assertEqual((b.hears, b.speaksTo), (a.port, 0))
        self.done(self.controller.mute("1002", self.c1, False))
        self.assertTalk(self.c1, "A", "B")
        self.endAll()

    def test_conference(self) -> None:
        """
        Bob is muted in a conference: the media server hears nothing of him, and is
        told so.
        """
        self.confer("B", self.c1, "C")
        session, port = self.sessionOf("B", self.c1), self.line("B", self.c1).port
        self.done(self.controller.mute("1002", self.c1, True, WHO))
        b = self.line("B", self.c1)
        self.assertEqual((b.hears, b.speaksTo), (session.port, 0))
        self.assertIn(b"a=recvonly", session.offers[-1])
        self.assertIn(b"m=audio %d " % port, session.offers[-1])
        self.assertIn(b"nobody", session.told[-1])
        self.done(self.controller.mute("1002", self.c1, False, WHO))
        self.assertMixed(self.c1, "A", "B", "C")
        self.assertIn(b"all", session.told[-1])
        self.assertNotIn(b"a=recvonly", session.offers[-1])
        # Muted when two are left, too.
        self.done(self.controller.mute("1002", self.c1, True, WHO))
        self.line("C", self.c1).hangUp()
        self.settle()
        a, b = self.line("A", self.c1), self.line("B", self.c1)
        self.assertEqual((a.hears, a.speaksTo), (0, b.port))
        self.assertEqual((b.hears, b.speaksTo), (a.port, 0))
        self.endAll()

    def test_listening(self) -> None:
        """
        Alice is not to hear what Bob and Carol say, and then is again.
        """
        self.confer("B", self.c1, "C")
        self.rows()
        self.done(self.controller.listenDisconnect("1002", self.c1, "1001", WHO))
        self.assertEqual(
            self.rows(),
            [
                "c1 ListenDisconnected B/dest A/orig !",
                "c1 ListenDisconnected A/orig A/orig",
            ],
        )
        a = self.line("A", self.c1)
        session = self.sessionOf("A", self.c1)
        self.assertEqual((a.hears, a.speaksTo), (0, session.port))
        self.assertIn(b"deaf", session.told[-1])
        again = self.controller.listenDisconnect("1002", self.c1, "1001", WHO)
        self.assertNotDone(again, Why.WRONG_STATE)
        self.done(self.controller.listenReconnect("1002", self.c1, "1001", WHO))
        self.assertMixed(self.c1, "A", "B", "C")
        self.endAll()


class ManyTests(Conferring):
    """
    As many parties as a conference may have.
    """

    def test_most(self) -> None:
        """
        32 are mixed; another one is refused, and nothing has changed.
        """
        self.confer("B", self.c1, "C")
        # Those outside may be in it as often as there are numbers.
        numbers = [f"9{number}" for number in range(300, 300 + MOST_PARTIES - 3)]
        for number in numbers:
            self.desks[number] = Desk(
                self.phone(number[1:], TRUNK), f"phone{number}", 6000
            )
            asked = self.controller.singleStepConference("1002", self.c1, number)
            self.settle()
            self.desks[number].answer()
            self.done(asked)
        call = self.controller.calls[self.c1]
        self.assertEqual(len(call.members), MOST_PARTIES)
        self.assertEqual(len(self.media1.mixed(self.c1)), MOST_PARTIES)
        asked = self.controller.singleStepConference("1002", self.c1, "1004")
        self.assertNotDone(asked, Why.LIMIT)
        self.done(self.controller.clear("1002", self.c1))
        self.assertNoMedia()
        self.endAll()
