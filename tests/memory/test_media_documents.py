"""
Tests for VoiceXML documents (RFC 4240 section 4), as far as they are run here.
"""

from __future__ import annotations

from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from sipcluster.media.imedia import Ended
from sipcluster.media.session_document import readDocument
from sipcluster.msml.elements import BadDocument
from sipcluster.msml.values import DIALOG_EXIT, Collect, DialogStart, Play, Record
from tests.memory.media_agents import MediaAgentTestCase

MENU = """<?xml version="1.0"?>
<vxml version="2.1"><form>
  <block><prompt><audio src="welcome.wav"/></prompt></block>
  <field name="pin" type="digits?minlength=2;maxlength=4">
    <property name="timeout" value="4s"/>
    <prompt><audio src="file:pin.wav"/></prompt>
  </field>
  <block><exit namelist="pin"/></block>
</form></vxml>"""

BOX = """<vxml version="2.1"><form><record name="r" beep="true" maxtime="20s"
  finalsilence="3s"/></form></vxml>"""


def form(inside: str) -> bytes:
    """
    A document.
    """
    return f'<vxml version="2.1"><form>{inside}</form></vxml>'.encode()


class RunTests(MediaAgentTestCase):
    """
    A session that runs a document.
    """

    def setUp(self) -> None:
        super().setUp()
        self.agent._settings = evolve(self.agent._settings, documents=self.folder)
        (self.folder / "menu.vxml").write_text(MENU)
        (self.folder / "box.vxml").write_text(BOX)
        (self.folder / "bad.vxml").write_text("<html/>")

    def test_menu(self) -> None:
        """
        What it collects is told before the media server hangs up.
        """
        self.call("dialog@;voicexml=file:menu")
        self.assertEqual(self.media.playing, (("welcome.wav", "file:pin.wav"), 1))
        self.media.types("12#")
        event = self.told()
        self.assertEqual(event.name, DIALOG_EXIT)
        self.assertEqual(event.values["dtmf.digits"], "12")
        self.peer.respond(self.peer.expectRequest(b"BYE"), 200)

    def test_box(self) -> None:
        """
        So is what it records.
        """
        self.call("dialog@;voicexml=file:%2F%2F%2Fbox.vxml")
        self.assertEqual(self.media.playing, (("tone:beep",), 1))
        self.media.finish()
        self.media.written(Ended.SILENCE, 4.0)
        values = self.told().values
        self.assertEqual(values["record.end"], "record.complete.postspeech")
        self.assertTrue(values["record.recordid"].endswith(".wav"))
        self.peer.respond(self.peer.expectRequest(b"BYE"), 200)

    def test_hangsUp(self) -> None:
        """
        A caller that hangs up ends it.
        """
        self.call("dialog@;voicexml=menu.vxml")
        self.peer.expectResponse(200, self.node.within(b"BYE"))
        self.peer.expectNothing()

    def test_refused(self) -> None:
        """
        What is not there is refused 404, and what is not understood 488.
        """
        for uri, status in (
            ("nothing", 404),
            ("..%2Fx", 404),
            ("%2Fetc%2Fpasswd", 404),
            ("http:%2F%2Fevil.example%2Fx.vxml", 404),
            ("a%00b", 404),
            ("bad.vxml", 488),
        ):
            self.refusal(f"dialog@;voicexml={uri}", status)
        self.agent._settings = evolve(self.agent._settings, documents=None)
        self.refusal("dialog@;voicexml=menu", 488)

    def test_goneMeanwhile(self) -> None:
        """
        One that is gone when it is to begin ends the session.
        """
        request = self.invite("dialog@;voicexml=menu")
        self.node.accepted(self.peer.expectResponse(200, request))
        (self.folder / "menu.vxml").unlink()
        self.node.acknowledge()
        self.peer.respond(self.peer.expectRequest(b"BYE"), 200)

    def test_soundGone(self) -> None:
        """
        So does one whose sounds are not there.
        """
        self.engine.library.missing.add("welcome.wav")
        self.call("dialog@;voicexml=menu")
        self.peer.respond(self.peer.expectRequest(b"BYE"), 200)


class ReadTests(SynchronousTestCase):
    """
    L{readDocument}.
    """

    def test_read(self) -> None:
        """
        What a document does.
        """
        self.assertEqual(
            readDocument(MENU.encode(), "conn:1"),
            DialogStart(
                "conn:1",
                "application",
                Play(("welcome.wav", "file:pin.wav"), bargeIn=True),
                Collect(4, 2, 4.0, 5.0, "#"),
            ),
        )
        self.assertEqual(
            readDocument(BOX.encode(), "conn:1"),
            DialogStart(
                "conn:1",
                "application",
                record=Record("", 20.0, 3.0, 0.0, "0123456789*#", True),
            ),
        )

    def test_bad(self) -> None:
        """
        What is more than is known here is refused with a reason.
        """
        for inside in (
            "",
            "<block/>",
            "<block><prompt>Hello</prompt></block>",
            "<block><script>x</script></block>",
            "<block><goto next='http://x'/></block>",
            "<block><prompt><audio/></prompt></block>",
            "<subdialog src='x'/>",
            "<field type='boolean'/>",
            "<field type='digits?length=x'/>",
            "<field type='digits?length=999'/>",
            "<field type='digits?minlength=5;maxlength=2'/>",
            "<field type='digits'/><field type='digits'/>",
            "<field type='digits'><property name='timeout' value='soon'/></field>",
            "<record maxtime='long'/>",
            "<block><audio src='a'/></block>" * 40,
        ):
            with self.assertRaises(BadDocument, msg=inside):
                readDocument(form(inside), "conn:1")
        for data in (b"", b"<vxml/>", b"<vxml><form/><form/></vxml>"):
            with self.assertRaises(BadDocument):
                readDocument(data, "conn:1")

    @settings(max_examples=60)
    @given(st.binary(max_size=200))
    def test_anything(self, data: bytes) -> None:
        """
        Whatever it is, it is read or refused.
        """
        try:
            readDocument(form("")[:-14] + data, "conn:1")
        except BadDocument:
            return
