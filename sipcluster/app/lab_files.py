"""
The configuration of the sample cluster, and what is said about it at start.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path

from attrs import frozen

from sipcluster.app.ca import LabCA
from sipcluster.app.lab_sounds import makeSounds

DOMAIN = "lab.example"

#: Applications by name: their table and the last number of their address.
MEMBERS: Mapping[str, tuple[str, int]] = {
    "store": ("store", 10),
    "proxy1": ("proxy", 11),
    "proxy2": ("proxy", 12),
    "node1": ("node", 21),
    "node2": ("node", 22),
    "media1": ("media", 31),
}

#: The same where each node is a pair: its members serve under its name.
PAIRED: Mapping[str, tuple[str, int]] = {
    "store": ("store", 10),
    "proxy1": ("proxy", 11),
    "proxy2": ("proxy", 12),
    "node1a": ("node", 21),
    "node1b": ("node", 23),
    "node2a": ("node", 22),
    "node2b": ("node", 24),
    "media1": ("media", 31),
}

#: The pairs and their members; one of each serves, the first one if both start
#: together.
PAIRS: Mapping[str, tuple[str, str]] = {
    "node1": ("node1a", "node1b"),
    "node2": ("node2a", "node2b"),
}

#: The last number of the address of the trunk's other end.
TRUNK = 40

#: Telephones of the lab; 1001's password is C{secret-1001}.
EXTENSIONS = range(1001, 1021)


@frozen
class LabFiles:
    """
    Where a lab keeps its things, and how its members are reached.

    @ivar base: the first three numbers of all addresses.
    @ivar paired: whether each node is a pair.
    @ivar mediaCheck: seconds between two questions to the media server.
    """

    folder: Path
    base: str = "127.0.0"
    paired: bool = True
    mediaCheck: int = 1

    @property
    def members(self) -> Mapping[str, tuple[str, int]]:
        """
        Applications by name: their table and the last number of their address.
        """
        return PAIRED if self.paired else MEMBERS

    @property
    def configuration(self) -> Path:
        """
        The configuration of the whole cluster.
        """
        return self.folder / "cluster.toml"

    @property
    def logs(self) -> Path:
        """
        The folder of the logs.
        """
        return self.folder / "log"

    @property
    def prompts(self) -> Path:
        """
        The folder of what media servers play.
        """
        return self.folder / "prompts"

    @property
    def authority(self) -> Path:
        """
        The certificate that telephones must trust.
        """
        return self.folder / "tls" / "ca.pem"

    def address(self, last: int) -> str:
        """
        An address of the lab.
        """
        return f"{self.base}.{last}"

    def health(self) -> dict[str, str]:
        """
        The HTTP addresses that tell whether members are ready, by name.
        """
        return {
            name: f"http://{self.address(last)}:8080/health/ready"
            for name, (_, last) in self.members.items()
        }

    def make(self, now: datetime) -> None:
        """
        Write the configuration and make the certificates.

        @param now: aware; from when certificates are good.
        """
        for folder in (self.folder, self.logs, self.folder / "state"):
            folder.mkdir(parents=True, exist_ok=True)
        ca = LabCA(self.folder / "tls", now)
        for name, (table, last) in self.members.items():
            if table == "proxy":
                ca.issue(name, [f"{name}.{DOMAIN}", self.address(last)], DOMAIN)
            elif table == "node" and self.paired:
                ca.issue(name, [self.address(last)], f"{name}.{DOMAIN}")
        makeSounds(self.prompts)
        self.configuration.write_text(self.toml(), "utf-8")

    def toml(self) -> str:
        """
        The configuration.
        """
        parts = [_COMMON]
        parts += [_EXTENSION.format(number=number) for number in EXTENSIONS]
        parts.append(_SERVICES.format(peer=self.address(TRUNK)))
        for name, (table, last) in self.members.items():
            kind = "member" if table == "node" and self.paired else table
            parts.append(
                _TABLES[kind].format(
                    name=name, address=self.address(last), check=self.mediaCheck
                )
            )
        if self.paired:
            parts += [
                _PAIR.format(name=name, one=one, two=two)
                for name, (one, two) in PAIRS.items()
            ]
        return "\n".join(parts)

    def _nodes(self) -> Iterator[str]:
        for name, (table, last) in self.members.items():
            if table == "node":
                yield f"  {name:<7} {self.address(last)}  SIP 5060 (UDP, TCP)"

    def introduction(self) -> str:
        """
        What a person needs to use the lab.
        """
        one, two = self.address(11), self.address(12)
        return _INTRODUCTION.format(
            folder=self.folder,
            logs=self.logs,
            ca=self.authority,
            one=one,
            two=two,
            nodes="\n".join(self._nodes()),
            pairs=_PAIRS_SAID if self.paired else "",
            store=self.address(10),
            media=self.address(31),
            peer=self.address(TRUNK),
            me=self.address(1),
            domain=DOMAIN,
            first=EXTENSIONS[0],
            last=EXTENSIONS[-1],
        )


_COMMON = f"""\
# Made by "twistd sipcluster lab"; written anew at each start.

[switch]
name = "lab"
domain = "{DOMAIN}"
# baresip 1 gives up when any challenge is not MD5, SIPp when the first is not.
digest-algorithms = ["MD5"]
control-password = "secret-control"

[log]
directory = "log"
sip-trace = true
"""

_EXTENSION = """\
[[extension]]
number = "{number}"
password = "secret-{number}"
"""

_SERVICES = """\
[[routing-point]]
number = "5000"

[[trunk]]
number = "9"
contact = "sip:{peer}:5060"
prefix = "9"
replace-prefix = ""

[[voip-service]]
number = "lab-nodes"
service-type = "sip-cluster-nodes"

[[tlib-application]]
name = "desktop"
password = "secret-desktop"

[[tlib-application]]
name = "routing"
password = "secret-routing"
ports = ["default"]

[[tlib-application]]
name = "monitor"
password = "secret-monitor"
role = "monitor"
"""

_MEDIA = """\
[[voip-service]]
number = "msml-{name}"
service-type = "msml"
contact = "sip:{address}:5060"
oos-check = {check}

[[media]]
name = "{name}"
sip-address = "{address}"
sip-port = 5060
http-port = 8080
rtp-ports = [20000, 29999]
"""

_TABLES = {
    "media": _MEDIA,
    "store": """\
[[store]]
name = "{name}"
listen = "{address}"
port = 2379
path = "state/{name}.sqlite"
""",
    "proxy": """\
[[proxy]]
name = "{name}"
sip-address = "{address}"
sip-port = 5060
sip-tls-port = 5061
certificate = "tls/{name}.pem"
private-key = "tls/{name}.key"
ca = "tls/ca.pem"
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
[node.ports]
default = 3000
TCport = 3001
IPport = 3002
SmartProxy = 3003
""",
}

_TABLES["member"] = _TABLES["node"].replace(
    "[node.ports]",
    """\
certificate = "tls/{name}.pem"
private-key = "tls/{name}.key"
ca = "tls/ca.pem"
[node.ports]""",
)

_PAIR = """\
[[pair]]
name = "{name}"
members = ["{one}", "{two}"]
arbiter = "lock-file"
lock-file = "state/{name}.lock"
"""

_PAIRS_SAID = """\
  node1 is the pair of node1a and node1b, node2 that of node2a and node2b: one of
  each serves, mostly the first at first, and the other one takes over; "sipclusterctl
  status" shows which.  T-Library clients try both
"""

_INTRODUCTION = """\
A SIP cluster for the domain {domain} on this host

  store   {store}:2379
  proxy1  {one}  SIP 5060 (UDP, TCP), 5061 (TLS)
  proxy2  {two}  SIP 5060 (UDP, TCP), 5061 (TLS)
{nodes}
  media1  {media}  SIP 5060 (UDP, TCP), RTP 20000 to 29999
  HTTP    port 8080 of each: /status /health/ready /registrations /calls /metrics
{pairs}\
  T-Library of the nodes: default port 3000 (calls), TCport 3001 (calls, DNs
  and agents); each node knows its own calls and agents; 3002 and 3003 are not open yet

  extensions     {first} to {last}, password secret-NUMBER
  T-Library      applications desktop, routing and monitor, password secret-NAME
  routing point  5000, whose calls go where a routing client says
  trunk          9: numbers that begin with 9 go to sip:{peer}:5060, without the 9

  media server   msml-media1: plays files of {folder}/prompts and tones;
                 what it records is in {folder}/recordings

  configuration  {folder}/cluster.toml
  logs           {logs}
  lab CA         {ca}

baresip, two lines in its file "accounts" (it wants an interface other than lo:
see --base):
  <sip:1001@{domain}>;auth_pass=secret-1001;outbound="sip:{one};transport=udp"
  <sip:1002@{domain}>;auth_pass=secret-1002;outbound="sip:{two};transport=tls"
  and in its file "config", for TLS: sip_cafile {ca}
linphonec -c FILE, where the folder ~/.local/share/linphone exists, and FILE says:
  [sip]
  sip_port=5070
  root_ca={ca}
  [proxy_0]
  reg_proxy=<sip:{one};transport=udp>
  reg_route=<sip:{one};transport=udp;lr>
  reg_identity=sip:1001@{domain}
  reg_sendregister=1
  [auth_info_0]
  username=1001
  passwd=secret-1001
  realm={domain}
  and at its prompt: call sip:1002@{domain}
  for TLS: transport=tls, and proxy1.{domain} instead of {one}, which
  /etc/hosts must know, as in: {one} proxy1.{domain}
SIPp, from a checkout:
  sipp {one}:5060 -sf tests/interop/scenarios/register.xml -i {me} -m 1 \\
    -key user 1001 -key domain {domain} -au 1001 -ap secret-1001 -auth_uri {domain}

What happens (bin/sipclusterctl in a checkout):
  sipclusterctl status --dir {folder}
  sipclusterctl registrations --dir {folder}
  sipclusterctl calls --dir {folder}
  sipclusterctl trace CALL-ID --dir {folder}
"""
