"""
Tests for L{sipcluster.sip.framing}.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from sipcluster.sip.errors import MalformedMessage, MessageTooLarge
from sipcluster.sip.framing import Frame, KeepAlive, StreamFramer, parseDatagram
from sipcluster.sip.message import Request, Response
from tests.unit.sip.wire_samples import INVITE, RINGING, edited


def events(framer: StreamFramer) -> Iterator[Frame | KeepAlive]:
    """
    All that a framer has ready.
    """
    while (event := framer.nextEvent()) is not None:
        yield event


def messages(framer: StreamFramer) -> list[bytes]:
    """
    All messages that a framer has ready, as they are written.
    """
    return [e.message.render() for e in events(framer) if isinstance(e, Frame)]


def wire(body: bytes) -> bytes:
    """
    A message with this body.
    """
    return b"MESSAGE sip:a SIP/2.0\r\nl: %d\r\n\r\n%b" % (len(body), body)


class StreamFramerTests(SynchronousTestCase):
    """
    L{StreamFramer} cuts a stream at message boundaries and nowhere else.
    """

    @given(
        bodies=st.lists(st.binary(max_size=40), max_size=5),
        between=st.lists(st.sampled_from([b"", b"\r\n", b"\r\n\r\n"]), min_size=6),
        cuts=st.lists(st.integers(min_value=0, max_value=400), max_size=8),
    )
    def test_anyFragmentation(
        self, bodies: list[bytes], between: list[bytes], cuts: list[int]
    ) -> None:
        """
        However the bytes are cut, the same messages come out, in order.
        """
        wanted = [wire(body) for body in bodies]
        stream = b"".join(itertools.chain(*zip(between, wanted, strict=False)))
        edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
        framer = StreamFramer()
        got: list[bytes] = []
        for start, end in itertools.pairwise(edges):
            framer.receive(stream[start:end])
            got += messages(framer)
        self.assertEqual(got, wanted)
        self.assertEqual(framer.buffered, 0)

    def test_byteByByte(self) -> None:
        """
        Real messages come through one byte at a time.
        """
        framer = StreamFramer()
        got: list[bytes] = []
        for byte in INVITE + RINGING + INVITE:
            framer.receive(bytes([byte]))
            got += messages(framer)
        self.assertEqual(got, [INVITE, RINGING, INVITE])

    @given(st.lists(st.binary(max_size=80), max_size=6))
    def test_garbageRaisesOnlyOurError(self, junk: list[bytes]) -> None:
        """
        Whatever a peer sends, either events come out or L{MalformedMessage}
        does, never another exception.
        """
        framer = StreamFramer(limit=200)
        try:
            for piece in junk:
                framer.receive(piece)
                for event in events(framer):
                    self.assertIsInstance(event, Frame | KeepAlive)
        except MalformedMessage:
            pass

    def test_looksAtEachByteOnce(self) -> None:
        """
        A long head that comes in small pieces is not searched from its start
        each time.
        """
        searched: list[int] = []

        class Buffer(bytearray):
            def find(self, what: bytes, start: int = 0) -> int:  # type: ignore[override]
                searched.append(len(self) - start)
                return super().find(what, start)

        framer = StreamFramer()
        framer._buffer = Buffer()
        for _ in range(1000):
            framer.receive(b"X: 0123456789\r\n")
            self.assertIsNone(framer.nextEvent())
        self.assertLess(sum(searched), 15 * 1000 + 3 * 1000 + 1)

    def test_keepAlives(self) -> None:
        """
        Two line ends are a ping, one is the answer to ours, a run of them is
        one ping.
        """
        for data, pings in (
            (b"\r\n", [False]),
            (b"\r\n\r\n", [True]),
            (b"\r\n" * 500, [True]),
            (b"\r\n" + INVITE, [False]),
        ):
            framer = StreamFramer()
            framer.receive(data)
            got = [e.ping for e in events(framer) if isinstance(e, KeepAlive)]
            self.assertEqual(got, pings)

    def test_pingInPieces(self) -> None:
        """
        A ping that comes as two line ends apart is a ping all the same, and the
        next line end is none.
        """
        framer = StreamFramer()
        got = []
        for piece in (b"\r", b"\n", b"\r", b"\n", b"\r\n"):
            framer.receive(piece)
            got += [e.ping for e in events(framer) if isinstance(e, KeepAlive)]
        self.assertEqual(got, [False, True, False])

    def test_messageBetweenLineEnds(self) -> None:
        """
        Two line ends with a message between them are no ping.
        """
        framer = StreamFramer()
        framer.receive(b"\r\n" + INVITE + b"\r\n")
        got = [e.ping for e in events(framer) if isinstance(e, KeepAlive)]
        self.assertEqual(got, [False, False])

    def test_strayCarriageReturn(self) -> None:
        """
        A carriage return alone is no line end.
        """
        framer = StreamFramer()
        framer.receive(b"\r\r\rINVITE")
        with self.assertRaises(MalformedMessage):
            framer.nextEvent()

    def test_lineEndsInAnyPieces(self) -> None:
        """
        Carriage returns too many between messages are read past or refused
        alike, however they are cut.
        """
        for stream, broken in (
            (b"\r\r\r\n" + wire(b"x"), False),
            (b"\n\r\r\n" + wire(b"x"), False),
            (b"\r\n\r" + wire(b"x"), True),
            (b"\r\r" + wire(b"x"), True),
        ):
            for size in (1, 2, 3, len(stream)):
                framer = StreamFramer()
                got: list[bytes] = []
                with contextlib.suppress(MalformedMessage):
                    for start in range(0, len(stream), size):
                        framer.receive(stream[start : start + size])
                        got += messages(framer)
                wanted = [] if broken else [wire(b"x")]
                self.assertEqual(got, wanted, (stream, size))

    def test_withoutLength(self) -> None:
        """
        Without a length there is no body; but what says that it has one cannot
        be read, and can be answered (RFC 3261 section 18.3).
        """
        framer = StreamFramer()
        framer.receive(b"OPTIONS sip:a SIP/2.0\r\nTo: a\r\n\r\n" + INVITE)
        self.assertEqual(len(messages(framer)), 2)
        framer.receive(edited(INVITE, (b"Content-Length: 151\r\n", b"")))
        with self.assertRaises(MalformedMessage) as caught:
            framer.nextEvent()
        self.assertEqual(caught.exception.status, 400)
        request = caught.exception.request
        assert request is not None
        self.assertEqual(request.method, b"INVITE")

    def test_badLength(self) -> None:
        """
        A length that is no number ends the stream, with the request to answer.
        """
        for bad in (b"-999", b"x", b"", b"1\r\nl: 2"):
            framer = StreamFramer()
            framer.receive(edited(INVITE, (b"h: 151", b"h: " + bad)))
            with self.assertRaises(MalformedMessage) as caught:
                framer.nextEvent()
            self.assertIsNotNone(caught.exception.request)
            framer = StreamFramer()
            framer.receive(edited(RINGING, (b"h: 0", b"h: " + bad)))
            with self.assertRaises(MalformedMessage) as caught:
                framer.nextEvent()
            self.assertIsNone(caught.exception.request)

    def test_limits(self) -> None:
        """
        A head or a message beyond the limit ends the stream before it is kept,
        even when its end is there.
        """
        for data in (
            b"A: b\r\n" * 100,
            INVITE[:200] + b"A: b\r\n" * 100 + b"\r\n",
        ):
            framer = StreamFramer(limit=300)
            framer.receive(data)
            with self.assertRaises(MessageTooLarge):
                framer.nextEvent()
        framer = StreamFramer(limit=600)
        framer.receive(edited(INVITE, (b"h: 151", b"h: 5000")))
        with self.assertRaises(MessageTooLarge) as caught:
            framer.nextEvent()
        self.assertIsNotNone(caught.exception.request)
        self.assertEqual(caught.exception.status, 513)

    def test_nothing(self) -> None:
        """
        Without bytes there is nothing.
        """
        self.assertIsNone(StreamFramer().nextEvent())


class DatagramTests(SynchronousTestCase):
    """
    L{parseDatagram} reads what one datagram holds.
    """

    def test_messages(self) -> None:
        """
        A message, also after line ends, is read; what follows it is not.
        """
        for data in (INVITE, b"\r\n\r\n" + INVITE, INVITE + RINGING):
            message = parseDatagram(data)
            assert isinstance(message, Request)
            self.assertEqual(message.render(), INVITE)
        self.assertIsInstance(parseDatagram(RINGING), Response)

    def test_keepAlives(self) -> None:
        """
        Two line ends are a ping; other things without sense are nothing.
        """
        self.assertEqual(parseDatagram(b"\r\n\r\n"), KeepAlive(True))
        for data in (b"", b"\r\n", b"\0", b"\0\0\0\0", b"  ", b"\r\n\r\n\r\n"):
            self.assertIsNone(parseDatagram(data))

    def test_shortRequest(self) -> None:
        """
        A request that is cut off is given, to be refused by whoever checks it.
        """
        message = parseDatagram(INVITE[:-10])
        assert isinstance(message, Request)
        self.assertEqual(len(message.body), 141)

    def test_refused(self) -> None:
        """
        Anything else is refused.
        """
        for bad in (b"hello", b"\0x", b" \r\nINVITE", b"\x80" * 100, RINGING[:-5]):
            with self.assertRaises(MalformedMessage):
                parseDatagram(bad)

    @given(st.binary(max_size=100))
    def test_garbageRaisesOnlyOurError(self, junk: bytes) -> None:
        """
        Whatever comes, only our error comes out.
        """
        with contextlib.suppress(MalformedMessage):
            parseDatagram(junk)
