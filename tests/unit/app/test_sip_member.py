"""
Tests for L{sipcluster.app.sip_member}.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import attrs
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from sipcluster.app import listening
from sipcluster.app.assembly import makeProcess
from sipcluster.app.ca import LabCA
from sipcluster.app.process import Process
from sipcluster.app.runtime import ISIPMember
from sipcluster.app.settings import Configuration, Node, Proxy, Store, Switch

STORE = Store(name="store", endpoints=("http://192.0.2.10:2379",))
NODE = Node(name="node1", sipAddress="192.0.2.21")
PROXY = Proxy(name="proxy1", sipAddress="192.0.2.11")


class SIPMemberTests(SynchronousTestCase):
    """
    Nodes and SIP Proxies are put together from the configuration.
    """

    def setUp(self) -> None:
        """
        Catch what opens ports.
        """
        self.opened: list[str] = []
        self.patch(
            Process, "opens", lambda process, name, port: self.opened.append(name)
        )

    def build(self, one: Any, *others: Any) -> Any:
        """
        The process of an application.
        """
        configuration = Configuration(
            Switch(name="x", domain="lab.example"), applications=(one, *others)
        )
        return makeProcess(MemoryReactorClock(), configuration, one)

    def test_node(self) -> None:
        """
        A node, here one without a store.
        """
        process = self.build(NODE)
        verifyObject(ISIPMember, process.member)
        self.assertEqual(
            self.opened, ["UDP", "TCP", "T-Library default", "T-Library TCport"]
        )
        self.assertEqual(process.status()["transport"]["listeners"], [])

    def test_proxy(self) -> None:
        """
        A SIP Proxy with its store.
        """
        process = self.build(PROXY, STORE, NODE)
        verifyObject(ISIPMember, process.member)
        self.assertEqual(process.status()["role"], "proxy")

    def test_tls(self) -> None:
        """
        TLS is opened where it has a port.
        """
        ca = LabCA(Path(self.mktemp()), datetime.now(UTC))
        certificate, key = ca.issue("proxy1", ["192.0.2.11"], "lab.example")
        self.build(
            attrs.evolve(
                PROXY,
                sipTLSPort=5061,
                certificate=certificate,
                privateKey=key,
                ca=ca.certificate,
                tlsMutual=True,
            ),
            STORE,
        )
        self.assertEqual(self.opened, ["UDP", "TCP", "TLS"])

    def test_brokenCertificate(self) -> None:
        """
        A file that is no certificate ends the process with a line.
        """
        path = Path(self.mktemp())
        path.write_text("nothing")
        broken = attrs.evolve(PROXY, sipTLSPort=5061, certificate=path, privateKey=path)
        error = self.assertRaises(SystemExit, self.build, broken, STORE)
        self.assertIn("sipcluster: proxy1: ", str(error.code))
        self.assertIn(str(path), str(error.code))

    def test_nameServers(self) -> None:
        """
        Names are looked up at the configured servers, in the families that the
        address has.
        """
        made: list[Any] = []

        def locator(reactor: Any, resolver: Any, families: Any) -> None:
            made.append((resolver and resolver.servers, families))

        self.patch(listening, "Locator", locator)
        for address, servers in (
            ("192.0.2.11", (("192.0.2.53", 53),)),
            ("2001:db8::11", ()),
            ("::", ()),
            ("0.0.0.0", ()),
        ):
            self.build(
                attrs.evolve(PROXY, sipAddress=address, nameServers=servers), STORE
            )
        self.assertEqual(
            made,
            [
                ([("192.0.2.53", 53)], (4,)),
                (None, (6,)),
                (None, (6, 4)),
                (None, (4,)),
            ],
        )
