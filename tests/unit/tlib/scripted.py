"""
A server that does what a test says, and a client of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from sipcluster.testing.clock import runFor
from sipcluster.testing.wire import End, MemoryEndpoint
from sipcluster.tlib.client import LinkState, TLibraryClient
from sipcluster.tlib.codec import Envelope, decode, encode
from sipcluster.tlib.enums import ResumeResult, ServerRole
from sipcluster.tlib.errors import TErrorCode
from sipcluster.tlib.messages import (
    EventError,
    EventRinging,
    EventServerInfo,
    Message,
    RequestRegisterClient,
)
from sipcluster.wire.frames import FrameReader

SESSION = "5e55" * 8

Wanted = TypeVar("Wanted", bound=Message)


class Accepted:
    """
    One connection at the server.

    @ivar received: messages of the client that no test has looked at yet.
    @ivar lost: the connection is gone.
    """

    def __init__(self, end: End) -> None:
        self.end = end
        self.received: list[Envelope] = []
        self.lost = False
        self._reader = FrameReader()

    def dataReceived(self, data: bytes) -> None:
        """
        Keep what comes.
        """
        self._reader.receive(data)
        while (frame := self._reader.nextFrame()) is not None:
            self.received.append(decode(frame))

    def connectionLost(self, reason: Failure) -> None:
        """
        Nothing comes any more.
        """
        self.lost = True

    def send(self, message: Message, position: int = 0, reference: int = 0) -> None:
        """
        Say something to the client.
        """
        self.end.write(encode(message, position, reference))


def info(
    result: ResumeResult = ResumeResult.NEW,
    session: str = SESSION,
    epoch: int = 7,
    version: int = 1,
    keepAlive: int = 10,
    role: ServerRole = ServerRole.PRIMARY,
    roleEpoch: int | None = None,
) -> EventServerInfo:
    """
    The answer to RequestRegisterClient.
    """
    return EventServerInfo(
        time=(1, 0),
        serverVersion="scripted 1",
        serverRole=role,
        capabilities=bytes(64),
        protocolVersion=version,
        sessionID=session,
        epoch=epoch,
        resumeResult=result,
        keepAlive=keepAlive,
        roleEpoch=roleEpoch,
    )


def error(code: TErrorCode, text: str = "no") -> EventError:
    """
    A refusal.
    """
    return EventError(time=(1, 0), errorCode=code, errorMessage=text)


def ringing(number: int) -> EventRinging:
    """
    An event that can be told from others.
    """
    return EventRinging(thisDN="1001", callID=number)


class ClientTestCase(SynchronousTestCase):
    """
    A client, and the server that it talks to.

    @ivar events: what C{eventReceived} was given.
    @ivar states: what C{linkChanged} was told.
    """

    delay = 0.01

    def setUp(self) -> None:
        """
        A server that takes connections.
        """
        self.clock = Clock()
        self.accepted: list[Accepted] = []
        self.refusing = False
        self.endpoint = MemoryEndpoint(self.clock, self._accept, self.delay)
        self.events: list[Envelope] = []
        self.states: list[LinkState] = []

    def _accept(self, end: End) -> Accepted | None:
        if self.refusing:
            return None
        self.accepted.append(Accepted(end))
        return self.accepted[-1]

    def make(self, **more: Any) -> TLibraryClient:
        """
        A client that is not started.
        """
        arguments: dict[str, Any] = {
            "endpoints": [self.endpoint],
            "clock": self.clock,
            "applicationName": "desktop",
            "password": "secret",
            "eventReceived": self.events.append,
            "chance": lambda: 0.5,
            "linkChanged": self.states.append,
        }
        return TLibraryClient(**{**arguments, **more})

    def start(self, **more: Any) -> TLibraryClient:
        """
        A client that has sent RequestRegisterClient.
        """
        client = self.make(**more)
        client.startService()
        self.addCleanup(self.end, client)
        self.run_()
        return client

    def end(self, client: TLibraryClient) -> None:
        """
        Stop a client; nothing of it is left then.
        """
        if client.running:
            client.stopService()
        runFor(self.clock, 10)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def linked(self, **more: Any) -> tuple[TLibraryClient, Accepted]:
        """
        A client that the server has taken, and its connection there.
        """
        client = self.start(**more)
        return client, self.welcome()

    def welcome(self, *given: Any, **more: Any) -> Accepted:
        """
        Take the client that has connected last.
        """
        server = self.accepted[-1]
        begin = self.expect(server, RequestRegisterClient)
        server.send(info(*given, **more), 0, begin.reference)
        self.run_()
        return server

    def cut(self) -> None:
        """
        Reset the connection, and wait until the client has connected again.
        """
        self.endpoint.wires[-1].reset()
        count = len(self.accepted)
        while len(self.accepted) == count:
            runFor(self.clock, 0.1)
        self.run_()

    def run_(self) -> None:
        """
        Let everything arrive.
        """
        runFor(self.clock, 4 * self.delay)

    def expect(self, server: Accepted, kind: type[Message]) -> Envelope:
        """
        The next message that the client has sent.
        """
        self.assertTrue(server.received, f"no {kind.__name__}")
        envelope = server.received.pop(0)
        self.assertIsInstance(envelope.message, kind)
        return envelope

    def positions(self) -> list[int]:
        """
        Of the events so far.
        """
        return [envelope.position for envelope in self.events]

    def outcome(self, asked: Deferred[Any]) -> list[Any]:
        """
        What a Deferred fires with: filled then, with a value or an exception.
        """
        found: list[Any] = []
        note: Callable[[Failure], None] = lambda failure: found.append(failure.value)  # noqa: E731
        asked.addCallbacks(found.append, note)
        return found
