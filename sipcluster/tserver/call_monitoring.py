"""
Who wants the events of calls as such, and how they get them.

A client that asks is told of all calls that there are, some at a time and as fast as
it reads, and of whatever happens from then on.  Nothing happens to a call before the
client was told of it.  Both members of a pair know who has asked.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Any

from attrs import define, field
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from zope.interface import implementer

from sipcluster.ha.ikeeping import UNKEPT, IKeeper, IKept
from sipcluster.sessioncontroller.events import CallEvent
from sipcluster.sessioncontroller.isessioncontroller import ICallControl, IEventSink
from sipcluster.tlib.errors import TErrorCode
from sipcluster.tlib.messages import (
    EventACK,
    Message,
    RequestStartCallMonitoring,
    RequestStopCallMonitoring,
)
from sipcluster.tserver.call_notices import CallNotices
from sipcluster.tserver.itserver import (
    ClientView,
    IClientObserver,
    IRequests,
)
from sipcluster.tserver.outgoing import Outgoing
from sipcluster.wire.correlation import Requester

if TYPE_CHECKING:
    from sipcluster.tserver.server import TServer

#: Calls that a client is told of at one time.
MANY = 50

#: Seconds until it is told of more.
PAUSE = 0.02

#: What is written down of a client: that it was told of all calls, or not yet.
_ALL, _SOME = b"1", b"0"


@define(eq=False)
class Monitor:
    """
    A client that has asked.

    @ivar lacking: the calls of which it was not told, by ConnID.
    @ivar more: when it is told of some.
    """

    client: str
    server: TServer
    lacking: dict[str, None] = field(factory=dict)
    more: IDelayedCall | None = None

    def stop(self) -> None:
        """
        Tell it no more of what there is.
        """
        self.lacking.clear()
        if self.more is not None:
            self.more.cancel()
            self.more = None


@implementer(IEventSink)
class CallMonitoring:
    """
    That of a node, at all its ports.
    """

    def __init__(self, clock: IReactorTime, node: str = "") -> None:
        """
        @param node: its name, or that of its pair.
        """
        self._clock = clock
        self._notices = CallNotices(node)
        self._monitors: dict[str, Monitor] = {}
        self._ports: list[PortMonitoring] = []

    def at(self, server: TServer, keeper: IKeeper = UNKEPT) -> PortMonitoring:
        """
        Take requests at one more port.

        @param keeper: keeps who has asked; the sessions of the port are restored
            before.
        """
        port = PortMonitoring(self, server, keeper)
        self._ports.append(port)
        server.add(port)
        return port

    def controlled(self, control: ICallControl) -> None:
        """
        There are calls from now on.
        """
        self._notices.control = control

    @property
    def monitors(self) -> int:
        """
        How many clients have asked.
        """
        return len(self._monitors)

    def stop(self) -> None:
        """
        Let go of all clocks.
        """
        for monitor in self._monitors.values():
            monitor.stop()
        self._monitors.clear()
        self._notices.calls.clear()

    # IEventSink

    def eventHappened(self, event: CallEvent) -> None:
        """
        See L{IEventSink}.
        """
        monitors = self._monitors
        if not monitors:
            return
        for monitor in monitors.values():
            if monitor.lacking:
                for connID in self._notices.about(event):
                    self._tell(monitor, connID)
        for notice in self._notices.of(event):
            one = Outgoing(notice)
            for port in self._ports:
                if port.clients:
                    port.server.publishTo(port.clients, one)

    # Clients

    def begin(self, monitor: Monitor, finished: bool = False) -> None:
        """
        Somebody wants to know.

        @param finished: another process has told it of all that there was.
        """
        if not self._monitors:
            self._notices.begin()
        old = self._monitors.pop(monitor.client, None)
        if old is not None:
            old.stop()
        self._monitors[monitor.client] = monitor
        if not finished:
            monitor.lacking.update(dict.fromkeys(self._notices.calls))
            self._tellSoon(monitor, 0)

    def end(self, client: str) -> bool:
        """
        It wants no more.

        @return: whether it had.
        """
        monitor = self._monitors.pop(client, None)
        if monitor is None:
            return False
        monitor.stop()
        if not self._monitors:
            self._notices.calls.clear()
        return True

    def has(self, client: str) -> Monitor | None:
        """
        Whether a client has asked.
        """
        return self._monitors.get(client)

    def _tellSoon(self, monitor: Monitor, seconds: float = PAUSE) -> None:
        monitor.more = self._clock.callLater(seconds, self._tellSome, monitor)

    def _tellSome(self, monitor: Monitor) -> None:
        monitor.more = None
        if monitor.server.hasRoom(monitor.client):
            for connID in list(monitor.lacking)[:MANY]:
                self._tell(monitor, connID)
        if monitor.lacking:
            self._tellSoon(monitor)
        else:
            self._toldAll(monitor)

    def _toldAll(self, monitor: Monitor) -> None:
        for port in self._ports:
            if port.server is monitor.server:
                port.touch(monitor.client)

    def _tell(self, monitor: Monitor, connID: str) -> None:
        """
        Tell a client of a call, if it was not told.
        """
        if connID in monitor.lacking:
            del monitor.lacking[connID]
            now = monitor.server.wallTime()
            for notice in self._notices.snapshot(connID, now):
                monitor.server.publishTo((monitor.client,), notice)


@implementer(IRequests, IClientObserver, IKept)
class PortMonitoring:
    """
    Takes the requests of one port.

    @ivar clients: who has asked: the ids of their sessions.
    """

    numbers = frozenset(
        [RequestStartCallMonitoring.number, RequestStopCallMonitoring.number]
    )

    def __init__(
        self, monitoring: CallMonitoring, server: TServer, keeper: IKeeper
    ) -> None:
        self._monitoring = monitoring
        self.server = server
        self.clients: dict[str, None] = {}
        self._finished: dict[str, bool] = {}
        self.kind = f"tlib-call-monitoring {server.name}"
        self.touch = keeper.keep(self)

    # IRequests

    def requested(
        self, request: Message, requester: Requester, client: ClientView
    ) -> None:
        """
        See L{IRequests}.
        """
        server = self.server
        if isinstance(request, RequestStartCallMonitoring):
            server.answer(requester, EventACK(time=server.now()))
            self.clients[client.id] = None
            self._monitoring.begin(Monitor(client.id, server))
            self.touch(client.id)
        elif self._end(client.id):
            server.answer(requester, EventACK(time=server.now()))
        else:
            server.refuse(requester, TErrorCode.ALREADY_IN_STATE)

    def _end(self, client: str) -> bool:
        self.clients.pop(client, None)
        ended = self._monitoring.end(client)
        if ended:
            self.touch(client)
        return ended

    # IClientObserver

    def addressRegistered(self, client: ClientView, dn: str) -> None:
        """
        See L{IClientObserver}.
        """

    def addressUnregistered(self, client: ClientView, dn: str) -> None:
        """
        See L{IClientObserver}.
        """

    def clientAway(self, client: ClientView, dns: Collection[str]) -> None:
        """
        See L{IClientObserver}.
        """

    def clientBack(self, client: ClientView, dns: Collection[str]) -> None:
        """
        See L{IClientObserver}.
        """

    def clientGone(self, client: ClientView, dns: Collection[str]) -> None:
        """
        See L{IClientObserver}.
        """
        self._end(client.id)

    # IKept

    def keys(self) -> Iterable[str]:
        """
        See L{IKept}.
        """
        return list(self.clients)

    def entry(self, key: str) -> bytes | None:
        """
        See L{IKept}.
        """
        monitor = self._monitoring.has(key) if key in self.clients else None
        return None if monitor is None else _SOME if monitor.lacking else _ALL

    def restore(self, key: str, value: bytes, age: float) -> None:
        """
        See L{IKept}.

        @raise ValueError: it has no session.
        """
        if key not in self.server.sessions:
            raise ValueError(f"there is no session {key}")
        self.clients[key] = None
        self._finished[key] = value == _ALL

    def restored(self) -> None:
        """
        See L{IKept}: calls are there, and nothing has happened to them.
        """
        finished, self._finished = self._finished, {}
        for client, told in finished.items():
            self._monitoring.begin(Monitor(client, self.server), told)

    def comparable(self, value: bytes) -> Any:
        """
        See L{IKept}.
        """
        return value
