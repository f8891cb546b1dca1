"""
The configuration of the cluster that has to survive.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping

from attrs import frozen

from tests.survive.hosts import address

DOMAIN = "lab.example"

#: Who calls.
CALLING = tuple(range(1001, 1021))

#: Who is called, by what the telephone does, and by which proxy: SIPp writes one URI
#: only into its credentials.
CALLED: Mapping[str, tuple[int, ...]] = {
    "answers": (1031, 1032),
    "stays": (1041, 1042),
    "hangs-up": (1051, 1052),
    "rings": (1061, 1062),
    "cancelled": (1071, 1072),
    "slow": (1081, 1082),
}

#: All DNs that are watched.
DNS = (*CALLING, *(number for some in CALLED.values() for number in some))

#: The host and port of the other end of a trunk.
TRUNK = ("callees", 5090)

#: Seconds between two questions to it, and until it is out of service without answers.
TRUNK_CHECK = 2.0

#: Seconds without any SIP after which a primary leaves the role to the other one: the
#: time until the trunk is out of service counts as five at least.
SIP_PASS = TRUNK_CHECK + 5.0

#: Seconds for which the store gives the role to a member.
TTL = 5.0


class Arbiter(enum.Enum):
    """
    Who decides which member of a pair is primary.
    """

    LOCK_FILE = "lock file"
    STORE = "store"
    ETCD = "etcd"


#: The members of the pairs, primary first.
PAIRS: Mapping[str, tuple[str, str]] = {
    "node1": ("node1a", "node1b"),
    "node2": ("node2a", "node2b"),
}


@frozen
class Shape:
    """
    What a cluster is made of.

    @ivar arbiter: who decides which member serves.
    @ivar pairs: the pairs.
    @ivar backups: whether the pairs have their second members.
    @ivar trace: whether every SIP message is in the logs.
    """

    arbiter: Arbiter = Arbiter.STORE
    pairs: tuple[str, ...] = ("node1", "node2")
    backups: bool = True
    trace: bool = False

    @property
    def nodes(self) -> tuple[str, ...]:
        """
        The members of the pairs.
        """
        count = 2 if self.backups else 1
        return tuple(name for pair in self.pairs for name in PAIRS[pair][:count])

    @property
    def members(self) -> Mapping[str, str]:
        """
        The processes of the cluster and their roles, in the order of starting.
        """
        store = {} if self.arbiter is Arbiter.ETCD else {"store": "store"}
        proxies = dict.fromkeys(("proxy1", "proxy2"), "proxy")
        member = "pair" if self.backups else "node"
        return {**store, **proxies, **dict.fromkeys(self.nodes, member)}

    @property
    def etcd(self) -> tuple[str, ...]:
        """
        The hosts of the members of etcd.
        """
        return ETCD if self.arbiter is Arbiter.ETCD else ()

    @property
    def stores(self) -> tuple[str, ...]:
        """
        The hosts of the store.
        """
        return self.etcd or ("store",)

    def toml(self) -> str:
        """
        The configuration.
        """
        trunk = f"{address(TRUNK[0])}:{TRUNK[1]}"
        parts = [
            _COMMON.format(
                domain=DOMAIN,
                trunk=trunk,
                check=TRUNK_CHECK,
                trace=str(self.trace).lower(),
            )
        ]
        parts += [_EXTENSION.format(number=number) for number in DNS]
        if self.etcd:
            urls = ", ".join(f'"http://{address(name)}:2379"' for name in self.etcd)
            parts.append(f'[[store]]\nname = "etcd"\nendpoints = [{urls}]\n')
        else:
            parts.append(_STORE.format(address=address("store")))
        for name, table in self.members.items():
            if table != "store":
                kind = "proxy" if table == "proxy" else "node"
                parts.append(_TABLES[kind].format(name=name, address=address(name)))
        if self.backups:
            chosen = "lock-file" if self.arbiter is Arbiter.LOCK_FILE else "store"
            parts += [
                _PAIR.format(name=pair, members=PAIRS[pair], arbiter=chosen, ttl=TTL)
                for pair in self.pairs
            ]
        return "\n".join(parts).replace("'", '"')


#: The hosts of the members of etcd.
ETCD = ("etcd1", "etcd2", "etcd3")

_COMMON = """\
[switch]
name = "survival"
domain = "{domain}"
control-password = "secret"
# SIPp gives up when the first challenge is not MD5.
digest-algorithms = ["MD5"]

[log]
directory = "log"
sip-trace = {trace}

[[voip-service]]
number = "nodes"
service-type = "sip-cluster-nodes"

[[tlib-application]]
name = "recorder"
password = "secret"

[[trunk]]
number = "8"
contact = "sip:{trunk}"
prefix = "8"
oos-check = {check}
oos-force = {check}
"""

_EXTENSION = """\
[[extension]]
number = "{number}"
password = "secret-{number}"
"""

_STORE = """\
[[store]]
name = "store"
listen = "{address}"
port = 2379
path = "state/store.sqlite"
"""

_TABLES = {
    "proxy": """\
[[proxy]]
name = "{name}"
sip-address = "{address}"
sip-port = 5060
oos-check = 1
oos-force = 1
http-port = 8080
""",
    "node": """\
[[node]]
name = "{name}"
sip-address = "{address}"
sip-port = 5060
http-port = 8080
oos-check = 1
oos-force = 1
certificate = "tls/{name}.pem"
private-key = "tls/{name}.key"
ca = "tls/ca.pem"
[node.ports]
default = 3000
TCport = 3001
IPport = 3002
SmartProxy = 3003
[node.monitors]
sip-pass-check = true
sip-nic-monitoring = true
tlib-nic-monitoring = true
""",
}

_PAIR = """\
[[pair]]
name = "{name}"
members = ["{members[0]}", "{members[1]}"]
arbiter = "{arbiter}"
lease = {ttl}
"""
