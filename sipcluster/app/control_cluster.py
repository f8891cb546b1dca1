"""
What the commands of C{sipclusterctl} have in common: asking processes, and tables.
"""

from __future__ import annotations

import argparse
import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from sipcluster.app.settings import (
    BadConfiguration,
    Configuration,
    readConfiguration,
)

#: Seconds that a process may take to answer.
TIMEOUT = 3.0


class Refused(Exception):
    """
    A command cannot do what it was asked for; the text says why.
    """


def fetch(url: str) -> Any:
    """
    What a process answers.

    @raise Refused: it does not, or not with JSON.
    """
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as e:
        raise Refused(f"{url}: {e.code} {e.reason}") from None
    except (OSError, ValueError) as e:
        reason = getattr(e, "reason", None) or e
        raise Refused(f"{url}: {getattr(reason, 'strerror', None) or reason}") from None


def order(url: str, path: str, password: str) -> None:
    """
    Have a process do something.

    @raise Refused: it did not.
    """
    request = urllib.request.Request(
        f"{url}{path}",
        data=b"",
        method="POST",
        headers={"Authorization": f"Bearer {password}"},
    )
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT * 5):
            pass
    except urllib.error.HTTPError as e:
        try:
            why = json.load(e)["why"]
        except (ValueError, LookupError, OSError):
            why = f"{e.code} {e.reason}"
        raise Refused(f"{url}{path}: {why}") from None
    except OSError as e:
        reason = getattr(e, "reason", None) or e
        raise Refused(f"{url}: {getattr(reason, 'strerror', None) or reason}") from None


class Cluster:
    """
    Where the processes of a cluster answer.
    """

    def __init__(self, arguments: argparse.Namespace) -> None:
        self._arguments = arguments

    @property
    def one(self) -> bool:
        """
        Whether the command line names one process.
        """
        given = self._arguments
        return bool(getattr(given, "app", None) or getattr(given, "url", None))

    def configuration(self) -> Configuration:
        """
        The configuration that the command line names.

        @raise Refused: there is none, or it is broken.
        """
        given = self._arguments
        path = Path(given.config or Path(given.dir or "lab") / "cluster.toml")
        if not path.exists():
            raise Refused(f"there is no {path}: say --config FILE, --dir DIR or --url")
        try:
            return readConfiguration(path, "")
        except BadConfiguration as e:
            raise Refused(str(e)) from None

    def ask(
        self, path: str, kinds: tuple[type, ...] = (object,)
    ) -> list[tuple[str, Any]]:
        """
        Ask all processes of some kinds, or the one that the command line names.

        @return: names and answers; a L{Refused} for an answer that did not come.
        """
        urls = self.urls(kinds)

        def one(url: str) -> Any:
            try:
                return fetch(f"{url}{path}")
            except Refused as e:
                return e

        with ThreadPoolExecutor(len(urls)) as pool:
            return list(zip(urls, pool.map(one, urls.values()), strict=True))

    def urls(self, kinds: tuple[type, ...] = (object,)) -> dict[str, str]:
        """
        HTTP addresses by name, of processes of some kinds, or of the one that the
        command line names.

        @raise Refused: there is none.
        """
        given = self._arguments
        app, url = getattr(given, "app", None), getattr(given, "url", None)
        if url:
            return {app or url: url.rstrip("/")}
        configuration = self.configuration()
        urls = {}
        for one in configuration.applications:
            if app and one.name != app:
                continue
            if one.httpPort and one.httpHost and isinstance(one, kinds):
                host = f"[{one.httpHost}]" if ":" in one.httpHost else one.httpHost
                urls[one.name] = f"http://{host}:{one.httpPort}"
        if not urls:
            who = f"the application {app!r}" if app else "an application"
            raise Refused(f"{configuration.source}: no {who[4:]} that answers this")
        return urls


def table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    """
    Lines of a table whose columns are as wide as they must be.
    """
    cells = [list(heads), *([str(cell) for cell in row] for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(heads))]
    for row in cells:
        line = "  ".join(
            cell.ljust(width) for cell, width in zip(row, widths, strict=True)
        )
        yield line.rstrip()


def plain(answers: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    return {
        name: {"error": str(answer)} if isinstance(answer, Refused) else answer
        for name, answer in answers
    }


def silent(answers: Iterable[tuple[str, Any]]) -> Iterator[str]:
    """
    Who did not answer.
    """
    for name, answer in answers:
        if isinstance(answer, Refused):
            yield f"{name}: no answer: {answer}"


def listed(
    cluster: Cluster, path: str, kind: type, first: Sequence[str]
) -> tuple[object, Iterator[str]]:
    """
    What processes of one kind have lists of; a row that several have stands in the
    table once.

    @param first: the columns to begin with.
    """
    answers = cluster.ask(path, (kind,))
    rows: dict[str, dict[str, Any]] = {}
    for name, answer in answers:
        for row in () if isinstance(answer, Refused) else answer:
            # Each process rounds the time that is left by itself.
            same = json.dumps({**row, "expires": 0}, sort_keys=True)
            rows.setdefault(same, {"at": [], **row})["at"].append(name)
    others = {key for row in rows.values() for key in row} - set(first) - {"at"}
    columns = ["at", *first, *sorted(others)]

    def lines() -> Iterator[str]:
        yield from table(
            [column.upper() for column in columns],
            ([cell(row.get(column)) for column in columns] for row in rows.values()),
        )
        yield from silent(answers)

    return plain(answers), lines()


def cell(value: object) -> str:
    """
    A value as a person reads it.
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ",".join(cell(one) for one in value) or "-"
    if isinstance(value, dict):
        return " ".join(cell(one) for one in value.values())
    return "-" if value in (None, "") else str(value)


def clock(seconds: object) -> str:
    """
    A time as the logs write it, without its fraction.
    """
    if not isinstance(seconds, int | float):
        return "-"
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
