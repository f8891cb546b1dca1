"""
The lab as a process: it comes up, it heals, it ends.
"""

from __future__ import annotations

import os
import signal
import socket
import ssl
from pathlib import Path
from typing import Any

import treq
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase
from twisted.web.client import Agent, HTTPConnectionPool

from tests.loopback.processes import base, loopback, reactor, twistd

#: Seconds between two looks at something that must come.
LOOK = 0.1

REGISTER = """\
REGISTER sip:lab.example SIP/2.0\r
Via: SIP/2.0/TLS {local};branch=z9hG4bKlab;rport\r
Max-Forwards: 70\r
From: <sip:1001@lab.example>;tag=1\r
To: <sip:1001@lab.example>\r
Call-ID: lab@example\r
CSeq: 1 REGISTER\r
Content-Length: 0\r
\r
"""


def sleep(seconds: float) -> Deferred[None]:
    """
    Wait for something that another process does.
    """
    waited: Deferred[None] = Deferred()
    reactor.callLater(seconds, waited.callback, None)
    return waited


class LabTests(TestCase):
    """
    C{twistd sipcluster lab} on addresses of this test alone.
    """

    timeout = 120

    def setUp(self) -> None:
        """
        Start it.
        """
        self.folder = Path(self.mktemp()).absolute()
        self.pool = HTTPConnectionPool(reactor, persistent=False)
        self.agent = Agent(reactor, pool=self.pool)
        self.lab = twistd("lab", f"--dir={self.folder}", f"--base={base()}", "--quiet")
        self.addCleanup(self.lab.kill)

    @inlineCallbacks
    def status(self, last: int) -> Any:
        """
        The status of the member on an address; L{None} while there is none.
        """
        url = f"http://{loopback(last)}:8080/status"
        try:
            response = yield treq.get(url, agent=self.agent, timeout=2)
            found = yield response.json()
        except Exception:
            return None
        return found

    @inlineCallbacks
    def pids(self) -> Any:
        """
        The processes of all members.
        """
        found = []
        for last in (10, 11, 12, 21, 22, 23, 24):
            status = yield self.status(last)
            self.assertEqual(status["state"], "ready")
            found.append(status["pid"])
        return found

    @inlineCallbacks
    def assertEnded(self, pids: list[int], within: float) -> Any:
        """
        None of these processes is left.
        """
        until = reactor.seconds() + within
        left = pids
        while left and reactor.seconds() < until:
            yield sleep(LOOK)
            left = [pid for pid in left if Path(f"/proc/{pid}").exists()]
        self.assertEqual(left, [])

    def register(self) -> bytes:
        """
        Send a REGISTER over TLS, as a telephone that verifies the certificate.

        @return: the answer.
        """
        context = ssl.create_default_context(cafile=str(self.folder / "tls/ca.pem"))
        address = (loopback(12), 5061)
        with (
            socket.create_connection(address, 5) as plain,
            context.wrap_socket(plain, server_hostname=address[0]) as tls,
        ):
            tls.settimeout(5)
            host, port = tls.getsockname()
            local = f"{host}:{port}"
            tls.sendall(REGISTER.format(local=local).encode())
            return tls.recv(4096)

    @inlineCallbacks
    def test_lab(self) -> Any:
        """
        It serves over verified TLS; a member that is killed comes back as backup of
        its pair, with everything; Ctrl-C ends everything within three seconds.
        """
        yield self.lab.says("ready")
        answer = yield deferToThread(self.register)
        self.assertTrue(answer.startswith(b"SIP/2.0 401 "), answer)
        self.assertEqual(self.lab.out.splitlines(), ["ready"])
        before = yield self.pids()
        os.kill(before[3], signal.SIGKILL)
        status = None
        while not status or status["pid"] == before[3] or status["state"] != "ready":
            yield sleep(LOOK)
            status = yield self.status(21)
        self.assertIn("node1a has ended (process ended by signal 9)", self.lab.out)
        pair = status["pair"]
        while pair["role"] != "backup" or not pair["inSync"]:
            yield sleep(LOOK)
            pair = (yield self.status(21))["pair"]
        after = yield self.pids()
        self.assertEqual(before[:3] + before[4:], after[:3] + after[4:])
        begin = reactor.seconds()
        # Ctrl-C in a terminal goes to all of them.
        for pid in after:
            os.kill(pid, signal.SIGINT)
        self.lab.signal("INT")
        yield self.lab.ended
        self.assertTrue(reactor.seconds() - begin < 3)
        yield self.assertEnded(after, 0.5)
        self.assertEqual(self.lab.err, "")
        self.assertNotIn("Traceback", self.lab.out)
        records = (self.folder / "log" / "node1a.jsonl").read_text()
        self.assertIn('"msg":"node1a has stopped"', records)

    @inlineCallbacks
    def test_killed(self) -> Any:
        """
        A lab that is killed leaves no process behind.
        """
        yield self.lab.says("ready")
        pids = yield self.pids()
        self.lab.signal("KILL")
        yield self.lab.ended
        yield self.assertEnded(pids, 4)
