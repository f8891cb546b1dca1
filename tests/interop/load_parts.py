"""
What loads of all kinds have in common: telephones register, the wire is watched, and
the processor time of all members is counted.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import field, frozen
from twisted.internet.interfaces import IReactorTime

from tests.bench.processes import Program, cpuSeconds
from tests.interop.cluster import TOP, Cluster
from tests.interop.sipp import Report, SIPp, usersFile
from tests.interop.status import until


@frozen
class Load:
    """
    What a load has shown.

    @ivar calls: how many were to be made.
    @ivar repeatedBy: by address, how many datagrams were copies of earlier ones.
    @ivar examples: some of those.
    @ivar unseen: datagrams that the watcher missed.
    @ivar milliseconds: processor time per call, by member.
    @ivar answered: milliseconds until requests were answered, mean, by request.
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
    answered: Mapping[str, float] = field(factory=dict)

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


async def register(
    cluster: Cluster, address: str, proxy: str, numbers: Iterable[int], folder: Path
) -> None:
    """
    Register telephones that are all at one address.

    @raise RuntimeError: one could not.
    """
    numbers = list(numbers)
    users = folder / f"registered-{address}.csv"
    users.write_text(usersFile(numbers))
    run = SIPp(
        "register-users",
        address,
        proxy,
        calls=len(numbers),
        rate=50,
        users=str(users),
    )
    report: Report = await run.run(folder / f"register-{address}", cluster.namespace)
    if report.status:
        raise RuntimeError(f"{run.scenario}: {report.why}")


@frozen
class Wire:
    """
    The wire, watched.
    """

    output: Path
    watcher: Program

    @classmethod
    async def watch(cls, reactor: IReactorTime, cluster: Cluster, folder: Path) -> Wire:
        """
        Begin.
        """
        output = folder / "wire.json"
        watcher = Program.start(
            [sys.executable, "-m", "tests.interop.wire", str(output)],
            folder / "wire.out",
            cluster.namespace,
            {"PYTHONPATH": str(TOP)},
        )
        wire = cls(output, watcher)
        try:
            await until(
                reactor, output.with_suffix(".started").exists, 10, "watching", 0.05
            )
        except BaseException:
            await wire.end(reactor)
            raise
        return wire

    async def end(self, reactor: IReactorTime) -> None:
        """
        Watch no more.
        """
        await self.watcher.stop(reactor)

    def seen(self) -> dict[str, Any]:
        """
        What was seen, once it has ended.
        """
        found: dict[str, Any] = json.loads(self.output.read_text())
        return found


def processorTime(cluster: Cluster) -> dict[str, float]:
    """
    Seconds that each member has used so far.
    """
    return {
        name: cpuSeconds(program.family()) for name, program in cluster.programs.items()
    }


def perCall(
    before: Mapping[str, float], after: Mapping[str, float], calls: int
) -> dict[str, float]:
    """
    Milliseconds a call.
    """
    return {
        name: round(1000 * (after[name] - before[name]) / max(1, calls), 3)
        for name in after
    }
