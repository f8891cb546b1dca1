"""
Tests for L{sipcluster.net.sip_stream}.
"""

from __future__ import annotations

import itertools
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from sipcluster.net.sip_stream import SIPStreamProtocol
from sipcluster.sip.errors import MalformedMessage
from sipcluster.sip.framing import Frame


class Connection(StringTransport):
    """
    A transport that knows how it was ended.
    """

    aborted = False

    def abortConnection(self) -> None:
        self.aborted = True


class User:
    """
    Keeps what it is told.
    """

    def __init__(self) -> None:
        self.told: list[Any] = []

    def connected(self, protocol: SIPStreamProtocol) -> None:
        self.told.append("connected")

    def frameReceived(self, protocol: SIPStreamProtocol, frame: Frame) -> None:
        self.told.append(frame.message.body)

    def malformed(self, protocol: SIPStreamProtocol, e: MalformedMessage) -> None:
        self.told.append(e.status)

    def keptAlive(self, protocol: SIPStreamProtocol, ping: bool) -> None:
        self.told.append(ping)

    def disconnected(self, protocol: SIPStreamProtocol, reason: Failure) -> None:
        self.told.append("disconnected")


def wire(body: bytes) -> bytes:
    """
    A message with this body.
    """
    return (
        b"MESSAGE sip:bob@example.com SIP/2.0\r\n"
        b"Via: SIP/2.0/TCP 192.0.2.1;branch=z9hG4bK1\r\n"
        b"From: <sip:alice@example.com>;tag=1\r\nTo: <sip:bob@example.com>\r\n"
        b"Call-ID: 1\r\nCSeq: 1 MESSAGE\r\n"
        b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
    )


class SIPStreamProtocolTests(SynchronousTestCase):
    """
    Bytes to frames; the peer's faults end here.
    """

    def connect(self, secure: bool = False) -> tuple[SIPStreamProtocol, User]:
        """
        A protocol on a connection.
        """
        user = User()
        protocol = SIPStreamProtocol(user, secure, 2000)
        protocol.makeConnection(Connection())
        return protocol, user

    def test_connected(self) -> None:
        """
        TCP stands at once, TLS when its handshake is done.
        """
        _, user = self.connect()
        self.assertEqual(user.told, ["connected"])
        protocol, user = self.connect(secure=True)
        self.assertEqual(user.told, [])
        protocol.handshakeCompleted()
        self.assertEqual(user.told, ["connected"])

    @given(
        bodies=st.lists(st.binary(max_size=40), max_size=5),
        cuts=st.lists(st.integers(min_value=0, max_value=1500), max_size=8),
    )
    def test_anyFragmentation(self, bodies: list[bytes], cuts: list[int]) -> None:
        """
        However the bytes are cut, the same messages come, in order.
        """
        stream = b"".join(wire(body) for body in bodies)
        edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
        protocol, user = self.connect()
        for start, end in itertools.pairwise(edges):
            protocol.dataReceived(stream[start:end])
        self.assertEqual(user.told, ["connected", *bodies])

    @given(st.lists(st.binary(max_size=300), max_size=20))
    def test_garbage(self, pieces: list[bytes]) -> None:
        """
        Whatever a peer sends, no exception leaves the protocol.
        """
        protocol, user = self.connect()
        for piece in pieces:
            protocol.dataReceived(piece)
        protocol.connectionLost()
        self.assertEqual(user.told[-1], "disconnected")

    def test_tooLarge(self) -> None:
        """
        A message beyond the limit closes the connection; what follows is not
        read.
        """
        protocol, user = self.connect()
        transport: Any = protocol.transport
        protocol.dataReceived(wire(b"x" * 3000))
        self.assertTrue(transport.disconnecting)
        protocol.dataReceived(wire(b""))
        self.assertEqual(user.told, ["connected", 513])

    def test_closedWhileReading(self) -> None:
        """
        When what came makes the user close, the rest of it is not read.
        """
        protocol, user = self.connect()
        transport: Any = protocol.transport

        def close(protocol: SIPStreamProtocol, frame: Frame) -> None:
            user.told.append("closing")
            protocol.abort()

        self.patch(user, "frameReceived", close)
        protocol.dataReceived(wire(b"") * 3)
        self.assertEqual(user.told, ["connected", "closing"])
        self.assertTrue(transport.aborted)

    def test_bugs(self) -> None:
        """
        What the user raises is logged, and the next message is read.
        """
        protocol, user = self.connect()

        def broken(protocol: SIPStreamProtocol, frame: Frame) -> None:
            user.told.append("called")
            raise ZeroDivisionError("a bug")

        self.patch(user, "frameReceived", broken)
        protocol.dataReceived(wire(b"") * 2)
        self.assertEqual(user.told, ["connected", "called", "called"])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 2)

    def test_backpressureBeforeThereIsAFlow(self) -> None:
        """
        A transport may say that it is full before there is a flow.
        """
        protocol, _ = self.connect()
        protocol.pauseProducing()
        protocol.resumeProducing()
        protocol.stopProducing()
