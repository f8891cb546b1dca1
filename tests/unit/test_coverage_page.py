"""
C{docs/coverage.md} speaks of everything that the project answers to.
"""

from __future__ import annotations

import importlib
import re
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

PAGE = Path(__file__).parent.parent.parent / "docs" / "coverage.md"

#: The letters of the inventory's ids, and how many each has.
ROWS = {
    "M": 31,
    "O": 9,
    "X": 15,
    "H": 16,
    "V": 11,
    "R": 6,
    "W": 5,
    "T": 5,
    "B": 4,
    "C": 2,
    "G": 1,
    "D": 1,
    "F": 5,
    "L": 17,
    "Z": 22,
}

#: Ids that are not a letter and two digits.
NAMED = (
    *(f"CF{number}" for number in range(1, 10)),
    *(f"thread {name}" for name in ("-", "001", "512", "768", "1024", "1280")),
    *("thread 1536", "thread 1792"),
    *("service-type", "smart-proxy-enabled", "dn-owner-applications", "addp"),
    *("tc-latency-poll-interval", "geo-location", "agent-reservation"),
    *("backup-init-check", "backup-init-check-timeout", "backup-sip-port-check"),
    *("sip-pass-check", "control-vip-scripts", "sip-iptakeover-monitoring"),
    *("tlib-nic-monitoring", "sip-nic-monitoring", "sip-nic-address"),
    *("shutdown-sip-reject-code", "dr-forward", "dr-peer-trunk"),
    *("switchover-on-xs-oos", "oos-check (DN)", "oos-force (DN)"),
    *("recovery-timeout", "applications", "serving-sipserver"),
    *("oos-check (proxy)", "oos-force (proxy)", "overload-ctrl-dialog-rate"),
    *("resolve-host", "sip-address", "sip-ip-tos", "X-Genesys-Route"),
    *("xs-post-timeout", "xs-missed-heartbeat-threshold", "dialplan/active"),
    *("sipServer", "sipStackObjects", "sipCallManager", "sipTSCP"),
    *("sipSessionController", "sipServiceChecker", "tLibClientsStatistics"),
    *("sipTrunkStatistics", "FS statistics", "XS statistics", "TC latency"),
)

STATES = ("works", "partly", "not yet", "outside")


def rows() -> list[tuple[str, str, str, str]]:
    """
    The rows of all tables: id, what, state, where to see it.
    """
    found = []
    for line in PAGE.read_text("utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if line.startswith("| ") and len(cells) == 4 and cells[0] != "id":
            found.append((cells[0], cells[1], cells[2], cells[3]))
    return found


class CoveragePageTests(SynchronousTestCase):
    """
    The page against the list of ids, and against the tests that it names.
    """

    def test_everyIdOnce(self) -> None:
        """
        Every id of the inventory has one row, and no row is without an id.
        """
        wanted = [
            *(
                f"{letter}{number:02d}"
                for letter, count in ROWS.items()
                for number in range(1, count + 1)
            ),
            *NAMED,
        ]
        have = [row[0] for row in rows()]
        self.assertEqual(set(wanted) - set(have), set(), "rows are missing")
        self.assertEqual(len(have), len(set(have)), "ids come twice")

    def test_states(self) -> None:
        """
        Every row has one of the four states, and what works or works partly
        says where that can be seen.
        """
        for name, _, state, where in rows():
            self.assertIn(state, STATES, name)
            if state in ("works", "partly"):
                self.assertNotEqual(where, "", name)

    def test_namedTestsExist(self) -> None:
        """
        Every test that the page names can be found.
        """
        for name, _, _, where in rows():
            for dotted in re.findall(r"`(tests\.[\w.]+)`", where):
                self.assertTrue(_exists(dotted), f"{name}: {dotted}")

    def test_counts(self) -> None:
        """
        The page counts its own rows rightly.
        """
        states = [row[2] for row in rows()]
        said = re.search(
            r"(\d+) work, (\d+) partly, (\d+) not yet, (\d+) are outside",
            PAGE.read_text("utf-8"),
        )
        assert said is not None
        self.assertEqual(
            [int(number) for number in said.groups()],
            [states.count(state) for state in STATES],
        )


def _exists(dotted: str) -> bool:
    """
    Whether a module, a class in one or a test of a class has this name.
    """
    parts = dotted.split(".")
    for length in range(len(parts), 0, -1):
        try:
            found: object = importlib.import_module(".".join(parts[:length]))
        except ImportError:
            continue
        for part in parts[length:]:
            found = getattr(found, part, None)
        return found is not None
    return False
