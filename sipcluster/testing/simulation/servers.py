"""
Members of the cluster as processes of a simulated world.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from attrs import define, field
from twisted.internet.defer import Deferred
from zope.interface import Attribute, Interface, implementer

from sipcluster.registrar.iregistrar import Binding
from sipcluster.sessioncontroller.events import CallEvent
from sipcluster.sessioncontroller.isessioncontroller import IEventSink
from sipcluster.sip.isip import IFlow
from sipcluster.testing.simulation.processes import Process
from sipcluster.testing.simulation.store import SimulatedStore
from sipcluster.tlib.messages import Message
from sipcluster.tserver.itserver import ITrace, Receiver

if TYPE_CHECKING:
    from sipcluster.testing.simulation.pairs import Pair
    from sipcluster.testing.simulation.world import World


class IServed(Interface):
    """
    What runs in a L{Server}: one life of a node or a SIP Proxy.
    """

    sessions: Mapping[str, Any] = Attribute(
        "T-Library sessions by their ids; empty for a SIP Proxy."
    )

    def left() -> dict[str, int]:
        """
        See L{Process.left}.
        """

    def lingering() -> dict[str, int]:
        """
        See L{Process.lingering}.
        """

    def quieten() -> None:
        """
        Ask nobody any more.
        """

    def stop() -> Deferred[Any]:
        """
        End in order.
        """

    def bindings() -> list[Binding]:
        """
        The registrations that it knows.
        """

    def agents() -> list[dict[str, object]]:
        """
        The agents that are logged in, each with C{dn} and C{agent}.
        """


@implementer(IEventSink)
@define(eq=False)
class EventsOfLife:
    """
    Gives the call-control events of one life of a node to whoever checks them.
    """

    server: Server

    def eventHappened(self, event: CallEvent) -> None:
        """
        See L{IEventSink}.
        """
        self.server.published(event)
        self.server.world.checks.calls.called(self.server.home, event)


@implementer(ITrace)
@define(eq=False)
class Truth:
    """
    What the T-Library port of one life of a node meant its clients to get.

    @ivar life: names the life; empty: that of the process.
    """

    server: Server
    life: str = ""
    _names: dict[str, str] = field(factory=dict)

    def messageReceived(self, port: str, sender: Receiver, message: Message) -> None:
        """
        See L{ITrace}.
        """

    def messageSent(self, port: str, receivers: Any, message: Message) -> None:
        """
        See L{ITrace}.
        """
        served = self.server.served
        assert served is not None
        if not self.server.speaks:
            return  # it is told nobody
        for receiver in receivers:
            if not receiver.position:
                continue
            name = self._names.get(receiver.client)
            if name not in served.sessions:
                name = next(
                    session.id
                    for session in served.sessions.values()
                    if session.stream.name == receiver.client
                )
                self._names[receiver.client] = name
            assert name is not None
            server = self.server
            server.world.checks.tlib.numbered(
                name, receiver, message, server.home, self.life or server.lifeName
            )


class Server(Process):
    """
    A node or a SIP Proxy.

    @ivar served: what runs in it; L{None}: nothing.
    @ivar store: its way to the cluster store.
    @ivar pair: that it is a member of.
    """

    def __init__(
        self,
        world: World,
        kind: str,
        name: str,
        host: str,
        place: str,
        make: Callable[[Server], IServed],
    ) -> None:
        """
        @param make: builds and starts what runs.
        """
        super().__init__(world, name, host, place)
        self.kind = kind
        self._make = make
        self.served: IServed | None = None
        self.store: SimulatedStore
        self.pair: Pair | None = None

    @property
    def lifeName(self) -> str:
        """
        Names its life.
        """
        return f"{self.name} {self.life}"

    @property
    def speaks(self) -> bool:
        """
        Whether anything leaves it that only a node sends.
        """
        pair = self.pair
        served = None if pair is None else pair.of(self)
        return served is None or served.member.fence.open

    @property
    def home(self) -> str:
        """
        Whose the calls and sessions are that it has: its life's, or its pair's.
        """
        return self.lifeName if self.pair is None else self.pair.name

    def begin(self) -> None:
        """
        See L{Process.begin}.
        """
        world = self.world
        self.store = SimulatedStore(
            world.engine,
            world.clock,
            self.clock,
            world.storeDelay,
            self.chance.fork("store"),
        )
        self.served = self._make(self)

    def killed(self) -> None:
        """
        See L{Process.killed}.
        """
        if self.kind == "proxy":
            self.world.checks.proxyDies(self)
        self.served = None
        self.store.away = True
        if self.pair is None:
            self.world.checks.calls.forget(self.home)
        else:
            self.pair.died(self)

    def freeze(self) -> None:
        """
        See L{Process.freeze}.
        """
        super().freeze()
        if self.frozen:
            for watch in list(self.store._watches):
                watch.watch.pause()

    def thaw(self) -> None:
        """
        See L{Process.thaw}.
        """
        if self.frozen:
            super().thaw()
            self.clock.callLater(0, self._followAgain)

    def _followAgain(self) -> None:
        for watch in list(self.store._watches):
            if watch.starting is None:
                watch.watch.resume()

    def published(self, event: CallEvent) -> None:
        """
        A node has published a call-control event: tell the story.
        """
        name, party = type(event).__name__, event.party
        self.note(f"{name} {party.thisDN} {party.connID}", party.connID)

    def _traced(self, incoming: bool, data: Any, flow: IFlow) -> None:
        super()._traced(incoming, data, flow)
        if self.pair is not None:
            self.pair.stirred(self)
            if not incoming:
                self.pair.sends(self, bytes(data))

    def mediaEnds(self) -> dict[int, tuple[str, int]]:
        """
        As those of telephones; only media servers have any.
        """
        ends = getattr(self.served, "mediaEnds", None)
        return {} if ends is None else dict(ends())

    def left(self) -> dict[str, int]:
        """
        See L{Process.left}.
        """
        return {} if self.served is None else self.served.left()

    def lingering(self) -> dict[str, int]:
        """
        See L{Process.lingering}.
        """
        return {} if self.served is None else self.served.lingering()

    def quieten(self) -> None:
        """
        See L{Process.quieten}.
        """
        if self.served is not None:
            self.served.quieten()

    def stop(self) -> Deferred[Any] | None:
        """
        See L{Process.stop}.
        """
        return None if self.served is None else self.served.stop()
