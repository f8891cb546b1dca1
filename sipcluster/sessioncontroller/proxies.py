"""
The SIP Proxies of the cluster, and which of them are in service.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from zope.interface import implementer

from sipcluster.sessioncontroller.isessioncontroller import IProxies, ProxyAddress


@implementer(IProxies)
class Proxies:
    """
    The SIP Proxies of the configuration; a service checker says which are in
    service.  All are, until it says otherwise.
    """

    __slots__ = ("_all", "_at", "_next", "_out")

    def __init__(self, proxies: Iterable[ProxyAddress]) -> None:
        self._all = tuple(proxies)
        self._at = {proxy.host.lower(): proxy for proxy in self._all}
        self._out: set[str] = set()
        self._next = 0

    def __iter__(self) -> Iterator[ProxyAddress]:
        return iter(self._all)

    def at(self, host: str) -> ProxyAddress | None:
        return self._at.get(host)

    def choose(
        self, preferred: ProxyAddress | None, besides: Collection[str]
    ) -> ProxyAddress | None:
        if (
            preferred is not None
            and preferred.name not in self._out
            and preferred.name not in besides
        ):
            return preferred
        left = [proxy for proxy in self._all if proxy.name not in besides]
        serving = [proxy for proxy in left if proxy.name not in self._out] or left
        if not serving:
            return None
        self._next += 1
        return serving[self._next % len(serving)]

    def serves(self, besides: Collection[str]) -> bool:
        return any(
            proxy.name not in besides and proxy.name not in self._out
            for proxy in self._all
        )

    def setInService(self, name: str, inService: bool) -> None:
        """
        Take note of what the service checker found.
        """
        if inService:
            self._out.discard(name)
        else:
            self._out.add(name)

    def inService(self, name: str) -> bool:
        """
        Whether this SIP Proxy answers, as far as is known.
        """
        return name not in self._out

    def status(self) -> dict[str, object]:
        """
        Name to C{"in service"} or C{"out of service"}.
        """
        return {
            proxy.name: "out of service" if proxy.name in self._out else "in service"
            for proxy in self._all
        }
