"""
Sockets of a network in memory, for media.
"""

from __future__ import annotations

from attrs import define, field
from zope.interface import implementer

from sipcluster.media.imedia import IDatagrams, Received
from sipcluster.sip.imedia import IMediaPort


def _nobody(data: bytes, origin: tuple[str, int]) -> None:
    """
    Takes what comes to a socket that is closed.
    """


@implementer(IMediaPort)
@define(eq=False)
class MemoryDatagram:
    """
    One socket.

    @ivar sent: what was sent to nobody here: data, host and port.
    """

    owner: MemoryDatagrams
    host: str
    port: int
    received: Received
    sent: list[tuple[bytes, str, int]] = field(factory=list)

    def send(self, data: bytes, host: str, port: int) -> None:
        """
        See L{IMediaPort}.
        """
        network = self.owner.network
        if self.owner.bound.get(self.port) is not self:
            return
        if self.owner.loses(data):
            return
        found = network.get(host)
        far = None if found is None else found.bound.get(port)
        if far is None:
            self.sent.append((data, host, port))
        else:
            far.received(data, (self.host, self.port))

    def close(self) -> None:
        """
        See L{IMediaPort}.
        """
        if self.owner.bound.get(self.port) is self:
            del self.owner.bound[self.port]
            self.received = _nobody


@implementer(IDatagrams)
class MemoryDatagrams:
    """
    The sockets of one host.

    @ivar network: hosts by their addresses, the same for all that can reach each
        other.
    @ivar bound: by port.
    @ivar taken: ports that others have.
    """

    def __init__(
        self, host: str, network: dict[str, MemoryDatagrams] | None = None
    ) -> None:
        self.host = host
        self.network = {} if network is None else network
        self.network[host] = self
        self.bound: dict[int, MemoryDatagram] = {}
        self.taken: set[int] = set()
        self._next = 40000

    def loses(self, data: bytes) -> bool:
        """
        Whether one is lost on its way; replaced by tests.
        """
        return False

    def bind(self, port: int, received: Received) -> MemoryDatagram:
        """
        See L{IDatagrams}.
        """
        if not port:
            self._next += 1
            port = self._next
        if port in self.bound or port in self.taken:
            raise OSError(f"{port} is in use")
        made = self.bound[port] = MemoryDatagram(self, self.host, port, received)
        return made
