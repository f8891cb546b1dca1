"""
The states of a T-Library connection: opened, working, closing, closed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, cast

from automat import TypeMachine, TypeMachineBuilder
from twisted.logger import Logger

from sipcluster.tlib.codec import Envelope
from sipcluster.tlib.errors import BadMessage, TErrorCode
from sipcluster.tlib.messages import LinkClosing, LinkPollAnswer
from sipcluster.tserver.session import Session

if TYPE_CHECKING:
    from sipcluster.tserver.connection import Connection
else:
    Connection = object  # what the machine works on: known to the type checker only

log = Logger()


class Link(Protocol):
    """
    What may happen to a connection.
    """

    def registration(self, envelope: Envelope) -> None:
        "RequestRegisterClient came."

    def admitted(self, session: Session, position: int, keepAlive: int) -> None:
        """
        It was right, and was answered.

        @param position: the last one that the client has handled.
        @param keepAlive: seconds, as agreed.
        """

    def request(self, envelope: Envelope) -> None:
        "Another message came."

    def unanswerable(self, error: BadMessage) -> None:
        "A message came with something wrong in it."

    def poll(self, position: int, reference: int) -> None:
        "The client asks for a sign of life."

    def acknowledged(self, position: int) -> None:
        "The client gave a sign of life."

    def left(self) -> None:
        "The client says that it closes the connection."

    def late(self) -> None:
        "What should have happened in time has not."

    def silent(self) -> None:
        "The client gives no sign of life."

    def cut(self, code: TErrorCode, why: str) -> None:
        "We want no more of it."

    def refused(self) -> None:
        "The client was told already why we want no more of it."

    def abandoned(self) -> None:
        "Another process goes on with the client."

    def lost(self, why: str) -> None:
        "The connection is gone."


def _build() -> tuple[TypeMachine[Link, Connection], Any]:
    m = TypeMachineBuilder(Link, Connection)
    opened = m.state("Opened")
    working = m.state("Working")
    closing = m.state("Closing")
    closed = m.state("Closed")

    def sayWhy(c: Connection, code: TErrorCode, why: str) -> None:
        # Past all that waits: it must be the last, and that may be long.
        c.tellDirectly(LinkClosing(errorCode=code, errorMessage=why))
        c.close()

    @opened.upon(Link.registration).loop()
    def register(link: Link, c: Connection, envelope: Envelope) -> None:
        c.server.startUp.requested(c, envelope)

    @opened.upon(Link.admitted).to(working)
    def begin(
        link: Link, c: Connection, session: Session, position: int, keepAlive: int
    ) -> None:
        c.begin(session, position, keepAlive)

    @opened.upon(Link.request).to(closing)
    def unknown(link: Link, c: Connection, envelope: Envelope) -> None:
        c.count("unregistered", "the first message is not RequestRegisterClient")
        c.server.startUp.refuse(c, envelope.reference, TErrorCode.NOT_REGISTERED)
        c.close()

    @opened.upon(Link.unanswerable).to(closing)
    def unreadable(link: Link, c: Connection, error: BadMessage) -> None:
        c.count("badMessages", error.why)
        if error.fatal:
            sayWhy(c, error.code, error.why)
        else:
            c.server.startUp.refuse(c, error.reference, error.code, error.why)
            c.close()

    @opened.upon(Link.poll).loop()
    @working.upon(Link.poll).loop()
    def answer(link: Link, c: Connection, position: int, reference: int) -> None:
        if c.acknowledge(position):
            c.tell(LinkPollAnswer(), reference)

    @working.upon(Link.acknowledged).loop()
    def acknowledge(link: Link, c: Connection, position: int) -> None:
        c.acknowledge(position)

    @working.upon(Link.request).loop()
    @working.upon(Link.registration).loop()
    def take(link: Link, c: Connection, envelope: Envelope) -> None:
        if c.session is not None and c.acknowledge(envelope.position):
            c.server.requests.requested(
                c, c.session, envelope.reference, envelope.message
            )

    @working.upon(Link.unanswerable).to(working)
    def answerFault(link: Link, c: Connection, error: BadMessage) -> None:
        c.count("badMessages", error.why)
        if error.fatal or c.session is None:
            c.cut(error.code, error.why)
        else:
            c.server.requests.faulty(c.session, error)

    @opened.upon(Link.left).to(closing)
    @working.upon(Link.left).to(closing)
    def leave(link: Link, c: Connection) -> None:
        session, c.session = c.session, None
        if session is not None:
            log.info("{client} has left", client=c.name)
            session.presence.ended("the client has left")
        c.close()

    @opened.upon(Link.late).to(closing)
    def tooLate(link: Link, c: Connection) -> None:
        why = "no RequestRegisterClient in time"
        c.count("lateStartUps", why)
        sayWhy(c, TErrorCode.TIMEOUT, why)

    @working.upon(Link.silent).to(closed)
    def dead(link: Link, c: Connection) -> None:
        c.count("silentClients", "gives no sign of life")
        c.end()
        c.transport.abort()

    @opened.upon(Link.cut).to(closing)
    @working.upon(Link.cut).to(closing)
    def cut(link: Link, c: Connection, code: TErrorCode, why: str) -> None:
        sayWhy(c, code, why)

    @opened.upon(Link.refused).to(closing)
    def refuse(link: Link, c: Connection) -> None:
        c.close()

    @opened.upon(Link.abandoned).to(closed)
    @working.upon(Link.abandoned).to(closed)
    @closing.upon(Link.abandoned).to(closed)
    @closing.upon(Link.late).to(closed)
    def abort(link: Link, c: Connection) -> None:
        c.end()
        c.transport.abort()

    @opened.upon(Link.lost).to(closed)
    @working.upon(Link.lost).to(closed)
    @closing.upon(Link.lost).to(closed)
    def lose(link: Link, c: Connection, why: str) -> None:
        if c.session is not None:
            log.info("connection of {client} lost: {why}", client=c.name, why=why)
        c.end()

    # What the client sends while the connection closes is not read.  A sign of life
    # before the start-up says nothing; what only a working connection can come to
    # comes to no other.
    opened.upon(Link.acknowledged).loop().returns(None)
    opened.upon(Link.silent).loop().returns(None)
    working.upon(Link.admitted).loop().returns(None)
    working.upon(Link.refused).loop().returns(None)
    working.upon(Link.late).loop().returns(None)
    for state in (closing, closed):
        for happens in (
            *(Link.registration, Link.admitted, Link.request, Link.unanswerable),
            *(Link.poll, Link.acknowledged, Link.left, Link.silent, Link.cut),
            Link.refused,
        ):
            state.upon(happens).loop().returns(None)
    closed.upon(Link.abandoned).loop().returns(None)
    closed.upon(Link.late).loop().returns(None)
    closed.upon(Link.lost).loop().returns(None)
    return m.build(), closed


_machine, _closed = _build()

#: Stands for the machine of every connection that is closed.
OVER: Link = _machine(cast(Connection, None), _closed)


def link(connection: Connection) -> Link:
    """
    Make the machine of a connection, which is opened.
    """
    return _machine(connection)
