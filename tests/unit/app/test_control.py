"""
Tests for L{sipcluster.app.control}.
"""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from sipcluster.app import control, control_cluster

CONFIGURATION = """
[switch]
name = "test"
domain = "lab.example"
[log]
directory = "log"
[[store]]
name = "store"
listen = "192.0.2.10"
http-port = 0
[[proxy]]
name = "proxy1"
sip-address = "192.0.2.11"
[[node]]
name = "node1"
sip-address = "2001:db8::21"
"""

STATUS = {
    "http://192.0.2.11:8080/status": {
        "role": "proxy",
        "state": "ready",
        "uptime": 90061.5,
        "pid": 4711,
        "registrations": 2,
        "calls": 0,
        "transactions": 9,
        "transactionLayer": {"waiting": 1, "lingering": 8},
        "nodes": {"node1": "in service", "node2": "out of service"},
        "degraded": "cluster store away",
    },
    "http://[2001:db8::21]:8080/status": {
        "role": "node",
        "state": "ready",
        "uptime": 61,
        "calls": 3,
    },
}


class ControlTests(SynchronousTestCase):
    """
    What each command prints, and its exit status.
    """

    def setUp(self) -> None:
        """
        A configuration, and processes that answer what they should.
        """
        self.folder = Path(self.mktemp())
        (self.folder / "log").mkdir(parents=True)
        (self.folder / "cluster.toml").write_text(CONFIGURATION)
        self.answers: dict[str, Any] = dict(STATUS)
        self.patch(control_cluster, "fetch", self.fetch)
        self.err = io.StringIO()
        self.patch(sys, "stderr", self.err)

    def fetch(self, url: str) -> Any:
        """
        The answer of a process that is there.
        """
        if url not in self.answers:
            raise control_cluster.Refused("nobody there")
        return self.answers[url]

    def run_(self, *arguments: str) -> tuple[int, str]:
        """
        Run a command.

        @return: exit status and standard output.
        """
        out = io.StringIO()
        status = control.main(arguments, out.write)
        return status, out.getvalue()

    def table(self, *arguments: str) -> list[list[str]]:
        """
        The cells of a table, from a command that goes well.
        """
        status, out = self.run_(*arguments, "--dir", str(self.folder))
        self.assertEqual(status, 0, out + self.err.getvalue())
        return [
            [cell for cell in line.split("  ") if cell] for line in out.splitlines()
        ]

    def test_status(self) -> None:
        """
        One row for each process, those that wait apart from those that linger.
        """
        head, node, proxy = self.table("status")
        self.assertEqual(
            " ".join(" ".join(head).split()),
            "NAME ROLE STATE UPTIME PID PAIR CALLS DIALOGS TRANSACTIONS LINGERING "
            "TIMERS REGISTRATIONS IN SERVICE OUT OF SERVICE DEGRADED",
        )
        self.assertEqual(
            [cell.strip() for cell in proxy],
            [
                *("proxy1", "proxy", "ready", "1d 1:01:01", "4711", *"-0-18-2"),
                *("1/2 node1", "node2", "cluster store away"),
            ],
        )
        self.assertEqual(
            [cell.strip() for cell in node],
            ["node1", "node", "ready", "0:01:01", "-", "-", "3", *"--------"],
        )

    def test_noAnswer(self) -> None:
        """
        A process that does not answer has its row, and the exit status is 1.
        """
        del self.answers["http://192.0.2.11:8080/status"]
        status, out = self.run_("status", "--dir", str(self.folder))
        self.assertEqual(status, 1)
        self.assertRegex(out, r"proxy1 +- +no answer .* nobody there\n")

    def test_json(self) -> None:
        """
        JSON has everything by name, what did not answer too.
        """
        del self.answers["http://192.0.2.11:8080/status"]
        path = str(self.folder / "cluster.toml")
        status, out = self.run_("status", "--json", "--config", path)
        self.assertEqual(status, 1)
        found = json.loads(out)
        self.assertEqual(found["proxy1"], {"error": "nobody there"})
        self.assertEqual(found["node1"]["calls"], 3)

    def test_oneApplication(self) -> None:
        """
        One may be chosen by its name or by its address.
        """
        self.assertEqual(len(self.table("status", "--app", "node1")), 2)
        status, out = self.run_("status", "--url", "http://192.0.2.11:8080/")
        self.assertEqual(status, 0)
        self.assertIn("proxy", out)
        status, _ = self.run_("status", "--app", "nod", "--dir", str(self.folder))
        self.assertEqual(status, 1)
        self.assertIn("no application 'nod'", self.err.getvalue())

    def test_registrations(self) -> None:
        """
        Bindings are asked of SIP Proxies, known columns first.
        """
        self.answers["http://192.0.2.11:8080/registrations"] = [
            {"contact": "sip:a", "aor": "sip:1001@lab.example", "path": [], "q": 1.0},
            {"contact": "sip:b", "aor": "sip:1002@lab.example", "flow": True},
        ]
        head, first, second = self.table("registrations")
        self.assertEqual(
            [cell.strip() for cell in head],
            [
                *("AT", "AOR", "CONTACT", "TRANSPORT", "EXPIRES", "PROXY"),
                *("FLOW", "PATH", "Q"),
            ],
        )
        self.assertEqual(
            [cell.strip() for cell in first],
            ["proxy1", "sip:1001@lab.example", "sip:a", *"-----", "1.0"],
        )
        self.assertEqual(
            [cell.strip() for cell in second[2:]],
            ["sip:b", *"---", "yes", "-", "-"],
        )

    def test_registrationOfAllProxies(self) -> None:
        """
        A binding that all SIP Proxies have stands there once, with their names.
        """
        with (self.folder / "cluster.toml").open("a") as file:
            file.write('[[proxy]]\nname = "proxy2"\nsip-address = "192.0.2.12"\n')
        for host, expires in (("192.0.2.11", 59), ("192.0.2.12", 60)):
            self.answers[f"http://{host}:8080/registrations"] = [
                {"aor": "sip:1001@lab.example", "contact": "sip:a", "expires": expires}
            ]
        _, only = self.table("registrations")
        self.assertEqual(only[0].strip(), "proxy1,proxy2")

    def test_calls(self) -> None:
        """
        Calls are asked of nodes; one that does not answer is told.
        """
        status, out = self.run_("calls", "--dir", str(self.folder))
        self.assertEqual(status, 1)
        self.assertIn("node1: no answer: nobody there", out)
        self.answers["http://[2001:db8::21]:8080/calls"] = [{"connID": "1f"}]
        self.assertEqual(len(self.table("calls")), 2)

    def test_copies(self) -> None:
        """
        What a backup has of calls is shown where the backup is named, and else only
        to programs.
        """
        url = "http://[2001:db8::21]:8080/calls"
        self.answers[url] = [{"connID": "1f", "copy": True}]
        self.assertEqual(len(self.table("calls")), 1)
        self.assertEqual(len(self.table("calls", "--app", "node1")), 2)
        _, out = self.run_("calls", "--json", "--dir", str(self.folder))
        self.assertIn("1f", out)

    def test_call(self) -> None:
        """
        A call is one row for a person: who, since when, and the ids for C{trace}.
        """
        self.answers["http://[2001:db8::21]:8080/calls"] = [
            {
                "connID": "1f",
                "ani": "1001",
                "dnis": "1002",
                "created": 1795205192.5,
                "parties": [
                    {"dn": "1001", "role": "Origination", "state": "Connected"},
                    {"dn": "1002", "role": "Destination", "state": "Hold"},
                ],
                "legs": [{"callID": "a"}, {"callID": "b"}],
            }
        ]
        head, call = self.table("calls")
        self.assertEqual(
            [cell.strip() for cell in head],
            ["AT", "CONNID", "ANI", "DNIS", "SINCE", "PARTIES", "CALL-IDS"],
        )
        self.assertEqual(
            [cell.strip() for cell in call],
            [
                *("node1", "1f", "1001", "1002", "2026-11-20T20:06:32Z"),
                *("1001 Connected, 1002 Hold", "a,b"),
            ],
        )

    def test_clients(self) -> None:
        """
        A T-Library client is one row: where it is, since when, how far behind.
        """
        self.answers["http://[2001:db8::21]:8080/clients"] = [
            {
                "port": "TCport",
                "client": "desktop at 192.0.2.1:40000",
                "session": "0123abcd",
                "state": "away",
                "since": 1795205192.5,
                "registrations": 2,
                "sent": 7,
                "acknowledged": 5,
                "unsentBytes": 0,
                "pending": 1,
            }
        ]
        head, client = self.table("clients")
        self.assertEqual(head[0], "AT")
        self.assertEqual(
            [cell.strip() for cell in client],
            [
                *("node1", "TCport", "desktop at 192.0.2.1:40000", "0123abcd"),
                *("away", "2026-11-20T20:06:32Z", "2", "7", "5", "0", "1"),
            ],
        )

    def test_configuration(self) -> None:
        """
        A missing or broken configuration is told.
        """
        status, _ = self.run_("status", "--dir", "/nowhere")
        self.assertEqual(status, 1)
        self.assertIn("there is no /nowhere/cluster.toml", self.err.getvalue())
        (self.folder / "cluster.toml").write_text("x = 1")
        status, _ = self.run_("status", "--dir", str(self.folder))
        self.assertEqual(status, 1)
        self.assertIn("cluster.toml:1: x: no such table", self.err.getvalue())

    def write(self, *records: dict[str, str]) -> None:
        """
        Write the record of proxy1.
        """
        lines = [json.dumps(record) + "\n" for record in records]
        (self.folder / "log" / "proxy1.jsonl").write_text("".join(lines))

    def test_trace(self) -> None:
        """
        The ladder of a call from the configured logs, or from other folders.
        """
        self.write(
            {
                "ts": "2026-11-20T18:00:01.000000Z",
                "ns": "sipcluster.sip.message",
                "app": "proxy1",
                "dir": "in",
                "local": "192.0.2.11:5060",
                "remote": "192.0.2.1:5060",
                "callID": "a",
                "msg": "BYE sip:1 SIP/2.0",
            }
        )
        status, out = self.run_("trace", "a", "--dir", str(self.folder))
        self.assertEqual(status, 0)
        self.assertIn("Call-ID a\n", out)
        self.assertIn("BYE 1 -", out)
        status, again = self.run_("trace", "a", "--log-dir", str(self.folder / "log"))
        self.assertEqual((status, again), (0, out))
        status, out = self.run_("trace", "a", "--json", "--dir", str(self.folder))
        self.assertEqual((status, json.loads(out)[0]["callID"]), (0, "a"))

    def test_noTrace(self) -> None:
        """
        Without logs, without such a call, without a log folder: each is told.
        """
        empty = Path(self.mktemp())
        empty.mkdir()
        for arguments, why in (
            (("b", "--log-dir", str(empty)), "no records"),
            (("b", "--dir", str(self.folder)), "no call has the Call-ID"),
            (("b", "--config", str(self.folder / "other.toml")), "directory nowhere"),
        ):
            self.write({"callID": "a"})
            (self.folder / "other.toml").write_text(
                '[switch]\nname = "x"\ndomain = "x"\n'
            )
            status, _ = self.run_("trace", *arguments)
            self.assertEqual(status, 1)
            self.assertIn(why, self.err.getvalue())

    def test_pipeIsClosed(self) -> None:
        """
        Whoever has seen enough may close the pipe.
        """

        def write(text: str) -> None:
            raise BrokenPipeError

        status = control.main(("status", "--dir", str(self.folder)), write)
        self.assertEqual(status, 1)
        self.assertEqual(self.err.closed, True)


class FetchTests(SynchronousTestCase):
    """
    L{control_cluster.fetch} says what went wrong in a few words.
    """

    def test_refused(self) -> None:
        """
        A port that nobody listens on.
        """
        error = self.assertRaises(
            control_cluster.Refused, control_cluster.fetch, "http://127.0.0.1:1/status"
        )
        self.assertIn("Connection refused", str(error))

    def test_noURL(self) -> None:
        """
        What is no address at all.
        """
        self.assertRaises(control_cluster.Refused, control_cluster.fetch, "nonsense")
