"""
The primary of a pair fails at any message of a call, between real SIP Proxies and a
real second member: the telephones notice nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sipcluster.testing.memory_sockets import Address
from tests.memory.nodes import NODE, OTHER_NODE
from tests.memory.pair_cluster import PairCluster
from tests.memory.takeover import Line

#: How long a step of a call may take when a member dies in it.
LONGEST = 1.0

#: The same when nobody knows that it is dead, and its lease has to end.
LEASE = 6.5


class FailureTests(PairCluster):
    """
    The primary fails when the n-th datagram of a call has been sent.

    @ivar sent: how many there were.
    @ivar at: at which of them it fails.
    @ivar longest: how long a step may take.
    """

    sent = 0
    at = 0
    longest = LONGEST

    def each(
        self, fails: Callable[[str], object], story: Callable[[], None], step: int = 1
    ) -> None:
        """
        Let the primary fail at each datagram of a story in turn.
        """
        self.at = 1
        while True:
            self.failing(fails)
            story()
            self.live(self.longest + 4)
            status: Any = self.members[self.primary].status()
            self.assertEqual(status["calls"], 0, self.at)
            self.assertEqual(
                [proxy.status()["waitingForMembers"] for proxy in self.proxies], [0, 0]
            )
            if self.sent < self.at:
                break
            self.at += step
            self.setUp()
        self.assertNothingLeft()
        self.assertEqual(self.flushLoggedErrors(), [])

    def failing(self, fails: Callable[[str], object]) -> None:
        """
        Begin to count.
        """
        self.sent = 0
        primary = self.primary

        def count(data: bytes, source: Address, destination: Address) -> bool:
            if b" OPTIONS\r\n" not in data:
                self.sent += 1
                if self.sent == self.at:
                    # After what was sent in the same turn.
                    self.clock.callLater(0, fails, primary)
            return False

        self.network.drops = count

    def expect(self, what: str, until: Callable[[], object]) -> None:
        """
        Something happens in time.
        """
        took = self.live(self.longest + 5, until)
        self.assertTrue(until(), f"{self.at}: not {what}")
        self.assertLess(took, self.longest, f"{self.at}: {what} too late")

    def established(self) -> None:
        """
        Alice calls Bob, who answers.
        """
        self.alice.call("1002")
        self.expect("rings", lambda: self.bob.rings)
        self.live(0.3)
        self.bob.answer()
        self.expect("answered", lambda: self.alice.talks)
        self.expect("acknowledged", lambda: not self.bob.unacknowledged)
        self.live(0.3)

    def call(self, ends: str, other: str) -> None:
        """
        A call that one of them ends.
        """
        self.established()
        one, two = self.line(ends), self.line(other)
        one.hangUp()
        self.expect("ended", lambda: not two.talks)

    def line(self, name: str) -> Line:
        """
        Alice's, or Bob's.
        """
        line = getattr(self, name)
        assert isinstance(line, Line)
        return line

    def lose(self, name: str) -> None:
        """
        The host of a member is lost: it says nothing, and its lease has to end.
        """
        self.network.powerOff(NODE if name == "node1a" else OTHER_NODE)
        self.clocks[name].die()

    def test_killed(self) -> None:
        """
        Killed as by SIGKILL: each step takes a second more at most.
        """
        self.each(self.kill, lambda: self.call("alice", "bob"))

    def test_killedAndTheOtherEnds(self) -> None:
        """
        The same when the one hangs up who was called.
        """
        self.each(self.kill, lambda: self.call("bob", "alice"), 3)

    def test_lost(self) -> None:
        """
        When its host is lost it takes the time of a lease, and no more.
        """
        self.longest = LEASE
        self.each(self.lose, lambda: self.call("alice", "bob"), 2)

    def test_switchedOver(self) -> None:
        """
        A switchover takes no time at all.
        """

        def switchover(name: str) -> None:
            self.members[name].switchover()

        self.longest = 0.6
        self.each(switchover, lambda: self.call("alice", "bob"), 2)

    def test_cancelled(self) -> None:
        """
        A caller that gives up gets its 487, and the called telephone stops to ring.
        """

        def story() -> None:
            self.alice.seen.clear()
            self.bob.seen.clear()
            self.alice.call("1002")
            self.expect("rings", lambda: self.bob.rings)
            self.live(0.1)
            self.alice.giveUp()
            self.expect("cancelled", lambda: 487 in self.alice.seen)
            self.expect("stops", lambda: not self.bob.rings)

        self.each(self.kill, story)

    def test_newCalls(self) -> None:
        """
        After SIGKILL the next call is made within a second.
        """
        self.kill(self.primary)
        self.call("alice", "bob")
