"""
Tests for C{sipcluster.ha.journal}: save, then send.
"""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from sipcluster.ha.ireplica import (
    EntryTooLong,
    IAlone,
    IOwner,
    IReplica,
    JournalFull,
)
from sipcluster.ha.journal import COMPLAINTS, Limits
from sipcluster.ha.wire import ENTRY_LIMIT
from sipcluster.testing.clock import runFor
from tests.unit.ha.members import Member, Things, connect

LIMITS = Limits(waiting=3, patience=0.4, keepAlive=0.0, quiet=0.2)


class JournalTests(SynchronousTestCase):
    """
    What may leave, and when.
    """

    def setUp(self) -> None:
        """
        A is primary; there is no link.
        """
        self.clock = Clock()
        self.a = Member(self.clock, "a", LIMITS, may=False)
        self.b = Member(self.clock, "b", LIMITS)
        self.a.journal.becamePrimary(1)
        self.sent: list[str] = []

    def tell(self, *words: str) -> None:
        """
        Send something when it may.
        """
        for word in words:
            self.a.journal.then(lambda word=word: self.sent.append(word))  # type: ignore[misc]  # no type of a default

    def test_seams(self) -> None:
        """
        The journal is a replica; what the tests give it is what it asks for.
        """
        self.assertTrue(verifyObject(IReplica, self.a.journal))
        self.assertTrue(verifyObject(IOwner, self.a.things))
        self.assertTrue(verifyObject(IAlone, self.a.alone))

    def test_waitsForTheOtherMember(self) -> None:
        """
        What is said of a change leaves when the other member has it, in order; what
        needs nothing new leaves at once.
        """
        connect(self.clock, self.a, self.b, delay=0.01)
        runFor(self.clock, 0.1)
        self.tell("nothing new")
        self.assertEqual(self.sent, ["nothing new"])
        self.a.change("k", b"1")
        self.tell("first", "second")
        self.clock.advance(0)
        self.clock.advance(0.01)
        self.assertEqual(self.b.all, {("call", "k"): b"1"})
        self.assertEqual(self.sent, ["nothing new"])
        self.clock.advance(0.01)
        self.assertEqual(self.sent, ["nothing new", "first", "second"])
        self.assertEqual(self.a.journal.saved, 1)

    def test_alone(self) -> None:
        """
        Without a link the role decides: nothing leaves while it does not allow it,
        and all in order when it does.
        """
        self.a.change("k", b"1")
        self.tell("first", "second")
        self.assertEqual(self.sent, [])
        self.assertEqual(self.a.journal.waiting, 2)
        self.a.alone.may = True
        self.a.journal.look()
        self.tell("third")
        self.assertEqual(self.sent, ["first", "second", "third"])
        self.assertEqual(self.a.journal.counts["alone"], 3)

    def test_linkGoesWhileSomethingWaits(self) -> None:
        """
        A link that ends sets free what waits for it, if the role allows it; else it
        waits for the next link.
        """
        wire = connect(self.clock, self.a, self.b, delay=0.01)
        runFor(self.clock, 0.1)
        self.a.change("k", b"1")
        self.tell("first")
        wire.reset()
        runFor(self.clock, 0.1)
        self.assertEqual(self.sent, [])
        wire = connect(self.clock, self.a, self.b, delay=0.01)
        runFor(self.clock, 0.1)
        self.assertEqual(self.sent, ["first"])
        self.a.alone.may = True
        self.a.change("k", b"2")
        self.tell("second")
        self.assertEqual(self.sent, ["first"])
        wire.reset()
        runFor(self.clock, 0.1)
        self.assertEqual(self.sent, ["first", "second"])

    def test_full(self) -> None:
        """
        No more sends wait than are allowed; one more is refused, and those before it
        are kept.
        """
        self.a.change("k", b"1")
        self.tell("1", "2", "3")
        self.assertRaises(JournalFull, self.tell, "4")
        self.a.alone.may = True
        self.a.journal.look()
        self.assertEqual(self.sent, ["1", "2", "3"])

    def test_fullWithALink(self) -> None:
        """
        With a link the one more cuts it: a member that lags so far behind is none;
        then the role decides.
        """
        connect(self.clock, self.a, self.b, delay=0.01)
        runFor(self.clock, 0.1)
        self.a.alone.may = True
        self.a.change("k", b"1")
        self.tell("1", "2", "3", "4")
        self.assertEqual(self.sent, ["1", "2", "3", "4"])
        self.assertFalse(self.a.journal.inSync)
        self.assertEqual(self.a.journal.counts["too_slow"], 1)

    def test_impatient(self) -> None:
        """
        A link on which nothing is acknowledged for too long is cut.
        """
        wire = connect(self.clock, self.a, self.b)
        runFor(self.clock, 0.1)
        self.a.alone.may = True
        wire.silence()
        self.a.change("k", b"1")
        self.tell("first")
        runFor(self.clock, 0.39)
        self.assertEqual(self.sent, [])
        runFor(self.clock, 0.02)
        self.assertEqual(self.sent, ["first"])
        self.assertEqual(self.a.journal.counts["impatient"], 1)

    def test_patienceIsPerSend(self) -> None:
        """
        A link that goes on acknowledging is never cut, however long.
        """
        connect(self.clock, self.a, self.b, delay=0.05)
        runFor(self.clock, 0.3)
        for number in range(40):
            self.a.change("k", b"%d" % number)
            self.tell(str(number))
            runFor(self.clock, 0.04)
        runFor(self.clock, 0.2)
        self.assertEqual(self.sent, [str(number) for number in range(40)])
        self.assertEqual(self.a.journal.counts["impatient"], 0)

    def test_nothingOfABackup(self) -> None:
        """
        What waits when the role is lost is never sent; a change and a send after
        that do nothing, and are counted.
        """
        self.a.change("k", b"1")
        self.tell("first")
        self.a.journal.becameBackup()
        self.a.alone.may = True
        self.a.journal.look()
        self.assertEqual(self.a.journal.change("call", "k", b"2"), 0)
        for _ in range(COMPLAINTS + 1):
            self.tell("second")
        self.assertEqual(self.sent, [])
        self.assertEqual(self.a.all, {("call", "k"): b"1"})
        self.assertEqual(self.a.journal.counts["dropped"], 1)
        self.assertEqual(self.a.journal.counts["fenced"], COMPLAINTS + 2)

    def test_woken(self) -> None:
        """
        A member whose lease ran out while it was frozen sends nothing, whatever
        reaches it first when it wakes: an acknowledgement, a request, permission to
        serve alone.
        """
        lease = [True]
        self.a.journal._serving = lambda: lease[0]
        connect(self.clock, self.a, self.b, delay=0.01)
        runFor(self.clock, 0.1)
        self.a.change("k", b"1")
        self.tell("first")
        lease[0] = False
        runFor(self.clock, 0.1)
        self.assertEqual(self.a.journal.saved, 1)
        self.assertEqual(self.a.journal.change("call", "k", b"2"), 0)
        self.tell("second")
        self.a.alone.may = True
        runFor(self.clock, 1.0)
        self.a.journal.look()
        self.a.journal.becameBackup()
        self.assertEqual(self.sent, [])
        self.assertEqual(self.b.all, {("call", "k"): b"1"})

    def test_oldEpochIsNotServed(self) -> None:
        """
        A member that has heard of a newer epoch does not become primary in an older
        one.
        """
        self.assertFalse(self.a.journal.becamePrimary(1))
        self.a.journal.becameBackup()
        self.assertFalse(self.a.journal.becamePrimary(1))
        self.assertFalse(self.a.journal.primary)
        self.assertTrue(self.a.journal.becamePrimary(2))
        self.assertEqual(self.a.journal.counts["staleGrants"], 2)

    def test_sendsThatSend(self) -> None:
        """
        What is sent may change and send; order is kept, and an error in one stops
        no other.
        """
        self.a.alone.may = True

        def first() -> None:
            self.tell("inner")
            self.sent.append("outer")
            raise RuntimeError("on purpose")

        self.a.journal.then(first)
        self.tell("last")
        self.assertEqual(self.sent, ["outer", "inner", "last"])
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)

    def test_entriesTooLong(self) -> None:
        """
        An entry that no frame can carry, or that has no proper name, is refused,
        and nothing is changed.
        """
        journal = self.a.journal
        self.assertRaises(EntryTooLong, journal.change, "call", "k", bytes(ENTRY_LIMIT))
        self.assertRaises(ValueError, journal.change, "", "k", b"")
        self.assertRaises(ValueError, journal.change, "a\0b", "k", b"")
        self.assertRaises(ValueError, journal.change, "call", "\ud800", b"")
        self.assertEqual((journal.position, self.a.all), (0, {}))
        self.assertEqual(journal.change("call", "k", None), 0)

    def test_longestEntryIsCarried(self) -> None:
        """
        The longest entry that is taken fits into a frame.
        """
        connect(self.clock, self.a, self.b)
        value = bytes(ENTRY_LIMIT - 8 - len("callk"))
        self.a.change("k", value)
        runFor(self.clock, 0.1)
        self.assertEqual(self.b.all, {("call", "k"): value})


class OwnerTests(SynchronousTestCase):
    """
    One more kind is one more owner.
    """

    def setUp(self) -> None:
        """
        A is primary, with B.
        """
        self.clock = Clock()
        self.a, self.b = (Member(self.clock, name, LIMITS) for name in "ab")
        self.a.journal.becamePrimary(1)
        connect(self.clock, self.a, self.b)
        runFor(self.clock, 0.1)

    def test_snapshotOfANewOwner(self) -> None:
        """
        What an owner has when it is registered at the primary is replicated, and
        what it has changed without a word when it is asked again.
        """
        agents = Things("agent")
        agents.live = {"1": b"ready", "2": b"ready"}
        self.a.journal.register(agents)
        self.assertRaises(ValueError, self.a.journal.register, agents)
        runFor(self.clock, 0.1)
        # It has no owner for them yet; they are kept all the same.
        self.assertEqual(self.b.journal.snapshot("agent"), agents.live)
        agents.live = {"1": b"ready", "3": b"ready"}
        self.a.journal.rebase()
        runFor(self.clock, 0.1)
        self.assertEqual(self.b.journal.snapshot("agent"), agents.live)
        self.assertEqual(self.a.journal.position, 4)

    def test_lateOwnerOfABackup(self) -> None:
        """
        An owner that comes late to a backup gets what there is, and how old it is.
        """
        self.a.journal.change("agent", "1", b"ready")
        runFor(self.clock, 2.0)
        agents = Things("agent")
        self.b.journal.register(agents)
        ((key, value, age),) = agents.told
        self.assertEqual((key, value), ("1", b"ready"))
        self.assertAlmostEqual(age, 2.0, places=2)

    def test_ageGoesWithASnapshot(self) -> None:
        """
        How old an entry is goes along, so that what is left of a time can be known,
        whatever way it took.
        """
        self.a.change("k", b"30 s left")
        runFor(self.clock, 5.0)
        fresh = Member(self.clock, "b", LIMITS)
        connect(self.clock, self.a, fresh)
        runFor(self.clock, 0.1)
        ((_, _, age),) = fresh.things.told
        self.assertAlmostEqual(age, 5.0, places=2)

    def test_brokenOwner(self) -> None:
        """
        An owner that cannot take an entry is a logged error; the entry is kept, and
        acknowledged.
        """
        self.b.things.apply = lambda key, value, age: 1 / 0  # type: ignore[assignment,method-assign]  # breaks it
        self.a.change("k", b"1")
        sent: list[int] = []
        self.a.journal.then(lambda: sent.append(1))
        runFor(self.clock, 0.1)
        self.assertEqual((sent, self.b.all), ([1], {("call", "k"): b"1"}))
        self.assertEqual(self.b.journal.counts["brokenOwners"], 1)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
