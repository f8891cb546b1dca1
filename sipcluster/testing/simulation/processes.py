"""
The processes of a simulated world, which are started, killed, stopped for a while
and started again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.protocol import Factory
from zope.interface import implementer

from sipcluster.sip.isip import IFlow
from sipcluster.testing.network import MemorySockets, MemoryTransport
from sipcluster.testing.simulation.chance import Chance
from sipcluster.testing.simulation.clock import ProcessClock

if TYPE_CHECKING:
    from sipcluster.testing.simulation.world import World

#: Seconds since 1970 when every world begins.
BEGIN = 1_700_000_000.0


class Process:
    """
    Something at a host of its own that runs, and may be killed at any time.  Its
    subclasses say what runs.

    @ivar name: of the process and its column in a ladder.
    @ivar host: its address.
    @ivar place: its data centre.
    @ivar running: whether it lives.
    @ivar life: how often it was started.
    @ivar clock: of this life.
    @ivar offset: what the monotonic clock of its host said when the world began.
    @ivar rate: seconds of that clock in a second.
    @ivar stepped: seconds by which its wall clock is wrong.
    @ivar backlog: what came while it stood still.
    @ivar ports: port numbers at which it takes connections besides SIP, with what
        makes the protocols.
    """

    #: What its part in the cluster is, for operations that choose one.
    kind = ""

    def __init__(self, world: World, name: str, host: str, place: str) -> None:
        self.world = world
        self.name = name
        self.host = host
        self.place = place
        self.running = False
        self.life = 0
        self.stepped = 0.0
        self.offset, self.rate = 0.0, 1.0
        self.clock = ProcessClock(world.clock)
        self.backlog: list[tuple[Callable[..., object], tuple[object, ...]]] = []
        self._waking = world.chance.fork(f"{name} wakes")
        self.transport: MemoryTransport
        self.chance: Chance
        world.network.processes[host] = self

    @property
    def frozen(self) -> bool:
        """
        Whether it stands still.
        """
        return self.clock.frozen

    def wallTime(self) -> float:
        """
        Seconds since 1970, as it believes.
        """
        return BEGIN + self.world.clock.seconds() + self.stepped

    def note(self, text: str, call: str = "") -> None:
        """
        Write something into the story.
        """
        self.world.note(self.name, text, call)

    # What can be done to it

    def start(self) -> None:
        """
        Begin a life.
        """
        assert not self.running
        self.running = True
        self.life += 1
        self.clock = ProcessClock(self.world.clock, self.offset, self.rate)
        self.chance = self.world.chance.fork(f"{self.name} {self.life}")
        self.transport = MemoryTransport(
            self.world.network,
            entropy=self.chance.entropy,
            trace=self._traced,
            clock=self.clock,
        )
        for listen in (self.transport.listenUDP, self.transport.listenTCP):
            _now(listen(self.host, 5060))
        self.begin()

    def kill(self) -> None:
        """
        End it, without giving it time for anything.
        """
        if self.running:
            self.thawed()
            self.running = False
            self.clock.kill()
            self.backlog.clear()
            self.world.network.kill(self.host)
            self.killed()

    def freeze(self) -> None:
        """
        Let it stand still.
        """
        if self.running:
            self.clock.freeze()

    def thaw(self) -> None:
        """
        Let it go on: with what its clock has missed, or with what came, as a process
        does that was stopped while it did something, or while it waited.
        """
        if not (self.running and self.frozen):
            return
        waiting, self.backlog = self.backlog, []
        if self._waking.happens(0.5):
            self.clock.thaw()
            self.world.clock.callLater(0, self._caughtUp, waiting)
        else:
            self.thawed()
            self._caughtUp(waiting)
            self.clock.thaw()

    def thawed(self) -> None:
        """
        It no longer stands still.
        """
        self.clock.frozen = False

    def _caughtUp(
        self, waiting: list[tuple[Callable[..., object], tuple[object, ...]]]
    ) -> None:
        for call, args in waiting:
            if self.running:
                call(*args)

    # What runs

    def begin(self) -> None:
        """
        Start what runs.
        """

    def killed(self) -> None:
        """
        Forget what was lost with it.
        """

    def quieten(self) -> None:
        """
        Begin nothing any more; called when the run is over.
        """

    def left(self) -> dict[str, int]:
        """
        What is left of calls and the like: when all has ended, all are 0.
        """
        return {}

    def lingering(self) -> dict[str, int]:
        """
        What ends by itself within a minute of L{quieten}.
        """
        return {}

    def stop(self) -> Deferred[Any] | None:
        """
        End in order.
        """
        return None

    # The network

    def endpoint(self, host: str, port: int) -> IStreamClientEndpoint:
        """
        Where to connect to.
        """
        return ProcessEndpoint(self.transport.sockets, host, port)

    def listen(self, port: int, factory: Factory) -> None:
        """
        Take connections.
        """
        sockets = self.transport.sockets
        sockets.listen(self.host, port, factory, None)

    def _traced(self, incoming: bool, data: Any, flow: IFlow) -> None:
        if not incoming and flow.reliable:
            self.world.network.told(
                bytes(data), self.host, flow.remote[0], " (connection)"
            )


@implementer(IStreamClientEndpoint)
class ProcessEndpoint:
    """
    Connects from one process to another.
    """

    def __init__(
        self, sockets: MemorySockets, host: str, port: int, timeout: float = 30.0
    ) -> None:
        self._sockets = sockets
        self._host = host
        self._port = port
        self._timeout = timeout

    def connect(self, protocolFactory: Any) -> Deferred[Any]:
        """
        See C{IStreamClientEndpoint}.
        """
        return self._sockets.connect(
            self._host, self._port, "", protocolFactory, None, self._timeout
        )


def _now(made: Deferred[Any]) -> None:
    """
    Raise what a Deferred failed with: in memory it has fired already.
    """
    made.addErrback(lambda failure: failure.raiseException())
    results: list[Any] = []
    made.addBoth(results.append)
    if results and hasattr(results[0], "raiseException"):
        results[0].raiseException()
