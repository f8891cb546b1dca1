"""
A node or a SIP Proxy in a process: what it is given, and what opens its ports.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IListeningPort

from sipcluster.app.listening import (
    makeLocator,
    makeTransport,
    sipPorts,
    tlibPorts,
)
from sipcluster.app.log_streams import LogStreams
from sipcluster.app.process import Process, refusal
from sipcluster.app.runtime import ISIPMember, NodeRuntime, ProxyRuntime
from sipcluster.app.settings import Configuration, Proxy, SIPApplication
from sipcluster.net.etcd import EtcdStore
from sipcluster.net.rtp_events import RTPPorts
from sipcluster.net.sip_tls import BadTLS


def addMember(
    process: Process,
    reactor: Any,
    configuration: Configuration,
    application: SIPApplication,
    streams: LogStreams,
) -> None:
    """
    Build a node or a SIP Proxy into its process.

    @raise SystemExit: a certificate, key or CA file is not what it should be.
    """
    try:
        transport = makeTransport(reactor, application, streams.trace)
    except BadTLS as e:
        raise SystemExit(f"sipcluster: {application.name}: {refusal(e)}") from None
    process.closesLast(transport.stop)
    process.tells("transport", transport.status)
    given: dict[str, Any] = {
        "name": application.name,
        "configuration": configuration,
        "clock": reactor,
        "transport": transport,
    }
    if configuration.store is not None:
        urls = configuration.store.urls
        store = given["store"] = EtcdStore(reactor, list(urls))
        process.loads = f"the cluster store at {', '.join(urls)}"
        process.closesLast(store.close)
    if isinstance(application, Proxy):
        from sipcluster.app.proxy import makeProxy

        locator = makeLocator(reactor, application)
        process.runs(makeProxy(ProxyRuntime(locator=locator, **given)))
        for name, port in sipPorts(transport, application):
            process.opens(name, port)
    else:
        from sipcluster.app.node import makeNode

        ports = given["media"] = RTPPorts(reactor, application.sipAddress)
        process.closesLast(ports.close)
        if streams.tlibWanted:
            given["tlibLog"] = streams.tlibMessage
        runtime = NodeRuntime(**given)
        if configuration.pair(application.name) is not None:
            _pair(process, reactor, runtime)
            return
        member: ISIPMember = makeNode(runtime)
        process.runs(member)
        for name, port in sipPorts(transport, application):
            process.opens(name, port)
        for name, tlibPort in tlibPorts(reactor, member):
            process.opens(name, _closed(process, tlibPort))


def _pair(process: Process, reactor: Any, runtime: NodeRuntime) -> None:
    """
    Build a member of a pair: its ports are tried again and again.
    """
    from sipcluster.app.monitoring import watchPair
    from sipcluster.app.pair_parts import makePair
    from sipcluster.net.commands import Commands
    from sipcluster.net.nic import NICs

    settings = runtime.settings
    try:
        pair = makePair(reactor, runtime.configuration, runtime)
    except BadTLS as e:
        raise SystemExit(f"sipcluster: {settings.name}: {refusal(e)}") from None
    process.runs(pair)
    alarms = process.alarms.alarms
    process.monitors = watchPair(pair, alarms, NICs(reactor), Commands(reactor))
    transport: Any = runtime.transport  # one that listens
    for name, port in sipPorts(transport, settings):
        process.opens(name, port)
    for name, tlibPort in tlibPorts(reactor, pair):
        process.opens(name, _closed(process, tlibPort))


def _closed(
    process: Process, opens: Callable[[], Deferred[IListeningPort]]
) -> Callable[[], Deferred[None]]:
    """
    A port that is closed before the member stops: whoever comes then goes to
    another node at once.
    """
    return lambda: opens().addCallback(
        lambda port: process.closesFirst(port.stopListening)
    )
