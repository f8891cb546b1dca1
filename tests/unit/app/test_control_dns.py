"""
Tests for L{sipcluster.app.control_dns}, over L{sipcluster.app.http_monitor}: what a
T-Controller says, as people read it.
"""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from attrs import define
from twisted.internet.testing import StringTransport
from zope.interface import implementer

from sipcluster.app import control, control_cluster
from sipcluster.app.http_control import Order
from sipcluster.app.http_monitor import monitorSite
from sipcluster.app.settings import Node
from sipcluster.tcontroller.controller import TController
from sipcluster.tcontroller.itcontroller import AgentSettings, IDNStates
from sipcluster.tlib.enums import AgentWorkMode
from sipcluster.tlib.messages import (
    RequestAgentLogin,
    RequestAgentNotReady,
    RequestCallForwardSet,
)
from tests.unit.tcontroller.fakes import CONN, DESKTOP, Released, TControllerTestCase

CONFIGURATION = """
[switch]
name = "test"
domain = "lab.example"
[[store]]
name = "store"
listen = "192.0.2.10"
http-port = 0
[[proxy]]
name = "proxy1"
sip-address = "192.0.2.11"
[[node]]
name = "node1"
sip-address = "192.0.2.21"
[[node]]
name = "node2"
sip-address = "192.0.2.22"
"""


#: A DN in after-call work, whose desktop has gone.
TOLD = """\
1001 (extension) at node1: in service since 2027-01-15T08:00:00Z
  hook             on hook
  agent            7001 AfterCallWork since 2027-01-15T08:00:00Z: call CONNID ended
  work mode        AfterCallWork
  after-call work  15 s left
  logged in        2027-01-15T08:00:00Z by desktop, which has gone: logged out in 30 s
  do not disturb   no
  forwarded to     1002 (Unconditional)
  message waiting  no
  registered by    -
  history
    2027-01-15T08:00:00Z  in service: its device is there
    2027-01-15T08:00:00Z  agent 7001 logged in: login by desktop
    2027-01-15T08:00:00Z  not ready: login by desktop
    2027-01-15T08:00:00Z  not ready (lunch): asked by desktop
    2027-01-15T08:00:00Z  calls forwarded to 1002 (Unconditional): asked by desktop
    2027-01-15T08:00:00Z  after-call work: call CONNID ended
    2027-01-15T08:00:05Z  client gone: desktop has gone
node2: no answer: http://192.0.2.22:8080/dns/1001: connection refused
""".replace("CONNID", CONN)


@define
@implementer(IDNStates)
class FakeMember:
    """
    A node as its HTTP port sees it.
    """

    controller: TController

    def explained(self) -> Iterable[dict[str, object]]:
        return self.controller.explained()

    def agents(self) -> Iterable[dict[str, object]]:
        return self.controller.agents()

    def explain(self, dn: str) -> dict[str, object] | None:
        return self.controller.explain(dn)


@define
class FakeProcess:
    """
    Its process.
    """

    member: FakeMember
    application: Node = Node(name="node1", sipAddress="192.0.2.21")  # noqa: RUF009
    controlPassword: str = ""

    def orders(self) -> dict[bytes, Order]:
        """
        Nothing can be asked of it.
        """
        return {}


class DNCommandTests(TControllerTestCase):
    """
    C{sipclusterctl dn}, C{dns} and C{agents}.
    """

    settings = AgentSettings(wrapUpTime=20.0)

    def setUp(self) -> None:
        """
        A configuration, one node that answers and one that does not.
        """
        super().setUp()
        self.folder = Path(self.mktemp())
        self.folder.mkdir()
        (self.folder / "cluster.toml").write_text(CONFIGURATION)
        process: Any = FakeProcess(FakeMember(self.controller))
        self.site = monitorSite(process)
        self.silent = False
        self.backup = False
        self.err = io.StringIO()
        self.patch(control_cluster, "fetch", self.fetch)
        self.patch(sys, "stderr", self.err)

    def get(self, path: str) -> tuple[int, Any]:
        """
        Ask the HTTP port.
        """
        protocol = self.site.buildProtocol(None)
        transport = StringTransport()
        protocol.makeConnection(transport)
        request = f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        protocol.dataReceived(request.encode())
        head, _, body = transport.value().partition(b"\r\n\r\n")
        return int(head.split()[1]), json.loads(body)

    def fetch(self, url: str) -> Any:
        """
        What C{sipclusterctl} asks for: node1 answers by its HTTP port.
        """
        assert url.startswith(("http://192.0.2.21:8080/", "http://192.0.2.22:8080/"))
        if "192.0.2.22" in url and self.backup:
            raise control_cluster.Refused(f"{url}: 404 Not Found")
        if "192.0.2.22" in url and not self.silent:
            raise control_cluster.Refused(f"{url}: connection refused")
        status, answer = self.get("/" + url.split("/", 3)[3])
        if status != 200:
            raise control_cluster.Refused(f"{url}: {status} Not Found")
        return answer

    def command(self, *arguments: str) -> tuple[int, str]:
        """
        Run a command.
        """
        out = io.StringIO()
        full = (*arguments, "--dir", str(self.folder))
        return control.main(full, out.write), out.getvalue()

    def prepare(self) -> None:
        """
        An agent in after-call work, whose desktop has gone.
        """
        self.controller.addressRegistered(DESKTOP, "1001")
        self.controller.deviceInService("1001")
        self.ask(RequestAgentLogin(thisDN="1001", agentID="7001"))
        reasons = (("ReasonCode", "lunch"),)
        self.ask(RequestAgentNotReady(thisDN="1001", reasons=reasons))
        self.ask(RequestCallForwardSet(thisDN="1001", otherDN="1002"))
        self.talk()

    def test_dn(self) -> None:
        """
        A DN is told with why and what happened.
        """
        self.prepare()
        self.happen(Released)
        self.wait(5)
        self.controller.clientGone(DESKTOP, ["1001"])
        status, out = self.command("dn", "1001")
        self.assertEqual(status, 1)  # node2 gave no answer
        self.assertEqual(out, TOLD)

    def test_backup(self) -> None:
        """
        A backup, which says of no DN what it is like, is no failure.
        """
        self.prepare()
        self.backup = True
        status, out = self.command("dn", "1001")
        self.assertEqual(status, 0)
        self.assertNotIn("node2", out)

    def test_untimed(self) -> None:
        """
        After-call work that has no end is not said to have something left.
        """
        self.prepare()
        self.happen(Released)
        self.ask(
            RequestAgentNotReady(
                thisDN="1001",
                workMode=AgentWorkMode.AFTER_CALL_WORK,
                extensions=(("WrapUpTime", "untimed"),),
            )
        )
        _, out = self.command("dn", "1001", "--app", "node1")
        self.assertIn("after-call work  untimed\n", out)

    def test_inACall(self) -> None:
        """
        During a call it says what will follow, and who watches.
        """
        self.prepare()
        _, out = self.command("dn", "1001", "--app", "node1")
        self.assertIn("off hook, connected in 006c02462a161006\n", out)
        self.assertIn("work mode        Unknown ReasonCode=lunch\n", out)
        self.assertIn("after-call work  20 s after each call\n", out)
        self.assertIn("registered by    desktop\n", out)
        self.ask(
            RequestAgentNotReady(
                thisDN="1001",
                workMode=AgentWorkMode.AFTER_CALL_WORK,
                extensions=(("WrapUpTime", "untimed"),),
            )
        )
        _, out = self.command("dn", "1001", "--app", "node1")
        self.assertIn("after-call work  untimed asked for after this call\n", out)

    def test_nobody(self) -> None:
        """
        A telephone that has not registered, and where nobody is logged in.
        """
        status, out = self.command("dn", "1002", "--app", "node1")
        self.assertEqual(status, 0)
        self.assertIn(
            "1002 (extension) at node1: out of service: no telephone has registered\n",
            out,
        )
        self.assertIn("agent            nobody is logged in\n", out)

    def test_unknown(self) -> None:
        """
        A DN that no node knows.
        """
        self.silent = True
        status, out = self.command("dn", "47/11")
        self.assertEqual((status, out), (1, ""))
        self.assertEqual(
            self.err.getvalue(),
            "sipclusterctl: there is no DN 47/11 at node1, node2\n",
        )

    def test_json(self) -> None:
        """
        As JSON it is what the node has answered.
        """
        self.prepare()
        status, out = self.command("dn", "1001", "--json", "--app", "node1")
        self.assertEqual(status, 0)
        self.assertEqual(json.loads(out), {"node1": self.get("/dns/1001")[1]})
        status, out = self.command("agents", "--json", "--app", "node1")
        self.assertEqual([row["dn"] for row in json.loads(out)["node1"]], ["1001"])

    def test_agents(self) -> None:
        """
        One row for each agent.
        """
        self.prepare()
        _, out = self.command("agents")
        self.assertEqual(out.count("\n"), 3)
        self.assertIn("node2: no answer", out)
        row = [one for one in out.splitlines()[1].split("  ") if one]
        self.assertEqual(
            [one.strip() for one in row],
            [
                *("node1", "7001", "1001", "NotReady", "Unknown"),
                *("2027-01-15T08:00:00Z", "off hook", "in service", "asked by desktop"),
            ],
        )

    def test_dns(self) -> None:
        """
        One row for each DN.
        """
        self.prepare()
        _, out = self.command("dns", "--app", "node1")
        lines = out.splitlines()
        self.assertEqual(len(lines), 7)
        self.assertEqual(
            [one.strip() for one in lines[1].split("  ") if one],
            [
                *("node1", "1001", "extension", "in service", "off hook", "7001"),
                *("NotReady", "no", "1002 (Unconditional)", "no"),
            ],
        )

    def test_paths(self) -> None:
        """
        The HTTP port says what can be asked, and what is not there.
        """
        self.assertIn("/dns/NUMBER", self.get("/")[1]["paths"])
        self.assertEqual(self.get("/dns/4711"), (404, {"error": "no such DN"}))
        self.assertEqual(self.get("/dns/%2B49%20")[0], 404)
        self.assertEqual(self.get("/dns/1001/x"), (404, {"error": "no such page"}))
        self.assertEqual(len(self.get("/dns/")[1]), 6)
