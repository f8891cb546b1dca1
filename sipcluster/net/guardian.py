"""
The death of a process is known, not guessed: a child that outlives it gives its role
back, so that the other member of the pair need not wait for the end of the lease.
"""

from __future__ import annotations

import base64
import contextlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from attrs import define, field
from twisted.application.service import Service
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ProcessExitedAlready
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import ProcessProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure

log = Logger()

#: Number in the log.
NO_GUARDIAN = "00-53133"

#: Seconds before the first attempt to begin it again, and before those after many,
#: which is also how long one must have lived that the next end is a first one; and
#: how long it is given to end.
SOON, RARELY, PATIENCE = 1.0, 60.0, 1.0

#: The program.
CHILD = Path(__file__).with_name("guardian_child.py")


@define(eq=False)
class Guardian(Service):
    """
    Watches over one process that may be primary by the cluster store.

    It must run from before the role is asked for until it has been given back.

    @ivar urls: of the store, as for C{EtcdStore}.
    @ivar key: the election key, and C{value}, what this process writes into it:
        those of its C{StoreArbiter}.
    @ivar ca: file with the authorities of a store with TLS; C{certificate} and
        C{privateKey}: files that this process shows to it.
    @ivar begun: how often the child was started.
    """

    reactor: Any
    urls: Sequence[str]
    key: bytes
    value: bytes
    ca: str = ""
    certificate: str = ""
    privateKey: str = ""
    begun: int = 0
    _child: _Child | None = field(default=None, init=False)
    _pause: float = field(default=SOON, init=False)
    _since: float = field(default=0.0, init=False)
    _again: IDelayedCall | None = field(default=None, init=False)
    _ended: Deferred[None] | None = field(default=None, init=False)

    @property
    def pid(self) -> int:
        """
        Of the child; 0 when there is none.
        """
        child = self._child
        transport: Any = None if child is None else child.transport
        return 0 if transport is None else transport.pid or 0

    def startService(self) -> None:
        """
        Begin to watch.
        """
        super().startService()
        self._begin()

    def stopService(self) -> Deferred[None]:
        """
        Watch no more: this process has given its role back.

        @return: fires when the child has ended.
        """
        super().stopService()
        again, self._again = self._again, None
        if again is not None:
            again.cancel()
        child = self._child
        if child is None or child.transport is None:
            return succeed(None)
        ended: Deferred[None] = Deferred()
        self._ended = ended
        child.transport.write(b"over\n")
        child.transport.closeStdin()
        kill = self.reactor.callLater(PATIENCE, self._kill, child)

        def done(result: None) -> None:
            if kill.active():
                kill.cancel()

        return ended.addCallback(done)

    def _kill(self, child: _Child) -> None:
        if child.transport is not None:
            with contextlib.suppress(ProcessExitedAlready):
                child.transport.signalProcess("KILL")

    def _begin(self) -> None:
        self._again = None
        self._since = self.reactor.seconds()
        self.begun += 1
        plan = {
            "urls": list(self.urls),
            "key": base64.b64encode(self.key).decode(),
            "value": base64.b64encode(self.value).decode(),
            "ca": self.ca or None,
            "certificate": self.certificate or None,
            "key-file": self.privateKey or None,
        }
        child = _Child(self, json.dumps(plan).encode() + b"\n")
        try:
            # It has nothing of ours but its standard input: whoever waits for the
            # end of our output is not to wait for it.
            self.reactor.spawnProcess(
                child,
                sys.executable,
                [sys.executable, "-I", "-S", str(CHILD)],
                env={},
                childFDs={0: "w"},
            )
        except Exception as e:
            self.failed(str(e))
        else:
            self._child = child

    def failed(self, why: str) -> None:
        """
        There is no child, or no more.
        """
        self._child = None
        ended, self._ended = self._ended, None
        if ended is not None:
            ended.callback(None)
        elif self.running:
            if self.reactor.seconds() - self._since > RARELY:
                self._pause = SOON
            log.error(
                "{number}: nothing watches over this process for {seconds:g} s: {why}",
                number=NO_GUARDIAN,
                seconds=self._pause,
                why=why,
            )
            self._again = self.reactor.callLater(self._pause, self._begin)
            self._pause = min(2 * self._pause, RARELY)


class _Child(ProcessProtocol):
    """
    The other end of the pipe.
    """

    def __init__(self, guardian: Guardian, plan: bytes) -> None:
        self._guardian = guardian
        self._plan = plan

    def connectionMade(self) -> None:
        """
        It has begun.
        """
        transport: Any = self.transport
        transport.write(self._plan)

    def processEnded(self, reason: Failure) -> None:
        """
        It has ended.
        """
        self._guardian.failed(reason.getErrorMessage())
