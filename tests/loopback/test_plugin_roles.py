"""
Roles as processes: how they refuse to start, and how they end.
"""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

from twisted.internet.defer import inlineCallbacks
from twisted.trial.unittest import TestCase

from tests.loopback.processes import Running, loopback, twistd


class RoleTests(TestCase):
    """
    C{twistd sipcluster ROLE}: one clear message and a status that is not 0, or a
    process that works.
    """

    timeout = 60

    def setUp(self) -> None:
        """
        A configuration on addresses of our own.
        """
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()
        self.path = self.folder / "cluster.toml"
        self.host = loopback(61)
        self.write()

    def write(self, **more: str) -> None:
        """
        Write the configuration.

        @param more: text to be put into a table.
        """
        parts = {
            "log": 'directory = "log"',
            "store": f'name = "store"\nlisten = "{loopback(60)}"',
            "node": f'name = "node1"\nsip-address = "{self.host}"',
            "proxy": f'name = "proxy1"\nsip-address = "{loopback(62)}"',
        }
        text = '[switch]\nname = "test"\ndomain = "lab.example"\n'
        for name, table in parts.items():
            head = f"[{name}]" if name == "log" else f"[[{name}]]"
            text += f"{head}\n{table}\n{more.get(name, '')}\n"
        self.path.write_text(text)

    def start(self, role: str, name: str = "", *more: str) -> Running:
        """
        Start a role; it is over at the end of the test at the latest.
        """
        named = [f"--name={name}"] if name else []
        process = twistd(role, f"--config={self.path}", *named, *more)
        self.addCleanup(process.kill)
        return process

    @inlineCallbacks
    def assertRefuses(self, process: Running, *words: str) -> Any:
        """
        It ends with status 1 and one line that has all these words.
        """
        status = yield process.ended
        self.assertEqual(status, 1, process.out + process.err)
        lines = process.err.splitlines()
        self.assertEqual(len(lines), 1, process.err)
        for word in words:
            self.assertIn(word, lines[0])

    @inlineCallbacks
    def test_works(self) -> Any:
        """
        A store says that it is ready, and ends when it is told to.
        """
        process = self.start("store", "store")
        yield process.says("store is ready")
        process.signal("TERM")
        status = yield process.ended
        self.assertEqual((status, process.err), (-15, ""))
        self.assertTrue((self.folder / "store.sqlite").exists())
        self.assertIn("has stopped", (self.folder / "log/store.jsonl").read_text())

    @inlineCallbacks
    def test_endsWithItsStarter(self) -> Any:
        """
        With C{--until-eof} a process ends when its standard input is closed.
        """
        process = self.start("store", "store", "--until-eof")
        yield process.says("store is ready")
        assert process.transport is not None
        process.transport.closeStdin()
        status = yield process.ended
        self.assertEqual((status, process.err), (0, ""))

    @inlineCallbacks
    def test_usedPorts(self) -> Any:
        """
        A used port, UDP or TCP, SIP or HTTP.
        """
        for kind, port, words in (
            (socket.SOCK_STREAM, 8080, ("TCP", "port 8080")),
            (socket.SOCK_DGRAM, 5060, ("UDP", "port 5060")),
            (socket.SOCK_STREAM, 5060, ("TCP", "port 5060")),
        ):
            with socket.socket(socket.AF_INET, kind) as taken:
                taken.bind((self.host, port))
                if kind == socket.SOCK_STREAM:
                    taken.listen()
                process = self.start("node", "node1")
                yield self.assertRefuses(
                    process, "node1: cannot listen", self.host, *words, "in use"
                )

    @inlineCallbacks
    def test_missingStore(self) -> Any:
        """
        A SIP Proxy whose store does not answer.
        """
        process = self.start("proxy", "proxy1")
        yield self.assertRefuses(
            process, "proxy1: the cluster store at", loopback(60), "did not answer"
        )

    @inlineCallbacks
    def test_missingCertificate(self) -> Any:
        """
        A certificate that is not there, or is none.
        """
        tls = 'sip-tls-port = 5061\ncertificate = "c.pem"\nprivate-key = "c.pem"'
        self.write(node=tls)
        process = self.start("node", "node1")
        status = yield process.ended
        self.assertEqual(status, 1)
        self.assertIn("node[1].certificate: cannot read", process.err)
        self.assertIn("node[1].private-key: cannot read", process.err)
        (self.folder / "c.pem").write_text("nothing")
        process = self.start("node", "node1")
        yield self.assertRefuses(process, "node1", "c.pem")

    @inlineCallbacks
    def test_check(self) -> Any:
        """
        A good file is good; of a broken one all faults are told.
        """
        process = self.start("check")
        status = yield process.ended
        self.assertEqual((status, process.err), (0, ""))
        self.assertIn("good", process.out)
        self.write(node="sip-prt = 1", proxy="oos-check = -1")
        process = self.start("check")
        status = yield process.ended
        self.assertEqual(status, 1)
        self.assertEqual(len(process.err.splitlines()), 2, process.err)
        self.assertIn("cluster.toml:14: node[1].sip-prt: no such option", process.err)

    @inlineCallbacks
    def test_pair(self) -> Any:
        """
        A node that is in no pair is not started as a member of one.
        """
        process = self.start("pair", "node1")
        yield self.assertRefuses(process, "node1 is not a member of a [[pair]]")
