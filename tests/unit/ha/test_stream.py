"""
Tests for the connections and streams of the HA link: who is there, what is sent again,
what is refused.  C{sipcluster.ha.link}, C{sending}, C{receiving}.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from sipcluster.ha import link, receiving, sending
from sipcluster.ha.journal import Limits
from sipcluster.ha.lease import EPOCH_LEAP
from sipcluster.ha.wire import (
    Ack,
    Ask,
    Begin,
    Change,
    Changes,
    Complete,
    Hello,
    Message,
    Poll,
    PollAnswer,
    Refusal,
    Refuse,
    State,
    Want,
    decode,
    encode,
)
from sipcluster.net.ha_link import HALinkProtocol
from sipcluster.testing.clock import runFor
from sipcluster.testing.machines import inputs, unanswered
from sipcluster.testing.wire import Wire
from sipcluster.wire.frames import FrameReader
from tests.unit.ha.members import Member, connect

LIMITS = Limits(keepAlive=0.2, quiet=0.2, startUp=0.5, chunk=200, window=600, turn=400)


class Peer:
    """
    A scripted other side.
    """

    def __init__(self, clock: Clock, member: Member) -> None:
        self.wire = Wire(clock)
        self._reader = FrameReader(1 << 20)
        self.got: list[Message] = []
        self.lost = False
        self.wire.near.receiver = self
        protocol = HALinkProtocol(member.links, "192.0.2.1:49152", "")
        self.wire.far.receiver = protocol
        protocol.makeConnection(self.wire.far)

    def dataReceived(self, data: bytes) -> None:
        self._reader.receive(data)
        while (payload := self._reader.nextFrame()) is not None:
            self.got.append(decode(payload))

    def connectionLost(self, reason: object) -> None:
        self.lost = True

    def send(self, *messages: Message) -> None:
        self.wire.near.write(b"".join(map(encode, messages)))


class PairCase(SynchronousTestCase):
    """
    A is primary in epoch 1.
    """

    def setUp(self) -> None:
        """
        Two members, no link.
        """
        self.clock = Clock()
        self.a, self.b = (Member(self.clock, name, LIMITS) for name in "ab")
        self.a.journal.becamePrimary(1)

    def run_(self, seconds: float = 0.1) -> None:
        """
        Time passes.
        """
        runFor(self.clock, seconds)

    def assertSame(self, count: int) -> None:
        """
        Both hold the same.
        """
        self.assertEqual(self.a.all, self.b.all)
        self.assertEqual(len(self.a.all), count)
        self.assertEqual(self.a.things.live, self.b.things.live)


class StreamTests(PairCase):
    """
    Snapshots, changes, gaps, checksums.
    """

    def test_machines(self) -> None:
        """
        Whatever happens has a line in every state.
        """
        for machine in (
            sending._senderMachine,
            receiving._receiverMachine,
            link._machine,
        ):
            self.assertEqual(unanswered(machine, inputs(machine)), set())

    def test_snapshotWhileChangesGoOn(self) -> None:
        """
        A snapshot comes in pieces; what is changed, added and removed meanwhile is
        as it is at the end.
        """
        for number in range(100):
            self.a.change(f"{number}", b"x" * 50)
        connect(self.clock, self.a, self.b)
        number = 0
        while not self.a.journal.inSync:
            self.clock.advance(0.001)
            number += 1
            self.a.change(f"{number % 100}", b"y" * 50)
            self.a.change(f"{(number * 37) % 100}", None)
            self.a.change(f"new {number}", b"z")
        self.assertGreater(number, 15)
        self.run_()
        self.assertSame(len(self.a.things.live))
        self.assertEqual(self.a.journal.counts["snapshotsSent"], 1)

    def test_snapshotCutInTheMiddle(self) -> None:
        """
        A snapshot that is cut is begun again; what the backup had before is there
        until the next one is complete, and what is not in that one goes then.
        """
        self.a.change("old", b"1")
        connect(self.clock, self.a, self.b)
        self.run_()
        fresh = Member(self.clock, "a", LIMITS)
        fresh.journal.becamePrimary(2)
        for number in range(30):
            fresh.change(f"{number}", b"x" * 50)
        self.a.journal.stop()
        self.a = fresh
        wire = connect(self.clock, self.a, self.b)
        while len(self.b.all) < 10:
            self.clock.advance(0.001)
        wire.reset()
        self.run_()
        self.assertFalse(self.b.journal.whole)
        self.assertIn(("call", "old"), self.b.all)
        connect(self.clock, self.a, self.b)
        self.run_()
        self.assertTrue(self.b.journal.whole)
        self.assertSame(30)

    def test_changesOnlyAfterAShortAbsence(self) -> None:
        """
        Who was away gets what was changed, and learns what was removed; no snapshot.
        """
        for number in range(20):
            self.a.change(f"{number}", b"1")
        wire = connect(self.clock, self.a, self.b)
        self.run_()
        wire.reset()
        self.run_()
        self.a.change("3", None)
        self.a.change("4", b"2")
        self.a.change("4", b"3")
        connect(self.clock, self.a, self.b)
        self.run_()
        self.assertSame(19)
        self.assertEqual(self.a.journal.counts["resumed"], 1)
        self.assertEqual(self.b.journal.counts["snapshotsTaken"], 1)

    def test_snapshotAfterALongAbsence(self) -> None:
        """
        Who was away for longer than removals are remembered gets a snapshot, and
        nothing removed comes back.
        """
        limits = Limits(lifetime=10.0, keepAlive=0.0)
        self.a, self.b = (Member(self.clock, name, limits) for name in "ab")
        self.a.journal.becamePrimary(1)
        self.a.change("1", b"1")
        self.a.change("2", b"1")
        wire = connect(self.clock, self.a, self.b)
        self.run_()
        wire.reset()
        self.run_()
        self.a.change("1", None)
        self.run_(11.0)
        self.a.change("2", None)
        self.a.change("3", b"1")
        connect(self.clock, self.a, self.b)
        self.run_()
        self.assertSame(1)
        self.assertEqual(self.b.journal.counts["snapshotsTaken"], 2)

    def test_switchover(self) -> None:
        """
        The roles change on a link that stays; the new primary's changes reach the
        old one without a snapshot.
        """
        self.a.change("1", b"1")
        connect(self.clock, self.a, self.b)
        self.run_()
        self.a.journal.becameBackup()
        self.b.journal.becamePrimary(2)
        self.b.change("2", b"2")
        self.run_()
        self.assertSame(2)
        self.assertTrue(self.b.journal.inSync)
        self.assertEqual(self.b.journal.counts["resumed"], 1)

    def test_whatNobodyGotIsTakenBack(self) -> None:
        """
        What an old primary changed and the new one never got is undone when it
        comes back.
        """
        self.a.change("1", b"1")
        wire = connect(self.clock, self.a, self.b)
        self.run_()
        wire.reset()
        self.a.change("1", b"lost")
        self.a.change("2", b"lost")
        self.b.journal.becamePrimary(2)
        self.b.change("3", b"new")
        connect(self.clock, self.a, self.b)
        self.run_()
        self.assertFalse(self.a.journal.primary)
        self.assertEqual(self.a.fencedBy, [2])
        self.assertSame(2)
        self.assertEqual(self.b.journal.counts["snapshotsSent"], 1)

    def test_mismatch(self) -> None:
        """
        Members that hold different entries find out when it is quiet; the backup
        says so loudly and gets a snapshot.
        """
        self.a.change("1", b"1")
        connect(self.clock, self.a, self.b)
        self.run_()
        self.b.journal.replica.put("call", "1", b"broken")
        self.b.journal.replica.position -= 1
        self.run_(0.5)
        self.assertSame(1)
        self.assertEqual(self.b.journal.counts["mismatches"], 1)
        self.assertEqual(self.b.journal.counts["snapshotsTaken"], 2)

    def test_changedAgainBeforeItWasSent(self) -> None:
        """
        An entry that has changed again before it was sent is sent once, later; what
        waits for its first change waits for that, and not for what was changed in
        between.
        """
        limits = Limits(chunk=1, window=1, keepAlive=0.0)
        self.a, self.b = (Member(self.clock, name, limits) for name in "ab")
        self.a.journal.becamePrimary(1)
        connect(self.clock, self.a, self.b)
        self.run_()
        seen: list[dict[tuple[str, str], bytes]] = []
        self.a.change("0", b"0")
        self.clock.advance(0)
        for which in ("k", "x", "y"):
            self.a.change(which, b"1")
        self.a.journal.then(lambda: seen.append(self.b.all))
        # While the first is on its way, and then while the next is.
        self.a.change("x", b"2")
        self.clock.advance(0.002)
        self.a.change("y", b"2")
        self.a.change("z", b"1")
        self.a.change("z", b"2")
        self.run_()
        ((at, *_),) = [seen]
        self.assertIn(("call", "k"), at)
        self.assertIn(at.get(("call", "x")), (b"1", b"2"))
        self.assertIn(at.get(("call", "y")), (b"1", b"2"))
        self.assertSame(5)
        self.assertEqual(self.a.journal.waiting, 0)

    def test_removalsForgottenOnTheWay(self) -> None:
        """
        When more is removed than is remembered while a backup catches up, the
        snapshot is begun again; nothing removed stays.
        """
        limits = Limits(tombstones=2, chunk=200, window=600, keepAlive=0.0)
        self.a, self.b = (Member(self.clock, name, limits) for name in "ab")
        self.a.journal.becamePrimary(1)
        for number in range(60):
            self.a.change(f"{number}", b"x" * 50)
        connect(self.clock, self.a, self.b)
        while len(self.b.all) < 15:
            self.clock.advance(0.001)
        for number in range(10):
            self.a.change(f"{number}", None)
        self.run_()
        self.assertSame(50)
        self.assertEqual(self.a.journal.counts["outrun"], 1)
        for number in range(10, 20):
            self.a.change(f"{number}", None)
        self.run_()
        self.assertSame(40)
        self.assertEqual(self.a.journal.counts["outrun"], 2)
        self.assertEqual(self.b.journal.counts["mismatches"], 0)

    def test_entriesThatChangeOften(self) -> None:
        """
        What is kept grows with the entries, not with their changes.
        """
        for number in range(5000):
            self.a.change(f"{number % 3}", b"%d" % number)
        self.assertLess(len(self.a.journal.replica._log), 1100)
        connect(self.clock, self.a, self.b)
        self.run_()
        self.assertSame(3)

    def test_quietLinkOnlyPolls(self) -> None:
        """
        When all is compared, nothing is left to do but the keep-alive.
        """
        self.a.change("1", b"1")
        connect(self.clock, self.a, self.b)
        self.run_(1.0)
        self.assertLessEqual(len(self.clock.getDelayedCalls()), 3)
        self.assertTrue(self.a.journal.inSync)


class LinkTests(PairCase):
    """
    Start-up, refusals, bad input.
    """

    HELLO = Hello(1, 1, "lab", "node1", "b")

    def greeted(self, **other: Any) -> Peer:
        """
        A scripted B that has said who it is.
        """
        peer = Peer(self.clock, self.a)
        peer.send(self.HELLO, *other.get("more", ()))
        self.run_()
        return peer

    def assertRefused(self, peer: Peer, code: Refusal) -> None:
        """
        The link is refused with a code, counted, and closed.
        """
        self.run_()
        (refuse,) = [one for one in peer.got if isinstance(one, Refuse)]
        self.assertEqual(refuse.code, code)
        self.assertTrue(peer.lost)
        self.assertEqual(self.a.journal.counts[code.name.lower()], 1)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_wrongNames(self) -> None:
        """
        Another cluster's, another pair's, another member's name, and versions too
        old and too new are refused, each with its code.
        """
        for hello, code in (
            (Hello(1, 1, "prod", "node1", "b"), Refusal.CLUSTER),
            (Hello(1, 1, "lab", "node2", "b"), Refusal.PAIR),
            (Hello(1, 1, "lab", "node1", "a"), Refusal.MEMBER),
            (Hello(0, 0, "lab", "node1", "b"), Refusal.TOO_OLD),
            (Hello(3, 2, "lab", "node1", "b"), Refusal.TOO_NEW),
        ):
            peer = Peer(self.clock, self.a)
            peer.send(hello)
            self.assertRefused(peer, code)

    def test_lies(self) -> None:
        """
        A member that says that it knows of an epoch which cannot be changes nothing;
        one that can be ends the primary.
        """
        peer = self.greeted(more=(State(0, EPOCH_LEAP + 2, 0, 0),))
        self.assertTrue(peer.lost)
        self.assertEqual((self.a.journal.primary, self.a.journal.epoch), (True, 1))
        peer = self.greeted(more=(State(0, EPOCH_LEAP + 1, 0, 0),))
        self.assertFalse(peer.lost)
        self.assertFalse(self.a.journal.primary)

    def test_primaryThatLies(self) -> None:
        """
        A backup that was told of more epochs and removals than there can be goes on
        all the same, and gives the next one what there is.
        """
        peer = self.greeted(
            more=(
                State(1, 2, 0, 0),
                Begin(2, 1, 1, 0, 2**64 - 1, [(1, 2**64 - 1)] * 1000),
                Changes(1, 0, 9, [Change("thing", "1", b"x", 9, 0)]),
                Complete(1, 9),
            )
        )
        self.assertTrue(self.a.journal.whole)
        peer.wire.reset()
        self.run_()
        self.assertTrue(self.a.journal.becamePrimary(3))
        connect(self.clock, self.a, self.b)
        self.run_()
        self.assertTrue(self.a.journal.inSync)
        self.assertEqual(self.b.all, {("thing", "1"): b"x"})
        self.assertEqual(self.a.journal.counts["snapshotsSent"], 1)

    def test_neighbouringVersions(self) -> None:
        """
        Members of N and N-1 speak with each other.
        """
        self.b = Member(self.clock, "b", LIMITS, version=2, oldest=1)
        self.a.change("1", b"1")
        connect(self.clock, self.a, self.b)
        self.run_()
        self.assertSame(1)

    def test_refusedByPeer(self) -> None:
        """
        What the other side says when it refuses is counted.
        """
        peer = Peer(self.clock, self.a)
        peer.send(Refuse(2, "no"))
        self.run_()
        self.assertTrue(peer.lost)
        self.assertEqual(self.a.journal.counts["refusedByPeer"], 1)

    def test_outOfOrder(self) -> None:
        """
        Something before Hello, and a second Hello, are refused.
        """
        peer = Peer(self.clock, self.a)
        peer.send(Want(1, 0, 0))
        self.assertRefused(peer, Refusal.OUT_OF_ORDER)
        self.a.journal.counts.clear()
        self.assertRefused(self.greeted(more=[self.HELLO]), Refusal.OUT_OF_ORDER)

    def test_malformed(self) -> None:
        """
        What is no frame, no message, or cannot be meant is refused.
        """
        cases: list[tuple[bytes, tuple[Message, ...]]] = [
            (b"\0\0\0\0", ()),
            (b"\0\0\0\1\xc1", ()),
            (b"", (Changes(1, 5, 9, [Change("dn", "1", b"", 5, 0)]),)),
            (b"", (Changes(1, 5, 9, [Change("dn", "1", b"", 10, 0)]),)),
            (b"", (Changes(1, 5, 9, [Change("", "1", b"", 6, 0)]),)),
            (b"", (Want(1, 0, 0), Ack(1, 1, 0))),
            (b"", (Changes(1, 0, 2**64 - 1, []),)),
            (b"", (State(0, 2**64 - 1, 0, 0),)),
            (b"", (State(1, EPOCH_LEAP + 2, 0, 0),)),
            (b"", (Ask(1, 2**64 - 1, 5000),)),
        ]
        for data, messages in cases:
            self.a.journal.counts.clear()
            peer = self.greeted(more=messages)
            peer.wire.near.write(data)
            self.assertRefused(peer, Refusal.MALFORMED)

    def test_late(self) -> None:
        """
        Who does not say who it is is not waited for.
        """
        peer = Peer(self.clock, self.a)
        self.run_(0.6)
        self.assertRefused(peer, Refusal.LATE)

    def test_silent(self) -> None:
        """
        A link on which nothing comes is polled, then cut.
        """
        peer = self.greeted()
        self.run_(0.5)
        self.assertIn(Poll(), peer.got)
        self.assertTrue(peer.lost)
        self.assertEqual(self.a.journal.counts["silent"], 1)

    def test_pollIsAnswered(self) -> None:
        """
        A poll is answered; an answer is a sign of life.
        """
        peer = self.greeted(more=[Poll(), PollAnswer()])
        self.assertIn(PollAnswer(), peer.got)

    def test_twoPrimaries(self) -> None:
        """
        Two members that are both primary in one epoch refuse each other.
        """
        self.assertRefused(
            self.greeted(more=[State(1, 1, 1, 0)]), Refusal.TWO_PRIMARIES
        )

    def test_stalePrimary(self) -> None:
        """
        A primary of an old epoch is not believed: its stream is not taken; the
        connection stays, for what it will be.
        """
        self.a.journal.becameBackup()
        self.a.journal.becamePrimary(5)
        begin = [Begin(4, 1, 1, 0, 0, []), Changes(1, 0, 1, [])]
        peer = self.greeted(more=[State(1, 4, 4, 0), *begin])
        self.assertFalse(peer.lost)
        self.assertIn(State(1, 5, 5, 0, 1), peer.got)
        self.assertEqual(self.a.journal.counts["staleEpochs"], 1)
        self.assertEqual(self.a.journal.counts["staleStreams"], 1)

    def test_fencedByABackup(self) -> None:
        """
        A primary is none any more when a backup has heard of a newer epoch.
        """
        self.greeted(more=[State(0, 3, 3, 9)])
        self.assertEqual(self.a.fencedBy, [3])
        self.assertFalse(self.a.journal.primary)

    def scripted(self) -> Peer:
        """
        A backup whose primary is scripted, in the middle of a stream.
        """
        self.a = Member(self.clock, "a", LIMITS)
        peer = self.greeted(more=[State(1, 4, 4, 7)])
        self.assertIn(Want(4, 0, 0), peer.got)
        peer.send(
            Begin(4, 1, 1, 0, 7, [(3, 2)]),
            Changes(1, 0, 7, [Change("call", "1", b"1", 7, 0)]),
            Complete(1, 7),
        )
        self.run_()
        self.assertIn(Ack(1, 7, 1), peer.got)
        peer.got.clear()
        return peer

    def test_gap(self) -> None:
        """
        Changes that do not follow on what is there are not applied: the backup asks
        for a snapshot, and takes nothing before that.
        """
        peer = self.scripted()
        peer.send(
            Changes(1, 8, 9, [Change("call", "2", b"2", 9, 0)]),
            Changes(1, 7, 8, [Change("call", "2", b"2", 8, 0)]),
        )
        self.run_()
        self.assertEqual(peer.got, [Want(4, 0, 0)])
        self.assertEqual(self.a.all, {("call", "1"): b"1"})
        self.assertEqual(self.a.journal.counts["gaps"], 1)

    def test_strangeStreams(self) -> None:
        """
        A Complete that does not fit is a gap; another epoch's stream and another
        stream's changes are not taken.
        """
        peer = self.scripted()
        peer.send(Begin(5, 2, 1, 0, 0, []), Changes(9, 7, 8, []), Complete(1, 6))
        self.run_()
        self.assertEqual(peer.got, [Want(4, 0, 0)])
        self.assertEqual(self.a.journal.counts["staleStreams"], 1)
        self.assertEqual(self.a.journal.counts["staleChanges"], 1)

    def test_laterMessage(self) -> None:
        """
        A message of a later version is read over.
        """
        peer = self.scripted()
        peer.wire.near.write(b"\0\0\0\2\x91\x63")
        self.run_()
        self.assertFalse(peer.lost)
        self.assertEqual(self.a.journal.counts["unknownMessages"], 1)

    def test_newerConnection(self) -> None:
        """
        A second connection of the other member takes the place of the first.
        """
        first = self.greeted()
        second = self.greeted()
        self.run_(0.05)
        self.assertEqual(
            first.got[-1], Refuse(Refusal.REPLACED, "there is a newer connection")
        )
        self.assertTrue(first.lost)
        self.assertFalse(second.lost)

    def test_stop(self) -> None:
        """
        A member that stops says so, and leaves no timer.
        """
        peer = self.greeted()
        self.a.journal.stop()
        self.assertRefused(peer, Refusal.STOPPING)
