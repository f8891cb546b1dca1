"""
C{sipclusterctl}: what the processes of a cluster tell about themselves.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from sipcluster import __version__
from sipcluster.app import (
    control_alarms,
    control_dns,
    control_pairs,
    ladder,
    short_ladder,
    tlib_monitor,
)
from sipcluster.app.control_cluster import (
    Cluster,
    Refused,
    cell,
    clock,
    listed,
    plain,
    silent,
    table,
)
from sipcluster.app.settings import Node, Proxy

#: Columns of the status: transactions wait for something; lingering ones take
#: retransmissions of what is over (RFC 3261 timers D, I, J, K).
COUNTS = ("calls", "dialogs", "transactions", "lingering", "timers", "registrations")


def _count(status: Mapping[str, Any], name: str) -> object:
    """
    One number of the status, wherever it stands.
    """
    layer = status.get("transactionLayer", {})
    if name == "transactions" and "waiting" in layer:
        return layer["waiting"]
    return status.get(name, layer.get(name, "-"))


def _service(status: Mapping[str, Any]) -> tuple[str, str]:
    """
    Which other members a process finds in service, and which it does not.
    """
    members = {**status.get("nodes", {}), **status.get("proxies", {})}
    if not members:
        return "-", "-"
    there = [name for name, state in members.items() if str(state) == "in service"]
    away = [name for name in members if name not in there]
    shown = " ".join([f"{len(there)}/{len(members)}", ",".join(there)]).rstrip()
    return shown, ",".join(away) or "-"


def _state(status: Mapping[str, Any]) -> str:
    """
    How a process is, and how many alarms it has.
    """
    words = [status["service"] if status.get("why") else status["state"]]
    active = (status.get("alarms") or {}).get("active")
    if active:
        words.append(f"{len(active)} alarm{'s' if len(active) > 1 else ''}")
    return ", ".join(words)


def _role(status: Mapping[str, Any]) -> str:
    """
    What a member of a pair is.
    """
    pair = status.get("pair")
    if not pair:
        return "-"
    synced = "in sync" if pair["inSync"] else "not in sync"
    return f"{pair['name']} {pair['role']} {pair['epoch']} {synced}"


def _time(seconds: float) -> str:
    whole = int(seconds)
    days, whole = divmod(whole, 86400)
    clock = f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"
    return f"{days}d {clock}" if days else clock


def status(cluster: Cluster) -> tuple[object, Iterator[str]]:
    """
    How all processes are.
    """
    answers = cluster.ask("/status")
    rows = []
    for name, answer in answers:
        if isinstance(answer, Refused):
            rows.append((name, "-", "no answer", *"-" * (len(COUNTS) + 5), str(answer)))
            continue
        rows.append(
            (
                name,
                answer["role"],
                _state(answer),
                _time(answer["uptime"]),
                str(answer.get("pid", "-")),
                _role(answer),
                *(_count(answer, name) for name in COUNTS),
                *_service(answer),
                answer.get("degraded") or "-",
            )
        )
    heads = (
        *("NAME", "ROLE", "STATE", "UPTIME", "PID", "PAIR"),
        *(name.upper() for name in COUNTS),
        *("IN SERVICE", "OUT OF SERVICE", "DEGRADED"),
    )
    return plain(answers), table(heads, rows)


def registrations(cluster: Cluster) -> tuple[object, Iterator[str]]:
    """
    The bindings that SIP Proxies know.
    """
    first = ("aor", "contact", "transport", "expires", "proxy")
    return listed(cluster, "/registrations", Proxy, first)


def calls(cluster: Cluster) -> tuple[object, Iterator[str]]:
    """
    The calls of the nodes: one row for each, with its parties; whole legs are in
    JSON, and what a backup has of them.
    """
    answers = cluster.ask("/calls", (Node,))

    def rows() -> Iterator[Sequence[str]]:
        for name, answer in answers:
            for call in () if isinstance(answer, Refused) else answer:
                if call.get("copy") and not cluster.one:
                    continue  # the primary has it
                parties = call.get("parties", ())
                legs = [leg["callID"] for leg in call.get("legs", ())]
                yield (
                    name,
                    *(cell(call.get(key)) for key in ("connID", "ani", "dnis")),
                    clock(call.get("created")),
                    ", ".join(f"{one['dn']} {one['state']}" for one in parties) or "-",
                    cell(legs),
                )

    def lines() -> Iterator[str]:
        heads = ("AT", "CONNID", "ANI", "DNIS", "SINCE", "PARTIES", "CALL-IDS")
        yield from table(heads, rows())
        yield from silent(answers)

    return plain(answers), lines()


#: What is told of a T-Library client, and where it stands in the answer.
_CLIENTS = (
    ("PORT", "port"),
    ("CLIENT", "client"),
    ("SESSION", "session"),
    ("STATE", "state"),
    ("SINCE", "since"),
    ("DNS", "registrations"),
    ("SENT", "sent"),
    ("HANDLED", "acknowledged"),
    ("UNSENT BYTES", "unsentBytes"),
    ("PENDING", "pending"),
)


def clients(cluster: Cluster) -> tuple[object, Iterator[str]]:
    """
    The T-Library clients of the nodes, those that are away included.
    """
    answers = cluster.ask("/clients", (Node,))

    def rows() -> Iterator[Sequence[str]]:
        for name, answer in answers:
            for one in () if isinstance(answer, Refused) else answer:
                told = {**one, "since": clock(one.get("since"))}
                yield (name, *(cell(told.get(key)) for _, key in _CLIENTS))

    def lines() -> Iterator[str]:
        yield from table(("AT", *(head for head, _ in _CLIENTS)), rows())
        yield from silent(answers)

    return plain(answers), lines()


def trace(
    cluster: Cluster, arguments: argparse.Namespace
) -> tuple[object, Iterator[str]]:
    """
    The ladder of a call.
    """
    folders = [Path(folder) for folder in arguments.log_dir]
    if not folders:
        directory = cluster.configuration().log.directory
        if directory is None:
            raise Refused("the configuration says [log] directory nowhere")
        folders = [directory]
    files = ladder.logFiles(folders)
    if not files:
        raise Refused(f"no records (*.jsonl) in {', '.join(map(str, folders))}")
    ids = ladder.related(files, arguments.call)
    if not ids:
        raise Refused(f"no call has the Call-ID, CallUUID or ConnID {arguments.call}")
    found = ladder.records(files, ids)

    def lines() -> Iterator[str]:
        if arguments.short:
            yield from short_ladder.drawShortly(short_ladder.shortly(found))
            return
        yield from ladder.named(ids, found)
        yield from ladder.draw(ladder.messages(found), arguments.verbose)

    return found, lines()


def parser() -> argparse.ArgumentParser:
    """
    The command line.
    """
    top = argparse.ArgumentParser(
        prog="sipclusterctl", description="Ask the processes of a SIP cluster."
    )
    top.add_argument("--version", action="version", version=__version__)
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--config", "-c", help="configuration file of the cluster")
    common.add_argument("--dir", "-d", help="folder of a lab (default: lab)")
    common.add_argument("--json", action="store_true", help="print JSON")
    one = argparse.ArgumentParser(add_help=False)
    one.add_argument("--app", "-a", help="only this application")
    one.add_argument("--url", help="HTTP address of one process")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, words in (
        ("status", "state, counts and who is in service"),
        ("registrations", "bindings that the SIP Proxies know"),
        ("calls", "calls of the nodes"),
        ("clients", "T-Library clients of the nodes"),
    ):
        commands.add_parser(name, help=words, parents=[common, one])
    control_alarms.addParsers(commands, [common, one])
    control_dns.addParsers(commands, [common, one])
    control_pairs.addParsers(commands, [common])
    tlib_monitor.addParser(commands, [common])
    command = commands.add_parser(
        "trace", help="the ladder of a call, from the logs", parents=[common]
    )
    command.add_argument("call", help="Call-ID, CallUUID or ConnID")
    command.add_argument(
        "--log-dir",
        action="append",
        default=[],
        help="folder with logs; may be given several times (default: configured)",
    )
    command.add_argument(
        "--verbose", "-v", action="store_true", help="whole messages, not only arrows"
    )
    command.add_argument(
        "--short",
        "-s",
        action="store_true",
        help="from end to end: without SIP Proxies, 100, ACK and challenges",
    )
    return top


def main(
    argv: Sequence[str] | None = None, write: Callable[[str], object] | None = None
) -> int:
    """
    Do one command.

    @return: the exit status; 1 when something did not answer, or is not there.
    """
    write = write or sys.stdout.write
    arguments = parser().parse_args(argv)
    cluster = Cluster(arguments)
    try:
        if arguments.command == "tlib":
            return tlib_monitor.run(cluster, arguments, write)
        if arguments.command == "trace":
            answer, lines = trace(cluster, arguments)
        elif arguments.command in control_pairs.COMMANDS:
            ask, _ = control_pairs.COMMANDS[arguments.command]
            answer, lines = ask(cluster, arguments)
        elif arguments.command in control_alarms.COMMANDS:
            see, _ = control_alarms.COMMANDS[arguments.command]
            answer, lines = see(cluster, arguments)
        elif arguments.command in control_dns.COMMANDS:
            tell, _ = control_dns.COMMANDS[arguments.command]
            answer, lines = tell(cluster, arguments)
        else:
            command = {
                "status": status,
                "registrations": registrations,
                "calls": calls,
                "clients": clients,
            }
            answer, lines = command[arguments.command](cluster)
    except Refused as e:
        sys.stderr.write(f"sipclusterctl: {e}\n")
        return 1
    try:
        if arguments.json:
            write(json.dumps(answer, indent=2) + "\n")
        else:
            for line in lines:
                write(f"{line}\n")
                sys.stdout.flush()
        sys.stdout.flush()
    except Refused as e:
        sys.stderr.write(f"sipclusterctl: {e}\n")
        return 1
    except BrokenPipeError:
        sys.stderr.close()  # somebody has seen enough
        return 1
    failed = isinstance(answer, dict) and any(
        isinstance(one, dict) and "error" in one for one in answer.values()
    )
    return 1 if failed else 0
