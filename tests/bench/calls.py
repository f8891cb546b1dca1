"""
The load of every benchmark, and what it cost.
"""

from __future__ import annotations

import signal
from pathlib import Path

from attrs import frozen
from twisted.internet.interfaces import IReactorTime

from tests.bench.processes import Program, cpuSeconds, pause
from tests.bench.subjects import NUMBERS, Subject
from tests.interop.sipp import Report, SIPp, usersFile

HERE = Path(__file__).parent


@frozen
class Price:
    """
    What one run of calls cost.

    @ivar milliseconds: processor time of the system under measurement per call.
    @ivar repeated: messages that either end saw or sent more than once.
    @ivar ringing: mean seconds from INVITE to 180.
    """

    subject: str
    rate: float
    calls: int
    milliseconds: float
    failed: int
    repeated: tuple[str, ...]
    ringing: float


def numbersFile(folder: Path) -> Path:
    """
    The numbers that are called, as SIPp reads them.
    """
    file = folder / "numbers.csv"
    file.write_text(usersFile(NUMBERS))
    return file


async def register(subject: Subject) -> None:
    """
    Let the phone register all its numbers.

    @raise RuntimeError: a REGISTER was not granted.
    """
    host, port = subject.way.phone
    run = SIPp(
        "register-users",
        host,
        subject.way.target,
        port=port,
        calls=len(NUMBERS),
        rate=len(NUMBERS),
        users=str(numbersFile(subject.folder)),
    )
    report = await run.run(subject.folder / "register", subject.namespace)
    if report.status:
        raise RuntimeError(f"{subject.name}: cannot register: {report.why}")


async def price(
    reactor: IReactorTime, subject: Subject, rate: float, seconds: float, name: str
) -> Price:
    """
    Make calls for a while.

    @param name: of the folder for what SIPp writes.
    """
    calls = int(rate * seconds)
    folder = subject.folder / name
    callerHost, callerPort = subject.way.caller
    phoneHost, phonePort = subject.way.phone
    limit = int(seconds) + 45
    phone = SIPp(
        "callee",
        phoneHost,
        port=phonePort,
        # Questions from a node whether its proxy lives would count as calls.
        calls=0,
        seconds=limit,
        folder=HERE / "scenarios",
        answersOthers=True,
    )
    caller = SIPp(
        "caller",
        callerHost,
        subject.way.target,
        port=callerPort,
        user="2000",
        calls=calls,
        rate=rate,
        seconds=limit,
        users=str(numbersFile(subject.folder)),
        keys={"behind": subject.way.behind},
        folder=HERE / "scenarios",
        mediaPort=17000,
        answersOthers=True,
    )
    phonePlace = folder / "phone"
    program = Program.start(
        phone.arguments(phonePlace),
        phonePlace / "out",
        subject.namespace,
        {"TERM": "dumb"},
        folder=phonePlace,
    )
    try:
        await pause(reactor, 0.3)
        await subject.served(reactor)
        pids = subject.family()
        before = cpuSeconds(pids)
        made: Report = await caller.run(folder / "caller", subject.namespace)
        await pause(reactor, 0.5)
        subject.check()
        spent = cpuSeconds(pids) - before
    finally:
        # SIPp ends by this when no call is left, and writes its statistics.
        await program.stop(reactor, 5.0, signal.SIGUSR1)
    answered = phone.report(phonePlace, program.process.returncode)
    return Price(
        subject.name,
        rate,
        made.successful,
        1000.0 * spent / max(1, made.successful),
        calls - made.successful,
        made.repeated + answered.repeated,
        made.seconds.get("1", 0.0),
    )
