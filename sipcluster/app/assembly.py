"""
Puts a process together: what a member is given, and what opens its ports.
"""

from __future__ import annotations

import os
import time
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.stdio import StandardIO

from sipcluster.app.ending import Ending, EndOfInput
from sipcluster.app.log_streams import LogStreams
from sipcluster.app.process import Process, refusal
from sipcluster.app.runtime import NodeRuntime, ProxyRuntime
from sipcluster.app.settings import (
    Application,
    Configuration,
    Node,
    Proxy,
    SIPApplication,
    Store,
)
from sipcluster.net.etcd import EtcdStore
from sipcluster.net.flows import TransportLimits
from sipcluster.net.locate import Locator
from sipcluster.net.sip_tls import BadTLS, TLSContexts
from sipcluster.net.transport import SIPTransport
from sipcluster.sip.identifiers import Identifiers


def makeProcess(
    reactor: Any,
    configuration: Configuration,
    application: Application,
    untilEOF: bool = False,
) -> Process:
    """
    Build the process of one application.

    @param untilEOF: whether it ends when standard input is closed.
    """
    ending = Ending(reactor)
    streams = LogStreams(reactor, time.time, application.name, configuration.log)
    process = Process(reactor, application, ending, streams)
    if untilEOF:
        StandardIO(EndOfInput(reactor), reactor=reactor)
    if isinstance(application, Store):
        from sipcluster.app.store import makeStore

        process.runs(makeStore(reactor, configuration, application))
        return process
    assert isinstance(application, SIPApplication)
    transport = _transport(reactor, application, streams, process)
    store = _store(reactor, configuration, process)
    given = {
        "name": application.name,
        "configuration": configuration,
        "clock": reactor,
        "wallTime": time.time,
        "entropy": os.urandom,
        "identifiers": Identifiers(os.urandom),
        "transport": transport,
        "locator": Locator(reactor, nameServers=application.nameServers),
        "store": store,
    }
    if isinstance(application, Proxy):
        from sipcluster.app.proxy import makeProxy

        process.runs(makeProxy(ProxyRuntime(**given)))
    else:
        assert isinstance(application, Node)
        from sipcluster.app.node import makeNode

        process.runs(makeNode(NodeRuntime(**given)))
    return process


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
    process.opens(lambda: transport.listenUDP(host, one.sipPort))
    process.opens(lambda: transport.listenTCP(host, one.sipPort))
    contexts = _contexts(one)
    transport.tls = contexts
    if one.sipTLSPort:
        process.opens(lambda: transport.listenTLS(host, one.sipTLSPort, contexts))

    def stop() -> Deferred[None]:
        return transport.stop()

    process.closesLast(stop)
    return transport


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


def _store(reactor: Any, configuration: Configuration, process: Process) -> Any:
    """
    The client of the cluster store, or L{None} where there is none.
    """
    if configuration.store is None:
        return None
    return EtcdStore(reactor, list(configuration.store.urls))
