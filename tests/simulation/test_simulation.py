"""
Tests for sipcluster.testing.simulation, and with it for the whole cluster.
"""

from __future__ import annotations

import signal

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from sipcluster.testing.simulation.chance import Chance
from sipcluster.testing.simulation.faults import FAULTS
from sipcluster.testing.simulation.features import FEATURES
from sipcluster.testing.simulation.operations import OPERATIONS
from sipcluster.testing.simulation.pair_faults import PAIR_FAULTS
from sipcluster.testing.simulation.running import runPlan, shorten
from sipcluster.testing.simulation.world import Outcome, Plan
from tests.simulation.__main__ import Job, outcomes, story
from tests.simulation.broken_pairs import BROKEN_PAIRS
from tests.simulation.broken_rules import BROKEN_RULES, BrokenRule
from tests.simulation.cluster import cluster

#: Seeds that are run in each check.
SEEDS = range(1, 201)

#: How many at a time.
JOBS = 2

#: Seeds that found something once.
FOUND = (1004, 2059, 10045, 30529, 31224, 31807)


def run(plan: Plan) -> Outcome:
    """
    Run a plan.
    """
    return runPlan(plan, cluster)


def _handler(seed: int) -> tuple[int, str, str]:
    """
    What a worker does at SIGTERM.
    """
    return seed, str(signal.getsignal(signal.SIGTERM)), ""


class SeedTests(SynchronousTestCase):
    """
    What must be true is true.
    """

    def test_seeds(self) -> None:
        """
        Nothing is wrong in a number of runs.
        """
        done = outcomes(SEEDS, Job(False, 0.0), JOBS)
        self.assertEqual({seed: why for seed, why, _ in done if why}, {})

    def test_workersEnd(self) -> None:
        """
        Workers die of SIGTERM, by which the pool ends them, also below a reactor,
        which would leave them a handler of its own.
        """
        before = signal.signal(signal.SIGTERM, lambda number, frame: None)
        self.addCleanup(signal.signal, signal.SIGTERM, before)
        handlers = {handler for _, handler, _ in outcomes(range(1, 3), _handler, 2)}
        self.assertEqual(handlers, {str(signal.SIG_DFL)})

    def test_foundOnce(self) -> None:
        """
        Nor in those in which something was wrong before.
        """
        for seed in FOUND:
            self.assertEqual(run(Plan.of(seed)).why, "", seed)

    def test_sameStory(self) -> None:
        """
        A seed tells the same story every time, another one another.
        """
        first, again, other = (run(Plan.of(seed)).story for seed in (11, 11, 12))
        self.assertEqual(first.digest(), again.digest())
        self.assertNotEqual(first.digest(), other.digest())

    def test_everythingHappens(self) -> None:
        """
        Every operation and every fault is drawn, and most can be done.
        """
        drawn = {
            type(operation).__name__
            for seed in SEEDS
            for operation in Plan.of(seed).operations
        }
        kinds = (*OPERATIONS, *FEATURES, *FAULTS, *PAIR_FAULTS)
        self.assertEqual(drawn, {kind.__name__ for kind in kinds})


class BrokenRuleTests(SynchronousTestCase):
    """
    What is not as it must be is found.
    """

    def assertFound(self, rule: BrokenRule) -> Outcome:
        """
        A seed finds that a rule is broken.
        """
        rule.breaks(self.patch)
        for seed in (rule.seed, *rule.others):
            outcome = run(Plan.of(seed))
            self.flushLoggedErrors()
            if outcome.why:
                break
        self.assertIn(rule.why, outcome.why)
        self.assertNotEqual(outcome.why, "")
        return outcome

    def test_shortened(self) -> None:
        """
        What a failure does not need is left out, and what remains fails.
        """
        rule = BROKEN_RULES[0]
        outcome = self.assertFound(rule)
        short = shorten(outcome, run, tries=40)
        self.flushLoggedErrors()
        self.assertLess(len(short.plan.operations), len(outcome.plan.operations))
        again = run(short.plan)
        self.flushLoggedErrors()
        self.assertEqual(again.why, short.why)
        self.assertEqual(again.story.digest(), short.story.digest())

    def test_storyOfAFailure(self) -> None:
        """
        A failure is told: what was done, and what was said at the end.
        """
        twice = next(one for one in BROKEN_RULES if "told twice" in one.name)
        outcome = self.assertFound(twice)
        self.assertTrue(outcome.story.done())
        last = outcome.story.around(5.0)
        self.assertTrue(last)
        self.assertLessEqual(last[-1].time - last[0].time, 5.0)
        lines = list(story(outcome, 5.0))
        self.assertIn(outcome.why, lines[0])
        self.assertTrue(any("INVITE" in line for line in story(outcome, 60.0)))


def _found(rule: BrokenRule) -> None:
    def test(self: BrokenRuleTests) -> None:
        self.assertFound(rule)

    words = "".join(word.capitalize() for word in rule.name.split())
    test.__name__ = f"test_{words[0].lower()}{words[1:]}"
    test.__qualname__ = f"{BrokenRuleTests.__qualname__}.{test.__name__}"
    test.__doc__ = f"It is found that {rule.name}."
    setattr(BrokenRuleTests, test.__name__, test)


for _rule in (*BROKEN_RULES, *BROKEN_PAIRS):
    _found(_rule)


class PlanTests(SynchronousTestCase):
    """
    A plan is a value.
    """

    def test_values(self) -> None:
        """
        The same seed draws the same plan, and one may leave out a part of it.
        """
        plan = Plan.of(5)
        self.assertEqual(plan, Plan.of(5))
        self.assertNotEqual(plan, Plan.of(6))
        nothing = evolve(plan, operations=())
        self.assertEqual(run(nothing).why, "")


class ChanceTests(SynchronousTestCase):
    """
    L{Chance} is the same in every run.
    """

    def test_numbers(self) -> None:
        """
        Numbers depend on the seed and on what they are for, and on nothing else.
        """
        chance = Chance(1, "x")
        self.assertEqual([chance.below(100) for _ in range(4)], NUMBERS)
        fork = Chance(1, "x").fork("y")
        self.assertEqual(chance.fork("y").draw(), fork.draw())
        self.assertNotEqual(Chance(2, "x").draw(), Chance(1, "x").draw())

    def test_ranges(self) -> None:
        """
        They are in the range that is asked for.
        """
        chance = Chance(3)
        for _ in range(200):
            self.assertTrue(0 <= chance.random() < 1)
            self.assertTrue(2 <= chance.between(2, 3) < 3)
            self.assertIn(chance.choose("abc"), "abc")
        self.assertFalse(chance.happens(0.0))
        self.assertTrue(chance.happens(1.0))
        self.assertEqual(len(chance.entropy(13)), 13)


#: Of seed 1 and name "x".
NUMBERS = [52, 6, 49, 31]
