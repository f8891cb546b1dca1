"""
One cell: a cluster under load, something that happens to it, and what is left.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from attrs import define, field, frozen
from twisted.internet.interfaces import IReactorTime

from tests.bench.processes import Program, pause
from tests.interop.cluster import TOP
from tests.interop.status import until
from tests.survive.calls import Calls
from tests.survive.capture import kindOf, ofPrimary, read
from tests.survive.cluster import Survivors
from tests.survive.configuration import TRUNK, TTL, Shape
from tests.survive.hosts import HOSTS, Hosts, address
from tests.survive.judging import Verdict, judge
from tests.survive.recorders import Recorders
from tests.survive.telephones import Plan, Telephones


@frozen
class Cell:
    """
    What is to happen, and what may be lost.

    @ivar name: for the command line.
    @ivar title: for the page.
    @ivar harm: what happens.
    @ivar back: seconds within which a member that was started again must be in sync.
    @ivar unreachable: whether calls may be lost that came to a primary which could
        reach nobody, and that had not rung.
    @ivar allowed: longest time, in seconds, that the pair may not answer new calls.
    """

    name: str
    title: str
    harm: Callable[[Scene], Awaitable[None]]
    allowed: float = 1.0
    shape: Shape = field(factory=Shape)
    after: float = 14.0
    unreachable: bool = False
    back: float = 5.0


@define
class Scene:
    """
    What a cell works on.

    @ivar inTime: see L{Cell.back}.
    @ivar hurt: the pair that it happens to.
    @ivar moment: when it happened, in seconds since 1970; 0: not yet.
    @ivar figures: what the cell measured.
    @ivar faults: what the cell found wrong.
    """

    reactor: IReactorTime
    hosts: Hosts
    cluster: Survivors
    telephones: Telephones
    recorders: Recorders
    folder: Path
    inTime: float
    hurt: str = "node1"
    moment: float = 0.0
    figures: dict[str, Any] = field(factory=dict)
    faults: list[str] = field(factory=list)
    _captures: list[Program] = field(factory=list)
    _helpers: list[Program] = field(factory=list)

    def happens(self) -> None:
        """
        It happens now.
        """
        self.moment = time.time()

    async def wait(self, seconds: float) -> None:
        """
        Let the calls go on.
        """
        await pause(self.reactor, seconds)

    async def back(self, name: str) -> None:
        """
        Start a member again, and wait until it is backup and in sync.
        """
        begin = self.reactor.seconds()
        self.cluster.launch(name)
        await self.inSync(name, begin)

    async def inSync(self, name: str, begin: float) -> None:
        """
        Wait until a member is backup and has everything.
        """
        try:
            await until(
                self.reactor,
                lambda: self.cluster.role(name) == "backup in sync",
                20.0,
                f"{name} is in sync",
            )
        except AssertionError:
            self.faults.append(f"{name} is {self.cluster.role(name)} after 20 s")
            return
        took = round(self.reactor.seconds() - begin, 2)
        self.figures["back in sync after"] = took
        if took > self.inTime:
            self.faults.append(f"{name} was in sync after {took} s only")

    def holding(self, name: str) -> dict[str, object]:
        """
        What a primary says that would be otherwise if it, or the arbiter, had taken
        anything from another member that thinks it is primary: the HA link is
        encrypted, so nobody can read there what that one says.
        """
        pair = self.cluster.status(name).get("pair", {})
        counters = pair.get("counters", {})
        return {
            "role": pair.get("role"),
            "epoch": pair.get("epoch"),
            "snapshots taken": counters.get("snapshotsTaken", 0),
            "failures": counters.get("fencedByLink", 0),
        }

    def stillHolding(self, name: str, before: dict[str, object]) -> None:
        """
        See that a primary has taken nothing.
        """
        after = self.holding(name)
        self.figures["taken from the woken member"] = (
            "nothing" if after == before else after
        )
        if after != before or after["role"] != "primary":
            self.faults.append(f"{name} was {before}, and is {after}")

    async def capture(self, name: str) -> Path:
        """
        Watch what leaves a host.
        """
        file = self.folder / f"{name}.packets"
        self._captures.append(
            Program.start(
                [sys.executable, "-m", "tests.survive.capture", str(file)],
                self.folder / "capture.out",
                self.hosts[name],
                {"PYTHONPATH": str(TOP)},
            )
        )
        await until(
            self.reactor, file.with_suffix(".started").exists, 10.0, "captures", 0.05
        )
        return file

    async def captured(self, file: Path, since: float) -> None:
        """
        End the capture, and look at what a member sent that was not primary.
        """
        for program in self._captures:
            await program.stop(self.reactor)
        self._captures.clear()
        sent = [packet for packet in read(file) if packet["time"] >= since]
        kinds: dict[str, int] = {}
        for packet in sent:
            kinds[kindOf(packet)] = kinds.get(kindOf(packet), 0) + 1
        self.figures["sent by the woken member"] = kinds
        self.faults += [
            f"sent by a member that was not primary: {kindOf(packet)} to "
            f"{packet['to']}, {packet['time'] - since:.3f} s after it woke"
            for packet in ofPrimary(sent)[:5]
        ]

    async def run(self, cell: Cell) -> Verdict:
        """
        Make the calls, let it happen, let the calls end, and judge.
        """
        reactor, plan = self.reactor, self.telephones.plan
        self._trunk()
        await self.telephones.register(reactor)
        await self.recorders.start(reactor)
        await self.telephones.answer(reactor)
        half = plan.established // 2
        self.telephones.call(
            "stays",
            half,
            plan.startRate * half / (plan.established + plan.ringing),
            plan.longest,
        )
        self.telephones.call(
            "hangs-up",
            plan.established - half,
            plan.startRate * half / (plan.established + plan.ringing),
            0,
        )
        for kind in ("rings", "cancelled"):
            count = plan.ringing // 2
            self.telephones.call(
                kind,
                count,
                plan.startRate * count / (plan.established + plan.ringing),
                1.0 if kind == "rings" else plan.longest,
            )
        await self.wait(plan.starting + 0.5)
        seconds = plan.lead + plan.after
        for kind, rate in (("answers", plan.rate * 5 / 6), ("slow", plan.rate / 6)):
            self.telephones.call(kind, round(rate * seconds), rate, 1.0)
        await self.wait(plan.lead)
        begin = reactor.seconds()
        await cell.harm(self)
        if not self.moment:
            self.faults.append("nothing has happened")
            self.happens()
        await self.wait(max(0.0, plan.after - (reactor.seconds() - begin)))
        await self.telephones.over(reactor, plan.longest + 45)
        try:
            await self.recorders.quiet(reactor)
        except AssertionError as e:
            self.faults.append(str(e))
        await self._leftBehind()
        await self.recorders.stop(reactor)
        return self._verdict(cell)

    def _trunk(self) -> None:
        """
        Have somebody who answers OPTIONS.
        """
        host, port = TRUNK
        self._helpers.append(
            Program.start(
                [
                    *(sys.executable, "-m", "tests.survive.trunk"),
                    *(address(host), str(port)),
                ],
                self.folder / "trunk.out",
                self.hosts[host],
                {"PYTHONPATH": str(TOP)},
            )
        )

    async def _leftBehind(self) -> None:
        """
        Nothing of any call is left, and everybody is where they are to be.
        """
        linger = self.telephones.plan.linger
        try:
            # What transactions linger for (64*T1).
            await until(
                self.reactor, lambda: not self.cluster.leftovers(linger), 40.0, "", 0.5
            )
        except AssertionError:
            left = self.cluster.leftovers(linger)
            self.faults.append(f"left behind: {left}")
            for name in left:
                file = self.folder / f"{name}-left.json"
                file.write_text(json.dumps(self.cluster.status(name), indent=1))
        if lacking := self.cluster.lacking():
            self.faults.append(f"afterwards: {lacking}")
        if complaints := self.cluster.complaints():
            self.faults.append(f"members wrote: {complaints[:3000]}")

    def _verdict(self, cell: Cell) -> Verdict:
        pairs = self.cluster.shape.pairs
        verdict = judge(
            Calls.read(self.telephones.logs()),
            {pair: self.recorders.streams(pair) for pair in pairs},
            self.hurt,
            self.moment,
        )
        if cell.unreachable:
            verdict.faults = [
                fault
                for fault in verdict.faults
                if not (fault.startswith("lost, ") and "never rang" in fault)
            ]
        verdict.figures.update(self.figures)
        verdict.faults += self.faults
        if verdict.gap > cell.allowed:
            verdict.faults.append(
                f"no new call was answered for {verdict.gap} s, "
                f"more than {cell.allowed:g} s"
            )
        return verdict

    async def stop(self) -> None:
        """
        End everything.
        """
        for program in (*self._captures, *self._helpers):
            program.kill()
        await self.telephones.stop(self.reactor)
        await self.recorders.stop(self.reactor)
        await self.cluster.stop(self.reactor)


async def perform(
    reactor: IReactorTime, cell: Cell, plan: Plan, folder: Path
) -> tuple[Verdict, str]:
    """
    Run a cell from nothing to nothing.

    @param folder: for all files; it is there when this is over.

    @return: what it has shown, and what SIPp complained about.
    """
    shape = cell.shape
    wanted = {*shape.members, *shape.etcd, "clients", "callers", "callees"}
    hosts = Hosts.make([name for name in HOSTS if name in wanted])
    cluster = Survivors(folder, hosts, shape)
    scene = Scene(
        reactor,
        hosts,
        cluster,
        Telephones(hosts, folder / "telephones", plan),
        Recorders(hosts, folder / "recorders", shape),
        folder,
        cell.back,
    )
    try:
        await cluster.start(reactor)
        verdict = await scene.run(cell)
        return verdict, scene.telephones.troubles()
    finally:
        await scene.stop()
        hosts.delete()


def lease() -> float:
    """
    Seconds that a frozen or cut off primary may have been one, and one more.
    """
    return TTL + 1.0
