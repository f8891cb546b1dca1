"""
A T-Library client in a process of its own is cut off at 200 random moments of calls
that telephones make through a whole cluster, and its record is what another client,
which was not, was told.
"""

from __future__ import annotations

import json
import sys
from random import Random
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.protocol import Factory
from twisted.internet.task import deferLater

from sipcluster.tlib.messages import EventRegistered, RequestRegisterAddress
from sipcluster.tlib.text import render
from tests.bench.processes import Program
from tests.interop.load import CALLED, CALLING, load
from tests.interop.shared import ClusterTestCase, reactor
from tests.interop.status import until
from tests.interop.tlib_client import TLibClient
from tests.loopback.tlib_port import Relay

DNS = tuple(str(number) for number in (*CALLING, *CALLED))

#: How often the connection is reset, and how often the process is killed.
RESETS, KILLS = 180, 20

#: Calls a second, and for how many seconds.
RATE, SECONDS = 20, 20

#: What the client asked for itself: a process that starts anew registers again, and
#: is told that it has (43).
_OF_OTHERS = ("EventRegistered", "EventError")

_APPLICATION = '[[tlib-application]]\nname = "recorder"\npassword = "secret"\n'


def withRecorder(toml: str) -> str:
    """
    The lab's configuration with one more T-Library client.
    """
    return toml + _APPLICATION


class CutTests(ClusterTestCase):
    """
    Real calls, a real cluster, a real process.
    """

    change = staticmethod(withRecorder)

    async def setUp(self) -> None:  # type: ignore[override]
        """
        One node, a relay before its TCport, and a place for the record.
        """
        await super().setUp()
        # Each node knows its own calls only: there is one.
        if "node2" in self.cluster.programs:
            await self.cluster.programs.pop("node2").stop(reactor)
        await until(
            reactor,
            lambda: all(
                self.cluster.servedBy(proxy) == {"node1"}
                for proxy in ("proxy1", "proxy2")
            ),
            10.0,
            "one node is in service",
        )
        self.random = Random(11)
        self.relay = Relay(0, self.random, self.connect)
        self.door = await self.relay.start()
        self.addCleanup(lambda: Deferred.fromCoroutine(self.relay.stop()))
        self.record = self.work / "record"
        self.recorder: Program | None = None
        self.addCleanup(self.kill)

    async def leave(self, witness: TLibClient) -> None:
        """
        End the other client.
        """
        witness.leave()
        await until(reactor, lambda: not witness.connected, 5.0, "it is gone", 0.02)

    def connect(self, factory: Factory) -> Deferred[Any]:
        """
        Reach the node's TCport, which is in another network namespace.
        """
        address = self.cluster.address("node1")
        with self.cluster.namespace.entered():
            return TCP4ClientEndpoint(reactor, address, 3001).connect(factory)

    def start(self) -> None:
        """
        Start the client's process.
        """
        self.recorder = Program.start(
            [
                *(sys.executable, "-m", "tests.loopback.tlib_recorder"),
                *(f"tcp:127.0.0.1:{self.door}", str(self.record), *DNS),
            ],
            self.work / "recorder.out",
        )

    def kill(self) -> None:
        """
        SIGKILL.
        """
        recorder, self.recorder = self.recorder, None
        if recorder is not None:
            recorder.kill()

    def recorded(self) -> list[str]:
        """
        The events of calls in the record, as text.
        """
        if not self.record.exists():
            return []
        lines = self.record.read_bytes().split(b"\n")[:-1]
        return [
            unnumbered(text)
            for text in (json.loads(line)["text"] for line in lines)
            if not text.startswith(_OF_OTHERS)
        ]

    async def cuts(self) -> int:
        """
        Cut the client off, as often as it is to be.

        @return: how many calls the client had heard of when that began.
        """
        kinds = [False] * RESETS + [True] * KILLS
        self.random.shuffle(kinds)
        heard = len(self.recorded())
        for kill in kinds:
            await deferLater(reactor, self.random.expovariate(25), lambda: None)
            await until(
                reactor, lambda: bool(self.relay.halves), 10.0, "it comes back", 0.005
            )
            if kill:
                self.kill()
                self.start()
            else:
                self.relay.reset()
        return heard

    async def test_cuts(self) -> None:
        """
        The union of what it received is the exact stream: nothing is missing,
        nothing is there twice, nothing in another order.
        """
        witness = await TLibClient.open(
            reactor, self.cluster.namespace, self.cluster.address("node1"), 3001
        )
        self.addCleanup(self.leave, witness)
        for dn in DNS:
            witness.request(RequestRegisterAddress(thisDN=dn))
        for _ in DNS:
            await witness.told(reactor, EventRegistered)
        self.start()

        def registered() -> bool:
            text = self.record.read_text() if self.record.exists() else ""
            return text.count("EventRegistered") == len(DNS)

        await until(reactor, registered, 20.0, "the client has registered", 0.05)
        calls = Deferred.fromCoroutine(
            load(reactor, self.cluster, RATE, SECONDS, self.work)
        )
        await until(
            reactor, lambda: len(self.recorded()) > 20, 20.0, "calls are made", 0.05
        )
        before = await self.cuts()
        told = len(witness.got)
        self.assertFalse(calls.called, "the load ended before the last cut")
        result = await calls
        self.assertEqual((result.successful, result.failed), (result.calls, 0))
        truth = [unnumbered(render(one.message)) for one in witness.got]
        await until(
            reactor,
            lambda: len(self.recorded()) >= len(truth),
            20.0,
            "the client has caught up",
            0.1,
        )
        self.assertEqual(self.recorded(), truth)
        # Each call: dialing, ringing, established twice, released twice.
        self.assertGreaterEqual(len(truth), 6 * result.calls)
        self.assertGreater(told - before, 500, "too little happened meanwhile")
        status = self.cluster.status("node1")
        counts = status["tlib"]["TCport"]["counts"]
        self.assertEqual(counts.get("snapshots", 0), 0)
        self.assertEqual(counts.get("lostSessions", 0), 0)
        self.assertGreater(counts["resumed"], RESETS / 2)


def unnumbered(text: str) -> str:
    """
    An event without what each client has for itself.
    """
    return "\n".join(
        line
        for line in text.splitlines()
        if not line.startswith(
            ("\tAttributeEventSequenceNumber", "\tAttributeReferenceID")
        )
    )
