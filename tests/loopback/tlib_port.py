"""
A T-Library port of the test's own, on a socket, and a relay before it that can break
connections.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP4ServerEndpoint
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.task import LoopingCall
from twisted.python.failure import Failure

from sipcluster.net.tlib import TLibFactory
from sipcluster.testing.tlib_truth import Everything, Truth
from sipcluster.tlib.messages import EventRinging
from sipcluster.tserver.limits import Application
from sipcluster.tserver.server import TServer

reactor: Any = _reactor


class Port:
    """
    A listening T-Library port.

    @ivar published: CallIDs of the events of L{load}, in order.
    """

    def __init__(self) -> None:
        self.truth = Truth()
        self.server = TServer(
            "TCport",
            reactor,
            time.time,
            os.urandom,
            {"recorder": Application("recorder", "secret")},
            Everything(),
            trace=self.truth,
        )
        self.published: list[int] = []
        self._listening: Any = None
        self._load: LoopingCall | None = None

    async def start(self) -> int:
        """
        @return: the port number.
        """
        endpoint = TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1")
        self._listening = await endpoint.listen(TLibFactory(self.server))
        return int(self._listening.getHost().port)

    async def stop(self) -> None:
        """
        End everything.
        """
        self.endLoad()
        await self._listening.stopListening()
        await self.server.stop()

    def load(self, dns: Sequence[str], interval: float, random: Random) -> None:
        """
        Publish an event again and again, sometimes many at once.
        """

        def publish() -> None:
            for _ in range(50 if random.random() < 0.01 else 1):
                number = len(self.published) + 1
                self.published.append(number)
                data = (("N", "x" * random.choice((0, 10, 100, 3000))),)
                dn = random.choice(dns)
                self.server.publish(
                    dn, EventRinging(thisDN=dn, callID=number, userData=data)
                )

        self._load = LoopingCall(publish)
        self._load.start(interval)

    def endLoad(self) -> None:
        """
        Publish no more.
        """
        load, self._load = self._load, None
        if load is not None:
            load.stop()


class _Half(Protocol):
    """
    One side of a connection through a relay.
    """

    def __init__(self, relay: Relay) -> None:
        self.relay = relay
        self.other: _Half | None = None
        self.waiting = b""

    def dataReceived(self, data: bytes) -> None:
        if self.other is None:
            self.waiting += data
        else:
            # Cut otherwise than it came, the rest a moment later.
            size = self.relay.random.randint(1, len(data))
            self.other.write(data[:size])
            if size < len(data):
                self.other.write(data[size:])

    def write(self, data: bytes) -> None:
        """
        Send something on this side.
        """
        if self.transport is not None:
            self.transport.write(data)

    def abort(self) -> None:
        """
        Reset this side.
        """
        transport: Any = self.transport
        if transport is not None:
            transport.abortConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.relay.halves.discard(self)
        other, self.other = self.other, None
        if other is not None:
            other.other = None
            other.abort()


class Relay(Factory):
    """
    Passes connections on to a port.

    @ivar halves: both sides of those that are there.
    """

    noisy = False

    def __init__(
        self,
        port: int,
        random: Random,
        connect: Callable[[Factory], Deferred[Any]] | None = None,
    ) -> None:
        """
        @param connect: reaches the port; L{None}: it is on loopback.
        """
        self.random = random
        self.halves: set[_Half] = set()
        endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", port)
        self._connect = connect or endpoint.connect
        self._listening: Any = None

    async def start(self) -> int:
        """
        @return: the port number.
        """
        endpoint = TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1")
        self._listening = await endpoint.listen(self)
        return int(self._listening.getHost().port)

    async def stop(self) -> None:
        """
        End everything.
        """
        for half in list(self.halves):
            half.abort()
        await self._listening.stopListening()

    def buildProtocol(self, addr: object) -> _Half:
        near, far = _Half(self), _Half(self)
        self.halves.add(near)
        factory: Any = Factory.forProtocol(lambda: far)
        factory.noisy = False
        made: Deferred[Any] = self._connect(factory)

        def through(_: object) -> None:
            if near not in self.halves:
                far.abort()
                return
            self.halves.add(far)
            near.other, far.other = far, near
            if near.waiting:
                near.other.write(near.waiting)

        made.addCallbacks(through, lambda _: near.abort())
        return near

    def reset(self) -> bool:
        """
        Cut what is there off, from one side or the other.

        @return: whether there was something.
        """
        halves = sorted(self.halves, key=id)
        if halves:
            self.random.choice(halves).abort()
        return bool(halves)
