"""
Tests for L{sipcluster.ha.companion}: what the two members of a pair know of each
other.
"""

from __future__ import annotations

from functools import partial

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from sipcluster.ha.companion import ASKS, Companion
from sipcluster.ha.fitness import Fitness
from sipcluster.ha.iha import Granted, IPartner, Refused
from sipcluster.ha.ireplica import IAlone
from sipcluster.ha.journal import Journal
from sipcluster.ha.member import PairMember
from sipcluster.ha.wire import Ask, Message, Promise, State
from sipcluster.testing.pair import PairWorld, Process
from tests.unit.ha.test_role import Recorder, Scripted


class Alone:
    """
    One member whose other one is a script.

    @ivar sent: what it has said over the link.
    """

    def __init__(self) -> None:
        self.clock = Clock()
        self.clock.advance(100.0)
        self.arbiter = Scripted()
        self.companion = Companion("b")
        self.journal = Journal(
            self.clock,
            self.companion,
            None,
            self.companion.fenced,
            self.companion.serving,
        )
        self.member = PairMember(
            "a", "node1", self.arbiter, Recorder(), self.clock, partner=self.companion
        )
        self.fitness = Fitness(self.member)
        self.companion.join(self.member, self.journal, self.fitness)
        self.sent: list[Message] = []

    def send(self, message: Message) -> None:
        """
        Remember what is said.
        """
        self.sent.append(message)

    def link(self) -> None:
        """
        Connect.
        """
        self.companion.linked(self.send)
        self.companion.changed()

    def serve(self, epoch: int = 7) -> None:
        """
        Become primary.
        """
        self.member.start()
        self.companion.heard(State(0, 0, 0, 0, 0, 1))
        self.arbiter.answer(Granted(epoch, 5.0))
        self.journal.becamePrimary(epoch)
        self.companion.changed()


class CompanionTests(SynchronousTestCase):
    """
    A member and what it hears of the other one.
    """

    def setUp(self) -> None:
        self.one = Alone()

    def test_seams(self) -> None:
        """
        It is what the role and the journal ask.
        """
        self.assertTrue(verifyObject(IPartner, self.one.companion))
        self.assertTrue(verifyObject(IAlone, self.one.companion))

    def test_quietAtFirst(self) -> None:
        """
        A member that begins asks for nothing for as long as it may have promised
        something before; what the other one says may end that.
        """
        one = self.one
        one.link()
        one.member.start()
        self.assertEqual(one.arbiter.asked, [])
        one.companion.heard(State(1, 3, 3, 0, 1, 0))
        one.companion.heard(State(0, 3, 3, 0, 1, 0))
        self.assertEqual(one.arbiter.asked, [])
        one.companion.heard(State(0, 3, 3, 0, 0, 1))
        self.assertEqual(one.arbiter.asked, [("acquire", 3)])

    def test_quietIsOver(self) -> None:
        """
        It ends by itself.
        """
        one = self.one
        one.member.start()
        one.clock.advance(4.9)
        self.assertEqual(one.arbiter.asked, [])
        one.clock.advance(0.1)
        self.assertEqual(one.arbiter.asked, [("acquire", 0)])

    def test_leftToWhoHasEverything(self) -> None:
        """
        A member that has nothing does not ask for the role while the other one is
        there, fit, and has everything; it does when that is gone, or unfit.
        """
        one = self.one
        one.link()
        one.member.start()
        one.companion.heard(State(0, 3, 3, 4711, 1, 1))
        one.clock.pump([1.0] * 20)
        self.assertEqual(one.arbiter.asked, [])
        one.companion.heard(State(0, 3, 3, 4711, 0, 1))
        one.clock.advance(1.0)
        self.assertEqual(one.arbiter.asked, [("acquire", 3)])
        one.arbiter.answer(Refused())
        one.companion.heard(State(0, 3, 3, 4711, 1, 1))
        one.companion.unlinked(one.send)
        self.assertEqual(len(one.arbiter.asked), 2)

    def test_saysWhatChanged(self) -> None:
        """
        What a member says of itself is said again when it has changed, and not
        else.
        """
        one = self.one
        one.link()
        one.serve()
        self.assertEqual(one.sent, [State(0, 0, 0, 0, 0, 1), State(1, 7, 7, 0, 1, 0)])
        del one.sent[:]
        one.companion.changed()
        self.assertEqual(one.sent, [])
        one.fitness.unfit("sip", "nothing comes", soft=True)
        one.fitness.fit("sip")
        self.assertEqual(one.sent, [State(1, 7, 7, 0, 0, 0), State(1, 7, 7, 0, 1, 0)])
        del one.sent[:]
        one.fitness.unfit("sip", "nothing comes")
        self.assertIn(State(1, 7, 7, 0, 0, 1), one.sent)

    def test_linkWithoutRole(self) -> None:
        """
        One that only follows a journal says what that knows, and promises nothing.
        """
        companion = Companion("b")
        clock = Clock()
        companion.follow(Journal(clock, companion))
        companion.linked(self.one.send)
        companion.heard(State(1, 3, 3, 0))
        companion.asked(Ask(1, 3, 5000))
        companion.unlinked(self.one.send)
        self.assertEqual(self.one.sent, [Promise(1, 3, 0)])
        self.assertFalse(companion.alone())

    # Promises.

    def away(self) -> Ask:
        """
        A primary whose arbiter does not answer.

        @return: what it asks of the other member.
        """
        one = self.one
        one.link()
        one.serve()
        del one.sent[:]
        one.clock.advance(1.25)
        self.assertEqual(one.arbiter.asked[-1], ("renew", 7))
        one.clock.advance(1.0)
        (ask,) = one.sent
        assert isinstance(ask, Ask)
        return ask

    def test_promise(self) -> None:
        """
        What the other member promises keeps the fence open, from when it was asked;
        then the arbiter is asked for the same epoch again.
        """
        one = self.one
        ask = self.away()
        self.assertEqual(ask, Ask(1, 7, 5000))
        one.clock.advance(0.2)
        one.companion.promised(Promise(1, 7, 5000))
        usable = one.member.times.usable(5.0)
        self.assertEqual(one.member.fence.validUntil, 100.0 + 2.25 + usable)
        one.clock.advance(1.25)
        self.assertEqual(one.arbiter.asked[-1], ("reclaim", 7))
        one.arbiter.answer(Granted(7, 5.0))
        self.assertEqual(one.member.away, "")
        self.assertEqual(one.member.fence.validUntil, one.clock.seconds() + usable)

    def test_refusedMeanwhile(self) -> None:
        """
        While it counts on a promise a refusal of the arbiter means no more than its
        silence.
        """
        one = self.one
        one.companion.promised(Promise(self.away().serial, 7, 5000))
        one.clock.advance(1.25)
        one.arbiter.answer(Refused(8, "b"))
        self.assertTrue(one.member.fence.open)
        self.assertIn("b is primary", one.member.away)
        self.assertEqual(one.member.highest, 7)

    def test_noPromise(self) -> None:
        """
        None, one that was not asked for, one for another epoch, and one that comes
        when the fence has closed, change nothing.
        """
        one = self.one
        ask = self.away()
        until = one.member.fence.validUntil
        for answer in (
            Promise(ask.serial + 1, 7, 5000),
            Promise(ask.serial, 6, 5000),
            Promise(ask.serial, 7, 5000),
        ):
            one.companion.promised(answer)
            self.assertEqual(one.member.fence.validUntil, until)
        one.clock.pump([0.25, 1.0])
        (_, again) = one.sent
        assert isinstance(again, Ask)
        one.companion.promised(Promise(again.serial, 7, 0))
        self.assertEqual(one.member.fence.validUntil, until)
        one.clock.pump([0.5] * 6)
        self.assertFalse(one.member.fence.open)
        asks = [each for each in one.sent if isinstance(each, Ask)]
        one.companion.promised(Promise(asks[-1].serial, 7, 5000))
        self.assertFalse(one.member.fence.open)

    def test_asksAreBounded(self) -> None:
        """
        Answers that never come are not waited for without end.
        """
        one = self.one
        self.away()
        for _ in range(2 * ASKS):
            one.companion.askPromise(7, 5.0)
        self.assertEqual(len(one.companion._asks), ASKS)
        one.companion.unlinked(one.send)
        self.assertEqual(len(one.companion._asks), 0)

    def test_gives(self) -> None:
        """
        A backup promises what it is asked for, and then asks the arbiter for
        nothing; what it has asked is not used.
        """
        one = self.one
        one.link()
        one.member.start()
        one.companion.heard(State(0, 3, 3, 0, 0, 1))
        (question,) = one.arbiter.waiting
        del one.sent[:]
        one.companion.asked(Ask(9, 3, 4000))
        self.assertEqual(one.sent, [Promise(9, 3, 4000)])
        self.assertTrue(question.called)  # cancelled
        one.clock.advance(3.9)
        self.assertEqual(one.arbiter.asked, [("acquire", 3)])
        one.companion.asked(Ask(10, 3, 1 << 31))
        self.assertEqual(one.sent[-1], Promise(10, 3, 5000))
        one.clock.advance(4.9)
        self.assertEqual(one.arbiter.asked, [("acquire", 3)])
        one.clock.advance(0.1)
        self.assertEqual(one.arbiter.asked, [("acquire", 3)] * 2)

    def test_givesNone(self) -> None:
        """
        Who knows of a later epoch, or is primary itself, promises nothing.
        """
        one = self.one
        one.link()
        one.serve()
        for epoch in (6, 7, 8):
            one.companion.asked(Ask(1, epoch, 5000))
            self.assertEqual(one.sent[-1], Promise(1, epoch, 0))
        one.clock.advance(10.0)
        self.assertFalse(one.member.fence.open)
        one.companion.asked(Ask(1, 6, 5000))
        self.assertEqual(one.sent[-1], Promise(1, 6, 0))
        one.companion.asked(Ask(1, 7, 5000))
        self.assertEqual(one.sent[-1], Promise(1, 7, 5000))

    # Alone.

    def inSync(self) -> list[str]:
        """
        The other member has everything, and is lost then.

        @return: what is sent from now on.
        """
        one = self.one
        one.link()
        one.serve()
        one.clock.advance(0.5)
        one.journal.peerInSync(0)
        one.clock.advance(0.5)
        one.journal.peerLost()
        one.companion.unlinked(one.send)
        return []

    def test_aloneWhenConfirmed(self) -> None:
        """
        When the other member is lost, what waits leaves when the arbiter has said
        that this one is still primary; it is asked at once, and once.
        """
        one = self.one
        sent = self.inSync()
        for word in ("first", "second"):
            one.journal.then(partial(sent.append, word))
        self.assertEqual(sent, [])
        self.assertEqual(one.arbiter.asked[1:], [("renew", 7)])
        one.arbiter.answer(Granted(7, 5.0))
        self.assertEqual(sent, ["first", "second"])
        one.journal.then(lambda: sent.append("third"))
        self.assertEqual(sent, ["first", "second", "third"])
        self.assertEqual(len(one.arbiter.asked), 2)

    def test_askedBeforeTheLoss(self) -> None:
        """
        An answer to what was asked before the loss does not count: it is asked
        again.
        """
        one = self.one
        one.link()
        one.serve()
        one.journal.peerInSync(0)
        one.clock.advance(1.25)
        self.assertEqual(one.arbiter.asked[-1], ("renew", 7))
        one.clock.advance(0.1)
        one.journal.peerLost()
        one.companion.unlinked(one.send)
        sent: list[str] = []
        one.journal.then(lambda: sent.append("first"))
        one.arbiter.answer(Granted(7, 5.0))
        self.assertEqual(sent, [])
        self.assertEqual(one.arbiter.asked[-2:], [("renew", 7)] * 2)
        one.arbiter.answer(Granted(7, 5.0))
        self.assertEqual(sent, ["first"])

    def test_catchesUp(self) -> None:
        """
        After a switchover what is sent waits for the other member to have it, but
        not for long: then the arbiter is asked; nor for one that has nothing.
        """
        for held, ends, waits in (
            (6, lambda: self.one.journal.peerInSync(0), True),
            (6, lambda: self.one.clock.advance(0.5), True),
            (0, lambda: None, False),
        ):
            self.one = one = Alone()
            one.link()
            one.serve()
            one.companion.heard(State(0, 7, held, 0, 1, 1))
            sent: list[str] = []
            one.journal.then(partial(sent.append, "first"))
            self.assertEqual(sent, [] if waits else ["first"])
            ends()
            if one.arbiter.waiting:
                one.clock.advance(0.1)
                self.assertEqual(sent, [])
                one.arbiter.answer(Granted(7, 5.0))
            self.assertEqual(sent, ["first"])
            one.companion.unlinked(one.send)
            self.assertIsNone(one.companion._enough)

    def test_neverConfirmed(self) -> None:
        """
        Without the other member and the arbiter nothing leaves, and what waits is
        dropped when the lease ends.
        """
        one = self.one
        sent = self.inSync()
        one.journal.then(lambda: sent.append("first"))
        one.clock.pump([0.25] * 24)
        one.journal.look()
        self.assertEqual(sent, [])
        self.assertFalse(one.member.fence.open)
        one.journal.becameBackup()
        self.assertEqual(one.journal.counts["dropped"], 1)


class SoftTests(SynchronousTestCase):
    """
    Two members of which one or both should not serve.
    """

    def setUp(self) -> None:
        self.world = PairWorld(3, "fake")
        self.world.run(12.0)

    def serving(self) -> list[str]:
        """
        Who serves.
        """
        return [each.name for each in self.world.processes.values() if each.open]

    def say(self, process: Process, soft: bool) -> None:
        """
        Something speaks against a member.
        """
        process.fitness.unfit("sip", "nothing comes", soft)
        self.world.run(2.0)

    def test_theOtherOneServes(self) -> None:
        """
        A primary that should not serve leaves it to the one that can; which then
        stays, though it should not serve either; and so on.
        """
        a, b = self.world.processes["a"], self.world.processes["b"]
        self.assertEqual(self.serving(), ["a"])
        self.say(a, True)
        self.assertEqual(self.serving(), ["b"])
        self.say(b, True)
        self.assertEqual(self.serving(), ["b"])
        a.fitness.fit("sip")
        self.world.run(2.0)
        self.assertEqual(self.serving(), ["a"])
        b.fitness.fit("sip")
        self.world.run(10.0)
        self.assertEqual(self.serving(), ["a"])

    def test_hard(self) -> None:
        """
        One that cannot serve does not, also when the other one should not.
        """
        a, b = self.world.processes["a"], self.world.processes["b"]
        self.say(a, False)
        self.say(b, True)
        self.assertEqual(self.serving(), ["b"])
        self.say(b, False)
        self.assertEqual(self.serving(), [])

    def test_noLink(self) -> None:
        """
        One that hears nothing of the other serves although it should not.
        """
        a = self.world.processes["a"]
        self.world.line.cut = {"a", "b"}
        self.world.run(3.0)
        self.say(a, True)
        self.assertEqual(self.serving(), ["a"])
