"""
C{bin/survive}.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from attrs import evolve
from twisted.internet.defer import Deferred
from twisted.internet.task import react

from tests.bench.processes import whole
from tests.interop.cluster import TOP
from tests.interop.namespaces import NoNamespaces
from tests.survive.cells import CELLS, onePair, traced
from tests.survive.judging import Verdict
from tests.survive.page import PAGE, render
from tests.survive.scene import Cell, perform
from tests.survive.telephones import Plan

#: A load for those in a hurry.
QUICK = Plan(established=40, ringing=12, rate=10.0, lead=2.0)


def _tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def summary(verdict: Verdict) -> list[str]:
    """
    A verdict in some lines.
    """
    kept, rang = verdict.established, verdict.ringing
    lines = [
        (
            f"established {kept}, {kept.hurtKept} of {kept.hurt} on the pair hurt; "
            f"ringing {rang}, {rang.hurtKept} of {rang.hurt}; "
            f"before {verdict.underWay}; new {verdict.new}"
        ),
        (
            f"longest without a new call: {verdict.gap} s on the pair, "
            f"{verdict.clusterGap} s in all; slowest ringing {verdict.slowest} s"
        ),
    ]
    lines += [f"{name}: {client}" for name, client in verdict.clients.items()]
    lines += [f"{name}: {value}" for name, value in verdict.figures.items()]
    return lines + [f"FAULT {fault}" for fault in verdict.faults]


async def main(reactor: Any, given: argparse.Namespace) -> None:
    """
    Run the cells.

    @raise SystemExit: with status 1 when any of them failed.
    """
    if given.list:
        for cell in CELLS:
            _tell(f"{cell.name:<20} {cell.title}")
        return
    cells = [cell for cell in CELLS if not given.cell or cell.name in given.cell]
    if not cells:
        raise SystemExit(f"no such cell; there are {[cell.name for cell in CELLS]}")
    plan = QUICK if given.quick else Plan()
    results: dict[str, Any] = {}
    if given.json and given.cell and Path(given.json).exists():
        results = json.loads(Path(given.json).read_text())
    failed = []
    for cell in cells:
        wanted = onePair(cell) if given.one else cell
        if given.trace:
            wanted = traced(wanted)
        verdict = await one(reactor, wanted, plan, given)
        results[cell.name] = {"title": cell.title, **verdict.asTable()}
        if verdict.faults:
            failed.append(cell.name)
        if given.json:
            Path(given.json).write_text(json.dumps(results, indent=1))
        ordered = {one.name: results[one.name] for one in CELLS if one.name in results}
        if not (given.quick or given.one) and len(ordered) == len(list(CELLS)):
            page = TOP / PAGE
            page.parent.mkdir(parents=True, exist_ok=True)
            page.write_text(render(ordered, plan), "utf-8")
    _tell(f"{len(cells) - len(failed)} cells as promised, {len(failed)} not {failed}")
    if failed:
        raise SystemExit(1)


async def one(
    reactor: Any, cell: Cell, plan: Plan, given: argparse.Namespace
) -> Verdict:
    """
    Run one cell, and say how it went.
    """
    folder = Path(tempfile.mkdtemp(prefix=f"sipcluster-{cell.name}-"))
    begin = time.monotonic()
    kept = given.keep
    try:
        verdict, troubles = await perform(
            reactor, cell, evolve(plan, after=cell.after), folder
        )
    except NoNamespaces as e:
        raise SystemExit(f"bin/survive needs network namespaces: {e}") from None
    except AssertionError as e:
        verdict, troubles = Verdict(faults=[f"it did not come to its end: {e}"]), ""
    finally:
        if not kept:
            shutil.rmtree(folder, ignore_errors=True)
    _tell(f"{cell.name}: {cell.title} ({time.monotonic() - begin:.0f} s)")
    for line in summary(verdict):
        _tell(f"  {line}")
    if troubles and verdict.faults:
        _tell(f"  SIPp wrote: {troubles[:4000]}")
    if kept:
        _tell(f"  kept in {folder}")
    return verdict


def run(reactor: Any, *arguments: str) -> Deferred[None]:
    """
    What L{react} calls.
    """
    parser = argparse.ArgumentParser("bin/survive", description=__doc__)
    parser.add_argument("--cell", action="append", help="only this one; again for more")
    parser.add_argument("--quick", action="store_true", help="fewer calls")
    parser.add_argument("--one", action="store_true", help="one pair only")
    parser.add_argument(
        "--json", help="keep results in a file; cells that are run again replace theirs"
    )
    parser.add_argument("--keep", action="store_true", help="keep all files")
    parser.add_argument("--trace", action="store_true", help="log every SIP message")
    parser.add_argument("--list", action="store_true", help="name the cells")
    return whole(reactor, main(reactor, parser.parse_args(arguments)))


if __name__ == "__main__":
    react(run, sys.argv[1:])
