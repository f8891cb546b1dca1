"""
The examples of the documentation do what they say.
"""

from __future__ import annotations

import io
import runpy
import subprocess
import sys
from collections.abc import Callable, Generator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from attrs import evolve
from twisted.application.service import IService, Service
from twisted.internet import reactor
from twisted.internet.defer import Deferred, inlineCallbacks, maybeDeferred
from twisted.internet.protocol import DatagramProtocol
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from sipcluster.app.lab_files import LabFiles
from sipcluster.app.listening import Listening
from sipcluster.app.settings import Proxy, Store, readConfiguration
from sipcluster.net.transport import SIPTransport
from sipcluster.sip.message import Response, parseMessage
from sipcluster.tlib.messages import EventRinging
from tests.loopback.processes import base, loopback
from tests.loopback.tlib_port import Port

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"

REQUEST = (
    "{method} sip:127.0.0.1 SIP/2.0\r\n"
    "Via: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK{method};rport\r\n"
    "Max-Forwards: 70\r\n"
    "From: <sip:alice@example.com>;tag=1\r\n"
    "To: <sip:alice@example.com>\r\n"
    "Call-ID: {method}@example.com\r\n"
    "CSeq: 1 {method}\r\n"
    "Contact: <sip:alice@127.0.0.1:5070>\r\n"
    "Content-Length: 0\r\n\r\n"
)


class Asker(DatagramProtocol):
    """
    Sends one request at a time.
    """

    def __init__(self) -> None:
        self._answer: Deferred[Response] | None = None

    def ask(
        self, method: str, port: int, host: str = "127.0.0.1"
    ) -> Deferred[Response]:
        """
        Ask who listens at a port of this host.
        """
        assert self.transport is not None
        self.transport.write(REQUEST.format(method=method).encode(), (host, port))
        self._answer = Deferred()
        return self._answer

    def datagramReceived(self, data: bytes, address: Any) -> None:
        """
        Take the answer.
        """
        message = parseMessage(data)
        answer, self._answer = self._answer, None
        if answer is not None and isinstance(message, Response):
            answer.callback(message)


def port(transport: SIPTransport) -> int:
    """
    The UDP port that a transport layer was given.
    """
    return next(port for name, _, port in transport.addresses if name == "UDP")


class ExampleTests(TestCase):
    """
    Each example, run on ports that are free.
    """

    timeout = 20

    def load(self, name: str) -> dict[str, Any]:
        """
        Run the example up to the point where C{twistd} would start it.
        """
        return runpy.run_path(str(EXAMPLES / name))

    def begin(self, service: Service) -> None:
        """
        Start a service for as long as the test runs.
        """
        service.startService()
        self.addCleanup(service.stopService)

    def asker(self) -> Asker:
        """
        Someone with a UDP port.
        """
        made = Asker()
        self.addCleanup(
            reactor.listenUDP(  # type: ignore[attr-defined] # the global reactor
                0, made, interface="127.0.0.1"
            ).stopListening
        )
        return made

    @inlineCallbacks
    def test_uas(self) -> Generator[Deferred[Any], Any, None]:
        """
        The user agent server answers OPTIONS and REGISTER, and no other method.
        """
        names = self.load("uas.py")
        self.assertTrue(IService.providedBy(IService(names["application"])))
        uas = names["UAS"](reactor, "127.0.0.1", 0)
        self.begin(uas)
        asker = self.asker()
        answer = yield asker.ask("OPTIONS", port(uas.transport))
        self.assertEqual(answer.status, 200)
        answer = yield asker.ask("REGISTER", port(uas.transport))
        self.assertEqual(answer.status, 200)
        self.assertEqual([c.expires for c in answer.contacts], [60])
        answer = yield asker.ask("PUBLISH", port(uas.transport))
        self.assertEqual(answer.status, 405)
        self.assertTrue(answer.toTag)

    @inlineCallbacks
    def test_proxy(self) -> Generator[Deferred[Any], Any, None]:
        """
        The SIP Proxy answers, in a service tree that has other services too.
        """
        names = self.load("proxy.py")
        self.assertTrue(IService.providedBy(IService(names["application"])))
        settings = Proxy(name="proxy1", sipAddress="127.0.0.1", sipPort=0)
        ours = names["makeService"](reactor, settings, 0)
        self.begin(ours)
        listening = next(each for each in ours if isinstance(each, Listening))
        member = yield listening.whenReady()
        answer = yield self.asker().ask("OPTIONS", port(member.runtime.transport))
        self.assertEqual(answer.status, 200)
        self.assertEqual(len(list(ours)), 2)

    @inlineCallbacks
    def test_pair(self) -> Generator[Deferred[Any], Any, None]:
        """
        One member serves and the other one says that it does not, until the first one
        is stopped.
        """
        makeService = self.load("pair.py")["makeService"]
        files = LabFiles(Path(self.mktemp()).absolute(), base())
        files.make(datetime.now(UTC))
        whole = readConfiguration(files.configuration)
        # Nobody runs the lab's store, and a pair with a lock file needs none.
        parts = [one for one in whole.applications if not isinstance(one, Store)]
        configuration = evolve(whole, applications=tuple(parts))
        said: list[str] = []
        services, pairs = {}, {}
        for name in ("node1a", "node1b"):
            ours = makeService(reactor, configuration, name, said.append)
            services[name] = ours
            listening = next(each for each in ours if isinstance(each, Listening))
            self.begin(ours)
            pairs[name] = yield listening.whenReady()

        def until(so: Callable[[], bool]) -> Deferred[Any]:
            def look() -> Any:
                return None if so() else deferLater(reactor, 0.02, look)

            return maybeDeferred(look)

        one, two = pairs["node1a"], pairs["node1b"]
        yield until(lambda: one.life is not None and one.inSync and two.inSync)
        self.assertIsNone(two.life)
        asker = self.asker()
        for last, status in ((21, 403), (23, 503)):
            answer = yield asker.ask("REGISTER", 5060, loopback(last))
            self.assertEqual(answer.status, status)
        yield services["node1a"].stopService()
        yield until(lambda: two.life is not None)
        self.assertEqual(
            said,
            [
                "node1a is primary, with 0 calls",
                "node1a is backup, with 0 calls",
                "node1b is primary, with 0 calls",
            ],
        )

    @inlineCallbacks
    def test_tlibClient(self) -> Generator[Deferred[Any], Any, None]:
        """
        The recorder writes down what happens, and goes on where it was when it is
        started again.
        """
        self.patch(sys, "stdout", io.StringIO())  # where it says how its link is
        recorderOf = self.load("tlib_client.py")["Recorder"]
        server = Port()
        number = yield Deferred.fromCoroutine(server.start())
        self.addCleanup(lambda: Deferred.fromCoroutine(server.stop()))
        port, path = f"tcp:127.0.0.1:{number}", self.mktemp()

        def publish(callID: int) -> None:
            server.server.publish("1001", EventRinging(thisDN="1001", callID=callID))

        def lines() -> list[str]:
            return Path(path).read_text().splitlines()

        def until(count: int) -> Deferred[Any]:
            def look() -> Any:
                return deferLater(reactor, 0.01, look) if len(lines()) < count else None

            return maybeDeferred(look)

        for dn in ("1001", "nobody"):
            recorder = recorderOf(reactor, port, "recorder", "secret", path, [dn])
            recorder.startService()
            yield recorder.client.whenLinked()
            yield until(1 if dn == "1001" else 4)
            publish(7)
            yield until(2 if dn == "1001" else 5)
            yield recorder.stopService()
            publish(8)
        self.assertEqual(
            [line.split("\\n")[0].split('"')[-1] for line in lines()],
            [
                *("EventRegistered (53)", "EventRinging (60)", "EventRinging (60)"),
                *("EventError (52)", "EventRinging (60)"),
            ],
        )

    def test_callEvents(self) -> None:
        """
        The sink prints what happens in a call.
        """
        printed = subprocess.run(
            [sys.executable, str(EXAMPLES / "call_events.py")],
            env={"PYTHONPATH": str(EXAMPLES.parents[1])},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        self.assertEqual(
            [line.split()[2:] for line in printed.splitlines()],
            [
                ["1001", "Offered"],
                ["1002", "Alerting"],
                ["1002", "Progressed"],
                ["1002", "Answered"],
                ["1001", "Answered"],
                ["1002", "Released"],
                ["1001", "Released"],
            ],
        )
