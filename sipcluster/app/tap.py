"""
C{twistd sipcluster}: the command line, and the service of each role.

The only module that fetches the reactor.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from twisted.application.service import MultiService
from twisted.python import usage

from sipcluster.app.ending import heedOnce
from sipcluster.app.garbage import GarbageCollector
from sipcluster.app.settings import (
    Application,
    BadConfiguration,
    Configuration,
    Media,
    Node,
    Proxy,
    SIPApplication,
    Store,
    readConfiguration,
)

#: Where log events go when the command line of C{twistd} does not say.
CONSOLE = "sipcluster.app.log_streams.console"


def refuse(*lines: str) -> SystemExit:
    """
    End the process before it begins: the lines go to standard error, and the
    exit status is 1.
    """
    return SystemExit("\n".join(lines))


class _Role(usage.Options):
    """
    The options of any role.
    """

    optParameters: ClassVar[Sequence[Sequence[object]]] = [
        ("config", "c", None, "Configuration file of the cluster."),
    ]

    def configuration(self) -> Configuration:
        """
        Read and check the file, or end with all that is wrong with it.  Where an
        application is named, only its own files must be on this host.
        """
        if self["config"] is None:
            raise usage.UsageError("--config FILE is missing")
        try:
            return readConfiguration(Path(self["config"]), self.get("name"))
        except BadConfiguration as e:
            raise refuse(*e.lines) from None

    def prepare(self, configuration: Configuration) -> None:
        """
        Look at what the command line says of this role.
        """
        self["configuration"] = configuration

    def postOptions(self) -> None:
        self.prepare(self.configuration())


class _MemberRole(_Role):
    """
    The options of a role that is one application of the configuration.
    """

    optParameters: ClassVar[Sequence[Sequence[object]]] = [
        ("name", "n", None, "Name of the application in the configuration."),
    ]
    optFlags: ClassVar[Sequence[Sequence[object]]] = [
        ("until-eof", None, "End when standard input is closed."),
    ]
    kind: ClassVar[type[Application]]
    table: ClassVar[str]

    def prepare(self, configuration: Configuration) -> None:
        names = [
            one.name for one in configuration.applications if isinstance(one, self.kind)
        ]
        name = self["name"]
        if name is None:
            raise usage.UsageError(f"--name is missing; one of: {', '.join(names)}")
        if name not in names:
            have = f"have: {', '.join(names)}" if names else "there is none at all"
            raise refuse(
                f"{configuration.source}: no [[{self.table}]] is named {name!r}; {have}"
            )
        super().prepare(configuration)
        self["application"] = configuration.application(name)


class ProxyOptions(_MemberRole):
    kind = Proxy
    table = "proxy"


class NodeOptions(_MemberRole):
    kind = Node
    table = "node"

    def prepare(self, configuration: Configuration) -> None:
        super().prepare(configuration)
        pair = configuration.pair(self["name"])
        if pair is not None:
            raise refuse(
                f"{configuration.source}: {self['name']} is a member of the pair "
                f"{pair.name}: start it with twistd sipcluster pair"
            )


class MediaOptions(_MemberRole):
    kind = Media
    table = "media"


class StoreOptions(_MemberRole):
    kind = Store
    table = "store"

    def prepare(self, configuration: Configuration) -> None:
        super().prepare(configuration)
        if self["application"].endpoints:
            raise refuse(
                f"{configuration.source}: the store {self['name']!r} is an etcd that "
                "runs elsewhere (endpoints): there is no process to start"
            )


class PairOptions(_MemberRole):
    kind = Node
    table = "node"

    def prepare(self, configuration: Configuration) -> None:
        super().prepare(configuration)
        if configuration.pair(self["name"]) is None:
            raise refuse(
                f"{configuration.source}: {self['name']} is not a member of a [[pair]]:"
                " start it with twistd sipcluster node"
            )


class CheckOptions(_Role):
    """
    Ends the process itself: nothing is started.
    """

    optParameters: ClassVar[Sequence[Sequence[object]]] = [
        (
            *("name", "n", None),
            "Look for the files of this application only (default: of all).",
        ),
    ]

    def prepare(self, configuration: Configuration) -> None:
        from sipcluster.app.listening import makeContexts
        from sipcluster.net.sip_tls import BadTLS

        name = self["name"]
        names = [one.name for one in configuration.applications]
        if name is not None and name not in names:
            raise refuse(
                f"{configuration.source}: no application is named {name!r}; have: "
                f"{', '.join(names)}"
            )
        faults = []
        for one in configuration.applications:
            if isinstance(one, SIPApplication) and name in (None, one.name):
                try:
                    makeContexts(one)
                    _identity(configuration, one)
                except BadTLS as e:
                    faults.append(f"{configuration.source}: {one.name}: {e}")
        if faults:
            raise refuse(*faults)
        count = len(configuration.applications)
        sys.stdout.write(
            f"{configuration.source}: good: {len(configuration.dns)} DNs, "
            f"{count} applications\n"
        )
        sys.stdout.flush()
        raise SystemExit(0)


def _identity(configuration: Configuration, one: SIPApplication) -> None:
    """
    A member of a pair must show who it is.

    @raise BadTLS: its certificate does not say so.
    """
    from sipcluster.net.sip_tls import BadTLS, certificateDomains

    if configuration.pair(one.name) is None or one.certificate is None:
        return
    host = configuration.pairHost(one.name)
    if host not in certificateDomains(str(one.certificate)):
        raise BadTLS(
            str(one.certificate),
            f"does not carry sip:{host}: the other member would refuse the link",
        )


class LabOptions(usage.Options):
    optParameters: ClassVar[Sequence[Sequence[object]]] = [
        ("dir", "d", "lab", "Folder for configuration, certificates, logs, state."),
        ("base", "b", "127.0.0", "First three numbers of all addresses."),
    ]
    optFlags: ClassVar[Sequence[Sequence[object]]] = [
        ("quiet", "q", "Print one line when all is ready, and what goes wrong."),
        ("no-pairs", None, "Make each node one process, not a pair of two."),
    ]

    def postOptions(self) -> None:
        parts = str(self["base"]).split(".")
        if len(parts) != 3 or not all(p.isdigit() and int(p) < 256 for p in parts):
            raise usage.UsageError("--base wants three numbers, as in 10.9.8")


class Options(usage.Options):
    """
    The command line of C{twistd sipcluster}.
    """

    subCommands = (
        ("proxy", None, ProxyOptions, "A SIP Proxy: registrar and balancer."),
        ("node", None, NodeOptions, "A SIP Server node."),
        ("pair", None, PairOptions, "One member of an HA pair."),
        ("media", None, MediaOptions, "A media server."),
        ("store", None, StoreOptions, "The cluster store of a single host."),
        ("lab", None, LabOptions, "A whole sample cluster on this host."),
        ("check", None, CheckOptions, "Check a configuration file, start nothing."),
    )

    def postOptions(self) -> None:
        if self.subCommand is None:
            raise usage.UsageError(
                f"want a role: {', '.join(row[0] for row in self.subCommands)}"
            )
        parent = self.parent
        if parent is None:
            return
        if parent.get("logger") is None and not parent.get("logfile"):
            # twistd would format every event to text, debug ones too.
            parent["logger"] = CONSOLE
        if self.subCommand == "lab":
            # What it prints is for the person who started it.
            parent["nodaemon"] = True
            parent["pidfile"] = ""


def makeService(options: Options, reactor: Any = None) -> MultiService:
    """
    Build the service of a role; nothing listens until it is started.

    @param reactor: for tests; C{twistd} leaves it out, and this is the one
        place in the package that then fetches the global one.
    """
    if reactor is None:
        from twisted.internet import reactor as running

        from sipcluster.net.monotonic import useMonotonicTime

        reactor = running
        heedOnce(reactor)
        useMonotonicTime(reactor)
        reactor.callWhenRunning(GarbageCollector(reactor).start)
    chosen = options.subOptions
    if options.subCommand == "lab":
        from sipcluster.app.lab import makeLab

        return makeLab(
            reactor,
            Path(chosen["dir"]),
            chosen["base"],
            bool(chosen["quiet"]),
            not chosen["no-pairs"],
        )
    from sipcluster.app.assembly import makeProcess

    return makeProcess(
        reactor,
        chosen["configuration"],
        chosen["application"],
        untilEOF=bool(chosen["until-eof"]),
    )
