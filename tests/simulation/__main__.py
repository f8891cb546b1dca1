"""
The command C{bin/simulate}.
"""

from __future__ import annotations

import argparse
import gc
import multiprocessing
import re
import signal
import sys
import time
from collections.abc import Callable, Iterator

from attrs import frozen
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


@frozen
class Job:
    """
    Runs one seed, in whatever process.

    @ivar shorten: leave out what a failure does not need.
    @ivar seconds: of the story of a failure.
    """

    shorten: bool
    seconds: float

    def __call__(self, seed: int) -> tuple[int, str, str]:
        """
        Run it.

        @return: the seed, why it has failed, and its story.
        """
        outcome = run(Plan.of(seed))
        if not outcome.why:
            return seed, "", ""
        why = outcome.why
        if self.shorten:
            outcome = shorten(outcome, run)
        return seed, why, "\n".join(story(outcome, self.seconds))


def kind(why: str) -> str:
    """
    What failures for the same reason have in common.
    """
    last = why.strip().splitlines()[-1]
    return re.sub(r"\b[0-9a-f]{16,}\b|\d+(\.\d+)?", "#", last)[:120]


def _mortal() -> None:
    """
    A worker dies when the pool ends it: a reactor in the parent may have left it a
    handler that only asks the reactor to stop, and the pool would wait for ever.
    """
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def outcomes(
    seeds: range, job: Callable[[int], tuple[int, str, str]], jobs: int
) -> Iterator[tuple[int, str, str]]:
    """
    Run seeds, as many at a time as told.
    """
    if jobs == 1:
        yield from map(job, seeds)
        return
    # Each process lives for some seeds only: what one leaves behind is gone then.
    context = multiprocessing.get_context("fork")
    with context.Pool(jobs, _mortal, maxtasksperchild=100) as pool:
        yield from pool.imap_unordered(job, seeds)


def main() -> int:
    """
    Run seeds.

    @return: the exit status: 1 when one has failed.
    """
    parser = argparse.ArgumentParser(prog="bin/simulate", description=__doc__)
    parser.add_argument("--seeds", type=int, default=200, help="how many")
    parser.add_argument("--seed", type=int, default=1, help="the first one")
    parser.add_argument("--jobs", type=int, default=1, help="how many at a time")
    parser.add_argument(
        "--shorten", action="store_true", help="leave out what a failure does not need"
    )
    parser.add_argument("--go-on", action="store_true", help="after a failure too")
    parser.add_argument("--story", type=float, default=40.0, help="seconds to print")
    options = parser.parse_args()
    globalLogBeginner.beginLoggingTo(
        [nowhere], redirectStandardIO=False, discardBuffer=True
    )
    gc.set_threshold(100_000, 50, 100)  # a world is not for long
    failed: dict[str, list[int]] = {}
    began = time.monotonic()
    done = 0
    seeds = range(options.seed, options.seed + options.seeds)
    job = Job(options.shorten, options.story)
    for seed, why, text in outcomes(seeds, job, options.jobs):
        done += 1
        if why:
            failed.setdefault(kind(why), []).append(seed)
            sys.stdout.write(f"{text}\n\n")
            sys.stdout.flush()
            if not options.go_on:
                break
        if done % 250 == 0:
            count = sum(map(len, failed.values()))
            took = time.monotonic() - began
            sys.stdout.write(f"{done} seeds in {took:.0f} s, {count} failed\n")
            sys.stdout.flush()
    took = time.monotonic() - began
    for why, those in sorted(failed.items(), key=lambda item: -len(item[1])):
        some = ", ".join(map(str, sorted(those)[:8]))
        sys.stdout.write(f"{len(those):5} {why}: {some}\n")
    count = sum(map(len, failed.values()))
    sys.stdout.write(f"{done} seeds in {took:.0f} s, {count} failed\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
