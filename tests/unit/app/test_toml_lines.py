"""
Tests for L{sipcluster.app.toml_lines}.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from sipcluster.app.toml_lines import LineFinder

DOCUMENT = '''\
title = "x"  # [not.a.table]

[switch]
"name" = "y"
domain.name = 'z'

[[node]]
name = "n1"
list = [
  "a = 1",  # ]
  "b",
]
after = 1

[[node]]
name = "n2"
text = """
name = "inside"
[[node]]
"""
[node.ports]
default = 1
[[node.deep]]
x = 1
'''


class LineFinderTests(SynchronousTestCase):
    """
    L{LineFinder} finds the line that a person would look for.
    """

    def assertLines(self, expected: dict[str, int]) -> None:
        """
        The lines of these paths in C{DOCUMENT}.
        """
        finder = LineFinder(DOCUMENT)
        self.assertEqual({path: finder.line(path) for path in expected}, expected)

    def test_keysAndTables(self) -> None:
        """
        Keys, quoted and dotted ones too, and the tables that they are in.
        """
        self.assertLines(
            {"title": 1, "switch": 3, "switch.name": 4, "switch.domain.name": 5}
        )

    def test_arraysOfTables(self) -> None:
        """
        Tables of one name are counted from 1, with what is nested in them.
        """
        self.assertLines(
            {
                "node": 7,
                "node[1]": 7,
                "node[1].name": 8,
                "node[2]": 15,
                "node[2].name": 16,
                "node[2].ports.default": 22,
                "node[2].deep[1].x": 24,
            }
        )

    def test_valuesOverSeveralLines(self) -> None:
        """
        What is inside of a list or a long string is no key.
        """
        self.assertLines({"node[1].list": 9, "node[1].after": 13, "node[2].text": 17})

    def test_nearest(self) -> None:
        """
        What is not in the text is told at what it would be in.
        """
        self.assertLines({"node[2].ports.TCport": 21, "nowhere.x": 1, "node[3].y": 7})

    @given(st.text(alphabet="ab=[]{}\".#\n' ", max_size=80), st.text(max_size=20))
    def test_anyTextHasLines(self, text: str, path: str) -> None:
        """
        No text is too broken, and the line is one of the text.
        """
        line = LineFinder(text).line(path)
        self.assertTrue(1 <= line <= max(1, len(text.splitlines())))
