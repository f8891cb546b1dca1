"""
Tests for L{sipcluster.mediaservice}.
"""

from __future__ import annotations

from collections import Counter

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from sipcluster.mediaservice.services import AVOIDED, MediaServices, ServerSettings
from sipcluster.mediaservice.uris import escapeValue
from sipcluster.msml.reading import parseMSML
from sipcluster.msml.values import (
    CONTENT_TYPE,
    DIALOG_EXIT,
    Collect,
    DialogStart,
    Event,
    Play,
    Record,
    Result,
    Script,
    Stream,
)
from sipcluster.msml.writing import renderMSML
from sipcluster.servicecheck.iservicecheck import (
    IAnswerTaker,
    IQuestion,
    Member,
    PeerRole,
)
from sipcluster.sessioncontroller.imedia import (
    IMediaService,
    MediaKind,
    MediaRequest,
    MediaResult,
    MediaServer,
    Talk,
)

MUSIC = MediaRequest(MediaKind.ANNOUNCEMENT, "music", ("file:music.wav",), 0)
DIALOG = MediaRequest(MediaKind.DIALOG, "menu", ("a.wav", "b.wav"), digits=4)


def conference(name: str) -> MediaRequest:
    """
    A member of a conference.
    """
    return MediaRequest(MediaKind.CONFERENCE, name, member="1001")


class Asker:
    """
    Answers when a test says so.
    """

    def __init__(self) -> None:
        self.asked: list[tuple[str, bytes, IAnswerTaker]] = []

    def ask(self, member: Member, seconds: float, taker: IAnswerTaker) -> IQuestion:
        self.asked.append((member.name, member.uri, taker))
        return self  # type: ignore[return-value] # it can be abandoned

    def abandon(self) -> None:
        pass


class ServicesTestCase(SynchronousTestCase):
    """
    Three servers: two of them here, one of those knows RFC 4240 alone.
    """

    settings = (
        ServerSettings("near", b"sip:192.0.2.31:5070", "berlin", oosCheck=5.0),
        ServerSettings("old", b"sip:old.example;transport=tcp", "berlin", False),
        ServerSettings("far", b"sip:x@192.0.2.33", "hamburg", oosCheck=5.0),
    )

    def setUp(self) -> None:
        self.clock = Clock()
        self.asker = Asker()
        self.services = MediaServices(
            self.clock,
            self.settings,
            self.asker,  # type: ignore[arg-type] # gives itself as a question
            lambda: 0.0,
        )

    def chosen(
        self, request: MediaRequest, location: str = "berlin", **more: object
    ) -> str:
        """
        The name of the server that is chosen.
        """
        server = self.services.choose(request, location, **more)  # type: ignore[arg-type] # by name
        return "" if server is None else server.name

    def answer(self, name: str, alive: bool, life: int = 0) -> None:
        """
        Answer the last question to a server.
        """
        taker = [one for one in self.asker.asked if one[0] == name][-1][2]
        if alive:
            taker.alive(PeerRole(True, life))
        else:
            taker.dead("no answer")


class ChooseTests(ServicesTestCase):
    """
    Which one is taken.
    """

    def test_seam(self) -> None:
        """
        It is what nodes want.
        """
        verifyObject(IMediaService, self.services)

    def test_nearAndInTurn(self) -> None:
        """
        Those of the same data centre, in turn.
        """
        found = Counter(self.chosen(MUSIC) for _ in range(10))
        self.assertEqual(found, {"near": 5, "old": 5})

    def test_whoCan(self) -> None:
        """
        Only who knows MSML for dialogs.
        """
        self.assertEqual({self.chosen(DIALOG) for _ in range(5)}, {"near"})
        self.assertEqual(self.chosen(DIALOG, "hamburg"), "far")
        self.assertEqual(self.chosen(DIALOG, besides=("near",)), "far")
        self.assertEqual(self.chosen(DIALOG, besides=("near", "far")), "")

    def test_outOfService(self) -> None:
        """
        One that does not answer OPTIONS is not taken, until it does.
        """
        self.services.startAsking()
        self.assertEqual(
            [one[:2] for one in self.asker.asked],
            [("near", b"sip:192.0.2.31:5070"), ("far", b"sip:x@192.0.2.33")],
        )
        self.answer("near", False)
        self.assertEqual(self.chosen(DIALOG), "far")
        self.answer("far", False)
        self.assertEqual(self.chosen(DIALOG), "")
        self.assertEqual(self.chosen(MUSIC), "old")
        self.clock.advance(5.0)
        self.answer("near", True)
        self.assertEqual(self.chosen(DIALOG), "near")
        states = self.services.status()
        self.assertEqual(states["near"]["state"], "in service")  # type: ignore[index] # a dict
        self.assertEqual(states["far"]["why"], "no answer")  # type: ignore[index] # a dict
        self.assertEqual(states["old"]["state"], "unknown")  # type: ignore[index] # a dict
        self.services.stopAsking()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_startedAnew(self) -> None:
        """
        One that is another process than before is told of: whether it was missed
        meanwhile or not.  Who does not say which it is may be any.
        """
        told: list[str] = []
        self.services.startedAnew = told.append
        self.services.startAsking()
        for life in (7, 7, 0, 7):
            self.answer("near", True, life)
            self.clock.advance(5.0)
        self.assertEqual(told, [])
        self.answer("near", True, 8)
        self.assertEqual(told, ["near"])
        self.clock.advance(5.0)
        self.answer("near", False)
        self.clock.advance(5.0)
        self.answer("near", True, 9)
        self.assertEqual(told, ["near", "near"])
        self.services.stopAsking()

    def test_failed(self) -> None:
        """
        One that failed is tried last for a while, and asked at once.
        """
        self.services.startAsking()
        self.answer("near", True)
        self.answer("far", True)
        server = self.services.choose(DIALOG, "berlin")
        assert server is not None
        asked = len(self.asker.asked)
        self.services.failed(server)
        self.assertEqual(len(self.asker.asked), asked + 1)
        self.assertEqual(self.chosen(DIALOG), "far")
        self.assertEqual(self.chosen(DIALOG, besides=("far",)), "near")
        self.clock.advance(AVOIDED)
        self.assertEqual(self.chosen(DIALOG), "near")
        self.services.failed(MediaServer("unknown", b"sip:x"))
        self.services.stopAsking()

    def test_conferences(self) -> None:
        """
        All members of a conference meet, at whichever node they are; conferences are
        spread.
        """
        other = MediaServices(
            self.clock,
            reversed(self.settings),
            self.asker,  # type: ignore[arg-type] # gives itself as a question
            lambda: 0.0,
        )
        found: Counter[str] = Counter()
        for number in range(200):
            name = f"c{number}"
            self.chosen(MUSIC)
            server = self.chosen(conference(name))
            self.assertEqual(server, self.chosen(conference(name)))
            there = other.choose(conference(name), "berlin")
            assert there is not None
            self.assertEqual(server, there.name)
            found[server] += 1
        self.assertEqual(set(found), {"near", "old"})
        self.assertGreater(min(found.values()), 60)

    def test_whereTheOthersAre(self) -> None:
        """
        A conference stays where it is, whatever would be chosen now, unless that has
        failed.
        """
        for number in range(10):
            wanted = conference(f"c{number}")
            self.assertEqual(self.chosen(wanted, present="far"), "far")
        self.assertIn(
            self.chosen(wanted, present="far", besides=("far",)), ("near", "old")
        )
        self.assertIn(self.chosen(wanted, present="gone"), ("near", "old"))

    def test_none(self) -> None:
        """
        There may be none at all.
        """
        nobody = MediaServices(
            self.clock,
            (),
            self.asker,  # type: ignore[arg-type] # gives itself as a question
            lambda: 0.0,
        )
        self.assertIsNone(nobody.choose(MUSIC))


class TellTests(ServicesTestCase):
    """
    What servers are told.
    """

    def uri(self, request: MediaRequest, name: str = "near") -> bytes:
        """
        The Request-URI for a server.
        """
        contact = next(one.contact for one in self.settings if one.name == name)
        return self.services.uri(request, MediaServer(name, contact))

    def script(self, request: MediaRequest, name: str = "near") -> object:
        """
        The one thing that it is told by MSML.
        """
        told = self.services.start(request, name, b"tag")
        assert told is not None
        self.assertEqual(told[0], CONTENT_TYPE)
        script = parseMSML(told[1])
        assert isinstance(script, Script)
        (action,) = script.actions
        return action

    def test_announcement(self) -> None:
        """
        RFC 4240 section 3.
        """
        self.assertEqual(
            self.uri(MUSIC),
            b"sip:annc@192.0.2.31:5070;play=file:music.wav;repeat=forever",
        )
        self.assertIsNone(self.services.start(MUSIC, "near", b"tag"))
        nothing = MediaRequest(MediaKind.ANNOUNCEMENT)
        self.assertEqual(
            self.uri(nothing, "old"),
            b"sip:annc@old.example;transport=tcp;play=silence:;repeat=1",
        )

    def test_several(self) -> None:
        """
        RFC 4240 plays one thing: for more there is MSML, where it is known.
        """
        several = MediaRequest(MediaKind.ANNOUNCEMENT, "x", ("a", "b"), 2)
        self.assertEqual(self.uri(several), b"sip:msml@192.0.2.31:5070")
        self.assertEqual(
            self.script(several),
            DialogStart("conn:tag", "x", Play(("a", "b"), 2, bargeIn=True)),
        )
        self.assertTrue(self.uri(several, "old").startswith(b"sip:annc@old"))
        self.assertIsNone(self.services.start(several, "old", b"tag"))

    def test_escaped(self) -> None:
        """
        Whatever is in a name, it stays in its place.
        """
        evil = MediaRequest(MediaKind.ANNOUNCEMENT, "", ("a;b?c=d@e\r\nf",))
        self.assertEqual(
            self.uri(evil),
            b"sip:annc@192.0.2.31:5070;play=a%3Bb%3Fc%3Dd%40e%0D%0Af;repeat=1",
        )
        self.assertEqual(escapeValue("ü/:&$"), b"%C3%BC/:&$")

    def test_conference(self) -> None:
        """
        RFC 4240 section 5, and by MSML who hears whom.
        """
        wanted = conference("006a")
        self.assertEqual(self.uri(wanted), b"sip:conf=006a@192.0.2.31:5070;member=1001")
        self.assertEqual(
            self.script(wanted), Stream("conn:tag", "conf:006a", member="1001")
        )
        coach = MediaRequest(
            MediaKind.CONFERENCE,
            "006a",
            member="3001",
            talk=Talk.COACH,
            coached="1001",
        )
        self.assertEqual(
            self.script(coach),
            Stream("conn:tag", "conf:006a", member="3001", coached="1001"),
        )
        silent = MediaRequest(MediaKind.CONFERENCE, "006a", talk=Talk.NOBODY, deaf=True)
        self.assertEqual(
            self.script(silent), Stream("conn:tag", "conf:006a", False, False, False)
        )
        self.assertIsNone(self.services.start(wanted, "old", b"tag"))

    def test_dialog(self) -> None:
        """
        Play, collect and record.
        """
        wanted = MediaRequest(
            MediaKind.DIALOG,
            play=("a.wav",),
            digits=3,
            firstDigit=7.0,
            nextDigit=2.5,
            ending="#",
            record="box",
            longest=30.0,
            detect=True,
        )
        self.assertEqual(self.uri(wanted), b"sip:msml@192.0.2.31:5070")
        self.assertEqual(
            self.script(wanted),
            DialogStart(
                "conn:tag",
                "dialog",
                Play(("a.wav",), 1, bargeIn=True),
                Collect(3, 1, 7.0, 2.5, "#"),
                Record("box", 30.0),
                True,
            ),
        )
        empty = MediaRequest(MediaKind.DIALOG, repeat=0)
        self.assertEqual(
            self.script(empty),
            DialogStart("conn:tag", "dialog", Play(("silence:",), 0)),
        )

    def test_application(self) -> None:
        """
        RFC 4240 section 4.
        """
        wanted = MediaRequest(
            MediaKind.APPLICATION, application="http://vxml.example/a?b=c"
        )
        self.assertEqual(
            self.uri(wanted),
            b"sip:dialog@192.0.2.31:5070;voicexml=http://vxml.example/a%3Fb%3Dc",
        )
        self.assertIsNone(self.services.start(wanted, "near", b"tag"))


class ResultTests(ServicesTestCase):
    """
    What servers say.
    """

    def result(self, name: str = DIALOG_EXIT, **values: str) -> MediaResult | None:
        """
        What an event means.
        """
        event = Event(
            name, "conn:1/dialog:x", {k.replace("_", "."): v for k, v in values.items()}
        )
        kind = CONTENT_TYPE + b"; charset=UTF-8"
        return self.services.result(b"INFO", kind, renderMSML(event))

    def test_events(self) -> None:
        """
        The end of a dialog says what became of it.
        """
        for values, expected in (
            ({"play_end": "play.complete"}, MediaResult("done")),
            ({}, MediaResult("done")),
            ({"play_end": "play.failed"}, MediaResult("failed")),
            (
                {"play_end": "play.complete", "dtmf_end": "dtmf.noinput"},
                MediaResult("noinput"),
            ),
            (
                {"dtmf_digits": "12a#x", "dtmf_end": "dtmf.match"},
                MediaResult("digits", "12A#"),
            ),
            (
                {"dtmf_digits": "1", "dtmf_end": "dtmf.nomatch"},
                MediaResult("digits", "1"),
            ),
            (
                {"record_end": "record.complete.maxlength", "record_recordid": "a.wav"},
                MediaResult("recorded", "", "a.wav"),
            ),
            ({"record_end": "record.failed"}, MediaResult("failed")),
            ({"cpd_result": "fax"}, MediaResult("fax")),
            ({"cpd_result": "nonsense"}, MediaResult("done")),
        ):
            self.assertEqual(self.result(**values), expected, values)

    def test_notTheEnd(self) -> None:
        """
        Who has answered may be told before.
        """
        self.assertEqual(
            self.result("sipcluster.cpd", cpd_result="machine"),
            MediaResult("machine", last=False),
        )
        self.assertIsNone(self.result("something.else", x="y"))

    def test_refused(self) -> None:
        """
        An answer that says that it is not done is a failure.
        """
        for response, expected in ((200, None), (423, MediaResult("failed"))):
            body = renderMSML(Result(response))
            self.assertEqual(
                self.services.result(b"INFO", CONTENT_TYPE, body), expected
            )

    def test_application(self) -> None:
        """
        A VoiceXML document says by BYE what became of it (RFC 5552 section 4.2).
        """
        form = b"application/x-www-form-urlencoded"
        for body, expected in (
            (b"digits=12%233&x=y", MediaResult("digits", "12#3")),
            (b"__exit=0", MediaResult("done")),
            (b"", MediaResult("done")),
        ):
            self.assertEqual(self.services.result(b"BYE", form, body), expected)
        self.assertIsNone(self.services.result(b"BYE", form, b"\xff=%"))
        self.assertIsNone(self.services.result(b"BYE", form, b"a=b&" * 100))

    def test_nothing(self) -> None:
        """
        Everything else says nothing.
        """
        for method, kind, body in (
            (b"INFO", b"text/plain", b"x"),
            (b"INFO", CONTENT_TYPE, b"\xff"),
            (b"INFO", CONTENT_TYPE, b"<msml/>"),
            (b"BYE", b"", b""),
        ):
            self.assertIsNone(self.services.result(method, kind, body))
