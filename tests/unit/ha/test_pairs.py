"""
What must hold of a pair whatever goes wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from sipcluster.cluster.embedded_store import EmbeddedStore, memoryEngine
from sipcluster.ha.companion import Companion
from sipcluster.ha.iha import Verdict
from sipcluster.ha.member import PairMember
from sipcluster.testing.pair import Broken, PairWorld, Process

#: Runs of one kind of arbiter.
SEEDS = 40


def fromTheAnswer(
    answered: Callable[[PairMember, float, Verdict], None],
) -> Callable[[PairMember, float, Verdict], None]:
    """
    Change what takes an answer so that it counts from then.
    """

    def late(member: PairMember, asked: float, verdict: Verdict) -> None:
        answered(member, member.clock.seconds(), verdict)

    return late


class PairTests(SynchronousTestCase):
    """
    Two members whose clocks are as wrong as they may be, which freeze, die, are cut
    off in one direction or both, and whose arbiter answers late, twice, out of
    order or not at all.

    After every step of every run at most one of them is primary, epochs have only
    grown, and no fence has opened again; in the calm afterwards one of them serves,
    and goes on serving.
    """

    def live(
        self, kind: str, seeds: int = SEEDS, drift: float = 0.01, first: int = 0
    ) -> str:
        """
        Run them.

        @param first: seed.

        @return: what went wrong first.
        """
        for seed in range(first, first + seeds):
            try:
                PairWorld(seed, kind, drift=drift).live()
            except Broken as e:
                return str(e)
        return ""

    def test_arbiterForTests(self) -> None:
        """
        It holds under the arbiter for tests.
        """
        self.assertEqual(self.live("fake"), "")

    def test_store(self) -> None:
        """
        It holds under the cluster store.
        """
        self.assertEqual(self.live("store"), "")

    def test_lockFile(self) -> None:
        """
        It holds under the lock file, on a disk that is full, read-only or slow.
        """
        self.assertEqual(self.live("lock file", 12), "")

    def test_clocksBeyondTheBound(self) -> None:
        """
        The runs come close enough to the edge to see that it does not hold when
        clocks are three times as wrong as they may be.
        """
        self.assertIn("two primaries", self.live("fake", drift=0.03))
        self.assertIn("two primaries", self.live("store", drift=0.03))

    def test_countedFromTheAnswer(self) -> None:
        """
        They also see it when a lease is counted from when the answer came.
        """
        for name in ("_acquired", "_renewed"):
            self.patch(PairMember, name, fromTheAnswer(getattr(PairMember, name)))
        self.assertIn("two primaries", self.live("fake", 200))

    def test_timerInPlaceOfTheClock(self) -> None:
        """
        They also see it when a member that was frozen believes its lease to run
        until a timer has told it so.
        """

        def believe(member: PairMember, until: float) -> None:
            member.fence.validUntil = until
            member._count()
            member.fence.validUntil = until + 5.0

        self.patch(PairMember, "extend", believe)
        self.assertIn("two primaries", self.live("store"))

    def test_promiseNotKept(self) -> None:
        """
        They also see it when a backup says that it takes no grant, and takes one.
        """
        self.patch(PairMember, "promise", lambda member, epoch, seconds: seconds)
        self.assertIn("two primaries", self.live("fake", 200))

    def test_promiseCountedFromTheAnswer(self) -> None:
        """
        They also see it when a promise is counted from when it came.
        """
        promised = PairMember.promised

        def late(member: PairMember, epoch: int, asked: float, given: float) -> None:
            promised(member, epoch, member.clock.seconds(), given)

        self.patch(PairMember, "promised", late)
        self.assertIn("two primaries", self.live("fake", 100, first=100))

    def test_promiseForgotten(self) -> None:
        """
        They also see it when a member that has begun anew does not wait for what
        the process before it may have promised.
        """
        self.patch(Companion, "promises", lambda companion: False)
        self.assertIn("two primaries", self.live("fake", 200))


class ArbiterAwayTests(SynchronousTestCase):
    """
    An arbiter that nobody reaches interrupts nothing, while both members are there.
    """

    kinds = ("fake", "store", "lock file")

    def settled(self, kind: str, seed: int = 1) -> tuple[PairWorld, Process, Process]:
        """
        @return: a world with its primary and its backup.
        """
        world = PairWorld(seed, kind)
        world.run(10.0)
        primary, backup = sorted(
            world.processes.values(), key=lambda each: not each.open
        )
        self.assertTrue(primary.open)
        return world, primary, backup

    def goesOn(self, world: PairWorld, primary: Process, seconds: float) -> None:
        """
        The primary serves all the time, in the same epoch.
        """
        fence = primary.member.fence
        end = world.time.seconds() + seconds
        while world.time.seconds() < end:
            world.run(0.05)
            self.assertTrue(primary.open)
        self.assertIs(primary.member.fence, fence)

    def test_away(self) -> None:
        """
        The primary goes on for as long as the arbiter is away, and when it is back,
        in the same epoch; then the backup can take over again.
        """
        for kind in self.kinds:
            for seed in range(5):
                world, primary, _ = self.settled(kind, seed)
                epoch = primary.member.fence.epoch
                world.loseArbiter(primary)
                self.goesOn(world, primary, 60.0)
                world.calm()
                self.goesOn(world, primary, 30.0)
                self.assertEqual(primary.member.away, "")
                world.kill(primary)
                world.run(10.0)
                (serving,) = (each for each in world.processes.values() if each.open)
                self.assertGreater(serving.member.fence.epoch, epoch)
                world.end()

    def test_onlyThePrimarysWay(self) -> None:
        """
        It goes on too when the backup reaches the arbiter, and sees the role free.
        """
        for kind in self.kinds:
            world, primary, _ = self.settled(kind)
            primary.wire.cutOut = primary.wire.cutIn = True
            self.goesOn(world, primary, 60.0)
            world.calm()
            self.goesOn(world, primary, 30.0)
            world.end()

    def test_linkLostToo(self) -> None:
        """
        Without arbiter and link the primary stops, and nobody serves.
        """
        for kind in self.kinds:
            world, primary, backup = self.settled(kind)
            world.loseArbiter(primary)
            self.goesOn(world, primary, 20.0)
            world.cutLink(primary)
            world.run(10.0)
            self.assertFalse(primary.open or backup.open)
            world.calm()
            world.run(15.0)
            self.assertTrue(primary.open or backup.open)
            world.end()

    def test_primaryDies(self) -> None:
        """
        When the primary dies while the arbiter is away nobody serves until that is
        back; then the backup does.
        """
        for kind in ("fake", "store"):
            world, primary, backup = self.settled(kind)
            world.loseArbiter(primary)
            self.goesOn(world, primary, 20.0)
            world.kill(primary)
            world.loseArbiter(primary)
            world.run(20.0)
            self.assertFalse(any(each.open for each in world.processes.values()))
            world.mend(backup)
            world.run(2.0)
            self.assertTrue(backup.open)
            world.calm()
            world.run(10.0)
            world.end()

    def test_backupBeginsAnew(self) -> None:
        """
        A backup that begins anew while the arbiter is away makes its promises again
        before the primary has to stop.
        """
        for kind in self.kinds:
            world, primary, backup = self.settled(kind)
            world.loseArbiter(primary)
            self.goesOn(world, primary, 20.0)
            world.kill(backup)
            world.loseArbiter(primary)
            self.goesOn(world, primary, 30.0)
            world.calm()
            self.goesOn(world, primary, 30.0)
            world.end()

    def test_storeReplaced(self) -> None:
        """
        When the store comes back empty, and counts from 1 again, the primary goes
        on in its epoch, and the next one is higher.
        """
        world, primary, backup = self.settled("store")
        world.loseArbiter(primary)
        self.goesOn(world, primary, 20.0)
        epoch = primary.member.fence.epoch
        assert world.engine is not None
        world.engine.close()
        engine = memoryEngine(world.newHost())
        world.engine = engine
        for process in world.processes.values():
            arbiter: Any = process.member.arbiter
            arbiter._store.store = EmbeddedStore(engine, world.time)
        world.calm()
        self.goesOn(world, primary, 30.0)
        self.assertEqual(primary.member.away, "")
        world.switchOver(primary)
        world.run(10.0)
        self.assertTrue(backup.open)
        self.assertGreater(backup.member.fence.epoch, epoch)
        world.end()

    def test_bothBeginAtOnce(self) -> None:
        """
        When both begin the one that is preferred serves as soon as they have heard
        of each other; one that is alone waits for what it may have promised.
        """
        for seed in range(5):
            world = PairWorld(seed, "store")
            world.run(1.5)
            self.assertTrue(world.processes["a"].open)
            world = PairWorld(seed, "store")
            world.cutLink(world.processes["b"])
            world.kill(world.processes["a"])
            world.freeze(world.processes["a"])
            world.run(4.8)
            self.assertFalse(world.processes["b"].open)
            world.run(2.0)
            self.assertTrue(world.processes["b"].open)


class ToldTests(SynchronousTestCase):
    """
    A primary that changes something again and again, and says so when the other
    member has it.
    """

    def work(self, process: Process) -> None:
        """
        Change something now and then, for ever.
        """
        host, journal = process.host, process.journal

        def change() -> None:
            host.callLater(0.04, change)
            if process.member.fence.open and journal.primary:
                number = journal.change(process.name, str(journal.position), b"x")
                journal.then(lambda: self.tell(process, number))

        host.callLater(0.0, change)

    def tell(self, process: Process, number: int) -> None:
        """
        A change is said to have happened.
        """
        if not process.open:
            raise Broken(f"{process.name} speaks with its fence closed")
        self.told[process.name].append(number)

    def both(self, kind: str, seed: int) -> PairWorld:
        """
        @return: a world whose primary is C{a}, at work.
        """
        self.told: dict[str, list[int]] = {"a": [], "b": []}
        world = PairWorld(seed, kind)
        world.run(8.0)
        for process in world.processes.values():
            self.work(process)
        world.run(2.0)
        self.assertTrue(world.processes["a"].open)
        self.assertTrue(self.told["a"])
        return world

    def isolate(self, world: PairWorld) -> None:
        """
        C{a} loses the arbiter, and some time later, or at once, C{b}.
        """
        chance = world.chance
        primary = world.processes["a"]
        world.line.slowest = chance.choice((0.001, 0.05))
        world.run(1.0)
        primary.wire.cutOut = primary.wire.cutIn = True
        world.run(chance.choice((0.0, 0.1, 1.0, 7.0)))
        world.line.cut = chance.choice(({"a", "b"}, {"a"}, {"b"}))

    def test_isolated(self) -> None:
        """
        When the primary loses the other member after the arbiter, or at the same
        time, everything that it has said is there when the other one takes over;
        and it says nothing afterwards.
        """
        for kind in ("fake", "store"):
            for seed in range(15):
                world = self.both(kind, seed)
                self.isolate(world)
                world.run(15.0)
                backup = world.processes["b"]
                self.assertTrue(backup.open, f"{kind} {seed}")
                had = backup.journal.replica.entries("a")
                missing = [n for n in self.told["a"] if str(n - 1) not in had]
                self.assertEqual(missing, [], f"{kind} {seed}")

    def test_isolatedAfterASwitchover(self) -> None:
        """
        It is so too when that happens to one that has just become primary.
        """
        for seed in range(30):
            world = self.both("fake", seed)
            a, b = world.processes["a"], world.processes["b"]
            world.line.slowest = world.chance.choice((0.001, 0.05))
            world.run(1.0)
            a.host.run(a.member.switchover)
            for _ in range(1000):
                if not b.open:
                    world.run(0.001)
            if not b.open:
                continue  # this one was not handed over in time
            world.run(world.chance.uniform(0.0, 0.1))
            b.wire.cutOut = b.wire.cutIn = True
            world.line.cut = {"a", "b"}
            world.run(15.0)
            self.assertTrue(a.open, str(seed))
            had = a.journal.replica.entries("b")
            missing = [n for n in self.told["b"] if str(n - 1) not in had]
            self.assertEqual(missing, [], str(seed))

    def test_withoutAsking(self) -> None:
        """
        It is not so when a member that has lost the other one goes on at once.
        """
        self.patch(Companion, "alone", Companion.serving)
        self.assertRaises(AssertionError, self.test_isolated)

    def test_otherMemberLost(self) -> None:
        """
        When the other member is lost, and the arbiter answers, the primary says
        nothing for no longer than it takes to see that, and to ask.
        """
        for kind in ("fake", "store", "lock file"):
            world = self.both(kind, 1)
            world.processes["b"].host.kill()
            world.disk.died(world.processes["b"].files)
            world.run(2.5)
            before = len(self.told["a"])
            world.run(1.0)
            self.assertGreater(len(self.told["a"]), before + 20)
            self.assertEqual(self.told["a"], sorted(set(self.told["a"])))

    def test_frozen(self) -> None:
        """
        A primary that was frozen says nothing when it wakes up after the other one
        has taken over.
        """
        for kind in ("fake", "store", "lock file"):
            for seed in range(5):
                world = self.both(kind, seed)
                primary, backup = world.processes["a"], world.processes["b"]
                world.freeze(primary)
                before = list(self.told["a"])
                world.run(12.0)
                self.assertTrue(backup.open)
                world.thaw(primary)
                world.run(3.0)
                self.assertEqual(self.told["a"], before)
