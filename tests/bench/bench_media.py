"""
What streams of media cost: how many announcements, recordings and conferences one core
has room for.

The engine is a process of its own with sockets on loopback; another one sends it a
packet of speech for each stream every 20 ms::

    bin/bench media [--seconds 5] [--rounds 3] [--only conference] [--json FILE]

Prints a table; nothing is asserted.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from attrs import frozen

from sipcluster.media.arithmetic import best
from sipcluster.media.audio import AudioLibrary
from sipcluster.media.engine import MediaEngine
from sipcluster.media.packets import render
from sipcluster.media.ports import PortPairs
from sipcluster.media.rtp_session import RTPSession
from sipcluster.net.rtp import Datagrams

#: Seconds before a measurement, in which sockets fill and caches warm.
WARM = 1.0

#: What each stream's far end offers; it cannot send events when digits are tones.
OFFER = (
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    "m=audio {} RTP/AVP 0{}\r\n"
)


def _play(number: int, session: RTPSession, folder: Path) -> None:
    session.play([session._engine.library.find("tone:ringback")])


def _collect(number: int, session: RTPSession, folder: Path) -> None:
    _play(number, session, folder)
    session.collect(lambda digit: None)


def _record(number: int, session: RTPSession, folder: Path) -> None:
    session.record(folder / f"{number}.wav")


def _recordBoth(number: int, session: RTPSession, folder: Path) -> None:
    _play(number, session, folder)
    session.record(folder / f"{number}.wav", both=True)


def _detect(number: int, session: RTPSession, folder: Path) -> None:
    def again(heard: object) -> None:
        session.detect(again)

    again(None)


def _conference(size: int) -> Callable[[int, RTPSession, Path], None]:
    def begin(number: int, session: RTPSession, folder: Path) -> None:
        session.join(f"c{number // size}", member=str(number))

    return begin


@frozen
class Work:
    """
    What is measured.

    @ivar streams: sessions at the same time.
    @ivar begin: what each does.
    @ivar talking: far ends send speech.
    @ivar tones: digits are tones.
    @ivar arithmetics: what it is measured with.
    """

    streams: int
    begin: Callable[[int, RTPSession, Path], None]
    talking: bool = True
    tones: bool = False
    arithmetics: tuple[str, ...] = ("numpy",)


BOTH = ("numpy", "plain")

#: By name.
WORKS = {
    "play": Work(300, _play, talking=False),
    "play and receive": Work(300, _collect),
    "digits as tones": Work(100, _collect, tones=True, arithmetics=BOTH),
    "who has answered": Work(100, _detect, arithmetics=BOTH),
    "record": Work(200, _record, arithmetics=BOTH),
    "record both": Work(200, _recordBoth, arithmetics=BOTH),
    "conferences of 3": Work(90, _conference(3), arithmetics=BOTH),
    "conferences of 8": Work(96, _conference(8), arithmetics=BOTH),
    "conference of 32": Work(96, _conference(32), arithmetics=BOTH),
}


def serve(name: str, arithmetic: str, port: int, seconds: float) -> None:
    """
    The process that is measured.

    @param port: where the far ends are.
    """
    from twisted.internet import reactor as installed

    reactor: Any = installed
    work = WORKS[name]
    folder = Path(tempfile.mkdtemp(prefix="sipcluster-bench-"))
    engine = MediaEngine(
        reactor,
        PortPairs(Datagrams(reactor, "127.0.0.1"), reactor),
        AudioLibrary(),
        os.urandom,
        arithmetic=best(arithmetic),
    )
    events = "" if work.tones else " 101\r\na=rtpmap:101 telephone-event/8000"
    sessions = []
    for number in range(work.streams):
        session = engine.session(OFFER.format(port, events).encode())
        work.begin(number, session, folder)
        sessions.append(session)
    say({"ports": [session.local.port for session in sessions]})
    before: dict[str, float] = {}

    def begin() -> None:
        engine.status()
        before["cpu"], before["time"] = cpu(), time.monotonic()

    def end() -> None:
        passed = time.monotonic() - before["time"]
        status = engine.status()
        figures = [session.status() for session in sessions]
        say(
            {
                "cpu": (cpu() - before["cpu"]) / passed,
                "latest": status["latest"],
                "leftOut": status["framesLeftOut"],
                "lost": sum(int(str(each["lost"])) for each in figures),
                "received": sum(int(str(each["received"])) for each in figures),
            }
        )
        engine.stop()
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()
        reactor.stop()

    reactor.callLater(WARM, begin)
    reactor.callLater(WARM + seconds, end)
    reactor.run()


def cpu() -> float:
    """
    Seconds of a processor that this process has used.
    """
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def say(line: object) -> None:
    """
    Tell the parent process.
    """
    sys.stdout.write(f"{json.dumps(line)}\n")
    sys.stdout.flush()


def talk(s: socket.socket, ports: Sequence[int], until: float) -> None:
    """
    Send all of them a packet every 20 ms.
    """
    chance = random.Random(1)
    # Each another noise: nobody gains from silence, or from having two the same.
    frames = [
        bytes(chance.choice((0x20, 0x90)) + chance.randrange(48) for _ in range(160))
        for _ in range(50)
    ]
    begun, turn = time.monotonic(), 0
    while time.monotonic() < until:
        for number, port in enumerate(ports):
            frame = frames[(turn + 7 * number) % 50]
            data = render(0, turn, 160 * turn, 1000 + number, frame)
            s.sendto(data, ("127.0.0.1", port))
        turn += 1
        time.sleep(max(0.0, begun + 0.02 * turn - time.monotonic()))


def measure(name: str, arithmetic: str, seconds: float) -> dict[str, Any]:
    """
    One run.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.1", 0))
        # What comes back is not read: the kernel drops it.
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        child = subprocess.Popen(
            [
                *(sys.executable, "-m", "tests.bench.bench_media", "--serve", name),
                *("--arithmetic", arithmetic, "--port", str(s.getsockname()[1])),
                *("--seconds", str(seconds)),
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert child.stdout is not None
        ports = json.loads(child.stdout.readline())["ports"]
        if WORKS[name].talking:
            talk(s, ports, time.monotonic() + WARM + seconds)
        found: dict[str, Any] = json.loads(child.stdout.readline())
        child.wait()
    return found


def main(arguments: Sequence[str]) -> None:
    """
    Measure, and tell.
    """
    parser = argparse.ArgumentParser("bin/bench media", description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each run")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", help="measure only what begins so")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    for hidden in ("--serve", "--arithmetic"):
        parser.add_argument(hidden, default="", help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, default=0, help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.serve:
        serve(given.serve, given.arithmetic, given.port, given.seconds)
        return
    runs: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for _ in range(given.rounds):
        for name, work in WORKS.items():
            if name.startswith(given.only):
                for arithmetic in work.arithmetics:
                    one = measure(name, arithmetic, given.seconds)
                    runs.setdefault((name, arithmetic), []).append(one)
    rows = []
    names = ("streams", "cpu", "per_core", "latest_ms", "lost", "left_out")
    sys.stdout.write(
        "{:18}{:9}{:>9}{:>8}{:>10}{:>11}{:>7}{:>10}\n".format("work", "with", *names)
    )
    for (name, arithmetic), found in runs.items():
        share = statistics.median(one["cpu"] for one in found)
        streams = WORKS[name].streams
        row = {
            "work": name,
            "with": arithmetic,
            "streams": streams,
            "cpu": round(share, 3),
            "per_core": int(streams / share),
            "latest_ms": round(1000 * max(one["latest"] for one in found), 1),
            "lost": sum(one["lost"] for one in found),
            "left_out": sum(one["leftOut"] for one in found),
        }
        rows.append(row)
        sys.stdout.write(
            "{:18}{:9}{:>9}{:>8}{:>10}{:>11}{:>7}{:>10}\n".format(*row.values())
        )
    if given.json is not None:
        given.json.write_text(
            json.dumps(
                {
                    "python": platform.python_version(),
                    "machine": f"{platform.machine()}, {os.cpu_count()} processors",
                    "command": sys.argv[1:],
                    "medians": rows,
                },
                indent=1,
            )
        )


if __name__ == "__main__":
    main(sys.argv[1:])
