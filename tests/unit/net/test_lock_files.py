"""
Lock files on a real disk.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from sipcluster.ha.iha import ILockFiles
from sipcluster.net.lock_files import LockFiles

#: Claims epoch 1, says so, and waits to be killed.
HOLDER = """
import sys
from sipcluster.net.lock_files import LockFiles
files = LockFiles(sys.argv[1])
assert files.claim(1, b"theirs")
print("held", flush=True)
sys.stdin.read()
"""


class LockFilesTests(SynchronousTestCase):
    """
    L{LockFiles}.
    """

    def setUp(self) -> None:
        self.directory = Path(self.mktemp())
        self.directory.mkdir()
        self.path = str(self.directory / "node1")
        self.ours = LockFiles(self.path)
        self.other = LockFiles(self.path)
        verifyObject(ILockFiles, self.ours)

    def test_claim(self) -> None:
        """
        A claim is made once, is held by who made it, and both can read it.
        """
        self.assertTrue(self.ours.claim(3, b"first"))
        self.addCleanup(self.ours.drop, 3)
        self.assertFalse(self.other.claim(3, b"second"))
        self.assertEqual((self.ours.mine(3), self.other.mine(3)), (True, False))
        self.assertEqual((self.ours.held(3), self.other.held(3)), (True, True))
        self.assertEqual(self.other.read(3), b"first")
        self.ours.write(3, b"later")
        self.assertEqual(self.other.read(3), b"later")
        self.assertEqual(os.listdir(self.directory), ["node1.3"])

    def test_noClaims(self) -> None:
        """
        Directories, links, and names that are no numbers are no claims.
        """
        (self.directory / "node1.7").mkdir()
        (self.directory / "node1.8").symlink_to("nowhere")
        for name in ("node1.x", "node1.-9", "node1.9.9", f"node1.{2**64}", "node2.9"):
            (self.directory / name).touch()
        self.assertEqual(self.ours.epochs(), [])
        self.assertFalse(self.ours.claim(7, b"ours"))

    def test_drop(self) -> None:
        """
        A claim that was dropped is held by nobody, and remembered.
        """
        self.ours.claim(3, b"first")
        self.ours.drop(3)
        self.ours.drop(3)
        self.assertFalse(self.ours.held(3))
        self.assertEqual(self.other.epochs(), [3])

    def test_epochs(self) -> None:
        """
        Claims are listed in order; what is no claim is left alone.
        """
        for epoch in (10, 9):
            self.ours.claim(epoch, b"x")
            self.ours.drop(epoch)
        for name in ("node1.x", "node11.3", "node1", "node1." + "9" * 30):
            (self.directory / name).write_text("")
        self.assertEqual(self.ours.epochs(), [9, 10])
        self.ours.remove(9)
        self.ours.remove(9)
        self.assertEqual(self.ours.epochs(), [10])

    def test_nothing(self) -> None:
        """
        What is not there is held by nobody and has no record.
        """
        self.assertEqual((self.ours.held(1), self.ours.read(1)), (False, None))

    def test_holderKilled(self) -> None:
        """
        A claim of a process that was killed is held by nobody from then on.
        """
        process = subprocess.Popen(
            [sys.executable, "-c", HOLDER, self.path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        with process:
            assert process.stdout is not None
            self.assertEqual(process.stdout.readline(), b"held\n")
            self.assertTrue(self.ours.held(1))
            process.kill()
        self.assertFalse(self.ours.held(1))
        self.assertEqual(self.ours.read(1), b"theirs")

    def test_noDirectory(self) -> None:
        """
        A directory that is not there is an L{OSError}, as is a disk that is full.
        """
        files = LockFiles(str(self.directory / "missing" / "node1"))
        self.assertRaises(OSError, files.epochs)
        self.assertRaises(OSError, files.claim, 1, b"x")

    def test_full(self) -> None:
        """
        A record that was not written whole is an L{OSError}, and no claim.
        """
        self.patch(os, "pwrite", lambda file, data, offset: len(data) - 1)
        self.assertRaises(OSError, self.ours.claim, 1, b"record")
        self.assertEqual(os.listdir(self.directory), [])
