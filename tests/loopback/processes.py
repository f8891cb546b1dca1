"""
Processes of the cluster, started as a person would start them.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessExitedAlready
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

import sipcluster

reactor: Any = _reactor

#: The checkout.
TOP = Path(sipcluster.__file__).absolute().parent.parent

#: C{twistd} of this Python.
TWISTD = (
    sys.executable,
    "-c",
    "import sys; from twisted.scripts.twistd import run; sys.exit(run())",
    "--nodaemon",
    "--pidfile=",
)


def loopback(last: int) -> str:
    """
    A loopback address that this test process has for itself, so that usual
    ports can be used.
    """
    return f"{base()}.{last}"


def base() -> str:
    """
    The first three numbers of this process's loopback addresses.
    """
    return f"127.{100 + os.getpid() % 100}.{os.getpid() // 100 % 250}"


def environment() -> dict[str, str]:
    """
    What a process of the checkout needs.
    """
    path = [str(TOP), *filter(None, [os.environ.get("PYTHONPATH", "")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path)}


class Running(ProcessProtocol):
    """
    A process that runs.

    @ivar out: its standard output so far.
    @ivar err: its standard error so far.
    @ivar ended: fires with the exit status, or with minus the signal.
    """

    def __init__(self, command: Sequence[str], folder: str = ".") -> None:
        self.out = ""
        self.err = ""
        self.ended: Deferred[int] = Deferred()
        self.over = False
        self._waiting: list[tuple[str, Deferred[None]]] = []
        reactor.spawnProcess(
            self, command[0], list(command), environment(), path=folder
        )

    def says(self, word: str) -> Deferred[None]:
        """
        @return: fires when a word stands in its output; fails when it ends
            without.
        """
        said: Deferred[None] = Deferred()
        self._waiting.append((word, said))
        self._look()
        return said

    def signal(self, name: str) -> None:
        """
        Send a signal, if it still runs.
        """
        if not self.over and self.transport is not None:
            self.transport.signalProcess(name)

    def kill(self) -> Deferred[int]:
        """
        End it by force; for the end of a test.
        """
        with contextlib.suppress(ProcessExitedAlready):
            self.signal("KILL")
        return self.ended

    def outReceived(self, data: bytes) -> None:
        """
        Keep what it says.
        """
        self.out += data.decode("utf-8", "replace")
        self._look()

    def errReceived(self, data: bytes) -> None:
        """
        Keep what it complains of.
        """
        self.err += data.decode("utf-8", "replace")

    def _look(self) -> None:
        for word, said in list(self._waiting):
            if word in self.out:
                self._waiting.remove((word, said))
                said.callback(None)

    def processEnded(self, reason: Failure) -> None:
        """
        Tell everybody who waits.
        """
        self.over = True
        value: Any = reason.value
        status = -value.signal if value.signal else value.exitCode
        for word, said in self._waiting:
            why = f"ended with {status} before it said {word!r}: {self.out}{self.err}"
            said.errback(AssertionError(why))
        self.ended.callback(status)


def twistd(*arguments: str, folder: str = ".") -> Running:
    """
    Start C{twistd sipcluster}.
    """
    return Running([*TWISTD, "sipcluster", *arguments], folder)
