"""
From a file to a L{Configuration}, or to everything that is wrong with it.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar, cast

from sipcluster.app.kinds import nearest
from sipcluster.app.options import Reader
from sipcluster.app.settings.checks import check, forgiveFiles
from sipcluster.app.settings.configuration import (
    APPLICATION_TABLES,
    DN_TABLES,
    VARIANTS,
    BadConfiguration,
    Configuration,
)
from sipcluster.app.settings.monitors import AlarmSettings
from sipcluster.app.settings.switch import Log, Switch
from sipcluster.app.settings.tlib import TLibApplication
from sipcluster.app.toml_lines import LineFinder

T = TypeVar("T")

_CLIENT_TABLES: Mapping[str, type[TLibApplication]] = {
    "tlib-application": TLibApplication
}

_PLACE = re.compile(r" \(at line (\d+), column (\d+)\)$")


def readConfiguration(path: Path, name: str | None = None) -> Configuration:
    """
    Read and check a whole configuration file.

    @param name: see L{parseConfiguration}.

    @raise BadConfiguration: with all that is wrong, not only the first.
    """
    try:
        text = path.read_bytes().decode("utf-8")
    except OSError as e:
        raise BadConfiguration([f"{path}: cannot be read: {e.strerror}"]) from None
    except UnicodeDecodeError as e:
        line = e.object[: e.start].count(b"\n") + 1
        raise BadConfiguration([f"{path}:{line}: not UTF-8 text"]) from None
    return parseConfiguration(text, path, name)


def parseConfiguration(
    text: str, source: Path, name: str | None = None
) -> Configuration:
    """
    Check the text of a configuration file.

    @param source: where it came from; relative names in it start from there.
    @param name: the application that runs on this host: the certificates, keys
        and password files of others may be elsewhere.  C{""}: no application
        does; L{None}: all files must be here.

    @raise BadConfiguration: with all that is wrong, not only the first.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as e:
        raise BadConfiguration([_syntax(str(e), text, source)]) from None
    except RecursionError:
        why = "not TOML that anyone would write: nested too deeply"
        raise BadConfiguration([f"{source}:1: {why}"]) from None
    lines = LineFinder(text)
    reader = Reader(source.absolute().parent)
    configuration = _read(document, reader, source, name)
    if reader.faults:
        placed = [(lines.line(fault.path), fault) for fault in reader.faults]
        placed.sort(key=lambda one: one[0])
        raise BadConfiguration(
            [f"{source}:{line}: {fault.path}: {fault.why}" for line, fault in placed]
        )
    return configuration


def _syntax(why: str, text: str, source: Path) -> str:
    place = _PLACE.search(why)
    if place:
        return f"{source}:{place[1]}:{place[2]}: not TOML: {why[: place.start()]}"
    end = text.count("\n") + 1
    return f"{source}:{end}: not TOML: {why}"


def _read(
    document: Mapping[str, object], reader: Reader, source: Path, name: str | None
) -> Configuration:
    known = (
        "switch",
        "log",
        "alarms",
        *DN_TABLES,
        *APPLICATION_TABLES,
        *_CLIENT_TABLES,
    )
    for table in document:
        if table not in known:
            reader.fault(table, f"no such table{nearest(table, known)}")
    if "switch" not in document:
        reader.fault("switch", "the table [switch] is missing")
    switch = reader.table(
        Switch, document.get("switch", {"name": "x", "domain": "x"}), "switch"
    )
    log = reader.table(Log, document.get("log", {}), "log")
    alarms = reader.table(AlarmSettings, document.get("alarms", {}), "alarms")
    dns = _arrays(document, DN_TABLES, reader)
    applications = _arrays(document, APPLICATION_TABLES, reader)
    clients = _arrays(document, _CLIENT_TABLES, reader)
    if name is not None:
        forgiveFiles(reader, applications, name)
    return check(reader, switch, log, alarms, dns, applications, clients, source)


def _arrays(
    document: Mapping[str, object], classes: Mapping[str, type[T]], reader: Reader
) -> dict[str, T]:
    """
    Read arrays of tables.

    @return: what was read, by its path, in the order of C{classes}.
    """
    found: dict[str, T] = {}
    for name, cls in classes.items():
        tables = document.get(name, [])
        if isinstance(tables, list):
            for index, table in enumerate(tables, 1):
                path = f"{name}[{index}]"
                found[path] = reader.table(_variant(name, cls, table), table, path)
        else:
            reader.fault(name, f"write it as [[{name}]]: there may be several")
    return found


def _variant(name: str, cls: type[T], table: object) -> type[T]:
    """
    The class of a table that may be one of several, by what it says.
    """
    if name not in VARIANTS or not isinstance(table, Mapping):
        return cls
    key, classes = VARIANTS[name]
    said = table.get(key)
    variant = classes.get(said) if isinstance(said, str) else None
    return cls if variant is None else cast("type[T]", variant)
