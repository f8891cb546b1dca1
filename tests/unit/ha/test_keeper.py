"""
Tests for L{sipcluster.ha.keeper} and L{sipcluster.ha.life}.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from attrs import define, field
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from sipcluster.ha.ikeeping import UNKEPT, IKeeper, IKept
from sipcluster.ha.ireplica import IAlone
from sipcluster.ha.journal import Journal, Limits
from sipcluster.ha.keeper import Keeper
from sipcluster.ha.life import GRACE, LifeClock


@implementer(IKept)
@define(eq=False)
class Things:
    """
    Entries of one kind.

    @ivar asked: keys that were written down, in order.
    @ivar found: what was restored, with its age.
    """

    kind: str = "thing"
    entries: dict[str, bytes] = field(factory=dict)
    asked: list[str] = field(factory=list)
    found: dict[str, tuple[bytes, float]] = field(factory=dict)
    whole: int = 0

    def keys(self) -> Iterable[str]:
        """
        See L{IKept}.
        """
        return self.entries

    def entry(self, key: str) -> bytes | None:
        """
        See L{IKept}.
        """
        self.asked.append(key)
        if self.entries.get(key) == b"broken":
            raise ValueError("cannot be written down")
        return self.entries.get(key)

    def restore(self, key: str, value: bytes, age: float) -> None:
        """
        See L{IKept}.
        """
        if value == b"bad":
            raise ValueError("cannot be gone on with")
        self.found[key] = (value, age)
        self.entries[key] = value

    def restored(self) -> None:
        """
        See L{IKept}.
        """
        self.whole += 1

    def comparable(self, value: bytes) -> object:
        """
        See L{IKept}: what is behind a bar is a time that runs.
        """
        return value.partition(b"|")[0]


@implementer(IAlone)
@define
class Alone:
    """
    Says whether the primary may serve without the backup.
    """

    yes: bool = True
    asked: Callable[[], object] = lambda: None

    def alone(self) -> bool:
        """
        See L{IAlone}.
        """
        self.asked()
        return self.yes


class KeeperTestCase(SynchronousTestCase):
    """
    A primary with one kind of entries.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.mayBeAlone = Alone()
        self.journal = Journal(
            self.clock, self.mayBeAlone, Limits(waiting=4), serving=lambda: self.serving
        )
        self.serving = True
        self.journal.becamePrimary(1)
        self.things = Things()
        self.keeper = Keeper(self.clock, self.journal)
        self.touch = self.keeper.keep(self.things)
        self.sent: list[object] = []
        self.addCleanup(self.journal.stop)

    def turn(self) -> None:
        """
        The turn of the reactor ends.
        """
        self.clock.advance(0)

    @property
    def kept(self) -> dict[str, bytes]:
        """
        What the journal has.
        """
        return self.journal.snapshot("thing")


class TurnTests(KeeperTestCase):
    """
    What changes in a turn is journaled at its end; then what was put leaves.
    """

    def test_interfaces(self) -> None:
        """
        Both keepers are keepers.
        """
        verifyObject(IKeeper, self.keeper)
        verifyObject(IKeeper, UNKEPT)
        verifyObject(IKept, self.things)

    def test_once(self) -> None:
        """
        An entry is written down once a turn, however often it was touched.
        """
        self.things.entries["a"] = b"1"
        for _ in range(3):
            self.touch("a")
        self.assertEqual(self.things.asked, [])
        self.turn()
        self.assertEqual((self.things.asked, self.kept), (["a"], {"a": b"1"}))

    def test_gone(self) -> None:
        """
        An entry that is gone is removed.
        """
        self.things.entries["a"] = b"1"
        self.touch("a")
        self.turn()
        del self.things.entries["a"]
        self.touch("a")
        self.turn()
        self.assertEqual(self.kept, {})

    def test_order(self) -> None:
        """
        What is put leaves in its order, after what changed in the whole turn.
        """
        self.things.entries["a"] = b"1"
        self.keeper.put(lambda: self.sent.append(dict(self.kept)))
        self.keeper.put(self.sent.append, 2)
        self.touch("a")
        self.assertEqual(self.sent, [])
        self.turn()
        self.assertEqual(self.sent, [{"a": b"1"}, 2])

    def test_waits(self) -> None:
        """
        What is put leaves when the other member has everything, not before.
        """
        self.mayBeAlone.yes = False
        self.journal.peerInSync(0)
        self.things.entries["a"] = b"1"
        self.touch("a")
        self.keeper.put(self.sent.append, 1)
        self.turn()
        self.assertEqual(self.sent, [])
        self.journal.acknowledged(1)
        self.assertEqual(self.sent, [1])

    def test_unchanged(self) -> None:
        """
        Where nothing has changed nothing is waited for.
        """
        self.journal.peerInSync(0)
        self.keeper.put(self.sent.append, 1)
        self.turn()
        self.assertEqual(self.sent, [1])

    def test_brokenEntry(self) -> None:
        """
        What cannot be written down is counted and logged; the rest goes on.
        """
        self.things.entries.update(a=b"broken", b=b"2")
        self.touch("a")
        self.touch("b")
        self.turn()
        self.assertEqual(self.kept, {"b": b"2"})
        self.assertEqual(self.keeper.counts["notKept"], 1)
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)

    def test_tooLong(self) -> None:
        """
        So is what is too long for the link.
        """
        self.things.entries["a"] = bytes(2_000_000)
        self.touch("a")
        self.turn()
        self.assertEqual(self.keeper.counts["tooLong"], 1)

    def test_brokenSend(self) -> None:
        """
        What fails when it is sent keeps nothing else back.
        """
        self.keeper.put(dict[str, int]().__getitem__, "x")
        self.keeper.put(self.sent.append, 1)
        self.turn()
        self.assertEqual(self.sent, [1])
        self.assertEqual(len(self.flushLoggedErrors(KeyError)), 1)

    def test_full(self) -> None:
        """
        When much waits nothing new should be begun; when too much does, what is
        put is lost and counted.
        """
        self.mayBeAlone.yes = False
        self.assertFalse(self.keeper.full())
        for number in range(5):
            self.things.entries["a"] = b"%d" % number
            self.touch("a")
            self.keeper.put(self.sent.append, number)
            self.turn()
        self.assertTrue(self.keeper.full())
        self.assertEqual(self.keeper.counts["lostSends"], 1)
        self.mayBeAlone.yes = True
        self.journal.look()
        self.assertEqual(self.sent, [0, 1, 2, 3])

    def test_twice(self) -> None:
        """
        A kind is kept once.
        """
        self.assertRaises(ValueError, self.keeper.keep, Things())


class LifeTests(KeeperTestCase):
    """
    A life begins with what another process had, and ends without a word.
    """

    def test_begin(self) -> None:
        """
        Everything is restored with its age; what cannot be is removed.
        """
        self.journal.change("thing", "a", b"1")
        self.journal.change("thing", "b", b"bad")
        self.clock.advance(3)
        restored = self.keeper.begin()
        self.assertEqual(self.things.found, {"a": (b"1", 3.0)})
        self.assertEqual(self.things.whole, 1)
        self.assertEqual((restored.entries, restored.failed), ({"thing": 2}, 1))
        self.assertEqual(self.kept, {"a": b"1"})
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)

    def test_end(self) -> None:
        """
        What was put before the end is never sent, nor is what comes later.
        """
        self.keeper.begin()
        self.things.entries["a"] = b"1"
        self.touch("a")
        self.keeper.put(self.sent.append, 1)
        self.keeper.end()
        self.keeper.put(self.sent.append, 2)
        self.touch("a")
        self.turn()
        self.keeper.flush()
        self.assertEqual((self.sent, self.kept), ([], {}))

    def test_endWithinTheSends(self) -> None:
        """
        When something that is sent ends the life, what comes after it is not sent,
        nor is what was told to wait before the end.
        """
        self.mayBeAlone.yes = False
        for each in (lambda: self.sent.append(1), self.keeper.end):
            self.keeper.put(each)
        self.keeper.put(self.sent.append, 2)
        self.turn()
        self.keeper.put(self.sent.append, 3)
        self.keeper.flush()
        self.assertEqual((self.sent, self.journal.waiting), ([], 2))
        self.mayBeAlone.yes = True
        self.journal.look()
        self.assertEqual(self.sent, [1])

    def test_endWhileTheArbiterIsAsked(self) -> None:
        """
        A send for which the arbiter had to be asked, and by whose answer this member
        is primary no more, does not wait for the next time that it is.
        """
        self.mayBeAlone.yes = False
        self.mayBeAlone.asked = self.journal.becameBackup
        self.keeper.put(self.sent.append, 1)
        self.turn()
        self.assertEqual(self.journal.waiting, 0)
        self.mayBeAlone.yes = True
        self.journal.becamePrimary(2)
        self.journal.look()
        self.assertEqual(self.sent, [])

    def test_fenced(self) -> None:
        """
        A member whose time is over changes and sends nothing.
        """
        self.things.entries["a"] = b"1"
        self.touch("a")
        self.keeper.put(self.sent.append, 1)
        self.serving = False
        self.turn()
        self.assertEqual((self.sent, self.kept), ([], {}))

    def test_again(self) -> None:
        """
        The next life takes the place of the one before.
        """
        self.keeper.begin()
        self.things.entries["a"] = b"1"
        self.touch("a")
        self.turn()
        self.keeper.end()
        next = Keeper(self.clock, self.journal)
        things = Things()
        next.keep(things)
        next.begin()
        self.assertEqual(things.entries, {"a": b"1"})
        self.keeper.end()
        self.assertEqual(next.differing(), [])

    def test_differing(self) -> None:
        """
        Who forgets to tell a change is found out; times that run are none.
        """
        self.things.entries["a"] = b"1|10"
        self.touch("a")
        self.turn()
        self.things.entries["a"] = b"1|9"
        self.assertEqual(self.keeper.differing(), [])
        self.things.entries.update(a=b"2|9", b=b"3")
        self.assertEqual(sorted(self.keeper.differing()), ["thing a", "thing b"])


class LifeClockTests(SynchronousTestCase):
    """
    What a life has set going ends with it.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.life = LifeClock(self.clock)
        self.called: list[object] = []

    def test_lives(self) -> None:
        """
        While it lives it is the clock.
        """
        self.life.callLater(1, self.called.append, 1)
        self.clock.callLater(1, self.called.append, 2)
        self.assertEqual(len(self.life.getDelayedCalls()), 1)
        self.clock.advance(1)
        self.assertEqual((self.called, self.life.seconds()), ([1, 2], 1.0))

    def test_over(self) -> None:
        """
        When it is over nothing comes, what is begun later neither; it may all be
        cancelled for a while, and then nothing is left.
        """
        soon = self.life.callLater(1, self.called.append, 1)
        late = self.life.callLater(4000, self.called.append, 2)
        self.clock.callLater(2, self.called.append, "other")
        self.life.end()
        self.life.callLater(0, self.called.append, 3)
        soon.cancel()
        self.clock.advance(2)
        self.assertEqual(self.called, ["other"])
        self.assertTrue(late.active())
        self.clock.advance(GRACE)
        self.assertEqual(self.clock.getDelayedCalls(), [])
