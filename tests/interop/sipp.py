"""
SIPp as the other end of a test or of a measurement.

A scenario is an XML file under C{scenarios/}; SIPp ends with status 0 only when
every call went as written.  Its statistics say besides whether anything had to be
sent twice, which on a perfect network is a fault of its own.
"""

from __future__ import annotations

import contextlib
import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from shutil import which
from typing import Any

from attrs import evolve, field, frozen
from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessExitedAlready
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

from tests.interop.namespaces import Namespace

reactor: Any = _reactor

#: Where SIPp is; empty when it is not installed.
SIPP = which("sipp") or ""

SCENARIOS = Path(__file__).parent / "scenarios"

#: Column endings of C{-trace_counts} for what arrived or left more than once.
_REPEATED = "_Retrans"


@frozen
class Report:
    """
    How one run of SIPp ended.

    @ivar status: exit status; 0 when every call succeeded.
    @ivar successful: calls that went as written.
    @ivar failed: calls that did not.
    @ivar repeated: what was sent or received more than once, as
        C{"1_INVITE_Retrans: 2"}.
    @ivar seconds: by name of the timer in the scenario (C{"1"}), the mean in
        seconds of what it measured.
    @ivar why: what SIPp wrote about errors.
    """

    status: int
    successful: int = 0
    failed: int = 0
    repeated: tuple[str, ...] = ()
    seconds: Mapping[str, float] = field(factory=dict)
    why: str = ""


@frozen
class SIPp:
    """
    One run of one scenario.

    @ivar scenario: name of the file without its ending.
    @ivar local: address to send from and to listen on.
    @ivar remote: C{host:port} to send to; empty for one that only answers.
    @ivar service: the number called, C{[service]} in the scenario.
    @ivar user: the number calling, C{[user]} in the scenario.
    @ivar password: of C{user}, for digest.
    @ivar transport: C{"u1"} for UDP, C{"t1"} for TCP.
    @ivar calls: how many calls, then the end; 0: until SIGUSR1.
    @ivar rate: calls started in a second.
    @ivar users: file of C{user;password;...} lines that calls take in turn,
        C{[field0]} and so on in the scenario.
    @ivar outOfCall: name of a scenario for calls that come in meanwhile.
    @ivar keys: further C{[words]} of the scenario.
    @ivar seconds: after which the run counts as failed.
    @ivar mediaPort: RTP port; two runs on one host want two.
    @ivar folder: where the scenario file is.
    @ivar answersOthers: answer OPTIONS that are no part of the scenario.
    """

    scenario: str
    local: str
    remote: str = ""
    port: int = 5060
    service: str = ""
    user: str = ""
    password: str = ""
    domain: str = "lab.example"
    transport: str = "u1"
    calls: int = 1
    rate: float = 10.0
    users: str = ""
    outOfCall: str = ""
    keys: Mapping[str, str] = field(factory=dict)
    seconds: int = 20
    mediaPort: int = 16000
    folder: Path = SCENARIOS
    answersOthers: bool = False

    def arguments(self, work: Path) -> list[str]:
        """
        The command line.

        @param work: folder for what SIPp writes; not shared between runs.
        """
        words = {"user": self.user or "none", "domain": self.domain, **self.keys}
        line = [
            SIPP,
            *("-sf", str(self.folder / f"{self.scenario}.xml")),
            *("-i", self.local, "-p", str(self.port), "-t", self.transport),
            *("-mp", str(self.mediaPort)),
            *("-r", f"{self.rate:g}"),
            *("-timeout", f"{self.seconds}s", "-timeout_error", "-nostdin"),
            *("-trace_err", "-error_file", str(work / "errors.log")),
            *("-trace_stat", "-stf", str(work / "statistics.csv"), "-fd", "1"),
            "-trace_counts",
        ]
        if self.calls:
            line += ["-m", str(self.calls)]
        if self.service:
            line += ["-s", self.service]
        if self.user:
            line += ["-au", self.user, "-ap", self.password]
        if self.user or self.users:
            # Otherwise it is the host and port that SIPp sends to.
            uri = f"{self.service}@{self.domain}" if self.service else self.domain
            line += ["-auth_uri", uri]
        if self.users:
            line += ["-inf", self.users]
        if self.answersOthers:
            line.append("-aa")
        if self.outOfCall:
            line += ["-oocsf", str(SCENARIOS / f"{self.outOfCall}.xml")]
        for word, value in words.items():
            line += ["-key", word, value]
        if self.remote:
            line.append(self.remote)
        return line

    def report(self, work: Path, status: int) -> Report:
        """
        Read what SIPp left in C{work}.
        """
        last = _lastRow(work / "statistics.csv")
        counts = {}
        for file in work.glob("*_counts.csv"):
            counts.update(_lastRow(file))
        errors = work / "errors.log"
        return Report(
            status,
            successful=int(last.get("SuccessfulCall(C)") or 0),
            failed=int(last.get("FailedCall(C)") or 0),
            repeated=tuple(
                f"{name}: {count}"
                for name, count in counts.items()
                if name.endswith(_REPEATED) and count not in ("", "0")
            ),
            seconds={
                name.removeprefix("ResponseTime").removesuffix("(C)"): _seconds(value)
                for name, value in last.items()
                if name.startswith("ResponseTime") and name.endswith("(C)")
            },
            why=errors.read_text("utf-8", "replace")[:4000] if errors.exists() else "",
        )

    def run(self, work: Path, namespace: Namespace | None = None) -> Deferred[Report]:
        """
        Run it to its end.

        @return: fires with the report, when SIPp has ended; it ends by itself
            after C{seconds} at most, and at once when this is cancelled.
        """
        work.mkdir(parents=True, exist_ok=True)
        line = self.arguments(work)
        if namespace is not None:
            line = namespace.command(line)
        running = _Running()
        reactor.spawnProcess(
            running,
            which(line[0]) or line[0],
            line,
            env={"TERM": "dumb", "PATH": _PATH},
            path=str(work),
        )
        return running.ended.addCallback(
            lambda status: self._ended(work, running.said, status)
        )

    def _ended(self, work: Path, said: bytes, status: int) -> Report:
        report = self.report(work, status)
        if status and not report.why:
            return evolve(report, why=said[-2000:].decode("utf-8", "replace"))
        return report


class _Running(ProcessProtocol):
    """
    A SIPp that runs.

    @ivar ended: fires with the exit status; to cancel it kills SIPp.
    @ivar said: the end of what it wrote.
    """

    def __init__(self) -> None:
        self.ended: Deferred[int] = Deferred(self._kill)
        self.said = b""

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        """
        Keep the end of it.
        """
        self.said = (self.said + data)[-4000:]

    def processEnded(self, reason: Failure) -> None:
        """
        Tell the status; a signal counts as failed.
        """
        status = getattr(reason.value, "exitCode", None)
        if not self.ended.called:
            self.ended.callback(1 if status is None else int(status))

    def _kill(self, _: Deferred[int]) -> None:
        with contextlib.suppress(ProcessExitedAlready):
            if self.transport is not None:
                self.transport.signalProcess("KILL")


def usersFile(numbers: Iterable[int], called: Sequence[int] = ()) -> str:
    """
    The text of a file of users: number, credentials, and whom it calls.

    @param called: numbers that the users call in turn; empty for none.
    """
    lines = ["SEQUENTIAL"]
    for index, number in enumerate(numbers):
        words = f"[authentication username={number} password=secret-{number}]"
        line = f"{number};{words}"
        if called:
            line += f";{called[index % len(called)]}"
        lines.append(line)
    return "\n".join(lines) + "\n"


_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def _lastRow(file: Path) -> dict[str, str]:
    """
    The last line of one of SIPp's statistics files, by column name.
    """
    if not file.exists():
        return {}
    with file.open(newline="", encoding="utf-8", errors="replace") as lines:
        rows: Sequence[Sequence[str]] = list(csv.reader(lines, delimiter=";"))
    if len(rows) < 2:
        return {}
    return dict(zip(rows[0], rows[-1], strict=False))


def _seconds(value: str) -> float:
    """
    C{"00:00:01.250"}, or C{"00:00:00:001250"}, as seconds.
    """
    parts = value.replace(".", ":").split(":")
    if len(parts) != 4 or not all(part.isdigit() for part in parts):
        return 0.0
    hours, minutes, seconds, fraction = parts
    whole = int(hours) * 3600 + int(minutes) * 60 + int(seconds)
    return float(f"{whole}.{fraction}")
