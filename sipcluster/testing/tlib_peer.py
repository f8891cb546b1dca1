"""
A scripted T-Library client, and the connection in memory that it has.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from attrs import frozen
from zope.interface import implementer

from sipcluster.tlib.codec import Envelope, decode, encode
from sipcluster.tlib.enums import AddressType
from sipcluster.tlib.messages import (
    EventLinkConnected,
    EventRegistered,
    EventServerInfo,
    LinkClosing,
    LinkPoll,
    LinkPollAnswer,
    Message,
    RequestRegisterAddress,
    RequestRegisterClient,
)
from sipcluster.tserver.itserver import (
    IAddresses,
    IConnection,
    IConnectionTaker,
    IConnectionUser,
)
from sipcluster.wire.frames import FrameReader

Wanted = TypeVar("Wanted", bound=Message)


class NotReceived(AssertionError):
    """
    What was expected has not come; says what has.
    """


@implementer(IConnection)
class MemoryConnection:
    """
    The server's end of a connection: what it writes is at the client at once, as
    long as the client reads.

    @ivar full: bytes that wait for the client before the server is told so.
    @ivar waiting: bytes that wait.
    @ivar closed: by the server: C{"closed"} or C{"aborted"}; empty: not yet.
    @ivar readingPaused: the server wants no bytes now.
    """

    full = 65536

    def __init__(self, client: TLibPeer, peer: str) -> None:
        self.peer = peer
        self.user: IConnectionUser | None = None
        self.waiting = bytearray()
        self.stalled = False
        self.closed = ""
        self.readingPaused = False
        self._client: TLibPeer | None = client
        self._paused = False

    def write(self, data: bytes) -> None:
        if self.closed or self._client is None:
            return
        if not self.stalled:
            self._client.dataReceived(data)
            return
        self.waiting += data
        if len(self.waiting) > self.full and not self._paused:
            self._paused = True
            if self.user is not None:
                self.user.writingPaused()

    def drain(self, size: int | None = None) -> None:
        """
        Let the client read some of what waits, or all.
        """
        some = bytes(self.waiting[:size])
        del self.waiting[: len(some)]
        if self._client is not None:
            self._client.dataReceived(some)
        if not self.waiting and self._paused and not self.closed:
            self._paused = False
            if self.user is not None:
                self.user.writingResumed()

    def pauseReading(self) -> None:
        self.readingPaused = True

    def resumeReading(self) -> None:
        self.readingPaused = False

    def close(self) -> None:
        self.closed = self.closed or "closed"

    def abort(self) -> None:
        self.closed = "aborted"
        self.lose("aborted")

    def lose(self, why: str = "connection lost") -> None:
        """
        The connection is cut, wherever.
        """
        user, self.user, self._client = self.user, None, None
        if user is not None:
            user.connectionLost(why)


@implementer(IAddresses)
@frozen
class Addresses:
    """
    A switch with some DNs.
    """

    dns: Mapping[str, AddressType]

    @classmethod
    def of(cls, *dns: str) -> Addresses:
        """
        With these telephones.
        """
        return cls(dict.fromkeys(dns, AddressType.DN))

    def addressType(self, dn: str) -> AddressType | None:
        return self.dns.get(dn)


class TLibPeer:
    """
    One T-Library client.  What it sends is at the server at once; large numbers of
    requests are worked off with the clock of the server.

    @ivar envelopes: what has come and was not asked for yet, in order.
    @ivar all: all that has come.
    @ivar handled: the highest position that has come.
    @ivar acknowledging: whether it tells the server so with what it sends.
    @ivar answering: whether it answers polls.
    @ivar info: of the last start-up.
    """

    def __init__(
        self,
        server: IConnectionTaker,
        application: str = "desktop",
        password: str = "secret",
        peer: str = "192.0.2.1:40000",
    ) -> None:
        self.server = server
        self.application = application
        self.password = password
        self.peer = peer
        self.envelopes: list[Envelope] = []
        self.all: list[Envelope] = []
        self.handled = 0
        self.acknowledging = True
        self.answering = True
        self.info: EventServerInfo | None = None
        self.connection: MemoryConnection | None = None
        self._reference = 0
        self._reader = FrameReader()
        self._held: list[bytes] | None = None

    # Connections.

    def open(self) -> MemoryConnection:
        """
        Connect, and say nothing.
        """
        self._reader = FrameReader()
        connection = self.connection = MemoryConnection(self, self.peer)
        connection.user = self.server.connectionMade(connection)
        return connection

    def connect(self, **attributes: Any) -> EventServerInfo:
        """
        Connect, and register the client.

        @param attributes: of RequestRegisterClient, besides the usual ones.

        @raise NotReceived: it is refused.
        """
        self.open()
        reference = self.registerClient(**attributes)
        info = self.info = self.expect(EventServerInfo, reference=reference)
        self.expect(EventLinkConnected)
        return info

    def registerClient(self, **attributes: Any) -> int:
        """
        Send RequestRegisterClient.

        @return: its reference.
        """
        usual: dict[str, Any] = {
            "applicationName": self.application,
            "applicationPassword": self.password,
            "protocolVersion": 1,
        }
        return self.request(RequestRegisterClient(**(usual | attributes)))

    def resume(self, **attributes: Any) -> EventServerInfo:
        """
        Connect again, and go on with the session.
        """
        assert self.info is not None
        return self.connect(
            sessionID=self.info.sessionID, epoch=self.info.epoch, **attributes
        )

    def drop(self) -> None:
        """
        Lose the connection.
        """
        connection, self.connection = self.connection, None
        if connection is not None:
            connection.lose()

    def leave(self) -> None:
        """
        End the session in order.
        """
        self.send(LinkClosing())
        self.drop()

    @property
    def cut(self) -> LinkClosing | None:
        """
        Why the server has closed the connection; L{None}: it has not, or has given
        no reason.
        """
        found = [
            one.message for one in self.all if isinstance(one.message, LinkClosing)
        ]
        return found[-1] if found else None

    # What it says.

    def send(self, message: Message, reference: int = 0) -> None:
        """
        Send a message.
        """
        position = self.handled if self.acknowledging else 0
        self.sendBytes(encode(message, position, reference))

    def sendBytes(self, data: bytes) -> None:
        """
        Send anything.
        """
        assert self.connection is not None
        if self._held is not None:
            self._held.append(data)
        elif self.connection.user is not None:
            self.connection.user.dataReceived(data)

    def hold(self) -> None:
        """
        Send nothing before L{release}.
        """
        self._held = []

    def release(self) -> None:
        """
        Send what was held, in one piece.
        """
        held, self._held = self._held, None
        self.sendBytes(b"".join(held or ()))

    def nextReference(self) -> int:
        """
        One that was not used yet.
        """
        self._reference += 1
        return self._reference

    def request(self, message: Message, reference: int = 0) -> int:
        """
        Ask for something.

        @param reference: 0: the next one.

        @return: the reference.
        """
        reference = reference or self.nextReference()
        self.send(message, reference)
        return reference

    def register(self, *dns: str, **attributes: Any) -> EventRegistered:
        """
        Register DNs.

        @return: what the last one was answered.

        @raise NotReceived: it is refused.
        """
        found: EventRegistered | None = None
        for dn in dns:
            reference = self.request(RequestRegisterAddress(thisDN=dn, **attributes))
            found = self.expect(EventRegistered, reference=reference)
        assert found is not None
        return found

    # What it hears.

    def dataReceived(self, data: bytes) -> None:
        """
        Take bytes of the server.
        """
        self._reader.receive(data)
        while (payload := self._reader.nextFrame()) is not None:
            envelope = decode(payload)
            self.handled = max(self.handled, envelope.position)
            self.envelopes.append(envelope)
            self.all.append(envelope)
            if isinstance(envelope.message, LinkPoll) and self.answering:
                self.acknowledge()

    def acknowledge(self) -> None:
        """
        Give a sign of life, and say what was handled.
        """
        self.send(LinkPollAnswer())

    @property
    def messages(self) -> list[Message]:
        """
        What has come and was not asked for yet, in order.
        """
        return [one.message for one in self.envelopes]

    def expect(
        self, kind: type[Wanted], reference: int | None = None, **attributes: Any
    ) -> Wanted:
        """
        Take the first message of a kind out of what has come.

        @param reference: the one that it must have.
        @param attributes: what it must have, too.

        @raise NotReceived: there is none.
        """
        for index, one in enumerate(self.envelopes):
            message = one.message
            if (
                isinstance(message, kind)
                and reference in (None, one.reference)
                and all(
                    getattr(message, name) == value
                    for name, value in attributes.items()
                )
            ):
                del self.envelopes[index]
                return message
        wanted = f"{kind.__name__} {attributes or ''} reference {reference}"
        came = "\n".join(f"  {one}" for one in self.envelopes) or "  nothing"
        raise NotReceived(f"no {wanted}; there is\n{came}")

    def expectNothing(self) -> None:
        """
        @raise NotReceived: something has come that was not asked for.
        """
        if self.envelopes:
            raise NotReceived(f"nothing was expected: {self.envelopes}")

    def clear(self) -> None:
        """
        Forget what has come.
        """
        self.envelopes.clear()
