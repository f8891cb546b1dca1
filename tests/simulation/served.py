"""
Nodes and SIP Proxies in processes of a simulated world.
"""

from __future__ import annotations

from typing import Any, cast

from twisted.internet.defer import Deferred, succeed
from zope.interface import implementer

from sipcluster.app.cti import CTI
from sipcluster.app.node import NodeMember, makeNode
from sipcluster.app.proxy import ProxyMember, makeProxy
from sipcluster.app.runtime import NodeRuntime, ProxyRuntime
from sipcluster.app.settings import (
    Configuration,
)
from sipcluster.net.tlib import TLibFactory
from sipcluster.registrar.iregistrar import Binding
from sipcluster.sip.isip import ILocator
from sipcluster.sip.uri import SIPURI
from sipcluster.testing.simulation.servers import (
    EventsOfLife,
    IServed,
    Server,
    Truth,
)


def sessionsOf(cti: CTI) -> dict[str, Any]:
    """
    The T-Library sessions at both ports of a node.
    """
    return {**cti.tcport.sessions, **cti.default.sessions}


@implementer(ILocator)
class NoOtherDomains:
    """
    A locator where there is only one domain.
    """

    def locate(self, uri: SIPURI) -> Deferred[Any]:
        """
        See L{ILocator}.
        """
        return succeed([])

    def markFailed(self, target: Any) -> None:
        """
        See L{ILocator}.
        """

    def markWorking(self, target: Any) -> None:
        """
        See L{ILocator}.
        """


@implementer(IServed)
class ServedNode:
    """
    One life of a node.
    """

    def __init__(self, server: Server, configuration: Configuration) -> None:
        self.node: NodeMember = makeNode(
            NodeRuntime(
                name=server.name,
                configuration=configuration,
                clock=server.clock,
                wallTime=server.wallTime,
                entropy=server.chance.entropy,
                transport=server.transport,
                store=server.store,
            ),
            [EventsOfLife(server)],
        )
        self.node.startService()
        self.node.load()
        cti = self.node.cti
        cti.tcport.tracing.trace = cti.default.tracing.trace = Truth(server)
        for port, number in cti.ports.values():
            server.listen(number, TLibFactory(port))

    @property
    def sessions(self) -> Any:
        """
        See L{IServed}.
        """
        return sessionsOf(self.node.cti)

    def left(self) -> dict[str, int]:
        """
        See L{IServed}.
        """
        status = cast("dict[str, int]", self.node.status())
        return {name: status[name] for name in ("calls", "dialogs", "attempts")}

    def lingering(self) -> dict[str, int]:
        """
        See L{IServed}.
        """
        status = cast("dict[str, int]", self.node.status())
        return {name: status[name] for name in ("transactions", "timers")}

    def quieten(self) -> None:
        """
        See L{IServed}.
        """
        self.node.checker.stop()
        self.node.devices.stop()
        self.node.mediaServices.stopAsking()

    def stop(self) -> Deferred[Any]:
        """
        See L{IServed}.
        """
        return self.node.stopService()

    def bindings(self) -> list[Binding]:
        """
        See L{IServed}.
        """
        return []

    def agents(self) -> list[dict[str, object]]:
        """
        See L{IServed}.
        """
        return [
            {"dn": row["dn"], "agent": row["agent"]}
            for row in self.node.explained()
            if row["agent"]
        ]


@implementer(IServed)
class ServedProxy:
    """
    One life of a SIP Proxy.
    """

    def __init__(self, server: Server, configuration: Configuration) -> None:
        self.sessions: dict[str, Any] = {}
        self.proxy: ProxyMember = makeProxy(
            ProxyRuntime(
                name=server.name,
                configuration=configuration,
                clock=server.clock,
                wallTime=server.wallTime,
                entropy=server.chance.entropy,
                transport=server.transport,
                locator=NoOtherDomains(),
                store=server.store,
            )
        )
        self.proxy.startService()
        self.proxy.load().addErrback(lambda _: None)

    def left(self) -> dict[str, int]:
        """
        See L{IServed}.
        """
        status = cast("dict[str, int]", self.proxy.status())
        return {"waiting": status["waitingForMembers"]}

    def lingering(self) -> dict[str, int]:
        """
        See L{IServed}.
        """
        layer = self.proxy.layer.status()
        kinds = ("inviteClient", "inviteServer", "noninviteClient", "noninviteServer")
        return {kind: layer[kind] for kind in (*kinds, "waiting", "timers")}

    def quieten(self) -> None:
        """
        See L{IServed}.
        """
        self.proxy.nodes.stop()
        self.proxy.proxies.stop()

    def stop(self) -> Deferred[Any]:
        """
        See L{IServed}.
        """
        return self.proxy.stopService()

    def bindings(self) -> list[Binding]:
        """
        See L{IServed}.
        """
        return list(self.proxy.store.allBindings())

    def agents(self) -> list[dict[str, object]]:
        """
        See L{IServed}.
        """
        return []
