"""
Who is connected to whom has been decided, and the far ends do not make it easy to be
told of it.
"""

from __future__ import annotations

from sipcluster.sip.message import Request
from tests.memory.controls import WHO
from tests.memory.conversations import Conversation, Line


class AlignTests(Conversation):
    """
    Bob leaves Alice and Carol to each other.
    """

    def setUp(self) -> None:
        super().setUp()
        self.c1 = self.talk("A", "B")
        self.c2 = self.consult("B", self.c1, "C")
        self.a, self.c = self.line("A", self.c1), self.line("C", self.c2)
        self.b1, self.b2 = self.line("B", self.c1), self.line("B", self.c2)
        self.rows()

    def complete(self) -> None:
        """
        Bob is out.
        """
        done = self.controller.completeTransfer("1002", self.c1, self.c2, WHO)
        self.done(done)
        told = self.told = self.rows()
        self.later = told[4:]
        self.assertEqual(sum("Transferred" in row for row in told), 4)

    def assertOver(self, cause: str) -> None:
        """
        Both are out, and nobody talks.
        """
        rows = [*self.later, *self.rows()]
        self.assertEqual(len(rows), 2, rows)
        for row in rows:
            self.assertIn("Released", row)
        self.assertIn(cause, rows[0])
        self.run_(40)
        self.settle()
        self.assertNoCall()

    def test_refused(self) -> None:
        """
        When one of them does not take the other one's media, nothing comes of it.
        """
        for letter in "ac":
            getattr(self, letter).refusesChanges = [488]
            self.complete()
            self.assertOver("GeneralError")
            self.beginAnew()
        self.endAll()

    def beginAnew(self) -> None:
        """
        Begin anew.
        """
        self.endAll()
        self.c1 = self.talk("A", "B")
        self.c2 = self.consult("B", self.c1, "C")
        self.a, self.c = self.line("A", self.c1), self.line("C", self.c2)
        self.rows()

    def test_glare(self) -> None:
        """
        Who is about to change something of its own is asked again.
        """
        for one, other in ("ac", "ca"):
            first, second = getattr(self, one), getattr(self, other)
            first.refusesChanges = [491, 491]
            second.refusesChanges = [500]
            self.complete()
            self.pass_(16)
            self.assertTalk(self.c1, "A", "C")
            self.beginAnew()
        self.endAll()

    def test_gone(self) -> None:
        """
        A telephone that knows nothing of its call any more is out, and the other one.
        """
        for letter in "ac":
            line = getattr(self, letter)
            line.refusesChanges = [481]
            self.complete()
            self.settle()
            self.assertOver("Lost")
            line.talks = False
            self.beginAnew()
        self.endAll()

    def test_vanished(self) -> None:
        """
        So is one that does not answer.
        """
        self.c.deaf = True
        self.complete()
        self.pass_(70)
        self.assertOver("Lost")

    def test_thinksForEver(self) -> None:
        """
        One that says nothing but that it is thinking is not waited for without end.
        """
        self.c.deaf = True
        self.complete()
        asked = self.invited(self.c)
        self.c._peer.respond(asked, 183)
        for _ in range(30):
            self.pass_(10)
            if b"CANCEL" in self.c.seen:
                self.c.phone.refuse(asked, 487)
                break
        self.settle()
        self.assertOver("GeneralError")

    def invited(self, line: Line) -> Request:
        """
        The last re-INVITE that a line got.
        """
        came = [*self.peer.received, *self.peer2.received]
        invites = [
            message
            for _, message in came
            if isinstance(message, Request)
            and message.method == b"INVITE"
            and line.has(message.callID)
        ]
        return invites[-1]

    def test_hangsUpMeanwhile(self) -> None:
        """
        Either may hang up before it has answered.
        """
        for letter in "ac":
            line = getattr(self, letter)
            line.deaf = True
            self.complete()
            line.hangUp()
            self.settle()
            self.assertOver("")
            self.beginAnew()
        self.endAll()

    def test_leaverHangsUp(self) -> None:
        """
        Bob's telephones may hang up in the same moment.
        """
        self.controller.completeTransfer("1002", self.c1, self.c2, WHO)
        self.b1.hangUp()
        self.b2.hangUp()
        self.settle()
        self.assertTalk(self.c1, "A", "C")
        self.endAll()

    def changes(self, line: Line, leaver: Line, offers: bool = True) -> None:
        """
        A telephone wants to change something, and Bob's has not answered when he
        leaves.
        """
        leaver.deaf = True
        line._reinvite(offers)
        self.settle()
        self.complete()
        self.assertIn(491, line.seen)
        self.pass_(10)
        self.assertTalk(self.c1, "A", "C")
        # And it can change something now.
        line._reinvite()
        self.settle()
        self.assertTalk(self.c1, "A", "C")
        self.endAll()

    def test_changeUnderWay(self) -> None:
        """
        What Carol has asked of Bob is answered, and she can ask Alice then.
        """
        self.changes(self.c, self.b2)

    def test_lateOfferUnderWay(self) -> None:
        """
        So it is when she wanted an offer.
        """
        self.changes(self.c, self.b2, False)

    def test_leaversChangeUnderWay(self) -> None:
        """
        What Bob's telephone has asked of Carol's is taken back.
        """
        self.c.deaf = True
        self.b2._reinvite()
        self.settle()
        invite = self.invited(self.c)
        self.c._peer.respond(invite, 183)
        self.complete()
        self.assertIn(b"CANCEL", self.c.seen)
        self.c.deaf = False
        self.c.phone.refuse(invite, 487)
        self.pass_(10)
        self.assertTalk(self.c1, "A", "C")
        self.endAll()

    def test_leaversLateOfferUnderWay(self) -> None:
        """
        When Carol's telephone has made an offer to Bob's, that is answered.
        """
        self.b2.acknowledges = False
        self.b2._reinvite(False)
        self.settle()
        self.complete()
        self.pass_(10)
        self.assertTalk(self.c1, "A", "C")
        self.endAll()

    def test_relayUnderWay(self) -> None:
        """
        What Carol's telephone has sent to Bob's besides is answered.
        """
        self.b2.busyWith = {b"INFO"}
        self.c.phone.within(b"INFO", body=b"x", contentType=b"text/plain")
        self.settle()
        self.complete()
        self.assertIn(480, self.c.seen)
        self.endAll()

    def test_heldMeanwhile(self) -> None:
        """
        Carol may hold by request before she is connected.
        """
        self.a.deaf = True
        self.complete()
        done = self.controller.hold("1003", self.c1, WHO)
        self.settle()
        self.a.deaf = False
        self.pass_(40)
        self.successResultOf(done)
        self.assertSilent(self.c1, "A", "C")
        self.done(self.controller.retrieve("1003", self.c1, WHO))
        self.assertTalk(self.c1, "A", "C")
        self.endAll()

    def test_transferredMeanwhile(self) -> None:
        """
        So may she consult and leave before she is connected.
        """
        self.a.refusesChanges = [491]
        self.complete()
        asked = self.controller.consult("1003", self.c1, "1002", requester=WHO)
        self.pass_(6)
        c3 = self.successResultOf(asked)
        self.answer("B")
        self.a.refusesChanges = [491]
        self.done(self.controller.completeTransfer("1003", self.c1, c3, WHO))
        self.done(self.controller.singleStepTransfer("1002", self.c1, "1003", (), WHO))
        self.pass_(6)
        self.answer("C")
        self.pass_(6)
        self.assertTalk(self.c1, "A", "C")
        self.endAll()
