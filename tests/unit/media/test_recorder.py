"""
Tests for L{sipcluster.media.recorder}.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from sipcluster.media.g711 import OTHER
from sipcluster.media.imedia import Codec, Ended, MediaError
from sipcluster.media.recorder import Recorder
from sipcluster.media.session_recordings import recordingAt
from sipcluster.media.wav import U_LAW, header

U, A = Codec.PCMU, Codec.PCMA
FRAME = bytes(range(160))


class RecorderTests(SynchronousTestCase):
    """
    Recordings.
    """

    def setUp(self) -> None:
        self.path = Path(self.mktemp()) / "deep" / "one.wav"

    def _recorder(
        self, longest: float = 60.0, silence: float | None = None, both: bool = False
    ) -> Recorder:
        return Recorder(self.path, U, None, longest, silence, both)

    def test_oneChannel(self) -> None:
        """
        What is said is in the file as it came, silence where nothing came; the file
        has its name when it is whole.
        """
        recorder = self._recorder()
        recorder.frame(FRAME, U, b"x" * 160, True)
        recorder.frame(None, U, None, False)
        self.assertFalse(self.path.exists())
        self.assertIs(recorder.end(Ended.STOPPED), Ended.STOPPED)
        self.assertEqual(
            self.path.read_bytes(), header(U_LAW, 1, 320) + FRAME + b"\xff" * 160
        )
        self.assertEqual(recorder.seconds, 0.04)
        self.assertEqual(os.listdir(self.path.parent), ["one.wav"])

    def test_underWay(self) -> None:
        """
        A file that is being written is not written over.
        """
        recorder = self._recorder()
        self.assertRaises(MediaError, self._recorder)
        recorder.end(Ended.STOPPED)
        self._recorder().end(Ended.STOPPED)

    def test_twoChannels(self) -> None:
        """
        The far end is in the left channel, what it hears in the right one.
        """
        recorder = self._recorder(both=True)
        recorder.frame(b"a" * 160, U, b"b" * 160, True)
        recorder.frame(None, U, b"b" * 160, True)
        recorder.frame(b"a" * 160, U, None, True)
        recorder.end(Ended.DONE)
        self.assertEqual(
            self.path.read_bytes(),
            header(U_LAW, 2, 480) + b"ab" * 160 + b"\xffb" * 160 + b"a\xff" * 160,
        )

    def test_otherLaw(self) -> None:
        """
        When the law changes on the way the recording keeps its own.
        """
        recorder = self._recorder(both=True)
        recorder.frame(b"a" * 160, A, b"b" * 160, True)
        recorder.end(Ended.DONE)
        other = b"ab".translate(OTHER[A])
        self.assertEqual(self.path.read_bytes(), header(U_LAW, 2, 160) + other * 160)

    def test_longest(self) -> None:
        """
        It ends after its time, and takes no more.
        """
        recorder = self._recorder(longest=0.06)
        for _ in range(5):
            recorder.frame(FRAME, U, None, True)
        self.assertIs(recorder.over, Ended.LIMIT)
        recorder.end(Ended.LIMIT)
        self.assertEqual(self.path.stat().st_size, len(header(U_LAW, 1, 0)) + 480)

    def test_silence(self) -> None:
        """
        It ends when nothing was said for as long as was asked.
        """
        recorder = self._recorder(silence=0.06)
        for loud in (False, False, True, False, False):
            recorder.frame(FRAME, U, None, loud)
        self.assertIsNone(recorder.over)
        recorder.frame(None, U, None, False)
        self.assertIs(recorder.over, Ended.SILENCE)
        recorder.end(Ended.SILENCE)

    def test_noPlace(self) -> None:
        """
        A file that cannot be made is refused.
        """
        self.path.parent.mkdir(parents=True)
        (self.path.parent / "file").write_text("")
        self.path = self.path.parent / "file" / "one.wav"
        self.assertRaises(MediaError, self._recorder)

    def test_diskFull(self) -> None:
        """
        When the disk takes no more the recording has failed, with a line in the log.
        """
        recorder = self._recorder()

        class Full:
            def seek(self, place: int) -> None:
                pass

            def write(self, data: bytes) -> None:
                raise OSError("no space")

            def close(self) -> None:
                raise OSError("no space")

        real: Any = recorder._file
        real.close()
        full: Any = Full()
        recorder._file = full
        recorder.frame(FRAME, U, None, True)
        recorder.frame(FRAME, U, None, True)
        self.assertIs(recorder.over, Ended.FAILED)
        self.assertIs(recorder.end(Ended.FAILED), Ended.FAILED)
        self.assertIs(recorder.end(Ended.DONE), Ended.FAILED)
        self.assertFalse(self.path.exists())


class NameTests(SynchronousTestCase):
    """
    L{recordingAt} finds names for recordings.
    """

    def test_underWay(self) -> None:
        """
        A name is taken as soon as somebody records under it, and stays so.
        """
        folder = Path(self.mktemp())
        names = []
        for _ in range(3):
            path = recordingAt(folder, "box/1001", lambda: "any")
            names.append(path.name)
            recorder = Recorder(path, U, None, 60.0, None, False)
        recorder.end(Ended.STOPPED)
        names.append(recordingAt(folder, "box/1001", lambda: "any").name)
        self.assertEqual(names, ["1001.wav", "1001-2.wav", "1001-3.wav", "1001-4.wav"])
