"""
Tests for L{sipcluster.app.http_control}.
"""

from __future__ import annotations

import json

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import ConnectionLost
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.server import Site

from sipcluster.app.http_control import Order, Orders
from sipcluster.app.http_monitor import Router

GOOD = "Bearer secret"


class OrdersTests(SynchronousTestCase):
    """
    Who may have something done, and what comes of it.
    """

    def setUp(self) -> None:
        self.waiting: Deferred[str] = Deferred()
        self.done = 0
        self.orders = self.site("secret")

    def site(self, password: str) -> Orders:
        """
        A site that takes orders.
        """

        def work() -> Deferred[str]:
            self.done += 1
            return succeed("")

        orders: dict[bytes, Order] = {
            b"/control/work": work,
            b"/control/refused": lambda: succeed("not today"),
            b"/control/broken": lambda: fail(RuntimeError("broken")),
            b"/control/late": lambda: fail(TimeoutError()),
            b"/control/slow": lambda: self.waiting,
        }
        made = Orders(password, orders)
        self.http = Site(Router({}, {}, made))
        return made

    def connect(self, path: str, shown: str | None = GOOD) -> StringTransport:
        """
        Send a request.
        """
        transport = StringTransport()
        self.protocol = self.http.buildProtocol(transport.getPeer())
        assert self.protocol is not None
        self.protocol.makeConnection(transport)
        head = f"Authorization: {shown}\r\n" if shown else ""
        self.protocol.dataReceived(
            f"POST {path} HTTP/1.0\r\nContent-Length: 0\r\n{head}\r\n".encode()
        )
        return transport

    def answer(self, transport: StringTransport) -> tuple[int, str]:
        """
        What was answered: status, and why it was not done.
        """
        head, _, body = transport.value().decode().partition("\r\n\r\n")
        told = json.loads(body)
        status = int(head.split()[1])
        self.assertEqual(told["done"], status == 200)
        return status, told["why"]

    def ask(self, path: str, shown: str | None = GOOD) -> tuple[int, str]:
        """
        Send a request that is answered at once.
        """
        return self.answer(self.connect(path, shown))

    def test_done(self) -> None:
        """
        Who shows the password has it done.
        """
        self.assertEqual(self.ask("/control/work"), (200, ""))
        self.assertEqual(self.done, 1)

    def test_wrong(self) -> None:
        """
        Nobody else does; it is counted.
        """
        for shown in (None, "Bearer secret2", "secret", "Basic secret"):
            self.assertEqual(self.ask("/control/work", shown)[0], 401)
        self.assertEqual((self.done, self.orders.refused), (0, 4))

    def test_noPassword(self) -> None:
        """
        Without a password in the configuration nothing is done for anybody.
        """
        self.site("")
        self.assertEqual(self.ask("/control/work", "Bearer ")[0], 403)
        self.assertEqual(self.done, 0)

    def test_notDone(self) -> None:
        """
        What is not done is answered with the reason.
        """
        self.assertEqual(self.ask("/control/refused"), (409, "not today"))
        self.assertEqual(self.ask("/control/broken"), (409, "broken"))
        self.assertEqual(self.ask("/control/late"), (409, "TimeoutError"))
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError, TimeoutError)), 2)

    def test_unknown(self) -> None:
        """
        An order that is not there is none.
        """
        self.assertEqual(self.ask("/control/dance")[0], 404)

    def test_later(self) -> None:
        """
        What takes time is answered when it is done.
        """
        transport = self.connect("/control/slow")
        self.assertEqual(transport.value(), b"")
        self.waiting.callback("")
        self.assertEqual(self.answer(transport), (200, ""))

    def test_gone(self) -> None:
        """
        Who does not wait for the answer gets none.
        """
        transport = self.connect("/control/slow")
        assert self.protocol is not None
        self.protocol.connectionLost(Failure(ConnectionLost()))
        self.waiting.callback("")
        self.assertEqual(transport.value(), b"")
