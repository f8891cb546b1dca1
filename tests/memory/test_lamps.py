"""
Lamps of telephones: the dialog event package.
"""

from __future__ import annotations

from xml.etree import ElementTree

from sipcluster.sip.dialog import Dialog
from sipcluster.sip.message import Request
from tests.memory.conversations import Line
from tests.memory.nodes import DOMAIN
from tests.memory.test_replaces import ReplacesTestCase

FIELDS = [
    (b"Event", b"dialog"),
    (b"Accept", b"application/dialog-info+xml"),
    (b"Expires", b"600"),
]

_NAME = "{urn:ietf:params:xml:ns:dialog-info}"


class LampTests(ReplacesTestCase):
    """
    Carol's telephone has a lamp for Bob.
    """

    def setUp(self) -> None:
        super().setUp()
        self.addCleanup(self.switchOff)
        self.lamp = self.watch("C", "1002")
        self.settle()
        self.looked2 = 0

    def switchOff(self) -> None:
        """
        Nobody watches any more.
        """
        self.node.devices.waiting.stop()
        self.pass_(2)

    def watch(self, letter: str, number: str, status: int = 200) -> Line:
        """
        A telephone subscribes.
        """
        line = self.desks[letter].newLine()
        request = line.phone.request(b"SUBSCRIBE", number, FIELDS)
        line._callIDs.add(request.callID)
        response = self.peer.expectResponse(status, request)
        if status < 300:
            line.phone.dialog = Dialog.asUAC(request, response)
        return line

    def infos(self) -> list[ElementTree.Element]:
        """
        What the lamp was told since the last time.
        """
        self.pass_(1.5)
        notices = [
            message
            for _, message in self.peer.received
            if isinstance(message, Request)
            and message.method == b"NOTIFY"
            and message.headers.first(b"Event") == b"dialog"
        ]
        new, self.looked2 = notices[self.looked2 :], len(notices)
        return [ElementTree.fromstring(message.body) for message in new]

    def states(self, *_: str) -> list[str]:  # type: ignore[override]
        """
        The states of the calls in each of them.
        """
        said = []
        for info in self.infos():
            states = [
                f"{dialog.get('direction', '')} {dialog.findtext(_NAME + 'state')}"
                for dialog in info.findall(_NAME + "dialog")
            ]
            said.append(", ".join(states))
        return said

    def test_flow(self) -> None:
        """
        It is told when Bob rings, talks, holds and is free again.
        """
        self.assertEqual(self.states(), [" terminated"])
        c1 = self.dial("A", "B")
        self.assertEqual(
            self.states(), ["recipient early"] * 2
        )  # once more when it is known how Bob's telephone calls the dialog
        self.answer("B")
        self.assertEqual(self.states(), ["recipient confirmed"])
        self.line("B", c1).hold()
        self.settle()
        self.assertEqual(self.states(), ["recipient confirmed"])
        c2 = self.dial("B", "O")
        self.assertEqual(self.states()[-1], "recipient confirmed, initiator trying")
        self.line("B", c2).giveUp()
        self.settle()
        self.assertEqual(self.states()[-1], "recipient confirmed")
        self.endAll()
        self.assertEqual(self.states()[-1], " terminated")

    def test_contents(self) -> None:
        """
        Each message says all, with a number that grows by one; who talks is named,
        the dialog only while it rings.
        """
        self.dial("A", "B")
        *_, info = infos = self.infos()
        self.assertEqual(
            [one.get("version") for one in infos], [str(n) for n in range(len(infos))]
        )
        self.assertEqual(info.get("state"), "full")
        self.assertEqual(info.get("entity"), f"sip:1002@{DOMAIN}")
        (dialog,) = info.findall(_NAME + "dialog")
        self.assertTrue(dialog.get("call-id"))
        self.assertEqual(
            dialog.findtext(f"{_NAME}remote/{_NAME}identity"), f"sip:1001@{DOMAIN}"
        )
        self.answer("B")
        *_, info = self.infos()
        (dialog,) = info.findall(_NAME + "dialog")
        self.assertIsNone(dialog.get("call-id"))
        self.endAll()

    def test_names(self) -> None:
        """
        What names the dialog is not what it has on the wire, and is good for nothing
        once it is answered.
        """
        c1 = self.dial("A", "B")
        *_, info = self.infos()
        (dialog,) = info.findall(_NAME + "dialog")
        names = [
            str(dialog.get(name)) for name in ("call-id", "local-tag", "remote-tag")
        ]
        leg = self.legOf("B", c1)
        assert leg.dialog is not None
        for real in (leg.callID, leg.dialog.remoteTag, leg.localTag):
            self.assertNotIn(real.decode(), names)
        self.answer("B")
        value = f"{names[0]};to-tag={names[1]};from-tag={names[2]}"
        line = self.comes("C", value.encode())
        self.assertFalse(line.talks)
        self.assertTalk(c1, "A", "B")
        self.endAll()

    def test_pickUp(self) -> None:
        """
        With what the lamp knows Carol picks the call up.
        """
        c1 = self.dial("A", "B")
        *_, info = self.infos()
        (dialog,) = info.findall(_NAME + "dialog")
        value = (
            f"{dialog.get('call-id')};to-tag={dialog.get('local-tag')};"
            f"from-tag={dialog.get('remote-tag')};early-only"
        )
        self.comes("C", value.encode())
        self.assertTalk(c1, "A", "C")
        self.assertEqual(self.states()[-1], " terminated")
        self.endAll()

    def test_strangers(self) -> None:
        """
        Who is outside learns nothing, and nobody learns of a DN that is not there.
        """
        self.watch("O", "1002", 403)
        self.watch("A", "4711", 404)

    def test_end(self) -> None:
        """
        A lamp that is switched off is told no more.
        """
        fields = [*FIELDS[:2], (b"Expires", b"0")]
        self.lamp.phone.within(b"SUBSCRIBE", fields)
        self.settle()
        self.states()
        self.talk("A", "B")
        self.assertEqual(self.states(), [])
        self.endAll()

    def test_messagesBesides(self) -> None:
        """
        Message waiting is told to those who have subscribed to that, only.
        """
        self.states()
        waiting = self.node.devices.waiting
        waiting.changed("1002")
        self.assertEqual(self.states(), [])
