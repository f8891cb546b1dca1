"""
The role machine of a member, step by step.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from operator import attrgetter

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import LogEvent, LogLevel, globalLogPublisher
from twisted.test.proto_helpers import EventLoggingObserver
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from sipcluster.ha.iha import (
    ArbiterAway,
    Granted,
    IArbiter,
    IFollowing,
    IRoleObserver,
    Refused,
    Verdict,
)
from sipcluster.ha.lease import LAST_EPOCH, Fence
from sipcluster.ha.member import PairMember
from sipcluster.ha.role import _machine
from sipcluster.servicecheck.iservicecheck import PeerRole
from sipcluster.servicecheck.options import parseRole, renderRole
from sipcluster.testing.arbiters import Court, FakeArbiter
from sipcluster.testing.clock import runFor
from sipcluster.testing.hosts import Host, Wire
from sipcluster.testing.machines import inputs, unanswered


@implementer(IRoleObserver)
@define(eq=False)
class Recorder:
    """
    Remembers what a member was told.
    """

    told: list[str] = field(factory=list)
    member: PairMember | None = None

    def becamePrimary(self, fence: Fence) -> None:
        """
        It serves.
        """
        self.told.append(f"primary {fence.epoch}")

    def handingOver(self, epoch: int) -> None:
        """
        It is asked to hand over.
        """
        self.told.append(f"handing over {epoch}")

    def handoverFailed(self, why: str) -> None:
        """
        It goes on.
        """
        self.told.append("handover failed")

    def becameBackup(self, why: str) -> None:
        """
        It serves no more.
        """
        self.told.append(f"backup: {why}")


@implementer(IArbiter, IFollowing)
@define(eq=False)
class Scripted:
    """
    An arbiter that answers what the test says, when it says so.
    """

    asked: list[tuple[str, int]] = field(factory=list)
    waiting: list[Deferred[Verdict]] = field(factory=list)
    vacant: Callable[[], None] | None = None

    def acquire(self, above: int) -> Deferred[Verdict]:
        """
        Wait for the test.
        """
        self.asked.append(("acquire", above))
        self.waiting.append(Deferred())
        return self.waiting[-1]

    def renew(self, epoch: int) -> Deferred[Verdict]:
        """
        Wait for the test.
        """
        self.asked.append(("renew", epoch))
        self.waiting.append(Deferred())
        return self.waiting[-1]

    def reclaim(self, epoch: int) -> Deferred[Verdict]:
        """
        Wait for the test.
        """
        self.asked.append(("reclaim", epoch))
        self.waiting.append(Deferred())
        return self.waiting[-1]

    def release(self, epoch: int) -> Deferred[None]:
        """
        Never answered.
        """
        self.asked.append(("release", epoch))
        return Deferred()

    def follow(self, vacant: Callable[[], None]) -> IFollowing:
        """
        Remember who follows.
        """
        self.vacant = vacant
        following: IFollowing = self
        return following

    def stop(self) -> None:
        """
        Nobody follows.
        """
        self.vacant = None

    def answer(self, verdict: Verdict) -> None:
        """
        Answer the latest question.
        """
        self.waiting.pop().callback(verdict)


class MachineTests(SynchronousTestCase):
    """
    The machine.
    """

    def test_everythingIsAnsweredInEveryState(self) -> None:
        """
        Nothing that an arbiter, a peer, a person or a timer can cause is an
        unknown transition.
        """
        self.assertEqual(unanswered(_machine, inputs(_machine)), set())


class MemberTests(SynchronousTestCase):
    """
    One member, whose arbiter says what the test wants.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.arbiter = Scripted()
        self.observer = Recorder()
        verifyObject(IRoleObserver, self.observer)
        self.member = PairMember("b", "node1", self.arbiter, self.observer, self.clock)
        self.log = EventLoggingObserver()
        globalLogPublisher.addObserver(self.log)
        self.addCleanup(globalLogPublisher.removeObserver, self.log)

    def levels(self) -> set[str]:
        """
        How serious what was logged is.
        """
        return {event["log_level"].name for event in self.ofRole()}

    def ofRole(self) -> list[LogEvent]:
        """
        What the role logged.
        """
        return [
            event
            for event in self.log
            if str(event.get("log_namespace")).startswith("sipcluster.ha.")
        ]

    def beginPrimary(self, epoch: int = 7) -> None:
        """
        Become primary.
        """
        self.member.start()
        self.arbiter.answer(Granted(epoch, 5.0))

    def test_beginsAsBackup(self) -> None:
        """
        A member is backup until the arbiter has granted it the role, then
        primary in that epoch; OPTIONS say so.
        """
        self.member.start()
        self.assertFalse(self.member.fence.open)
        self.assertEqual(self.fields(), b"backup;epoch=0;pair=node1")
        self.arbiter.answer(Granted(7, 5.0))
        self.assertTrue(self.member.fence.open)
        self.assertEqual(self.fields(), b"primary;epoch=7;pair=node1")
        self.assertEqual(self.observer.told, ["primary 7"])

    def fields(self) -> bytes:
        """
        The member's value of C{X-SIPCluster-Role}.
        """
        fields = self.member.fields
        role = PeerRole(*attrgetter("primary", "epoch", "pair")(fields))
        self.assertEqual(parseRole(renderRole(role)), role)
        return renderRole(role)

    def test_stopsBeforeItMust(self) -> None:
        """
        A primary that hears no more of its arbiter goes on while its lease runs,
        and stops by its own clock before the arbiter may give the role away,
        counted from when it asked.
        """
        self.member.start()
        runFor(self.clock, 0.9)
        self.arbiter.answer(Granted(7, 5.0))
        runFor(self.clock, 3.45)
        self.assertTrue(self.member.fence.open)
        self.assertEqual(self.observer.told, ["primary 7"])
        runFor(self.clock, 0.1)
        self.assertFalse(self.member.fence.open)
        self.assertEqual(self.observer.told[1:], ["backup: its lease ran out"])
        self.assertIn("error", self.levels())

    def test_frozen(self) -> None:
        """
        When a frozen primary wakes up its fence is closed at once, before any
        timer has run, and OPTIONS say that it is backup.
        """
        self.beginPrimary()
        self.clock.rightNow += 60.0
        self.assertFalse(self.member.fence.open)
        self.assertEqual(self.fields(), b"backup;epoch=7;pair=node1")
        self.clock.advance(0)
        self.assertEqual(self.observer.told[1:], ["backup: its lease ran out"])

    def test_renewedTooLate(self) -> None:
        """
        A renewal that is answered after the lease has run out opens nothing, even
        if it comes before the timer.
        """
        self.beginPrimary()
        runFor(self.clock, 1.25)
        (asked,) = self.arbiter.waiting
        self.clock.rightNow += 60.0
        asked.callback(Granted(7, 5.0))
        self.assertFalse(self.member.fence.open)
        self.assertEqual(self.observer.told[1:], ["backup: its lease ran out"])

    def test_silenceMakesNoPrimary(self) -> None:
        """
        A backup that hears nothing asks on for ever and does no more.
        """
        self.member.start()
        runFor(self.clock, 600.0)
        self.assertEqual(self.observer.told, [])
        self.assertFalse(self.member.fence.open)
        self.assertGreater(len(self.arbiter.asked), 250)
        (logged,) = self.ofRole()
        self.assertIs(logged["log_level"], LogLevel.error)

    def test_answerToWhatWasGivenUp(self) -> None:
        """
        An answer that comes after the question was given up counts for nothing.
        """
        self.member.start()
        late = self.arbiter.waiting[0]
        runFor(self.clock, 1.1)
        late.callback(Granted(7, 5.0))
        self.assertFalse(self.member.fence.open)

    def test_epochNotAbove(self) -> None:
        """
        A grant of an epoch that is not above all that were seen is given back
        and logged.
        """
        self.member.peerEpoch(9)
        self.beginPrimary(9)
        self.assertFalse(self.member.fence.open)
        self.assertEqual(self.arbiter.asked[-1], ("release", 9))
        self.assertIn("error", self.levels())

    def test_noEpoch(self) -> None:
        """
        Nor is one used that is more than an epoch can be.
        """
        self.beginPrimary(LAST_EPOCH + 1)
        self.assertFalse(self.member.fence.open)

    def test_renewedInAnotherEpoch(self) -> None:
        """
        A primary whose renewal is answered with another epoch stops.
        """
        self.beginPrimary()
        runFor(self.clock, 1.25)
        self.arbiter.answer(Granted(8, 5.0))
        self.assertFalse(self.member.fence.open)
        self.assertIn(("release", 8), self.arbiter.asked)

    def test_arbiterAnswersAFault(self) -> None:
        """
        An exception of the arbiter's is logged as a fault of the program, and no
        reason to change the role.
        """
        self.beginPrimary()
        runFor(self.clock, 1.25)
        self.arbiter.waiting.pop().errback(ZeroDivisionError("x"))
        self.assertTrue(self.member.fence.open)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertTrue(self.member.away)
        runFor(self.clock, 0.3)
        self.arbiter.answer(Granted(7, 5.0))
        self.assertFalse(self.member.away)

    def test_switchover(self) -> None:
        """
        Asked to switch over, a primary hands over while it still serves; then it
        stops, gives the role back, and leaves it alone for a while.
        """
        self.beginPrimary()
        self.assertTrue(self.member.switchover())
        self.assertEqual(self.observer.told[1:], ["handing over 7"])
        self.assertTrue(self.member.fence.open)
        self.member.handedOver()
        self.assertFalse(self.member.fence.open)
        self.assertEqual(self.arbiter.asked[-1], ("release", 7))
        assert self.arbiter.vacant is not None
        self.arbiter.vacant()
        runFor(self.clock, 2.4)
        self.assertEqual(self.arbiter.asked[-1], ("release", 7))
        runFor(self.clock, 0.2)
        self.assertEqual(self.arbiter.asked[-1], ("acquire", 7))

    def test_switchoverTakesTooLong(self) -> None:
        """
        A primary that cannot hand over in time goes on.
        """
        self.beginPrimary()
        self.member.switchover()
        runFor(self.clock, 1.3)
        self.arbiter.answer(Granted(7, 5.0))
        runFor(self.clock, 1.3)
        self.assertEqual(self.observer.told[1:], ["handing over 7", "handover failed"])
        self.assertTrue(self.member.fence.open)

    def test_noSwitchoverWithoutArbiter(self) -> None:
        """
        While the arbiter is away a primary keeps its role: it could not be given
        back.  A backup has none to give.
        """
        self.assertFalse(self.member.switchover())
        self.beginPrimary()
        self.member.switchover()
        runFor(self.clock, 1.25)
        self.arbiter.waiting.pop().errback(ArbiterAway("no route"))
        self.member.handedOver()
        self.assertTrue(self.member.fence.open)
        self.assertEqual(self.observer.told[-1], "handover failed")
        self.assertFalse(self.member.switchover())

    def test_unfit(self) -> None:
        """
        A member that cannot serve gives the role back and asks for it no more,
        until it can.
        """
        self.beginPrimary()
        self.member.unfit("its network card is down")
        self.assertFalse(self.member.fence.open)
        asked = list(self.arbiter.asked)
        runFor(self.clock, 60.0)
        self.assertEqual(self.arbiter.asked, asked)
        self.member.fit()
        self.assertEqual(self.arbiter.asked[-1], ("acquire", 7))

    def test_peerIsPrimaryToo(self) -> None:
        """
        When the arbiter was none, of two primaries the one with the lower epoch
        stops, of two with the same epoch the one whose name comes later; it is
        logged as critical, and that member asks no more while the other serves.
        """
        self.beginPrimary()
        self.member.peerClaims(6, "a")
        self.member.peerClaims(7, "c")
        self.assertTrue(self.member.fence.open)
        self.member.peerClaims(7, "a")
        self.assertFalse(self.member.fence.open)
        self.assertIn("critical", self.levels())
        asked = len(self.arbiter.asked)
        for _ in range(20):
            runFor(self.clock, 1.0)
            self.member.peerClaims(7, "a")
        self.assertEqual(len(self.arbiter.asked), asked)
        self.member.peerClaims(5, "a")
        runFor(self.clock, 5.1)
        self.assertEqual(self.arbiter.asked[-1], ("acquire", 7))

    def test_peerIsPrimarySince(self) -> None:
        """
        A member that was frozen, and hears that the other one is primary before it
        has noticed that its own lease is over, is backup, and nothing more is wrong.
        """
        self.beginPrimary()
        self.clock.rightNow += 60.0
        self.member.peerClaims(8, "a")
        self.assertFalse(self.member.fence.open)
        self.assertFalse(self.member.doubtful)
        self.assertNotIn("critical", self.levels())
        self.assertEqual(self.observer.told[-1], "backup: its lease ran out")
        self.assertEqual(self.member.highest, 8)

    def test_higherEpochOfThePeer(self) -> None:
        """
        A primary that hears of a higher epoch stops at once.
        """
        self.beginPrimary()
        self.member.peerClaims(8, "a")
        self.assertFalse(self.member.fence.open)
        self.assertEqual(self.member.highest, 8)

    def test_stop(self) -> None:
        """
        A primary that is stopped gives the role back first, and leaves no timer.
        """
        self.beginPrimary()
        stopped = self.member.stop()
        self.assertNoResult(stopped)
        self.assertEqual(self.arbiter.asked[-1], ("release", 7))
        runFor(self.clock, 1.0)
        self.successResultOf(stopped)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertIsNone(self.arbiter.vacant)
        self.successResultOf(self.member.stop())

    def test_freedWhileItAsks(self) -> None:
        """
        The role is given back while the arbiter is being asked for it: when that
        question was answered before, the next one is put at once; then as seldom as
        ever.
        """
        self.member.start()
        self.assertIsNotNone(self.arbiter.vacant)
        assert self.arbiter.vacant is not None
        self.arbiter.vacant()
        self.assertEqual(len(self.arbiter.asked), 1)
        self.arbiter.answer(Refused(7, "a"))
        runFor(self.clock, 0.0)
        self.assertEqual(self.arbiter.asked, [("acquire", 0), ("acquire", 7)])
        self.arbiter.answer(Refused(7, "a"))
        runFor(self.clock, 0.9)
        self.assertEqual(len(self.arbiter.asked), 2)
        runFor(self.clock, 0.2)
        self.assertEqual(len(self.arbiter.asked), 3)
        self.member.stop()

    def test_refused(self) -> None:
        """
        A primary whose role the arbiter has given away stops, and knows the
        higher epoch.
        """
        self.beginPrimary()
        runFor(self.clock, 1.25)
        self.arbiter.answer(Refused(12, "a"))
        self.assertEqual(
            self.observer.told[1:], ["backup: the arbiter has given the role away"]
        )
        self.assertEqual(self.member.highest, 12)


class TwoMembersTests(SynchronousTestCase):
    """
    Two members under one arbiter.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        court = Court(self.clock)
        self.members = []
        for name in ("a", "b"):
            host = Host(self.clock)
            wire = Wire(self.clock, random.Random(1), slowest=0.01)
            arbiter = FakeArbiter(court, name, host, wire)
            member = PairMember(name, "node1", arbiter, Recorder(), host)
            self.members.append(member)

    def serving(self) -> list[str]:
        """
        Who serves.
        """
        return [member.name for member in self.members if member.fence.open]

    def test_bothWantToBePrimary(self) -> None:
        """
        When both are started at once, one is primary and stays so.
        """
        for member in self.members:
            member.start()
        runFor(self.clock, 0.1)
        first = self.serving()
        self.assertEqual(len(first), 1)
        runFor(self.clock, 60.0)
        self.assertEqual(self.serving(), first)
        self.assertEqual(sum(member.highest for member in self.members), 2)

    def test_takenAtOnce(self) -> None:
        """
        A role that is handed over is taken by the other member within what
        messages to the arbiter take.
        """
        a, b = self.members
        a.start()
        runFor(self.clock, 0.1)
        b.start()
        runFor(self.clock, 10.0)
        a.switchover()
        a.handedOver()
        self.assertEqual(self.serving(), [])
        runFor(self.clock, 0.05)
        self.assertEqual(self.serving(), ["b"])
        runFor(self.clock, 60.0)
        self.assertEqual(self.serving(), ["b"])

    def test_takenWhenNobodyElseDoes(self) -> None:
        """
        A role that is handed over to nobody is taken back.
        """
        a, _ = self.members
        a.start()
        runFor(self.clock, 0.1)
        a.switchover()
        a.handedOver()
        runFor(self.clock, 2.6)
        self.assertEqual((self.serving(), a.fence.epoch), (["a"], 2))
