"""
C{bin/bench}: what a call costs us, and what it costs a peer in the same run; what an
event for many T-Library clients costs (L{tests.bench.bench_tlib}); what hot standby
costs (L{tests.bench.bench_standby}); what streams of media cost
(L{tests.bench.bench_media}).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.task import react

from tests.bench import bench_media, bench_standby, bench_tlib
from tests.bench.calls import Price, price, register
from tests.bench.processes import whole
from tests.bench.subjects import (
    NODE,
    OTHER_NODE,
    PHONE,
    PROXY,
    TRUNK,
    Cluster,
    Kamailio,
    Sippy,
    Subject,
    Way,
)
from tests.interop.namespaces import Namespace, NoNamespaces

#: The way through a proxy: from a node's address to a registered phone.
THROUGH_PROXY = Way((OTHER_NODE, 5060), (PHONE, 5060), f"{PROXY}:5060", registers=True)

#: The way through Sippy: what it does not answer itself goes to the next hop.
THROUGH_SIPPY = Way((TRUNK, 5060), (PHONE, 5060), f"{PROXY}:5060")

#: The way through our node: from a trunk and to a phone, both through the proxy
#: whose address both stand at.
THROUGH_NODE = Way(
    (PROXY, 5062),
    (PROXY, 5060),
    f"{NODE}:5060",
    behind=f", SIP/2.0/UDP {TRUNK}:5060;branch=z9hG4bK-trunk;received={TRUNK}",
)

Maker = Callable[[Path, "Namespace | None"], Subject]


def tell(line: str) -> None:
    """
    Say something to the person at the terminal.
    """
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("bin/bench", description=__doc__)
    parser.add_argument("subject", choices=("proxy", "node"))
    parser.add_argument("--rate", type=float, action="append", metavar="CALLS/S")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each run")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--only", action="append", default=[], help="measure only what begins so"
    )
    parser.add_argument(
        "--peers",
        type=Path,
        default=Path(tempfile.gettempdir()) / f"sipcluster-peers-{os.geteuid()}",
        help="folder of the virtual environment with Sippy; made when not there",
    )
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--keep", action="store_true", help="keep the run's folder")
    return parser.parse_args(arguments)


def sippy(peers: Path) -> Path:
    """
    The folder of Sippy's programs, installed where they are missing.
    """
    programs = peers / "bin"
    if not (programs / "b2bua_simple").exists():
        peers.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run([sys.executable, "-m", "venv", str(peers)], check=True)
        subprocess.run(
            [str(programs / "pip"), "install", "--quiet", "sippy==2.5.0"], check=True
        )
    return programs


def makers(given: argparse.Namespace) -> list[Maker]:
    """
    How each subject is made, the peer first.
    """
    if given.subject == "proxy":
        found: list[tuple[str, Maker]] = [
            (
                "kamailio",
                lambda folder, ns: Kamailio("kamailio", THROUGH_PROXY, folder, ns),
            )
        ]
        measured: tuple[str, ...] = ("store", "node1", "proxy1")
        way = THROUGH_PROXY
    else:
        programs = sippy(given.peers)
        found = [
            (
                "sippy",
                lambda folder, ns: Sippy(
                    "sippy", THROUGH_SIPPY, folder, ns, folderOfPrograms=programs
                ),
            )
        ]
        measured, way = ("store", "node1"), THROUGH_NODE

    def ours(trace: bool) -> tuple[str, Maker]:
        name = f"our {given.subject}, {'JSON log' if trace else 'no log'}"
        return name, lambda folder, ns: Cluster(
            name.replace(",", ""), way, folder, ns, measured=measured, trace=trace
        )

    found += [ours(False), ours(True)]
    return [
        make
        for name, make in found
        if not given.only or name.startswith(tuple(given.only))
    ]


async def measure(
    reactor: Any, given: argparse.Namespace, folder: Path, namespace: Namespace | None
) -> list[Price]:
    """
    Each subject in turn, at each rate, and all that again for every round.
    """
    prices = []
    for turn in range(given.rounds):
        for number, make in enumerate(makers(given)):
            place = folder / f"{turn}-{number}"
            place.mkdir(parents=True)
            subject = make(place, namespace)
            try:
                await subject.start(reactor)
                if subject.way.registers:
                    await register(subject)
                await price(reactor, subject, 50, 2, "warm-up")
                for rate in given.rate:
                    one = await price(
                        reactor, subject, rate, given.seconds, f"at-{rate:g}"
                    )
                    prices.append(one)
                    tell(
                        f"{one.subject:24} {one.rate:6g}/s {one.milliseconds:7.3f} ms"
                        f" per call  {one.failed} failed"
                        f"  {len(one.repeated)} kinds repeated"
                        f"  180 after {1000 * one.ringing:.1f} ms"
                    )
            finally:
                await subject.stop(reactor)
    return prices


def summary(prices: Sequence[Price]) -> list[dict[str, object]]:
    """
    Medians over the rounds, and ratios to the first subject, which is the peer.
    """
    rows: list[dict[str, object]] = []
    for rate in sorted({one.rate for one in prices}):
        peer = 0.0
        for subject in dict.fromkeys(one.subject for one in prices):
            runs = [p for p in prices if (p.subject, p.rate) == (subject, rate)]
            median = statistics.median(one.milliseconds for one in runs)
            peer = peer or median
            rows.append(
                {
                    "subject": subject,
                    "rate": rate,
                    "calls": sum(one.calls for one in runs),
                    "ms_per_call": round(median, 4),
                    "lowest": round(min(one.milliseconds for one in runs), 4),
                    "highest": round(max(one.milliseconds for one in runs), 4),
                    "ratio": round(median / peer, 2) if peer else None,
                    "failed": sum(one.failed for one in runs),
                    "repeated": sorted({r for one in runs for r in one.repeated}),
                    "ringing_ms": round(
                        1000 * statistics.median(one.ringing for one in runs), 2
                    ),
                }
            )
    return rows


def table(rows: Sequence[dict[str, object]]) -> str:
    """
    The figures for a person.
    """
    names = ("rate", "subject", "ms_per_call", "ratio", "failed", "repeated")
    lines = ["{:>8}  {:24}{:>12}{:>7}{:>8}  {}".format(*names)]
    for row in rows:
        values = [row[name] for name in names]
        values[-1] = row["repeated"] or "none"
        lines.append("{:>8}  {:24}{:>12}{:>7}{:>8}  {}".format(*values))
    return "\n".join(lines)


async def main(reactor: Any, given: argparse.Namespace) -> None:
    """
    Make a place, measure, and tell.
    """
    given.rate = given.rate or ([500.0] if given.subject == "proxy" else [50.0, 200.0])
    folder = Path(tempfile.mkdtemp(prefix="sipcluster-bench-"))
    namespace: Namespace | None = None
    try:
        namespace = Namespace.make()
    except NoNamespaces as e:
        tell(f"no namespace of our own ({e}): using the host's loopback")
    try:
        prices = await measure(reactor, given, folder, namespace)
    finally:
        if namespace is not None:
            namespace.delete()
        if given.keep:
            tell(f"kept: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    rows = summary(prices)
    tell(table(rows))
    if given.json is not None:
        given.json.write_text(
            json.dumps(
                {
                    "python": platform.python_version(),
                    "machine": f"{platform.machine()}, {os.cpu_count()} processors",
                    "command": sys.argv[1:],
                    "medians": rows,
                    "runs": [attrs.asdict(one) for one in prices],
                },
                indent=1,
            )
        )


def run(reactor: Any, *arguments: str) -> Deferred[None]:
    """
    What L{react} calls.
    """
    return whole(reactor, main(reactor, options(arguments)))


if __name__ == "__main__":
    if sys.argv[1:2] == ["tlib"]:
        bench_tlib.main(sys.argv[2:])
    elif sys.argv[1:2] == ["standby"]:
        bench_standby.main(sys.argv[2:])
    elif sys.argv[1:2] == ["media"]:
        bench_media.main(sys.argv[2:])
    else:
        react(run, sys.argv[1:])
