"""
Hosts on one switch, whose cables can be pulled and whose links can be cut one by one.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Mapping

from attrs import define, field

from tests.interop.namespaces import Bridge, Namespace, NoNamespaces

#: The first three numbers of all addresses; the namespaces keep them to themselves.
BASE = "10.77.0"

#: Last numbers of the addresses of the hosts, by name.
HOSTS: Mapping[str, int] = {
    "store": 10,
    "proxy1": 11,
    "proxy2": 12,
    "etcd1": 13,
    "etcd2": 14,
    "etcd3": 15,
    "node1a": 21,
    "node1b": 22,
    "node2a": 23,
    "node2b": 24,
    "clients": 50,
    "callers": 100,
    "callees": 102,
}

#: Name of the table of rules that we make, and remove, on a host.
_TABLE = "survive"


def address(host: str) -> str:
    """
    The address of a host.
    """
    return f"{BASE}.{HOSTS[host]}"


@define
class Hosts:
    """
    The hosts of one run.
    """

    bridge: Bridge
    places: dict[str, Namespace] = field(factory=dict)

    @classmethod
    def make(cls, names: Iterable[str]) -> Hosts:
        """
        Plug in hosts.

        @raise NoNamespaces: not root, or the kernel refuses.
        """
        hosts = cls(Bridge.make(BASE, [1]))
        try:
            for name in names:
                hosts.places[name] = hosts.bridge.addPhone(HOSTS[name])
        except NoNamespaces:
            hosts.delete()
            raise
        return hosts

    def __getitem__(self, name: str) -> Namespace:
        return self.places[name]

    def pull(self, name: str, pulled: bool = True) -> None:
        """
        Pull a host's cable out, or put it back in.
        """
        self.bridge.unplug(HOSTS[name], pulled)

    def cut(self, name: str, others: Iterable[str]) -> None:
        """
        Lose everything between a host and others, silently and both ways.
        """
        far = ", ".join(address(other) for other in others)
        self._rules(
            name,
            f"""table inet {_TABLE} {{
                chain from {{ type filter hook input priority 0;
                    ip saddr {{ {far} }} drop; }}
                chain to {{ type filter hook output priority 0;
                    ip daddr {{ {far} }} drop; }}
            }}""",
        )

    def mend(self, name: str) -> None:
        """
        Undo L{cut}.
        """
        self._rules(name, f"delete table inet {_TABLE}")

    def _rules(self, name: str, rules: str) -> None:
        done = subprocess.run(
            self[name].command(["nft", "-f", "-"]),
            input=rules,
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
        if done.returncode:
            raise NoNamespaces(f"nft: {done.stderr.strip()}")

    def delete(self) -> None:
        """
        Give everything back.
        """
        self.bridge.delete()
