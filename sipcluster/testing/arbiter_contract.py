"""
What every arbiter of a pair must do: a test mixin, run against each of them.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred, gatherResults
from zope.interface.verify import verifyObject

from sipcluster.ha.iha import Granted, IArbiter, IFollowing, Refused

if TYPE_CHECKING:
    from twisted.trial.unittest import TestCase as _TestCase
else:
    # A mixin: where it is imported, trial is not to take it for a test.
    _TestCase = object


class ArbiterContract(_TestCase):
    """
    What an L{IArbiter} does for the two members C{a} and C{b}.

    A test of an arbiter says how to make one (C{makeArbiter}) and how to wait
    (C{until}): on a fake clock that is to turn it.
    """

    #: Seconds of the lease that the arbiters are made with.
    ttl = 2.0

    a: Any
    b: Any

    def makeArbiter(self, name: str) -> Any:
        """
        @return: the way of a member to the arbiter, or a Deferred or coroutine
            of it; called for C{a} and then for C{b}.
        """
        raise NotImplementedError

    async def until(self, true: Callable[[], object], seconds: float = 10.0) -> None:
        """
        Wait for something to become true; fail the test when it does not.
        """
        raise NotImplementedError

    def now(self) -> float:
        """
        Seconds of the clock.
        """
        raise NotImplementedError

    def setUp(self) -> Any:
        """
        Make both.
        """

        async def make() -> None:
            for name in ("a", "b"):
                made = self.makeArbiter(name)
                if isinstance(made, Deferred | Coroutine):
                    made = await made
                verifyObject(IArbiter, made)
                setattr(self, name, made)

        return Deferred.fromCoroutine(make())

    async def ask(self, asked: Deferred[Any]) -> Any:
        """
        Wait for an answer.
        """
        asked.addBoth(lambda outcome: [outcome])
        await self.until(lambda: asked.called)
        (outcome,) = await asked
        if hasattr(outcome, "raiseException"):
            outcome.raiseException()
        return outcome

    async def wait(self, seconds: float) -> None:
        """
        Let time pass.
        """
        end = self.now() + seconds
        await self.until(lambda: self.now() >= end)

    async def granted(self, asked: Deferred[Any]) -> Granted:
        """
        Wait for a grant.
        """
        verdict = await self.ask(asked)
        self.assertIsInstance(verdict, Granted)
        assert isinstance(verdict, Granted)
        self.assertGreaterEqual(verdict.seconds, self.ttl)
        return verdict

    def followed(self, arbiter: Any) -> list[float]:
        """
        Follow an arbiter until the test ends.

        @return: grows each time the role is said to be free.
        """
        told: list[float] = []
        following = arbiter.follow(lambda: told.append(self.now()))
        verifyObject(IFollowing, following)
        self.addCleanup(following.stop)
        return told

    async def test_oneOfTwo(self) -> None:
        """
        Who asks first is granted the role; the other is refused, and told whose
        it is.
        """
        grant = await self.granted(self.a.acquire(0))
        refusal = await self.ask(self.b.acquire(0))
        self.assertEqual(refusal, Refused(grant.epoch, "a"))

    async def test_bothAtOnce(self) -> None:
        """
        Of two that ask at the same time at most one is granted the role.
        """
        verdicts = await self.ask(gatherResults([self.a.acquire(0), self.b.acquire(0)]))
        granted = [each for each in verdicts if isinstance(each, Granted)]
        self.assertLessEqual(len(granted), 1)

    async def test_renewed(self) -> None:
        """
        The holder that goes on asking keeps the role in the same epoch, long
        after the first lease would have been over.
        """
        grant = await self.granted(self.a.acquire(0))
        end = self.now() + 2.5 * self.ttl
        while self.now() < end:
            renewed = await self.granted(self.a.renew(grant.epoch))
            self.assertEqual(renewed.epoch, grant.epoch)
            self.assertIsInstance(await self.ask(self.b.acquire(0)), Refused)
            await self.wait(self.ttl / 4)

    async def test_runsOut(self) -> None:
        """
        When the holder asks no more the other member is told that the role is
        free, is granted it then and not before the time that was granted is
        over, in a higher epoch; and the old holder cannot go on.
        """
        told = self.followed(self.b)
        begin = self.now()
        grant = await self.granted(self.a.acquire(0))
        await self.wait(self.ttl / 2)
        del told[:]
        await self.until(lambda: told)
        taken = await self.granted(self.b.acquire(0))
        self.assertGreaterEqual(self.now() - begin, grant.seconds)
        self.assertGreater(taken.epoch, grant.epoch)
        self.assertIsInstance(await self.ask(self.a.renew(grant.epoch)), Refused)

    async def test_released(self) -> None:
        """
        A role that is given back is the other's at once: it is told, and granted
        a higher epoch.
        """
        grant = await self.granted(self.a.acquire(0))
        told = self.followed(self.b)
        await self.wait(self.ttl / 8)
        del told[:]
        await self.granted(self.a.renew(grant.epoch))
        begin = self.now()
        await self.ask(self.a.release(grant.epoch))
        await self.until(lambda: told)
        taken = await self.granted(self.b.acquire(0))
        self.assertLess(self.now() - begin, self.ttl / 2)
        self.assertGreater(taken.epoch, grant.epoch)

    async def test_releaseOfAnEarlierHold(self) -> None:
        """
        Giving back what is not one's own, or not any more, changes nothing.
        """
        first = await self.granted(self.a.acquire(0))
        await self.ask(self.b.release(first.epoch))
        second = await self.granted(self.a.acquire(0))
        self.assertGreater(second.epoch, first.epoch)
        await self.ask(self.a.release(first.epoch))
        self.assertIsInstance(await self.ask(self.b.acquire(0)), Refused)

    async def test_ownHoldUnknown(self) -> None:
        """
        A member whose grant was lost on the way is granted a later epoch, and
        cannot go on in the one that it does not know of.
        """
        lost = await self.granted(self.a.acquire(0))
        known = await self.granted(self.a.acquire(0))
        self.assertGreater(known.epoch, lost.epoch)
        self.assertIsInstance(await self.ask(self.a.renew(lost.epoch)), Refused)

    async def test_above(self) -> None:
        """
        An epoch that is granted is higher than the one that is named, and the
        next ones are higher still: the arbiter may have lost its memory.
        """
        grant = await self.granted(self.a.acquire(1_000_000))
        self.assertGreater(grant.epoch, 1_000_000)
        await self.granted(self.a.renew(grant.epoch))
        await self.ask(self.a.release(grant.epoch))
        after = await self.granted(self.b.acquire(0))
        self.assertGreater(after.epoch, grant.epoch)

    async def test_reclaimed(self) -> None:
        """
        A holder whose lease is over is granted the role again in its epoch, when
        nobody else has it: the other one is refused then, and told of it.  It goes
        on as before, and the next epoch is higher.
        """
        grant = await self.granted(self.a.acquire(0))
        await self.wait(2.5 * self.ttl)
        again = await self.granted(self.a.reclaim(grant.epoch))
        self.assertEqual(again.epoch, grant.epoch)
        refusal = await self.ask(self.b.acquire(0))
        self.assertEqual(refusal, Refused(grant.epoch, "a"))
        for ask in (self.a.renew, self.a.reclaim, self.a.renew):
            renewed = await self.granted(ask(grant.epoch))
            self.assertEqual(renewed.epoch, grant.epoch)
        await self.ask(self.a.release(grant.epoch))
        taken = await self.granted(self.b.acquire(0))
        self.assertGreater(taken.epoch, grant.epoch)

    async def test_reclaimAnothers(self) -> None:
        """
        What another has been granted meanwhile is not granted again before that is
        over.
        """
        grant = await self.granted(self.a.acquire(0))
        await self.wait(2.5 * self.ttl)
        taken = await self.granted(self.b.acquire(0))
        refusal = await self.ask(self.a.reclaim(grant.epoch))
        self.assertEqual(refusal, Refused(taken.epoch, "b"))
        await self.wait(2.5 * self.ttl)
        again = await self.granted(self.a.reclaim(grant.epoch))
        self.assertEqual(again.epoch, grant.epoch)
        await self.granted(self.a.renew(grant.epoch))
        await self.ask(self.a.release(grant.epoch))
        after = await self.granted(self.b.acquire(0))
        self.assertGreater(after.epoch, taken.epoch)

    async def test_renewNothing(self) -> None:
        """
        What was never granted cannot be renewed.
        """
        self.assertIsInstance(await self.ask(self.a.renew(7)), Refused)

    async def test_followingEnds(self) -> None:
        """
        Nobody is told anything after it has ceased to follow, which it may do
        twice.
        """
        grant = await self.granted(self.a.acquire(0))
        told: list[str] = []
        following = self.b.follow(lambda: told.append("vacant"))
        following.stop()
        following.stop()
        await self.ask(self.a.release(grant.epoch))
        await self.wait(0.3)
        self.assertEqual(told, [])
