"""
A stream connection in memory that can be cut at any byte.

Twisted's own fakes deliver what was written whole and at once; this one delivers it
later, in pieces cut by chance, holds it back from who does not read, and can lose
what is on its way.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionLost
from twisted.internet.error import ConnectionRefusedError as Refused
from twisted.internet.interfaces import (
    IDelayedCall,
    IProtocolFactory,
    IPushProducer,
    IReactorTime,
    IStreamClientEndpoint,
    ITransport,
)
from twisted.python.failure import Failure
from zope.interface import implementer


class Receiver(Protocol):
    """
    What stands at an end: a Twisted protocol, or something like one.
    """

    def dataReceived(self, data: bytes) -> None:
        "Bytes came."

    def connectionLost(self, reason: Failure) -> None:
        "Nothing comes any more."


@implementer(ITransport, IPushProducer)
class End:
    """
    One end of a L{Wire}: the transport of what stands there.

    @ivar waiting: bytes written here that are not delivered yet.
    @ivar closed: nothing can be written any more, and nothing comes.
    """

    def __init__(self, wire: Wire, port: int) -> None:
        self._wire = wire
        self._port = port
        self.receiver: Receiver | None = None
        self.peer: End
        self.waiting = bytearray()
        self.disconnecting = False
        self.closed = False
        self._paused = False
        self._call: IDelayedCall | None = None
        self._producer: Any = None

    def getHost(self) -> IPv4Address:
        return IPv4Address("TCP", "192.0.2.1", self._port)

    def getPeer(self) -> IPv4Address:
        return self.peer.getHost()

    def write(self, data: bytes) -> None:
        if not self.closed and not self.disconnecting:
            self.waiting += data
            self._schedule()

    def writeSequence(self, data: Any) -> None:
        self.write(b"".join(data))

    def loseConnection(self) -> None:
        self.disconnecting = True
        self._schedule()

    def abortConnection(self) -> None:
        if not self.closed:
            clock = self._wire.clock
            clock.callLater(self._wire.delay, self.peer._lost, ConnectionLost())
            clock.callLater(0, self._lost, ConnectionAborted())
            self.waiting.clear()
            self.disconnecting = True

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        self._producer = producer

    def unregisterProducer(self) -> None:
        self._producer = None

    def pauseProducing(self) -> None:
        self._paused = True

    def resumeProducing(self) -> None:
        self._paused = False
        if self.peer.waiting or self.peer.disconnecting:
            self.peer._schedule()

    def stopProducing(self) -> None:
        self.loseConnection()

    # Carrying.

    def _schedule(self) -> None:
        if self._call is None and not self.closed:
            self._call = self._wire.clock.callLater(self._wire.delay, self._carry)

    def _carry(self) -> None:
        self._call = None
        if self.closed or self.peer._paused:
            return
        if self.waiting:
            size = self._wire.piece(len(self.waiting))
            data = bytes(self.waiting[:size])
            del self.waiting[:size]
            if self.waiting or self.disconnecting:
                self._schedule()
            if self.peer.receiver is not None and not self.peer.closed:
                self.peer.receiver.dataReceived(data)
        elif self.disconnecting:
            self.peer._lost(ConnectionDone())
            self._lost(ConnectionDone())

    def _lost(self, why: Exception) -> None:
        if self.closed:
            return
        self.closed = True
        self.waiting.clear()
        if self._call is not None:
            self._call.cancel()
            self._call = None
        receiver, self.receiver = self.receiver, None
        if receiver is not None:
            receiver.connectionLost(Failure(why))


class Wire:
    """
    One connection.

    @ivar delay: seconds until what is written arrives.
    @ivar near: the end of who has connected.
    @ivar far: the other one.
    """

    def __init__(
        self,
        clock: IReactorTime,
        delay: float = 0.0,
        chance: Callable[[], float] | None = None,
        port: int = 49152,
    ) -> None:
        """
        @param chance: cuts what is delivered into pieces; L{None}: whole.
        """
        self.clock = clock
        self.delay = delay
        self._chance = chance
        self.near, self.far = End(self, port), End(self, 3000)
        self.near.peer, self.far.peer = self.far, self.near

    def piece(self, size: int) -> int:
        """
        How many of so many bytes are delivered together.
        """
        if self._chance is None or self._chance() < 0.5:
            return size
        return 1 + int(self._chance() * (size - 1))

    @property
    def closed(self) -> bool:
        """
        Whether both ends know that it is over.
        """
        return self.near.closed and self.far.closed

    def reset(self) -> None:
        """
        Cut it: what is on its way is lost, and both ends learn of it, one after
        the other.
        """
        for end in (self.near, self.far):
            end.waiting.clear()
            end.disconnecting = True
        ends = [self.near, self.far]
        if self._chance is not None and self._chance() < 0.5:
            ends.reverse()
        ends[0]._lost(ConnectionLost())
        self.clock.callLater(self.delay, ends[1]._lost, ConnectionLost())

    def silence(self) -> None:
        """
        Lose all that is sent from now on, without telling anybody.
        """
        self.near.receiver = None
        self.far.receiver = None


@implementer(IStreamClientEndpoint)
class MemoryEndpoint:
    """
    Leads to something in the same process.

    @ivar wires: every connection made.
    """

    def __init__(
        self,
        clock: IReactorTime,
        accept: Callable[[End], Receiver | None],
        delay: float = 0.0,
        chance: Callable[[], float] | None = None,
    ) -> None:
        """
        @param accept: is given the far end of a new connection, and returns what
            stands there; L{None}: the connection is refused.
        """
        self._clock = clock
        self._accept = accept
        self._delay = delay
        self._chance = chance
        self.wires: list[Wire] = []

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[Any]:
        made: Deferred[Any] = Deferred(lambda _: later.cancel())
        later = self._clock.callLater(self._delay, self._connect, protocolFactory, made)
        return made

    def _connect(self, factory: IProtocolFactory, made: Deferred[Any]) -> None:
        port = 49152 + len(self.wires)
        wire = Wire(self._clock, self._delay, self._chance, port)
        receiver = self._accept(wire.far)
        if receiver is None:
            made.errback(Refused())
            return
        self.wires.append(wire)
        wire.far.receiver = receiver
        protocol: Any = factory.buildProtocol(wire.far.getHost())
        wire.near.receiver = protocol
        protocol.makeConnection(wire.near)
        made.callback(protocol)
