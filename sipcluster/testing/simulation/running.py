"""
Runs seeds, and shortens those that fail.
"""

from __future__ import annotations

from collections.abc import Callable

from attrs import evolve
from twisted.logger import ILogObserver, LogEvent, LogPublisher, globalLogPublisher
from twisted.python.failure import Failure
from zope.interface import implementer

from sipcluster.testing.simulation.checks import Broken
from sipcluster.testing.simulation.world import Outcome, Plan, Populate, World


@implementer(ILogObserver)
class Failures:
    """
    Collects the failures that are logged.
    """

    def __init__(self, world: World) -> None:
        self._world = world

    def __call__(self, event: LogEvent) -> None:
        failure = event.get("log_failure")
        if failure is not None:
            if isinstance(failure.value, Broken):
                return  # found again after the step
            text = failure.getTraceback(elideFrameworkCode=True)
            self._world.failures.append(text)


def runPlan(
    plan: Plan,
    cluster: Populate,
    publisher: LogPublisher = globalLogPublisher,
) -> Outcome:
    """
    Run it.
    """
    world = World(plan, cluster)
    observer = Failures(world)
    publisher.addObserver(observer)
    why = ""
    try:
        world.run(plan)
    except Broken as e:
        why = str(e)
    except Exception:
        why = Failure().getTraceback(elideFrameworkCode=True)
    finally:
        publisher.removeObserver(observer)
    return Outcome(plan, why, world.story, world.clock.seconds())


def shorten(
    outcome: Outcome, run: Callable[[Plan], Outcome], tries: int = 400
) -> Outcome:
    """
    Leave out operations as long as what is left still fails, in whatever way.

    @param tries: runs at most.
    """
    best = outcome
    size = max(1, len(best.plan.operations) // 2)
    while tries > 0:
        operations = best.plan.operations
        shorter = False
        start = 0
        while start < len(best.plan.operations) and tries > 0:
            operations = best.plan.operations
            kept = operations[:start] + operations[start + size :]
            tries -= 1
            tried = run(evolve(best.plan, operations=kept))
            if tried.why:
                best, shorter = tried, True
            else:
                start += size
        if size == 1 and not shorter:
            break
        size = max(1, size // 2) if not shorter or size > 1 else 1
    return best
