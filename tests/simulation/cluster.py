"""
The cluster that is simulated: nodes, SIP Proxies, telephones, T-Library clients.
"""

from __future__ import annotations

from typing import Any, cast

from attrs import frozen
from twisted.internet.defer import Deferred, succeed
from zope.interface import implementer

from sipcluster.app.node import NodeMember, makeNode
from sipcluster.app.proxy import ProxyMember, makeProxy
from sipcluster.app.runtime import NodeRuntime, ProxyRuntime
from sipcluster.app.settings import (
    ClusterNodes,
    Configuration,
    Extension,
    Node,
    Proxy,
    Switch,
    TLibApplication,
)
from sipcluster.net.tlib import TLibFactory
from sipcluster.registrar.iregistrar import Binding
from sipcluster.sip.isip import ILocator
from sipcluster.sip.uri import SIPURI
from sipcluster.testing.simulation.chance import Chance
from sipcluster.testing.simulation.clients import PORT, Client
from sipcluster.testing.simulation.servers import (
    EventsOfLife,
    IServed,
    Server,
    Truth,
)
from sipcluster.testing.simulation.telephones import Telephone
from sipcluster.testing.simulation.world import Cluster, World
from sipcluster.tserver.tracing import Tracing

DOMAIN = "lab.example"


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
            [EventsOfLife(server, server.life)],
        )
        self.node.startService()
        self.node.load()
        tcport = self.node.cti.tcport
        tcport.tracing = Tracing("TCport", Truth(server))
        server.listen(PORT, TLibFactory(tcport))

    @property
    def sessions(self) -> Any:
        """
        See L{IServed}.
        """
        return self.node.cti.tcport.sessions

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


@frozen
class Sizes:
    """
    How many there are of each.

    @ivar places: data centres.
    @ivar proxies: SIP Proxies of each.
    @ivar nodes: nodes of each.
    @ivar phones: telephones of each.
    @ivar clients: T-Library clients of each.
    @ivar check: seconds between two OPTIONS.
    """

    places: int
    proxies: int
    nodes: int
    phones: int
    clients: int
    check: float


#: What a seed chooses from: small ones often, since they are fast.
SIZES = (
    Sizes(1, 2, 1, 3, 1, 5.0),
    Sizes(1, 2, 2, 3, 2, 5.0),
    Sizes(1, 2, 2, 4, 2, 10.0),
    Sizes(2, 2, 2, 3, 2, 10.0),
)


def configurationOf(sizes: Sizes, domain: str = DOMAIN) -> Configuration:
    """
    The configuration of a cluster.
    """
    proxies, nodes, clients = [], [], []
    for place in range(sizes.places):
        for number in range(sizes.proxies):
            proxies.append(
                Proxy(
                    name=f"proxy{place + 1}{number + 1}",
                    sipAddress=f"192.0.2.{100 * place + 11 + number}",
                    geoLocation=f"dc{place + 1}",
                    oosCheck=sizes.check,
                    timerC=60.0,
                )
            )
        for number in range(sizes.nodes):
            nodes.append(
                Node(
                    name=f"node{place + 1}{number + 1}",
                    sipAddress=f"192.0.2.{100 * place + 21 + number}",
                    geoLocation=f"dc{place + 1}",
                    oosCheck=sizes.check,
                )
            )
    clients = [
        TLibApplication(name=name, password=f"secret-{name}")
        for name in (
            f"client{place + 1}{number + 1}"
            for place in range(sizes.places)
            for number in range(sizes.clients)
        )
    ]
    return Configuration(
        Switch(name="lab", domain=domain),
        (
            *(
                Extension(number=number, password=f"secret-{number}")
                for number in numbersOf(sizes)
            ),
            ClusterNodes(
                number="cluster",
                serviceType="sip-cluster-nodes",
                noAnswerTimeout=45.0,
                wrapUpTime=3.0,
                agentLogoutGrace=10.0,
            ),
        ),
        (*nodes, *proxies),
        tlibApplications=tuple(clients),
    )


def numbersOf(sizes: Sizes) -> list[str]:
    """
    DNs of the telephones.
    """
    return [str(1001 + index) for index in range(sizes.places * sizes.phones)]


def cluster(chance: Chance) -> Cluster:
    """
    What chance fills a world with.
    """
    sizes = chance.choose(SIZES)
    configuration = configurationOf(sizes)
    names = {
        configuration.pairHost(one.name): one.sipAddress
        for one in (*configuration.proxies, *configuration.nodes)
    }

    def populate(world: World) -> None:
        for proxy in configuration.proxies:
            world.processes.append(
                Server(
                    world,
                    "proxy",
                    proxy.name,
                    proxy.sipAddress,
                    proxy.geoLocation,
                    lambda server: ServedProxy(server, configuration),
                )
            )
        for node in configuration.nodes:
            world.processes.append(
                Server(
                    world,
                    "node",
                    node.name,
                    node.sipAddress,
                    node.geoLocation,
                    lambda server: ServedNode(server, configuration),
                )
            )
        for index, number in enumerate(numbersOf(sizes)):
            place = f"dc{index // sizes.phones + 1}"
            host = f"198.51.100.{index + 1}"
            world.processes.append(
                Telephone(
                    world,
                    f"phone{number}",
                    host,
                    place,
                    number,
                    "TCP" if index % 3 == 1 else "UDP",
                )
            )
        for index, one in enumerate(configuration.tlibApplications):
            location = index // sizes.clients
            first = location * sizes.nodes
            nodes = configuration.nodes[first : first + sizes.nodes]
            node = nodes[index % len(nodes)]
            world.processes.append(
                Client(
                    world,
                    one.name,
                    f"203.0.113.{index + 1}",
                    f"dc{location + 1}",
                    node.sipAddress,
                )
            )

    return Cluster(DOMAIN.encode(), numbersOf(sizes), names, populate)
