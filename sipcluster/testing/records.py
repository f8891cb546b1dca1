"""
What stands in for a neighbour in a test, and remembers what it was told.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from sipcluster.sip.errors import NoTransport
from sipcluster.sip.isip import (
    IFlow,
    IMessageReceiver,
    IRequestReceiver,
    IServerTransactionUser,
    ITransactionUser,
    ITransportLayer,
    Target,
)
from sipcluster.sip.message import Message, Request, Response, parseMessage
from sipcluster.sip.transactions import ServerTransaction
from sipcluster.sip.transport_rules import responseTarget, tooLargeForUDP
from sipcluster.sip.via import Via


@implementer(ITransactionUser)
class RecordingUser:
    """
    The user of a client transaction.

    @ivar told: what it was told, in order: the status of each response,
        C{"timed out"}, C{"transport failed"}, C{"terminated"}.
    @ivar responses: the responses themselves.
    @ivar why: why the transport failed, or empty.
    """

    def __init__(self) -> None:
        self.told: list[int | str] = []
        self.responses: list[Response] = []
        self.why = ""

    def responseReceived(self, response: Response) -> None:
        self.told.append(response.status)
        self.responses.append(response)

    def transactionTimedOut(self) -> None:
        self.told.append("timed out")

    def transportFailed(self, why: str) -> None:
        self.told.append("transport failed")
        self.why = why

    def transactionTerminated(self) -> None:
        self.told.append("terminated")


@implementer(IServerTransactionUser)
class RecordingServerUser:
    """
    The user of a server transaction.

    @ivar told: what it was told, in order: C{"CANCEL"}, C{"ACK"},
        C{"ACK missing"}, C{"transport failed"}, C{"terminated"}.
    @ivar requests: the CANCELs and ACKs themselves.
    """

    def __init__(self) -> None:
        self.told: list[str] = []
        self.requests: list[Request] = []

    def cancelReceived(self, cancel: Request) -> None:
        self.told.append("CANCEL")
        self.requests.append(cancel)

    def ackReceived(self, ack: Request) -> None:
        self.told.append("ACK")
        self.requests.append(ack)

    def acknowledgementMissing(self) -> None:
        self.told.append("ACK missing")

    def transportFailed(self, why: str) -> None:
        self.told.append("transport failed")

    def transactionTerminated(self) -> None:
        self.told.append("terminated")


@implementer(IRequestReceiver)
class RecordingReceiver:
    """
    What is above the transaction layer.

    @ivar transactions: those that were begun.
    @ivar acks: ACKs that belong to no transaction.
    @ivar strays: responses that belong to none.
    """

    def __init__(self) -> None:
        self.transactions: list[ServerTransaction] = []
        self.acks: list[Request] = []
        self.strays: list[Response] = []

    def requestReceived(self, transaction: ServerTransaction) -> None:
        self.transactions.append(transaction)

    def ackReceived(self, ack: Request, flow: IFlow) -> None:
        self.acks.append(ack)

    def strayCancel(self, cancel: Request, flow: IFlow) -> bool:
        return False

    def strayResponse(self, response: Response, flow: IFlow) -> None:
        self.strays.append(response)


@implementer(IMessageReceiver)
class RecordingMessageReceiver:
    """
    What is above the transport layer.

    @ivar messages: messages that arrived, with their flows.
    @ivar failures: flows that failed, and why.
    """

    def __init__(self) -> None:
        self.messages: list[tuple[Request | Response, IFlow]] = []
        self.failures: list[tuple[IFlow, str]] = []

    def messageReceived(self, message: Request | Response, flow: IFlow) -> None:
        self.messages.append((message, flow))

    def flowFailed(self, flow: IFlow, why: str) -> None:
        self.failures.append((flow, why))


@implementer(IFlow)
class RecordingFlow:
    """
    A flow that leads nowhere and keeps what is sent on it.

    @ivar data: each message as bytes.
    @ivar times: when each was sent, in seconds of the clock; all 0 without one.
    """

    def __init__(
        self,
        transportName: str = "UDP",
        remote: tuple[str, int] = ("192.0.2.2", 5060),
        local: tuple[str, int] = ("192.0.2.1", 5060),
        sentBy: bytes = b"",
        clock: IReactorTime | None = None,
    ) -> None:
        self.transportName = transportName
        self.reliable = transportName != "UDP"
        self.remote = remote
        self.local = local
        self.sentBy = sentBy or b"%b:%d" % (local[0].encode(), local[1])
        self.token = b"%b-%b-%d" % (
            transportName.lower().encode(),
            remote[0].encode(),
            remote[1],
        )
        self.closed = False
        self.data: list[bytes] = []
        self.times: list[float] = []
        self._clock = clock

    def send(self, data: bytes) -> None:
        self.data.append(data)
        self.times.append(0.0 if self._clock is None else self._clock.seconds())

    @property
    def sent(self) -> list[Request | Response]:
        """
        What was sent, parsed.
        """
        return [parseMessage(data) for data in self.data]

    @property
    def told(self) -> list[bytes | int]:
        """
        What was sent, in short: methods of requests and codes of responses.
        """
        return [shortly(message) for message in self.sent]


def shortly(message: Message) -> bytes | int:
    """
    The method of a request or the status code of a response.
    """
    if isinstance(message, Response):
        return message.status
    assert isinstance(message, Request)
    return message.method


@implementer(ITransportLayer)
class FakeTransportLayer:
    """
    A transport layer whose flows are L{RecordingFlow}s.

    @ivar flows: the open ones, by transport and remote address.
    @ivar refused: (transport, host, port) to which no flow is to be had:
        asking for one raises C{NoTransport}.
    @ivar hasTCP: whether a large request gets a TCP flow.
    """

    def __init__(
        self,
        clock: IReactorTime | None = None,
        local: tuple[str, int] = ("192.0.2.1", 5060),
        hasTCP: bool = True,
    ) -> None:
        self.flows: dict[tuple[str, str, int], RecordingFlow] = {}
        self.refused: set[tuple[str, str, int]] = set()
        self.hasTCP = hasTCP
        self.receiver: IMessageReceiver | None = None
        self.pairAddress: Callable[[bytes], tuple[str, int] | None] | None = None
        self.hold: Callable[..., object] | None = None
        self._clock = clock
        self._local = local

    def flowTo(self, target: Target, size: int = 0) -> RecordingFlow:
        transportName = target.transportName
        if transportName == "UDP" and self.hasTCP and tooLargeForUDP(size):
            transportName = "TCP"
        return self.flow(transportName, target.host, target.port)

    def flow(
        self, transportName: str, host: str = "192.0.2.2", port: int = 5060
    ) -> RecordingFlow:
        """
        The open flow to an address, made when there is none.
        """
        key = (transportName, host, port)
        if key in self.refused:
            raise NoTransport(f"no way to {host}")
        flow = self.flows.get(key)
        if flow is None or flow.closed:
            flow = self.flows[key] = RecordingFlow(
                transportName, (host, port), self._local, clock=self._clock
            )
        return flow

    def responseFlow(self, via: Via, flow: IFlow) -> IFlow:
        if flow.closed or not flow.reliable:
            target = responseTarget(via)
            if (target.host, target.port) != flow.remote or flow.closed:
                return self.flow(target.transportName, target.host, target.port)
        return flow

    def flowByToken(self, token: bytes) -> IFlow | None:
        for flow in self.flows.values():
            if flow.token == token and not flow.closed:
                return flow
        return None
