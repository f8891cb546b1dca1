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

        roles: list[bool] = []
        self.two.observe(lambda primary: 1 / 0)
        self.two.observe(roles.append)
        self.two._make = broken
        self.one.switchover()
        self.run_(6)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)
        self.assertEqual(called, [])
        # It never was primary as far as anybody was told.
        self.assertNotIn(True, roles)
        self.flushLoggedErrors(ZeroDivisionError)

    def test_observed(self) -> None:
        """
        Whoever wants to know is told when a life has begun, and when it has ended;
        one that fails keeps nobody else from it.
        """
        told: list[tuple[str, bool, bool]] = []
        broken = [True]
        for member in (self.one, self.two):
            name = member.runtime.name
            member.observe(lambda primary: 1 / 0 if broken else None)
            member.observe(
                lambda primary, member=member, name=name: told.append(  # type: ignore[misc]
                    (name, primary, member.life is not None)
                )
            )
        self.one.switchover()
        self.run_(1)
        self.assertEqual(told, [("node1a", False, False), ("node1b", True, True)])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 2)
        broken.clear()
