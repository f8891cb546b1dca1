"""
A T-Library client for Twisted applications.

A L{TLibraryClient} is a service that stays connected to a T-Library port: it comes
back after a lost connection and misses nothing, hands each event over once, and
answers requests with Deferreds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import (
    IPushProducer,
    IReactorTime,
    IStreamClientEndpoint,
)
from twisted.python.failure import Failure
from zope.interface import implementer

from sipcluster.tlib.client_connector import Connector
from sipcluster.tlib.client_session import LAST_REFERENCE, ClientSession
from sipcluster.tlib.client_start_up import Identity
from sipcluster.tlib.client_values import (
    ClientStopped,
    LinkState,
    RequestFailed,
    RequestRefused,
    RequestTimedOut,
    Resume,
    SessionLost,
    Times,
    TooManyRequests,
)
from sipcluster.tlib.codec import Envelope
from sipcluster.tlib.enums import AddressType, ClientRole, ControlMode, RegisterMode
from sipcluster.tlib.errors import TErrorCode
from sipcluster.tlib.messages import (
    EventRegistered,
    EventServerInfo,
    Message,
    RequestRegisterAddress,
    RequestSetInputMask,
    RequestUnregisterAddress,
)

__all__ = [
    "ClientStopped",
    "LinkState",
    "RequestFailed",
    "RequestRefused",
    "RequestTimedOut",
    "Resume",
    "SessionLost",
    "TLibraryClient",
    "Times",
    "TooManyRequests",
    "maskOf",
]

#: Bytes of an input mask.
MASK = 64

#: How a registration is refused that the session has made before.
THERE = TErrorCode.ALREADY_IN_STATE


def maskOf(events: Iterable[type[Message]]) -> bytes:
    """
    The input mask that lets only these events through.
    """
    bits = bytearray(MASK)
    for event in events:
        bits[event.number // 8] |= 1 << event.number % 8
    return bytes(bits)


@implementer(IPushProducer)
class TLibraryClient(Service):
    """
    Stays connected to one T-Library server, or to one of several that stand for
    each other.

    C{eventReceived} is called with each message of the server in the order of the
    session, answers to requests included, each exactly once; polls and the start-up
    aside.  It gets an L{Envelope}: C{message}, C{position} (EventSequenceNumber; 0
    for the state of the link to the switch), C{reference}.  When it returns, the
    event is handled: the server may forget it.  What it raises is logged.

    What it believes of calls and DNs is out of date after a link whose C{resumed} is
    C{SNAPSHOT} or C{LOST}: C{EventRegistered} with C{snapshot} 1 tells the present
    state of each DN then.  (After C{LOST} the client has registered again what was
    registered.)

    A consumer that cannot follow may C{pauseProducing}; one that does so for long is
    cut off by the server, and resumes.
    """

    def __init__(
        self,
        endpoints: Sequence[IStreamClientEndpoint],
        clock: IReactorTime,
        applicationName: str,
        password: str,
        eventReceived: Callable[[Envelope], object],
        *,
        chance: Callable[[], float],
        linkChanged: Callable[[LinkState], object] | None = None,
        roleChanged: Callable[[EventServerInfo], object] | None = None,
        resume: Resume | None = None,
        keepSession: bool = False,
        role: ClientRole = ClientRole.REGULAR,
        times: Times = Times(),  # noqa: B008 # frozen
        limit: int = 10_000,
    ) -> None:
        """
        @param endpoints: the server's addresses, the primary's first.
        @param chance: gives a number from 0 up to 1, as C{random.random} does:
            clients that lose their server together do not come back together.
        @param linkChanged: is told of each link made and lost.
        @param roleChanged: is told, before C{linkChanged}, when another member of
            the pair has become primary, or the same one anew; the session goes on.
        @param resume: where another client, perhaps of another process, has stopped.
        @param keepSession: what stopping does: leave the session at the server, to
            be resumed, rather than end it.
        @param limit: requests that may wait for their answers.
        """
        self._session = ClientSession(
            clock,
            eventReceived,
            1 + int(chance() * (LAST_REFERENCE - 1)) if resume else 1,
            resume,
            times,
            limit,
        )
        self._connector = Connector(
            endpoints,
            clock,
            Identity(applicationName, password, role),
            self._session,
            linkChanged or (lambda state: None),
            chance,
            times,
            keepSession,
            roleChanged or (lambda info: None),
        )

    def startService(self) -> None:
        """
        Connect, and stay connected.
        """
        super().startService()  # type: ignore[no-untyped-call] # Twisted's
        self._connector.link.start()

    def stopService(self) -> Deferred[None]:
        """
        Close the connection; requests that wait fail with L{ClientStopped}.

        @return: fires when the connection is closed.
        """
        super().stopService()  # type: ignore[no-untyped-call] # Twisted's
        self._connector.link.stop()
        return self._connector.whenClosed()

    # How it is.

    @property
    def info(self) -> EventServerInfo | None:
        """
        What the server said of itself; L{None}: there is no link now.
        """
        return self._connector.info

    @property
    def failure(self) -> str:
        """
        Why the last attempt to connect came to nothing; empty: none did since the
        last link.
        """
        return self._connector.failure

    @property
    def resume(self) -> Resume | None:
        """
        Where a later client goes on, the event that C{eventReceived} is being given
        included; L{None}: there has been no session yet.
        """
        return self._session.resume

    @property
    def registered(self) -> frozenset[str]:
        """
        DNs that this client has registered.
        """
        return frozenset(self._session.registrations)

    def counts(self) -> dict[str, int]:
        """
        What went by: messages dropped as repeated, gaps in the numbering, and
        messages that could not be read.
        """
        return {
            "duplicates": self._session.duplicates,
            "gaps": self._session.gaps,
            "unreadable": self._connector.unreadable,
        }

    def whenLinked(self) -> Deferred[EventServerInfo]:
        """
        Wait for the server.

        @return: fires with what the server says of itself, at once when it is
            linked.  Fails with L{RequestRefused} when the server refuses the
            client, at once when it has done so for good, and with
            L{ClientStopped}.  It may be cancelled.
        """
        return self._connector.whenLinked()

    # Requests.

    def request(self, message: Message) -> Deferred[Message]:
        """
        Ask the server for something.  Without a link the request waits for one; it
        survives reconnecting, and is done once.

        @return: fires with the event that answers, after C{eventReceived} was given
            it.  Fails with L{RequestRefused}, L{RequestTimedOut}, L{SessionLost},
            L{TooManyRequests} or L{ClientStopped}.  When it is cancelled, the answer
            is an event like others; the request may be done.

        @raise ValueError: the message does not fit into a frame, or holds what
            cannot be sent.
        """
        return self._session.request(message)

    def register(
        self,
        dn: str,
        mode: RegisterMode = RegisterMode.SHARE,
        control: ControlMode = ControlMode.DEFAULT,
        addressType: AddressType | None = None,
    ) -> Deferred[EventRegistered | None]:
        """
        See what happens at a DN from now on.

        @return: fires with the EventRegistered, whose C{extensions} tell the DN's
            present state; with L{None} when the session, resumed, has registered
            the DN already.  Fails as that of L{request} does.
        """
        asked = self.request(
            RequestRegisterAddress(
                thisDN=dn,
                registerMode=mode,
                controlMode=control,
                addressType=addressType,
            )
        )

        def registered(answer: Message) -> EventRegistered | None:
            return answer if isinstance(answer, EventRegistered) else None

        def there(failure: Failure) -> None:
            why = failure.value
            if not isinstance(why, RequestRefused) or why.code != THERE:
                failure.raiseException()

        return asked.addCallbacks(registered, there)

    def unregister(self, dn: str) -> Deferred[Message]:
        """
        See nothing of a DN any more.

        @return: as that of L{request}.
        """
        return self.request(RequestUnregisterAddress(thisDN=dn))

    def wantOnly(self, *events: type[Message]) -> Deferred[Message]:
        """
        Have other events held back by the server; answers to requests come all the
        same.

        @return: as that of L{request}.
        """
        return self.request(RequestSetInputMask(inputMask=maskOf(events)))

    # Not so fast.

    def pauseProducing(self) -> None:
        """
        Hand over nothing until L{resumeProducing}.
        """
        self._connector.pause()

    def resumeProducing(self) -> None:
        """
        Hand over what came meanwhile, and what comes.
        """
        self._connector.resume()

    def stopProducing(self) -> None:
        """
        As L{pauseProducing}: the service is stopped by whoever has started it.
        """
        self._connector.pause()
