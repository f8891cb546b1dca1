"""
The cluster that is simulated: nodes, SIP Proxies, telephones, T-Library clients.
"""

from __future__ import annotations

from attrs import evolve, frozen

from sipcluster.app.settings import (
    ClusterNodes,
    Configuration,
    Extension,
    Media,
    MediaServiceDN,
    Node,
    Proxy,
    RoutingPoint,
    Switch,
    TLibApplication,
)
from sipcluster.app.settings import (
    Pair as PairSettings,
)
from sipcluster.testing.simulation.chance import Chance
from sipcluster.testing.simulation.clients import Client
from sipcluster.testing.simulation.disks import SimulatedDisk
from sipcluster.testing.simulation.pairs import Pair
from sipcluster.testing.simulation.routers import Router
from sipcluster.testing.simulation.servers import (
    Server,
)
from sipcluster.testing.simulation.telephones import Telephone
from sipcluster.testing.simulation.world import Cluster, World
from tests.simulation.media import ServedMedia
from tests.simulation.pair import ServedMember
from tests.simulation.served import ServedNode, ServedProxy

DOMAIN = "lab.example"


@frozen
class Sizes:
    """
    How many there are of each.

    @ivar places: data centres.
    @ivar proxies: SIP Proxies of each.
    @ivar nodes: nodes of each.
    @ivar pairs: how many of these are pairs.
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
    pairs: int = 0


#: What a seed chooses from: small ones often, since they are fast.
SIZES = (
    Sizes(1, 2, 1, 3, 1, 5.0),
    Sizes(1, 2, 2, 3, 2, 5.0),
    Sizes(2, 2, 2, 3, 2, 10.0),
    Sizes(1, 2, 1, 3, 1, 5.0, pairs=1),
    Sizes(1, 2, 1, 3, 1, 5.0, pairs=1),
    Sizes(1, 2, 1, 3, 2, 5.0, pairs=1),
    Sizes(1, 2, 2, 4, 2, 5.0, pairs=1),
    Sizes(1, 2, 2, 3, 2, 10.0, pairs=2),
    Sizes(2, 2, 1, 3, 1, 10.0, pairs=1),
)

#: What decides who is primary.
ARBITERS = ("store", "lock-file")

#: How many telephones there are more where calls meet.
MORE = 2

#: What T-Library clients are called.
KINDS = ("client", "router")

#: The routing point, and where the media server is.
QUEUE, MEDIA = "5000", "192.0.2.91"

#: By how much the clock of a host may be wrong.
DRIFT = 0.01


def configurationOf(
    sizes: Sizes,
    arbiter: str = "store",
    domain: str = DOMAIN,
    features: bool = False,
) -> Configuration:
    """
    The configuration of a cluster.

    @param arbiter: of its pairs.
    @param features: with a routing point, routing clients and a media server.
    """
    applications: list[Node | Proxy | Media | PairSettings] = []
    for place in range(sizes.places):
        for number in range(sizes.proxies):
            applications.append(
                Proxy(
                    name=f"proxy{place + 1}{number + 1}",
                    sipAddress=f"192.0.2.{100 * place + 11 + number}",
                    geoLocation=f"dc{place + 1}",
                    oosCheck=sizes.check,
                    timerC=60.0,
                )
            )
        for number in range(sizes.nodes):
            name = f"node{place + 1}{number + 1}"
            paired = number < sizes.pairs
            members = (f"{name}a", f"{name}b") if paired else (name,)
            applications += [
                Node(
                    name=member,
                    sipAddress=f"192.0.2.{100 * place + 21 + number + 30 * index}",
                    geoLocation=f"dc{place + 1}",
                    oosCheck=sizes.check,
                )
                for index, member in enumerate(members)
            ]
            if paired:
                applications.append(
                    PairSettings(name=name, members=members, arbiter=arbiter)
                )
    clients = [
        TLibApplication(name=name, password=f"secret-{name}")
        for kind in KINDS[: 1 + features]
        for name in (
            f"{kind}{place + 1}{number + 1}"
            for place in range(sizes.places)
            for number in range(sizes.clients)
        )
    ]
    others: list[RoutingPoint | MediaServiceDN] = []
    if features:
        first = numbersOf(sizes)[0]
        others = [
            RoutingPoint(number=QUEUE, defaults=(first,), routerTimeout=5.0),
            MediaServiceDN(
                number="msml-media1",
                serviceType="msml",
                contact=f"sip:{MEDIA}",
                oosCheck=sizes.check,
            ),
        ]
        applications.append(Media(name="media1", sipAddress=MEDIA))
    return Configuration(
        Switch(name="lab", domain=domain),
        (
            *(
                Extension(number=number, password=f"secret-{number}")
                for number in numbersOf(sizes)
            ),
            *others,
            ClusterNodes(
                number="cluster",
                serviceType="sip-cluster-nodes",
                noAnswerTimeout=45.0,
                wrapUpTime=3.0,
                agentLogoutGrace=10.0,
            ),
        ),
        tuple(applications),
        tlibApplications=tuple(clients),
    )


def numbersOf(sizes: Sizes) -> list[str]:
    """
    DNs of the telephones.
    """
    return [str(1001 + index) for index in range(sizes.places * sizes.phones)]


def cluster(chance: Chance, paired: bool = False, features: bool = False) -> Cluster:
    """
    What chance fills a world with.

    @param paired: with pairs, in any case.
    @param features: see L{configurationOf}.
    """
    sizes = chance.choose([one for one in SIZES if one.pairs or not paired])
    if features:
        sizes = evolve(sizes, phones=sizes.phones + MORE)
    arbiter = chance.choose(ARBITERS)
    configuration = configurationOf(sizes, arbiter, features=features)
    names = {
        configuration.pairHost(one.name): one.sipAddress
        for one in (*configuration.proxies, *configuration.nodes)
    }
    clocks = chance.fork("clocks")

    def populate(world: World) -> None:
        servers: dict[str, Server] = {}
        for proxy in configuration.proxies:
            servers[proxy.name] = Server(
                world,
                "proxy",
                proxy.name,
                proxy.sipAddress,
                proxy.geoLocation,
                lambda server: ServedProxy(server, configuration),
            )
        for node in configuration.nodes:
            paired = configuration.pair(node.name) is not None
            servers[node.name] = Server(
                world,
                "node",
                node.name,
                node.sipAddress,
                node.geoLocation,
                (
                    (lambda server: ServedMember(server, configuration))
                    if paired
                    else (lambda server: ServedNode(server, configuration))
                ),
            )
        for server in servers.values():
            server.offset = clocks.between(0.0, 1e6)
            server.rate = clocks.between(1 - DRIFT, 1 + DRIFT)
        world.processes += servers.values()
        for pair in dict.fromkeys(map(configuration.pair, servers)):
            if pair is None:
                continue
            first, second = (servers[member] for member in pair.members)
            disk = SimulatedDisk(world.chance.fork(f"disk of {pair.name}"))
            made = Pair(world, pair.name, (first, second), pair.arbiter, disk)
            first.pair = second.pair = made
            world.pairs.append(made)
            if pair.arbiter == "lock-file":  # on one host
                second.offset, second.rate = first.offset, first.rate
        _people(world, sizes, 3 if features else 1)
        _clients(world, sizes, configuration, servers)
        for media in configuration.applications:
            if not isinstance(media, Media):
                continue
            world.processes.append(
                Server(
                    world,
                    "media",
                    media.name,
                    media.sipAddress,
                    "dc1",
                    lambda server: ServedMedia(server, configuration),
                )
            )

    queues = [QUEUE] if features else []
    return Cluster(DOMAIN.encode(), numbersOf(sizes), names, populate, queues)


def _people(world: World, sizes: Sizes, lines: int) -> None:
    for index, number in enumerate(numbersOf(sizes)):
        place = f"dc{index // sizes.phones + 1}"
        host = f"198.51.100.{index + 1}"
        transport = "TCP" if index % 3 == 1 else "UDP"
        name = f"phone{number}"
        phone = Telephone(world, name, host, place, number, transport, lines)
        world.processes.append(phone)


def _clients(
    world: World,
    sizes: Sizes,
    configuration: Configuration,
    servers: dict[str, Server],
) -> None:
    for index, one in enumerate(configuration.tlibApplications):
        location = index // sizes.clients % sizes.places
        place = f"dc{location + 1}"
        nodes = [node for node in configuration.nodes if node.geoLocation == place]
        names = list(dict.fromkeys(configuration.pairOf(node.name) for node in nodes))
        name = names[index % len(names)]
        hosts = [
            node.sipAddress for node in nodes if configuration.pairOf(node.name) == name
        ]
        host = f"203.0.113.{index + 1}"
        kind = Router if one.name.startswith("router") else Client
        world.processes.append(kind(world, one.name, host, place, *hosts))
