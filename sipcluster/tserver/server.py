"""
One T-Library port: takes connections, keeps the sessions of clients, gives events
to them and requests to those who answer them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from sipcluster.ha.ikeeping import UNKEPT, IKeeper
from sipcluster.tlib.attributes import timeOf
from sipcluster.tlib.enums import ServerRole
from sipcluster.tlib.errors import MessageTooLong, TErrorCode
from sipcluster.tlib.messages import Message
from sipcluster.tserver.connection import Connection
from sipcluster.tserver.ending import Ending
from sipcluster.tserver.half_open import HalfOpen
from sipcluster.tserver.itserver import (
    IAddresses,
    IClientObserver,
    IConnection,
    IConnectionTaker,
    IEventPublisher,
    IRequests,
    ISnapshot,
    ITrace,
)
from sipcluster.tserver.keeping import Keeping
from sipcluster.tserver.limits import Application, Limits
from sipcluster.tserver.outbox import HeldConnection
from sipcluster.tserver.outgoing import Outgoing, outgoing
from sipcluster.tserver.registrations import Registrations
from sipcluster.tserver.requests import Requests
from sipcluster.tserver.session import Session
from sipcluster.tserver.startup import StartUp
from sipcluster.tserver.status import clients, status
from sipcluster.tserver.switch_link import SwitchLink
from sipcluster.tserver.tracing import Tracing
from sipcluster.tserver.turns import Turns
from sipcluster.wire.kvlist import KVList

if TYPE_CHECKING:
    from sipcluster.tserver.stream import Stream
    from sipcluster.wire.correlation import Requester

log = Logger()

#: The lowest and the highest version of the protocol that are spoken.
VERSIONS = (1, 1)


@implementer(IEventPublisher, IConnectionTaker)
class TServer:
    """
    One port.

    @ivar name: C{default} or C{TCport}.
    @ivar version: what clients are told of the program.
    @ivar epoch: of this life of the process; positions of another one mean nothing.
    @ivar started: when it began, as AttributeTime.
    @ivar counts: what has happened how often.
    @ivar sessions: by their ids.
    @ivar number: the highest of a session in what is written down.
    @ivar halfOpen: connections without a client.
    @ivar stopped: it has ended, or is about to.
    @ivar switchLink: whether the telephones can be reached.
    @ivar keeping: what is kept of it at the other member of a pair; L{None}: it is
        in none.
    @ivar claims: whether somebody is at a request that came to another process.
    @ivar tracing: who wants to read what passes.
    @cvar role: what clients are told of it.
    """

    role = ServerRole.PRIMARY
    claims: Callable[[Requester], bool] = staticmethod(lambda requester: False)

    def __init__(
        self,
        name: str,
        clock: IReactorTime,
        wallTime: Callable[[], float],
        entropy: Callable[[int], bytes],
        applications: Mapping[str, Application],
        addresses: IAddresses,
        handlers: Sequence[IRequests] = (),
        snapshots: Sequence[ISnapshot] = (),
        observers: Sequence[IClientObserver] = (),
        limits: Limits | None = None,
        location: str = "",
        epoch: int = 0,
        trace: ITrace | None = None,
        versions: tuple[int, int] = VERSIONS,
        version: str = "sipcluster",
        keeper: IKeeper = UNKEPT,
        roleEpoch: int = 0,
    ) -> None:
        """
        @param wallTime: seconds since 1970.
        @param entropy: gives so many bytes of chance.
        @param applications: who may connect, by name; asked each time.
        @param location: the data centre; empty: clients are not told.
        @param epoch: 0: made of the time.
        @param versions: see L{VERSIONS}.
        @param keeper: keeps sessions, and what they were told, at the other member
            of a pair; what clients are sent leaves by it.
        @param roleEpoch: of this hold of the role of primary; 0: it is in no pair.
        """
        self.name = name
        self.clock = clock
        self.wallTime = wallTime
        self.entropy = entropy
        self.applications = applications
        self.addresses = addresses
        self.limits = limits or Limits()
        self.location = location
        self.roleEpoch = roleEpoch
        self.epoch = epoch or int(wallTime() * 1000)
        self.keeper = keeper
        self.keeping = None if keeper is UNKEPT else Keeping(self, keeper)
        outbox = None if self.keeping is None else self.keeping.outbox
        self.tracing = Tracing(name, trace, outbox)
        self.version = version
        self.counts: Counter[str] = Counter()
        self.sessions: dict[str, Session] = {}
        self.started = self.now()
        self.turns = Turns(clock, self.limits.turn)
        self.registrations = Registrations(self)
        self.requests = Requests(self)
        self.startUp = StartUp(self, *versions)
        self._snapshots = list(snapshots)
        self._observers = list(observers)
        self.switchLink = SwitchLink(self)
        self.stopped = False
        self.halfOpen = HalfOpen(self.limits.halfOpen)
        self._connections: dict[Connection, None] = {}
        self._ending = Ending(clock)
        self.number = 0
        for handler in handlers:
            self.requests.add(handler)

    # Who takes part.

    def add(self, part: IRequests | ISnapshot | IClientObserver) -> None:
        """
        Let somebody answer requests, or add to what clients are told of a DN that
        they register, or know which client has registered what: whatever of these
        it can.
        """
        if IRequests.providedBy(part):
            self.requests.add(part)
        if ISnapshot.providedBy(part):
            self._snapshots.append(part)
        if IClientObserver.providedBy(part):
            self._observers.append(part)

    # Connections.

    def connectionMade(self, connection: IConnection) -> Connection:
        """
        See L{IConnectionTaker}.
        """
        self.counts["connections"] += 1
        if self.keeping is not None:
            connection = HeldConnection(connection, self.keeping.outbox)
        made = Connection(self, connection)
        self._connections[made] = None
        self.halfOpen.made(made)
        return made

    def connectionEnded(self, connection: Connection) -> None:
        """
        A connection is gone.
        """
        self._connections.pop(connection, None)
        self.halfOpen.gone(connection)
        self._ending.ended(connection)

    def linkChanged(self, connected: bool, why: str = "") -> None:
        """
        The telephones can be reached from now on, or no longer.

        @param why: for people; empty when they can.
        """
        self.switchLink.changed(connected, why)

    def stop(self) -> Deferred[None]:
        """
        End all sessions and connections.

        @return: fires when the connections are gone, or were aborted after a
            while.
        """
        self.stopped = True
        for connection in list(self._connections):
            session = connection.session
            connection.cut(TErrorCode.OUT_OF_SERVICE, "the server stops")
            if session is not None:
                session.presence.ended("the server stops")
        for session in list(self.sessions.values()):
            session.presence.ended("the server stops")
        self.turns.stop()
        return self._ending.whenGone(self._connections)

    def abandon(self) -> None:
        """
        End, and say nothing to anybody: another process goes on with the sessions.
        """
        self.stopped = True
        self._observers.clear()
        self.tracing.trace = None
        self.turns.stop()
        for connection in list(self._connections):
            connection.machine.abandoned()
        for session in list(self.sessions.values()):
            session.presence.ended("another process goes on with it")
        self._connections.clear()
        self.halfOpen.clear()
        if self.keeping is not None:
            self.keeping.outbox.end()

    # Sessions.

    def newSession(self, application: Application) -> Session:
        """
        Begin a session.
        """
        self.number += 1
        session = Session(self, self.entropy(16).hex(), application, self.number)
        self.sessions[session.id] = session
        return session

    # Events: IEventPublisher.

    def publish(
        self,
        dn: str,
        event: Message | Outgoing,
        requester: Requester | None = None,
    ) -> None:
        """
        See L{IEventPublisher}.
        """
        streams: Iterable[Stream] = self.registrations.of(dn)
        asking = None if requester is None else self._done(requester)
        if not streams and asking is None:
            return
        one = outgoing(event)
        self.counts["published"] += 1
        if asking is not None:
            assert requester is not None
            streams = [other for other in streams if other is not asking.stream]
            self.give(asking, requester.reference, one)
        self._distribute(streams, one, dn)

    def publishToAll(self, event: Message | Outgoing) -> None:
        """
        See L{IEventPublisher}.
        """
        self.publishTo(self.sessions, event)

    def publishTo(self, clients: Iterable[str], event: Message | Outgoing) -> None:
        """
        See L{IEventPublisher}.
        """
        sessions = map(self.sessions.get, clients)
        streams = [one.stream for one in sessions if one is not None]
        if streams:
            self.counts["published"] += 1
            self._distribute(streams, outgoing(event), "")

    def hasRoom(self, client: str) -> bool:
        """
        See L{IEventPublisher}.
        """
        session = self.sessions.get(client)
        if session is None or not session.stream.attached:
            return False
        return session.stream.journal.halfEmpty(self.limits)

    def _distribute(self, streams: Iterable[Stream], event: Outgoing, dn: str) -> None:
        try:
            self.tracing.distribute(streams, event, dn)
        except MessageTooLong as e:
            self.counts["tooLong"] += 1
            log.error(
                "{event} of {dn} is lost: {why}",
                event=type(event.message).__name__,
                dn=dn,
                why=str(e),
            )

    def answer(self, requester: Requester, event: Message | Outgoing) -> None:
        """
        See L{IEventPublisher}.
        """
        session = self._done(requester)
        if session is not None:
            self.give(session, requester.reference, outgoing(event))

    def refuse(self, requester: Requester, code: TErrorCode, text: str = "") -> None:
        """
        See L{IEventPublisher}.
        """
        session = self.sessions.get(requester.client)
        if session is not None:
            request = session.answered(requester.reference)
            if request is not None:
                self.requests.refuse(session, requester.reference, request, code, text)

    def watched(self, dn: str) -> bool:
        """
        See L{IEventPublisher}.
        """
        return dn in self.registrations

    def _done(self, requester: Requester) -> Session | None:
        """
        A request is answered.

        @return: whose it is; L{None}: it is not waiting here.
        """
        session = self.sessions.get(requester.client)
        if session is None or session.answered(requester.reference) is None:
            return None
        return session

    def give(self, session: Session, reference: int, event: Outgoing) -> None:
        """
        Give a client the answer to its request.
        """
        try:
            entry = event.referring(reference)
        except MessageTooLong as e:
            self.counts["tooLong"] += 1
            log.error(
                "{event} is lost: {why}", event=type(event.message).__name__, why=str(e)
            )
            code = TErrorCode.INTERNAL_ERROR
            self.requests.refuse(session, reference, None, code, "answer is too long")
            return
        position = session.stream.send(entry)
        if reference:
            session.answers.add(position, entry)
        self.tracing.sent(session.stream.name, position, reference, event.message)

    # What its parts ask.

    def timedOut(self, session: str, reference: int, request: Message) -> None:
        """
        Nobody has answered a request.

        @param session: id of the client's.
        """
        found = self.sessions.get(session)
        if found is not None:
            found.timedOut(reference, request)

    def tooSlow(self, session: str, why: str) -> None:
        """
        A client has to be cut off.

        @param session: its id.
        """
        found = self.sessions.get(session)
        if found is not None:
            found.tooSlow(why)

    def now(self) -> tuple[int, int]:
        """
        AttributeTime.
        """
        return timeOf(self.wallTime())

    def snapshot(self, dn: str) -> KVList:
        """
        What all know about a DN.
        """
        known: KVList = ()
        for one in self._snapshots:
            with log.failuresHandled("snapshot of {dn}", dn=dn):
                known += one.snapshot(dn)
        return known

    def tellObservers(self, what: str, *arguments: object) -> None:
        """
        Tell all observers something.

        @param what: a method of L{IClientObserver}.
        """
        for observer in self._observers:
            with log.failuresHandled("{what}", what=what):
                getattr(observer, what)(*arguments)

    def countError(self, code: TErrorCode) -> None:
        """
        Count an EventError.
        """
        self.counts[f"error{int(code)}"] += 1

    # What people ask.

    def status(self) -> dict[str, object]:
        """
        Counts: plain values only.
        """
        return status(self)

    def clients(self) -> Iterable[dict[str, object]]:
        """
        All sessions, in the order of their beginning: plain values only.
        """
        return clients(self)
