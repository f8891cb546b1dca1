"""
One UDP port that carries SIP: reads in bursts, hears ICMP errors, never dies of one.

Twisted's own UDP port reads well but drops what the kernel knows about datagrams
that nobody took.  With C{IP_RECVERR} set, an ICMP error names the destination it
is about, so that a dead node is left at once and not after a timer.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import struct
from collections import deque
from collections.abc import Callable
from typing import Any

from twisted.internet.error import CannotListenError, ConnectionLost
from twisted.internet.interfaces import IReadWriteDescriptor
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from sipcluster.net.addresses import SocketAddress

#: Linux numbers that the socket module has no names for.
IP_RECVERR = getattr(socket, "IP_RECVERR", 11)
IPV6_RECVERR = getattr(socket, "IPV6_RECVERR", 25)
IP_MTU_DISCOVER = getattr(socket, "IP_MTU_DISCOVER", 10)
IPV6_MTU_DISCOVER = getattr(socket, "IPV6_MTU_DISCOVER", 23)
PMTUDISC_DONT = 0
SO_SNDBUFFORCE = 32
SO_RCVBUFFORCE = 33
MSG_ERRQUEUE = getattr(socket, "MSG_ERRQUEUE", 0x2000)

#: struct sock_extended_err: errno, origin, type, code, pad, info, data.
_EXTENDED_ERROR = struct.Struct("=IBBBBII")
_ORIGIN_ICMP = 2
_ORIGIN_ICMP6 = 3
#: "Time exceeded" is told as EHOSTUNREACH too, and is no failure: RFC 3261
#: section 18.4 wants it ignored.
_TIME_EXCEEDED = {(_ORIGIN_ICMP, 11), (_ORIGIN_ICMP6, 3)}

#: What RFC 3261 section 18.4 calls an unreachable: host, network, port, protocol.
_UNREACHABLE = {
    errno.ECONNREFUSED,
    errno.EHOSTUNREACH,
    errno.ENETUNREACH,
    errno.ENOPROTOOPT,
    errno.EHOSTDOWN,
    errno.EACCES,
}

#: Local losses that a retransmission cures: full buffers, a packet filter.
_LOST = {errno.ENOBUFS, errno.ENOMEM, errno.EPERM, errno.EINTR}


@implementer(IReadWriteDescriptor)
class UDPPort:
    """
    A bound UDP socket in the reactor.

    @ivar received: called with C{(data, address)} for each datagram; what it
        raises is logged and ends nothing.
    @ivar failed: called with C{(address, why)} when a datagram to C{address} is
        known not to have arrived; never from within L{write}.
    @ivar host: the address bound, as the kernel tells it.
    @ivar port: the port bound.
    @ivar counts: datagrams C{in}, C{out}, C{lost} on the way out, ICMP C{errors}.
    """

    log = Logger()

    #: Datagrams read before other descriptors get their turn.
    burst = 64

    #: Of these, datagrams read before the first is worked on.
    batch = 16

    #: Bytes wanted for each of the kernel's two buffers.
    kernelBuffer = 4 * 1024 * 1024

    def __init__(
        self,
        reactor: Any,
        received: Callable[[bytes, SocketAddress], None],
        failed: Callable[[SocketAddress, str], None],
        queueLimit: int = 2000,
    ) -> None:
        """
        @param reactor: has C{addReader}, C{addWriter} and C{callLater}.
        @param queueLimit: datagrams kept while the kernel takes none.
        """
        self.received = received
        self.failed = failed
        self._reactor = reactor
        self._socket: socket.socket | None = None
        self._waiting: deque[tuple[bytes, SocketAddress]] = deque()
        self._queueLimit = queueLimit
        # While a batch is worked on, what is sent is held back to its end.
        self._holding = False
        # The kernel has no room: the reactor tells when.
        self._writing = False
        self.family = socket.AF_INET
        self.host = ""
        self.port = 0
        self.datagramsIn = 0
        self.datagramsOut = 0
        self.lost = 0
        self.errors = 0

    @property
    def counts(self) -> dict[str, int]:
        return {
            "in": self.datagramsIn,
            "out": self.datagramsOut,
            "lost": self.lost,
            "errors": self.errors,
        }

    def listen(self, host: str, port: int) -> None:
        """
        Bind and begin to read.

        The port is never shared: with C{SO_REUSEADDR} a second process could
        take it without an error and get the packets.

        @param host: an IP address; C{"0.0.0.0"} or C{"::"} for all.

        @raise CannotListenError: the address is in use or not ours.
        """
        self.family = socket.AF_INET6 if ":" in host else socket.AF_INET
        s = socket.socket(self.family, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        try:
            s.setblocking(False)
            self._setOptions(s)
            s.bind((host, port))
        except OSError as e:
            s.close()
            raise CannotListenError(host, port, e) from e
        self._socket = s
        self.host, self.port = s.getsockname()[:2]
        self._reactor.addReader(self)

    def _setOptions(self, s: socket.socket) -> None:
        if self.family == socket.AF_INET6:
            s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            s.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVERR, 1)
            s.setsockopt(socket.IPPROTO_IPV6, IPV6_MTU_DISCOVER, PMTUDISC_DONT)
        else:
            s.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
            # Fragments rather than a silent loss: RFC 3261 section 18.1.1
            # leaves large responses on UDP.
            s.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, PMTUDISC_DONT)
        for wanted, forced in (
            (socket.SO_RCVBUF, SO_RCVBUFFORCE),
            (socket.SO_SNDBUF, SO_SNDBUFFORCE),
        ):
            s.setsockopt(socket.SOL_SOCKET, wanted, self.kernelBuffer)
            # Beyond the system's limit, where we may.
            with contextlib.suppress(OSError):
                s.setsockopt(socket.SOL_SOCKET, forced, self.kernelBuffer)

    def close(self) -> None:
        """
        Stop reading and free the port; what waits to be sent is lost.
        """
        if self._socket is None:
            return
        self._reactor.removeReader(self)
        self._reactor.removeWriter(self)
        self._waiting.clear()
        self._holding = self._writing = False
        s, self._socket = self._socket, None
        s.close()

    # The reactor's side.

    def fileno(self) -> int:
        return -1 if self._socket is None else self._socket.fileno()

    def logPrefix(self) -> str:
        return "SIP-UDP"

    def doRead(self) -> None:
        """
        Read what has arrived, within L{burst}.

        Reading, working and sending alternate by the batch and not by the
        datagram: at full load that spares a quarter of the time, since whoever
        gets what we send is woken once and not each time.
        """
        for turn in range(self.burst // self.batch):
            arrived = self._readBatch()
            if not arrived and not turn:
                # Called for nothing: some reactors tell an error so.
                self._readErrors()
                return
            self.datagramsIn += len(arrived)
            self._holding = True
            for data, address in arrived:
                if self._socket is None:
                    return  # what was received closed us
                try:
                    self.received(data, address)
                except Exception:
                    self.log.failure("datagram from {flow}", flow=address)
            self._holding = False
            if self._waiting and not self._writing:
                self._flush()
            if len(arrived) < self.batch:
                return

    def _readBatch(self) -> list[tuple[bytes, SocketAddress]]:
        arrived: list[tuple[bytes, SocketAddress]] = []
        s = self._socket
        while s is not None and len(arrived) < self.batch:
            try:
                arrived.append(s.recvfrom(65536))
            except BlockingIOError:
                break
            except OSError:
                # An error left by an earlier datagram: it says nothing about
                # what is there to be read.
                self._readErrors()
                s = self._socket
        return arrived

    def doWrite(self) -> None:
        """
        Send what waited for room.
        """
        self._flush()

    def _flush(self) -> None:
        """
        Send what waits, in order, until it is gone or there is no room.
        """
        waiting = self._waiting
        while waiting:
            data, address = waiting[0]
            if not self._send(data, address):
                if not self._writing:
                    self._writing = True
                    self._reactor.addWriter(self)
                return
            waiting.popleft()
        if self._writing:
            self._writing = False
            self._reactor.removeWriter(self)

    def connectionLost(self, reason: Failure) -> None:
        """
        The reactor took us out: for an ICMP error, which the epoll reactor
        cannot tell from a hang-up, or because it is ending.
        """
        if self._socket is None:
            return
        if reason.check(ConnectionLost):
            self.close()
            return
        self._holding = False
        self._readErrors()
        if self.fileno() < 0:
            return  # who was told closed us
        self._reactor.addReader(self)
        if self._writing:
            self._reactor.addWriter(self)

    # Sending.

    def write(self, data: bytes, address: SocketAddress) -> None:
        """
        Send one datagram, or queue it while the kernel has no room.  Never
        raises.
        """
        if self._holding or self._writing:
            self._queue(data, address)
        elif not self._send(data, address):
            self._queue(data, address)
            self._writing = True
            self._reactor.addWriter(self)

    def _queue(self, data: bytes, address: SocketAddress) -> None:
        if len(self._waiting) < self._queueLimit:
            self._waiting.append((data, address))
        else:
            self.lost += 1

    def _send(self, data: bytes, address: SocketAddress) -> bool:
        """
        @return: False when the kernel has no room now.
        """
        s = self._socket
        if s is None:
            self.lost += 1
            return True
        why = ""
        # A pending ICMP error of another datagram is returned by sendto, and
        # then nothing has been sent.
        for _ in range(4):
            try:
                s.sendto(data, address)
                self.datagramsOut += 1
                return True
            except BlockingIOError:
                return False
            except OSError as e:
                if e.errno in _LOST:
                    self.lost += 1
                    return True
                why = os.strerror(e.errno) if e.errno else str(e)
            except Exception as e:
                # An address that is none: a peer's words ended up here.
                why = str(e)
                break
        self.lost += 1
        self._reactor.callLater(0, self.failed, address, why)
        return True

    def _readErrors(self) -> None:
        """
        Read the socket's error queue, within L{burst}.
        """
        s = self._socket
        for _ in range(self.burst):
            if s is None or s is not self._socket:
                return
            # Clear the pending error first, or recvmsg returns it.
            s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            try:
                _, ancillary, _, address = s.recvmsg(512, 512, MSG_ERRQUEUE)
            except OSError:
                return
            self.errors += 1
            number = _unreachable(ancillary)
            if number and address:
                try:
                    self.failed(address, os.strerror(number))
                except Exception:
                    self.log.failure("ICMP error about {flow}", flow=address)


def _unreachable(ancillary: list[tuple[int, int, bytes]]) -> int:
    """
    Find out whether an error queue entry means that nobody is there.

    @return: an errno, or 0 for errors that are none of SIP's business.
    """
    for level, kind, data in ancillary:
        if (level, kind) not in (
            (socket.IPPROTO_IP, IP_RECVERR),
            (socket.IPPROTO_IPV6, IPV6_RECVERR),
        ) or len(data) < _EXTENDED_ERROR.size:
            continue
        number, origin, icmpType, *_ = _EXTENDED_ERROR.unpack_from(data)
        if origin not in (_ORIGIN_ICMP, _ORIGIN_ICMP6):
            continue
        if number in _UNREACHABLE and (origin, icmpType) not in _TIME_EXCEEDED:
            return int(number)
    return 0
