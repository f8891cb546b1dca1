"""
The shortest form of the survival contract, as part of every check.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

from attrs import evolve
from twisted.internet import reactor as _reactor
from twisted.trial.unittest import TestCase

from tests.interop.namespaces import NoNamespaces
from tests.interop.shared import lacking
from tests.survive.cells import CELLS, onePair
from tests.survive.scene import perform
from tests.survive.telephones import Plan

reactor: Any = _reactor

#: So little that a busy machine can do it.
PLAN = Plan(established=20, ringing=8, rate=6.0, lead=2.0, after=7.0, linger=False)

#: Seconds without a new call that a busy machine is granted besides.
BUSY = 2.0


class SurvivalTests(TestCase):
    """
    One pair on a lock file, real processes, real telephones.
    """

    timeout = 110

    async def test_primaryKilled(self) -> None:
        """
        A primary is killed: every call goes on and ends at both sides, new calls
        are made, T-Library clients are told the exact stream, and the member that
        is started again is in sync soon.
        """
        if not shutil.which("sipp"):
            lacking("not installed: sipp")
        cell = next(cell for cell in CELLS if cell.name == "kill-lock-file")
        folder = Path(tempfile.mkdtemp(prefix="sipcluster-test-"))
        self.addCleanup(shutil.rmtree, folder, True)
        try:
            verdict, troubles = await perform(
                reactor,
                evolve(onePair(cell), allowed=cell.allowed + BUSY, back=15.0),
                PLAN,
                folder,
            )
        except NoNamespaces as e:
            lacking(f"no network namespace: {e}")
        self.assertEqual(verdict.faults, [], troubles)
        self.assertGreaterEqual(verdict.established.all, PLAN.established)
        self.assertGreaterEqual(verdict.ringing.all, PLAN.ringing)
        self.assertGreater(verdict.new.all, 10)
