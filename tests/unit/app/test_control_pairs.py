"""
Tests for L{sipcluster.app.control_pairs}.
"""

from __future__ import annotations

import io
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from sipcluster.app import control, control_pairs
from sipcluster.app.control_cluster import Refused

MEMBERS = ("node1a", "node1b", "node2a", "node2b")

CONFIGURATION = (
    """
[switch]
name = "test"
domain = "lab.example"
control-password = "open"
[[store]]
name = "store"
listen = "192.0.2.10"
"""
    + "".join(
        f'[[node]]\nname = "{name}"\nsip-address = "192.0.2.{21 + number}"\n'
        f'certificate = "{__file__}"\nprivate-key = "{__file__}"\nca = "{__file__}"\n'
        for number, name in enumerate(MEMBERS)
    )
    + """
[[pair]]
name = "node1"
members = ["node1a", "node1b"]
[[pair]]
name = "node2"
members = ["node2a", "node2b"]
"""
)


class Cluster:
    """
    Two pairs that do what they are asked.

    @ivar slow: looks for which a member that restarts is not there.
    @ivar stays: orders that are taken and lead to nothing.
    """

    def __init__(self) -> None:
        self.primary = {"node1": "node1a", "node2": "node2a"}
        self.epoch = 1
        self.pids = dict.fromkeys(MEMBERS, 100)
        self.away: dict[str, int] = {}
        self.slow = 2
        self.stays: set[str] = set()
        self.unsynced: set[str] = set()
        self.orders: list[tuple[str, str]] = []
        self.refuses = ""

    def member(self, url: str) -> str:
        """
        Who has an address.
        """
        number = int(url.partition("192.0.2.")[2].partition(":")[0])
        return MEMBERS[number - 21]

    def fetch(self, url: str) -> Any:
        """
        The status of a member.
        """
        name = self.member(url)
        if self.away.get(name, 0) > 0:
            self.away[name] -= 1
            raise Refused("nobody there")
        pair = name[:-1]
        primary = self.primary[pair] == name
        synced = pair not in self.unsynced and not any(self.away.values())
        return {
            "state": "ready",
            "version": "1.2",
            "pid": self.pids[name],
            "calls": 7 if primary else 0,
            "pair": {
                "role": "primary" if primary else "backup",
                "epoch": self.epoch,
                "inSync": synced,
            },
        }

    def order(self, url: str, path: str, password: str) -> None:
        """
        Do something.
        """
        name, what = self.member(url), path.rpartition("/")[2]
        if password != "open" or self.refuses:
            raise Refused(self.refuses or "wrong control password")
        self.orders.append((what, name))
        if what in self.stays:
            return
        if what == "restart":
            self.restart(name)
        else:
            pair = name[:-1]
            self.primary[pair] = next(
                one for one in MEMBERS if one != name and one.startswith(pair)
            )
            self.epoch += 1

    def restart(self, name: str) -> None:
        """
        A member begins anew.
        """
        self.pids[name] += 1
        self.away[name] = self.slow


class PairCommandTests(SynchronousTestCase):
    """
    C{sipclusterctl switchover} and C{rolling-restart}.
    """

    def setUp(self) -> None:
        self.folder = Path(self.mktemp())
        self.folder.mkdir()
        (self.folder / "cluster.toml").write_text(CONFIGURATION)
        self.cluster = Cluster()
        self.now = 0.0
        self.patch(control_pairs, "fetch", self.cluster.fetch)
        self.patch(control_pairs, "order", self.cluster.order)
        self.patch(time, "sleep", self.sleep)
        self.patch(time, "monotonic", lambda: self.now)
        self.err = io.StringIO()
        self.patch(sys, "stderr", self.err)

    def sleep(self, seconds: float) -> None:
        """
        Time passes.
        """
        self.now += seconds

    def command(self, *arguments: str) -> tuple[int, list[str]]:
        """
        Run a command.

        @return: its exit status, and what it printed.
        """
        out = io.StringIO()
        status = control.main([*arguments, "--dir", str(self.folder)], out.write)
        return status, out.getvalue().splitlines()

    def test_switchover(self) -> None:
        """
        The backup is primary afterwards.
        """
        status, lines = self.command("switchover", "node1")
        self.assertEqual(status, 0, self.err.getvalue())
        self.assertEqual(self.cluster.orders, [("switchover", "node1a")])
        self.assertEqual(
            lines,
            ["node1: node1b is primary, epoch 2; node1a is backup, in sync; 7 calls"],
        )

    def test_byMember(self) -> None:
        """
        A pair may be named by one of its members.
        """
        self.assertEqual(self.command("switchover", "node2b", "--json")[0], 0)
        self.assertEqual(self.cluster.orders, [("switchover", "node2a")])

    def test_unknown(self) -> None:
        """
        A pair that is not there is told so.
        """
        self.assertEqual(self.command("switchover", "node9")[0], 1)
        self.assertIn("no pair 'node9'", self.err.getvalue())

    def test_notWhole(self) -> None:
        """
        Nothing is asked of a pair that is not in sync.
        """
        self.cluster.unsynced.add("node1")
        for command in (("switchover", "node1"), ("rolling-restart",)):
            self.assertEqual(self.command(*command)[0], 1)
            self.assertIn("node1b is backup, ready, not in sync", self.err.getvalue())
        self.assertEqual(self.cluster.orders, [])

    def test_refused(self) -> None:
        """
        Why a member does not do it is told.
        """
        self.cluster.refuses = "the arbiter is away"
        self.assertEqual(self.command("switchover", "node1")[0], 1)
        self.assertIn("the arbiter is away", self.err.getvalue())

    def test_nothingHappens(self) -> None:
        """
        A switchover that does not take place is given up, with how things are.
        """
        self.cluster.stays.add("switchover")
        status, _ = self.command("switchover", "node1", "--patience", "3")
        self.assertEqual(status, 1)
        self.assertIn("not so after 3 s: node1b is primary", self.err.getvalue())
        self.assertIn("node1a is primary, ready, in sync", self.err.getvalue())

    def test_rolling(self) -> None:
        """
        All members are restarted, each as backup, one pair after the other.
        """
        status, lines = self.command("rolling-restart")
        self.assertEqual(status, 0, self.err.getvalue())
        self.assertEqual(
            self.cluster.orders,
            [
                ("restart", "node1b"),
                ("switchover", "node1a"),
                ("restart", "node1a"),
                ("restart", "node2b"),
                ("switchover", "node2a"),
                ("restart", "node2a"),
            ],
        )
        self.assertEqual(
            lines[:2],
            [
                "node1: node1b is back, version 1.2, in sync",
                "node1: node1b is primary, epoch 2, 7 calls",
            ],
        )

    def test_rollingJSON(self) -> None:
        """
        For programs the steps are a list.
        """
        status, lines = self.command("rolling-restart", "node1", "--json")
        self.assertEqual(status, 0, self.err.getvalue())
        self.assertIn("node1a is back", lines[4])

    def test_rollingStops(self) -> None:
        """
        A member that does not come back ends it: nothing more is touched.
        """
        self.cluster.slow = 10_000
        status, _ = self.command("rolling-restart", "--patience", "5")
        self.assertEqual(status, 1)
        self.assertEqual(self.cluster.orders, [("restart", "node1b")])
        self.assertIn("node1b does not answer", self.err.getvalue())

    def test_command(self) -> None:
        """
        A command restarts members where one is given; one that fails ends it.
        """
        log = self.folder / "restarted"
        program = f"sh -c 'echo {{name}} >> {log.absolute()}'"
        restart = self.cluster.restart

        really = subprocess.run

        def run(words: list[str], **options: Any) -> Any:
            result = really(words, **options)
            if not result.returncode:
                restart(log.read_text().split()[-1])
            return result

        self.patch(subprocess, "run", run)
        status, _ = self.command("rolling-restart", "node1", "--command", program)
        self.assertEqual(status, 0, self.err.getvalue())
        self.assertEqual(log.read_text().split(), ["node1b", "node1a"])
        status, _ = self.command("rolling-restart", "node1", "--command", "false")
        self.assertEqual(status, 1)
        self.assertIn("false: status 1", self.err.getvalue())
