"""
Tests for the HA link as a whole: whatever happens to a pair, nothing that was sent is
unknown to who is left, a turn is known as a whole or not at all, and both hold the
same in the end.
"""

from __future__ import annotations

import random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from sipcluster.ha.journal import Limits
from sipcluster.testing.clock import runFor
from sipcluster.testing.wire import End, Wire
from tests.unit.ha.members import Member, connect

#: Little of everything, so that each limit is met.
SMALL = Limits(
    waiting=6,
    patience=0.5,
    quiet=0.3,
    keepAlive=0.2,
    startUp=0.5,
    lifetime=2.0,
    tombstones=3,
    chunk=120,
    window=250,
    turn=150,
)

KEYS = ("k1", "k2", "k3", "k4", "k5", "k6")

#: What can happen, how often, and to what.
CHOICES: list[tuple[str, int, list[object]]] = [
    ("change", 30, [*KEYS]),
    ("remove", 10, [*KEYS]),
    ("turn", 20, [2, 3, 5, 9]),
    ("then", 20, [*KEYS]),
    ("run", 25, [0.0, 0.001, 0.002, 0.01, 0.05]),
    ("run", 2, [0.3, 1.0, 3.0]),
    ("cut", 3, [False, True]),
    ("connect", 6, [False, True]),
    ("switch", 3, [False, True]),
    ("crash", 2, [False, True]),
    ("may", 3, [False, True]),
]

STEPS = st.one_of(
    [st.tuples(st.just(what), st.sampled_from(which)) for what, often, which in CHOICES]
)

#: Runs by seed, and the steps of each.
SEEDS, LENGTH = 80, 150


def stepsOf(seed: int) -> list[tuple[str, object]]:
    """
    What happens in one run.
    """
    chance = random.Random(seed)
    weights = [often for _, often, _ in CHOICES]
    return [
        (what, chance.choice(which))
        for what, _, which in chance.choices(CHOICES, weights, k=LENGTH)
    ]


#: What a member holds.
Held = frozenset[tuple[tuple[str, str], bytes]]


class Story:
    """
    A pair, and what happens to it.

    @ivar history: of each key: number of a change, and the value; gone: L{None}.
    @ivar released: sends that the other member must have known of: by whom it was
        known, key, and number of the change.
    """

    def __init__(self, seed: int) -> None:
        self.clock = Clock()
        self.chance = random.Random(seed).random
        self.members = [Member(self.clock, name, SMALL) for name in "ab"]
        self.epoch = 1
        self.serving = self.members[0]
        self.serving.journal.becamePrimary(1)
        self.wire: Wire | None = None
        self.number = 0
        self.history: dict[str, list[tuple[int, bytes | None]]] = {}
        self.released: list[tuple[Member, str, int]] = []
        self.sent: dict[Member, list[int]] = {}
        self.errors: list[str] = []
        #: What a primary held at the ends of its turns.
        self.turns: set[Held] = set()
        self.ends: dict[End, Member] = {}

    def other(self, member: Member) -> Member:
        """
        The other one.
        """
        return self.members[member is self.members[0]]

    def connect(self, near: Member, far: Member) -> None:
        """
        There is a link.
        """
        self.wire = wire = connect(self.clock, near, far, 0.001, self.chance)
        self.ends[wire.near], self.ends[wire.far] = near, far

    def turnEnded(self) -> None:
        """
        The primary has done what it does in one turn.
        """
        if self.serving.journal.primary:
            self.turns.add(frozenset(self.serving.all.items()))

    def look(self) -> None:
        """
        Who has had everything once holds what there was at the end of some turn.
        """
        for member in self.members:
            if member.journal.whole:
                held = frozenset(member.all.items())
                if held not in self.turns:
                    self.errors.append(f"{member.name} holds a part of a turn")
                    self.turns.add(held)

    def run(self, seconds: float) -> None:
        """
        Time passes; look whenever something happens.
        """
        clock = self.clock
        end = clock.seconds() + seconds
        while due := [
            call.getTime() for call in clock.getDelayedCalls() if call.getTime() <= end
        ]:
            clock.advance(max(0.0, min(due) - clock.seconds()))
            self.look()
        clock.advance(max(0.0, end - clock.seconds()))
        self.look()

    def known(self, member: Member, key: str, number: int) -> bool:
        """
        Whether a member has heard of a change, or of a later one of the same entry.
        """
        value = member.all.get(("call", key))
        return value in [
            state for at, state in self.history.get(key, []) if at >= number
        ]

    def put(self, key: str, value: bytes | None) -> None:
        """
        The primary changes an entry.
        """
        self.number += 1
        if value is not None:
            value = b"%d %s" % (self.number, bytes(self.number * 7 % 90))
        elif not self.history.get(key):
            return
        self.history.setdefault(key, []).append((self.number, value))
        self.serving.change(key, value)

    def send(self, key: str) -> None:
        """
        The primary tells a peer of the last change of an entry.
        """
        if not self.history.get(key):
            return
        member, journal = self.serving, self.serving.journal
        number = self.history[key][-1][0]
        if not self.known(member, key, number):
            return  # another primary's
        self.number += 1
        order = self.number

        def sent() -> None:
            self.sent.setdefault(member, []).append(order)
            if not journal.primary:
                self.errors.append("sent by who is not primary")
            if journal.inSync:
                # It may have crashed since, which nobody knows yet.
                link: Any = journal._link
                other = self.ends[link.transport.transport.peer]
                if not self.known(other, key, number):
                    self.errors.append(f"{key} {number} sent before it was saved")
                self.released.append((other, key, number))

        try:
            journal.then(sent)
        except Exception as e:
            if type(e).__name__ != "JournalFull" or member.alone.may:
                raise

    def do(self, what: str, which: object) -> None:
        """
        One step.
        """
        if what == "change":
            self.put(str(which), b"")
        elif what == "turn":
            # A call, its events and its DNs, some of them gone, and what it is told.
            for number in range(int(str(which))):
                value = b"" if self.chance() < 0.75 else None
                self.put(KEYS[int(self.chance() * len(KEYS))], value)
                if number == 1:
                    self.send(KEYS[0])
        elif what == "remove":
            self.put(str(which), None)
        elif what == "then":
            self.send(str(which))
        elif what == "run":
            self.run(float(str(which)))
        elif what == "cut" and self.wire is not None:
            if which:
                self.wire.reset()
            else:
                self.wire.silence()
            self.wire = None
        elif what == "connect":
            near, far = self.members if which else self.members[::-1]
            self.connect(near, far)
        elif what == "switch":
            before = self.serving
            if which:
                before.journal.becameBackup()
            self.takeOver(self.other(before))
        elif what == "crash":
            self.crash(self.members[int(bool(which))])
        elif what == "may":
            self.serving.alone.may = bool(which)
            self.serving.journal.look()
        self.turnEnded()
        self.look()

    def takeOver(self, member: Member) -> None:
        """
        A member becomes primary.
        """
        for by, key, number in self.released:
            if by is member and not self.known(member, key, number):
                self.errors.append(f"{key} {number} was sent, and is lost")
        # Who is made primary although it has missed something takes that from both.
        self.released = [one for one in self.released if self.known(member, *one[1:])]
        self.epoch += 1
        self.serving = member
        if not member.journal.becamePrimary(self.epoch):
            self.errors.append("a new epoch is refused")
        member.journal.rebase()
        self.turnEnded()

    def crash(self, member: Member) -> None:
        """
        A member loses everything; the other one serves.
        """
        for end, owner in list(self.ends.items()):
            if owner is member:
                end._wire.reset()
        self.wire = None
        member.journal.stop()
        fresh = Member(self.clock, member.name, SMALL)
        self.members[self.members.index(member)] = fresh
        if self.serving is member:
            self.takeOver(self.other(fresh))

    def settle(self) -> None:
        """
        All is well from now on.
        """
        if not self.serving.journal.primary:
            self.takeOver(self.serving)
        self.serving.alone.may = True
        if self.wire is not None:
            self.wire.reset()
        self.connect(*self.members)
        for _ in range(3):
            self.run(3.0)
            if self.wire is None or self.wire.closed:
                # It had met another one, and each side took the other's.
                self.connect(*self.members)


class PairTests(SynchronousTestCase):
    """
    Two members, whatever happens to them.
    """

    @settings(max_examples=100, deadline=None)
    @given(st.lists(STEPS, max_size=60), st.integers(0, 1 << 32))
    def test_nothingSentIsUnknownAndBothHoldTheSame(
        self, steps: list[tuple[str, object]], seed: int
    ) -> None:
        """
        For any changes, losses of the link, crashes and role changes: what C{then}
        sends while there is another member is known to that one, then and when it
        takes over; who has had everything once never holds a part of a turn; sends
        keep their order; and when all is well again both hold the same, their owners
        too, without a mismatch ever.
        """
        self.live(steps, seed)

    def test_longRuns(self) -> None:
        """
        The same, for longer.
        """
        for seed in range(SEEDS):
            try:
                self.live(stepsOf(seed), seed)
            except AssertionError as e:
                raise AssertionError(f"seed {seed}: {e}") from e

    def live(self, steps: list[tuple[str, object]], seed: int) -> None:
        """
        Let it happen, and look at what is left.
        """
        story = Story(seed)
        for what, which in [("connect", True), *steps]:
            story.do(what, which)
        story.settle()
        self.assertEqual(story.errors, [])
        a, b = story.members
        self.assertEqual(a.all, b.all)
        for member in (a, b):
            replica = member.journal.replica
            self.assertEqual(
                {key: value for (_, key), value in member.all.items()},
                member.things.live,
            )
            self.assertEqual(replica.count, len(member.all))
            self.assertEqual(member.journal.waiting, 0)
            self.assertEqual(member.journal.counts["mismatches"], 0)
            self.assertEqual(member.journal.counts["gaps"], 0)
            self.assertEqual(member.journal.counts["malformed"], 0)
        self.assertEqual(a.journal.replica.sum, b.journal.replica.sum)
        self.assertTrue(story.serving.journal.inSync)
        self.assertTrue(story.other(story.serving).journal.whole)
        for sent in story.sent.values():
            self.assertEqual(sent, sorted(sent))
        a.journal.stop()
        b.journal.stop()
        runFor(story.clock, 1.0)
        self.assertEqual(story.clock.getDelayedCalls(), [])
