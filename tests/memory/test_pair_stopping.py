"""
A member of a pair is stopped, whatever is under way.
"""

from __future__ import annotations

from tests.memory.pairs import PairTestCase


class StoppingTests(PairTestCase):
    """
    A primary is stopped.
    """

    def test_duringSwitchover(self) -> None:
        """
        A switchover that is under way is brought to its end: no call ends.
        """
        self.established()
        assert self.one.keeper is not None
        left: list[str] = []
        self.one.journal.change("nothing", "key", b"that the other member lacks")
        self.one.keeper.put(left.append, "when the other member has it")
        done = self.one.switchover()
        self.assertNoResult(done)
        stopped = self.one.stopService()
        self.run_(3)
        self.successResultOf(stopped)
        self.assertEqual(self.successResultOf(done), "")
        self.assertEqual(left, ["when the other member has it"])
        assert self.two.life is not None
        self.assertEqual(len(self.two.life.controller.calls), 1)

    def test_roleLost(self) -> None:
        """
        When the role is lost while calls are being ended, nobody waits for them any
        more.
        """
        self.established()
        self.line.cut()
        self.run_(1)
        stopped = self.one.stopService()
        self.run_(0.1)
        self.assertNoResult(stopped)
        self.one.member.role.leaseExpired()
        self.run_(0.1)
        self.successResultOf(stopped)
        self.assertIsNone(self.one.life)

    def test_notMade(self) -> None:
        """
        Of a node that could not be made nothing is left going.
        """
        called: list[str] = []

        def broken(runtime, sinks):  # type: ignore[no-untyped-def]
            runtime.clock.callLater(1, called.append, "a timer")
            runtime.keeper.put(called.append, "a send")
            raise RuntimeError("no node today")

        self.two._make = broken
        self.one.switchover()
        self.run_(6)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)
        self.assertEqual(called, [])
