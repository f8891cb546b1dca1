"""
What one proxied call costs in processor time, in this process, without sockets::

    python -m tests.memory.proxy_cost [CALLS] [--profile] [--pair]

A call is INVITE, 100, 180, 200, ACK, BYE and 200 from a phone to a node; what is
measured is from the bytes of a datagram to the bytes of those that leave, timers
included.  Nothing is measured twice: the phone's and the node's own messages are
made outside of the measured time.
"""

from __future__ import annotations

import argparse
import cProfile
import gc
import os
import pstats
import sys
import time
from collections.abc import Callable
from typing import Any

from twisted.internet.task import Clock

from sipcluster.app.proxy import makeProxy
from sipcluster.app.runtime import ProxyRuntime
from sipcluster.app.settings import (
    Application,
    Configuration,
    Node,
    Pair,
    Proxy,
    Switch,
)
from sipcluster.net.transport import SIPTransport
from sipcluster.registrar.memory import MemoryRegistrationStore
from sipcluster.sip.message import Request, makeResponse, parseMessage
from tests.memory.proxies import Names

PHONE = ("198.51.100.1", 5060)
NODE = ("192.0.2.21", 5060)
PROXY = "192.0.2.11"

SDP = b"\r\n".join(
    [
        b"v=0",
        b"o=- 1 1 IN IP4 198.51.100.1",
        b"s=-",
        b"c=IN IP4 198.51.100.1",
        b"t=0 0",
        b"m=audio 20000 RTP/AVP 0 8 101",
        b"a=rtpmap:101 telephone-event/8000",
        b"",
    ]
)


class Wire:
    """
    A network of which only the proxy's own UDP port exists.

    @ivar sent: datagrams that left, with their destination.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.sent: list[tuple[bytes, Any]] = []
        self.received: Callable[[bytes, Any], None] = lambda data, address: None

    def datagramPort(
        self, host: str, port: int, received: Any, failed: Any
    ) -> DatagramPort:
        """
        Open the port.
        """
        self.received = received
        return DatagramPort(self, host, port)

    def sourceAddress(self, remote: str) -> str:
        """
        Where datagrams leave from.
        """
        return PROXY


class DatagramPort:
    """
    The port.
    """

    def __init__(self, wire: Wire, host: str, port: int) -> None:
        self.host, self.port = host, port
        self._sent = wire.sent

    def write(self, data: bytes, address: Any) -> None:
        """
        Keep what leaves.
        """
        self._sent.append((data, address))

    def close(self) -> None:
        """
        Nothing to close.
        """


def request(method: bytes, uri: bytes, number: int, cseq: int, *more: bytes) -> bytes:
    """
    A request of the phone.
    """
    body = SDP if method == b"INVITE" else b""
    return b"\r\n".join(
        [
            b"%b %b SIP/2.0" % (method, uri),
            b"Via: SIP/2.0/UDP 198.51.100.1:5060;branch=z9hG4bK-%d-%d-%b;rport"
            % (number, cseq, method),
            b"Max-Forwards: 70",
            *more,
            b'From: "Alice" <sip:1001@example.com>;tag=from%d' % number,
            b"To: <sip:1002@example.com>" + (b";tag=to" if b"leg" in uri else b""),
            b"Call-ID: call-%d@198.51.100.1" % number,
            b"CSeq: %d %b" % (cseq, method),
            b"Contact: <sip:1001@198.51.100.1:5060>",
            b"User-Agent: measured",
            b"Allow: INVITE, ACK, BYE, CANCEL, OPTIONS, UPDATE, INFO",
            b"Supported: replaces, timer",
            b"Content-Type: application/sdp",
            b"Content-Length: %d" % len(body),
            b"",
            body,
        ]
    )


class Bench:
    """
    One proxy, one node that is in service, perhaps with another one that would take
    over, and a phone.

    @ivar spent: seconds of processor time in the proxy, by kind of message.
    """

    def __init__(self, pair: bool = False) -> None:
        self.clock = Clock()
        self.wire = Wire(self.clock)
        nodes: tuple[Application, ...] = (Node(name="node1", sipAddress=NODE[0]),)
        if pair:
            nodes = (
                Node(name="node1a", sipAddress=NODE[0]),
                Node(name="node1b", sipAddress="192.0.2.22"),
                Pair(name="node1", members=("node1a", "node1b")),
            )
        configuration = Configuration(
            Switch(name="switch", domain="example.com"),
            applications=(
                *nodes,
                Proxy(name="proxy1", sipAddress=PROXY, oosCheck=0.0),
            ),
        )
        self.transport = SIPTransport(
            self.clock,
            None,
            os.urandom,
            network=self.wire,  # type: ignore[arg-type]
        )
        self.transport.listenUDP(PROXY, 5060)
        self.proxy = makeProxy(
            ProxyRuntime(
                name="proxy1",
                configuration=configuration,
                clock=self.clock,
                transport=self.transport,
                locator=Names(),
            ),
            MemoryRegistrationStore(time.time),
        )
        self.proxy.startService()
        self.proxy.load()
        self.spent: dict[str, float] = {}
        self.profile: cProfile.Profile | None = None
        self.clock.advance(0.1)
        for question, address in tuple(self.wire.sent):
            self.answer(question, 200, source=address)
        self.wire.sent.clear()
        self.spent.clear()

    def feed(self, kind: str, data: bytes, source: tuple[str, int]) -> list[bytes]:
        """
        Give one datagram to the proxy; what it sent.
        """
        start = time.process_time_ns()
        if self.profile is not None:
            self.profile.enable()
        self.wire.received(data, source)
        if self.profile is not None:
            self.profile.disable()
        self._spend(kind, start)
        sent = [data for data, _ in self.wire.sent]
        self.wire.sent.clear()
        return sent

    def _spend(self, kind: str, start: int) -> None:
        took = (time.process_time_ns() - start) / 1e9
        self.spent[kind] = self.spent.get(kind, 0.0) + took

    def answer(
        self,
        data: bytes,
        status: int,
        body: bytes = b"",
        source: tuple[str, int] = NODE,
    ) -> list[bytes]:
        """
        Answer a request as the node.
        """
        message = parseMessage(data)
        assert isinstance(message, Request)
        response = makeResponse(
            message,
            status,
            toTag=b"" if status == 100 else b"to",
            headers=[(b"Contact", b"<sip:leg@node1.example.com>")],
            body=body,
            contentType=b"application/sdp",
        )
        kind = f"{status} {message.method.decode()}"
        return self.feed(kind, response.render(), source)

    def call(self, number: int) -> None:
        """
        One whole call.
        """
        invite = request(b"INVITE", b"sip:1002@example.com", number, 1)
        _trying, forwarded = self.feed("INVITE", invite, PHONE)
        self.answer(forwarded, 100)
        self.answer(forwarded, 180)
        self.answer(forwarded, 200, SDP)
        route = b"Route: <sip:192.0.2.11:5060;lr>"
        target = b"sip:leg%d@node1.example.com" % number
        self.feed("ACK", request(b"ACK", target, number, 1, route), PHONE)
        [bye] = self.feed("BYE", request(b"BYE", target, number, 2, route), PHONE)
        self.answer(bye, 200)

    def timers(self) -> None:
        """
        Let every timer of the calls so far come to its end.
        """
        start = time.process_time_ns()
        for _ in range(80):
            self.clock.advance(0.5)
        self._spend("timers", start)


#: Calls of one round: enough that what lingers is in the figure.
ROUND = 300


def main(calls: int, profile: bool, pair: bool) -> None:
    """
    Measure and print: of each kind of message the best round, since whatever
    else the machine does only makes it slower.
    """
    bench = Bench(pair)
    for number in range(ROUND):
        bench.call(number)
    bench.timers()
    if profile:
        bench.profile = cProfile.Profile()
    gc.collect()
    gc.freeze()
    best: dict[str, float] = {}
    for start in range(ROUND, ROUND + calls, ROUND):
        bench.spent = {}
        for number in range(start, start + ROUND):
            bench.call(number)
        bench.timers()
        for kind, seconds in bench.spent.items():
            best[kind] = min(best.get(kind, seconds), seconds)
    for kind, seconds in best.items():
        sys.stdout.write(f"{kind:12} {seconds / ROUND * 1e6:8.1f} us\n")
    total = sum(best.values())
    sys.stdout.write(f"{'call':12} {total / ROUND * 1e6:8.1f} us\n")
    if bench.profile is not None:
        pstats.Stats(bench.profile).sort_stats("tottime").print_stats(45)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("calls", nargs="?", type=int, default=3000)
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--pair", action="store_true")
    options = parser.parse_args()
    main(options.calls, options.profile, options.pair)
