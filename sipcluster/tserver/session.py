"""
What a T-Library port keeps of one client, longer than its connections: what it has
registered, what it was told and has not acknowledged, what it asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from automat import TypeMachine, TypeMachineBuilder
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from sipcluster.tlib.errors import TErrorCode
from sipcluster.tlib.messages import Message
from sipcluster.tserver.itserver import ClientView
from sipcluster.tserver.journal import Answers
from sipcluster.tserver.kept_values import (
    Holds,
    Pages,
    SessionValue,
    inherited,
    requestKey,
)
from sipcluster.tserver.limits import Application
from sipcluster.tserver.outgoing import Entry
from sipcluster.tserver.presence import Presence
from sipcluster.tserver.registrations import Registration
from sipcluster.tserver.stream import Stream
from sipcluster.wire.correlation import Correlation

if TYPE_CHECKING:
    from sipcluster.tserver.connection import Connection
    from sipcluster.tserver.server import TServer
else:
    Connection = object  # named by the machine: known to the type checker only

log = Logger()

#: DNs of which a snapshot is made in one turn of the reactor.
SNAPSHOTS = 50


#: Hexadecimal digits of a SessionID that are no secret: the id.
PUBLIC = 16


class Session:
    """
    One of them.

    @ivar id: names it inside the cluster, and for people; no secret.
    @ivar sessionID: AttributeSessionID, which ends with the id: whoever knows it
        and the password can resume the session.
    @ivar view: what others are told of the client.
    @ivar connection: L{None} while the client is away.
    @ivar epoch: which the client gives when it comes back.
    @ivar holds: who has gone on with it.
    @ivar dns: what it has registered.
    @ivar pages: how that is written down; L{None}: it is not.
    @ivar pending: its requests that wait for an answer.
    @ivar answers: those of its last requests.
    @ivar presence: the machine: its states are Begun, Present, Away, Gone.
    """

    __slots__ = (
        "__weakref__",
        "_server",
        "_snapshots",
        "_timer",
        "_written",
        "answers",
        "application",
        "connection",
        "dns",
        "epoch",
        "holds",
        "id",
        "pages",
        "pending",
        "presence",
        "sessionID",
        "since",
        "stream",
        "view",
    )

    def __init__(
        self,
        server: TServer,
        sessionID: str,
        application: Application,
        number: int = 0,
        written: SessionValue | None = None,
    ) -> None:
        """
        @param number: names it in what is written down.
        @param written: what another process has left of it.
        """
        limits = server.limits
        self.sessionID = sessionID
        self.id = id = sessionID[-PUBLIC:]
        self.application = application
        self.view = ClientView(id, application.name, application.mayControl)
        self.connection: Connection | None = None
        self.epoch = server.epoch if written is None else written.epoch
        self.holds: Holds = ((server.roleEpoch, 0),)
        self.dns: dict[str, Registration] = {}
        keeping = server.keeping
        self.pages = None if keeping is None else Pages()
        # By its id, so that they do not hold it.
        tooSlow = partial(server.tooSlow, id)
        self.stream = Stream(
            server.clock,
            server.turns,
            limits,
            tooSlow,
            number,
            None if keeping is None else keeping.outbox,
            bool if keeping is None else partial(keeping.session, id),
        )
        self.pending: Correlation[Message] = Correlation(
            server.clock, partial(server.timedOut, id), limits.pending
        )
        self.answers = Answers(limits)
        self.since = server.wallTime() if written is None else written.since
        self._server: TServer | None = server
        self._timer: IDelayedCall | None = None
        self._snapshots: list[str] = []
        self._written = written
        self.presence: Presence = _machine(self, _begun if written is None else _away)

    @classmethod
    def restored(
        cls,
        server: TServer,
        written: SessionValue,
        application: Application,
        age: float,
    ) -> Session:
        """
        Go on with a session of another process; its client is away.
        """
        session = cls(server, written.sessionID, application, written.number, written)
        session.stream.name = written.client
        session.stream.mask = written.mask
        left = server.limits.retention
        if written.left is not None:
            left = min(left, max(0.0, written.left - age))
        session._wait(left)
        return session

    def adopt(self, told: Mapping[int, Entry]) -> None:
        """
        Take over what the client was told, by position.
        """
        written, self._written = self._written, None
        assert written is not None
        self.stream.adopt(told, written.last, written.lost, written.dormant)
        last = self.stream.journal.last
        self.holds = inherited(written.holds, self.server.roleEpoch, last)
        for position in sorted(told):
            if told[position].reference:
                self.answers.add(position, told[position])

    @property
    def left(self) -> float | None:
        """
        Seconds until it ends unless its client comes back; L{None}: the client is
        connected.
        """
        if self._timer is None:
            return None
        return max(0.0, self._timer.getTime() - self.server.clock.seconds())

    def changed(self) -> None:
        """
        It has to be written down anew.
        """
        keeping = self.server.keeping
        if keeping is not None:
            keeping.session(self.id)

    def pageChanged(self, page: int) -> None:
        """
        The DNs on a page have to be written down anew.
        """
        keeping = self.server.keeping
        if keeping is not None:
            keeping.page(self.id, page)

    def asks(self, reference: int, request: Message) -> None:
        """
        A request waits for its answer.

        @raise TooManyRequests: see L{Correlation.add}.
        """
        seconds = self.server.limits.timeOf(request)
        self.pending.add(reference, request, seconds)
        self._requestChanged(reference)

    def answered(self, reference: int) -> Message | None:
        """
        A request waits no more.

        @return: the request; L{None}: it did not.
        """
        request = self.pending.pop(reference)
        if request is not None:
            self._requestChanged(reference)
        return request

    def timedOut(self, reference: int, request: Message) -> None:
        """
        Nobody has answered a request.
        """
        self._requestChanged(reference)
        self.server.requests.timedOut(self, reference, request)

    def _requestChanged(self, reference: int) -> None:
        keeping = self.server.keeping
        if keeping is not None:
            keeping.request(requestKey(self.id, reference))

    @property
    def server(self) -> TServer:
        """
        Whose session it is.
        """
        assert self._server is not None
        return self._server

    def tooSlow(self, why: str) -> None:
        """
        The client has to be cut off, unless it has another connection by now.
        """
        if self.connection is not None and not self.stream.attached:
            self.server.counts["slowClients"] += 1
            log.warn(
                "cutting off {client}: {why}",
                client=self.stream.name,
                why=why,
                unsent=self.stream.unsent,
            )
            self.connection.cut(TErrorCode.RESOURCE_UNAVAILABLE, why)

    def startSnapshots(self, shared: int, handled: int) -> int:
        """
        Tell the client anew of all that it has registered, because it has missed
        events: some DNs at a time, as fast as it reads.

        @param shared: the last position at which it has what was sent here.
        @param handled: the last position that it has.

        @return: the position to attach with.
        """
        self._snapshots = list(reversed(self.dns))
        more = self._someSnapshots
        return self.stream.restart(self._snapshots, more, shared, handled)

    def _someSnapshots(self) -> bool:
        left, lacking = self._snapshots, self.stream.lacking
        turns = self.server.turns
        for n in range(min(SNAPSHOTS, len(left))):
            if n and turns.over():
                break
            dn = left.pop()
            if dn in lacking:
                lacking.discard(dn)
                if dn in self.dns:
                    self.server.registrations.tellSnapshot(self, dn)
        return bool(left)

    # What the machine does.

    def _attach(self, connection: Connection, position: int) -> None:
        self.connection = connection
        self.stream.name = connection.name
        self.stream.attach(connection.transport, position)
        self.changed()

    def _detach(self) -> None:
        self.connection = None
        self.stream.detach()

    def _wait(self, seconds: float) -> None:
        self._timer = self.server.clock.callLater(seconds, self._late)
        self.changed()

    def _late(self) -> None:
        self._timer = None
        self.presence.expired()

    def _stopWaiting(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None and timer.active():
            timer.cancel()

    def _end(self) -> None:
        """
        Nothing is left of it, no references in a circle either.
        """
        server = self.server
        self._stopWaiting()
        for reference in self.pending:
            self._requestChanged(reference)
        self.pending.clear()
        self.stream.end()
        self._snapshots = []
        server.sessions.pop(self.id, None)
        if server.keeping is not None:
            server.keeping.ended(self)
        server.registrations.sessionEnded(self)
        self._server = None
        self.presence = _over


def _build() -> tuple[TypeMachine[Presence, Session], Any, Any, Any]:
    m = TypeMachineBuilder(Presence, Session)
    begun = m.state("Begun")
    present = m.state("Present")
    away = m.state("Away")
    gone = m.state("Gone")

    @begun.upon(Presence.attached).to(present)
    def begin(
        presence: Presence, s: Session, connection: Connection, position: int
    ) -> None:
        s._attach(connection, position)

    @present.upon(Presence.attached).loop()
    def takeOver(
        presence: Presence, s: Session, connection: Connection, position: int
    ) -> None:
        server, old = s.server, s.connection
        s._detach()
        server.counts["takenOver"] += 1
        if old is not None:
            log.info(
                "{client} is taken over by {other}",
                client=old.name,
                other=connection.name,
            )
            old.session = None
            old.cut(TErrorCode.RESOURCE_SEIZED, "taken over by another connection")
        s._attach(connection, position)

    @away.upon(Presence.attached).to(present)
    def comeBack(
        presence: Presence, s: Session, connection: Connection, position: int
    ) -> None:
        s._stopWaiting()
        s._attach(connection, position)
        s.server.tellObservers("clientBack", s.view, tuple(s.dns))

    @present.upon(Presence.detached).to(away)
    def leave(presence: Presence, s: Session) -> None:
        s._detach()
        server = s.server
        s._wait(server.limits.retention)
        server.tellObservers("clientAway", s.view, tuple(s.dns))

    @away.upon(Presence.expired).to(gone)
    def expire(presence: Presence, s: Session) -> None:
        s.server.counts["sessionsExpired"] += 1
        log.info("{client} did not come back", client=s.stream.name)
        s._end()

    @present.upon(Presence.ended).to(gone)
    @away.upon(Presence.ended).to(gone)
    def end(presence: Presence, s: Session, why: str) -> None:
        s._detach()
        s._end()

    # A connection that is no longer the session's says nothing to it, and a timer
    # that is stopped does not come; were they to, nothing would follow.
    for state in (begun, away, gone):
        state.upon(Presence.detached).loop().returns(None)
    for state in (begun, present, gone):
        state.upon(Presence.expired).loop().returns(None)
    begun.upon(Presence.ended).to(gone).returns(None)
    gone.upon(Presence.ended).loop().returns(None)
    gone.upon(Presence.attached).loop().returns(None)
    return m.build(), begun, away, gone


_machine, _begun, _away, _gone = _build()

#: Stands for the machine of every session that is gone.
_over: Presence = _machine(cast(Session, None), _gone)
