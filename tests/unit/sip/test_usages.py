"""
Tests for L{sipcluster.sip.usages}: RFC 3261 section 14, RFC 3311.
"""

from __future__ import annotations

import gc
import weakref

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from sipcluster.sip.offer_answer import CROSSED, IMPATIENT
from sipcluster.sip.timers import TimerQueue
from sipcluster.sip.usages import (
    GONE,
    MAX_GLARES,
    InviteUsage,
    UpdateRule,
    _machine,
    inviteUsage,
    usageState,
)
from sipcluster.testing.clock import runFor
from sipcluster.testing.machines import inputs, unanswered
from tests.unit.sip.samples import arriving


class InviteUsageTests(SynchronousTestCase):
    """
    Who may send an INVITE when.
    """

    chance = 0.5

    def setUp(self) -> None:
        self.clock = Clock()
        self.sent: list[str] = []

    def make(self, owner: bool = True, early: bool = False) -> InviteUsage:
        return inviteUsage(TimerQueue(self.clock), owner, lambda: self.chance, early)

    def invite(self, usage: InviteUsage, name: str = "ours") -> None:
        usage.invite(lambda: self.sent.append(name))

    def test_sendsWhenFree(self) -> None:
        """
        In a confirmed dialog a re-INVITE is sent at once, and the next one when
        it was answered.
        """
        usage = self.make()
        self.invite(usage, "first")
        self.assertEqual(usageState(usage), "Inviting")
        self.invite(usage, "second")
        self.assertEqual(self.sent, ["first"])
        usage.answered()
        self.assertEqual(self.sent, ["first", "second"])
        usage.answered()
        self.assertEqual(usageState(usage), "Confirmed")

    def test_latestWins(self) -> None:
        """
        Of several that wait only the latest is sent.
        """
        usage = self.make(early=True)
        for name in ("hold", "resume"):
            self.invite(usage, name)
        self.assertEqual(usageState(usage), "Early")
        usage.established()
        self.assertEqual(self.sent, ["resume"])

    def test_theirs(self) -> None:
        """
        Their re-INVITE goes first while it lasts; a second one is impatient.
        """
        usage = self.make()
        self.assertIsNone(usage.inviteReceived())
        self.assertEqual(usageState(usage), "Invited")
        self.assertEqual(usage.inviteReceived(), IMPATIENT)
        self.invite(usage)
        self.assertEqual(self.sent, [])
        usage.inviteEnded()
        self.assertEqual(self.sent, ["ours"])
        self.assertEqual(usage.inviteReceived(), CROSSED)

    def test_whileEarly(self) -> None:
        """
        Before the first INVITE is over, one from the side that was called has
        crossed ours, and one from the caller is impatient.
        """
        self.assertEqual(self.make(owner=True, early=True).inviteReceived(), CROSSED)
        self.assertEqual(self.make(owner=False, early=True).inviteReceived(), IMPATIENT)

    def test_glare(self) -> None:
        """
        After a 491 the owner of the Call-ID waits 2.1 to 4 seconds and the other
        side up to 2, in units of 10 ms, and sends again.
        """
        for owner, chance, seconds in (
            (True, 0.0, 2.1),
            (True, 0.999999, 4.0),
            (False, 0.0, 0.0),
            (False, 0.999999, 2.0),
        ):
            self.chance = chance
            self.sent.clear()
            usage = self.make(owner)
            self.invite(usage)
            usage.crossed()
            self.assertEqual(usageState(usage), "Backing off")
            if seconds:
                runFor(self.clock, seconds - 0.001)
                self.assertEqual(self.sent, ["ours"])
            runFor(self.clock, 0.002)
            self.assertEqual(self.sent, ["ours", "ours"])
            self.assertEqual(usageState(usage), "Inviting")
            self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_glareWithALaterWish(self) -> None:
        """
        What was asked for meanwhile is sent in place of what was refused.
        """
        for early in (True, False):
            self.sent.clear()
            usage = self.make()
            self.invite(usage, "hold")
            if early:
                self.invite(usage, "resume")
            usage.crossed()
            if not early:
                self.invite(usage, "resume")
            runFor(self.clock, 4.0)
            self.assertEqual(self.sent, ["hold", "resume"])

    def test_glareWithTheirs(self) -> None:
        """
        Their re-INVITE is taken while we back off; ours follows when both the
        time and their INVITE are over, whichever is first.
        """
        usage = self.make()
        self.invite(usage)
        usage.crossed()
        self.assertIsNone(usage.inviteReceived())
        self.assertEqual(usage.inviteReceived(), IMPATIENT)
        self.invite(usage, "ours now")
        usage.inviteEnded()
        self.assertEqual(usageState(usage), "Backing off")
        self.assertIsNone(usage.inviteReceived())
        runFor(self.clock, 4.0)
        self.assertEqual(usageState(usage), "Invited")
        self.assertEqual(self.sent, ["ours"])
        usage.inviteEnded()
        self.assertEqual(self.sent, ["ours", "ours now"])

    def test_glaresEnd(self) -> None:
        """
        A peer that answers 491 again and again is not asked for ever.
        """
        usage = self.make()
        self.invite(usage)
        for _ in range(2 * MAX_GLARES):
            usage.crossed()
            runFor(self.clock, 4.0)
        self.assertEqual(len(self.sent), 1 + MAX_GLARES)
        self.assertEqual(usageState(usage), "Confirmed")
        self.invite(usage)
        usage.answered()
        self.assertEqual(len(self.sent), 2 + MAX_GLARES)

    def test_ended(self) -> None:
        """
        After its end nothing is sent, and theirs is answered 481; nothing is
        left behind.
        """
        for prepare in ("nothing", "invite", "glare", "theirs", "both"):
            usage = self.make(early=prepare == "nothing")
            if prepare in ("invite", "glare", "both"):
                self.invite(usage)
            if prepare in ("glare", "both"):
                usage.crossed()
            if prepare in ("theirs", "both"):
                usage.inviteReceived()
            self.invite(usage)
            usage.end()
            usage.end()
            self.sent.clear()
            for step in (usage.answered, usage.crossed, usage.inviteEnded, usage.retry):
                step()
            usage.established()
            self.invite(usage)
            runFor(self.clock, 5.0)
            self.assertEqual(self.sent, [])
            self.assertEqual(usage.inviteReceived(), GONE)
            self.assertEqual(usageState(usage), "Terminated")
            self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_faults(self) -> None:
        """
        What fails to be sent is logged.
        """

        def fail() -> None:
            raise ZeroDivisionError

        self.make().invite(fail)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_freed(self) -> None:
        """
        An ended usage is freed without the garbage collector.
        """
        usage = self.make()
        self.invite(usage)
        usage.crossed()
        gone = weakref.ref(usage)
        gc.disable()
        self.addCleanup(gc.enable)
        usage.end()
        del usage
        self.assertIsNone(gone())

    def test_everythingIsAnsweredInEveryState(self) -> None:
        """
        No input is an unknown transition, whenever it comes.
        """
        self.assertEqual(unanswered(_machine, inputs(_machine)), set())


class UpdateRuleTests(SynchronousTestCase):
    """
    RFC 3311 section 5.2.
    """

    def test_oneAtATime(self) -> None:
        """
        A second UPDATE before the answer to the first is refused.
        """
        rule = UpdateRule()
        self.assertIsNone(rule.received(arriving(b"UPDATE")))
        self.assertEqual(rule.received(arriving(b"UPDATE")), IMPATIENT)
        rule.answered()
        self.assertIsNone(rule.received(arriving(b"UPDATE")))
