"""
UDP flows: a port of ours and one remote address (RFC 5626 section 1).
"""

from __future__ import annotations

from binascii import hexlify, unhexlify
from collections.abc import Callable
from ipaddress import ip_address
from typing import Any, Protocol
from weakref import WeakValueDictionary

from zope.interface import implementer

from sipcluster.net.addresses import SocketAddress, hostPort, socketAddress
from sipcluster.sip.isip import IFlow


class DatagramPort(Protocol):
    """
    What a UDP flow needs of its port.
    """

    host: str
    port: int

    def write(self, data: bytes, address: SocketAddress) -> None: ...

    def close(self) -> None: ...


@implementer(IFlow)
class UDPFlow:
    """
    A local UDP port and one remote address.
    """

    transportName = "UDP"
    reliable = False

    __slots__ = ("__weakref__", "_address", "_flows", "_write", "remote", "sentBy")

    def __init__(self, flows: UDPFlows, address: SocketAddress) -> None:
        self._flows = flows
        self._address = address
        self._write = flows.port.write
        self.remote: tuple[str, int] = address[:2]
        self.sentBy = flows.sentBy or flows.sentByFor(address[0])

    @property
    def local(self) -> tuple[str, int]:
        return (self._flows.port.host, self._flows.port.port)

    @property
    def closed(self) -> bool:
        return self._flows.closed

    @property
    def token(self) -> bytes:
        packed = hexlify(ip_address(self.remote[0].partition("%")[0]).packed)
        return b"u%d-%s-%d" % (self._flows.number, packed, self.remote[1])

    def sibling(self, address: SocketAddress) -> UDPFlow:
        """
        The flow from the same port to another address.
        """
        return self._flows.flow(address)

    def send(self, data: bytes) -> None:
        hold = self._flows.hold
        if hold is None:
            self._leave(data)
        else:
            hold(self._leave, data)

    def _leave(self, data: bytes) -> None:
        flows = self._flows
        if flows.trace is not None:
            flows.trace(False, data, self)
        if flows.closed:
            flows.sentOnClosed(self)
        else:
            self._write(data, self._address)

    def __repr__(self) -> str:
        return f"<UDP {hostPort(*self.local)} - {hostPort(*self.remote)}>"


class UDPFlows:
    """
    The flows of one UDP port: equal ones are the same object while in use.

    @ivar number: this port's, in tokens.
    @ivar sentBy: for Via, or empty where it depends on the destination.
    @ivar trace: called with C{(incoming, data, flow)}, if set.
    @ivar hold: called instead of sending, with what sends and the data, if set.
    @ivar sentOnClosed: called for what is sent after the port was closed.
    """

    __slots__ = (
        "_live",
        "_recent",
        "closed",
        "hold",
        "limit",
        "number",
        "port",
        "sentBy",
        "sentByFor",
        "sentOnClosed",
        "trace",
    )

    def __init__(
        self,
        number: int,
        port: DatagramPort,
        limit: int,
        sentOnClosed: Callable[[IFlow], None],
        sentByFor: Callable[[str], bytes],
    ) -> None:
        self.number = number
        self.port = port
        self.limit = limit
        self.sentOnClosed = sentOnClosed
        self.sentByFor = sentByFor
        self.sentBy = b""
        self.closed = False
        self.trace: Callable[[bool, Any, IFlow], None] | None = None
        self.hold: Callable[..., object] | None = None
        # Those of late are kept so that they need not be made again; those in
        # use are found even when they have left that list.
        self._recent: dict[SocketAddress, UDPFlow] = {}
        self._live: WeakValueDictionary[SocketAddress, UDPFlow] = WeakValueDictionary()

    def flow(self, address: SocketAddress) -> UDPFlow:
        """
        The flow to one remote address.
        """
        found = self._recent.get(address)
        return self._enter(address) if found is None else found

    def known(self, address: SocketAddress) -> UDPFlow | None:
        """
        The same, if anybody can be waiting on it.
        """
        return self._live.get(address)

    def byToken(self, token: bytes) -> UDPFlow | None:
        """
        The flow that a token of this port names; L{None} for nonsense.
        """
        _, packed, number = token.split(b"-")
        address = ip_address(unhexlify(packed))
        port = int(number)
        if not 0 < port < 65536 or self.closed:
            return None
        if (address.version == 6) != (":" in self.port.host):
            return None
        return self.flow(socketAddress(str(address), port))

    def _enter(self, address: SocketAddress) -> UDPFlow:
        found = self._live.get(address)
        if found is None:
            found = self._live[address] = UDPFlow(self, address)
        recent = self._recent
        if len(recent) >= self.limit:
            for old in list(recent)[: self.limit // 4 + 1]:
                del recent[old]
        recent[address] = found
        return found

    def close(self) -> None:
        """
        Free the port; its flows have ended.
        """
        self.closed = True
        self.port.close()

    def forget(self) -> None:
        """
        Drop every flow that nobody uses, and what is said of them.
        """
        self._recent.clear()
        self._live.clear()

    def __len__(self) -> int:
        return len(self._live)
