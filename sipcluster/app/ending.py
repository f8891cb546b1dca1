"""
How a process ends: with one line and a status when it cannot go on, and in a
bounded time when it is asked to.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.error import ReactorNotRunning
from twisted.internet.protocol import Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure

log = Logger()


def stop(reactor: Any) -> None:
    """
    Stop the reactor, which may be stopping already.
    """
    with contextlib.suppress(ReactorNotRunning):
        reactor.stop()


def heedOnce(reactor: Any) -> None:
    """
    See to it that a second SIGTERM is no error.  A member gets one from the lab
    besides the one that its whole process group gets.

    Called before the reactor runs.
    """
    heed = reactor.sigTerm
    heeded = False

    def once(number: int, frame: Any = None) -> None:
        nonlocal heeded
        if not heeded:
            heeded = True
            heed(number, frame)

    reactor.sigTerm = once


class Ending:
    """
    Ends the process with a line on standard error and exit status 1.

    C{twistd} exits with 0 however the service fared, so the status is set at the
    very end of the interpreter.

    @ivar why: what ended the process; empty while nothing did.
    """

    def __init__(
        self,
        reactor: Any,
        atExit: Callable[[Callable[[], None]], object] = atexit.register,
    ) -> None:
        self.why = ""
        self._reactor = reactor
        # Functions run in the opposite order: this one after all later ones.
        atExit(self.leave)

    def __call__(self, why: str) -> None:
        """
        @param why: the line.  Only the first one counts.
        """
        if self.why:
            return
        self.why = why
        log.critical("{why}", why=why)
        # sys.stderr is the log by now.
        if sys.__stderr__ is not None:
            sys.__stderr__.write(f"sipcluster: {why}\n")
            sys.__stderr__.flush()
        self._reactor.callWhenRunning(stop, self._reactor)

    def leave(self) -> None:
        """
        Set the exit status, at the very end of the interpreter.
        """
        if self.why:
            sys.stdout.flush()
            os._exit(1)


def bounded(reactor: Any, seconds: float, call: Callable[[], Any]) -> Deferred[None]:
    """
    Call something that ends something, and wait for it, but not for ever.

    @return: fires with L{None}, whatever came of it; failures are logged.
    """

    def failed(reason: Failure) -> None:
        log.failure("while stopping", failure=reason)

    ended: Deferred[Any] = maybeDeferred(call)
    result: Deferred[None] = Deferred()

    def late() -> None:
        log.warn("did not stop within {seconds} seconds", seconds=seconds)
        result.callback(None)

    timeout = reactor.callLater(seconds, late)

    def done(_: object) -> None:
        if timeout.active():
            timeout.cancel()
            result.callback(None)

    ended.addErrback(failed).addBoth(done)
    return result


class EndOfInput(Protocol):
    """
    Stops the reactor when standard input is closed: whoever started this
    process is gone.
    """

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        stop(self._reactor)
