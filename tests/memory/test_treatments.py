"""
What callers are given at a routing point.
"""

from __future__ import annotations

from sipcluster.sessioncontroller.irouting import TreatmentType
from sipcluster.sessioncontroller.isessioncontroller import Why
from tests.memory.queues import RP, QueueTestCase

PROMPT = (("1", (("INTERRUPTABLE", 1), ("ID", 7))), ("2", (("DIGITS", "42"),)))


class TreatmentTests(QueueTestCase):
    """
    L{IRouting.applyTreatment}.
    """

    def setUp(self) -> None:
        super().setUp()
        self.c1 = self.dial("A", RP)
        self.rows()

    def test_music(self) -> None:
        """
        A caller is answered and hears music, while its party still only asks for a
        call; it goes on while the call rings elsewhere, and is over with the answer.
        """
        given = self.give(self.c1, TreatmentType.MUSIC, (("MUSIC_DN", "music/jazz"),))
        self.successResultOf(given)
        self.assertEqual(self.rows(), ["c1 TreatmentApplied 5000/dest A/orig ! Music"])
        session = self.session()
        self.assertEqual(session.uri, b"sip:annc@media1.example;play=file:music/jazz")
        self.assertHears("A", self.c1, session)
        self.assertEqual(self.states(), {"1001": "Initiated", "5000": "Queued"})
        self.pass_(30)  # the routing client is at it: nobody else decides
        self.assertEqual(self.states(), {"1001": "Initiated", "5000": "Queued"})
        routed = self.route(self.c1, "1002")
        self.successResultOf(routed)
        self.assertHears("A", self.c1, self.session())
        self.answer("B")
        self.assertNoSession()
        self.assertTalk(self.c1, "A", "B")
        self.assertEqual(
            self.rows(),
            [
                "c1 Alerting B/dest A/orig",
                "c1 RouteUsed 5000/dest A/orig by B/dest !",
                "c1 Diverted 5000/dest A/orig by B/dest",
                "c1 Answered B/dest A/orig",
                "c1 Answered A/orig B/dest",
            ],
        )
        self.endAll()

    def test_abandoned(self) -> None:
        """
        A caller that hangs up while it hears something leaves nothing behind.
        """
        self.give(self.c1, TreatmentType.MUSIC)
        self.rows()
        self.desks["A"].lines[0].hangUp()
        self.settle()
        self.assertEqual(
            self.rows(),
            ["c1 Released A/orig 5000/dest", "c1 Released 5000/dest A/orig Abandoned"],
        )
        self.endAll()

    def test_ringBack(self) -> None:
        """
        Tones that say how the call stands are heard by a caller that is not answered.
        """
        for kind in (
            TreatmentType.RING_BACK,
            TreatmentType.BUSY,
            TreatmentType.FAST_BUSY,
        ):
            self.successResultOf(self.give(self.c1, kind))
            session = self.session()
            tone = kind.value.lower().encode()
            self.assertEqual(session.uri, b"sip:annc@media1.example;play=tone:" + tone)
            self.assertEqual(self.legOf("A", self.c1).state, "Proceeding")
        self.successResultOf(self.route(self.c1, "1002"))
        self.answer("B")
        self.assertTalk(self.c1, "A", "B")
        self.endAll()

    def test_earlyAbandoned(self) -> None:
        """
        A caller that gives up meanwhile leaves nothing behind, either.
        """
        self.give(self.c1, TreatmentType.RING_BACK)
        self.desks["A"].lines[0].giveUp()
        self.settle()
        self.endAll()

    def test_silence(self) -> None:
        """
        Silence needs no media server; it may last for a time.
        """
        given = self.give(self.c1, TreatmentType.SILENCE, (("DURATION", 3),))
        self.successResultOf(given)
        self.assertNoSession()
        self.pass_(3.2)
        self.assertEqual(
            self.rows(),
            [
                "c1 TreatmentApplied 5000/dest A/orig ! Silence",
                "c1 TreatmentEnded 5000/dest A/orig Silence",
            ],
        )
        self.give(self.c1, TreatmentType.MUSIC, (("DURATION", "5"),))
        self.assertHears("A", self.c1, self.session())
        self.successResultOf(self.give(self.c1, TreatmentType.SILENCE))
        self.assertNoSession()
        self.assertSilent(self.c1, "A")
        self.endAll()

    def test_duration(self) -> None:
        """
        Music may last for a time.
        """
        self.give(self.c1, TreatmentType.MUSIC, (("DURATION", 5),))
        self.pass_(5.2)
        self.assertNoSession()
        self.assertSilent(self.c1, "A")
        self.assertEqual(self.rows()[-1], "c1 TreatmentEnded 5000/dest A/orig Music")
        self.endAll()

    def test_announcement(self) -> None:
        """
        An announcement ends by itself.
        """
        given = self.give(
            self.c1, TreatmentType.PLAY_ANNOUNCEMENT, (("PROMPT", PROMPT),)
        )
        self.successResultOf(given)
        session = self.session()
        self.assertEqual(
            session.uri,
            b"sip:annc@media1.example;"
            b"play=file:announcement/7,file:digits/4,file:digits/2",
        )
        self.servers[0].hangUp(session)
        self.settle()
        self.assertEqual(
            self.rows(),
            [
                "c1 TreatmentApplied 5000/dest A/orig ! PlayAnnouncement",
                "c1 TreatmentEnded 5000/dest A/orig PlayAnnouncement",
            ],
        )
        self.successResultOf(self.give(self.c1, TreatmentType.MUSIC))
        self.assertHears("A", self.c1, self.session())
        self.endAll()

    def test_digits(self) -> None:
        """
        What a caller dials is told, and the last digit with the next question.
        """
        words = (("PROMPT", PROMPT), ("MAX_DIGITS", 4), ("TERM_DIGITS", "#"))
        given = self.give(self.c1, TreatmentType.PLAY_ANNOUNCEMENT_AND_DIGITS, words)
        self.successResultOf(given)
        session = self.session()
        self.assertIn(b"digits=4", session.told[0])
        self.servers[0].say(session, reason="digits", digits="1234")
        self.settle()
        self.assertEqual(
            self.rows(),
            [
                "c1 TreatmentApplied 5000/dest A/orig ! PlayAnnouncementAndDigits",
                "c1 TreatmentEnded 5000/dest A/orig PlayAnnouncementAndDigits 1234",
            ],
        )
        self.assertNoSession()
        self.desks["B"].refuses = 486
        self.failureResultOf(self.route(self.c1, "1002"))
        self.endAll()

    def test_record(self) -> None:
        """
        What a caller says is kept, and where is told.
        """
        self.give(self.c1, TreatmentType.RECORD_USER_ANNOUNCEMENT, (("USER_ID", "u7"),))
        session = self.session()
        self.assertIn(b"record=u7/" + self.c1.encode(), session.told[0])
        self.servers[0].say(session, reason="recorded", recording="u7/x.wav")
        self.settle()
        self.assertEqual(
            self.sink.events[-1].extensions, (("USER_ANN_ID", "u7/x.wav"),)
        )
        self.endAll()

    def test_application(self) -> None:
        """
        An application of the media server's is run.
        """
        self.give(self.c1, TreatmentType.PLAY_APPLICATION, (("APP_ID", "ivr.vxml"),))
        session = self.session()
        self.assertTrue(session.uri.startswith(b"sip:dialog@"))
        self.servers[0].hangUp(session)
        self.settle()
        self.assertEqual(
            self.rows()[-1], "c1 TreatmentEnded 5000/dest A/orig PlayApplication"
        )
        self.endAll()

    def test_noServer(self) -> None:
        """
        When no media server answers, that is told; a telephone can ring by itself.
        """
        for server in self.servers:
            server.refuses = 486
        given = self.give(self.c1, TreatmentType.MUSIC)
        self.successResultOf(given)
        self.successResultOf(self.give(self.c1, TreatmentType.RING_BACK))
        self.assertEqual(
            self.rows(),
            [
                "c1 TreatmentNotApplied 5000/dest A/orig Unreachable ! Music",
                "c1 TreatmentApplied 5000/dest A/orig ! RingBack",
            ],
        )
        self.endAll()

    def test_serverDies(self) -> None:
        """
        When the media server dies, another one goes on, and nobody need know; without
        another one it ends.
        """
        self.give(self.c1, TreatmentType.MUSIC)
        first = self.session()
        self.servers[0].hangUp(first)
        self.settle()
        second = self.session()
        self.assertIsNot(first, second)
        self.assertHears("A", self.c1, second)
        for server in self.servers:
            server.refuses = 503
        self.servers[0].sessions[-1].ended or self.servers[1]
        owner = next(one for one in self.servers if second in one.sessions)
        owner.hangUp(second)
        self.settle()
        self.assertEqual(
            self.rows(),
            [
                "c1 TreatmentApplied 5000/dest A/orig ! Music",
                "c1 TreatmentEnded 5000/dest A/orig GeneralError Music",
            ],
        )
        self.endAll()

    def test_unsupported(self) -> None:
        """
        What this node cannot give is not applied.
        """
        for kind in (
            TreatmentType.UNKNOWN,
            TreatmentType.IVR,
            TreatmentType.VERIFY_DIGITS,
            TreatmentType.DELETE_USER_ANNOUNCEMENT,
            TreatmentType.TEXT_TO_SPEECH,
            TreatmentType.TEXT_TO_SPEECH_AND_DIGITS,
        ):
            self.successResultOf(self.give(self.c1, kind))
            self.assertEqual(
                self.rows(),
                [f"c1 TreatmentNotApplied 5000/dest A/orig Forbidden ! {kind.value}"],
            )
        self.endAll()

    def test_nonsense(self) -> None:
        """
        Parameters that make no sense are refused, and change nothing.
        """
        for kind, words in (
            (TreatmentType.MUSIC, (("MUSIC_DN", "../x"),)),
            (TreatmentType.MUSIC, (("DURATION", "long"),)),
            (TreatmentType.PLAY_ANNOUNCEMENT, ()),
            (TreatmentType.SET_DEFAULT_ROUTE, ()),
        ):
            refused = self.give(self.c1, kind, words)
            self.assertNotDone(refused, Why.BAD_VALUE)
        self.assertEqual(self.rows(), [])
        self.endAll()

    def test_cancelled(self) -> None:
        """
        A treatment may be that the call ends.
        """
        self.give(self.c1, TreatmentType.MUSIC)
        self.rows()
        self.successResultOf(self.give(self.c1, TreatmentType.CANCEL_CALL))
        self.assertEqual(
            self.rows(),
            [
                "c1 TreatmentApplied 5000/dest A/orig ! CancelCall",
                "c1 Released 5000/dest A/orig Dropped",
                "c1 Released A/orig 5000/dest Dropped",
            ],
        )
        self.endAll()

    def test_defaultRoute(self) -> None:
        """
        A treatment may be where the call goes by default.
        """
        given = self.give(self.c1, TreatmentType.SET_DEFAULT_ROUTE, (("DEST", "1003"),))
        self.successResultOf(given)
        self.pass_(10.2)
        self.answer("C")
        self.assertTalk(self.c1, "A", "C")
        self.endAll()

    def test_delayedOffer(self) -> None:
        """
        A caller that has made no offer is answered with that of the media server, for
        tones, too.
        """
        for kind in (TreatmentType.MUSIC, TreatmentType.RING_BACK):
            line = self.desks["C"].newLine()
            line.call(RP, offers=False)
            self.settle()
            (connID,) = set(self.controller.calls) - {self.c1}
            self.successResultOf(self.give(connID, kind))
            self.assertHears("C", connID, self.session())
            self.successResultOf(self.route(connID, "1002"))
            self.answer("B")
            self.assertTalk(connID, "C", "B")
            line.hangUp()
            self.settle()
        self.endAll()

    def test_routedTooSoon(self) -> None:
        """
        What is not given yet when the call is answered elsewhere, will not be.
        """
        for server in self.servers:
            server.silent = True
        given = self.give(self.c1, TreatmentType.RING_BACK)
        self.successResultOf(self.route(self.c1, "1002"))
        self.assertNotDone(given, Why.DISCONNECTED)
        for server in self.servers:
            server.silent = False
        self.answer("B")
        self.pass_(40)
        self.assertTalk(self.c1, "A", "B")
        self.endAll()

    def test_replaced(self) -> None:
        """
        What is not applied yet when something else is given, will not be.
        """
        for server in self.servers:
            server.silent = True
        first = self.give(self.c1, TreatmentType.MUSIC)
        self.assertNoResult(first)
        second = self.give(self.c1, TreatmentType.SILENCE)
        self.assertNotDone(first, Why.FAILED)
        self.successResultOf(second)
        for server in self.servers:
            server.silent = False
        self.pass_(40)
        self.endAll()

    def test_failedRoute(self) -> None:
        """
        A caller still hears its music when a destination is busy.
        """
        self.give(self.c1, TreatmentType.MUSIC)
        session = self.session()
        self.desks["B"].refuses = 486
        self.assertNotDone(self.route(self.c1, "1002"), Why.BUSY)
        self.assertIs(self.session(), session)
        self.pass_(20)
        self.assertEqual(self.states(), {"1001": "Initiated", "5000": "Queued"})
        self.successResultOf(self.route(self.c1, "1003"))
        self.answer("C")
        self.assertTalk(self.c1, "A", "C")
        self.endAll()

    def test_nowhere(self) -> None:
        """
        A caller whose call leads nowhere in the end hears that it is busy.
        """
        self.give(self.c1, TreatmentType.MUSIC)
        words = (("NO_ANSWER_OVERFLOW", "none"), ("NO_ANSWER_TIMEOUT", 10))
        self.successResultOf(self.route(self.c1, "1002", extensions=words))
        self.pass_(11)
        self.assertIn(b"tone:busy", self.session().uri)
        self.pass_(31)
        self.assertNoCall()
        self.endAll()
