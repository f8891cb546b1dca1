"""
Telephones that speak of a call from outside of its dialogs: INVITE with Replaces, REFER
with Target-Dialog.
"""

from __future__ import annotations

from sipcluster.sessioncontroller.leg import Leg
from sipcluster.sip.dialog import Dialog
from sipcluster.sip.message import Request
from tests.memory.conversations import Conversation, Line
from tests.memory.nodes import DOMAIN


def speaksOf(leg: Leg, parameters: str = "") -> bytes:
    """
    A Replaces that names the dialog with a telephone.
    """
    dialog = leg.dialog
    assert dialog is not None
    return b"%b;to-tag=%b;from-tag=%b%b" % (
        leg.callID,
        leg.localTag,
        dialog.remoteTag,
        parameters.encode(),
    )


class ReplacesTestCase(Conversation):
    """
    Somebody comes into a call.
    """

    def replace(self, letter: str, value: bytes, offers: bool = True) -> Line:
        """
        A telephone sends an INVITE with a Replaces.
        """
        line = self.desks[letter].newLine()
        self.asked = line.phone.request(
            b"INVITE",
            "1002",
            [(b"Replaces", value), (b"Require", b"replaces")],
            line.description() if offers else b"",
        )
        line.begins(self.asked)
        return line

    def comes(self, letter: str, value: bytes, offers: bool = True) -> Line:
        """
        As L{replace}, and all has arrived.
        """
        line = self.replace(letter, value, offers)
        self.settle()
        return line


class TalkingTests(ReplacesTestCase):
    """
    In the place of somebody who talks.
    """

    def setUp(self) -> None:
        super().setUp()
        self.c1 = self.talk("A", "B")
        self.rows()

    def test_flow(self) -> None:
        """
        Carol takes Bob's place; it is as if he had sent the call to her.
        """
        self.comes("C", speaksOf(self.legOf("B", self.c1)))
        self.assertEqual(
            self.rows(),
            [
                "c1 Released B/dest A/orig by C/dest Transferred",
                "c1 Alerting C/dest A/orig by B/TransferredBy Transferred",
                "c1 Answered C/dest A/orig",
                "c1 PartyChanged A/orig C/dest by B/TransferredBy Transferred",
            ],
        )
        self.assertTalk(self.c1, "A", "C")
        self.assertEqual(list(self.controller.calls), [self.c1])
        self.endAll()

    def test_withoutOffer(self) -> None:
        """
        She may leave it to the node to offer something.
        """
        self.comes("C", speaksOf(self.legOf("B", self.c1)), False)
        self.assertTalk(self.c1, "A", "C")
        self.endAll()

    def test_otherDevice(self) -> None:
        """
        Bob takes the call with another one of his telephones.
        """
        line = self.comes("B", speaksOf(self.legOf("B", self.c1)))
        self.assertIs(self.line("B", self.c1), line)
        self.assertTalk(self.c1, "A", "B")
        self.endAll()

    def test_caller(self) -> None:
        """
        So may the one who has called.
        """
        self.comes("C", speaksOf(self.legOf("A", self.c1)))
        self.assertTalk(self.c1, "B", "C")
        self.endAll()

    def test_held(self) -> None:
        """
        The one who has held is gone: they hear each other.
        """
        self.line("B", self.c1).hold()
        self.settle()
        self.comes("C", speaksOf(self.legOf("B", self.c1)))
        self.assertTalk(self.c1, "A", "C")
        self.endAll()

    def test_again(self) -> None:
        """
        As often as they like, but not for ever.
        """
        place = "B"
        for letter in "CBCB":
            self.comes(letter, speaksOf(self.legOf(place, self.c1)))
            self.assertTalk(self.c1, "A", letter)
            place = letter
        for _ in range(70):
            if self.peer.count(603):
                break
            self.comes("B", speaksOf(self.legOf("B", self.c1)))
        self.assertTrue(self.peer.count(603))
        self.assertTalk(self.c1, "A", "B")
        self.endAll()

    def test_refused(self) -> None:
        """
        What cannot be is refused, and changes nothing.
        """
        leg = self.legOf("B", self.c1)
        right = speaksOf(leg)
        for status, letter, value in (
            (481, "C", right.replace(b"to-tag=", b"to-tag=x")),
            (481, "C", right.replace(b"from-tag=", b"from-tag=x")),
            (481, "C", b"x" + right),
            (486, "C", right + b";early-only"),
            (603, "A", right),
            (400, "C", b"nothing"),
            (400, "C", b";;;="),
            (403, "O", right),
        ):
            self.replace(letter, value)
            self.pump()
            refused = [
                message
                for message in self.peer.inbox
                if message.callID == self.asked.callID
            ]
            self.assertEqual(
                [getattr(one, "status", 0) for one in refused if one], [status], value
            )
            self.settle()
        self.assertEqual(self.rows(), [])
        self.assertTalk(self.c1, "A", "B")
        self.endAll()

    def test_twoReplaces(self) -> None:
        """
        Only one dialog can be replaced.
        """
        value = speaksOf(self.legOf("B", self.c1))
        phone = self.alice
        request = phone.request(
            b"INVITE", "1002", [(b"Replaces", value), (b"Replaces", value)]
        )
        phone.acknowledgeRefusal(self.peer.expectResponse(400, request), request)
        self.endAll()

    def test_givesUp(self) -> None:
        """
        Whoever comes and never acknowledges that is gone; the call ends.
        """
        self.replace("C", speaksOf(self.legOf("B", self.c1)))
        self.pump()
        self.settle_without("C")
        self.run_(33)
        self.settle()
        self.run_(40)
        self.settle()
        self.assertNoCall()

    def settle_without(self, letter: str) -> None:
        """
        All telephones but one do what is wanted of them.
        """
        for message in list(self.peer.inbox):
            if self.desks[letter].owns(message):
                self.peer.inbox.remove(message)
        self.settle()


class PickUpTests(ReplacesTestCase):
    """
    In the place of somebody who rings.
    """

    def setUp(self) -> None:
        super().setUp()
        self.c1 = self.dial("A", "B")
        self.rows()

    def test_flow(self) -> None:
        """
        Carol picks Bob's call up.
        """
        self.comes("C", speaksOf(self.legOf("B", self.c1)))
        self.assertEqual(
            self.rows(),
            [
                "c1 Released B/dest A/orig by C/dest Redirected",
                "c1 Alerting C/dest A/orig Redirected",
                "c1 Answered C/dest A/orig",
                "c1 Answered A/orig C/dest",
            ],
        )
        self.assertIsNone(self.desks["B"].lines[0].rings)
        self.assertTalk(self.c1, "A", "C")
        self.endAll()

    def test_earlyOnly(self) -> None:
        """
        Only while it rings: it does.
        """
        self.comes("C", speaksOf(self.legOf("B", self.c1), ";early-only"))
        self.assertTalk(self.c1, "A", "C")
        self.endAll()

    def test_caller(self) -> None:
        """
        A call that is being made cannot be taken from the one who makes it.
        """
        self.replace("C", speaksOf(self.legOf("A", self.c1)))
        self.pump()
        self.assertEqual(self.peer.count(481), 1)
        self.settle()
        self.answer("B")
        self.assertTalk(self.c1, "A", "B")
        self.endAll()

    def test_transferred(self) -> None:
        """
        So a call may be picked up that somebody sends on.
        """
        self.answer("B")
        self.rows()
        self.line("B", self.c1).refer(f"<sip:1003@{DOMAIN}>".encode())
        self.settle()
        self.desks["C"].newLine()
        self.comes("B", speaksOf(self.legOf("C", self.c1)))
        self.assertTalk(self.c1, "A", "B")
        self.endAll()


class TargetDialogTests(ReplacesTestCase):
    """
    REFER outside of the dialog of the call.
    """

    def setUp(self) -> None:
        super().setUp()
        self.c1 = self.talk("A", "B")
        self.rows()

    def refer(self, letter: str, value: bytes | None) -> Line:
        """
        A telephone sends a REFER of its own.
        """
        line = self.desks[letter].newLine()
        fields = [(b"Refer-To", f"<sip:1003@{DOMAIN}>".encode())]
        if value is not None:
            fields.append((b"Target-Dialog", value))
        self.asked = line.phone.request(b"REFER", "1002", fields)
        line._callIDs.add(self.asked.callID)
        return line

    def targets(self, letter: str) -> bytes:
        """
        A Target-Dialog that names a telephone's dialog.
        """
        dialog = self.line(letter, self.c1).phone.dialog
        assert isinstance(dialog, Dialog)
        return b"%b;local-tag=%b;remote-tag=%b" % (
            dialog.callID,
            dialog.remoteTag,
            dialog.localTag,
        )

    def test_flow(self) -> None:
        """
        It is as if it had come inside; the NOTIFYs are in the dialog that it makes.
        """
        self.refer("B", self.targets("B"))
        self.pump()
        accepted = self.peer.expectResponse(202, self.asked)
        self.assertTrue(accepted.toTag)
        self.settle()
        self.answer("C")
        self.assertTalk(self.c1, "A", "C")
        notices = [
            (message.callID, message.fromTag, message.toTag, message.body)
            for _, message in self.peer.received
            if isinstance(message, Request) and message.method == b"NOTIFY"
        ]
        of = (self.asked.callID, accepted.toTag, self.asked.fromTag)
        self.assertEqual([(one[0], one[1], one[2]) for one in notices], [of] * 3)
        self.assertEqual(notices[-1][3], b"SIP/2.0 200 OK\r\n")
        self.endAll()

    def test_refused(self) -> None:
        """
        Nobody speaks of the dialogs of others, or of none.
        """
        for status, letter, value in (
            (403, "B", None),
            (481, "B", b"nothing;local-tag=a;remote-tag=b"),
            (400, "B", b"nothing"),
            (403, "C", self.targets("B")),
            (403, "O", self.targets("B")),
        ):
            self.refer(letter, value)
            self.peer.expectResponse(status, self.asked)
        self.assertEqual(self.rows(), [])
        self.assertTalk(self.c1, "A", "B")
        self.endAll()
