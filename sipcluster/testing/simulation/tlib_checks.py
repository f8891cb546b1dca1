"""
What must be true of the T-Library clients of a simulated world.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from typing import TYPE_CHECKING

from attrs import define, field, frozen

from sipcluster.testing.simulation.clients import Client
from sipcluster.tlib.client import Resume
from sipcluster.tlib.codec import Envelope
from sipcluster.tlib.enums import ResumeResult
from sipcluster.tlib.messages import Message
from sipcluster.tserver.itserver import Receiver
from sipcluster.tserver.session import PUBLIC

if TYPE_CHECKING:
    from sipcluster.testing.simulation.world import World

#: Seconds for which a session is kept, when its client knows of the loss of its link
#: as much later than the server as it can.
_KEPT = 20.0

#: Why a client loses its link when its server ends its sessions, too.
_STOPS = "the server stops"

#: What a client may be told of a DN in a call after what.
_FIRST = frozenset(["EventDialing", "EventRinging"])
_LAST = frozenset(["EventReleased", "EventAbandoned"])
_ORDER = _FIRST | _LAST | {"EventEstablished", "EventHeld", "EventRetrieved"}


@frozen
class Numbered:
    """
    A message that was given a position.

    @ivar life: of the process that did it.
    """

    name: str
    reference: int
    life: str


@frozen
class Told:
    """
    What a process knows that a client was told.

    @ivar last: the position of the last message.
    @ivar messages: those that the client may want again, by position.
    """

    last: int
    messages: Mapping[int, Numbered]


@define
class Session:
    """
    One T-Library session.

    @ivar home: whose it is: a life of a node on its own, or a pair.
    @ivar sent: what has a position.
    @ivar received: the position of the last event that the client was given.
    @ivar snapshots: it was resumed with a snapshot: there may be gaps.
    @ivar forked: positions that the client knows have been given anew, by a process
        that could not know it: the client must be told so before it goes on.
    @ivar common: what its link brings after this position is of a process whose
        successor knew nothing of it.
    @ivar epoch: RoleEpoch of its last link; 0: of no pair.
    @ivar unsure: its link was of a process that had a successor already.
    @ivar begun: the position at which it was told of a snapshot that it has had
        nothing of yet; -1: there is none.
    @ivar parties: by DN and ConnID: what the client was told last.
    """

    home: str = ""
    sent: dict[int, Numbered] = field(factory=dict)
    received: int = 0
    snapshots: bool = False
    forked: bool = False
    common: float = inf
    epoch: int = 0
    unsure: bool = False
    begun: int = -1
    parties: dict[tuple[str, str], str] = field(factory=dict)


class ClientChecks:
    """
    Looks at all that T-Library clients are told.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._sessions: dict[str, Session] = {}
        self._last: dict[str, Resume] = {}
        self._unlinked: dict[str, float] = {}
        self._lives: dict[str, str] = {}
        self._torn: set[str] = set()
        self._ended: dict[str, bool] = {}

    def broken(self, what: str) -> None:
        """
        @raise Broken: always.
        """
        self._world.breaks(what)

    def _session(self, name: str) -> Session:
        return self._sessions.setdefault(name[-PUBLIC:], Session())

    # What the servers do

    def numbered(
        self, session: str, receiver: Receiver, message: Message, home: str, life: str
    ) -> None:
        """
        A server has given a message a position in a session.

        @param home: whose session it is.
        @param life: of the process that did it.
        """
        known = self._session(session)
        known.home = home
        position = receiver.position
        before = known.sent.get(position)
        if before is not None:
            if before.life == life:
                self.broken(f"{receiver.client}: position {position} twice")
            if known.received >= position:
                self._anew(known, f"{receiver.client}: position {position} anew")
        name = type(message).__name__
        known.sent[position] = Numbered(name, receiver.reference, life)

    def _anew(self, known: Session, what: str) -> None:
        if known.home not in self._torn:
            self.broken(what)
        known.forked = True

    def tookOver(self, home: str, told: Mapping[str, Told], torn: bool) -> None:
        """
        Another process goes on with the sessions of a pair.

        @param told: what it knows that clients were told, by public session id.
        @param torn: it cannot know all of it.
        """
        if torn:
            self._torn.add(home)
        for name, known in self._sessions.items():
            if known.home != home:
                continue
            copy = told.get(name)
            if copy is None:
                continue  # it must have been lost: asked when its client comes back
            if torn:
                known.common = min(known.common, copy.last)
            if known.received > copy.last:
                what = f"{name}: {known.received} was given, {copy.last} is known"
                self._anew(known, what)
            for position in [one for one in known.sent if one > copy.last]:
                del known.sent[position]
            for position, numbered in copy.messages.items():
                sent = known.sent.setdefault(position, numbered)
                if sent.name != numbered.name:
                    what = f"{name}: {position} is {numbered.name}, was {sent.name}"
                    if position <= known.received or not torn:
                        self._anew(known, what)
                    known.sent[position] = numbered

    # What the clients see

    def unlinked(self, client: Client, why: str) -> None:
        """
        A client has lost its link.
        """
        self._ended[client.name] = why == _STOPS
        self._unlinked[client.name] = self._world.clock.seconds()

    def linked(
        self, client: Client, resume: Resume | None, result: ResumeResult
    ) -> None:
        """
        A client has a link.
        """
        life = self._lives.get(client.name, "")
        now = self._lives[client.name] = self._world.continuity(client.node)
        before = self._last.get(client.name)
        if before is None or resume is None:
            return
        same = (before.session, before.epoch) == (resume.session, resume.epoch)
        known = self._session(resume.session)
        if result is ResumeResult.RESUMED and not same:
            self.broken(f"{client.name}: resumed another session")
        paired = self._world.pairAt(client.node) is not None
        again = result is ResumeResult.SNAPSHOT and known.begun == known.received
        if life == now and not again:
            since = self._unlinked.get(client.name, 0.0)
            away = self._world.clock.seconds() - since
            ended = self._ended.get(client.name, False) and not self._world.gentle
            if result is not ResumeResult.RESUMED and away < _KEPT and not ended:
                self.broken(f"{client.name}: {result.label} after {away:.1f} s")
        elif not paired and result not in (ResumeResult.LOST, ResumeResult.NEW):
            self.broken(f"{client.name}: {result.label} after a restart of its node")
        if result is ResumeResult.SNAPSHOT:
            known.snapshots, known.forked = True, False
            known.begun = known.received
            known.parties.clear()
        if paired and result in (ResumeResult.RESUMED, ResumeResult.SNAPSHOT):
            self._pairLinked(client, known)

    def _pairLinked(self, client: Client, known: Session) -> None:
        """
        A client goes on with its session at a pair.
        """
        info = None if client.client is None else client.client.info
        pair = self._world.pairAt(client.node)
        assert info is not None and pair is not None
        before, known.epoch = known.epoch, info.roleEpoch or 0
        if known.epoch != pair.epochs[-1]:
            known.unsure = True  # what it is told was on its way for long
            return
        known.common = inf
        if known.forked and not known.unsure and before == pair.epochs[-2]:
            self.broken(f"{client.name}: resumed what is not what it was")
        if known.forked or known.unsure:
            # More than one has gone on with the session meanwhile, and not each one
            # with what the one before had: nobody here knows what is right.
            self._world.note(client.name, "resumed what is perhaps not what it was")
            known.forked = known.unsure = False
            known.snapshots = True
            known.parties.clear()

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
        known.received, known.begun = position, -1
        sent = known.sent.get(position)
        got = (type(message).__name__, envelope.reference)
        if position > known.common:
            known.forked = True
        elif sent is None or sent.name != got[0]:
            what = f"{client.name}: {got} at {position}, sent was {sent}"
            if not known.unsure:
                self.broken(what)
            known.forked = True
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
        if last == "Released" and name not in _FIRST:
            self.broken(f"{client.name}: {name} of {dn} after it was released")
        known.parties[dn, call] = "Released" if name in _LAST else name

    # At the end

    def complete(self, client: Client) -> None:
        """
        All calls are over, and a client knows it.
        """
        if client.client is None:
            return
        resume = client.client.resume
        if client.client.info is None or resume is None:
            self.broken(f"{client.name} has no link")
            return
        known = self._session(resume.session)
        last = max(known.sent, default=0)
        beyond = known.snapshots and known.received > last  # nobody had that any more
        if known.received != last and not beyond:
            self.broken(f"{client.name}: has {known.received} of {last}")
        for (dn, call), state in known.parties.items():
            if state != "Released":
                self.broken(f"{client.name}: {dn} in {call} ended with {state}")
