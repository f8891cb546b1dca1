"""
The tables of what all processes have in common.
"""

from __future__ import annotations

from pathlib import Path

from attrs import Factory, frozen

from sipcluster.app import kinds
from sipcluster.app.options import option
from sipcluster.sip.digest import ALGORITHMS


@frozen
class Switch:
    """
    C{[switch]}: the one switch that all nodes of the cluster are.
    """

    name: str = option("name", kinds.text(), "Name of the switch.")
    domain: str = option(
        "domain",
        kinds.domain(),
        "SIP domain of the DNs; pairs and nodes are known inside the cluster as "
        "NAME.DOMAIN.",
    )
    realm: str = option(
        "realm",
        kinds.text(),
        "Realm of digest challenges; HA1 values must have been made with it.",
        default=Factory(lambda self: self.domain, takes_self=True),
        shown="the domain",
    )
    digestAlgorithms: tuple[str, ...] = option(
        "digest-algorithms",
        kinds.listOf(kinds.choice(*ALGORITHMS), 1),
        "Digest algorithms offered, most wanted first (RFC 8760 section 2.4); "
        "some telephones and tools know only MD5: SIPp needs it in front, baresip 1 "
        "needs it alone.",
        default=("SHA-256", "MD5"),
    )
    controlPassword: str = option(
        "control-password",
        kinds.text(),
        "What sipclusterctl shows to have something done: switchover, rolling-restart; "
        "nothing is done for anybody when there is none.",
        default="",
        secret=True,
        shown="none",
    )
    controlPasswordFile: Path | None = option(
        "control-password-file",
        kinds.existingFile(),
        "File whose first line is the control password.",
        default=None,
    )


@frozen
class Log:
    """
    C{[log]}: what every process writes down, and where.
    """

    directory: Path | None = option(
        "directory",
        kinds.path(),
        "Folder of the log files, relative to the configuration file.",
        default=None,
        shown="no files",
    )
    level: str = option(
        "level",
        kinds.choice("debug", "info", "warn", "error", "critical"),
        "Events below this level are not written.",
        default="info",
    )
    sipTrace: bool = option(
        "sip-trace",
        kinds.flag(),
        "Whether every SIP message in and out is written to the record.",
        default=True,
    )
    tlibTrace: bool = option(
        "tlib-trace",
        kinds.flag(),
        "Whether every T-Library message in and out is written to the record, "
        "without the values of user data.",
        default=True,
    )
    maxSize: int = option(
        "max-size",
        kinds.integer(65536, 2**40),
        "Bytes after which a log file is rotated.",
        default=64 * 2**20,
    )
    retention: int = option(
        "retention",
        kinds.integer(0, 1000),
        "Rotated files kept of each log; the oldest is removed.",
        default=8,
    )
