"""
C{docs/rfc.rst} names modules and tests that are there.
"""

from __future__ import annotations

import re
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

TOP = Path(__file__).parents[2]

#: What each row must speak of.
RFCS = (
    *("2782", "3261", "3262", "3263", "3264", "3311", "3326", "3327", "3581", "3665"),
    *("3842", "3966", "4028", "4320", "4475", "4733", "5057", "5118", "5393", "5626"),
    *("5658", "5922", "6665"),
    *("5923", "6026", "6337", "7616", "7989", "8760", "8866"),
)


def exists(name: str) -> bool:
    """
    Whether there is a module or package of this name, or a class in a module.
    """
    parent, _, last = name.rpartition(".")
    if last[:1].isupper():
        source = TOP / f"{parent.replace('.', '/')}.py"
        return source.exists() and f"class {last}(" in source.read_text()
    path = TOP / name.replace(".", "/")
    return path.is_dir() or path.with_name(f"{path.name}.py").exists()


class RFCPageTests(SynchronousTestCase):
    """
    The page is kept up with the code.
    """

    def setUp(self) -> None:
        """
        Read the page.
        """
        self.page = (TOP / "docs" / "rfc.rst").read_text()

    def test_namesExist(self) -> None:
        """
        Every module, and every test, is there.
        """
        names = re.findall(r"``([a-z0-9_]+\.[A-Za-z0-9_.]+)``", self.page)
        self.assertGreater(len(names), 150)
        wrong = [
            name
            for name in names
            if not exists(f"sipcluster.{name}") and not exists(f"tests.{name}")
        ]
        self.assertEqual(wrong, [])

    def test_everyRFC(self) -> None:
        """
        No RFC that the cluster answers to is left out.
        """
        self.assertEqual([rfc for rfc in RFCS if rfc not in self.page], [])
