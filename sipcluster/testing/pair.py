"""
Two members of a pair, one arbiter, and a seed that decides what goes wrong.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable

from attrs import define, field
from twisted.internet.task import Clock

from sipcluster.cluster.embedded import EmbeddedEngine
from sipcluster.cluster.embedded_store import EmbeddedStore, memoryEngine
from sipcluster.ha.arbiters.lock_file import LockFileArbiter, Perform
from sipcluster.ha.arbiters.store import StoreArbiter
from sipcluster.ha.iha import IArbiter
from sipcluster.ha.lease import Fence, LeaseTimes
from sipcluster.testing.arbiters import (
    Court,
    Disk,
    FakeArbiter,
    MemoryLockFiles,
    UnsteadyStore,
)
from sipcluster.testing.hosts import Host, Wire
from sipcluster.testing.pair_link import Line
from sipcluster.testing.pair_process import Broken, InAThread, Process

__all__ = ["Broken", "PairWorld", "Process"]

#: Seconds of margin in a simulation: none, but for what rounding may do where the
#: clocks are exactly as wrong as they may be.
ROUNDING = 1e-6


@define(eq=False)
class PairWorld:
    """
    Runs a pair through what a seed decides, and looks after every step whether
    there are two primaries.

    @ivar kind: of the arbiter: C{"fake"}, C{"store"} or C{"lock file"}.
    @ivar times: the members'.
    @ivar drift: by how much clocks are really wrong.
    @ivar story: what happened.
    @ivar epochs: of all that became primary, in order.
    """

    seed: int
    kind: str
    times: LeaseTimes = field(factory=lambda: LeaseTimes(margin=ROUNDING))
    drift: float = 0.01
    time: Clock = field(factory=Clock)
    story: list[str] = field(factory=list)
    epochs: list[int] = field(factory=list)
    processes: dict[str, Process] = field(factory=dict)
    disk: Disk = field(factory=Disk)
    engine: EmbeddedEngine | None = None
    incarnations: int = 0
    chance: random.Random = field(init=False)
    court: Court = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        judge = self.newHost()
        self.court = Court(judge, self.times.ttl)
        if self.kind == "store":
            self.engine = memoryEngine(judge)
        self.shared = self.newHost()
        self.line = Line(self.time, self.chance)
        for name in ("a", "b"):
            self.begin(name)

    shared: Host = field(init=False)
    line: Line = field(init=False)

    def newHost(self) -> Host:
        """
        A clock that is as wrong as it may be, or less.
        """
        wrong = self.chance.choice((-1.0, 1.0, self.chance.uniform(-1, 1)))
        rate = 1.0 + wrong * self.drift
        return Host(self.time, rate, self.chance.uniform(0, 1000))

    def begin(self, name: str) -> None:
        """
        Start a process of a member.
        """
        host = self.newHost()
        if self.kind == "lock file":  # both are on one host
            host.rate, host.offset = self.shared.rate, self.shared.offset
        wire = Wire(self.time, self.chance)
        files = MemoryLockFiles(self.disk)
        process = Process(self, name, host, wire, files)
        self.incarnations += 1
        self.processes[name] = process
        process.begin(self.arbiter(process), self.times)
        self.line.join(name, host, process.links)

    def arbiter(self, process: Process) -> IArbiter:
        """
        A process's way to the arbiter.
        """
        name, host, wire = process.name, process.host, process.wire
        if self.kind == "fake":
            return FakeArbiter(self.court, name, host, wire)
        if self.kind == "store":
            assert self.engine is not None
            store = UnsteadyStore(EmbeddedStore(self.engine, self.time), host, wire)
            word = str(self.incarnations)
            return StoreArbiter(store, host, "node1", name, word, self.times.ttl)
        perform: Perform = InAThread(host, wire)
        return LockFileArbiter(process.files, host, name, self.times.ttl, perform)

    def promoted(self, process: Process, fence: Fence) -> None:
        """
        A member became primary.
        """
        self.story.append(f"{process.name} is primary, epoch {fence.epoch}")
        if self.epochs and fence.epoch <= self.epochs[-1]:
            raise Broken(f"epoch {fence.epoch} after {self.epochs[-1]}")
        self.epochs.append(fence.epoch)

    def check(self) -> None:
        """
        Look whether what must always hold does.
        """
        if all(process.open for process in self.processes.values()):
            raise Broken("two primaries")
        for process in self.processes.values():
            if process.member.doubtful:
                raise Broken(f"two primaries, as {process.name} found")
            for fence, closed in process.fences.items():
                if closed and fence.open:
                    raise Broken("a fence opened again")
                process.fences[fence] = not fence.open

    def run(self, seconds: float) -> None:
        """
        Let time pass, and look after everything that happens.
        """
        end = self.time.seconds() + seconds
        while True:
            due = min(
                (c.getTime() for c in self.time.getDelayedCalls()), default=math.inf
            )
            if due > end:
                break
            self.time.advance(max(0.0, due - self.time.seconds()))
            self.check()
        self.time.advance(max(0.0, end - self.time.seconds()))
        self.check()

    def trouble(self) -> None:
        """
        Something goes wrong, or is mended, or is asked for.
        """
        process = self.chance.choice(list(self.processes.values()))
        happens: Callable[[Process], None] = self.chance.choice(
            (
                self.freeze,
                self.thaw,
                self.thaw,
                self.cut,
                self.mend,
                self.mend,
                self.slow,
                self.kill,
                self.switchOver,
                self.changeFitness,
                self.breakDisk,
                self.cutLink,
                self.mendLink,
                self.mendLink,
                self.loseArbiter,
            )
        )
        self.story.append(
            f"{self.time.seconds():.3f} {happens.__name__} {process.name}"
        )
        happens(process)
        self.check()

    def freeze(self, process: Process) -> None:
        """
        A process stands still.
        """
        process.host.frozen = True

    def thaw(self, process: Process) -> None:
        """
        It wakes up.
        """
        process.host.thaw(self.chance)

    def cut(self, process: Process) -> None:
        """
        A member's way to the arbiter is cut, or one direction of it.
        """
        process.wire.cutOut, process.wire.cutIn = self.chance.choice(
            ((True, True), (True, False), (False, True))
        )

    def mend(self, process: Process) -> None:
        """
        The way is as it should be.
        """
        process.wire.cutOut = process.wire.cutIn = False
        process.wire.loss = process.wire.twice = process.wire.slowest = 0.0

    def cutLink(self, process: Process) -> None:
        """
        The members hear nothing of each other, or one of them nothing of the
        other.
        """
        both = set(self.processes)
        self.line.cut = self.chance.choice((both, {process.name}))

    def mendLink(self, process: Process) -> None:
        """
        The members can talk to each other, quickly or not.
        """
        self.line.cut.clear()
        self.line.slowest = self.chance.choice((0.001, 0.001, 0.1, 0.8))

    def loseArbiter(self, process: Process) -> None:
        """
        Neither of them reaches the arbiter.
        """
        for each in self.processes.values():
            self.cut(each)

    def slow(self, process: Process) -> None:
        """
        The way loses, doubles and delays, so that messages overtake each other.
        """
        process.wire.loss = self.chance.choice((0.0, 0.1, 0.5))
        process.wire.twice = self.chance.choice((0.0, 0.3))
        process.wire.slowest = self.chance.choice((0.05, 0.45, 1.5, 8.0))

    def kill(self, process: Process) -> None:
        """
        A process ends, and another one of the same member begins.
        """
        process.host.kill()
        self.disk.died(process.files)
        self.begin(process.name)

    def switchOver(self, process: Process) -> None:
        """
        Somebody wants the other member to serve.
        """
        process.host.run(process.member.switchover)

    def changeFitness(self, process: Process) -> None:
        """
        A member cannot serve, or can again.
        """
        process.fit = not process.fit
        fitness = process.fitness
        if process.fit:
            process.host.run(lambda: fitness.fit("nic"))
        else:
            soft = self.chance.random() < 0.7
            process.host.run(lambda: fitness.unfit("nic", "it is down", soft))

    def breakDisk(self, process: Process) -> None:
        """
        The disk of the lock file is full, or cannot be written, or can again.
        """
        self.disk.full = self.chance.random() < 0.3
        self.disk.readOnly = self.chance.random() < 0.2

    def calm(self) -> None:
        """
        All that is broken is mended.
        """
        self.disk.full = self.disk.readOnly = False
        self.line.cut.clear()
        self.line.slowest = 0.001
        for process in self.processes.values():
            self.mend(process)
            self.thaw(process)
            if not process.fit:
                self.changeFitness(process)

    def end(self) -> None:
        """
        Both members stop.

        @raise Broken: a timer of theirs is left.
        """
        for process in self.processes.values():
            process.member.stop()
            process.journal.stop()
        self.line.cut = set(self.processes)
        self.run(5 * self.times.ttl)
        for process in self.processes.values():
            if process.host.calls:
                raise Broken(f"{process.name} has left timers behind")
        if self.engine is not None:
            self.engine.close()

    def live(self, steps: int = 60) -> None:
        """
        Run: trouble at any time, then calm, in which one member must serve.

        @raise Broken: with the story of what led there.
        """
        try:
            self.run(self.chance.choice((0.0, 3.0)))
            for _ in range(steps):
                self.trouble()
                self.run(self.chance.choice((0.0, 0.01, 0.3, 1.0, 4.0, 12.0)))
            self.calm()
            self.run(4 * self.times.ttl)
            serving = [each.name for each in self.processes.values() if each.open]
            if len(serving) != 1:
                raise Broken(f"in calm these serve: {serving}")
            before = len(self.epochs)
            self.run(4 * self.times.ttl)
            if len(self.epochs) != before:
                raise Broken("the role changed in calm")
            self.end()
        except Broken as e:
            story = "\n".join(self.story[-40:])
            raise Broken(f"{self.kind}, seed {self.seed}: {e}\n{story}") from e
