"""
A simulated world: its processes, what is done there, and how it ends.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from attrs import define, frozen

from sipcluster.cluster.embedded_store import memoryEngine
from sipcluster.testing.simulation.chance import Chance
from sipcluster.testing.simulation.checks import Broken, Checks
from sipcluster.testing.simulation.clients import Client
from sipcluster.testing.simulation.clock import WorldClock
from sipcluster.testing.simulation.faults import FAULTS
from sipcluster.testing.simulation.features import FEATURES
from sipcluster.testing.simulation.network import SimulatedNetwork
from sipcluster.testing.simulation.operations import OPERATIONS, Operation
from sipcluster.testing.simulation.pair_faults import PAIR_FAULTS
from sipcluster.testing.simulation.pairs import Pair
from sipcluster.testing.simulation.processes import BEGIN, Process
from sipcluster.testing.simulation.servers import Server
from sipcluster.testing.simulation.story import Story
from sipcluster.testing.simulation.telephones import Telephone

#: Share of the worlds in which calls meet; they are shorter, and more is done there.
FEATURED = 0.3

#: Seconds until everything is up.
UP = 6.0

#: Seconds that may pass after the end of all faults until all is as it should be,
#: and in which all calls end after the last one hangs up.
RECOVERS, ENDS = 75.0, 240.0

#: Seconds after which no transaction is left: Timer C, a CANCEL and its answer.
LINGERS = 140.0


@frozen
class Plan:
    """
    All that a seed decides before the run begins.

    @ivar operations: in order of time.
    @ivar gentle: nothing goes wrong but with pairs, one thing after the other: no call
        may end that nobody ends.
    @ivar features: calls meet: people and clients consult, transfer, confer, and there
        are a routing point, clients that route, and media servers.
    """

    seed: int
    operations: tuple[Operation, ...]
    gentle: bool = False
    features: bool = False

    @classmethod
    def of(cls, seed: int) -> Plan:
        """
        Draw one.
        """
        chance = Chance(seed, "plan")
        gentle = chance.happens(0.4)
        seconds = chance.choose((20.0, 40.0, 60.0, 90.0))
        faulty = chance.choose((0.2, 0.4) if gentle else (0.0, 0.05, 0.15, 0.3))
        features = Chance(seed, "features").happens(FEATURED)
        rate = chance.choose((0.3, 0.8, 1.5)) * (1.5 if features else 1.0)
        seconds *= 0.7 if features else 1.0
        usual = (*OPERATIONS, *FEATURES) if features else OPERATIONS
        operations: list[Operation] = []
        at = UP
        while at < UP + seconds:
            at += chance.random() * 2 / rate
            kinds = usual
            if chance.happens(faulty):
                kinds = PAIR_FAULTS if gentle or chance.happens(0.5) else FAULTS
            # One drawn number for each kind, so that a new one takes no other's.
            bag = [kind for kind in kinds for _ in range(kind.weight)]
            operations.append(chance.choose(bag).draw(chance, at))
        return cls(seed, tuple(operations), gentle, features)


@define
class Cluster:
    """
    What a world is filled with.

    @ivar domain: of the switch.
    @ivar numbers: DNs of the telephones.
    @ivar queues: DNs of the routing points.
    @ivar populate: makes the processes.
    """

    domain: bytes
    numbers: Sequence[str]
    names: dict[str, str]
    populate: Callable[[World], None]
    queues: Sequence[str] = ()


#: Fills a world with what chance decides; whether it is to be a gentle one, with pairs,
#: and one in which calls meet.
Populate = Callable[[Chance, bool, bool], Cluster]


class World:
    """
    One of them.

    @ivar processes: in the order in which they are started.
    @ivar pairs: those of them that stand for one node together.
    @ivar storms: how often the weather has changed.
    @ivar failures: what was logged as a failure; whoever reads the log fills it.
    @ivar ending: nothing new is begun any more.
    @ivar stopping: the servers end.
    @ivar gentle: see L{Plan}.
    @ivar wellAt: when what was wrong with pairs last must be well again.
    """

    def __init__(self, plan: Plan, cluster: Populate) -> None:
        self.seed = plan.seed
        self.gentle = plan.gentle
        self.wellAt = 0.0
        self.chance = Chance(plan.seed, "world")
        self.clock = WorldClock()
        self.story = Story()
        self.network = SimulatedNetwork(
            self.clock, self.chance.fork("network"), self.story
        )
        self.engine = memoryEngine(self.clock)
        self.storeDelay = 0.002
        self.storms = 0
        self.ending = self.stopping = False
        self.failures: list[str] = []
        self.processes: list[Process] = []
        self.pairs: list[Pair] = []
        self.checks = Checks(self)
        self._why = ""
        self._port = 40000
        made = cluster(self.chance.fork("cluster"), plan.gentle, plan.features)
        self.domain = made.domain
        self.numbers = made.numbers
        self.queues = made.queues
        self._names = made.names
        made.populate(self)
        if self.pairs:
            self.clock.happened = self._happened

    def _happened(self) -> None:
        for pair in self.pairs:
            pair.look()

    # What processes ask

    def wallTime(self) -> float:
        """
        What the time is, seconds since 1970.
        """
        return BEGIN + self.clock.seconds()

    def newPort(self) -> int:
        """
        A port for media that nobody else has.
        """
        self._port += 2
        return self._port

    def addressOf(self, host: str) -> str:
        """
        Look a name up.
        """
        return self._names.get(host, host)

    def proxiesFor(self, place: str) -> list[str]:
        """
        Addresses of the SIP Proxies, those of a data centre first.
        """
        every = [one for one in self.processes if one.kind == "proxy"]
        every.sort(key=lambda one: one.place != place)
        return [one.host for one in every]

    def pairAt(self, host: str) -> Pair | None:
        """
        The pair that a member of is at a host.
        """
        return getattr(self.network.processes[host], "pair", None)

    def continuity(self, host: str) -> str:
        """
        As long as this is the same, T-Library sessions of a node are kept.
        """
        pair = self.pairAt(host)
        life = self.network.processes[host].life
        return f"{pair.torn} {pair.name}" if pair is not None else f"{life}"

    # The story

    def tell(self, kind: str, source: str, text: str) -> None:
        """
        Add a line to the story.
        """
        self.story.tell(self.clock.seconds(), kind, source, text)

    def note(self, source: str, text: str, call: str = "") -> None:
        """
        Add what somebody saw.
        """
        self.story.tell(self.clock.seconds(), "notes", source, text, call=call)

    def breaks(self, what: str) -> None:
        """
        Something is not as it must be.

        @raise Broken: always; who caught it too early finds it again after the
            step.
        """
        self._why = self._why or what
        raise Broken(what)

    # Running

    def run(self, plan: Plan) -> None:
        """
        Do all of it, and end.

        @raise Broken: something was not as it must be.
        """
        for process in self.processes:
            process.start()
        self.pass_(UP)
        for operation in plan.operations:
            self.pass_(operation.at - self.clock.seconds())
            done = operation.do(self)
            if done is not None:
                self.tell("does", "world", f"{type(operation).__name__}: {done}")
            self._look()
        self._end()

    def pass_(self, seconds: float) -> None:
        """
        Let time pass, and look about each second.
        """
        end = self.clock.seconds() + seconds
        while self.clock.seconds() < end:
            self.clock.runUntil(min(end, self.clock.seconds() + 1.0))
            self._look()

    def _look(self) -> None:
        if self._why:
            raise Broken(self._why)
        if self.failures:
            raise Broken(f"a failure was logged: {self.failures[0]}")
        self.checks.step()

    def _end(self) -> None:
        self.tell("does", "world", "everything is healed")
        self.ending = True
        self.network.heal()
        self.network.weather.calm()
        for process in self.processes:
            process.stepped = 0.0
            process.thaw()
            if not process.running:
                process.start()
            store = getattr(process, "store", None)
            if store is not None:
                store.delay, store.deaf = self.storeDelay, 0.0
                store.comesBack()
        for pair in self.pairs:
            pair.disk.heal()
        self.pass_(RECOVERS)
        if self.gentle:
            self.checks.calls.media()
        self.tell("does", "world", "everybody hangs up")
        self._hangUp()
        self._wait(self.checks.quiet, ENDS, "is left")
        self.pass_(5.0)
        self.checks.ended()
        self.checks.registrations()
        self.tell("does", "world", "some telephones unregister")
        phones = [one for one in self.processes if isinstance(one, Telephone)]
        for phone in phones[::2]:
            phone.leave()
        self.pass_(5.0)
        self.checks.registrations()
        self._stop()

    def _hangUp(self) -> None:
        for process in self.processes:
            hangUp = getattr(process, "hangUp", None)
            if hangUp is not None:
                hangUp()

    def _wait(self, going: Callable[[], str], seconds: float, what: str) -> None:
        end = self.clock.seconds() + seconds
        while left := going():
            if self.clock.seconds() >= end:
                self.breaks(f"{left} {what}")
            self.pass_(2.0)
            self._hangUp()

    def _stop(self) -> None:
        for process in self.processes:
            process.quieten()
        self._wait(self.checks.lingering, LINGERS, "lingers")
        self._stopAll(Client)
        for process in self.processes:
            served = getattr(process, "served", None)
            if served is not None and served.sessions:
                self.breaks(f"{process.name}: T-Library sessions are left")
        self.stopping = True
        self._stopAll(Server)
        for process in self.processes:
            process.transport.stop()
        self.engine.close()
        self.pass_(3.0)
        for process in self.processes:
            if isinstance(process, Server | Client):
                calls = process.clock.getDelayedCalls()
                if calls:
                    names = sorted(
                        getattr(one.func, "__qualname__", "") for one in calls
                    )
                    self.breaks(f"{process.name}: timers are left: {names}")

    def _stopAll(self, kind: type[Process]) -> None:
        those = [process for process in self.processes if isinstance(process, kind)]
        stopping = [process.stop() for process in those]
        self.pass_(8.0)
        for process, stopped in zip(those, stopping, strict=True):
            if stopped is not None and not stopped.called:
                self.breaks(f"{process.name} does not stop")


@define
class Outcome:
    """
    What came of a run.

    @ivar why: what was not as it must be; empty: all was.
    """

    plan: Plan
    why: str
    story: Story
    seconds: float = 0.0
