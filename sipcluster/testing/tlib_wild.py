"""
A T-Library client that sends anything, and looks whether what it gets is right.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from sipcluster.testing.mutate_tlib import DNS, FrameMutator, MessageMaker
from sipcluster.testing.tlib_peer import MemoryConnection, TLibPeer
from sipcluster.tlib.codec import Envelope, decode, encode
from sipcluster.tlib.enums import ResumeResult
from sipcluster.tlib.errors import BadMessage
from sipcluster.tlib.messages import (
    EventError,
    EventLinkConnected,
    EventLinkDisconnected,
    EventServerInfo,
    LinkClosing,
    LinkPoll,
    LinkPollAnswer,
    Message,
    RequestQueryServer,
    RequestRegisterAddress,
    RequestRegisterClient,
)
from sipcluster.tserver.itserver import IConnectionTaker
from sipcluster.wire.frames import FrameError, FrameReader

PASSWORD = "secret"

#: What may come without a position.
_UNNUMBERED = (
    *(EventServerInfo, EventLinkConnected, EventLinkDisconnected, EventError),
    *(LinkClosing, LinkPoll, LinkPollAnswer),
)


class Wrong(AssertionError):
    """
    Something does not hold that must hold for any client.
    """


def check(holds: bool, what: str) -> None:
    """
    @raise Wrong: it does not hold.
    """
    if not holds:
        raise Wrong(what)


class Wild(TLibPeer):
    """
    One of them.  It connects, resumes sessions (also those of others), asks what
    makes sense and what does not, breaks what it sends, repeats it, cuts it into
    pieces, stops reading, and goes away.

    @ivar another: session id of another client, which it may take over.
    @ivar sessionID: its own; L{None}: it has none yet.
    @ivar opened: connections that it has had.
    @ivar errors: EventErrors without a position that came to it.
    @ivar oldBad: bad messages that it sent over connections that are no more.
    """

    def __init__(
        self,
        server: IConnectionTaker,
        random: Random,
        number: int,
        errors: set[tuple[str | None, int]],
    ) -> None:
        """
        @param random: chooses everything.
        @param number: of this one, from 0.
        @param errors: session and position of each EventError that came to any.
        """
        super().__init__(server, "desktop", PASSWORD)
        self.another: str | None = None
        self.sessionID: str | None = None
        self.opened = self.errors = self.oldBad = 0
        self._number = number
        self._errors = errors
        self._random = random
        self._maker = MessageMaker(random)
        self._mutator = FrameMutator(random)
        self._epoch: int | None = None
        self._given = bytearray()
        self._backlog = bytearray()
        self._came = bytearray()
        self._working = False
        self._sure = self._jumps = False
        self._claims: dict[int, set[int]] = {}
        self._last = 0
        self._wild = True
        self._asked = 0

    # What it does.

    def step(self) -> int:
        """
        Do something.

        @return: how many messages it sent.
        """
        random, connection = self._random, self.connection
        if connection is None or connection.user is None or connection.closed:
            if connection is not None and connection.closed and random.random() < 0.3:
                return self._say([self._maker.message()])  # nobody listens
            self.drop()
            if random.random() < 0.02:
                self._flood()
            self._connect()
            return self._say([self._registration()] if random.random() < 0.9 else [])
        if not connection.readingPaused and self._backlog:
            held = bytes(self._backlog)
            self._backlog.clear()
            self._deliver(held)
            return 0
        chance = random.random()
        if chance < 0.02:
            self.drop()
        elif chance < 0.05:
            connection.stalled = True
        elif chance < 0.1 and connection.stalled:
            connection.drain(random.choice((1, 100, 5000)))
        elif chance < 0.2 and connection.stalled:
            connection.stalled = False
            connection.drain()
        elif not self._working and random.random() < 0.9:
            return self._say([self._registration()])
        elif chance < 0.3:
            return self._say([LinkPoll()])
        elif chance < 0.45:
            dn = random.choice(DNS)
            return self._say([RequestRegisterAddress(thisDN=dn)])
        elif chance < 0.46:
            return self._say([LinkClosing()])
        elif chance < 0.48:
            return self._say([self._maker.message()] * random.choice((10, 70)))
        else:
            many = random.choice((1, 1, 2, 5))
            return self._say([self._maker.message() for _ in range(many)])
        return 0

    def _connect(self) -> None:
        self.peer = f"192.0.2.{self._number}:{self.opened}"
        self.open().full = self._random.choice((2000, 65536))
        self.opened += 1

    def _flood(self) -> None:
        for _ in range(8):
            self._connect()
            other = TLibPeer(self.server)  # nobody looks at what it gets
            assert self.connection is not None
            self.connection._client = other
            other.connection, self.connection = self.connection, None

    def _registration(self) -> RequestRegisterClient:
        random = self._random
        usual = RequestRegisterClient(
            applicationName=random.choice(("desktop",) * 12 + ("wallboard", "nobody")),
            applicationPassword=PASSWORD if random.random() < 0.97 else "wrong",
            protocolVersion=random.choice((1, 1, 1, 1, 1, 1, 1, 2, 2, 0)),
            keepAlive=random.choice((None, 0, 1, 5)),
            sessionID=random.choice(
                (self.sessionID, self.sessionID, self.another, None)
            ),
            epoch=self._epoch,
        )
        return usual if random.random() < 0.9 else self._registerAnything()

    def _registerAnything(self) -> RequestRegisterClient:
        made = self._maker.of(RequestRegisterClient)
        assert isinstance(made, RequestRegisterClient)
        return made

    def _say(self, messages: list[Message]) -> int:
        random = self._random
        stream = b""
        for message in messages:
            reference, position = self._reference_(), self._position()
            data = encode(message, position, reference)
            if random.random() < (0.25 if self._working else 0.1):
                data = self._mutator.mutate(data)
            self._claim(data)
            stream += data * random.choice((1, 1, 1, 1, 1, 1, 2, 3))
        self._deliver(stream)
        return len(messages)

    def _reference_(self) -> int:
        random = self._random
        if random.random() < 0.85:
            self._last += 1
            return self._last
        return random.choice((0, 1, max(0, self._last - 1), self._last, 2**32 - 1))

    def _position(self) -> int:
        chance = self._random.random()
        if chance < 0.9:
            return self.handled
        return self._random.randint(0, self.handled + (chance > 0.99))

    def _claim(self, data: bytes) -> None:
        # What position a resumed session goes on from depends on what of the
        # request still can be read.
        if len(data) > 4:
            try:
                envelope = decode(data[4:])
            except BadMessage:
                return
            if isinstance(envelope.message, RequestRegisterClient):
                claims = self._claims.setdefault(envelope.reference, set())
                claims.add(envelope.position)

    def _deliver(self, data: bytes) -> None:
        connection, random = self.connection, self._random
        assert connection is not None
        at = 0
        while at < len(data):
            size = random.choice((1, 3, 20, 70000, 70000, 70000))
            piece, at = data[at : at + size], at + size
            if connection.readingPaused or self._backlog:
                self._backlog += piece
            elif connection.user is not None:
                self._given += piece
                connection.user.dataReceived(piece)

    def open(self) -> MemoryConnection:
        """
        Connect, and say nothing.
        """
        self._forget()
        return super().open()

    def drop(self) -> None:
        """
        Lose the connection.
        """
        self._forget()
        super().drop()

    def _forget(self) -> None:
        self.look()
        for _, _, bad, _ in self.told():
            self.oldBad += bad
        for buffer in (self._given, self._backlog, self._came):
            buffer.clear()
        self._working = False
        self._claims.clear()

    # What it gets.

    def dataReceived(self, data: bytes) -> None:
        """
        Only keep it: what is wrong with it is not to be raised in the port.
        """
        self._came += data

    def look(self) -> None:
        """
        @raise Wrong: what came is not right.
        """
        came = bytes(self._came)
        self._came.clear()
        self._reader.receive(came)
        try:
            while (payload := self._reader.nextFrame()) is not None:
                self._took(decode(payload))
        except (FrameError, BadMessage) as e:
            raise Wrong(f"the port sent what cannot be read: {e}") from e

    def _took(self, envelope: Envelope) -> None:
        position, message = envelope.position, envelope.message
        if envelope.reference == self._asked:
            self._asked = 0
        if position:
            self._numbered(envelope)
            return
        check(isinstance(message, _UNNUMBERED), f"without a position: {message}")
        if isinstance(message, EventServerInfo):
            self._begin(envelope.reference, message)
        elif isinstance(message, EventError):
            self.errors += 1
        elif isinstance(message, LinkPoll) and not self._sulks():
            self._deliver(encode(LinkPollAnswer(), self.handled))

    def _sulks(self) -> bool:
        return self._wild and self._random.random() < 0.03

    def _begin(self, reference: int, info: EventServerInfo) -> None:
        check(not self._working, "two start-ups")
        self._working = True
        self.sessionID, self._epoch = info.sessionID, info.epoch
        claims = self._claims.get(reference, set())
        # Where two requests with one reference claimed otherwise, nobody knows.
        self._sure = len(claims) == 1
        self._jumps = info.resumeResult == ResumeResult.SNAPSHOT
        fresh = info.resumeResult in (ResumeResult.NEW, ResumeResult.LOST)
        self.handled = 0 if fresh or not self._sure else max(claims)

    def _numbered(self, envelope: Envelope) -> None:
        position, message = envelope.position, envelope.message
        check(self._working, f"before the start-up: {envelope}")
        after = position - self.handled
        if after == 1 or (after > 1 and (self._jumps or not self._sure)):
            self.handled = position
            self._jumps = False
            if isinstance(message, EventError):
                self._errors.add((self.sessionID, position))
        elif self._sure:
            check(after < 1, f"{position} came after {self.handled}")
            check(bool(envelope.reference), f"twice: {envelope}")

    def told(self) -> Iterator[tuple[str, int, int, bool]]:
        """
        Of the present connection: where it comes from, good and bad messages that
        it was given, and whether the port must have taken all of them.
        """
        connection = self.connection
        if connection is None:
            return
        reader = FrameReader()
        reader.receive(bytes(self._given))
        good = bad = 0
        whole = not connection.closed and not connection.readingPaused
        try:
            while (payload := reader.nextFrame()) is not None:
                try:
                    decode(payload)
                    good += 1
                except BadMessage:
                    bad += 1
        except FrameError:
            whole = False
        yield self.peer, good, bad, whole and connection.user is not None

    # The end.

    def calm(self) -> None:
        """
        From now on it reads, and says nothing but what it is asked.
        """
        self._wild = False
        connection = self.connection
        if connection is None or connection.closed:
            return
        connection.stalled = False
        connection.drain()
        if not connection.readingPaused:
            held = bytes(self._backlog)
            self._backlog.clear()
            self._deliver(held)

    def askLast(self) -> None:
        """
        Ask something that is always answered, if the port can understand it: there
        is no half of a message before it.
        """
        reader = FrameReader()
        reader.receive(bytes(self._given))
        try:
            while reader.nextFrame() is not None:
                pass
        except FrameError:
            return
        connection = self.connection
        listens = connection is not None and not connection.closed and not self._backlog
        if self._working and listens and not reader.buffered:
            self._asked = 2**31 + self._number
            self._deliver(encode(RequestQueryServer(), self.handled, self._asked))

    def answered(self) -> None:
        """
        @raise Wrong: it was not.
        """
        check(not self._asked, "a client that is connected is not answered")
