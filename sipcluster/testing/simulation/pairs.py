"""
Pairs of a simulated world: two servers that stand for one node.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from attrs import define, field
from twisted.application.service import IService, Service
from twisted.internet.defer import Deferred
from zope.interface import Attribute, implementer

from sipcluster.ha.ireplica import IAlone, ILinkTaker
from sipcluster.ha.journal import Journal
from sipcluster.ha.keeper import Keeper
from sipcluster.ha.member import PairMember
from sipcluster.net.ha_link import HALinkFactory, redial
from sipcluster.sessioncontroller.events import CallEvent
from sipcluster.testing.simulation.disks import SimulatedDisk
from sipcluster.testing.simulation.processes import ProcessEndpoint
from sipcluster.testing.simulation.servers import IServed, Server
from sipcluster.testing.simulation.tlib_checks import Told

if TYPE_CHECKING:
    from sipcluster.testing.simulation.world import World

#: The port of the HA link.
LINK = 3010


class IServedMember(IServed):
    """
    One life of a process that is a member of a pair.
    """

    member: PairMember = Attribute("Its role.")
    journal: Journal = Attribute("What it has of all that is kept.")
    keeper: Keeper | None = Attribute("Of the node, while it is primary.")

    def told() -> dict[str, Told]:
        """
        What it knows that its T-Library clients were told, by public session id.
        """

    def switchover() -> Deferred[str]:
        """
        Give the role to the other member.

        @return: fires with why it did not take place.
        """


@define(eq=False)
class Pair:
    """
    Two servers that stand for one node.

    @ivar name: of the pair, and of the node that it stands for.
    @ivar members: both; the first one listens for the second one.
    @ivar arbiter: C{"store"} or C{"lock-file"}.
    @ivar disk: where the lock files are.
    @ivar epochs: in which members were primary, in order.
    @ivar torn: how often somebody became primary who could not have everything that
        the one before had told others: what there was is lost, and nothing more can be
        asked of it.
    @ivar last: who became primary last, and in which of its lives.
    """

    world: World
    name: str
    members: tuple[Server, Server]
    arbiter: str
    disk: SimulatedDisk
    epochs: list[int] = field(factory=list)
    torn: int = 0
    last: tuple[Server, int] | None = None
    _tears: bool = False
    _pending: list[CallEvent] = field(factory=list)
    _publisher: Server | None = None
    _traps: list[Any] = field(factory=list)
    _holders: dict[Server, object] = field(factory=dict)
    _alone: set[tuple[Server, int]] = field(factory=set)

    def of(self, server: Server) -> IServedMember | None:
        """
        What runs in a member; L{None}: nothing.
        """
        return server.served  # type: ignore[return-value] # what a pair is made of

    @property
    def primary(self) -> Server | None:
        """
        The member that serves.
        """
        for server in self.members:
            served = self.of(server)
            if served is not None and served.member.fence.open and served.keeper:
                return server
        return None

    @property
    def whole(self) -> bool:
        """
        Whether one member serves and the other one has everything.
        """
        one = self.primary
        served = None if one is None else self.of(one)
        return served is not None and served.journal.inSync

    def other(self, server: Server) -> Server:
        """
        The other member.
        """
        return self.members[1] if server is self.members[0] else self.members[0]

    # What happens to it

    def trap(self, count: int, spring: Callable[[], object]) -> None:
        """
        Do something when so much more has happened in the primary: a SIP message came
        or left, or a call-control event was published.
        """
        self._traps.append([count, spring])

    def stirred(self, server: Server) -> None:
        """
        Something has happened in a member.
        """
        if not self._traps or server is not self.primary:
            return
        for trap in self._traps:
            trap[0] -= 1
        sprung = [trap for trap in self._traps if trap[0] <= 0]
        self._traps = [trap for trap in self._traps if trap[0] > 0]
        for _, spring in sprung:
            spring()

    def wentAlone(self, server: Server) -> None:
        """
        A primary sends although the other member has not everything.
        """
        self._alone.add((server, server.life))

    def died(self, server: Server) -> None:
        """
        A member was killed.
        """
        if server is self._publisher:
            self._unsaved()
        self.disk.files.died(self._holders.pop(server, None))

    def hold(self, server: Server, files: object) -> None:
        """
        A process of a member has lock files, as long as it lives.
        """
        self._holders[server] = files

    def published(self, server: Server, event: CallEvent) -> None:
        """
        The primary has published a call-control event.  It has happened when the other
        member knows it; before that, it is forgotten with this process.
        """
        served = self.of(server)
        server.published(event)
        if served is None or served.keeper is None:
            self.world.breaks(f"{server.name}: an event of a life that is over")
            return
        self._pending.append(event)
        self._publisher = server
        self.stirred(server)
        served.keeper.put(self._saved, event)

    def _saved(self, event: CallEvent) -> None:
        if event in self._pending:
            self._pending.remove(event)
            self.world.checks.calls.called(self.name, event)

    def _unsaved(self) -> None:
        pending, self._pending = self._pending, []
        for event in pending:
            self.world.checks.calls.loosen(self.name, event)

    def begins(self, server: Server, whole: bool) -> None:
        """
        A member becomes primary; nothing has been restored yet.

        @param whole: it has had everything at some time.
        """
        served = self.of(server)
        assert served is not None
        epoch = served.member.fence.epoch
        world = self.world
        world.note(server.name, f"is primary in epoch {epoch}")
        if self.epochs and epoch <= self.epochs[-1]:
            world.breaks(f"{server.name}: epoch {epoch} after {self.epochs[-1]}")
        self.epochs.append(epoch)
        self._unsaved()
        last, self.last = self.last, (server, server.life)
        self._tears = False
        if last is not None and last != self.last:
            # Else this process knows itself what it has said.
            self._tears = last in self._alone or not whole
            self._alone.discard(last)
        if self._tears:
            self.torn += 1
            world.note(server.name, "goes on without all that there was")
            world.checks.calls.forget(self.name)

    def began(self, server: Server) -> None:
        """
        It has restored everything.
        """
        served = self.of(server)
        assert served is not None
        self.world.checks.tlib.tookOver(self.name, served.told(), self._tears)

    def sends(self, server: Server, data: bytes) -> None:
        """
        A member sends a SIP message: as backup it answers, and nothing else.
        """
        served = self.of(server)
        if served is None or served.member.fence.open:
            return
        if not data.startswith((b"SIP/2.0 503 ", b"SIP/2.0 200 ")):
            what = data[:60].split(b"\r\n")[0].decode("utf-8", "replace")
            self.world.breaks(f"{server.name} is not primary and sends {what}")
        elif b"Role: primary" in data:
            self.world.breaks(f"{server.name} is not primary and says that it is")

    def look(self) -> None:
        """
        After everything that happens: there is one primary at most.
        """
        serving = 0
        for server in self.members:
            served: Any = server.served
            if served is None:
                continue
            if served.member.fence.open:
                serving += 1
                if self._alone and served.journal.inSync:
                    self._alone.discard((server, server.life))
        if serving > 1:
            self.world.breaks(f"{self.name} has two primaries")


@implementer(IAlone)
@define(eq=False)
class Watched:
    """
    Hears when a primary may send alone.
    """

    alone_: IAlone
    pair: Pair
    server: Server

    def alone(self) -> bool:
        """
        See L{IAlone}.
        """
        may = self.alone_.alone()
        if may:
            self.pair.wentAlone(self.server)
        return may


def linkOf(pair: Pair, server: Server, taker: ILinkTaker) -> IService:
    """
    What connects a member to the other one.
    """
    factory = HALinkFactory(taker, "")
    first = pair.members[0]
    if server is first:
        return _Listens(server, factory)
    endpoint = ProcessEndpoint(server.transport.sockets, first.host, LINK, 2.0)
    return redial(server.clock, endpoint, factory, server.chance.fork("link").random)


class _Listens(Service):
    """
    Waits for the other member.
    """

    def __init__(self, server: Server, factory: HALinkFactory) -> None:
        self._server = server
        self._factory = factory
        self._port: Any = None

    def startService(self) -> None:
        """
        See C{IService}.
        """
        super().startService()
        listening = self._server.transport.sockets.listen(
            self._server.host, LINK, self._factory, None
        )
        listening.addCallback(self._opened)

    def _opened(self, port: Any) -> None:
        self._port = port

    def stopService(self) -> Any:
        """
        See C{IService}.
        """
        super().stopService()
        return self._port.stopListening()
