"""
A T-Library client in a process of its own is cut off at 200 random moments of a
running load, by resets and by SIGKILL, and its record is the exact stream.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from random import Random
from typing import Any

from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from sipcluster.tlib.text import render
from tests.loopback.processes import Running
from tests.loopback.tlib_port import Port, Relay

reactor: Any = _reactor

DNS = ("1001", "1002", "1003")

#: How often the connection is reset, and how often the process is killed.
RESETS, KILLS = 180, 20


def pause(seconds: float) -> Deferred[None]:
    """
    Let things happen.
    """
    return deferLater(reactor, seconds, lambda: None)


class CutTests(TestCase):
    """
    Real sockets and a real process.
    """

    timeout = 120

    async def setUp(self) -> None:  # type: ignore[override] # trial takes both
        """
        A port, a relay before it, and a place for the record.
        """
        self.random = Random(3)
        self.port = Port()
        number = await self.port.start()
        self.addCleanup(lambda: Deferred.fromCoroutine(self.port.stop()))
        self.relay = Relay(number, self.random)
        self.door = await self.relay.start()
        self.addCleanup(lambda: Deferred.fromCoroutine(self.relay.stop()))
        self.record = Path(self.mktemp())

    def start(self) -> None:
        """
        Start the client's process.
        """
        self.process = Running(
            [
                *(sys.executable, "-m", "tests.loopback.tlib_recorder"),
                *(f"tcp:127.0.0.1:{self.door}", str(self.record.absolute()), *DNS),
            ]
        )
        self.addCleanup(self.process.kill)

    async def until(self, condition: Any) -> None:
        """
        Wait for something.
        """
        while not condition():
            if self.process.over:
                self.fail(self.process.out + self.process.err)
            await pause(0.01)

    def recorded(self) -> list[str]:
        """
        The texts of all recorded events.
        """
        lines = self.record.read_bytes().split(b"\n")[:-1]
        return [json.loads(line)["text"] for line in lines]

    async def test_cuts(self) -> None:
        """
        Nothing is missing, nothing is there twice, nothing in another order.
        """
        self.start()
        registrations = self.port.server.registrations
        await self.until(lambda: all(dn in registrations for dn in DNS))
        self.port.load(DNS, 0.004, self.random)
        cuts = [False] * RESETS + [True] * KILLS
        self.random.shuffle(cuts)
        for kill in cuts:
            await pause(self.random.expovariate(40))
            await self.until(lambda: self.relay.halves)
            if kill:
                await self.process.kill()
                self.start()
            else:
                self.relay.reset()
        self.port.endLoad()
        truth = self.port.truth.sent

        def complete() -> bool:
            return len(self.record.read_bytes().split(b"\n")) > len(truth)

        await self.until(complete)
        await pause(0.1)
        # Requests of a process that started anew may have come in between.
        self.assertEqual(
            self.recorded(),
            [render(one.message, one.position, one.reference) for one in truth],
        )
        found = re.findall(r"\n\tAttributeCallID\t(\d+)", "".join(self.recorded()))
        self.assertEqual([int(one) for one in found], self.port.published)
        counts = self.port.server.counts
        self.assertEqual((counts["snapshots"], counts["lostSessions"]), (0, 0))
        self.assertEqual(counts["sessions"], 1)
        self.assertGreater(counts["resumed"], RESETS / 2)
