"""
L{sipcluster.servicecheck.probe}.
"""

from __future__ import annotations

from collections.abc import Callable

from attrs import define, field
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from sipcluster.servicecheck.iservicecheck import (
    IAnswerTaker,
    IAsker,
    IQuestion,
    Member,
    PeerRole,
    ProbeTimes,
)
from sipcluster.servicecheck.probe import IProbeOwner, _machine, peerProbe
from sipcluster.sip.isip import Target
from sipcluster.testing.clock import runFor
from sipcluster.testing.machines import unanswered

NODE1 = Member("node1", Target("UDP", "192.0.2.21", 5060), "node1")


@implementer(IQuestion)
@define
class Question:
    """
    A question that remembers whether it was abandoned.
    """

    abandoned: bool = False

    def abandon(self) -> None:
        """
        See L{IQuestion}.
        """
        self.abandoned = True


@implementer(IAsker)
@define
class Asker:
    """
    Notes who is asked when, and answers as it is told.
    """

    clock: Clock
    answer: Callable[[IAnswerTaker], None] | None = None
    asked: list[tuple[float, str]] = field(factory=list)
    takers: list[IAnswerTaker] = field(factory=list)
    questions: list[Question] = field(factory=list)

    def ask(self, member: Member, seconds: float, taker: IAnswerTaker) -> IQuestion:
        """
        See L{IAsker}.
        """
        self.asked.append((self.clock.seconds(), member.name))
        self.takers.append(taker)
        self.questions.append(Question())
        if self.answer is not None:
            self.answer(taker)
        return self.questions[-1]


@implementer(IProbeOwner)
@define
class Owner:
    """
    Notes what a probe finds.
    """

    told: list[object] = field(factory=list)

    def entered(self, member: Member, role: PeerRole) -> None:
        """
        See L{IProbeOwner}.
        """
        self.told.append(("entered", role.epoch))

    def left(self, member: Member, why: str) -> None:
        """
        See L{IProbeOwner}.
        """
        self.told.append(("left", why))

    def heard(self, member: Member, role: PeerRole) -> None:
        """
        See L{IProbeOwner}.
        """
        self.told.append(("heard", role.epoch))


def alive(taker: IAnswerTaker) -> None:
    """
    Answer at once.
    """
    taker.alive(PeerRole())


def dead(taker: IAnswerTaker) -> None:
    """
    Fail at once.
    """
    taker.dead("refused")


class ProbeTests(SynchronousTestCase):
    """
    L{peerProbe} asks again and again, and says what changes.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.asker = Asker(self.clock)
        self.owner = Owner()
        self.times = ProbeTimes(5.0, 3.0, 2.0, 1.0)
        self.chance = 0.0
        self.probe = peerProbe(
            NODE1,
            self.asker,
            self.owner,
            self.clock,
            lambda: self.times,
            lambda: self.chance,
        )
        verifyObject(IAsker, self.asker)
        verifyObject(IProbeOwner, self.owner)

    def when(self) -> list[float]:
        """
        When questions were asked.
        """
        return [at for at, _ in self.asker.asked]

    def test_asksInServiceEveryCheck(self) -> None:
        """
        A peer that answers is asked every C{oos-check}.
        """
        self.asker.answer = alive
        self.probe.start()
        runFor(self.clock, 16.0)
        self.assertEqual(self.when(), [0.0, 5.0, 10.0, 15.0])
        self.assertEqual(
            self.owner.told, [("entered", 0), ("heard", 0), ("heard", 0), ("heard", 0)]
        )

    def test_asksOutOfServiceEveryForce(self) -> None:
        """
        A peer that does not answer is asked every C{oos-force}, and what it
        does is told once.
        """
        self.asker.answer = dead
        self.probe.start()
        runFor(self.clock, 7.0)
        self.assertEqual(self.when(), [0.0, 3.0, 6.0])
        self.assertEqual(self.owner.told, [("left", "refused")])

    def test_comesBack(self) -> None:
        """
        A peer that answers again is in service again.
        """
        self.asker.answer = dead
        self.probe.start()
        self.asker.answer = alive
        runFor(self.clock, 3.0)
        self.assertEqual(self.owner.told, [("left", "refused"), ("entered", 0)])

    def test_leavesOnTheFirstMissedAnswer(self) -> None:
        """
        One question without an answer takes a peer out of service.
        """
        self.asker.answer = alive
        self.probe.start()
        self.asker.answer = dead
        runFor(self.clock, 5.0)
        self.assertEqual(self.owner.told, [("entered", 0), ("left", "refused")])

    def test_reportCountsAtOnce(self) -> None:
        """
        A failed request of somebody else's takes the peer out of service now,
        and it is asked again soon.
        """
        self.asker.answer = alive
        self.probe.start()
        self.clock.advance(2.0)
        self.probe.reported("ICMP: port unreachable")
        self.assertEqual(self.owner.told[1:], [("left", "ICMP: port unreachable")])
        runFor(self.clock, 1.0)
        self.assertEqual(self.when(), [0.0, 3.0])
        self.assertEqual(self.owner.told[2:], [("entered", 0)])

    def test_reportWhileAQuestionWaits(self) -> None:
        """
        The answer that comes after a report is newer than the report.
        """
        self.probe.start()
        self.probe.reported("reset")
        self.probe.reported("reset")
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.asker.takers[0].alive(PeerRole(epoch=2))
        self.assertEqual(self.owner.told, [("left", "reset"), ("entered", 2)])

    def test_oneAnswerForOneQuestion(self) -> None:
        """
        A second answer to the same question says nothing.
        """
        self.probe.start()
        taker = self.asker.takers[0]
        taker.alive(PeerRole())
        taker.dead("late")
        taker.alive(PeerRole())
        self.assertEqual(self.owner.told, [("entered", 0)])

    def test_spread(self) -> None:
        """
        The first pause is a random part of C{oos-check}, the others are at
        most a tenth short of it, never longer.
        """
        self.asker.answer = alive
        self.chance = 0.5
        self.probe.start()
        runFor(self.clock, 12.1)
        self.assertEqual(self.when(), [0.0, 2.5, 7.25, 12.0])

    def test_checkOffAsksOnlyPeersOutOfService(self) -> None:
        """
        With C{oos-check} 0 a peer in service is left alone until a request
        to it fails.
        """
        self.times = ProbeTimes(0.0, 3.0)
        self.asker.answer = alive
        self.probe.start()
        runFor(self.clock, 60.0)
        self.assertEqual(self.when(), [0.0])
        self.probe.reported("reset")
        runFor(self.clock, 60.0)
        self.assertEqual(self.when(), [0.0, 61.0])

    def test_stopEndsEverything(self) -> None:
        """
        After C{stop} no timer runs, the question under way is abandoned, and
        its answer says nothing.
        """
        self.probe.start()
        self.probe.stop()
        self.assertTrue(self.asker.questions[0].abandoned)
        self.asker.takers[0].alive(PeerRole())
        self.assertEqual(self.owner.told, [])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_stopWhilePausing(self) -> None:
        """
        The pause ends with C{stop} too.
        """
        self.asker.answer = alive
        self.probe.start()
        self.probe.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_saidUnasked(self) -> None:
        """
        What a peer says by itself counts at once, and what it answers to a question
        that was asked before is older.
        """
        self.probe.said(PeerRole(True, 1))
        self.assertEqual(self.owner.told, [])
        self.probe.start()
        self.probe.said(PeerRole(True, 2))
        self.assertTrue(self.asker.questions[0].abandoned)
        self.asker.takers[0].alive(PeerRole(False, 1))
        self.probe.said(PeerRole(True, 3))
        self.assertEqual(self.owner.told, [("entered", 2), ("heard", 3)])
        self.asker.answer = dead
        runFor(self.clock, 5.0)
        self.assertEqual(self.when(), [0.0, 5.0])
        self.probe.said(PeerRole(True, 4))
        self.assertEqual(self.owner.told[2:], [("left", "refused"), ("entered", 4)])
        self.probe.stop()
        self.probe.said(PeerRole(True, 5))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_doubtedIsAsked(self) -> None:
        """
        A peer that is doubted is asked now, and once; one that is out of service is
        not.
        """
        self.probe.start()
        self.probe.doubted()
        self.asker.takers[0].alive(PeerRole())
        self.probe.doubted()
        self.probe.doubted()
        self.assertEqual(self.when(), [0.0, 0.0])
        self.asker.takers[1].dead("refused")
        runFor(self.clock, 1.0)
        self.probe.doubted()
        self.assertEqual(self.when(), [0.0, 0.0])
        self.probe.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_everythingIsAnsweredInEveryState(self) -> None:
        """
        Nothing a peer or a timer can cause is an unknown transition.
        """
        inputs = {"start", "due", "alive", "dead", "reported", "stop"}
        inputs |= {"said", "doubted"}
        self.assertEqual(unanswered(_machine, inputs), set())
