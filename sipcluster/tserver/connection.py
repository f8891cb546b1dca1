"""
One connection of a T-Library client: bytes to messages, from the first one to the
last.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, cast

from automat import TypeMachine, TypeMachineBuilder
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from zope.interface import implementer

from sipcluster.tlib.codec import Envelope, decode, encode
from sipcluster.tlib.errors import BadMessage, TErrorCode
from sipcluster.tlib.messages import (
    LinkClosing,
    LinkPoll,
    LinkPollAnswer,
    Message,
    RequestRegisterClient,
)
from sipcluster.tserver.itserver import IConnection, IConnectionUser
from sipcluster.tserver.session import Session
from sipcluster.wire.frames import FrameError, FrameReader
from sipcluster.wire.keepalive import KeepAlive

if TYPE_CHECKING:
    from sipcluster.tserver.server import TServer

log = Logger()

#: Faults of one connection that are written down one by one; all are counted.
COMPLAINTS = 5


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

    def lost(self, why: str) -> None:
        "The connection is gone."


@implementer(IConnectionUser)
class Connection:
    """
    One of them.

    @ivar transport: where it sends.
    @ivar name: whose it is, and where: for people.
    @ivar session: what it is the connection of; L{None} before the client is
        registered and after the session has left it.
    @ivar machine: its states are Opened, Working, Closing, Closed.
    """

    __slots__ = (
        "_complaints",
        "_deaf",
        "_keepAlive",
        "_more",
        "_reader",
        "_server",
        "_timer",
        "machine",
        "name",
        "session",
        "transport",
    )

    def __init__(self, server: TServer, transport: IConnection) -> None:
        self.transport = transport
        self.name = str(transport.peer)
        self.session: Session | None = None
        self.machine: Link = _machine(self)
        self._server = server
        self._reader = FrameReader()
        self._keepAlive: KeepAlive | None = None
        self._more: IDelayedCall | None = None
        self._deaf = False
        self._complaints = 0
        self._timer: IDelayedCall | None = server.clock.callLater(
            server.limits.startUp, self._late
        )

    # What the network tells.

    def dataReceived(self, data: bytes) -> None:
        """
        See L{IConnectionUser}.
        """
        if self._deaf:
            return
        if self._keepAlive is not None:
            self._keepAlive.heard()
        self._reader.receive(data)
        if self._more is None:
            self._work()

    def writingPaused(self) -> None:
        """
        See L{IConnectionUser}.
        """
        if self.session is not None:
            self.session.stream.pause()

    def writingResumed(self) -> None:
        """
        See L{IConnectionUser}.
        """
        if self.session is not None:
            self.session.stream.resume()

    def connectionLost(self, why: str) -> None:
        """
        See L{IConnectionUser}.
        """
        self.machine.lost(why)

    # Reading.

    def _work(self) -> None:
        """
        Take some of the messages that are there; others wait for the next turn, so
        that no client holds up the others.
        """
        waited, self._more = self._more is not None, None
        try:
            for _ in range(self._server.limits.batch):
                payload = self._reader.nextFrame()
                if payload is None:
                    self._allRead(waited)
                    return
                self._take(payload)
                if self._deaf:
                    return
        except FrameError as e:
            self.count("badFrames", str(e))
            self.cut(TErrorCode.INVALID_ATTRIBUTE, str(e))
            return
        self._more = self._server.clock.callLater(0, self._work)
        if not waited:
            self.transport.pauseReading()
            if self.session is not None:
                self.session.stream.backlogged = True

    def _allRead(self, waited: bool) -> None:
        if waited:
            self.transport.resumeReading()
            if self.session is not None:
                self.session.stream.backlogged = False

    def _take(self, payload: bytes) -> None:
        machine = self.machine
        try:
            envelope = decode(payload)
        except BadMessage as e:
            machine.unanswerable(e)
            return
        if self._server.trace is not None:
            self._server.traceReceived(self, envelope)
        message = envelope.message
        if isinstance(message, RequestRegisterClient):
            machine.registration(envelope)
        elif isinstance(message, LinkPoll):
            machine.poll(envelope.position, envelope.reference)
        elif isinstance(message, LinkPollAnswer):
            machine.acknowledged(envelope.position)
        elif isinstance(message, LinkClosing):
            machine.left()
        else:
            machine.request(envelope)

    # What others want of it.

    def cut(self, code: TErrorCode, why: str) -> None:
        """
        Say why, and close.
        """
        self.machine.cut(code, why)

    def tell(self, message: Message, reference: int = 0) -> None:
        """
        Send something that has no number, when the client takes more.
        """
        if self.session is None:
            self.tellDirectly(message, reference)
        else:
            self._server.traceDirect(self.name, reference, message)
            data = encode(message, 0, reference)
            self.session.stream.tell(message.number, data)

    def tellDirectly(self, message: Message, reference: int = 0) -> None:
        """
        Send something that has no number, in any case.
        """
        self._server.traceDirect(self.name, reference, message)
        self.transport.write(encode(message, 0, reference))

    def count(self, what: str, why: str) -> None:
        """
        Count a fault of the client, and write it down, if it has not many already.
        """
        self._server.counts[what] += 1
        self._complaints += 1
        if self._complaints <= COMPLAINTS:
            log.warn("{client}: {why}", client=self.name, why=why, fault=what)

    # What the machine does.

    def _late(self) -> None:
        self._timer = None
        self.machine.late()

    def _silent(self) -> None:
        self.machine.silent()

    def _poll(self) -> None:
        self.tell(LinkPoll())

    def _acknowledge(self, position: int) -> bool:
        """
        @return: False when the client acknowledges what it was never sent.
        """
        session = self.session
        if session is None or session.stream.acknowledge(position):
            return True
        why = f"position {position} was never sent"
        self.count("badAcknowledgements", why)
        self._server.requests.refuse(
            session, 0, None, TErrorCode.INVALID_ATTRIBUTE, why
        )
        self.cut(TErrorCode.INVALID_ATTRIBUTE, why)
        return False

    def _begin(self, session: Session, position: int, keepAlive: int) -> None:
        server = self._server
        server.noLongerHalfOpen(self)
        self._stopTimer()
        self.session = session
        self._keepAlive = KeepAlive(server.clock, keepAlive, self._poll, self._silent)
        self._keepAlive.start()
        session.presence.attached(self, position)

    def _leaveSession(self) -> None:
        session, self.session = self.session, None
        if session is not None:
            session.presence.detached()

    def _close(self) -> None:
        """
        Read no more, and close when all is written, at the latest after a while.
        """
        self._deaf = True
        self._server.noLongerHalfOpen(self)
        self._stop()
        self._leaveSession()
        self._timer = self._server.clock.callLater(
            self._server.limits.closing, self._late
        )
        self.transport.close()

    def _stop(self) -> None:
        self._stopTimer()
        if self._more is not None:
            self._more.cancel()
            self._more = None
        if self._keepAlive is not None:
            self._keepAlive.stop()
            self._keepAlive = None

    def _stopTimer(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()

    def _end(self) -> None:
        self._deaf = True
        self._stop()
        self._server.connectionEnded(self)
        self._leaveSession()
        self.machine = _over  # or the two would hold each other
        if self._complaints > COMPLAINTS:
            log.warn(
                "{client}: {more} more faults",
                client=self.name,
                more=self._complaints - COMPLAINTS,
            )


def _build() -> tuple[TypeMachine[Link, Connection], Any]:
    m = TypeMachineBuilder(Link, Connection)
    opened = m.state("Opened")
    working = m.state("Working")
    closing = m.state("Closing")
    closed = m.state("Closed")

    def sayWhy(c: Connection, code: TErrorCode, why: str) -> None:
        # Past all that waits: it must be the last, and that may be long.
        c.tellDirectly(LinkClosing(errorCode=code, errorMessage=why))
        c._close()

    @opened.upon(Link.registration).loop()
    def register(link: Link, c: Connection, envelope: Envelope) -> None:
        c._server.startUp.requested(c, envelope)

    @opened.upon(Link.admitted).to(working)
    def begin(
        link: Link, c: Connection, session: Session, position: int, keepAlive: int
    ) -> None:
        c._begin(session, position, keepAlive)

    @opened.upon(Link.request).to(closing)
    def unknown(link: Link, c: Connection, envelope: Envelope) -> None:
        c.count("unregistered", "the first message is not RequestRegisterClient")
        c._server.startUp.refuse(c, envelope.reference, TErrorCode.NOT_REGISTERED)
        c._close()

    @opened.upon(Link.unanswerable).to(closing)
    def unreadable(link: Link, c: Connection, error: BadMessage) -> None:
        c.count("badMessages", error.why)
        if error.fatal:
            sayWhy(c, error.code, error.why)
        else:
            c._server.startUp.refuse(c, error.reference, error.code, error.why)
            c._close()

    @opened.upon(Link.poll).loop()
    @working.upon(Link.poll).loop()
    def answer(link: Link, c: Connection, position: int, reference: int) -> None:
        if c._acknowledge(position):
            c.tell(LinkPollAnswer(), reference)

    @working.upon(Link.acknowledged).loop()
    def acknowledge(link: Link, c: Connection, position: int) -> None:
        c._acknowledge(position)

    @working.upon(Link.request).loop()
    @working.upon(Link.registration).loop()
    def take(link: Link, c: Connection, envelope: Envelope) -> None:
        if c.session is not None and c._acknowledge(envelope.position):
            c._server.requests.requested(
                c, c.session, envelope.reference, envelope.message
            )

    @working.upon(Link.unanswerable).to(working)
    def answerFault(link: Link, c: Connection, error: BadMessage) -> None:
        c.count("badMessages", error.why)
        if error.fatal or c.session is None:
            c.cut(error.code, error.why)
        else:
            c._server.requests.faulty(c.session, error)

    @opened.upon(Link.left).to(closing)
    @working.upon(Link.left).to(closing)
    def leave(link: Link, c: Connection) -> None:
        session, c.session = c.session, None
        if session is not None:
            log.info("{client} has left", client=c.name)
            session.presence.ended("the client has left")
        c._close()

    @opened.upon(Link.late).to(closing)
    def tooLate(link: Link, c: Connection) -> None:
        why = "no RequestRegisterClient in time"
        c.count("lateStartUps", why)
        sayWhy(c, TErrorCode.TIMEOUT, why)

    @working.upon(Link.silent).to(closed)
    def dead(link: Link, c: Connection) -> None:
        c.count("silentClients", "gives no sign of life")
        c._end()
        c.transport.abort()

    @opened.upon(Link.cut).to(closing)
    @working.upon(Link.cut).to(closing)
    def cut(link: Link, c: Connection, code: TErrorCode, why: str) -> None:
        sayWhy(c, code, why)

    @opened.upon(Link.refused).to(closing)
    def refuse(link: Link, c: Connection) -> None:
        c._close()

    @closing.upon(Link.late).to(closed)
    def abort(link: Link, c: Connection) -> None:
        c._end()
        c.transport.abort()

    @opened.upon(Link.lost).to(closed)
    @working.upon(Link.lost).to(closed)
    @closing.upon(Link.lost).to(closed)
    def lose(link: Link, c: Connection, why: str) -> None:
        if c.session is not None:
            log.info("connection of {client} lost: {why}", client=c.name, why=why)
        c._end()

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
    closed.upon(Link.late).loop().returns(None)
    closed.upon(Link.lost).loop().returns(None)
    return m.build(), closed


_machine, _closed = _build()

#: Stands for the machine of every connection that is closed.
_over: Link = _machine(cast(Connection, None), _closed)
