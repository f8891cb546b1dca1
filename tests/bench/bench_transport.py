"""
What the transport layer costs: a process that echoes, asked over loopback::

    python -m tests.bench.bench_transport [--seconds 3] [--window 50]

The caller is a plain socket in this process that keeps a window of requests under
way.  The echo answers each OPTIONS with 200, once from the transport layer alone and
once through the transaction layer.  Its processor time, by the kernel's books, is
divided by the messages it took and gave; nothing is asserted.
"""

from __future__ import annotations

import argparse
import os
import socket
import subprocess
import sys
import time
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import react
from zope.interface import implementer

from sipcluster.net.transport import SIPTransport
from sipcluster.sip.identifiers import Identifiers
from sipcluster.sip.isip import IFlow, IMessageReceiver, IRequestReceiver
from sipcluster.sip.message import Request, Response, makeResponse
from sipcluster.sip.transactions import ServerTransaction, TransactionLayer
from tests.bench.processes import cpuSeconds

OPTIONS = (
    b"OPTIONS sip:127.0.0.1 SIP/2.0\r\n"
    b"Via: SIP/2.0/%b 127.0.0.1:%d;branch=z9hG4bK%d;rport\r\n"
    b"Max-Forwards: 70\r\n"
    b"From: <sip:alice@example.com>;tag=1\r\n"
    b"To: <sip:bob@example.com>\r\n"
    b"Call-ID: %d@example.com\r\n"
    b"CSeq: 1 OPTIONS\r\n"
    b"Content-Length: 0\r\n\r\n"
)

ANSWERED = b"SIP/2.0 200 "


@implementer(IMessageReceiver, IRequestReceiver)
class Echo:
    """
    Answers 200, with a transaction or without.
    """

    def __init__(self, transport: SIPTransport) -> None:
        self.transport = transport

    def messageReceived(self, message: Request | Response, flow: IFlow) -> None:
        """
        Answer without a transaction.
        """
        assert isinstance(message, Request)
        answer = makeResponse(message, 200, toTag=b"t")
        self.transport.responseFlow(message.via, flow).send(answer.render())

    def flowFailed(self, flow: IFlow, why: str) -> None:
        """
        The caller has gone.
        """

    def requestReceived(self, transaction: ServerTransaction) -> None:
        """
        Answer within a transaction, which is not kept for repetitions.
        """
        transaction.respond(makeResponse(transaction.request, 200, toTag=b"t"))
        transaction.forget()

    def ackReceived(self, ack: Request, flow: IFlow) -> None: ...

    def strayCancel(self, cancel: Request, flow: IFlow) -> bool:
        return False

    def strayResponse(self, response: Response, flow: IFlow) -> None: ...


def serve(reactor: Any, kind: str, layer: str) -> Deferred[None]:
    """
    Listen, say on which port, and echo until killed.
    """
    transport = SIPTransport(reactor, None, os.urandom)
    echo = Echo(transport)
    transport.receiver = echo
    if layer == "transactions":
        identifiers = Identifiers(os.urandom)
        transport.receiver = TransactionLayer(reactor, transport, echo, identifiers)
    listen = transport.listenUDP if kind == "UDP" else transport.listenTCP

    def listening(_: object) -> Deferred[None]:
        sys.stdout.write(f"{transport.addresses[0][2]}\n")
        sys.stdout.flush()
        return Deferred()

    return listen("127.0.0.1", 0).addCallback(listening)


def ask(kind: str, port: int, window: int, seconds: float) -> int:
    """
    Keep C{window} requests under way.

    @return: how many were answered.
    """
    s = socket.socket(
        socket.AF_INET, socket.SOCK_DGRAM if kind == "UDP" else socket.SOCK_STREAM
    )
    with s:
        s.connect(("127.0.0.1", port))
        s.settimeout(2.0)
        own = s.getsockname()[1]
        sent = answered = 0
        begun = b""
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            while sent - answered < window:
                sent += 1
                s.sendall(OPTIONS % (kind.encode(), own, sent, sent))
            data = begun + s.recv(65536)
            answered += data.count(ANSWERED)
            begun = data[1 - len(ANSWERED) :]
    return answered


def measure(kind: str, layer: str, window: int, seconds: float) -> str:
    """
    Ask one echo, in a process of its own.

    @return: a line for the table.
    """
    line = [sys.executable, "-m", "tests.bench.bench_transport", "echo", kind, layer]
    with subprocess.Popen(line, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            port = int(process.stdout.readline())
            ask(kind, port, window, 0.5)
            before = cpuSeconds([process.pid])
            answered = ask(kind, port, window, seconds)
            spent = (cpuSeconds([process.pid]) - before) / (2 * answered) * 1e6
        finally:
            process.kill()
    return f"{kind:6}{layer:14}{answered / seconds:10.0f}/s{spent:10.2f}\n"


def main(*arguments: str) -> None:
    """
    Measure all and print a table.
    """
    parser = argparse.ArgumentParser("bench_transport", description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--window", type=int, default=50)
    given = parser.parse_args(arguments)
    sys.stdout.write(f"{'':20}{'requests':>12}{'µs/message':>10}\n")
    for kind in ("UDP", "TCP"):
        for layer in ("transport", "transactions"):
            sys.stdout.write(measure(kind, layer, given.window, given.seconds))
            sys.stdout.flush()


if __name__ == "__main__":
    if sys.argv[1:2] == ["echo"]:
        react(serve, sys.argv[2:])
    main(*sys.argv[1:])
