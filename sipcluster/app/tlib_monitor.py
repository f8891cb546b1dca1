"""
C{sipclusterctl tlib}: what happens at DNs, as the field's logs show it; requests from
the command line; sessions recorded and played again.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.task import react

from sipcluster.app.control_cluster import Cluster, Refused
from sipcluster.app.settings import Extension, RoutingPoint
from sipcluster.app.tlib_record import BadRecord, Entry, Recorder, readRecord
from sipcluster.app.tlib_session import (
    Door,
    Printer,
    Session,
    Step,
    pause,
    playAgain,
    walk,
)
from sipcluster.app.tlib_words import BadWords, requestOf
from sipcluster.net.sip_tls import BadTLS, TLSContexts


def addParser(commands: Any, parents: Sequence[argparse.ArgumentParser]) -> None:
    """
    Describe the command line.
    """
    top = commands.add_parser(
        "tlib",
        parents=parents,
        help="T-Library: watch DNs, send requests, record and replay",
        description="Connect to the T-Library ports of nodes.",
    )
    top.add_argument("--app", "-a", help="only this node")
    top.add_argument(
        "--address",
        action="append",
        default=[],
        metavar="HOST:PORT",
        help="a T-Library port, whatever the configuration says",
    )
    top.add_argument("--port", choices=("default", "TCport"), default="TCport")
    top.add_argument("--application", default="desktop", help="who we say we are")
    top.add_argument(
        "--password-file",
        type=Path,
        help="file whose first line is the password (default: as configured)",
    )
    top.add_argument(
        "--ca",
        metavar="FILE",
        help="speak TLS; the server's certificate is signed by one of these",
    )
    top.add_argument("--seconds", type=float, help="end after so long")
    top.add_argument("--events", type=int, help="end after so many events")
    kinds = top.add_subparsers(dest="action", required=True, metavar="ACTION")
    monitor = kinds.add_parser("monitor", help="print the events of DNs")
    monitor.add_argument("dn", nargs="+", help='a DN, or "all"')
    send = kinds.add_parser("send", help="send one request, and print its answer")
    send.add_argument("request", help="RequestMakeCall or MakeCall")
    send.add_argument("attribute", nargs="*", help="thisDN=1001 userData.KEY=text")
    send.add_argument(
        "--stay", action="store_true", help="print the DN's events after the answer"
    )
    record = kinds.add_parser("record", help="as monitor of one node, and into a file")
    record.add_argument("file", type=Path)
    record.add_argument("dn", nargs="+", help='a DN, or "all"')
    record.add_argument(
        "--do",
        action="append",
        default=[],
        metavar="REQUEST",
        help='send this in between: "MakeCall thisDN=1001 otherDN=1002"; may be '
        'given several times; "wait 2" waits two seconds',
    )
    replay = kinds.add_parser("replay", help="print a record, or play it again")
    replay.add_argument("file", type=Path)
    replay.add_argument(
        "--speed", type=float, default=1.0, help="2: twice as fast; 0: at once"
    )
    replay.add_argument(
        "--send",
        action="store_true",
        help="send its requests again and see whether the same events come",
    )


def doorsOf(given: argparse.Namespace, cluster: Cluster, reactor: Any) -> list[Door]:
    """
    Where to connect.

    @raise Refused: nowhere.
    """
    if given.address:
        return [_door(address, given.ca, reactor) for address in given.address]
    found: dict[str, list[IStreamClientEndpoint]] = {}
    configuration = cluster.configuration()
    for one in configuration.nodes:
        pair = configuration.pairOf(one.name)
        if given.app not in (None, one.name, pair):
            continue
        port = one.tlibPorts[given.port]
        if port:
            authority = given.ca or (str(one.ca or "") if one.tlibTLS else None)
            endpoint = _endpoint(reactor, one.tlibHost, port, authority)
            # Of a pair the member that serves answers.
            found.setdefault(pair, []).append(endpoint)
    if not found:
        raise Refused(f"no node {given.app or ''} has the port {given.port}")
    return [Door(name, tuple(endpoints)) for name, endpoints in found.items()]


def _door(address: str, authority: str | None, reactor: Any) -> Door:
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        raise Refused(f"--address {address}: want HOST:PORT")
    endpoint = _endpoint(reactor, host.strip("[]"), int(port), authority)
    return Door(address, (endpoint,))


def _endpoint(reactor: Any, host: str, port: int, authority: str | None) -> Any:
    """
    @param authority: file with the CAs that may have signed; L{None}: no TLS.
    """
    endpoint = HostnameEndpoint(reactor, host, port)
    if authority is None:
        return endpoint
    try:
        contexts = TLSContexts(authority=authority)
    except BadTLS as e:
        raise Refused(str(e)) from e
    return wrapClientTLS(contexts.client(host), endpoint)


def passwordOf(given: argparse.Namespace, cluster: Cluster) -> str:
    """
    The application's password.

    @raise Refused: nobody knows it.
    """
    if given.password_file is not None:
        try:
            lines: list[str] = given.password_file.read_text("utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as e:
            raise Refused(f"{given.password_file}: {e}") from e
        return lines[0].strip() if lines else ""
    for one in cluster.configuration().tlibApplications:
        if one.name == given.application:
            return one.password
    raise Refused(
        f"there is no [[tlib-application]] {given.application!r}: say --password-file"
    )


def dnsOf(words: Sequence[str], cluster: Cluster) -> list[str]:
    """
    The DNs that are meant.
    """
    if list(words) != ["all"]:
        return list(dict.fromkeys(words))
    kinds = (Extension, RoutingPoint)
    return [one.number for one in cluster.configuration().dns if isinstance(one, kinds)]


def stepsOf(words: Sequence[str]) -> list[Step]:
    """
    What C{--do} asks for.

    @raise BadWords: it is no request.
    """
    steps: list[Step] = []
    for line in words:
        name, *rest = line.split() or [""]
        if name != "wait":
            steps.append(requestOf(name, rest))
            continue
        try:
            (seconds,) = map(float, rest)
        except ValueError:
            raise BadWords(f"{line}: want wait SECONDS") from None
        steps.append(seconds)
    return steps


async def work(
    reactor: Any,
    cluster: Cluster,
    given: argparse.Namespace,
    write: Callable[[str], object],
) -> int:
    """
    Do what the command line says.

    @return: the exit status.

    @raise Refused: it cannot be done, and nothing was.
    """
    try:
        if given.action == "replay":
            with given.file.open(encoding="utf-8") as file:
                entries = list(readRecord(file))
            if not given.send:
                return await _print(reactor, given, entries, write)
        dns = dnsOf(getattr(given, "dn", ()), cluster)
        steps: list[Step] = []
        if given.action == "send":
            steps = [requestOf(given.request, given.attribute)]
        elif given.action == "record":
            steps = stepsOf(given.do)
    except (OSError, UnicodeDecodeError, BadRecord, BadWords) as e:
        raise Refused(str(e)) from e
    doors = doorsOf(given, cluster, reactor)
    if given.action != "monitor":
        del doors[1:]  # requests go to one node
    session = Session(
        reactor,
        doors,
        given.application,
        passwordOf(given, cluster),
        random.random,
        Printer(write, given.json, len(doors) > 1),
        given.events,
    )
    if given.seconds is not None:
        session.endAfter(given.seconds)
    trigger = reactor.addSystemEventTrigger("before", "shutdown", session.stop)
    try:
        if given.action == "replay":
            await playAgain(session, entries, write)
        elif given.action == "record":
            with given.file.open("x", encoding="utf-8") as file:
                session.recorder = Recorder(file, reactor.seconds())
                await walk(session, dns, steps, stay=not steps)
                await session.stop()
        else:
            stay = given.action == "monitor" or given.stay
            await walk(session, dns, steps, stay)
    except OSError as e:
        raise Refused(str(e)) from e
    finally:
        await session.stop()
        with contextlib.suppress(KeyError, ValueError):  # it is what has stopped us
            reactor.removeSystemEventTrigger(trigger)
    return session.status


async def _print(
    reactor: Any,
    given: argparse.Namespace,
    entries: Sequence[Entry],
    write: Callable[[str], object],
) -> int:
    """
    Print a record as fast as it happened.
    """
    several = len({entry.node for entry in entries}) > 1
    printer = Printer(write, given.json, several)
    before = 0.0
    for entry in entries:
        if given.speed > 0:
            await pause(reactor, (entry.seconds - before) / given.speed)
            before = entry.seconds
        printer.show(entry.node, entry.envelope, entry.sent)
    return 0


def run(
    cluster: Cluster, given: argparse.Namespace, write: Callable[[str], object]
) -> int:
    """
    Do what the command line says, with a reactor of its own.

    @return: the exit status.

    @raise Refused: it cannot be done.
    """
    statuses: list[int] = []
    refusals: list[Refused] = []

    def writeNow(text: str) -> None:
        write(text)
        sys.stdout.flush()

    async def main(reactor: Any) -> None:
        try:
            statuses.append(await work(reactor, cluster, given, writeNow))
        except Refused as e:
            refusals.append(e)

    with contextlib.suppress(SystemExit):
        react(lambda reactor: Deferred.fromCoroutine(main(reactor)))
    for refusal in refusals:
        raise refusal
    return statuses[0] if statuses else 1
