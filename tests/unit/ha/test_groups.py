"""
Tests for what belongs together on the HA link: a turn of the primary is on the backup
all together, or not at all.  C{sipcluster.ha.sending}, C{receiving}.
"""

from __future__ import annotations

from typing import Any

from sipcluster.ha.journal import Limits
from sipcluster.ha.wire import (
    Ack,
    Begin,
    Change,
    Changes,
    Check,
    Complete,
    Hello,
    Message,
    Refusal,
    Refuse,
    State,
    Want,
)
from sipcluster.testing.wire import Wire
from tests.unit.ha.members import Member, connect
from tests.unit.ha.test_stream import LIMITS, PairCase, Peer

#: What a member holds, by key.
Held = dict[str, bytes]


def call(number: int, key: str = "1", value: bytes | None = b"x") -> Change:
    """
    A change at a position.
    """
    return Change("call", key, value, number, 0)


class GroupTests(PairCase):
    """
    Two members, and turns with more changes than one message has room for.
    """

    def setUp(self) -> None:
        """
        Both hold the same.
        """
        super().setUp()
        self.turn("before", 3)
        self.wire: Wire = connect(self.clock, self.a, self.b)
        self.run_()
        self.before = self.held()

    def turn(self, value: str, count: int) -> None:
        """
        Entries are changed in one turn.
        """
        for number in range(count):
            self.a.change(f"{number}", value.encode() + b"." * 50)

    def held(self) -> Held:
        """
        What B holds.
        """
        return {key: value for (_, key), value in self.b.all.items()}

    def seen(self, seconds: float = 0.1) -> list[Held]:
        """
        Time passes; what B holds meanwhile, one after the other.
        """
        found = [self.held()]
        for _ in range(round(seconds * 10_000)):
            self.clock.advance(0.0001)
            if self.held() != found[-1]:
                found.append(self.held())
            self.assertTrue(self.b.journal.whole)
        return found

    def untilAside(self) -> None:
        """
        Time passes until B keeps something aside.
        """
        for _ in range(1000):
            self.clock.advance(0.0001)
            if self.aside():
                return
        self.fail("nothing is kept aside")

    def aside(self) -> bool:
        """
        Whether B keeps something aside.
        """
        link: Any = self.b.journal._link
        return link is not None and link.receiver.group is not None

    def test_turnOfManyMessages(self) -> None:
        """
        A turn that takes many messages, and more than may be on their way at once,
        is seen as a whole; what waits for it leaves then.
        """
        done: list[Held] = []
        self.turn("after", 50)
        self.a.journal.then(lambda: done.append(self.held()))
        seen = self.seen()
        self.assertEqual(len(seen), 2)
        self.assertEqual(seen[0], self.before)
        self.assertEqual(len(seen[1]), 50)
        self.assertEqual(done, seen[1:])
        self.assertSame(50)

    def test_turnsOneAfterTheOther(self) -> None:
        """
        What changes while a group is being sent goes into the next one, once: B has
        seen the first turn and the last one, and nothing in between.
        """
        self.turn("first", 30)
        self.untilAside()
        for number in range(5):
            self.turn(f"{number}", 30)
            self.a.change("29", None)
        seen = self.seen()
        self.assertEqual(seen[0], self.before)
        self.assertEqual({value[:5] for value in seen[1].values()}, {b"first"})
        self.assertEqual({value[:1] for value in seen[2].values()}, {b"4"})
        self.assertEqual(len(seen), 3)
        self.assertSame(29)

    def test_cutInTheMiddle(self) -> None:
        """
        A link that is lost in the middle of a group leaves what was there before,
        with which B could take over; what was missed comes as one group.
        """
        self.turn("after", 30)
        self.untilAside()
        self.wire.reset()
        self.assertEqual(self.seen(), [self.before])
        connect(self.clock, self.a, self.b)
        self.untilAside()
        self.assertEqual(len(self.seen()), 2)
        self.assertSame(30)
        self.assertEqual(self.b.journal.counts["snapshotsTaken"], 1)
        self.assertEqual(self.a.journal.counts["resumed"], 1)

    def test_promotedInTheMiddle(self) -> None:
        """
        Who becomes primary in the middle of a group goes on with what was there
        before; the old primary is told so, with a snapshot.
        """
        self.turn("after", 30)
        self.untilAside()
        self.b.journal.becamePrimary(2)
        self.assertFalse(self.aside())
        self.assertEqual(self.seen(), [self.before])
        self.assertSame(3)
        self.assertEqual(self.a.fencedBy, [2])

    def test_promotedBeforeAllWasThere(self) -> None:
        """
        Who was away, had begun to learn what it missed, and then became primary,
        does not take for its own what it never had.
        """
        self.wire.reset()
        self.run_()
        self.turn("epoch 1", 30)
        held = self.a.journal.position
        self.a.journal.becameBackup()
        self.a.journal.becamePrimary(2)
        wire = connect(self.clock, self.a, self.b)
        self.untilAside()
        wire.reset()
        self.assertTrue(self.b.journal.whole)
        self.b.journal.becamePrimary(3)
        self.assertFalse(self.b.journal.replica.reaches(1, held))
        self.assertTrue(self.b.journal.replica.reaches(1, 3))
        connect(self.clock, self.a, self.b)
        self.run_()
        self.assertSame(3)

    def test_smallTurn(self) -> None:
        """
        A turn that one message has room for is that message, and nothing is put
        down for later.
        """
        link: Any = self.a.journal._link
        sent: list[object] = []
        link.sender.write = sent.append
        self.turn("after", 2)
        self.clock.advance(0)
        self.assertEqual(len(sent), 1)
        self.assertFalse(link.sender.rest or link.sender.parts)

    def test_removalsForgottenInTheMiddle(self) -> None:
        """
        Removals that are forgotten while their group is sent are in it all the same;
        those that came later begin a snapshot, and what was kept aside is dropped.
        """
        limits = Limits(tombstones=3, chunk=100, window=200, keepAlive=0.0)
        self.a, self.b = (Member(self.clock, name, limits) for name in "ab")
        self.a.journal.becamePrimary(1)
        self.turn("before", 40)
        connect(self.clock, self.a, self.b)
        self.run_()
        self.turn("after", 30)
        for number in range(37, 40):
            self.a.change(f"{number}", None)
        self.untilAside()
        # Now those of the group are forgotten, and these take their place.
        for number in range(34, 37):
            self.a.change(f"{number}", None)
        self.run_()
        self.assertSame(34)
        self.assertEqual(self.a.journal.counts["outrun"], 0)
        self.turn("again", 30)
        self.untilAside()
        for number in range(30, 34):
            self.a.change(f"{number}", None)
        self.run_()
        self.assertSame(30)
        self.assertEqual(self.a.journal.counts["outrun"], 1)
        self.assertEqual(self.b.journal.counts["gaps"], 0)

    def test_largerThanMayBeKeptAside(self) -> None:
        """
        More than may be kept aside is not sent as a group, but as a snapshot.
        """
        limits = Limits(chunk=200, window=600, turn=400, aside=2000, keepAlive=0.0)
        self.a, self.b = (Member(self.clock, name, limits) for name in "ab")
        self.a.journal.becamePrimary(1)
        connect(self.clock, self.a, self.b)
        self.run_()
        self.turn("after", 18)
        self.run_()
        self.assertEqual(self.a.journal.counts["outrun"], 0)
        self.turn("again", 30)
        self.run_()
        self.assertSame(30)
        self.assertEqual(self.a.journal.counts["outrun"], 1)
        self.assertEqual(self.b.journal.counts["too_much"], 0)
        self.assertTrue(self.a.journal.inSync)


class BackupTests(PairCase):
    """
    A backup whose primary is scripted.
    """

    HELLO = Hello(1, 1, "lab", "node1", "b")

    def setUp(self) -> None:
        """
        It has had all that there was, up to position 7.
        """
        super().setUp()
        limits = Limits(keepAlive=0.0, aside=1000)
        self.a = Member(self.clock, "a", limits)
        self.peer = self.greeted(Begin(4, 1, 1, 0, 7, [(3, 2)], 1))
        self.say(Changes(1, 0, 7, [call(7)]), Complete(1, 7))
        self.assertEqual(self.peer.got[-1], Ack(1, 7, 1))
        self.peer.got.clear()

    def greeted(self, *messages: Message) -> Peer:
        """
        There is a primary.
        """
        peer = Peer(self.clock, self.a)
        peer.send(self.HELLO, State(1, 4, 4, 7), *messages)
        self.run_(0.01)
        return peer

    def say(self, *messages: Message) -> None:
        """
        The primary says something.
        """
        self.peer.send(*messages)
        self.run_(0.01)

    def assertHeld(self, position: int, *keys: str) -> None:
        """
        It holds these entries, up to a position.
        """
        self.assertEqual({key for _, key in self.a.all}, {*keys})
        self.assertEqual(self.a.journal.position, position)

    def test_keptAside(self) -> None:
        """
        What belongs together is acknowledged as received when it comes, and as held
        when its end is there; the next group is another one.
        """
        self.say(Changes(1, 7, 8, [call(8, "2")], 1))
        self.say(Changes(1, 8, 9, [], 1))
        self.assertHeld(7, "1")
        self.assertEqual(self.peer.got, [Ack(1, 7, 1, 8), Ack(1, 7, 1, 9)])
        self.peer.got.clear()
        self.say(
            Changes(1, 9, 11, [call(10, "3")]), Changes(1, 11, 12, [call(12, "4")], 1)
        )
        self.assertHeld(11, "1", "2", "3")
        self.say(Changes(1, 12, 13, []))
        self.assertHeld(13, "1", "2", "3", "4")
        self.assertEqual(self.peer.got, [Ack(1, 11, 1, 12), Ack(1, 13, 1)])

    def test_age(self) -> None:
        """
        How long something was kept aside belongs to its age.
        """
        self.say(Changes(1, 7, 8, [call(8, "2")], 1))
        self.run_(5.0)
        self.say(Changes(1, 8, 9, [call(9, "3")]))
        ages = {key: age for key, _, age in self.a.journal.replica.aged("call")}
        self.assertAlmostEqual(ages["2"] - ages["3"], 5.01, places=2)

    def test_tombstones(self) -> None:
        """
        What a group changes and removes is told to who owns it, when it is all there.
        """
        self.a.things.told.clear()
        self.say(Changes(1, 7, 8, [call(8, "1", None)], 1))
        self.assertEqual(self.a.things.told, [])
        self.say(Changes(1, 8, 9, [call(9, "9", None)]))
        self.assertEqual([one[:2] for one in self.a.things.told], [("1", None)])
        self.assertHeld(9)

    def test_gap(self) -> None:
        """
        What does not follow on what is kept aside, and what cannot be in the middle
        of a group, are gaps: nothing of the group is held.
        """
        cases: list[Message] = [
            Changes(1, 7, 9, [call(9, "3")]),
            Changes(1, 9, 10, [], 1),
            Complete(1, 8),
            Complete(1, 7),
            Check(1, 8, 2, 0),
            Check(1, 7, 1, 0),
        ]
        for number, wrong in enumerate(cases):
            self.setUp()
            self.say(Changes(1, 7, 8, [call(8, "2")], 1), wrong, Changes(1, 8, 9, []))
            self.assertEqual(self.peer.got, [Want(4, 0, 0)], number)
            self.assertHeld(7, "1")
            self.assertEqual(self.a.journal.counts["gaps"], 1)

    def test_beginInTheMiddle(self) -> None:
        """
        A stream that begins in the middle of a group goes on where the backup is, and
        that is before the group.
        """
        self.say(Changes(1, 7, 8, [call(8, "2")], 1), Begin(4, 2, 0, 7, 0, [], 1))
        self.say(Changes(2, 7, 9, [call(9, "3")]), Changes(1, 8, 9, []))
        self.assertHeld(9, "1", "3")
        self.assertTrue(self.a.journal.whole)
        self.assertEqual(self.a.journal.counts["staleChanges"], 1)
        self.say(Changes(2, 9, 10, [call(10, "4")], 1), Begin(4, 3, 1, 0, 9, [], 1))
        self.assertFalse(self.a.journal.whole)
        self.say(Changes(3, 0, 12, [call(12, "5")]), Complete(3, 12))
        self.assertHeld(12, "5")

    def test_ended(self) -> None:
        """
        When the other member is primary no more, or the link ends, what was kept
        aside is dropped.
        """
        self.say(Changes(1, 7, 8, [call(8, "2")], 1), State(0, 4, 4, 8))
        self.say(Changes(1, 8, 9, []), State(1, 4, 4, 8))
        self.assertHeld(7, "1")
        self.assertEqual(self.peer.got[-1], Want(4, 4, 7))
        self.say(Begin(4, 2, 0, 7, 0, [], 1), Changes(2, 7, 8, [call(8, "2")], 1))
        self.peer.wire.near.loseConnection()
        self.run_(0.01)
        self.assertTrue(self.a.journal.whole)
        self.peer = self.greeted()
        self.assertEqual(self.peer.got[-1], Want(4, 4, 7))

    def test_tooMuch(self) -> None:
        """
        More than may be kept aside cuts the link, with a number; what is asked for
        then is a snapshot, and after it what was missed again.
        """
        self.say(*(Changes(1, at, at + 1, [call(at + 1)], 1) for at in range(7, 40)))
        self.assertEqual(
            self.peer.got[-1],
            Refuse(Refusal.TOO_MUCH, "1026 bytes that belong together, up to 34"),
        )
        self.assertEqual(self.a.journal.counts["too_much"], 1)
        self.assertEqual(Refusal.TOO_MUCH.number, "00-53113")
        self.assertHeld(7, "1")
        self.assertTrue(self.a.journal.whole)
        self.peer = self.greeted()
        self.assertEqual(self.peer.got[-1], Want(4, 0, 0))
        self.say(Begin(4, 1, 1, 0, 7, [], 1), Complete(1, 0))
        self.peer.wire.near.loseConnection()
        self.run_(0.01)
        self.assertEqual(self.greeted().got[-1], Want(4, 4, 0))

    def test_primaryWithoutGroups(self) -> None:
        """
        Of a primary that knows no groups each message is taken by itself, and what is
        held is not whole before all is there.
        """
        self.say(Begin(4, 2, 0, 7, 0, []), Changes(2, 7, 8, [call(8, "2")]))
        self.assertHeld(8, "1", "2")
        self.assertFalse(self.a.journal.whole)
        self.say(Complete(2, 8))
        self.assertTrue(self.a.journal.whole)


class OlderBackupTests(PairCase):
    """
    A primary whose backup knows no groups.
    """

    def test_acknowledgesInPieces(self) -> None:
        """
        It makes room by what it acknowledges in the middle of a group, but nothing
        that waits leaves before it has all.
        """
        limits = Limits(chunk=100, window=300, keepAlive=0.0)
        self.a = Member(self.clock, "a", limits)
        self.a.journal.becamePrimary(1)
        peer = Peer(self.clock, self.a)
        peer.send(Hello(1, 1, "lab", "node1", "b"), State(0, 1, 0, 0), Want(1, 0, 0))
        self.run_(0.01)
        peer.send(Ack(1, 0, 1))
        self.run_(0.01)
        self.assertTrue(self.a.journal.inSync)
        done: list[str] = []
        self.a.change("0", bytes(60))
        # What was changed before it may be told at the end of the group only.
        self.a.journal.then(lambda: done.append("early"))
        for number in range(1, 4):
            self.a.change(f"{number}", bytes(60))
        self.a.journal.then(lambda: done.append("first"))
        self.run_(0.01)
        # What comes meanwhile is another group.
        self.a.change("4", b"")
        self.a.journal.then(lambda: done.append("second"))
        for position in range(1, 6):
            self.assertEqual(done, ["early", "first"] if position > 4 else [])
            peer.send(Ack(1, position, 1))
            self.run_(0.01)
        self.assertEqual(done, ["early", "first", "second"])
        marks = [(one.upTo, one.more) for one in peer.got if isinstance(one, Changes)]
        self.assertEqual(marks, [(1, 1), (2, 1), (3, 1), (4, 0), (5, 0)])

    def test_receivedWhatWasNeverSent(self) -> None:
        """
        Who has received what was never sent is cut off.
        """
        self.a = Member(self.clock, "a", LIMITS)
        self.a.journal.becamePrimary(1)
        peer = Peer(self.clock, self.a)
        peer.send(Hello(1, 1, "lab", "node1", "b"), Want(1, 0, 0), Ack(1, 0, 1, 1))
        self.run_(0.01)
        self.assertEqual(self.a.journal.counts["malformed"], 1)
