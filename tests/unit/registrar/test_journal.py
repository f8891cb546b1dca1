"""
Tests for L{sipcluster.registrar.journal}: what an operator reads of registrations.
"""

from __future__ import annotations

from attrs import evolve
from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from sipcluster.cluster.embedded_store import EmbeddedStore, memoryEngine
from sipcluster.registrar.iregistrar import ALL
from sipcluster.registrar.replicated import replicatedRegistrations
from sipcluster.testing.clock import runFor
from sipcluster.testing.registration_contract import AOR, EPOCH, binding


class JournalTests(SynchronousTestCase):
    """
    A SIP Proxy writes down the registrations that it takes.
    """

    def setUp(self) -> None:
        """
        The location service of one SIP Proxy.
        """
        self.clock = Clock()
        engine = memoryEngine(self.clock)
        self.addCleanup(engine.close)
        self.store = replicatedRegistrations(
            EmbeddedStore(engine, self.clock, delay=0.002),
            self.clock,
            lambda: EPOCH + self.clock.seconds(),
            "proxy1",
        )
        self.addCleanup(self.store.stop)
        self.store.start()
        runFor(self.clock, 0.1)

    def written(self, events: object) -> list[str]:
        """
        The lines about registrations.
        """
        assert isinstance(events, list)
        return [
            formatEvent(event)
            for event in events
            if event["log_namespace"] == "sipcluster.registrar.journal"
        ]

    def test_comesAndGoes(self) -> None:
        """
        A registration is a line, its refresh is none, its removal is one.
        """
        one = evolve(binding(b"a", 60.0), expiresAt=EPOCH + 60.1)
        with capturedLogs() as events:
            self.store.update(AOR, [one])
            runFor(self.clock, 1.0)
            self.store.update(AOR, [evolve(one, expiresAt=EPOCH + 90, cseq=9)])
            runFor(self.clock, 1.0)
            self.store.update(AOR, (), ALL)
            runFor(self.clock, 1.0)
        aor = AOR.decode()
        self.assertEqual(
            self.written(events),
            [
                f"{aor} is registered at sip:bob@a over UDP for 60 s",
                f"{aor} is no longer registered at sip:bob@a: unregistered",
            ],
        )

    def test_ends(self) -> None:
        """
        What expires, and what loses its connection, is told with the reason.
        """
        one = evolve(binding(b"a", 5.0), proxy="proxy1")
        two = evolve(binding(b"b", 60.0), proxy="proxy1", flow=b"f")
        self.store.update(AOR, [one, two])
        with capturedLogs() as events:
            runFor(self.clock, 7.0)
            self.store.flowGone("proxy1", b"f")
        aor = AOR.decode()
        self.assertEqual(
            self.written(events),
            [
                f"{aor} is no longer registered at sip:bob@a: expired",
                f"{aor} is no longer registered at sip:bob@b: its connection is closed",
            ],
        )
