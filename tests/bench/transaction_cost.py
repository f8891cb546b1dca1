"""
What transactions cost in processor time and memory, without a wire::

    python -m tests.bench.transaction_cost [COUNT]

Each line is one step for one transaction, in microseconds, the best of five
rounds; reading and making messages is not counted.  ``end`` is the lingering
timer and what it frees.
"""

from __future__ import annotations

import gc
import random
import sys
import time
import tracemalloc
from collections.abc import Callable

from twisted.internet.task import Clock

from sipcluster.sip.identifiers import Identifiers
from sipcluster.sip.isip import IFlow, Target
from sipcluster.sip.message import Request, Response, makeResponse, parseMessage
from sipcluster.sip.transactions import ServerTransaction, TransactionLayer
from sipcluster.sip.transport_rules import viaReceived
from sipcluster.sip.via import Via
from sipcluster.testing.records import (
    FakeTransportLayer,
    RecordingFlow,
    RecordingReceiver,
    RecordingUser,
)

BOB = Target("UDP", "192.0.2.2", 5060)

REQUEST = (
    b"%b sip:bob@biloxi.example.com SIP/2.0\r\n"
    b"Max-Forwards: 70\r\n"
    b"From: Alice <sip:alice@atlanta.example.com>;tag=9fxced76sl\r\n"
    b"To: Bob <sip:bob@biloxi.example.com>\r\n"
    b"Call-ID: %d@atlanta.example.com\r\n"
    b"CSeq: 1 %b\r\n"
    b"Contact: <sip:alice@192.0.2.1>\r\n"
    b"Content-Length: 0\r\n\r\n"
)


class _Flow(RecordingFlow):
    """
    Keeps the last message only.
    """

    last = b""

    def send(self, data: bytes) -> None:
        self.last = data


class _Transport(FakeTransportLayer):
    """
    Has one flow, and finds it in no time.
    """

    def __init__(self) -> None:
        super().__init__()
        self.only = _Flow("UDP", ("192.0.2.1", 5060))

    def flowTo(self, target: Target, size: int = 0) -> RecordingFlow:
        return self.only

    def responseFlow(self, via: Via, flow: IFlow) -> IFlow:
        return flow


class _Receiver(RecordingReceiver):
    last: ServerTransaction | None = None

    def requestReceived(self, transaction: ServerTransaction) -> None:
        self.last = transaction


class _User(RecordingUser):
    def responseReceived(self, response: Response) -> None: ...

    def transactionTerminated(self) -> None: ...


class Bench:
    """
    Two layers that talk through the bytes that one flow keeps.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self.clock = Clock()
        self.transport = _Transport()
        self.receiver = _Receiver()
        self.user = _User()
        identifiers = Identifiers(random.Random(1).randbytes)
        self.client, self.server = (
            TransactionLayer(
                self.clock, self.transport, self.receiver, identifiers, limit=count
            )
            for _ in range(2)
        )
        self.spent: dict[str, float] = {}

    def timed(self, name: str, step: Callable[[], None]) -> None:
        """
        Do a step for all transactions, and note what one takes at best.
        """
        gc.collect()
        gc.disable()
        before = time.perf_counter()
        step()
        spent = (time.perf_counter() - before) / self.count * 1e6
        gc.enable()
        self.spent[name] = min(spent, self.spent.get(name, spent))

    def play(self, method: bytes, statuses: tuple[int, ...]) -> None:
        """
        Send requests, receive them, answer them, receive the answers.
        """
        flow = self.transport.only
        name = "INVITE" if method == b"INVITE" else "non-INVITE"
        asked: list[Request] = []
        for number in range(self.count):
            message = parseMessage(REQUEST % (method, number, method))
            assert isinstance(message, Request)
            asked.append(message)
        sent: list[bytes] = []

        def send() -> None:
            for request in asked:
                self.client.request(request, BOB, self.user)
                sent.append(flow.last)

        self.timed(f"{name} client: request", send)
        arrived: list[Request] = []
        for data in sent:
            message = parseMessage(data)
            assert isinstance(message, Request)
            arrived.append(viaReceived(message, *flow.remote))
        begun: list[ServerTransaction] = []

        def receive() -> None:
            for message in arrived:
                self.server.messageReceived(message, flow)
                assert self.receiver.last is not None
                begun.append(self.receiver.last)

        self.timed(f"{name} server: request", receive)
        for status in statuses:
            answers = [
                makeResponse(each.request, status, toTag=b"8321234356")
                for each in begun
            ]
            back: list[bytes] = []

            def respond(
                answers: list[Response] = answers, back: list[bytes] = back
            ) -> None:
                for transaction, answer in zip(begun, answers, strict=True):
                    transaction.respond(answer)
                    back.append(flow.last)

            self.timed(f"{name} server: {status}", respond)
            returned = [parseMessage(data) for data in back]

            def hear(returned: list[Request | Response] = returned) -> None:
                for message in returned:
                    self.client.messageReceived(message, flow)

            self.timed(f"{name} client: {status}", hear)
        self.receiver.last = None

        def end() -> None:
            begun.clear()
            arrived.clear()
            self.clock.advance(64)
            self.clock.advance(64)

        self.timed(f"{name} both: end", end)
        counts = self.client.status(), self.server.status()
        assert all(each["timers"] == each["lingering"] == 0 for each in counts)

    def memory(self) -> None:
        """
        Print what a client transaction holds, its messages included.
        """
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        for number in range(self.count):
            message = parseMessage(REQUEST % (b"INVITE", number, b"INVITE"))
            assert isinstance(message, Request)
            self.client.request(message, BOB, self.user)
        held = (tracemalloc.get_traced_memory()[0] - before) / self.count
        tracemalloc.stop()
        sys.stdout.write(f"{'INVITE client: bytes held':32}{held:8.0f}\n")


def main(count: int) -> None:
    """
    Print all figures.
    """
    bench = Bench(count)
    for _ in range(5):
        bench.play(b"INVITE", (100, 180, 200))
        bench.play(b"OPTIONS", (200,))
    for name, spent in bench.spent.items():
        sys.stdout.write(f"{name:32}{spent:8.1f}\n")
    for kind in ("INVITE", "non-INVITE"):
        total = sum(
            spent for name, spent in bench.spent.items() if name.startswith(kind)
        )
        sys.stdout.write(f"{kind + ' pair: all':32}{total:8.1f}\n")
    bench.memory()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3000)
