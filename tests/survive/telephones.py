"""
The telephones: SIPp, started together, each kind of call with a process of its own.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from attrs import define, field, frozen
from twisted.internet.interfaces import IReactorTime

from tests.bench.processes import Program, pause
from tests.interop.phones import listens
from tests.interop.sipp import Report, SIPp, usersFile
from tests.interop.status import until
from tests.survive.configuration import CALLED, CALLING
from tests.survive.hosts import Hosts, address

SCENARIOS = Path(__file__).parent / "scenarios"

#: The port on which each kind of telephone answers, and its scenario.
ANSWERING = {
    "answers": (5060, "callee"),
    "stays": (5062, "callee"),
    "hangs-up": (5064, "callee-hangs-up"),
    "rings": (5066, "callee"),
    "cancelled": (5068, "callee-cancelled"),
    "slow": (5070, "callee-slow"),
}

#: The scenario of the callers of each kind.
CALLERS = {
    "answers": "caller",
    "stays": "caller",
    "hangs-up": "caller-hung-up",
    "rings": "caller",
    "cancelled": "caller-cancels",
    "slow": "caller",
}

PROXIES = ("proxy1", "proxy2")


@frozen
class Plan:
    """
    How many calls of which kind, and for how long.

    @ivar established: calls that are there when it happens.  Half of them are hung
        up by the caller, half by the called side.
    @ivar ringing: those that ring when it happens.  Half of them are answered
        afterwards, half given up by the caller.
    @ivar rate: new calls in a second, from before it happens until all is well.  One
        of six is to a telephone that rings late: of some of those the caller has
        heard nothing when it happens.
    @ivar lead: seconds of new calls before it happens.
    @ivar after: seconds from then until the standing calls begin to end.
    @ivar startRate: calls of the standing ones started in a second.
    @ivar linger: wait until transactions have been forgotten, too (64*T1).
    """

    established: int = 200
    ringing: int = 50
    rate: float = 30.0
    lead: float = 4.0
    after: float = 14.0
    startRate: float = 30.0
    linger: bool = True

    @property
    def starting(self) -> float:
        """
        Seconds that it takes to start the standing calls.
        """
        return (self.established + self.ringing) / self.startRate

    @property
    def longest(self) -> float:
        """
        Seconds that a standing call lasts.
        """
        return self.starting + self.lead + self.after

    @property
    def seconds(self) -> float:
        """
        Seconds from the first call to the last.
        """
        return self.starting + self.longest + 5


@define
class _Run:
    """
    A SIPp that runs.
    """

    name: str
    run: SIPp
    folder: Path
    program: Program

    def ended(self) -> bool:
        """
        Whether it has.
        """
        return not self.program.running

    def report(self) -> Report:
        """
        How it went; only when it has ended.
        """
        return self.run.report(self.folder, self.program.process.returncode or 0)


@define
class Telephones:
    """
    All telephones of one cell.

    @ivar folder: where their logs are: C{KIND-calls-PROXY} and C{KIND-called}.
    """

    hosts: Hosts
    folder: Path
    plan: Plan
    callers: list[_Run] = field(factory=list)
    called: list[_Run] = field(factory=list)

    async def register(self, reactor: IReactorTime) -> None:
        """
        Register all that are called, each kind at its own port.
        """
        runs = []
        for index, (kind, (port, _)) in enumerate(ANSWERING.items()):
            users = self._users(f"register-{kind}", CALLED[kind])
            run = SIPp(
                "register-users",
                address("callees"),
                f"{address(PROXIES[index % 2])}:5060",
                port=port,
                users=users,
                calls=len(CALLED[kind]),
                rate=20,
                mediaPort=15000 + 10 * index,
            )
            runs.append(self._start(f"register-{kind}", run, "callees", []))
        for one in runs:
            await until(reactor, one.ended, 20.0, "registered")
            report = one.report()
            if report.status or report.failed:
                raise AssertionError(f"{one.name}: {report.why}")

    async def answer(self, reactor: IReactorTime) -> None:
        """
        Be there for calls.
        """
        plan = self.plan
        holds = {"answers": 0.05, "rings": plan.longest}
        folder = self.folder / "scenarios"
        folder.mkdir(parents=True, exist_ok=True)
        for scenario in {scenario for _, scenario in ANSWERING.values()}:
            text = (SCENARIOS / f"{scenario}.xml").read_text("utf-8")
            (folder / f"{scenario}.xml").write_text(
                text.replace('HOLD"', f'{1000 * plan.longest:.0f}"'), "utf-8"
            )
        for index, (kind, (port, scenario)) in enumerate(ANSWERING.items()):
            run = SIPp(
                scenario,
                address("callees"),
                port=port,
                calls=0,
                seconds=int(plan.seconds) + 150,
                mediaPort=17000 + 100 * index,
                folder=folder,
            )
            more = ["-d", str(round(1000 * holds.get(kind, 0.0)))]
            self.called.append(self._start(f"{kind}-called", run, "callees", more))
        for port, _ in ANSWERING.values():
            await until(
                reactor,
                partial(listens, self.hosts["callees"], address("callees"), port),
                10.0,
                f"a telephone at port {port}",
                0.05,
            )

    def call(self, kind: str, count: int, rate: float, talk: float) -> None:
        """
        Begin to call, half of the calls by each proxy.

        @param talk: seconds from the answer, or from the ringing, until the caller
            ends the call.
        """
        for index, proxy in enumerate(PROXIES):
            share = count // 2 + (count % 2 if index == 0 else 0)
            if not share:
                continue
            number = 2 * len(self.callers) + index
            name = f"{kind}-calls-{proxy}"
            run = SIPp(
                CALLERS[kind],
                address("callers"),
                f"{address(proxy)}:5060",
                port=5100 + 2 * number,
                service=str(CALLED[kind][index]),
                users=self._users(name, CALLING, CALLED[kind][index : index + 1]),
                calls=share,
                rate=max(rate / 2, 1),
                seconds=int(self.plan.seconds) + 120,
                mediaPort=20000 + 100 * number,
                folder=SCENARIOS,
            )
            more = ["-d", str(round(1000 * talk)), "-l", "5000"]
            self.callers.append(self._start(name, run, "callers", more))

    def _users(
        self, name: str, numbers: Sequence[int], called: Sequence[int] = ()
    ) -> str:
        file = self.folder / f"{name}.csv"
        self.folder.mkdir(parents=True, exist_ok=True)
        file.write_text(usersFile(numbers, called))
        return str(file)

    def _start(self, name: str, run: SIPp, host: str, more: Sequence[str]) -> _Run:
        folder = self.folder / name
        folder.mkdir(parents=True, exist_ok=True)
        line = run.arguments(folder)
        line[1:1] = [
            *more,
            *("-trace_logs", "-log_file", str(folder / "calls.log")),
        ]
        program = Program.start(
            line,
            folder / "sipp.out",
            self.hosts[host],
            {"TERM": "dumb"},
            folder=folder,
        )
        return _Run(name, run, folder, program)

    async def over(self, reactor: IReactorTime, seconds: float) -> None:
        """
        Wait until the callers have ended, then end the called ones.
        """
        end = reactor.seconds() + seconds
        while reactor.seconds() < end and any(
            one.program.running for one in self.callers
        ):
            await pause(reactor, 0.2)
        await pause(reactor, 1.0)
        await self.stop(reactor)

    async def stop(self, reactor: IReactorTime) -> None:
        """
        End all that still run.
        """
        running = [one for one in (*self.callers, *self.called) if one.program.running]
        for one in running:
            # It closes its files, and takes no calls; a second one ends it at once.
            one.program.process.send_signal(signal.SIGUSR1)
        await pause(reactor, 0.3)
        for one in running:
            if one.program.running:
                one.program.process.send_signal(signal.SIGUSR1)
        for one in running:
            await one.program.stop(reactor, 1.0)

    def logs(self) -> Iterator[tuple[str, Path]]:
        """
        The logs of calls: the name of the run, the file.
        """
        for one in (*self.callers, *self.called):
            yield one.name, one.folder / "calls.log"

    def troubles(self) -> str:
        """
        What SIPp complained about.
        """
        said = []
        for one in (*self.callers, *self.called):
            errors = one.folder / "errors.log"
            if errors.exists() and (text := errors.read_text("utf-8", "replace")):
                said.append(f"{one.name}: {text[:1500]}")
        return "\n".join(said)
