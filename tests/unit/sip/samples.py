"""
Messages for tests of transactions and dialogs, with the names of RFC 3665.
"""

from __future__ import annotations

import random

from sipcluster.sip.identifiers import Identifiers
from sipcluster.sip.isip import Target
from sipcluster.sip.message import Headers, Request, Response, makeResponse
from sipcluster.sip.via import MAGIC_COOKIE

BOB = Target("UDP", "192.0.2.2", 5060)

SDP = b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\n"


def identifiers(seed: int = 1) -> Identifiers:
    """
    Identifiers that are the same in each run.
    """
    return Identifiers(random.Random(seed).randbytes)


def request(
    method: bytes = b"INVITE",
    *further: tuple[bytes, bytes],
    uri: bytes = b"sip:bob@biloxi.example.com",
    via: bytes = b"",
    fromTag: bytes = b"9fxced76sl",
    toTag: bytes = b"",
    number: int = 1,
    callID: bytes = b"3848276298220188511@atlanta.example.com",
    body: bytes = b"",
) -> Request:
    """
    A request from Alice to Bob.

    @param via: the top Via, as it arrives; empty for a request that is still to
        be sent.
    """
    fields = [(b"Via", via)] if via else []
    to = b"Bob <sip:bob@biloxi.example.com>"
    fields += [
        (b"Max-Forwards", b"70"),
        (b"From", b"Alice <sip:alice@atlanta.example.com>;tag=" + fromTag),
        (b"To", to + b";tag=" + toTag if toTag else to),
        (b"Call-ID", callID),
        (b"CSeq", b"%d %b" % (number, method)),
        (b"Contact", b"<sip:alice@192.0.2.1>"),
        *further,
    ]
    return Request(method, uri, Headers.of(*fields), body)


def arriving(
    method: bytes = b"INVITE",
    *further: tuple[bytes, bytes],
    branch: bytes = b"74bf9",
    sentBy: bytes = b"192.0.2.2:5060",
    transport: bytes = b"UDP",
    cookie: bytes = MAGIC_COOKIE,
    **details: bytes | int,
) -> Request:
    """
    The same as it comes from the network.
    """
    via = b"SIP/2.0/%b %b;branch=%b%b" % (transport, sentBy, cookie, branch)
    return request(method, *further, via=via, **details)  # type: ignore[arg-type]


def response(
    asked: Request,
    status: int,
    *headers: tuple[bytes, bytes],
    toTag: bytes = b"8321234356",
    body: bytes = b"",
) -> Response:
    """
    Bob's response; a 100 has no tag.
    """
    return makeResponse(
        asked, status, toTag=b"" if status == 100 else toTag, headers=headers, body=body
    )
