"""
What reading, checking, changing and writing SIP messages costs::

    python -m tests.bench.bench_messages [--rounds 5]

Each line is one step, in microseconds for one message, the best of the rounds.
Steps that read include L{parseMessage <sipcluster.sip.message.parseMessage>}, since
values once read are kept; C{parse} alone is the first line.
"""

from __future__ import annotations

import argparse
import sys
import timeit
from collections.abc import Callable

from sipcluster.sip.framing import StreamFramer, parseDatagram
from sipcluster.sip.message import Request, Response, makeResponse, parseMessage
from sipcluster.sip.sanity import checkRequest, checkResponse
from sipcluster.sip.sdp import withOrigin
from sipcluster.sip.transport_rules import viaReceived
from tests.unit.sip.wire_samples import INVITE, SDP, requestOf, responseOf

#: How often each step is done in one round.
COUNT = 10_000

#: An INVITE that has gone through a proxy, and the answer to it.
ROUTED = INVITE.replace(
    b"\r\nMax-F",
    b"\r\nVia: SIP/2.0/UDP 192.0.2.11:5060;branch=z9hG4bK1a2b3c;rport\r\n"
    b"Record-Route: <sip:192.0.2.11;lr>\r\nMax-F",
    1,
)
ANSWER = makeResponse(
    requestOf(ROUTED),
    200,
    toTag=b"8321234356",
    headers=[(b"Contact", b"<sip:bob@192.0.2.102:5060>")],
    body=SDP,
    contentType=b"application/sdp",
).render()


def forward() -> None:
    """
    What a proxy does at least: a request in, one with its Via out.
    """
    request = viaReceived(requestOf(INVITE), "192.0.2.101", 5060)
    checkRequest(request)
    headers = request.headers.replace(b"Max-Forwards", b"69")
    headers = headers.prepend(b"Via", b"SIP/2.0/UDP 192.0.2.11;branch=z9hG4bK1;rport")
    request.replacing(headers=headers).render()


def backward() -> None:
    """
    And what it does with the answer.
    """
    response = responseOf(ANSWER)
    checkResponse(response)
    headers = response.headers.removeFirstValue(b"Via")
    response.replacing(headers=headers).render()


def dialog(message: Request | Response) -> None:
    """
    Read what a user agent needs for a dialog.
    """
    message.callID, message.fromTag, message.toTag, message.cseq  # noqa: B018
    message.contacts, message.recordRoutes, message.contentType  # noqa: B018


def stream() -> None:
    """
    Ten messages that arrive in one piece.
    """
    framer = StreamFramer()
    framer.receive(INVITE * 10)
    while framer.nextEvent() is not None:
        pass


_request = requestOf(ROUTED)

#: What is measured: its name, the step, and how many messages that is.
STEPS: tuple[tuple[str, Callable[[], object], int], ...] = (
    ("parse a request", lambda: parseMessage(ROUTED), 1),
    ("parse a response", lambda: parseMessage(ANSWER), 1),
    ("parse a datagram", lambda: parseDatagram(ROUTED), 1),
    ("frame on a stream", stream, 10),
    ("parse, check a request", lambda: checkRequest(requestOf(ROUTED)), 1),
    ("parse, check a response", lambda: checkResponse(responseOf(ANSWER)), 1),
    ("parse, read for a dialog", lambda: dialog(requestOf(ROUTED)), 1),
    ("make a response", lambda: makeResponse(_request, 180, toTag=b"t"), 1),
    ("make, write a response", lambda: makeResponse(_request, 180).render(), 1),
    ("forward a request", forward, 1),
    ("forward a response", backward, 1),
    ("rewrite an SDP origin", lambda: withOrigin(SDP, version=2), 1),
)


def main(*arguments: str) -> None:
    """
    Measure all and print a table.
    """
    parser = argparse.ArgumentParser("bench_messages", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args(arguments).rounds
    for name, step, messages in STEPS:
        best = min(timeit.repeat(step, number=COUNT // messages, repeat=rounds))
        sys.stdout.write(f"{name:32}{best / COUNT * 1e6:8.2f}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
