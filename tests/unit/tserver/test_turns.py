"""
Tests for how long a T-Library port keeps others waiting.
"""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from sipcluster.tlib.messages import EventACK, Message, RequestMakeCall
from sipcluster.tserver.turns import Turns
from sipcluster.wire.correlation import Requester
from tests.unit.tserver.ports import PortCase

CALL = RequestMakeCall(thisDN="1001", otherDN="1002")


class TurnsTests(SynchronousTestCase):
    """
    L{Turns} by itself.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.turns = Turns(self.clock, 0.01)

    def test_over(self) -> None:
        """
        Work that goes on without a pause is over after its time; after a pause it
        begins anew.
        """
        found = []
        for _ in range(14):
            self.clock.rightNow += 0.0009
            found.append(self.turns.over())
        self.assertEqual(found, [False] * 11 + [True] * 3)
        self.clock.rightNow += 0.002
        self.assertFalse(self.turns.over())

    def test_inOrder(self) -> None:
        """
        What waits is done in order, as much of it in each turn as time allows.
        """
        done: list[int] = []

        def work(n: int) -> None:
            self.clock.rightNow += 0.004
            done.append(n)
            if n == 0:
                self.turns.later(lambda: work(99))

        for n in range(5):
            self.turns.later(lambda n=n: work(n))  # type: ignore[misc]
        turns: list[list[int]] = []
        while self.clock.calls:
            before = len(done)
            [call] = self.clock.calls
            self.clock.calls.clear()
            call.func()
            turns.append(done[before:])
        self.assertEqual(turns, [[0, 1, 2], [3, 4, 99]])

    def test_failing(self) -> None:
        """
        What fails is written down, and keeps nothing else from being done.
        """
        done: list[int] = []
        self.turns.later(lambda: 1 / 0)
        self.turns.later(lambda: done.append(1))
        self.clock.advance(0)
        self.assertEqual(done, [1])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_stop(self) -> None:
        """
        What waits can be forgotten.
        """
        self.turns.later(lambda: self.fail("was done"))
        self.turns.stop()
        self.turns.stop()
        self.clock.advance(1)
        self.assertEqual(self.clock.getDelayedCalls(), [])


class StormTests(PortCase):
    """
    All clients at once.
    """

    def test_nobodyElseWaits(self) -> None:
        """
        However many clients ask at the same moment, nothing else waits longer than
        one turn; and all are served, one no later than the others.
        """

        def slow(request: Message, requester: Requester) -> None:
            self.clock.rightNow += 0.0005
            self.server.answer(requester, EventACK(time=self.server.now()))

        self.handler.then = slow
        peers = [self.peer("1001") for _ in range(50)]
        for peer in peers:
            peer.clear()
            peer.hold()
            for _ in range(20):
                peer.request(CALL)
        begun = self.clock.seconds()
        for peer in peers:
            peer.release()
        waits = [self.clock.seconds() - begun]
        while any(len(peer.messages) < 20 for peer in peers):
            begun = self.clock.seconds()
            self.turn()
            waits.append(self.clock.seconds() - begun)
        self.assertLess(max(waits), 0.0116)
        self.assertGreater(len(waits), 40)
        for peer in peers:
            self.assertEqual(len(peer.messages), 20)

    def test_noneIsLast(self) -> None:
        """
        A client that asks for little is not kept behind one that asks for very
        much.
        """

        def slow(request: Message, requester: Requester) -> None:
            self.clock.rightNow += 0.0005
            self.server.answer(requester, EventACK(time=self.server.now()))

        self.handler.then = slow
        modest = self.peer("1001")
        greedy = [self.peer("1001") for _ in range(5)]
        for peer in greedy:
            peer.hold()
            for _ in range(1000):
                peer.request(CALL)
            peer.release()
        modest.clear()
        modest.request(CALL)
        turns = 0
        while not modest.messages:
            self.turn()
            turns += 1
        self.assertLess(turns, 8)
