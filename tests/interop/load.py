"""
C{bin/load}: many calls at once through SIP Proxies and nodes, none of which may fail
and nothing of which may have to be sent twice.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path
from shutil import which
from typing import Any

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import react
from twisted.internet.utils import getProcessOutputAndValue

from tests.bench.processes import whole
from tests.interop import load_transfers
from tests.interop.cluster import TOP, Cluster
from tests.interop.load_parts import Load, Wire, perCall, processorTime, register
from tests.interop.namespaces import Namespace, NoNamespaces
from tests.interop.phones import listens
from tests.interop.sipp import Report, SIPp, usersFile
from tests.interop.status import until

#: Numbers that call, in as many groups as there are numbers that are called.
CALLING = tuple(range(1001, 1011))
CALLED = (1011, 1012, 1013, 1014)


_CONTROL = "import sys; from sipcluster.app.control import main; sys.exit(main())"


async def load(
    reactor: IReactorTime, cluster: Cluster, rate: float, seconds: float, folder: Path
) -> Load:
    """
    Register the phones, make the calls, and look at the wire meanwhile.

    Half of the callers use one proxy and half the other; every call is
    authenticated, talks for a second and is hung up by the caller.

    @param rate: calls started in a second, all together.
    """
    proxies = [f"{cluster.address(name)}:5060" for name in ("proxy1", "proxy2")]
    phones = f"{cluster.base}.102"
    await register(cluster, phones, proxies[0], CALLED, folder)
    wire = await Wire.watch(reactor, cluster, folder)
    try:
        each = round(rate * seconds / len(CALLED))
        limit = int(seconds) + 60
        answering = SIPp(
            "load-callee", phones, calls=each * len(CALLED), seconds=limit
        ).run(folder / "called", cluster.namespace)
        await until(
            reactor, lambda: listens(cluster.namespace, phones), 5, "phones", 0.05
        )
        before = processorTime(cluster)
        callers = []
        for index, number in enumerate(CALLED):
            users = folder / f"calling-{number}.csv"
            users.write_text(usersFile(CALLING, [number]))
            callers.append(
                SIPp(
                    "load-caller",
                    f"{cluster.base}.{111 + index}",
                    proxies[index % 2],
                    service=str(number),
                    users=str(users),
                    calls=each,
                    rate=rate / len(CALLED),
                    seconds=limit,
                    mediaPort=20000 + 100 * index,
                ).run(folder / f"caller-{index}", cluster.namespace)
            )
        made: list[Report] = await gatherResults(callers)
        answered: Report = await answering
        after = processorTime(cluster)
    finally:
        await wire.end(reactor)
    seen = wire.seen()
    successful = sum(report.successful for report in made)
    return Load(
        calls=each * len(CALLED),
        successful=successful,
        failed=sum(report.failed for report in (*made, answered)),
        why="\n".join(report.why for report in (*made, answered) if report.why)[:3000],
        repeated=tuple(r for report in (*made, answered) for r in report.repeated),
        repeatedBy=seen["repeatedBy"],
        examples=seen["examples"],
        datagrams=seen["datagrams"],
        unseen=seen["unseen"],
        ringing=sum(report.seconds.get("1", 0.0) for report in made) / len(made),
        milliseconds=perCall(before, after, successful),
    )


def _tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def main(reactor: Any, given: argparse.Namespace) -> None:
    """
    Start a cluster, load it, and say how it went.

    @raise SystemExit: with status 1 when anything failed, was repeated or was
        left behind.
    """
    try:
        namespace = Namespace.make()
    except NoNamespaces as e:
        raise SystemExit(f"bin/load needs a network namespace: {e}") from None
    folder = Path(tempfile.mkdtemp(prefix="sipcluster-load-"))
    change = load_transfers.configured if given.scenario == "transfers" else str
    cluster = Cluster.make(
        namespace, change=lambda toml: _traced(change(toml), not given.no_log)
    )
    run = load_transfers.transfers if given.scenario == "transfers" else load
    left = ""
    try:
        await cluster.start(reactor)
        result = await run(reactor, cluster, given.rate, given.seconds, folder)
        _tell(f"calls         {result.calls}: {result.successful} successful")
        _tell(f"failed        {result.failed} {result.why}")
        _tell(f"datagrams     {result.datagrams}, {result.unseen} not seen")
        _tell(f"repeated      {dict(result.repeatedBy)} {list(result.examples)[:5]}")
        _tell(f"180 after     {1000 * result.ringing:.1f} ms (mean)")
        _tell(f"ms per call   {dict(result.milliseconds)}")
        if result.answered:
            _tell(f"ms to answer  {dict(result.answered)}")
        try:
            await cluster.settled(reactor)
        except AssertionError as e:
            left = str(e)
        _tell(f"left behind   {left or 'nothing'}")
        _tell(await _status(cluster))
        if complaints := cluster.complaints():
            _tell(f"members wrote\n{complaints[-4000:]}")
    finally:
        await cluster.stop(reactor)
        namespace.delete()
        shutil.rmtree(folder, ignore_errors=True)
    if not result.good or left:
        raise SystemExit(1)


async def _status(cluster: Cluster) -> str:
    """
    What C{sipclusterctl status} says.
    """
    line = cluster.namespace.command(
        [
            *(sys.executable, "-c", _CONTROL, "status"),
            *("--config", str(cluster.files.configuration)),
        ]
    )
    said: tuple[bytes, bytes, int] = await getProcessOutputAndValue(
        which(line[0]) or line[0], line[1:], env={**os.environ, "PYTHONPATH": str(TOP)}
    )
    return (said[0] + said[1]).decode("utf-8", "replace").rstrip()


def _traced(toml: str, traced: bool) -> str:
    return toml if traced else toml.replace("sip-trace = true", "sip-trace = false")


def run(reactor: Any, *arguments: str) -> Deferred[None]:
    """
    What L{react} calls.
    """
    parser = argparse.ArgumentParser("bin/load", description=__doc__)
    parser.add_argument("--scenario", choices=("calls", "transfers"), default="calls")
    parser.add_argument(
        "--rate", type=float, help="calls a second: 50, or 20 transfers"
    )
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--no-log", action="store_true", help="without the SIP trace")
    given = parser.parse_args(arguments)
    given.rate = given.rate or {"calls": 50.0, "transfers": 20.0}[given.scenario]
    return whole(reactor, main(reactor, given))


if __name__ == "__main__":
    react(run, sys.argv[1:])
