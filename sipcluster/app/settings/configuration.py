"""
The configuration of a whole cluster as one value.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from attrs import Factory, field, frozen

from sipcluster.app.settings.applications import (
    Application,
    Node,
    Pair,
    Proxy,
    Store,
)
from sipcluster.app.settings.dns import DN, ClusterNodes, Extension, RoutingPoint, Trunk
from sipcluster.app.settings.media import Media, MediaServiceDN
from sipcluster.app.settings.monitors import AlarmSettings
from sipcluster.app.settings.switch import Log, Switch
from sipcluster.app.settings.tlib import TLibApplication

A = TypeVar("A")


class BadConfiguration(Exception):
    """
    A configuration cannot be used.

    @ivar lines: everything that is wrong, one C{file:line: path: why} each.
    """

    def __init__(self, lines: list[str]) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


#: Arrays of tables, by their name in the file.
DN_TABLES: Mapping[str, type[DN]] = {
    "extension": Extension,
    "trunk": Trunk,
    "routing-point": RoutingPoint,
    "voip-service": ClusterNodes,
}
#: Tables that have other options according to what one of them says.
VARIANTS: Mapping[str, tuple[str, Mapping[str, type[DN]]]] = {
    "voip-service": (
        "service-type",
        {"msml": MediaServiceDN, "netann": MediaServiceDN},
    ),
}
APPLICATION_TABLES: Mapping[str, type[Application]] = {
    "node": Node,
    "proxy": Proxy,
    "pair": Pair,
    "store": Store,
    "media": Media,
}


@frozen
class Configuration:
    """
    A whole cluster, checked.

    @ivar source: the file it came from.
    """

    switch: Switch
    dns: tuple[DN, ...] = ()
    applications: tuple[Application, ...] = ()
    log: Log = Factory(Log)
    source: Path = Path("cluster.toml")
    tlibApplications: tuple[TLibApplication, ...] = ()
    alarms: AlarmSettings = Factory(AlarmSettings)
    _dns: Mapping[str, DN] = field(init=False, repr=False, eq=False)
    _applications: Mapping[str, Application] = field(init=False, repr=False, eq=False)

    @_dns.default
    def _dnsByNumber(self) -> Mapping[str, DN]:
        return {dn.number: dn for dn in self.dns}

    @_applications.default
    def _applicationsByName(self) -> Mapping[str, Application]:
        return {one.name: one for one in self.applications}

    def dn(self, number: str) -> DN | None:
        """
        The DN with a number, or L{None}.
        """
        return self._dns.get(number)

    def application(self, name: str) -> Application | None:
        """
        The application with a name, or L{None}.
        """
        return self._applications.get(name)

    def _all(self, cls: type[A]) -> tuple[A, ...]:
        return tuple(one for one in self.applications if isinstance(one, cls))

    @property
    def nodes(self) -> tuple[Node, ...]:
        """
        The nodes, in the order of the file.
        """
        return self._all(Node)

    @property
    def proxies(self) -> tuple[Proxy, ...]:
        """
        The SIP Proxies, in the order of the file.
        """
        return self._all(Proxy)

    @property
    def store(self) -> Store | None:
        """
        The cluster store, or L{None} when the file has none.
        """
        return next(iter(self._all(Store)), None)

    @property
    def trunks(self) -> tuple[Trunk, ...]:
        """
        The trunks, in the order of the file.
        """
        return tuple(dn for dn in self.dns if isinstance(dn, Trunk))

    @property
    def mediaServices(self) -> tuple[MediaServiceDN, ...]:
        """
        The media servers that nodes may use, in the order of the file.
        """
        return tuple(dn for dn in self.dns if isinstance(dn, MediaServiceDN))

    @property
    def clusterNodes(self) -> ClusterNodes:
        """
        The VoIP Service of the cluster, with all defaults when the file has none.
        """
        for dn in self.dns:
            if isinstance(dn, ClusterNodes):
                return dn
        return ClusterNodes(number="cluster", serviceType="sip-cluster-nodes")

    def pairOf(self, name: str) -> str:
        """
        The pair that a node is a member of, or the node's own name.
        """
        for one in self._all(Pair):
            if name in one.members:
                return one.name
        return name

    def pair(self, name: str) -> Pair | None:
        """
        The pair of two that a node is a member of; L{None} when it is on its own.
        """
        for one in self._all(Pair):
            if name in one.members and len(one.members) == 2:
                return one
        return None

    def partnerOf(self, name: str) -> str:
        """
        The other member of a node's pair; C{""} when it is on its own.
        """
        pair = self.pair(name)
        if pair is None:
            return ""
        return next(member for member in pair.members if member != name)

    def pairHost(self, name: str) -> str:
        """
        The host name that a node or pair has inside the cluster.
        """
        return f"{name}.{self.switch.domain}".lower()

    def ha1For(self, user: bytes, realm: bytes, algorithm: str) -> bytes | None:
        """
        The secret of an extension for one digest algorithm.

        @param algorithm: C{"MD5"}, C{"SHA-256"} or C{"SHA-512-256"}.

        @return: hex digits, or L{None} when there is no such extension, or none
            with a secret for this algorithm and realm.
        """
        from sipcluster.sip.digest import ha1

        try:
            dn = self._dns.get(user.decode("ascii"))
        except UnicodeDecodeError:
            return None
        if not isinstance(dn, Extension):
            return None
        if dn.password:
            return ha1(algorithm, user, realm, dn.password.encode())
        given = dn.ha1.get(algorithm)
        if given is None or realm != self.switch.realm.encode():
            return None
        return given.lower().encode()
