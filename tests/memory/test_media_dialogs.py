"""
Tests for what the media server does as MSML says: plays, collects digits, records,
finds out who has answered.
"""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from sipcluster.media.imedia import Ended, Heard, Talk
from sipcluster.media.session_dialogs import MOST_DIALOGS
from sipcluster.media.session_digits import digitOf
from sipcluster.msml.values import CONTENT_TYPE, DIALOG_EXIT
from sipcluster.testing.clock import runFor
from tests.memory.media_agents import MediaAgentTestCase

PLAY = '<play{0}><audio uri="welcome.wav"/><audio uri="file:menu.wav"/></play>'
COLLECT = '<dtmf fdt="4s" idt="2s"><pattern digits="min=1;max=4;rtk=#"/></dtmf>'


def dialog(inside: str, name: str = "d") -> str:
    """
    A dialog of this session.
    """
    return (
        f'<dialogstart target="$conn" type="application/moml+xml" name="{name}">'
        f"{inside}</dialogstart>"
    )


class DialogTestCase(MediaAgentTestCase):
    """
    A session whose far end says by MSML what is done.
    """

    def setUp(self) -> None:
        super().setUp()
        self.call("msml@")

    def starts(self, inside: str, name: str = "d") -> str:
        """
        Begin a dialog.

        @return: its id.
        """
        result = self.tell(dialog(inside, name))
        self.assertEqual(result.response, 200, result.description)
        return result.dialogs[0]

    def assertExit(self, **values: str) -> None:
        """
        The dialog is over, with these values.
        """
        event = self.told()
        self.assertEqual(event.name, DIALOG_EXIT)
        found = {name.replace(".", "_"): value for name, value in event.values.items()}
        self.assertEqual(found, values)


class PlayTests(DialogTestCase):
    """
    C{play}.
    """

    def test_plays(self) -> None:
        """
        All of it is played, and the end is told.
        """
        id = self.starts(PLAY.format(""))
        self.assertTrue(id.endswith("/dialog:d"))
        self.assertTrue(id.startswith("conn:"))
        self.assertEqual(self.media.playing, (("welcome.wav", "file:menu.wav"), 1))
        self.media.finish()
        self.assertExit(play_end="play.complete")
        self.assertFalse(self.media.stopped)

    def test_forever(self) -> None:
        """
        What has no end is played until it is ended.
        """
        id = self.starts(PLAY.format(' iterate="forever"'))
        self.assertEqual(self.media.playing, (("welcome.wav", "file:menu.wav"), 0))
        self.assertEqual(self.tell(f'<dialogend id="{id}"/>').response, 200)
        self.assertIsNone(self.media.playing)
        self.assertExit(play_end="play.terminated")
        self.assertEqual(self.tell(f'<dialogend id="{id}"/>').response, 430)

    def test_again(self) -> None:
        """
        A dialog that is begun again under its name does something else from now on,
        and the first one has no end that is told.
        """
        self.starts(PLAY.format(""))
        self.starts('<play><audio uri="other.wav"/></play>')
        self.assertEqual(self.media.playing, (("other.wav",), 1))
        self.media.finish()
        self.assertExit(play_end="play.complete")
        self.peer.expectNothing()

    def test_another(self) -> None:
        """
        Another dialog that plays ends the one that plays.
        """
        self.starts(PLAY.format(""), "one")
        self.starts('<play><audio uri="other.wav"/></play>', "two")
        self.assertExit(play_end="play.terminated")
        self.assertEqual(self.media.playing, (("other.wav",), 1))

    def test_nothingThere(self) -> None:
        """
        What is not there is told at once, and nothing has begun.
        """
        self.engine.library.missing.add("gone.wav")
        result = self.tell(dialog('<play><audio uri="gone.wav"/></play>'))
        self.assertEqual(result.response, 423)
        self.assertIsNone(self.media.playing)

    def test_failsLater(self) -> None:
        """
        What cannot go on ends, and that is told.
        """
        self.starts(PLAY.format(""))
        self.media.finish(Ended.FAILED)
        self.assertExit(play_end="play.failed")

    def test_hangsUp(self) -> None:
        """
        The far end hangs up in the middle: nothing is told any more.
        """
        self.starts(PLAY.format("") + COLLECT)
        bye = self.node.within(b"BYE")
        self.peer.expectResponse(200, bye)
        self.assertTrue(self.media.stopped)
        runFor(self.clock, 20.0)
        self.peer.expectNothing()

    def test_farEndIsGone(self) -> None:
        """
        A far end that does not know the session any more, when it is told something,
        ends it.
        """
        self.starts(PLAY.format(""))
        self.media.finish()
        self.peer.respond(self.peer.expectRequest(b"INFO"), 481)
        self.peer._pump()
        self.assertTrue(self.media.stopped)


class CollectTests(DialogTestCase):
    """
    C{dtmf}.
    """

    def test_enough(self) -> None:
        """
        As many digits as there may be end it, and what is played.
        """
        self.starts(PLAY.format(' barge="true"') + COLLECT)
        self.media.types("1")
        self.assertIsNone(self.media.playing)
        self.media.types("234")
        self.assertExit(
            play_end="play.complete.barge",
            dtmf_end="dtmf.match",
            dtmf_digits="1234",
            dtmf_len="4",
        )

    def test_ending(self) -> None:
        """
        A digit that ends it is none of them.
        """
        self.starts(COLLECT)
        self.media.types("12#3")
        self.assertExit(dtmf_end="dtmf.match", dtmf_digits="12", dtmf_len="2")

    def test_onlyEnding(self) -> None:
        """
        Too few of them are no match.
        """
        self.starts(COLLECT)
        self.media.types("#")
        self.assertExit(dtmf_end="dtmf.nomatch", dtmf_digits="", dtmf_len="0")

    def test_none(self) -> None:
        """
        The first one is waited for from the end of what is played.
        """
        self.starts(PLAY.format("") + COLLECT)
        runFor(self.clock, 30.0)
        self.peer.expectNothing()
        self.media.finish()
        runFor(self.clock, 3.9)
        self.peer.expectNothing()
        runFor(self.clock, 0.2)
        self.assertExit(
            play_end="play.complete",
            dtmf_end="dtmf.noinput",
            dtmf_digits="",
            dtmf_len="0",
        )

    def test_noneWithMusic(self) -> None:
        """
        While music without an end is played, it is waited for from the beginning.
        """
        self.starts(PLAY.format(' iterate="forever" barge="false"') + COLLECT)
        runFor(self.clock, 4.1)
        self.assertExit(dtmf_end="dtmf.noinput", dtmf_digits="", dtmf_len="0")
        self.assertIsNone(self.media.playing)

    def test_tooFew(self) -> None:
        """
        Each other digit has its own time.
        """
        self.starts(COLLECT)
        runFor(self.clock, 3.0)
        self.media.types("1")
        runFor(self.clock, 1.9)
        self.media.types("2")
        runFor(self.clock, 1.9)
        self.peer.expectNothing()
        runFor(self.clock, 0.2)
        self.assertExit(dtmf_end="dtmf.nomatch", dtmf_digits="12", dtmf_len="2")

    def test_byINFO(self) -> None:
        """
        Digits may come in INFO requests.
        """
        self.starts(COLLECT)
        for kind, body in (
            (b"application/dtmf-relay", b"Signal=7\r\nDuration=160\r\n"),
            (b"application/dtmf", b"11"),
        ):
            info = self.node.within(b"INFO", body=body, contentType=kind)
            self.peer.expectResponse(200, info)
        self.assertExit(dtmf_end="dtmf.match", dtmf_digits="7", dtmf_len="1")
        bad = self.node.within(
            b"INFO", body=b"Signal=x", contentType=b"application/dtmf-relay"
        )
        self.peer.expectResponse(400, bad)

    def test_nobodyWaits(self) -> None:
        """
        Digits that nobody waits for are nothing.
        """
        self.media.types("123")
        self.starts(PLAY.format(' barge="false"'))
        self.media.types("123")
        self.assertIsNotNone(self.media.playing)
        self.peer.expectNothing()


class RecordTests(DialogTestCase):
    """
    C{record}.
    """

    def test_records(self) -> None:
        """
        What is heard is written below the folder of recordings, and its name told.
        """
        self.starts('<record dest="file:///box/1001" maxtime="20s"/>')
        self.assertEqual(self.media.recording, (self.folder / "box/1001.wav").resolve())
        self.media.written(Ended.LIMIT, 20.0)
        self.assertExit(
            record_end="record.complete.maxlength",
            record_len="20000ms",
            record_recordid="box/1001.wav",
        )

    def test_prompt(self) -> None:
        """
        First there are the prompt and the beep.
        """
        self.starts(PLAY.format("") + '<record dest="a" beep="true" termkey="#"/>')
        self.assertIsNone(self.media.recording)
        self.assertEqual(self.media.played[-1][-1], "tone:beep")
        self.media.finish()
        self.assertIsNotNone(self.media.recording)
        self.media.types("1#")
        self.assertExit(
            play_end="play.complete",
            record_end="record.complete.termkey",
            record_len="1500ms",
            record_recordid="a.wav",
        )

    def test_terminated(self) -> None:
        """
        One that is ended is kept.
        """
        id = self.starts('<record dest="a"/>')
        self.tell(f'<dialogend id="{id}"/>')
        self.assertExit(record_end="record.terminated", record_recordid="a.wav")
        self.assertIsNone(self.media.recording)

    def test_outside(self) -> None:
        """
        Nothing is written outside of the folder, or over another recording.
        """
        for name in (
            "../x",
            "file:///../x",
            "a/../../x",
            "http://h/x",
            "a\\b",
            "x" * 200,
            "/a//b",
            "a/./b",
            "a\x7fb",
        ):
            result = self.tell(dialog(f'<record dest="{name}"/>'))
            self.assertEqual(result.response, 423, name)
        self.assertIsNone(self.media.recording)
        self.assertEqual([*self.folder.iterdir()], [])
        (self.folder / "a.wav").write_bytes(b"")
        self.starts('<record dest="a"/>')
        assert self.media.recording is not None
        self.assertEqual(self.media.recording.name, "a-2.wav")

    def test_linkOutside(self) -> None:
        """
        Nor by a link.
        """
        (self.folder / "out").symlink_to("/tmp")
        result = self.tell(dialog('<record dest="out/x"/>'))
        self.assertEqual(result.response, 423)

    def test_unnamed(self) -> None:
        """
        A recording without a name gets one.
        """
        self.starts("<record/>")
        assert self.media.recording is not None
        self.assertEqual(self.media.recording.suffix, ".wav")

    def test_diskFull(self) -> None:
        """
        A recording that cannot be made ends with that.
        """
        self.engine.diskFull = True
        self.starts('<record dest="a"/>')
        self.assertExit(record_end="record.failed")

    def test_diskFullLater(self) -> None:
        """
        One that cannot go on has no name.
        """
        self.starts('<record dest="a"/>')
        self.media.written(Ended.FAILED, 3.0)
        self.assertExit(record_end="record.failed", record_len="3000ms")


class DetectTests(DialogTestCase):
    """
    Who has answered.
    """

    def test_alone(self) -> None:
        """
        It is all there is to tell.
        """
        self.starts("<faxdetect/>")
        self.media.hears(Heard.FAX)
        self.assertExit(cpd_result="fax")

    def test_whileItPlays(self) -> None:
        """
        What is played goes on.
        """
        self.starts(PLAY.format("") + "<sc:cpd/>")
        self.media.hears(Heard.MACHINE)
        self.assertEqual(self.told().values["cpd.result"], "machine")
        self.assertIsNotNone(self.media.playing)
        self.media.finish()
        self.assertExit(play_end="play.complete")

    def test_ended(self) -> None:
        """
        Nobody wants to know any more.
        """
        id = self.starts("<faxdetect/>")
        self.tell(f'<dialogend id="{id}"/>')
        self.assertExit()
        self.media.hears(Heard.HUMAN)
        self.peer.expectNothing()


class ScriptTests(DialogTestCase):
    """
    What else MSML may say.
    """

    def test_conference(self) -> None:
        """
        A session without a conference can join one, and leave it.
        """
        result = self.tell(
            '<createconference name="c1"/><join id1="$conn" id2="conf:c1"/>'
        )
        self.assertEqual((result.response, result.conferences), (200, ("conf:c1",)))
        assert self.media.conference is not None
        self.assertEqual(self.media.conference[2], Talk.ALL)
        self.tell('<unjoin id1="$conn" id2="conf:c1"/>')
        self.assertIsNone(self.media.conference)

    def test_stopsAtTheFirstFailure(self) -> None:
        """
        What comes after something that cannot be done is not done.
        """
        result = self.tell(
            dialog(PLAY.format("")) + '<dialogend id="x"/>' + dialog(COLLECT, "e")
        )
        self.assertEqual((result.response, len(result.dialogs)), (430, 1))

    def test_notOurs(self) -> None:
        """
        Nobody says what other sessions do.
        """
        other = self.caller("1002")
        self.call("msml@", other)
        assert other.dialog is not None
        foreign = f"conn:{other.dialog.remoteTag.decode()}"
        for inside in (
            dialog(PLAY.format("")).replace("$conn", foreign),
            f'<join id1="{foreign}" id2="conf:c1"/>',
            f'<unjoin id1="{foreign}" id2="conf:c1"/>',
            f'<join id1="$conn" id2="{foreign}"/>',
        ):
            self.assertEqual(self.tell(inside).response, 430, inside)
        self.assertIsNone(self.media.playing)

    def test_tooMany(self) -> None:
        """
        So many dialogs at a time and no more.
        """
        for number in range(MOST_DIALOGS):
            self.starts(COLLECT, f"d{number}")
        result = self.tell(dialog(COLLECT, "more"))
        self.assertEqual(result.response, 433)

    def test_bad(self) -> None:
        """
        What cannot be understood is answered so, and changes nothing.
        """
        self.starts(PLAY.format(' iterate="forever"'))
        for inside in (
            "<nonsense/>",
            "<dialogstart/>",
            dialog(""),
            dialog("<play/>"),
            dialog("<nonsense/>"),
            dialog("<play><audio/></play>"),
            dialog('<play iterate="often"><audio uri="a"/></play>'),
            dialog('<dtmf><pattern digits="min=1;max=999"/></dtmf>'),
            dialog('<dtmf><pattern digits="[1-9]+"/></dtmf>'),
            dialog('<dtmf fdt="soon"/>'),
            dialog('<record termkey="hash"/>'),
            dialog(PLAY.format("") * 2),
            '<dialogstart target="$conn" type="application/voicexml+xml"/>',
            '<dialogstart target="$conn" src="http://evil.example/"/>',
            "<createconference/>",
            "<join/>",
            "<a>" * 100,
        ):
            self.assertGreaterEqual(self.tell(inside).response, 400, inside)
        for body in (
            b"",
            b"\x00\xff",
            b"<!DOCTYPE msml [<!ENTITY a 'b'>]><msml version='1.1'>&a;</msml>",
            b"<!DOCTYPE msml SYSTEM 'file:///etc/passwd'><msml/>",
            b"<?xml version='1.0' encoding='nonsense'?><msml/>",
            b"<html/>",
            b"<msml version='9'/>",
            b"<msml>" + b"<a/>" * 5000 + b"</msml>",
            b"<msml " + b" ".join(b"a%d='1'" % n for n in range(99)) + b"/>",
        ):
            info = self.node.within(b"INFO", body=body, contentType=CONTENT_TYPE)
            response = self.peer.expectResponse(200, info)
            if body:
                self.assertIn(b'response="400"', response.body, body[:60])
        self.assertIsNotNone(self.media.playing)

    def test_events(self) -> None:
        """
        An event of the far end, and an answer, are taken and mean nothing.
        """
        for inside in ('<event name="x" id="y"/>', '<result response="200"/>'):
            body = f'<msml version="1.1">{inside}</msml>'.encode()
            info = self.node.within(b"INFO", body=body, contentType=CONTENT_TYPE)
            self.assertEqual(self.peer.expectResponse(200, info).body, b"")

    @settings(max_examples=60, deadline=None)
    @given(data=st.binary(max_size=200))
    def test_anything(self, data: bytes) -> None:
        """
        Whatever is in an INFO, it is answered, and the session goes on.
        """
        info = self.node.within(
            b"INFO", body=b"<msml>" + data, contentType=CONTENT_TYPE
        )
        self.peer.expectResponse(200, info)
        self.assertFalse(self.media.stopped)


class DigitOfTests(SynchronousTestCase):
    """
    L{digitOf} reads what telephones send.
    """

    def test_known(self) -> None:
        """
        Both forms, in all spellings.
        """
        relay, plain = b"application/dtmf-relay", b"application/dtmf"
        for kind, body, digit in (
            (relay, b"Signal=5\r\nDuration=160", "5"),
            (relay, b"Signal= a\nDuration=160", "A"),
            (relay, b"Duration=160\r\nSignal=10", "*"),
            (relay, b"Signal=55", ""),
            (relay, b"", ""),
            (plain, b"#\r\n", "#"),
            (plain, b"12", "A"),
            (plain, b"99", ""),
            (plain, b"x" * 2000, ""),
        ):
            self.assertEqual(digitOf(kind, body), digit, body)
