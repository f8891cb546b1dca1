"""
A member of a pair whose ports are taken, as a process: row H10 of the inventory, the
alarm 00-04200 of row H11, and the command that is run for it.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import treq
from twisted.internet.defer import inlineCallbacks
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase
from twisted.web.client import Agent, HTTPConnectionPool

from sipcluster.app.lab_files import LabFiles
from tests.loopback.processes import Running, base, loopback, reactor, twistd

#: Seconds between two looks at what must come to be.
LOOK = 0.1

MEMBERS = {"node1a": 21, "node1b": 23}

#: The command of alarms: what it finds goes into a file.
_COMMAND = """\
#!/bin/sh
echo "$SIPCLUSTER_APPLICATION $1 $2 $SIPCLUSTER_ALARM_NUMBER" >> "$(dirname "$0")/told"
"""


class TakenPortsTests(TestCase):
    """
    Another program has the SIP ports of C{node1a}.
    """

    timeout = 60

    def setUp(self) -> None:
        self.folder = Path(self.mktemp()).absolute()
        files = LabFiles(self.folder, base())
        files.make(datetime.now(UTC))
        self.told = self.folder / "told"
        command = self.folder / "tell"
        command.write_text(_COMMAND)
        command.chmod(0o755)
        with files.configuration.open("a") as configuration:
            configuration.write(f'\n[alarms]\ncommand = ["{command}"]\n')
        self.taken = []
        for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
            taken = socket.socket(socket.AF_INET, kind)
            taken.bind((loopback(21), 5060))
            if kind == socket.SOCK_STREAM:
                taken.listen()
            self.taken.append(taken)
            self.addCleanup(taken.close)
        self.agent = Agent(reactor, pool=HTTPConnectionPool(reactor, persistent=False))
        self.processes: dict[str, Running] = {}
        for name in MEMBERS:
            self.processes[name] = running = twistd(
                "pair", f"--config={files.configuration}", f"--name={name}"
            )
            self.addCleanup(running.kill)

    @inlineCallbacks
    def ask(self, name: str, path: str) -> Any:
        """
        The code and the answer of a member; 0 while it gives none.
        """
        url = f"http://{loopback(MEMBERS[name])}:8080{path}"
        try:
            response = yield treq.get(url, agent=self.agent, timeout=2)
            body = yield response.content()
        except Exception:
            return 0, {}
        return response.code, json.loads(body)

    @inlineCallbacks
    def until(self, name: str, path: str, so: Callable[[int, Any], bool]) -> Any:
        """
        Wait until a member answers so.
        """
        while True:
            code, answer = yield self.ask(name, path)
            if code and so(code, answer):
                return answer
            self.assertFalse(self.processes[name].over, self.processes[name].err)
            yield deferLater(reactor, LOOK)

    @inlineCallbacks
    def test_staysAndTriesAgain(self) -> Any:
        """
        It stays, says C{SERVICE_UNAVAILABLE}, and the other one serves; when the
        ports are free it opens them, without being started again.
        """
        health = yield self.until("node1a", "/health/ready", lambda c, a: "why" in a)
        health = yield self.until("node1a", "/health/ready", lambda c, a: a["why"])
        self.assertEqual(health["service"], "SERVICE_UNAVAILABLE")
        self.assertEqual(set(health["why"]), {"port UDP", "port TCP"})
        code, _ = yield self.ask("node1a", "/health/ready")
        self.assertEqual(code, 503)
        yield self.until(
            "node1b", "/status", lambda c, a: a["pair"]["role"] == "primary"
        )
        alarms = yield self.until("node1a", "/alarms", lambda c, a: a["active"])
        found = {one["key"]: one["number"] for one in alarms["active"]}
        self.assertEqual(found["port UDP"], "00-04200")
        for taken in self.taken:
            taken.close()
        yield self.until("node1a", "/health/ready", lambda c, a: c == 200)
        yield self.until(
            "node1a", "/status", lambda c, a: a["pair"]["role"] == "backup"
        )
        while "node1a cleared port UDP 00-04200" not in self.told.read_text():
            yield deferLater(reactor, LOOK)
        self.assertIn("node1a raised port UDP 00-04200", self.told.read_text())
        self.assertEqual([one.over for one in self.processes.values()], [False] * 2)
