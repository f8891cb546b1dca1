"""
Ports that cannot be opened (row H10 of the inventory): the process stays, says that it
cannot serve, and tries again; whichever member can open its ports serves.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import define, field
from twisted.internet.defer import CancelledError, Deferred, maybeDeferred
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from sipcluster.monitors.numbers import CRITICAL, PORT_OPENED
from sipcluster.monitors.service import Service

log = Logger()

#: Seconds to the next try: at first, and at most.
FIRST, MOST = 0.5, 5.0


def _why(error: BaseException) -> str:
    if isinstance(error, CannotListenError):
        cause = error.socketError
        told = getattr(cause, "strerror", None) or cause
        return f"{error.interface or 'any address'} port {error.port}: {told}"
    return str(error) or type(error).__name__


@define(eq=False)
class _Port:
    """
    @ivar sip: whether it is a port for SIP.
    """

    name: str
    opens: Callable[[], Deferred[Any]]
    sip: bool
    isOpen: bool = False
    why: str = ""
    wait: float = FIRST
    timer: IDelayedCall | None = None
    opening: Deferred[Any] | None = None


@define(eq=False)
class Ports:
    """
    The ports of a member, each tried until it is open.

    A member that has none of its SIP ports cannot serve at all.  One that lacks
    some port should not, if the other has all.

    @ivar sipPortCheck: whether a backup must have its SIP ports
        (C{backup-sip-port-check}); if not, they matter when it is primary.
    """

    clock: IReactorTime
    service: Service
    sipPortCheck: bool = True
    _ports: list[_Port] = field(factory=list, init=False)
    _primary: bool = field(default=False, init=False)
    _stopped: bool = field(default=False, init=False)

    def add(
        self, name: str, opens: Callable[[], Deferred[Any]], sip: bool = False
    ) -> None:
        """
        There is one more port.

        @param opens: fails when it cannot be opened; may be called again then.
        """
        self._ports.append(_Port(name, opens, sip))

    def open(self) -> Deferred[None]:
        """
        Open all.

        @return: fires when each has been tried; never fails.
        """
        todo: Deferred[None] = Deferred()
        waiting = {id(port) for port in self._ports}

        def tried(port: _Port) -> None:
            waiting.discard(id(port))
            if not waiting and not todo.called:
                todo.callback(None)

        for port in self._ports:
            self._try(port, tried)
        if not self._ports:
            todo.callback(None)
        return todo

    def roleChanged(self, primary: bool) -> None:
        """
        This member serves now, or no longer.
        """
        if primary != self._primary:
            self._primary = primary
            self._tell()

    def stop(self) -> None:
        """
        Try no more; what is open is closed by whoever has it.
        """
        self._stopped = True
        for port in self._ports:
            timer, port.timer = port.timer, None
            if timer is not None:
                timer.cancel()
            opening, port.opening = port.opening, None
            if opening is not None:
                opening.cancel()

    @property
    def closed(self) -> dict[str, str]:
        """
        Those that could not be opened, and why.
        """
        return {port.name: port.why for port in self._ports if port.why}

    def status(self) -> str:
        """
        For people.
        """
        closed = [f"{name}: {why}" for name, why in self.closed.items()]
        return "; ".join(closed) or f"{sum(p.isOpen for p in self._ports)} open"

    def _try(self, port: _Port, tried: Callable[[_Port], object]) -> None:
        port.timer = None
        opening: Deferred[Any] = maybeDeferred(port.opens)
        port.opening = opening

        def opened(result: object) -> None:
            port.opening = None
            port.isOpen = True
            port.why = ""
            self._tell()

        def failed(failure: Failure) -> None:
            port.opening = None
            error = failure.value
            if self._stopped or error is None or isinstance(error, CancelledError):
                return
            port.why = _why(error)
            self._tell()
            port.timer = self.clock.callLater(port.wait, self._try, port, _nobody)
            port.wait = min(MOST, 2 * port.wait)

        opening.addCallbacks(opened, failed)
        opening.addErrback(lambda f: log.failure("opening {port}", f, port=port.name))
        opening.addBoth(lambda _: tried(port))

    def _tell(self) -> None:
        """
        Say for each port what comes of it.
        """
        if self._stopped:
            return
        sip = [port for port in self._ports if port.sip]
        deaf = bool(sip) and not any(port.isOpen for port in sip)
        for port in self._ports:
            reason = f"port {port.name}"
            if port.why:
                text = f"cannot listen on {port.name}: {port.why}"
                if port.sip and not (self.sipPortCheck or self._primary):
                    self.service.note(reason, CRITICAL, text)
                else:
                    soft = not (port.sip and deaf)
                    self.service.unavailable(reason, CRITICAL, text, soft)
            elif port.isOpen:
                self.service.running(reason, PORT_OPENED, f"{port.name} is open")


def _nobody(port: _Port) -> None:
    """
    Nobody waits for this.
    """
