"""
How a T-Library client comes to a connection, and to another one when that is lost.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from attrs import define
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import (
    IAddress,
    IDelayedCall,
    IProtocol,
    IReactorTime,
    IStreamClientEndpoint,
)
from twisted.internet.protocol import Factory
from twisted.logger import Logger
from twisted.python.failure import Failure

from sipcluster.tlib.client_link import Link, clientLink
from sipcluster.tlib.client_protocol import SILENT, ClientProtocol, Ends
from sipcluster.tlib.client_session import ClientSession
from sipcluster.tlib.client_start_up import (
    FOR_GOOD,
    REFERENCE,
    Elsewhere,
    Identity,
    RoleGate,
    introduction,
    verdict,
)
from sipcluster.tlib.client_values import (
    ClientStopped,
    LinkState,
    RequestRefused,
    Times,
)
from sipcluster.tlib.codec import Envelope, encode
from sipcluster.tlib.errors import BadMessage, TErrorCode
from sipcluster.tlib.messages import (
    EventServerInfo,
    LinkClosing,
)


@define
class _Clients(Factory):
    """
    Makes one connection's protocol.
    """

    clock: IReactorTime
    noisy = False

    def buildProtocol(self, addr: IAddress | None) -> ClientProtocol:
        return ClientProtocol(self.clock)


class Connector:
    """
    Keeps one session connected: what the outputs of the machine in
    L{sipcluster.tlib.client_link} call.

    @ivar info: what the server said of itself; L{None}: not linked.
    @ivar unreadable: messages that could not be read.
    @ivar failure: why the last attempt to connect came to nothing; empty: none did
        since the last link.
    """

    log = Logger()

    def __init__(
        self,
        endpoints: Sequence[IStreamClientEndpoint],
        clock: IReactorTime,
        identity: Identity,
        session: ClientSession,
        changed: Callable[[LinkState], object],
        chance: Callable[[], float],
        times: Times,
        keepSession: bool,
        roleChanged: Callable[[EventServerInfo], object],
    ) -> None:
        if not endpoints:
            raise ValueError("a client needs an endpoint")
        self._endpoints = tuple(endpoints)
        self._clock = clock
        self._identity = identity
        self._session = session
        self._changed = changed
        self._chance = chance
        self._times = times
        self._keepSession = keepSession
        self._roleChanged = roleChanged
        self._gate = RoleGate()
        self.link: Link = clientLink(self)
        self.info: EventServerInfo | None = None
        self.unreadable = 0
        self.failure = ""
        self._next = 0
        self._failures = 0
        self._linkedAt = 0.0
        self._paused = False
        self._barred: RequestRefused | None = None
        self._timer: IDelayedCall | None = None
        self._attempt: Deferred[IProtocol] | None = None
        self._protocol: ClientProtocol | None = None
        self._closing: list[Deferred[None]] = []
        self._waiting: list[Deferred[EventServerInfo]] = []

    # What the client asks.

    def whenLinked(self) -> Deferred[EventServerInfo]:
        """
        @return: fires as soon as the server has taken the client; fails when it
            does not want it, or when the client is stopped.
        """
        linked: Deferred[EventServerInfo] = Deferred(self._cancelled)
        if self.info is not None:
            linked.callback(self.info)
        elif self._barred is not None:
            linked.errback(self._barred)
        else:
            self._waiting.append(linked)
        return linked

    def whenClosed(self) -> Deferred[None]:
        """
        @return: fires when the connection that was closed last is gone.
        """
        closed: Deferred[None] = Deferred()
        if self._closing:
            self._closing[-1].addCallback(lambda _: closed.callback(None))
        else:
            closed.callback(None)
        return closed

    def pause(self) -> None:
        """
        Read no more, on this connection and on those to come.
        """
        self._paused = True
        if self._protocol is not None and self.info is not None:
            self._protocol.pause()

    def resume(self) -> None:
        """
        Read again.
        """
        self._paused = False
        if self._protocol is not None:
            self._protocol.resume()

    # What the machine asks.

    def connect(self) -> None:
        """
        Ask for a connection.
        """
        self._barred = None
        self._wait(self._times.connect, self.link.timeOut)
        endpoint = self._endpoints[self._next]
        self._attempt = attempt = endpoint.connect(_Clients(self._clock))

        def made(protocol: IProtocol) -> None:
            assert isinstance(protocol, ClientProtocol)
            if self._attempt is attempt:
                self._attempt = None
                self.link.connected(protocol)
            else:  # given up meanwhile
                protocol.abandon(abort=True)

        def failed(failure: Failure) -> None:
            if self._attempt is attempt:
                self._attempt = None
                self.link.failed(failure.getErrorMessage())

        attempt.addCallbacks(made, failed)

    def startUp(self, protocol: ClientProtocol) -> None:
        """
        Say who we are, and where we want to go on.
        """
        self._protocol = protocol
        self._wait(self._times.startUp, self.link.timeOut)
        session = self._session
        begin = introduction(
            self._identity, session.resume, session.mask, self._times.keepAlive
        )
        protocol.write(encode(begin, session.position, REFERENCE))
        protocol.serve(
            Ends(self._received, self._unreadable, self.link.lost, self._position)
        )

    def linkMade(self, info: EventServerInfo) -> None:
        """
        The server has taken us.
        """
        protocol = self._protocol
        assert protocol is not None
        self._stopWaiting()
        self.info = info
        self.failure = ""
        self._linkedAt = self._clock.seconds()
        protocol.watch(info.keepAlive or self._times.keepAlive)
        result = self._session.began(info, protocol.write)
        if self._paused:
            protocol.pause()
        self.log.info(
            "linked to {server}: {resumed} at {position}",
            server=info.serverVersion,
            resumed=result.label,
            position=self._session.position,
            epoch=self._session.epoch,
        )
        if self._gate.linked(info):
            with self.log.failuresHandled("roleChanged"):
                self._roleChanged(info)
        self._tell(LinkState(True, "", result, info))
        for linked in self._taken():
            linked.callback(info)

    def attemptFailed(self, why: str) -> None:
        """
        This address is no good now; the next one is tried after a pause.
        """
        self.log.info("no link to server {number}: {why}", number=self._next, why=why)
        self.failure = why
        self._drop()
        self._next = (self._next + 1) % len(self._endpoints)
        self._failures += 1
        self._retryLater(self._growingPause())

    def attemptRefused(self, why: RequestRefused) -> None:
        """
        The server cannot take us now.
        """
        self.log.warn("refused by server {number}: {why}", number=self._next, why=why)
        self._drop()
        self._next = (self._next + 1) % len(self._endpoints)
        for linked in self._taken():
            linked.errback(why)
        self._retryLater(self._times.reconnect)

    def linkLost(self, why: str) -> None:
        """
        The connection broke; the same server is tried first, unless it was silent:
        then it may take connections, and be as silent on them.
        """
        if why == SILENT:
            self._next = (self._next + 1) % len(self._endpoints)
        self.log.info(
            "link lost at {position}: {why}", position=self._session.position, why=why
        )
        settled = self._clock.seconds() - self._linkedAt >= self._times.settled
        self._failures = 0 if settled else self._failures + 1
        self._unlink()
        self._retryLater(self._growingPause())
        self._tell(LinkState(False, why))

    def barred(self, why: RequestRefused) -> None:
        """
        There is no sense in trying again.
        """
        self.log.error("the client gives up: {why}", why=why)
        self._barred = why
        self._unlink()
        self._session.stopped(forget=why.code == TErrorCode.RESOURCE_SEIZED)
        self._tell(LinkState(False, str(why), forGood=True))
        for linked in self._taken():
            linked.errback(why)

    def abandon(self) -> None:
        """
        Stop, without a link.
        """
        self._drop()
        self._stopped()

    def close(self) -> None:
        """
        Stop, and end the session or leave it there.
        """
        protocol = self._protocol
        assert protocol is not None
        self._protocol = None
        if not self._keepSession:
            protocol.write(encode(LinkClosing(), self._session.position))
        closed: Deferred[None] = Deferred()
        late = self._clock.callLater(
            self._times.close, lambda: protocol.abandon(abort=True)
        )

        def gone() -> None:
            if late.active():
                late.cancel()
            self._closing.remove(closed)
            closed.callback(None)

        self._closing.append(closed)
        protocol.abandon(abort=False, gone=gone)
        self._unlink()
        self._stopped()
        self._tell(LinkState(False, "the client was stopped", forGood=True))

    def _stopped(self) -> None:
        self._failures = 0
        self._session.stopped(forget=not self._keepSession)
        for linked in self._taken():
            linked.errback(ClientStopped("the client was stopped"))

    # What the server says.

    def _received(self, envelope: Envelope, size: int) -> None:
        message = envelope.message
        if isinstance(message, LinkClosing):
            self._closedByServer(message)
        elif self.info is None:
            self._starting(envelope)
        elif not self._session.received(envelope, size):
            self._cut(f"events are missing before {envelope.position}")

    def _starting(self, envelope: Envelope) -> None:
        found = verdict(envelope.message)
        if isinstance(found, EventServerInfo):
            now = self._clock.seconds()
            if self._gate.passes(found, now, self._times.stale):
                self.link.accepted(found)
            else:
                self.link.lost(f"it is primary of epoch {found.roleEpoch or 0} no more")
        elif isinstance(found, Elsewhere):
            self.link.lost(str(found))
        elif found is not None and found.code in FOR_GOOD:
            self.link.barred(found)
        elif found is not None:
            self.link.refused(found)

    def _closedByServer(self, message: LinkClosing) -> None:
        text = message.errorMessage or "closed by the server"
        if message.errorCode == TErrorCode.RESOURCE_SEIZED:
            self.link.barred(RequestRefused(TErrorCode.RESOURCE_SEIZED, text))
        else:
            self._cut(text)

    def _unreadable(self, why: BadMessage) -> None:
        self.unreadable += 1
        self.log.warn("message {number} left out: {why}", number=why.number, why=why)
        self._session.unreadable()

    def _position(self) -> int:
        return self._session.handled

    def _cut(self, why: str) -> None:
        """
        The connection is of no use any more.
        """
        if self._protocol is not None:
            self._protocol.abandon(abort=True)
        self.link.lost(why)

    # Between connections.

    def _unlink(self) -> None:
        self._drop()
        if self.info is not None:
            self._gate.left(self._clock.seconds())
        self.info = None
        self._session.broken()

    def _drop(self) -> None:
        """
        Let go of whatever is under way.
        """
        self._stopWaiting()
        attempt, self._attempt = self._attempt, None
        if attempt is not None:
            attempt.cancel()
        protocol, self._protocol = self._protocol, None
        if protocol is not None:
            protocol.abandon(abort=True)

    def _growingPause(self) -> float:
        rounds = self._failures // len(self._endpoints)
        grown = self._times.first * 2.0 ** min(rounds, 20)
        return min(grown, self._times.reconnect) * (0.5 + 0.5 * self._chance())

    def _retryLater(self, seconds: float) -> None:
        self._wait(seconds, self.link.retry)

    def _wait(self, seconds: float, then: Callable[[], None]) -> None:
        self._stopWaiting()

        def due() -> None:
            self._timer = None
            then()

        self._timer = self._clock.callLater(seconds, due)

    def _stopWaiting(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()

    def _taken(self) -> list[Deferred[EventServerInfo]]:
        waiting, self._waiting = self._waiting, []
        return waiting

    def _cancelled(self, linked: Deferred[EventServerInfo]) -> None:
        if linked in self._waiting:
            self._waiting.remove(linked)

    def _tell(self, state: LinkState) -> None:
        try:
            self._changed(state)
        except Exception:
            self.log.failure("linkChanged failed")
