"""
The way of a node or a SIP Proxy to the network: its transport layer, its SIP ports
and its locator, as its settings say.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from typing import Any, Protocol, cast

from twisted.application.service import Service
from twisted.internet.defer import (
    CancelledError,
    Deferred,
    inlineCallbacks,
    maybeDeferred,
)
from twisted.internet.interfaces import IListeningPort, IReactorTCP
from twisted.logger import Logger
from twisted.names.client import Resolver
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.failure import Failure

from sipcluster.app.runtime import ISIPMember
from sipcluster.app.settings import Node, SIPApplication
from sipcluster.net.flows import TransportLimits
from sipcluster.net.locate import Locator
from sipcluster.net.sip_tls import TLSContexts
from sipcluster.net.tlib import TLibFactory
from sipcluster.net.transport import Listener, SIPTransport, Trace
from sipcluster.tserver.itserver import IConnectionTaker

log = Logger()


class Listens(Protocol):
    """
    What has ports: a L{SIPTransport}, on this host or in memory.
    """

    tls: TLSContexts | None

    def listenUDP(self, host: str, port: int) -> Deferred[Listener]: ...

    def listenTCP(self, host: str, port: int) -> Deferred[Listener]: ...

    def listenTLS(
        self, host: str, port: int, contextFactory: TLSContexts
    ) -> Deferred[Listener]: ...

    def stop(self) -> Deferred[None]: ...


def makeTransport(
    reactor: Any, settings: SIPApplication, trace: Trace | None = None
) -> SIPTransport:
    """
    Make the transport layer of a member; its ports are opened later.

    @param trace: sees every message.

    @raise BadTLS: a certificate, key or CA file is not what it should be.
    """
    limits = TransportLimits(connections=settings.maxConnections)
    transport = SIPTransport(reactor, None, os.urandom, trace=trace, limits=limits)
    transport.tls = makeContexts(settings)
    return transport


def makeContexts(settings: SIPApplication) -> TLSContexts:
    """
    Read the certificates of a member.

    @raise BadTLS: a certificate, key or CA file is not what it should be.
    """
    return TLSContexts(
        str(settings.certificate or ""),
        str(settings.privateKey or ""),
        str(settings.ca or ""),
        "required" if settings.tlsMutual else "no",
    )


def sipPorts(
    transport: Listens, settings: SIPApplication
) -> list[tuple[str, Callable[[], Deferred[Listener]]]]:
    """
    The ports that a member has.

    @return: the name of each port's transport, and what opens it; fails with
        C{CannotListenError}.
    """
    host, port = settings.sipAddress, settings.sipPort
    ports: list[tuple[str, Callable[[], Deferred[Listener]]]] = [
        ("UDP", lambda: transport.listenUDP(host, port)),
        ("TCP", lambda: transport.listenTCP(host, port)),
    ]
    contexts = transport.tls
    if settings.sipTLSPort and contexts is not None:
        ports.append(
            ("TLS", lambda: transport.listenTLS(host, settings.sipTLSPort, contexts))
        )
    return ports


def tlibPorts(
    reactor: Any, member: ISIPMember
) -> list[tuple[str, Callable[[], Deferred[IListeningPort]]]]:
    """
    The T-Library ports that a member has: none for a SIP Proxy.

    @return: the name of each port, and what opens it; fails with
        C{CannotListenError}.
    """
    settings = member.runtime.settings
    if not isinstance(settings, Node):
        return []
    contexts: TLSContexts | None = member.runtime.transport.tls  # type: ignore[attr-defined] # one that listens
    host = settings.tlibHost

    def opener(
        server: IConnectionTaker, port: int
    ) -> Callable[[], Deferred[IListeningPort]]:
        factory: Any = TLibFactory(server)
        if settings.tlibTLS:
            assert contexts is not None
            factory = TLSMemoryBIOFactory(
                contexts.server(), False, factory, clock=reactor
            )
        return lambda: maybeDeferred(reactor.listenTCP, port, factory, 1024, host)

    return [
        (f"T-Library {name}", opener(server, port))
        for name, (server, port) in member.ports.items()
        if port
    ]


def makeLocator(reactor: Any, settings: SIPApplication) -> Locator:
    """
    RFC 3263 with the name servers of the settings, or those of the system.
    """
    resolver = None
    if settings.nameServers:
        resolver = Resolver(servers=list(settings.nameServers), reactor=reactor)
    families = {"0.0.0.0": (4,), "::": (6, 4)}.get(
        settings.sipAddress, (6,) if ":" in settings.sipAddress else (4,)
    )
    return Locator(reactor, resolver, families=families)


class Listening(Service):
    """
    A member of the cluster with its SIP ports: what another Twisted application
    puts into its own service tree.

    The ports are opened once the member has loaded.  They are closed, and all
    flows ended, after the member has stopped.  Like the member it is started once.
    A node's T-Library ports are among them where its clock is a reactor.  A member of
    a pair whose ports cannot be opened leaves the role to the other one.

    @ivar member: the node or SIP Proxy.
    """

    def __init__(self, member: ISIPMember) -> None:
        """
        @param member: its transport must be one that can listen, as
            L{makeTransport} makes it.
        """
        self.member = member
        self._transport = cast(Listens, member.runtime.transport)
        self._opening: Deferred[None] | None = None
        self._outcome: ISIPMember | Failure | None = None
        self._waiting: list[Deferred[ISIPMember]] = []
        self._tlib: list[IListeningPort] = []

    def whenReady(self) -> Deferred[ISIPMember]:
        """
        Wait until the member can be reached.

        @return: fires with the member once its ports are open; fails when that
            cannot be, which is logged too: with what L{ISIPMember.load} failed with,
            C{CannotListenError}, or C{CancelledError} when the service is stopped
            first.
        """
        waiting: Deferred[ISIPMember] = Deferred()
        self._waiting.append(waiting)
        self._tell()
        return waiting

    def _tell(self) -> None:
        if self._outcome is not None:
            waiting, self._waiting = self._waiting, []
            for each in waiting:
                each.callback(self._outcome)

    def startService(self) -> None:
        """
        Start the member, and open its ports when it has loaded.
        """
        super().startService()
        self.member.startService()
        self._opening = self._open().addCallbacks(self._opened, self._notOpened)

    @inlineCallbacks
    def _open(self) -> Generator[Deferred[Any], Any, None]:
        yield self.member.load()
        for _, port in sipPorts(self._transport, self.member.runtime.settings):
            yield port()
        clock = self.member.runtime.clock
        if IReactorTCP.providedBy(clock):
            for _, opens in tlibPorts(clock, self.member):
                self._tlib.append((yield opens()))

    def _opened(self, _: None) -> None:
        self._outcome = self.member
        self._tell()

    def _notOpened(self, failure: Failure) -> None:
        if not failure.check(CancelledError):
            log.failure("{name} cannot start", failure=failure, name=self.member.name)
            # Of a pair the other member may be reached.
            fitness: Any = getattr(self.member, "fitness", None)
            if fitness is not None:
                fitness.unfit("ports", failure.getErrorMessage())
        self._outcome = failure
        self._tell()

    @inlineCallbacks
    def stopService(self) -> Generator[Deferred[Any], Any, None]:
        """
        Stop the member, then end its flows.

        @return: fires when nothing is left, or after a bounded wait.
        """
        super().stopService()
        if self._opening is not None:
            self._opening.cancel()
        # Whoever comes now goes to another node at once.
        for port in self._tlib:
            yield maybeDeferred(port.stopListening)
        yield self.member.stopService()
        yield self._transport.stop()
