"""
The HA link of a pair in a simulation: connections that are late, cut in one direction
or both, and begun again.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable

from attrs import define, field
from twisted.internet.task import Clock
from zope.interface import implementer

from sipcluster.ha.ireplica import ILinkTaker, ILinkTransport, ILinkUser
from sipcluster.testing.hosts import Host


@define(eq=False)
class Socket:
    """
    What one process has of a connection: what happens to it happens in order, and
    when the process is not frozen.
    """

    host: Host
    peer: str
    user: ILinkUser | None = None
    other: Socket = field(init=False)
    line: Line = field(init=False)
    inbox: deque[Callable[[], object]] = field(factory=deque)
    latest: float = 0.0
    closed: bool = False

    def happens(self, call: Callable[[], object]) -> None:
        """
        Something happens to it, after what has happened before.
        """
        self.inbox.append(call)
        self.host.run(lambda: self.inbox.popleft()())

    def arrive(self, data: bytes) -> None:
        """
        Bytes came.
        """
        if not self.closed and self.user is not None:
            self.user.dataReceived(data)

    def lose(self) -> None:
        """
        The connection is over, as this process sees it.
        """
        if not self.closed:
            self.closed = True
            if self.user is not None:
                self.user.connectionLost("cut")


@implementer(ILinkTransport)
@define(eq=False)
class _End:
    socket: Socket
    peer: str

    def write(self, data: bytes) -> None:
        """
        See L{ILinkTransport}.
        """
        self.socket.line.carry(self.socket, data)

    def close(self) -> None:
        """
        See L{ILinkTransport}.
        """
        self.socket.line.end(self.socket)

    def abort(self) -> None:
        """
        See L{ILinkTransport}.
        """
        self.socket.line.end(self.socket)


@define(eq=False)
class Line:
    """
    What lies between the two members of a pair.

    @ivar slowest: a message takes up to so many seconds.
    @ivar cut: the names of members from which nothing arrives.
    """

    time: Clock
    chance: random.Random
    slowest: float = 0.001
    cut: set[str] = field(factory=set)
    sockets: dict[str, Socket] = field(factory=dict)
    takers: dict[str, tuple[Host, ILinkTaker]] = field(factory=dict)
    dialling: bool = False

    def join(self, name: str, host: Host, taker: ILinkTaker) -> None:
        """
        A process begins, in place of one of the same member.
        """
        self.takers[name] = host, taker
        before = self.sockets.get(name)
        if before is not None:
            self._gone(before.other)
        self.dial()

    def dial(self) -> None:
        """
        Try to connect, some time from now.
        """
        if not self.dialling:
            self.dialling = True
            self.time.callLater(self.chance.uniform(0, 1.0), self._connect)

    def _connect(self) -> None:
        self.dialling = False
        ready = len(self.takers) == 2 and not any(
            host.frozen for host, _ in self.takers.values()
        )
        if self.cut or not ready:
            self.dial()
            return
        hosts = [(name, *rest) for name, rest in self.takers.items()]
        self.sockets = {
            name: Socket(host, other)
            for (name, host, _), other in zip(
                hosts, reversed(list(self.takers)), strict=True
            )
        }
        one, two = self.sockets.values()
        one.other, two.other = two, one
        one.line = two.line = self
        for name, _, taker in hosts:
            socket = self.sockets[name]

            def begin(taker: ILinkTaker = taker, socket: Socket = socket) -> None:
                socket.user = taker.connectionMade(_End(socket, socket.peer))

            socket.happens(begin)

    def carry(self, socket: Socket, data: bytes) -> None:
        """
        Bytes leave a process.
        """
        target = socket.other
        # What a member sends is named by whom the other one takes it to be.
        if socket.closed or target.peer in self.cut:
            return
        now = self.time.seconds()
        target.latest = max(target.latest, now + self.chance.uniform(0, self.slowest))
        self.time.callLater(
            target.latest - now,
            lambda: target.happens(lambda: target.arrive(data)),
        )

    def end(self, socket: Socket) -> None:
        """
        A process ends its connection.
        """
        socket.closed = True
        self._gone(socket.other)
        self.dial()

    def _gone(self, socket: Socket) -> None:
        def lose() -> None:
            socket.happens(socket.lose)
            self.dial()

        if not socket.closed:
            self.time.callLater(self.chance.uniform(0, 0.5), lose)
