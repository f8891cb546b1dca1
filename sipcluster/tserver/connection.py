"""
One connection of a T-Library client: bytes to messages, from the first one to the
last.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from zope.interface import implementer

from sipcluster.tlib.codec import decode, encode
from sipcluster.tlib.errors import BadMessage, TErrorCode
from sipcluster.tlib.messages import (
    LinkClosing,
    LinkPoll,
    LinkPollAnswer,
    Message,
    RequestRegisterClient,
)
from sipcluster.tserver.itserver import IConnection, IConnectionUser
from sipcluster.tserver.link import OVER, Link, link
from sipcluster.tserver.session import Session
from sipcluster.wire.frames import FrameError, FrameReader
from sipcluster.wire.keepalive import KeepAlive

if TYPE_CHECKING:
    from sipcluster.tserver.server import TServer

log = Logger()

#: Faults of one connection that are written down one by one; all are counted.
COMPLAINTS = 5


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
        "__weakref__",
        "_complaints",
        "_deaf",
        "_keepAlive",
        "_more",
        "_reader",
        "_timer",
        "machine",
        "name",
        "server",
        "session",
        "transport",
    )

    def __init__(self, server: TServer, transport: IConnection) -> None:
        self.transport = transport
        self.name = str(transport.peer)
        self.session: Session | None = None
        self.machine: Link = link(self)
        self.server = server
        self._reader = FrameReader()
        self._keepAlive: KeepAlive | None = None
        self._more = False
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
        if not self._more:
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
        self.server.connectionEnded(self)

    # Reading.

    def _work(self) -> None:
        """
        Take some of the messages that are there; others wait for the next turn, so
        that no client holds up the others.
        """
        if self._closes():
            return
        waited, self._more = self._more, False
        if waited and self._keepAlive is not None:
            # Its signs of life may wait among what we have not read.
            self._keepAlive.heard()
        turns = self.server.turns
        try:
            for n in range(self.server.limits.batch):
                # One at least, or nobody would ever be through.
                if turns.over() and (n or not waited):
                    break
                payload = self._reader.nextFrame()
                if payload is None:
                    self._allRead(waited)
                    return
                self._take(payload)
                if self._closes():
                    return
        except FrameError as e:
            self.count("badFrames", str(e))
            self.cut(TErrorCode.INVALID_ATTRIBUTE, str(e))
            return
        self._more = True
        turns.later(self._work)
        if not waited:
            self.transport.pauseReading()
            if self.session is not None:
                self.session.stream.backlogged = True

    def _closes(self) -> bool:
        return self._deaf

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
        self.server.tracing.received(self.name, envelope)
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
            self.server.tracing.sent(self.name, 0, reference, message)
            data = encode(message, 0, reference)
            self.session.stream.tell(message.number, data)

    def tellDirectly(self, message: Message, reference: int = 0) -> None:
        """
        Send something that has no number, in any case.
        """
        self.server.tracing.sent(self.name, 0, reference, message)
        self.transport.write(encode(message, 0, reference))

    def count(self, what: str, why: str) -> None:
        """
        Count a fault of the client, and write it down, if it has not many already.
        """
        self.server.counts[what] += 1
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

    def acknowledge(self, position: int) -> bool:
        """
        @return: False when the client acknowledges what it was never sent.
        """
        session = self.session
        if session is None or session.stream.acknowledge(position):
            return True
        why = f"position {position} was never sent"
        self.count("badAcknowledgements", why)
        self.server.requests.refuse(session, 0, None, TErrorCode.INVALID_ATTRIBUTE, why)
        self.cut(TErrorCode.INVALID_ATTRIBUTE, why)
        return False

    def begin(self, session: Session, position: int, keepAlive: int) -> None:
        server = self.server
        server.halfOpen.done(self)
        self._stopTimer()
        self.session = session
        self._keepAlive = KeepAlive(server.clock, keepAlive, self._poll, self._silent)
        self._keepAlive.start()
        session.presence.attached(self, position)

    def leaveSession(self) -> None:
        session, self.session = self.session, None
        if session is not None:
            session.presence.detached()

    def close(self) -> None:
        """
        Read no more, and close when all is written, at the latest after a while.
        """
        self._deaf = True
        self.server.halfOpen.done(self)
        self._stop()
        self.leaveSession()
        self._timer = self.server.clock.callLater(
            self.server.limits.closing, self._late
        )
        self.transport.close()

    def _stop(self) -> None:
        self._stopTimer()
        if self._keepAlive is not None:
            self._keepAlive.stop()
            self._keepAlive = None

    def _stopTimer(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()

    def end(self) -> None:
        self._deaf = True
        self._stop()
        self.server.halfOpen.done(self)
        self.leaveSession()
        self.machine = OVER  # or the two would hold each other
        if self._complaints > COMPLAINTS:
            log.warn(
                "{client}: {more} more faults",
                client=self.name,
                more=self._complaints - COMPLAINTS,
            )
