"""
What must be true of the T-Library clients of a simulated world.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from attrs import define, field, frozen

from sipcluster.testing.simulation.clients import Client
from sipcluster.tlib.client import Resume
from sipcluster.tlib.codec import Envelope
from sipcluster.tlib.enums import ResumeResult
from sipcluster.tlib.messages import EventPartyChanged, Message
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
_FIRST = frozenset(["EventDialing", "EventRinging", "EventQueued"])
_LAST = frozenset(["EventReleased", "EventAbandoned", "EventDiverted"])
_ORDER = _FIRST | _LAST | {"EventEstablished", "EventHeld", "EventRetrieved"}


@frozen
class Numbered:
    """
    A message that was given a position.

    @ivar what: its name and its time, which no other one has.
    @ivar life: of the process that did it.
    """

    what: str
    reference: int
    life: str

    @classmethod
    def of(cls, message: Message, reference: int, life: str = "") -> Numbered:
        """
        A message as it was made, or as it has come.
        """
        time = getattr(message, "time", None)
        return cls(f"{type(message).__name__} {time}", reference, life)


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
    @ivar got: what it was given since it was told of a snapshot last, by position.
    @ivar begun: the position at which it was told of a snapshot that it has had
        nothing of yet: the next one may be any higher one; -1: there is none.
    @ivar epoch: RoleEpoch of its last link; 0: of no pair.
    @ivar parties: by DN and ConnID: what the client was told last.
    """

    home: str = ""
    sent: dict[int, Numbered] = field(factory=dict)
    received: int = 0
    got: dict[int, Numbered] = field(factory=dict)
    begun: int = -1
    epoch: int = 0
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
        known.sent[position] = Numbered.of(message, receiver.reference, life)

    def _anew(self, known: Session, what: str) -> None:
        # Where somebody could not know all, the client must be told before it goes on.
        if known.home not in self._torn:
            self.broken(what)

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
            if known.received > copy.last:
                what = f"{name}: {known.received} was given, {copy.last} is known"
                self._anew(known, what)
            for position in [one for one in known.sent if one > copy.last]:
                del known.sent[position]
            for position, numbered in copy.messages.items():
                sent = known.sent.setdefault(position, numbered)
                if sent.what != numbered.what and not torn:
                    self._anew(
                        known, f"{name}: {position} is {numbered.what}, was {sent.what}"
                    )
            if torn:
                # Of others that it has had before nobody says what they were: its
                # client has told it that it has them.
                known.sent = dict(copy.messages)
            else:
                known.sent.update(copy.messages)

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
        info = None if client.client is None else client.client.info
        if resume is not None and info is not None:
            self._session(resume.session).epoch = info.roleEpoch or 0
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
            if paired and known.home not in self._torn:
                self.broken(f"{client.name}: a snapshot, and nothing was lost")
            known.begun = known.received
            known.got.clear()
            known.parties.clear()
        if result is ResumeResult.RESUMED and self._current(client, known):
            self._same(client, known)

    def _same(self, client: Client, known: Session) -> None:
        """
        A client goes on with what it has, so that must be what the server has.
        """
        for position, got in known.got.items():
            sent = known.sent.get(position, got)
            if sent.what != got.what:
                what = f"{position} is {sent.what}, was {got.what}"
                self.broken(f"{client.name}: resumed what is not what it was: {what}")

    def _current(self, client: Client, known: Session) -> bool:
        """
        Whether the link of a client is of the process that has its session now.
        """
        pair = self._world.pairAt(client.node)
        return pair is None or known.epoch == pair.epochs[-1]

    def received(self, client: Client, resume: Resume, envelope: Envelope) -> None:
        """
        A client was given an event.
        """
        known = self._session(resume.session)
        position, message = envelope.position, envelope.message
        self._last[client.name] = resume
        expected = known.received + 1
        if position != expected and not (known.begun >= 0 and position > expected):
            self.broken(f"{client.name}: position {position} after {known.received}")
        known.received, known.begun = position, -1
        got = known.got[position] = Numbered.of(message, envelope.reference)
        sent = known.sent.get(position)
        if sent is None or sent.what != got.what:
            what = f"{client.name}: {got} at {position}, sent was {sent}"
            if self._current(client, known):
                self.broken(what)
            self._anew(known, what)
        dn = getattr(message, "thisDN", None) or ""
        call = getattr(message, "connID", None) or ""
        if call and dn:
            previous = getattr(message, "previousConnID", None) or ""
            if isinstance(message, EventPartyChanged) and previous:
                self._moved(known, (dn, previous), (dn, call))
            self._party(client, known, dn, call, type(message).__name__)

    def _moved(
        self, known: Session, before: tuple[str, str], after: tuple[str, str]
    ) -> None:
        """
        A party may have come from another call.
        """
        here = known.parties.get(after, "Released") != "Released"
        if not here and known.parties.get(before, "Released") != "Released":
            known.parties[after] = known.parties.pop(before)

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
        beyond = known.begun >= 0 and known.received > last  # nobody had that any more
        if known.received != last and not beyond:
            self.broken(f"{client.name}: has {known.received} of {last}")
        for (dn, call), state in known.parties.items():
            if state != "Released":
                self.broken(f"{client.name}: {dn} in {call} ended with {state}")
