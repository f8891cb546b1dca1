"""
What must be true of a simulated world, always and at its end.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sipcluster.cluster.icluster import prefixEnd
from sipcluster.cluster.operations import RangeOperation
from sipcluster.registrar.records import PREFIX, BadRecord, decode
from sipcluster.sessioncontroller.events import CallEvent, Cause, Released
from sipcluster.testing.simulation.clients import Client
from sipcluster.testing.simulation.pairs import Pair
from sipcluster.testing.simulation.servers import Server
from sipcluster.testing.simulation.telephones import Telephone
from sipcluster.testing.simulation.tlib_checks import ClientChecks

if TYPE_CHECKING:
    from sipcluster.testing.simulation.world import World

#: What a DN may be told after what.
LEGAL: Mapping[str, frozenset[str]] = {
    "": frozenset(["Offered", "Alerting"]),
    "Offered": frozenset(["Answered", "Failed", "Released"]),
    "Alerting": frozenset(["Progressed", "Answered", "Released"]),
    "Progressed": frozenset(["Progressed", "Answered", "Released"]),
    "Answered": frozenset(["Held", "Updated", "Released"]),
    "Held": frozenset(["Retrieved", "Updated", "Released"]),
    "Retrieved": frozenset(["Held", "Updated", "Released"]),
    "Updated": frozenset(["Held", "Retrieved", "Updated", "Released"]),
    "Failed": frozenset(["Released"]),
    "Released": frozenset(),
}

#: Events that say nothing of the state of a party.
_BESIDES = frozenset(["UserDataChanged", "DTMFSent"])

_BEGINS = frozenset(["Offered", "Alerting"])

#: Why no call ends when nothing goes wrong but with one member of a pair.
_UNWANTED = frozenset([Cause.LOST, Cause.FAILED, Cause.SHUTDOWN])
_LOSSES = frozenset(
    [
        *("408", "481", "500", "503", "504", "no ACK", "the session has expired"),
        *("re-INVITE: 408", "re-INVITE: 481"),
    ]
)

#: Seconds after somebody hangs up, in which what a node asks of that telephone may
#: find no call there before the BYE is at the node.
_CROSSES = 2.0

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
        self._parties: dict[tuple[str, str, str, int], str] = {}
        self._times: dict[tuple[str, str, str], int] = {}
        self._loose: set[tuple[str, str, str]] = set()
        self._served: dict[str, float] = {}
        self._hungUp = -_CROSSES
        self._released: dict[str, float] = {}
        self._byes: dict[str, int] = {}
        self._byesSeen: dict[str, float] = {}
        self._leaving: dict[str, tuple[Server, int, int]] = {}
        self._forgotten: set[str] = set()
        self.tlib = ClientChecks(world)

    def broken(self, what: str) -> None:
        """
        @raise Broken: always.
        """
        self._world.breaks(what)

    # Calls

    def called(self, home: str, event: CallEvent) -> None:
        """
        A node has published a call-control event, and it cannot be undone any more.

        @param home: whose calls these are: a life of a node on its own, or a pair.
        """
        name, party = type(event).__name__, event.party
        key = (home, party.connID, party.thisDN)
        if name in _BESIDES or key in self._loose:
            return
        if name in _BEGINS:
            self._times[key] = self._times.get(key, 0) + 1
        one = (*key, self._times.get(key, 0))
        last = self._parties.get(one, "")
        if name not in LEGAL[last]:
            self.broken(f"{name} after {last or 'nothing'} for {party.thisDN}")
        self._parties[one] = name
        unwanted = isinstance(event, Released) and event.cause in _UNWANTED
        now = self._world.clock.seconds()
        excused = now <= self._hungUp + _CROSSES or self._hangsUp(event)
        if self._world.gentle and unwanted and not excused:
            self.broken(f"{party.thisDN} is released: {event}")
        if isinstance(event, Released) and not unwanted:
            self._released[party.thisDN] = now

    def hasEnded(self, phone: str, number: str, why: str) -> None:
        """
        A telephone has no call any more.

        @param number: its DN.  Its re-INVITE may come to a node when the other side
            has just hung up, before the BYE of the node is at the telephone.
        """
        now = self._world.clock.seconds()
        if why == "hangs up":
            self._hungUp = now
        released = now <= self._released.get(number, -_CROSSES) + _CROSSES
        if why == "re-INVITE: 481" and released:
            return
        if self._world.gentle and why in _LOSSES:
            self.broken(f"{phone} has lost a call: {why}")

    def hangsUp(self, number: str) -> None:
        """
        A telephone has sent a BYE, and has no call any more.
        """
        self._byes[number] = self._byes.get(number, 0) + 1

    def hasHungUp(self, number: str) -> None:
        """
        Its BYE has been answered.
        """
        self._byes[number] = max(0, self._byes.get(number, 0) - 1)
        self._byesSeen[number] = self._world.clock.seconds()

    def _hangsUp(self, event: CallEvent) -> bool:
        """
        Whether a party is released as lost because its telephone, or that of the
        other one, had hung up before, and the BYE has not come through yet: a SIP
        Proxy has it, for which no member of a pair is in service, and meanwhile the
        node asks the telephone for something.
        """
        if not isinstance(event, Released) or event.cause is not Cause.LOST:
            return False
        now = self._world.clock.seconds()
        return any(
            self._byes.get(dn, 0) or now <= self._byesSeen.get(dn, -_CROSSES) + _CROSSES
            for dn in (event.party.thisDN, event.party.otherDN)
        )

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

    def loosen(self, home: str, event: CallEvent) -> None:
        """
        An event has happened or not: who published it died, and whoever goes on may
        have heard of it.
        """
        key = (home, event.party.connID, event.party.thisDN)
        self._loose.add(key)
        for one in [each for each in self._parties if each[:3] == key]:
            del self._parties[one]

    def forget(self, home: str) -> None:
        """
        The calls of a node have ended without a word, or are gone on with by one who
        does not know all of them.
        """
        self._loose.update(key for key in self._times if key[0] == home)
        for one in [each for each in self._parties if each[0] == home]:
            del self._parties[one]

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
        call, now = phone.call, phone.clock.seconds()
        if call is not None and call.state == "talking" and now > call.until + _LATE:
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
        for key, last in self._parties.items():
            if last != "Released":
                self.broken(f"{key[0]}: {key[2]} in {key[1]} ended with {last}")
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
