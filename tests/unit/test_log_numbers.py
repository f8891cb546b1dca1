"""
The numbers of log events and the page that explains them.
"""

from __future__ import annotations

import re
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

import sipcluster
from sipcluster.ha.wire import Refusal

PACKAGE = Path(sipcluster.__file__).parent
PAGE = PACKAGE.parent / "docs" / "log.rst"

_NUMBER = re.compile(r"00-\d{5}")


class LogNumbersTests(SynchronousTestCase):
    """
    An operator who sees a number finds it in one page.
    """

    def test_allAreExplained(self) -> None:
        """
        Every number that stands in the code is in the page, and no other but the
        first and the last of refusals.
        """
        source = "".join(
            path.read_text()
            for path in PACKAGE.rglob("*.py")
            if "testing" not in path.parts
        )
        written = set(re.findall(r'"(00-\d{5})"', source))
        self.assertLessEqual(max(Refusal), 19)
        ends = {"00-53101", "00-53119", "00-53201", "00-53219"}
        self.assertEqual(set(_NUMBER.findall(PAGE.read_text())), written | ends)
