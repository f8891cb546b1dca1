"""
Running commands of the operator.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping, Sequence
from shutil import which
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ProcessDone, ProcessExitedAlready, ProcessTerminated
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure
from zope.interface import implementer

from sipcluster.monitors.imonitors import Ended, ICommands

#: Bytes kept of what a command writes: its last ones.
OUTPUT = 2000

#: Seconds that one which is killed may take to die.
DYING = 1.0

#: What a command gets of this process's environment.
_KEPT = ("HOME", "LANG", "LC_ALL", "PATH", "TMPDIR", "TZ", "USER")


class _Command(ProcessProtocol):
    """
    One command that runs.
    """

    def __init__(self, reactor: Any, seconds: float) -> None:
        self._reactor = reactor
        self._output = b""
        self._killed = ""
        self._seconds = seconds
        self.ended: Deferred[Ended] = Deferred(self._cancelled)
        self._timer: IDelayedCall | None = reactor.callLater(seconds, self._late)

    def connectionMade(self) -> None:
        """
        It reads nothing.
        """
        assert self.transport is not None
        self.transport.closeStdin()

    def outReceived(self, data: bytes) -> None:
        """
        Keep the end.
        """
        self._output = (self._output + data[-OUTPUT:])[-OUTPUT:]

    errReceived = outReceived

    def forget(self) -> None:
        """
        It could not be started.
        """
        timer, self._timer = self._timer, None
        if timer is not None and timer.active():
            timer.cancel()

    def processExited(self, reason: Failure) -> None:
        """
        It is over; what it has started may go on, and is not waited for.
        """
        self.forget()
        assert self.transport is not None
        self.transport.loseConnection()
        self._killed = self._killed or _why(reason)
        self._end()

    def _late(self) -> None:
        self._timer = self._reactor.callLater(DYING, self._end)
        self._kill(f"took longer than {self._seconds:g} s")

    def _cancelled(self, ended: Deferred[Ended]) -> None:
        self._kill("was cancelled")
        self._end()

    def _kill(self, why: str) -> None:
        self._killed = why
        assert self.transport is not None
        with contextlib.suppress(ProcessExitedAlready):
            self.transport.signalProcess("KILL")

    def _end(self) -> None:
        """
        Whether it is dead or not: one that cannot be killed holds up nothing.
        """
        if not self.ended.called:
            output = self._output.decode("utf-8", "replace").strip()
            self.ended.callback(Ended(self._killed, output))


def _why(reason: Failure) -> str:
    if reason.check(ProcessDone):
        return ""
    if isinstance(reason.value, ProcessTerminated) and reason.value.signal is None:
        return f"ended with status {reason.value.exitCode}"
    return " ".join(str(reason.value).split())


@implementer(ICommands)
class Commands:
    """
    Runs commands as children of this process, without a shell.
    """

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor

    def run(
        self, command: Sequence[str], environment: Mapping[str, str], seconds: float
    ) -> Deferred[Ended]:
        """
        See L{ICommands}.
        """
        kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
        path = which(command[0])
        if path is None:
            return succeed(Ended(f"cannot be started: {command[0]} is no program"))
        program = _Command(self._reactor, seconds)
        try:
            self._reactor.spawnProcess(
                program, path, list(command), {**kept, **environment}
            )
        except (OSError, ValueError) as e:
            program.forget()
            return succeed(Ended(f"cannot be started: {e}"))
        return program.ended
