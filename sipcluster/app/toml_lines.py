"""
Finds the line of a key in a TOML file, which the reader does not tell.
"""

from __future__ import annotations

import re

_KEY = r"""(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')"""
_DOTTED = rf"{_KEY}(?:\s*\.\s*{_KEY})*"
_ARRAY = re.compile(rf"\[\[\s*({_DOTTED})\s*\]\]")
_TABLE = re.compile(rf"\[\s*({_DOTTED})\s*\]")
_ASSIGNMENT = re.compile(rf"({_DOTTED})\s*=")
#: What matters of a value that may go on in the next line.
_VALUE = re.compile(
    r'"""|' + r"'''|" + r'"(?:[^"\\]|\\.)*"|' + r"'[^']*'|" + r"#.*|[\[\]{}]"
)


def _names(dotted: str) -> list[str]:
    return [name.strip("\"'") for name in re.findall(_KEY, dotted)]


class LineFinder:
    """
    Knows the lines of a TOML document's tables and keys, as well as they can be
    known from the text; keys of inline tables are found at their table.
    """

    def __init__(self, text: str) -> None:
        self._lines: dict[str, int] = {}
        self._counts: dict[str, int] = {}
        self._table = ""
        self._depth = 0
        self._quotes = ""
        for number, line in enumerate(text.splitlines(), 1):
            self._take(number, line.strip())

    def line(self, path: str) -> int:
        """
        The line of the nearest thing on the way to C{path} that is in the text;
        1 when nothing is.

        @param path: as in C{"node[2].ports.TCport"}; tables of one name are
            counted from 1.
        """
        while path:
            if path in self._lines:
                return self._lines[path]
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        return 1

    def _take(self, number: int, line: str) -> None:
        if self._quotes or self._depth:
            self._value(line)
        elif found := _ARRAY.match(line):
            path = self._resolved(_names(found[1]))
            self._counts[path] = self._counts.get(path, 0) + 1
            self._lines.setdefault(path, number)
            self._table = f"{path}[{self._counts[path]}]"
            self._lines[self._table] = number
        elif found := _TABLE.match(line):
            self._table = self._resolved(_names(found[1]))
            self._lines.setdefault(self._table, number)
        elif found := _ASSIGNMENT.match(line):
            path = self._table
            for name in _names(found[1]):
                path = f"{path}.{name}" if path else name
                self._lines.setdefault(path, number)
            self._value(line[found.end() :])

    def _resolved(self, names: list[str]) -> str:
        """
        The path of a table header: an array on the way means its last table.
        """
        path = ""
        for name in names:
            if path in self._counts:
                path = f"{path}[{self._counts[path]}]"
            path = f"{path}.{name}" if path else name
        return path

    def _value(self, text: str) -> None:
        """
        Follow a value far enough to know whether the next line belongs to it.
        """
        if self._quotes:
            _, found, text = text.partition(self._quotes)
            if not found:
                return
            self._quotes = ""
        for match in _VALUE.finditer(text):
            token = match[0]
            if token in ('"""', "'''"):
                self._quotes = token
                self._value(text[match.end() :])
                return
            if token in ("[", "{"):
                self._depth += 1
            elif token in ("]", "}"):
                self._depth -= 1
