"""
Requests of which nothing is remembered: L{ServerTransaction.forget}.
"""

from __future__ import annotations

import itertools

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from sipcluster.sip.identifiers import Identifiers
from sipcluster.sip.isip import IFlow
from sipcluster.sip.message import Request, Response, makeResponse, parseMessage
from sipcluster.sip.server_transaction import ServerTransaction
from sipcluster.sip.transactions import TransactionLayer
from sipcluster.testing.records import FakeTransportLayer

OPTIONS = (
    b"OPTIONS sip:192.0.2.1 SIP/2.0\r\n"
    b"Via: SIP/2.0/UDP 192.0.2.2;branch=z9hG4bK1\r\n"
    b"Max-Forwards: 70\r\n"
    b"From: <sip:192.0.2.2>;tag=1\r\n"
    b"To: <sip:192.0.2.1>\r\n"
    b"Call-ID: 1@192.0.2.2\r\n"
    b"CSeq: 1 OPTIONS\r\n"
    b"Content-Length: 0\r\n\r\n"
)


class Forgetful:
    """
    Answers every request and remembers none.
    """

    def __init__(self) -> None:
        self.asked = 0

    def requestReceived(self, transaction: ServerTransaction) -> None:
        self.asked += 1
        transaction.forget()  # too early: nothing happens
        transaction.respond(makeResponse(transaction.request, 200, toTag=b"t"))
        transaction.forget()

    def ackReceived(self, ack: Request, flow: IFlow) -> None:
        raise AssertionError("no ACK was sent")

    def strayCancel(self, cancel: Request, flow: IFlow) -> bool:
        return False

    def strayResponse(self, response: Response, flow: IFlow) -> None:
        raise AssertionError("no response was sent")


class ForgettingTests(SynchronousTestCase):
    """
    A user that answers as a stateless UAS does.
    """

    def test_askedAgain(self) -> None:
        """
        A request that comes again is answered again, and in between neither a
        transaction nor a timer is kept.
        """
        clock = Clock()
        transport = FakeTransportLayer()
        user = Forgetful()
        numbers = itertools.count()
        layer = TransactionLayer(
            clock,
            transport,
            user,  # type: ignore[arg-type]
            Identifiers(lambda size: next(numbers).to_bytes(size, "big")),
        )
        flow = transport.flow("UDP")
        for times in (1, 2):
            layer.messageReceived(parseMessage(OPTIONS), flow)
            self.assertEqual(user.asked, times)
            status = layer.status()
            self.assertEqual((status["noninviteServer"], status["timers"]), (0, 0))
        self.assertEqual(clock.getDelayedCalls(), [])
