"""
Who is who around this proxy: by address, by name, by domain.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from attrs import frozen

from sipcluster.sip.isip import IFlow, Target
from sipcluster.sip.uri import SIPURI
from sipcluster.sip.via import Via


@frozen
class NodeAddress:
    """
    Where one node, or one member of a pair, sends from.

    @ivar pair: the name it serves under.
    """

    pair: str
    host: str
    port: int


class Topology:
    """
    What the configuration says about the cluster, as a proxy asks for it.

    Names and hosts are bytes in lower case, as they stand in messages.

    @ivar name: this proxy's application name.
    @ivar domain: the domain that the cluster serves.
    @ivar uri: this proxy's own URI, for From and Contact.
    @ivar localPairs: the pairs that this proxy's endpoints may use, in the
        order of the configuration (same C{geo-location}).
    @ivar pairHosts: from the host in Contact and Via to the pair's name.
    @ivar proxies: from a fellow proxy's name to where it is.
    """

    def __init__(
        self,
        name: str,
        domain: bytes,
        own: Iterable[tuple[str, int]],
        nodes: Iterable[NodeAddress],
        proxies: Mapping[str, Target] | None = None,
        localPairs: Iterable[str] | None = None,
    ) -> None:
        """
        @param own: addresses and ports of this proxy; the first is its main one.
        @param proxies: the other proxies, by name.
        @param localPairs: all pairs when left out.
        """
        nodes = tuple(nodes)
        own = tuple(own)
        self.name = name
        self.domain = domain.lower()
        self.proxies = dict(proxies or {})
        self.localPairs = tuple(
            dict.fromkeys(node.pair for node in nodes)
            if localPairs is None
            else localPairs
        )
        self.pairHosts = {self.hostOf(node.pair): node.pair for node in nodes}
        self.uri = b"sip:" + hostPort(*own[0])
        self._ownHosts = {hostBytes(host) for host, _ in own} | {self.hostOf(name)}
        self._ownPorts = {port for _, port in own} | {0}
        self._aliases = {self.domain} | self._ownHosts
        self._fellows: dict[bytes, str] = {}
        for other, target in self.proxies.items():
            self._fellows[hostBytes(target.host)] = other
            self._fellows[self.hostOf(other)] = other
        self._aliases.update(self._fellows)
        self._sources = {(node.host, node.port) for node in nodes}
        self._nodeHosts: dict[str, set[bytes]] = {}
        for node in nodes:
            hosts = self._nodeHosts.setdefault(node.host, set())
            hosts.add(self.hostOf(node.pair))
        self._fellowHosts = {target.host for target in self.proxies.values()}

    def hostOf(self, name: str) -> bytes:
        """
        The host name of a pair, a node or a proxy: C{NAME.DOMAIN}.
        """
        return b"%b.%b" % (name.encode("ascii").lower(), self.domain)

    def isOwn(self, uri: SIPURI) -> bool:
        """
        Whether a URI without its user means this very proxy.
        """
        return uri.host.lower() in self._ownHosts and uri.port in self._ownPorts

    def isOwnRoute(self, uri: SIPURI) -> bool:
        """
        Whether a Route value is for us: it names this proxy, or the domain,
        as phones do that have it for their outbound proxy.
        """
        host = uri.host.lower()
        return uri.port in self._ownPorts and (
            host in self._ownHosts or host == self.domain
        )

    def isOwnVia(self, via: Via) -> bool:
        """
        Whether this proxy put a Via there.
        """
        return via.host.lower() in self._ownHosts and via.port in self._ownPorts

    def isClusterVia(self, via: Via) -> bool:
        """
        Whether this proxy, or another one of the cluster, put a Via there.
        """
        return self.isOwnVia(via) or via.host.lower() in self._fellows

    def isOurDomain(self, uri: SIPURI) -> bool:
        """
        Whether a URI's user is one of the cluster's: its host is the domain, or
        any of its proxies.
        """
        return uri.host.lower() in self._aliases

    def pairOf(self, uri: SIPURI) -> str | None:
        """
        The pair that a URI names.
        """
        return self.pairHosts.get(uri.host.lower())

    def fellowOf(self, uri: SIPURI) -> str | None:
        """
        The other proxy that a URI names.
        """
        return self._fellows.get(uri.host.lower())

    def aor(self, uri: SIPURI) -> bytes:
        """
        The canonical address-of-record of a URI (RFC 3261 section 10.3 step 5);
        the names and addresses of the proxies count as the domain.
        """
        if uri.host.lower() not in self._aliases:
            return uri.aor()
        return b"sip:%b@%b" % (uri.userText, self.domain) if uri.user else uri.aor()

    def isNode(self, flow: IFlow, viaHost: bytes) -> bool:
        """
        Whether a message comes from a node.

        A datagram's source port tells it; a connection's does not, so there
        the node must also call itself by its name.

        @param viaHost: the host of the top Via.
        """
        if not flow.reliable:
            return flow.remote in self._sources
        hosts = self._nodeHosts.get(flow.remote[0])
        return hosts is not None and viaHost.lower() in hosts

    def isFellow(self, flow: IFlow) -> bool:
        """
        Whether a message comes from the host of another proxy.
        """
        return flow.remote[0] in self._fellowHosts


def hostBytes(host: str) -> bytes:
    """
    A host as it stands in a URI: IPv6 addresses in brackets.
    """
    return (f"[{host}]" if ":" in host else host).lower().encode("ascii")


def hostPort(host: str, port: int) -> bytes:
    """
    C{host:port} as it stands in a URI.
    """
    return b"%b:%d" % (hostBytes(host), port)
