"""
C{sipclusterctl dn}, C{dns} and C{agents}: what DNs and agents are like, and why.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from sipcluster.app.control_cluster import (
    Cluster,
    Refused,
    cell,
    clock,
    plain,
    silent,
    table,
)
from sipcluster.app.settings import Node

#: What a command returns: the answer for programs, and lines for people.
Told = tuple[object, Iterator[str]]

#: Columns and where their values stand in the answer.
Columns = tuple[tuple[str, str], ...]

_DNS: Columns = (
    ("DN", "dn"),
    ("TYPE", "type"),
    ("STATE", "state"),
    ("HOOK", "hook"),
    ("AGENT", "agent"),
    ("AGENT STATE", "agentState"),
    ("DND", "dnd"),
    ("FORWARD", "forward"),
    ("MESSAGES", "messageWaiting"),
)

_AGENTS: Columns = (
    ("AGENT", "agent"),
    ("DN", "dn"),
    ("STATE", "agentState"),
    ("WORK MODE", "workMode"),
    ("SINCE", "agentSince"),
    ("HOOK", "hook"),
    ("DN IS", "state"),
    ("WHY", "agentWhy"),
)


def dns(cluster: Cluster, arguments: argparse.Namespace) -> Told:
    """
    All DNs, as each node sees them.
    """
    return _table(cluster, "/dns", _DNS)


def agents(cluster: Cluster, arguments: argparse.Namespace) -> Told:
    """
    The agents who are logged in.
    """
    return _table(cluster, "/agents", _AGENTS)


def _table(cluster: Cluster, path: str, columns: Columns) -> Told:
    answers = cluster.ask(path, (Node,))

    def lines() -> Iterator[str]:
        rows = (
            (name, *(_cell(row, key) for _, key in columns))
            for name, answer in answers
            if not isinstance(answer, Refused)
            for row in answer
        )
        yield from table(("AT", *(head for head, _ in columns)), rows)
        yield from silent(answers)

    return plain(answers), lines()


def _cell(row: Mapping[str, Any], key: str) -> str:
    value = row.get(key)
    return clock(value) if key.endswith("Since") else cell(value)


def dn(cluster: Cluster, arguments: argparse.Namespace) -> Told:
    """
    One DN: what it is at each node, why, and what happened to it.

    @raise Refused: no node knows it.
    """
    path = f"/dns/{quote(arguments.number, safe='')}"
    answers = cluster.ask(path, (Node,))
    unknown = [name for name, answer in answers if _unknown(answer)]
    if len(unknown) == len(answers):
        raise Refused(f"there is no DN {arguments.number} at {', '.join(unknown)}")
    # A backup says of no DN what it is like.
    answers = [(name, answer) for name, answer in answers if name not in unknown]

    def lines() -> Iterator[str]:
        for name, answer in answers:
            if not isinstance(answer, Refused):
                yield from _described(name, answer)
        yield from silent(answers)

    return plain(answers), lines()


def _unknown(answer: object) -> bool:
    return isinstance(answer, Refused) and ": 404 " in str(answer)


def _described(name: str, answer: Mapping[str, Any]) -> Iterator[str]:
    """
    A DN at one node.
    """
    state = answer["state"]
    since = f" since {clock(answer['since'])}" if answer.get("since") else ""
    why = f": {answer['why']}" if answer.get("why") else ""
    yield f"{answer['dn']} ({answer['type']}) at {name}: {state}{since}{why}"
    calls = [f"{call['hook']} in {call['connID']}" for call in answer["calls"]]
    yield _line("hook", ", ".join([answer["hook"], *calls]))
    agent = answer.get("agent")
    if agent is None:
        yield _line("agent", "nobody is logged in")
    else:
        yield from _agent(agent)
    yield _line("do not disturb", cell(answer["dnd"]))
    yield _line("forwarded to", cell(answer["forward"]))
    yield _line("message waiting", cell(answer["messageWaiting"]))
    yield _line("registered by", ", ".join(answer["clients"]) or "-")
    if answer["history"]:
        yield "  history"
    for entry in answer["history"]:
        reason = f": {entry['why']}" if entry["why"] else ""
        yield f"    {clock(entry['time'])}  {entry['what']}{reason}"


def _agent(agent: Mapping[str, Any]) -> Iterator[str]:
    yield _line(
        "agent",
        f"{agent['agentID']} {agent['state']} since {clock(agent['since'])}: "
        f"{agent['why']}",
    )
    reasons = " ".join(f"{key}={value}" for key, value in agent["reasons"].items())
    yield _line("work mode", " ".join(filter(None, (agent["workMode"], reasons))))
    if agent["wrapUpLeft"] is not None:
        left = agent["wrapUpLeft"]
        word = f"{left} s left" if isinstance(left, int) else str(left)
        yield _line("after-call work", word)
    elif agent["wrapUpAsked"] is not None:
        asked = f"{_seconds(agent['wrapUpAsked'])} asked for after this call"
        yield _line("after-call work", asked)
    else:
        each = agent["wrapUpTime"]
        word = f"{_seconds(each)} after each call" if each else "none"
        yield _line("after-call work", word)
    gone = ""
    if agent["clientGone"]:
        left = agent["loggedOutIn"]
        gone = ", which has gone"
        gone += "" if left is None else f": logged out in {left:g} s"
    yield _line(
        "logged in", f"{clock(agent['loggedIn'])} by {agent['application']}{gone}"
    )


def _seconds(value: object) -> str:
    return f"{value} s" if isinstance(value, int) else str(value)


def _line(name: str, text: str) -> str:
    return f"  {name:<16} {text}"


#: The commands, and what they say of themselves.
COMMANDS = {
    "dn": (dn, "one DN: what it is, why, and what happened to it"),
    "dns": (dns, "all DNs"),
    "agents": (agents, "agents who are logged in"),
}


def addParsers(commands: Any, parents: list[argparse.ArgumentParser]) -> None:
    """
    Add the commands to a command line.
    """
    for name, (_, words) in COMMANDS.items():
        command = commands.add_parser(name, help=words, parents=parents)
        if name == "dn":
            command.add_argument("number", help="the DN, as in 1001")
