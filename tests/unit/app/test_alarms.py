"""
Tests for L{sipcluster.app.alarms} and L{sipcluster.app.control_alarms}.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from unittest.mock import patch

from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.logger import Logger, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from sipcluster.app import control, control_alarms
from sipcluster.app.alarms import AlarmEvents, ProcessAlarms
from sipcluster.app.control_cluster import Refused
from sipcluster.app.http_monitor import monitorSite
from sipcluster.app.settings import AlarmSettings
from sipcluster.monitors.alarms import Alarms, Level
from tests.unit.app.test_http_monitor import FakeProcess

CONFIGURATION = """
[switch]
name = "lab"
domain = "lab.test"
control-password = "open sesame"

[[store]]
name = "store"
listen = "127.0.0.9"
http-address = "127.0.0.9"
http-port = 8089
"""


class AlarmEventsTests(SynchronousTestCase):
    """
    Events of the log raise and clear alarms.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.alarms = Alarms(self.clock, lambda: 1000.0 + self.clock.seconds())
        self.events = AlarmEvents(self.alarms, 60.0)
        globalLogPublisher.addObserver(self.events)
        self.addCleanup(globalLogPublisher.removeObserver, self.events)
        self.log = Logger("sipcluster.servicecheck.registry")

    @property
    def active(self) -> dict[str, str]:
        return {alarm.key: alarm.text for alarm in self.alarms.active()}

    def test_raisedAndClearedByEvents(self) -> None:
        """
        A pair without a primary is an alarm until it has one again; each pair is
        one of its own.
        """
        for pair in ("node1", "node2"):
            self.log.error("{number}: {pair}: none", number="00-53302", pair=pair)
        self.assertEqual(self.active, {})
        self.clock.advance(1)
        self.assertEqual(
            self.active,
            {
                "pair node1": "node1: none",
                "pair node2": "node2: none",
            },
        )
        self.clock.advance(1000)
        self.log.info("{number}: {pair}", number="00-53301", pair="node1")
        self.assertEqual(list(self.active), ["pair node2"])
        self.assertEqual([one.ending for one in self.alarms.history()], ["node1"])

    def test_switchover(self) -> None:
        """
        A pair that is without a primary for a moment, as at each switchover, is none;
        nor is one of a process that ends.
        """
        for _ in range(3):
            self.log.error("{number}: {pair}", number="00-53302", pair="node1")
            self.clock.advance(0.9)
            self.log.info("{number}: {pair}", number="00-53301", pair="node1")
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.log.error("{number}: {pair}", number="00-53302", pair="node1")
        self.events.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual((self.active, list(self.alarms.history())), ({}, []))

    def test_store(self) -> None:
        """
        A cluster store that is away for ten seconds is an alarm until it is back; each
        replica tells it for itself.
        """
        for prefix in ("/a/", "/b/"):
            self.log.error("{number}: {prefix}", number="00-53401", prefix=prefix)
        self.clock.advance(9)
        self.log.info("{number}: {prefix}", number="00-53402", prefix="/a/")
        self.clock.advance(1)
        self.assertEqual(self.active, {"store /b/": "/b/"})
        self.log.info("{number}: {prefix}", number="00-53402", prefix="/b/")
        self.assertEqual(self.active, {})

    def test_clearedByTime(self) -> None:
        """
        What no event clears is over when none has come for the time configured.
        """
        self.log.error("{number}: {why}", number="00-53127", why="no certificate")
        self.assertEqual(list(self.active), ["ha-link-stranger"])
        self.clock.advance(60)
        self.assertEqual(self.active, {})

    def test_clearedByAnOperator(self) -> None:
        """
        An operator clears those that no event clears, and only those.
        """
        self.log.error("{number}: {why}", number="00-53102", why="wrong pair")
        self.log.error("{number}: {why}", number="00-53206", why="both primary")
        self.log.error("{number}: {pair}", number="00-53302", pair="node1")
        self.clock.advance(1)
        self.assertEqual(self.events.clear(), 2)
        self.assertEqual(list(self.active), ["pair node1"])
        self.assertEqual(self.events.clear(), 0)
        self.assertEqual(
            [one.ending for one in self.alarms.history()], ["by an operator"] * 2
        )

    def test_criticalEvents(self) -> None:
        """
        Every critical event with a number is an alarm, 00-04200 by its own name.
        """
        self.log.critical("{number}: all is lost", number="00-59999")
        self.log.error("{number}: it ended", number="00-04200")
        self.log.critical("without a number")
        self.assertEqual(
            self.active,
            {"00-59999": "all is lost", "critical": "it ended"},
        )
        levels = {one.level for one in self.alarms.active()}
        self.assertEqual(levels, {Level.CRITICAL})

    def test_others(self) -> None:
        """
        All else is none: other events, numbers that are none, and what monitors
        write about what they raise themselves.
        """
        self.log.error("nothing")
        self.log.error("call {number}", number=7)
        self.log.error("{number}", number="00-53126")
        Logger("sipcluster.monitors.service").error("{number}", number="00-04200")
        self.assertEqual(self.active, {})

    def test_hostileValues(self) -> None:
        """
        Values with braces in them are values.
        """
        self.log.error("{number}: {pair}", number="00-53302", pair="{0.__class__}")
        self.clock.advance(1)
        self.assertEqual(list(self.active), ["pair {0.__class__}"])


class ProcessAlarmsTests(SynchronousTestCase):
    """
    The alarms of a process.
    """

    def test_fromStartToEnd(self) -> None:
        """
        Events count from the start to the end, and leave nothing behind.
        """
        clock = Clock()
        settings = AlarmSettings(command=("/no/such/program",), clearAfter=5)
        made = ProcessAlarms(clock, settings, "node1a")
        log = Logger("sipcluster.ha.link")
        log.error("{number}", number="00-53127")
        made.start()
        log.error("{number}", number="00-53127")
        made.stop()
        log.error("{number}", number="00-53121")
        status: Any = made.status()
        self.assertEqual([one["key"] for one in status["active"]], ["ha-link-stranger"])
        self.assertEqual(status["command"], {"run": 1, "failed": 1, "leftOut": 0})
        self.assertEqual(clock.getDelayedCalls(), [])


class ControlTests(SynchronousTestCase):
    """
    C{sipclusterctl alarms}.
    """

    def run_(self, *arguments: str) -> tuple[int, str]:
        path = Path(self.mktemp())
        path.write_text(CONFIGURATION)
        written: list[str] = []
        status = control.main(
            ["alarms", "--config", str(path), *arguments], written.append
        )
        return status, "".join(written)

    def answers(self, answer: Any) -> None:
        self.asked: list[str] = []

        def fetch(url: str) -> Any:
            self.asked.append(url)
            if isinstance(answer, Exception):
                raise answer
            return answer

        def order(url: str, path: str, password: str) -> None:
            self.asked.append(f"{url}{path} {password}")

        for where, what, how in (
            ("sipcluster.app.control_cluster", "fetch", fetch),
            ("sipcluster.app.control_alarms", "order", order),
        ):
            patched = patch(f"{where}.{what}", how)
            patched.start()
            self.addCleanup(patched.stop)

    def alarm(self, key: str, since: float, **more: Any) -> dict[str, Any]:
        return {
            "key": key,
            "number": "00-04200",
            "text": "it broke",
            "level": "critical",
            "since": since,
            "count": 1,
            "cleared": None,
            "ending": "",
            **more,
        }

    def test_none(self) -> None:
        """
        No alarms are good news.
        """
        self.answers({"active": [], "history": []})
        self.assertEqual(self.run_(), (0, "no alarms\n"))
        self.assertEqual(self.asked, ["http://127.0.0.9:8089/alarms"])

    def test_table(self) -> None:
        """
        Those that are active stand in a table, the oldest first, with the others
        when they are asked for.
        """
        over = self.alarm("c", 1.0, cleared=61.0, ending="it is whole", count=3)
        self.answers(
            {"active": [self.alarm("b", 9.0), self.alarm("a", 5.0)], "history": [over]}
        )
        status, text = self.run_()
        lines = text.splitlines()
        self.assertEqual(status, 0)
        self.assertEqual(
            lines[0].split(),
            ["AT", "SINCE", "UNTIL", "LEVEL", "ALARM", "NUMBER", "TIMES", "WHAT"],
        )
        self.assertEqual([line.split()[4] for line in lines[1:]], ["a", "b"])
        _, text = self.run_("--history")
        self.assertEqual(
            text.splitlines()[1].split(),
            [
                *("store", "1970-01-01T00:00:01Z", "1970-01-01T00:01:01Z"),
                *("critical", "c", "00-04200", "3"),
                *("it", "broke;", "it", "is", "whole"),
            ],
        )

    def test_clear(self) -> None:
        """
        Clearing shows the control password.
        """
        self.answers({"active": [], "history": []})
        self.run_("--clear")
        self.assertEqual(
            self.asked[0],
            f"http://127.0.0.9:8089{control_alarms.CLEAR} open sesame",
        )

    def test_noAnswer(self) -> None:
        """
        A process that does not answer is told so, and the status is 1.
        """
        self.answers(Refused("connection refused"))
        status, text = self.run_()
        self.assertEqual(status, 1)
        self.assertIn("store: no answer: connection refused", text)


class HTTPTests(SynchronousTestCase):
    """
    Alarms and the state of the service over HTTP.
    """

    def setUp(self) -> None:
        process: Any = FakeProcess()
        process.alarms = ProcessAlarms(Clock(), AlarmSettings(), "node1a")
        self.alarms: Alarms = process.alarms.alarms
        self.process = process
        self.site = monitorSite(process)

    def ask(self, path: str) -> tuple[int, str]:
        transport = StringTransport()
        protocol: Any = self.site.buildProtocol(transport.getPeer())
        protocol.makeConnection(transport)
        protocol.dataReceived(f"GET {path} HTTP/1.0\r\n\r\n".encode())
        head, _, body = transport.value().decode().partition("\r\n\r\n")
        protocol.connectionLost(None)
        return int(head.split()[1]), body

    def test_alarms(self) -> None:
        """
        C{/alarms} has those that are active and those that are over; the metrics
        count the active ones by level.
        """
        self.alarms.raiseAlarm("a", "00-04200", "broke", Level.CRITICAL)
        self.alarms.raiseAlarm("b", "00-04200", "broke")
        self.alarms.clearAlarm("b")
        self.process.more = {"alarms": self.process.alarms.status()}
        code, body = self.ask("/alarms")
        told = json.loads(body)
        self.assertEqual(code, 200)
        self.assertEqual([one["key"] for one in told["active"]], ["a"])
        self.assertEqual([one["key"] for one in told["history"]], ["b"])
        _, body = self.ask("/metrics")
        self.assertIn('sipcluster_alarms{level="critical"} 1.0', body)
        self.assertIn('sipcluster_alarms{level="major"} 0.0', body)
        _, body = self.ask("/")
        self.assertIn("/alarms", json.loads(body)["paths"])

    def test_health(self) -> None:
        """
        A member that is C{SERVICE_UNAVAILABLE} is alive and not ready, and says
        why.
        """
        self.process.more = {"service": "SERVICE_RUNNING", "why": {}}
        self.assertEqual(self.ask("/health/ready")[0], 200)
        self.process.more = {
            "service": "SERVICE_UNAVAILABLE",
            "why": {"sip-pass-check": "no SIP for 20 s"},
        }
        code, body = self.ask("/health/ready")
        self.assertEqual(code, 503)
        self.assertEqual(json.loads(body)["why"], {"sip-pass-check": "no SIP for 20 s"})
        self.assertEqual(self.ask("/health/live")[0], 200)
