"""
What must be right between the tables of a configuration.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

import attrs

from sipcluster.app.kinds import nearest
from sipcluster.app.options import Reader
from sipcluster.app.settings.applications import (
    Application,
    Node,
    Pair,
    Proxy,
    SIPApplication,
    Store,
)
from sipcluster.app.settings.configuration import Configuration
from sipcluster.app.settings.dns import DN, ClusterNodes, Extension, Trunk
from sipcluster.app.settings.media import Media
from sipcluster.app.settings.monitors import AlarmSettings
from sipcluster.app.settings.switch import Log, Switch
from sipcluster.app.settings.tlib import TLibApplication

T = TypeVar("T")

#: Hex digits of an HA1 value.
_DIGITS = {"MD5": 32, "SHA-256": 64, "SHA-512-256": 64}


def check(
    reader: Reader,
    switch: Switch,
    log: Log,
    alarms: AlarmSettings,
    dns: Mapping[str, DN],
    applications: Mapping[str, Application],
    clients: Mapping[str, TLibApplication],
    source: Path,
) -> Configuration:
    """
    Look at all tables together; what is wrong goes to the reader's faults.

    @param dns: by their paths in the file, as are the applications and T-Library
        clients.
    """
    _unique(reader, dns, "number", lambda dn: dn.number)
    _unique(reader, applications, "name", lambda one: one.name.lower())
    _unique(reader, clients, "name", lambda one: one.name)
    _dns(reader, dns)
    complete = {
        path: _secret(reader, dn, path) if isinstance(dn, Extension) else dn
        for path, dn in dns.items()
    }
    for path, one in applications.items():
        if isinstance(one, SIPApplication):
            _tls(reader, one, path)
        elif isinstance(one, Store):
            if bool(one.listen) == bool(one.endpoints):
                reader.fault(path, "want one of listen and endpoints")
        elif isinstance(one, Pair):
            _members(reader, one, path, applications)
    _pairs(reader, applications)
    asked = any(getattr(dn, "oosCheck", 0) for dn in dns.values())
    for path, one in applications.items():
        if isinstance(one, Node):
            for name, why in one.monitors.faults(one.sipAddress, asked):
                reader.fault(f"{path}.monitors.{name}", why)
    _dataCentres(reader, applications)
    _ports(reader, applications)
    _stores(reader, applications)
    if switch.controlPassword and switch.controlPasswordFile:
        reader.fault("switch", "want one of control-password and control-password-file")
    elif switch.controlPasswordFile is not None:
        switch = attrs.evolve(
            switch,
            controlPassword=_firstLine(reader, switch.controlPasswordFile, "switch"),
        )
    return Configuration(
        switch,
        tuple(complete.values()),
        tuple(applications.values()),
        log,
        source,
        tuple(_clientSecret(reader, one, path) for path, one in clients.items()),
        alarms,
    )


def forgiveFiles(
    reader: Reader, applications: Mapping[str, Application], name: str
) -> None:
    """
    Take back the faults of files that one application does without: those of
    other applications, and passwords where it is no node.
    """
    mine = {path: one for path, one in applications.items() if one.name == name}
    passwords = any(isinstance(one, Node) for one in mine.values())
    reader.faults[:] = [
        fault
        for fault in reader.faults
        if not fault.file
        or fault.path.rpartition(".")[0] in mine
        or (passwords and fault.path.endswith(".password-file"))
    ]


def _unique(
    reader: Reader, tables: Mapping[str, T], name: str, key: Callable[[T], str]
) -> None:
    seen: dict[str, str] = {}
    for path, table in tables.items():
        value = key(table)
        if value in seen:
            reader.fault(f"{path}.{name}", f"{value} is {seen[value]} already")
        elif value:
            seen[value] = path


def _dns(reader: Reader, dns: Mapping[str, DN]) -> None:
    trunks = {path: dn for path, dn in dns.items() if isinstance(dn, Trunk)}
    _unique(reader, trunks, "prefix", lambda trunk: trunk.prefix)
    for path, trunk in trunks.items():
        if trunk.replacePrefix is not None and not trunk.prefix:
            reader.fault(f"{path}.replace-prefix", "there is no prefix to replace")
    services = [path for path, dn in dns.items() if isinstance(dn, ClusterNodes)]
    for path in services[1:]:
        reader.fault(path, f"{services[0]} is the sip-cluster-nodes service already")


def _secret(reader: Reader, extension: Extension, path: str) -> Extension:
    """
    Check the digest secret, and fetch it from its file.
    """
    given = [
        name
        for name, value in (
            ("password", extension.password),
            ("password-file", extension.passwordFile),
            ("ha1", extension.ha1),
        )
        if value
    ]
    told = any(
        fault.path.startswith((f"{path}.password", f"{path}.ha1"))
        for fault in reader.faults
    )
    if len(given) > 1 or not (given or told):
        found = f", not both {' and '.join(given)}" if given else ""
        reader.fault(path, f"want one of password, password-file and ha1{found}")
    for algorithm, digits in extension.ha1.items():
        if len(digits) != _DIGITS[algorithm]:
            reader.fault(
                f"{path}.ha1.{algorithm}", f"want {_DIGITS[algorithm]} hex digits"
            )
    if extension.passwordFile is None:
        return extension
    password = _firstLine(reader, extension.passwordFile, path)
    return attrs.evolve(extension, password=password)


def _firstLine(reader: Reader, file: Path, path: str) -> str:
    """
    Fetch a password from its file.

    @return: C{""} when the file cannot be read: told already, or not needed on
        this host.
    """
    try:
        password = file.read_text("utf-8").partition("\n")[0].strip()
    except OSError:
        return ""
    except UnicodeDecodeError:
        password = ""
    if not password:
        reader.fault(f"{path}.password-file", "its first line is no password")
    return password


def _clientSecret(reader: Reader, one: TLibApplication, path: str) -> TLibApplication:
    """
    Check the password of a T-Library client, and fetch it from its file.
    """
    told = any(fault.path.startswith(f"{path}.password") for fault in reader.faults)
    if bool(one.password) == bool(one.passwordFile) and not told:
        reader.fault(path, "want one of password and password-file")
    if one.passwordFile is None:
        return one
    return attrs.evolve(one, password=_firstLine(reader, one.passwordFile, path))


def _tls(reader: Reader, one: SIPApplication, path: str) -> None:
    for name, value in (
        ("certificate", one.certificate),
        ("private-key", one.privateKey),
    ):
        if one.sipTLSPort and value is None:
            reader.fault(path, f"{name} is missing: sip-tls-port needs it")
        elif isinstance(one, Node) and one.tlibTLS and value is None:
            reader.fault(path, f"{name} is missing: tlib-tls needs it")


def _members(
    reader: Reader, pair: Pair, path: str, applications: Mapping[str, Application]
) -> None:
    nodes = [one.name for one in applications.values() if isinstance(one, Node)]
    unknown = [member for member in pair.members if member not in nodes]
    for member in unknown:
        reader.fault(f"{path}.members", f"no node {member!r}{nearest(member, nodes)}")
    if len(set(pair.members)) != 2 or len(pair.members) != 2:
        reader.fault(f"{path}.members", "want two different nodes")
    elif not unknown:
        _standby(reader, pair, path, applications)


def _pairs(reader: Reader, applications: Mapping[str, Application]) -> None:
    """
    What two pairs must not share.
    """
    pairOf: dict[str, str] = {}
    lockOf: dict[Path, str] = {}
    for path, pair in applications.items():
        if not isinstance(pair, Pair):
            continue
        for member in dict.fromkeys(pair.members):
            other = pairOf.setdefault(member, pair.name)
            if other != pair.name:
                reader.fault(
                    f"{path}.members", f"{member} is in the pair {other} already"
                )
        if pair.arbiter == "lock-file" and pair.lockFile is not None:
            other = lockOf.setdefault(pair.lockFile, pair.name)
            if other != pair.name:
                reader.fault(f"{path}.lock-file", f"the pair {other} has the same one")


def _standby(
    reader: Reader, pair: Pair, path: str, applications: Mapping[str, Application]
) -> None:
    """
    What a pair needs besides its members.
    """
    for one in applications.values():
        if isinstance(one, Node) and one.name in pair.members:
            for name, value in (
                ("certificate", one.certificate),
                ("private-key", one.privateKey),
                ("ca", one.ca),
            ):
                if value is None:
                    reader.fault(
                        f"{path}.members",
                        f"{one.name} has no {name}: the link to the other needs it",
                    )
    stored = any(isinstance(one, Store) for one in applications.values())
    if pair.arbiter == "store" and not stored:
        reader.fault(f"{path}.arbiter", "there is no [[store]]")


def _stores(reader: Reader, applications: Mapping[str, Application]) -> None:
    stores = [path for path, one in applications.items() if isinstance(one, Store)]
    for path in stores[1:]:
        reader.fault(path, f"{stores[0]} is the cluster store already")
    if not stores and any(isinstance(one, Proxy) for one in applications.values()):
        reader.fault("store", "SIP Proxies need a cluster store: [[store]] is missing")


def _dataCentres(reader: Reader, applications: Mapping[str, Application]) -> None:
    """
    A SIP Proxy uses nodes of its own data centre only, so there must be one.
    """
    there = {one.geoLocation for one in applications.values() if isinstance(one, Node)}
    for path, one in applications.items():
        if there and isinstance(one, Proxy) and one.geoLocation not in there:
            reader.fault(
                f"{path}.geo-location",
                f"no node is in {one.geoLocation!r}{nearest(one.geoLocation, there)}",
            )


#: One listener: path of the option, C{"UDP"} or C{"TCP"}, address, port.
Listener = tuple[str, str, str, int]


def listeners(one: Application, path: str) -> Iterator[Listener]:
    """
    Where an application listens.
    """
    if one.httpHost:
        yield (f"{path}.http-port", "TCP", one.httpHost, one.httpPort)
    if isinstance(one, Media):
        yield (f"{path}.sip-port", "UDP", one.sipAddress, one.sipPort)
        yield (f"{path}.sip-port", "TCP", one.sipAddress, one.sipPort)
    if isinstance(one, SIPApplication):
        yield (f"{path}.sip-port", "UDP", one.sipAddress, one.sipPort)
        yield (f"{path}.sip-port", "TCP", one.sipAddress, one.sipPort)
        yield (f"{path}.sip-tls-port", "TCP", one.sipAddress, one.sipTLSPort)
    if isinstance(one, Node):
        for name, port in (
            ("default", one.ports.default),
            ("TCport", one.ports.tcPort),
            ("IPport", one.ports.ipPort),
            ("SmartProxy", one.ports.smartProxy),
        ):
            yield (f"{path}.ports.{name}", "TCP", one.tlibHost, port)
    if isinstance(one, Store) and one.listen:
        yield (f"{path}.port", "TCP", one.listen, one.port)


def _ports(reader: Reader, applications: Mapping[str, Application]) -> None:
    """
    No two listeners on one address and port; the unspecified address is all.
    """
    taken: dict[tuple[str, int], list[Listener]] = {}
    told: dict[str, str] = {}
    everything: Iterable[Listener] = (
        listener
        for path, one in applications.items()
        for listener in listeners(one, path)
    )
    for listener in everything:
        path, protocol, address, port = listener
        if not port or not address:
            continue
        others = taken.setdefault((protocol, port), [])
        for other, _, otherAddress, _ in others:
            if address == otherAddress or {"0.0.0.0", "::"} & {address, otherAddress}:
                told.setdefault(path, f"{address}:{port} is taken by {other} already")
        others.append(listener)
    for path, why in told.items():
        reader.fault(path, why)
