"""
The command C{bin/flow}.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import react

from tests.bench.processes import whole
from tests.flows.flows import FLOWS
from tests.flows.stage import Stage, configured
from tests.interop.cluster import Cluster
from tests.interop.namespaces import Namespace, NoNamespaces


def _tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def main(reactor: Any, given: argparse.Namespace) -> None:
    """
    Start a cluster, play flows, and draw what went over the wire.

    @raise SystemExit: there is no network namespace to be had.
    """
    if not shutil.which("sipp"):
        raise SystemExit("bin/flow needs SIPp: apt install sip-tester")
    try:
        namespace = Namespace.make()
    except NoNamespaces as e:
        raise SystemExit(f"bin/flow needs a network namespace: {e}") from None
    folder = Path(tempfile.mkdtemp(prefix="sipcluster-flow-"))
    cluster = Cluster.make(namespace, change=configured)
    try:
        await cluster.start(reactor)
        for name in given.flow:
            flow = FLOWS[name]
            _tell(f"{name}: {flow.title}")
            work = folder / name
            work.mkdir(exist_ok=True)
            stage = Stage(reactor, cluster, work, _tell, given.pause)
            try:
                calls = await flow.play(stage)
                await stage.over()
            finally:
                await stage.end()
            if not given.no_ladder:
                await stage.ladder(*calls)
            _tell("")
    finally:
        await cluster.stop(reactor)
        namespace.delete()
        shutil.rmtree(folder, ignore_errors=True)


def run(reactor: Any, *arguments: str) -> Deferred[None]:
    """
    What L{react} calls.
    """
    flows = "".join(f"  {name}  {flow.title}\n" for name, flow in FLOWS.items())
    parser = argparse.ArgumentParser(
        "bin/flow",
        description=f"Play a flow of a contact centre, and draw it:\n{flows}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("flow", nargs="+", choices=list(FLOWS), metavar="NAME")
    parser.add_argument(
        "--pause", type=float, default=1.0, help="seconds that people talk"
    )
    parser.add_argument("--no-ladder", action="store_true", help="events only")
    return whole(reactor, main(reactor, parser.parse_args(arguments)))


if __name__ == "__main__":
    react(run, sys.argv[1:])
