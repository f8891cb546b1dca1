"""
The HA link over TLS: both sides show a certificate, and it must name the other
member.  docs/protocols/ha.md.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from OpenSSL import SSL
from service_identity import VerificationError
from twisted.application.internet import ClientService
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import wrapClientTLS
from twisted.internet.interfaces import (
    IAddress,
    IDelayedCall,
    IHandshakeListener,
    IListeningPort,
    IReactorTime,
    IStreamClientEndpoint,
    IStreamServerEndpoint,
    ITCPTransport,
)
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.logger import Logger
from twisted.protocols.tls import TLSMemoryBIOFactory, TLSMemoryBIOProtocol
from twisted.python.failure import Failure
from zope.interface import implementer

from sipcluster.ha.ireplica import ILinkTaker, ILinkTransport, ILinkUser
from sipcluster.net.addresses import hostPort, plainHost
from sipcluster.net.sip_tls import TLSContexts, verifyName, why

#: Seconds before the first attempt to connect again, and before those after many.
SOON, RARELY = 0.1, 2.0

#: Seconds after which a connection that ends was a good one.
GOOD = 5.0

#: Seconds in which the other side has to show its certificate.
HANDSHAKE = 5.0


@implementer(ILinkTransport, IHandshakeListener)
class HALinkProtocol(Protocol):
    """
    One connection to the other member.

    Nothing is sent, and nothing that comes is read, before the other side has shown
    its certificate.
    """

    log = Logger()

    def __init__(
        self,
        taker: ILinkTaker,
        peer: str,
        name: str,
        clock: IReactorTime | None = None,
    ) -> None:
        """
        @param name: the host name or address that the other side's certificate must
            carry; C{""}: the connection is without TLS, as in tests.
        @param clock: ends a connection whose other side shows none in time;
            L{None}: nothing does.
        """
        self.peer = peer
        self._taker = taker
        self._name = name
        self._clock = clock
        self._late: IDelayedCall | None = None
        self._user: ILinkUser | None = None
        self._closed = False

    def connectionMade(self) -> None:
        transport: Any = self.transport
        if ITCPTransport.providedBy(transport):
            transport.setTcpNoDelay(True)
            transport.setTcpKeepAlive(True)
        if not self._name:
            self._begin()
        elif not isinstance(transport, TLSMemoryBIOProtocol):
            self._refuse("not encrypted")
        elif self._clock is not None:
            # Who says nothing would keep it for ever; and a member that was cut off
            # in the middle is not to be waited for when it could be called again.
            self._late = self._clock.callLater(HANDSHAKE, self._tooLate)

    def _tooLate(self) -> None:
        self._late = None
        self._refuse(f"no certificate in {HANDSHAKE:g} s")

    def _stopTimer(self) -> None:
        late, self._late = self._late, None
        if late is not None:
            late.cancel()

    def handshakeCompleted(self) -> None:
        """
        Both sides have shown what they have.
        """
        self._stopTimer()
        handle: Any = self.transport.getHandle()  # type: ignore[union-attr]
        certificate = handle.get_peer_certificate()
        if certificate is None or not handle.get_verify_mode() & SSL.VERIFY_PEER:
            self._refuse("it has shown no certificate")
            return
        try:
            verifyName(certificate.to_cryptography(), self._name)
        except VerificationError:
            self._refuse(f"its certificate is not for {self._name}")
            return
        except Exception:
            # Names in it that cannot be read.
            self._refuse("its certificate cannot be read")
            return
        self._begin()

    def _begin(self) -> None:
        try:
            self._user = self._taker.connectionMade(self)
        except Exception:
            self.log.failure("HA link")
            self.abort()

    def _refuse(self, words: str) -> None:
        self._closed = True
        self._taker.strangerRefused(self.peer, words)
        self.abort()

    def dataReceived(self, data: bytes) -> None:
        if self._user is not None and not self._closed:
            try:
                self._user.dataReceived(data)
            except Exception:
                self.log.failure("HA link data")

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._stopTimer()
        user, self._user = self._user, None
        words = why(reason)
        if user is not None:
            with self.log.failuresHandled("HA link lost"):
                user.connectionLost(words)
        elif not self._closed and reason.check(VerificationError, SSL.Error):
            self._taker.strangerRefused(self.peer, words)

    # What the link does with it.

    def write(self, data: bytes) -> None:
        """
        See L{ILinkTransport}.
        """
        if self.transport is not None and not self._closed:
            self.transport.write(data)

    def close(self) -> None:
        """
        See L{ILinkTransport}.
        """
        self._closed = True
        assert self.transport is not None
        self.transport.loseConnection()

    def abort(self) -> None:
        """
        See L{ILinkTransport}.
        """
        transport: Any = self.transport
        self._closed = True
        transport.abortConnection()


class HALinkFactory(Factory):
    """
    Makes the protocols of one side.
    """

    noisy = False

    def __init__(
        self, taker: ILinkTaker, name: str, clock: IReactorTime | None = None
    ) -> None:
        """
        @param name: as for L{HALinkProtocol}; and C{clock}.
        """
        self._taker = taker
        self._name = name
        self._clock = clock

    def buildProtocol(self, addr: IAddress | None) -> HALinkProtocol:
        address: Any = addr
        peer = hostPort(plainHost(address.host), address.port)
        return HALinkProtocol(self._taker, peer, self._name, self._clock)


def listenHALink(
    clock: IReactorTime,
    endpoint: IStreamServerEndpoint,
    taker: ILinkTaker,
    contexts: TLSContexts,
    name: str,
) -> Deferred[IListeningPort]:
    """
    Wait for the other member.

    @param contexts: must want certificates of clients (C{"required"}).
    @param name: the host name or address that the other member's certificate must
        carry; never empty.

    @return: fires with the port; fails with what the endpoint fails with.
    """
    _named(name)
    inner = HALinkFactory(taker, name, clock)
    outer = TLSMemoryBIOFactory(contexts.server(), False, inner, clock=clock)
    listening: Deferred[IListeningPort] = endpoint.listen(outer)
    return listening


def dialHALink(
    clock: IReactorTime,
    endpoint: IStreamClientEndpoint,
    taker: ILinkTaker,
    contexts: TLSContexts,
    name: str,
    chance: Callable[[], float],
) -> ClientService:
    """
    Connect to the other member, again and again.

    @param name: as for L{listenHALink}.
    @param chance: a number from 0 up to 1, so that pauses differ.

    @return: connects when it is started, and ends its connection when it is stopped.
    """
    _named(name)
    return redial(
        clock,
        wrapClientTLS(contexts.client(name), endpoint),
        HALinkFactory(taker, name, clock),
        chance,
    )


def redial(
    clock: IReactorTime,
    endpoint: IStreamClientEndpoint,
    factory: Factory,
    chance: Callable[[], float],
) -> ClientService:
    """
    Connect with growing pauses, that begin anew after a connection that was good.
    """
    pause = SOON
    begun = clock.seconds()

    def wait(attempts: int) -> float:
        nonlocal pause, begun
        now = clock.seconds()
        if now - begun > GOOD:
            pause = SOON
        seconds = pause * (0.5 + chance())
        pause = min(RARELY, 2 * pause)
        begun = now + seconds
        return seconds

    return ClientService(endpoint, factory, wait, clock)


def _named(name: str) -> None:
    if not name:
        raise ValueError("the name of the other member's certificate is needed")
