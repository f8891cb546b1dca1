"""
The JavaScript client of the documentation as a process, and a T-Library port for it.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred
from twisted.internet.ssl import PrivateCertificate
from twisted.trial.unittest import TestCase
from zope.interface import implementer

from sipcluster.net.tlib import TLibFactory
from sipcluster.testing.tlib_peer import Addresses
from sipcluster.tlib.messages import EventACK, EventUserEvent, Message
from sipcluster.tserver.itserver import ClientView, IRequests
from sipcluster.tserver.limits import Application, Limits
from sipcluster.tserver.server import TServer
from sipcluster.wire.correlation import Requester
from sipcluster.wire.kvlist import KVList
from tests.loopback.processes import TOP, Running

reactor: Any = _reactor

NODE = shutil.which("node")

EXAMPLES = TOP / "docs" / "examples"
CLIENT = EXAMPLES / "tlibrary.js"

PASSWORD = "s3cret"

#: When everything happens.
NOW = (1_795_165_200, 250_000)

#: Everything that a key-value list may hold.
DATA: KVList = (
    ("CUSTOMER", "4711"),
    ("TRIES", -2),
    ("CUSTOMER", "Zoë"),
    ("BLOB", bytes(range(256))),
    ("LEAST", -0x80000000),
    ("MOST", 0x7FFFFFFF),
    ("ROUTE", (("SKILL", "billing"), ("NESTED", (("EMPTY", ()), ("DEEP", 1))))),
    ("", ""),
)


def skipWithoutNode() -> str | None:
    """
    Why tests with Node cannot run; L{None}: they can.
    """
    return None if NODE else "node is not installed"


class JavaScript(Running):
    """
    C{tlibrary.js} under orders: one JSON object a line, in and out.

    @ivar said: every object that it wrote.
    """

    def __init__(self, *arguments: str) -> None:
        assert NODE is not None
        self.said: list[dict[str, Any]] = []
        self._rest = b""
        self._expected: list[tuple[int, Callable[..., bool], Deferred[Any]]] = []
        self._orders = 0
        super().__init__([NODE, str(CLIENT), *arguments, "pipe"])

    def outReceived(self, data: bytes) -> None:
        """
        Take what it says, object by object.
        """
        super().outReceived(data)
        *lines, self._rest = (self._rest + data).split(b"\n")
        self.said += [json.loads(line) for line in lines]
        self._tell()

    def _tell(self) -> None:
        for entry in list(self._expected):
            start, wanted, found = entry
            match = next((one for one in self.said[start:] if wanted(one)), None)
            if match is not None:
                self._expected.remove(entry)
                found.callback(match)

    def until(
        self, what: str, start: int = 0, **values: Any
    ) -> Deferred[dict[str, Any]]:
        """
        Wait for an object.

        @param start: how many of the first ones do not count.
        @param values: what must stand in it.
        """
        found: Deferred[dict[str, Any]] = Deferred()

        def wanted(one: Mapping[str, Any]) -> bool:
            return one["what"] == what and all(
                one.get(name) == value for name, value in values.items()
            )

        def late(failure: Any) -> Any:
            raise AssertionError(
                f"no {what} {values}: {self.said[-20:]} {self.err}"
            ) from failure.value

        self._expected.append((start, wanted, found))
        self._tell()
        return found.addTimeout(15, reactor).addErrback(late)

    def order(self, do: str, **more: Any) -> None:
        """
        Let it do something.
        """
        assert self.transport is not None
        line = json.dumps({"do": do, **more}) + "\n"
        self.transport.write(line.encode())

    def request(self, name: str, **attributes: Any) -> int:
        """
        Let it send a request.

        @return: C{id} of the answer.
        """
        self._orders += 1
        self.order("request", id=self._orders, name=name, attributes=attributes)
        return self._orders

    async def ask(self, name: str, **attributes: Any) -> dict[str, Any]:
        """
        Let it send a request, and wait for the answer.
        """
        return await self.until("answer", id=self.request(name, **attributes))

    async def register(self, *dns: str) -> None:
        """
        Let it register DNs.
        """
        for dn in dns:
            await self.ask("RequestRegisterAddress", ThisDN=dn)

    @property
    def events(self) -> list[dict[str, Any]]:
        """
        Its events, in the order in which they came.
        """
        return [one for one in self.said if one["what"] == "event"]

    def positions(self) -> list[int]:
        """
        The positions of its events.
        """
        return [one["position"] for one in self.events]


@implementer(IRequests)
class Echo:
    """
    Answers every request of some numbers when it is told to.

    @ivar asked: the requests, and by whom.
    """

    def __init__(self, numbers: Sequence[int]) -> None:
        self.numbers = frozenset(numbers)
        self.asked: list[tuple[Message, Requester]] = []
        self.answered: Callable[[Message, Requester], object] | None = None

    def requested(
        self, request: Message, requester: Requester, client: ClientView
    ) -> None:
        """
        See L{IRequests}.
        """
        self.asked.append((request, requester))
        if self.answered is not None:
            self.answered(request, requester)


class ServedTestCase(TestCase):
    """
    A T-Library port on the loopback interface.
    """

    timeout = 60
    skip = skipWithoutNode()

    #: DNs of the switch.
    dns = ("1001", "1002", "1003")

    def makeServer(self, limits: Limits | None = None, **more: Any) -> TServer:
        """
        A port that is not listening.
        """
        server = TServer(
            "TCport",
            reactor,
            lambda: 1_795_165_200.25,
            os.urandom,
            {"desktop": Application("desktop", PASSWORD)},
            Addresses.of(*self.dns),
            limits=limits,
            **more,
        )
        self.addCleanup(server.stop)
        return server

    def listen(self, factory: Any, identity: Any = None) -> int:
        """
        Open a port.

        @param identity: a certificate and its key, for TLS.

        @return: its number.
        """
        port: Any
        if identity is None:
            port = reactor.listenTCP(0, factory, interface="127.0.0.1")
        else:
            pem = Path(identity.certificate).read_bytes()
            pem += Path(identity.privateKey).read_bytes()
            options = PrivateCertificate.loadPEM(pem).options()
            port = reactor.listenSSL(0, factory, options, interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        return int(port.getHost().port)

    def serve(self, server: TServer, identity: Any = None) -> int:
        """
        Open a port for a server.

        @return: its number.
        """
        return self.listen(TLibFactory(server), identity)

    def client(
        self, port: int, *arguments: str, password: str = PASSWORD
    ) -> JavaScript:
        """
        Start a client.
        """
        file = Path(self.mktemp())
        file.write_text(f"{password}\n")
        made = JavaScript(
            *("--address", f"127.0.0.1:{port}", "--application", "desktop"),
            *("--password-file", str(file), "--pause", "0.02", *arguments),
        )
        self.addCleanup(made.kill)
        return made


def acknowledging(server: TServer) -> Echo:
    """
    Let a server answer RequestPrivateService with EventACK.
    """
    echo = Echo([149])
    echo.answered = lambda request, requester: server.answer(
        requester, EventACK(time=server.now())
    )
    server.add(echo)
    return echo


def user(number: int, dn: str = "1001", **more: Any) -> EventUserEvent:
    """
    A numbered event.
    """
    return EventUserEvent(time=NOW, thisDN=dn, userEvent=number, **more)
