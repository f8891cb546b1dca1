"""
Ports and connections of a network in memory, as Twisted's would be.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from attrs import define, field
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import (
    CannotListenError,
    ConnectionAborted,
    ConnectionDone,
    ConnectionLost,
)
from twisted.internet.error import (
    ConnectionRefusedError as Refused,
)
from twisted.internet.error import (
    TimeoutError as TimedOut,
)
from twisted.internet.interfaces import IHandshakeListener, ITransport
from twisted.internet.protocol import Factory, Protocol
from twisted.python.failure import Failure
from zope.interface import implementer

if TYPE_CHECKING:
    from sipcluster.testing.network import MemoryNetwork

#: C{(host, port)}.
Address = tuple[str, int]


class MemoryDatagramPort:
    """
    One bound UDP port.
    """

    def __init__(
        self,
        network: MemoryNetwork,
        host: str,
        port: int,
        received: Callable[[bytes, Any], None],
        failed: Callable[[Any, str], None],
    ) -> None:
        self.host = host
        self.port = port or network.ephemeralPort()
        self.dead = False
        self._received = received
        self._failed = failed
        self._network = network
        if (host, self.port) in network._ports:
            raise CannotListenError(host, port, OSError("Address in use"))
        network._ports[host, self.port] = self

    def write(self, data: bytes, address: Any) -> None:
        if not self.dead:
            self._network.carry(data, (self.host, self.port), address[:2])

    def received(self, data: bytes, source: Address) -> None:
        self._received(data, _socketForm(source))

    def failed(self, destination: Address, why: str) -> None:
        self._failed(_socketForm(destination), why)

    def close(self) -> None:
        self._network._ports.pop((self.host, self.port), None)


def _socketForm(address: Address) -> Any:
    return (*address, 0, 0) if ":" in address[0] else address


def _address(address: Address) -> IPv4Address | IPv6Address:
    kind = IPv6Address if ":" in address[0] else IPv4Address
    return kind("TCP", *address)


@define(eq=False)
class MemoryListening:
    """
    One listening stream port.
    """

    network: MemoryNetwork
    here: Address
    factory: Factory
    secure: bool
    dead: bool = False

    def getHost(self) -> IPv4Address | IPv6Address:
        return _address(self.here)

    def stopListening(self) -> Deferred[None]:
        if self.network._listening.get(self.here) is self:
            del self.network._listening[self.here]
        return succeed(None)


@define(eq=False)
class Attempt:
    """
    One connection on its way to being made.
    """

    network: MemoryNetwork
    here: Address
    there: Address
    factory: Factory
    secure: bool
    made: Deferred[Any] = field(init=False)
    waiting: Any = None
    over: bool = False

    def __attrs_post_init__(self) -> None:
        self.made = Deferred(self._cancelled)

    def _cancelled(self, made: Deferred[Any]) -> None:
        self._end()

    def _end(self) -> bool:
        if self.over:
            return False
        self.over = True
        if self.waiting is not None and self.waiting.active():
            self.waiting.cancel()
        return True

    def fail(self, why: Exception) -> None:
        if self._end():
            self.made.errback(why)

    def arrive(self) -> None:
        """
        At the far host.
        """
        network = self.network
        if not network.reaches(self.there[0], self.here[0]):
            return
        listening = network._listening.get(self.there)
        if listening is None or listening.secure != self.secure:
            network.clock.callLater(network.delay, self.fail, Refused())
            return
        network.clock.callLater(network.delay, self.opened, listening)

    def opened(self, listening: MemoryListening) -> None:
        """
        Back at the near host.
        """
        if not self._end():
            return
        network, here, there = self.network, self.here, self.there
        near = MemoryStream(network, here, there)
        far = MemoryStream(network, there, here)
        near.peer, far.peer = far, near
        network._streams += [near, far]
        refused: list[bool] = []

        def accept() -> None:
            theirs: Any = None
            if not listening.dead:
                theirs = listening.factory.buildProtocol(_address(here))
            if theirs is None:
                refused.append(True)
                far.refuse()
            else:
                far.begin(theirs, self.secure)

        def connected() -> None:
            if refused:
                self.made.errback(ConnectionLost())
                return
            ours: Any = self.factory.buildProtocol(_address(there))
            near.begin(ours, self.secure)
            self.made.callback(ours)

        # A process that stands still has its connections accepted by its kernel.
        network.happens(there[0], accept)
        network.happens(here[0], connected)


@implementer(ITransport)
class MemoryStream:
    """
    One end of a connection.
    """

    def __init__(self, network: MemoryNetwork, here: Address, there: Address) -> None:
        self._network = network
        self._protocol: Protocol | None = None
        self.here = here
        self._there = there
        self.peer: MemoryStream | None = None
        self.dead = False
        self._closed = False
        self.disconnecting = False
        self._paused = False
        self._toSend: deque[bytes | None] = deque()
        self._since = 0.0

    def begin(self, protocol: Any, secure: bool) -> None:
        """
        Somebody is there.
        """
        self._protocol = protocol
        protocol.makeConnection(self)
        if secure and IHandshakeListener.providedBy(protocol):
            protocol.handshakeCompleted()

    def refuse(self) -> None:
        """
        Nobody is there, or wants it.
        """
        peer = self.peer
        assert peer is not None
        self._lost(ConnectionLost())
        peer._lost(ConnectionLost())

    def getHost(self) -> Any:
        return _address(self.here)

    def getPeer(self) -> Any:
        return _address(self._there)

    def getHandle(self) -> Any:
        return self

    def get_peer_certificate(self) -> None:
        "There are no certificates in memory."

    def write(self, data: bytes) -> None:
        if not (self._closed or self.disconnecting or self.dead):
            self._put(data)

    def writeSequence(self, data: Any) -> None:
        self.write(b"".join(data))

    def loseConnection(self) -> None:
        if not (self._closed or self.disconnecting):
            self.disconnecting = True
            self._put(None)

    def loseWriteConnection(self) -> None:
        """
        End both directions: nobody here goes on in one of them.
        """
        self.loseConnection()

    def pauseProducing(self) -> None:
        """
        Take no bytes from the other end for now.
        """
        self._paused = True

    def resumeProducing(self) -> None:
        """
        Take them again, and those that wait.
        """
        if self._paused:
            self._paused = False
            if self.peer is not None:
                for _ in self.peer._toSend:
                    self._network.clock.callLater(0, self.peer._push)

    def abortConnection(self) -> None:
        if not self._closed:
            self.reset()
            self._network.clock.callLater(0, self._lost, ConnectionAborted())

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        "Memory is never full."

    def unregisterProducer(self) -> None:
        "Nor was it before."

    # Carrying.

    def _put(self, data: bytes | None) -> None:
        self._toSend.append(data)
        if len(self._toSend) == 1:
            self._since = self._network.clock.seconds()
        self._network.clock.callLater(self._network.delay, self._push)

    def _push(self) -> None:
        """
        Bring the oldest piece over, or try later as TCP does.
        """
        network = self._network
        if self._closed or not self._toSend or self.peer is None:
            return
        if self.peer._paused:
            return
        if not network.reaches(self.here[0], self._there[0]):
            if network.clock.seconds() - self._since > network.patience:
                self._lost(TimedOut())
            else:
                network.clock.callLater(1.0, self._push)
            return
        data = self._toSend.popleft()
        self._since = network.clock.seconds()
        if data is None:
            self.peer._lost(ConnectionDone())
            self._lost(ConnectionDone())
        elif self.peer._closed or self.peer.dead:
            self._lost(ConnectionLost())  # nobody is there: a reset comes back
        else:
            network.happens(self.peer.here[0], self.peer._receive, data)

    def reset(self) -> None:
        """
        Let the other end know that this one is gone.
        """
        network = self._network
        peer = self.peer
        if peer is not None and network.reaches(self.here[0], self._there[0]):
            network.clock.callLater(network.delay, peer._lost, ConnectionLost())
        if self.dead:
            self._lost(ConnectionLost())

    def _forget(self) -> None:
        if self in self._network._streams:
            self._network._streams.remove(self)

    def _lost(self, why: Exception) -> None:
        if self._closed:
            return
        self._closed = True
        self._forget()
        self._toSend.clear()
        self._network.happens(self.here[0], self._tell, Failure(why))

    def _receive(self, data: bytes) -> None:
        if self._protocol is not None:
            self._protocol.dataReceived(data)

    def _tell(self, why: Failure) -> None:
        protocol, self._protocol = self._protocol, None
        if protocol is not None:
            protocol.connectionLost(why)
