"""
A process that is a member of a pair, in a simulated world.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from attrs import define
from twisted.internet.defer import Deferred
from zope.interface import implementer

from sipcluster.app.node import NodeMember, makeNode
from sipcluster.app.pair import PairProcess
from sipcluster.app.runtime import NodeRuntime
from sipcluster.app.settings import Configuration
from sipcluster.ha.arbiters.lock_file import LockFileArbiter
from sipcluster.ha.arbiters.store import StoreArbiter
from sipcluster.ha.iha import IArbiter
from sipcluster.ha.journal import Journal
from sipcluster.ha.keeper import Keeper
from sipcluster.ha.lease import Fence, LeaseTimes
from sipcluster.ha.member import PairMember
from sipcluster.net.tlib import TLibFactory
from sipcluster.registrar.iregistrar import Binding
from sipcluster.sessioncontroller.events import CallEvent
from sipcluster.sessioncontroller.isessioncontroller import IEventSink
from sipcluster.testing.arbiters import MemoryLockFiles
from sipcluster.testing.simulation.disks import Thread
from sipcluster.testing.simulation.pairs import IServedMember, Pair, Watched, linkOf
from sipcluster.testing.simulation.servers import Server, Truth
from sipcluster.testing.simulation.tlib_checks import Numbered, Told
from sipcluster.tlib.codec import decode, frame
from sipcluster.tserver.session import PUBLIC
from tests.simulation.served import sessionsOf


@implementer(IEventSink)
@define(eq=False)
class EventsOfPair:
    """
    Gives the call-control events of all lives of a member to whoever checks them.
    """

    pair: Pair
    server: Server

    def eventHappened(self, event: CallEvent) -> None:
        """
        See L{IEventSink}.
        """
        self.pair.published(self.server, event)


class WatchedProcess(PairProcess):
    """
    A member that is looked at.
    """

    def __init__(
        self,
        pair: Pair,
        server: Server,
        runtime: NodeRuntime,
        arbiter: IArbiter,
        times: LeaseTimes,
    ) -> None:
        self._watching = (pair, server)
        self._whole = False
        super().__init__(
            runtime,
            arbiter,
            lambda taker: linkOf(pair, server, taker),
            times,
            [EventsOfPair(pair, server)],
            make=self._node,
        )
        self.journal._alone = Watched(self.journal._alone, pair, server)

    def becamePrimary(self, fence: Fence) -> None:
        """
        See L{IRoleObserver<sipcluster.ha.iha.IRoleObserver>}.
        """
        self._whole = self.journal.whole
        super().becamePrimary(fence)

    def _node(self, runtime: NodeRuntime, sinks: Sequence[IEventSink]) -> NodeMember:
        pair, server = self._watching
        pair.begins(server, self._whole)
        node = makeNode(runtime, sinks)
        life = f"{server.name} {server.life} {runtime.epoch}"
        cti = node.cti
        cti.tcport.tracing.trace = cti.default.tracing.trace = Truth(server, life)
        return node

    def _begin(self, epoch: int) -> None:
        super()._begin(epoch)
        pair, server = self._watching
        pair.began(server)


@implementer(IServedMember)
class ServedMember:
    """
    One life of a process that is a member of a pair.
    """

    def __init__(self, server: Server, configuration: Configuration) -> None:
        pair = server.pair
        assert pair is not None
        runtime = NodeRuntime(
            name=server.name,
            configuration=configuration,
            clock=server.clock,
            wallTime=server.wallTime,
            entropy=server.chance.entropy,
            transport=server.transport,
            store=server.store,
        )
        times = LeaseTimes()
        self.process = WatchedProcess(
            pair,
            server,
            runtime,
            arbiterOf(server, pair, runtime, times.ttl),
            times,
        )
        self.process.startService()
        self.process.load()
        for port, number in self.process.ports.values():
            server.listen(number, TLibFactory(port))

    @property
    def member(self) -> PairMember:
        """
        See L{IServedMember}.
        """
        return self.process.member

    @property
    def journal(self) -> Journal:
        """
        See L{IServedMember}.
        """
        return self.process.journal

    @property
    def keeper(self) -> Keeper | None:
        """
        See L{IServedMember}.
        """
        return self.process.keeper

    @property
    def sessions(self) -> Any:
        """
        See L{IServed}.
        """
        life = self.process.life
        return {} if life is None else sessionsOf(life.cti)

    def told(self) -> dict[str, Told]:
        """
        See L{IServedMember}.
        """
        found = {}
        life = f"before {self.member.fence.epoch}"
        for id, session in self.sessions.items():
            journal = session.stream.journal
            messages = {}
            for position, entry in enumerate(journal.entries, journal.first):
                data = frame(position, entry.reference, entry.body)
                message = decode(data[4:]).message
                messages[position] = Numbered.of(message, entry.reference, life)
            found[id[-PUBLIC:]] = Told(journal.last, messages)
        return found

    def switchover(self) -> Deferred[str]:
        """
        See L{IServedMember}.
        """
        return self.process.switchover()

    def left(self) -> dict[str, int]:
        """
        See L{IServed}.
        """
        status = cast("dict[str, int]", self.process.status())
        return {name: status[name] for name in ("calls", "dialogs", "attempts")}

    def lingering(self) -> dict[str, int]:
        """
        See L{IServed}.
        """
        status = cast("dict[str, int]", self.process.status())
        return {name: status[name] for name in ("transactions", "timers")}

    def quieten(self) -> None:
        """
        See L{IServed}.
        """
        life = self.process.life
        if life is not None:
            life.checker.stop()
            life.devices.stop()
            life.mediaServices.stopAsking()

    def stop(self) -> Deferred[Any]:
        """
        See L{IServed}.
        """
        return self.process.stopService()

    def bindings(self) -> list[Binding]:
        """
        See L{IServed}.
        """
        return []

    def agents(self) -> list[dict[str, object]]:
        """
        See L{IServed}.
        """
        return [
            {"dn": row["dn"], "agent": row["agent"]}
            for row in self.process.explained()
            if row["agent"]
        ]


def arbiterOf(server: Server, pair: Pair, runtime: NodeRuntime, ttl: float) -> IArbiter:
    """
    A member's way to the arbiter of its pair.
    """
    if pair.arbiter == "lock-file":
        files = MemoryLockFiles(pair.disk.files)
        pair.hold(server, files)
        perform: Any = Thread(pair.disk, server.clock)
        return LockFileArbiter(files, server.clock, server.name, ttl, perform)
    word = runtime.entropy(8).hex()
    return StoreArbiter(server.store, server.clock, pair.name, server.name, word, ttl)
