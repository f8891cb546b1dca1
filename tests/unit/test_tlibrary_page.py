"""
The specification of the T-Library wire says what the code does.
"""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from sipcluster.tlib.codec import decode
from sipcluster.tlib.errors import TErrorCode
from sipcluster.tlib.messages import MESSAGES
from sipcluster.tserver.limits import Limits

DOCS = Path(__file__).parents[2] / "docs"
PAGE = DOCS / "protocols" / "tlibrary.md"


def script(name: str) -> dict[str, Any]:
    """
    What a script of the documentation defines.
    """
    return runpy.run_path(str(DOCS / name))


class TablesTests(SynchronousTestCase):
    """
    Tables that are made from the code.
    """

    def test_filesAreUpToDate(self) -> None:
        """
        The page, the JSON file and the dissector hold what C{python
        docs/tlibrary_tables.py} writes now.
        """
        for path, text in script("tlibrary_tables.py")["pages"]().items():
            self.assertTrue(path.read_text() == text, f"{path.name} is out of date")

    def test_answersExist(self) -> None:
        """
        What the table says that a request is answered by, is an event.
        """
        names = {cls.__name__ for cls in MESSAGES.values()}
        answers = script("tlibrary_tables.py")["ANSWERS"]
        self.assertEqual({*answers, *answers.values()} - names, set())

    def test_everyMessageIsThere(self) -> None:
        """
        Each message stands in the page once with its number.
        """
        page = PAGE.read_text()
        for number, cls in MESSAGES.items():
            name = cls.__name__
            rows = len(re.findall(rf"^\| {number} \| {name} \|", page, re.MULTILINE))
            listed = len(re.findall(rf"\b{name} {number}[,.]", page))
            self.assertEqual(rows + listed, 1, name)


class SessionTests(SynchronousTestCase):
    """
    The session by hand.
    """

    def test_pageIsUpToDate(self) -> None:
        """
        A port answers, byte by byte, what the page says.
        """
        session = script("tlibrary_session.py")
        self.assertTrue(
            session["page"]() == PAGE.read_text(),
            'run "PYTHONPATH=. python docs/tlibrary_session.py"',
        )

    def test_bytesAreTheText(self) -> None:
        """
        The bytes of each frame are as long as they say, and are the message that
        stands above them.
        """
        page = PAGE.read_text()
        blocks = re.findall(
            r"```text\n(\w+) \((\d+)\)\n.*?```hex\n(.*?)```", page, re.DOTALL
        )
        self.assertGreater(len(blocks), 15)
        for name, number, digits in blocks:
            data = bytes.fromhex(digits)
            self.assertEqual(int.from_bytes(data[:4], "big"), len(data) - 4, name)
            message = decode(data[4:]).message
            self.assertEqual(
                (type(message).__name__, message.number), (name, int(number))
            )


class NumbersTests(SynchronousTestCase):
    """
    Numbers in the text of the page.
    """

    def setUp(self) -> None:
        """
        Read the page.
        """
        self.page = PAGE.read_text()

    def row(self, begins: str) -> list[str]:
        """
        The cells of the row that begins so.
        """
        line = next(
            one for one in self.page.splitlines() if one.startswith(f"| {begins}")
        )
        return [cell.strip() for cell in line.strip("|").split("|")]

    def test_limits(self) -> None:
        """
        Each bound is the default of the code.
        """
        limits = Limits()
        mebibyte = 1_048_576
        for begins, expected in (
            ("bytes waiting", f"{limits.unsent // mebibyte} MiB"),
            ("messages not acknowledged", spaced(limits.journalMessages)),
            ("bytes of these | 4", f"{limits.journalBytes // mebibyte} MiB"),
            ("bytes of these | 1", f"{limits.answerBytes // mebibyte} MiB"),
            ("answers kept", str(limits.answers)),
            ("requests of a session", str(limits.pending)),
            ("seconds for an answer", f"{limits.requestTime:g}"),
            (
                "seconds for an answer that may wait for people",
                f"{limits.peopleTime:g}",
            ),
            ("DNs registered", spaced(limits.registrations)),
            ("sessions of a port", str(limits.sessions)),
            ("connections that have not", str(limits.halfOpen)),
            ("seconds for registering", f"{limits.startUp:g}"),
            ("seconds that a lost session", f"{limits.retention:g}"),
        ):
            self.assertEqual(self.row(begins)[1], expected, begins)

    def test_errorCodes(self) -> None:
        """
        Every EventError that the text speaks of has a code that exists.
        """
        codes = {int(found) for found in re.findall(r"EventError (\d+)", self.page)}
        self.assertGreater(len(codes), 8)
        self.assertEqual(codes - {int(code) for code in TErrorCode}, set())


def spaced(number: int) -> str:
    """
    A number as the page has it: C{10 000}.
    """
    return f"{number:,}".replace(",", " ")
