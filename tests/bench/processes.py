"""
Processes under measurement: started, priced by the kernel's books, ended.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import subprocess
from collections.abc import Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import define
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

from tests.interop.namespaces import Namespace

_TICKS = os.sysconf("SC_CLK_TCK")


def _statistics(pid: int) -> list[str]:
    """
    The fields of C{/proc/PID/stat} from the state on; empty when it is gone.
    """
    try:
        text = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    except OSError:
        return []
    return text[text.rindex(")") + 2 :].split()


def family(pid: int) -> list[int]:
    """
    A process and all that came from it and still lives.
    """
    parents: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit() and (fields := _statistics(int(entry))):
            parents.setdefault(int(fields[1]), []).append(int(entry))
    found = [pid]
    for one in found:
        found += parents.get(one, [])
    return found


def cpuSeconds(pids: Sequence[int]) -> float:
    """
    What processes have used of the processor so far, user and system together,
    in seconds; one that is gone counts nothing.
    """
    total = 0
    for pid in pids:
        if fields := _statistics(pid):
            total += int(fields[11]) + int(fields[12])
    return total / _TICKS


@define
class Program:
    """
    A program that runs until it is told to end, in a process group of its own.

    @ivar output: file with all that it wrote.
    """

    process: subprocess.Popen[bytes]
    output: Path

    @classmethod
    def start(
        cls,
        arguments: Sequence[str],
        output: Path,
        namespace: Namespace | None = None,
        environment: Mapping[str, str] | None = None,
        stdin: int = subprocess.DEVNULL,
        folder: Path | None = None,
    ) -> Program:
        """
        Start it.

        @param environment: what to add to our own.
        @param folder: where it works; L{None} is where we are.
        """
        output.parent.mkdir(parents=True, exist_ok=True)
        line = list(arguments)
        if namespace is not None:
            line = namespace.command(line)
        with output.open("ab") as out:
            process = subprocess.Popen(
                line,
                stdin=stdin,
                stdout=out,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(environment or {})},
                start_new_session=True,
                cwd=folder,
            )
        program = cls(process, output)
        # For a run that is interrupted where nothing cleans up.
        atexit.register(program._abandon)
        return program

    def _abandon(self) -> None:
        if self.running:
            self.kill()

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def running(self) -> bool:
        """
        Whether it has not ended yet.
        """
        return self.process.poll() is None

    def family(self) -> list[int]:
        """
        Its own process id and those of its children.
        """
        return family(self.pid)

    def said(self, last: int = 3000) -> str:
        """
        The end of what it wrote.
        """
        return self.output.read_text("utf-8", "replace")[-last:]

    def kill(self) -> None:
        """
        End it and its children at once.
        """
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.process.wait()
        atexit.unregister(self._abandon)

    async def stop(
        self,
        reactor: IReactorTime,
        patience: float = 5.0,
        how: signal.Signals = signal.SIGTERM,
    ) -> float:
        """
        Ask it to end; after C{patience} seconds it is killed.

        @return: how many seconds it took.
        """
        start = reactor.seconds()
        if self.running:
            self.process.send_signal(how)
        while self.running and reactor.seconds() - start < patience:
            await pause(reactor, 0.05)
        took = reactor.seconds() - start
        self.kill()
        return took


def whole(reactor: Any, work: Coroutine[Any, Any, None]) -> Deferred[None]:
    """
    Run something to its end, also when it is interrupted: what it has started it
    then ends before the reactor stops.

    @return: fires when it has ended.
    """
    ends: Deferred[None] = Deferred.fromCoroutine(work)
    watchers: list[Deferred[None]] = []

    def over(result: object) -> object:
        for watcher in watchers:
            watcher.callback(None)
        watchers.clear()
        return result

    ends.addBoth(over)

    def interrupted() -> Deferred[None] | None:
        if ends.called:
            return None
        watchers.append(Deferred())
        waiting = watchers[-1]
        ends.cancel()
        return waiting

    reactor.addSystemEventTrigger("before", "shutdown", interrupted)
    return ends


def pause(reactor: IReactorTime, seconds: float) -> Deferred[None]:
    """
    Let other things happen for a while.
    """
    return deferLater(reactor, seconds, lambda: None)
