"""
The command C{bin/simulate}.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator

from twisted.logger import ILogObserver, LogEvent, globalLogBeginner
from zope.interface import implementer

from sipcluster.app.ladder import Message, draw
from sipcluster.testing.simulation.running import runPlan, shorten
from sipcluster.testing.simulation.story import Entry
from sipcluster.testing.simulation.world import Outcome, Plan
from tests.simulation.cluster import cluster


@implementer(ILogObserver)
def nowhere(event: LogEvent) -> None:
    """
    Nobody reads the log.
    """


def run(plan: Plan) -> Outcome:
    """
    Run a plan.
    """
    return runPlan(plan, cluster)


def arrow(entry: Entry) -> Message:
    """
    A line of the story as the ladder has it.
    """
    stamp = f"0000-00-00T{entry.time:015.6f}"
    return Message(stamp, entry.source, entry.target, entry.text, {})


def story(outcome: Outcome, seconds: float) -> Iterator[str]:
    """
    The story of a run that failed.
    """
    yield f"seed {outcome.plan.seed} fails: {outcome.why}"
    yield ""
    yield "What was done:"
    for entry in outcome.story.done():
        yield f"  {entry}"
    yield ""
    yield f"The last {seconds:g} s:"
    yield from draw([arrow(entry) for entry in outcome.story.around(seconds)])


def main() -> int:
    """
    Run seeds.

    @return: the exit status: 1 when one has failed.
    """
    parser = argparse.ArgumentParser(prog="bin/simulate", description=__doc__)
    parser.add_argument("--seeds", type=int, default=200, help="how many")
    parser.add_argument("--seed", type=int, default=1, help="the first one")
    parser.add_argument(
        "--shorten", action="store_true", help="leave out what a failure does not need"
    )
    parser.add_argument("--go-on", action="store_true", help="after a failure too")
    parser.add_argument("--story", type=float, default=40.0, help="seconds to print")
    options = parser.parse_args()
    globalLogBeginner.beginLoggingTo(
        [nowhere], redirectStandardIO=False, discardBuffer=True
    )
    failed = []
    began = time.monotonic()
    for seed in range(options.seed, options.seed + options.seeds):
        outcome = run(Plan.of(seed))
        if outcome.why:
            failed.append(seed)
            if options.shorten:
                outcome = shorten(outcome, run)
            for line in story(outcome, options.story):
                sys.stdout.write(f"{line}\n")
            if not options.go_on:
                break
    took = time.monotonic() - began
    sys.stdout.write(
        f"{seed - options.seed + 1} seeds in {took:.0f} s, "
        f"{len(failed)} failed{': ' if failed else ''}"
        f"{', '.join(map(str, failed))}\n"
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
