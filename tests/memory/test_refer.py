"""
Transfer by telephones: REFER.
"""

from __future__ import annotations

from sipcluster.sip.message import Request
from tests.memory.conversations import NUMBERS, Line
from tests.memory.nodes import DOMAIN
from tests.memory.test_transfers import ANSWERED, TransferTestCase

#: What is told of Bob's blind transfer to Carol.
RINGS = [
    "c1 Alerting C/dest A/orig by B/TransferredBy Transferred",
    "c1 Progressed C/dest A/orig",
]
ANSWERS = [
    "c1 Released B/dest A/orig by C/dest Transferred",
    "c1 PartyChanged A/orig C/dest by B/TransferredBy Transferred",
    "c1 Answered C/dest A/orig",
]


class ReferTestCase(TransferTestCase):
    """
    Alice has called Bob, whose telephone transfers.
    """

    def setUp(self) -> None:
        super().setUp()
        self.bobs = self.line("B", self.c1)

    def refer(self, to: str, line: Line | None = None) -> None:
        """
        Bob's telephone sends a REFER.
        """
        self.asked = (line or self.bobs).refer(to.encode())
        self.settle()

    def replacing(self, other: Line, target: str = "1003") -> str:
        """
        The Refer-To that speaks of another call of Bob's telephone.
        """
        dialog = other.phone.dialog
        assert dialog is not None
        replaces = b"%b%%3Bto-tag%%3D%b%%3Bfrom-tag%%3D%b" % (
            dialog.callID.replace(b"@", b"%40"),
            dialog.remoteTag,
            dialog.localTag,
        )
        return f"<sip:{target}@{DOMAIN}?Replaces={replaces.decode()}>"

    def notified(self) -> list[str]:
        """
        What Bob's telephone was told: states of the subscription and of the call.
        """
        notices = []
        for _, message in self.peer.received:
            if isinstance(message, Request) and message.method == b"NOTIFY":
                self.assertEqual(message.callID, self.asked.callID)
                self.assertEqual(
                    message.headers.first(b"Event"),
                    b"refer;id=%d" % self.asked.cseq.number,
                )
                state = message.headers.first(b"Subscription-State") or b""
                status = message.body.split()[1]
                notices.append(b"%b %b" % (state.partition(b";")[0], status))
        return [notice.decode() for notice in dict.fromkeys(notices)]


class BlindTests(ReferTestCase):
    """
    To somebody who is to be called.
    """

    def test_flow(self) -> None:
        """
        Carol rings for Alice; when she answers, Bob is out.
        """
        self.refer(f"<sip:1003@{DOMAIN}>")
        self.assertEqual(self.rows(), RINGS)
        self.assertEqual(self.notified(), ["active 100", "active 180"])
        self.answer("C")
        self.assertEqual(self.rows(), ANSWERS)
        self.assertEqual(self.notified()[2:], ["terminated 200"])
        self.assertFalse(self.bobs.talks)
        self.assertTalk(self.c1, "A", "C")
        self.endAll()

    def test_held(self) -> None:
        """
        Telephones hold before.
        """
        self.bobs.hold()
        self.settle()
        self.rows()
        self.refer(f"<sip:1003@{DOMAIN}>")
        self.answer("C")
        self.assertEqual(self.rows(), RINGS + ANSWERS)
        self.assertTalk(self.c1, "A", "C")
        self.endAll()


class AttendedTests(ReferTestCase):
    """
    To somebody with whom the telephone talks.
    """

    def setUp(self) -> None:
        super().setUp()
        self.bobs.hold()
        self.settle()
        self.c2 = self.talk("B", "C")
        self.consulting = self.line("B", self.c2)
        self.rows()

    def test_flow(self) -> None:
        """
        Bob leaves both calls.
        """
        self.refer(self.replacing(self.consulting))
        self.assertEqual(
            self.rows(),
            [
                "c2 Released B/orig C/dest Transferred from c1",
                "c1 Released B/dest A/orig Transferred",
                "c1 PartyChanged A/orig C/dest by B/TransferredBy Transferred",
                "c1 PartyChanged C/dest A/orig by B/TransferredBy Transferred from c2",
            ],
        )
        self.assertEqual(self.notified(), ["terminated 200"])
        self.assertFalse(self.bobs.talks or self.consulting.talks)
        self.assertTalk(self.c1, "A", "C")
        self.endAll()
