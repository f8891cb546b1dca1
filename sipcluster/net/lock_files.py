"""
The files behind a lock file, on a disk of this host.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Sequence
from tempfile import mkstemp

from zope.interface import implementer

from sipcluster.ha.iha import ILockFiles


@implementer(ILockFiles)
class LockFiles:
    """
    Claims as files C{PATH.EPOCH}, each locked by its holder while it lives.

    The directory must be on a local disk: over NFS a lock outlives its holder, or
    ends before it.
    """

    def __init__(self, path: str) -> None:
        """
        @param path: what the names of the files begin with; the directory must be
            there.
        """
        self._directory, self._name = os.path.split(os.path.abspath(path))
        self._mine: dict[int, int] = {}

    def _path(self, epoch: int) -> str:
        return os.path.join(self._directory, f"{self._name}.{epoch}")

    def epochs(self) -> Sequence[int]:
        """
        See L{ILockFiles}.
        """
        start = self._name + "."
        with os.scandir(self._directory) as entries:
            # No claim is a directory, or leads to a file elsewhere.
            found = [
                entry.name.removeprefix(start)
                for entry in entries
                if entry.name.startswith(start) and entry.is_file(follow_symlinks=False)
            ]
        return sorted(
            int(each)
            for each in found
            if each.isascii() and each.isdigit() and len(each) < 19
        )

    def claim(self, epoch: int, record: bytes) -> bool:
        """
        See L{ILockFiles}.

        The file gets its name when it is whole and locked.
        """
        file, temporary = mkstemp(prefix=f".{self._name}.", dir=self._directory)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _write(file, record)
            os.fsync(file)
            os.link(temporary, self._path(epoch))
        except FileExistsError:
            os.close(file)
            return False
        except BaseException:
            os.close(file)
            raise
        finally:
            os.unlink(temporary)
        self._mine[epoch] = file
        directory = os.open(self._directory, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
        return True

    def mine(self, epoch: int) -> bool:
        """
        See L{ILockFiles}.
        """
        return epoch in self._mine

    def write(self, epoch: int, record: bytes) -> None:
        """
        See L{ILockFiles}.
        """
        _write(self._mine[epoch], record)

    def read(self, epoch: int) -> bytes | None:
        """
        See L{ILockFiles}.
        """
        try:
            with open(self._path(epoch), "rb") as file:
                return file.read(4096)
        except FileNotFoundError:
            return None

    def held(self, epoch: int) -> bool:
        """
        See L{ILockFiles}.
        """
        try:
            file = os.open(self._path(epoch), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(file)
        return False

    def drop(self, epoch: int) -> None:
        """
        See L{ILockFiles}.
        """
        file = self._mine.pop(epoch, None)
        if file is not None:
            os.close(file)

    def remove(self, epoch: int) -> None:
        """
        See L{ILockFiles}.
        """
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._path(epoch))


def _write(file: int, record: bytes) -> None:
    written = os.pwrite(file, record, 0)
    if written != len(record):
        raise OSError(f"only {written} of {len(record)} bytes were written")
