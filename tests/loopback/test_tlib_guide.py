"""
The shortest example of the guide for T-Library clients.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from sipcluster.net.tlib import TLibFactory
from sipcluster.testing.tlib_peer import Addresses
from sipcluster.tlib.messages import EventOffHook
from sipcluster.tserver.limits import Application
from sipcluster.tserver.server import TServer
from tests.loopback.javascript import reactor
from tests.loopback.processes import TOP, Running

EXAMPLE = TOP / "docs" / "examples" / "tlib_ten_lines.py"

#: Where it looks for the cluster: node1 of the lab, a pair.
THERE = ("tcp:127.0.0.21:3001", "tcp:127.0.0.23:3001")


class TenLinesTests(TestCase):
    """
    It does what the guide says.
    """

    timeout = 30

    def test_isTenLines(self) -> None:
        """
        Lines are counted as people do, who count no imports.
        """
        lines = [
            line
            for line in EXAMPLE.read_text().splitlines()
            if line and not line.startswith(("import", "from", ")"))
        ]
        self.assertLessEqual(len(lines), 10)

    async def test_prints(self) -> None:
        """
        It connects as C{desktop} of the lab, registers 1001, and prints the
        events as the field does.
        """
        server = TServer(
            "TCport",
            reactor,
            lambda: 1_795_165_200.25,
            os.urandom,
            {"desktop": Application("desktop", "secret-desktop")},
            Addresses.of("1001"),
        )
        self.addCleanup(server.stop)
        port = reactor.listenTCP(0, TLibFactory(server), interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        source = EXAMPLE.read_text()
        for member in THERE:
            self.assertIn(member, source)
            source = source.replace(member, f"tcp:127.0.0.1:{port.getHost().port}")
        program = Path(self.mktemp())
        program.write_text(source)
        running = Running([sys.executable, "-u", str(program)])
        self.addCleanup(running.kill)
        await running.says("EventRegistered (53)")
        while not server.watched("1001"):
            await deferLater(reactor, 0.001)
        server.publish("1001", EventOffHook(time=server.now(), thisDN="1001"))
        await running.says("EventOffHook (86)")
        await running.says("AttributeThisDN\t'1001'")
