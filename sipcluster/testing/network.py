"""
A network in memory: hosts, datagrams and connections on one clock.

The transport layer on it is the real one: what is replaced is the sockets below,
so that what is sent is rendered, carried as bytes and parsed again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from itertools import count
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import CannotListenError
from twisted.internet.error import TimeoutError as TimedOut
from twisted.internet.interfaces import IReactorTime
from twisted.internet.protocol import DatagramProtocol, Factory
from twisted.python.failure import Failure
from zope.interface import implementer

from sipcluster.net.flows import TransportLimits
from sipcluster.net.listen import INetwork
from sipcluster.net.sip_tls import TLSContexts
from sipcluster.net.transport import SIPTransport, Trace
from sipcluster.sip.isip import IMessageReceiver
from sipcluster.testing.memory_sockets import (
    Address,
    Attempt,
    MemoryDatagramPort,
    MemoryListening,
    MemoryStream,
)


class MemoryNetwork:
    """
    Carries datagrams and connections between hosts.

    @ivar delay: seconds from write to arrival.
    @ivar drops: asked for each datagram, C{(data, source, destination)}; true
        loses it.
    @ivar carried: the last datagrams written, lost ones included.
    @ivar patience: seconds for which a connection across a partition tries to
        deliver before it breaks.
    """

    def __init__(self, clock: IReactorTime, delay: float = 0.0) -> None:
        self.clock = clock
        self.delay = delay
        self.drops: Callable[[bytes, Address, Address], bool] = lambda *_: False
        self.carried: deque[tuple[bytes, Address, Address]] = deque(maxlen=100_000)
        self.patience = 30.0
        self._isolated: frozenset[str] = frozenset()
        self._dark: set[str] = set()
        self._ports: dict[Address, MemoryDatagramPort] = {}
        self._listening: dict[Address, MemoryListening] = {}
        self._streams: list[MemoryStream] = []
        self._transports: list[MemoryTransport] = []
        self._ephemeral = count(49152)
        self._random = count(1)

    # Hosts.

    def host(
        self,
        address: str,
        receiver: IMessageReceiver | None = None,
        udp: int = 5060,
        tcp: int = 5060,
        tls: int = 0,
    ) -> MemoryTransport:
        """
        A transport layer that listens at C{address}; port 0 leaves one out.
        """
        made = MemoryTransport(self, receiver)
        for port, listen in ((udp, made.listenUDP), (tcp, made.listenTCP)):
            if port:
                _now(listen(address, port))
        if tls:
            _now(made.listenTLS(address, tls, MemoryTLS()))
        return made

    def entropy(self, size: int) -> bytes:
        """
        Bytes that never repeat and are the same in every run.
        """
        return next(self._random).to_bytes(max(size, 8), "big")[-size:]

    def bind(self, address: Address, protocol: DatagramProtocol) -> None:
        """
        Attach a plain datagram protocol, as C{listenUDP} would.
        """
        port = MemoryDatagramPort(
            self, *address, protocol.datagramReceived, lambda address, why: None
        )
        # DatagramProtocol.transport is declared as the real UDP port class.
        protocol.makeConnection(port)  # type: ignore[arg-type]

    # Faults.

    def partition(self, *isolated: str) -> None:
        """
        Lose whatever leaves or enters the isolated hosts, taken together; what
        they say to each other arrives.
        """
        self._isolated = frozenset(isolated)

    def heal(self) -> None:
        """
        End the partition.
        """
        self._isolated = frozenset()

    def kill(self, host: str) -> None:
        """
        End the processes of a host as by SIGKILL: its connections are reset,
        its ports closed; datagrams to it come back as ICMP errors.
        """
        for transport in self._transports:
            if transport.sockets.home == host:
                transport.sockets.dead = True
                # Whoever is above is dead too, though its timers may still run.
                transport.receiver = None
        for address in [each for each in self._ports if each[0] == host]:
            self._ports.pop(address).dead = True
        for address in [each for each in self._listening if each[0] == host]:
            self._listening.pop(address).dead = True
        for stream in list(self._streams):
            if stream.here[0] == host:
                stream.dead = True
                stream.reset()

    def powerOff(self, host: str) -> None:
        """
        Lose a host without a word: nothing that is sent to it comes back.
        """
        self._dark.add(host)

    def revive(self, host: str) -> None:
        """
        Undo L{powerOff}.  After L{kill} a new transport is made instead.
        """
        self._dark.discard(host)

    def reaches(self, source: str, destination: str) -> bool:
        """
        Whether anything arrives.
        """
        if source in self._dark or destination in self._dark:
            return False
        isolated = self._isolated
        return (source in isolated) == (destination in isolated)

    def happens(self, host: str, call: Callable[..., object], *args: object) -> None:
        """
        Something reaches the process at a host.
        """
        call(*args)

    # Carrying.

    def carry(self, data: bytes, source: Address, destination: Address) -> None:
        """
        Take one datagram from a port.
        """
        self.carried.append((data, source, destination))
        if self.reaches(source[0], destination[0]) and not self.drops(
            data, source, destination
        ):
            self.clock.callLater(self.delay, self._arrive, data, source, destination)

    def _arrive(self, data: bytes, source: Address, destination: Address) -> None:
        port = self._ports.get(destination)
        if port is not None:
            port.received(data, source)
        elif self.reaches(destination[0], source[0]):
            self.clock.callLater(self.delay, self._unreachable, source, destination)

    def _unreachable(self, source: Address, destination: Address) -> None:
        port = self._ports.get(source)
        if port is not None:
            port.failed(destination, "Connection refused")

    def ephemeralPort(self) -> int:
        """
        A port for the near end of a connection, never used twice.
        """
        return next(self._ephemeral)


def _now(made: Deferred[Any]) -> None:
    """
    Raise what a Deferred failed with: in memory it has fired already.
    """
    failures: list[Failure] = []
    made.addErrback(failures.append)
    if failures:
        failures[0].raiseException()


class MemoryTLS(TLSContexts):
    """
    Stands for TLS contexts: connections are marked as TLS and not encrypted.
    """

    canServe = True

    def __init__(self) -> None:
        super().__init__()

    def reload(self) -> None:
        "There are no files."

    def server(self) -> Any:
        return self

    def client(self, serverName: str) -> Any:
        return self


class MemoryTransport(SIPTransport):
    """
    The transport layer, on a L{MemoryNetwork}.
    """

    def __init__(
        self,
        network: MemoryNetwork,
        receiver: IMessageReceiver | None = None,
        entropy: Callable[[int], bytes] | None = None,
        trace: Trace | None = None,
        limits: TransportLimits | None = None,
        clock: IReactorTime | None = None,
    ) -> None:
        """
        @param clock: of the process; L{None}: that of the network.
        """
        self.sockets = MemorySockets(network, clock)
        network._transports.append(self)
        super().__init__(
            self.sockets.clock,
            receiver,
            entropy or network.entropy,
            trace,
            limits,
            self.sockets,
        )
        self.tls = MemoryTLS()


@implementer(INetwork)
class MemorySockets:
    """
    L{MemoryNetwork} as a process of one host sees it.
    """

    def __init__(
        self, network: MemoryNetwork, clock: IReactorTime | None = None
    ) -> None:
        """
        @param clock: of the process; L{None}: that of the network.
        """
        self._network = network
        self.clock = clock or network.clock
        # Where connections come from, when the caller leaves it open.
        self.home = "127.0.0.1"
        self.dead = False

    def datagramPort(
        self,
        host: str,
        port: int,
        received: Callable[[bytes, Any], None],
        failed: Callable[[Any, str], None],
    ) -> MemoryDatagramPort:
        self.home = host
        return MemoryDatagramPort(self._network, host, port, received, failed)

    def listen(
        self, host: str, port: int, factory: Factory, contexts: Any
    ) -> Deferred[Any]:
        self.home = host
        port = port or self._network.ephemeralPort()
        if (host, port) in self._network._listening:
            return fail(CannotListenError(host, port, OSError("Address in use")))
        made = MemoryListening(
            self._network, (host, port), factory, contexts is not None
        )
        self._network._listening[host, port] = made
        return succeed(made)

    def connect(
        self,
        host: str,
        port: int,
        localHost: str,
        factory: Factory,
        creator: Any,
        timeout: float,
    ) -> Deferred[Any]:
        network = self._network
        here = (localHost or self.home, network.ephemeralPort())
        there = (host, port)
        attempt = Attempt(network, here, there, factory, creator is not None)
        if not self.dead and network.reaches(here[0], host):
            network.clock.callLater(network.delay, attempt.arrive)
        attempt.waiting = self.clock.callLater(timeout, attempt.fail, TimedOut())
        return attempt.made

    def sourceAddress(self, remoteHost: str) -> str:
        return self.home
