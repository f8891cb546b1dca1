"""
Tests for L{sipcluster.app.log_files}.
"""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from sipcluster.app.log_files import BUFFER, LogFile


class LogFileTests(SynchronousTestCase):
    """
    L{LogFile} writes whole lines, and not without end.
    """

    def setUp(self) -> None:
        """
        A folder that is not there yet.
        """
        self.path = Path(self.mktemp()) / "log" / "x.log"

    def test_buffered(self) -> None:
        """
        Nothing is opened before the first flush, and lines come in order.
        """
        file = LogFile(self.path, 1000, 1)
        file.append(b"1\n")
        file.append(b"2\n")
        file.flush()
        self.assertEqual(self.path.read_bytes(), b"1\n2\n")
        file.append(b"3\n")
        self.assertEqual(self.path.read_bytes(), b"1\n2\n")
        file.close()
        self.assertEqual(self.path.read_bytes(), b"1\n2\n3\n")

    def test_appended(self) -> None:
        """
        What an earlier process wrote stays, and counts for the size.
        """
        for line in (b"one\n", b"two\n", b"three\n"):
            file = LogFile(self.path, 8, 1)
            file.append(line)
            file.close()
        self.assertEqual(self.path.read_bytes(), b"three\n")
        self.assertEqual(self.path.with_name("x.log.1").read_bytes(), b"one\ntwo\n")

    def test_rotated(self) -> None:
        """
        Files are bounded in size and in number, the newest numbered 1.
        """
        file = LogFile(self.path, 4, 2)
        for digit in b"12345":
            file.append(bytes([digit]) * 3 + b"\n")
            file.flush()
        file.close()
        found = {path.name: path.read_bytes() for path in self.path.parent.iterdir()}
        self.assertEqual(
            found,
            {"x.log": b"555\n", "x.log.1": b"444\n", "x.log.2": b"333\n"},
        )

    def test_noneKept(self) -> None:
        """
        With no retention there is the present file alone.
        """
        file = LogFile(self.path, 4, 0)
        for line in (b"111\n", b"222\n"):
            file.append(line)
            file.flush()
        file.close()
        self.assertEqual(list(self.path.parent.iterdir()), [self.path])
        self.assertEqual(self.path.read_bytes(), b"222\n")

    def test_muchIsWrittenAtOnce(self) -> None:
        """
        What waits is bounded.
        """
        file = LogFile(self.path, 10**9, 1)
        file.append(b"x" * BUFFER + b"\n")
        self.assertEqual(self.path.stat().st_size, BUFFER + 1)
        file.close()

    def test_failuresAreCounted(self) -> None:
        """
        A file that cannot be written stops nobody.
        """
        self.path.parent.parent.mkdir()
        self.path.parent.write_bytes(b"a file where the folder should be")
        file = LogFile(self.path, 1000, 1)
        for _ in range(2):
            file.append(b"x\n")
            file.flush()
        self.assertEqual(file.failures, 2)
        file.close()
