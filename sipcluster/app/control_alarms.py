"""
C{sipclusterctl alarms}: what a person must know.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from typing import Any

from sipcluster.app.control_cluster import (
    Cluster,
    Refused,
    clock,
    order,
    plain,
    silent,
    table,
)

#: What a command returns: the answer for programs, and lines for people.
Told = tuple[object, Iterator[str]]

#: Where an operator clears alarms.
CLEAR = "/control/clear-alarms"

_HEADS = ("AT", "SINCE", "UNTIL", "LEVEL", "ALARM", "NUMBER", "TIMES", "WHAT")


def alarms(cluster: Cluster, arguments: argparse.Namespace) -> Told:
    """
    The alarms of all processes: those that are active, the oldest first, and with
    C{--history} those that are over too.
    """
    if arguments.clear:
        password = cluster.configuration().switch.controlPassword
        for url in cluster.urls().values():
            order(url, CLEAR, password)
    answers = cluster.ask("/alarms")

    def rows() -> Iterator[Sequence[object]]:
        found: list[tuple[str, dict[str, Any]]] = []
        for name, answer in answers:
            if not isinstance(answer, Refused):
                found += [(name, one) for one in answer["active"]]
                if arguments.history:
                    found += [(name, one) for one in answer["history"]]
        for name, one in sorted(found, key=lambda row: float(row[1]["since"])):
            over = one["cleared"] is not None
            yield (
                name,
                clock(one["since"]),
                clock(one["cleared"]),
                one["level"],
                one["key"],
                one["number"],
                one["count"],
                f"{one['text']}; {one['ending']}" if over else one["text"],
            )

    def lines() -> Iterator[str]:
        shown = list(rows())
        if shown:
            yield from table(_HEADS, shown)
        else:
            yield "no alarms"
        yield from silent(answers)

    return plain(answers), lines()


#: The commands, and what they say of themselves.
COMMANDS = {"alarms": (alarms, "what a person must know")}


def addParsers(commands: Any, parents: list[argparse.ArgumentParser]) -> None:
    """
    Add the commands to a command line.
    """
    for name, (_, words) in COMMANDS.items():
        command = commands.add_parser(name, help=words, parents=parents)
        command.add_argument(
            "--history", action="store_true", help="those that are over too"
        )
        command.add_argument(
            "--clear",
            action="store_true",
            help="first clear those that no event clears",
        )
