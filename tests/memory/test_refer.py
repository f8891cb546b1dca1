"""
Transfer by telephones: REFER.
"""

from __future__ import annotations

from sipcluster.sessioncontroller.isessioncontroller import Why
from sipcluster.sip.message import Request, Response
from tests.memory.controls import WHO
from tests.memory.conversations import NUMBERS, Line, replacing
from tests.memory.nodes import DOMAIN
from tests.memory.test_transfers import TransferTestCase

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

    def notified(self) -> list[str]:
        """
        What Bob's telephone was told: states of the subscription and of the call.
        """
        notices = []
        event = b"refer;id=%d" % self.asked.cseq.number
        for _, message in self.peer.received:
            if (
                isinstance(message, Request)
                and message.method == b"NOTIFY"
                and message.headers.first(b"Event") == event
                and message.callID == self.asked.callID
            ):
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

    def test_refused(self) -> None:
        """
        When Carol does not take the call Bob is told why, and talks to Alice again.
        """
        self.refer(f"<sip:1003@{DOMAIN}>")
        self.desks["C"].ringing.refuse(486)
        self.settle()
        self.assertEqual(self.rows(), [*RINGS, "c1 Released C/dest A/orig Busy"])
        self.assertEqual(self.notified()[-1], "terminated 486")
        self.assertTalk(self.c1, "A", "B")
        # And again.
        self.refer(f"<sip:1003@{DOMAIN}>")
        self.answer("C")
        self.assertEqual(self.notified()[-1], "terminated 200")
        self.assertTalk(self.c1, "A", "C")
        self.endAll()

    def test_notAnswered(self) -> None:
        """
        So it is when she does not answer.
        """
        self.refer(f"<sip:1003@{DOMAIN}>")
        self.pass_(self.configuration.clusterNodes.noAnswerTimeout + 1)
        self.assertEqual(self.notified()[-1], "terminated 480")
        self.assertTalk(self.c1, "A", "B")
        self.endAll()

    def test_nowhere(self) -> None:
        """
        A number that nobody has, another domain, and no number at all.
        """
        for to in (
            f"<sip:4711@{DOMAIN}>",
            "<sip:1003@elsewhere.example>",
            f"<sip:{DOMAIN}>",
            f"<sip:{'9' * 300}@{DOMAIN}>",
        ):
            self.refer(to)
            self.assertEqual(self.notified()[-1], "terminated 404", to)
        self.assertEqual(self.rows(), [])
        self.assertTalk(self.c1, "A", "B")
        self.endAll()

    def test_oneself(self) -> None:
        """
        To Bob himself.
        """
        self.refer(f"<sip:1002@{DOMAIN}>")
        self.assertEqual(self.notified()[-1], "terminated 486")
        self.assertTalk(self.c1, "A", "B")
        self.endAll()

    def test_caller(self) -> None:
        """
        To the one with whom Bob talks.
        """
        self.refer(f"<sip:1001@{DOMAIN}>")
        self.assertEqual(self.notified()[-1], "terminated 603")
        self.assertTalk(self.c1, "A", "B")
        self.endAll()

    def test_trunk(self) -> None:
        """
        Bob may send the call wherever he may call; a telephone number will do.
        """
        self.refer(f"<tel:9{NUMBERS['O']}>")
        self.answer("O")
        self.assertTalk(self.c1, "A", "O")
        self.endAll()

    def test_referredBy(self) -> None:
        """
        Carol's telephone is told who has sent the call, as the node knows it.
        """
        fields = [
            (b"Refer-To", f"<sip:1003@{DOMAIN}>".encode()),
            (b"Referred-By", b"<sip:president@example.com>"),
        ]
        self.asked = self.bobs.phone.within(b"REFER", fields)
        self.settle()
        invite = self.desks["C"].ringing.rings
        assert invite is not None
        self.assertEqual(
            invite.headers.all(b"Referred-By"), [f"<sip:1002@{DOMAIN}>".encode()]
        )
        self.answer("C")
        self.endAll()

    def test_silent(self) -> None:
        """
        Who does not want to know is not told (RFC 4488).
        """
        fields = [
            (b"Refer-To", f"<sip:1003@{DOMAIN}>".encode()),
            (b"Refer-Sub", b"false"),
            (b"Require", b"norefersub"),
        ]
        self.asked = self.bobs.phone.within(b"REFER", fields)
        self.pump()
        accepted = self.peer.expectResponse(202, self.asked)
        self.assertEqual(accepted.headers.first(b"Refer-Sub"), b"false")
        self.settle()
        self.answer("C")
        self.assertEqual(self.notified(), [])
        self.assertTalk(self.c1, "A", "C")
        self.endAll()

    def test_hangsUp(self) -> None:
        """
        Bob need not wait until Carol answers; he is told how far it was.
        """
        self.refer(f"<sip:1003@{DOMAIN}>")
        self.bobs.hangUp()
        self.settle()
        self.assertEqual(self.rows(), [*RINGS, *ANSWERS[:2]])
        self.assertEqual(self.notified()[-1], "terminated 180")
        self.answer("C")
        self.assertEqual(self.rows(), ANSWERS[2:])
        self.assertTalk(self.c1, "A", "C")
        self.endAll()

    def test_callerHangsUp(self) -> None:
        """
        Alice may give up.
        """
        self.refer(f"<sip:1003@{DOMAIN}>")
        self.line("A", self.c1).hangUp()
        self.settle()
        self.run_(40)
        self.settle()
        self.assertEqual(self.notified()[-1], "terminated 180")
        self.assertFalse(self.bobs.talks)
        self.assertNoCall()

    def test_callerRefers(self) -> None:
        """
        The one who has called may transfer, too.
        """
        self.asked = self.line("A", self.c1).refer(f"<sip:1003@{DOMAIN}>".encode())
        self.settle()
        self.answer("C")
        self.assertEqual(
            self.rows(),
            [
                "c1 Alerting C/dest B/dest by A/TransferredBy Transferred",
                "c1 Progressed C/dest B/dest",
                "c1 Released A/orig B/dest by C/dest Transferred",
                "c1 PartyChanged B/dest C/dest by A/TransferredBy Transferred",
                "c1 Answered C/dest B/dest",
            ],
        )
        self.assertTalk(self.c1, "B", "C")
        self.endAll()

    def test_twice(self) -> None:
        """
        One thing at a time: while Carol rings neither Bob nor Alice may have another.
        """
        self.refer(f"<sip:1003@{DOMAIN}>")
        for line in (self.bobs, self.line("A", self.c1)):
            again = line.refer(f"<sip:1004@{DOMAIN}>".encode())
            self.pump()
            statuses = [
                message.status
                for message in self.peer.inbox
                if isinstance(message, Response) and message.branch == again.branch
            ]
            self.assertEqual(len(statuses), 1)
            self.assertIn(statuses[0], (491, 603))
            self.settle()
        self.answer("C")
        self.assertTalk(self.c1, "A", "C")
        self.endAll()

    def test_malformed(self) -> None:
        """
        What cannot be read, or wants what nobody does, is refused.
        """
        here = f"<sip:1003@{DOMAIN}".encode()
        for status, values in (
            (400, ()),
            (400, (here + b">", here + b">")),
            (400, (b"<sip:",)),
            (416, (b"<mailto:carol@lab.example>",)),
            (603, (here + b";method=BYE>",)),
            (400, (here + b"?Replaces=nothing>",)),
            (400, (here + b"?Replaces=a%3Bto-tag%3Db>",)),
        ):
            fields = [(b"Refer-To", value) for value in values]
            request = self.bobs.phone.within(b"REFER", fields)
            self.peer.expectResponse(status, request)
        self.assertEqual(self.rows(), [])
        self.assertTalk(self.c1, "A", "B")
        self.endAll()

    def test_outside(self) -> None:
        """
        Whoever is outside may not send our calls anywhere.
        """
        self.endAll()
        c1 = self.talk("O", "A")
        request = self.line("O", c1).refer(f"<sip:1003@{DOMAIN}>".encode())
        self.peer.expectResponse(403, request)
        self.endAll()

    def test_early(self) -> None:
        """
        Who is not connected has nothing that could be sent on.
        """
        self.endAll()
        c1 = self.dial("A", "B")
        line = self.desks["B"].ringing
        request = line.refer(f"<sip:1003@{DOMAIN}>".encode())
        self.peer.expectResponse(603, request)
        line.answer()
        self.settle()
        self.assertTalk(c1, "A", "B")
        self.endAll()

    def test_notifyNotTaken(self) -> None:
        """
        A telephone that does not take NOTIFYs gets no more of them, and its call goes
        on.
        """
        self.bobs.phone.within(b"REFER", ((b"Refer-To", b"<sip:1003@lab.example>"),))
        self.pump()
        notify = self.peer.expectRequest(b"NOTIFY")
        self.peer.respond(notify, 481)
        self.settle()
        self.answer("C")
        notices = [
            message
            for _, message in self.peer.received
            if isinstance(message, Request) and message.method == b"NOTIFY"
        ]
        self.assertEqual(len(notices), 1)
        self.assertTalk(self.c1, "A", "C")
        self.endAll()

    def test_notifyNotAnswered(self) -> None:
        """
        A NOTIFY that is never answered keeps nobody: Bob is hung up on soon.
        """
        self.bobs.phone.within(b"REFER", ((b"Refer-To", b"<sip:1003@lab.example>"),))
        self.pump()
        self.peer.expectRequest(b"NOTIFY")
        self.settle()
        self.answer("C")
        self.assertTrue(self.bobs.talks)
        self.run_(2.1)
        self.settle()
        self.assertFalse(self.bobs.talks)
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
        self.refer(replacing(self.consulting))
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

    def test_fromTheConsultation(self) -> None:
        """
        Telephones may send it in either call: Alice's stays.
        """
        self.refer(replacing(self.bobs, "1001"), self.consulting)
        self.assertEqual(list(self.controller.calls), [self.c1])
        self.assertEqual(self.notified(), ["terminated 200"])
        self.assertTalk(self.c1, "A", "C")
        self.endAll()

    def test_bothHeld(self) -> None:
        """
        Many hold both calls before.
        """
        self.consulting.hold()
        self.settle()
        self.refer(replacing(self.consulting))
        self.assertTalk(self.c1, "A", "C")
        self.endAll()

    def test_byRequestAndTelephone(self) -> None:
        """
        A consultation that was made by request may be completed by the telephone.
        """
        self.consulting.hangUp()
        self.bobs.retrieve()
        self.settle()
        c2 = self.consult("B", self.c1, "C")
        self.refer(replacing(self.line("B", c2)))
        self.assertEqual(self.notified(), ["terminated 200"])
        self.assertTalk(self.c1, "A", "C")
        self.endAll()

    def test_bothAtOnce(self) -> None:
        """
        Bob's telephone and Bob's program do it at the same time: it is done once.
        """
        done = self.controller.completeTransfer("1002", self.c1, self.c2, WHO)
        request = self.bobs.refer(replacing(self.consulting).encode())
        self.pump()
        self.peer.expectResponse(481, request)
        self.done(done)
        self.assertTalk(self.c1, "A", "C")
        self.endAll()

    def test_theOtherWayRound(self) -> None:
        """
        So it is when the telephone comes first.
        """
        self.bobs.refer(replacing(self.consulting).encode())
        self.pump()
        done = self.controller.completeTransfer("1002", self.c1, self.c2, WHO)
        self.settle()
        self.assertNotDone(done, Why.NOT_A_PARTY)
        self.assertTalk(self.c1, "A", "C")
        self.endAll()

    def test_unknown(self) -> None:
        """
        A dialog that is not here, or that is somebody else's.
        """
        to = replacing(self.consulting).replace("from-tag%3D", "from-tag%3Dx")
        self.refer(to)
        self.assertEqual(self.notified(), ["terminated 481"])
        self.refer(replacing(self.line("C", self.c2)))
        self.assertEqual(self.notified()[-1], "terminated 403")
        self.refer(replacing(self.bobs))
        self.assertEqual(self.notified()[-1], "terminated 603")
        self.assertEqual(self.rows(), [])
        self.assertTalk(self.c2, "B", "C")
        self.endAll()

    def test_whileItRings(self) -> None:
        """
        Carol may still ring.
        """
        self.consulting.hangUp()
        self.settle()
        self.rows()
        c2 = self.dial("B", "C")
        line = self.line("B", c2)
        # There is an early dialog: its telephone has the tag of the 180.
        invite = line.phone.invite
        assert invite is not None
        tag = self.legOf("B", c2).localTag
        to = (
            f"<sip:1003@{DOMAIN}?Replaces={invite.callID.decode()}"
            f"%3Bto-tag%3D{tag.decode()}%3Bfrom-tag%3D{invite.fromTag.decode()}>"
        ).replace("@", "%40", 2)
        to = to.replace("%40", "@", 1)
        self.refer(to)
        self.assertEqual(self.notified(), ["terminated 200"])
        self.answer("C")
        self.assertTalk(self.c1, "A", "C")
        self.assertEqual(list(self.controller.calls), [self.c1])
        self.endAll()
