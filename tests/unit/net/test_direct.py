"""
Tests for L{sipcluster.net.direct}.
"""

from __future__ import annotations

import socket
from typing import Any

from twisted.internet.interfaces import IPullProducer
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from sipcluster.net.direct import DirectWriter, takesAtOnce


class Socket:
    """
    Takes as many bytes as there is room for.
    """

    def __init__(self) -> None:
        self.taken = b""
        self.room = 100
        self.broken = False

    def send(self, data: bytes) -> int:
        """
        As the system does it.
        """
        if self.broken:
            raise BrokenPipeError
        if not self.room:
            raise BlockingIOError
        size = min(self.room, len(data))
        self.room -= size
        self.taken += data[:size]
        return size


class Transport:
    """
    A transport of Twisted, as far as it matters here.
    """

    def __init__(self) -> None:
        self.socket = Socket()
        self.buffer = b""
        self.producer: Any = None

    def getHandle(self) -> Socket:
        """
        The socket.
        """
        return self.socket

    def write(self, data: bytes) -> None:
        """
        Keep it.
        """
        self.buffer += data

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """
        A pull producer is asked at once.
        """
        assert self.producer is None and not streaming
        self.producer = producer
        producer.resumeProducing()

    def unregisterProducer(self) -> None:
        """
        Ask nobody any more.
        """
        self.producer = None

    def turn(self) -> None:
        """
        What the reactor has it do.
        """
        sent = self.socket.send(self.buffer)
        self.buffer = self.buffer[sent:]
        if not self.buffer and self.producer is not None:
            self.producer.resumeProducing()


class DirectTests(SynchronousTestCase):
    """
    Everything arrives in order, at once where that is possible.
    """

    def setUp(self) -> None:
        """
        A writer.
        """
        self.transport = Transport()
        self.socket = self.transport.socket
        self.told: list[str] = []
        self.writer = DirectWriter(
            self.transport,
            lambda: self.told.append("paused"),
            lambda: self.told.append("resumed"),
        )

    def test_whereItCan(self) -> None:
        """
        It is for sockets that never wait: one that does would hold up everybody, and
        what is no socket, as with TLS, has nothing that could be written past.
        """
        ours, theirs = socket.socketpair()
        self.addCleanup(ours.close)
        self.addCleanup(theirs.close)
        self.transport.getHandle = lambda: ours  # type: ignore[method-assign,assignment,return-value]
        self.assertFalse(takesAtOnce(self.transport))
        ours.setblocking(False)
        self.assertTrue(takesAtOnce(self.transport))
        self.transport.getHandle = object  # type: ignore[method-assign,assignment]
        self.assertFalse(takesAtOnce(self.transport))

    def test_isAProducer(self) -> None:
        """
        It is what transports ask for more.
        """
        verifyObject(IPullProducer, self.writer)

    def test_atOnce(self) -> None:
        """
        While there is room, the reactor is not needed.
        """
        self.writer.write(b"one")
        self.writer.write(b"two")
        self.assertEqual((self.socket.taken, self.transport.buffer), (b"onetwo", b""))
        self.assertEqual(self.told, [])

    def test_full(self) -> None:
        """
        What does not fit goes through the transport, and all that is written after
        it; when the transport has sent it, all is as before.
        """
        self.socket.room = 4
        self.writer.write(b"onetwo")
        self.assertEqual(self.told, ["paused"])
        self.writer.write(b"three")
        self.assertEqual(
            (self.socket.taken, self.transport.buffer), (b"onet", b"wothree")
        )
        self.socket.room = 3
        self.transport.turn()
        self.writer.write(b"four")
        self.assertEqual(self.told, ["paused"])
        self.socket.room = 100
        self.transport.turn()
        self.assertEqual(self.told, ["paused", "resumed"])
        self.writer.write(b"five")
        self.assertEqual(self.socket.taken, b"onetwothreefourfive")
        self.assertIsNone(self.transport.producer)

    def test_fullToTheByte(self) -> None:
        """
        A socket that is exactly full is noticed with the next piece.
        """
        self.socket.room = 3
        self.writer.write(b"one")
        self.assertEqual(self.told, [])
        self.writer.write(b"two")
        self.assertEqual((self.told, self.transport.buffer), (["paused"], b"two"))

    def test_moreWhenResumed(self) -> None:
        """
        Who is told that there is room again may write at once, and fill it again.
        """

        def more() -> None:
            self.told.append("resumed")
            if len(self.told) < 4:
                self.writer.write(b"x" * 10)

        self.writer = DirectWriter(
            self.transport, lambda: self.told.append("paused"), more
        )
        self.socket.room = 0
        self.writer.write(b"abc")
        self.socket.room = 8
        self.transport.turn()
        self.assertEqual(self.told, ["paused", "resumed", "paused"])
        self.socket.room = 100
        self.transport.turn()
        self.assertEqual(self.told, ["paused", "resumed", "paused", "resumed"])
        self.assertEqual(self.socket.taken, b"abc" + b"x" * 10)

    def test_broken(self) -> None:
        """
        A broken connection is left to the transport, which tells it.
        """
        self.socket.broken = True
        self.writer.write(b"one")
        self.assertEqual(self.transport.buffer, b"one")
        self.writer.stopProducing()
        self.writer.write(b"two")
        self.assertEqual(self.transport.buffer, b"onetwo")

    def test_stopped(self) -> None:
        """
        After the end nothing is written past the transport, and it waits for nobody.
        """
        self.socket.room = 1
        self.writer.write(b"one")
        self.writer.stop()
        self.assertIsNone(self.transport.producer)
        self.writer.write(b"two")
        self.assertEqual((self.socket.taken, self.transport.buffer), (b"o", b"netwo"))
