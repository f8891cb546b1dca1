"""
A whole sample cluster on one host: every member a process of its own.
"""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from twisted.application.service import MultiService, Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.runner.procmon import ProcessMonitor
from twisted.web.client import Agent, readBody
from twisted.web.iweb import IAgent

from sipcluster.app.ending import Ending
from sipcluster.app.lab_files import LabFiles
from sipcluster.app.settings import BadConfiguration, readConfiguration

log = Logger()

#: C{twistd} of this very Python.
TWISTD = "import sys; from twisted.scripts.twistd import run; sys.exit(run())"

#: Seconds between two questions for a member's health, and until an answer.
POLL = 0.2

#: Seconds that members may take to end before they are killed; what they end
#: with takes less, and all must be over within three.
KILL = 2.2


#: How often a member may fail before it has been ready once.
ATTEMPTS = 3


class Members(ProcessMonitor):
    """
    The member processes.  One that dies is started again, soon.

    @ivar ready: names of those that have been ready.
    """

    threshold = 1
    # Declared as whole numbers; the clock takes any.
    killTime = KILL  # type: ignore[assignment]
    minRestartDelay = 0.2  # type: ignore[assignment]
    maxRestartDelay = 5

    def __init__(
        self, reactor: Any, told: Callable[[str], None], ending: Callable[[str], None]
    ) -> None:
        super().__init__(reactor)
        self.ready: set[str] = set()
        self._told = told
        self._ending = ending
        self._failed: Counter[str] = Counter()
        self._ended: Deferred[None] | None = None

    def pid(self, name: str) -> int | None:
        """
        The process that a member is at the moment; L{None} when it is none.
        """
        transport: Any = getattr(self.protocols.get(name), "transport", None)
        return getattr(transport, "pid", None)

    def _monitoredProcessExited(self, name: str, reason: Failure | None = None) -> None:
        super()._monitoredProcessExited(name, None)
        if self.running:
            why = getattr(reason and reason.value, "args", ("",))[0]
            self._told(f"{name} has ended ({why}); it is started again")
            self._failed[name] += name not in self.ready
            if self._failed[name] == ATTEMPTS:
                self._ending(f"lab: {name} does not start")
        elif not self.protocols and self._ended is not None:
            self._ended.callback(None)

    # IService allows a Deferred; the base class has none to return.
    def stopService(self) -> Deferred[None]:  # type: ignore[override]
        """
        End all members.

        @return: fires when the last one is gone.
        """
        super().stopService()
        self._ended = Deferred()
        if not self.protocols:
            self._ended.callback(None)
        return self._ended


class Lab(Service):
    """
    Tells when all members are ready and know each other as in service.
    """

    def __init__(
        self,
        reactor: Any,
        files: LabFiles,
        members: Members,
        told: Callable[[str], None],
    ) -> None:
        self._reactor = reactor
        self._members = members
        self._files = files
        self._told = told
        self.agent: IAgent = Agent(reactor, connectTimeout=POLL * 5)
        self._waiting: dict[str, str] = {}
        self._poll: IDelayedCall | None = None

    def startService(self) -> None:
        super().startService()
        self._waiting = self._files.health()
        self._ask()

    def stopService(self) -> None:
        super().stopService()
        if self._poll is not None and self._poll.active():
            self._poll.cancel()

    def _ask(self) -> None:
        self._poll = None
        name, url = next(iter(self._waiting.items()))
        asked = self.agent.request(b"GET", url.encode("ascii"))
        read: Deferred[bytes] = asked.addCallback(readBody)
        read.addTimeout(POLL * 10, self._reactor)
        pause: Deferred[float] = read.addCallbacks(
            self._answered, lambda _: POLL, (name,)
        )
        done = pause.addCallback(self._next)
        done.addErrback(lambda f: log.failure("asking for health", failure=f))

    def _answered(self, body: bytes, name: str) -> float:
        """
        @return: seconds until somebody is asked again.
        """
        health = json.loads(body)
        others = {**health.get("nodes", {}), **health.get("proxies", {})}
        serving = all(state == "in service" for state in others.values())
        if health.get("state") != "ready" or not serving:
            return POLL
        if health.get("pid") != self._members.pid(name):
            # Not ours: another lab has these addresses.
            return POLL
        self._members.ready.add(name)
        del self._waiting[name]
        return 0.0

    def _next(self, delay: float) -> None:
        if not self.running:
            return
        if self._waiting:
            self._poll = self._reactor.callLater(delay, self._ask)
        else:
            self._told("ready")


#: Roles of C{twistd sipcluster} that are not called as the table.
_ROLES = {(True, "node"): "pair"}


def command(name: str, files: LabFiles) -> list[str]:
    """
    The command line of one member.
    """
    return [
        sys.executable,
        "-c",
        TWISTD,
        "--nodaemon",
        "--pidfile=",
        "--logger=sipcluster.app.log_streams.consoleOfFailures",
        "sipcluster",
        _ROLES.get((files.paired, files.members[name][0]), files.members[name][0]),
        f"--config={files.configuration}",
        f"--name={name}",
        "--until-eof",
    ]


def makeLab(
    reactor: Any, folder: Path, base: str, quiet: bool, paired: bool = True
) -> MultiService:
    """
    Build the lab; its files are written now, its processes start with it.

    @param paired: whether each node is a pair.

    @raise SystemExit: the folder cannot be used.
    """
    files = LabFiles(folder.absolute(), base, paired)
    try:
        files.make(datetime.now(UTC))
        readConfiguration(files.configuration)
    except (OSError, BadConfiguration) as e:
        raise SystemExit(f"sipcluster lab: {e}") from None
    out = sys.stdout

    def told(line: str) -> None:
        out.write(f"{line}\n")
        out.flush()

    if not quiet:
        told(files.introduction())
    top = MultiService()
    members = Members(reactor, told, Ending(reactor))
    for name in files.members:
        members.addProcess(
            name, command(name, files), env=dict(os.environ), cwd=str(files.folder)
        )
    members.setServiceParent(top)
    Lab(reactor, files, members, told).setServiceParent(top)
    return top
