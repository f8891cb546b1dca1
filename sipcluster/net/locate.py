"""
Where the server of a SIP URI is (RFC 3263), over C{twisted.names}.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Coroutine, Iterable, Sequence
from ipaddress import ip_address
from typing import Any, TypeVar

from attrs import frozen
from twisted.internet.defer import Deferred, FirstError, fail, gatherResults, succeed
from twisted.names import dns
from twisted.python.failure import Failure
from zope.interface import implementer

from sipcluster.net.names import Names, Naming, NoAnswer
from sipcluster.sip.errors import LocationFailed
from sipcluster.sip.isip import ILocator, Target
from sipcluster.sip.uri import SIPURI

_T = TypeVar("_T")

#: What a NAPTR service says of the transport (RFC 3263 section 4.1).
_NAPTR_SERVICES = {b"SIP+D2U": "UDP", b"SIP+D2T": "TCP", b"SIPS+D2T": "TLS"}

#: Where SRV records of a transport are.
_SRV_PREFIXES = {"UDP": "_sip._udp.", "TCP": "_sip._tcp.", "TLS": "_sips._tcp."}


@frozen
class LocatorLimits:
    """
    @ivar patience: seconds until a look-up is given up as a whole.
    @ivar targets: targets given for one URI.
    @ivar failures: targets remembered for having failed.
    @ivar failureTime: seconds for which such a target is tried last.
    """

    patience: float = 4.0
    targets: int = 32
    failures: int = 1024
    failureTime: float = 60.0


@frozen
class _Server:
    """
    A named server, its addresses not known yet.
    """

    transportName: str
    host: str
    port: int


@implementer(ILocator)
class Locator:
    """
    Finds targets, and remembers which of them failed of late.
    """

    def __init__(
        self,
        reactor: Any,
        resolver: Any = None,
        chance: Callable[[], float] = random.random,
        transports: Sequence[str] = ("UDP", "TCP", "TLS"),
        families: Sequence[int] = (4, 6),
        limits: LocatorLimits | None = None,
        naming: Naming | None = None,
    ) -> None:
        """
        @param resolver: a C{twisted.names} resolver; that of this host when left
            out.
        @param chance: gives a number from 0 up to 1, for RFC 2782 weights.
        @param transports: those that are spoken here, the preferred first: the
            order counts where neither the URI nor a NAPTR record decides.
        @param families: address families that are spoken here, the preferred
            first.
        """
        self._clock = reactor
        self._names = Names(reactor, resolver, naming)
        self._chance = chance
        self._transports = tuple(transports)
        self._kinds = [dns.A if family == 4 else dns.AAAA for family in families]
        self._limits = limits or LocatorLimits()
        self._failed: dict[Target, float] = {}

    # ILocator.

    def markFailed(self, target: Target) -> None:
        self._failed.pop(target, None)
        if len(self._failed) >= self._limits.failures:
            del self._failed[next(iter(self._failed))]
        self._failed[target] = self._clock.seconds() + self._limits.failureTime

    def markWorking(self, target: Target) -> None:
        self._failed.pop(target, None)

    def _ordered(self, targets: Iterable[Target]) -> tuple[Target, ...]:
        unique = tuple(dict.fromkeys(targets))[: self._limits.targets]
        if not self._failed:
            return unique
        now = self._clock.seconds()
        # A stable sort: failed ones go last, in the order they had.
        return tuple(sorted(unique, key=lambda each: self._failed.get(each, 0.0) > now))

    def locate(self, uri: SIPURI) -> Deferred[Sequence[Target]]:
        try:
            host = _text(uri.parameters.get(b"maddr") or uri.host)
            name = self._transportOf(uri)
        except LocationFailed as e:
            return fail(e)
        try:
            address = str(ip_address(host))
        except ValueError:
            return self._inTime(self._byName(uri, name, host), host)
        name = name or ("TLS" if uri.secure else "UDP")
        target = Target(name, address, uri.port or _defaultPort(name), _sni(name, host))
        return succeed((target,))

    def _transportOf(self, uri: SIPURI) -> str:
        """
        The transport that the URI asks for; empty when it leaves it open.
        """
        name = uri.transport
        if uri.secure and name in ("TCP", "TLS"):
            name = "TLS"
        elif uri.secure and name:
            raise LocationFailed(f"no secure {name}")
        if name and name not in self._transports:
            raise LocationFailed(f"{name} is not spoken here")
        return name

    def _inTime(
        self, looking: Deferred[Sequence[Target]], host: str
    ) -> Deferred[Sequence[Target]]:
        """
        Bound the wait for a look-up.
        """
        if looking.called:
            return looking
        late = self._clock.callLater(self._limits.patience, looking.cancel)

        def ended(result: Any) -> Any:
            if late.active():
                late.cancel()
            elif isinstance(result, Failure):
                raise LocationFailed(f"no name server answers for {host}")
            return result

        return looking.addBoth(ended)

    def _byName(self, uri: SIPURI, name: str, host: str) -> Deferred[Sequence[Target]]:
        return Deferred.fromCoroutine(self._look(uri, name, host))

    async def _look(self, uri: SIPURI, name: str, host: str) -> Sequence[Target]:
        """
        RFC 3263 section 4, for a host that is a name.
        """
        host = host.rstrip(".")
        if (
            not host
            or len(host) > 253
            or any(not 0 < len(label) < 64 for label in host.split("."))
        ):
            raise LocationFailed(f"{host[:80]!r} is no name")
        silent: list[NoAnswer] = []
        servers: list[_Server] = []
        if uri.port:
            pass  # a port means: no SRV (section 4.2)
        elif name:
            servers = await self._srv(name, _SRV_PREFIXES[name] + host, silent)
        else:
            servers = await self._naptr(uri.secure, host, silent)
            if not servers:
                wanted = ["TLS"] if uri.secure else self._transports
                found = await _together(
                    self._srv(each, _SRV_PREFIXES[each] + host, silent)
                    for each in wanted
                )
                servers = [server for each in found for server in each]
        if not servers:
            name = name or ("TLS" if uri.secure else "UDP")
            servers = [_Server(name, host, uri.port or _defaultPort(name))]
        targets = await self._addresses(servers, host, silent)
        if targets:
            return self._ordered(targets)
        if silent:
            raise LocationFailed(str(silent[0]))
        raise LocationFailed(f"{host} has no SIP server")

    async def _records(
        self, name: str, kind: int, silent: list[NoAnswer]
    ) -> tuple[Any, ...]:
        try:
            return await self._names.ask(name.lower(), kind)
        except NoAnswer as e:
            # Some name servers are silent about kinds they do not know: go on
            # with the next.
            silent.append(e)
            return ()

    async def _naptr(
        self, secure: bool, host: str, silent: list[NoAnswer]
    ) -> list[_Server]:
        """
        Servers by NAPTR, in the order that the domain prefers.
        """
        records = await self._records(host, dns.NAPTR, silent)
        servers: list[_Server] = []
        for record in sorted(records, key=lambda each: (each.order, each.preference)):
            name = _NAPTR_SERVICES.get(record.service.string.upper())
            if name is None or name not in self._transports:
                continue
            if secure and name != "TLS":
                continue
            replacement = _name(record.replacement)
            flags = record.flags.string.upper()
            if not replacement or len(servers) >= self._limits.targets:
                continue
            if flags == b"S":
                servers += await self._srv(name, replacement, silent)
            elif flags == b"A":
                servers.append(_Server(name, replacement, _defaultPort(name)))
        return servers

    async def _srv(
        self, transportName: str, name: str, silent: list[NoAnswer]
    ) -> list[_Server]:
        """
        Servers by SRV, in the order of RFC 2782.
        """
        records = await self._records(name, dns.SRV, silent)
        servers = []
        for record in byWeight(records[: self._limits.targets], self._chance):
            target = _name(record.target)
            # A lone dot says that there is decidedly no such service.
            if target and record.port:
                servers.append(_Server(transportName, target, record.port))
        return servers

    async def _addresses(
        self, servers: list[_Server], host: str, silent: list[NoAnswer]
    ) -> list[Target]:
        """
        Targets of named servers, in order.

        @param host: the domain that was asked for, which a certificate must
            name (RFC 5922 section 4).
        """
        wanted = [
            (server, kind)
            for server in servers[: self._limits.targets]
            for kind in self._kinds
        ]
        found = await _together(
            self._records(server.host, kind, silent) for server, kind in wanted
        )
        targets = []
        for (server, _), records in zip(wanted, found, strict=True):
            name = server.transportName
            for record in records:
                address = (
                    str(ip_address(record.dottedQuad()))
                    if (record.TYPE == dns.A)
                    else str(ip_address(record.address))
                )
                targets.append(Target(name, address, server.port, _sni(name, host)))
        return targets

    def stop(self) -> None:
        """
        Leave nothing behind.
        """
        self._names.stop()

    def status(self) -> dict[str, object]:
        """
        Plain values for people and for checks.
        """
        return {**self._names.status(), "failedTargets": len(self._failed)}


async def _together(
    lookUps: Iterable[Coroutine[Deferred[Any], Any, _T]],
) -> list[_T]:
    """
    Run look-ups at the same time; cancelled together.
    """
    try:
        return await gatherResults(
            [Deferred.fromCoroutine(each) for each in lookUps], consumeErrors=True
        )
    except FirstError as e:
        e.subFailure.raiseException()


def byWeight(records: Sequence[Any], chance: Callable[[], float]) -> list[Any]:
    """
    Order SRV records: lower priorities first, within one priority by weighted
    chance (RFC 2782).

    @param chance: gives a number from 0 up to 1.
    """
    ordered = []
    # Those of weight 0 first, so that they have a very small chance.
    left = sorted(records, key=lambda each: (each.priority, each.weight))
    while left:
        group = [each for each in left if each.priority == left[0].priority]
        left = left[len(group) :]
        while group:
            mark = int(chance() * (sum(each.weight for each in group) + 1))
            for each in group:
                mark -= each.weight
                if mark <= 0:
                    ordered.append(each)
                    group.remove(each)
                    break
    return ordered


def _text(host: bytes) -> str:
    try:
        return host.strip(b"[]").lower().decode("ascii")
    except UnicodeDecodeError as e:
        raise LocationFailed(f"{host[:80]!r} is no name") from e


def _name(name: dns.Name) -> str:
    """
    A name out of a record; empty for the root and for what is no host name.
    """
    try:
        return name.name.decode("ascii").rstrip(".").lower()
    except UnicodeDecodeError:
        return ""


def _defaultPort(transportName: str) -> int:
    return 5061 if transportName == "TLS" else 5060


def _sni(transportName: str, host: str) -> str:
    """
    Whom a certificate must name.
    """
    return host if transportName == "TLS" else ""
