"""
The lock file: two members at the same time, and a disk that fails.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from sipcluster.ha.arbiters.lock_file import RECORD, Claim, LockFileArbiter
from sipcluster.ha.iha import ArbiterAway, Granted, Refused, Verdict
from sipcluster.net.lock_files import LockFiles
from sipcluster.testing.arbiters import Disk, MemoryLockFiles


@define(eq=False)
class Turns:
    """
    Lets threads take their steps on a disk one at a time, in an order that a seed
    decides.

    @ivar between: called before each step.
    """

    chance: random.Random
    between: Callable[[], None]
    turns: dict[object, threading.Event] = field(factory=dict)
    ended: set[object] = field(factory=set)
    stopped: threading.Semaphore = field(factory=lambda: threading.Semaphore(0))

    def step(self, owner: object) -> None:
        """
        A thread waits for its turn.
        """
        if owner in self.turns:
            self.stopped.release()
            self.turns[owner].wait(10)
            self.turns[owner].clear()

    def run(self, works: dict[object, Callable[[], object]]) -> None:
        """
        Run all to their ends.
        """

        def whole(owner: object, work: Callable[[], object]) -> None:
            work()
            self.ended.add(owner)
            self.stopped.release()

        self.turns = {owner: threading.Event() for owner in works}
        threads = [threading.Thread(target=whole, args=each) for each in works.items()]
        for thread in threads:
            thread.start()
            self.stopped.acquire(timeout=10)
        while left := [owner for owner in works if owner not in self.ended]:
            self.between()
            self.turns[self.chance.choice(left)].set()
            self.stopped.acquire(timeout=10)
        for thread in threads:
            thread.join(10)
        self.turns = {}


class AtTheSameTimeTests(SynchronousTestCase):
    """
    Two members whose steps fall between each other's in any order.
    """

    def together(self, seed: int, renews: bool) -> list[Verdict]:
        """
        Let C{a} renew, or ask anew, while C{b} asks and time runs out somewhere.

        @return: what both were told.
        """
        clock = Clock()
        disk = Disk()
        a, b = MemoryLockFiles(disk), MemoryLockFiles(disk)
        first = LockFileArbiter(a, clock, "a", 2.0)
        second = LockFileArbiter(b, clock, "b", 2.0)
        grant = self.successResultOf(first.acquire(0))
        assert isinstance(grant, Granted)
        clock.advance(1.9)
        chance = random.Random(seed)
        told: list[Verdict] = []

        def between() -> None:
            if chance.random() < 0.3 and clock.seconds() < 2.0:
                clock.advance(0.2)

        turns = Turns(chance, between)
        disk.step = turns.step

        def one() -> object:
            asked = first.renew(grant.epoch) if renews else first.acquire(0)
            return asked.addCallback(told.append)

        def other() -> object:
            return second.acquire(0).addCallback(told.append)

        turns.run({a: one, b: other})
        self.assertEqual(len(told), 2)
        return told

    def test_renewalAndClaim(self) -> None:
        """
        A holder that goes on when its time is just over and a member that takes
        the role are never both granted it; each is in some order.
        """
        winners = set()
        for seed in range(300):
            told = self.together(seed, True)
            granted = [each.epoch for each in told if isinstance(each, Granted)]
            self.assertLessEqual(len(granted), 1, seed)
            winners.update(granted)
        self.assertEqual(winners, {1, 2})

    def test_twoClaims(self) -> None:
        """
        Two members that ask anew are never both granted the role.
        """
        for seed in range(300):
            told = self.together(seed, False)
            granted = [each for each in told if isinstance(each, Granted)]
            self.assertLessEqual(len(granted), 1, seed)


class LookTests(SynchronousTestCase):
    """
    A backup looks at the claim of the primary ten times a second, in a thread.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.disk = Disk()
        self.works: list[tuple[Deferred[Any], Callable[[], Any]]] = []
        self.a = LockFileArbiter(MemoryLockFiles(self.disk), self.clock, "a", 2.0)
        self.b = LockFileArbiter(
            MemoryLockFiles(self.disk), self.clock, "b", 2.0, self.inThread
        )

    def inThread(self, work: Callable[[], Any]) -> Deferred[Any]:
        """
        Work of a thread that has not begun yet.
        """
        done: Deferred[Any] = Deferred()
        self.works.append((done, work))
        return done

    def thread(self) -> None:
        """
        Let it do what it was given.
        """
        done, work = self.works.pop(0)
        done.callback(work())

    def test_askedWhileLooking(self) -> None:
        """
        What is asked during a look is answered after it: the disk is not away.
        """
        looked = self.b.look()
        asked = self.b.acquire(0)
        self.thread()
        self.assertTrue(self.successResultOf(looked))
        self.assertNoResult(asked)
        self.thread()
        self.assertEqual(self.successResultOf(asked), Granted(1, 2.0))

    def test_givenUpWhileLooking(self) -> None:
        """
        What was given up during a look is not done after it.
        """
        self.b.look()
        self.b.acquire(0).addErrback(lambda _: None).cancel()
        self.thread()
        self.assertEqual(self.works, [])
        self.assertIsInstance(self.successResultOf(self.a.acquire(0)), Granted)

    def test_givenUpAfterLook(self) -> None:
        """
        What is given up when it has begun goes on, for nobody.
        """
        self.b.look()
        told: list[object] = []
        asked = self.b.acquire(0).addBoth(told.append)
        self.thread()
        asked.cancel()
        self.thread()
        self.assertEqual(len(told), 1)
        self.assertIsInstance(self.successResultOf(self.a.acquire(0)), Refused)


class DiskTests(SynchronousTestCase):
    """
    A disk that fails, and processes that end.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.disk = Disk()
        self.files = MemoryLockFiles(self.disk)
        self.a = LockFileArbiter(self.files, self.clock, "a", 2.0)
        self.b = LockFileArbiter(MemoryLockFiles(self.disk), self.clock, "b", 2.0)

    def test_holderDies(self) -> None:
        """
        What a dead process held is the other's at once.
        """
        self.successResultOf(self.a.acquire(0))
        self.assertEqual(self.successResultOf(self.b.acquire(0)), Refused(1, "a"))
        self.disk.died(self.files)
        self.assertEqual(self.successResultOf(self.b.acquire(0)), Granted(2, 2.0))

    def test_full(self) -> None:
        """
        On a full disk nobody takes the role, and a holder goes on.
        """
        self.disk.full = True
        why = self.failureResultOf(self.a.acquire(0), ArbiterAway)
        self.assertIn("No space left on device", why.getErrorMessage())
        self.disk.full = False
        self.successResultOf(self.a.acquire(0))
        self.disk.full = True
        self.assertEqual(self.successResultOf(self.a.renew(1)), Granted(1, 2.0))

    def test_readOnly(self) -> None:
        """
        On a disk that cannot be written nobody takes the role or goes on; the
        holder can give it up, and is not followed before it can be written.
        """
        self.successResultOf(self.a.acquire(0))
        self.disk.readOnly = True
        self.failureResultOf(self.a.renew(1), ArbiterAway)
        self.successResultOf(self.a.release(1))
        self.failureResultOf(self.b.acquire(0), ArbiterAway)
        self.disk.readOnly = False
        self.assertEqual(self.successResultOf(self.b.acquire(0)), Granted(2, 2.0))

    def test_deleted(self) -> None:
        """
        A file that somebody has deleted is there again after the next renewal; if the
        other member was granted the role meanwhile, the holder gives way.
        """
        directory = Path(self.mktemp())
        directory.mkdir()
        a, b = (
            LockFileArbiter(LockFiles(str(directory / "p")), self.clock, name, 2.0)
            for name in "ab"
        )
        self.successResultOf(a.acquire(0))
        self.addCleanup(a.release, 1)
        (directory / "p.1").unlink()
        self.assertEqual(self.successResultOf(a.renew(1)), Granted(1, 2.0))
        self.assertEqual(self.successResultOf(b.acquire(0)), Refused(1, "a"))
        (directory / "p.1").unlink()
        self.assertEqual(self.successResultOf(b.acquire(1)), Granted(2, 2.0))
        self.addCleanup(b.release, 2)
        self.assertEqual(self.successResultOf(a.renew(1)), Refused(2, "b"))
        self.assertEqual(self.successResultOf(b.renew(2)), Granted(2, 2.0))

    def test_damaged(self) -> None:
        """
        A record that cannot be read is of somebody who may have the role, while
        that process lives.
        """
        self.successResultOf(self.a.acquire(0))
        self.disk.files[1][0] = b"\xff\x00 rubbish"
        self.clock.advance(100.0)
        self.assertEqual(self.successResultOf(self.b.acquire(0)), Refused(1, ""))
        self.disk.died(self.files)
        self.assertEqual(self.successResultOf(self.b.acquire(0)), Granted(2, 2.0))

    def test_record(self) -> None:
        """
        A record is always of the same size, and reads back, whatever the name.
        """
        for name in ("a", "Anna Müller 1", "x" * 64):
            record = Claim(1234.5, name).render()
            self.assertEqual(len(record), RECORD)
            self.assertEqual(Claim.parse(record), Claim(1234.5, name))
