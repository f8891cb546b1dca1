"""
C{bin/load}: many calls at once through SIP Proxies and nodes, none of which may fail
and nothing of which may have to be sent twice.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from shutil import which
from typing import Any

from attrs import frozen
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import react
from twisted.internet.utils import getProcessOutputAndValue

from tests.bench.processes import Program, cpuSeconds, whole
from tests.interop.cluster import TOP, Cluster
from tests.interop.namespaces import Namespace, NoNamespaces
from tests.interop.phones import listens
from tests.interop.sipp import Report, SIPp, usersFile
from tests.interop.status import until

#: Numbers that call, in as many groups as there are numbers that are called.
CALLING = tuple(range(1001, 1011))
CALLED = (1011, 1012, 1013, 1014)


_CONTROL = "import sys; from sipcluster.app.control import main; sys.exit(main())"


@frozen
class Load:
    """
    What a load has shown.

    @ivar calls: how many were to be made.
    @ivar repeatedBy: by address, how many datagrams were copies of earlier ones.
    @ivar examples: some of those.
    @ivar unseen: datagrams that the watcher missed.
    @ivar milliseconds: processor time per call, by member.
    """

    calls: int
    successful: int
    failed: int
    why: str
    repeated: tuple[str, ...]
    repeatedBy: Mapping[str, int]
    examples: Sequence[str]
    datagrams: int
    unseen: int
    ringing: float
    milliseconds: Mapping[str, float]

    @property
    def good(self) -> bool:
        """
        Whether every call succeeded and nothing was sent twice.
        """
        return (
            self.successful == self.calls
            and not self.failed
            and not self.repeated
            and not self.repeatedBy
        )


async def _run(run: SIPp, folder: Path, cluster: Cluster) -> Report:
    report = await run.run(folder, cluster.namespace)
    if report.status:
        raise RuntimeError(f"{run.scenario}: {report.why}")
    return report


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
    called = folder / "called.csv"
    called.write_text(usersFile(CALLED))
    await _run(
        SIPp(
            "register-users",
            phones,
            proxies[0],
            calls=len(CALLED),
            users=str(called),
        ),
        folder / "register",
        cluster,
    )
    output = folder / "wire.json"
    watcher = Program.start(
        [sys.executable, "-m", "tests.interop.wire", str(output)],
        folder / "wire.out",
        cluster.namespace,
        {"PYTHONPATH": str(TOP)},
    )
    try:
        await until(
            reactor, output.with_suffix(".started").exists, 10, "watching", 0.05
        )
        each = round(rate * seconds / len(CALLED))
        limit = int(seconds) + 60
        answering = SIPp(
            "load-callee", phones, calls=each * len(CALLED), seconds=limit
        ).run(folder / "called", cluster.namespace)
        await until(
            reactor, lambda: listens(cluster.namespace, phones), 5, "phones", 0.05
        )
        before = {
            name: cpuSeconds(program.family())
            for name, program in cluster.programs.items()
        }
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
        spent = {
            name: cpuSeconds(program.family()) - before[name]
            for name, program in cluster.programs.items()
        }
    finally:
        await watcher.stop(reactor)
    seen: dict[str, Any] = json.loads(output.read_text())
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
        milliseconds={
            name: round(1000 * value / max(1, successful), 3)
            for name, value in spent.items()
        },
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
    cluster = Cluster.make(namespace, change=_untraced if given.no_log else str)
    left = ""
    try:
        await cluster.start(reactor)
        result = await load(reactor, cluster, given.rate, given.seconds, folder)
        _tell(f"calls         {result.calls}: {result.successful} successful")
        _tell(f"failed        {result.failed} {result.why}")
        _tell(f"datagrams     {result.datagrams}, {result.unseen} not seen")
        _tell(f"repeated      {dict(result.repeatedBy)} {list(result.examples)[:5]}")
        _tell(f"180 after     {1000 * result.ringing:.1f} ms (mean)")
        _tell(f"ms per call   {dict(result.milliseconds)}")
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


def _untraced(toml: str) -> str:
    return toml.replace("sip-trace = true", "sip-trace = false")


def run(reactor: Any, *arguments: str) -> Deferred[None]:
    """
    What L{react} calls.
    """
    parser = argparse.ArgumentParser("bin/load", description=__doc__)
    parser.add_argument("--rate", type=float, default=50.0, help="calls a second")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--no-log", action="store_true", help="without the SIP trace")
    return whole(reactor, main(reactor, parser.parse_args(arguments)))


if __name__ == "__main__":
    react(run, sys.argv[1:])
