"""
The command C{bin/simulate}.
"""

from __future__ import annotations

import argparse
import sys
import time

from twisted.logger import ILogObserver, LogEvent, globalLogBeginner
from zope.interface import implementer

from sipcluster.testing.simulation.running import runPlan, shorten
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


def tell(outcome: Outcome, seconds: float) -> None:
    """
    Print the story of a run that failed.
    """
    write = sys.stdout.write
    write(f"\nseed {outcome.plan.seed} fails: {outcome.why}\n\nWhat was done:\n")
    for entry in outcome.story.done():
        write(f"  {entry}\n")
    write(f"\nThe last {seconds:g} s:\n")
    for entry in outcome.story.around(seconds):
        write(f"  {entry}\n")


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
    failed, forgotten = [], 0
    began = time.monotonic()
    for seed in range(options.seed, options.seed + options.seeds):
        outcome = run(Plan.of(seed))
        forgotten += outcome.forgotten
        if outcome.why:
            failed.append(seed)
            if options.shorten:
                outcome = shorten(outcome, run)
            tell(outcome, options.story)
            if not options.go_on:
                break
    took = time.monotonic() - began
    sys.stdout.write(
        f"{seed - options.seed + 1} seeds in {took:.0f} s, "
        f"{len(failed)} failed{': ' if failed else ''}"
        f"{', '.join(map(str, failed))}\n"
        f"{forgotten} calls that no telephone knew of any more were ended by hand\n"
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
