"""
T-Library ports for tests.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from attrs import define, field
from twisted.internet.task import Clock
from twisted.logger import LogLevel
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from sipcluster.testing.clock import runFor
from sipcluster.testing.tlib_peer import Addresses, TLibPeer
from sipcluster.tlib.errors import TErrorCode
from sipcluster.tlib.messages import (
    EventDialing,
    EventError,
    EventRinging,
    Message,
    RequestMakeCall,
    RequestReleaseCall,
)
from sipcluster.tserver.itserver import (
    ClientView,
    IClientObserver,
    IRequests,
    ISnapshot,
    ITrace,
    Receiver,
)
from sipcluster.tserver.limits import Application, Limits
from sipcluster.tserver.server import TServer
from sipcluster.wire.correlation import Requester
from sipcluster.wire.kvlist import KVList

#: Who may connect.
APPLICATIONS: Mapping[str, Application] = {
    "desktop": Application("desktop", "secret"),
    "wallboard": Application("wallboard", "secret", mayControl=False),
    "router": Application("router", "secret", ports=frozenset(["default"])),
}

#: Seconds since 1970 at the beginning of each test.
BEGINNING = 1_800_000_000.0


@implementer(IRequests)
@define
class Handler:
    """
    Keeps requests, and answers none.
    """

    numbers: Collection[int] = (RequestMakeCall.number, RequestReleaseCall.number)
    asked: list[tuple[Message, Requester, ClientView]] = field(factory=list)
    then: Callable[[Message, Requester], None] | None = None

    def requested(
        self, request: Message, requester: Requester, client: ClientView
    ) -> None:
        self.asked.append((request, requester, client))
        if self.then is not None:
            self.then(request, requester)


@implementer(ISnapshot)
@define
class Snapshot:
    """
    Knows what a test tells it.
    """

    known: dict[str, KVList] = field(factory=dict)

    def snapshot(self, dn: str) -> KVList:
        return self.known.get(dn, ())


@implementer(IClientObserver)
@define
class Observer:
    """
    Writes down what it is told.
    """

    told: list[tuple[Any, ...]] = field(factory=list)

    def addressRegistered(self, client: ClientView, dn: str) -> None:
        self.told.append(("registered", client.application, dn))

    def addressUnregistered(self, client: ClientView, dn: str) -> None:
        self.told.append(("unregistered", client.application, dn))

    def clientAway(self, client: ClientView, dns: Collection[str]) -> None:
        self.told.append(("away", client.application, *dns))

    def clientBack(self, client: ClientView, dns: Collection[str]) -> None:
        self.told.append(("back", client.application, *dns))

    def clientGone(self, client: ClientView, dns: Collection[str]) -> None:
        self.told.append(("gone", client.application, *dns))


@implementer(ITrace)
@define
class Trace:
    """
    Keeps what passes.
    """

    received: list[tuple[str, Receiver, Message]] = field(factory=list)
    sent: list[tuple[str, tuple[Receiver, ...], Message]] = field(factory=list)

    def messageReceived(self, port: str, sender: Receiver, message: Message) -> None:
        self.received.append((port, sender, message))

    def messageSent(
        self, port: str, receivers: Sequence[Receiver], message: Message
    ) -> None:
        self.sent.append((port, tuple(receivers), message))


class PortCase(SynchronousTestCase):
    """
    A T-Library port C{TCport} with telephones 1001 to 1009, and its clock.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.handler = Handler()
        self.snapshot = Snapshot()
        self.observer = Observer()
        self.server = self.makeServer()

    def makeServer(self, **limits: Any) -> TServer:
        """
        Make a port.

        @param limits: those that are not as usual.
        """
        return TServer(
            "TCport",
            self.clock,
            self.wallTime,
            self.entropy,
            APPLICATIONS,
            Addresses.of(*(f"100{n}" for n in range(1, 10))),
            [self.handler],
            [self.snapshot],
            [self.observer],
            Limits(**limits),
        )

    _chance = 0

    def wallTime(self) -> float:
        return BEGINNING + self.clock.seconds()

    def entropy(self, size: int) -> bytes:
        self._chance += 1
        return self._chance.to_bytes(size, "big")

    def run_(self, seconds: float = 0.0) -> None:
        """
        Let time pass.
        """
        runFor(self.clock, seconds)

    def turn(self) -> None:
        """
        One turn of the reactor: what is due now, and not what that leads to.
        """
        now = self.clock.seconds()
        due = [one for one in self.clock.calls if one.getTime() <= now]
        for call in due:
            if call.active():
                self.clock.calls.remove(call)
                call.called = 1
                call.func(*call.args, **call.kw)

    def peer(self, *dns: str, application: str = "desktop") -> TLibPeer:
        """
        A connected client.

        @param dns: what it registers.
        """
        peer = TLibPeer(self.server, application)
        peer.connect()
        if dns:
            peer.register(*dns)
        return peer

    def ringing(self, dn: str, ani: str = "") -> EventRinging:
        """
        An event.
        """
        return EventRinging(time=self.server.now(), thisDN=dn, ani=ani or None)

    def dialing(self, dn: str) -> EventDialing:
        """
        Another one.
        """
        return EventDialing(time=self.server.now(), thisDN=dn)

    def publish(self, dn: str, *anis: str) -> None:
        """
        Publish an event of a DN for each of these callers.
        """
        for ani in anis:
            self.server.publish(dn, self.ringing(dn, ani))

    def assertRefused(
        self, peer: TLibPeer, reference: int, code: TErrorCode, text: str | None = None
    ) -> EventError:
        """
        Check that a request was answered so.
        """
        error = peer.expect(EventError, reference=reference)
        self.assertEqual(error.errorCode, code)
        if text is not None:
            self.assertEqual(error.errorMessage, text)
        return error

    def assertNoTimers(self) -> None:
        """
        Check that nothing is left.
        """
        self.assertEqual(self.clock.getDelayedCalls(), [])


def anis(peer: TLibPeer) -> list[str]:
    """
    Whose calls a client has seen ring since it was last asked.
    """
    found = [one for one in peer.messages if isinstance(one, EventRinging)]
    peer.envelopes = [
        one for one in peer.envelopes if not isinstance(one.message, EventRinging)
    ]
    return [one.ani or "" for one in found]


#: Levels of what operators read.
FAULTS = (LogLevel.warn, LogLevel.error, LogLevel.critical)
