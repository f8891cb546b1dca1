"""
Log files: written in pieces, bounded in size, a bounded number kept.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

#: Bytes that wait to be written at most.
BUFFER = 256 * 1024


class LogFile:
    """
    One file that is appended to, and put aside when it is full.

    The file that is written has the plain name; older ones have C{.1} (the
    newest) to C{.N}.  Lines are never cut in two.  A write that fails (a full
    disk) is counted and forgotten: the log must not stop the service.

    @ivar failures: writes that did not reach the file.
    """

    def __init__(self, path: Path, maxSize: int, retention: int) -> None:
        self.path = path
        self.failures = 0
        self._maxSize = maxSize
        self._retention = retention
        self._pieces: list[bytes] = []
        self._waiting = 0
        self._file: BinaryIO | None = None
        self._size = 0

    def open(self) -> None:
        """
        Open the file before there is anything to write.

        @raise OSError: it cannot be.
        """
        self._opened(0)

    def append(self, line: bytes) -> None:
        """
        Take one whole line; it is written by the next L{flush}, or at once when
        much is waiting.
        """
        self._pieces.append(line)
        self._waiting += len(line)
        if self._waiting > BUFFER:
            self.flush()

    def flush(self) -> None:
        """
        Write what waits.
        """
        if not self._pieces:
            return
        data = b"".join(self._pieces)
        self._pieces.clear()
        self._waiting = 0
        try:
            file = self._opened(len(data))
            file.write(data)
            self._size += len(data)
        except OSError:
            self.failures += 1

    def close(self) -> None:
        """
        Write what waits and close the file; a later line opens it again.
        """
        self.flush()
        if self._file is not None:
            self._file.close()
            self._file = None

    def _opened(self, more: int) -> BinaryIO:
        if self._file is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("ab", buffering=0)
            self._size = self._file.tell()
        if self._size and self._size + more > self._maxSize:
            self._file.close()
            self._file = None
            self._rotate()
            self._file = self.path.open("ab", buffering=0)
            self._size = 0
        return self._file

    def _rotate(self) -> None:
        for index in range(self._retention, 0, -1):
            older = self._numbered(index)
            newer = self._numbered(index - 1) if index > 1 else self.path
            if newer.exists():
                os.replace(newer, older)
        if not self._retention:
            self.path.unlink()

    def _numbered(self, index: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{index}")
