"""
Where a request is sent, and where instead when that fails.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from ipaddress import ip_address

from attrs import define, field

from sipcluster.servicecheck.iservicecheck import IServiceRegistry, Member
from sipcluster.sip.isip import IFlow, Target
from sipcluster.sip.uri import SIPURI


@define(eq=False)
class Hop:
    """
    One place to send a request to.  Not to be changed; it is not frozen because
    that would cost more than all that is done with it.

    @ivar flow: the open flow to use; L{None} to find or open one to C{target}.
    @ivar member: the member of the cluster that is there, if one is: its
        service state cuts waiting short, and a failure counts against it.
    @ivar fellow: whether the member is another proxy.
    @ivar route: a Route value to be put on top; empty for none.
    @ivar token: the signed token of C{flow}, to be put into Record-Route.
    @ivar skips: how many of the request's Route values this hop makes
        superfluous.
    """

    target: Target
    flow: IFlow | None = None
    member: Member | None = None
    fellow: bool = False
    route: bytes = b""
    token: bytes = b""
    skips: int = 0


@define(eq=False)
class Destination:
    """
    One member of the target set (RFC 3261 section 16.5), with the hops to try
    for it, one after the other.

    @ivar uri: its Request-URI; empty to keep the one there is.
    @ivar hops: taken one at a time, so that each is chosen by what is known
        then.
    @ivar locate: the URI to be located (RFC 3263) before the hops are known.
    @ivar route: Route values to be put on top (RFC 3327).
    @ivar unreachable: the status when no hop can be reached.
    @ivar retries: whether a 503 of one hop leads to the next, as silence does.
    @ivar speaksForAll: whether a 503 of the last hop is true of any request,
        and may go back as it is (section 16.7 step 6).
    @ivar failed: the status of the last hop that failed, 0 before.
    @ivar breadth: Max-Breadth to be sent, 0 to leave it as it is (RFC 5393).
    @ivar pairs: those of which any will do: while none of them has a primary, but may
        have one soon, the request waits.
    @ivar skips: what L{Hop.skips} is of a hop to one of them.
    @ivar located: whether the hops are what a locator found for a name.
    """

    uri: bytes = b""
    hops: Iterator[Hop] = field(factory=lambda: iter(()))
    locate: SIPURI | None = None
    route: tuple[bytes, ...] = ()
    unreachable: int = 503
    retries: bool = True
    speaksForAll: bool = False
    failed: int = 0
    breadth: int = 0
    located: bool = False
    pairs: frozenset[str] = frozenset()
    skips: int = 0


def one(hop: Hop) -> Iterator[Hop]:
    """
    A single hop, without another to try.
    """
    return iter((hop,))


def pairHops(registry: IServiceRegistry, pair: str, skips: int = 0) -> Iterator[Hop]:
    """
    The primary of a pair; when that fails, who is primary then.
    """
    tried: list[str] = []
    while True:
        member = registry.primary(pair)
        if member is None or member.name in tried:
            return
        tried.append(member.name)
        yield Hop(member.target, None, member, skips=skips)


def nodeHops(
    registry: IServiceRegistry,
    pairs: Iterable[str],
    turn: int,
    preferred: str = "",
) -> Iterator[Hop]:
    """
    Any pair in service, each once, beginning with the one whose turn it is.

    @param pairs: those that may be used.
    @param preferred: the one that comes before all others, if it is in service.
    """
    allowed = frozenset(pairs)
    tried: set[str] = set()
    if preferred in allowed and preferred in registry.pairs():
        tried.add(preferred)
        member = registry.primary(preferred)
        if member is not None:
            yield Hop(member.target, None, member)
    while True:
        serving = registry.pairs()
        for offset in range(len(serving)):
            pair = serving[(turn + offset) % len(serving)]
            if pair in tried or pair not in allowed:
                continue
            tried.add(pair)
            member = registry.primary(pair)
            if member is not None:
                yield Hop(member.target, None, member)
                break
        else:
            return


def targetHops(targets: Iterable[Target]) -> Iterator[Hop]:
    """
    What RFC 3263 found, in its order.
    """
    for target in targets:
        yield Hop(target)


def literalTarget(uri: SIPURI) -> Target | None:
    """
    Where a URI with an address for its host is (RFC 3263 section 4.1, 4.2).

    @return: L{None} when its host is a name, or its transport unknown here.
    """
    return _literal(uri.bareHost, uri.port, uri.transport, uri.secure)


@lru_cache(4096)
def _literal(host: str, port: int, transport: str, secure: bool) -> Target | None:
    try:
        host = str(ip_address(host))
    except ValueError:
        return None
    if secure:
        transport = "TLS" if transport in ("", "TCP", "TLS") else ""
    name = transport or ("" if secure else "UDP")
    if name not in ("UDP", "TCP", "TLS"):
        return None
    return Target(name, host, port or (5061 if name == "TLS" else 5060))
