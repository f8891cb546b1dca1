"""
Tests for L{sipcluster.net.sip_udp}, with a socket that says what a test wants.
"""

from __future__ import annotations

import errno
import socket
import struct
from collections import deque
from typing import Any

from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IReadWriteDescriptor
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from sipcluster.net.sip_udp import IP_RECVERR, IPV6_RECVERR, UDPPort

BOB = ("192.0.2.2", 5060)
CAROL = ("192.0.2.3", 5060)


class FakeSocket:
    """
    A UDP socket.

    @ivar arriving: what C{recvfrom} gives or raises; then it would block.
    @ivar refusing: what C{sendto} raises; then it sends.
    @ivar sent: what was sent.
    @ivar errors: entries of the error queue.
    """

    def __init__(self) -> None:
        self.arriving: deque[Any] = deque()
        self.refusing: deque[int] = deque()
        self.sent: list[tuple[bytes, Any]] = []
        self.errors: deque[Any] = deque()
        self.closed = False

    def fileno(self) -> int:
        return -1 if self.closed else 7

    def recvfrom(self, size: int) -> Any:
        if not self.arriving:
            raise BlockingIOError(errno.EAGAIN, "again")
        entry = self.arriving.popleft()
        if isinstance(entry, OSError):
            raise entry
        return entry

    def sendto(self, data: bytes, address: Any) -> int:
        if self.refusing:
            raise OSError(self.refusing.popleft(), "no")
        self.sent.append((data, address))
        return len(data)

    def getsockopt(self, level: int, option: int) -> int:
        return 0

    def recvmsg(self, size: int, ancillary: int, flags: int) -> Any:
        if not self.errors:
            raise BlockingIOError(errno.EAGAIN, "again")
        return self.errors.popleft()

    def close(self) -> None:
        self.closed = True


class FakeReactor(Clock):
    """
    Remembers who reads and writes.
    """

    def __init__(self) -> None:
        super().__init__()
        self.readers: list[Any] = []
        self.writers: list[Any] = []

    def addReader(self, reader: Any) -> None:
        self.readers.append(reader)

    def removeReader(self, reader: Any) -> None:
        self.readers = []

    def addWriter(self, writer: Any) -> None:
        self.writers = [writer]

    def removeWriter(self, writer: Any) -> None:
        self.writers = []


def icmp(
    address: Any,
    number: int = errno.ECONNREFUSED,
    origin: int = 2,
    kind: int = 3,
    level: tuple[int, int] = (socket.IPPROTO_IP, IP_RECVERR),
) -> Any:
    """
    An entry of the error queue.
    """
    data = struct.pack("=IBBBBII", number, origin, kind, 3, 0, 0, 0)
    return b"", [(*level, data + bytes(16))], 0, address


class UDPPortTests(SynchronousTestCase):
    """
    What a port does when the kernel does not do as it is told.
    """

    def setUp(self) -> None:
        self.reactor = FakeReactor()
        self.received: list[tuple[bytes, Any]] = []
        self.failed: list[tuple[Any, str]] = []
        self.port = UDPPort(
            self.reactor,
            lambda data, address: self.received.append((data, address)),
            lambda address, why: self.failed.append((address, why)),
            queueLimit=3,
        )
        self.socket = FakeSocket()
        self.port._socket = self.socket  # type: ignore[assignment]

    def test_seam(self) -> None:
        """
        A port is what a reactor watches.
        """
        verifyObject(IReadWriteDescriptor, self.port)
        self.assertEqual(self.port.logPrefix(), "SIP-UDP")

    def test_burstIsBounded(self) -> None:
        """
        One turn reads a burst and leaves the rest to the next, so that other
        descriptors are served in between.
        """
        for n in range(UDPPort.burst + 5):
            self.socket.arriving.append((b"%d" % n, BOB))
        self.port.doRead()
        self.assertEqual(len(self.received), UDPPort.burst)
        self.port.doRead()
        self.assertEqual(len(self.received), UDPPort.burst + 5)
        self.assertEqual(self.port.counts["in"], UDPPort.burst + 5)

    def test_errorBetweenDatagrams(self) -> None:
        """
        A pending error does not hide the datagrams behind it.
        """
        self.socket.arriving += [
            (b"1", BOB),
            OSError(errno.ECONNREFUSED, "refused"),
            (b"2", BOB),
        ]
        self.socket.errors.append(icmp(CAROL))
        self.port.doRead()
        self.assertEqual(self.received, [(b"1", BOB), (b"2", BOB)])
        self.assertEqual(self.failed, [(CAROL, "Connection refused")])

    def test_onlyAnError(self) -> None:
        """
        The epoll reactor takes an error for the end; the port reads the error
        and goes on, with what waits to be sent.
        """
        self.socket.refusing.append(errno.EAGAIN)
        self.port.write(b"1", BOB)
        self.reactor.readers, self.reactor.writers = [], []
        self.socket.errors.append(icmp(CAROL))
        self.port.connectionLost(Failure(ConnectionDone()))
        self.assertEqual(self.failed, [(CAROL, "Connection refused")])
        self.assertEqual(self.reactor.readers, [self.port])
        self.assertEqual(self.reactor.writers, [self.port])

    def test_errorToldByReading(self) -> None:
        """
        Other reactors call C{doRead} for it, with nothing to read.
        """
        self.socket.errors.append(icmp(CAROL))
        self.port.doRead()
        self.assertEqual(self.failed, [(CAROL, "Connection refused")])

    def test_reactorEnds(self) -> None:
        """
        When the reactor ends, so does the port; a second time it is nothing.
        """
        self.port.connectionLost(Failure(ConnectionLost()))
        self.assertTrue(self.socket.closed)
        self.assertEqual(self.port.fileno(), -1)
        self.port.connectionLost(Failure(ConnectionLost()))
        self.port.close()
        self.port.doRead()
        self.port.doWrite()
        self.port.write(b"late", BOB)
        self.assertEqual(self.port.counts["lost"], 1)

    def test_closedByWhatIsTold(self) -> None:
        """
        Whoever is told something may close the port.
        """
        self.port.failed = lambda address, why: self.port.close()
        self.socket.errors += [icmp(CAROL), icmp(CAROL)]
        self.port.connectionLost(Failure(ConnectionDone()))
        self.assertEqual(self.reactor.readers, [])
        self.assertEqual(len(self.socket.errors), 1)

    def test_closedByWhatIsReceived(self) -> None:
        """
        Nothing is given any more once a receiver has closed the port.
        """

        def received(data: bytes, address: Any) -> None:
            self.received.append((data, address))
            self.port.close()

        self.port.received = received
        self.socket.arriving += [(b"1", BOB), (b"2", BOB)]
        self.port.doRead()
        self.assertEqual(self.received, [(b"1", BOB)])

    def test_sendsByTheBatch(self) -> None:
        """
        What is sent while datagrams are worked on goes out after the batch, in
        order; and not in the middle of it.
        """

        def received(data: bytes, address: Any) -> None:
            self.port.write(data, address)
            self.received.append((data, len(self.socket.sent)))

        self.port.received = received
        self.port._queueLimit = 100
        arriving = [(b"%d" % n, BOB) for n in range(UDPPort.batch + 2)]
        self.socket.arriving += arriving
        self.port.doRead()
        self.assertEqual(self.socket.sent, arriving)
        self.assertEqual(
            [before for _, before in self.received],
            [0] * UDPPort.batch + [UDPPort.batch] * 2,
        )
        self.assertEqual(self.reactor.writers, [])

    def test_noRoomAfterABatch(self) -> None:
        """
        When the kernel has no room for what a batch sends, the reactor is
        asked, once.
        """
        self.port.received = self.port.write
        self.socket.arriving += [(b"1", BOB), (b"2", BOB)]
        self.socket.refusing += [errno.EAGAIN]
        self.port.doRead()
        self.assertEqual(self.reactor.writers, [self.port])
        self.socket.arriving += [(b"3", BOB)]
        self.port.doRead()
        self.assertEqual(self.socket.sent, [])
        self.port.doWrite()
        self.assertEqual([data for data, _ in self.socket.sent], [b"1", b"2", b"3"])
        self.assertEqual(self.reactor.writers, [])

    def test_bugs(self) -> None:
        """
        What is raised above is logged, and the next datagram and the next error
        are read.
        """

        def broken(*_: Any) -> None:
            raise ZeroDivisionError("a bug")

        self.port.received = self.port.failed = broken
        self.socket.arriving += [(b"1", BOB), (b"2", BOB)]
        self.port.doRead()
        self.socket.errors += [icmp(CAROL), icmp(CAROL)]
        self.port.doRead()
        self.assertEqual(self.port.counts["errors"], 2)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 4)

    def test_pendingErrorOnSend(self) -> None:
        """
        C{sendto} may tell an error of another datagram, and has then sent
        nothing: it is asked again.
        """
        self.socket.refusing += [errno.ECONNREFUSED, errno.ECONNREFUSED]
        self.port.write(b"1", BOB)
        self.assertEqual(self.socket.sent, [(b"1", BOB)])
        self.assertEqual(self.failed, [])

    def test_noWay(self) -> None:
        """
        A destination without a way fails, later.
        """
        self.socket.refusing += [errno.ENETUNREACH] * 4
        self.port.write(b"1", BOB)
        self.assertEqual(self.failed, [])
        self.reactor.advance(0)
        self.assertEqual(self.failed, [(BOB, "Network is unreachable")])

    def test_noAddress(self) -> None:
        """
        What is no address at all fails as well, and is tried once.
        """

        def sendto(data: bytes, address: Any) -> int:
            raise OverflowError("port must be 0-65535.")

        self.socket.sendto = sendto  # type: ignore[method-assign]
        self.port.write(b"1", ("192.0.2.2", 99999))
        self.reactor.advance(0)
        self.assertEqual(self.failed, [(("192.0.2.2", 99999), "port must be 0-65535.")])

    def test_losses(self) -> None:
        """
        A full buffer of the host or its packet filter loses a datagram, as the
        network may: that is no failure of the flow.
        """
        self.socket.refusing += [errno.ENOBUFS, errno.EPERM]
        self.port.write(b"1", BOB)
        self.port.write(b"2", BOB)
        self.reactor.advance(0)
        self.assertEqual(self.failed, [])
        self.assertEqual(self.port.counts["lost"], 2)

    def test_noRoom(self) -> None:
        """
        Without room, datagrams wait in order within a bound, and are sent when
        there is room again.
        """
        self.socket.refusing += [errno.EAGAIN]
        for n in range(5):
            self.port.write(b"%d" % n, BOB)
        self.assertEqual(self.socket.sent, [])
        self.assertEqual(self.reactor.writers, [self.port])
        self.assertEqual(self.port.counts["lost"], 2)
        self.socket.refusing += [errno.EAGAIN]
        self.port.doWrite()
        self.assertEqual(self.reactor.writers, [self.port])
        self.port.doWrite()
        self.assertEqual([data for data, _ in self.socket.sent], [b"0", b"1", b"2"])
        self.assertEqual(self.reactor.writers, [])
        self.port.write(b"3", BOB)
        self.assertEqual(len(self.socket.sent), 4)

    def test_whatIsUnreachable(self) -> None:
        """
        Only errors that mean that nobody is there fail a flow (RFC 3261
        section 18.4): not an expired time to live, nor the path MTU, nor
        errors of our own host.
        """
        six = (socket.IPPROTO_IPV6, IPV6_RECVERR)
        self.socket.errors += [
            icmp(BOB, errno.EHOSTUNREACH, kind=11),
            icmp(BOB, errno.EMSGSIZE),
            icmp(BOB, errno.ECONNREFUSED, origin=1),
            icmp(BOB, errno.EHOSTUNREACH, 3, 3, six),
            (b"", [(0, 0, b"")], 0, BOB),
            (b"", [(socket.IPPROTO_IP, IP_RECVERR, b"short")], 0, BOB),
            (b"", [], 0, None),
            icmp(CAROL, errno.EHOSTUNREACH),
            icmp(("2001:db8::1", 5060, 0, 0), errno.ECONNREFUSED, 3, 1, six),
        ]
        self.port.doRead()
        self.assertEqual(
            self.failed,
            [
                (CAROL, "No route to host"),
                (("2001:db8::1", 5060, 0, 0), "Connection refused"),
            ],
        )
