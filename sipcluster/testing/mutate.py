"""
Mutated messages, and what must hold for every one of them.

The campaign is C{bin/fuzz}; the same seed gives the same messages.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from random import Random

from sipcluster.sip.address import Address
from sipcluster.sip.errors import MalformedMessage
from sipcluster.sip.framing import Frame, KeepAlive, StreamFramer, parseDatagram
from sipcluster.sip.message import (
    Limits,
    Request,
    Response,
    makeResponse,
    parseMessage,
)
from sipcluster.sip.sanity import checkRequest, checkResponse
from sipcluster.sip.sdp import directionOf, withOrigin
from sipcluster.sip.uri import SIPURI
from sipcluster.sip.via import Via
from sipcluster.testing.mutate_bytes import ByteMutator


def _wire(text: bytes) -> bytes:
    """
    With the line ends of SIP, which some collections of messages lack.
    """
    return text if b"\r\n" in text else text.replace(b"\n", b"\r\n")


_SEEDS = rb"""
INVITE sip:1002@lab.example SIP/2.0
Via: SIP/2.0/UDP 192.0.2.11;branch=z9hG4bK1;rport, SIP/2.0/TLS [2001:db8::1]
Record-Route: <sip:192.0.2.11;lr>, <sip:192.0.2.12;lr;r2=on>
From: "Al \"ice\"" <sip:1001@lab.example;user=phone>;tag=a1
To: <sip:1002@lab.example>
Call-ID: 1@192.0.2.10
CSeq: 1 INVITE
Max-Forwards: 70
Contact: <sip:1001@192.0.2.10:5060;transport=UDP>;q=0.5;expires=60
Session-ID: 00000000000000000000000000000001;remote=00000000000000000000000000000000
Content-Type: application/sdp

v=0
o=- 1 1 IN IP4 192.0.2.10
s=-
c=IN IP4 192.0.2.10
t=0 0
m=audio 4000 RTP/AVP 0
a=sendrecv

--
REGISTER sips:lab.example SIP/2.0
v: SIP/2.0/TCP a.example:5061;branch=z9hG4bK2
f: sip:1001@lab.example;tag=b
t: sip:1001@lab.example
i: 2
CSeq: 2 REGISTER
m: *
Expires: 0
l: 0

--
SIP/2.0 200 OK
Via: SIP/2.0/UDP 192.0.2.11;branch=z9hG4bK1
 ;received=192.0.2.1;rport=5060
From: <sip:a@b>;tag=1
To: <sip:c@d>;tag=2
Call-ID: x
CSeq: 1 INVITE
Contact: <tel:+1-2;ext=3>

"""

#: Messages to begin with, where no corpus is given.
SEEDS = tuple(_wire(seed[1:]) for seed in _SEEDS.split(b"--"))

#: What is put into messages: separators, edges of numbers, odd bytes.
TOKENS: tuple[bytes, ...] = (
    *(bytes([octet]) for octet in b"\0\t\n\r \"%&'*+,-./:;<=>?@[\\]\x7f\x80\xff"),
    *(b"\r\n", b"\r\n\r\n", b"\r\n ", b"\r\n\t", b"\r\n" * 20, b";tag=", b";branch="),
    *(b"0", b"-1", b"255", b"256", b"65536", b"2147483648", b"4294967296"),
    *(b"9" * 30, b"9" * 5000, b"A" * 300, b"a," * 100, b";x" * 100, b"<" * 50),
    *(b"%00", b"%zz", b"sip:", b"sips:", b"tel:", b"urn:x:y", b"SIP/2.0", b"SIP/7.0"),
    *(b"Via: SIP/2.0/UDP h\r\n", b"Route: <sip:p;lr>\r\n", b"l: 5\r\n", b"m: *\r\n"),
    *(b"[::1]", b"[:", b"\xc3\xbc", b"\xed\xa0\x80", b"INVITE", b"ACK", b"CANCEL"),
)

#: Attributes that read a header.
ACCESSORS = (
    *("via", "vias", "branch", "callID", "cseq", "fromTag", "toTag"),
    *("fromAddress", "toAddress", "contacts", "routes", "recordRoutes"),
    *("maxForwards", "expires", "contentType", "sessionID"),
)


class Mutator(ByteMutator):
    """
    Makes bad messages of good ones.
    """

    def __init__(self, random: Random, corpus: Sequence[bytes] = SEEDS) -> None:
        """
        @param random: chooses everything.
        @param corpus: the messages to begin with.
        """
        super().__init__(random, TOKENS, 30)
        self._corpus = corpus
        self._ways: list[Callable[[bytes], bytes]] = [
            *(self._flip, self._insert, self._insert, self._delete, self._double),
            *(self._replace, self._dropLine, self._doubleLine, self._swapLines),
            *(self._splice, self._cut, self._number, self._case),
        ]

    def message(self) -> bytes:
        """
        The next message: one of the corpus, changed once or a few times.
        """
        data = self._random.choice(self._corpus)
        for _ in range(self._random.choice((1, 1, 1, 2, 2, 3, 5, 8))):
            data = self._random.choice(self._ways)(data)
        return data

    def _double(self, data: bytes) -> bytes:
        start, end = self._span(data)
        times = self._random.choice((2, 3, 100))
        return data[:start] + data[start:end] * times + data[end:]

    def _dropLine(self, data: bytes) -> bytes:
        lines = data.split(b"\r\n")
        del lines[self._random.randrange(len(lines))]
        return b"\r\n".join(lines)

    def _doubleLine(self, data: bytes) -> bytes:
        lines = data.split(b"\r\n")
        at = self._random.randrange(len(lines))
        lines[at:at] = [lines[at]] * self._random.choice((1, 1, 2, 80, 300))
        return b"\r\n".join(lines)

    def _swapLines(self, data: bytes) -> bytes:
        lines = data.split(b"\r\n")
        one, other = (self._random.randrange(len(lines)) for _ in range(2))
        lines[one], lines[other] = lines[other], lines[one]
        return b"\r\n".join(lines)

    def _splice(self, data: bytes) -> bytes:
        other = self._random.choice(self._corpus)
        at = self._random.randint(0, len(other))
        return data[: self._random.randint(0, len(data))] + other[at:]

    def _number(self, data: bytes) -> bytes:
        digits = [at for at, octet in enumerate(data) if 48 <= octet <= 57]
        if not digits:
            return data
        at = self._random.choice(digits)
        return data[:at] + b"%d" % self._random.randrange(2**33) + data[at + 1 :]

    def _case(self, data: bytes) -> bytes:
        start, end = self._span(data)
        return data[:start] + data[start:end].swapcase() + data[end:]


def examine(data: bytes, random: Random) -> str:
    """
    Put one datagram through the message layer.

    @param random: chooses how the same bytes are cut as a stream.

    @return: what became of it, as one word for counting.

    @raise AssertionError: something does not hold that must hold for any bytes;
        any other exception is as bad.
    """
    _examineStream(data, random)
    try:
        message = parseDatagram(data)
    except MalformedMessage as e:
        assert 400 <= e.status <= 699 and len(e.fragment) <= 80
        return "unreadable"
    if message is None or isinstance(message, KeepAlive):
        return "keep-alive"
    raw = message.render()
    assert raw in data + b"\r\n", "written otherwise than it was read"
    with contextlib.suppress(MalformedMessage):  # a length that is not right
        assert parseMessage(raw).render() == raw, "read otherwise than written"
    for name in ACCESSORS:
        with contextlib.suppress(MalformedMessage):
            getattr(message, name)
    with contextlib.suppress(MalformedMessage):
        directionOf(message.body)
    with contextlib.suppress(MalformedMessage):
        withOrigin(message.body, version=1)
    if isinstance(message, Response):
        try:
            checkResponse(message)
        except MalformedMessage:
            return "response dropped"
        _examineEdits(message)
        return "response"
    try:
        checkRequest(message)
    except MalformedMessage as e:
        _examineRefusal(message, e.status)
        return f"request refused {e.status}"
    _examineEdits(message)
    for status in (100, 180, 200, 404):
        answer = parseMessage(makeResponse(message, status, toTag=b"t").render())
        assert isinstance(answer, Response)
        checkResponse(answer)
        assert answer.vias == message.vias and answer.cseq == message.cseq
        assert answer.toTag == (message.toTag or b"t")
    uri = message.requestURI
    assert uri.equivalent(uri)
    if isinstance(uri, SIPURI):
        assert uri.aor().startswith(b"sip:")
    return "request"


def _examineRefusal(request: Request, status: int) -> None:
    """
    A refused request can be answered, as far as it can be read.
    """
    with contextlib.suppress(MalformedMessage):
        answer = parseMessage(makeResponse(request, status, toTag=b"t").render())
        assert isinstance(answer, Response) and answer.status == status


def _examineEdits(message: Request | Response) -> None:
    """
    What a proxy does to a message can be read again, and undone.
    """
    headers = message.headers
    if headers.count(b"Via") >= Limits().vias:
        return  # one more is refused by whoever reads it next
    edited = headers.prepend(b"Via", b"SIP/2.0/UDP p;branch=z9hG4bKp")
    again = parseMessage(message.replacing(headers=edited).render())
    assert again.branch == b"z9hG4bKp"
    assert again.vias[1:] == message.vias, "a Via was lost"
    assert again.body == message.body
    assert edited.removeFirstValue(b"Via") == headers
    fewer = message.replacing(headers=headers.removeFirstValue(b"Via"))
    rest = parseMessage(fewer.render()).headers.values(b"Via")
    assert len(rest) == len(message.vias) - 1
    for address in (message.fromAddress, message.toAddress):
        assert Address.parse(address.render()) == address
    with contextlib.suppress(MalformedMessage):  # of a response it may be bad
        for address in message.contacts:
            assert Address.parse(address.render()) == address
    for via in message.vias:
        assert Via.parse(via.render()) == via


def _examineStream(data: bytes, random: Random) -> None:
    """
    However the bytes are cut, the same messages come of them.
    """
    whole = _frames([data])
    cuts = sorted(random.randint(0, len(data)) for _ in range(random.randint(1, 8)))
    pieces = [
        data[start:end]
        for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)
    ]
    assert _frames(pieces) == whole, "cut otherwise, other messages"


def _frames(pieces: Iterable[bytes]) -> list[bytes | None]:
    """
    The messages of a stream; L{None} stands last when it broke.
    """
    framer = StreamFramer()
    frames: list[bytes | None] = []
    try:
        for piece in pieces:
            framer.receive(piece)
            while (event := framer.nextEvent()) is not None:
                if isinstance(event, Frame):
                    frames.append(event.message.render())
    except MalformedMessage:
        frames.append(None)
    return frames


def campaign(
    messages: int, seed: int, corpus: Sequence[bytes] = SEEDS
) -> tuple[Counter[str], bytes | None]:
    """
    Examine many messages.

    @return: how often each end was come to, and the message that must not have
        come to its end, if there is one; it stops there.
    """
    random = Random(seed)
    mutator = Mutator(random, corpus)
    ends: Counter[str] = Counter()
    for _ in range(messages):
        data = mutator.message()
        try:
            ends[examine(data, random)] += 1
        except Exception as e:
            ends[f"{type(e).__name__}: {e}"] += 1
            return ends, data
    return ends, None


def main(arguments: Sequence[str] | None = None) -> int:
    """
    C{bin/fuzz}.

    @return: the exit status: 1 when a message did what none must.
    """
    parser = argparse.ArgumentParser(
        prog="fuzz", description="Send mutated messages through the message layer."
    )
    parser.add_argument("--messages", type=int, default=100000, metavar="N")
    parser.add_argument("--seed", type=int, default=1, metavar="S")
    parser.add_argument(
        "--corpus", type=Path, metavar="DIR", help="*.dat files to begin with"
    )
    options = parser.parse_args(arguments)
    corpus = list(SEEDS)
    if options.corpus is not None:
        files = sorted(options.corpus.rglob("*.dat"))
        corpus += [_wire(path.read_bytes()) for path in files]
    began = time.perf_counter()
    ends, bad = campaign(options.messages, options.seed, corpus)
    seconds = time.perf_counter() - began
    say = sys.stdout.write
    for end, count in ends.most_common():
        say(f"{count:9} {end}\n")
    say(f"{ends.total():9} messages, seed {options.seed}, {seconds:.1f} s\n")
    if bad is not None:
        say(f"the last one, {len(bad)} bytes:\n{bad!r}\n")
    return 0 if bad is None else 1


if __name__ == "__main__":
    sys.exit(main())
