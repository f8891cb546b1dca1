"""
The network interfaces of this host, as Linux tells them (rtnetlink).
"""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from typing import Any

from attrs import define, frozen
from twisted.internet.abstract import FileDescriptor
from twisted.logger import Logger
from zope.interface import implementer

from sipcluster.monitors.imonitors import NIC, IFollowing, INICs

log = Logger()

# linux/netlink.h, linux/rtnetlink.h, linux/if.h, linux/if_addr.h
_HEADER = struct.Struct("=IHHII")
_ATTRIBUTE = struct.Struct("=HH")
_LINK = struct.Struct("=BxHiII")
_ADDRESS = struct.Struct("=BBBBI")
_ERROR, _DONE = 2, 3
_NEWLINK, _GETLINK, _NEWADDR, _GETADDR = 16, 18, 20, 22
_REQUEST, _DUMP = 0x1, 0x300
_IFLA_IFNAME, _IFA_ADDRESS, _IFA_LOCAL = 3, 1, 2
_UP, _LOOPBACK, _RUNNING = 0x1, 0x8, 0x40
_DUPLICATE = 0x8
_GROUPS = 0x1 | 0x10 | 0x100  # links, IPv4 addresses, IPv6 addresses

#: Bytes of one reading: the kernel fills no more for a dump.
_READ = 65536


def _messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    """
    The messages of one reading: type and body.
    """
    at = 0
    while at + _HEADER.size <= len(data):
        length, kind, _, _, _ = _HEADER.unpack_from(data, at)
        if length < _HEADER.size:
            return
        yield kind, data[at + _HEADER.size : at + length]
        at += (length + 3) & ~3


def _attributes(data: bytes) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    at = 0
    while at + _ATTRIBUTE.size <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, at)
        if length < _ATTRIBUTE.size:
            break
        found[kind] = data[at + _ATTRIBUTE.size : at + length]
        at += (length + 3) & ~3
    return found


def _dump(kind: int, body: bytes) -> Iterator[tuple[int, bytes]]:
    """
    All that the kernel has of one kind.  It answers from its memory, at once.

    @raise OSError: it does not.
    """
    with socket.socket(
        socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0
    ) as rtnetlink:
        length = _HEADER.size + len(body)
        header = _HEADER.pack(length, kind, _REQUEST | _DUMP, 1, 0)
        rtnetlink.sendto(header + body, (0, 0))
        while True:
            for found, data in _messages(rtnetlink.recv(_READ)):
                if found == _DONE:
                    return
                if found == _ERROR:
                    code = -struct.unpack_from("=i", data)[0]
                    raise OSError(code, "the kernel refused to tell")
                yield found, data


@frozen
class _Held:
    """
    One address of one interface.
    """

    index: int
    packed: bytes
    prefix: int


def _held() -> Iterator[_Held]:
    for kind, data in _dump(_GETADDR, _ADDRESS.pack(socket.AF_UNSPEC, 0, 0, 0, 0)):
        if kind == _NEWADDR:
            _, prefix, flags, _, index = _ADDRESS.unpack_from(data)
            attributes = _attributes(data[_ADDRESS.size :])
            packed = attributes.get(_IFA_LOCAL) or attributes.get(_IFA_ADDRESS)
            if packed and not flags & _DUPLICATE:
                yield _Held(index, packed, prefix)


def _links() -> dict[int, tuple[str, int]]:
    """
    Names and flags of the interfaces, by their indices.
    """
    found = {}
    for kind, data in _dump(_GETLINK, _LINK.pack(socket.AF_UNSPEC, 0, 0, 0, 0)):
        if kind == _NEWLINK:
            _, _, index, flags, _ = _LINK.unpack_from(data)
            name = _attributes(data[_LINK.size :]).get(_IFLA_IFNAME, b"?")
            found[index] = (name.rstrip(b"\0").decode("ascii", "replace"), flags)
    return found


def _within(packed: bytes, held: _Held) -> bool:
    """
    Whether an address is in the network of another.
    """
    shift = 8 * len(held.packed) - held.prefix
    one, other = int.from_bytes(packed, "big"), int.from_bytes(held.packed, "big")
    return len(packed) == len(held.packed) and one >> shift == other >> shift


def _why(flags: int) -> str:
    if not flags & _UP:
        return "is down"
    return "" if flags & _RUNNING else "has no carrier"


@implementer(IFollowing)
@define(eq=False)
class _Following:
    nics: NICs
    changed: Callable[[], None]

    def stop(self) -> None:
        """
        See L{IFollowing}.
        """
        self.nics._unfollow(self)


class _Notices(FileDescriptor):
    """
    Reads what the kernel tells of changes.
    """

    def __init__(self, reactor: Any, changed: Callable[[], None]) -> None:
        super().__init__(reactor)
        self._changed = changed
        self._socket = socket.socket(
            socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0
        )
        try:
            self._socket.bind((0, _GROUPS))
        except OSError:
            self._socket.close()
            raise
        self.connected = 1
        self.startReading()

    def fileno(self) -> int:
        """
        See C{IFileDescriptor}.
        """
        return self._socket.fileno()

    def doRead(self) -> None:
        """
        Something has changed: what it is, is looked up by whoever wants to know.
        """
        while True:
            try:
                self._socket.recv(_READ)
            except BlockingIOError:
                break
            except OSError as e:
                if e.errno != errno.ENOBUFS:  # else more has changed than it keeps
                    log.error("network interfaces are not followed: {why}", why=e)
                    self.stopReading()
                    break
        self._changed()

    def close(self) -> None:
        """
        Read no more.
        """
        self.stopReading()
        self._socket.close()


@implementer(INICs)
class NICs:
    """
    The network interfaces of this host.
    """

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._followers: list[_Following] = []
        self._notices: _Notices | None = None

    def find(self, address: str) -> NIC | None:
        """
        See L{INICs}.  All of 127.0.0.0/8 is on the loopback interface.
        """
        packed = ip_address(address).packed
        links = _links()
        best: NIC | None = None
        for held in _held():
            name, flags = links.get(held.index, ("?", 0))
            if held.packed == packed or (flags & _LOOPBACK and _within(packed, held)):
                nic = NIC(name, _why(flags))
                if not nic.why:
                    return nic
                best = nic
        return best

    def follow(self, changed: Callable[[], None]) -> IFollowing:
        """
        See L{INICs}.

        @raise OSError: the system tells nothing.
        """
        if self._notices is None:
            self._notices = _Notices(self._reactor, self._tell)
        following = _Following(self, changed)
        self._followers.append(following)
        return following

    def _tell(self) -> None:
        for follower in list(self._followers):
            with log.failuresHandled("telling of network interfaces"):
                follower.changed()

    def _unfollow(self, following: _Following) -> None:
        if following in self._followers:
            self._followers.remove(following)
        if not self._followers and self._notices is not None:
            self._notices.close()
            self._notices = None
