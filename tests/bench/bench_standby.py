"""
What hot standby costs: a node on its own and a pair, in one run and by turns.

Each gets the same calls from SIPp, while a T-Library client watches all DNs and asks
for something 50 times a second::

    bin/bench standby [--rate 50] [--rate 200] [--seconds 10] [--rounds 3]

Told are the processor time of a call, at the primary and at the backup, and how long a
request of the client takes until its event is there.

Then so many calls are established at a time, the backup is killed and started again,
and others go on calling meanwhile::

    bin/bench standby --calls 2000 [--others 20]

Told are the memory of a call at both members, how long the backup takes until it has
everything, and what those who call meanwhile notice.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import platform
import shutil
import signal
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs
from attrs import frozen
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import react

from tests.bench.calls import HERE, numbersFile
from tests.bench.processes import Program, pause, whole
from tests.bench.standby_subjects import System, Watcher
from tests.bench.subjects import NODE, PROXY, TRUNK
from tests.interop.namespaces import Namespace, NoNamespaces
from tests.interop.sipp import Report, SIPp
from tests.interop.status import until

#: What SIPp writes into all that it sends as a SIP Proxy.
BEHIND = f", SIP/2.0/UDP {TRUNK}:5060;branch=z9hG4bK-trunk;received={TRUNK}"

#: Calls are established at this rate when many are wanted.
FILLING = 100.0

#: Seconds for which those who call meanwhile do.
MEANWHILE = 20.0

#: Seconds without calls before there are some.
QUIET = 5.0

#: Pause of the scenario between ACK and BYE.
_PAUSE = (
    '<pause milliseconds="50"/>\n\n  <send retrans="500">\n    <![CDATA[\n\n    BYE'
)


def tell(line: str) -> None:
    """
    Say something to the person at the terminal.
    """
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def options(arguments: Sequence[str]) -> argparse.Namespace:
    """
    What was asked for.
    """
    parser = argparse.ArgumentParser(
        "bin/bench standby",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rate", type=float, action="append", metavar="CALLS/S")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each run")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=("alone", "pair"), help="only one of the two")
    parser.add_argument(
        "--calls", type=int, default=0, help="established at a time; then only this"
    )
    parser.add_argument(
        "--others", type=float, default=20.0, help="calls a second meanwhile"
    )
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--keep", action="store_true", help="keep the run's folder")
    return parser.parse_args(arguments)


# Calls


def phone(folder: Path, seconds: int) -> tuple[SIPp, Path]:
    """
    The called phone, at the address of the SIP Proxy, and its folder.
    """
    return (
        SIPp(
            "callee",
            PROXY,
            port=5060,
            calls=0,
            seconds=seconds,
            folder=HERE / "scenarios",
            answersOthers=True,
        ),
        folder / "phone",
    )


@frozen
class Caller:
    """
    Who calls.

    @ivar hold: seconds between ACK and BYE; 0: as short as ever.
    """

    calls: int
    rate: float
    port: int = 5062
    media: int = 17000
    hold: float = 0.0

    def run(self, system: System, folder: Path) -> Deferred[Report]:
        """
        Make the calls.
        """
        folder.mkdir(parents=True)
        scenario = (HERE / "scenarios" / "caller.xml").read_text()
        assert scenario.count(_PAUSE) == 1
        held = _PAUSE.replace("50", f"{1000 * self.hold or 50:.0f}", 1)
        (folder / "caller.xml").write_text(scenario.replace(_PAUSE, held))
        return _Timed(
            "caller",
            PROXY,
            f"{NODE}:5060",
            port=self.port,
            user="2000",
            calls=self.calls,
            rate=self.rate,
            seconds=int(self.calls / self.rate + self.hold) + 45,
            users=str(numbersFile(system.folder)),
            keys={"behind": BEHIND},
            folder=folder,
            mediaPort=self.media,
            answersOthers=True,
        ).run(folder, system.namespace)


class _Timed(SIPp):
    """
    One that writes down how long each 180 took.
    """

    def arguments(self, work: Path) -> list[str]:
        line = super().arguments(work)
        return [line[0], "-trace_rtt", "-rtt_freq", "1", *line[1:]]


def times(folder: Path) -> list[float]:
    """
    Milliseconds from INVITE to 180 of each call that a caller has made.
    """
    found = []
    for file in folder.glob("*_rtt.csv"):
        with file.open(newline="") as lines:
            rows = list(csv.reader(lines, delimiter=";"))
        found += [float(row[1]) for row in rows[1:] if len(row) > 1]
    return found


# Overhead


@frozen
class Cost:
    """
    One run.

    @ivar idle: share of a processor that each process uses without calls, for the
        client's requests and the questions between members.
    @ivar milliseconds: processor time of a call at each process, without that.
    @ivar delays: milliseconds from request to event: the median, and that of which
        one in a hundred is longer, and the longest.
    """

    system: str
    rate: float
    calls: int
    failed: int
    idle: dict[str, float]
    milliseconds: dict[str, float]
    delays: tuple[float, float, float]
    ringing: float


async def quiet(reactor: IReactorTime, system: System, watcher: Watcher) -> Cost:
    """
    Make no calls for a while.
    """
    watcher.take()
    before, began = system.spent(), reactor.seconds()
    await pause(reactor, QUIET)
    seconds = reactor.seconds() - began
    spent = system.spent().since(before)
    idle = {name: value / seconds for name, value in spent.items()}
    return Cost(system.name, 0.0, 0, 0, idle, {}, spread(watcher.take()), 0.0)


async def cost(
    reactor: IReactorTime,
    system: System,
    watcher: Watcher,
    idle: dict[str, float],
    rate: float,
    seconds: float,
) -> Cost:
    """
    Make calls for a while.
    """
    folder = Path(tempfile.mkdtemp(prefix="run", dir=system.folder))
    sipp, place = phone(folder, int(seconds) + 45)
    program = _start(sipp, place, system)
    calls = int(rate * seconds)
    try:
        await pause(reactor, 0.3)
        await system.served(reactor)
        watcher.take()
        before, began = system.spent(), reactor.seconds()
        made: Report = await Caller(calls, rate).run(system, folder / "caller")
        await pause(reactor, 0.5)
        system.check()
        if watcher.lost:
            tell(f"{system.name}: {json.dumps(system.told())}")
            raise RuntimeError(f"{system.name}: no T-Library client: {watcher.lost}")
        took = reactor.seconds() - began
        spent = system.spent().since(before)
    finally:
        await program.stop(reactor, 5.0, signal.SIGUSR1)
    rtt = times(folder / "caller")
    return Cost(
        system.name,
        rate,
        made.successful,
        calls - made.successful,
        idle,
        {
            name: 1000.0 * (value - idle[name] * took) / max(1, made.successful)
            for name, value in spent.items()
        },
        spread(watcher.take()),
        statistics.median(rtt) if rtt else 0.0,
    )


def _start(sipp: SIPp, place: Path, system: System) -> Program:
    return Program.start(
        sipp.arguments(place),
        place / "out",
        system.namespace,
        {"TERM": "dumb"},
        folder=place,
    )


def spread(seconds: Sequence[float]) -> tuple[float, float, float]:
    """
    Median, last hundredth and maximum of times, in milliseconds.
    """
    if not seconds:
        return 0.0, 0.0, 0.0
    ordered = sorted(seconds)
    return (
        1000.0 * ordered[len(ordered) // 2],
        1000.0 * ordered[len(ordered) * 99 // 100],
        1000.0 * ordered[-1],
    )


async def overhead(
    reactor: Any, given: argparse.Namespace, folder: Path, namespace: Namespace | None
) -> list[Cost]:
    """
    Both in turn, at each rate, and without calls; and that again for every round.
    """
    costs = []
    for turn in range(given.rounds):
        for paired in systems(given):
            system = System(paired, folder / f"{turn}-{int(paired)}", namespace)
            try:
                await system.start(reactor)
                watcher = Watcher(namespace, NODE)
                try:
                    none = dict.fromkeys(system.programs, 0.0)
                    await cost(reactor, system, watcher, none, 50.0, 2.0)
                    await system.synced(reactor)
                    await pause(reactor, 1.0)
                    still = await quiet(reactor, system, watcher)
                    costs.append(still)
                    shares = {name: 100.0 * each for name, each in still.idle.items()}
                    tell(
                        f"{system.name:12}      no calls    {_delays(still.delays)}   "
                        f"{_each(shares)} % of a processor"
                    )
                    for rate in given.rate:
                        one = await cost(
                            reactor, system, watcher, still.idle, rate, given.seconds
                        )
                        costs.append(one)
                        tell(
                            f"{one.system:12} {one.rate:6g} calls/s  "
                            f"{_delays(one.delays)}   "
                            f"{_each(one.milliseconds)} ms a call, "
                            f"180 after {one.ringing:.1f} ms, {one.failed} failed"
                        )
                finally:
                    watcher.stop()
            finally:
                await system.stop(reactor)
    return costs


def systems(given: argparse.Namespace) -> tuple[bool, ...]:
    """
    What is measured: whether it is a pair.
    """
    return {"alone": (False,), "pair": (True,)}.get(given.only, (False, True))


def _delays(delays: Sequence[float]) -> str:
    middle, most, longest = delays
    return f"event after {middle:.2f} ms (99 %: {most:.2f}, longest {longest:.1f})"


def _each(values: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.3f}" for name, value in values.items())


def medians(costs: Sequence[Cost]) -> list[dict[str, object]]:
    """
    Over the rounds.
    """
    rows: list[dict[str, object]] = []
    for rate in sorted({one.rate for one in costs}):
        for system in dict.fromkeys(one.system for one in costs):
            runs = [one for one in costs if (one.system, one.rate) == (system, rate)]
            rows.append(
                {
                    "system": system,
                    "rate": rate,
                    "calls": sum(one.calls for one in runs),
                    "failed": sum(one.failed for one in runs),
                    "idle": {
                        name: round(
                            statistics.median(one.idle[name] for one in runs), 4
                        )
                        for name in runs[0].idle
                    },
                    "ms_per_call": {
                        name: round(
                            statistics.median(one.milliseconds[name] for one in runs),
                            4,
                        )
                        for name in runs[0].milliseconds
                    },
                    "event_ms": [
                        round(statistics.median(one.delays[i] for one in runs), 3)
                        for i in range(3)
                    ],
                    "ringing_ms": round(
                        statistics.median(one.ringing for one in runs), 2
                    ),
                }
            )
    return rows


# Many calls at a time


@frozen
class Crowd:
    """
    Many calls at a time.

    @ivar memory: bytes of each process that a call took.
    @ivar resident: bytes of each process with all calls.
    @ivar linked: seconds from the start of the backup's process until it has found
        the primary; 0: there was no backup to start.
    @ivar snapshot: seconds from then until it had everything.
    @ivar failed: of the many calls, and of those that were made meanwhile.
    @ivar ringing: milliseconds from INVITE to 180 of calls that were made meanwhile:
        the median, and the longest.
    @ivar delays: of events, meanwhile.
    """

    system: str
    calls: int
    memory: dict[str, int]
    resident: dict[str, int]
    entries: int
    linked: float
    snapshot: float
    failed: tuple[int, int]
    meanwhile: int
    ringing: tuple[float, float]
    delays: tuple[float, float, float]


async def crowd(reactor: Any, given: argparse.Namespace, system: System) -> Crowd:
    """
    Establish them, let the backup come back, and end them.
    """
    folder = system.folder / "crowd"
    hold = given.calls / FILLING + MEANWHILE + 10.0
    sipp, place = phone(folder, int(2 * hold) + 120)
    program = _start(sipp, place, system)
    watcher = Watcher(system.namespace, NODE)
    try:
        await pause(reactor, 0.3)
        await system.served(reactor)
        await Caller(100, 50.0).run(system, folder / "warm-up")
        await system.synced(reactor)
        before = system.memory()
        caller = Caller(given.calls, FILLING, hold=hold)
        many = caller.run(system, folder / "many")
        await until(
            reactor,
            lambda: system.status().get("calls", 0) >= given.calls,
            given.calls / FILLING + 30.0,
            f"{given.calls} calls are established",
            0.25,
        )
        await pause(reactor, 2.0)
        resident = system.memory()
        entries = int(system.status().get("pair", {}).get("entries", 0))
        watcher.take()
        others = Caller(int(MEANWHILE * given.others), given.others, 5064, 18000).run(
            system, folder / "others"
        )
        await pause(reactor, 3.0)
        linked = snapshot = 0.0
        if system.paired:
            linked, snapshot = await comeBack(reactor, system)
        made: Report = await others
        delays = spread(watcher.take())
        ended: Report = await many
        system.check()
    finally:
        watcher.stop()
        await program.stop(reactor, 5.0, signal.SIGUSR1)
    rtt = times(folder / "others")
    return Crowd(
        system.name,
        given.calls,
        {name: (resident[name] - before[name]) // given.calls for name in resident},
        resident,
        entries,
        linked,
        snapshot,
        (
            given.calls - ended.successful,
            int(MEANWHILE * given.others) - made.successful,
        ),
        made.successful,
        (statistics.median(rtt), max(rtt)) if rtt else (0.0, 0.0),
        delays,
    )


async def comeBack(reactor: Any, system: System) -> tuple[float, float]:
    """
    Kill the backup, and start it again.

    @return: seconds from its start until it has found the primary, and from then
        until it had everything.
    """
    backup = system.members[1]
    system.programs.pop(backup).kill()
    await until(reactor, lambda: not system.inSync(), 5.0, "it is missed", 0.01)
    await pause(reactor, 1.0)
    began = reactor.seconds()
    system.launch(backup)

    def linked() -> bool:
        return bool(system.status().get("pair", {}).get("linked"))

    await until(reactor, linked, 20.0, "the backup is there", 0.005)
    found = reactor.seconds()
    await until(reactor, system.inSync, 20.0, "the backup has everything", 0.005)
    return found - began, reactor.seconds() - found


async def crowds(
    reactor: Any, given: argparse.Namespace, folder: Path, namespace: Namespace | None
) -> list[Crowd]:
    """
    Both in turn.
    """
    found = []
    for paired in systems(given):
        system = System(paired, folder / f"crowd-{int(paired)}", namespace)
        try:
            await system.start(reactor)
            one = await crowd(reactor, given, system)
        finally:
            await system.stop(reactor)
        found.append(one)
        each = ", ".join(
            f"{name} {size / 1024:.1f} KB a call, {one.resident[name] >> 20} MB in all"
            for name, size in one.memory.items()
        )
        tell(f"{one.system:12} {one.calls} calls: {each}; {one.entries} entries")
        if paired:
            tell(
                f"{'':12} the backup found the primary {one.linked:.2f} s after its "
                f"start, and had everything {1000 * one.snapshot:.0f} ms later"
            )
        tell(
            f"{'':12} meanwhile {one.meanwhile} calls: 180 after "
            f"{one.ringing[0]:.1f} ms, longest {one.ringing[1]:.1f}; "
            f"{_delays(one.delays)}; failed {one.failed[0]} and {one.failed[1]}"
        )
    return found


# The bench


async def measure(reactor: Any, given: argparse.Namespace) -> None:
    """
    Make a place, measure, and tell.
    """
    given.rate = given.rate or [50.0, 200.0]
    folder = Path(tempfile.mkdtemp(prefix="sipcluster-bench-"))
    namespace: Namespace | None = None
    try:
        namespace = Namespace.make()
    except NoNamespaces as e:
        tell(f"no namespace of our own ({e}): using the host's loopback")
    found: dict[str, Any] = {}
    try:
        if given.calls:
            many = await crowds(reactor, given, folder, namespace)
            found["crowds"] = [attrs.asdict(one) for one in many]
        else:
            costs = await overhead(reactor, given, folder, namespace)
            rows = medians(costs)
            tell("medians:")
            for row in rows:
                tell(f"  {json.dumps(row)}")
            found["medians"] = rows
            found["runs"] = [attrs.asdict(one) for one in costs]
    finally:
        if namespace is not None:
            namespace.delete()
        if given.keep:
            tell(f"kept: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    if given.json is not None:
        about = {
            "python": platform.python_version(),
            "machine": f"{platform.machine()}, {os.cpu_count()} processors",
            "command": sys.argv[1:],
        }
        given.json.write_text(json.dumps({**about, **found}, indent=1))


def run(reactor: Any, *arguments: str) -> Deferred[None]:
    """
    What L{react} calls.
    """
    return whole(reactor, measure(reactor, options(arguments)))


def main(arguments: Sequence[str]) -> None:
    """
    C{bin/bench standby}.
    """
    react(run, arguments)
