"""
A node or a SIP Proxy in a process: what it is given, and what opens its ports.
"""

from __future__ import annotations

import os
import time
from typing import Any

from twisted.names.client import Resolver

from sipcluster.app.log_streams import LogStreams
from sipcluster.app.process import Process, refusal
from sipcluster.app.runtime import NodeRuntime, ProxyRuntime
from sipcluster.app.settings import Configuration, Proxy, SIPApplication
from sipcluster.net.etcd import EtcdStore
from sipcluster.net.flows import TransportLimits
from sipcluster.net.locate import Locator
from sipcluster.net.sip_tls import BadTLS, TLSContexts
from sipcluster.net.transport import SIPTransport
from sipcluster.sip.identifiers import Identifiers


def addMember(
    process: Process,
    reactor: Any,
    configuration: Configuration,
    application: SIPApplication,
    streams: LogStreams,
) -> None:
    """
    Build a node or a SIP Proxy into its process.
    """
    transport = _transport(reactor, application, streams, process)
    store = None
    if configuration.store is not None:
        urls = configuration.store.urls
        store = EtcdStore(reactor, list(urls))
        process.loads = f"the cluster store at {', '.join(urls)}"
        process.closesLast(store.close)
    given: dict[str, Any] = {
        "name": application.name,
        "configuration": configuration,
        "clock": reactor,
        "wallTime": time.time,
        "entropy": os.urandom,
        "identifiers": Identifiers(os.urandom),
        "transport": transport,
        "locator": _locator(reactor, application),
        "store": store,
    }
    if isinstance(application, Proxy):
        from sipcluster.app.proxy import makeProxy

        process.runs(makeProxy(ProxyRuntime(**given)))
    else:
        from sipcluster.app.node import makeNode

        process.runs(makeNode(NodeRuntime(**given)))


def _transport(
    reactor: Any, one: SIPApplication, streams: LogStreams, process: Process
) -> SIPTransport:
    """
    The transport layer, whose ports the process opens later.
    """
    limits = TransportLimits(connections=one.maxConnections)
    transport = SIPTransport(
        reactor, None, os.urandom, trace=streams.trace, limits=limits
    )
    host = one.sipAddress
    contexts = _contexts(one)
    transport.tls = contexts
    process.opens("UDP", lambda: transport.listenUDP(host, one.sipPort))
    process.opens("TCP", lambda: transport.listenTCP(host, one.sipPort))
    if one.sipTLSPort:
        process.opens(
            "TLS", lambda: transport.listenTLS(host, one.sipTLSPort, contexts)
        )
    process.closesLast(transport.stop)
    process.tells("transport", transport.status)
    return transport


def _locator(reactor: Any, one: SIPApplication) -> Locator:
    """
    RFC 3263 with the configured name servers, or those of the system.
    """
    resolver = None
    if one.nameServers:
        resolver = Resolver(servers=list(one.nameServers), reactor=reactor)
    families = {"0.0.0.0": (4,), "::": (6, 4)}.get(
        one.sipAddress, (6,) if ":" in one.sipAddress else (4,)
    )
    return Locator(reactor, resolver, families=families)


def _contexts(one: SIPApplication) -> TLSContexts:
    """
    @raise SystemExit: a file is not what it should be.
    """
    try:
        return TLSContexts(
            str(one.certificate or ""),
            str(one.privateKey or ""),
            str(one.ca or ""),
            "required" if one.tlsMutual else "no",
        )
    except BadTLS as e:
        raise SystemExit(f"sipcluster: {one.name}: {refusal(e)}") from None
