"""
What must be true of a simulated world, always and at its end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sipcluster.cluster.icluster import prefixEnd
from sipcluster.cluster.operations import RangeOperation
from sipcluster.registrar.records import PREFIX, BadRecord, decode
from sipcluster.testing.simulation.call_checks import CallChecks
from sipcluster.testing.simulation.clients import Client
from sipcluster.testing.simulation.pairs import Pair
from sipcluster.testing.simulation.servers import Server
from sipcluster.testing.simulation.telephones import Telephone
from sipcluster.testing.simulation.tlib_checks import ClientChecks

if TYPE_CHECKING:
    from sipcluster.testing.simulation.world import World

#: Seconds for which a pair may have no primary then.
_VACANT = 7.0

#: Seconds that a telephone has to do what its timers say.
_LATE = 2.0


class Broken(Exception):
    """
    Something is not as it must be.
    """


class Checks:
    """
    Looks at all that happens.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._served: dict[str, float] = {}
        self._leaving: dict[str, tuple[Server, int, int]] = {}
        self._forgotten: set[str] = set()
        self.calls = CallChecks(world)
        self.tlib = ClientChecks(world)

    def broken(self, what: str) -> None:
        """
        @raise Broken: always.
        """
        self._world.breaks(what)

    # Registrations

    def unregistered(self, number: str, host: str) -> None:
        """
        A telephone was told by a SIP Proxy that it is not registered any more.
        """
        self._leaving.pop(number, None)
        self._forgotten.discard(number)
        proxy = self._world.network.processes.get(host)
        if isinstance(proxy, Server) and proxy.store.away:
            self._leaving[number] = (proxy, proxy.life, proxy.store.returns)

    def registered(self, number: str) -> None:
        """
        It is registered again.
        """
        self._leaving.pop(number, None)
        self._forgotten.discard(number)

    def proxyDies(self, proxy: Server) -> None:
        """
        A SIP Proxy is killed: what it could not write down, since the store has been
        away all the time, nobody else knows.
        """
        for number, known in list(self._leaving.items()):
            if known[0] is proxy:
                del self._leaving[number]
                now = (proxy, proxy.life, proxy.store.returns)
                if proxy.store.away and known == now:
                    self._forgotten.add(number)

    # Always

    def step(self) -> None:
        """
        Look at everybody, after each step.
        """
        world = self._world
        for process in world.processes:
            if not process.running or process.frozen:
                continue
            if isinstance(process, Telephone):
                self._believes(process)
            elif isinstance(process, Server) and process.served is not None:
                self._agents(process.name, process.served.agents())
        for pair in world.pairs:
            if not world.stopping:
                self._serves(pair)
            self._alike(pair)

    def _believes(self, phone: Telephone) -> None:
        now = phone.clock.seconds()
        for call in phone.calls:
            if call.state == "talking" and now > call.until + _LATE:
                self.broken(f"{phone.name} believes in a call since {call.until:.1f}")

    def _agents(self, name: str, agents: list[dict[str, Any]]) -> None:
        dns = [one["dn"] for one in agents]
        ids = [one["agent"] for one in agents]
        if len(set(dns)) != len(dns) or len(set(ids)) != len(ids):
            self.broken(f"{name}: agents {sorted(zip(dns, ids, strict=True))}")

    def _serves(self, pair: Pair) -> None:
        now = self._world.clock.seconds()
        if pair.primary is not None:
            self._served[pair.name] = now
        elif self._world.gentle and now - self._served.get(pair.name, 0.0) > _VACANT:
            self.broken(f"{pair.name} has no primary")

    def _alike(self, pair: Pair) -> None:
        """
        What is written down is what there is, and when nothing is on its way both
        members have the same.
        """
        primary = pair.primary
        if primary is None or primary.frozen:
            return
        served, other = pair.of(primary), pair.of(pair.other(primary))
        assert served is not None and served.keeper is not None
        if served.keeper.pending:
            return
        if found := served.keeper.differing():
            self.broken(f"{primary.name} has not journaled {sorted(found)[:5]}")
        if other is None or not served.journal.inSync:
            return
        ours, theirs = served.journal, other.journal
        if ours.saved != ours.position or theirs.position != ours.position:
            return
        mine, copy = ours.replica.all(), theirs.replica.all()
        if mine != copy:
            keys = {key for key in {*mine, *copy} if mine.get(key) != copy.get(key)}
            self.broken(f"{pair.name}: members differ in {sorted(keys)[:5]}")

    # At the end

    def quiet(self) -> str:
        """
        @return: what is still going on; empty: nothing.
        """
        found = []
        for process in self._world.processes:
            found += [
                f"{process.name}: {count} {what}"
                for what, count in process.left().items()
                if count
            ]
        return ", ".join(found)

    def lingering(self) -> str:
        """
        @return: what has not ended that ends by itself; empty: nothing.
        """
        found = []
        for process in self._world.processes:
            found += [
                f"{process.name}: {count} {what}"
                for what, count in process.lingering().items()
                if count
            ]
        return ", ".join(found)

    def ended(self) -> None:
        """
        All calls are over, all events have arrived.
        """
        self.calls.ended()
        for pair in self._world.pairs:
            if not pair.whole:
                self.broken(f"{pair.name} is not whole again")
        for process in self._world.processes:
            if isinstance(process, Client):
                self.tlib.complete(process)

    def registrations(self) -> None:
        """
        All SIP Proxies know what the store knows, and that is what telephones
        believe.
        """
        world = self._world
        stored: dict[tuple[bytes, bytes], bytes] = {}
        everything = RangeOperation(PREFIX, prefixEnd(PREFIX))
        for entry in world.engine.range(everything).entries:
            try:
                binding = decode(entry.value)
            except BadRecord:
                continue  # what the replicas know the store by
            if binding.expiresAt > world.wallTime():
                stored[binding.aor, binding.identity] = binding.contact
        for process in world.processes:
            if isinstance(process, Server) and process.kind == "proxy":
                served = process.served
                assert served is not None
                known = {(b.aor, b.identity): b.contact for b in served.bindings()}
                if known != stored:
                    self.broken(f"{process.name} knows {known}, stored is {stored}")
            elif isinstance(process, Telephone):
                there = any(aor == process.aor for aor, _ in stored)
                wanted = process.registeredUntil > world.clock.seconds()
                lost = there and process.number in self._forgotten
                if there != wanted and not lost:
                    self.broken(f"{process.name} registered: {wanted}, stored: {there}")
