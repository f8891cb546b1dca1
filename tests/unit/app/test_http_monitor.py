"""
Tests for L{sipcluster.app.http_monitor}.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase

from sipcluster.app.http_control import Order
from sipcluster.app.http_monitor import monitorSite
from sipcluster.app.settings import Proxy


class FakeMember:
    """
    What a member lists.
    """

    def registrations(self) -> Iterable[dict[str, object]]:
        """
        One binding.
        """
        return iter([{"aor": "sip:1001@lab.example", "q": 1.0}])

    def calls(self) -> Iterable[dict[str, object]]:
        """
        One call, with values that are no JSON.
        """
        odd: dict[str, object] = {"connID": frozenset("a")}
        return iter([odd])


class FakeProcess:
    """
    As much of a process as its HTTP port wants.
    """

    application = Proxy(name="proxy1", sipAddress="192.0.2.1")
    member = FakeMember()
    controlPassword = ""

    def __init__(self) -> None:
        self.state = "ready"
        self.more: dict[str, object] = {}

    def orders(self) -> dict[bytes, Order]:
        """
        Nothing can be asked of it.
        """
        return {}

    def status(self) -> dict[str, object]:
        """
        What every process says, and more.
        """
        return {
            "version": "1",
            "role": "proxy",
            "state": self.state,
            "uptime": 1.5,
            **self.more,
        }


class MonitorTests(SynchronousTestCase):
    """
    What is answered to which path.
    """

    def setUp(self) -> None:
        """
        A process and its site.
        """
        self.process = FakeProcess()
        fake: Any = self.process
        self.site = monitorSite(fake)

    def ask(self, path: str, method: str = "GET") -> tuple[int, str, str]:
        """
        Send one request.

        @return: status, head, body.
        """
        transport = StringTransport()
        protocol: Any = self.site.buildProtocol(transport.getPeer())
        protocol.makeConnection(transport)
        protocol.dataReceived(f"{method} {path} HTTP/1.0\r\n\r\n".encode())
        head, _, body = transport.value().decode().partition("\r\n\r\n")
        protocol.connectionLost(None)
        return int(head.split()[1]), head.lower(), body

    def json(self, path: str) -> Any:
        """
        The JSON that a path answers with 200.
        """
        status, head, body = self.ask(path)
        self.assertEqual(status, 200)
        self.assertIn("content-type: application/json", head)
        return json.loads(body)

    def test_status(self) -> None:
        """
        The status is the process's own.
        """
        self.process.more = {"nodes": {"node1": "in service"}}
        self.assertEqual(self.json("/status"), self.process.status())
        self.assertEqual(self.json("/status/")["uptime"], 1.5)

    def test_lists(self) -> None:
        """
        Registrations and calls, whatever values they hold.
        """
        self.assertEqual(
            self.json("/registrations"), [{"aor": "sip:1001@lab.example", "q": 1.0}]
        )
        self.assertEqual(self.json("/calls"), [{"connID": ["a"]}])

    def test_index(self) -> None:
        """
        The root tells the paths.
        """
        self.assertIn("/metrics", self.json("/")["paths"])

    def test_health(self) -> None:
        """
        Live unless it failed; ready only when it takes calls.
        """
        found = {}
        for state in ("starting", "ready", "stopping", "failed"):
            self.process.state = state
            found[state] = (self.ask("/health/live")[0], self.ask("/health/ready")[0])
        self.assertEqual(
            found,
            {
                "starting": (200, 503),
                "ready": (200, 200),
                "stopping": (200, 503),
                "failed": (503, 503),
            },
        )

    def test_degraded(self) -> None:
        """
        A process whose store is away is ready, and says so.
        """
        self.process.more = {"degraded": "cluster store away"}
        self.assertEqual(self.json("/health/ready")["degraded"], "cluster store away")

    def test_elsewhere(self) -> None:
        """
        An unknown path and another method are refused.
        """
        self.assertEqual(self.ask("/nowhere")[0], 404)
        status, head, _ = self.ask("/status", "POST")
        self.assertEqual(status, 405)
        self.assertIn("allow: get, head", head)
        status, _, body = self.ask("/status", "HEAD")
        self.assertEqual((status, body), (200, ""))

    def test_metrics(self) -> None:
        """
        Numbers of the status are metrics, those by kind are labelled.
        """
        self.process.more = {
            "calls": 2,
            "dialogs": "unknown",
            "transactions": 3,
            "transactionLayer": {"inviteClient": 3, "timers": 5},
            "transport": {"counts": {"datagramsRefused": 2}},
            "nodes": {"node1": "in service", "node2": "out of service"},
            "counters": {"malformed": 7},
            "degraded": "yes",
        }
        status, head, body = self.ask("/metrics")
        self.assertEqual(status, 200)
        self.assertIn("content-type: text/plain", head)
        for line in (
            'sipcluster_build_info{role="proxy",version="1"} 1.0',
            "sipcluster_ready 1.0",
            "sipcluster_degraded 1.0",
            "sipcluster_uptime_seconds 1.5",
            "sipcluster_calls 2.0",
            'sipcluster_sip_transactions{kind="inviteClient"} 3.0',
            'sipcluster_sip_transactions{kind="lingering"} 0.0',
            'sipcluster_sip_transport_events_total{event="datagramsRefused"} 2.0',
            'sipcluster_nodes_in_service{name="node1"} 1.0',
            'sipcluster_nodes_in_service{name="node2"} 0.0',
            'sipcluster_events_total{event="malformed"} 7.0',
        ):
            self.assertIn(f"{line}\n", body)
        self.assertNotIn("sipcluster_dialogs", body)
