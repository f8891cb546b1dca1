"""
The tables of the applications: the processes of the cluster.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from attrs import frozen

from sipcluster.app import kinds
from sipcluster.app.options import NOT_YET, option
from sipcluster.app.settings.monitors import Monitoring


@frozen
class Application:
    """
    One process of the cluster.
    """

    name: str = option(
        "name",
        kinds.label(),
        "Name of the application; unique, and the first label of NAME.DOMAIN.",
    )
    httpPort: int = option(
        "http-port",
        kinds.port(off=True),
        "Port of status, health, registrations, calls and metrics over HTTP.",
        default=8080,
    )
    httpAddress: str = option(
        "http-address",
        kinds.address(),
        "Address of the HTTP port.",
        default="",
        shown="the main address",
    )

    @property
    def address(self) -> str:
        """
        The main address; C{""} for an application without one.
        """
        return ""

    @property
    def httpHost(self) -> str:
        """
        Where HTTP listens.
        """
        return self.httpAddress or self.address


@frozen
class SIPApplication(Application):
    """
    What nodes and SIP Proxies have in common: SIP ports.
    """

    sipAddress: str = option(
        "sip-address", kinds.address(), "Address on which SIP listens."
    )
    sipPort: int = option("sip-port", kinds.port(), "UDP and TCP port.", default=5060)
    sipTLSPort: int = option(
        "sip-tls-port", kinds.port(off=True), "TLS port.", default=0
    )
    certificate: Path | None = option(
        "certificate",
        kinds.existingFile(),
        "PEM file of the certificate chain for TLS.",
        default=None,
    )
    privateKey: Path | None = option(
        "private-key",
        kinds.existingFile(),
        "PEM file of the certificate's private key.",
        default=None,
    )
    ca: Path | None = option(
        "ca",
        kinds.existingFile(),
        "PEM file of the authorities that sign the other ends' certificates.",
        default=None,
        shown="those of the system",
    )
    tlsMutual: bool = option(
        "tls-mutual",
        kinds.flag(),
        "Whether TLS clients must show a certificate that the authorities signed.",
        default=False,
    )
    geoLocation: str = option(
        "geo-location",
        kinds.text(),
        "Data centre; SIP Proxies use the nodes of their own, and no others.",
        default="",
    )
    nameServers: tuple[tuple[str, int], ...] = option(
        "name-servers",
        kinds.listOf(kinds.nameServer()),
        "Name servers for RFC 3263.",
        default=(),
        shown="those of the system",
    )

    maxConnections: int = option(
        "max-connections",
        kinds.integer(1, 1000000),
        "TCP and TLS connections at one time; more are refused.",
        default=10000,
    )

    @property
    def address(self) -> str:
        """
        The main address.
        """
        return self.sipAddress


@frozen
class Ports:
    """
    C{[node.ports]}: T-Library listeners of a node, one for each module.
    """

    default: int = option(
        "default",
        kinds.port(off=True),
        "Session Controller: calls of this node, for routing.",
        default=3000,
    )
    tcPort: int = option(
        "TCport",
        kinds.port(off=True),
        "T-Controller: calls, DNs and agents, for desktops.",
        default=3001,
    )
    ipPort: int = option(
        "IPport",
        kinds.port(off=True),
        "Interaction Proxy: reporting.",
        default=3002,
        takesEffect=NOT_YET,
    )
    smartProxy: int = option(
        "SmartProxy",
        kinds.port(off=True),
        "Smart Proxy: monitoring of all DNs.",
        default=3003,
        takesEffect=NOT_YET,
    )


@frozen
class Node(SIPApplication):
    """
    C{[[node]]}: a SIP Server node: Session Controller, T-Controller, Interaction
    Proxy and Smart Proxy in one process.
    """

    ports: Ports = option(
        "ports", kinds.tableOf(Ports), "T-Library listeners.", default=Ports()
    )
    oosCheck: float = option(
        "oos-check",
        kinds.seconds(0.1, 300),
        "How often SIP Proxies are checked by OPTIONS.",
        default=5.0,
    )
    oosForce: float = option(
        "oos-force",
        kinds.seconds(0.1, 32),
        "How often a SIP Proxy that is out of service is probed.",
        default=5.0,
    )
    maxCalls: int = option(
        "max-calls",
        kinds.integer(1, 1000000),
        "Calls at one time; more are answered 503.",
        default=10000,
    )
    tlibAddress: str = option(
        "tlib-address",
        kinds.address(),
        "Address on which the T-Library ports listen.",
        default="",
        shown="the SIP address",
    )
    tlibTLS: bool = option(
        "tlib-tls",
        kinds.flag(),
        "Whether the T-Library ports speak TLS only, with certificate and "
        "private-key; with tls-mutual clients must show a certificate too.",
        default=False,
    )
    maxTLibClients: int = option(
        "max-tlib-clients",
        kinds.integer(1, 1000000),
        "T-Library clients at one time on each port, those counted that are away and "
        "may come back; more are refused.",
        default=5000,
    )
    tlibRetention: float = option(
        "tlib-retention",
        kinds.seconds(0, 86400),
        "How long a T-Library client may be away and still get what it missed.",
        default=60.0,
    )
    tlibJournal: int = option(
        "tlib-journal",
        kinds.integer(100, 1000000),
        "Messages kept for each T-Library client until it has handled them; one that "
        "is further behind gets a snapshot.",
        default=10000,
    )

    monitors: Monitoring = option(
        "monitors",
        kinds.tableOf(Monitoring),
        "What a member of a pair looks at.",
        default=Monitoring(),
    )
    haAddress: str = option(
        "ha-address",
        kinds.address(),
        "Address for the link to the other member of the pair.",
        default="",
        shown="the SIP address",
    )
    haPort: int = option(
        "ha-port",
        kinds.port(),
        "Port of the link to the other member of the pair; the first member of the "
        "pair listens on it, with certificate, private-key and ca.",
        default=3010,
    )

    @property
    def haHost(self) -> str:
        """
        Where the link to the other member of the pair listens.
        """
        return self.haAddress or self.sipAddress

    @property
    def tlibPorts(self) -> Mapping[str, int]:
        """
        The T-Library ports that there are, by name.
        """
        return {"default": self.ports.default, "TCport": self.ports.tcPort}

    @property
    def tlibHost(self) -> str:
        """
        Where the T-Library ports listen.
        """
        return self.tlibAddress or self.sipAddress


@frozen
class Proxy(SIPApplication):
    """
    C{[[proxy]]}: a SIP Proxy: registrar, balancer, the way into the cluster.
    """

    oosCheck: float = option(
        "oos-check",
        kinds.seconds(0, 300),
        "How often nodes are checked by OPTIONS; 0: never, all are in service.",
        default=5.0,
    )
    oosForce: float = option(
        "oos-force",
        kinds.seconds(0.1, 32),
        "How often a node that is out of service is probed.",
        default=5.0,
    )
    overloadCtrlDialogRate: int = option(
        "overload-ctrl-dialog-rate",
        kinds.integer(0, 1000000),
        "INVITEs a second beyond which new calls are answered 503; 0: no limit.",
        default=0,
    )
    timerC: float = option(
        "timer-c",
        kinds.seconds(10, 3600),
        "How long an INVITE may go without a response (RFC 3261 section 16.6).",
        default=180.0,
    )
    maxForks: int = option(
        "max-forks",
        kinds.integer(1, 50),
        "Contacts of one address-of-record that are tried for one request.",
        default=10,
    )


@frozen
class Pair(Application):
    """
    C{[[pair]]}: a primary and a backup that stand for one node.
    """

    members: tuple[str, ...] = option(
        "members",
        kinds.listOf(kinds.label(), 2),
        "The two nodes; the first one serves when both start at a time.",
    )
    arbiter: str = option(
        "arbiter",
        kinds.choice("store", "lock-file"),
        "Who decides which member serves: the cluster store, or a lock file where "
        "both members are on one host.",
        default="store",
    )
    lockFile: Path | None = option(
        "lock-file",
        kinds.path(),
        "What the names of the lock files begin with; on a local disk.",
        default=None,
        shown="NAME.lock beside the configuration",
    )
    lease: float = option(
        "lease",
        kinds.seconds(1, 60),
        "Seconds for which the arbiter gives the role to a member; it is asked again "
        "each quarter of them. A primary that is frozen or cut off is replaced when "
        "they are over.",
        default=5.0,
    )


@frozen
class Store(Application):
    """
    C{[[store]]}: the cluster store: the embedded one of a single host, which is
    a process of the cluster, or the members of an etcd that runs elsewhere.
    """

    listen: str = option(
        "listen",
        kinds.address(),
        "Address of the embedded store. One of listen and endpoints is wanted.",
        default="",
    )
    port: int = option(
        "port", kinds.port(), "Port of the embedded store.", default=2379
    )
    path: Path | None = option(
        "path",
        kinds.path(),
        "SQLite file of the embedded store; made when it is not there.",
        default=None,
        shown="NAME.sqlite beside the configuration",
    )
    endpoints: tuple[str, ...] = option(
        "endpoints", kinds.listOf(kinds.url()), "etcd members.", default=()
    )

    @property
    def address(self) -> str:
        """
        Where the embedded store listens; C{""} for an etcd.
        """
        return self.listen

    @property
    def urls(self) -> tuple[str, ...]:
        """
        Where clients find the store.
        """
        host = f"[{self.listen}]" if ":" in self.listen else self.listen
        return self.endpoints or (f"http://{host}:{self.port}",)
