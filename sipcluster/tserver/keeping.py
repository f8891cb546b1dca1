"""
The sessions of a T-Library port, kept at the other member of a pair: a client resumes
there as if it had been there always.

There are four kinds of entries for each port:

  - C{tlib-session}: a session, by its id.  It changes when its client comes or goes,
    and not with what the client is told.
  - C{tlib-dns}: the DNs that a session has registered, some on each I{page}.
  - C{tlib-request}: a request that waits for its answer.
  - C{tlib-event}: what clients were told, see L{sipcluster.tserver.outbox}.

Answers are among what clients were told: one that its client has not acknowledged is
known to the other member, too, and is repeated there.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import msgspec
from attrs import evolve
from zope.interface import implementer

from sipcluster.ha.ikeeping import IKeeper, IKept
from sipcluster.tlib.codec import decode, encode
from sipcluster.tserver.kept_values import SessionValue, pageKey, requestKey
from sipcluster.tserver.outbox import Outbox
from sipcluster.tserver.registrations import USUAL, Registration
from sipcluster.tserver.session import Session
from sipcluster.wire.correlation import Requester

if TYPE_CHECKING:
    from sipcluster.tserver.server import TServer

_encode = msgspec.msgpack.Encoder().encode


_decodeSession = msgspec.msgpack.Decoder(SessionValue).decode
_decodePage = msgspec.msgpack.Decoder(list[str | tuple[str, int, int]]).decode
_decodeRequest = msgspec.msgpack.Decoder(tuple[float, bytes]).decode


def valueOf(session: Session) -> SessionValue:
    """
    A session, written down.
    """
    stream = session.stream
    return SessionValue(
        sessionID=session.sessionID,
        application=session.application.name,
        number=stream.number,
        epoch=session.epoch,
        since=session.since,
        client=stream.name,
        mask=stream.mask,
        left=session.left,
        last=stream.journal.last,
        lost=stream.lost,
        dormant=stream.dormant,
        holds=session.holds,
    )


@implementer(IKept)
class KeptSessions:
    """
    The sessions of a port.
    """

    def __init__(self, server: TServer) -> None:
        self.kind = f"tlib-session {server.name}"
        self._server = server

    def keys(self) -> Iterable[str]:
        """
        See L{IKept}.
        """
        return list(self._server.sessions)

    def entry(self, key: str) -> bytes | None:
        """
        See L{IKept}.
        """
        session = self._server.sessions.get(key)
        return None if session is None else _encode(valueOf(session))

    def restore(self, key: str, value: bytes, age: float) -> None:
        """
        See L{IKept}.

        @raise ValueError: its application may not connect any more.
        """
        server, written = self._server, _decodeSession(value)
        application = server.applications.get(written.application)
        if application is None:
            raise ValueError(f"there is no application {written.application!r}")
        session = Session.restored(server, written, application, age)
        server.sessions[session.id] = session
        server.number = max(server.number, written.number)

    def restored(self) -> None:
        """
        See L{IKept}.
        """
        assert self._server.keeping is not None
        self._server.keeping.restored()

    def comparable(self, value: bytes) -> object:
        """
        See L{IKept}.
        """
        written = _decodeSession(value)
        away = written.left is not None
        return evolve(written, left=0.0 if away else None, last=0)


@implementer(IKept)
class KeptDNs:
    """
    What the sessions of a port have registered.
    """

    def __init__(self, server: TServer) -> None:
        self.kind = f"tlib-dns {server.name}"
        self._server = server

    def keys(self) -> Iterable[str]:
        """
        See L{IKept}.
        """
        return [
            pageKey(session.id, page)
            for session in self._server.sessions.values()
            if session.pages is not None
            for page in range(len(session.pages))
        ]

    def entry(self, key: str) -> bytes | None:
        """
        See L{IKept}.
        """
        id, page = key.split("/")
        session = self._server.sessions.get(id)
        if session is None or session.pages is None:
            return None
        written: list[str | tuple[str, int, int]] = []
        for dn in session.pages.of(int(page)):
            found = session.dns[dn]
            usual = found is USUAL
            written.append(dn if usual else (dn, found.mode, found.control))
        return _encode(written) if written else None

    def restore(self, key: str, value: bytes, age: float) -> None:
        """
        See L{IKept}.
        """
        id, page = key.split("/")
        session = self._server.sessions.get(id)
        if session is None:
            return  # it could not be restored
        for one in _decodePage(value):
            if isinstance(one, str):
                found, dn = USUAL, one
            else:
                dn, mode, control = one
                found = Registration(mode, control)
            self._server.registrations.restore(session, int(page), dn, found)

    def restored(self) -> None:
        """
        See L{IKept}.
        """

    def comparable(self, value: bytes) -> object:
        """
        See L{IKept}.
        """
        return value


@implementer(IKept)
class KeptRequests:
    """
    The requests at a port that wait for their answers.
    """

    def __init__(self, server: TServer) -> None:
        self.kind = f"tlib-request {server.name}"
        self._server = server

    def keys(self) -> Iterable[str]:
        """
        See L{IKept}.
        """
        return [
            requestKey(session.id, reference)
            for session in self._server.sessions.values()
            for reference in session.pending
        ]

    def entry(self, key: str) -> bytes | None:
        """
        See L{IKept}.
        """
        id, reference = key.split("/")
        session = self._server.sessions.get(id)
        request = None if session is None else session.pending.get(int(reference))
        if session is None or request is None:
            return None
        left = session.pending.left(int(reference))
        return _encode((left, encode(request)[4:]))

    def restore(self, key: str, value: bytes, age: float) -> None:
        """
        See L{IKept}.
        """
        id, reference = key.split("/")
        left, payload = _decodeRequest(value)
        session = self._server.sessions.get(id)
        if session is not None:
            request = decode(payload).message
            session.pending.add(int(reference), request, max(0.0, left - age))

    def restored(self) -> None:
        """
        See L{IKept}.
        """

    def comparable(self, value: bytes) -> object:
        """
        See L{IKept}.
        """
        return _decodeRequest(value)[1]


class Keeping:
    """
    All that is kept of a port.

    @ivar outbox: what clients were told.
    @ivar session: to be called with the id of each session that has changed.
    @ivar request: to be called with the L{requestKey} of each request that has
        begun or ended.
    """

    def __init__(self, server: TServer, keeper: IKeeper) -> None:
        self._server = server
        # Those come first that the others refer to.
        self.session = keeper.keep(KeptSessions(server))
        self.dns = keeper.keep(KeptDNs(server))
        self.request = keeper.keep(KeptRequests(server))
        self.outbox = Outbox(server.name, keeper)

    def page(self, session: str, page: int) -> None:
        """
        The DNs on a page have changed.
        """
        self.dns(pageKey(session, page))

    def ended(self, session: Session) -> None:
        """
        A session is gone.
        """
        self.session(session.id)
        for page in range(len(session.pages or ())):
            self.page(session.id, page)

    def restored(self) -> None:
        """
        All is restored: give each session what it was told.
        """
        server = self._server
        told = self.outbox.settle()
        server.number = max(server.number, *told, 0)
        server.counts["restoredSessions"] += len(server.sessions)
        for session in list(server.sessions.values()):
            session.adopt(told.get(session.stream.number, {}))
            for reference in session.pending:
                requester = Requester(session.id, reference)
                if reference in session.answers or not server.claims(requester):
                    # Nobody is at it: when it comes again, it is done.
                    session.pending.pop(reference)
        for session in list(server.sessions.values()):
            for dn in session.dns:
                server.tellObservers("addressRegistered", session.view, dn)
            server.tellObservers("clientAway", session.view, tuple(session.dns))
