"""
What must be true of a simulated world, always and at its end.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from attrs import define, field

from sipcluster.cluster.icluster import prefixEnd
from sipcluster.cluster.operations import RangeOperation
from sipcluster.registrar.records import PREFIX, BadRecord, decode
from sipcluster.sessioncontroller.events import CallEvent
from sipcluster.testing.simulation.clients import Client
from sipcluster.testing.simulation.servers import Server
from sipcluster.testing.simulation.telephones import Telephone
from sipcluster.tlib.client import Resume
from sipcluster.tlib.codec import Envelope
from sipcluster.tlib.enums import ResumeResult
from sipcluster.tlib.messages import Message
from sipcluster.tserver.itserver import Receiver
from sipcluster.tserver.session import PUBLIC

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

#: Seconds for which a session is kept, when its client knows of the loss of its link
#: as much later than the server as it can.
_KEPT = 20.0

#: Seconds that a telephone has to do what its timers say.
_LATE = 2.0


class Broken(Exception):
    """
    Something is not as it must be.
    """


@define
class Session:
    """
    One T-Library session.

    @ivar sent: what the server numbered: names and ReferenceIDs of the messages.
    @ivar received: the position of the last event that the client was given.
    @ivar snapshots: it was resumed with a snapshot: there may be gaps.
    @ivar parties: by DN and ConnID: what the client was told last.
    """

    sent: dict[int, tuple[str, int]] = field(factory=dict)
    received: int = 0
    snapshots: bool = False
    parties: dict[tuple[str, str], str] = field(factory=dict)


class Checks:
    """
    Looks at all that happens.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._parties: dict[tuple[str, int, str, str, int], str] = {}
        self._times: dict[tuple[str, int, str, str], int] = {}
        self._sessions: dict[str, Session] = {}
        self._last: dict[str, Resume] = {}
        self._unlinked: dict[str, float] = {}
        self._lives: dict[str, int] = {}

    def broken(self, what: str) -> None:
        """
        @raise Broken: always.
        """
        self._world.breaks(what)

    # Calls

    def called(self, server: Server, life: int, event: CallEvent) -> None:
        """
        A node has published a call-control event.
        """
        name, party = type(event).__name__, event.party
        self._world.note(
            server.name, f"{name} {party.thisDN} {party.connID}", party.connID
        )
        if name in _BESIDES:
            return
        key = (server.name, life, party.connID, party.thisDN)
        if name in _BEGINS:
            self._times[key] = self._times.get(key, 0) + 1
        one = (*key, self._times.get(key, 0))
        last = self._parties.get(one, "")
        if name not in LEGAL[last]:
            self.broken(f"{name} after {last or 'nothing'} for {party.thisDN}")
        self._parties[one] = name

    def died(self, server: Server) -> None:
        """
        A server was killed: its calls have ended without a word.
        """
        for key in list(self._parties):
            if key[0] == server.name:
                del self._parties[key]

    # T-Library

    def _session(self, name: str) -> Session:
        return self._sessions.setdefault(name[-PUBLIC:], Session())

    def numbered(self, session: str, receiver: Receiver, message: Message) -> None:
        """
        A server has given a message a position in a session.
        """
        known = self._session(session)
        position = receiver.position
        if position in known.sent:
            self.broken(f"{receiver.client}: position {position} twice")
        known.sent[position] = (type(message).__name__, receiver.reference)

    def unlinked(self, client: Client) -> None:
        """
        A client has lost its link.
        """
        self._unlinked[client.name] = self._world.clock.seconds()

    def linked(
        self, client: Client, resume: Resume | None, result: ResumeResult
    ) -> None:
        """
        A client has a link.
        """
        life = self._lives.get(client.name, 0)
        self._lives[client.name] = self._world.network.processes[client.node].life
        before = self._last.get(client.name)
        if before is None or resume is None:
            return
        same = (before.session, before.epoch) == (resume.session, resume.epoch)
        if result is ResumeResult.RESUMED and not same:
            self.broken(f"{client.name}: resumed another session")
        if life == self._world.network.processes[client.node].life:
            since = self._unlinked.get(client.name, 0.0)
            away = self._world.clock.seconds() - since
            if result is ResumeResult.LOST and away < _KEPT:
                self.broken(f"{client.name}: its session was lost in {away:.1f} s")
        elif result not in (ResumeResult.LOST, ResumeResult.NEW):
            self.broken(f"{client.name}: {result.label} after a restart of its node")
        if result is ResumeResult.SNAPSHOT:
            self._session(resume.session).snapshots = True

    def received(self, client: Client, resume: Resume, envelope: Envelope) -> None:
        """
        A client was given an event.
        """
        known = self._session(resume.session)
        position, message = envelope.position, envelope.message
        self._last[client.name] = resume
        expected = known.received + 1
        if position != expected and not (known.snapshots and position > expected):
            self.broken(f"{client.name}: position {position} after {known.received}")
        known.received = position
        sent = known.sent.get(position)
        got = (type(message).__name__, envelope.reference)
        if sent is None or sent[0] != got[0]:
            self.broken(f"{client.name}: {got} at {position}, sent was {sent}")
        dn = getattr(message, "thisDN", None) or ""
        call = getattr(message, "connID", None) or ""
        if call and dn:
            self._party(client, known, dn, call, got[0])

    def _party(
        self, client: Client, known: Session, dn: str, call: str, name: str
    ) -> None:
        if name not in _ORDER:
            return
        last = known.parties.get((dn, call), "")
        if last == "Released" and name not in ("EventDialing", "EventRinging"):
            self.broken(f"{client.name}: {name} of {dn} after it was released")
        ends = name in ("EventReleased", "EventAbandoned")
        known.parties[dn, call] = "Released" if ends else name

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

    def _believes(self, phone: Telephone) -> None:
        call, now = phone.call, phone.clock.seconds()
        if call is not None and call.state == "talking" and now > call.until + _LATE:
            self.broken(f"{phone.name} believes in a call since {call.until:.1f}")

    def _agents(self, name: str, agents: list[dict[str, Any]]) -> None:
        dns = [one["dn"] for one in agents]
        ids = [one["agent"] for one in agents]
        if len(set(dns)) != len(dns) or len(set(ids)) != len(ids):
            self.broken(f"{name}: agents {sorted(zip(dns, ids, strict=True))}")

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
                self.broken(f"{key[0]}: {key[3]} in {key[2]} ended with {last}")
        for process in self._world.processes:
            if isinstance(process, Client) and process.client is not None:
                self._complete(process)

    def _complete(self, client: Client) -> None:
        assert client.client is not None
        resume = client.client.resume
        if client.client.info is None or resume is None:
            self.broken(f"{client.name} has no link")
            return
        known = self._session(resume.session)
        last = max(known.sent, default=0)
        if known.received != last:
            self.broken(f"{client.name}: has {known.received} of {last}")

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
                if there != wanted:
                    self.broken(f"{process.name} registered: {wanted}, stored: {there}")


_ORDER = frozenset(
    [
        *("EventDialing", "EventRinging", "EventEstablished", "EventHeld"),
        *("EventRetrieved", "EventReleased", "EventAbandoned"),
    ]
)
