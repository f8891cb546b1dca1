"""
Campaigns of L{tests.memory.test_model_calls} as long as wanted: C{bin/fuzz model}.
"""

from __future__ import annotations

import argparse
import sys
import time

from tests.memory.test_model_calls import CallMachine, QuietMachine, campaign


def main() -> None:
    """
    Run one campaign after the other, each another one, until the time is over or one
    fails.
    """
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--steps", type=int, default=30, help="in each example")
    parser.add_argument("--quiet", action="store_true", help="nobody dies")
    options = parser.parse_args()
    machine = QuietMachine if options.quiet else CallMachine
    ends, examples = time.monotonic() + options.seconds, 0
    while time.monotonic() < ends:
        campaign(machine, 50, options.steps, random=True)
        examples += 50
    done = f"{examples} examples of {options.steps} steps"
    sys.stdout.write(f"{done}, and nothing was wrong\n")


if __name__ == "__main__":
    main()
