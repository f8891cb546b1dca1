"""
What the tests of this package share: a receiver that records, and messages.
"""

from __future__ import annotations

import itertools

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from sipcluster.sip.isip import IFlow, IMessageReceiver
from sipcluster.sip.message import Request, Response, makeResponse
from sipcluster.testing.clock import runFor
from sipcluster.testing.network import MemoryNetwork, MemoryTransport

_numbers = itertools.count(1)


def options(flow: IFlow, body: bytes = b"", via: bytes = b"") -> bytes:
    """
    An OPTIONS request that fits C{flow}.

    @param via: what follows the transport in its Via, where it does not.
    """
    sent = via or b"%b;rport;branch=z9hG4bK%d" % (flow.sentBy, next(_numbers))
    return b"\r\n".join(
        [
            b"OPTIONS sip:192.0.2.2 SIP/2.0",
            b"Via: SIP/2.0/%b %b" % (flow.transportName.encode(), sent),
            b"Max-Forwards: 70",
            b"From: <sip:alice@example.com>;tag=1",
            b"To: <sip:bob@example.com>",
            b"Call-ID: %d" % next(_numbers),
            b"CSeq: 1 OPTIONS",
            b"Content-Length: %d" % len(body),
            b"",
            body,
        ]
    )


@implementer(IMessageReceiver)
class Receiver:
    """
    Keeps what it is told.

    @ivar messages: in order.
    @ivar flows: the flows they came on.
    @ivar failures: C{(flow, why)} in order.
    """

    def __init__(self) -> None:
        self.messages: list[Request | Response] = []
        self.flows: list[IFlow] = []
        self.failures: list[tuple[IFlow, str]] = []

    def messageReceived(self, message: Request | Response, flow: IFlow) -> None:
        self.messages.append(message)
        self.flows.append(flow)

    def flowFailed(self, flow: IFlow, why: str) -> None:
        self.failures.append((flow, why))

    @property
    def request(self) -> Request:
        """
        The last message, which is a request.
        """
        message = self.messages[-1]
        assert isinstance(message, Request)
        return message

    @property
    def response(self) -> Response:
        """
        The last message, which is a response.
        """
        message = self.messages[-1]
        assert isinstance(message, Response)
        return message


class MemoryTestCase(SynchronousTestCase):
    """
    Two hosts on a network in memory: Alice's 192.0.2.1 and Bob's 192.0.2.2.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.network = MemoryNetwork(self.clock, 0.01)
        self.alice, self.alices = self.host("192.0.2.1")
        self.bob, self.bobs = self.host("192.0.2.2")

    def host(self, address: str, tls: int = 5061) -> tuple[MemoryTransport, Receiver]:
        """
        A host's transport layer and what receives from it.
        """
        receiver = Receiver()
        return self.network.host(address, receiver, tls=tls), receiver

    def wait(self, seconds: float = 0.1) -> None:
        """
        Let time pass.
        """
        runFor(self.clock, seconds)

    def answer(
        self, transport: MemoryTransport, receiver: Receiver, status: int = 200
    ) -> IFlow:
        """
        Answer the last request that C{receiver} got.

        @return: the flow that the answer took.
        """
        flow = transport.responseFlow(receiver.request.via, receiver.flows[-1])
        flow.send(makeResponse(receiver.request, status, toTag=b"t").render())
        self.wait()
        return flow

    def stopAll(self, *transports: MemoryTransport) -> None:
        """
        Stop, and leave no timer behind.
        """
        for each in transports or (self.alice, self.bob):
            each.stop()
        self.wait(3)
        self.assertEqual(self.clock.getDelayedCalls(), [])
